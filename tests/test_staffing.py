"""Staffing: the search against Erlang A, shift cover against brute force, and what tables hold."""

from __future__ import annotations

import itertools
from datetime import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simulator import tables
from simulator.cli.staffing import _target
from simulator.contact_center.erlang import erlang_a, erlang_c, fewest_agents
from simulator.contact_center.staffing.cover import Pattern, cover, shift_patterns
from simulator.contact_center.staffing.groups import groups_of
from simulator.contact_center.staffing.sample import Demand, Sample, roster_of
from simulator.contact_center.staffing.search import _Search, _verdict, required_agents
from simulator.contact_center.staffing.tables import paid_hours, restaffed
from simulator.errors import ScenarioError
from simulator.scenario import Staffing

HALF_HOUR = 1800
Numbers = NDArray[np.float64]


def team(name: str, *skills: str, rank: int = 0) -> dict[str, object]:
    return {"team": name, "skills": list(skills), "languages": [], "channels": [], "rank": rank}


def poisson(
    seed: list[int],
    replications: int,
    per_hour: dict[str, Numbers],
    interval_s: int,
    handle_s: float,
    patience_s: float,
) -> pl.DataFrame:
    """Table ``arrivals``: a rate by skill and interval, exponential work and patience."""
    draw = np.random.default_rng(seed)
    parts = []
    for skill, rates in per_hour.items():
        counts = draw.poisson(np.tile(rates * interval_s / 3600, (replications, 1)))
        place = np.repeat(np.arange(counts.size), counts.ravel())
        replication, interval = np.divmod(place, counts.shape[1])
        n = len(place)
        at = (interval + draw.random(n)) * interval_s * 1000
        parts.append(
            pl.DataFrame(
                {
                    "replication": replication,
                    "arrives_ms": at.astype(int),
                    "work_ms": np.rint(draw.exponential(handle_s * 1000, n)).astype(int),
                    "patience": np.rint(draw.exponential(patience_s * 1000, n)).astype(int),
                }
            ).with_columns(skill=pl.lit(skill))
        )
    rows = pl.concat(parts)
    none = pl.lit([], dtype=pl.List(pl.Int64))
    return tables.conform(
        "arrivals",
        rows.with_columns(
            arrival_id=pl.int_range(pl.len()).cast(pl.String),
            conversation_id=pl.lit("c"),
            stage=pl.lit("human_only"),
            candidate=pl.lit("human"),
            bound=pl.lit("central"),
            cause=pl.lit("new"),
            channel=pl.lit("voice"),
            priority=pl.lit(5),
            patience_ms=pl.concat_list("patience"),
            recontacts=none,
            recontact_delay_ms=none,
        ),
    )


def steady_gap(rate: float, work: float, n: int, leaves: float, rules: Staffing) -> float:
    """By how much Erlang A is inside the target (negative: misses it)."""
    if n < 1:
        return -1.0
    found = erlang_a(rate, work, n, leaves, rules.within_s)
    return min(found.service_level - rules.target_share, rules.max_abandonment - found.p_abandon)


# Analytic.


def test_search_finds_the_erlang_a_answer_in_50_random_cases() -> None:
    case = np.random.default_rng(20)
    for number in range(50):
        load, handle_s = case.uniform(1, 20), case.uniform(120, 600)
        patience_s = case.uniform(60, 900)
        rules = Staffing(
            target_share=float(case.choice([0.7, 0.8, 0.9])),
            within_s=float(case.choice([10, 20, 60])),
            max_abandonment=float(case.choice([0.03, 0.05, 0.1, 1.0])),
        )
        rate = load / handle_s * 3600
        # One long interval in the steady state, some 1,000 contacts a replication.
        interval_s = round(1000 / rate * 3600)

        def draw(batch: int, args: tuple[float, ...] = (interval_s, rate, handle_s, patience_s),
                 number: int = number) -> pl.DataFrame:  # fmt: skip
            length, per_hour, work_s, leaves_s = args
            return poisson(
                [1, number, batch], 20, {"a": np.array([per_hour])}, int(length), work_s, leaves_s
            )

        want = fewest_agents(
            rate, handle_s, patience_s, rules.within_s, rules.target_share, rules.max_abandonment
        )
        gaps = [steady_gap(rate, handle_s, n, patience_s, rules) for n in (want, want - 1)]
        teams = tables.build("teams", [team("desk")])
        # Not from the answer: the search has to get there from too few and from too many.
        start = np.array([[max(1, want + int(case.integers(-4, 8)))]])
        found = required_agents(
            Demand(draw, 20, teams, [True], interval_s),
            rules,
            start=start,
            most_contacts=1_300_000,
        )
        off = abs(int(found.required[0, 0]) - want)
        assert off <= (0 if min(map(abs, gaps)) > 0.005 else 1), (number, want, found.required)


