"""What one gate finds, and the claims that are still open at what level they are tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Finding(NamedTuple):
    """What one gate found; the columns of table ``gates`` that differ by metric."""

    status: str
    reason: str
    unit: str
    method: str
    estimand: str
    n: int = 0
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    labels_needed: int | None = None
    bound: str | None = None
    confidence: float | None = None


class Claim(NamedTuple):
    """A gate on labels in one segment, before it is settled at which level it is tested.

    ``settle(alpha)``: the finding with one-sided bounds at that level. ``holds(alpha)``: whether it
    passes there; if it does at some level, it does at every higher one.
    """

    settle: Callable[[float], Finding]
    holds: Callable[[float], bool]


def shared_levels(holds: Sequence[Callable[[float], bool]], alpha: float) -> list[float]:
    """The level at which Holm's step-down tests each claim: at most ``alpha`` for any wrong pass.

    All that hold at alpha / m pass; the others share alpha anew among those left, until none passes
    any more. What passes is what Holm's procedure on p-values rejects (the p-value being the least
    level at which a claim holds), however the claims hang together.

    Source: Holm, Scand. J. Statist. 6 (1979) 65-70.
    """
    levels = [alpha] * len(holds)
    left = list(range(len(holds)))
    while left:
        level = alpha / len(left)
        for index in left:
            levels[index] = level
        still = [index for index in left if not holds[index](level)]
        if len(still) == len(left):
            break
        left = still
    return levels
