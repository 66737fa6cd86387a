"""Settlement: up to where a replayed conversation is known, and what ended it.

Later customer turns answered the incumbent. As long as every automatic reply matches the log, they
answer the candidate as well (*agreed*); a hand-over before any difference is known too (*handoff*);
at the first materially different automatic reply the outcome becomes unknown (*diverged*).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from simulator.tables import conform

_POINT = ("conversation_id", "turn")


def matches(shadow: pl.DataFrame, verdicts: pl.DataFrame, value_tolerance: float) -> pl.DataFrame:
    """Whether each reply is materially the incumbent's.

    A match is the same action, the same commitments (kind, firmness, value within the tolerance),
    and for an answer the same article, for a clarification the same item asked for. Where either
    side is unsure, or the incumbent has no reply, it is no match.

    Args:
        shadow: all candidates, human among them.
        verdicts: of one judge, all candidates.
        value_tolerance: relative difference at which two values are the same.

    Returns:
        ``candidate, conversation_id, turn, action, replied, same_action, matched`` for every
        candidate but human. ``action`` is the shadow's, else the judge's.
    """
    judged = shadow.select("candidate", *_POINT, "action", "reply", "error").join(
        verdicts.select(
            "candidate",
            *_POINT,
            pl.col("action").alias("read_action"),
            "commitments",
            "cited_article",
            "asked_for",
        ),
        on=("candidate", *_POINT),
        how="left",
        maintain_order="left",
    )
    judged = judged.with_columns(pl.coalesce("action", "read_action").alias("action"))
    human = judged.filter(pl.col("candidate") == "human").select(
        *_POINT,
        *(
            pl.col(column).alias(f"human_{column}")
            for column in ("action", "commitments", "cited_article", "asked_for", "reply")
        ),
    )
    both = judged.filter(pl.col("candidate") != "human").join(
        human, on=_POINT, how="left", maintain_order="left"
    )
    same_action = (pl.col("action") == pl.col("human_action")).fill_null(False)
    same_content = (
        pl.when(pl.col("action") == "answer")
        .then(pl.col("cited_article") == pl.col("human_cited_article"))
        .when(pl.col("action") == "clarify")
        .then(pl.col("asked_for") == pl.col("human_asked_for"))
        .otherwise(True)
        .fill_null(False)
    )
    same_words = [
        same_commitments(mine, theirs, value_tolerance)
        for mine, theirs in both.select("commitments", "human_commitments").iter_rows()
    ]
    return both.select(
        "candidate",
        *_POINT,
        "action",
        (pl.col("reply").is_not_null() & pl.col("error").is_null()).alias("replied"),
        same_action.alias("same_action"),
        (
            same_action
            & same_content
            & pl.col("human_reply").is_not_null()
            & pl.Series(same_words, dtype=pl.Boolean)
        ).alias("matched"),
    )


def same_commitments(
    mine: Sequence[dict[str, Any]] | None,
    theirs: Sequence[dict[str, Any]] | None,
    value_tolerance: float,
) -> bool:
    """Whether two lists of commitments are the same, whatever their order and words."""
    if mine is None or theirs is None or len(mine) != len(theirs):
        return False
    left = list(theirs)
    for one in mine:
        for other in left:
            if _same(one, other, value_tolerance):
                left.remove(other)
                break
        else:
            return False
    return True


def _same(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> bool:
    if (one["kind"], one["firmness"]) != (other["kind"], other["firmness"]):
        return False
    a, b = one["value"], other["value"]
    if a is None or b is None:
        return a is b
    return bool(one["unit"] == other["unit"]) and bool(
        abs(a - b) <= tolerance * max(abs(a), abs(b))
    )


def settle(decisions: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """The table ``settlements``: one row for each stage, candidate and conversation.

    Args:
        decisions: table ``decisions``.
        found: the result of :func:`matches`.
    """
    cell = ("stage", "candidate", "conversation_id")
    rows = (
        decisions.join(found, on=("candidate", *_POINT), how="left", maintain_order="left")
        .sort(*cell, "turn")
        .with_columns(
            pl.when(pl.col("mode") != "auto")
            .then(pl.lit("routed"))
            .when(pl.col("action") == "escalate")
            .then(pl.lit("chosen"))
            .when(~pl.col("replied").fill_null(False))
            .then(pl.lit("error"))
            .alias("cause")
        )
        .with_columns(
            pl.when(pl.col("cause").is_not_null())
            .then(pl.lit("handoff"))
            .when(~pl.col("matched").fill_null(False))
            .then(pl.lit("diverged"))
            .alias("event")
        )
    )
    first = (
        rows.group_by(cell, maintain_order=True)
        .agg(
            pl.col("mode").first(),
            pl.col("event").drop_nulls().first(),
            pl.col("cause").filter(pl.col("event").is_not_null()).first(),
            pl.col("turn").filter(pl.col("event").is_not_null()).first().alias("at_turn"),
        )
        .with_columns(
            # No bot touched it: the stage has none, or its rules sent the first turn to a human.
            pl.when(pl.col("mode") != "auto")
            .then("mode")
            .otherwise(pl.col("event").fill_null("agreed"))
            .alias("status")
        )
    )
    known = pl.col("status").is_in(["handoff", "diverged"])
    return conform(
        "settlements",
        first.with_columns(
            pl.when(pl.col("status") == "handoff").then("cause").alias("cause"),
            pl.when(known).then("at_turn").alias("at_turn"),
        ).sort(cell),
    )
