"""The points at which two candidates can be set side by side, and what is known of each."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from simulator.comparison.decisions import (
    JUDGE,
    POINT,
    agreed,
    labelled_contexts,
    own_points,
)
from simulator.comparison.sides import Side
from simulator.evidence.audited import SIMPLE

OF_CONVERSATION = ("intent", "language", "channel")
OF_CONTEXT = ("question_kind", "risk", "emotion")
_DEEPEST = 5
# Whole weights keep the sign-flip test exact; a twentieth is finer than the draws are.
STEPS = 20


class Paired(NamedTuple):
    """Two candidates at the points that they share.

    Attributes:
        points: one row a shared point, in order: ``conversation_id, turn, place`` (a number for
            the conversation), ``said, incumbent_reply``, what :data:`SLICES` names, columns of
            labels (``needs_human, labelled_risk, info_sufficient, called_for``), weights, and
            ``our_*``, ``their_*`` as of :func:`simulator.comparison.decisions.own_points`, with
            ``labelled_risky``.
        n_only_ours, n_only_theirs: points that the other one's run does not have.
        n_otherwise: points of both whose context is not the same.
        n_not_replayed: points of both with the same context, but no row of one of the two.
        n_labelled: shared points with labels of their context.
        n_sliced_by_labels: shared points whose kind, risk or emotion labels say.
        weighted: whether labels count by how they were drawn.
    """

    points: pl.DataFrame
    n_only_ours: int
    n_only_theirs: int
    n_otherwise: int
    n_not_replayed: int
    n_labelled: int
    n_sliced_by_labels: int
    weighted: bool


def pair(ours: Side, theirs: Side) -> Paired:
    """Both candidates at the points that they share: same conversation, turn and context."""
    shared, n_only_ours, n_only_theirs, n_otherwise = _shared(ours, theirs)
    labels = [ours.labels] if ours.labels is theirs.labels else [ours.labels, theirs.labels]
    turns = pl.concat([table.filter(pl.col("unit") == "turn") for table in labels])
    weighted = turns.height > 0 and not turns["inclusion_prob"].null_count()
    contexts = labelled_contexts(labels).with_columns(pl.lit(True).alias("labelled"))
    contexts = contexts.rename({"risk": "labelled_risk"}).drop("names_missing")
    both = (
        shared.join(_named(ours, "our_"), on=POINT)
        .join(_named(theirs, "their_"), on=POINT)
        .sort(POINT)
    )
    conversations = pl.concat(
        [side.conversations.select("conversation_id", *OF_CONVERSATION) for side in (ours, theirs)]
        if ours.conversations is not theirs.conversations
        else [ours.conversations.select("conversation_id", *OF_CONVERSATION)]
    ).unique("conversation_id", keep="first", maintain_order=True)
    of_all = _weights(turns, weighted)
    of_ours, of_theirs = (
        _weights(
            side.labels.filter(
                (pl.col("candidate") == side.candidate) & (pl.col("unit") == "turn")
            ),
            weighted,
        ).rename({"weight": name})
        for side, name in ((ours, "our_weight"), (theirs, "their_weight"))
    )
    judged = pl.concat([_judged(side) for side in (ours, theirs)]).unique(
        POINT, keep="first", maintain_order=True
    )
    points = (
        both.join(conversations, on="conversation_id", how="left")
        .join(contexts, on=POINT, how="left")
        .join(judged, on=POINT, how="left", suffix="_judged")
        .join(of_all, on="conversation_id", how="left")
        .join(of_ours, on="conversation_id", how="left")
        .join(of_theirs, on="conversation_id", how="left")
        .with_columns(
            pl.col("labelled").fill_null(False),
            # Draws share their random numbers, so that both are drawn as often as the rarer is.
            pl.max_horizontal("our_weight", "their_weight").alias("weight_both"),
            pl.any_horizontal(
                pl.col("question_kind", "labelled_risk", "emotion").is_not_null()
            ).alias("said_by_labels"),
            pl.coalesce("question_kind", "question_kind_judged").alias("question_kind"),
            pl.coalesce("labelled_risk", "risk").alias("risk"),
            pl.coalesce("emotion", "emotion_judged").alias("emotion"),
            pl.when(pl.col("n_th") + 1 < _DEEPEST)
            .then((pl.col("n_th") + 1).cast(pl.String))
            .otherwise(pl.lit(f"{_DEEPEST}+"))
            .alias("depth"),
            pl.col("conversation_id").rle_id().alias("place"),
        )
        .drop("question_kind_judged", "emotion_judged", "n_th", "our_weight", "their_weight")
    )
    return Paired(
        points,
        n_only_ours,
        n_only_theirs,
        n_otherwise,
        shared.height - points.height,
        int(points["labelled"].sum()),
        int(points["said_by_labels"].sum()),
        weighted,
    )


def aligned(a: Side, b: Side) -> str | None:
    """Why two sides cannot be set side by side point by point, in a sentence; null if they can.

    They can where they share points (conversation and turn), and had the same context at each of
    them.
    """
    if a.decision_points is b.decision_points and a.decision_points.height:
        return None
    shared, only_a, only_b, otherwise = _shared(a, b)
    if otherwise:
        return (
            f"{a.name} and {b.name} share {shared.height + otherwise:,} points by conversation "
            f"and turn, but at {otherwise:,} of them something else had been said before: their "
            "conversations went their own way, so that later turns have nothing in common."
        )
    if not shared.height:
        return (
            f"{a.name} and {b.name} share no point: {only_a:,} are only in the one and {only_b:,} "
            "only in the other."
        )
    return None


def _shared(ours: Side, theirs: Side) -> tuple[pl.DataFrame, int, int, int]:
    """Points with an equal context, and how many are only ours, only theirs, and otherwise."""
    mine = ours.decision_points.select(
        *POINT,
        "n_th",
        "context_hash",
        pl.col("text").alias("said"),
        pl.col("reply").alias("incumbent_reply"),
    )
    if ours.decision_points is theirs.decision_points:
        return mine.drop("context_hash"), 0, 0, 0
    other = theirs.decision_points.select(*POINT, pl.col("context_hash").alias("other_hash"))
    met = mine.join(other, on=POINT)
    same = met.filter(pl.col("context_hash") == pl.col("other_hash"))
    return (
        same.drop("context_hash", "other_hash"),
        mine.height - met.height,
        other.height - met.height,
        met.height - same.height,
    )


def _named(side: Side, prefix: str) -> pl.DataFrame:
    """The side's candidate at its points, columns with a prefix."""
    labelled = (
        side.labels.filter((pl.col("unit") == "turn") & (pl.col("candidate") == side.candidate))
        .group_by(POINT)
        .agg(agreed("risky_promise").alias("labelled_risky"))
    )
    own = own_points(side).join(labelled, on=POINT, how="left")
    return own.rename({name: f"{prefix}{name}" for name in own.columns if name not in POINT})


