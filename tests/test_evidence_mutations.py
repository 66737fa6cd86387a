"""Wrong statistics, one at a time: each is caught by a check that the real one passes.

A check takes the way of deciding as an argument. What is listed under it are plausible mistakes;
if a check would let one through, its test fails.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom, hypergeom, norm

from simulator.evidence.future import future_upper
from simulator.evidence.intervals import clopper_pearson
from simulator.evidence.inversion import Stratum
from simulator.evidence.multiplicity import holm
from simulator.evidence.paired import clustered_error
from simulator.evidence.rates import stratified_lower, stratified_upper
from simulator.evidence.thresholds import Threshold, accepted, learn_then_test

ALPHA = 0.05
LIMIT = 0.01

Check = Callable[[Any], None]
CASES: list[Any] = []


def real(check: Check) -> Callable[[Any], Any]:
    """The way of deciding passes this check."""
    return _listed(check, caught=False)


def mutant(check: Check) -> Callable[[Any], Any]:
    """The way of deciding fails this check."""
    return _listed(check, caught=True)


def _listed(check: Check, caught: bool) -> Callable[[Any], Any]:
    def listed(way: Any) -> Any:
        name = f"{check.__name__}-{way.__name__}"
        CASES.append(pytest.param(check, way, caught, id=name))
        return way

    return listed


@cache
def cp(k: int, n: int, alpha: float) -> float:
    high = clopper_pearson(k, n, 1 - alpha).high
    return 1.0 if high is None else high


def not_above(found: float, stated: float, runs: int) -> None:
    assert (found - stated) / math.sqrt(stated * (1 - stated) / runs) < 4


# --- a bound over strata covers ------------------------------------------------------------------

# Half of the labels lie in a small flagged stratum without a bad unit, as an audit may draw them.
SIZES, DRAWN, BAD = (200, 9800), (200, 200), (0, 105)


def covers(bound: Callable[[Sequence[Stratum], float], float]) -> None:
    """The chance that the bound lies below the truth, summed over all outcomes."""
    missed = 0.0
    for k in range(20):
        strata = [Stratum(SIZES[0], DRAWN[0], 0), Stratum(SIZES[1], DRAWN[1], k)]
        if bound(strata, ALPHA) < sum(BAD) / sum(SIZES):
            missed += float(hypergeom.pmf(k, SIZES[1], BAD[1], DRAWN[1]))
    assert missed <= ALPHA


@mutant(covers)
def weights_dropped(strata: Sequence[Stratum], alpha: float) -> float:
    return cp(sum(s.k for s in strata), sum(s.n for s in strata), alpha)


@mutant(covers)
def wald(strata: Sequence[Stratum], alpha: float) -> float:
    total = sum(s.N for s in strata)
    rate = sum(s.N * s.k / s.n for s in strata) / total
    variance = sum((s.N / total) ** 2 * (s.k / s.n) * (1 - s.k / s.n) / s.n for s in strata)
    return rate + float(norm.ppf(1 - alpha)) * math.sqrt(variance)


@mutant(covers)
def lower_for_upper(strata: Sequence[Stratum], alpha: float) -> float:
    return stratified_lower(strata, alpha)


@mutant(covers)
def more_events_than_seen(strata: Sequence[Stratum], alpha: float) -> float:
    """The direction of the test flipped: rates under which as many events or more are unlikely."""
    good = [s._replace(k=s.n - s.k) for s in strata]
    return 1 - stratified_upper(good, alpha)


@mutant(covers)
def unlabelled_are_safe(strata: Sequence[Stratum], alpha: float) -> float:
    """All units of a stratum that were not labelled count as if labelled and safe."""
    return stratified_upper([Stratum(s.N, s.N, s.k) for s in strata], alpha)


for _name, _bound in (("this_history", stratified_upper), ("future_traffic", future_upper)):

    def _way(strata: Sequence[Stratum], alpha: float, bound: Any = _bound) -> float:
        return float(bound(strata, alpha))

    _way.__name__ = _name
    real(covers)(_way)


# --- labels of 400 conversations at a true rate of .3 % ------------------------------------------


def covers_with_a_judge(bound: Callable[[int, int, int, int], float]) -> None:
    """Simple random labels and a judge of sensitivity .5 over all: (flagged, both, k, n)."""
    rng = np.random.default_rng(41)
    runs, units, rate, labels = 2000, 20_000, 0.003, 400
    flagged_bad, flagged_good = round(units * rate * 0.5), 100
    cells = [
        flagged_bad,
        flagged_good,
        round(units * rate) - flagged_bad,
        units - round(units * rate) - flagged_good,
    ]
    missed = 0
    for fb, fg, ub, _ in rng.multivariate_hypergeometric(cells, labels, runs):
        missed += bound(int(fb + fg), int(fb), int(fb + ub), labels) < rate
    not_above(missed / runs, ALPHA, runs)


@mutant(covers_with_a_judge)
def ppi_plus_plus(flagged: int, both: int, k: int, n: int) -> float:
    """PPI++: the judge's rate over all, corrected by the labels, with a normal interval."""
    units, over_all = 20_000, (30 + 100) / 20_000
    labels = np.zeros(n)
    labels[:k] = 1
    judged = np.zeros(n)
    judged[:both] = 1
    judged[k : k + flagged - both] = 1
    spread = over_all * (1 - over_all)
    tuned = float(np.cov(labels, judged)[0, 1]) / ((1 + n / units) * spread)
    rectified = labels - tuned * judged
    error = math.sqrt(float(rectified.var()) / n + tuned**2 * spread / units)
    return tuned * over_all + float(rectified.mean()) + float(norm.ppf(0.95)) * error


