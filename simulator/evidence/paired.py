"""Two candidates at the same decision points, clustered by conversation.

Points of one conversation are not independent, so a conversation is what is flipped, drawn and
counted. Which candidate is better is asked of labels; what judges say cannot decide it where they
err more often on one of the two.

Why the tests count alike conversations together
    Most differences are -1, 0 or 1, so that hundreds of thousands of conversations have a handful
    of distinct totals. To flip or draw how many of each is the same in distribution as one by one.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from simulator.evidence.intervals import Interval

_Reals = NDArray[np.float64]

EXACT_UP_TO = 2**16
FLIPS = 9_999
RESAMPLES = 1_999
_CHUNK = 4_000_000
# A draw of how many of a kind costs as much as some draws of one.
_FEW = 10


class PairedDifference(NamedTuple):
    """What :func:`paired_difference` found.

    Attributes:
        difference: mean of ours - theirs over decision points; null without any.
        interval: cluster bootstrap; ``n`` is conversations.
        p_value: sign-flip test of no difference, two-sided; null without a point.
        error: clustered standard error; null with fewer than two conversations.
        n_points: pairs that count.
        n_excluded: points where one of the two is not known.
    """

    difference: float | None
    interval: Interval
    p_value: float | None
    error: float | None
    n_points: int
    n_excluded: int


def paired_difference(
    points: pl.DataFrame, confidence: float, rng: np.random.Generator
) -> PairedDifference:
    """The mean difference of two candidates, its interval and its test.

    Args:
        points: ``conversation_id, ours, theirs``, one row a decision point, numbers or truth
            values; a row with a null is left out and counted.
        confidence: of the two-sided interval, in (0, 1).
        rng: what flips and draws come from.

    Raises:
        ValueError: confidence out of range.
    """
    both = points.select(
        pl.col("conversation_id"),
        (pl.col("ours").cast(pl.Float64) - pl.col("theirs").cast(pl.Float64)).alias("difference"),
    ).drop_nulls("difference")
    by = both.group_by("conversation_id", maintain_order=True).agg(
        pl.col("difference").sum(), pl.len().alias("n")
    )
    totals, counts = by["difference"].to_numpy(), by["n"].to_numpy()
    return PairedDifference(
        float(both["difference"].to_numpy().mean()) if both.height else None,
        bootstrap_interval(totals, counts, confidence, rng),
        sign_flip(totals, rng),
        _clustered_error(totals, counts),
        both.height,
        points.height - both.height,
    )


def sign_flip(totals: ArrayLike, rng: np.random.Generator) -> float | None:
    """The two-sided p-value of "ours and theirs may be swapped in any conversation".

    The statistic is the absolute sum of the conversations' totals. All outcomes are enumerated
    where there are at most 2^16 different ones; else 9,999 are drawn, and the observed one is
    counted among them, which keeps the test exact.

    Args:
        totals: ours - theirs summed over each conversation's points.
        rng: used only where outcomes are drawn.

    Returns:
        Null without a conversation; 1 where none differs.

    Source: Fisher, "The Design of Experiments" (1935), section 21; Phipson and Smyth, Stat. Appl.
    Genet. Mol. Biol. 9 (2010) 39, for the observed one among the drawn.
    """
    each = np.asarray(totals, dtype=np.float64)
    if not each.size:
        return None
    sizes, counts = np.unique(np.abs(each[each != 0]), return_counts=True)
    # What rounding leaves of a tie is a tie.
    observed = abs(float(each.sum())) - 1e-9 * float(sizes.max(initial=0.0))
    if math.prod(int(c) + 1 for c in counts) <= EXACT_UP_TO:
        sums, weights = np.zeros(1), np.ones(1)
        for size, count in zip(sizes, counts, strict=True):
            plus = np.arange(count + 1)
            sums = np.add.outer(sums, size * (2.0 * plus - count)).reshape(-1)
            weights = np.multiply.outer(weights, binom.pmf(plus, count, 0.5)).reshape(-1)
        return min(1.0, float(weights[np.abs(sums) >= observed].sum()))
    extreme = 1
    alike = _FEW * sizes.size < each.size
    for n in _chunks(FLIPS, sizes.size if alike else each.size):
        if alike:
            plus = rng.binomial(counts, 0.5, (n, counts.size)) @ sizes
        else:
            bits = rng.integers(0, 256, (n, -(-each.size // 8)), dtype=np.uint8)
            plus = np.unpackbits(bits, axis=1, count=each.size) @ np.abs(each)
        extreme += int((np.abs(2.0 * plus - np.abs(each).sum()) >= observed).sum())
    return extreme / (FLIPS + 1)


def bootstrap_interval(
    totals: ArrayLike, counts: ArrayLike, confidence: float, rng: np.random.Generator
) -> Interval:
    """Percentile interval of the mean over points, conversations drawn with replacement.

    Args:
        totals: ours - theirs summed over each conversation's points.
        counts: points of each conversation.
        confidence: two-sided, in (0, 1).
        rng: what the 1,999 resamples come from.

    Returns:
        Both ends null with fewer than two conversations: one shows nothing of how they differ.
        For display: with few conversations, or few that differ, it is too short.

    Raises:
        ValueError: confidence out of range.

    Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; expected 0 < confidence < 1")
    total, count = np.asarray(totals, np.float64), np.asarray(counts, np.float64)
    method = f"cluster bootstrap, two-sided {confidence:.4g}"
    if total.size < 2:
        return Interval(None, None, total.size, method)
    # Drawn for the side that is ahead: which candidate is called ours must not matter.
    side = -1.0 if total.sum() < 0 else 1.0
    kinds, alike = np.unique(np.column_stack([side * total, count]), axis=0, return_counts=True)
    means = []
    if _FEW * alike.size < total.size:
        for n in _chunks(RESAMPLES, alike.size):
            drawn = rng.multinomial(total.size, alike / total.size, n).astype(np.float64)
            means.append((drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1]))
    else:
        for n in _chunks(RESAMPLES, total.size):
            place = rng.integers(0, total.size, (n, total.size), dtype=np.int32)
            means.append((side * total)[place].sum(axis=1) / count[place].sum(axis=1))
    low, high = np.quantile(
        side * np.concatenate(means), [(1 - confidence) / 2, (1 + confidence) / 2]
    )
    return Interval(float(low), float(high), total.size, method)


