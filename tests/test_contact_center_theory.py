"""The desk against queueing theory: many replications, |z| < 4, and a relative bound.

Each replication starts empty; contacts of a warm-up are left out. A ratio's standard error comes
from its linearised residuals over replications.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center import erlang_a, erlang_b, erlang_c, simulate
from simulator.errors import UnstableQueueError
from simulator.evidence.replications import two_level

HANDLE_S = 300.0
TARGET_S = 30.0
HOUR_MS = 3_600_000
Numbers = NDArray[np.float64]


def poisson_desk(
    n_agents: int,
    per_hour: float,
    patience_s: float | None,
    *,
    hours: int,
    replications: int,
    seed: int,
    priorities: tuple[float, ...] = (1.0,),
    constant_work: bool = False,
) -> pl.DataFrame:
    """The log of so many days; ``priorities`` are the shares of priority 0, 1, ..."""
    draw = np.random.default_rng(seed)
    counts = draw.poisson(per_hour * hours, replications)
    n = int(counts.sum())
    work = np.full(n, HANDLE_S) if constant_work else draw.exponential(HANDLE_S, n)
    if patience_s is None:
        patience = pl.Series([None] * n, dtype=pl.Int64)
    else:
        patience = pl.Series(np.rint(1000 * draw.exponential(patience_s or 1e-9, n)).astype(int))
    arrivals = pl.DataFrame(
        {
            "replication": np.repeat(np.arange(replications), counts),
            "arrival_id": np.arange(n).astype(str),
            "arrives_ms": draw.integers(0, hours * HOUR_MS, n),
            "work_ms": np.rint(1000 * work).astype(int),
            "priority": draw.choice(len(priorities), n, p=priorities),
        }
    ).with_columns(
        pl.lit("human_only").alias("stage"),
        pl.lit("human").alias("candidate"),
        pl.lit("central").alias("bound"),
        pl.col("arrival_id").alias("conversation_id"),
        pl.lit("new").alias("cause"),
        pl.lit("voice").alias("channel"),
        patience.alias("patience").reshape((-1, 1)).arr.to_list().alias("patience_ms"),
        pl.lit([], dtype=pl.List(pl.Int64)).alias("recontacts"),
        pl.lit([], dtype=pl.List(pl.Int64)).alias("recontact_delay_ms"),
    )
    roster = [
        {
            "replication": replication,
            "agent_id": str(agent),
            "team": "desk",
            "starts_ms": 0,
            "ends_ms": 1000 * HOUR_MS,
        }
        for replication in range(replications)
        for agent in range(n_agents)
    ]
    team = {"team": "desk", "skills": [], "languages": [], "channels": []}
    contacts = simulate(
        tables.conform("arrivals", arrivals),
        tables.build("roster", roster),
        tables.build("teams", [team]),
    )
    more = arrivals.select(pl.format("{}/0", "arrival_id").alias("contact_id"), "priority")
    return contacts.join(more, on="contact_id")


def measured(contacts: pl.DataFrame, warm_up_h: float) -> dict[str, tuple[Numbers, Numbers]]:
    """Numerator and denominator of each measure, one entry a replication."""
    wait = (pl.col("started_ms") - pl.col("arrived_ms")) / 1000
    left = (pl.col("abandoned_ms") - pl.col("arrived_ms")) / 1000
    sums = (
        contacts.filter(pl.col("arrived_ms") >= warm_up_h * HOUR_MS)
        .group_by("replication")
        .agg(
            offered=pl.len(),
            answered=wait.count(),
            abandoned=left.count(),
            # Not answered at the instant of arrival. Whole ms: a wait of 0 was no wait.
            waited=pl.len() - (wait == 0).sum(),
            wait=wait.sum(),
            within=(wait <= TARGET_S).sum(),
            reached=wait.count() + (left > TARGET_S).sum(),
        )
    )

    def pair(top: str, bottom: str) -> tuple[Numbers, Numbers]:
        return sums[top].to_numpy().astype(float), sums[bottom].to_numpy().astype(float)

    return {
        "p_wait": pair("waited", "offered"),
        "p_abandon": pair("abandoned", "offered"),
        "asa_s": pair("wait", "answered"),
        "service_level": pair("within", "reached"),
    }


def agrees(pair: tuple[Numbers, Numbers], expected: float, relative: float) -> None:
    top, bottom = pair
    estimate = top.sum() / bottom.sum()
    error = np.std((top - estimate * bottom) / bottom.mean(), ddof=1) / math.sqrt(len(top))
    assert abs(estimate - expected) < 4 * error
    assert abs(estimate / expected - 1) < relative


def test_desk_agrees_with_erlang_a() -> None:
    contacts = poisson_desk(8, 100, 240, hours=14, replications=200, seed=1)
    theory = erlang_a(100, HANDLE_S, 8, 240, TARGET_S)
    for name, pair in measured(contacts, 2).items():
        agrees(pair, getattr(theory, name), 0.05)


def test_desk_agrees_with_erlang_c() -> None:
    contacts = poisson_desk(5, 42, None, hours=55, replications=100, seed=2)
    theory = erlang_c(42, HANDLE_S, 5, TARGET_S)
    measures = measured(contacts, 5)
    for name in ("p_wait", "asa_s", "service_level"):
        agrees(measures[name], getattr(theory, name), 0.05)


@pytest.mark.parametrize("constant_work", [False, True])
def test_desk_where_nobody_waits_agrees_with_erlang_b(constant_work: bool) -> None:
    # Also with constant work: the loss formula asks for the mean alone.
    contacts = poisson_desk(
        6, 60, 0, hours=26, replications=80, seed=3, constant_work=constant_work
    )
    agrees(measured(contacts, 2)["p_abandon"], erlang_b(5, 6), 0.03)


def test_desk_agrees_with_cobham_on_priorities() -> None:
    # Non-preemptive, two classes, one distribution of work: Cobham (1954), Operations Research 2.
    contacts = poisson_desk(
        4, 36, None, hours=65, replications=80, seed=4, priorities=(0.4, 0.6)
    )  # fmt: skip
    load = 36 * HANDLE_S / 3600 / 4
    base = erlang_c(36, HANDLE_S, 4, TARGET_S).p_wait * HANDLE_S / 4
    expected = (base / (1 - 0.4 * load), base / ((1 - 0.4 * load) * (1 - load)))
    for priority, wait_s in enumerate(expected):
        part = contacts.filter(pl.col("priority") == priority)
        agrees(measured(part, 5)["asa_s"], wait_s, 0.05)


def balance(per_hour: float, n_agents: int, patience_s: float) -> tuple[float, float, float]:
    """p_wait, p_abandon and occupancy from the chain's balance equations, state by state."""
    arrival, service, leaving = per_hour / 3600, 1 / HANDLE_S, 1 / patience_s
    states = np.arange(1, n_agents + 4000)
    out = np.where(
        states <= n_agents, states * service, n_agents * service + (states - n_agents) * leaving
    )
    log = np.concatenate([[0], np.cumsum(np.log(arrival / out))])
    chance = np.exp(log - log.max())
    chance /= chance.sum()
    present = np.arange(len(chance))
    waiting = np.maximum(present - n_agents, 0)
    return (
        float(chance[n_agents:].sum()),
        float((chance * waiting).sum() * leaving / arrival),
        float((chance * np.minimum(present, n_agents)).sum() / n_agents),
    )