HUMPS = np.exp(-(((np.arange(48) - 21) / 6) ** 2)) + 0.05


def two_skill_day(batch: int) -> pl.DataFrame:
    rates = {"a": 90 * HUMPS, "b": 60 * np.roll(HUMPS, 4)}
    return poisson([2, batch], 40, rates, HALF_HOUR, 300, 300)


def test_a_cross_trained_team_saves_agents_and_the_target_holds_on_fresh_seeds() -> None:
    rules = Staffing()
    teams = tables.build("teams", [team("A", "a"), team("B", "b"), team("both", "a", "b", rank=1)])
    demand = Demand(two_skill_day, 40, teams, [True] * 48)
    found = required_agents(demand, rules, most_contacts=160_000)
    separate = sum(
        fewest_agents(rate, 300, 300, 20, 0.8, 0.05)
        for rates in (90 * HUMPS, 60 * np.roll(HUMPS, 4))
        for rate in rates
    )
    assert found.required.sum() <= separate
    assert found.required[2].sum() > 0
    # Seeds that neither the search nor its check has seen.
    fresh = Sample(demand, rules, 10_000, 8)
    fresh.group = found.group
    judged = fresh.judge(found.required)
    for margin, error in (
        (judged.service - rules.target_share, judged.service_se),
        (rules.max_abandonment - judged.lost, judged.lost_se),
    ):
        # Ratios have no exact distribution where contacts are few; two points of allowance.
        # Nobody's first choice is the team that takes both.
        seen = judged.n > 0
        assert (margin[seen] > -4 * error[seen] - 0.02).all()
        assert np.average(margin[seen], weights=judged.n[seen]) > 0


def test_no_single_agent_can_be_taken_away() -> None:
    rules = Staffing(max_abandonment=1)
    teams = tables.build("teams", [team("A", "a"), team("B", "b")])
    demand = Demand(two_skill_day, 40, teams, [True] * 48)
    sample = Sample(demand, rules, 0, 1)
    per_day = np.stack([45 * HUMPS, 30 * np.roll(HUMPS, 4)])
    sample.group, _ = groups_of(per_day, np.zeros((2, 48)), np.ones(48, dtype=bool))
    search = _Search(sample, np.full((2, 48), 12), np.ones((2, 48)))
    search.raise_()
    search.remove()
    assert not _verdict(sample.judge(search.agents), rules).failing.any()
    staffed = np.argwhere(search.agents > 0)
    for at, interval in staffed[::7]:
        fewer = search.agents.copy()
        fewer[at, interval] -= 1
        assert _verdict(sample.judge(fewer), rules).failing.any(), (at, interval)


# Exact.


def test_fewest_agents_is_the_first_that_is_enough() -> None:
    for rate, patience in itertools.product((2, 30, 200), (60.0, 600.0, None)):
        n = fewest_agents(rate, 300, patience, 20, 0.8, 0.05)
        enough = []
        for agents in range(1, n + 2):
            if patience is None:
                if agents <= rate / 12:
                    enough.append(False)
                    continue
                found = erlang_c(rate, 300, agents, 20)
            else:
                found = erlang_a(rate, 300, agents, patience, 20)
            enough.append(found.service_level >= 0.8 and found.p_abandon <= 0.05)
        assert enough.index(True) + 1 == n
    assert fewest_agents(0, 300, 60, 20, 0.8) == 0
    with pytest.raises(ValueError, match="expected a level"):
        fewest_agents(1, 300, 60, 20, 1.0)


