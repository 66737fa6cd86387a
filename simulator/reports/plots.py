"""The charts of a run, each with one sentence that reads it and the data behind it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.reports import answer, desk_charts, readings, wording
from simulator.reports.depth import risk_by_depth
from simulator.reports.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    VERMILLION,
    WIDTH,
    Chart,
    chart,
    height,
    of_candidate,
    rows_of,
)
from simulator.reports.language import noted, say
from simulator.reports.run import Run
from simulator.reports.spectrum import spectrum_chart
from simulator.reports.what_if import what_if_chart

SETTLED = {
    "agreed": (GREEN, noted("Agreed with the log")),
    "handoff": (SKY, noted("Handed to a person")),
    "diverged": (VERMILLION, noted("Diverged: outcome unknown")),
    "assist": (PURPLE, noted("Draft, sent by a person")),
    "human": ("#c3c9cf", noted("People alone")),
}
MONEY = {
    "labour_money": (BLUE, noted("Labour")),
    "bot_money": (SKY, noted("Bot")),
    "promise_money": (VERMILLION, noted("Risky promises")),
    "complaint_money": (ORANGE, noted("Complaints")),
    "abandonment_money": (PURPLE, noted("Abandonment")),
}


def charts(run: Run) -> list[Chart]:
    """All charts that the run's tables can fill."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Its own font lacks Chinese; only the browser's matters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        found = [
            *desk_charts.loads(run),
            _waits(run),
            desk_charts.staffing(run),
            _saving(run),
            _cost(run),
            _risk(run),
            risk_by_depth(run),
            spectrum_chart(run),
            _settlement(run),
            what_if_chart(run),
            desk_charts.backtest(run),
        ]
    return [one for one in found if one is not None]


def _ranges(
    run: Run,
    axes: Axes,
    cells: Sequence[tuple[str, str]],
    table: str,
    metric: str,
    scale: float = 1,
) -> None:
    """A dot for the central case and a line from best to worst, one row a cell."""
    for row, (stage, candidate) in enumerate(cells):
        bounds = run.bounds(table, stage, candidate, metric)
        colour, marker = of_candidate(run, candidate)
        known = [value * scale for value in bounds.known]
        if not known:
            axes.annotate(
                say("unknown"),
                (0.02, row),
                xycoords=("axes fraction", "data"),
                color=GREY,
                va="center",
            )
            continue
        axes.plot([min(known), max(known)], [row, row], color=colour, linewidth=3, alpha=0.55)
        if bounds.central is not None:
            axes.plot(
                bounds.central * scale, row, marker, color=colour, markersize=8, clip_on=False
            )


def _tidy(run: Run, table: str, metrics: Sequence[str]) -> pl.DataFrame:
    return (
        run.table(table)
        .filter((pl.col("segment") == "all") & pl.col("metric").is_in(metrics))
        .select("stage", "candidate", "bound", "metric", "estimate", "low", "high", "unit")
    )


def _waits(run: Run) -> Chart | None:
    data = _tidy(run, "kpis", ["asa_s", "service_level"])
    if data.is_empty():
        return None
    figure = Figure(figsize=(WIDTH, height(len(run.cells))), layout="constrained")
    wait, level = figure.subplots(1, 2, sharey=True)
    _ranges(run, wait, run.cells, "kpis", "asa_s")
    _ranges(run, level, run.cells, "kpis", "service_level", 100)
    rows_of(wait, run.cells)
    level.grid(axis="y", visible=False)
    wait.set_title(say("Mean wait, seconds"))
    wait.set_xlim(0, max(1.0, wait.get_xlim()[1]))
    level.tick_params(axis="y", length=0)
    target = f"{run.scenario.contact_center.target_wait_s:g}"
    title = say("Service level ({target} s), %", target=target)
    limit = next((g.limit for g in run.scenario.gates if g.metric == "service_level"), None)
    # Wide enough to show the limit, and not to make much of a tenth of a point.
    level.set_xlim(min(level.get_xlim()[0], 95, 100 * (1 if limit is None else limit) - 1), 101)
    if limit is not None:
        level.axvline(limit * 100, color=INK, linestyle="--", linewidth=1)
        title += " " + say("(dashed: limit, {limit})", limit=wording.percent(limit))
    level.set_title(title)
    return chart(
        figure,
        "waits",
        "waits",
        say("Waits and service level: central case, and the line from best to worst"),
        readings.waits(run),
        data,
    )


def _saving(run: Run) -> Chart | None:
    data = _tidy(run, "costs", ["saving_money"])
    if data.is_empty():
        return None
    # The baseline is what savings are against; it has none of its own.
    cells = [
        cell
        for cell in run.cells
        if cell[0] != run.baseline and run.bounds("costs", *cell, "saving_money").figures
    ]
    if not cells:
        return None
    figure = Figure(figsize=(WIDTH, height(len(cells))), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=1)
    _ranges(run, axes, cells, "costs", "saving_money")
    rows_of(axes, cells)
    left, right = axes.get_xlim()
    if max(abs(left), abs(right)) < 1:
        axes.set_xlim(-1, 1)
    currency = run.scenario.money.currency
    axes.set_xlabel(say("saving against people alone, {currency} a day", currency=currency))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}".replace("-", "−"))
    return chart(
        figure,
        "saving",
        "money",
        say("Saving a day: central case, and the line from best to worst"),
        readings.saving(run),
        data,
    )


