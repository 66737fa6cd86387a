"""P(T <= t_obs) for a stratified sample, and the composition with most bad units above a level.

The arithmetic under :mod:`simulator.evidence.rates`, which says what it is for.

Why like this
-------------
* T is compared as an integer (weights times a common denominator): with floats, ties such as
  N = 50/450, n = 30/270, k = 5/3 are lost and the bound becomes anti-conservative.
* P(T <= t) does not increase in any K_h. So for each choice of the other strata there is one
  largest K of the last one, and over a box of choices [a, b] the total is at most
  ``sum b + K_last(a)``. Boxes that cannot beat the best total so far are dropped, the others
  split: exact without walking through every composition, for any number of strata.
* The boxes that may hold most are split first, and after ``MAX_WORK`` (three strata and more with
  many events, or hundreds of thousands of units in each) the bound of the best open box is
  returned: never too small, and some thousandths of it too large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

_Ints = NDArray[np.int64]
_Reals = NDArray[np.float64]
_Some = NDArray[Any]
_Chances = Callable[[int, _Some, int], _Reals]

MAX_CELLS = 100_000
# Cells times compositions looked at; some .7 s.
MAX_WORK = 200_000_000
_ROUND = 2_000_000
# What a probability of one stratum costs, in cells.
_PMF_COST = 10
# A probability that equals alpha but for rounding is not above it.
_TIE = 1e-9
_PIECES = 16


class Stratum(NamedTuple):
    """``N`` units in the history, ``n`` of them labelled, ``k`` of those bad."""

    N: int
    n: int
    k: int


class Tail:
    """P(T <= t_obs) as a function of the bad units of each stratum, and its inversion."""

    def __init__(self, strata: Sequence[Stratum]) -> None:
        # The stratum with the most units last: it is the one that is bisected. Of equal ones the
        # counts decide, so that a search cut short does not hang on the order given.
        order = sorted(strata)
        common = math.lcm(*(s.n for s in order))
        weights = [s.N * (common // s.n) for s in order]
        shared = math.gcd(*weights)
        self._weights = [w // shared for w in weights]
        self.N = [s.N for s in order]
        self.n = [s.n for s in order]
        observed = sum(w * s.k for w, s in zip(self._weights, order, strict=True))
        whole = sum(w * s.n for w, s in zip(self._weights, order, strict=True))
        # P(T <= t) = 1 - P(good T <= whole - t - 1): take the side with fewer cells.
        here, there = self._sizes(observed), self._sizes(whole - observed - 1)
        self._mirrored = math.prod(there) < math.prod(here)
        self._limit = whole - observed - 1 if self._mirrored else observed
        self.n_cells = min(math.prod(here), math.prod(there))
        self.spent = 0
        if self.n_cells <= MAX_CELLS:
            self._cells, self._rest = self._enumerate()
            widths = self._cells.max(axis=0, initial=0).sum() + self._rest.max(initial=0)
            self.cost = max(1, self.n_cells) + _PMF_COST * int(widths)

    def _sizes(self, limit: int) -> list[int]:
        rows = zip(self._weights[:-1], self.n[:-1], strict=True)
        return [max(0, min(n, limit // w) + 1) for w, n in rows]

    def _enumerate(self) -> tuple[_Ints, _Ints]:
        """Counts of all strata but the last with T <= limit, and the most the last may add."""
        cells = np.zeros((1, 0), dtype=np.int64)
        sums = [0]
        for weight, n in zip(self._weights[:-1], self.n[:-1], strict=True):
            grown = [
                (i, k, s + weight * k)
                for i, s in enumerate(sums)
                for k in range(min(n, (self._limit - s) // weight) + 1)
            ]
            rows = np.array([i for i, _, _ in grown], dtype=np.int64)
            counts = np.array([k for _, k, _ in grown], dtype=np.int64)
            cells = np.column_stack([cells[rows], counts])
            sums = [s for _, _, s in grown]
        # Python integers: the common denominator may pass 2^63.
        last = [min(self.n[-1], (self._limit - s) // self._weights[-1]) for s in sums]
        return cells, np.array(last, dtype=np.int64)

    def probability(self, bad: _Ints) -> _Reals:
        """P(T <= t_obs) for each row of ``bad`` (rows x strata), drawn without replacement."""

        def chances(h: int, rows: _Ints, most: int) -> _Reals:
            return hypergeometric(self.N[h], self.n[h], rows, most)

        return self._by_rows(bad, np.array(self.N), chances)

    def probability_of_rates(self, rates: _Reals) -> _Reals:
        """P(T <= t_obs) for each row of ``rates`` (rows x strata), draws independent."""

        def chances(h: int, rows: _Reals, most: int) -> _Reals:
            return binomial(self.n[h], rows, most)

        return self._by_rows(rates, np.ones(len(self.N)), chances)

    def _by_rows(self, bad: _Some, whole: _Some, chances: _Chances) -> _Reals:
        self.spent += bad.shape[0] * self.cost
        if self._limit < 0 or not self._cells.shape[0]:
            return np.ones(bad.shape[0])
        bad = whole - bad if self._mirrored else bad
        step = max(1, _ROUND // self._cells.shape[0])
        parts = [self._tail(bad[i : i + step], chances) for i in range(0, bad.shape[0], step)]
        tail = np.concatenate(parts) if parts else np.zeros(0)
        return 1 - tail if self._mirrored else tail

    def _tail(self, bad: _Some, chances: _Chances) -> _Reals:
        outer = len(self.N) - 1
        last = chances(outer, bad[:, -1], int(self._rest.max()))
        product = np.cumsum(last, axis=1)[:, self._rest]
        for h in range(outer):
            counts = self._cells[:, h]
            product = product * chances(h, bad[:, h], int(counts.max()))[:, counts]
        tail: _Reals = product.sum(axis=1)
        return tail

    def search(self, alpha: float, enough: int | None) -> int:
        """The largest total of bad units with P(T <= t_obs) > alpha for some composition."""
        level = alpha * (1 + _TIE)
        outer = len(self.N) - 1
        zero = np.zeros((1, outer), dtype=np.int64)
        top = np.array(self.N, dtype=np.int64)
        # No stratum can hold more than when all the others hold nothing.
        caps = np.array([self._alone(h, level) for h in range(outer)], dtype=np.int64)
        low, high = zero, caps.reshape(1, outer)
        # With the low corner, the last stratum may hold ``some`` for sure, and at most ``last``.
        some, last = self._largest_last(zero, np.full(1, -1), top[-1:], np.zeros(1, int), level)
        best = int(some[0])
        while True:
            if enough is not None and best > enough:
                return best
            floor = best if enough is None else max(best, enough)
            bound = high.sum(axis=1) + last
            open_ = np.flatnonzero(bound > floor)
            if not open_.size:
                return best
            if self.spent > MAX_WORK and outer > 1:
                return int(bound.max())
            # The most promising first: what they reach closes many of the others unsplit.
            order = open_[np.argsort(-bound[open_], kind="stable")]
            now, later = np.split(order, [max(1, _ROUND // (self.cost * _PIECES))])
            box, new_low, new_high, first = _split(low[now], high[now])
            # Below this K of the last stratum a box is of no use: bisect only above it, and only
            # as finely as the box itself is known.
            useless = np.maximum(floor - new_high.sum(axis=1), -1)
            below = np.where(first, np.maximum(some[now][box], useless), useless)
            finely = (new_high - new_low).max(axis=1) // 4
            new_some, new_last = self._largest_last(new_low, below, last[now][box], finely, level)
            # Even with none in the last stratum the low corner, and so the box, is out.
            some_do = new_last >= 0
            new_low, new_high = new_low[some_do], new_high[some_do]
            new_some, new_last = new_some[some_do], new_last[some_do]
            reached = new_low.sum(axis=1) + new_some
            best = max(best, int(reached[reached > floor].max(initial=best)))
            low = np.concatenate([low[later], new_low])
            high = np.concatenate([high[later], new_high])
            some = np.concatenate([some[later], new_some])
            last = np.concatenate([last[later], new_last])

    def _alone(self, h: int, level: float) -> int:
        inside, outside = 0, self.N[h] + 1
        while outside - inside > 1:
            middle = (inside + outside) // 2
            bad = np.zeros((1, len(self.N)), dtype=np.int64)
            bad[0, h] = middle
            if self.probability(bad)[0] > level:
                inside = middle
            else:
                outside = middle
        return inside

    def _largest_last(
        self, others: _Ints, below: _Ints, most: _Ints, finely: _Ints, level: float
    ) -> tuple[_Ints, _Ints]:
        """Row by row the largest K of the last stratum in (below, most] with P > level.

        Returns:
            The largest K found to do and the largest that may, at most ``finely`` apart; both are
            ``below`` where none does (-1: not even 0).
        """
        low, high = np.minimum(below, most), most.copy()
        # Most boxes hold nothing of use, and one look shows it.
        some = np.flatnonzero(low < high)
        does = self.probability(np.column_stack([others[some], low[some] + 1])) > level
        high[some] = np.where(does, high[some], low[some])
        low[some] += does
        while (todo := np.flatnonzero(high - low > finely)).size:
            middle = (low[todo] + high[todo] + 1) // 2
            does = self.probability(np.column_stack([others[todo], middle])) > level
            low[todo] = np.where(does, middle, low[todo])
            high[todo] = np.where(does, high[todo], middle - 1)
        return low, high


def _split(low: _Ints, high: _Ints) -> tuple[_Ints, _Ints, _Ints, NDArray[np.bool_]]:
    """Each box cut along its longest side into up to _PIECES.

    Returns:
        The number of the box that each piece is of, its corners, and whether it is the first one,
        which keeps the low corner.
    """
    rows = np.arange(low.shape[0])
    side = np.argmax(high - low, axis=1)
    start, end = low[rows, side], high[rows, side]
    width = -(-(end - start + 1) // _PIECES)
    box = np.repeat(rows, _PIECES)
    piece = np.tile(np.arange(_PIECES), rows.size)
    begin = start[box] + piece * width[box]
    real = begin <= end[box]
    box, piece, begin = box[real], piece[real], begin[real]
    new_low, new_high = low[box], high[box]
    new_low[np.arange(box.size), side[box]] = begin
    new_high[np.arange(box.size), side[box]] = np.minimum(begin + width[box] - 1, end[box])
    return box, new_low, new_high, piece == 0


def hypergeometric(population: int, drawn: int, bad: _Ints, most: int) -> _Reals:
    """P(k bad among those drawn without replacement), k = 0..most; rows are values of ``bad``."""
    big = bad[:, None].astype(np.float64)
    k = np.arange(most + 1, dtype=np.float64)[None, :]
    good, rest = population - big, drawn - k
    fits = (k <= big) & (rest >= 0) & (rest <= good)
    left, right = np.where(fits, big - k, 0.0), np.where(fits, good - rest, 0.0)
    log = (
        gammaln(big + 1) - gammaln(k + 1) - gammaln(left + 1)
        + gammaln(good + 1) - gammaln(np.maximum(rest, 0) + 1) - gammaln(right + 1)
        - (gammaln(population + 1) - gammaln(drawn + 1) - gammaln(population - drawn + 1))
    )  # fmt: skip
    return np.where(fits, np.exp(np.minimum(log, 0.0)), 0.0)


def binomial(drawn: int, rates: _Reals, most: int) -> _Reals:
    """P(k bad among those drawn independently), k = 0..most; rows are values of ``rates``."""
    k = np.arange(most + 1, dtype=np.float64)[None, :]
    p = rates[:, None]
    ways = gammaln(drawn + 1) - gammaln(k + 1) - gammaln(drawn - k + 1)
    return np.exp(np.minimum(ways + xlogy(k, p) + xlog1py(drawn - k, -p), 0.0))
