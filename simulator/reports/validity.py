"""Whether the queue model may be believed: its back-test, and what the run checked of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import polars as pl

from simulator.reports import answer, wording
from simulator.reports.language import heard, noted, say
from simulator.reports.phrases import at, together
from simulator.reports.run import Figure, Run

UNTESTED = noted("The queue model has not been tested against the operation's own history.")
# How the limit of a criterion is meant, in front of its number.
LIMITS = {"level_bias": noted("within ±")}
AT_LEAST = noted("at least ")


@dataclass(frozen=True)
class Criterion:
    """One criterion of the back-test: ``limit`` is None where a number is only told."""

    metric: str
    estimate: Figure
    limit: Figure | None
    limit_word: str
    status: str


def verdict(run: Run) -> str | None:
    """pass, fail or insufficient; None where there was no back-test."""
    found = run.table("backtest").filter(pl.col("metric") == "verdict")["status"].to_list()
    return str(found[0]) if found else None


def sentence(run: Run) -> str:
    """The verdict in plain words, as the back-test put it; says so where there was none."""
    found = run.table("backtest").filter(pl.col("metric") == "verdict")["reason"].to_list()
    return heard(str(found[0])) if found else say(UNTESTED)


def warning(run: Run) -> str | None:
    """What stands right under the answer where the model failed its back-test; else None."""
    if verdict(run) != "fail":
        return None
    return say(
        "The queue model fails its back-test: it does not reproduce this operation's own days. "
        "Waits, service levels and staffing of this run, and the money that follows from them, are "
        "not to be relied on."
    )


def criteria(run: Run) -> list[Criterion]:
    """What the back-test was judged by, in its own order; empty where nothing could be tested."""
    rows = run.table("backtest").filter(pl.col("metric") != "verdict")
    return [
        Criterion(
            row["metric"],
            _figure(row, "estimate"),
            None if row["limit"] is None else _figure(row, "limit"),
            say(LIMITS.get(row["metric"], AT_LEAST)),
            row["status"],
        )
        for row in rows.iter_rows(named=True)
    ]


def _figure(row: dict[str, Any], column: str) -> Figure:
    text = wording.number(row["metric"], row[column])
    source = f"backtest/{quote(row['metric'], safe='')}/{column}"
    # A limit has no direction of its own: the words before it say which way it cuts.
    return Figure(row[column], text.removeprefix("+") if column == "limit" else text, source)


def checks(run: Run) -> list[str]:
    """What the run checked of itself, one sentence each."""
    found = []
    for row in run.table("checks").iter_rows(named=True):
        text = wording.visible(heard(row["result"].rstrip(".")))
        of = {
            "contacts": noted("{result}; checked on {n} contacts."),
            "cases": noted("{result}; checked on {n} cases."),
        }["contacts" if row["name"] == "engines" else "cases"]
        found.append(say(of, result=f"{text[:1].upper()}{text[1:]}", n=f"{row['n']:,}"))
    return found


def days(run: Run) -> pl.DataFrame:
    """Daily mean waits, observed and predicted: table ``backtest_days``, by day."""
    return run.table("backtest_days").filter(pl.col("metric") == "wait_s").sort("day")


def reading(run: Run) -> str:
    """How many held-out days lie inside their interval, and the day that is furthest off."""
    scored = days(run).filter(
        (pl.col("half") == "held_out")
        & pl.col("scored")
        & pl.col("observed").is_not_null()
        & pl.col("predicted").is_not_null()
    )
    judged = scored.filter(pl.col("inside").is_not_null())
    if judged.is_empty():
        return say("No held-out day can be compared with its prediction.")
    off = scored.sort((pl.col("observed") - pl.col("predicted")).abs(), descending=True)
    worst = off.row(0, named=True)
    return say(
        "On {inside} of {total} held-out days the observed mean wait lies inside its 90 % "
        "interval; furthest off is {day}, when {observed} were observed and {predicted} predicted.",
        inside=int(judged["inside"].sum()),
        total=judged.height,
        day=f"{worst['day']:%Y-%m-%d}",
        observed=wording.number("asa_s", worst["observed"]),
        predicted=wording.number("asa_s", worst["predicted"]),
    )


def remarks(run: Run) -> list[str]:
    """What the numbers rest on besides the queue model, one sentence each, where tables hold it:

    how the judge agrees with labels, how much replay settles where the leader would automate next,
    and how our own agents do by the same measures.
    """
    return list(filter(None, [judge_quality(run), settled(run), incumbent(run)]))


def judge_quality(run: Run) -> str | None:
    """How the rules judge reads the labelled replies on risky promises; None where none is read.

    A reply counts once; one on which labels differ is left out. Replies are drawn by stratum, so
    that these shares are of the labelled replies and not of all.
    """
    keys = ["candidate", "conversation_id", "turn"]
    labelled = (
        run.table("labels")
        .filter((pl.col("unit") == "turn") & pl.col("risky_promise").is_not_null())
        .group_by(keys)
        .agg(pl.col("risky_promise").any().alias("is"), pl.col("risky_promise").n_unique().eq(1))
        .filter("risky_promise")
    )
    read = labelled.join(_by_rules(run).select(*keys, pl.col("risky_promise").alias("said")), keys)
    if read.is_empty():
        return None
    there, said = read["is"], read["said"]
    return say(
        "Of {n} labelled replies the rules judge reads {share} as the labels do on risky promises: "
        "it misses {missed} of the {there} that labels find, and flags {raised} that they do not "
        "(labels are drawn by stratum: these are no rates of all replies).",
        n=f"{read.height:,}",
        share=wording.percent(float((there == said).sum()) / read.height),
        missed=f"{(there & ~said).sum():,}",
        there=f"{there.sum():,}",
        raised=f"{(said & ~there).sum():,}",
    )


def settled(run: Run) -> str | None:
    """How much replay settles at the next automatic stage of the leader; None: not known."""
    cell = answer.automatic_cell(run, answer.leader(run))
    share = None if cell is None else run.bounds("kpis", *cell, "settled_share").central
    if cell is None or share is None:
        return None
    return say(
        "With {where}, replay settles how {share} of the conversations that the bot begins end; of "
        "the others it knows bounds only.",
        where=at(cell),
        share=wording.percent(share),
    )


def incumbent(run: Run) -> str | None:
    """How our own agents do by the measures that the leader is held to; None: not known."""
    cell = next((cell for cell in run.cells if cell[0] == run.baseline), None)
    if cell is None:
        return None
    flagged = _flagged(run, cell[1])
    text = None
    if flagged is not None:
        text = say(
            "Our own agents: the rules judge flags a risky promise in {flagged} of their {n} "
            "replies in the log ({share}).",
            **flagged,
        )
    best = answer.leader(run)
    theirs = None if best is None else _flagged(run, best.candidate)
    if best is not None and text is not None and theirs is not None:
        beside = say(
            "Of the replies of {candidate} at the same points it flags {flagged} of {n} ({share}).",
            candidate=wording.visible(best.candidate),
            **theirs,
        )
        text = together(text, beside)
    rate = run.bounds("kpis", *cell, "complaint_rate").central
    if rate is not None:
        complain = say(
            "With people alone, {share} of conversations end in a complaint.",
            share=wording.percent(rate),
        )
        text = together(text, complain)
    return text


def _by_rules(run: Run) -> pl.DataFrame:
    return run.table("verdicts").filter(
        (pl.col("judge") == "rules") & pl.col("risky_promise").is_not_null()
    )


def _flagged(run: Run, candidate: str) -> dict[str, str] | None:
    said = _by_rules(run).filter(pl.col("candidate") == candidate)["risky_promise"]
    if said.is_empty():
        return None
    n, flagged = len(said), int(said.sum())
    share = wording.percent(flagged / n)
    return {"flagged": f"{flagged:,}", "n": f"{n:,}", "share": share}
