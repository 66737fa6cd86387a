"""Tests and intervals of a paired difference, from counted kinds of conversations.

Most conversations differ by -1, 0 or 1, so that half a million of them are a handful of kinds
(total difference, points) and how many there are of each. What :mod:`simulator.evidence.paired`
does conversation by conversation is done here kind by kind.

Why the tail is exact
    A slice among a thousand has to show a p-value far below what 9,999 drawn flips can tell.
    Where totals are whole numbers, the distribution of their sum under random signs is that of a
    sum of binomials, and one Fourier transform of its characteristic function gives all of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from simulator.evidence.intervals import clopper_pearson
from simulator.evidence.paired import FLIPS, RESAMPLES, sign_flip

Reals = NDArray[np.float64]

# Below this, neither the transform nor its rounding can be told from nothing.
LEAST = 1e-12
# Fewer that differ, and a percentile interval is too short: it draws from what it saw alone.
FEW = 10
# More that differ, and a bootstrap only repeats what the standard error says.
MANY = 100
# Conversations whose signs are still flipped one by one; above, the sum of flips is normal.
_ONE_BY_ONE = 300
# Of the variance that one conversation may hold before their sum is no longer normal.
_DOMINATES = 0.01
# Sizes times places of the transform: some hundredths of a second.
_LATTICE = 2**20
# Standard deviations that the transform spans to either side: what folds back is below 1e-20.
_SPAN = 10


class Kinds(NamedTuple):
    """Conversations, alike ones counted together.

    Attributes:
        totals: ours - theirs summed over the conversation's points (times their weights).
        sizes: its points (their weights summed).
        counts: how many conversations are like this.
    """

    totals: Reals
    sizes: Reals
    counts: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Conversations."""
        return int(self.counts.sum())

    @property
    def n_differing(self) -> int:
        """Conversations in which ours and theirs do not come to the same."""
        return int(self.counts[self.totals != 0].sum())

    def mean(self) -> float:
        """Ours - theirs over all points."""
        return float(self.totals @ self.counts) / float(self.sizes @ self.counts)


def two_sided(kinds: Kinds, rng: np.random.Generator) -> tuple[float, str]:
    """The p-value of "ours and theirs may be swapped in any conversation", and how it was found.

    Args:
        kinds: at least one.
        rng: used only where flips are drawn.

    Source: as :func:`simulator.evidence.paired.sign_flip`.
    """
    differs = kinds.totals != 0
    if not differs.any():
        return 1.0, "sign-flip test (nothing differs)"
    totals, counts = kinds.totals[differs], kinds.counts[differs]
    sizes, place = np.unique(np.abs(totals), return_inverse=True)
    of_size = np.zeros(sizes.size, dtype=np.int64)
    np.add.at(of_size, place, counts)
    observed = abs(float(totals @ counts))
    if (sizes == np.rint(sizes)).all():
        found = _on_lattice(sizes, of_size, round(observed))
        if found is not None:
            return found, "exact sign-flip test"
    squares = float(sizes**2 @ of_size)
    if counts.sum() <= _ONE_BY_ONE or float(sizes.max()) ** 2 > _DOMINATES * squares:
        found = sign_flip(np.repeat(totals, counts), rng)
        assert found is not None
        return found, "sign-flip test"
    # Given the sizes, the flipped sum is one of independent terms, none of which dominates.
    z = observed / math.sqrt(squares)
    return max(LEAST, 2 * float(stats.norm.sf(z))), "sign-flip test, normal limit"


