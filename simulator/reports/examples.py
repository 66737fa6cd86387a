"""The worst replies of a run: what stood before them, what was said, and why it was flagged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from simulator.reports import wording
from simulator.reports.run import Run

PER_CANDIDATE = 4
# Longer replies than any channel sends are cut, and say so; the run's tables hold them whole.
LONGEST = 12_000


@dataclass(frozen=True)
class Line:
    """One message before the reply: who said it, and what."""

    who: str
    text: str


@dataclass(frozen=True)
class Example:
    """A flagged reply. ``before + marked + after`` is the reply, ``marked`` the evidence in it."""

    candidate: str
    conversation_id: str
    turn: int
    intent: str | None
    language: str | None
    sent: str
    why: list[str]
    context: list[Line]
    before: str
    marked: str
    after: str
    cut: int


def examples(run: Run) -> list[Example]:
    """The worst flagged replies of each candidate, at most ``PER_CANDIDATE`` each.

    A reply is flagged where a judge found a risky promise, a compliance breach or an over-answer.
    Breaches and risky promises at high-risk points come first, then those that a customer would
    have read (automatic in some stage), then by conversation: the same run always shows the same.
    One conversation shows once a candidate.
    """
    flagged = run.table("verdicts").filter(
        pl.any_horizontal(
            pl.col(flag).fill_null(False)
            for flag in ("risky_promise", "compliance_breach", "over_answer")
        )
    )
    if flagged.is_empty():
        return []
    points = ["conversation_id", "turn"]
    auto = (
        run.table("decisions")
        .filter((pl.col("mode") == "auto") & (pl.col("reach") != "after_handoff"))
        .group_by("candidate", *points)
        .agg(pl.col("stage").unique().alias("stages"))
    )
    risk = run.table("contexts").select(*points, "risk", "emotion").unique(points, keep="first")
    ranked = (
        flagged.join(
            run.table("shadow").select("candidate", *points, "reply"),
            on=["candidate", *points],
            how="inner",
        )
        .filter(pl.col("reply").is_not_null() & (pl.col("reply") != ""))
        .join(auto, on=["candidate", *points], how="left")
        .join(risk, on=points, how="left")
        .join(
            run.table("conversations").select("conversation_id", "intent", "language"),
            on="conversation_id",
            how="left",
        )
        .with_columns(
            (
                4 * pl.col("compliance_breach").fill_null(False).cast(pl.Int64)
                + 4 * pl.col("risky_promise").fill_null(False).cast(pl.Int64)
                + 2 * pl.col("stages").is_not_null().cast(pl.Int64)
                + (pl.col("risk") == "high").fill_null(False).cast(pl.Int64)
            ).alias("weight")
        )
        .sort(["weight", *points, "judge"], descending=[True, False, False, False])
        .unique(["candidate", "conversation_id"], keep="first", maintain_order=True)
    )
    chosen = [
        row
        for candidate in run.candidates
        for row in ranked.filter(pl.col("candidate") == candidate)
        .head(PER_CANDIDATE)
        .iter_rows(named=True)
    ]
    wanted = [row["conversation_id"] for row in chosen]
    told: dict[str, list[dict[str, Any]]] = {}
    history = run.table("decision_points").filter(pl.col("conversation_id").is_in(wanted))
    for point in history.sort("conversation_id", "turn").iter_rows(named=True):
        told.setdefault(point["conversation_id"], []).append(point)
    return [_example(run, row, told.get(row["conversation_id"], [])) for row in chosen]


def _example(run: Run, row: dict[str, Any], points: list[dict[str, Any]]) -> Example:
    context: list[Line] = []
    for point in points:
        if point["turn"] > row["turn"]:
            break
        if point["text"]:
            context.append(Line("Customer", point["text"]))
        if point["turn"] < row["turn"] and point["reply"]:
            context.append(Line("Agent, as logged", point["reply"]))
    reply, cut = row["reply"][:LONGEST], max(0, len(row["reply"]) - LONGEST)
    evidence = row["evidence"] or ""
    start = reply.find(evidence) if evidence else -1
    end = start + len(evidence) if start >= 0 else 0
    start = max(start, 0)
    stages = [wording.stage_label(s) for s in run.stages if s in (row["stages"] or [])]
    if stages:
        sent = f"would be sent automatically at {wording.listed(stages)}"
    elif row["candidate"] == "human":
        sent = "sent by a person, as logged"
    else:
        sent = "a draft only: no stage sends it automatically"
    return Example(
        row["candidate"],
        row["conversation_id"],
        row["turn"],
        row["intent"],
        row["language"],
        sent,
        _why(row),
        context,
        reply[:start],
        reply[start:end],
        reply[end:],
        cut,
    )


def _why(row: dict[str, Any]) -> list[str]:
    """The flags in words; a risky promise with what was promised."""
    why = []
    if row["risky_promise"]:
        firm = [c for c in row["commitments"] or [] if c["firmness"] == "firm"]
        promised = list(dict.fromkeys(_promised(c) for c in firm))
        what = f" ({wording.listed(promised)})" if promised else ""
        why.append(f"Firm promise that the policy does not authorise{what}")
    if row["compliance_breach"]:
        why.append("Compliance breach: liability, privacy, legal or medical advice")
    if row["over_answer"]:
        why.append("Complete answer where none should have been given")
    if row["risk"] == "high":
        why.append("High-risk point")
    if row["emotion"] in ("upset", "angry"):
        why.append(f"Customer is {row['emotion']}")
    return why


def _promised(commitment: dict[str, Any]) -> str:
    kind = str(commitment["kind"]).replace("_", " ")
    if commitment["value"] is None:
        return kind
    return f"{kind}: {commitment['value']:g} {commitment['unit'] or ''}".rstrip()
