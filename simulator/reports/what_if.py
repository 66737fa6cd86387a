"""What-if scenarios side by side: the same replies and customers, one thing changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from simulator import schema
from simulator.reports import wording
from simulator.reports.drawing import (
    GREY,
    INK,
    WIDTH,
    Chart,
    chart,
    height,
    of_candidate,
)
from simulator.reports.language import say
from simulator.reports.run import Bounds, Figure, Run

METRICS = (
    "offered_per_day",
    "escalated_per_day",
    "asa_s",
    "service_level",
    "abandonment_rate",
    "total_money",
    "saving_money",
)
_DRAWN = ("service_level", "saving_money")
# How far apart people alone and the candidate stand in a row.
_APART = 0.17


@dataclass(frozen=True)
class Row:
    """One stage under one what-if: ``bounds`` by metric of :data:`METRICS`."""

    stage: str
    candidate: str
    bounds: Mapping[str, Bounds]


@dataclass(frozen=True)
class Case:
    """A what-if (or the run as planned): its name, what it changes, and its stages."""

    name: str
    changes: tuple[str, ...]
    rows: tuple[Row, ...]


def section(run: Run) -> dict[str, Any] | None:
    """What the page's section on what-if scenarios shows; None where the scenario asks none."""
    found = cases(run)
    return {"metrics": METRICS, "cases": found, "stage": _stage(run)} if found else None


def cases(run: Run) -> list[Case]:
    """The run as planned and each of its what-ifs; none where it has no what-if."""
    table = run.table("what_if")
    if table.is_empty():
        return []
    index = {
        tuple(row[c] for c in ("what_if", "stage", "candidate", "bound", "metric")): row
        for row in table.iter_rows(named=True)
    }
    cells = [
        cell for cell in run.cells if cell in set(table.select("stage", "candidate").iter_rows())
    ]
    planned = tuple(
        Row(*cell, {m: run.bounds(_table(m), *cell, m) for m in METRICS}) for cell in cells
    )
    changed = [
        Case(
            one.name,
            tuple(f"{key} = {_written(value)}" for key, value in one.set.items()),
            tuple(
                Row(*cell, {m: _bounds(index, one.name, cell, m) for m in METRICS})
                for cell in cells
            ),
        )
        for one in run.scenario.what_if
    ]
    return [Case(say("As planned"), (), planned), *changed]


def what_if_chart(run: Run) -> Chart | None:
    """Service level and saving of each case, people alone beside the stage that is proposed."""
    found = cases(run)
    if not found:
        return None
    stage = _stage(run)
    drawing = Drawing(figsize=(WIDTH, 0.4 + height(len(found)) * 1.35), layout="constrained")
    panels = drawing.subplots(1, len(_DRAWN), sharey=True)
    for axes, metric in zip(panels, _DRAWN, strict=True):
        for place, case in enumerate(found):
            for row in case.rows:
                if row.stage in (run.baseline, stage):
                    _draw(run, axes, place, row, metric)
    panels[0].set_yticks(
        range(len(found)), [wording.clip(wording.visible(case.name), 34) for case in found]
    )
    panels[0].set_ylim(len(found) - 0.4, -0.6)
    target = f"{run.scenario.contact_center.target_wait_s:g}"
    panels[0].set_title(say("Service level ({target} s), %", target=target))
    panels[0].set_xlim(right=101)
    currency = run.scenario.money.currency
    panels[1].set_title(say("Saving against people alone, {currency} a day", currency=currency))
    panels[1].xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}".replace("-", "−"))
    panels[1].xaxis.set_major_locator(MaxNLocator(5))
    panels[1].axvline(0, color=INK, linewidth=1)
    for axes in panels:
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
    shown = dict(zip(*reversed(panels[0].get_legend_handles_labels()), strict=True))
    drawing.legend(shown.values(), shown.keys(), loc="outside upper left", ncols=4)
    return chart(
        drawing,
        "what-if",
        "what_if",
        say("What if: central case, and the line from best to worst"),
        reading(run, found, stage),
        _data(run),
    )


