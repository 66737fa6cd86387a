"""A clause of a reply and how firmly it binds the company."""

from __future__ import annotations

from typing import NamedTuple


class Clause(NamedTuple):
    """``start`` and ``end`` are places in the sentence; ``firmness`` is hedged or firm."""

    start: int
    end: int
    firmness: str
