"""Charts of the human desk: its load, the agents that it needs, and its model against its past."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from itertools import pairwise

import matplotlib as mpl
import matplotlib.ticker
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.reports import readings, staffed, validity, wording
from simulator.reports.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LINES,
    ORANGE,
    VERMILLION,
    WIDTH,
    Chart,
    chart,
    slug,
)
from simulator.reports.language import say
from simulator.reports.run import Run

PALE = "#c3c9cf"
HALF_HOUR_S = 1800


def loads(run: Run) -> list[Chart]:
    """One chart a candidate above the baseline; people alone have one where there is none."""
    above = run.table("intervals").filter(pl.col("stage") != run.baseline)["candidate"]
    names = [name for name in run.candidates if name in set(above)] or run.candidates[:1]
    found = [_load(run, name) for name in names]
    return [one for one in found if one is not None]


def _load(run: Run, candidate: str) -> Chart | None:
    """Contacts offered by half-hour at each stage, over the agents that are logged in."""
    either = run.table("intervals").filter(
        (pl.col("segment") == "all")
        & ((pl.col("candidate") == candidate) | (pl.col("stage") == run.baseline))
    )
    whole = pl.col("team") == "all"
    rows = either.filter(whole & pl.col("metric").is_in(["offered", "agents"]))
    # One pool of all agents would need fewer than the teams, which cannot stand in for each other.
    need = either.filter(~whole & (pl.col("metric") == "required_agents"))
    stages = [s for s in run.stages if rows.filter(pl.col("stage") == s).height]
    own = rows.filter((pl.col("candidate") == candidate) & (pl.col("stage") != run.baseline))
    if rows.is_empty():
        return None
    figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
    load, agents = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.8))
    for place, stage in enumerate(stages):
        here = rows.filter(pl.col("stage") == stage)
        colour, line = (INK, "-") if stage == run.baseline else LINES[(place - 1) % len(LINES)]
        central = _hours(here, "offered", "central")
        load.step(
            *central,
            where="post",
            color=colour,
            linestyle=line,
            linewidth=1.3 if stage == run.baseline or run.n_days > 1 else 2,
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
                label=say("Bot down") if place == 0 and axes is load else None,
            )  # fmt: skip
            # Over a week the edges would hide what happens between them.
            for edge in (starts, ends) if run.n_days == 1 else ():
                axes.axvline(edge / 3600, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    at_desk = _hours(rows.filter(pl.col("stage") == stages[0]), "agents", "central")
    agents.fill_between(
        *at_desk, step="post", color=PALE, linewidth=0, label=say("Logged in today")
    )
    # Today's staffing against what the target takes, of people alone and of the furthest stage.
    for stage, colour, line in ((stages[0], INK, "-"), (stages[-1], GREEN, "--"))[: len(stages)]:
        agents.step(
            *_hours(_needed(need.filter(stage=stage)), "required_agents", "central"),
            where="post", color=colour, linestyle=line, linewidth=1.4,
            label=say("Needed: {stage}", stage=wording.stage_label(stage)),
        )  # fmt: skip
    load.set_ylabel(say("contacts a half-hour"))
    agents.set_ylabel(say("agents"))
    agents.legend(loc="upper left", bbox_to_anchor=(0, 1.28), ncols=3, borderaxespad=0)
    for axes in (load, agents):
        axes.set_ylim(bottom=0)
    _time_axis(agents, run)
    figure.legend(*load.get_legend_handles_labels(), loc="outside upper left", ncols=5)
    keys = ["stage", "candidate", "bound", "metric", "team"]
    data = pl.concat([rows, need]).sort(*keys, "interval_start_s")
    return chart(
        figure,
        f"load-{slug(candidate, run)}",
        "load",
        say("Contacts offered to the desk, {candidate}", candidate=wording.visible(candidate)),
        readings.load(run, candidate, own, rows),
        data.select(_moments(run), *keys, "estimate"),
    )


def _needed(need: pl.DataFrame) -> pl.DataFrame:
    """Agents that all teams need together, where any team's need is known."""
    return (
        need.filter(pl.col("estimate").is_not_null())
        .group_by("metric", "bound", "interval_start_s")
        .agg(pl.col("estimate").sum())
    )


