"""How far each candidate may go in each segment: the answer as a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulator.reports import answer
from simulator.reports.run import Run
from simulator.reports.segment_answers import SegmentAnswer, segment_answers


@dataclass(frozen=True)
class Row:
    """A segment: its answer, and the rung of the ladder that each candidate reaches there.

    ``rungs`` are places in the run's stages, the first being 0. ``others`` are the candidates
    besides the one of the answer that reach the same rung.
    """

    answer: SegmentAnswer
    rungs: Mapping[str, int]
    others: tuple[str, ...]


def matrix(run: Run) -> list[Row]:
    """A row for all conversations and one for each segment; empty where nobody was advised."""
    order = {stage: place for place, stage in enumerate(run.stages)}
    reached: dict[str, dict[str, int]] = {}
    for one in answer.advice(run):
        reached.setdefault(one.segment, {})[one.candidate] = order.get(one.stage, 0)
    rows = []
    for found in segment_answers(run):
        own, rungs = found.advice, reached[found.advice.segment]
        others = [
            name
            for name, rung in rungs.items()
            if rung == rungs[own.candidate] and name != own.candidate
        ]
        rows.append(Row(found, rungs, tuple(others)))
    return rows
