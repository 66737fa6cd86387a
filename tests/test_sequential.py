"""The mixture e-process: what it takes, and that looking often costs nothing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from simulator.evidence.sequential import anytime_p_value, anytime_upper, log_e_values

ALPHA = 0.05


def _takes(renormalised: bool) -> int:
    log_e = log_e_values([False] * 1000, 0.01, renormalised=renormalised)
    return int(np.argmax(log_e >= math.log(1 / ALPHA))) + 1


def test_exact_680_event_free_conversations_rule_out_one_per_cent() -> None:
    assert _takes(renormalised=False) == 680
    assert _takes(renormalised=True) == 377


@pytest.mark.parametrize("renormalised", [False, True])
def test_exact_mean_at_the_null_by_enumeration(renormalised: bool) -> None:
    n, p0 = 8, 0.3
    paths = np.array(list(itertools.product([False, True], repeat=n)))
    e = np.exp([log_e_values(path, p0, renormalised=renormalised) for path in paths])
    for p in (p0, 0.31, 0.5, 0.9):
        chance = np.prod(np.where(paths, p, 1 - p), axis=1)
        means = chance @ e
        assert means.max() <= 1 + 1e-12
        if p == p0:
            mass = 1.0 if renormalised else beta.cdf(p0, 0.5, 0.5)
            assert means == pytest.approx(np.full(n, mass))


def test_exact_a_prior_over_all_rates_has_a_mean_above_one() -> None:
    # The mutation that the truncation guards against, at a true rate above p0.
    n, p0, p = 8, 0.3, 0.5
    paths = np.array(list(itertools.product([False, True], repeat=n)))
    bad = paths.sum(axis=1)
    whole = [
        quad(lambda q, k=k: q**k * (1 - q) ** (n - k) * beta.pdf(q, 1, 1), 0, 1)[0] for k in bad
    ]
    e = np.array(whole) / (p0**bad * (1 - p0) ** (n - bad))
    assert np.full(len(paths), p**n) @ e > 1.05


@pytest.mark.parametrize("renormalised", [False, True])
@pytest.mark.parametrize("p0", [0.05, 0.2])
def test_exact_chance_ever_to_rule_out_the_truth(renormalised: bool, p0: float) -> None:
    # By dynamic programming over the number of events: no simulation.
    steps, alpha = 150, 0.2
    log_e = np.full((steps + 1, steps + 1), -np.inf)
    for k in range(steps + 1):
        # The value hangs on n and k alone: events first, then none.
        row = log_e_values([True] * k + [False] * (steps - k), p0, renormalised=renormalised)
        log_e[max(k, 1) :, k] = row[max(k, 1) - 1 :]
    alive, gone = np.zeros(steps + 2), 0.0
    alive[0] = 1.0
    for n in range(1, steps + 1):
        moved = alive * (1 - p0)
        moved[1:] += alive[:-1] * p0
        out = np.append(log_e[n] >= math.log(1 / alpha), False)
        gone += moved[out].sum()
        alive = np.where(out, 0.0, moved)
    assert 0.01 < gone <= alpha


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.sampled_from([0.02, 0.2, 0.7]))
def test_property_equals_the_integral(events: list[bool], p0: float) -> None:
    k, n = sum(events), len(events)
    # Substituting q = p0 u^2 takes the singular prior out of the integrand.
    value, _ = quad(
        lambda u: (
            2 * math.sqrt(p0) / (math.pi * math.sqrt(1 - p0 * u * u))
            * u ** (2 * k) * ((1 - p0 * u * u) / (1 - p0)) ** (n - k)
        ),
        0,
        1,
        epsabs=0,
    )  # fmt: skip
    assert log_e_values(events, p0)[-1] == pytest.approx(math.log(value), abs=1e-7)


def test_exact_long_runs_stay_finite() -> None:
    events = np.zeros(60_000, dtype=bool)
    events[::20] = True
    log_e = log_e_values(events, 0.01)
    assert np.isfinite(log_e).all()
    # Where the incomplete beta function gives out, its series takes over without a jump.
    assert np.abs(np.diff(log_e)).max() < 2
    assert log_e[-1] < -5


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.sampled_from([0.01, 0.05, 0.5]), st.booleans())
def test_property_the_upper_bound_is_where_rejection_begins(
    events: list[bool], alpha: float, renormalised: bool
) -> None:
    upper = anytime_upper(events, alpha, renormalised=renormalised)
    for p0 in np.linspace(0.001, 0.999, 400):
        rejected = anytime_p_value(events, p0, renormalised=renormalised) <= alpha
        if abs(p0 - upper) > 1e-8:
            assert rejected == (p0 > upper)


def test_exact_looking_again_never_takes_back() -> None:
    clean = [False] * 700
    p = anytime_p_value(clean, 0.01)
    assert p <= ALPHA
    assert anytime_p_value([*clean, True, True, True], 0.01) == p
    assert anytime_p_value([], 0.01) == 1.0
    assert anytime_upper([], ALPHA) == 1.0


@pytest.mark.parametrize(("p0", "a", "b"), [(0.0, 1, 1), (1.0, 1, 1), (0.1, 0, 1), (0.1, 1, -1)])
def test_exact_impossible_arguments_are_refused(p0: float, a: float, b: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        log_e_values([True], p0, a, b)
    with pytest.raises(ValueError, match="expected"):
        anytime_upper([True], 0.0)
