"""The sentence under each chart, computed from the same numbers that the chart draws."""

from __future__ import annotations

from typing import Any

import polars as pl

from simulator.reports import answer, wording
from simulator.reports.answer import Advice
from simulator.reports.language import noted, say, say_n
from simulator.reports.load_reading import load as load
from simulator.reports.load_reading import outages as outages
from simulator.reports.phrases import at as _at
from simulator.reports.phrases import together
from simulator.reports.run import Bounds, Run

# What the breakdown keeps to besides paying, by the gates that set a limit to it.
KEPT = {
    noted("service level"): {"service_level", "service_level_loss"},
    noted("complaints"): {"complaint_rate"},
}


def _with(run: Run, table: str, metric: str) -> list[tuple[tuple[str, str], Bounds]]:
    pairs = [(cell, run.bounds(table, *cell, metric)) for cell in run.cells]
    return [(cell, bounds) for cell, bounds in pairs if bounds.central is not None]


def waits(run: Run) -> str:
    """Who waits least in the central case, and how bad the worst case is there."""
    found = [(cell, b) for cell, b in _with(run, "kpis", "asa_s") if cell[0] != run.baseline]
    base = next((b for cell, b in _with(run, "kpis", "asa_s") if cell[0] == run.baseline), None)
    if not found and base is not None:
        alone = wording.number("asa_s", base.central)
        return say("People alone: the mean wait is {wait}.", wait=alone)
    if not found:
        return say("Waits are unknown.")
    cell, best = min(found, key=lambda pair: pair[1].central or 0.0)
    wait, where = wording.number("asa_s", best.central), _at(cell)
    text = say("The shortest mean wait is {wait}, {where}", wait=wait, where=where)
    if best.worst is not None and not best.single:
        worst = wording.number("asa_s", best.worst)
        text = say("{claim}, and {worst} in the worst case", claim=text, worst=worst)
    if base is not None:
        alone = wording.number("asa_s", base.central)
        text = say("{claim}; people alone: {alone}", claim=text, alone=alone)
    return together(say("{sentence}.", sentence=text), single_days(run))


def single_days(run: Run) -> str | None:
    """The range of 90 % of days (or weeks) for people alone and the first automatic stage ahead.

    None where the run does not know how far single days differ.
    """
    ahead = answer.automatic_cell(run, answer.leader(run))
    base = [cell for cell in run.cells if cell[0] == run.baseline][:1]
    parts = []
    for cell in [*base, *([ahead] if ahead else [])]:
        ranges = _ranges(run, cell)
        if not ranges:
            continue
        if cell[0] == run.baseline:
            parts.append(say("with people alone, {ranges}", ranges=ranges))
        else:
            parts.append(say("with {where}, {ranges}", where=_at(cell), ranges=ranges))
    if not parts:
        return None
    texts = {
        "day": noted("Ranges that hold 90 % of days, central case: {ranges}."),
        "week": noted("Ranges that hold 90 % of weeks, central case: {ranges}."),
    }
    return say(texts[run.period], ranges=say("; ").join(parts))


def _ranges(run: Run, cell: tuple[str, str]) -> str:
    """Between what mean wait and service level lie on single days; empty where not known."""
    found = []
    for metric, text in (
        ("asa_s", noted("mean wait {range}")),
        ("service_level", noted("service level {range}")),
    ):
        predicted = run.bounds("kpis", *cell, metric).predicted
        if predicted:
            ends = list(dict.fromkeys(figure.text for figure in predicted))
            between = say("{low} to {high}", low=ends[0], high=ends[1]) if ends[1:] else ends[0]
            found.append(say(text, range=between))
    return (
        say("{wait}, {service}", wait=found[0], service=found[1]) if found[1:] else "".join(found)
    )


def saving(run: Run) -> str:
    """What saves in the worst case too, and what only in a better one."""
    found = [
        (cell, b) for cell, b in _with(run, "costs", "saving_money") if cell[0] != run.baseline
    ]
    if not found:
        return say("Savings against people alone are unknown.")
    currency = run.scenario.money.currency
    sure = [pair for pair in found if pair[1].worst is not None and pair[1].worst > 0]
    if not sure:
        cell, top = max(found, key=lambda pair: pair[1].central or 0.0)
        return say(
            "No stage saves money in the worst case; the largest central saving is {currency} "
            "{amount} a day, {where} (worst: {worst}).",
            currency=currency,
            amount=wording.number("saving_money", top.central),
            where=_at(cell),
            worst=wording.number("saving_money", top.worst),
        )
    cell, top = max(sure, key=lambda pair: pair[1].worst or 0.0)
    amount, best = (wording.number("saving_money", v) for v in (top.worst, top.best))
    if best != amount:
        amount = say("{low} to {high}", low=amount, high=best)
    return say_n(
        "{n} of the {total} stages and candidates saves money even in the worst case; the most: "
        "{where}, {currency} {amount} a day.",
        "{n} of the {total} stages and candidates save money even in the worst case; the most: "
        "{where}, {currency} {amount} a day.",
        len(sure),
        n=len(sure),
        total=len(found),
        where=_at(cell),
        currency=currency,
        amount=amount,
    )


