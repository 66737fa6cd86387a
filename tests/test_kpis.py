"""Indicators of the desk, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from simulator import tables
from simulator.contact_center import desk_intervals, desk_kpis
from simulator.errors import TableError
from simulator.evidence.replications import two_level
from tests.test_contact_center import presence

S = 1000
HOUR = 3_600_000


def visit(
    name: str,
    arrived: int,
    started: int | None = None,
    ended: int | None = None,
    abandoned: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "replication": 0,
        "stage": "assist",
        "candidate": "X",
        "bound": "central",
        "contact_id": f"{name}/0",
        "conversation_id": name,
        "attempt": 0,
        "cause": "assist",
        "team": None if started is None else "desk",
        "agent": None if started is None else "x",
        "arrived_ms": arrived,
        "started_ms": started,
        "ended_ms": ended,
        "abandoned_ms": abandoned,
        "work_ms": 60 * S,
        **more,
    }


def conversations(**intents: str | None) -> pl.DataFrame:
    return tables.build(
        "conversations",
        [
            {"conversation_id": name, "channel": "chat", "intent": intent}
            for name, intent in intents.items()
        ],
    )


INTENTS = conversations(a="refund", b="refund", c="refund", d="invoice", e=None, f="cancel")

DAY = [
    visit("a", 9 * HOUR, 9 * HOUR, 9 * HOUR + 60 * S),
    visit("b", 9 * HOUR + 10 * S, 9 * HOUR + 60 * S, 9 * HOUR + 120 * S, cause="handoff"),
    visit("c", 9 * HOUR + 20 * S, None, None, 9 * HOUR + 50 * S, cause="outage"),
    visit("d", 9 * HOUR + 30 * S, None, None, 9 * HOUR + 35 * S),
    visit("e", 9 * HOUR + 1740 * S, 9 * HOUR + 1760 * S, 9 * HOUR + 1880 * S),
    visit("e", 20 * HOUR, contact_id="e/1", attempt=1, cause="recontact"),
]
ROSTER = [presence("x", 9 * HOUR, 9 * HOUR + 1800 * S)]

Kpis = dict[tuple[str, str], dict[str, Any]]


def kpis(
    contacts: list[dict[str, Any]],
    roster: list[dict[str, Any]],
    segment_by: tuple[str, ...] = ("intent",),
    draws: tuple[int, ...] = (0,),
    target_wait_s: float = 20,
    history: pl.DataFrame = INTENTS,
) -> Kpis:
    found = desk_kpis(
        tables.build("contacts", contacts),
        tables.build("roster", roster),
        history,
        segment_by,
        target_wait_s,
        draws,
    )
    tables.check("kpis", found)
    return {(row["segment"], row["metric"]): row for row in found.iter_rows(named=True)}


def values(found: Kpis, segment: str) -> dict[str, Any]:
    return {metric: row["estimate"] for (name, metric), row in found.items() if name == segment}


def test_a_day_by_hand() -> None:
    found = kpis(DAY, ROSTER)
    assert values(found, "all") == {
        "offered_per_day": 6,
        "escalated_per_day": 2,
        "asa_s": pytest.approx((0 + 50 + 20) / 3),
        "wait_p90_s": pytest.approx(20 + 0.8 * 30),
        # Answered within 20 s: a and e. Reached: a, b, e, c, who left after 30 s, and the second
        # visit of e, still waiting when nobody was left.
        "service_level": pytest.approx(2 / 5),
        "abandonment_rate": pytest.approx(2 / 6),
        "human_hours_per_day": pytest.approx(240 / 3600),
        # All first visits, answered or not, and the second of e, whose first was answered.
        "needed_hours_per_day": pytest.approx(360 / 3600),
        # Logged in 1800 s and 80 s after the end of the shift.
        "occupancy": pytest.approx(240 / 1880),
        "unserved_per_day": 1,
    }
    row = found["all", "service_level"]
    assert (row["n"], row["unit"], row["low"], row["high"]) == (5, "ratio", None, None)
    assert row["method"] == "one replication: no interval"
    assert {metric: found["all", metric]["n"] for metric in ("asa_s", "abandonment_rate")} == {
        "asa_s": 3,
        "abandonment_rate": 6,
    }


def test_segments_and_those_that_nobody_visited() -> None:
    found = kpis(DAY, ROSTER)
    assert {name for name, _ in found} == {"all", "refund", "invoice", "cancel", "unknown"}
    assert values(found, "refund")["offered_per_day"] == 3
    assert values(found, "unknown")["asa_s"] == 20
    assert values(found, "invoice")["asa_s"] is None
    assert values(found, "invoice")["service_level"] is None
    assert values(found, "invoice")["abandonment_rate"] == 1.0
    cancel = values(found, "cancel")
    assert (cancel["offered_per_day"], cancel["abandonment_rate"]) == (0, None)
    assert "occupancy" not in values(found, "refund")


def test_segments_of_several_columns() -> None:
    found = kpis(DAY, ROSTER, ("intent", "channel"))
    assert values(found, "refund / chat")["offered_per_day"] == 3
    assert values(found, "unknown / chat")["offered_per_day"] == 2
    assert {name for name, _ in kpis(DAY, ROSTER, ())} == {"all"}


def test_cells_are_kept_apart() -> None:
    other = [{**row, "bound": "worst"} for row in DAY[:2]]
    found = desk_kpis(
        tables.build("contacts", DAY + other),
        tables.build("roster", ROSTER),
        INTENTS,
        ["intent"],
        20,
        [0],
    )
    offered = found.filter(segment="all", metric="offered_per_day")
    assert dict(offered.select("bound", "estimate").iter_rows()) == {"central": 6, "worst": 2}
    occupancy = found.filter(segment="all", metric="occupancy", bound="worst")
    assert occupancy["estimate"].item() == pytest.approx(120 / 1800)


def test_a_replication_without_visits_is_a_day_of_zero() -> None:
    found = kpis(DAY, [*ROSTER, presence("x", 0, 10 * S, replication=1)], draws=(0, 1))
    row = found["all", "offered_per_day"]
    assert row["estimate"] == 3
    half = stats.t.ppf(0.975, 1) * 3
    assert (row["low"], row["high"]) == (0.0, pytest.approx(3 + half))
    # A ratio is the sum over the sum; the percentile is the mean of the days that have one.
    assert values(found, "all")["asa_s"] == pytest.approx(70 / 3)
    assert values(found, "all")["wait_p90_s"] == pytest.approx(44)
    level = found["all", "service_level"]
    assert level["low"] is not None
    assert 0 <= level["low"] <= level["estimate"] <= level["high"] <= 1


def test_ratio_interval_is_that_of_the_linearised_residuals() -> None:
    contacts = []
    for replication, (n, answered) in enumerate([(10, 9), (20, 14), (10, 6), (30, 27)]):
        for i in range(n):
            started = HOUR if i < answered else None
            ended = None if started is None else 2 * HOUR
            gone = HOUR if started is None else None
            contacts.append(
                visit("a", HOUR, started, ended, gone, replication=replication)
                | {"contact_id": f"{replication}-{i}"}
            )
    row = kpis(contacts, [], draws=(0, 0, 0, 0))["all", "abandonment_rate"]
    ratio = 14 / 70
    residuals = (np.array([1, 6, 4, 3]) - ratio * np.array([10, 20, 10, 30])) / 17.5
    half = stats.t.ppf(0.975, 3) * np.sqrt((residuals**2).sum() / 3 / 4)
    assert row["estimate"] == pytest.approx(ratio)
    assert row["high"] == pytest.approx(ratio + half)
    assert row["low"] == pytest.approx(max(0, ratio - half))
    assert row["method"].endswith("of one input day: simulation sd 0.14, no input variance")


def test_work_after_midnight_belongs_to_the_next_day() -> None:
    night = [visit("a", 23 * HOUR, 23 * HOUR, 25 * HOUR)]
    found = kpis(night, [presence("x", 22 * HOUR, 30 * HOUR)])
    assert values(found, "all")["occupancy"] == pytest.approx(1 / 2)
    assert values(found, "all")["human_hours_per_day"] == 2


def test_presence_that_overlaps_counts_once() -> None:
    roster = [presence("x", 9 * HOUR, 11 * HOUR), presence("x", 10 * HOUR, 12 * HOUR)]
    found = kpis([visit("a", 10 * HOUR, 10 * HOUR, 13 * HOUR)], roster)
    assert values(found, "all")["occupancy"] == pytest.approx(3 / 4)


def test_tables_that_do_not_fit() -> None:
    with pytest.raises(TableError, match="replication = 1; expected 0 to 0"):
        kpis([visit("a", 0, replication=1)], [])
    with pytest.raises(TableError, match="is called 'all'"):
        kpis([visit("a", 0)], [], history=conversations(a="all"))
    with pytest.raises(TableError, match="table contacts"):
        desk_kpis(INTENTS, tables.empty("roster"), INTENTS, [], 20, [0])
    nothing = desk_kpis(tables.empty("contacts"), tables.empty("roster"), INTENTS, [], 20, [0])
    assert nothing.equals(tables.empty("kpis"))


def test_two_levels_by_hand() -> None:
    spread = two_level(np.array([1.0, 3.0, 6.0, 8.0]), np.array([4, 4, 9, 9]))
    # Means 2 and 7; within: 4 squares of 1 over 2; between: 2 (2.5^2 + 2.5^2) over 1 = 25.
    assert spread.simulation_sd == pytest.approx(np.sqrt(2))
    assert spread.input_sd == pytest.approx(np.sqrt((25 - 2) / 2))
    assert spread.half_width == pytest.approx(stats.t.ppf(0.975, 1) * np.sqrt(25 / 4))
    assert spread.method == (
        "two-level bootstrap, 95 % interval (2 input days, 4 replications): input sd 3.39, "
        "simulation sd 1.41"
    )


def test_two_levels_where_they_cannot_be_told_apart() -> None:
    values = np.array([1.0, 3.0, 6.0, 8.0])
    apart = two_level(values, np.arange(4))
    assert (apart.input_sd, apart.simulation_sd) == (None, None)
    assert "input and simulation together" in apart.method
    same = two_level(values, np.zeros(4, dtype=np.int64))
    assert same.half_width == apart.half_width
    assert same.input_sd is None
    assert "no input variance" in same.method
    # Draws that differ by less than chance: the input variance is 0, the interval stays.
    alike = two_level(np.array([1.0, 9.0, 2.0, 8.0]), np.array([0, 0, 1, 1]))
    assert alike.input_sd == 0
    assert alike.half_width == pytest.approx(stats.t.ppf(0.975, 1) * np.sqrt((32 + 18) / 2 / 4))


def test_intervals_by_hand() -> None:
    found = desk_intervals(
        tables.build("contacts", DAY),
        tables.build("roster", [*ROSTER, presence("y", 9 * HOUR, 10 * HOUR, "night")]),
        20,
    )
    tables.check("intervals", found)
    value = {
        (row["interval_start_s"], row["team"], row["metric"]): row["estimate"]
        for row in found.iter_rows(named=True)
    }
    nine, half_past, ten, twenty = 32_400, 34_200, 36_000, 72_000
    assert min(key[0] for key in value) == nine
    assert max(key[0] for key in value) == twenty
    first = {metric: v for (at, team, metric), v in value.items() if (at, team) == (nine, "all")}
    assert first == {
        "offered": 5,
        "answered": 3,
        "abandoned": 2,
        "asa_s": pytest.approx(70 / 3),
        "service_level": pytest.approx(2 / 4),
        # x is busy 120 s and the last 40 s; x and y are logged in.
        "occupancy": pytest.approx(160 / 3600),
        "agents": pytest.approx(2),
    }
    assert value[nine, "desk", "occupancy"] == pytest.approx(160 / 1800)
    assert value[half_past, "desk", "occupancy"] == 1.0
    assert value[half_past, "desk", "agents"] == pytest.approx(80 / 1800)
    assert value[half_past, "night", "agents"] == pytest.approx(1)
    assert value[nine, "night", "answered"] == 0
    assert value[nine, "night", "asa_s"] is None
    assert (nine, "desk", "offered") not in value
    assert value[half_past, "all", "service_level"] is None
    assert value[ten, "all", "occupancy"] is None
    assert (value[twenty, "all", "offered"], value[twenty, "all", "answered"]) == (1, 0)


def test_intervals_are_means_of_days() -> None:
    two = [*DAY, visit("a", 9 * HOUR, None, None, 9 * HOUR, replication=1)]
    found = desk_intervals(tables.build("contacts", two), tables.build("roster", ROSTER), 20, 900)
    offered = found.filter(metric="offered", interval_start_s=32_400)
    assert offered.select("estimate", "n").row(0) == (2.5, 5)
    agents = found.filter(metric="agents", interval_start_s=32_400, team="desk")
    assert agents.select("estimate", "n").row(0) == (pytest.approx(0.5), 2)
    assert desk_intervals(tables.empty("contacts"), tables.empty("roster"), 20).height == 0
