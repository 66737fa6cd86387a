"""The charts of a run, each with one sentence that reads it and the data behind it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.reports import answer, readings, wording
from simulator.reports.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LINES,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    VERMILLION,
    Chart,
    chart,
    height,
    of_candidate,
    rows_of,
    slug,
)
from simulator.reports.run import Run

WIDTH = 10.0
SETTLED = {
    "agreed": (GREEN, "Agreed with the log"),
    "handoff": (SKY, "Handed to a person"),
    "diverged": (VERMILLION, "Diverged: outcome unknown"),
    "assist": (PURPLE, "Draft, sent by a person"),
    "human": ("#c3c9cf", "People alone"),
}
MONEY = {
    "labour_money": (BLUE, "Labour"),
    "bot_money": (SKY, "Bot"),
    "promise_money": (VERMILLION, "Risky promises"),
    "complaint_money": (ORANGE, "Complaints"),
    "abandonment_money": (PURPLE, "Abandonment"),
}


def charts(run: Run) -> list[Chart]:
    """All charts that the run's tables can fill."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # Its own font lacks Chinese; only the browser's matters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        found = [
            *_loads(run),
            _waits(run),
            _saving(run),
            _cost(run),
            _risk(run),
            _settlement(run),
        ]
    return [one for one in found if one is not None]


def _loads(run: Run) -> list[Chart]:
    """One chart a candidate above the baseline; people alone have one where there is none."""
    above = run.table("intervals").filter(pl.col("stage") != run.baseline)["candidate"]
    names = [name for name in run.candidates if name in set(above)] or run.candidates[:1]
    found = [_load(run, name) for name in names]
    return [one for one in found if one is not None]


