"""The spectrum of questions, from knowledge to strategy, and what each candidate does along it."""

from __future__ import annotations

from typing import Any

from simulator.reports.run import Run


def section(run: Run) -> dict[str, Any] | None:
    """What the page's section on the spectrum shows; None where the run does not know."""
    return None
