"""Intervals of simulated days: by hand, and their coverage of known populations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from simulator.evidence.replications import two_level, two_levels

Reals = NDArray[np.float64]


def test_exact_two_levels_by_hand() -> None:
    spread = two_level(np.array([1.0, 3.0, 6.0, 8.0]), np.array([4, 4, 9, 9]))
    # Means 2 and 7; within: 4 squares of 1 over 2; between: 2 (2.5^2 + 2.5^2) over 1 = 25.
    assert spread.simulation_sd == pytest.approx(np.sqrt(2))
    assert spread.input_sd == pytest.approx(np.sqrt((25 - 2) / 2))
    assert spread.half_width == pytest.approx(stats.t.ppf(0.975, 1) * np.sqrt(25 / 4))
    assert spread.method == "two-level bootstrap, 95 % interval (2 input days, 4 replications)"


def test_exact_days_of_the_log_bound_what_draws_can_tell() -> None:
    values, draws = np.array([1.0, 3.0, 6.0, 8.0]), np.array([4, 4, 9, 9])
    input_, simulation = (25 - 2) / 2, 2.0
    spread = two_level(values, draws, n_logged=6)
    of_mean = input_ / 5 + input_ / 2 + simulation / 4
    freedom = 1 / (1 / 1 + 1 / 5)
    assert spread.half_width == pytest.approx(stats.t.ppf(0.975, freedom) * np.sqrt(of_mean))
    # Fewer than 20 replications: Student's t around the mean.
    outer = input_ * 6 / 5
    of_day = (outer + simulation) ** 2 / (outer**2 / freedom + simulation**2 / 2)
    half = stats.t.ppf(0.95, of_day) * np.sqrt(outer + simulation + of_mean)
    assert spread.predicted_low == pytest.approx(4.5 - half)
    assert spread.predicted_high == pytest.approx(4.5 + half)
    assert "drawn from 6 logged days" in spread.method
    one = two_level(values, draws, n_logged=1)
    assert one.input_sd is None
    assert one.simulation_sd == pytest.approx(np.sqrt(input_ + simulation))
    assert "no input variance" in one.method
    with pytest.raises(ValueError, match="n_logged = 0; expected 1 or more"):
        two_level(values, draws, n_logged=0)


def test_exact_where_they_cannot_be_told_apart() -> None:
    values = np.array([1.0, 3.0, 6.0, 8.0])
    apart = two_level(values, np.arange(4))
    assert (apart.input_sd, apart.simulation_sd) == (None, None)
    assert "input and simulation together" in apart.method
    same = two_level(values, np.zeros(4, dtype=np.int64))
    assert same.half_width == apart.half_width
    assert same.input_sd is None
    assert same.simulation_sd == pytest.approx(values.std(ddof=1))
    assert "no input variance" in same.method
    # Draws that differ by less than chance: the input variance is 0, the interval stays.
    alike = two_level(np.array([1.0, 9.0, 2.0, 8.0]), np.array([0, 0, 1, 1]))
    assert alike.input_sd == 0
    assert alike.half_width == pytest.approx(stats.t.ppf(0.975, 1) * np.sqrt((32 + 18) / 2 / 4))
    alone = two_level(np.array([5.0]), np.array([0]))
    assert alone.method == "one replication: no interval"
    assert (alone.half_width, alone.simulation_sd, alone.predicted_low) == (None, None, None)


def test_exact_many_at_once_and_days_without_a_value() -> None:
    draw = np.random.default_rng(2)
    values = draw.normal(10, 2, (4, 24))
    values[1, 3] = values[1, 17] = np.nan
    values[2] = np.nan
    values[3, 1:] = np.nan
    draws = np.repeat(np.arange(8), 3)
    found = two_levels(values, draws, 12)
    for row in (0, 1):
        known = ~np.isnan(values[row])
        alone = two_level(values[row][known], draws[known], 12)
        assert found.half_width[row] == pytest.approx(alone.half_width)
        assert found.input_sd[row] == pytest.approx(alone.input_sd)
        assert found.predicted_low[row] == pytest.approx(alone.predicted_low)
        assert found.method[row] == alone.method
    assert np.isnan(found.half_width[2:]).all()
    assert found.method[2:] == ["nothing to count", "one replication: no interval"]


def test_exact_the_prediction_follows_a_skewed_shape() -> None:
    values = np.concatenate([np.zeros(30), np.full(10, 10.0)])
    found = two_level(values, np.zeros(40, dtype=np.int64))
    assert found.predicted_low is not None
    assert found.predicted_high is not None
    mean = values.mean()
    # As far from the mean as the outer values, stretched alike on both sides.
    assert (found.predicted_high - mean) / (mean - found.predicted_low) == pytest.approx(3.0)
    assert found.predicted_high > 10


def _days(draw: np.random.Generator, size: tuple[int, ...], skewed: bool) -> Reals:
    """Mean 0, variance 1; skewed: lognormal with a skewness of 3.7."""
    if not skewed:
        return draw.normal(0, 1, size)
    found: Reals = draw.lognormal(0, 0.8, size)
    mean = math.exp(0.32)
    return (found - mean) / (mean * math.sqrt(math.exp(0.64) - 1))


# Fewest of 95 % intervals that hold the mean, and of 90 % of days that lie in the prediction.
@pytest.mark.parametrize(
    ("skewed", "n_logged", "n_draws", "n_each", "input_sd", "of_mean", "of_day"),
    [
        (False, 22, 10, 2, 2, 0.94, 0.89),
        (False, 22, 50, 2, 2, 0.94, 0.89),
        (False, 7, 20, 5, 2, 0.94, 0.88),
        (False, 22, 20, 5, 0.5, 0.94, 0.89),
        (False, None, 20, 2, 2, 0.94, 0.89),
        (True, 22, 20, 5, 2, 0.87, 0.89),
        (True, 7, 20, 5, 2, 0.86, 0.87),
        (True, 60, 20, 2, 1, 0.89, 0.89),
    ],
)
def test_analytic_coverage(
    skewed: bool,
    n_logged: int | None,
    n_draws: int,
    n_each: int,
    input_sd: float,
    of_mean: float,
    of_day: float,
) -> None:
    draw = np.random.default_rng([7, n_draws, n_logged or 0, skewed])
    layouts = 2000
    if n_logged is None:
        day = _days(draw, (layouts, n_draws), skewed)
    else:
        logged = _days(draw, (layouts, n_logged), skewed)
        taken = draw.integers(0, n_logged, (layouts, n_draws))
        day = np.take_along_axis(logged, taken, axis=1)
    values = input_sd * day[:, :, None] + _days(draw, (layouts, n_draws, n_each), skewed)
    flat = values.reshape(layouts, -1)
    found = two_levels(flat, np.repeat(np.arange(n_draws), n_each), n_logged)
    held = np.abs(flat.mean(axis=1)) < found.half_width
    assert _z(held, of_mean) > -4
    # Too long is no virtue either.
    assert held.mean() < 0.98
    # One further day for each layout, so that they are independent.
    new = input_sd * _days(draw, (layouts,), skewed) + _days(draw, (layouts,), skewed)
    inside = (found.predicted_low <= new) & (new <= found.predicted_high)
    assert _z(inside, of_day) > -4
    assert inside.mean() < 0.95
    # Misses lie on both sides, also of skewed days.
    assert 0.01 < (new < found.predicted_low).mean() < 0.09
    assert 0.01 < (new > found.predicted_high).mean() < 0.11


def test_analytic_draws_create_no_knowledge() -> None:
    """With many draws of few days, an interval that divides by the draws misses most means."""
    draw = np.random.default_rng(11)
    layouts, n_logged, n_draws = 2000, 7, 100
    logged = draw.normal(0, 2, (layouts, n_logged))
    taken = draw.integers(0, n_logged, (layouts, n_draws))
    day = np.repeat(np.take_along_axis(logged, taken, axis=1), 2, axis=1)
    values = day + draw.normal(0, 1, day.shape)
    draws = np.repeat(np.arange(n_draws), 2)
    mean = np.abs(values.mean(axis=1))
    assert _z(mean < two_levels(values, draws, n_logged).half_width, 0.94) > -4
    assert (mean < two_levels(values, draws).half_width).mean() < 0.6


def _z(held: NDArray[np.bool_], floor: float) -> float:
    return float((held.mean() - floor) / math.sqrt(floor * (1 - floor) / held.size))
