"""Intervals of a single proportion.

Why: a gate takes Clopper-Pearson or the stratified bound of :mod:`simulator.evidence.rates`,
which cover at least as often as they say. Wilson, and Jeffreys over strata, cover on average and
are for display. A Wald interval is not here: at a true rate of 0.3 % and 400 labels it covered .05
to .78 of the times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import beta, binom, norm

from simulator.evidence.inversion import Stratum

_DRAWS = 20_000


class Interval(NamedTuple):
    """An interval of a rate in [0, 1]. Both ends are null where there is no observation.

    ``n`` is the number of observations; ``method`` says how and how sure, in words.
    """

    low: float | None
    high: float | None
    n: int
    method: str


def clopper_pearson(
    k: int, n: int, confidence: float, side: Literal["upper", "lower", "two"] = "upper"
) -> Interval:
    """The exact interval of a binomial proportion after ``k`` events in ``n`` independent trials.

    Args:
        k: events, 0 <= k <= n.
        n: trials; with none, both ends are null.
        confidence: coverage, in (0, 1); all of the error goes to the one side asked for, or half
            of it to each side of "two".
        side: "upper" gives [0, high], "lower" [low, 1].

    Raises:
        ValueError: counts or confidence out of range.

    Source: Clopper and Pearson, Biometrika 26 (1934) 404-413; ends as beta quantiles.
    """
    _check(k, n, confidence)
    sided = {"upper": "upper", "lower": "lower", "two": "two-sided"}[side]
    method = f"Clopper-Pearson, {sided} {confidence:.4g}"
    if n == 0:
        return Interval(None, None, 0, method)
    alpha = (1 - confidence) / (2 if side == "two" else 1)
    low = 0.0 if side == "upper" or k == 0 else float(beta.ppf(alpha, k, n - k + 1))
    high = 1.0 if side == "lower" or k == n else float(beta.ppf(1 - alpha, k + 1, n - k))
    return Interval(low, high, n, method)


def wilson(k: int, n: int, confidence: float) -> Interval:
    """Wilson's two-sided score interval, for display only.

    Args and errors as :func:`clopper_pearson`.

    Source: Wilson, JASA 22 (1927) 209-212.
    """
    _check(k, n, confidence)
    method = f"Wilson, two-sided {confidence:.4g}"
    if n == 0:
        return Interval(None, None, 0, method)
    z = float(norm.ppf((1 + confidence) / 2))
    p = k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    # At 0 or n events the end is exactly 0 or 1; rounding would leave it a hair beside.
    low = 0.0 if k == 0 else middle - half
    high = 1.0 if k == n else middle + half
    return Interval(low, high, n, method)


def jeffreys(strata: Sequence[Stratum], confidence: float, rng: np.random.Generator) -> Interval:
    """A two-sided interval of a rate over strata, for display only: it certifies nothing.

    Quantiles of ``sum W_h p_h`` with ``W_h = N_h / N`` and p_h drawn 20,000 times from its
    posterior, Beta(k_h + 1/2, n_h - k_h + 1/2). For a few events it is far shorter than a bound
    that covers for certain.

    Args:
        strata: units, labels and bad labels; both ends are null where there is no unit, or a
            stratum with units has no label.
        confidence: in (0, 1), half of the error to each side.
        rng: what the draws come from.

    Raises:
        ValueError: counts or confidence out of range.

    Source: Brown, Cai, DasGupta, Statistical Science 16 (2001) 101-133, for one stratum.
    """
    for s in strata:
        _check(s.k, s.n, confidence)
    method = f"stratified Jeffreys, two-sided {confidence:.4g}, for display"
    n, units = sum(s.n for s in strata), sum(s.N for s in strata)
    if not units or any(s.N and not s.n for s in strata):
        return Interval(None, None, n, method)
    rate = np.zeros(_DRAWS)
    for s in strata:
        if s.N:
            rate += s.N / units * rng.beta(s.k + 0.5, s.n - s.k + 0.5, _DRAWS)
    low, high = np.quantile(rate, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high), n, method)


def labels_to_certify(limit: float, events: int, confidence: float) -> int:
    """The fewest labels, ``events`` of them bad, whose Clopper-Pearson upper end is <= ``limit``.

    Args:
        limit: the highest rate allowed, in (0, 1).
        events: bad ones among the labels, >= 0.
        confidence: one-sided, in (0, 1).

    Raises:
        ValueError: an argument out of range.

    >>> labels_to_certify(0.01, 0, 0.95)
    299
    """
    if not 0 < limit < 1 or events < 0 or not 0 < confidence < 1:
        raise ValueError(f"limit={limit}, events={events}, confidence={confidence} out of range")
    alpha = 1 - confidence
    short, enough = events, events + 1
    while binom.cdf(events, enough, limit) > alpha:
        short, enough = enough, 2 * enough
    while enough - short > 1:
        middle = (short + enough) // 2
        if binom.cdf(events, middle, limit) > alpha:
            short = middle
        else:
            enough = middle
    return enough


def _check(k: int, n: int, confidence: float) -> None:
    if not 0 <= k <= n or not 0 < confidence < 1:
        raise ValueError(f"k={k}, n={n}, confidence={confidence}: expected 0 <= k <= n, 0 < c < 1")
