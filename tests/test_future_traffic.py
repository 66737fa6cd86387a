"""Bounds for future traffic of the same mix: the definition, exact coverage, small properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, multinomial

from simulator.evidence import future
from simulator.evidence.future import (
    SHARES_PART,
    difference_upper,
    future_labels_needed,
    future_lower,
    future_upper,
)
from simulator.evidence.intervals import clopper_pearson
from simulator.evidence.inversion import Stratum
from simulator.evidence.rates import allocate, grown, stratified_lower, stratified_upper

ALPHA = 0.05


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_property_one_stratum_is_clopper_pearson(counts: tuple[int, int]) -> None:
    n, k = counts
    for units in (n, 10 * n):
        upper, lower = (
            bound([Stratum(units, n, k)], ALPHA) for bound in (future_upper, future_lower)
        )
        assert upper == clopper_pearson(k, n, 1 - ALPHA, "upper").high
        assert lower == pytest.approx(clopper_pearson(k, n, 1 - ALPHA, "lower").low, abs=1e-12)


def _by_definition(strata: list[Stratum], alpha: float, steps: int) -> float:
    """The maximum over a grid of rates and shares, straight from the definition; two strata."""
    one, two = strata
    total, beta = one.N + two.N, SHARES_PART * alpha
    share = clopper_pearson(one.N, total, 1 - beta, "two")
    observed = one.N * one.k * two.n + two.N * two.k * one.n
    cells = [
        (i, j)
        for i, j in itertools.product(range(one.n + 1), range(two.n + 1))
        if one.N * i * two.n + two.N * j * one.n <= observed
    ]
    best = 0.0
    grid = np.linspace(0, 1, steps + 1)
    p, q = np.meshgrid(grid, grid, indexing="ij")
    chance = sum(binom.pmf(i, one.n, p) * binom.pmf(j, two.n, q) for i, j in cells)
    for w in (share.low, share.high):
        best = max(best, float(np.where(chance > alpha - beta, w * p + (1 - w) * q, 0).max()))
    return best


@pytest.mark.parametrize(
    "strata",
    [
        [Stratum(20, 8, 1), Stratum(60, 12, 0)],
        [Stratum(50, 10, 5), Stratum(450, 30, 3)],
        [Stratum(9, 4, 4), Stratum(30, 10, 0)],
        [Stratum(30, 10, 0), Stratum(30, 10, 0)],
    ],
)
def test_exact_equals_the_definition_and_lies_on_the_safe_side(strata: list[Stratum]) -> None:
    found = future_upper(strata, ALPHA)
    steps = 500
    assert _by_definition(strata, ALPHA, steps) <= found
    assert found <= _by_definition(strata, ALPHA, steps) + 2 / steps
    good = [s._replace(k=s.n - s.k) for s in strata]
    assert future_lower(strata, ALPHA) == 1 - future_upper(good, ALPHA)


@pytest.mark.parametrize("relaxed", ["no", "boxes", "cells"])
def test_exact_coverage_by_enumeration_of_two_strata(
    relaxed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if relaxed == "boxes":
        monkeypatch.setattr(future, "MAX_WORK", 1)
    if relaxed == "cells":
        monkeypatch.setattr(future, "MAX_CELLS", 0)
    total, alpha = 10, 0.2
    tables = []
    for N1 in range(total + 1):
        sizes = (N1, total - N1)
        drawn = tuple(min(N, 3) for N in sizes)
        for k in itertools.product(*(range(n + 1) for n in drawn)):
            strata = [Stratum(*s) for s in zip(sizes, drawn, k, strict=True)]
            tables.append((sizes, drawn, k, future_upper(strata, alpha)))
    for w, p, q in itertools.product((0.05, 0.3, 0.5), (0.0, 0.2, 0.6, 1.0), (0.02, 0.3, 0.9)):
        truth = w * p + (1 - w) * q
        missed = sum(
            binom.pmf(sizes[0], total, w)
            * binom.pmf(k[0], drawn[0], p)
            * binom.pmf(k[1], drawn[1], q)
            for sizes, drawn, k, upper in tables
            if upper < truth - 1e-12
        )
        assert missed <= alpha + 1e-9, (w, p, q)


def test_exact_coverage_by_enumeration_of_three_strata(monkeypatch: pytest.MonkeyPatch) -> None:
    # Hundreds of outcomes: each a little less close to the maximum than usual.
    monkeypatch.setattr(future, "MAX_WORK", 300_000)
    total, alpha = 6, 0.3
    tables = []
    for sizes in itertools.product(range(total + 1), repeat=3):
        if sum(sizes) != total:
            continue
        drawn = tuple(min(N, 2) for N in sizes)
        for k in itertools.product(*(range(n + 1) for n in drawn)):
            strata = [Stratum(*s) for s in zip(sizes, drawn, k, strict=True)]
            tables.append((sizes, drawn, k, future_upper(strata, alpha)))
    sizes, drawn, counts = (np.array([row[i] for row in tables]) for i in range(3))
    upper = np.array([row[3] for row in tables])
    assert upper.min() < 0.8
    rates = (0.0, 0.2, 0.7)
    for shares in ((0.2, 0.3, 0.5), (0.05, 0.15, 0.8)):
        mixed = multinomial.pmf(sizes, total, shares)
        for p in itertools.product(rates, rates, rates):
            chance = mixed * binom.pmf(counts, drawn, p).prod(axis=1)
            assert chance.sum() == pytest.approx(1)
            assert chance[upper < np.dot(shares, p) - 1e-12].sum() <= alpha + 1e-9, (shares, p)


@st.composite
def layouts(draw: st.DrawFn) -> list[Stratum]:
    sizes = draw(st.lists(st.integers(0, 400), min_size=1, max_size=2).filter(any))
    drawn = [draw(st.integers(0, min(N, 40))) for N in sizes]
    return [Stratum(N, n, draw(st.integers(0, n))) for N, n in zip(sizes, drawn, strict=True)]


@settings(max_examples=40, deadline=None)
@given(layouts(), st.data())
def test_property_order_and_side(strata: list[Stratum], data: st.DataObject) -> None:
    upper = future_upper(strata, ALPHA)
    # What the judge's classes are called, and so the order of the strata, is all one.
    assert future_upper(strata[::-1], ALPHA) == upper
    assert future_lower(strata, ALPHA) <= upper <= 1
    h = data.draw(st.integers(0, len(strata) - 1))
    if strata[h].k < strata[h].n:
        worse = [*strata]
        worse[h] = strata[h]._replace(k=strata[h].k + 1)
        assert future_upper(worse, ALPHA) >= upper * (1 - 3e-4)


@pytest.mark.parametrize(
    "strata",
    [
        [Stratum(260, 160, 2), Stratum(19_740, 240, 0)],
        [Stratum(230, 160, 30), Stratum(4000, 240, 0)],
        [Stratum(3000, 300, 0), Stratum(300, 100, 2), Stratum(30, 30, 5)],
    ],
)
def test_exact_the_future_is_less_sure_than_the_history(strata: list[Stratum]) -> None:
    assert stratified_upper(strata, ALPHA) < future_upper(strata, ALPHA)
    assert future_lower(strata, ALPHA) < stratified_lower(strata, ALPHA)


def test_exact_a_stratum_without_labels_counts_wholly_as_bad() -> None:
    strata = [Stratum(1000, 1000, 0), Stratum(50, 0, 0)]
    share = clopper_pearson(50, 1050, 1 - SHARES_PART * ALPHA, "two").high
    assert share is not None
    assert share < future_upper(strata, ALPHA) < share + 0.004
    # One that did not occur may yet come.
    assert future_upper([Stratum(300, 300, 0), Stratum(0, 0, 0)], ALPHA) > future_upper(
        [Stratum(300, 300, 0)], ALPHA
    )
    assert future_upper([Stratum(7, 0, 0), Stratum(9, 0, 0)], ALPHA) == 1
    assert future_lower([Stratum(7, 0, 0)], ALPHA) == 0


def test_exact_labels_needed_do_what_they_say() -> None:
    strata = [Stratum(150, 60, 0), Stratum(5000, 120, 0)]
    more = future_labels_needed(strata, 0.01, ALPHA)
    assert more is not None
    for number, within in ((more, True), (more - max(2, more // 40), False)):
        spread = allocate([s.N - s.n for s in strata], [0.0, 0.0], number, [0.0, 0.0])
        assert (future_upper(grown(strata, spread), ALPHA) <= 0.01) is within
    assert future_labels_needed([Stratum(10**6, 299, 0)], 0.01, ALPHA) == 0
    assert future_labels_needed([Stratum(10**6, 0, 0)], 0.01, ALPHA) == pytest.approx(299, rel=0.03)
    # All 200 labelled and clean says less than 1 % of what is to come: more history is needed.
    assert future_labels_needed([Stratum(200, 20, 0)], 0.01, ALPHA) is None


@pytest.mark.parametrize("estimand", ["this history", "future traffic of the same mix"])
def test_exact_difference_joins_an_upper_and_a_lower_bound(estimand: future.Estimand) -> None:
    ours = [Stratum(300, 150, 12), Stratum(9700, 250, 0)]
    theirs = [Stratum(10_000, 400, 40)]
    up, low = (
        (stratified_upper, stratified_lower)
        if estimand == "this history"
        else (future_upper, future_lower)
    )
    found = difference_upper(ours, theirs, ALPHA, estimand)
    assert found == up(ours, ALPHA / 2) - low(theirs, ALPHA / 2)
    assert found < 0 < difference_upper(theirs, ours, ALPHA, estimand)


def test_exact_difference_covers_by_enumeration() -> None:
    n, alpha = 12, 0.2
    bound = np.array(
        [
            [
                difference_upper(
                    [Stratum(n, n, i)], [Stratum(n, n, j)], alpha, "future traffic of the same mix"
                )
                for j in range(n + 1)
            ]
            for i in range(n + 1)
        ]
    )
    k = np.arange(n + 1)
    for p, q in itertools.product((0.01, 0.1, 0.3, 0.5, 0.8, 0.97), repeat=2):
        chance = np.outer(binom.pmf(k, n, p), binom.pmf(k, n, q))
        assert chance[bound < p - q].sum() <= alpha


@pytest.mark.parametrize("strata", [[], [Stratum(0, 0, 0)], [Stratum(5, 6, 0)]])
def test_exact_impossible_arguments_are_refused(strata: list[Stratum]) -> None:
    for bound in (future_upper, future_lower):
        with pytest.raises(ValueError, match=r"expected|no units"):
            bound(strata, ALPHA)
        with pytest.raises(ValueError, match="alpha"):
            bound([Stratum(5, 3, 1)], 1.0)
    assert math.isfinite(future_upper([Stratum(1, 1, 1)], ALPHA))
