"""What is set side by side, and what comes of it."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl


class Side(NamedTuple):
    """One candidate of one run.

    Attributes:
        name: how the result calls it; differs from ``candidate`` where two runs have one of the
            same name.
        candidate: its name in the tables below, which may hold other candidates too.
        shadow, verdicts, contexts, labels, decision_points, conversations: tables of the run, as
            in :mod:`simulator.schema.conversations`.
    """

    name: str
    candidate: str
    shadow: pl.DataFrame
    verdicts: pl.DataFrame
    contexts: pl.DataFrame
    labels: pl.DataFrame
    decision_points: pl.DataFrame
    conversations: pl.DataFrame


class Comparison(NamedTuple):
    """What a comparison found; tables of :mod:`simulator.schema.comparison`.

    Attributes:
        differences: ours less theirs, everything first, then slices, those that got worse first.
        decision_matrix: what was called for, and what each candidate did.
        disagreements: the points where two candidates differ most.
        remarks: what a reader must know, in whole sentences.
    """

    differences: pl.DataFrame
    decision_matrix: pl.DataFrame
    disagreements: pl.DataFrame
    remarks: tuple[str, ...]
