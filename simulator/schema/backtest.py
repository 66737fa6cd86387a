"""Tables of the back-test: the human-only desk against days that it has not seen."""

from __future__ import annotations

import polars as pl

from simulator.schema.columns import FLAG, INT, REAL, TEXT, Table

TABLES = {
    # One row a criterion, and the row `verdict`, whose reason is a sentence or two for reports.
    # `n` days. `told`: carried for the reader, without a limit.
    "backtest": Table(
        {
            "metric": TEXT,
            "status": TEXT,
            "estimate": REAL,
            "limit": REAL,
            "n": INT,
            "unit": TEXT,
            "reason": TEXT,
            "method": TEXT,
        },
        ("metric", "status", "reason", "method"),
        ("metric",),
        {"status": ("pass", "fail", "insufficient", "told")},
    ),
    # One row a day and measure. `low` and `high` hold 90 % of days like it, if the model is right;
    # null in the calibration half, whose misses they are made of. A day is not `scored` where there
    # is nothing to compare; `reason` says so, or in what the day is unlike any of the first half.
    "backtest_days": Table(
        {
            "day": pl.Date(),
            "half": TEXT,
            "metric": TEXT,
            "n_contacts": INT,
            "observed": REAL,
            "predicted": REAL,
            "low": REAL,
            "high": REAL,
            "inside": FLAG,
            "scored": FLAG,
            "reason": TEXT,
        },
        ("day", "half", "metric", "n_contacts", "scored"),
        ("day", "metric"),
        {
            "half": ("calibration", "held_out"),
            "metric": ("wait_s", "abandonment_rate", "service_level"),
        },
    ),
}
