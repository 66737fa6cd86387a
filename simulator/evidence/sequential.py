"""Watching a rate as labels come in, with a test that may be looked at after each of them.

The e-process sets a mixture of lower rates against the highest rate that is harmful::

    E_n = integral over q < p0 of  L_n(q) / L_n(p0)  dPrior(q),    L_n(q) = q^k (1 - q)^(n - k)

for k events among the first n conversations. Under any true rate p >= p0 its expectation is at
most 1 at every stopping time (exactly 1 at p = p0), so that it ever reaches 1 / alpha with
probability at most alpha (Ville): one may look after every label, stop when one likes, and go on.

Why the prior is truncated to [0, p0)
    For q < p0 <= p the factor ``p q / p0 + (1 - p)(1 - q) / (1 - p0)`` is at most 1; for q > p0
    it is above 1, and evidence *for* a harmful rate would count as evidence against one.

Why it may stay unnormalised
    What the prior holds beyond p0 is given up, or scaled away. Both are valid. Given up, E_0 is
    the prior's mass below p0 (.064 for Beta(1/2, 1/2) and 1 %), the expectation stays below 1,
    and 680 conversations without an event rule out 1 % at level .05. Renormalised, E_0 is 1, the
    expectation at p0 is exactly 1, and 377 do. The first is the default: the cautious one, and
    as cautious without an event as the mixture over all of [0, 1], which is not valid for p > p0.

Conversations must be a simple random sample, in the order of the draw: no strata, no weights, and
not those that were picked because a judge flagged them.

Sources: Ville, "Etude critique de la notion de collectif" (1939); Robbins, Ann. Math. Stat. 41
(1970) 1397-1409 (mixtures); Ramdas, Gruenwald, Vovk, Shafer, Statistical Science 38 (2023) 576-601.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln

_Reals = NDArray[np.float64]

# Below this the incomplete beta function has lost its digits; then its series is used.
_SMALL = 1e-250
# Cut short, the series is too small, and so is the e-value: the safe side.
_TERMS = 100_000


def log_e_values(
    events: Sequence[bool] | NDArray[np.bool_],
    p0: float,
    a: float = 0.5,
    b: float = 0.5,
    *,
    renormalised: bool = False,
) -> _Reals:
    """The logarithm of the e-value for "the rate is p0 or more" after each conversation.

    Args:
        events: whether each conversation was bad, in the order drawn; at most one unit each. An
            unknown one must be given as bad.
        p0: the lowest rate that is to be ruled out, in (0, 1).
        a, b: of the Beta prior of the rate, above 0.
        renormalised: scale the prior below p0 up to a mass of 1.

    Returns:
        One for each conversation. Evidence against p >= p0 where above 0.

    Raises:
        ValueError: p0, a or b out of range.
    """
    if not 0 < p0 < 1 or a <= 0 or b <= 0:
        raise ValueError(f"p0={p0}, a={a}, b={b}: expected 0 < p0 < 1, a > 0, b > 0")
    bad = np.cumsum(np.asarray(events, dtype=bool))
    good = np.arange(1, bad.size + 1) - bad
    prior, below = np.array([a]), np.array([b])
    mass = _log_below(prior, below, p0)[0] if renormalised else float(betaln(a, b))
    integral = _log_below(a + bad, b + good, p0)
    found: _Reals = integral - mass - bad * math.log(p0) - good * math.log1p(-p0)
    return found


def anytime_p_value(
    events: Sequence[bool] | NDArray[np.bool_],
    p0: float,
    a: float = 0.5,
    b: float = 0.5,
    *,
    renormalised: bool = False,
) -> float:
    """A p-value of "the rate is p0 or more" that holds however often one has looked; 1 at first.

    Args, errors: as :func:`log_e_values`.
    """
    log_e = log_e_values(events, p0, a, b, renormalised=renormalised)
    return math.exp(-max(0.0, float(log_e.max(initial=0.0))))


def anytime_upper(
    events: Sequence[bool] | NDArray[np.bool_],
    alpha: float,
    a: float = 0.5,
    b: float = 0.5,
    *,
    renormalised: bool = False,
) -> float:
    """An upper bound of the rate that holds at all times at once, at level ``alpha``.

    The smallest p0 such that it and every higher one is ruled out. Once E reaches 1 / alpha as p0
    rises it stays there, so that bisection finds it: at such a p0 the likelihood falls faster
    than the prior below p0 gains.

    Raises:
        ValueError: alpha out of (0, 1), or as :func:`log_e_values`.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha}; expected 0 < alpha < 1")
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if anytime_p_value(events, middle, a, b, renormalised=renormalised) <= alpha:
            high = middle
        else:
            low = middle
    return high


def _log_below(a: NDArray[np.float64], b: NDArray[np.float64], x: float) -> _Reals:
    """log of the integral of q^(a - 1) (1 - q)^(b - 1) over q < x."""
    share = betainc(a, b, x)
    found: _Reals = betaln(a, b) + np.log(np.where(share < _SMALL, 1.0, share))
    far = np.flatnonzero(share < _SMALL)
    if far.size:
        found[far] = a[far] * math.log(x) + b[far] * math.log1p(-x) - np.log(a[far])
        found[far] += np.log(_series(a[far], b[far], x))
    return found


def _series(a: _Reals, b: _Reals, x: float) -> _Reals:
    """2F1(1, a + b; a + 1; x), as in DLMF 8.17.8, where x is far below a / (a + b)."""
    total, term = np.ones_like(a), np.ones_like(a)
    step = 0
    # Its terms are positive and fall by a factor that only gets smaller.
    while step < _TERMS and float(term.max()) > 1e-16:
        term = term * (a + b + step) / (a + 1 + step) * x
        total += term
        step += 1
    return total
