"""Re-staffing in words: who is needed when, what is paid, and what that saves."""

from __future__ import annotations

import polars as pl

from simulator.reports import answer, wording
from simulator.reports.answer import Advice
from simulator.reports.language import noted, say
from simulator.reports.phrases import at
from simulator.reports.run import Bounds, Run

Cell = tuple[str, str]


def cells(run: Run) -> list[Cell]:
    """The (stage, candidate) pairs that were staffed anew, up the ladder."""
    staffed = set(run.table("staffing_hours").select("stage", "candidate").iter_rows())
    return [cell for cell in run.cells if cell in staffed]


def baseline_cell(run: Run) -> Cell:
    """People alone, as they were staffed."""
    return next((cell for cell in cells(run) if cell[0] == run.baseline), (run.baseline, "human"))


def hours(run: Run, cell: Cell) -> tuple[Bounds, Bounds]:
    """Paid agent-hours a day, and those saved against the baseline."""
    return (
        run.bounds("staffing_hours", *cell, "paid_hours_per_day"),
        run.bounds("staffing_hours", *cell, "paid_hours_saved_per_day"),
    )


def target(run: Run) -> str:
    """What every half-hour was staffed for, in words."""
    asked = run.manifest.get("staffing") or {}
    rules = asked.get("rules") or run.scenario.staffing.model_dump(mode="json")
    return say(
        "{share} answered within {within} s and at most {abandoned} abandoned",
        share=wording.percent(rules["target_share"]),
        within=f"{rules['within_s']:g}",
        abandoned=wording.percent(rules["max_abandonment"]),
    )


def missing(run: Run) -> str:
    """What to say where nothing was staffed."""
    if run.n_days > 1:
        return say(
            "A simulated week cannot be staffed anew: to find the fewest agents and the paid "
            "saving, run the scenario with `--set demand.day=weekday`, then `shadowdesk staff RUN`."
        )
    return say("`shadowdesk staff RUN` finds the fewest agents and the paid saving.")


def paid_saving(run: Run, one: Advice | None) -> str | None:
    """The paid saving of the leading candidate where it may go; None where it is not known."""
    if one is None or one.stage == run.baseline:
        return None
    found = run.bounds("costs", one.stage, one.candidate, "paid_saving_money")
    if found.central is None:
        return None
    saves = noted(
        "With both desks re-staffed in whole shifts it saves {currency} {amount} a day in the "
        "central case"
    )
    costs = noted(
        "With both desks re-staffed in whole shifts it costs {currency} {amount} more a day in the "
        "central case"
    )
    text = say(
        saves if found.central >= 0 else costs,
        currency=run.scenario.money.currency,
        amount=wording.number("paid_saving_money", abs(found.central)),
    )
    if found.sampling:
        low, high = (figure.text for figure in found.sampling)
        text = say("{claim} (95 % interval: {low} to {high})", claim=text, low=low, high=high)
    return say("{sentence}.", sentence=text)


def drawn_cell(run: Run) -> Cell | None:
    """The cell that is drawn against people alone: the proposal's, else the leading candidate's.

    None where people alone were staffed.
    """
    found = [cell for cell in cells(run) if cell[0] != run.baseline]
    asked, best = run.scenario.proposal, answer.leader(run)
    wanted: list[Cell] = []
    if asked is not None:
        wanted.append((asked.stage, asked.candidate))
    if best is not None:
        wanted += [(best.stage, best.candidate), (best.next_stage or best.stage, best.candidate)]
    return next((cell for cell in wanted if cell in found), found[0] if found else None)


def required(run: Run, cell: Cell) -> pl.DataFrame:
    """``team, interval_start_s, required, scheduled`` of a cell in the central case."""
    return (
        run.table("staffing")
        .filter(stage=cell[0], candidate=cell[1], bound="central")
        .select("team", "interval_start_s", "required", "scheduled")
        .sort("team", "interval_start_s")
    )


def today(run: Run) -> pl.DataFrame:
    """``team, interval_start_s, agents``: who is logged in today, a mean over simulated days."""
    return (
        run.table("intervals")
        .filter(
            (pl.col("stage") == run.baseline)
            & (pl.col("segment") == "all")
            & (pl.col("bound") == "central")
            & (pl.col("metric") == "agents")
            & (pl.col("team") != "all")
            & pl.col("estimate").is_not_null()
        )
        .select("team", "interval_start_s", pl.col("estimate").alias("agents"))
        .sort("team", "interval_start_s")
    )


def reading(run: Run, cell: Cell | None) -> str:
    """The half-hour in which people alone need most, what the cell needs then, and who is there."""
    base = _by_time(required(run, baseline_cell(run)), "required")
    if not base:
        return say("How many agents people alone would need is unknown.")
    when = min(base, key=lambda second: (-base[second], second))
    text = say(
        "People alone need most at {when}: {n} agents in all teams together",
        when=wording.clock(when),
        n=f"{base[when]:g}",
    )
    if cell is not None:
        then = _by_time(required(run, cell), "required").get(when)
        text = say(
            "{claim}; with {where} it is {n} (central case)",
            claim=text,
            where=at(cell),
            n=say("an unknown number") if then is None else f"{then:g}",
        )
    there = _by_time(today(run), "agents").get(when)
    if there is not None:
        n = f"{there:,.1f}".removesuffix(".0")
        text = say("{claim}; {n} are logged in today", claim=text, n=n)
    return say("{sentence}.", sentence=text)


def _by_time(frame: pl.DataFrame, column: str) -> dict[int, float]:
    summed = frame.group_by("interval_start_s").agg(pl.col(column).sum())
    return {int(second): float(value) for second, value in summed.iter_rows()}