def _on_lattice(sizes: Reals, counts: NDArray[np.int64], observed: int) -> float | None:
    """P(\\|sum of +-sizes\\| >= observed), for whole sizes; null where that is too much to sum."""
    reach = float(sizes @ counts)
    span = min(reach, _SPAN * math.sqrt(float(sizes**2 @ counts)) + float(sizes.max()))
    if observed > span:
        return LEAST
    length = 2 ** math.ceil(math.log2(2 * span + 2))
    if length * sizes.size > _LATTICE:
        return None
    angles = 2 * math.pi * np.arange(length // 2 + 1) / length
    wave = np.ones(angles.size)
    for size, count in zip(sizes, counts, strict=True):
        wave *= np.cos(size * angles) ** count
    chances = np.fft.irfft(wave, length)
    place = np.arange(length)
    far = np.minimum(place, length - place) >= observed
    return min(1.0, max(LEAST, float(chances[far].sum())))


def worse(kinds: Kinds, bad: int, tolerance: float, rng: np.random.Generator) -> float:
    """The p-value of "ours is worse by no more than ``tolerance``", one-sided.

    Each conversation's total is moved by ``tolerance`` times its points towards good, and signs
    are flipped 9,999 times; the observed one is counted among the drawn, so that no p-value is
    below 1 in 10,000. What was moved is symmetric no longer where a few long conversations are
    much better and all others a little worse, and then flips find too much: the p-value is the
    larger of theirs and that of a t statistic corrected for skewness. Of conversations too rare to
    be seen at all no test knows.

    Args:
        kinds: at least one.
        bad: 1 where more is worse, -1 where less is.
        tolerance: in the unit of the difference of means.
        rng: what flips are drawn from.

    Source: for the correction, Hall, "On the removal of skewness by transformation", J. R. Stat.
    Soc. B 54 (1992) 221-228.
    """
    moved = bad * kinds.totals - tolerance * kinds.sizes
    observed = float(moved @ kinds.counts)
    # At or below the middle of a symmetric distribution nothing can be rejected.
    if observed <= 0:
        return 1.0
    skewed = _skewed(moved, kinds.counts)
    # Hoeffding's bound of the tail, where it is below what drawn flips can tell.
    if math.exp(-(observed**2) / (2 * float(moved**2 @ kinds.counts))) <= 1 / (FLIPS + 1):
        return max(skewed, 1 / (FLIPS + 1))
    far = observed - 1e-9 * float(np.abs(moved).max())
    extreme = 1
    step = max(1, 2_000_000 // moved.size)
    for start in range(0, FLIPS, step):
        plus = rng.binomial(kinds.counts, 0.5, (min(step, FLIPS - start), moved.size))
        extreme += int(((2.0 * plus - kinds.counts) @ np.abs(moved) >= far).sum())
    return max(skewed, extreme / (FLIPS + 1))


def _skewed(moved: Reals, counts: NDArray[np.int64]) -> float:
    """The one-sided p-value of a mean above 0, by Hall's transformed t; 0 without any spread."""
    n = int(counts.sum())
    mean = float(moved @ counts) / n
    off = moved - mean
    variance = float(off**2 @ counts) / max(1, n - 1)
    if variance <= 1e-18 * mean**2:
        return 0.0
    skewness = float(off**3 @ counts) / n / variance**1.5
    t = mean / math.sqrt(variance)
    fair = t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / (6 * n)
    return float(stats.norm.sf(math.sqrt(n) * fair))


def interval(
    kinds: Kinds, confidence: float, *, share: bool, p: float, rng: np.random.Generator
) -> tuple[float | None, float | None, str]:
    """Both ends of the interval of the mean, and how they were found.

    0 is inside only if the test let it stand: where ``p`` is at most 1 - ``confidence``, an end
    that lies beyond 0 is drawn in to 0. That is an interval still, of all values that no test
    rejects.

    Args:
        kinds: at least one.
        confidence: two-sided, in (0, 1).
        share: of each point, something is true or not, so that no end is beyond -1 or 1. Then,
            where fewer than 10 conversations differ or all do so alike, the ends join exact bounds
            of the share of conversations in which ours is ahead and of that in which theirs is:
            wider than they need be, and never of width 0.
        p: the two-sided p-value of the same conversations.
        rng: what the resamples come from.

    Returns:
        Null ends with fewer than two conversations, or where all are alike in what is no share.
    """
    if kinds.n < 2:
        return None, None, "no interval: one conversation"
    mean = kinds.mean()
    low, high, method = _ends(kinds, mean, confidence, share, rng)
    if low is None or high is None:
        return None, None, method
    if share:
        low, high = max(-1.0, low), min(1.0, high)
    if p <= 1 - confidence:
        low, high = (max(low, 0.0), high) if mean > 0 else (low, min(high, 0.0))
    return low, high, f"{method}, two-sided {confidence:.4g}"


def _ends(
    kinds: Kinds, mean: float, confidence: float, share: bool, rng: np.random.Generator
) -> tuple[float | None, float | None, str]:
    few = kinds.n_differing < FEW
    squares = float((kinds.totals - mean * kinds.sizes) ** 2 @ kinds.counts)
    # Whatever is drawn from conversations that are all alike is alike too, and has no width.
    alike = squares <= 1e-18 * float(kinds.sizes**2 @ kinds.counts)
    if share and (few or alike):
        (ahead, most_ahead), (behind, most_behind) = (
            _exact(kinds, sign, confidence) for sign in (1, -1)
        )
        why = f"fewer than {FEW} conversations differ" if few else "all conversations are alike"
        return (
            min(ahead - most_behind, mean),
            max(most_ahead - behind, mean),
            f"exact bounds, {why}",
        )
    if alike:
        return None, None, "no interval: all conversations are alike"
    side = (1 - confidence) / 2
    if few or kinds.n_differing > MANY:
        error = math.sqrt(kinds.n / (kinds.n - 1) * squares) / float(kinds.sizes @ kinds.counts)
        half = error * float(stats.t.ppf(1 - side, kinds.n - 1))
        return mean - half, mean + half, "clustered standard error (CR1, t)"
    # Drawn for the side that is ahead: which candidate is called ours must not matter.
    ahead_of = 1.0 if mean >= 0 else -1.0
    ends = ahead_of * np.quantile(_resampled(kinds, ahead_of, rng), [side, 1 - side])
    return float(ends.min()), float(ends.max()), "cluster bootstrap"


def _exact(kinds: Kinds, sign: int, confidence: float) -> tuple[float, float]:
    """Bounds of what the conversations in which one side is ahead add to the mean.

    Their share is bounded, with half of the error for each side, so that the two together hold;
    each counts at least what the least of those seen does, and at most as one conversation.
    """
    totals = sign * kinds.totals
    ahead = totals > 0
    share = clopper_pearson(int(kinds.counts[ahead].sum()), kinds.n, (1 + confidence) / 2, "two")
    usual = float(kinds.sizes @ kinds.counts) / kinds.n
    least = min(1.0, float(totals[ahead].min()) / usual) if ahead.any() else 0.0
    return least * (share.low or 0.0), share.high or 0.0


def _resampled(kinds: Kinds, side: float, rng: np.random.Generator) -> Reals:
    totals = side * kinds.totals
    # The order of kinds must not hang on which side is called ours either.
    order = np.lexsort((kinds.sizes, totals))
    totals, sizes, counts = totals[order], kinds.sizes[order], kinds.counts[order]
    means = []
    step = max(1, 2_000_000 // counts.size)
    for start in range(0, RESAMPLES, step):
        drawn = rng.multinomial(kinds.n, counts / kinds.n, min(step, RESAMPLES - start))
        means.append((drawn @ totals) / (drawn @ sizes))
    return np.concatenate(means)
