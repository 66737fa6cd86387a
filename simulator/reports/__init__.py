"""Reports of a run: for the terminal, for the spreadsheet, and one page to decide from.

:func:`write` puts ``summary.md``, ``report.html``, ``charts/``, ``intervals.csv`` and
``recommendation.csv`` into a run's folder. Nothing is computed here that a table does not hold:
every number in a report is a number of a table, formatted.
"""

from simulator.reports.folder import write
from simulator.reports.models import ask_again
from simulator.reports.run import Bounds, Figure, Run
from simulator.reports.summary import SummaryRow, summary_rows, summary_text

__all__ = [
    "Bounds",
    "Figure",
    "Run",
    "SummaryRow",
    "ask_again",
    "summary_rows",
    "summary_text",
    "write",
]
