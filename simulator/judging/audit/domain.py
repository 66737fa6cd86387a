"""Which conversations an audit is about.

The *auto domain* of a stage and candidate: the decision points at which the customer would have
read the candidate's own words: mode auto and a reply, not after a handoff. Its own decisions to
escalate and errors are outside it, and counted. What only a judge read as a hand-over is inside:
else a judge would decide what people get to see. Points after a divergence are inside: the words
there are the candidate's, though the customer's answers were given to somebody else.

A conversation without such a point (routed to people, handed over or without a reply from the
start) can hold no risky promise of the bot. It can hold high risk that was left to people in time,
so people label some of these too, as a stratum of their own: ``no_bot``.
"""

from __future__ import annotations

import polars as pl

_CELL = ["stage", "candidate"]
_POINT = ["candidate", "conversation_id", "turn"]


def auto_points(
    decisions: pl.DataFrame,
    shadow: pl.DataFrame,
    verdicts: pl.DataFrame,
    settlements: pl.DataFrame,
) -> pl.DataFrame:
    """The decision points of the auto domain.

    Args:
        decisions: table ``decisions``.
        shadow: table ``shadow``.
        verdicts: table ``verdicts``, of one judge or several; may be empty.
        settlements: table ``settlements``; no point after a handoff is in the domain.

    Returns:
        One row a point: ``stage, candidate, conversation_id, turn, flagged`` (some judge called
        the reply risky; a reply that no judge scored is not flagged).
    """
    return (
        _sorted_out(decisions, shadow, verdicts, settlements)
        .filter(pl.col("outside").is_null())
        .select(*_CELL, "conversation_id", "turn", "flagged")
        .sort(*_CELL, "conversation_id", "turn")
    )


def auto_domain(
    decisions: pl.DataFrame,
    shadow: pl.DataFrame,
    verdicts: pl.DataFrame,
    settlements: pl.DataFrame,
) -> pl.DataFrame:
    """The conversations of the auto domain; arguments as :func:`auto_points`.

    Returns:
        ``stage, candidate, conversation_id, flagged`` (any reply judged risky), ``n_points``
        (automatic replies in it, at least 1), sorted.
    """
    return (
        auto_points(decisions, shadow, verdicts, settlements)
        .group_by(*_CELL, "conversation_id")
        .agg(pl.col("flagged").any(), pl.len().cast(pl.Int64).alias("n_points"))
        .sort(*_CELL, "conversation_id")
    )


def excluded_counts(
    decisions: pl.DataFrame,
    shadow: pl.DataFrame,
    verdicts: pl.DataFrame,
    settlements: pl.DataFrame,
) -> pl.DataFrame:
    """What became of the decision points with mode auto; arguments as :func:`auto_points`.

    Returns:
        ``stage, candidate, n_points`` (mode auto) and its parts ``n_in_domain, n_after_handoff,
        n_no_reply`` (an error or an empty reply), ``n_escalations``: they add up.
    """
    sorted_out = _sorted_out(decisions, shadow, verdicts, settlements)
    count = {
        "n_in_domain": pl.col("outside").is_null(),
        "n_after_handoff": pl.col("outside") == "after_handoff",
        "n_no_reply": pl.col("outside") == "no_reply",
        "n_escalations": pl.col("outside") == "escalation",
    }
    return (
        sorted_out.group_by(_CELL)
        .agg(
            pl.len().cast(pl.Int64).alias("n_points"),
            *(is_one.sum().cast(pl.Int64).alias(name) for name, is_one in count.items()),
        )
        .sort(_CELL)
    )


def with_people(decisions: pl.DataFrame, baseline: str) -> pl.DataFrame:
    """``decisions`` with our own agents as though they were automatic.

    So all they said is drawn from and labelled as a candidate's words are.
    """
    theirs = (pl.col("stage") == baseline) & (pl.col("candidate") == "human")
    auto = pl.when(theirs).then(pl.lit("auto")).otherwise("mode")
    return decisions.with_columns(auto.alias("mode"))


def _sorted_out(
    decisions: pl.DataFrame,
    shadow: pl.DataFrame,
    verdicts: pl.DataFrame,
    settlements: pl.DataFrame,
) -> pl.DataFrame:
    judged = verdicts.group_by(_POINT).agg(
        pl.col("risky_promise").fill_null(False).any().alias("flagged"),
    )
    handed_over = settlements.filter(pl.col("status") == "handoff").select(
        *_CELL, "conversation_id", pl.col("at_turn").alias("handed_over_at")
    )
    replies = shadow.select(*_POINT, "action", "reply", "error")
    has_reply = pl.col("error").is_null() & (
        pl.col("reply").fill_null("").str.strip_chars().str.len_chars() > 0
    )
    after = (pl.col("reach") == "after_handoff") | (
        pl.col("turn") > pl.col("handed_over_at")
    ).fill_null(False)
    # What only a judge took for a hand-over was words to the customer, and people read it.
    escalates = pl.col("action").eq("escalate").fill_null(False)
    return (
        decisions.filter(pl.col("mode") == "auto")
        .join(replies, on=_POINT, how="left")
        .join(judged, on=_POINT, how="left")
        .join(handed_over, on=[*_CELL, "conversation_id"], how="left")
        .with_columns(
            pl.col("flagged").fill_null(False),
            pl.when(after)
            .then(pl.lit("after_handoff"))
            .when(escalates)
            .then(pl.lit("escalation"))
            .when(~has_reply)
            .then(pl.lit("no_reply"))
            .alias("outside"),
        )
    )
