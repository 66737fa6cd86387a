"""Candidates side by side, at the same decision points of the same conversations."""

from simulator.comparison.points import aligned
from simulator.comparison.side_by_side import SLICES, compare
from simulator.comparison.sides import Comparison, Side

__all__ = ["SLICES", "Comparison", "Side", "aligned", "compare"]
