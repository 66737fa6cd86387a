"""What labels say of conversations, and what the log says of the incumbent's customers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from simulator.reports import answer, wording
from simulator.reports.language import heard, noted, say
from simulator.reports.phrases import named, together
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
        return say("at {stage}", stage=wording.stage_label(cells[0][0]))
    return _named(cells)


def _named(cells: Sequence[Cell]) -> str:
    by_stage: dict[str, list[str]] = {}
    for stage, candidate in cells:
        by_stage.setdefault(stage, []).append(named(candidate))
    parts = [
        say(
            "{candidates} at {stage}",
            candidates=wording.listed(names),
            stage=wording.stage_label(stage),
        )
        for stage, names in by_stage.items()
    ]
    return wording.listed(parts)


def head(metric: str) -> str:
    """The metric as a column head; † marks a harm."""
    harm = "\u00a0†" if wording.SUPPORT[metric].meaning.endswith("(a harm)") else ""
    return wording.metric_label(metric) + harm


def remarks(run: Run, cells: Sequence[Cell]) -> list[str]:
    """What no label says, once; and what the incumbent's customers felt next."""
    found = []
    known = set(shown_metrics(run, cells))
    asked = set(run.table(TABLE)["metric"]) & wording.SUPPORT.keys()
    if known and (blank := [m for m in wording.SUPPORT if m in asked - known]):
        labels = wording.listed([wording.metric_label(metric) for metric in blank])
        found.append(say("Not labelled: {metrics}.", metrics=labels))
    if silent := [cell for cell in cells if not measured(run, cell)]:
        found.append(say("No label is on record for {cells}.", cells=_named(silent)))
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
    by = f"{abs(value):.2g}"
    if value > 0:
        does = say("rises by {by} of a level on average", by=by)
    elif value < 0:
        does = say("falls by {by} of a level on average", by=by)
    else:
        does = say("stays as it is on average")
    text = say(
        "From one customer message to the next, after our own agents' replies, upset {does}{range} "
        "(calm 0, upset 1, angry 2; by the rules judge, {n} points)",
        does=does,
        range=_between(change, lambda x: f"{x:+.2g}".replace("-", "−")),
        n=f"{change['n']:,}",
    )
    for metric, claim in (
        (
            "calmed",
            noted(
                "{claim}; of upset or angry customers {share}{range} are calmer at their next ({n})"
            ),
        ),
        ("upset_further", noted("{claim}; of those not angry yet {share}{range} are worse ({n})")),
    ):
        row = rows.get(metric)
        if row is not None and row["estimate"] is not None:
            text = say(
                claim,
                claim=text,
                share=wording.percent(row["estimate"]),
                range=_between(row, wording.percent),
                n=f"{row['n']:,}",
            )
    return together(
        say("{sentence}.", sentence=text),
        say("No candidate can be measured by this: the customer answered our agents."),
    )


def _between(row: Mapping[str, Any], write: Callable[[float], str]) -> str:
    if row["low"] is None or row["high"] is None:
        return ""
    return say(" ({low} to {high})", low=write(row["low"]), high=write(row["high"]))


def _measured(row: Mapping[str, Any]) -> Measured:
    n = figure(TABLE, row, "n")
    low, high = (None if row[x] is None else figure(TABLE, row, x) for x in ("low", "high"))
    return Measured(
        row["metric"],
        figure(TABLE, row, "estimate"),
        low,
        high,
        Figure(n.value, f"{row['n']:,}", n.source),
        heard(row["excluded"]) if row["excluded"] else say("nothing"),
        heard(row["method"]),
    )
