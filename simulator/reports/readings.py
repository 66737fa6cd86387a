"""The sentence under each chart, computed from the same numbers that the chart draws."""

from __future__ import annotations

from typing import Any

import polars as pl

from simulator.reports import wording
from simulator.reports.answer import Advice
from simulator.reports.run import Bounds, Run


def _name(candidate: str) -> str:
    return wording.visible(candidate)


def _at(cell: tuple[str, str]) -> str:
    return f"{_name(cell[1])} at {wording.stage_label(cell[0])}"


def load(run: Run, candidate: str, own: pl.DataFrame, rows: pl.DataFrame) -> str:
    """The busiest half-hour of people alone, and what the candidate's last stage makes of it.

    ``rows``: intervals of the baseline and the candidate (team and segment ``all``, metrics
    ``offered`` and ``agents``); ``own``: those of the candidate above the baseline.
    """
    furthest = [stage for stage in run.stages if own.filter(pl.col("stage") == stage).height][-1]

    def offered(stage: str, who: str | None = None) -> pl.DataFrame:
        found = rows.filter(
            (pl.col("stage") == stage)
            & (pl.col("metric") == "offered")
            & (pl.col("bound") == "central")
            & pl.col("estimate").is_not_null()
        )
        return found if who is None else found.filter(pl.col("candidate") == who)

    base, then = offered(run.baseline), offered(furthest, candidate)
    if base.is_empty() or then.is_empty():
        return "The load of a half-hour is unknown for one of the stages."
    peak = base.sort("estimate", descending=True).row(0, named=True)
    at = peak["interval_start_s"]
    there = then.filter(pl.col("interval_start_s") == at)["estimate"].to_list()
    agents = rows.filter(
        (pl.col("stage") == run.baseline)
        & (pl.col("metric") == "agents")
        & (pl.col("interval_start_s") == at)
    )["estimate"].to_list()
    desk = (
        f"{_plain(agents[0])} agents are logged in then."
        if agents and agents[0] is not None
        else "How many agents are logged in then is unknown."
    )
    after = f"{_plain(there[0])}" if there else "an unknown number"
    return (
        f"In the busiest half-hour of people alone, {wording.clock(at)}, "
        f"{_plain(peak['estimate'])} contacts reach the desk; with {_at((furthest, candidate))} "
        f"it is {after} (central case). {desk}"
    )


