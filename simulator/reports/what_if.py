"""What-if scenarios side by side: the same customers and candidates, one thing changed."""

from __future__ import annotations

from typing import Any

from simulator.reports.run import Run


def section(run: Run) -> dict[str, Any] | None:
    """What the page's section on what-if scenarios shows; None where the scenario asks none."""
    return None