def _judged(side: Side) -> pl.DataFrame:
    return side.contexts.filter(pl.col("judge") == JUDGE).select(*POINT, *OF_CONTEXT)


def _weights(labels: pl.DataFrame, weighted: bool) -> pl.DataFrame:
    """``conversation_id, weight``: what a labelled conversation stands for.

    Every draw by itself counts each conversation as often as it is in the log, if what it drew is
    multiplied by 1 / ``inclusion_prob``; here they count together, each by its size.
    """
    draw = ["candidate", "stage", "draw_id", "simple"]
    drawn = (
        labels.with_columns((pl.col("stratum") == SIMPLE).alias("simple"))
        .select(*draw, "conversation_id", "inclusion_prob")
        .unique()
        .sort(*draw, "conversation_id")
    )
    if not weighted:
        return drawn.select("conversation_id", pl.lit(1.0).alias("weight")).unique()
    # In order: a weight a hair beside a half step would be rounded now up, now down.
    return (
        drawn.with_columns(pl.len().over(draw).alias("size"))
        .group_by("conversation_id", maintain_order=True)
        .agg((pl.col("size") / pl.col("inclusion_prob")).sum().alias("weight"))
        .with_columns(pl.col("weight") / drawn.height)
    )


def on_lattice(weights: pl.Series) -> pl.Series:
    """Weights as whole steps, a twentieth of their mean each, none below one step."""
    return (weights / weights.mean() * STEPS).round(0).clip(lower_bound=1.0)
