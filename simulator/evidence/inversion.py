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
* Where the open boxes ask for more than ``MAX_WORK`` probabilities in one round (three strata
  and more with many events), the bound of the best open box is returned: never too small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

_Ints = NDArray[np.int64]
_Reals = NDArray[np.float64]

MAX_CELLS = 100_000
MAX_WORK = 20_000_000
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
        # The stratum with the most units last: it is the one that is bisected.
        order = sorted(strata, key=lambda s: s.N)
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
        if self.n_cells <= MAX_CELLS:
            self._cells, self._rest = self._enumerate()

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
        """P(T <= t_obs) for each row of ``bad`` (rows x strata)."""
        rows = max(1, 2_000_000 // max(1, self._cells.shape[0]))
        if bad.shape[0] > rows:
            parts = [bad[i : i + rows] for i in range(0, bad.shape[0], rows)]
            return np.concatenate([self.probability(part) for part in parts])
        if self._limit < 0 or not self._cells.shape[0]:
            return np.ones(bad.shape[0])
        if self._mirrored:
            bad = np.array(self.N) - bad
        last = _pmf(self.N[-1], self.n[-1], bad[:, -1], int(self._rest.max()))
        product = np.cumsum(last, axis=1)[:, self._rest]
        for h in range(self._cells.shape[1]):
            counts = self._cells[:, h]
            product = product * _pmf(self.N[h], self.n[h], bad[:, h], int(counts.max()))[:, counts]
        tail: _Reals = product.sum(axis=1)
        return 1 - tail if self._mirrored else tail

    def search(self, alpha: float, enough: int | None) -> int:
        """The largest total of bad units with P(T <= t_obs) > alpha for some composition."""
        level = alpha * (1 + _TIE)
        outer = len(self.N) - 1
        zero = np.zeros((1, outer), dtype=np.int64)
        top = np.array(self.N, dtype=np.int64)
        # No stratum can hold more than when all the others hold nothing.
        caps = np.array([self._alone(h, level) for h in range(outer)], dtype=np.int64)
        low, high = zero, caps.reshape(1, outer)
        last = self._largest_last(zero, np.full(1, -1), top[-1:], level)
        best = int(last[0])
        while True:
            if enough is not None and best > enough:
                return best
            floor = best if enough is None else max(best, enough)
            bound = high.sum(axis=1) + last
            open_ = bound > floor
            if not open_.any():
                return best
            if int(open_.sum()) * _PIECES * self.n_cells > MAX_WORK and outer > 1:
                return int(bound.max())
            low, high, last = low[open_], high[open_], last[open_]
            low, high, last, fresh = _split(low, high, last)
            # Below this K of the last stratum a box is of no use: bisect only above it.
            useless = np.maximum(floor - high[fresh].sum(axis=1), -1)
            last[fresh] = self._largest_last(low[fresh], useless, last[fresh], level)
            keep = last >= 0
            low, high, last = low[keep], high[keep], last[keep]
            reached = (low.sum(axis=1) + last)[high.sum(axis=1) + last > floor]
            best = max(best, int(reached.max(initial=best)))

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

    def _largest_last(self, others: _Ints, below: _Ints, most: _Ints, level: float) -> _Ints:
        """Row by row the largest K of the last stratum in (below, most] with P > level.

        ``below`` itself where there is none (-1: not even 0).
        """
        low, high = below.astype(np.int64), most.astype(np.int64).copy()
        low = np.minimum(low, high)
        while (todo := np.flatnonzero(low < high)).size:
            middle = (low[todo] + high[todo] + 1) // 2
            bad = np.column_stack([others[todo], middle])
            above = self.probability(bad) > level
            low[todo] = np.where(above, middle, low[todo])
            high[todo] = np.where(above, high[todo], middle - 1)
        return low


def _split(low: _Ints, high: _Ints, last: _Ints) -> tuple[_Ints, _Ints, _Ints, NDArray[np.bool_]]:
    """Each box cut along its longest side into up to _PIECES; ``fresh``: a new low corner."""
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
    return new_low, new_high, last[box], piece > 0


def _pmf(population: int, drawn: int, bad: _Ints, most: int) -> _Reals:
    """Hypergeometric P(k bad among the drawn) for k = 0..most; rows are values of ``bad``."""
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
