"""The same simulated days with two candidates: what differs at the desk, day by day."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import tables
from simulator.comparison.desk import desk_differences
from simulator.evidence.replications import two_level

PLACE = {"stage": "wider_auto", "bound": "central", "segment": "all"}


def hours(**candidates):
    """``desk_hours`` of days (needed_hours, n_within, n_reached) by candidate."""
    return tables.build(
        "desk_hours",
        [
            PLACE
            | {"candidate": name, "replication": i, "needed_hours": float(work)}
            | {"n_within": within, "n_reached": reached}
            for name, days in candidates.items()
            for i, (work, within, reached) in enumerate(days)
        ],
    )


def figures(table, unit="s", **candidates):
    """``kpis`` or ``costs``: metrics with their estimates by candidate."""
    return tables.build(
        table,
        [
            PLACE
            | {"candidate": name, "metric": metric, "estimate": estimate}
            | {"n": 1, "unit": unit, "method": "test"}
            for name, found in candidates.items()
            for metric, estimate in found.items()
        ],
    )


def compared(days, kpis=None, costs=None, ours="a", theirs="b", n_logged=None, **more):
    n = days.filter(pl.col("candidate") == "a").height
    names = days["candidate"].unique()
    if kpis is None:
        kpis = figures("kpis", **{name: {"asa_s": 1.0} for name in names})
    if costs is None:
        costs = tables.empty("costs")
    table = desk_differences(ours, theirs, kpis, costs, days, range(n), n_logged, **more)
    return {row["metric"]: row for row in table.iter_rows(named=True)}


def test_exact_hours_are_paired_by_day():
    found = compared(
        hours(a=[(12, 1, 2), (22, 1, 2), (33, 1, 2)], b=[(10, 1, 2), (20, 1, 2), (30, 1, 2)])
    )["needed_hours_per_day"]
    assert found["difference"] == pytest.approx(7 / 3)
    # By hand: differences 2, 2, 3; standard error 1/3; Student's t with two degrees of freedom.
    assert found["high"] - found["difference"] == pytest.approx(4.302653 / 3, rel=1e-5)
    assert (found["better"], found["unit"], found["n"]) == ("lower", "h/day", 3)


def test_exact_service_level_is_sums_over_sums():
    days = {"a": [(1, 40, 50), (1, 10, 100)], "b": [(1, 45, 50), (1, 30, 100)]}
    found = compared(hours(**days))["service_level"]
    assert found["of_ours"] == pytest.approx(50 / 150)
    assert found["difference"] == pytest.approx(50 / 150 - 75 / 150)
    by_day = np.array([(40 - 50 / 3) - (45 - 25), (10 - 100 / 3) - (30 - 50)]) / 75
    expected = two_level(by_day, np.arange(2))
    assert found["high"] - found["difference"] == pytest.approx(expected.half_width)
    assert found["better"] == "higher"


def test_means_have_no_interval_and_say_why():
    days = hours(a=[(1, 1, 2)] * 2, b=[(1, 1, 2)] * 2)
    kpis = figures("kpis", a={"asa_s": 30.0, "escalated_per_day": 5.0}, b={"asa_s": 20.0})
    costs = figures("costs", "USD a day", a={"saving_money": 10.0}, b={"saving_money": 40.0})
    found = compared(days, kpis, costs)
    assert (found["asa_s"]["difference"], found["saving_money"]["difference"]) == (10, -30)
    assert (found["saving_money"]["better"], found["saving_money"]["unit"]) == (
        "higher",
        "USD a day",
    )
    for metric in ("asa_s", "saving_money"):
        assert (found[metric]["low"], found[metric]["high"]) == (None, None)
        assert "days are not kept" in found[metric]["method"]
    escalated = found["escalated_per_day"]
    assert (escalated["difference"], escalated["of_ours"], escalated["better"]) == (None, 5, None)


def test_days_that_all_differ_alike_have_no_interval():
    found = compared(hours(a=[(11, 1, 2), (21, 1, 2)], b=[(10, 1, 2), (20, 1, 2)]))
    for metric, difference in (("needed_hours_per_day", 1), ("service_level", 0)):
        assert found[metric]["difference"] == difference
        assert (found[metric]["low"], found[metric]["high"]) == (None, None)
        assert "every day differs alike" in found[metric]["method"]


def test_a_week_is_reckoned_by_the_day():
    days = hours(a=[(70, 1, 2), (77, 1, 2)], b=[(35, 1, 2), (49, 1, 2)])
    found = compared(days, n_days=7)["needed_hours_per_day"]
    assert (found["of_ours"], found["of_theirs"], found["n"]) == (10.5, 6, 14)


def test_nothing_is_said_where_only_one_has_a_cell():
    assert compared(hours(a=[(1, 1, 2)] * 2)) == {}


def test_people_alone_are_set_against_every_stage_of_a_bot():
    places = [("assist", "central"), ("wider_auto", "best"), ("wider_auto", "worst")]
    days = hours(a=[(10, 1, 2), (30, 1, 2)], human=[(20, 1, 2), (50, 1, 2)])
    kpis = figures("kpis", a={"asa_s": 5.0}, human={"asa_s": 20.0})

    def spread(table):
        bot, people = (table.filter(pl.col("candidate") == name) for name in ("a", "human"))
        stages = [
            bot.with_columns(stage=pl.lit(stage), bound=pl.lit(bound)) for stage, bound in places
        ]
        return pl.concat([*stages, people.with_columns(stage=pl.lit("human_only"))])

    draws = range(2)
    there = desk_differences(
        "a", "human", spread(kpis), tables.empty("costs"), spread(days), draws, None
    )
    asa = there.filter(pl.col("metric") == "asa_s")
    assert list(asa.select("stage", "bound").iter_rows()) == places
    assert asa["difference"].to_list() == [-15] * 3
    work = there.filter(pl.col("metric") == "needed_hours_per_day")
    assert work["difference"].to_list() == [-15] * 3
    assert all("human as at stage human_only" in method for method in there["method"])
    back = desk_differences(
        "human", "a", spread(kpis), tables.empty("costs"), spread(days), draws, None
    )
    assert back["difference"].to_list() == [-d for d in there["difference"]]
    assert back["stage"].to_list() == there["stage"].to_list()


def test_without_contacts_there_is_no_service_level():
    found = compared(hours(a=[(1, 0, 0)] * 2, b=[(1, 1, 2), (2, 1, 2)]))
    assert "service_level" not in found
    assert "needed_hours_per_day" in found


def test_what_a_reply_takes():
    days = hours(a=[(1, 1, 2)] * 2, b=[(1, 1, 2)] * 2)
    costs = figures("costs", "USD a day", a={"bot_money": 5.0}, b={"bot_money": 1.0})
    volume = PLACE | {"arrivals_per_day": 9.0, "automatic_per_day": 9.0}
    volumes = tables.build(
        "volumes",
        [
            volume
            | {"candidate": "a", "bot_replies_per_day": 10.0, "unpriced_bot_replies_per_day": 2.0}
            | {"bot_prompt_tokens_per_day": 720.0, "bot_completion_tokens_per_day": 80.0},
            volume
            | {"candidate": "b", "bot_replies_per_day": 10.0}
            | {"unpriced_bot_replies_per_day": 10.0},
        ],
    )
    found = compared(days, None, costs, volumes=volumes)
    assert found["reply_money"]["difference"] == pytest.approx(0.4)
    assert found["reply_money"]["unit"] == "USD a reply"
    tokens = found["reply_tokens"]
    assert (tokens["of_ours"], tokens["of_theirs"], tokens["difference"]) == (100, None, None)


def test_analytic_the_interval_covers():
    """95 % of 800 desks of 12 days on which ours takes two hours more; |z| < 4."""
    rng = np.random.default_rng(3)
    runs, covered = 800, 0
    for _ in range(runs):
        base = rng.uniform(50, 150, 12)
        theirs = [(w, 1, 2) for w in base + rng.normal(0, 1, 12)]
        ours = [(w, 1, 2) for w in base + 2 + rng.normal(0, 1, 12)]
        found = compared(hours(a=ours, b=theirs))["needed_hours_per_day"]
        covered += found["low"] <= 2 <= found["high"]
    assert abs(covered / runs - 0.95) / (0.95 * 0.05 / runs) ** 0.5 < 4


day = st.integers(0, 40).flatmap(
    lambda within: st.tuples(
        st.floats(0, 500, allow_subnormal=False), st.just(within), st.integers(within, 80)
    )
)
several = st.integers(1, 6).flatmap(
    lambda n: st.tuples(*[st.lists(day, min_size=n, max_size=n)] * 2)
)


@given(several)
def test_property_ours_against_ours_is_nothing(days):
    found = compared(hours(a=days[0]), theirs="a")
    assert {row["difference"] for row in found.values()} == {0}
    assert all(row["low"] is None and row["high"] is None for row in found.values())


@given(several, st.floats(0, 100), st.floats(0, 100))
def test_property_swapping_the_sides_negates(days, ours, theirs):
    table = hours(a=days[0], b=days[1])
    kpis = figures("kpis", a={"asa_s": ours}, b={"asa_s": theirs})
    there = compared(table, kpis)
    back = compared(table, kpis, ours="b", theirs="a")
    assert there.keys() == back.keys()
    for metric, one in there.items():
        other = back[metric]
        assert (one["of_ours"], one["of_theirs"]) == (other["of_theirs"], other["of_ours"])
        assert one["difference"] == -other["difference"]
        assert (one["low"] is None) == (other["high"] is None)
        if one["low"] is not None:
            assert math.isclose(one["low"], -other["high"], rel_tol=1e-9, abs_tol=1e-9)
            assert one["low"] <= one["difference"] <= one["high"]
