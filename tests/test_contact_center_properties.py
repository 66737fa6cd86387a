"""What holds on any day at the desk. Whole small times, so that ties are many."""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import tables
from simulator.contact_center import desk_kpis, simulate, with_outages
from simulator.contact_center.plan import plan_of
from simulator.contact_center.simpy_engine import Replication
from tests.test_contact_center import able, arrival, bot, presence

Rows = list[dict[str, Any]]
SKILLS = ("billing", "care")
TEAMS = [able("billing", skills=["billing"]), able("care", skills=["care"]), able("any")]
MAX_ATTEMPTS = 2
HORIZON = 150


@st.composite
def days(draw: st.DrawFn) -> tuple[Rows, Rows]:
    """Arrivals and a roster of one day; agents may have a break and may change team after it."""
    short = st.integers(0, 12)
    arrivals = [
        arrival(
            f"a{i}",
            draw(st.integers(0, 40)),
            draw(short),
            priority=draw(st.integers(0, 2)),
            skill=draw(st.sampled_from([*SKILLS, None])),
            patience_ms=draw(st.lists(st.none() | short, min_size=1, max_size=3)),
            recontacts=draw(st.lists(st.integers(0, 2), max_size=3)),
            recontact_delay_ms=draw(st.lists(short, max_size=3)),
        )
        for i in range(draw(st.integers(1, 14)))
    ]
    roster = []
    for i in range(draw(st.integers(0, 4))):
        at = 0
        for _ in range(draw(st.integers(1, 2))):
            starts = at + draw(short)
            at = starts + draw(st.integers(0, 25))
            team = draw(st.sampled_from(["billing", "care", "any"]))
            roster.append(presence(f"x{i}", starts, at, team))
    return arrivals, roster


def simulated(arrivals: Rows, roster: Rows, teams: Rows = TEAMS) -> pl.DataFrame:
    contacts = simulate(
        tables.build("arrivals", arrivals),
        tables.build("roster", roster),
        tables.build("teams", teams),
        max_attempts=MAX_ATTEMPTS,
    )
    return tables.check("contacts", contacts)


def may_take(team: str, skill: str | None) -> bool:
    return team == "any" or skill is None or team == skill


def whole(contacts: pl.DataFrame, arrivals: Rows) -> Rows:
    """The log as rows, with the skill, the priority and the end of the wait of each visit."""
    by_name = {row["arrival_id"]: row for row in arrivals}
    rows = contacts.to_dicts()
    for row in rows:
        source = by_name[row["contact_id"].split("/")[0]]
        row["arrival"] = source
        row["skill"] = source["skill"]
        row["priority"] = max(source["priority"], 2) if row["attempt"] else source["priority"]
        ends = [t for t in (row["started_ms"], row["abandoned_ms"]) if t is not None]
        row["waits_until"] = ends[0] if ends else HORIZON
    return rows


@given(days())
@settings(max_examples=100, deadline=None)
def test_every_visit_is_answered_abandoned_or_unserved_and_nobody_else_visits(
    day: tuple[Rows, Rows],
) -> None:
    arrivals, roster = day
    rows = whole(simulated(arrivals, roster), arrivals)
    seen = {row["contact_id"]: row for row in rows}
    due = {f"{row['arrival_id']}/0": row["arrives_ms"] for row in arrivals}
    for row in rows:
        source, attempt = row["arrival"], row["attempt"]
        answered, abandoned = row["started_ms"] is not None, row["abandoned_ms"] is not None
        assert answered + abandoned <= 1
        assert answered == (row["agent"] is not None) == (row["ended_ms"] is not None)
        patience = source["patience_ms"][attempt]
        if answered:
            assert row["ended_ms"] - row["started_ms"] == row["work_ms"] == source["work_ms"]
            wait = row["started_ms"] - row["arrived_ms"]
            assert wait >= 0
            assert patience is None or wait <= patience
        elif abandoned:
            assert row["abandoned_ms"] - row["arrived_ms"] == patience
        else:
            assert patience is None
        lists = min(len(source["recontacts"]), len(source["recontact_delay_ms"]))
        more = attempt + 1 < min(MAX_ATTEMPTS, len(source["patience_ms"])) and attempt < lists
        habit = source["recontacts"][attempt] if more else 0
        if more and ((answered and habit == 2) or (abandoned and habit >= 1)):
            over = row["ended_ms"] if answered else row["abandoned_ms"]
            again = f"{source['arrival_id']}/{attempt + 1}"
            due[again] = over + source["recontact_delay_ms"][attempt]
    assert {name: row["arrived_ms"] for name, row in seen.items()} == due