def test_quiet_intervals_are_judged_with_quiet_neighbours() -> None:
    per_day = np.array([[0.5, 0.5, 9, 1, 1, 1, 1, 9, 0.2, 0.0]])
    is_open = np.array([True] * 9 + [False])
    # Two quiet ones alone stay together; three of one make a group, the fourth joins it; the last
    # joins its neighbour.
    group, mail = groups_of(per_day, np.zeros_like(per_day), is_open)
    assert group.tolist() == [[0, 0, 1, 2, 2, 2, 2, 3, 3, -1]]
    assert mail.tolist() == [-1]
    # Mail is judged by the day: beside what is live, and where there is nothing else.
    group, mail = groups_of(per_day, np.ones_like(per_day), is_open)
    assert group.tolist() == [[1, 1, 2, 3, 3, 3, 3, 4, 4, -1]]
    assert mail.tolist() == [0]
    group, mail = groups_of(np.zeros_like(per_day), np.ones_like(per_day), is_open)
    assert group.tolist() == [[0] * 9 + [-1]]


def test_roster_has_agents_in_unbroken_runs_and_stays_at_closing() -> None:
    teams = tables.build("teams", [team("A"), team("B")])
    demand = Demand(two_skill_day, 1, teams, [False, True, True, True])
    roster = roster_of(np.array([[0, 2, 1, 2], [0, 0, 1, 0]]), demand)
    half = HALF_HOUR * 1000
    rows = roster.select("agent_id", "starts_ms", "ends_ms").rows()
    assert sorted(rows) == [
        ("A-1", half, 5 * half),
        ("A-2", half, 2 * half),
        ("A-2", 3 * half, 5 * half),
        ("B-1", 2 * half, 3 * half),
    ]


def test_a_target_that_cannot_be_met_says_so() -> None:
    teams = tables.build("teams", [team("A", "a")])

    def draw(batch: int) -> pl.DataFrame:
        # Ten thousand contacts, none of which ever ends.
        rows = poisson([3, batch], 2, {"a": np.array([0.0, 20_000.0])}, HALF_HOUR, 300, 300)
        return rows.with_columns(work_ms=pl.lit(10**9, dtype=pl.Int64))

    demand = Demand(draw, 2, teams, [False, True])
    with pytest.raises(ScenarioError, match=r"team 'A' from 00:30 misses .*lower target_share"):
        required_agents(demand, Staffing(), start=np.array([[0, 4900]]))


def test_shift_patterns_put_the_break_into_the_middle_third() -> None:
    rules = Staffing(shift_h=(4, 8), break_min=60, earliest_start=time(8), latest_start=time(8, 30))
    found = shift_patterns(rules, 48, HALF_HOUR)
    assert [p for p in found if p.starts_s == 8 * 3600] == [
        Pattern(28_800, 43_200, None),
        Pattern(28_800, 57_600, (39_600, 43_200)),
        Pattern(28_800, 57_600, (41_400, 45_000)),
        Pattern(28_800, 57_600, (43_200, 46_800)),
    ]
    assert {p.starts_s for p in found} == {28_800, 30_600}
    assert found[1].paid_s == 7 * 3600


def test_a_night_shift_covers_the_next_morning() -> None:
    found = cover([1, 0, 0, 1], [Pattern(3 * HALF_HOUR, 5 * HALF_HOUR, None)], HALF_HOUR)
    assert found.scheduled.tolist() == [1, 0, 0, 1]
    assert found.paid_s == 3600


def test_an_interval_that_no_shift_reaches_is_reported() -> None:
    found = cover([1, 1, 0], [Pattern(0, HALF_HOUR, None)], HALF_HOUR)
    assert (found.uncovered, found.scheduled.tolist()) == ([1], [1, 0, 0])


