"""The sentence under each chart, computed from the same numbers that the chart draws."""

from __future__ import annotations

from datetime import time
from typing import Any

import polars as pl

from simulator.reports import answer, wording
from simulator.reports.answer import Advice
from simulator.reports.run import Bounds, Run
from simulator.scenario import Outage

HALF_HOUR_S, DAY_S = 1800, 86_400
# What the breakdown keeps to besides paying, by the gates that set a limit to it.
KEPT = {
    "service level": {"service_level", "service_level_loss"},
    "complaints": {"complaint_rate"},
}


def _name(candidate: str) -> str:
    return wording.visible(candidate)


def _at(cell: tuple[str, str]) -> str:
    return f"{_name(cell[1])} at {wording.stage_label(cell[0])}"


def load(run: Run, candidate: str, own: pl.DataFrame, rows: pl.DataFrame) -> str:
    """The busiest half-hour of people alone, what the candidate's last stage makes of it, outages.

    ``rows``: intervals of the baseline and the candidate (team and segment ``all``, metrics
    ``offered`` and ``agents``); ``own``: those of the candidate above the baseline, if any.
    """
    above = [stage for stage in run.stages if own.filter(pl.col("stage") == stage).height]

    def offered(stage: str, who: str | None = None) -> dict[int, float]:
        found = rows.filter(
            (pl.col("stage") == stage)
            & (pl.col("metric") == "offered")
            & (pl.col("bound") == "central")
            & pl.col("estimate").is_not_null()
        )
        found = found if who is None else found.filter(pl.col("candidate") == who)
        return dict(found.select("interval_start_s", "estimate").iter_rows())

    base = offered(run.baseline)
    then = offered(above[-1], candidate) if above else {}
    if not base or (above and not then):
        return "The load of a half-hour is unknown for one of the stages."
    at = min(base, key=lambda second: (-base[second], second))
    when = wording.moment(at, run.n_days)
    agents = rows.filter(
        (pl.col("stage") == run.baseline)
        & (pl.col("metric") == "agents")
        & (pl.col("interval_start_s") == at)
    )["estimate"].to_list()
    known = agents and agents[0] is not None
    desk = (
        f"{_plain(agents[0])} {'agent is' if agents[0] == 1 else 'agents are'} logged in then."
        if known
        else "How many agents are logged in then is unknown."
    )
    if not above:
        return (
            f"In the busiest half-hour, {when}, {_plain(base[at])} contacts reach the desk. {desk}"
        )
    where = _at((above[-1], candidate))
    after = _plain(then[at]) if at in then else "an unknown number"
    text = (
        f"In the busiest half-hour of people alone, {when}, {_plain(base[at])} "
        f"contacts reach the desk; with {where} it is {after} (central case). {desk}"
    )
    for outage in run.scenario.simulation.outages:
        spans = _spans(run, outage)
        hit = [
            s for s in then if any(s < ends and s + HALF_HOUR_S > from_ for from_, ends in spans)
        ]
        if hit:
            most, usual = max(then[s] for s in hit), max(base.get(s, 0.0) for s in hit)
            text += (
                f" In the outage, {outage.starts:%H:%M} to {outage.ends:%H:%M}"
                f"{' each day' if run.n_days > 1 else ''}, up to {_plain(most)} a half-hour reach "
                f"it with {where}; with people alone, {_plain(usual)}."
            )
    return text


def outages(run: Run) -> list[tuple[int, int]]:
    """The scenario's outages of the bot, on each simulated day: seconds after the first midnight,
    from and to."""
    return sorted(span for one in run.scenario.simulation.outages for span in _spans(run, one))


def _spans(run: Run, outage: Outage) -> list[tuple[int, int]]:
    starts, ends = _second(outage.starts), _second(outage.ends)
    return [(day * DAY_S + starts, day * DAY_S + ends) for day in range(run.n_days)]