@pytest.mark.parametrize(
    ("per_hour", "n_agents", "patience_s"),
    [(12, 1, 60), (100, 8, 240), (1200, 100, 600), (12_000, 900, 60), (1200, 150, 600), (1, 60, 9)],
)
def test_erlang_a_solves_the_balance_equations(
    per_hour: float, n_agents: int, patience_s: float
) -> None:
    got = erlang_a(per_hour, HANDLE_S, n_agents, patience_s, TARGET_S)
    expected = balance(per_hour, n_agents, patience_s)
    assert (got.p_wait, got.p_abandon, got.occupancy) == pytest.approx(expected, rel=1e-9)
    # Little's law on the queue, and waits by outcome, which come from another integral.
    share_at_once = erlang_a(per_hour, HANDLE_S, n_agents, patience_s, 0).service_level
    assert got.mean_wait_s == pytest.approx(got.p_abandon * patience_s, rel=1e-9)
    assert share_at_once == pytest.approx(1 - got.p_wait, rel=1e-9)


def test_erlang_a_without_impatience_is_erlang_c() -> None:
    a, c = erlang_a(120, 300, 14, 1e10, 20), erlang_c(120, 300, 14, 20)
    assert a.p_wait == pytest.approx(c.p_wait, rel=1e-6)
    assert a.asa_s == pytest.approx(c.asa_s, rel=1e-6)
    assert a.service_level == pytest.approx(c.service_level, rel=1e-6)


