"""Closed forms of queues, and the bulk road by which the desk is held against them."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from simulator import tables
from simulator.contact_center import erlang_a, erlang_b, erlang_c, simulate
from simulator.errors import UnstableQueueError
from simulator.evidence.replications import two_level
from tests.queues import TEAM, Drawn, agents, desk_of, poisson, visits

HANDLE_S = 300.0
TARGET_S = 30.0


def whole_ms(seconds: np.ndarray) -> np.ndarray:
    return np.rint(seconds * 1000) / 1000


def test_the_bulk_road_is_the_public_one() -> None:
    """What the tests against theory run is the desk that ``simulate`` runs, visit by visit."""
    draw = np.random.default_rng(1)
    at = whole_ms(poisson(draw, 8 / HANDLE_S, 30_000))
    n = len(at)
    drawn = Drawn(
        at,
        whole_ms(draw.exponential(HANDLE_S, n)),
        whole_ms(draw.exponential(200, (n, 2))),
        kind=draw.integers(0, 2, n),
        returns=np.column_stack([draw.random(n) < 0.5, np.zeros(n, bool)]),
        delay_s=whole_ms(draw.exponential(600, (n, 2))),
    )
    assert drawn.patience_s is not None
    assert drawn.kind is not None
    assert drawn.returns is not None
    assert drawn.delay_s is not None
    kinds = [{"priority": 0}, {"priority": 2}]
    found = visits(desk_of(kinds, max_attempts=2), agents(6), drawn)
    arrivals = pl.DataFrame(
        {
            "arrival_id": [f"{number:05}" for number in range(n)],
            "conversation_id": [f"{number:05}" for number in range(n)],
            "arrives_ms": np.rint(at * 1000).astype(int),
            "work_ms": np.rint(drawn.work_s * 1000).astype(int),
            "priority": drawn.kind * 2,
            "patience_ms": np.rint(drawn.patience_s * 1000).astype(int).tolist(),
            "recontacts": drawn.returns.astype(int).tolist(),
            "recontact_delay_ms": np.rint(drawn.delay_s * 1000).astype(int).tolist(),
        }
    ).with_columns(
        replication=pl.lit(0),
        stage=pl.lit("human_only"),
        candidate=pl.lit("human"),
        bound=pl.lit("central"),
        cause=pl.lit("new"),
        channel=pl.lit("voice"),
    )
    present = {"replication": 0, "team": "desk", "starts_ms": 0, "ends_ms": 10**15}
    contacts = simulate(
        tables.conform("arrivals", arrivals),
        tables.build("roster", [present | {"agent_id": str(agent)} for agent in range(6)]),
        TEAM,
        max_attempts=2,
    ).with_columns(row=pl.col("conversation_id").cast(pl.Int64))
    of_simulate = contacts.sort("row", "attempt")
    order = np.lexsort((found["attempt"], found["row"]))
    assert len(of_simulate) == len(found) > n
    for column, field in (
        ("arrived_ms", "arrived"),
        ("started_ms", "started"),
        ("ended_ms", "ended"),
        ("abandoned_ms", "left"),
    ):
        us = found[field][order]
        known = of_simulate[column].fill_null(-1).to_numpy()
        assert (known == np.where(us < 0, -1, us // 1000)).all(), column


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