def _hours(rows: pl.DataFrame, metric: str, bound: str) -> tuple[list[float], list[float]]:
    """Starts in hours and values; the last value is held to the end of its half-hour."""
    found = rows.filter(
        (pl.col("metric") == metric) & (pl.col("bound") == bound) & pl.col("estimate").is_not_null()
    ).sort("interval_start_s")
    hours = [second / 3600 for second in found["interval_start_s"]]
    values = [float(value) for value in found["estimate"]]
    return ([*hours, hours[-1] + 0.5], [*values, values[-1]]) if hours else ([], [])


def _moments(run: Run) -> pl.Expr:
    return (
        pl.col("interval_start_s")
        .map_elements(lambda second: wording.moment(second, run.n_days), return_dtype=pl.String)
        .alias("at")
    )


def _time_axis(axes: Axes, run: Run) -> None:
    """Hours of the simulated day, or the days of the simulated week."""
    axes.set_xlabel(say("local time ({zone})", zone=run.scenario.history.timezone))
    if run.n_days == 1:
        after = say("next day")
        axes.xaxis.set_major_locator(mpl.ticker.MultipleLocator(2))
        axes.xaxis.set_major_formatter(
            lambda hour, _: f"{int(hour) % 24:02d}:00" + (f"\n{after}" if hour >= 24 else "")
        )
        return
    # Lines at midnight, names at noon.
    axes.set_xlim(0, max(axes.get_xlim()[1], 24 * run.n_days))
    axes.xaxis.set_major_locator(mpl.ticker.MultipleLocator(24))
    axes.xaxis.set_major_formatter(mpl.ticker.NullFormatter())
    noons = [24 * day + 12 for day in range(run.n_days)]
    names = [say(wording.WEEKDAYS[day % 7]) for day in range(run.n_days)]
    axes.xaxis.set_minor_locator(mpl.ticker.FixedLocator(noons))
    axes.xaxis.set_minor_formatter(mpl.ticker.FixedFormatter(names))
    axes.tick_params(axis="x", which="minor", length=0)


