"""Table ``intervals``, and the sums that indicators are made from."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import tables
from simulator.contact_center import desk_intervals, erlang_a
from simulator.contact_center.measures.intervals import Target, intervals_of
from simulator.contact_center.measures.kpis import hours_of, kpis_of
from simulator.contact_center.measures.required import erlang_a_agents
from simulator.contact_center.measures.sums import desk_sums, percentiles_of, together
from simulator.contact_center.measures.yardstick import yardstick
from simulator.errors import TableError
from tests.test_kpis import DAY, HOUR, INTENTS, ROSTER, S, conversations, presence, visit

HALF = 1800
Value = dict[tuple[int, str, str], Any]


def by_place(found: pl.DataFrame, column: str = "estimate") -> Value:
    tables.check("intervals", found)
    return {
        (row["interval_start_s"], row["team"], row["metric"]): row[column]
        for row in found.iter_rows(named=True)
    }


def test_exact_intervals_by_hand() -> None:
    found = desk_intervals(
        tables.build("contacts", DAY),
        tables.build("roster", [*ROSTER, presence("y", 9 * HOUR, 10 * HOUR, "night")]),
        20,
    )
    value = by_place(found)
    nine, half_past, ten, twenty = 32_400, 34_200, 36_000, 72_000
    assert min(key[0] for key in value) == nine
    assert max(key[0] for key in value) == twenty
    first = {metric: v for (at, team, metric), v in value.items() if (at, team) == (nine, "all")}
    assert first == {
        "offered": 5,
        "answered": 3,
        "abandoned": 2,
        "turned_away": 0,
        "backlog": 0,
        "asa_s": pytest.approx(70 / 3),
        "wait_p50_s": 20,
        "wait_p90_s": pytest.approx(44),
        "wait_p99_s": pytest.approx(20 + 0.98 * 30),
        "service_level": pytest.approx(2 / 4),
        "aht_s": pytest.approx((60 + 60 + 120) / 3),
        # x is busy 120 s and the last 40 s; x and y are logged in.
        "occupancy": pytest.approx(160 / 3600),
        "agents": pytest.approx(2),
        "required_agents": None,
    }
    assert value[nine, "desk", "occupancy"] == pytest.approx(160 / 1800)
    assert value[half_past, "desk", "occupancy"] == 1.0
    assert value[half_past, "desk", "agents"] == pytest.approx(80 / 1800)
    assert value[half_past, "night", "agents"] == pytest.approx(1)
    assert value[nine, "night", "answered"] == 0
    assert value[nine, "night", "asa_s"] is None
    assert value[nine, "desk", "offered"] == 5
    assert value[half_past, "all", "service_level"] is None
    assert value[ten, "all", "occupancy"] is None
    assert (value[twenty, "all", "offered"], value[twenty, "all", "answered"]) == (1, 0)
    assert value[twenty, "desk", "backlog"] == 1
    assert set(found["method"].filter(found["metric"] == "required_agents")) == {"no target given"}


def test_exact_a_contact_counts_where_it_was_offered() -> None:
    overflow = [
        visit("a", 0, 40 * S, 100 * S, offered_team="first", team="second"),
        visit("b", 0, outcome="turned_away", offered_team="first"),
        visit("c", 10 * S, offered_team=None),
    ]
    shift = [presence("x", 0, HOUR, "second"), presence("y", 0, HOUR, "first")]
    value = by_place(
        desk_intervals(tables.build("contacts", overflow), tables.build("roster", shift), 20)
    )
    assert [value[0, team, "offered"] for team in ("all", "first", "second")] == [3, 2, 0]
    assert [value[0, team, "answered"] for team in ("all", "first", "second")] == [1, 1, 0]
    assert [value[0, team, "turned_away"] for team in ("all", "first", "second")] == [1, 1, 0]
    assert [value[0, team, "backlog"] for team in ("all", "first", "second")] == [1, 0, 0]
    assert value[0, "first", "asa_s"] == 40
    assert value[0, "first", "service_level"] == 0
    # Time is that of the team that worked.
    assert [value[0, team, "occupancy"] for team in ("first", "second")] == [0, 60 / 1800]


def test_exact_backlog_begins_with_the_warm_up() -> None:
    queue = [
        visit("a", -HOUR, 3 * HOUR, 4 * HOUR),
        visit("b", HOUR // 4, HOUR // 2, HOUR),
        visit("c", 0),
        visit("d", -HOUR, None, None, -1),
    ]
    value = by_place(desk_intervals(tables.build("contacts", queue), tables.empty("roster"), 20))
    # b leaves the queue as the next interval begins: it waited through the end of the first.
    assert value[0, "all", "backlog"] == 3
    assert value[0, "all", "offered"] == 2
    long = desk_intervals(
        tables.build("contacts", queue), tables.build("roster", [presence("x", 0, 4 * HOUR)]), 20
    )
    backlog = by_place(long)
    assert [backlog[at * HALF, "all", "backlog"] for at in (0, 1, 5, 6, 7)] == [3, 2, 2, 1, 1]


def test_exact_intervals_are_means_of_days() -> None:
    two = [*DAY, visit("a", 9 * HOUR, None, None, 9 * HOUR, replication=1)]
    found = desk_intervals(tables.build("contacts", two), tables.build("roster", ROSTER), 20, 900)
    offered = found.filter(metric="offered", interval_start_s=32_400, team="all")
    assert offered.select("estimate", "n").row(0) == (2.5, 5)
    agents = found.filter(metric="agents", interval_start_s=32_400, team="desk")
    assert agents.select("estimate", "n").row(0) == (pytest.approx(0.5), 2)
    assert desk_intervals(tables.empty("contacts"), tables.empty("roster"), 20).height == 0


def test_exact_a_week_has_its_own_half_hours() -> None:
    at = [0, 100 * HOUR, 167 * HOUR]
    visits = [visit("a", t, t, t + 2 * HOUR, contact_id=f"{t}/0") for t in at]
    value = by_place(
        desk_intervals(
            tables.build("contacts", visits), tables.empty("roster"), 20, n_days=7, draws=[0]
        )
    )
    assert value[100 * 3600, "all", "offered"] == 1
    assert {place for place, _, _ in value} == set(range(0, 168 * 3600, HALF))
    # Work after the end of the week is not in it.
    assert value[167 * 3600 + HALF, "all", "agents"] == 1


def test_exact_percentiles_pool_replications_and_have_an_interval() -> None:
    rng = np.random.default_rng(3)
    rows, waits = [], []
    for replication in range(20):
        for i in range(30):
            wait = int(rng.exponential(60_000))
            waits.append(wait)
            rows.append(
                visit("a", i, i + wait, i + wait + S, replication=replication)
                | {"contact_id": f"{replication}.{i}/0"}
            )
    found = desk_intervals(
        tables.build("contacts", rows),
        tables.empty("roster"),
        20,
        draws=[i // 2 for i in range(20)],
    ).filter(team="all")
    for p in (50, 90, 99):
        row = found.filter(metric=f"wait_p{p}_s", interval_start_s=0).row(0, named=True)
        assert row["estimate"] == pytest.approx(np.quantile(waits, p / 100) / 1000)
        assert row["n"] == 600
        assert row["low"] < row["estimate"] < row["high"]
    mean = found.filter(metric="asa_s", interval_start_s=0).row(0, named=True)
    assert mean["low"] < mean["estimate"] < mean["high"]
    assert mean["predicted_low"] < mean["low"]
    assert mean["simulation_sd"] > 0
    few = desk_intervals(
        tables.build("contacts", [row for row in rows if row["replication"] < 3]),
        tables.empty("roster"),
        20,
    )
    row = few.filter(metric="wait_p99_s", interval_start_s=0, team="all").row(0, named=True)
    # 90 waits: the 99th percentile may lie beyond the longest of them.
    assert row["low"] < row["estimate"]
    assert row["high"] is None


def test_analytic_percentile_intervals_cover() -> None:
    """Days that differ and chance within them: the interval of the 90th percentile holds it."""
    rng = np.random.default_rng(8)
    layouts, n_draws, n_each, n = 120, 12, 2, 40
    spread = rng.lognormal(0, 0.3, (200_000, 1))
    truth = np.quantile(rng.exponential(60, (200_000, 1)) * spread, 0.9)
    held = 0
    shape = (n_draws * n_each, n)
    replication, number = (place.ravel() for place in np.indices(shape))
    base = tables.build("contacts", [visit("a", 0, 0, S)])
    names = pl.Series([f"{r}.{i}/0" for r, i in zip(replication, number, strict=True)])
    base = pl.concat([base] * names.len()).with_columns(
        contact_id=names, replication=pl.Series(replication)
    )
    by = yardstick(conversations(a=None), (), ("desk",), 20, shape[0])
    for _ in range(layouts):
        day = np.repeat(rng.lognormal(0, 0.3, n_draws), n_each)
        waits = (rng.exponential(60, shape) * day[:, None] * 1000).astype(np.int64).ravel()
        contacts = base.with_columns(started_ms=pl.Series(waits), ended_ms=pl.Series(waits + S))
        sums = desk_sums(contacts, tables.empty("roster"), by, range(shape[0]))
        draws = np.repeat(np.arange(n_draws), n_each)
        row = (
            intervals_of(sums, by, ("s", "c", "central"), draws.tolist())
            .filter(metric="wait_p90_s", team="all")
            .row(0, named=True)
        )
        held += row["low"] <= truth <= row["high"]
    assert (held / layouts - 0.92) / np.sqrt(0.92 * 0.08 / layouts) > -4


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.one_of(st.integers(-3 * HALF, 27 * HALF), st.integers(46 * HALF, 52 * HALF)),
            st.integers(0, 5 * HALF),
            st.integers(1, 5 * HALF),
            st.sampled_from(["answered", "abandoned", "turned_away", "unserved"]),
            st.sampled_from(["one", "two", None]),
            st.sampled_from(["chat", "email"]),
        ),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=30, deadline=None)
def test_property_parts_add_up(rows: list[tuple[Any, ...]]) -> None:
    """Replication by replication or all at once; queue and counts against brute force."""
    built = []
    for i, (replication, at, wait, work, outcome, team, channel) in enumerate(rows):
        leaves = (at + wait) * S
        row = visit("abcde"[i % 5], at * S, contact_id=f"{i}/0", replication=replication)
        row |= {"outcome": outcome, "offered_team": team, "channel": channel}
        if outcome == "answered":
            row |= {"started_ms": leaves, "ended_ms": leaves + work * S, "team": team or "one"}
            row |= {"agent": f"{team or 'one'}-{i % 3}", "handled_ms": work * S}
        elif outcome == "abandoned":
            row["abandoned_ms"] = leaves
        built.append(row)
    contacts = tables.build("contacts", built)
    shifts = [presence("one-0", 0, 5 * HOUR, "one", replication=r) for r in range(3)]
    roster = tables.build("roster", shifts)
    by = yardstick(INTENTS, ("intent",), ("one", "two"), 20, 3)
    cell, draws = ("assist", "X", "central"), [0, 0, 1]
    whole = together([desk_sums(contacts, roster, by, range(3))], by)
    parts = [
        pickle.loads(pickle.dumps(desk_sums(contacts.filter(replication=r), roster, by, [r])))
        for r in (2, 0, 1)
    ]
    joined = together(parts, by)
    for table in (kpis_of, intervals_of):
        assert table(joined, by, cell, draws).equals(table(whole, by, cell, draws))
    assert hours_of(joined, by, cell).equals(hours_of(whole, by, cell))

    counted = [row for row in built if row["arrived_ms"] >= 0]
    spans = whole.spans
    assert spans["offered"][0].sum() == len(counted) == whole.daily["offered"][0].sum()
    assert (spans["offered"][1:].sum(axis=0) <= spans["offered"][0]).all()
    for name in ("answered", "abandoned", "turned_away"):
        assert spans[name][0].sum() == sum(row["outcome"] == name for row in counted)
    for team, name in enumerate(("one", "two"), 1):
        for interval in range(48):
            end = (interval + 1) * HALF * S
            waiting = [
                row
                for row in built
                if row["offered_team"] == name
                and row["outcome"] != "turned_away"
                and row["arrived_ms"] < end
                and (row["started_ms"] is None or row["started_ms"] >= end)
                and (row["abandoned_ms"] is None or row["abandoned_ms"] >= end)
            ]
            assert spans["backlog"][team, interval].sum() == len(waiting)
    assert (spans["busy_ms"] <= spans["logged_in_ms"]).all()
    # An agent's busy time is that in which some contact is in hand, second by second.
    busy = sum(
        len(
            {
                second
                for row in built
                if (row["replication"], row["agent"]) == (replication, agent)
                for second in range(row["started_ms"] // S, row["ended_ms"] // S)
                if 0 <= second < 48 * HALF
            }
        )
        for replication, agent in {
            (row["replication"], row["agent"]) for row in built if row["agent"] is not None
        }
    )
    assert spans["busy_ms"][0].sum() == busy * S


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**31 - 1)), min_size=1, max_size=40),
    st.floats(0, 1),
)
@settings(max_examples=100, deadline=None)
def test_property_percentiles_are_those_of_numpy(
    waits: list[tuple[int, int]], share: float
) -> None:
    group, own = (np.array(column, dtype=np.int64) for column in zip(*waits, strict=True))
    found = percentiles_of(group, own, 5, np.array([[share]]))[0]
    for number in range(5):
        mine = own[group == number]
        if len(mine):
            assert found[number] == pytest.approx(np.quantile(mine, share), rel=1e-9, abs=1e-6)
        else:
            assert np.isnan(found[number])


def test_exact_required_agents_stand_by_team() -> None:
    visits = [
        visit("a", i * 10 * S, i * 10 * S, (i * 10 + 200) * S, contact_id=f"{i}/0")
        for i in range(180)
    ]
    found = desk_intervals(
        tables.build("contacts", visits),
        tables.build("roster", [presence("x", 0, HOUR), presence("z", 0, HOUR, "idle")]),
        20,
        target=Target(0.8, 300),
    )
    value = by_place(found)
    fewest = int(value[0, "all", "required_agents"])
    assert erlang_a(360, 200, fewest, 300, 20).service_level >= 0.8
    assert erlang_a(360, 200, fewest - 1, 300, 20).service_level < 0.8
    assert value[0, "desk", "required_agents"] == fewest
    assert value[0, "idle", "required_agents"] is None
    assert value[HALF, "all", "required_agents"] is None
    method = found.filter(metric="required_agents")["method"][0]
    assert method.endswith("80% within 20 s, mean patience 300 s")


def test_exact_required_agents_are_the_fewest_of_erlang_a() -> None:
    draw = np.random.default_rng(4)
    for _ in range(12):
        rate, work = float(10 ** draw.uniform(-0.5, 2.3)), float(10 ** draw.uniform(1.2, 3.3))
        patience, share = float(10 ** draw.uniform(0.5, 5.8)), float(draw.uniform(0.05, 0.99))
        within = float(draw.choice([0, 10, 60, 300, 3600]))
        n = int(erlang_a_agents(np.array([rate]), np.array([work]), patience, within, share)[0])
        assert erlang_a(rate, work, n, patience, within).service_level >= share - 1e-9
        if n > 1:
            assert erlang_a(rate, work, n - 1, patience, within).service_level < share + 1e-9
    nothing = erlang_a_agents(np.array([0.0, np.nan]), np.array([60.0, np.nan]), 60, 20, 0.8)
    assert np.isnan(nothing).all()
    with pytest.raises(ValueError, match="target_share = 1"):
        erlang_a_agents(np.array([1.0]), np.array([60.0]), 60, 20, 1)


def test_exact_a_contact_of_another_replication() -> None:
    by = yardstick(INTENTS, (), ("desk",), 20, 2)
    contacts = tables.build("contacts", [visit("a", 0, replication=1)])
    with pytest.raises(TableError, match=r"replication = 1; expected one of \[0\]"):
        desk_sums(contacts, tables.empty("roster"), by, [0])
    sums = together([desk_sums(contacts, tables.empty("roster"), by, [0, 1])], by)
    with pytest.raises(TableError, match="draws has 1 entries; expected 2"):
        kpis_of(sums, by, ("assist", "X", "central"), [0])