@given(days())
@settings(max_examples=100, deadline=None)
def test_agents_work_one_contact_at_a_time_and_start_only_while_present(
    day: tuple[Rows, Rows],
) -> None:
    arrivals, roster = day
    rows = [r for r in whole(simulated(arrivals, roster), arrivals) if r["started_ms"] is not None]
    for agent in {row["agent"] for row in rows}:
        spans = sorted((r["started_ms"], r["ended_ms"]) for r in rows if r["agent"] == agent)
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
    for row in rows:
        assert may_take(row["team"], row["skill"])
        # The end counts: a completion comes before the end of the shift.
        assert any(
            (s["agent_id"], s["team"]) == (row["agent"], row["team"])
            and s["starts_ms"] <= row["started_ms"] <= s["ends_ms"]
            for s in roster
        )


@given(days())
@settings(max_examples=100, deadline=None)
def test_no_agent_is_idle_while_a_contact_for_him_waits(day: tuple[Rows, Rows]) -> None:
    arrivals, roster = day
    rows = whole(simulated(arrivals, roster), arrivals)
    busy = {
        (r["agent"], t)
        for r in rows
        if r["started_ms"] is not None
        for t in range(r["started_ms"], r["ended_ms"])
    }
    for stretch in roster:
        # Between whole instants nothing happens, so each open unit of time stands for itself.
        for t in range(stretch["starts_ms"], stretch["ends_ms"]):
            if (stretch["agent_id"], t) not in busy:
                assert not [
                    r
                    for r in rows
                    if r["arrived_ms"] <= t < r["waits_until"]
                    and may_take(stretch["team"], r["skill"])
                ]


@given(days())
@settings(max_examples=100, deadline=None)
def test_nobody_is_passed_over(day: tuple[Rows, Rows]) -> None:
    arrivals, roster = day
    rows = whole(simulated(arrivals, roster), arrivals)
    for taken in rows:
        at = taken["started_ms"]
        if at is None:
            continue
        rank = (taken["priority"], taken["arrived_ms"])
        for other in rows:
            waits = other["arrived_ms"] < at and (
                other["waits_until"] > at or other["abandoned_ms"] == at
            )
            if waits and may_take(taken["team"], other["skill"]):
                assert rank <= (other["priority"], other["arrived_ms"])


@given(days())
@settings(max_examples=60, deadline=None)
def test_littles_law_holds_exactly(day: tuple[Rows, Rows]) -> None:
    arrivals = [{**row, "patience_ms": [p or 0 for p in row["patience_ms"]]} for row in day[0]]
    table, teams = tables.build("arrivals", arrivals), tables.build("teams", TEAMS)
    roster = tables.build("roster", [s for s in day[1] if s["starts_ms"] < s["ends_ms"]])
    names = teams["team"].to_list()
    replication = Replication(plan_of(table, teams), roster, names, 0, len(arrivals), 2)
    env, desk = replication.env, replication.desk
    queue_area = busy_area = 0
    while env.peek() < float("inf"):
        now = env.now
        waiting = desk.n_waiting
        busy = sum(agent.serving >= 0 for agent in desk.agents)
        env.step()
        queue_area += waiting * (env.now - now)
        busy_area += busy * (env.now - now)
    contacts = simulated(arrivals, day[1])
    waited = contacts.select(
        (pl.coalesce("started_ms", "abandoned_ms") - pl.col("arrived_ms")).sum()
    ).item()
    worked = contacts.select((pl.col("ended_ms") - pl.col("started_ms")).sum()).item()
    assert (queue_area, busy_area) == (waited, worked)


@given(days(), days(), st.integers(1, 10**9))
@settings(max_examples=40, deadline=None)
def test_replications_and_the_hour_of_the_clock_make_no_difference(
    one: tuple[Rows, Rows], two: tuple[Rows, Rows], later: int
) -> None:
    alone = simulated(*one)
    moved = [{**r, "replication": 7, "arrives_ms": r["arrives_ms"] + later} for r in one[0]]
    shifted = [
        presence(s["agent_id"], s["starts_ms"] + later, s["ends_ms"] + later, s["team"])
        | {"replication": 7}
        for s in one[1]
    ]
    together = simulated([*moved, *two[0]], [*shifted, *two[1]])
    times = pl.col("arrived_ms", "started_ms", "ended_ms", "abandoned_ms")
    back = together.filter(pl.col("replication") == 7).with_columns(times - later, replication=0)
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
    assert simulated(arrivals, roster)["started_ms"].to_list() == starts


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


@given(days())
@settings(max_examples=50, deadline=None)
def test_indicators_account_for_every_visit(day: tuple[Rows, Rows]) -> None:
    arrivals, roster = day
    contacts = simulated(arrivals, roster)
    intents = [
        {"conversation_id": f"of {row['arrival_id']}", "channel": "chat", "intent": row["skill"]}
        for row in arrivals
    ]
    kpis = desk_kpis(
        contacts,
        tables.build("roster", roster),
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
    answered = contacts["started_ms"].is_not_null().sum()
    unserved = value["all", "unserved_per_day"]
    abandoned = offered * value["all", "abandonment_rate"]
    assert abs(answered + abandoned + unserved - offered) < 1e-9
    assert value["all", "occupancy"] is None or 0 <= value["all", "occupancy"] <= 1