def test_erlang_golden_numbers() -> None:
    # Published tables: 10 erlangs on 10 lines lose 21.5 %; 1 erlang on 1 line loses half.
    assert erlang_b(10, 10) == pytest.approx(0.21458, abs=5e-6)
    assert erlang_b(1, 1) == 0.5
    assert (erlang_b(3, 0), erlang_b(0, 0), erlang_b(0, 3)) == (1.0, 1.0, 0.0)
    # One agent: the chance to wait is the load.
    one = erlang_c(6, 300, 1, 0)
    assert (one.p_wait, one.asa_s) == (pytest.approx(0.5), pytest.approx(300))


def test_erlang_at_the_edges() -> None:
    assert erlang_a(0, 300, 3, 60, 20).service_level == 1.0
    assert erlang_b(1e6, 10**6) == pytest.approx(math.sqrt(2 / math.pi / 1e6), rel=1e-2)
    flooded = erlang_a(100_000, 300, 10, 60, 20)
    assert flooded.p_abandon == pytest.approx(1 - 10 / (100_000 / 12), rel=1e-9)
    idle = erlang_a(1, 1, 2000, 60, 20)
    assert (idle.p_wait, idle.asa_s, idle.service_level) == (0.0, 0.0, 1.0)
    with pytest.raises(UnstableQueueError, match="at least 11"):
        erlang_c(120, 300, 10, 20)
    for wrong in ((-1, 300, 3, 60, 20), (1, 0, 3, 60, 20), (1, 1, 0, 60, 20), (1, 1, 1, 0, 20)):
        with pytest.raises(ValueError, match="expected"):
            erlang_a(*wrong)


def test_two_level_interval_covers() -> None:
    """Days that differ and chance within them: 95 % of intervals hold the true mean."""
    draw = np.random.default_rng(5)
    layouts, n_draws, n_each = 4000, 8, 3
    days = draw.normal(10, 2, (layouts, n_draws, 1))
    values = (days + draw.normal(0, 1, (layouts, n_draws, n_each))).reshape(layouts, -1)
    groups = np.repeat(np.arange(n_draws), n_each)
    found = [two_level(row, groups) for row in values]
    held = sum(
        abs(row.mean() - 10) < (f.half_width or 0) for row, f in zip(values, found, strict=True)
    )
    z = (held / layouts - 0.95) / math.sqrt(0.95 * 0.05 / layouts)
    assert abs(z) < 4
    # The components are unbiased where the cut at 0 hardly ever bites.
    inner = np.array([(f.simulation_sd or 0) ** 2 for f in found])
    outer = np.array([(f.input_sd or 0) ** 2 for f in found])
    for variance, true in ((inner, 1.0), (outer, 4.0)):
        z = (variance.mean() - true) / (variance.std(ddof=1) / math.sqrt(layouts))
        assert abs(z) < 4
        assert abs(variance.mean() / true - 1) < 0.05
