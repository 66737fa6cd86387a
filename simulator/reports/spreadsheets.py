"""Tables as a spreadsheet opens them: one row a thing, and no cell that runs as a formula."""

from __future__ import annotations

import polars as pl

from simulator.reports import wording
from simulator.reports.run import Run

INTERVAL_METRICS = (
    "offered",
    "answered",
    "abandoned",
    "asa_s",
    "service_level",
    "occupancy",
    "agents",
)


def neutralised(frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` with text cells that a spreadsheet would run as a formula made harmless.

    Text beginning with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return gets a leading
    apostrophe. Numbers are left alone: a negative saving stays a number.

    Source: OWASP, CSV injection.
    """
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(r"^[=+\-@\t\r]"))
        .then("'" + pl.col(name))
        .otherwise(pl.col(name))
        .alias(name)
        for name in texts
    )


def csv(frame: pl.DataFrame) -> str:
    """``frame`` as CSV text, neutralised; unknown is an empty cell."""
    return neutralised(frame).write_csv(None)


def intervals(run: Run) -> pl.DataFrame:
    """Half-hours of the simulated day, one row for each stage, candidate, bound and team.

    ``interval_start`` is local time, ``HH:MM``; the metrics are means a day over the replications
    (``asa_s`` in seconds, ``service_level`` and ``occupancy`` in [0, 1]).
    """
    keys = ["interval_start", "stage", "candidate", "bound", "team"]
    rows = run.table("intervals").filter(pl.col("segment") == "all")
    if rows.is_empty():
        schema = {
            **dict.fromkeys(keys, pl.String()),
            **dict.fromkeys(INTERVAL_METRICS, pl.Float64()),
        }
        return pl.DataFrame(schema=schema)
    wide = rows.pivot(
        "metric",
        index=["interval_start_s", *keys[1:]],
        values="estimate",
        aggregate_function="first",
    )
    order = {name: place for place, name in enumerate([*run.stages, *run.candidates])}
    return (
        wide.with_columns(
            pl.lit(None, dtype=pl.Float64).alias(metric)
            for metric in INTERVAL_METRICS
            if metric not in wide.columns
        )
        .with_columns(
            pl.col("interval_start_s")
            .map_elements(wording.clock, return_dtype=pl.String)
            .alias("interval_start")
        )
        .sort(
            pl.col("stage").replace_strict(order, default=999),
            pl.col("candidate").replace_strict(order, default=999),
            "bound",
            "team",
            "interval_start_s",
        )
        .select(*keys, *INTERVAL_METRICS)
    )
