"""A clause of a reply and how firmly it binds the company."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

# The stretches of a sentence, as begin and end, outside of which no clause commits
# (:mod:`simulator.judging.promises.screen` finds them); None where nobody has looked.
Live = Sequence[Sequence[int]] | None


class Clause(NamedTuple):
    """``start`` and ``end`` are places in the sentence; ``firmness`` is hedged or firm."""

    start: int
    end: int
    firmness: str


def alive(live: Live, start: int, end: int) -> bool:
    """Whether a clause from ``start`` to ``end`` may commit."""
    return live is None or any(low < end and start < high for low, high in live)