def clustered_error(values: ArrayLike, clusters: ArrayLike) -> float | None:
    """The standard error of a mean whose values come in clusters (CR1).

    ``sqrt(G / (G - 1) * sum over clusters of (sum of residuals)^2) / n``, for G clusters.

    Args:
        values: one a row.
        clusters: which cluster each row is of.

    Returns:
        Null with fewer than two clusters.

    Source: Liang and Zeger, Biometrika 73 (1986) 13-22; Cameron and Miller, J. Human Resources 50
    (2015) 317-372, for the factor.
    """
    value = np.asarray(values, dtype=np.float64)
    names, place = np.unique(np.asarray(clusters), return_inverse=True)
    totals = np.zeros(names.size)
    np.add.at(totals, place, value)
    return _clustered_error(totals, np.bincount(place, minlength=names.size))


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """The exact two-sided p-value of McNemar's test: one unit a conversation, bad or not.

    Args:
        only_ours: conversations in which ours is bad and theirs is not.
        only_theirs: the other way about.

    Returns:
        1 where they never differ.

    Raises:
        ValueError: a negative count.

    Source: McNemar, Psychometrika 12 (1947) 153-157; exact by the binomial.
    """
    if only_ours < 0 or only_theirs < 0:
        raise ValueError(f"{only_ours} and {only_theirs}; expected counts of 0 or more")
    n = only_ours + only_theirs
    return min(1.0, 2 * float(binom.cdf(min(only_ours, only_theirs), n, 0.5)))


def _clustered_error(totals: _Reals, counts: NDArray[Any]) -> float | None:
    clusters = totals.size
    if clusters < 2:
        return None
    n = counts.sum()
    residuals = totals - counts * (totals.sum() / n)
    return math.sqrt(clusters / (clusters - 1) * float(residuals @ residuals)) / float(n)


def _chunks(rows: int, columns: int) -> list[int]:
    """``rows`` in parts whose arrays stay small."""
    step = max(1, _CHUNK // max(1, columns))
    return [min(step, rows - start) for start in range(0, rows, step)]