def _second(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def _plain(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _with(run: Run, table: str, metric: str) -> list[tuple[tuple[str, str], Bounds]]:
    pairs = [(cell, run.bounds(table, *cell, metric)) for cell in run.cells]
    return [(cell, bounds) for cell, bounds in pairs if bounds.central is not None]


def waits(run: Run) -> str:
    """Who waits least in the central case, and how bad the worst case is there."""
    found = [(cell, b) for cell, b in _with(run, "kpis", "asa_s") if cell[0] != run.baseline]
    base = next((b for cell, b in _with(run, "kpis", "asa_s") if cell[0] == run.baseline), None)
    if not found and base is not None:
        return f"People alone: the mean wait is {wording.number('asa_s', base.central)}."
    if not found:
        return "Waits are unknown."
    cell, best = min(found, key=lambda pair: pair[1].central or 0.0)
    text = f"The shortest mean wait is {wording.number('asa_s', best.central)}, {_at(cell)}"
    if best.worst is not None and not best.single:
        text += f", and {wording.number('asa_s', best.worst)} in the worst case"
    if base is not None:
        text += f"; people alone: {wording.number('asa_s', base.central)}"
    return f"{text}. {single_days(run) or ''}".rstrip()


def single_days(run: Run) -> str | None:
    """The range of 90 % of days (or weeks) for people alone and the first automatic stage ahead.

    None where the run does not know how far single days differ.
    """
    ahead = answer.automatic_cell(run, answer.leader(run))
    base = [cell for cell in run.cells if cell[0] == run.baseline][:1]
    parts = []
    for cell in [*base, *([ahead] if ahead else [])]:
        ranges = []
        for metric, words in (("asa_s", "mean wait"), ("service_level", "service level")):
            found = run.bounds("kpis", *cell, metric).predicted
            if found:
                ends = dict.fromkeys(figure.text for figure in found)
                ranges.append(f"{words} {' to '.join(ends)}")
        if ranges:
            who = "people alone" if cell[0] == run.baseline else _at(cell)
            parts.append(f"with {who}, {', '.join(ranges)}")
    if not parts:
        return None
    return f"Ranges that hold 90 % of {run.period}s, central case: {'; '.join(parts)}."


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
    amount = wording.number("saving_money", top.worst)
    if wording.number("saving_money", top.best) != amount:
        amount += f" to {wording.number('saving_money', top.best)}"
    save = "saves" if len(sure) == 1 else "save"
    return (
        f"{len(sure)} of the {len(found)} stages and candidates {save} money even in the worst "
        f"case; the most: {_at(cell)}, {currency} {amount} a day."
    )


def cost(run: Run) -> str:
    """Where a day costs most in risky promises, beside what labour costs there."""
    found = [
        (cell, b) for cell, b in _with(run, "costs", "promise_money") if cell[0] != run.baseline
    ]
    currency = run.scenario.money.currency
    if answer.promises_left_out(run) or not found:
        base = [(cell, b) for cell, b in _with(run, "costs", "total_money")]
        total = "unknown" if not base else wording.number("total_money", base[0][1].central)
        return f"A day of people alone costs {currency} {total}{_without_promises(run)}."
    cell, most = max(found, key=lambda pair: pair[1].central or 0.0)
    labour = run.bounds("costs", *cell, "labour_money").central
    return (
        f"Risky promises cost most with {_at(cell)}: {currency} "
        f"{wording.number('promise_money', most.central)} a day, beside "
        f"{wording.number('labour_money', labour)} for labour (central case)."
    )


def _without_promises(run: Run) -> str:
    return ", risky promises left out" if answer.promises_left_out(run) else ""


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
    middle = wording.number("saving_money", abs(found.central))
    even = run.bounds("costs", one.stage, one.candidate, "break_even_risky_promise_rate").central
    does = f"saves {currency} {middle}" if found.central >= 0 else f"costs {currency} {middle} more"
    text = f"Against people alone it {does} a day in the central case"
    if not found.single and (found.worst, found.best) != (found.central, found.central):
        worst, best = (wording.number("saving_money", v) for v in (found.worst, found.best))
        text += f" (saving {worst} in the worst and {best} in the best)"
    if even is not None and even > 1:
        text += "; one risky promise in every automated conversation would not undo that"
    elif even:
        text += (
            f"; the saving is gone at {wording.number('break_even_risky_promise_rate', even)} "
            "risky promises for every 100 automated conversations"
        )
    return f"{text}{_without_promises(run)}."


def breakdown(run: Run, one: Advice | None) -> str | None:
    """How many of the outcomes that replay cannot know must be good ones, where ``one`` automates.

    None where nothing is automatic, nothing diverges, or the table does not say.
    """
    cell = answer.automatic_cell(run, one)
    if cell is None:
        return None
    found = run.bounds("costs", *cell, "breakdown_contained_share")
    if not found.figures:
        return None
    count = settled(run).filter(
        (pl.col("stage") == cell[0])
        & (pl.col("candidate") == cell[1])
        & (pl.col("status") == "diverged")
    )["n"]
    them = f"the {count[0]:,} replayed conversations" if len(count) else "the conversations"
    them += " that replay cannot follow"
    gates = {gate.metric for gate in run.scenario.gates}
    limits = [words for words, metrics in KEPT.items() if not gates.isdisjoint(metrics)]
    keeps = f" and keeps its limit on {wording.listed(limits)}" if limits else ""
    where = f"{wording.stage_label(cell[0])} with {_name(cell[1])}"
    if found.central is None:
        misses = wording.listed(answer.missed(run, *cell)) or wording.UNKNOWN.removeprefix("– ")
        return f"{where} misses its limits even if all of {them} end well (missed: {misses})."
    if found.central == 0:
        return f"{where} pays{keeps} even if all of {them} come back to a person."
    assumed = run.scenario.rollout.diverged_contained.value
    return (
        f"{where} pays{keeps} if at least {wording.percent(found.central)} of {them} end well, "
        "if the others come back to a person and complain as the log has it. "
        f"The central case assumes that {wording.percent(assumed)} end well."
    )
