"""From which score on a candidate may answer by itself: Learn-then-Test on labels.

The labels are a simple random sample of the conversations that the bot would answer in: strata by
verdict have chances of their own to be drawn, and the binomial test would not know. What was drawn
and not labelled counts as risky, as everywhere: a reply at its score, a conversation at every one.
"""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

import polars as pl

from simulator import tables
from simulator.evidence.audited import SIMPLE, with_draw, with_segments
from simulator.evidence.thresholds import Threshold as Found
from simulator.evidence.thresholds import accepted, learn_then_test
from simulator.gates.findings import shared_levels
from simulator.gates.testing import Age
from simulator.gates.words import percent
from simulator.scenario import Threshold

_CELL = ["stage", "candidate"]
_POINT = ["conversation_id", "turn"]
# No conversation of a log is called so.
_LOST = "\0lost "


def find(
    labels: pl.DataFrame,
    shadow: pl.DataFrame,
    points: pl.DataFrame,
    segments: pl.DataFrame,
    asked: Threshold | None,
    age: Age | None = None,
    typical_day: date | None = None,
) -> pl.DataFrame:
    """The loosest certified threshold of each stage, candidate and segment with such labels.

    Args:
        labels: table ``labels``; those of stratum "simple", split "choose" and "certify".
        shadow: table ``shadow``; its scores.
        points: ``stage, candidate, conversation_id, turn``, the automatic replies.
        segments: ``conversation_id, segment``.
        asked: the limit and the thresholds tried; null: none is looked for.
        age: how old evidence may be; what is older certifies nothing.
        typical_day: as in :class:`simulator.gates.Evidence`.

    Returns:
        Table ``thresholds``; ``accepted_share`` is of the conversations with an automatic reply.
        All conversations are one claim, the segments share the level: what one that certifies the
        whole grid leaves goes to the others.
    """
    if asked is None:
        return tables.empty("thresholds")
    scores = shadow.select("candidate", *_POINT, "score").filter(pl.col("score").is_not_null())
    spoken = points.join(scores, on=["candidate", *_POINT], how="left")
    # Without a chance to be drawn, they are not known to be a random draw.
    simple = (pl.col("stratum") == SIMPLE) & pl.col("inclusion_prob").is_not_null()
    drawn = with_draw(labels).filter(simple)
    replies = with_segments(_replies(drawn, spoken), segments)
    everywhere = with_segments(spoken.with_columns(pl.lit(value=False).alias("risky")), segments)
    rows: list[dict[str, Any]] = []
    for (stage, candidate), mine in sorted(replies.group_by(_CELL)):
        if mine["score"].null_count() == mine.height:
            continue
        here = everywhere.filter(pl.col("stage") == stage, pl.col("candidate") == candidate)
        names = sorted(set(mine["segment"]) - {"all"})
        lost = _lost(mine, here)
        by_segment = {
            s: _with_lost(
                mine.filter(pl.col("segment") == s, pl.col("drawn_in").is_in(["all", s])),
                sum(lost.get(place, 0) for place in {"all", s}),
            )
            for s in ["all", *names]
        }
        levels = dict.fromkeys(by_segment, 1 - asked.confidence)
        levels |= zip(
            names,
            shared_levels(
                [partial(_certifies_all, by_segment[name], asked) for name in names],
                1 - asked.confidence,
            ),
            strict=True,
        )
        dated = drawn.filter(pl.col("stage") == stage, pl.col("candidate") == candidate)
        days = dated["labelled_on"]
        oldest = None if days.null_count() else days.min()
        stale = age.stale(typical_day, oldest) if age else None  # type: ignore[arg-type]
        for segment, part in by_segment.items():
            found = _learn(part, asked, levels[segment])
            whole = here.filter(pl.col("segment") == segment)
            rows.append(
                {"stage": stage, "candidate": candidate, "segment": segment}
                | _row(found, whole, asked, levels[segment], len(names), _n_lost(part))
                | ({"threshold": None, "accepted_share": None, "reason": stale} if stale else {})
            )
    return tables.build("thresholds", rows)


