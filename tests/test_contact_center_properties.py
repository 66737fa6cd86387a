"""What holds on any day at the desk. Whole small times, so that ties are many.

What the engine did is looked at from outside: the records of the visits, in microseconds, against
the rows that the day was made of. Nothing here asks the rules.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import tables
from simulator.contact_center import desk_kpis, simulate, with_outages
from simulator.contact_center.desk import compiled_engine, state
from simulator.contact_center.desk.simulation import contacts_of, traced
from simulator.contact_center.desk.state import NOBODY, PARTS, US
from simulator.schema import ORDINARY_PRIORITY
from tests.test_contact_center import Rows, able, arrival, bot, presence
from tests.test_engines_agree import Day, desk_days

any_day = given(desk_days())
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Stay:
    """One visit as seen from outside; times in us, and infinite for what never happened."""

    number: int
    source: dict[str, Any]
    attempt: int
    outcome: str
    agent: str | None
    team: str | None
    arrived: float
    came: float
    started: float
    ended: float
    left: float
    handled: float  # us

    @property
    def waits_until(self) -> float:
        return min(self.started, self.left)

    def rank(self, at: float) -> int:
        """Its priority just before ``at``: an overdue contact waits with the ordinary."""
        own = int(self.source["priority"])
        allowed = self.source["deadline_ms"]
        if self.attempt:
            own = max(own, ORDINARY_PRIORITY)
        if allowed is not None and self.came + allowed * US < at:
            own = min(own, ORDINARY_PRIORITY)
        return own


class Seen:
    """A day and what came of it."""

    def __init__(self, day: Day) -> None:
        plan, there, teams = day.planned()
        self.day = day
        visits = compiled_engine.visits_of(plan, 0, there)
        self.contacts = contacts_of(
            plan, 0, visits, there, teams["team"].unique(maintain_order=True).to_list()
        )
        self.present: dict[str, list[tuple[float, float, str]]] = {}
        self.most: dict[str, int] = {}
        self.gain: dict[str, float] = {}
        for row in day.roster:
            if row["starts_ms"] < row["ends_ms"]:
                who = row["agent_id"]
                stretch = (row["starts_ms"] * US, row["ends_ms"] * US, row["team"])
                self.present.setdefault(who, []).append(stretch)
                self.most[who] = row["max_chats"] or 1
                self.gain[who] = 1.0 if row["gain"] is None else row["gain"]
        names = list(dict.fromkeys(row["team"] for row in day.teams))
        words = {
            state.DONE: "answered",
            state.ABANDONED: "abandoned",
            state.TURNED_AWAY: "turned_away",
            state.DUE: "turned_away",
        }
        self.stays = [
            Stay(
                number,
                day.arrivals[one["row"]],
                int(one["attempt"]),
                words.get(int(one["state"]), "unserved"),
                None if one["agent"] == NOBODY else there.agent_ids[one["agent"]],
                None if one["team"] == NOBODY else names[one["team"]],
                int(one["arrived"]),
                int(one["arrived" if one["came"] == NOBODY else "came"]),
                *(inf if one[f] == NOBODY else int(one[f]) for f in ("started", "ended", "left")),
                int(one["handled"]) / PARTS,
            )
            for number, one in enumerate(visits)
        ]
        # Who found no opening any more never came into the queue.
        self.queued = [
            s
            for s, one in zip(self.stays, visits, strict=True)
            if one["state"] not in (state.DUE, state.TURNED_AWAY)
        ]
        self.shares_chats = any(most > 1 for most in self.most.values())

    def of(self, who: str) -> list[Stay]:
        return [s for s in self.stays if s.agent == who]

    def alone(self, stay: Stay) -> bool:
        """Whether it needs an agent who does nothing else."""
        return not (stay.source["channel"] == "chat" and self.shares_chats)

    def reach(self, stay: Stay, team: str) -> float:
        """From when on a team may take a contact."""
        waits = [
            row["after_ms"] or 0
            for row in self.day.teams
            if row["team"] == team and takes(row, stay.source)
        ]
        return stay.arrived + min(waits) * US if waits else inf

    def preference(self, stay: Stay, team: str) -> int:
        """How far down the list of preferences the team stands; its earliest route counts."""
        _, rank = min(
            (row["after_ms"] or 0, row["rank"] or 0)
            for row in self.day.teams
            if row["team"] == team and takes(row, stay.source)
        )
        return int(rank)

    def team_at(self, who: str, at: float) -> str | None:
        """The team of an agent just after ``at``; None where the agent is away."""
        here = [s for s in self.present[who] if s[0] <= at < s[1]]
        return here[-1][2] if here else None


def takes(team: dict[str, Any], contact: dict[str, Any]) -> bool:
    skill, language = contact["skill"], contact["language"]
    return (
        (not team["channels"] or contact["channel"] in team["channels"])
        and (not team["skills"] or skill is None or skill in team["skills"])
        and (
            not team["languages"]
            or language is None
            or any(language == one or language.startswith(one + "-") for one in team["languages"])
        )
    )


def opens(hours: Rows, channel: str, at: int) -> tuple[float, str]:
    """When a channel is open from ``at`` ms on, and what holds until then."""
    mine = [row for row in hours if row["channel"] == channel]
    if not mine or mine[0]["outside"] == "wait":
        return at, "wait"
    ahead = [max(at, row["opens_ms"]) for row in mine if at < row["closes_ms"]]
    return min(ahead, default=inf), mine[0]["outside"]


@any_day
@often
def test_every_visit_has_one_outcome_and_nobody_else_visits(day: Day) -> None:
    seen = Seen(day)
    due: dict[tuple[str, int], int] = {
        (row["arrival_id"], 0): row["arrives_ms"] * US for row in day.arrivals
    }
    came = {}
    for stay in seen.stays:
        source, attempt = stay.source, stay.attempt
        patience = source["patience_ms"][attempt]
        over: float = inf
        at = due[source["arrival_id"], attempt]
        came[source["arrival_id"], attempt] = at
        opening_us, outside = opens(day.hours, source["channel"], at // US)
        opening_us = at if opening_us == at // US else opening_us * US
        closed = opening_us != at and outside == "turn_away"
        comes = outside != "next_opening" or opening_us < inf
        # Also who is told to come at an opening that the day does not have.
        assert (stay.outcome == "turned_away") == (closed or not comes)
        assert stay.arrived == (opening_us if outside == "next_opening" and comes else at)
        if stay.outcome == "answered":
            assert stay.arrived <= stay.started <= stay.ended < inf
            assert patience is None or stay.started - stay.arrived <= patience * US
            assert stay.left == inf
            over = stay.ended
        elif stay.outcome == "abandoned":
            assert comes
            assert stay.left - stay.arrived == patience * US
            over = stay.left
        elif stay.outcome == "turned_away":
            over = at if closed else inf
        else:
            assert patience is None
        if stay.outcome != "answered":
            assert stay.agent is None
            assert stay.started == stay.ended == inf
        lists = min(len(source["recontacts"]), len(source["recontact_delay_ms"]))
        tries = min(day.max_attempts, len(source["patience_ms"]), lists + 1)
        habit = source["recontacts"][attempt] if attempt + 1 < tries else 0
        if over < inf and habit >= (2 if stay.outcome == "answered" else 1):
            again = int(over) + source["recontact_delay_ms"][attempt] * US
            due[source["arrival_id"], attempt + 1] = again
    assert came == due
    assert len(seen.stays) == len(due) == seen.contacts.height


@any_day
@often
def test_contacts_are_the_visits_in_whole_ms(day: Day) -> None:
    seen = Seen(day)
    by_id = {f"{s.source['arrival_id']}/{s.attempt}": s for s in seen.stays}
    for row in seen.contacts.iter_rows(named=True):
        stay = by_id.pop(row["contact_id"])
        times = (stay.arrived, stay.started, stay.ended)
        names = ("arrived_ms", "started_ms", "ended_ms")
        assert tuple(row[name] for name in names) == tuple(
            None if t == inf else t // US for t in times
        )
        assert (row["abandoned_ms"] is not None) == (row["outcome"] == "abandoned")
        assert (row["outcome"], row["team"], row["agent"]) == (
            stay.outcome,
            stay.team,
            stay.agent,
        )
        assert (row["cause"] == "recontact") == (stay.attempt > 0)
        first = min(
            (
                (r["after_ms"] or 0, r["rank"] or 0, at)
                for at, r in enumerate(day.teams)
                if takes(r, stay.source)
            ),
            default=None,
        )
        assert (row["offered_team"] is None) == (first is None)
        if row["outcome"] == "answered":
            gain = seen.gain[row["agent"]]
            saved = int((stay.source["saved_ms"] or 0) * gain)
            assert row["work_ms"] == max(0, stay.source["work_ms"] - saved)
    assert not by_id


@any_day
@often
def test_agents_start_only_while_present_what_their_team_may_take(day: Day) -> None:
    seen = Seen(day)
    for stay in seen.stays:
        if stay.agent is not None:
            assert stay.team is not None
            assert stay.started >= seen.reach(stay, stay.team)
            # The end counts: a completion comes before the end of the shift.
            assert any(
                start <= stay.started <= end and team == stay.team
                for start, end, team in seen.present[stay.agent]
            )


@any_day
@often
def test_the_work_on_each_contact_is_done_exactly(day: Day) -> None:
    """Never more chats than the agent may have, calls alone, and each gets its work."""
    seen = Seen(day)
    for who, most in seen.most.items():
        mine = seen.of(who)
        chats = [s for s in mine if not seen.alone(s)]
        edges = sorted({t for s in mine for t in (s.started, s.ended)})
        done = {s.number: 0.0 for s in chats}
        handled = {s.number: 0.0 for s in mine}
        speed_at_the_end = dict.fromkeys(done, 1000)
        for start, end in pairwise(edges):
            here = [s for s in mine if s.started <= start and s.ended >= end]
            in_hand = [s for s in here if not seen.alone(s)]
            if len(here) > len(in_hand):
                assert len(here) == 1
            assert len(in_hand) <= most
            for stay in here:
                handled[stay.number] += (end - start) / len(here)
            for stay in in_hand:
                n = len(in_hand)
                speed = round(day.chat_speed[n - 1] * 1000) // n
                done[stay.number] += (end - start) * speed
                speed_at_the_end[stay.number] = speed
        for stay in mine:
            work = stay.source["work_ms"] * US
            work = max(0, work - int((stay.source["saved_ms"] or 0) * US * seen.gain[who]))
            assert abs(stay.handled - handled[stay.number]) < 1e-6
            if seen.alone(stay):
                assert stay.ended - stay.started == work
            else:
                # A completion is rounded up to a whole microsecond, once.
                over = done[stay.number] - 1000 * work
                assert 0 <= over < speed_at_the_end[stay.number]


@any_day
@often
def test_no_agent_is_idle_while_a_contact_for_him_waits(day: Day) -> None:
    """Nor has he room for a chat that waits, but for a call that came before."""
    seen = Seen(day)
    waits = {s.number: {t: seen.reach(s, t) for t in {r["team"] for r in day.teams}}
             for s in seen.queued}  # fmt: skip
    edges = {t for s in seen.stays for t in (s.arrived, s.started, s.ended, s.left)}
    edges |= {t for many in seen.present.values() for s in many for t in s[:2]}
    edges |= {t for reach in waits.values() for t in reach.values()}
    at = sorted(t for t in edges if t < inf)

    def asked_for(team: str, when: float) -> bool:
        """Whether a contact that needs an agent alone waited for a team at ``when``."""
        return any(
            s.arrived <= when <= s.waits_until and waits[s.number][team] <= when
            for s in seen.queued
            if seen.alone(s)
        )

    for who, most in seen.most.items():
        mine = seen.of(who)
        looks = sorted([s.ended for s in mine] + [start for start, _, _ in seen.present[who]])
        for start, end in pairwise(at):
            team = seen.team_at(who, start)
            here = [s for s in mine if s.started <= start and s.ended >= end]
            if team is None or len(here) >= most or any(seen.alone(s) for s in here):
                continue
            for stay in seen.queued:
                waiting = stay.arrived <= start and stay.waits_until >= end
                if not waiting or waits[stay.number][team] > start:
                    continue
                assert here, f"{who} is idle at {start} while {stay} waits"
                if not seen.alone(stay):
                    looked = looks[bisect_right(looks, start) - 1]
                    then = seen.team_at(who, looked) or team
                    assert asked_for(then, looked), f"{who} has room for {stay}"


@any_day
@often
def test_nobody_is_passed_over(day: Day) -> None:
    seen = Seen(day)
    for taken in seen.stays:
        now = taken.started
        if taken.agent is None or taken.team is None:
            continue
        place = (taken.rank(now), taken.arrived, taken.number)
        from_the_queue = taken.arrived < now and seen.reach(taken, taken.team) < now
        chats = any(s.started < now < s.ended for s in seen.of(taken.agent))
        for other in seen.queued:
            waits = other.arrived < now and (other.waits_until > now or other.left == now)
            if not waits or seen.reach(other, taken.team) >= now:
                continue
            # A contact that comes to an agent with chats does not ask for a call in the queue.
            if not from_the_queue and chats and seen.alone(other):
                continue
            assert place < (other.rank(now), other.arrived, other.number)


@any_day
@often
def test_an_arrival_goes_to_the_most_preferred_team_with_somebody_idle(day: Day) -> None:
    seen = Seen(day)
    for taken in seen.stays:
        now = taken.started
        if now == inf or taken.arrived != now or taken.team is None:
            continue
        chosen = seen.preference(taken, taken.team)
        for who in seen.most:
            team = seen.team_at(who, now)
            # Present before, at, and after this instant, with nothing in hand all the while.
            idle = all(s.ended < now or s.started > now for s in seen.of(who)) and any(
                start < now for start, end, _ in seen.present[who] if now < end
            )
            if team and idle and seen.reach(taken, team) <= now:
                assert chosen <= seen.preference(taken, team)


@any_day
@often
def test_littles_law_holds_exactly(day: Day) -> None:
    """The area under the queue of the trace is the sum of the waits in the log, to the us."""
    _, trace = traced(
        tables.build("arrivals", day.arrivals),
        tables.build("roster", day.roster),
        tables.build("teams", day.teams),
        hours=tables.build("hours", day.hours),
        chat_speed=day.chat_speed,
        max_attempts=day.max_attempts,
    )
    at, waiting = trace["at_us"].to_list(), trace["n_waiting"].to_list()
    area = sum(n * (b - a) for n, (a, b) in zip(waiting, pairwise(at), strict=False))
    waits = [min(s.waits_until, at[-1]) - s.arrived for s in Seen(day).queued]
    assert area == sum(waits)


@given(desk_days(), desk_days(), st.integers(1, 10**9))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_replications_and_the_hour_of_the_clock_make_no_difference(
    one: Day, two: Day, later: int
) -> None:
    alone = Seen(one).contacts
    times = ("arrives_ms", "starts_ms", "ends_ms", "opens_ms", "closes_ms")

    def moved(rows: Rows) -> Rows:
        return [
            {name: value + later if name in times else value for name, value in row.items()}
            | {"replication": 7}
            for row in rows
        ]

    others = [row for row in two.roster if row["team"] in {team["team"] for team in one.teams}]
    together = simulate(
        tables.build("arrivals", [*moved(one.arrivals), *two.arrivals]),
        tables.build("roster", [*moved(one.roster), *others]),
        tables.build("teams", one.teams),
        hours=tables.build("hours", [*moved(one.hours), *two.hours]),
        chat_speed=one.chat_speed,
        max_attempts=one.max_attempts,
    )
    when = pl.col("arrived_ms", "started_ms", "ended_ms", "abandoned_ms")
    back = together.filter(pl.col("replication") == 7).with_columns(when - later, replication=0)
    assert back.select(alone.columns).equals(alone.with_columns(replication=0))


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 20)), min_size=1, max_size=40),
)
@settings(max_examples=100, deadline=None)
def test_kiefer_wolfowitz(n_agents: int, customers: list[tuple[int, int]]) -> None:
    """First come first served, any gaps and any work: the recursion gives every wait exactly."""
    at, arrivals, free, starts = 0, [], [0] * n_agents, []
    for i, (gap, work) in enumerate(customers):
        at += gap
        arrivals.append(arrival(f"a{i}", at, work))
        starts.append(max(at, heapq.heappop(free)))
        heapq.heappush(free, starts[-1] + work)
    roster = [presence(f"x{i}", 0, 10_000, "any") for i in range(n_agents)]
    contacts = simulate(
        tables.build("arrivals", arrivals),
        tables.build("roster", roster),
        tables.build("teams", [able("any")]),
    )
    assert contacts["started_ms"].to_list() == starts


@st.composite
def bots(draw: st.DrawFn) -> tuple[Rows, list[tuple[int, int]]]:
    turn = st.lists(st.integers(0, 9), min_size=1, max_size=4)
    rows = []
    for i in range(draw(st.integers(1, 6))):
        row = bot(f"a{i}", draw(st.integers(0, 60)))
        turns = draw(turn)
        row |= {"bot_turn_ms": turns, "work_if_down_ms": [1000 + k for k in range(len(turns) + 1)]}
        row["bot_quits_at"] = draw(st.none() | st.integers(0, 3))
        rows.append(row)
    starts = st.integers(0, 70)
    gaps = draw(st.lists(st.tuples(starts, st.integers(1, 20)), max_size=3))
    return rows, [(s, s + d) for s, d in gaps]


@given(bots())
@settings(max_examples=100, deadline=None)
def test_an_outage_hits_exactly_the_stages_that_overlap_it(
    case: tuple[Rows, list[tuple[int, int]]],
) -> None:
    rows, outages = case
    arrivals = tables.build("arrivals", rows)
    moved = with_outages(arrivals, outages)
    for before, after in zip(arrivals.to_dicts(), moved.to_dicts(), strict=True):
        starts, turns = before["bot_start_ms"], before["bot_turn_ms"]
        ends = starts + sum(turns)
        hits = [(starts, 0) for s, e in outages if s <= starts < e]
        for s, _ in outages:
            if starts < s < ends:
                hits.append((s, sum(starts + sum(turns[: k + 1]) <= s for k in range(len(turns)))))
        at, k = min(hits, default=(None, 0))
        gone = before["bot_quits_at"] is not None and k > before["bot_quits_at"]
        if at is None or gone:
            assert after == before
        else:
            changed = {
                "cause": "outage",
                "arrives_ms": at,
                "work_ms": 1000 + k,
                "priority": 0 if k else 1,
            }
            assert after == {**before, **changed}


@any_day
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_indicators_account_for_every_visit(day: Day) -> None:
    contacts = Seen(day).contacts
    intents = [
        {"conversation_id": f"of {row['arrival_id']}", "channel": "chat", "intent": row["skill"]}
        for row in day.arrivals
    ]
    kpis = desk_kpis(
        contacts,
        tables.build("roster", day.roster),
        tables.build("conversations", intents),
        ["intent"],
        0.005,
        [0],
    )
    value = {(r["segment"], r["metric"]): r["estimate"] for r in kpis.iter_rows(named=True)}
    offered = value["all", "offered_per_day"]
    assert offered == contacts.height
    assert offered == sum(
        v for (name, metric), v in value.items() if metric == "offered_per_day" and name != "all"
    )
    n = dict(contacts["outcome"].value_counts().rows())
    assert offered == sum(n.values())
    assert value["all", "turned_away_per_day"] == n.get("turned_away", 0)
    live = contacts.filter(pl.col("channel") != "email")
    assert value["all", "unserved_per_day"] == live.filter(outcome="unserved").height
    rate = value["all", "abandonment_rate"]
    assert rate is None or 0 <= rate <= 1
    assert value["all", "occupancy"] is None or 0 <= value["all", "occupancy"] <= 1
