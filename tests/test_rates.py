"""Exact bounds over strata."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from simulator.evidence import inversion, rates
from simulator.evidence.rates import (
    Stratum,
    allocate,
    labels_needed,
    ratio_estimate,
    ratio_labels_needed,
    ratio_lower,
    ratio_upper,
    stratified_estimate,
    stratified_lower,
    stratified_upper,
)

ALPHA = 0.05


def _strata(most: int, sizes: tuple[int, int]) -> st.SearchStrategy[list[Stratum]]:
    one = st.integers(1, most).flatmap(
        lambda N: st.integers(0, N).flatmap(
            lambda n: st.integers(0, n).map(lambda k: Stratum(N, n, k))
        )
    )
    return st.lists(one, min_size=sizes[0], max_size=sizes[1])


@cache
def _chance(N: int, K: int, n: int, k: int) -> Fraction:
    return Fraction(math.comb(K, k) * math.comb(N - K, n - k), math.comb(N, n))


def _brute_upper(strata: Sequence[Stratum]) -> Fraction:
    """The definition, word for word, in rational arithmetic; unlabelled strata wholly bad."""
    total = sum(s.N for s in strata)
    bare = sum(s.N for s in strata if not s.n)
    rest = [s for s in strata if s.n]
    observed = sum((Fraction(s.N * s.k, s.n) for s in rest), Fraction(0))
    cells = [
        cell
        for cell in itertools.product(*(range(s.n + 1) for s in rest))
        if sum((Fraction(s.N * k, s.n) for s, k in zip(rest, cell, strict=True)), Fraction(0))
        <= observed
    ]
    best = 0
    for bad in itertools.product(*(range(s.N + 1) for s in rest)):
        if sum(bad) <= best:
            continue
        chance = sum(
            (
                math.prod(
                    (_chance(s.N, K, s.n, k) for s, K, k in zip(rest, bad, cell, strict=True)),
                    start=Fraction(1),
                )
                for cell in cells
            ),
            Fraction(0),
        )
        if chance > Fraction(1, 20):
            best = sum(bad)
    return Fraction(bare + best, total)


@settings(max_examples=60, deadline=None)
@given(_strata(9, (1, 2)))
def test_property_equals_enumeration_of_small_histories(strata: list[Stratum]) -> None:
    assert stratified_upper(strata, ALPHA) == float(_brute_upper(strata))
    good = [Stratum(s.N, s.n, s.n - s.k) for s in strata]
    assert stratified_lower(strata, ALPHA) == float(1 - _brute_upper(good))


@settings(max_examples=25, deadline=None)
@given(_strata(5, (3, 3)))
def test_property_equals_enumeration_of_three_strata(strata: list[Stratum]) -> None:
    assert stratified_upper(strata, ALPHA) == float(_brute_upper(strata))


def test_exact_open_boxes_give_a_wider_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    strata = [Stratum(60, 20, 3), Stratum(70, 20, 2), Stratum(80, 20, 2)]
    exact = stratified_upper(strata, ALPHA)
    monkeypatch.setattr(inversion, "MAX_WORK", 1)
    assert stratified_upper(strata, ALPHA) > exact


def test_exact_large_shapes_are_bracketed_by_simpler_bounds() -> None:
    # Shapes of up to a million units: below a bound that adds up the strata's own (Bonferroni
    # gives away more than a relaxed search may), above what one composition shows is possible.
    for strata in (
        [Stratum(10**6, 2000, 20), Stratum(10**5, 400, 40)],
        [Stratum(999_983, 1009, 10), Stratum(300_007, 503, 10), Stratum(99_991, 401, 10)],
        [Stratum(10**6, 1000, 5)] * 3,
    ):
        total = sum(s.N for s in strata)
        upper = stratified_upper(strata, ALPHA)
        apart = sum(stratified_upper([s], ALPHA / len(strata)) * s.N for s in strata) / total
        assert upper < apart
        bad = [round(s.N * s.k / s.n) for s in strata]
        test = inversion.Tail(strata)
        order = sorted(range(len(strata)), key=lambda h: strata[h].N)
        observed = test.probability(np.array([[bad[h] for h in order]]))[0]
        assert observed > ALPHA
        assert upper > sum(bad) / total


@settings(max_examples=30, deadline=None)
@given(_strata(300, (2, 2)))
def test_property_what_the_judge_calls_its_classes_is_all_one(strata: list[Stratum]) -> None:
    # Flagged becomes unflagged and the other way about: the labels are people's, and stay.
    renamed = strata[::-1]
    assert stratified_upper(renamed, ALPHA) == stratified_upper(strata, ALPHA)
    assert stratified_lower(renamed, ALPHA) == stratified_lower(strata, ALPHA)


@pytest.mark.parametrize("relaxed", ["no", "boxes", "cells"])
def test_exact_coverage_over_every_small_history(
    relaxed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if relaxed == "boxes":
        monkeypatch.setattr(inversion, "MAX_WORK", 1)
    if relaxed == "cells":
        monkeypatch.setattr(rates, "MAX_CELLS", 0)
    sizes, drawn = (9, 6, 5), (4, 3, 3)
    outcomes = list(itertools.product(*(range(n + 1) for n in drawn)))
    uppers = [
        stratified_upper([Stratum(*s) for s in zip(sizes, drawn, k, strict=True)], ALPHA)
        for k in outcomes
    ]
    for bad in itertools.product(*(range(N + 1) for N in sizes)):
        truth = sum(bad) / sum(sizes)
        missed = sum(
            (
                math.prod(
                    (_chance(*s) for s in zip(sizes, bad, drawn, k, strict=True)),
                    start=Fraction(1),
                )
                for k, upper in zip(outcomes, uppers, strict=True)
                if upper < truth
            ),
            Fraction(0),
        )
        assert missed <= Fraction(1, 20), bad


def test_exact_ties_are_compared_as_integers() -> None:
    tied = [Stratum(50, 30, 5), Stratum(450, 270, 3)]
    assert stratified_upper(tied, ALPHA) == 0.040  # a float comparison gives .036


def test_exact_single_stratum_is_the_hypergeometric_bound() -> None:
    # The largest K with P(none of 30 bad) > .05, straight from the distribution.
    largest = max(K for K in range(201) if hypergeom.pmf(0, 200, K, 30) > ALPHA)
    assert stratified_upper([Stratum(200, 30, 0)], ALPHA) == largest / 200


def test_exact_unlabelled_strata_count_against() -> None:
    strata = [Stratum(100, 100, 0), Stratum(7, 0, 0)]
    assert stratified_upper(strata, ALPHA) == 7 / 107
    assert stratified_lower([Stratum(100, 100, 100), Stratum(7, 0, 0)], ALPHA) == 100 / 107
    assert stratified_upper([Stratum(7, 0, 0)], ALPHA) == 1
    assert stratified_estimate(strata) is None


def test_exact_census_knows() -> None:
    strata = [Stratum(40, 40, 3), Stratum(60, 60, 1)]
    assert stratified_lower(strata, ALPHA) <= 0.04 <= stratified_upper(strata, ALPHA)
    assert stratified_estimate(strata) == pytest.approx(0.04)
    assert stratified_upper([Stratum(40, 40, 3)], ALPHA) == 3 / 40


def test_exact_weights_matter() -> None:
    # The same labels, the flagged stratum rare or common: the pooled rate is one and the same.
    rare, common = [
        stratified_upper([Stratum(flagged, 40, 20), Stratum(2000 - flagged, 360, 0)], ALPHA)
        for flagged in (40, 400)
    ]
    assert rare < 0.035 < 0.10 < common


@pytest.mark.parametrize(
    "strata", [[], [Stratum(0, 0, 0)], [Stratum(5, 6, 0)], [Stratum(5, 3, 4)], [Stratum(5, 3, -1)]]
)
def test_exact_impossible_counts_are_refused(strata: list[Stratum]) -> None:
    with pytest.raises(ValueError, match=r"expected|no units"):
        stratified_upper(strata, ALPHA)


@settings(max_examples=60, deadline=None)
@given(_strata(60, (1, 3)), st.data())
def test_property_one_more_bad_label_never_helps(
    strata: list[Stratum], data: st.DataObject
) -> None:
    h = data.draw(st.integers(0, len(strata) - 1))
    s = strata[h]
    if s.k < s.n:
        worse = [*strata[:h], s._replace(k=s.k + 1), *strata[h + 1 :]]
        assert stratified_upper(worse, ALPHA) >= stratified_upper(strata, ALPHA)


@settings(max_examples=40, deadline=None)
@given(_strata(60, (1, 3)))
def test_property_order_of_strata_and_level(strata: list[Stratum]) -> None:
    upper = stratified_upper(strata, ALPHA)
    assert stratified_upper(strata[::-1], ALPHA) == upper
    assert stratified_upper(strata, 0.01) >= upper
    assert stratified_lower(strata, ALPHA) <= upper


@settings(max_examples=60, deadline=None)
@given(_strata(500, (1, 3)), st.integers(0, 300))
def test_property_allocation_adds_up_and_fits(strata: list[Stratum], labels: int) -> None:
    units = [s.N for s in strata]
    given_ = allocate(units, [0.5] * len(units), labels, [0.0] * len(units))
    assert sum(given_) == min(labels, sum(units))
    assert all(0 <= g <= n for g, n in zip(given_, units, strict=True))


def test_exact_labels_needed_of_a_large_history() -> None:
    huge = 10**6
    # As for a binomial, within the 2 % of the search.
    assert labels_needed([Stratum(huge, 0, 0)], 0.01, ALPHA) == pytest.approx(299, rel=0.025)
    assert labels_needed([Stratum(huge, 299, 0)], 0.01, ALPHA) == 0
    # The last few are found to the label: 297 are two short (the history is finite).
    assert labels_needed([Stratum(huge, 297, 0)], 0.01, ALPHA) in (1, 2)
    # One bad among 100 stays one in a hundred: no number of labels certifies 1 %.
    assert labels_needed([Stratum(huge, 100, 1)], 0.009, ALPHA) is None
    # None bad of 50 allowed: with one bad, P(not drawn) = 1 - n/50 falls to .05 at n = 47.5.
    assert labels_needed([Stratum(50, 0, 0)], 0.01, ALPHA) == 48


def test_exact_labels_needed_do_what_they_say() -> None:
    strata = [Stratum(1500, 120, 0), Stratum(80, 30, 1)]
    more = labels_needed(strata, 0.02, ALPHA)
    assert more is not None
    for number, within in ((more, True), (more - max(2, more // 40), False)):
        grown = rates.grown(strata, rates._spread(strata, number))
        assert (stratified_upper(grown, ALPHA) <= 0.02) is within


def test_exact_ratio() -> None:
    good, bad = [Stratum(1000, 500, 90)], [Stratum(1000, 500, 10)]
    low, high = ratio_lower(good, bad, ALPHA), ratio_upper(good, bad, ALPHA)
    assert low is not None
    assert high is not None
    assert 0.8 < low < 0.9 < high < 0.97
    assert ratio_estimate(good, bad) == pytest.approx(0.9)
    none = [Stratum(10, 10, 0)]
    assert ratio_lower(none, none, ALPHA) is None
    assert ratio_labels_needed(good, bad, low, ALPHA) == 0
    assert ratio_labels_needed(good, bad, 0.95, ALPHA) is None
    assert 0 < (ratio_labels_needed(good, bad, 0.88, ALPHA) or 0) <= 500


def test_exact_ratio_with_a_stratum_that_holds_nothing_bad() -> None:
    good, bad = [Stratum(1000, 500, 90), Stratum(400, 100, 50)], [Stratum(1000, 500, 10)]
    assert ratio_estimate(good, bad) == pytest.approx((180 + 200) / (180 + 200 + 20))
    assert ratio_lower(good, bad, ALPHA) > ratio_lower(good[:1], bad, ALPHA)
    assert ratio_lower(good[1:], [], ALPHA) == ratio_upper(good[1:], [], ALPHA) == 1
    # Without a label it is no help, and no harm; the share itself is then not known.
    unseen = [good[0], Stratum(400, 0, 0)]
    assert ratio_lower(unseen, bad, ALPHA) == ratio_lower(good[:1], bad, ALPHA)
    assert ratio_estimate(unseen, bad) is None
    more = ratio_labels_needed(good, bad, 0.92, ALPHA)
    assert more is not None
    assert more > 0


@pytest.mark.parametrize("harmless", [False, True])
def test_exact_ratio_covers_over_every_small_history(harmless: bool) -> None:
    # Two strata, each of good, bad and other units; the chance of a miss is a finite sum. Where
    # the second is harmless, it holds nothing bad, and that is known.
    sizes, drawn = (8, 5), (5, 3)

    def parts(n: int, clean: bool) -> list[tuple[int, int]]:
        return [(g, b) for g in range(n + 1) for b in range(1 if clean else n + 1 - g)]

    def chances(N: int, n: int, clean: bool) -> dict[tuple[int, int], np.ndarray]:
        return {
            (G, B): np.array(
                [
                    math.comb(G, g) * math.comb(B, b) * math.comb(N - G - B, n - g - b)
                    for g, b in parts(n, clean)
                ]
            )
            / math.comb(N, n)
            for G, B in parts(N, clean)
        }

    seen = parts(drawn[0], False), parts(drawn[1], harmless)
    low = np.zeros((len(seen[0]), len(seen[1])))
    high = np.ones_like(low)
    for (i, first), (j, second) in itertools.product(*map(enumerate, seen)):
        good, bad = (
            [Stratum(N, n, k) for N, n, k in zip(sizes, drawn, ks, strict=True)]
            for ks in zip(first, second, strict=True)
        )
        bad = bad[:1] if harmless else bad
        # Null: nothing is claimed.
        low[i, j] = ratio_lower(good, bad, 0.2) or 0.0
        upper = ratio_upper(good, bad, 0.2)
        high[i, j] = 1.0 if upper is None else upper
    assert low.max() > 0.5
    assert high.min() < 0.5
    one, two = map(chances, sizes, drawn, (False, harmless))
    for ((G1, B1), p), ((G2, B2), q) in itertools.product(one.items(), two.items()):
        if G1 + G2 + B1 + B2:
            truth = (G1 + G2) / (G1 + G2 + B1 + B2)
            assert p @ (low > truth + 1e-12) @ q <= 0.2 + 1e-9
            assert p @ (high < truth - 1e-12) @ q <= 0.2 + 1e-9