def cost(run: Run) -> str:
    """Where a day costs most in risky promises, beside what labour costs there."""
    found = [
        (cell, b) for cell, b in _with(run, "costs", "promise_money") if cell[0] != run.baseline
    ]
    currency = run.scenario.money.currency
    if answer.promises_left_out(run) or not found:
        base = [(cell, b) for cell, b in _with(run, "costs", "total_money")]
        total = wording.number("total_money", base[0][1].central) if base else say("unknown")
        text = say(
            "A day of people alone costs {currency} {amount}", currency=currency, amount=total
        )
        return say("{sentence}.", sentence=_without_promises(run, text))
    cell, most = max(found, key=lambda pair: pair[1].central or 0.0)
    labour = run.bounds("costs", *cell, "labour_money").central
    return say(
        "Risky promises cost most with {where}: {currency} {amount} a day, beside {labour} for "
        "labour (central case).",
        where=_at(cell),
        currency=currency,
        amount=wording.number("promise_money", most.central),
        labour=wording.number("labour_money", labour),
    )


def _without_promises(run: Run, claim: str) -> str:
    if not answer.promises_left_out(run):
        return claim
    return say("{claim}, risky promises left out", claim=claim)


def risk(run: Run) -> str:
    """How many automated cells stay under the limit, how many exceed it, how many are open."""
    rows = run.table("gates").filter(
        (pl.col("metric") == "risky_promise_rate") & (pl.col("segment") == "all")
    )
    counts = dict(rows.group_by("status").len().iter_rows())
    text = say_n(
        "Of {total} automated case, the bound keeps {within} within the limit and puts {beyond} "
        "beyond it; {open} cannot be told from the labels there are.",
        "Of {total} automated cases, the bound keeps {within} within the limit and puts {beyond} "
        "beyond it; {open} cannot be told from the labels there are.",
        rows.height,
        total=rows.height,
        within=counts.get("pass", 0),
        beyond=counts.get("fail", 0),
        open=counts.get("insufficient", 0),
    )
    needed = rows["labels_needed"].drop_nulls().to_list()
    if not needed:
        return text
    nearest = say_n(
        "The nearest of these needs {n} more label.",
        "The nearest of these needs {n} more labels.",
        min(needed),
        n=f"{min(needed):,}",
    )
    return together(text, nearest)


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
        return say("How each replayed conversation ended, by stage and candidate.")
    rows: dict[str, Any] = {
        row["status"]: row
        for row in own.filter(pl.col("stage") == stages[-1]).iter_rows(named=True)
    }
    total = sum(row["n"] for row in rows.values())
    lost = rows.get("diverged", {"n": 0, "share": 0.0})
    return say(
        "With {where}, {n} of {total} replayed conversations ({share}) diverge from the log, so "
        "that how they would have ended is unknown.",
        where=_at((stages[-1], candidate)),
        n=f"{lost['n']:,}",
        total=f"{total:,}",
        share=wording.percent(lost["share"]),
    )


def money_spread(run: Run, one: Advice | None) -> str | None:
    """The leading candidate's saving as best, central and worst, in one sentence."""
    if one is None or one.stage == run.baseline:
        return None
    found = run.bounds("costs", one.stage, one.candidate, "saving_money")
    if found.central is None:
        return say("What it would save is unknown.")
    even = run.bounds("costs", one.stage, one.candidate, "break_even_risky_promise_rate").central
    saves = noted("Against people alone it saves {currency} {amount} a day in the central case")
    costs = noted(
        "Against people alone it costs {currency} {amount} more a day in the central case"
    )
    text = say(
        saves if found.central >= 0 else costs,
        currency=run.scenario.money.currency,
        amount=wording.number("saving_money", abs(found.central)),
    )
    if not found.single and (found.worst, found.best) != (found.central, found.central):
        text = say(
            "{claim} (saving {worst} in the worst and {best} in the best)",
            claim=text,
            worst=wording.number("saving_money", found.worst),
            best=wording.number("saving_money", found.best),
        )
    if even is not None and even > 1:
        text = say(
            "{claim}; one risky promise in every automated conversation would not undo that",
            claim=text,
        )
    elif even:
        text = say(
            "{claim}; the saving is gone at {even} risky promises for every 100 automated "
            "conversations",
            claim=text,
            even=wording.number("break_even_risky_promise_rate", even),
        )
    return say("{sentence}.", sentence=_without_promises(run, text))


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
    them = (
        say("the {n} replayed conversations that replay cannot follow", n=f"{count[0]:,}")
        if len(count)
        else say("the conversations that replay cannot follow")
    )
    gates = {gate.metric for gate in run.scenario.gates}
    limits = [say(words) for words, metrics in KEPT.items() if not gates.isdisjoint(metrics)]
    parts = {
        "stage": wording.stage_label(cell[0]),
        "candidate": wording.visible(cell[1]),
        "pays": say("pays and keeps its limit on {limits}", limits=wording.listed(limits))
        if limits
        else say("pays"),
        "them": them,
    }
    if found.central is None:
        return say(
            "{stage} with {candidate} misses its limits even if all of {them} end well (missed: "
            "{misses}).",
            misses=wording.listed(answer.missed(run, *cell)) or say("unknown"),
            **parts,
        )
    if found.central == 0:
        return say(
            "{stage} with {candidate} {pays} even if all of {them} come back to a person.", **parts
        )
    needed = say(
        "{stage} with {candidate} {pays} if at least {share} of {them} end well, if the others "
        "come back to a person and complain as the log has it.",
        share=wording.percent(found.central),
        **parts,
    )
    assumed = run.scenario.rollout.diverged_contained.value
    return together(
        needed,
        say("The central case assumes that {share} end well.", share=wording.percent(assumed)),
    )
