"""Who handles a turn at each stage: human, assist (a human with a draft) or auto.

Auto runs from the first decision point on, as long as the stage's rules hold at every point; once
a human has entered, all later points are the human's. Routing uses only what a live system has.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from simulator.scenario import Stage
from simulator.schema import RISKS
from simulator.tables import conform

_POINT = ("conversation_id", "turn")


def decide(
    points: pl.DataFrame,
    conversations: pl.DataFrame,
    contexts: pl.DataFrame,
    scores: pl.DataFrame,
    found: pl.DataFrame,
    stages: Sequence[Stage],
) -> pl.DataFrame:
    """The table ``decisions``.

    The first stage is the baseline and has candidate ``human`` alone; every other stage has every
    other candidate.

    Args:
        points: table ``decision_points``.
        conversations: table ``conversations`` (intent, language, channel).
        contexts: table ``contexts``.
        scores: ``candidate, conversation_id, turn, score`` of the table ``shadow``.
        found: ``rollout.settle.matches``: action and match of each reply.
        stages: the ladder.
    """
    base = (
        points.select(*_POINT, "n_th")
        .join(
            conversations.select("conversation_id", "intent", "language", "channel"),
            on="conversation_id",
            how="left",
            maintain_order="left",
        )
        .join(contexts.select(*_POINT, "risk"), on=_POINT, how="left", maintain_order="left")
        .sort(_POINT)
    )
    human = base.select(
        pl.lit(stages[0].name).alias("stage"),
        pl.lit("human").alias("candidate"),
        *_POINT,
        pl.lit("human").alias("mode"),
        pl.lit("stage").alias("rule"),
        pl.lit("reached").alias("reach"),
    )
    replies = base.join(found, on=_POINT, how="inner", maintain_order="left").join(
        scores, on=("candidate", *_POINT), how="left", maintain_order="left"
    )
    frames = [conform("decisions", human)]
    frames += [_stage(stage, replies) for stage in stages[1:]] if replies.height else []
    return conform("decisions", pl.concat(frames).sort("stage", "candidate", *_POINT))


def _stage(stage: Stage, replies: pl.DataFrame) -> pl.DataFrame:
    # What the agent makes of a draft: the same message is sent as it is, the same decision in other
    # words is edited, another decision is thrown away.
    draft = (
        pl.when(~pl.col("replied"))
        .then(pl.lit(None, dtype=pl.String))
        .when("matched")
        .then(pl.lit("accepted"))
        .when("same_action")
        .then(pl.lit("edited"))
        .otherwise(pl.lit("rejected"))
    )
    rows = replies.with_columns(pl.lit(stage.name).alias("stage"))
    if stage.auto_when is None:
        rows = rows.with_columns(
            pl.lit(stage.otherwise).alias("mode"),
            pl.lit("stage").alias("rule"),
            pl.lit("reached").alias("reach"),
        )
    else:
        conversation = ("candidate", "conversation_id")
        rows = (
            rows.sort("candidate", *_POINT)
            .with_columns(_barrier(stage).alias("barrier"))
            .with_columns(
                (
                    pl.col("barrier").is_not_null()
                    | (pl.col("action") == "escalate").fill_null(False)
                    | ~pl.col("replied")
                ).alias("ends"),
                (pl.col("barrier").is_null() & ~pl.col("matched")).alias("differs"),
            )
            .with_columns(
                _any_before("ends").over(conversation).alias("handed"),
                _any_before("differs").over(conversation).alias("diverged"),
            )
            .with_columns(
                pl.when("handed")
                .then(pl.lit("after_human"))
                .otherwise(pl.col("barrier").fill_null("auto"))
                .alias("rule"),
                pl.when("handed")
                .then(pl.lit("after_handoff"))
                .when("diverged")
                .then(pl.lit("after_divergence"))
                .otherwise(pl.lit("reached"))
                .alias("reach"),
            )
            .with_columns(
                pl.when(pl.col("rule") == "auto")
                .then(pl.lit("auto"))
                .otherwise(pl.lit(stage.otherwise))
                .alias("mode")
            )
        )
    return conform(
        "decisions",
        rows.with_columns(pl.when(pl.col("mode") == "assist").then(draft).alias("draft")),
    )


def _any_before(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Int64).cum_sum().shift(1, fill_value=0) > 0


def _barrier(stage: Stage) -> pl.Expr:
    """The first rule of the stage that keeps a point from the bot; null where none does."""
    when = stage.auto_when
    assert when is not None
    ranks = {risk: rank for rank, risk in enumerate(RISKS)}
    # An unjudged point counts as high risk.
    risk = pl.col("risk").fill_null("high").replace_strict(ranks, return_dtype=pl.Int64)
    barriers = [pl.when(risk > ranks[when.max_risk]).then(pl.lit("risk"))]
    for column, allowed in (
        ("intent", when.intents),
        ("language", when.languages),
        ("channel", when.channels),
    ):
        if allowed is not None:
            outside = ~pl.col(column).is_in(list(allowed)).fill_null(False)
            barriers.append(pl.when(outside).then(pl.lit(column)))
    if when.min_score is not None:
        unsure = ~(pl.col("score") >= when.min_score).fill_null(False)
        barriers.append(pl.when(unsure).then(pl.lit("score")))
    return pl.coalesce(barriers)