def _plain(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _with(run: Run, table: str, metric: str) -> list[tuple[tuple[str, str], Bounds]]:
    pairs = [(cell, run.bounds(table, *cell, metric)) for cell in run.cells]
    return [(cell, bounds) for cell, bounds in pairs if bounds.central is not None]


def waits(run: Run) -> str:
    """Who waits least in the central case, and how bad the worst case is there."""
    found = [(cell, b) for cell, b in _with(run, "kpis", "asa_s") if cell[0] != run.baseline]
    base = next((b for cell, b in _with(run, "kpis", "asa_s") if cell[0] == run.baseline), None)
    if not found:
        return "Waits beyond people alone are unknown."
    cell, best = min(found, key=lambda pair: pair[1].central or 0.0)
    text = f"The shortest mean wait is {wording.number('asa_s', best.central)}, {_at(cell)}"
    if best.worst is not None and not best.single:
        text += f", and {wording.number('asa_s', best.worst)} in the worst case"
    if base is not None:
        text += f"; people alone: {wording.number('asa_s', base.central)}"
    return text + "."


def saving(run: Run) -> str:
    """What saves in the worst case too, and what only in a better one."""
    found = [
        (cell, b) for cell, b in _with(run, "costs", "saving_money") if cell[0] != run.baseline
    ]
    if not found:
        return "Savings against people alone are unknown."
    currency = run.scenario.money.currency
    sure = [pair for pair in found if pair[1].worst is not None and pair[1].worst > 0]
    if not sure:
        cell, top = max(found, key=lambda pair: pair[1].central or 0.0)
        worst = wording.number("saving_money", top.worst)
        return (
            f"No stage saves money in the worst case; the largest central saving is {currency} "
            f"{wording.number('saving_money', top.central)} a day, {_at(cell)} (worst: {worst})."
        )
    cell, top = max(sure, key=lambda pair: pair[1].worst or 0.0)
    return (
        f"{len(sure)} of {len(found)} save money even in the worst case; the most does {_at(cell)}:"
        f" {currency} {wording.number('saving_money', top.worst)} to "
        f"{wording.number('saving_money', top.best)} a day."
    )


def cost(run: Run) -> str:
    """Where a day costs most in risky promises, beside what labour costs there."""
    found = [
        (cell, b) for cell, b in _with(run, "costs", "promise_money") if cell[0] != run.baseline
    ]
    currency = run.scenario.money.currency
    if not found:
        return "What risky promises would cost is unknown."
    cell, most = max(found, key=lambda pair: pair[1].central or 0.0)
    labour = run.bounds("costs", *cell, "labour_money").central
    return (
        f"Risky promises cost most with {_at(cell)}: {currency} "
        f"{wording.number('promise_money', most.central)} a day, beside "
        f"{wording.number('labour_money', labour)} for labour (central case)."
    )


def risk(run: Run) -> str:
    """How many automated cells stay under the limit, how many exceed it, how many are open."""
    rows = run.table("gates").filter(
        (pl.col("metric") == "risky_promise_rate") & (pl.col("segment") == "all")
    )
    counts = dict(rows.group_by("status").len().iter_rows())
    total = rows.height
    text = (
        f"Of {total} automated {'case' if total == 1 else 'cases'}, the bound keeps "
        f"{counts.get('pass', 0)} within the limit and puts {counts.get('fail', 0)} beyond it; "
        f"{counts.get('insufficient', 0)} cannot be told from the labels there are."
    )
    needed = rows["labels_needed"].drop_nulls().to_list()
    if needed:
        text += f" The nearest of these needs {min(needed):,} more labels."
    return text


def settled(run: Run) -> pl.DataFrame:
    """Replayed conversations by settlement: ``stage, candidate, status, n, share`` (unweighted)."""
    return (
        run.table("settlements")
        .group_by("stage", "candidate", "status")
        .agg(pl.len().cast(pl.Int64).alias("n"))
        .with_columns((pl.col("n") / pl.col("n").sum().over("stage", "candidate")).alias("share"))
        .sort("stage", "candidate", "status")
    )


def settlement(run: Run, best: Advice | None) -> str:
    """How much of the widest stage of the leading candidate ends where replay cannot see."""
    counts = settled(run)
    candidate = best.candidate if best else None
    own = counts.filter(pl.col("candidate") == candidate) if candidate else counts
    stages = [s for s in run.stages if own.filter(pl.col("stage") == s).height]
    if not stages or candidate is None:
        return "How each replayed conversation ended, by stage and candidate."
    rows: dict[str, Any] = {
        row["status"]: row
        for row in own.filter(pl.col("stage") == stages[-1]).iter_rows(named=True)
    }
    total = sum(row["n"] for row in rows.values())
    lost = rows.get("diverged", {"n": 0, "share": 0.0})
    return (
        f"With {_at((stages[-1], candidate))}, {lost['n']:,} of {total:,} replayed conversations "
        f"({wording.percent(lost['share'])}) diverge from the log, so that how they would have "
        "ended is unknown."
    )


def money_spread(run: Run, one: Advice | None) -> str | None:
    """The leading candidate's saving as best, central and worst, in one sentence."""
    if one is None or one.stage == run.baseline:
        return None
    found = run.bounds("costs", one.stage, one.candidate, "saving_money")
    if found.central is None:
        return f"What it would save is {wording.UNKNOWN.removeprefix('– ')}."
    currency = run.scenario.money.currency
    middle = wording.number("saving_money", found.central)
    even = run.bounds("costs", one.stage, one.candidate, "break_even_risky_promise_rate").central
    text = f"Against people alone it saves {currency} {middle} a day in the central case"
    if not found.single:
        worst, best = (wording.number("saving_money", v) for v in (found.worst, found.best))
        text += f", {worst} in the worst and {best} in the best"
    if even is not None:
        text += (
            "; the saving is gone where "
            f"{wording.percent(even)} of automated conversations hold a risky promise"
        )
    return text + "."