def reading(run: Run, found: list[Case], stage: str) -> str:
    """What the hardest of the cases does to the service at ``stage`` and to people alone."""
    known = [
        (case, row, alone)
        for case in found[1:]
        for row in case.rows
        for alone in case.rows
        if row.stage == stage
        and alone.stage == run.baseline
        and row.bounds["service_level"].central is not None
    ]
    if not known:
        return say("What the changes would do to the service is unknown.")
    case, row, alone = min(known, key=lambda one: one[1].bounds["service_level"].central or 0.0)
    before = next(one for one in found[0].rows if one.stage == stage)
    level = {
        "then": _said(row.bounds["service_level"], "central"),
        "worst": _said(row.bounds["service_level"], "worst"),
        "before": _said(before.bounds["service_level"], "central"),
        "alone": _said(alone.bounds["service_level"], "central"),
    }
    return say(
        "Hardest on the service with {candidate} at {stage} is “{case}”: {then} are answered in "
        "time ({worst} in the worst case), {before} as planned, and {alone} with people alone "
        "under the same change.",
        candidate=wording.visible(row.candidate),
        stage=wording.stage_label(stage),
        case=wording.visible(case.name),
        **level,
    )


def _said(bounds: Bounds, bound: str) -> str:
    value = getattr(bounds, bound)
    return wording.number(bounds.metric, bounds.central if value is None else value)


def _stage(run: Run) -> str:
    """The stage that is proposed, or else the last one."""
    asked = run.scenario.proposal
    return run.stages[-1] if asked is None else asked.stage


def _table(metric: str) -> str:
    return "costs" if metric.endswith("_money") else "kpis"


def _bounds(
    index: Mapping[tuple[str, ...], Mapping[str, Any]],
    name: str,
    cell: tuple[str, str],
    metric: str,
) -> Bounds:
    rows = {
        bound: index[key]
        for bound in schema.BOUNDS
        if (key := (name, *cell, bound, metric)) in index
    }
    only = next(iter(rows.values()))["estimate"] if len(rows) == 1 else None
    values = {
        bound: only if len(rows) == 1 else rows[bound]["estimate"] if bound in rows else None
        for bound in schema.BOUNDS
    }
    figures = {bound: _figure(row) for bound, row in rows.items()}
    return Bounds(metric, **values, single=len(rows) <= 1, figures=figures)


def _figure(row: Mapping[str, Any]) -> Figure:
    keys = ("what_if", "stage", "candidate", "segment", "bound", "metric")
    parts = ("what_if", *(str(row[key]) for key in keys), "estimate")
    return Figure(
        row["estimate"],
        wording.number(row["metric"], row["estimate"]),
        "/".join(quote(part, safe="") for part in parts),
    )


def _draw(run: Run, axes: Axes, place: int, row: Row, metric: str) -> None:
    bounds = row.bounds[metric]
    alone = row.stage == run.baseline
    if alone and metric == "saving_money":
        return
    scale = 100 if metric == "service_level" else 1
    colour, marker = of_candidate(run, row.candidate)
    known = [value * scale for value in bounds.known]
    at = place + (-_APART if alone else _APART)
    if not known:
        axes.annotate(
            say("unknown"), (0.02, at), xycoords=("axes fraction", "data"), color=GREY, va="center"
        )
        return
    axes.plot([min(known), max(known)], [at, at], color=colour, linewidth=3, alpha=0.55)
    label = f"{wording.stage_label(row.stage)} · {wording.clip(wording.visible(row.candidate), 24)}"
    middle = bounds.central
    if middle is not None:
        axes.plot(
            middle * scale, at, marker, color=colour, markersize=8, clip_on=False, label=label
        )


def _data(run: Run) -> pl.DataFrame:
    columns = ("stage", "candidate", "bound", "metric", "estimate", "low", "high", "unit")
    changed = run.table("what_if")
    cells = changed.select("stage", "candidate").unique()
    planned = [
        run.table(table)
        .filter((pl.col("segment") == "all") & pl.col("metric").is_in(METRICS))
        .join(cells, on=("stage", "candidate"), how="semi")
        .select(pl.lit("as planned").alias("what_if"), *columns)
        for table in ("kpis", "costs")
    ]
    found = changed.filter(pl.col("metric").is_in(METRICS)).select("what_if", *columns)
    return pl.concat([*planned, found])


def _written(value: Any) -> str:
    """A value as a scenario would have it, near enough to read."""
    return json.dumps(value, ensure_ascii=False, default=str)
