"""What a report says of a recorded candidate; of the others the scenario says it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from simulator.scenario import Candidate

# Columns that a recording may have, the same in all its rows.
_OF_RECORDING = ("model", "revision", "settings", "recorded_at")


def facts(config: Candidate) -> dict[str, str]:
    """Model, revision, settings and day, as far as a recording says; empty for other kinds."""
    if config.source is not None and config.source.suffix == ".parquet":
        return _of_recording(config.source)
    return {}


def _of_recording(source: Path) -> dict[str, str]:
    # A file that cannot be read is the replay's to refuse.
    try:
        rows = pl.scan_parquet(source)
        columns = [name for name in _OF_RECORDING if name in rows.collect_schema()]
        first = rows.select(columns).head(1).collect() if columns else pl.DataFrame()
    except (OSError, pl.exceptions.PolarsError):
        return {}
    return {name: str(first[name][0]) for name in columns if first.height}