def staffing(run: Run) -> Chart | None:
    """Agents required by half-hour and team, beside those who are logged in today."""
    base, cell = staffed.baseline_cell(run), staffed.drawn_cell(run)
    drawn = [(base, staffed.required(run, base))]
    if cell is not None:
        drawn.append((cell, staffed.required(run, cell)))
    today = staffed.today(run)
    teams = sorted({team for _, rows in drawn for team in rows["team"]})
    if not teams:
        return None
    figure = Figure(figsize=(WIDTH, 1.2 + 1.5 * len(teams)), layout="constrained")
    panels = figure.subplots(len(teams), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, team in zip(panels, teams, strict=True):
        here = today.filter(team=team)
        if here.height:
            axes.fill_between(
                *_stepped(here, "agents"),
                step="post",
                color=PALE,
                linewidth=0,
                label=say("Today"),
            )
        for ((stage, _), rows), (colour, line, width) in zip(
            drawn, ((INK, "-", 1.3), (GREEN, "--", 2)), strict=False
        ):
            axes.step(
                *_stepped(rows.filter(team=team), "required"), where="post", color=colour,
                linestyle=line, linewidth=width,
                label=say("{stage}, required", stage=wording.stage_label(stage)),
            )  # fmt: skip
        axes.set_title(wording.clip(wording.visible(team), 40))
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4, integer=True))
    panels[len(teams) // 2].set_ylabel(say("agents"))
    _time_axis(panels[-1], run)
    # A team may have no agents today, and still they belong into the legend.
    keys = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(keys.values(), keys.keys(), loc="outside upper left", ncols=3)
    names = {c: f"{wording.stage_label(c[0])}, {wording.visible(c[1])}" for c, _ in drawn}
    data = pl.concat(
        [
            *(
                rows.select(
                    "team",
                    "interval_start_s",
                    pl.lit(f"required: {names[c]}").alias("what"),
                    pl.col("required").cast(pl.Float64).alias("agents"),
                )
                for c, rows in drawn
            ),
            today.filter(pl.col("team").is_in(teams)).select(
                "team", "interval_start_s", pl.lit("today").alias("what"), "agents"
            ),
        ]
    )
    title = (
        say("Agents by half-hour and team: people alone")
        if cell is None
        else say("Agents by half-hour and team: people alone and {other}", other=names[cell])
    )
    return chart(
        figure,
        "staffing",
        "staffing",
        title,
        staffed.reading(run, cell),
        data.select("team", _moments(run), "what", "agents"),
    )


def _stepped(rows: pl.DataFrame, column: str) -> tuple[list[float], list[float]]:
    """Hours and values of half-hours, with a gap where the desk is closed in between."""
    values: Mapping[int, float] = dict(rows.select("interval_start_s", column).iter_rows())
    hours: list[float] = []
    levels: list[float] = []
    starts = sorted(values)
    for second, after in pairwise([*starts, math.inf]):
        hours.append(second / 3600)
        levels.append(float(values[int(second)]))
        if after > second + HALF_HOUR_S:
            end = (second + HALF_HOUR_S) / 3600
            hours += [end, end]
            levels += [levels[-1], math.nan]
    return hours, levels


def backtest(run: Run) -> Chart | None:
    """Observed daily mean waits against those predicted, with the 90 % intervals."""
    found = validity.days(run)
    rows = found.filter(pl.col("observed").is_not_null() | pl.col("predicted").is_not_null())
    if rows.is_empty():
        return None
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.subplots()
    ordinals = _ordinals(rows)
    # Of a month's days each stands apart; of a year's they must not hide one another.
    narrow = min(1.0, 40 / (max(ordinals) - min(ordinals) + 1))
    for half, alpha, named in (("calibration", 0.35, False), ("held_out", 1.0, True)):
        part = rows.filter(pl.col("half") == half)
        ranges = part.filter(pl.col("low").is_not_null() & pl.col("high").is_not_null())
        if ranges.height:
            axes.vlines(
                _ordinals(ranges), ranges["low"].to_list(), ranges["high"].to_list(),
                color=BLUE, linewidth=7 * narrow, alpha=0.3 * alpha, label=say("90 % of such days"),
            )  # fmt: skip
        known = part.filter(pl.col("predicted").is_not_null())
        seen = part.filter(pl.col("observed").is_not_null())
        axes.plot(
            _ordinals(known), known["predicted"].to_list(), "_", color=BLUE, alpha=alpha,
            markersize=13 * narrow, markeredgewidth=2.2, label=say("Predicted") if named else None,
        )  # fmt: skip
        for inside, colour, marker, label in (
            (True, INK, "o", say("Observed")),
            (False, VERMILLION, "D", say("Observed, outside")),
        ):
            dots = seen.filter(pl.col("inside").fill_null(True) == inside)
            if dots.height:
                axes.plot(
                    _ordinals(dots), dots["observed"].to_list(), marker, color=colour,
                    alpha=alpha, markersize=2 + 4 * narrow, linestyle="none",
                    label=label if named else None,
                )  # fmt: skip
    held = rows.filter(pl.col("half") == "held_out")["day"]
    fitted = rows.filter(pl.col("half") == "calibration")["day"]
    if len(held) and len(fitted):
        paler = say("Paler: the days that the model was fitted to")
        axes.set_title(paler, color=GREY, weight="normal")
    axes.set_ylim(bottom=0)
    axes.set_ylabel(say("mean wait, seconds"))
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(8, integer=True, steps=[1, 2, 7, 10]))
    axes.xaxis.set_major_formatter(lambda at, _: date.fromordinal(int(at)).isoformat())
    axes.grid(axis="x", visible=False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return chart(
        figure,
        "backtest",
        "backtest",
        say("Daily mean waits: observed, and predicted by the queue model"),
        validity.reading(run),
        found.select("day", "half", "n_contacts", "observed", "predicted", "low", "high",
                     "inside", "scored", "reason"),
    )  # fmt: skip


def _ordinals(days: pl.DataFrame) -> list[int]:
    return [day.toordinal() for day in days["day"]]
