"""Several tests at once: Holm where a decision hangs on each, Benjamini-Hochberg to explore.

Sources: Holm, Scand. J. Statistics 6 (1979) 65-70 (family-wise error, any dependence); Benjamini
and Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300 (false discovery rate, independent tests or
positively dependent ones).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

_LEAST = 1e-12
# A gate of 5 % over ten segments asks for .5 %: a hundredth of a per cent of that is near enough.
_FINE = 1e-4


class Tested(NamedTuple):
    """One hypothesis among several.

    Attributes:
        adjusted: p-value to be set against the level of the whole family; null where none is
            known.
        level: at which this hypothesis was tested in the end. ``p <= level`` if and only if it
            is rejected, and so a bound at this level shows the decision. These bounds do not hold
            all at once; each only says what was decided.
        rejected: whether it falls at the level of the family.
    """

    adjusted: float | None
    level: float
    rejected: bool


def holm(p_values: Sequence[float | None], alpha: float) -> list[Tested]:
    """Holm's step-down test: the chance of any false rejection is at most ``alpha``.

    From the smallest p-value on, the one of rank i (from 0) among m is tested at
    ``alpha / (m - i)``; the first that stands ends the test, and all after it stand at its level.

    Args:
        p_values: one a hypothesis. Null (nothing known) is never rejected, but is counted: leaving
            a segment out because it has no labels would loosen the others.
        alpha: level of the family, in (0, 1).

    Raises:
        ValueError: alpha or a p-value out of range.
    """
    _check(p_values, alpha)
    m = len(p_values)
    found: list[Tested] = [Tested(None, alpha, False)] * m
    worst, level, going = 0.0, alpha, True
    for rank, place in enumerate(_ranked(p_values)):
        p = p_values[place]
        worst = 1.0 if p is None else max(worst, min(1.0, (m - rank) * p))
        if going:
            level = alpha / (m - rank)
            going = worst <= alpha
        found[place] = Tested(None if p is None else worst, level, going)
    return found


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values: rejecting those <= q keeps the share of false ones among them to q.

    Args:
        p_values: one a hypothesis; null stays null, but is counted.

    Raises:
        ValueError: a p-value out of range.
    """
    _check(p_values, 0.5)
    m = len(p_values)
    found: list[float | None] = [None] * m
    least = 1.0
    for rank, place in reversed(list(enumerate(_ranked(p_values), start=1))):
        p = p_values[place]
        if p is not None:
            least = min(least, m * p / rank)
            found[place] = least
    return found


def p_value(passes: Callable[[float], bool]) -> float:
    """The smallest alpha at which a bound at level alpha passes, for bounds without a p-value.

    Args:
        passes: whether the bound at this level is within the limit; if it is at some level, then
            at every higher one too.

    Returns:
        An alpha at which it passes, at most a factor 1.0001 above the smallest one; 1e-12 where
        that is smaller still, and 1 where it passes at none.
    """
    if passes(_LEAST):
        return _LEAST
    short, enough = math.log(_LEAST), 0.0
    # Bounds ask for alpha < 1: at 1, any claim may be made.
    while enough - short > _FINE:
        middle = (short + enough) / 2
        if passes(math.exp(middle)):
            enough = middle
        else:
            short = middle
    return math.exp(enough)


def _ranked(p_values: Sequence[float | None]) -> list[int]:
    """Places in rising order of the p-value, nulls last."""
    known = [math.inf if p is None else p for p in p_values]
    return sorted(range(len(known)), key=known.__getitem__)


def _check(p_values: Sequence[float | None], alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha}; expected 0 < alpha < 1")
    for p in p_values:
        if p is not None and not 0 <= p <= 1:
            raise ValueError(f"p-value {p}; expected 0 <= p <= 1, or null")
