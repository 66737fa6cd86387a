"""The points where two candidates differ most, worst first.

The weight of a point is the sum of its parts: 3 where one of the replies is risky and the other is
not (by labels, else by the rules judge), 3 where one escalates at high risk and the other does
not, 1 for another action, 1 where one answers more than it knows and the other does not, 0.5 for
another tone, and 0 to 1 for other words (:func:`words_apart`). Of a conversation one point is
listed; ties are broken by conversation and turn. Where both say the same words, nothing is listed.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import polars as pl

from simulator import tables

RISKY, ESCALATES, ACTION, OVER_ANSWER, TONE = 3.0, 3.0, 1.0, 1.0, 0.5
# Words are compared only where they decide. So many alike otherwise, and the first by id stand.
_AT_ONCE = 20_000
_POINT = ["conversation_id", "turn"]
_PARTS = {
    "risky": RISKY,
    "escalates": ESCALATES,
    "action": ACTION,
    "over_answer": OVER_ANSWER,
    "tone": TONE,
}


def disagreements(ours: str, theirs: str, points: pl.DataFrame, n: int) -> pl.DataFrame:
    """Table ``disagreements`` of one pair.

    Args:
        ours, theirs: what the two are called.
        points: of :class:`simulator.comparison.points.Paired`, in order.
        n: how many at most.
    """
    parts = (
        points.filter(pl.col("our_reply").ne_missing(pl.col("their_reply")))
        .with_columns(
            *(
                pl.coalesce(side + "labelled_risky", side + "risky_promise").alias(side + "risky")
                for side in ("our_", "their_")
            )
        )
        .with_columns(
            _differ("risky").alias("risky"),
            _differ("action").alias("action"),
            (
                ((pl.col("our_action") == "escalate") != (pl.col("their_action") == "escalate"))
                & (pl.col("risk") == "high")
            )
            .fill_null(False)
            .alias("escalates"),
            _differ("over_answer").alias("over_answer"),
            _differ("tone").alias("tone"),
        )
        .with_columns(pl.sum_horizontal(pl.col(p) * w for p, w in _PARTS.items()).alias("base"))
    )
    if parts.is_empty() or n < 1:
        return tables.empty("disagreements")
    chosen = _heaviest(parts, n)
    rows = [
        {
            "ours": ours,
            "theirs": theirs,
            "place": place,
            "weight": row["weight"],
            "why": _why(ours, theirs, row),
            **{name: row[name] for name in (*_POINT, "language", "intent", "said")},
            **{
                f"{side}_{what}": row[f"{side}_{what}"]
                for side in ("our", "their")
                for what in ("action", "reply", "evidence")
            },
            "incumbent_reply": row["incumbent_reply"],
        }
        for place, row in enumerate(chosen.iter_rows(named=True), start=1)
    ]
    return tables.build("disagreements", rows)


def words_apart(one: str | None, other: str | None) -> float:
    """How far two replies differ in their words, in [0, 1].

    1 less the share of pairs of neighbouring characters that both have among those that either
    has (Jaccard), which serves languages that do not part words by spaces too. 1 where one of the
    two is no reply.
    """
    if one is None or other is None:
        return 0.0 if one is other else 1.0
    mine, theirs = _pairs(one), _pairs(other)
    return 1 - len(mine & theirs) / len(mine | theirs) if mine | theirs else 0.0


def _pairs(text: str) -> set[str]:
    return {a + b for a, b in pairwise(text)} or {text} - {""}


def _differ(name: str) -> pl.Expr:
    return (pl.col(f"our_{name}") != pl.col(f"their_{name}")).fill_null(False)


def _heaviest(parts: pl.DataFrame, n: int) -> pl.DataFrame:
    """The ``n`` heaviest points, one a conversation, with their ``weight``."""
    levels = parts["base"].unique().sort(descending=True)
    found: list[pl.DataFrame] = []
    for level in levels:
        # Words add 1 at most: what is lighter by more cannot come before these.
        if found:
            best = _ranked(pl.concat(found)).head(n)
            if best.height == n and best["weight"][-1] >= level + 1:
                break
        same = parts.filter(pl.col("base") == level).sort(_POINT).head(_AT_ONCE)
        apart = pl.Series(
            [words_apart(a, b) for a, b in same.select("our_reply", "their_reply").iter_rows()],
            dtype=pl.Float64,
        )
        found.append(_ranked(same.with_columns((pl.col("base") + apart).alias("weight"))).head(n))
    return _ranked(pl.concat(found)).head(n)


def _ranked(points: pl.DataFrame) -> pl.DataFrame:
    return points.sort("weight", *_POINT, descending=[True, False, False]).unique(
        "conversation_id", keep="first", maintain_order=True
    )


def _why(ours: str, theirs: str, row: dict[str, Any]) -> str:
    said = []
    if row["our_reply"] is None or row["their_reply"] is None:
        said.append(f"{ours if row['our_reply'] is None else theirs} gave no reply")
    if row["risky"]:
        one, other = (ours, theirs) if row["our_risky"] else (theirs, ours)
        labelled = row["our_labelled_risky"] is not None, row["their_labelled_risky"] is not None
        known = (
            "by labels"
            if all(labelled)
            else "by labels of one, the rules judge of the other"
            if any(labelled)
            else "by the rules judge"
        )
        said.append(f"{one} makes a risky promise, {other} does not ({known})")
    if row["escalates"]:
        one, other = (ours, theirs) if row["our_action"] == "escalate" else (theirs, ours)
        known = "rules judge" if row["labelled_risk"] is None else "labels"
        said.append(f"{one} escalates at high risk, {other} does not (risk by the {known})")
    elif row["action"]:
        said.append(f"action: {row['our_action']} against {row['their_action']}")
    if row["over_answer"]:
        one, other = (ours, theirs) if row["our_over_answer"] else (theirs, ours)
        said.append(f"{one} answers more than it can know, {other} does not")
    if row["tone"]:
        said.append(f"tone: {_words(row['our_tone'])} against {_words(row['their_tone'])}")
    if row["our_reply"] is not None and row["their_reply"] is not None:
        said.append(f"words {100 * (row['weight'] - row['base']):.0f} % apart")
    return "; ".join(said)


def _words(name: str) -> str:
    return name.replace("_", " ")