@mutant(covers_with_a_judge)
def wald_of_a_simple_sample(flagged: int, both: int, k: int, n: int) -> float:
    return k / n + float(norm.ppf(0.95)) * math.sqrt(k / n * (1 - k / n) / n)


@real(covers_with_a_judge)
def exact(flagged: int, both: int, k: int, n: int) -> float:
    return cp(k, n, ALPHA)


# --- conversations of five turns of one mind -----------------------------------------------------


def covers_clusters(bound: Callable[[int, int, int], float]) -> None:
    """(bad conversations, labelled conversations, turns each): all turns of one are alike."""
    n, turns, rate = 300, 5, 0.02
    missed = sum(binom.pmf(k, n, rate) for k in range(n + 1) if bound(k, n, turns) < rate)
    assert missed <= ALPHA


@real(covers_clusters)
def unit_is_the_conversation(k: int, n: int, turns: int) -> float:
    return cp(k, n, ALPHA)


@real(covers_clusters)
def two_strata_of_conversations(k: int, n: int, turns: int) -> float:
    return future_upper([Stratum(10 * n, n, k), Stratum(1, 1, 0)], ALPHA)


@mutant(covers_clusters)
def turns_as_if_independent(k: int, n: int, turns: int) -> float:
    return cp(turns * k, turns * n, ALPHA)


def error_of_clusters(error: Callable[[np.ndarray, np.ndarray], float | None]) -> None:
    """Against the true spread of the mean of 400 conversations with five turns of one mind."""
    each = np.random.default_rng(4).uniform(0, 1, 400) < 0.3
    found = error(np.repeat(each, 5) * 1.0, np.repeat(np.arange(400), 5))
    assert found is not None
    assert found == pytest.approx(math.sqrt(0.3 * 0.7 / 400), rel=0.1)


@real(error_of_clusters)
def by_conversation(values: np.ndarray, clusters: np.ndarray) -> float | None:
    return clustered_error(values, clusters)


@mutant(error_of_clusters)
def by_turn(values: np.ndarray, clusters: np.ndarray) -> float | None:
    return clustered_error(values, np.arange(values.size))


# --- a wrong GO just above the limit -------------------------------------------------------------


def rarely_go_wrong(go: Callable[[Sequence[Stratum]], bool]) -> None:
    """At 1.05 % against a limit of 1 %; the outcome's chances are summed."""
    sizes, drawn, bad = (260, 19_740), (160, 840), (50, 160)
    wrong = 0.0
    for k in itertools.product(range(15, 48), range(25)):
        chance = math.prod(
            float(hypergeom.pmf(i, N, K, n))
            for i, N, K, n in zip(k, sizes, bad, drawn, strict=True)
        )
        if chance > 1e-6 and go([Stratum(*s) for s in zip(sizes, drawn, k, strict=True)]):
            wrong += chance
    assert sum(bad) / sum(sizes) > LIMIT
    assert wrong <= ALPHA


@real(rarely_go_wrong)
def bound_within_the_limit(strata: Sequence[Stratum]) -> bool:
    return stratified_upper(strata, ALPHA) <= LIMIT


@mutant(rarely_go_wrong)
def limit_loosened(strata: Sequence[Stratum]) -> bool:
    return stratified_upper(strata, ALPHA) <= 1.5 * LIMIT


@mutant(rarely_go_wrong)
def level_loosened(strata: Sequence[Stratum]) -> bool:
    return stratified_upper(strata, 4 * ALPHA) <= LIMIT