def _replies(drawn: pl.DataFrame, spoken: pl.DataFrame) -> pl.DataFrame:
    """All automatic replies of the labelled conversations; ``risky`` null where nobody said."""
    of = [*_CELL, "conversation_id"]
    asked = drawn.group_by(*of, "split", "drawn_in", "draw_id").agg(pl.col("inclusion_prob").max())
    said = drawn.filter(pl.col("unit") == "turn").select(
        *_CELL, *_POINT, pl.col("risky_promise").alias("risky")
    )
    return spoken.join(asked, on=of).join(said, on=[*_CELL, *_POINT], how="left")


def _lost(mine: pl.DataFrame, spoken: pl.DataFrame) -> dict[str, int]:
    """Conversations drawn to certify, going by ``inclusion_prob``, that have no label.

    By the segment whose own draw it was; "all": the cell's.
    """
    sizes = dict(spoken.group_by("segment").agg(pl.col("conversation_id").n_unique()).iter_rows())
    by_draw = (
        mine.filter(pl.col("segment") == pl.col("drawn_in"))
        .group_by("draw_id", "drawn_in")
        .agg(
            pl.col("inclusion_prob").max(),
            pl.col("conversation_id").n_unique().alias("rows"),
            (pl.col("split") == "certify").any().alias("certifies"),
        )
    )
    lost: dict[str, int] = {}
    for row in by_draw.filter("certifies").iter_rows(named=True):
        place = row["drawn_in"]
        lacks = round(row["inclusion_prob"] * sizes[place]) - row["rows"]
        lost[place] = lost.get(place, 0) + max(0, lacks)
    return lost


def _with_lost(replies: pl.DataFrame, n: int) -> pl.DataFrame:
    """With ``n`` conversations of which nothing is known: accepted by any score, and risky."""
    rows = pl.DataFrame({"conversation_id": [f"{_LOST}{i}" for i in range(n)]}).with_columns(
        pl.lit(float("inf")).alias("score"), pl.lit("certify").alias("split")
    )
    return pl.concat([replies, rows], how="diagonal") if n else replies


def _n_lost(replies: pl.DataFrame) -> int:
    return replies.filter(pl.col("conversation_id").str.starts_with(_LOST)).height


def _learn(replies: pl.DataFrame, asked: Threshold, delta: float) -> Found:
    # Whoever helped to choose does not certify: another draw may have had them too.
    chose = replies.filter(pl.col("split") == "choose").select("conversation_id").unique()
    both = pl.col("split") == "certify"
    replies = pl.concat(
        [replies.filter(~both), replies.filter(both).join(chose, on="conversation_id", how="anti")]
    )
    certify, choose = (replies.filter(pl.col("split") == split) for split in ("certify", "choose"))
    return learn_then_test(certify, choose, asked.grid, asked.risk_limit, delta)


def _certifies_all(replies: pl.DataFrame, asked: Threshold, delta: float) -> bool:
    return _learn(replies, asked, delta).next_threshold is None


def _row(
    found: Found, spoken: pl.DataFrame, asked: Threshold, delta: float, n_segments: int, lost: int
) -> dict[str, Any]:
    n_spoken = spoken["conversation_id"].n_unique()
    share = None
    if found.threshold is not None:
        ((n, _),) = accepted(spoken, [found.threshold])
        share = n / n_spoken
        reason = (
            f"{found.k} of {found.n} labelled conversations accepted from a score of "
            f"{found.threshold:g} on held a risky promise"
        )
    else:
        tried = next(one for one in found.tried if one.tested)
        reason = (
            f"no score is certified: {tried.k} of {tried.n} labelled conversations accepted from "
            f"{tried.threshold:g} on, where the tests began, held a risky promise"
        )
    if lost:
        reason += f" (of these, {lost} drawn ones without a label count as risky)"
    if found.next_threshold is not None and found.labels_needed:
        reason += f"; {found.labels_needed} more labels might certify {found.next_threshold:g}"
    how = f"; level shared by {n_segments} segments" if n_segments > 1 else ""
    return {
        "threshold": found.threshold,
        "risk_limit": asked.risk_limit,
        "confidence": 1 - delta,
        "n_accepted": found.n,
        "n_risky": found.k,
        "p_value": found.p_value,
        "accepted_share": share,
        "labels_needed": found.labels_needed,
        "method": (
            "Learn-then-Test, fixed sequence from strict to loose, exact binomial p-values at "
            f"{percent(1 - delta)}, at most {percent(asked.risk_limit)} of the accepted "
            f"conversations risky; future traffic of the same mix{how}"
        ),
        "reason": reason,
    }
