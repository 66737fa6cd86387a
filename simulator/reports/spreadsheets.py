"""Tables as a spreadsheet opens them: one row a thing, and no cell that runs as a formula."""

from __future__ import annotations

import re

import polars as pl

from simulator.reports import wording
from simulator.reports.run import Run

# Metric of table `intervals`: column of `intervals.csv`.
INTERVAL_METRICS = {
    "offered": "offered",
    "answered": "answered",
    "abandoned": "abandoned",
    "turned_away": "turned_away",
    "aht_s": "aht_s",
    "asa_s": "asa_s",
    "wait_p50_s": "wait_p50_s",
    "wait_p90_s": "wait_p90_s",
    "wait_p99_s": "wait_p99_s",
    "service_level": "service_level",
    "occupancy": "occupancy",
    "backlog": "backlog",
    "required_agents": "required_agents",
    "agents": "scheduled_agents",
}
_DAY_S = 86_400
# How a cell begins that a spreadsheet runs.
_RUNS = r"^[=+\-@＝＋－＠\t\r\n]"


def neutralised(frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` with text that a spreadsheet would run as a formula made harmless.

    Cells and headings beginning with ``=``, ``+``, ``-``, ``@`` (full-width ones too), a tab or a
    line's end get a leading apostrophe. Numbers are left alone: a negative saving stays a number.

    Source: OWASP, CSV injection.
    """
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return frame.with_columns(
        pl.when(pl.col(name).str.contains(_RUNS))
        .then("'" + pl.col(name))
        .otherwise(name)
        .alias(name)
        for name in texts
    ).rename(lambda name: "'" + name if re.match(_RUNS, name) else name)


def csv(frame: pl.DataFrame, *, bom: bool = False) -> str:
    """``frame`` as CSV text (RFC 4180, comma and decimal point), neutralised.

    Unknown is an empty cell, dates are ISO.

    Args:
        frame: its text columns are neutralised, its numbers stay numbers.
        bom: with a byte-order mark and lines that end in CR LF. Excel takes a file without the mark
            to be in the code page of the machine, and shows Chinese as nonsense.
    """
    end = "\r\n" if bom else "\n"
    return neutralised(frame).write_csv(None, include_bom=bom, line_terminator=end)


def intervals(run: Run) -> pl.DataFrame:
    """Half-hours of the simulated days: a row for each stage, candidate, bound, team and interval.

    ``day`` counts from 1 (in a simulated week 1 is Monday) and ``interval_start`` is local time,
    ``HH:MM``: a planner puts the dates of the period in question to the days. ``interval_min`` is
    the length in minutes. A team is the queue that contacts were offered to; ``all`` is their sum,
    to be left out of an import by queue. Counts are means over the replications, ``aht_s``
    and ``asa_s`` and percentiles are seconds, ``service_level`` and ``occupancy`` in [0, 1].
    ``offered`` includes ``turned_away``. Rows of one queue are in order of time.

    Sources: what the vendors' help pages say that they import, a row a queue and interval. Calabrio
    WFM, "Queue data file format" (interval length, then date, time and queue; rows of a queue in
    order of time); NICE IEX WFM, "Contact History Import File" (date, period, queue); Eleveo WFM,
    "File format" (volume and AHT by interval); Genesys Cloud, historical queue data of intraday
    monitoring (offered, answered, abandoned, average speed of answer in seconds, service level).
    Their order of columns differs, so that an import maps these by name.
    """
    keys = ["day", "interval_start", "interval_min", "stage", "candidate", "bound", "team"]
    columns = list(INTERVAL_METRICS.values())
    rows = run.table("intervals").filter(pl.col("segment") == "all")
    if rows.is_empty():
        schema: dict[str, pl.DataType] = {
            **dict.fromkeys(keys, pl.String()),
            **dict.fromkeys(("day", "interval_min"), pl.Int64()),
            **dict.fromkeys(columns, pl.Float64()),
        }
        return pl.DataFrame(schema=schema)
    wide = rows.pivot(
        "metric",
        index=["interval_start_s", *keys[3:]],
        values="estimate",
        aggregate_function="first",
    )
    starts = rows["interval_start_s"].unique().sort()
    length_s = starts.diff().min() if len(starts) > 1 else None
    order = {name: place for place, name in enumerate([*run.stages, *run.candidates])}
    at = pl.col("interval_start_s")
    return (
        wide.with_columns(
            pl.lit(None, dtype=pl.Float64).alias(metric)
            for metric in INTERVAL_METRICS
            if metric not in wide.columns
        )
        .rename(INTERVAL_METRICS)
        .with_columns(
            day=at // _DAY_S + 1,
            interval_start=(at % _DAY_S).map_elements(wording.clock, return_dtype=pl.String),
            interval_min=pl.lit(length_s, dtype=pl.Int64) // 60,
        )
        .sort(
            pl.col("stage").replace_strict(order, default=999),
            pl.col("candidate").replace_strict(order, default=999),
            "bound",
            "team",
            "interval_start_s",
        )
        .select(*keys, *columns)
    )
