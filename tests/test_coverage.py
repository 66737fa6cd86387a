"""Do the bounds cover, and is a wrong GO as rare as stated? By simulation, with fixed seeds.

A history of 20,000 conversations of one to six automatic replies; in a share of them (.3 % or
1.05 %) some reply is risky. Clustered: once one is, most others of that conversation are too. A
judge flags a risky reply with its sensitivity and a safe one once in 500; the conversations with a
flag are the one stratum, the rest the other, and 400 are labelled as an audit would draw them.

An outcome's bound is looked up by its counts; where an outcome with fewer events in each stratum
is covered, it is too (the bounds never fall with an event more: ``test_rates``,
``test_future_traffic``), so that few bounds need computing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from simulator.evidence.future import future_lower, future_upper
from simulator.evidence.inversion import Stratum
from simulator.evidence.rates import allocate, stratified_lower, stratified_upper

pytestmark = pytest.mark.slow

ALPHA = 0.05
N = 20_000
LABELS = 400
LIMIT = 0.01
RUNS = 4000
HISTORIES = 5

Bound = Callable[[Sequence[Stratum], float], float]
CASES = [
    pytest.param(rate, sensitivity, clustered, id=f"{rate}-{sensitivity}-{kind}")
    for rate, sensitivity, (kind, clustered) in itertools.product(
        (0.003, 0.0105), (0.2, 0.5, 0.85), (("alone", False), ("clustered", True))
    )
]


class World(NamedTuple):
    """Conversations by what is true of them and what the judge says."""

    flagged_bad: int
    flagged: int
    bad: int


def world(rate: float, sensitivity: float, clustered: bool) -> World:
    """A judged history whose bad conversations are exactly floor(rate N)."""
    rng = np.random.default_rng([31, round(1e4 * rate), round(100 * sensitivity), clustered])
    replies = rng.integers(1, 7, N)
    bad = np.arange(N) < math.floor(rate * N)
    # How likely each further reply of a bad conversation is to be risky as well.
    alike = rng.beta(8, 2, N) if clustered else np.zeros(N)
    risky = np.where(bad, 1 + rng.binomial(replies - 1, alike), 0)
    unseen = (1 - sensitivity) ** risky * 0.998 ** (replies - risky)
    flagged = rng.uniform(0, 1, N) > unseen
    return World(int((bad & flagged).sum()), int(flagged.sum()), int(bad.sum()))


class Decisions:
    """Whether a bound lies at or above a level, by the counts of events."""

    def __init__(self, bound: Bound, sizes: Sequence[int], drawn: Sequence[int], level: float):
        self._bound, self._sizes, self._drawn, self._level = bound, sizes, drawn, level
        self._above: list[tuple[int, ...]] = []
        self._below: list[tuple[int, ...]] = []

    def __call__(self, counts: tuple[int, ...]) -> bool:
        if any(all(a <= k for a, k in zip(one, counts, strict=True)) for one in self._above):
            return True
        if any(all(a >= k for a, k in zip(one, counts, strict=True)) for one in self._below):
            return False
        strata = [Stratum(*s) for s in zip(self._sizes, self._drawn, counts, strict=True)]
        above = self._bound(strata, ALPHA) >= self._level
        (self._above if above else self._below).append(counts)
        return above

    def share(self, counts: np.ndarray) -> float:
        rows, times = np.unique(counts, axis=0, return_counts=True)
        return float(sum(t * self(tuple(map(int, r))) for r, t in zip(rows, times, strict=True)))


def plan(sizes: Sequence[int]) -> list[int]:
    return allocate(sizes, [0.5, 0.0], LABELS, [0.0, 0.6])


def z(found: float, stated: float, runs: int) -> float:
    return (found - stated) / math.sqrt(stated * (1 - stated) / runs)


@pytest.mark.parametrize(("rate", "sensitivity", "clustered"), CASES)
def test_analytic_this_history(rate: float, sensitivity: float, clustered: bool) -> None:
    judged = world(rate, sensitivity, clustered)
    truth = judged.bad / N
    sizes = [judged.flagged, N - judged.flagged]
    bad = [judged.flagged_bad, judged.bad - judged.flagged_bad]
    drawn = plan(sizes)
    rng = np.random.default_rng([17, round(1e4 * rate), round(100 * sensitivity), clustered])
    counts = np.column_stack(
        [rng.hypergeometric(b, s - b, n, RUNS) for b, s, n in zip(bad, sizes, drawn, strict=True)]
    )
    covered = Decisions(stratified_upper, sizes, drawn, truth).share(counts) / RUNS
    assert z(covered, 1 - ALPHA, RUNS) > -4
    missed_from_below = Decisions(stratified_lower, sizes, drawn, truth + 1e-12).share(counts)
    assert z(missed_from_below / RUNS, ALPHA, RUNS) < 4
    if truth > LIMIT:
        # Just above the limit, a bound within it is a wrong GO.
        go = 1 - Decisions(stratified_upper, sizes, drawn, LIMIT + 1e-12).share(counts) / RUNS
        assert z(go, ALPHA, RUNS) < 4


@pytest.mark.parametrize(("rate", "sensitivity", "clustered"), CASES)
def test_analytic_future_traffic(rate: float, sensitivity: float, clustered: bool) -> None:
    judged = world(rate, sensitivity, clustered)
    truth = judged.bad / N
    rates = (
        judged.flagged_bad / judged.flagged,
        (judged.bad - judged.flagged_bad) / (N - judged.flagged),
    )
    rng = np.random.default_rng([18, round(1e4 * rate), round(100 * sensitivity), clustered])
    each = RUNS // HISTORIES
    covered = below = go = 0.0
    for flagged in rng.binomial(N, judged.flagged / N, HISTORIES):
        sizes = [int(flagged), N - int(flagged)]
        drawn = plan(sizes)
        counts = np.column_stack(
            [
                rng.hypergeometric(bad := rng.binomial(s, p, each), s - bad, n)
                for s, n, p in zip(sizes, drawn, rates, strict=True)
            ]
        )
        covered += Decisions(future_upper, sizes, drawn, truth).share(counts)
        below += Decisions(future_lower, sizes, drawn, truth + 1e-12).share(counts)
        if truth > LIMIT:
            go += each - Decisions(future_upper, sizes, drawn, LIMIT + 1e-12).share(counts)
    assert z(covered / RUNS, 1 - ALPHA, RUNS) > -4
    assert z(below / RUNS, ALPHA, RUNS) < 4
    assert z(go / RUNS, ALPHA, RUNS) < 4


def test_exact_the_worlds_differ_as_they_should() -> None:
    for rate in (0.003, 0.0105):
        seen = [
            (world(rate, s, c).flagged_bad / world(rate, s, c).bad, s, c)
            for s in (0.2, 0.5, 0.85)
            for c in (False, True)
        ]
        # Clustered risks are seen more often than the judge's sensitivity to a single reply.
        for alone, clustered in zip(seen[::2], seen[1::2], strict=True):
            assert alone[0] == pytest.approx(alone[1], abs=0.17)
            assert clustered[0] > alone[0]
        assert world(rate, 0.5, True).bad == math.floor(rate * N)
