"""The schedule of the desk: who was, or is planned to be, at work when."""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path

import polars as pl

from simulator.history.table_file import load


def load_schedule(path: Path, zone: tzinfo = UTC) -> pl.DataFrame:
    """The table ``schedule`` from CSV, JSONL, a JSON array or Parquet, gzip or not.

    Args:
        path: the file. ``tenure_months`` may be missing; an agent has a row for each presence.
        zone: of ``starts_at`` and ``ends_at`` that name none.

    Raises:
        HistoryError: unreadable, a row without agent, team, start or end, or one that ends before
            it starts; says which row.
    """
    return load("schedule", path, zone)