def test_tables_hold_what_was_found_and_hours_are_paired_by_day() -> None:
    rates = {"a": np.array([30.0, 60.0, 30.0, 0.0])}
    rules = Staffing(shift_h=(1,), break_min=0)
    teams = tables.build("teams", [team("A", "a")])
    demand = Demand(
        lambda batch: poisson([4, batch], 30, rates, HALF_HOUR, 300, 300),
        30,
        teams,
        [True, True, True, False],
    )
    found = required_agents(demand, rules, most_contacts=10_000)
    cell = ("human_only", "human", "central")
    one = restaffed(cell, found, rules, shrinkage=0.2)
    assert one.staffing["interval_start_s"].to_list() == [0, 1800, 3600]
    assert (one.staffing["scheduled"] >= one.staffing["required"]).all()
    inside = one.staffing.select(
        (pl.col("service_level_low") <= pl.col("service_level"))
        & (pl.col("service_level") <= pl.col("service_level_high"))
    )
    assert inside.to_series().all()
    agents = int(one.shifts["agents"].sum())
    assert one.shifts["paid_hours"].sum() == pytest.approx(agents / 0.8)
    # Half the work on each of the same days: half is saved, and no day differs from another in it.
    other = ("auto", "bot", "best")
    halved = one.shifts.with_columns(
        stage=pl.lit(other[0]),
        candidate=pl.lit(other[1]),
        bound=pl.lit(other[2]),
        paid_hours=pl.col("paid_hours") / 2,
    )
    hours = paid_hours(
        pl.concat([one.shifts, halved]), {cell: found.work_h, other: found.work_h / 2}, cell[0]
    )
    rows = {(r["stage"], r["metric"]): r for r in hours.iter_rows(named=True)}
    paid = rows["human_only", "paid_hours_per_day"]
    saved = rows["auto", "paid_hours_saved_per_day"]
    assert saved["estimate"] == pytest.approx(paid["estimate"] / 2)
    assert saved["high"] - saved["low"] == pytest.approx((paid["high"] - paid["low"]) / 2)
    assert ("human_only", "paid_hours_saved_per_day") not in rows


def test_target_on_the_command_line() -> None:
    assert _target("80/20") == (0.8, 20.0)
    with pytest.raises(ScenarioError, match="80/20"):
        _target("80")


# Properties.

needs = st.lists(st.integers(0, 3), min_size=4, max_size=4)
patterns = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 3), st.booleans()), min_size=1, max_size=4
)


def made(rows: list[tuple[int, int, bool]]) -> list[Pattern]:
    found = []
    for starts, length, pause in rows:
        off = (
            ((starts + 1) * HALF_HOUR, (starts + 2) * HALF_HOUR) if pause and length == 3 else None
        )
        found.append(Pattern(starts * HALF_HOUR, (starts + length) * HALF_HOUR, off))
    return found


def reached(pattern: Pattern) -> set[int]:
    off = pattern.break_[0] // HALF_HOUR if pattern.break_ else None
    there = range(pattern.starts_s // HALF_HOUR, pattern.ends_s // HALF_HOUR)
    return {at % 4 for at in there if at != off}


@settings(max_examples=60, deadline=None)
@given(needs, patterns)
def test_cover_is_the_cheapest_that_meets_every_requirement(
    need: list[int], rows: list[tuple[int, int, bool]]
) -> None:
    options = made(rows)
    found = cover(need, options, HALF_HOUR)
    reach = [reached(pattern) for pattern in options]
    coverable = set().union(*reach)
    assert found.uncovered == [at for at in range(4) if need[at] and at not in coverable]
    must = [at for at in range(4) if at in coverable]
    assert all(found.scheduled[at] >= need[at] for at in must)
    best = min(
        sum(n * pattern.paid_s for n, pattern in zip(agents, options, strict=True))
        for agents in itertools.product(range(4), repeat=len(options))
        if all(
            sum(n for n, there in zip(agents, reach, strict=True) if at in there) >= need[at]
            for at in must
        )
    )
    assert found.paid_s == best
    assert found.bound_s == pytest.approx(best, abs=1)
    assert found.paid_s >= HALF_HOUR * sum(need[at] for at in must)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=48, max_size=48))
def test_default_shifts_cover_any_day(need: list[int]) -> None:
    found = cover(need, shift_patterns(Staffing(), 48, HALF_HOUR), HALF_HOUR)
    assert (found.scheduled >= np.array(need)).all()
    assert found.paid_s >= HALF_HOUR * sum(need)
    assert found.bound_s <= found.paid_s + 1
