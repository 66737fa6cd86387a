"""Candidates compared at the same points, against statsmodels and enumeration."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as oracle_mcnemar

from simulator.evidence import paired
from simulator.evidence.paired import (
    bootstrap_interval,
    clustered_error,
    mcnemar,
    paired_difference,
    sign_flip,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def clustered_points(conversations: int, seed: int) -> pl.DataFrame:
    """Points whose differences hang together within a conversation."""
    source = np.random.default_rng(seed)
    sizes = source.integers(1, 6, conversations)
    name = np.repeat(np.arange(conversations), sizes)
    tendency = np.repeat(source.beta(0.5, 2, conversations), sizes)
    return pl.DataFrame(
        {
            "conversation_id": [f"c{i}" for i in name],
            "ours": source.uniform(0, 1, name.size) < tendency,
            "theirs": source.uniform(0, 1, name.size) < tendency * 0.7,
        }
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 30), st.integers(0, 1000))
def test_property_clustered_error_agrees_with_statsmodels(conversations: int, seed: int) -> None:
    points = clustered_points(conversations, seed)
    values = points["ours"].to_numpy() * 1.0
    groups = points["conversation_id"].to_numpy()
    _, numbers = np.unique(groups, return_inverse=True)
    fit = sm.OLS(values, np.ones(values.size)).fit(
        cov_type="cluster", cov_kwds={"groups": numbers, "use_correction": True}
    )
    assert clustered_error(values, groups) == pytest.approx(fit.bse[0], abs=1e-12)


@given(st.integers(0, 60), st.integers(0, 60))
def test_property_mcnemar_agrees_with_statsmodels(b: int, c: int) -> None:
    theirs = oracle_mcnemar([[10, b], [c, 20]], exact=True).pvalue
    # With no pair that differs the oracle divides nothing by nothing; there is no evidence.
    assert mcnemar(b, c) == pytest.approx(theirs if b + c else 1.0)
    assert mcnemar(b, c) == mcnemar(c, b)


def _brute(totals: list[float]) -> float:
    sums = [
        abs(sum(s * t for s, t in zip(signs, totals, strict=True)))
        for signs in itertools.product([-1, 1], repeat=len(totals))
    ]
    return sum(s >= abs(sum(totals)) - 1e-9 for s in sums) / len(sums)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-2, -1, 0, 1, 3, 0.1, 0.2, 0.3]), min_size=1, max_size=11))
def test_property_few_conversations_are_enumerated(totals: list[float]) -> None:
    assert sign_flip(totals, rng()) == pytest.approx(_brute(totals))


def test_exact_alike_conversations_are_a_sign_test() -> None:
    # 3,000 conversations, 1,560 for ours: enumerated by count, the binomial to the digit.
    totals = [1.0] * 1560 + [-1.0] * 1440
    assert sign_flip(totals, rng()) == pytest.approx(mcnemar(1560, 1440))


def test_exact_drawn_outcomes_come_close_to_the_enumerated(monkeypatch: pytest.MonkeyPatch) -> None:
    source = np.random.default_rng(4)
    for totals in (source.integers(-2, 4, 15), source.normal(0.4, 1, 15)):
        enumerated = sign_flip(totals, rng())
        assert enumerated is not None
        with monkeypatch.context() as patch:
            patch.setattr(paired, "EXACT_UP_TO", 0)
            by_draw = sign_flip(totals, rng())
            # One by one and by kind.
            patch.setattr(paired, "_FEW", 0)
            by_kind = sign_flip(totals, rng())
        spread = math.sqrt(enumerated * (1 - enumerated) / paired.FLIPS) + 1 / paired.FLIPS
        for found in (by_draw, by_kind):
            assert found is not None
            assert abs(found - enumerated) < 4 * spread


def test_exact_a_drawn_p_value_is_never_zero() -> None:
    totals = np.random.default_rng(2).uniform(1, 2, 60)
    assert sign_flip(totals, rng()) == 1 / (paired.FLIPS + 1)


def test_exact_one_conversation_shows_nothing() -> None:
    one = pl.DataFrame({"conversation_id": ["a"] * 3, "ours": [1, 1, 1], "theirs": [0, 0, 1]})
    found = paired_difference(one, 0.95, rng())
    assert found.difference == pytest.approx(2 / 3)
    assert (found.interval.low, found.interval.high, found.error) == (None, None, None)
    assert found.p_value == 1.0
    assert clustered_error([1.0, 0.0], ["a", "a"]) is None
    nothing = paired_difference(one.clear(), 0.95, rng())
    assert (nothing.difference, nothing.p_value, nothing.error) == (None, None, None)
    assert (nothing.interval.low, nothing.n_points) == (None, 0)


def test_exact_unknown_is_left_out_and_counted() -> None:
    points = pl.DataFrame(
        {
            "conversation_id": ["a", "a", "b", "c"],
            "ours": [True, None, True, False],
            "theirs": [False, True, None, False],
        }
    )
    found = paired_difference(points, 0.95, rng())
    assert (found.n_points, found.n_excluded, found.difference) == (2, 2, 0.5)
    assert found.interval.n == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 200), st.integers(0, 1000))
def test_property_swapping_the_candidates_flips_the_sign(conversations: int, seed: int) -> None:
    points = clustered_points(conversations, seed)
    swapped = points.rename({"ours": "theirs", "theirs": "ours"})
    one, other = (paired_difference(p, 0.9, rng()) for p in (points, swapped))
    assert one.difference == -other.difference
    assert one.p_value == other.p_value
    assert one.error == pytest.approx(other.error)
    if one.difference:
        assert one.interval.low == pytest.approx(-other.interval.high)
        assert one.interval.high == pytest.approx(-other.interval.low)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 200), st.integers(0, 1000), st.integers(2, 5))
def test_property_duplicated_turns_shrink_nothing(
    conversations: int, seed: int, times: int
) -> None:
    points = clustered_points(conversations, seed)
    once = paired_difference(points, 0.9, rng())
    often = paired_difference(pl.concat([points] * times), 0.9, rng())
    assert often.difference == pytest.approx(once.difference)
    assert often.p_value == once.p_value
    assert often.error == pytest.approx(once.error)
    assert often.interval[:2] == pytest.approx(once.interval[:2])


def test_analytic_interval_error_and_independence() -> None:
    points = clustered_points(3000, 8)
    found = paired_difference(points, 0.95, rng())
    assert found.interval.low is not None
    assert found.interval.high is not None
    assert found.error is not None
    width = found.interval.high - found.interval.low
    assert width == pytest.approx(2 * 1.96 * found.error, rel=0.08)
    # By index and by kind: two ways to the same distribution.
    by = points.group_by("conversation_id").agg(
        (pl.col("ours").cast(int) - pl.col("theirs").cast(int)).sum().alias("t"), pl.len()
    )
    noisy = by["t"].to_numpy() + np.random.default_rng(3).normal(0, 1e-6, by.height)
    one_by_one = bootstrap_interval(noisy, by["len"].to_numpy(), 0.95, rng())
    assert one_by_one.high - one_by_one.low == pytest.approx(width, rel=0.08)


def test_analytic_the_test_keeps_its_level_and_the_interval_covers() -> None:
    # Conversations of one to five like-minded turns; no true difference.
    runs, rejected, covered, naive = 400, 0, 0, 0
    source = np.random.default_rng(31)
    for _ in range(runs):
        sizes = source.integers(1, 6, 120)
        each = source.choice([-1.0, 0.0, 1.0], 120, p=[0.2, 0.6, 0.2])
        p = sign_flip(sizes * each, source)
        interval = bootstrap_interval(sizes * each, sizes, 0.95, source)
        turns = np.repeat(each, sizes)
        rejected += p is not None and p <= 0.05
        covered += interval.low <= 0 <= interval.high
        naive += abs(turns.mean()) <= 1.96 * statistics.stdev(turns) / math.sqrt(turns.size)
    noise = math.sqrt(0.05 * 0.95 / runs)
    assert (rejected / runs - 0.05) / noise < 4
    # The percentile interval is a little short by its nature; as if independent, far too short.
    assert covered / runs > 0.90
    assert (naive / runs - 0.95) / noise < -4


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_exact_impossible_arguments_are_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        bootstrap_interval([1, 2], [1, 1], confidence, rng())
    with pytest.raises(ValueError, match="expected"):
        mcnemar(-1, 2)
