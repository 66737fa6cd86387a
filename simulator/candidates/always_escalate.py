"""Hands every turn to a human: the cautious end. It saves nothing and promises nothing."""

from __future__ import annotations

from simulator.candidates import Answerer, Materials, Point, Reply, by_rule
from simulator.candidates.phrases import phrase
from simulator.scenario import Candidate


def make(config: Candidate, materials: Materials) -> Answerer:
    """The answerer; it needs nothing."""

    def one(point: Point) -> Reply:
        return Reply("escalate", phrase(point.language, "escalate"), 0.0)

    return by_rule(one, config, materials)
