"""Hands every turn to a human: the cautious end. It saves nothing and promises nothing."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.candidates import Answerer, Materials, Point, Reply
from simulator.candidates.phrases import phrase
from simulator.scenario import Candidate


def make(config: Candidate, materials: Materials) -> Answerer:
    """The answerer; it needs nothing."""

    def answer(points: Sequence[Point]) -> list[Reply]:
        return [Reply("escalate", phrase(point.language, "escalate"), 0.0) for point in points]

    return answer
