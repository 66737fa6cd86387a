"""Whether the queue model may be believed: its back-test, and what the run checked of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import polars as pl

from simulator.reports import wording
from simulator.reports.run import Figure, Run

UNTESTED = "The queue model has not been tested against the operation's own history."
# How the limit of a criterion is meant, in front of its number.
LIMITS = {"level_bias": "within ±"}


@dataclass(frozen=True)
class Criterion:
    """One criterion of the back-test: ``limit`` is None where a number is only told."""

    metric: str
    estimate: Figure
    limit: Figure | None
    limit_word: str
    status: str


def verdict(run: Run) -> str | None:
    """pass, fail or insufficient; None where there was no back-test."""
    found = run.table("backtest").filter(pl.col("metric") == "verdict")["status"].to_list()
    return str(found[0]) if found else None


def sentence(run: Run) -> str:
    """The verdict in plain words, as the back-test put it; says so where there was none."""
    found = run.table("backtest").filter(pl.col("metric") == "verdict")["reason"].to_list()
    return str(found[0]) if found else UNTESTED


def warning(run: Run) -> str | None:
    """What stands right under the answer where the model failed its back-test; else None."""
    if verdict(run) != "fail":
        return None
    return (
        "The queue model fails its back-test: it does not reproduce this operation's own days. "
        "Waits, service levels and staffing of this run, and the money that follows from them, are "
        "not to be relied on."
    )


def criteria(run: Run) -> list[Criterion]:
    """What the back-test was judged by, in its own order; empty where nothing could be tested."""
    rows = run.table("backtest").filter(pl.col("metric") != "verdict")
    return [
        Criterion(
            row["metric"],
            _figure(row, "estimate"),
            None if row["limit"] is None else _figure(row, "limit"),
            LIMITS.get(row["metric"], "at least "),
            row["status"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _figure(row: dict[str, Any], column: str) -> Figure:
    text = wording.number(row["metric"], row[column])
    source = f"backtest/{quote(row['metric'], safe='')}/{column}"
    # A limit has no direction of its own: the words before it say which way it cuts.
    return Figure(row[column], text.removeprefix("+") if column == "limit" else text, source)


def checks(run: Run) -> list[str]:
    """What the run checked of itself, one sentence each."""
    found = []
    for row in run.table("checks").iter_rows(named=True):
        text = wording.visible(row["result"]).rstrip(".")
        what = "contacts" if row["name"] == "engines" else "cases"
        found.append(f"{text[:1].upper()}{text[1:]}; checked on {row['n']:,} {what}.")
    return found


def days(run: Run) -> pl.DataFrame:
    """Daily mean waits, observed and predicted: table ``backtest_days``, by day."""
    return run.table("backtest_days").filter(pl.col("metric") == "wait_s").sort("day")


def reading(run: Run) -> str:
    """How many held-out days lie inside their interval, and the day that is furthest off."""
    scored = days(run).filter(
        (pl.col("half") == "held_out")
        & pl.col("scored")
        & pl.col("observed").is_not_null()
        & pl.col("predicted").is_not_null()
    )
    judged = scored.filter(pl.col("inside").is_not_null())
    if judged.is_empty():
        return "No held-out day can be compared with its prediction."
    off = scored.sort((pl.col("observed") - pl.col("predicted")).abs(), descending=True)
    worst = off.row(0, named=True)
    return (
        f"On {int(judged['inside'].sum())} of {judged.height} held-out days the observed mean wait "
        f"lies inside its 90 % interval; furthest off is {worst['day']:%Y-%m-%d}, when "
        f"{wording.number('asa_s', worst['observed'])} were observed and "
        f"{wording.number('asa_s', worst['predicted'])} predicted."
    )
