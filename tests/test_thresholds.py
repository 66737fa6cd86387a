"""Learn-then-Test: what is accepted, what is certified, and how often wrongly."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.risk_control import control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value
from scipy.stats import binom

from simulator.evidence.thresholds import (
    accepted,
    choose_start,
    fixed_sequence,
    labels_until,
    learn_then_test,
)

GRID = [0.9, 0.8, 0.7, 0.6, 0.5]


def replies(
    rows: Sequence[tuple[str, float | None, bool | None]],
) -> pl.DataFrame:
    """One automatic reply a row: conversation, score, risky."""
    schema = {"conversation_id": pl.String, "score": pl.Float64, "risky": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


def drawn(prefix: str, n: int, risk: float, rng: np.random.Generator) -> pl.DataFrame:
    """``n`` conversations of one reply; above a score of .75 the risk is a tenth."""
    score = rng.uniform(0, 1, n)
    risky = rng.uniform(0, 1, n) < np.where(score > 0.75, risk / 10, risk)
    return pl.DataFrame(
        {"conversation_id": [f"{prefix}{i}" for i in range(n)], "score": score, "risky": risky}
    )


NOTHING = replies([])


def test_exact_a_conversation_is_accepted_by_any_reply_and_risky_by_any_accepted_one() -> None:
    rows = replies(
        [
            ("a", 0.9, False), ("a", 0.6, True),  # accepted strictly, risky only further down
            ("b", 0.8, None),  # unknown counts as risky
            ("c", None, True),  # without a score nothing goes out
            ("d", 0.8, False), ("d", 0.8, False), ("d", 0.1, False),
            ("e", math.nan, True),
        ]
    )  # fmt: skip
    assert accepted(rows, [0.95, 0.9, 0.8, 0.6, 0.0]) == [(0, 0), (1, 0), (3, 1), (3, 2), (3, 2)]


def test_exact_p_values_are_those_of_mapie() -> None:
    rng = np.random.default_rng(3)
    found = learn_then_test(drawn("c", 3000, 0.02, rng), NOTHING, GRID, 0.01, 0.1)
    n = np.array([one.n for one in found.tried])
    k = np.array([one.k for one in found.tried])
    # One unit in the last place above an integer, and the oracle's ceiling counts an event more.
    exact = np.ceil(n * (k / n)) == k
    theirs = compute_hoeffding_bentkus_p_value(k / n, n, 0.01, binary=True)[:, 0]
    assert exact.sum() >= 3
    ours = np.array([one.p_value for one in found.tried])
    assert ours[exact] == pytest.approx(theirs[exact], rel=1e-12)
    assert ours == pytest.approx(binom.cdf(k, n, 0.01), rel=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.05, 0.2]))
def test_property_sequence_is_that_of_mapie(p_values: list[float], delta: float) -> None:
    theirs = control_fwer(np.array(p_values), delta, "fixed_sequence")
    assert fixed_sequence(p_values, delta) == len(theirs)


def test_exact_a_sequence_stops_at_the_first_that_stands() -> None:
    assert fixed_sequence([0.01, 0.05, 0.06, 0.0], 0.05) == 2
    assert fixed_sequence([0.5, 0.0], 0.05) == 0
    assert fixed_sequence([float("nan"), 0.0], 0.05) == 0
    assert fixed_sequence([], 0.05) == 0


def test_exact_the_loosest_certified_with_what_is_missing_for_the_next() -> None:
    # 400 clean ones at .9, 300 more at .5 of which 9 are risky.
    rows = [(f"s{i}", 0.9, False) for i in range(400)]
    rows += [(f"l{i}", 0.5, i < 9) for i in range(300)]
    found = learn_then_test(replies(rows), replies([("x", 0.9, False)]), [0.5, 0.9], 0.01, 0.05)
    assert (found.threshold, found.n, found.k, found.start) == (0.9, 400, 0, 0.9)
    assert found.p_value == pytest.approx(0.99**400)
    assert [(one.n, one.k, one.certified) for one in found.tried] == [
        (400, 0, True), (700, 9, False),
    ]  # fmt: skip
    # 9 of 700 is above the limit: no number of labels does.
    assert (found.next_threshold, found.labels_needed) == (0.5, None)
    clean = [row for row in rows if not row[2]]
    found = learn_then_test(replies(clean), replies([("x", 0.9, False)]), [0.5, 0.9], 0.01, 0.05)
    assert (found.threshold, found.next_threshold, found.labels_needed) == (0.5, None, None)


def test_exact_nothing_is_certified_without_labels() -> None:
    found = learn_then_test(NOTHING, NOTHING, GRID, 0.01, 0.05)
    assert found[:4] == (None, None, None, None)
    assert found.next_threshold == found.start == 0.5
    assert found.labels_needed == 299


def test_exact_labels_that_chose_cannot_certify() -> None:
    rng = np.random.default_rng(1)
    labels = drawn("c", 50, 0.1, rng)
    with pytest.raises(ValueError, match="50 conversations stand in both splits"):
        learn_then_test(labels, labels, GRID, 0.01, 0.05)
    with pytest.raises(ValueError, match="1 conversations"):
        learn_then_test(labels, labels[:1], GRID, 0.01, 0.05)


def test_exact_start_has_a_thousand_accepted_where_there_are_that_many() -> None:
    # Accepted among 1,000 that choose: 100, 200, ... 500; all risky, which must not matter here.
    rows = [(f"c{i}", GRID[i // 100] if i < 500 else 0.0, True) for i in range(1000)]
    choose = replies(rows)
    assert choose_start(choose, GRID, 0.01, 0.05, n_certify=10_000) == 0.9
    assert choose_start(choose, GRID, 0.01, 0.05, n_certify=5_000) == 0.8
    assert choose_start(choose, GRID[::-1], 0.01, 0.05, n_certify=2_000) == 0.5


def test_exact_start_with_fewer_is_where_a_certificate_is_likeliest() -> None:
    # At .9 too few for any certificate, at .8 enough and clean, below risky.
    rows = [(f"c{i}", 0.9 if i < 20 else 0.8 if i < 400 else 0.5, i >= 400) for i in range(600)]
    assert choose_start(replies(rows), GRID, 0.01, 0.05, n_certify=600) == 0.8
    # Nothing can be certified with ten labels: the loosest has the most of them.
    assert choose_start(replies(rows), GRID, 0.01, 0.05, n_certify=10) == 0.5
    assert choose_start(NOTHING, GRID, 0.01, 0.05, n_certify=600) == 0.5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 400), st.integers(0, 4), st.sampled_from([0.01, 0.03]))
def test_property_labels_until_do_what_they_say(n: int, k: int, limit: float) -> None:
    k = min(k, n)
    more = labels_until(n, k, limit, 0.05)
    if more is None:
        assert k / n >= limit
    else:
        events = -(-k * (n + more) // n) if n else 0
        assert binom.cdf(events, n + more, limit) <= 0.05
        assert more == 0 or k or binom.cdf(0, n + more - 1, limit) > 0.05


def test_exact_more_turns_of_the_same_conversations_change_nothing() -> None:
    rng = np.random.default_rng(9)
    certify, choose = drawn("c", 2000, 0.02, rng), drawn("d", 1000, 0.02, rng)
    once = learn_then_test(certify, choose, GRID, 0.02, 0.1)
    often = learn_then_test(
        pl.concat([certify, certify, certify]), pl.concat([choose, choose]), GRID, 0.02, 0.1
    )
    assert often == once
    assert once.threshold is not None


@pytest.mark.parametrize(
    ("grid", "limit", "delta"),
    [([], 0.01, 0.05), (GRID, 0, 0.05), (GRID, 0.01, 1), ([math.nan], 0.01, 0.05)],
)
def test_exact_impossible_arguments_are_refused(
    grid: list[float], limit: float, delta: float
) -> None:
    with pytest.raises(ValueError, match="expected"):
        learn_then_test(NOTHING, NOTHING, grid, limit, delta)


def test_analytic_a_wrong_certificate_is_as_rare_as_stated() -> None:
    # Above .75 the risk is a tenth of that below; at .5 it lies just above the limit, and every
    # threshold below .5 is worse still.
    runs, delta = 1500, 0.1
    risk = 0.1
    at_half = (0.25 * risk / 10 + 0.25 * risk) / 0.5
    limit = at_half * 0.995
    rng = np.random.default_rng(21)
    wrong = right = 0
    for _ in range(runs):
        found = learn_then_test(
            drawn("c", 400, risk, rng), drawn("d", 200, risk, rng), [0.9, 0.8, 0.5, 0.4, 0.3],
            limit, delta,
        )  # fmt: skip
        wrong += found.threshold is not None and found.threshold <= 0.5
        right += found.threshold in (0.8, 0.9)
    assert (wrong / runs - delta) / math.sqrt(delta * (1 - delta) / runs) < 4
    assert right > 0.5 * runs