def _load(run: Run, candidate: str) -> Chart | None:
    """Contacts offered by half-hour at each stage, over the agents that are logged in."""
    rows = run.table("intervals").filter(
        (pl.col("segment") == "all")
        & (pl.col("team") == "all")
        & pl.col("metric").is_in(["offered", "agents"])
        & ((pl.col("candidate") == candidate) | (pl.col("stage") == run.baseline))
    )
    stages = [s for s in run.stages if rows.filter(pl.col("stage") == s).height]
    own = rows.filter((pl.col("candidate") == candidate) & (pl.col("stage") != run.baseline))
    if rows.is_empty():
        return None
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    load, agents = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for place, stage in enumerate(stages):
        here = rows.filter(pl.col("stage") == stage)
        colour, line = (INK, "-") if stage == run.baseline else LINES[(place - 1) % len(LINES)]
        central = _hours(here, "offered", "central")
        load.step(
            *central,
            where="post",
            color=colour,
            linestyle=line,
            linewidth=1.3 if stage == run.baseline else 2,
            label=wording.stage_label(stage),
        )
        best, worst = _hours(here, "offered", "best"), _hours(here, "offered", "worst")
        # The one case may run later into the night than the other.
        both = sorted({*best[0]} & {*worst[0]})
        if both:
            low, high = (dict(zip(*found, strict=True)) for found in (best, worst))
            load.fill_between(
                both,
                [low[hour] for hour in both],
                [high[hour] for hour in both],
                step="post", color=colour, alpha=0.13, linewidth=0,
            )  # fmt: skip
    for place, (starts, ends) in enumerate(readings.outages(run)):
        for axes in (load, agents):
            axes.axvspan(
                starts / 3600, ends / 3600, facecolor=ORANGE, alpha=0.18, linewidth=0,
                label="Bot down" if place == 0 and axes is load else None,
            )  # fmt: skip
            for edge in (starts, ends):
                axes.axvline(edge / 3600, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    at_desk = _hours(rows.filter(pl.col("stage") == stages[0]), "agents", "central")
    agents.fill_between(*at_desk, step="post", color="#c3c9cf", linewidth=0)
    load.set_ylabel("contacts a half-hour")
    agents.set_ylabel("agents")
    for axes in (load, agents):
        axes.set_ylim(bottom=0)
    agents.set_xlabel(f"local time ({run.scenario.history.timezone})")
    agents.xaxis.set_major_locator(mpl.ticker.MultipleLocator(2))
    agents.xaxis.set_major_formatter(
        lambda hour, _: f"{int(hour) % 24:02d}:00" + ("\nnext day" if hour >= 24 else "")
    )
    figure.legend(*load.get_legend_handles_labels(), loc="outside upper left", ncols=5)
    data = rows.select(
        pl.col("interval_start_s").map_elements(wording.clock, return_dtype=pl.String).alias("at"),
        "stage",
        "candidate",
        "bound",
        "metric",
        "estimate",
    ).sort("stage", "candidate", "bound", "metric", "at")
    return chart(
        figure,
        f"load-{slug(candidate, run)}",
        "load",
        f"Contacts offered to the desk, {wording.visible(candidate)}",
        readings.load(run, candidate, own, rows),
        data,
    )


def _hours(rows: pl.DataFrame, metric: str, bound: str) -> tuple[list[float], list[float]]:
    """Starts in hours and values; the last value is held to the end of its half-hour."""
    found = rows.filter(
        (pl.col("metric") == metric) & (pl.col("bound") == bound) & pl.col("estimate").is_not_null()
    ).sort("interval_start_s")
    hours = [second / 3600 for second in found["interval_start_s"]]
    values = [float(value) for value in found["estimate"]]
    return ([*hours, hours[-1] + 0.5], [*values, values[-1]]) if hours else ([], [])


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
                "unknown", (0.02, row), xycoords=("axes fraction", "data"), color=GREY, va="center"
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
    wait.set_title("Mean wait, seconds")
    wait.set_xlim(0, max(1.0, wait.get_xlim()[1]))
    level.tick_params(axis="y", length=0)
    title = f"Service level ({run.scenario.contact_center.target_wait_s:g} s), %"
    level.set_xlim(right=101)
    limit = next((g.limit for g in run.scenario.gates if g.metric == "service_level"), None)
    if limit is not None:
        level.axvline(limit * 100, color=INK, linestyle="--", linewidth=1)
        title += f" (dashed: limit, {wording.percent(limit)})"
    level.set_title(title)
    return chart(
        figure,
        "waits",
        "waits",
        "Waits and service level: central case, and the line from best to worst",
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
    axes.set_xlabel(f"saving against people alone, {run.scenario.money.currency} a day")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}".replace("-", "−"))
    return chart(
        figure,
        "saving",
        "money",
        "Saving a day: central case, and the line from best to worst",
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
            range(len(cells)), parts, left=left, height=0.62, color=colour, label=label,
            edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        left = [start + part for start, part in zip(left, parts, strict=True)]
    rows_of(axes, cells)
    axes.set_xlabel(f"{run.scenario.money.currency} a day, central case")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=5)
    return chart(figure, "cost", "money", "What a day costs", readings.cost(run), data)


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
                "unknown", (0.02, place), xycoords=("axes fraction", "data"),
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
        f"limit {wording.percent(limit)}", (100 * limit, 1), xytext=(0, 3), ha="center",
        xycoords=("data", "axes fraction"), textcoords="offset points", va="bottom",
    )  # fmt: skip
    axes.set_xlim(left=0)
    rows_of(axes, cells)
    axes.set_xlabel("% of automated conversations with a risky promise")
    data = gates.select(
        "stage", "candidate", "estimate", "low", "high", "n", "limit", "status", "labels_needed"
    )
    return chart(
        figure,
        "risk",
        "risk",
        "Risky promises: estimate, and the bar that ends at the bound the gate tests",
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
            range(len(cells)), parts, left=left, height=0.62, color=colour, label=label,
            edgecolor="white", linewidth=0.6,
        )  # fmt: skip
        left = [start + part for start, part in zip(left, parts, strict=True)]
    rows_of(axes, cells)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of replayed conversations")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return chart(
        figure,
        "settlement",
        "settlement",
        "How replayed conversations were settled",
        readings.settlement(run, answer.leader(run)),
        data,
    )
