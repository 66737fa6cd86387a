"""Bounds of a rate in future traffic of the same mix, from labels drawn by stratum.

The N conversations of the history are taken as independent draws from the traffic to come:
one is of stratum h with probability W_h, and then bad with probability p_h. The rate is
``theta = sum W_h p_h``. Neither is known: N_h of N conversations were of stratum h (multinomial),
and k_h of the n_h labelled ones were bad (binomial, given the N_h; the labels are a part of the
N_h). A unit is a conversation, at most one labelled unit each: its turns are not independent.

The bound::

    U = max { W p : W in box, P_p(T <= t_obs) > alpha - beta },   T = sum N_h / N * k_h / n_h

with beta = alpha / 50, and box the Clopper-Pearson intervals of the W_h that hold together with
probability 1 - beta (one interval for two strata, whose shares are complements; beta / H each for
more) and add up to 1.

Why it is conservative
    U lies below theta only if the true W is outside its box, or if the true p is outside its
    region; otherwise the pair (W, p) is among those maximised over. The first has probability at
    most beta. The second has, given any N_h, at most alpha - beta: there T has fixed weights, and
    P_p(T <= t_obs) is the p-value of an exact test. The sum is at most alpha (Berger and Boos,
    JASA 89 (1994) 1012-1016, with a region for both). The maximum itself is bounded from above:
    both P and W p are monotone in each p_h, so over a box of rates [a, b] no point has more than
    the corner b joined to the largest last rate that goes with corner a.

Why like this
    Fixed beforehand: to take the smaller of two valid bounds would not be valid. Bonferroni over
    the strata is valid too, but gives away what T averages out: on a dozen layouts of 2 and 3
    strata, k from 0 to 40, it was 11 to 56 % higher. beta = alpha / 50: there alpha / 10 was 1 to
    3 % higher and alpha / 200 no lower, and where a stratum has no labels and its share is all
    that is known of it, smaller parts cost more. It must not depend on what was drawn.

    A stratum that could occur but did not (N_h = 0) is listed too: it may yet come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator.evidence.intervals import clopper_pearson
from simulator.evidence.inversion import MAX_CELLS, MAX_WORK, Stratum, Tail
from simulator.evidence.rates import (
    check,
    fewest_labels,
    flipped,
    grown,
    stratified_lower,
    stratified_upper,
)

_Reals = NDArray[np.float64]

Estimand = Literal["this history", "future traffic of the same mix"]
SHARES_PART = 1 / 50
# How far above the maximum the bound may lie, as a part of it.
_CLOSE = 1e-4
_LEAST = 1e-7
_ROUND = 2_000_000
_PIECES = 16


def future_upper(strata: Sequence[Stratum], alpha: float) -> float:
    """The upper bound of the rate in future traffic of the same mix, at level ``alpha``.

    Args:
        strata: every stratum that a conversation may fall into, at least one unit in all; a
            stratum without labels counts as wholly bad.
        alpha: probability allowed that the bound lies below the truth, in (0, 1).

    Returns:
        In [0, 1]. With one stratum Clopper-Pearson on its labels; 1 where nothing is labelled.

    Raises:
        ValueError: counts that cannot be, no units, or alpha out of range.
    """
    check(strata, alpha)
    labelled = sorted(s for s in strata if s.n)
    if not labelled:
        return 1.0
    if len(strata) == 1:
        return _clopper_pearson_upper(strata[0], alpha)
    beta = SHARES_PART * alpha
    shares = _Shares(labelled + sorted(s for s in strata if not s.n), beta)
    test = Tail(labelled)
    if test.n_cells > MAX_CELLS:
        each = (alpha - beta) / len(labelled)
        return float(
            shares.most(np.array([[_clopper_pearson_upper(s, each) for s in labelled]]))[0]
        )
    return min(1.0, _maximum(test, shares, alpha - beta))


def future_lower(strata: Sequence[Stratum], alpha: float) -> float:
    """The lower bound: one less the upper bound of the rate of good conversations.

    Args, errors: as :func:`future_upper`; a stratum without labels counts as wholly good.
    """
    return 1 - future_upper(flipped(strata), alpha)


def future_labels_needed(strata: Sequence[Stratum], limit: float, alpha: float) -> int | None:
    """Further labels until :func:`future_upper` is within ``limit``, rates as observed.

    Spread and counted as :func:`simulator.evidence.rates.labels_needed` does.

    Returns:
        0 where the bound is within the limit already; null where labelling every conversation of
        the history would not do, for then it takes more history.
    """
    check(strata, alpha)
    return fewest_labels(strata, lambda more: future_upper(grown(strata, more), alpha) <= limit)


def difference_upper(
    ours: Sequence[Stratum], theirs: Sequence[Stratum], alpha: float, estimand: Estimand
) -> float:
    """An upper bound of rate(ours) - rate(theirs), in [-1, 1].

    An upper bound of the one less a lower bound of the other, at alpha / 2 each (Bonferroni):
    conservative, also where both come from the same conversations.

    Args:
        ours: the strata of the one whose rate must not be much higher.
        theirs: those of the one it is set against.
        alpha: one-sided level.
        estimand: which rates are meant.

    Raises:
        ValueError: as :func:`future_upper`.
    """
    if estimand == "this history":
        return stratified_upper(ours, alpha / 2) - stratified_lower(theirs, alpha / 2)
    return future_upper(ours, alpha / 2) - future_lower(theirs, alpha / 2)


class _Shares:
    """What the shares of the strata may be, and the most that rates can come to under them.

    Strata without labels come last; their rate is 1.
    """

    def __init__(self, strata: Sequence[Stratum], beta: float) -> None:
        total = sum(s.N for s in strata)
        # Two shares are complements: one interval holds both.
        each = beta if len(strata) == 2 else beta / len(strata)
        ends = [clopper_pearson(s.N, total, 1 - each, "two") for s in strata]
        self._low = np.array([end.low for end in ends], dtype=np.float64)
        self._room = np.array([end.high for end in ends], dtype=np.float64) - self._low
        self._bare = sum(not s.n for s in strata)

    def most(self, rates: _Reals) -> _Reals:
        """max W p over the shares, for each row of ``rates`` (rows x labelled strata).

        Every stratum has its least share; the rest goes to the highest rates first.
        """
        p = np.column_stack([rates, np.ones((rates.shape[0], self._bare))])
        order = np.argsort(-p, axis=1, kind="stable")
        room = self._room[order]
        left = 1 - self._low.sum() - (np.cumsum(room, axis=1) - room)
        given = np.clip(left, 0.0, room)
        most: _Reals = p @ self._low + (given * np.take_along_axis(p, order, axis=1)).sum(axis=1)
        return most


def _maximum(test: Tail, shares: _Shares, level: float) -> float:
    """A bound from above of max W p over rates with P(T <= t_obs) > level, and close to it.

    Boxes of the rates of all strata but the last are split like those of
    :meth:`simulator.evidence.inversion.Tail.search`.
    """
    outer = len(test.N) - 1
    weight = np.array(test.N[:-1]) / test.N[-1]
    low, high, last = np.zeros((1, outer)), np.ones((1, outer)), np.ones(1)
    best = 0.0
    while True:
        bound = shares.most(np.column_stack([high, last]))
        open_ = np.flatnonzero(bound > _nearly(best))
        if not open_.size:
            return _nearly(best)
        if test.spent > MAX_WORK:
            return float(bound.max())
        order = open_[np.argsort(-bound[open_], kind="stable")]
        now, later = np.split(order, [max(1, _ROUND // (test.cost * _PIECES))])
        box, new_low, new_high = _split(low[now], high[now], weight)
        finely = ((new_high - new_low) * weight).max(axis=1, initial=_LEAST) / 4
        some, new_last = np.zeros(box.size), last[now][box]
        fit = test.probability_of_rates(np.column_stack([new_low, some])) > level
        new_low, new_high, new_last = new_low[fit], new_high[fit], new_last[fit]
        some, finely = some[fit], finely[fit]
        while True:
            new_bound = shares.most(np.column_stack([new_high, new_last]))
            todo = (new_bound > _nearly(best)) & (new_last - some > finely)
            if not todo.any():
                break
            middle = (some[todo] + new_last[todo]) / 2
            tried = np.column_stack([new_low[todo], middle])
            does = test.probability_of_rates(tried) > level
            some[todo] = np.where(does, middle, some[todo])
            new_last[todo] = np.where(does, new_last[todo], middle)
            reached = shares.most(np.column_stack([new_low[todo], some[todo]]))
            best = max(best, float(reached.max()))
        low, high = np.concatenate([low[later], new_low]), np.concatenate([high[later], new_high])
        last = np.concatenate([last[later], new_last])


def _nearly(best: float) -> float:
    """As far above ``best`` as the bound may lie: of very low rates the places are not there."""
    return best * (1 + _CLOSE) + _LEAST


def _split(low: _Reals, high: _Reals, weight: _Reals) -> tuple[NDArray[np.int64], _Reals, _Reals]:
    """Each box cut into _PIECES along the side that weighs most; which box each piece is of."""
    rows, outer = low.shape
    box = np.repeat(np.arange(rows), _PIECES)
    if not outer:
        return np.arange(rows), low, high
    side = np.argmax((high - low) * weight, axis=1)[box]
    at = np.arange(box.size)
    piece = np.tile(np.arange(_PIECES), rows)
    new_low, new_high = low[box], high[box]
    start, end = low[box, side], high[box, side]
    ends = start + (end - start) * (piece + 1) / _PIECES
    new_low[at, side] = np.where(piece == 0, start, start + (end - start) * piece / _PIECES)
    new_high[at, side] = np.where(piece == _PIECES - 1, end, ends)
    return box, new_low, new_high


def _clopper_pearson_upper(stratum: Stratum, alpha: float) -> float:
    high = clopper_pearson(stratum.k, stratum.n, 1 - alpha).high
    return 1.0 if high is None else high
