"""The two engines give the same, to the microsecond, on days with everything at once.

Whole seconds, so that ties are many.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center import simulate
from simulator.contact_center.desk import compiled_engine, simpy_engine, state
from simulator.contact_center.desk.plan import NOBODY_THERE, Plan, Presence, plan_of, presence_of
from simulator.contact_center.desk.simulation import days
from simulator.contact_center.desk.state import NOBODY
from simulator.schema import EMAIL_PRIORITY, ORDINARY_PRIORITY
from tests.test_contact_center import Rows, able, arrival, opening, presence

TEAMS = ("north", "south", "west")
CHANNELS = ("chat", "chat", "chat", "voice", "email")
PRIORITIES = (0, 2, ORDINARY_PRIORITY, ORDINARY_PRIORITY, EMAIL_PRIORITY)
# The second is a whole speed for each chat, so that chats too end on whole seconds.
SPEEDS = ((1.0, 1.7, 2.3, 2.8), (1.0, 2.0, 3.0, 4.0), (1.0, 1.0, 1.5, 2.0))
MS = 1000


class Day(NamedTuple):
    arrivals: Rows
    roster: Rows
    teams: Rows
    hours: Rows
    chat_speed: tuple[float, ...]
    max_attempts: int
    queue_limit: dict[str, int]

    def planned(self) -> tuple[Plan, Presence, pl.DataFrame]:
        """What the engines are given, and the teams."""
        teams = tables.build("teams", self.teams)
        plan = plan_of(
            tables.build("arrivals", self.arrivals),
            teams,
            hours=tables.build("hours", self.hours),
            chat_speed=self.chat_speed,
            max_attempts=self.max_attempts,
            queue_limit=self.queue_limit,
        )
        there = presence_of(tables.build("roster", self.roster), teams)
        return plan, there.get(0, NOBODY_THERE), teams


def seconds(most: int, least: int = 0) -> st.SearchStrategy[int]:
    return st.integers(least, most).map(lambda s: s * MS)


def sometimes(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


_LENGTH = st.sampled_from([0, 2, 3, 5, 8, 10, 12, 15, 20, 30]).map(lambda s: s * MS)
_CONTACT = st.fixed_dictionaries(
    {
        "arrives_ms": seconds(15),
        "work_ms": seconds(9),
        "saved_ms": sometimes(seconds(3)),
        "deadline_ms": sometimes(seconds(6)),
        "channel": st.sampled_from(CHANNELS),
        "language": st.sampled_from([None, "en", "zh-Hant"]),
        "skill": st.sampled_from([None, "billing", "care"]),
        "priority": st.sampled_from(PRIORITIES),
        "patience_ms": st.lists(sometimes(seconds(12)), min_size=1, max_size=3),
        "recontacts": st.lists(st.integers(0, 2), min_size=2, max_size=3),
        "recontact_delay_ms": st.lists(seconds(5), min_size=2, max_size=3),
    }
)
_ROUTE = st.fixed_dictionaries(
    {
        "skills": st.sampled_from([[], [], [], ["billing"], ["care"], ["billing", "care"]]),
        "languages": st.sampled_from([[], [], [], ["zh"], ["en"]]),
        "channels": st.sampled_from([[], [], [], ["chat"], ["chat", "voice"], ["email", "voice"]]),
        "rank": sometimes(st.integers(0, 2)),
        "after_ms": sometimes(seconds(4)),
    }
)


@st.composite
def _roster(draw: st.DrawFn, names: tuple[str, ...]) -> Rows:
    """Agents with breaks and changes of team; their stretches may touch, overlap, or be empty."""
    rows = []
    for i in range(draw(st.integers(1, 4))):
        skill = {
            "max_chats": draw(st.sampled_from([None, 1, 2, 3, 4, 4])),
            "gain": draw(st.sampled_from([None, 0.0, 0.5, 1.25])),
        }
        team, starts, until = None, 0, 0
        for gap, length, next_team in draw(
            st.lists(
                st.tuples(st.integers(-2, 4), _LENGTH, st.sampled_from(names)),
                min_size=1,
                max_size=3,
            )
        ):
            # An agent is in one team at a time: only stretches of one team overlap.
            overlap = gap < 0 and team == next_team
            starts = max(starts, until + gap * MS) if overlap else until + max(0, gap) * MS
            team, ends = next_team, starts + length
            until = max(until, ends)
            rows.append(presence(f"x{i}", starts, ends, team, **skill))
    return rows


@st.composite
def _hours(draw: st.DrawFn) -> Rows:
    rows = []
    for channel in ("chat", "email", "voice"):
        outside = draw(st.sampled_from(["wait", "turn_away", "next_opening"]))
        at = 0
        if draw(st.integers(0, 2)):
            continue  # always open
        for gap, length in draw(
            st.lists(st.tuples(seconds(4), seconds(12, 1)), min_size=1, max_size=3)
        ):
            rows.append(opening(channel, at + gap, at + gap + length, outside))
            at += gap + length
    return rows


_LIMITS = st.dictionaries(st.sampled_from(["chat", "voice"]), st.integers(0, 3), max_size=2)


@st.composite
def desk_days(draw: st.DrawFn, limited: bool = False) -> Day:
    """A day at the desk with every feature, in whole seconds; ``limited``: queues that fill up."""
    names = TEAMS[: draw(st.integers(1, 3))]
    routes = draw(st.lists(st.tuples(st.sampled_from(names), _ROUTE), max_size=3))
    # One route at least for each team, so that it is known.
    routes += [(name, draw(_ROUTE)) for name in names]
    contacts = draw(st.lists(_CONTACT, min_size=8, max_size=20))
    return Day(
        arrivals=[
            arrival(f"a{i}", one["arrives_ms"], one["work_ms"]) | one
            for i, one in enumerate(contacts)
        ],
        roster=draw(_roster(names)),
        teams=[able(name, **route) for name, route in routes],
        hours=draw(_hours()),
        chat_speed=draw(st.sampled_from(SPEEDS)),
        max_attempts=draw(st.integers(1, 3)),
        queue_limit=draw(_LIMITS) if limited else {},
    )


def agreed(plan: Plan, there: Presence, teams: pl.DataFrame) -> NDArray[Any]:
    """Both engines on one day: their contacts and their records are equal. Gives the records."""
    (compiled,) = days(plan, {0: there}, teams, "compiled")
    (simpy,) = days(plan, {0: there}, teams, "simpy")
    assert compiled.equals(simpy)
    visits = compiled_engine.visits_of(plan, 0, there)
    again = simpy_engine.visits_of(plan, 0, there)
    for field in state.LOGGED:
        assert np.array_equal(visits[field], again[field])
    return visits


KINDS = {
    state.COMPLETION: "completion",
    state.PRESENCE_BEGINS: "begins",
    state.PRESENCE_ENDS: "ends",
    state.ARRIVAL: "arrival",
    state.MILESTONE: "milestone",
    state.PATIENCE_ENDS: "patience",
}


def ties(plan: Plan, there: Presence) -> Counter[str]:
    """Pairs of events at one instant that did something, by kinds."""
    happened: list[simpy_engine.Happening] = []
    visits = simpy_engine.visits_of(plan, 0, there, happened)
    at: dict[int, list[str]] = {}
    for one in happened:
        of_agent = one.kind in (state.PRESENCE_BEGINS, state.PRESENCE_ENDS)
        visit = visits[0 if of_agent else one.subject]
        waited_until = max(visit["started"], visit["left"])
        if (
            of_agent
            or one.kind == state.ARRIVAL
            or (one.kind == state.COMPLETION and visit["ended"] == one.at)
            or (one.kind == state.MILESTONE and not NOBODY < waited_until < one.at)
            or (one.kind == state.PATIENCE_ENDS and visit["left"] == one.at)
        ):
            at.setdefault(one.at, []).append(KINDS[one.kind])
    return Counter(
        " and ".join(sorted(pair)) for kinds in at.values() for pair in combinations(kinds, 2)
    )


def features(day: Day, plan: Plan, there: Presence, visits: NDArray[Any]) -> Counter[str]:
    """How often each feature made a difference to a contact of the day."""
    found: Counter[str] = Counter()
    spans: dict[int, list[tuple[int, int]]] = {}
    closing = {one["channel"] for one in day.hours if one["outside"] == "turn_away"}
    for one in visits:
        row = day.arrivals[one["row"]]
        done = one["state"] == state.DONE
        first_tier = plan.customers["entry"][one["row"]]
        found["answered"] += done
        found["answered after a wait"] += done and one["started"] > one["arrived"]
        found["abandoned"] += one["state"] == state.ABANDONED
        turned_away = one["state"] == state.TURNED_AWAY
        found["turned away"] += turned_away
        found["no room to wait"] += turned_away and row["channel"] not in closing
        found["unserved"] += one["state"] == state.WAITING
        found["no opening any more"] += one["state"] == state.DUE
        found["recontact"] += one["attempt"] > 0
        found["at the next opening"] += one["attempt"] == 0 and (
            one["arrived"] > row["arrives_ms"] * state.US
        )
        found["overflow"] += done and one["tier"] > first_tier
        found["overflow while waiting on"] += (
            one["tier"] > first_tier and one["started"] > one["arrived"] + 4_000_000
        )
        begins_at = plan.customers["rank_again" if one["attempt"] else "rank"][one["row"]]
        found["overdue"] += one["rank"] != begins_at
        found["urgent"] += done and row["priority"] < ORDINARY_PRIORITY
        found["without work"] += done and one["started"] == one["ended"]
        if not done:
            continue
        who = one["agent"]
        gain = there.gain[who]
        found["saved by gain"] += bool(row["saved_ms"]) and gain not in (0, 1000)
        found["past the end of a stretch"] += not any(
            a == who and s <= one["started"] and one["ended"] <= e
            for a, s, e in zip(there.agent, there.starts, there.ends, strict=True)
        )
        found["an agent of two teams"] += len(set(there.team[there.agent == who])) > 1
        found["not the first preference"] += plan.routing.offered_team[one["row"]] != one["team"]
        if row["channel"] == "chat" and there.max_chats[who] > 1:
            spans.setdefault(who, []).append((one["started"], one["ended"]))
        elif there.max_chats[who] > 1:
            found["alone with one who may chat"] += 1
    for many in spans.values():
        for started, ended in many:
            together = sum(s <= started < e for s, e in many)
            if ended > started:
                found[f"{together} chats"] += 1
            found["a chat past whole seconds"] += ended % 1_000_000 > 0
    return found


@given(desk_days(limited=True))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_engines_agree_on_any_day(day: Day) -> None:
    plan, there, teams = day.planned()
    for name, n in features(day, plan, there, agreed(plan, there, teams)).items():
        if n:
            event(name)


def test_those_days_have_every_feature_and_every_tie_many_times() -> None:
    """The same strategy without chance: what it makes is what the engines are compared on."""
    found: Counter[str] = Counter()
    tied: Counter[str] = Counter()

    def count(day: Day) -> None:
        plan, there, _ = day.planned()
        found.update(features(day, plan, there, compiled_engine.visits_of(plan, 0, there)))
        tied.update(ties(plan, there))

    without_chance = settings(
        max_examples=150,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    for limited in (False, True):
        without_chance(given(desk_days(limited=limited))(count))()
    rare = {name: found[name] for name in {*found, "3 chats", "4 chats"} if found[name] < 10}
    assert not rare
    kinds = sorted(KINDS.values())
    pairs = [*combinations(kinds, 2), *((kind, kind) for kind in kinds)]
    rare = {pair: tied[" and ".join(pair)] for pair in pairs if tied[" and ".join(pair)] < 10}
    assert not rare


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_engines_agree_on_a_crowded_day(seed: int) -> None:
    """Hundreds of events ahead at a time: more than the compiled heap has room for at first."""
    draw = np.random.default_rng(seed)

    def some(values: list[Any]) -> Any:
        return values[draw.integers(len(values))]

    def whole(most: int) -> int:
        return int(draw.integers(most + 1)) * MS

    arrivals = [
        arrival(
            f"a{i}",
            whole(60),
            whole(30),
            channel=some(["chat", "voice", "email"]),
            language=some([None, "en", "zh-Hant"]),
            skill=some([None, "billing", "care"]),
            priority=some(list(PRIORITIES)),
            saved_ms=some([None, whole(10)]),
            deadline_ms=some([None, whole(60)]),
            patience_ms=[some([None, whole(300)]) for _ in range(3)],
            recontacts=[int(draw.integers(3)) for _ in range(3)],
            recontact_delay_ms=[whole(60) for _ in range(3)],
        )
        for i in range(600)
    ]
    roster = [
        presence(f"x{i}", start, start + whole(120), some(list(TEAMS)),
                 max_chats=i % 5 or None, gain=some([None, 0.5, 1.25]))
        for i in range(25)
        for start in (whole(60), 200_000 + whole(60))
    ]  # fmt: skip
    teams = [
        able("north", skills=["billing"]),
        able("south", skills=["care"], languages=["zh"]),
        able("west", channels=["chat"]),
        able("west", after_ms=20_000, rank=1),
        able("north", after_ms=40_000, rank=2),
        able("south", after_ms=60_000),
    ]
    hours = [
        opening("voice", 10_000, 50_000, "turn_away"),
        opening("chat", 10_000, 40_000, "next_opening"),
        opening("chat", 90_000, 140_000, "next_opening"),
        opening("email", 0, 30_000, "wait"),
    ]
    agreed(*Day(arrivals, roster, teams, hours, SPEEDS[0], 3, {"voice": 40}).planned())


def test_engines_agree_on_several_replications() -> None:
    arrivals = [
        arrival(f"a{i}", i * MS // 2, 3 * MS, replication=i % 4, patience_ms=[i * 100])
        for i in range(40)
    ]
    # Replication 3 has nobody; 9 has an agent and no contacts.
    roster = [presence("x", 0, 9 * MS, replication=r, max_chats=1 + r % 4) for r in (0, 1, 2, 9)]
    both = [
        simulate(
            tables.build("arrivals", arrivals),
            tables.build("roster", roster),
            tables.build("teams", [able()]),
            engine=engine,
        )
        for engine in ("compiled", "simpy")
    ]
    assert both[0].equals(both[1])
    assert both[0]["replication"].unique(maintain_order=True).to_list() == [0, 1, 2, 3]
    assert set(both[0]["outcome"]) == {"answered", "abandoned"}