@mutant(rarely_go_wrong)
def comparison_flipped(strata: Sequence[Stratum]) -> bool:
    return stratified_upper(strata, ALPHA) >= LIMIT


@mutant(rarely_go_wrong)
def estimate_for_bound(strata: Sequence[Stratum]) -> bool:
    return sum(s.N * s.k / s.n for s in strata) / sum(s.N for s in strata) <= LIMIT


# --- ten segments, all of them just too bad ------------------------------------------------------


def rarely_any_wrong(reject: Callable[[list[float | None], float], list[bool]]) -> None:
    """The chance that any of ten true hypotheses falls, and one that is plainly false must."""
    runs = 4000
    rng = np.random.default_rng(7)
    any_wrong = found = 0
    for p in rng.uniform(0, 1, (runs, 10)):
        decided = reject([*p, 1e-6], ALPHA)
        any_wrong += any(decided[:10])
        found += decided[10]
    assert found == runs
    not_above(any_wrong / runs, ALPHA, runs)


@real(rarely_any_wrong)
def by_holm(p_values: list[float | None], alpha: float) -> list[bool]:
    return [one.rejected for one in holm(p_values, alpha)]


@real(rarely_any_wrong)
def by_the_levels_of_holm(p_values: list[float | None], alpha: float) -> list[bool]:
    tested = holm(p_values, alpha)
    return [p is not None and p <= one.level for p, one in zip(p_values, tested, strict=True)]


@mutant(rarely_any_wrong)
def holm_skipped(p_values: list[float | None], alpha: float) -> list[bool]:
    return [p is not None and p <= alpha for p in p_values]


@mutant(rarely_any_wrong)
def levels_in_the_wrong_order(p_values: list[float | None], alpha: float) -> list[bool]:
    """The strictest level for the largest p-value."""
    ranks = np.argsort(np.argsort([1.0 if p is None else p for p in p_values]))
    return [
        p is not None and p <= alpha / (rank + 1) for p, rank in zip(p_values, ranks, strict=True)
    ]


# --- a threshold and its certificate -------------------------------------------------------------

GRID = [round(x, 2) for x in np.linspace(0.98, 0.0, 50)]


def rarely_certified_wrong(certify: Callable[[pl.DataFrame, pl.DataFrame], float | None]) -> None:
    """The score says nothing and the risk is above the limit at every threshold."""
    runs, delta, wrong = 300, 0.1, 0
    rng = np.random.default_rng(13)
    for _ in range(runs):
        splits = [
            pl.DataFrame(
                {
                    "conversation_id": [f"{name}{i}" for i in range(400)],
                    "score": rng.uniform(0, 1, 400),
                    "risky": rng.uniform(0, 1, 400) < 0.052,
                }
            )
            for name in "ab"
        ]
        wrong += certify(*splits) is not None
    not_above(wrong / runs, delta, runs)


@real(rarely_certified_wrong)
def learned_then_tested(choose: pl.DataFrame, certify: pl.DataFrame) -> float | None:
    return learn_then_test(certify, choose, GRID, 0.05, 0.1).threshold


@mutant(rarely_certified_wrong)
def labels_reused(choose: pl.DataFrame, certify: pl.DataFrame) -> float | None:
    """The threshold that looks best, certified by the labels that it was chosen by."""
    best = min(accepted(certify, GRID), key=lambda c: binom.cdf(c[1], c[0], 0.05))
    return 0.0 if binom.cdf(best[1], best[0], 0.05) <= 0.1 else None


@mutant(rarely_certified_wrong)
def grid_not_in_sequence(choose: pl.DataFrame, certify: pl.DataFrame) -> float | None:
    """The loosest threshold that passes by itself."""
    passed = [
        s
        for s, (n, k) in zip(GRID, accepted(certify, GRID), strict=True)
        if binom.cdf(k, n, 0.05) <= 0.1
    ]
    return passed[-1] if passed else None


def refuses_reused_labels(learn: Callable[[pl.DataFrame, pl.DataFrame], Threshold]) -> None:
    labels = pl.DataFrame({"conversation_id": ["a"], "score": [0.5], "risky": [False]})
    with pytest.raises(ValueError, match="both splits"):
        learn(labels, labels)


@real(refuses_reused_labels)
def as_given(certify: pl.DataFrame, choose: pl.DataFrame) -> Threshold:
    return learn_then_test(certify, choose, [0.5], 0.1, 0.1)


