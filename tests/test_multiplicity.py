"""Several tests at once, against statsmodels and the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.multitest import multipletests

from simulator.evidence.intervals import clopper_pearson
from simulator.evidence.inversion import Stratum
from simulator.evidence.multiplicity import benjamini_hochberg, holm, p_value
from simulator.evidence.rates import stratified_upper

ALPHA = 0.05
some = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12)


@given(some)
@settings(max_examples=40, deadline=None)
def test_property_agrees_with_statsmodels(p_values: list[float]) -> None:
    rejected, adjusted, *_ = multipletests(p_values, ALPHA, "holm")
    ours = holm(p_values, ALPHA)
    assert [one.adjusted for one in ours] == pytest.approx(adjusted)
    assert [one.rejected for one in ours] == list(rejected)
    _, explored, *_ = multipletests(p_values, ALPHA, "fdr_bh")
    assert benjamini_hochberg(p_values) == pytest.approx(explored)


@given(some)
def test_property_a_test_at_the_final_level_shows_the_decision(p_values: list[float]) -> None:
    for p, one in zip(p_values, holm(p_values, ALPHA), strict=True):
        assert (p <= one.level) == one.rejected
        assert ALPHA / len(p_values) <= one.level <= ALPHA


def test_exact_levels_of_the_textbook_example() -> None:
    found = holm([0.01, 0.04, 0.03, 0.005], ALPHA)
    assert [one.rejected for one in found] == [True, False, False, True]
    # .005 at .05 / 4, .01 at .05 / 3; .03 stands at .05 / 2, and so does all after it.
    assert [one.level for one in found] == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])
    assert [one.adjusted for one in found] == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(some, st.integers(0, 5))
def test_property_what_is_not_known_is_counted_and_never_rejected(
    p_values: list[float], unknown: int
) -> None:
    with_nulls = holm([*p_values, *[None] * unknown], ALPHA)
    with_ones = holm([*p_values, *[1.0] * unknown], ALPHA)
    assert with_nulls[: len(p_values)] == with_ones[: len(p_values)]
    assert all(one.adjusted is None and not one.rejected for one in with_nulls[len(p_values) :])
    explored = benjamini_hochberg([*p_values, *[None] * unknown])
    assert explored[len(p_values) :] == [None] * unknown
    assert explored[: len(p_values)] == pytest.approx(
        benjamini_hochberg([*p_values, *[1.0] * unknown])[: len(p_values)]
    )


@pytest.mark.parametrize(("k", "n"), [(0, 299), (3, 800), (0, 20), (9, 400)])
def test_exact_p_value_of_clopper_pearson_is_the_binomial_tail(k: int, n: int) -> None:
    def passes(alpha: float) -> bool:
        high = clopper_pearson(k, n, 1 - alpha).high
        return high is not None and high <= 0.01

    found = p_value(passes)
    assert found == pytest.approx(binom.cdf(k, n, 0.01), rel=2e-4)
    assert passes(found)
    assert not passes(found * 0.999)


def test_exact_p_value_decides_as_the_bound_does() -> None:
    strata = [Stratum(260, 160, 2), Stratum(19_740, 240, 0)]
    found = p_value(lambda alpha: stratified_upper(strata, alpha) <= 0.01)
    assert 0.05 < found < 0.2
    assert stratified_upper(strata, found) <= 0.01 < stratified_upper(strata, 0.999 * found)


def test_exact_p_value_at_the_ends() -> None:
    assert p_value(lambda alpha: True) == 1e-12
    assert p_value(lambda alpha: False) == 1.0


def test_exact_a_p_value_out_of_range_is_refused() -> None:
    for p_values in ([1.2], [-0.1], [float(np.nan)]):
        with pytest.raises(ValueError, match="expected"):
            holm(p_values, ALPHA)
        with pytest.raises(ValueError, match="expected"):
            benjamini_hochberg(p_values)
    with pytest.raises(ValueError, match="alpha"):
        holm([0.5], 1.0)
    assert holm([], ALPHA) == benjamini_hochberg([]) == []
