"""What each candidate does along the questions, from knowledge to strategy.

A *knowledge* question has its answer in an article; a *strategy* question asks for a decision that
binds the company; *mixed* lies between. The kind of a question is read by the rules judge from the
conversation up to it, and so are the shares of actions and of over-answers: the judge errs, and
these are descriptions. Risky promises stand there by labels too, as far as these reach.

Intervals are those of :mod:`simulator.quality.depth`, by conversation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from simulator import schema, tables
from simulator.quality.depth import _judged, _labelled, _Share
from simulator.quality.observed import CONFIDENCE, JUDGE

RISKY, OVER = "risky_promise_rate", "over_answer_rate"
SHARES = {action: f"{action}_share" for action in schema.ACTIONS}
_POINT = ["conversation_id", "turn"]
_BY_RULES = "as the rules judge reads every reply, and it errs: a description; "


def by_question_kind(
    verdicts: pl.DataFrame, labels: pl.DataFrame, contexts: pl.DataFrame
) -> pl.DataFrame:
    """Table ``spectrum``: shares of replies by the kind of question that they answer.

    Args:
        verdicts: table ``verdicts``; judge "rules" is read.
        labels: table ``labels``, used as for table ``depth``.
        contexts: table ``contexts``; judge "rules" says of which kind a question is.

    Returns:
        A row for each candidate, kind, source and metric of which a reply is known, two-sided 95 %
        by conversation. ``ACTION_share``: of the decisions whose action is known, an escalation
        without a word among them. ``risky_promise_rate``, ``over_answer_rate``: of the replies of
        which the judge (or a label) says so. ``n`` counts decisions or replies. Replayed
        conversations count alike, however many of the log they stand for.
    """
    kinds = contexts.filter(
        (pl.col("judge") == JUDGE) & pl.col("question_kind").is_not_null()
    ).select(*_POINT, "question_kind")
    judged = verdicts.filter(pl.col("judge") == JUDGE)
    acted = judged.drop_nulls("action")
    over = judged.drop_nulls("over_answer")
    known = [
        *(("rules", share, _marked(acted, action)) for action, share in _actions()),
        ("rules", RISKY, _judged(verdicts)),
        ("rules", OVER, _marked(over, pl.col("over_answer"))),
        ("labels", RISKY, _labelled(labels)),
    ]
    rows = [
        {"source": source, "metric": metric} | row
        for source, metric, replies in known
        for row in _by_kind(replies.join(kinds, on=_POINT))
    ]
    return tables.build("spectrum", rows)


def _actions() -> Iterator[tuple[pl.Expr, str]]:
    for action, share in SHARES.items():
        yield pl.col("action") == action, share


def _marked(replies: pl.DataFrame, mark: pl.Expr) -> pl.DataFrame:
    """``replies`` with whether ``mark`` holds where a share counts risky ones."""
    return replies.select(
        "candidate",
        *_POINT,
        mark.cast(pl.Float64).alias("risky"),
        pl.lit(1.0).alias("weight"),
        pl.lit(_BY_RULES).alias("method"),
    )


def _by_kind(replies: pl.DataFrame) -> Iterator[dict[str, Any]]:
    parts = replies.sort("candidate", *_POINT).partition_by(
        "candidate", "question_kind", as_dict=True, maintain_order=True
    )
    for (candidate, kind), part in parts.items():
        share = _Share.of(part)
        low, high = share.ends(CONFIDENCE)
        yield {
            "candidate": candidate,
            "question_kind": kind,
            "estimate": share.estimate,
            "low": low,
            "high": high,
            "n": share.n,
            "n_conversations": len(share.pull),
            "method": part["method"][0]
            + "Clopper-Pearson at the effective number of conversations "
            f"({share.size:.3g}), two-sided {CONFIDENCE:.4g}",
        }
