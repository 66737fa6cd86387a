"""Who is at the desk when: rosters over several days, breaks, absences, tenure, sizing."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulator import tables
from simulator.contact_center import erlang_a
from simulator.contact_center.desk.checks import check_roster
from simulator.contact_center.roster.schedule import (
    DAY_MS,
    Horizon,
    horizon_of,
    roster_from_schedule,
    roster_from_shifts,
    teams_of_schedule,
    teams_table,
    with_abilities,
)
from simulator.contact_center.roster.sizing import TEAM, presence, sized_roster
from simulator.errors import ScenarioError
from simulator.scenario import WEEK, Assist, ContactCenter, Demand, Overflow, Shift, Team
from simulator.streams import Streams

HOUR = 3_600_000
MINUTE = 60_000
TAIPEI = ZoneInfo("Asia/Taipei")
ONE_DAY = horizon_of(Demand())
A_WEEK = horizon_of(Demand(day="week"))


def stretch(
    agent: str, starts: datetime, ends: datetime, team: str = "desk", **more: Any
) -> dict[str, Any]:
    return {"agent_id": agent, "team": team, "starts_at": starts, "ends_at": ends, **more}


def utc(day: int, hour: int) -> datetime:
    return datetime(2025, 3, day, tzinfo=UTC) + timedelta(hours=hour)


def planned(
    *teams: Team,
    horizon: Horizon = ONE_DAY,
    n: int = 1,
    staffing: float = 1.0,
    absence: float = 0.0,
    seed: int = 1,
) -> pl.DataFrame:
    return roster_from_shifts(teams, horizon, n, staffing, absence, Streams(seed))


def stretches(roster: pl.DataFrame) -> list[tuple[Any, ...]]:
    return roster.select("replication", "agent_id", "team", "starts_ms", "ends_ms").rows()


def team(*shifts: Shift, name: str = "care", **more: Any) -> Team:
    return Team(name=name, shifts=shifts, **more)


# Schedules: exact.


def test_schedule_by_local_day() -> None:
    schedule = tables.build(
        "schedule",
        [
            # 09:00 to 17:00 in Taipei on 3 March, 22:00 to 06:00 over that midnight, and the 4th.
            stretch("day", utc(3, 1), utc(3, 9)),
            stretch("owl", utc(3, 14), utc(3, 22), tenure_months=7.5),
            stretch("new", utc(4, 1), utc(4, 9), "b"),
        ],
    )
    days = [[date(2025, 3, 4)], [date(2025, 3, 3)], [date(2025, 3, 9)]]
    roster = roster_from_schedule(schedule, days, TAIPEI, 1.0)
    assert stretches(roster) == [
        (0, "owl", "desk", 0, 6 * HOUR),
        (0, "new", "b", 9 * HOUR, 17 * HOUR),
        (1, "day", "desk", 9 * HOUR, 17 * HOUR),
        (1, "owl", "desk", 22 * HOUR, 30 * HOUR),
    ]
    assert roster["tenure_months"].to_list() == [7.5, None, None, 7.5]
    routes = teams_of_schedule(schedule).select("team", "skills", "languages", "channels")
    assert routes.rows() == [("b", [], [], []), ("desk", [], [], [])]


NIGHTS = tables.build(
    "schedule",
    [stretch(f"owl {day}", utc(day, 22), utc(day, 30)) for day in (3, 4, 5)]
    + [stretch("early", utc(4, 8), utc(4, 12))],
)


def test_a_night_between_days_of_the_calendar_is_one_stretch() -> None:
    days = [[date(2025, 3, 3), date(2025, 3, 4), date(2025, 3, 5)]]
    roster = roster_from_schedule(NIGHTS, days, ZoneInfo("UTC"), 1.0, warm_up_days=1)
    assert stretches(roster) == [
        (0, "owl 3", "desk", -2 * HOUR, 6 * HOUR),
        (0, "early", "desk", 8 * HOUR, 12 * HOUR),
        (0, "owl 4", "desk", 22 * HOUR, 30 * HOUR),
        (0, "owl 5", "desk", 46 * HOUR, 54 * HOUR),
    ]


def test_a_night_between_other_days_is_cut_at_midnight() -> None:
    days = [[date(2025, 3, 5), date(2025, 3, 4), date(2025, 3, 4)]]
    roster = roster_from_schedule(NIGHTS, days, ZoneInfo("UTC"), 1.0)
    assert stretches(roster) == [
        (0, "owl 4", "desk", 0, 6 * HOUR),
        (0, "owl 5", "desk", 22 * HOUR, 24 * HOUR),
        (0, "owl 3", "desk", 24 * HOUR, 30 * HOUR),
        (0, "early", "desk", 32 * HOUR, 36 * HOUR),
        (0, "owl 4", "desk", 46 * HOUR, 48 * HOUR),
        (0, "owl 3", "desk", 48 * HOUR, 54 * HOUR),
        (0, "early", "desk", 56 * HOUR, 60 * HOUR),
        (0, "owl 4", "desk", 70 * HOUR, 78 * HOUR),
    ]


def test_a_stretch_of_days_is_cut_where_its_run_of_days_ends() -> None:
    schedule = tables.build("schedule", [stretch("x", utc(3, 6), utc(6, 6))])
    days = [[date(2025, 3, day) for day in (3, 4, 3)]]
    roster = roster_from_schedule(schedule, days, ZoneInfo("UTC"), 1.0)
    assert [row[3:] for row in stretches(roster)] == [
        (6 * HOUR, 48 * HOUR),
        (54 * HOUR, 126 * HOUR),
    ]


# Shifts: exact.


def test_one_agent_has_a_break_in_the_middle() -> None:
    roster = planned(
        team(Shift(agents=1, starts=time(9), ends=time(17), break_min=60)), Team(name="later"), n=2
    )
    one = [("care-1", "care", 9 * HOUR, 12.5 * HOUR), ("care-1", "care", 13.5 * HOUR, 17 * HOUR)]
    assert stretches(roster) == [(0, *row) for row in one] + [(1, *row) for row in one]


def test_breaks_come_one_after_another_from_the_first_quarter_to_the_last() -> None:
    roster = planned(team(Shift(agents=4, starts=time(9), ends=time(17), break_min=60)))
    first = roster.filter(starts_ms=9 * HOUR).sort("agent_id")
    assert first["ends_ms"].to_list() == [11 * HOUR, 12 * HOUR, 13 * HOUR, 14 * HOUR]
    assert roster.height == 8
    # At another staffing too: those who are there are spread, not those who were planned.
    fewer = planned(
        team(Shift(agents=4, starts=time(9), ends=time(17), break_min=60)), staffing=0.5
    )
    assert fewer.filter(starts_ms=9 * HOUR)["ends_ms"].to_list() == [11 * HOUR, 14 * HOUR]


def test_a_break_longer_than_half_the_shift_is_in_the_middle() -> None:
    roster = planned(team(Shift(agents=2, starts=time(9), ends=time(13), break_min=180)))
    assert roster["starts_ms"].to_list() == [9 * HOUR] * 2 + [12.5 * HOUR] * 2
    assert roster["ends_ms"].to_list() == [9.5 * HOUR] * 2 + [13 * HOUR] * 2


def test_shifts_by_weekday() -> None:
    care = team(
        Shift(agents=1, starts=time(9), ends=time(17), days=WEEK[:5]),
        Shift(agents=1, starts=time(10), ends=time(14), days=("sat",)),
    )
    week = planned(care, horizon=horizon_of(Demand(day="week"), 2))
    # Two warm-up days before Monday are a Saturday and a Sunday.
    assert [(row[1], row[3] / HOUR) for row in stretches(week)] == [
        ("care-2", -48 + 10),
        *[("care-1", 24 * day + 9) for day in range(5)],
        ("care-2", 24 * 5 + 10),
    ]
    kinds = {"weekday": ["care-1"], "weekend": ["care-2"], "any": ["care-1", "care-2"]}
    for kind, agents in kinds.items():
        horizon = horizon_of(Demand.model_validate({"day": kind}), 1)
        roster = planned(care, horizon=horizon)
        assert roster["agent_id"].to_list() == agents * 2
        assert (roster["starts_ms"] < 0).to_list() == [True] * len(agents) + [False] * len(agents)


@pytest.mark.parametrize(
    ("staffing", "early", "late"),
    [
        (1.0, ["e-1", "e-2", "e-3", "e-4", "e-5"], ["l-1"]),
        (0.8, ["e-1", "e-2", "e-4", "e-5"], ["l-1"]),
        (0.4, ["e-2", "e-4"], []),
        (2.0, [f"e-{i}{copy}" for i in range(1, 6) for copy in ("", "#2")], ["l-1", "l-1#2"]),
        (1.4, ["e-1", "e-2", "e-2#2", "e-3", "e-4", "e-4#2", "e-5"], ["l-1"]),
    ],
)
def test_staffing_multiplies_agents_by_team(
    staffing: float, early: list[str], late: list[str]
) -> None:
    roster = planned(
        team(Shift(agents=5, starts=time(9), ends=time(17), break_min=30), name="e"),
        team(Shift(agents=1, starts=time(12), ends=time(20)), name="l"),
        staffing=staffing,
    )
    for name, agents in (("e", early), ("l", late)):
        part = roster.filter(team=name)
        assert part["agent_id"].unique().sort().to_list() == sorted(agents)
        assert part.height == len(agents) * (2 if name == "e" else 1)


def test_a_break_longer_than_its_shift() -> None:
    shift = Shift(agents=1, starts=time(9), ends=time(10), break_min=60)
    with pytest.raises(ScenarioError, match=r"teams\[0\].shifts\[0\].break_min = 60.*the 60 min"):
        planned(team(shift))


def test_routes_of_a_team() -> None:
    more = Overflow(after_s=90.5, skills=("billing",), channels=("chat",))
    teams = (
        Team(name="care", skills=("care",), languages=("en",), preference=2, overflow=(more,)),
        Team(name="all hands"),
    )
    assert teams_table(teams).rows() == [
        ("care", ["care"], ["en"], [], 2, 0),
        ("care", ["billing"], [], ["chat"], 2, 90_500),
        ("all hands", [], [], [], 0, 0),
    ]


def test_abilities_by_team_and_tenure() -> None:
    tenures = [None, 0.0, 1.9, 2.0, 12.0, 12.1]
    roster = tables.build(
        "roster",
        [
            {"replication": 0, "agent_id": f"x{i}", "team": "care" if i else "other",
             "tenure_months": months, "starts_ms": 0, "ends_ms": 1}
            for i, months in enumerate(tenures)
        ],
    )  # fmt: skip
    assist = Assist.model_validate({"gain_novice": 3, "gain_expert": 0.25})
    able = with_abilities(roster, (team(chats_at_once=3),), assist)
    assert able["max_chats"].to_list() == [None, 3, 3, 3, 3, 3]
    assert able["gain"].to_list() == [1.0, 3.0, 3.0, 1.0, 1.0, 0.25]
    assert able.drop("max_chats", "gain").equals(roster.drop("max_chats", "gain"))
    assert with_abilities(roster, (), assist)["max_chats"].null_count() == 6


def test_absences_belong_to_agent_day_and_replication() -> None:
    care = team(Shift(agents=12, starts=time(9), ends=time(17), break_min=30))
    week = horizon_of(Demand(day="week"), 3)
    everyone = planned(care, horizon=week, n=5)
    present = planned(care, horizon=week, n=5, absence=0.3)
    # Who comes comes for the whole shift, and what is there does not depend on who is absent.
    same = ["replication", "agent_id", "starts_ms", "ends_ms"]
    assert present.join(everyone, on=same).height == present.height
    assert 0 < present.height < everyone.height
    day = pl.col("starts_ms") // DAY_MS
    rows = present.group_by("replication", "agent_id", day.alias("day")).len()
    assert set(rows["len"]) == {2}
    came = set(rows.select("replication", "agent_id", "day").rows())
    # The same with other warm-up days, replications and agents, and fewer at a higher rate.
    bare = planned(care, horizon=A_WEEK, n=2, absence=0.3).select("replication", "agent_id", day)
    assert set(bare.rows()) == {row for row in came if row[0] < 2 and row[2] >= 0}
    double = planned(care, horizon=week, n=5, staffing=2.0, absence=0.3)
    double = double.filter(~pl.col("agent_id").str.contains("#"))
    assert set(double.select("replication", "agent_id", day).rows()) == came
    fewer = planned(care, horizon=week, n=5, absence=0.6).select("replication", "agent_id", day)
    assert set(fewer.rows()) < came
    assert planned(care, horizon=week, n=5, absence=1.0).equals(tables.empty("roster"))


# Where the presence comes from: exact.

MIDDAY = {"replication": 0, "work_ms": 300_000}


def who(
    desk: ContactCenter, schedule: pl.DataFrame, dates: list[date | None], horizon: Horizon
) -> Any:
    offered = pl.DataFrame([{**MIDDAY, "at_ms": 12 * HOUR + i} for i in range(20)])
    return presence(
        desk, Assist(), schedule, tables.empty("teams"), offered, [dates], horizon,
        ZoneInfo("UTC"), Streams(1),
    )  # fmt: skip


def office(days: range, **more: Any) -> pl.DataFrame:
    """Nine to five on these days of March 2025, of which the 3rd is a Monday."""
    rows = [stretch("x", utc(day, 9), utc(day, 17), **more) for day in days]
    return tables.build("schedule", [row for row in rows if row["starts_at"].weekday() < 6])


MARCH = [date(2025, 3, day) for day in range(3, 10)]


def test_a_weekday_that_the_schedule_never_has_is_closed() -> None:
    found = who(ContactCenter(), office(range(3, 16)), [*MARCH], A_WEEK)
    assert found.source == "the history's own schedule on each drawn day"
    assert found.roster["starts_ms"].to_list() == [24 * day * HOUR + 9 * HOUR for day in range(6)]
    assert found.roster["gain"].to_list() == [1.0] * 6
    assert found.teams["team"].to_list() == ["desk"]
    # From less than a week, or long after, nobody can tell that it is closed.
    with pytest.raises(ScenarioError, match="nobody is at work on 2025-03-09, days"):
        who(ContactCenter(), office(range(3, 9)), [*MARCH], A_WEEK)
    later = [MARCH[0], date(2025, 4, 13)]
    with pytest.raises(ScenarioError, match="nobody is at work on 2025-04-13, days"):
        who(ContactCenter(), office(range(3, 16)), [*later], horizon_of(Demand(), 1))


def test_a_schedule_with_a_hole_says_so() -> None:
    holed = office(range(3, 16)).filter(pl.col("starts_at").dt.day() != 5)
    with pytest.raises(ScenarioError, match=r"nobody is at work on 2025-03-05, days"):
        who(ContactCenter(), holed, [*MARCH], A_WEEK)


def test_logged_agents_of_teams_that_the_scenario_names() -> None:
    desk = ContactCenter(teams=(Team(name="desk", chats_at_once=3),))
    found = who(desk, office(range(3, 4), tenure_months=1.0), [MARCH[0]], ONE_DAY)
    assert found.roster.select("max_chats", "gain").rows() == [(3, Assist().gain_novice.value)]
    with pytest.raises(ScenarioError, match="no team has shifts"):
        who(desk, office(range(3, 4)), [None], ONE_DAY)


def test_shifts_of_the_scenario_come_first_and_some_are_absent() -> None:
    shift = Shift(agents=200, starts=time(9), ends=time(17))
    found = who(ContactCenter(teams=(team(shift),)), office(range(3, 4)), [MARCH[0]], ONE_DAY)
    assert found.source == "shifts of the scenario; 0.04 of their agents do not come on a day"
    assert 150 < found.roster.height < 200


def test_sized_by_the_hours_of_like_days() -> None:
    desk = ContactCenter(target_wait_s=20)
    busy = [{**MIDDAY, "at_ms": 10 * HOUR + i} for i in range(120)]
    # Tuesday's come late; a week of warm-up before has Mondays like this one and nothing else.
    quiet = [{**MIDDAY, "at_ms": 24 * HOUR + 23 * HOUR + i} for i in range(60)]
    week = horizon_of(Demand(day="week"), 7)
    before = [{**row, "at_ms": row["at_ms"] - 7 * DAY_MS} for row in busy]
    roster = sized_roster(pl.DataFrame(busy + quiet + before), week, 2, desk)
    n_busy, n_quiet = (
        next(
            n
            for n in range(1, 99)
            if erlang_a(calls, 300, n, desk.patience_mean_s.value, 20).service_level >= 0.9
        )
        for calls in (120 / 2, 60 / 2 / 2)
    )
    # Two replications of two Mondays share 240 calls, two of two Tuesdays 60.
    expected = [
        (at * HOUR, n)
        for at, n in ((10 - 168, n_busy), (47 - 168, n_quiet), (10, n_busy), (47, n_quiet))
    ]
    for replication in (0, 1):
        part = roster.filter(replication=replication).group_by("starts_ms").len().sort("starts_ms")
        assert part.rows() == expected
    assert set(roster["team"]) == {TEAM}
    assert (roster["ends_ms"] - roster["starts_ms"]).unique().to_list() == [HOUR]
    nobody = sized_roster(pl.DataFrame(busy).clear(), week, 2, desk)
    assert nobody.equals(tables.empty("roster"))


def test_sized_agents_stay_over_midnight() -> None:
    calls = [{**MIDDAY, "at_ms": hour * HOUR} for hour in (23, 24)]
    roster = sized_roster(pl.DataFrame(calls), A_WEEK, 1, ContactCenter())
    assert stretches(roster)[0] == (0, "assumed-001", TEAM, 23 * HOUR, 25 * HOUR)


# Properties.


@given(
    st.integers(1, 9),
    st.integers(0, 20),
    st.integers(1, 400),
    st.integers(0, 240),
    st.sampled_from([0.5, 1.0, 1.7]),
)
def test_breaks_lie_inside_and_none_is_lost(
    agents: int, starts_h: int, length_min: int, break_min: int, staffing: float
) -> None:
    ends = datetime(2025, 1, 1, starts_h) + timedelta(minutes=length_min)
    assume(ends.day == 1 and break_min < length_min)
    shift = Shift(agents=agents, starts=time(starts_h), ends=ends.time(), break_min=break_min)
    roster = planned(team(shift), staffing=staffing)
    starts, ends_ms = starts_h * HOUR, starts_h * HOUR + length_min * MINUTE
    n = roster["agent_id"].n_unique()
    assert n == math.floor(agents * staffing + 0.5)
    paid = (roster["ends_ms"] - roster["starts_ms"]).sum()
    assert paid == n * (length_min - break_min) * MINUTE
    breaks = []
    for _, part in roster.group_by("agent_id"):
        rows = part.sort("starts_ms").select("starts_ms", "ends_ms").rows()
        assert rows[0][0] == starts
        assert rows[-1][1] == ends_ms
        assert len(rows) == (2 if break_min else 1)
        if break_min:
            assert starts < rows[0][1] < rows[1][0] < ends_ms
            breaks.append((rows[0][1], rows[1][0]))
    breaks.sort()
    quarter = (ends_ms - starts) // 4
    if 2 * break_min <= length_min:
        assert all(starts + quarter <= a and b <= ends_ms - quarter for a, b in breaks)
    if n * break_min * MINUTE <= ends_ms - starts - 2 * quarter:
        assert all(one[1] <= other[0] for one, other in pairwise(breaks))


@st.composite
def logged(draw: st.DrawFn) -> pl.DataFrame:
    """Some agents, each with stretches that do not overlap, nights and whole days among them."""
    rows = []
    for agent in range(draw(st.integers(1, 4))):
        at = 0
        for _ in range(draw(st.integers(1, 6))):
            starts = at + draw(st.integers(0, 20))
            at = starts + draw(st.integers(1, 30))
            name = draw(st.sampled_from(["a", "b"]))
            rows.append(stretch(f"x{agent}", utc(3, starts), utc(3, at), name))
    return tables.build("schedule", rows)


@settings(max_examples=60)
@given(
    logged(),
    st.lists(st.integers(2, 6).map(lambda d: date(2025, 3, d)), min_size=1, max_size=5),
    st.integers(0, 2),
)
def test_every_hour_of_every_day_is_staffed_as_it_was(
    schedule: pl.DataFrame, days: list[date], warm_up: int
) -> None:
    both = [days, days[::-1]]
    roster = stretches(roster_from_schedule(schedule, both, TAIPEI, 1.0, warm_up))
    was = schedule.select("starts_at", "ends_at", "agent_id", "team").rows()
    for replication, dates in enumerate(both):
        for place, day in enumerate(dates):
            midnight = datetime(day.year, day.month, day.day, tzinfo=TAIPEI)
            for hour in range(24):
                now = (place - warm_up) * DAY_MS + hour * HOUR
                there = [
                    who
                    for number, *who, starts, ends in roster
                    if number == replication and starts <= now < ends
                ]
                then = midnight + timedelta(hours=hour)
                assert sorted(there) == sorted(
                    who for starts, ends, *who in was if starts <= then < ends
                )


@settings(max_examples=60)
@given(
    logged(),
    st.lists(st.integers(2, 6).map(lambda d: date(2025, 3, d)), min_size=1, max_size=5),
    st.sampled_from([0.3, 0.5, 1.0, 1.5, 2.2]),
)
def test_nobody_is_in_two_places(schedule: pl.DataFrame, days: list[date], staffing: float) -> None:
    roster = roster_from_schedule(schedule, [days], TAIPEI, staffing)
    check_roster(roster, teams_of_schedule(schedule))
    _apart(roster)


@settings(max_examples=30)
@given(st.data())
def test_nobody_is_in_two_shifts(data: st.DataObject) -> None:
    shifts = [
        Shift(
            agents=data.draw(st.integers(1, 3)),
            starts=time(data.draw(st.integers(0, 10))),
            ends=time(data.draw(st.integers(14, 23))),
            break_min=data.draw(st.sampled_from([0, 30, 60])),
            days=tuple(data.draw(st.sets(st.sampled_from(WEEK), min_size=1))),
        )
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    staffing = data.draw(st.sampled_from([0.4, 1.0, 2.5]))
    roster = planned(
        team(*shifts), horizon=horizon_of(Demand(day="week"), 1), n=2, staffing=staffing,
        absence=0.1,
    )  # fmt: skip
    _apart(roster)


def _apart(roster: pl.DataFrame) -> None:
    for _, part in roster.group_by("replication", "agent_id"):
        rows = part.sort("starts_ms").select("starts_ms", "ends_ms").rows()
        assert all(start < end for start, end in rows)
        assert all(one[1] <= other[0] for one, other in pairwise(rows))


# Analytic.


def test_the_share_of_absent_agents() -> None:
    n, agents, rate = 400, 50, 0.3
    care = team(Shift(agents=agents, starts=time(9), ends=time(17)))
    roster = planned(care, horizon=A_WEEK, n=n, absence=rate)
    came = np.zeros((n, 7, agents))
    place = roster.select(
        "replication",
        pl.col("starts_ms") // DAY_MS,
        pl.col("agent_id").str.strip_prefix("care-").cast(pl.Int64) - 1,
    ).to_numpy()
    came[tuple(place.T)] = 1
    absent = 1 - came
    sd = math.sqrt(rate * (1 - rate))
    z = (absent.mean() - rate) / (sd / math.sqrt(absent.size))
    assert abs(z) < 4
    assert absent.mean() == pytest.approx(rate, rel=0.02)
    # No ties between the days of an agent, the agents of a day, or the replications.
    centred = (absent - rate) / sd
    for one, other in (
        (centred[:, :-1], centred[:, 1:]),
        (centred[:, :, :-1], centred[:, :, 1:]),
        (centred[:-1], centred[1:]),
    ):
        assert abs((one * other).sum() / math.sqrt(one.size)) < 4
