"""Intervals of a single proportion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest

from simulator.evidence.intervals import clopper_pearson, jeffreys, labels_to_certify, wilson
from simulator.evidence.inversion import Stratum

counts = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("limit", "needed"),
    [
        (0.01, (299, 473, 628, 773)),
        (0.005, (598, 947, 1258, 1549)),
        (0.003, (998, 1580, 2097, 2583)),
    ],
)
def test_exact_labels_to_certify(limit: float, needed: tuple[int, ...]) -> None:
    assert tuple(labels_to_certify(limit, events, 0.95) for events in range(4)) == needed


def test_exact_299_clean_labels_certify_one_per_cent_and_298_do_not() -> None:
    enough, short = clopper_pearson(0, 299, 0.95).high, clopper_pearson(0, 298, 0.95).high
    assert enough is not None
    assert short is not None
    assert enough < 0.01 < short


def test_exact_no_observation_is_unknown_not_zero() -> None:
    assert clopper_pearson(0, 0, 0.95)[:3] == (None, None, 0)
    assert wilson(0, 0, 0.95)[:3] == (None, None, 0)


def test_exact_sides_are_named() -> None:
    assert clopper_pearson(3, 10, 0.95, "upper").low == 0
    assert clopper_pearson(3, 10, 0.95, "lower").high == 1
    assert "two-sided" in clopper_pearson(3, 10, 0.95, "two").method


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 3, 0.9), (4, 3, 0.9), (1, 3, 1.0)])
def test_exact_impossible_counts_are_refused(k: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        clopper_pearson(k, n, confidence)
    with pytest.raises(ValueError, match="expected"):
        wilson(k, n, confidence)


@given(counts.filter(lambda c: c[1] > 0), st.sampled_from([0.8, 0.95, 0.99]))
def test_property_two_sided_ends_agree_with_scipy(c: tuple[int, int], confidence: float) -> None:
    for ours, method in (
        (clopper_pearson(*c, confidence, "two"), "exact"),
        (wilson(*c, confidence), "wilson"),
    ):
        theirs = binomtest(*c).proportion_ci(confidence, method=method)
        assert ours[:2] == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(counts.filter(lambda c: c[1] > 0))
def test_property_complement_mirrors(c: tuple[int, int]) -> None:
    k, n = c
    upper, lower = clopper_pearson(k, n, 0.95, "upper"), clopper_pearson(n - k, n, 0.95, "lower")
    assert upper.high is not None
    assert lower.low is not None
    assert upper.high == pytest.approx(1 - lower.low, abs=1e-12)


@given(st.sampled_from([0.003, 0.01, 0.1]), st.integers(0, 5))
def test_property_one_label_fewer_would_not_certify(limit: float, events: int) -> None:
    n = labels_to_certify(limit, events, 0.95)
    ends = [clopper_pearson(events, m, 0.95).high for m in (n, n - 1)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0] <= limit < ends[1]


def test_analytic_upper_end_covers_at_every_rate() -> None:
    # The coverage is a finite sum: no simulation is needed.
    ends = np.array([clopper_pearson(k, 120, 0.95).high for k in range(121)], dtype=float)
    for rate in np.linspace(0.001, 0.999, 200):
        assert binom.pmf(np.arange(121), 120, rate)[ends >= rate].sum() >= 0.95 - 1e-9


def test_analytic_jeffreys_of_one_stratum_is_its_posterior() -> None:
    found = jeffreys([Stratum(1000, 200, 7)], 0.9, np.random.default_rng(1))
    ends = beta.ppf([0.05, 0.95], 7.5, 193.5)
    # Quantiles of 20,000 draws: an order statistic lies within 4 of its standard errors.
    for end, share, exact in zip(found[:2], (0.05, 0.95), ends, strict=True):
        assert end is not None
        assert abs(beta.cdf(end, 7.5, 193.5) - share) < 4 * (0.05 * 0.95 / 20_000) ** 0.5
        assert end == pytest.approx(exact, rel=0.05)
    assert (found.n, "display" in found.method) == (200, True)


def test_analytic_jeffreys_weights_the_strata_and_covers_on_average() -> None:
    rng = np.random.default_rng(6)
    sizes, drawn, p = (300, 9700), (100, 300), (0.3, 0.01)
    truth = sum(s * q for s, q in zip(sizes, p, strict=True)) / sum(sizes)
    covered, runs = 0, 400
    for _ in range(runs):
        k = rng.binomial(drawn, p)
        strata = [Stratum(*s) for s in zip(sizes, drawn, map(int, k), strict=True)]
        low, high, n, _ = jeffreys(strata, 0.9, rng)
        assert low is not None
        assert high is not None
        covered += low <= truth <= high
        assert n == 400
    assert abs(covered / runs - 0.9) < 4 * (0.9 * 0.1 / runs) ** 0.5 + 0.02


def test_exact_jeffreys_knows_nothing_of_a_stratum_without_labels() -> None:
    rng = np.random.default_rng(1)
    for strata in ([], [Stratum(0, 0, 0)], [Stratum(50, 20, 1), Stratum(5, 0, 0)]):
        assert jeffreys(strata, 0.9, rng)[:2] == (None, None)
    assert jeffreys([Stratum(50, 20, 1), Stratum(0, 0, 0)], 0.9, rng).high is not None
    with pytest.raises(ValueError, match="expected"):
        jeffreys([Stratum(50, 20, 21)], 0.9, rng)