@mutant(refuses_reused_labels)
def renamed_before(certify: pl.DataFrame, choose: pl.DataFrame) -> Threshold:
    """The test is not handed what it needs to see the fault."""
    hidden = choose.with_columns(pl.col("conversation_id") + "'")
    return learn_then_test(certify, hidden, [0.5], 0.1, 0.1)


# --- replies whose label is not known ------------------------------------------------------------


def unknown_is_not_safe(count: Callable[[pl.DataFrame], tuple[int, int]]) -> None:
    """One in fifty is risky, and half of the risky ones have no label: none may get a certificate.

    (The safe ones all have one: people skip what is hard.)
    """
    rng = np.random.default_rng(5)
    runs, wrong = 400, 0
    for _ in range(runs):
        risky = rng.uniform(0, 1, 400) < 0.02
        unseen = risky & (rng.uniform(0, 1, 400) < 0.5)
        rows = pl.DataFrame(
            {
                "conversation_id": np.arange(400).astype(str),
                "score": np.ones(400),
                "risky": pl.Series(risky).set(pl.Series(unseen), None),
            }
        )
        n, k = count(rows)
        wrong += cp(k, n, ALPHA) < 0.02
    not_above(wrong / runs, ALPHA, runs)


@real(unknown_is_not_safe)
def unknown_counts_as_risky(rows: pl.DataFrame) -> tuple[int, int]:
    return accepted(rows, [0.5])[0]


@mutant(unknown_is_not_safe)
def unknown_counts_as_safe(rows: pl.DataFrame) -> tuple[int, int]:
    return accepted(rows.with_columns(pl.col("risky").fill_null(False)), [0.5])[0]


@mutant(unknown_is_not_safe)
def unknown_left_out(rows: pl.DataFrame) -> tuple[int, int]:
    return accepted(rows.drop_nulls("risky"), [0.5])[0]


def unlabelled_stratum_counts(bound: Callable[[Sequence[Stratum], float], float]) -> None:
    """A stratum of 5 % that nobody labelled may be bad throughout."""
    assert bound([Stratum(9500, 9500, 0), Stratum(500, 0, 0)], ALPHA) >= 0.05


@real(unlabelled_stratum_counts)
def counted_as_bad_here(strata: Sequence[Stratum], alpha: float) -> float:
    return stratified_upper(strata, alpha)


@real(unlabelled_stratum_counts)
def counted_as_bad_in_future(strata: Sequence[Stratum], alpha: float) -> float:
    return future_upper(strata, alpha)


@mutant(unlabelled_stratum_counts)
def excluded_counted_as_safe(strata: Sequence[Stratum], alpha: float) -> float:
    return stratified_upper([s if s.n else Stratum(s.N, s.N, 0) for s in strata], alpha)


@mutant(unlabelled_stratum_counts)
def excluded_dropped(strata: Sequence[Stratum], alpha: float) -> float:
    return stratified_upper([s for s in strata if s.n], alpha)


# --- golden numbers ------------------------------------------------------------------------------


def golden(bound: Callable[[Sequence[Stratum], float], float]) -> None:
    assert bound([Stratum(10**7, 299, 0)], ALPHA) <= 0.01 < bound([Stratum(10**7, 298, 0)], ALPHA)
    assert bound([Stratum(50, 30, 5), Stratum(450, 270, 3)], ALPHA) == 0.040


@real(golden)
def exact_integers(strata: Sequence[Stratum], alpha: float) -> float:
    return stratified_upper(strata, alpha)


@mutant(golden)
def floats_lose_ties(strata: Sequence[Stratum], alpha: float) -> float:
    """T compared as a float, by enumeration of the second example."""
    if len(strata) == 1:
        return stratified_upper(strata, alpha)
    one, two = strata
    total = one.N + two.N

    def t(i: int, j: int) -> float:
        return one.N / total * (i / one.n) + two.N / total * (j / two.n)

    def tail(K: int, L: int) -> float:
        return sum(
            float(hypergeom.pmf(i, one.N, K, one.n) * hypergeom.pmf(j, two.N, L, two.n))
            for i, j in itertools.product(range(10), range(10))
            if t(i, j) <= t(one.k, two.k)
        )

    return max(
        K + L for K in range(25) for L in range(25 - K) if K + L <= 20 and tail(K, L) > alpha
    ) / total  # fmt: skip


@pytest.mark.parametrize(("check", "way", "caught"), CASES)
def test_check(check: Check, way: Any, caught: bool) -> None:
    if caught:
        # pytest.fail, where an error was expected and none came, is no AssertionError.
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            check(way)
    else:
        check(way)