def _cost(run: Run) -> Chart | None:
    data = _tidy(run, "costs", list(MONEY))
    cells = [
        cell for cell in run.cells if run.bounds("costs", *cell, "labour_money").central is not None
    ]
    if data.is_empty() or not cells:
        return None
    figure = Figure(figsize=(WIDTH, height(len(cells)) + 0.3), layout="constrained")
    axes = figure.subplots()
    left = [0.0] * len(cells)
    for metric, (colour, label) in MONEY.items():
        if metric == "promise_money" and answer.promises_left_out(run):
            continue
        # An unknown part has no length; the table beside the chart says that it is unknown.
        parts = [run.bounds("costs", *cell, metric).central or 0.0 for cell in cells]
        axes.barh(
            range(len(cells)), parts, left=left, height=0.62, color=colour, label=say(label),
            edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        left = [start + part for start, part in zip(left, parts, strict=True)]
    rows_of(axes, cells)
    axes.set_xlabel(say("{currency} a day, central case", currency=run.scenario.money.currency))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=5)
    return chart(figure, "cost", "money", say("What a day costs"), readings.cost(run), data)


def _risk(run: Run) -> Chart | None:
    gates = run.table("gates").filter(
        (pl.col("metric") == "risky_promise_rate") & (pl.col("segment") == "all")
    )
    rows = {(g["stage"], g["candidate"]): g for g in gates.iter_rows(named=True)}
    cells = [cell for cell in run.cells if cell in rows]
    if all(rows[cell]["estimate"] is None and rows[cell]["high"] is None for cell in cells):
        return None
    figure = Figure(figsize=(WIDTH, height(len(cells)) + 0.2), layout="constrained")
    axes = figure.subplots()
    for place, cell in enumerate(cells):
        gate: dict[str, Any] = rows[cell]
        colour, marker = of_candidate(run, cell[1])
        low, high = gate["low"], gate["high"]
        if high is None and gate["estimate"] is None:
            axes.annotate(
                say("unknown"), (0.02, place), xycoords=("axes fraction", "data"),
                color=GREY, va="center", backgroundcolor="white",
            )  # fmt: skip
            continue
        if high is not None:
            axes.plot(
                [100 * (low or 0), 100 * high], [place] * 2, color=colour, linewidth=3, alpha=0.55
            )
            axes.plot(100 * high, place, "|", color=colour, markersize=14, markeredgewidth=2.5)
        if gate["estimate"] is not None:
            axes.plot(
                100 * gate["estimate"], place, marker, color=colour, markersize=8, clip_on=False
            )
    limit = rows[cells[0]]["limit"]
    axes.axvline(100 * limit, color=INK, linestyle="--", linewidth=1)
    axes.annotate(
        say("limit {limit}", limit=wording.percent(limit)),
        (100 * limit, 1), xytext=(0, 3), ha="center",
        xycoords=("data", "axes fraction"), textcoords="offset points", va="bottom",
    )  # fmt: skip
    axes.set_xlim(left=0)
    rows_of(axes, cells)
    axes.set_xlabel(say("% of automated conversations with a risky promise"))
    data = gates.select(
        "stage", "candidate", "estimate", "low", "high", "n", "limit", "status", "labels_needed"
    )
    return chart(
        figure,
        "risk",
        "risk",
        say("Risky promises: estimate, and the bar that ends at the bound the gate tests"),
        readings.risk(run),
        data,
    )


def _settlement(run: Run) -> Chart | None:
    data = readings.settled(run)
    if data.is_empty():
        return None
    cells = [cell for cell in run.cells if cell[0] != run.baseline]
    cells = [
        (s, c)
        for s, c in cells
        if data.filter((pl.col("stage") == s) & (pl.col("candidate") == c)).height
    ]
    if not cells:
        return None
    share = {
        (row["stage"], row["candidate"], row["status"]): row["share"]
        for row in data.iter_rows(named=True)
    }
    figure = Figure(figsize=(WIDTH, height(len(cells)) + 0.6), layout="constrained")
    axes = figure.subplots()
    left = [0.0] * len(cells)
    for status, (colour, label) in SETTLED.items():
        parts = [100 * share.get((*cell, status), 0.0) for cell in cells]
        axes.barh(
            range(len(cells)), parts, left=left, height=0.62, color=colour, label=say(label),
            edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        left = [start + part for start, part in zip(left, parts, strict=True)]
    rows_of(axes, cells)
    axes.set_xlim(0, 100)
    axes.set_xlabel(say("% of replayed conversations"))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return chart(
        figure,
        "settlement",
        "settlement",
        say("How replayed conversations were settled"),
        readings.settlement(run, answer.leader(run)),
        data,
    )
