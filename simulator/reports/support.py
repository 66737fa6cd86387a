"""What labels say of conversations, and what the log says of the incumbent's customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from simulator.reports import answer, wording
from simulator.reports.run import Figure, Run, figure

Cell = tuple[str, str]
TABLE = "support_metrics"


@dataclass(frozen=True)
class Measured:
    """A row of table ``support_metrics`` as shown; ``low`` and ``high`` are null together."""

    metric: str
    estimate: Figure
    low: Figure | None
    high: Figure | None
    n: Figure
    excluded: str
    method: str


def shown_cells(run: Run) -> list[Cell]:
    """For each candidate that answers customers, the stage that is asked for next: the one that

    the scenario proposes, or else the first automatic one that it has not passed.
    """
    stages: dict[str, list[str]] = {}
    for stage, candidate in all_cells(run):
        stages.setdefault(candidate, []).append(stage)
    asked = run.scenario.proposal
    found = []
    for candidate, own in stages.items():
        advised = answer.advice(run, candidate, "all")
        ahead = run.stages[run.stages.index(advised[0].stage) + 1 :] if advised else run.stages
        stage = next((one for one in own if one in ahead), own[-1])
        if asked is not None and asked.candidate == candidate and asked.stage in own:
            stage = asked.stage
        found.append((stage, candidate))
    return found


def all_cells(run: Run) -> list[Cell]:
    """Every stage and candidate of which labels might say something, up the ladder."""
    rows = run.table(TABLE).filter(pl.col("metric").is_in(list(wording.SUPPORT)))
    cells = set(rows.select("stage", "candidate").iter_rows())
    return [(s, c) for s in run.stages for c in run.candidates if (s, c) in cells]


def measured(run: Run, cell: Cell, segment: str = "all") -> dict[str, Measured]:
    """The metrics of one cell and segment that some label is about."""
    rows = run.table(TABLE).filter(
        (pl.col("stage") == cell[0])
        & (pl.col("candidate") == cell[1])
        & (pl.col("segment") == segment)
        & pl.col("metric").is_in(list(wording.SUPPORT))
        & (pl.col("n") > 0)
    )
    return {row["metric"]: _measured(row) for row in rows.iter_rows(named=True)}


def segments(run: Run) -> list[str]:
    """The segments that were measured by themselves."""
    return sorted(set(run.table(TABLE)["segment"]) - {"all"})


def shown_metrics(run: Run, cells: Sequence[Cell]) -> list[str]:
    """The metrics that some label says something of, in the order of :data:`wording.SUPPORT`."""
    known = {metric for cell in cells for metric in measured(run, cell)}
    return [metric for metric in wording.SUPPORT if metric in known]


def where(cells: Sequence[Cell]) -> str:
    """At which stage each candidate is shown, in words."""
    if len(cells) > 1 and len({stage for stage, _ in cells}) == 1:
        return f"at {wording.stage_label(cells[0][0])}"
    return _named(cells)


def _named(cells: Sequence[Cell]) -> str:
    by_stage: dict[str, list[str]] = {}
    for stage, candidate in cells:
        by_stage.setdefault(stage, []).append(wording.visible(candidate))
    parts = [f"{wording.listed(n)} at {wording.stage_label(s)}" for s, n in by_stage.items()]
    return wording.listed(parts)


def head(metric: str) -> str:
    """The metric as a column head; † marks a harm."""
    harm = "\u00a0†" if wording.SUPPORT[metric].meaning.endswith("(a harm)") else ""
    return wording.SUPPORT[metric].label + harm


def remarks(run: Run, cells: Sequence[Cell]) -> list[str]:
    """What no label says, once; and what the incumbent's customers felt next."""
    found = []
    known = set(shown_metrics(run, cells))
    asked = set(run.table(TABLE)["metric"]) & wording.SUPPORT.keys()
    if known and (blank := [m for m in wording.SUPPORT if m in asked - known]):
        labels = [wording.SUPPORT[metric].label for metric in blank]
        found.append(f"Not labelled: {wording.listed(labels)}.")
    if silent := [cell for cell in cells if not measured(run, cell)]:
        found.append(f"No label is on record for {_named(silent)}.")
    return [*found, *filter(None, [emotion(run)])]


def emotion(run: Run) -> str | None:
    """What became of the customer's emotion after the incumbent's replies; None: not known."""
    rows = {
        row["metric"]: row
        for row in run.table(TABLE)
        .filter((pl.col("candidate") == "human") & (pl.col("segment") == "all"))
        .iter_rows(named=True)
    }
    change = rows.get("emotion_change")
    if change is None or change["estimate"] is None:
        return None
    value = change["estimate"]
    way = "rises" if value > 0 else "falls" if value < 0 else "stays as it is"
    by = f" by {abs(value):.2g} of a level on average" if value else " on average"
    text = (
        f"From one customer message to the next, after our own agents' replies, upset {way}{by}"
        f"{_between(change, lambda x: f'{x:+.2g}'.replace('-', '−'))} (calm 0, upset 1, angry 2; "
        f"by the rules judge, {change['n']:,} points)"
    )
    for metric, of, then in (
        ("calmed", "of upset or angry customers", "are calmer at their next"),
        ("upset_further", "of those not angry yet", "are worse"),
    ):
        row = rows.get(metric)
        if row is not None and row["estimate"] is not None:
            share = wording.percent(row["estimate"])
            text += f"; {of} {share}{_between(row, wording.percent)} {then} ({row['n']:,})"
    return f"{text}. No candidate can be measured by this: the customer answered our agents."


def _between(row: Mapping[str, Any], write: Any) -> str:
    if row["low"] is None or row["high"] is None:
        return ""
    return f" ({write(row['low'])} to {write(row['high'])})"


def _measured(row: Mapping[str, Any]) -> Measured:
    n = figure(TABLE, row, "n")
    low, high = (None if row[x] is None else figure(TABLE, row, x) for x in ("low", "high"))
    return Measured(
        row["metric"],
        figure(TABLE, row, "estimate"),
        low,
        high,
        Figure(n.value, f"{row['n']:,}", n.source),
        row["excluded"] or "nothing",
        row["method"],
    )
