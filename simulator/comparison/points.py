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
from simulator.evidence.audited import SIMPLE, with_draw

OF_CONVERSATION = ("intent", "language", "channel")
OF_CONTEXT = ("question_kind", "risk", "emotion")
_DEEPEST = 5
# Whole weights keep the sign-flip test exact; a twentieth is finer than the draws are.
STEPS = 20
# A draw stands for the whole replay if its conversations, each counted 1 / inclusion_prob, come to
# nearly all of it: some drawn are never labelled. A draw of the auto domain alone does not.
_COVERS = 0.95
# Of the conversations that both have: more, and the two were not shown the same history.
_OWN_WAY = 0.05
# The stratum of labels that were given to another reply than the run now holds.
_CHANGED = "changed"


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
        n_without_chance: of those labelled, points of conversations in no draw of known chances
            that stands for the whole replay; their weight is null where others have one.
        weighted: whether labels of what customers said count by how they were drawn.
        replies_weighted: whether labels of replies do.
    """

    points: pl.DataFrame
    n_only_ours: int
    n_only_theirs: int
    n_otherwise: int
    n_not_replayed: int
    n_labelled: int
    n_sliced_by_labels: int
    n_without_chance: int
    weighted: bool
    replies_weighted: bool


def pair(ours: Side, theirs: Side) -> Paired:
    """Both candidates at the points that they share: same conversation, turn and context."""
    shared, n_only_ours, n_only_theirs, n_otherwise = _shared(ours, theirs)
    labels = [ours.labels] if ours.labels is theirs.labels else [ours.labels, theirs.labels]
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
    drawn = [_drawn(side) for side in ((ours,) if len(labels) == 1 else (ours, theirs))]
    of_all = _weights(pl.concat(drawn).unique())
    of_ours, of_theirs = (
        _weights(each.filter(pl.col("candidate") == side.candidate)).rename({"weight": name})
        for each, side, name in (
            (drawn[0], ours, "our_weight"),
            (drawn[-1], theirs, "their_weight"),
        )
    )
    weighted = not of_all.is_empty()
    replies_weighted = not of_ours.is_empty() and not of_theirs.is_empty()
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
            pl.col("weight") if weighted else pl.lit(1.0).alias("weight"),
            # Draws share their random numbers, so that both are drawn as often as the rarer is.
            pl.when(pl.col("our_weight").is_not_null() & pl.col("their_weight").is_not_null())
            .then(pl.max_horizontal("our_weight", "their_weight"))
            .alias("weight_both")
            if replies_weighted
            else pl.lit(1.0).alias("weight_both"),
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
        points.filter(pl.col("labelled") & pl.col("weight").is_null()).height,
        weighted,
        replies_weighted,
    )


def aligned(a: Side, b: Side) -> str | None:
    """Why two sides cannot be set side by side point by point, in a sentence; null if they can.

    They can where they share points (conversation and turn), and had the same context at all of
    them in at least 95 % of the conversations that share any. The few others are left out by
    :func:`pair`, point by point.
    """
    if a.decision_points is b.decision_points and a.decision_points.height:
        return None
    met, only_a, only_b = _met(a, b)
    talks = met.group_by("conversation_id").agg(pl.col("same").all())
    parted = talks.filter(~pl.col("same")).height
    if parted > _OWN_WAY * talks.height:
        otherwise = met.filter(~pl.col("same")).height
        return (
            f"{a.name} and {b.name} share {met.height:,} points by conversation and turn, but at "
            f"{otherwise:,} of them, in {parted:,} of {talks.height:,} conversations, something "
            "else had been said before: their conversations went their own way, so that later "
            "turns have nothing in common."
        )
    if met.is_empty():
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
        pl.col("text").alias("said"),
        pl.col("reply").alias("incumbent_reply"),
    )
    if ours.decision_points is theirs.decision_points:
        return mine, 0, 0, 0
    met, only_ours, only_theirs = _met(ours, theirs)
    same = mine.join(met.filter("same"), on=POINT, how="semi")
    return same, only_ours, only_theirs, met.height - same.height


def _met(ours: Side, theirs: Side) -> tuple[pl.DataFrame, int, int]:
    """``conversation_id, turn, same`` of points of both; how many are only ours, only theirs."""
    mine, other = (
        side.decision_points.select(*POINT, pl.col("context_hash").alias(name))
        for side, name in ((ours, "our_hash"), (theirs, "their_hash"))
    )
    met = mine.join(other, on=POINT).select(
        *POINT, (pl.col("our_hash") == pl.col("their_hash")).fill_null(False).alias("same")
    )
    return met, mine.height - met.height, other.height - met.height


def _named(side: Side, prefix: str) -> pl.DataFrame:
    """The side's candidate at its points, columns with a prefix."""
    labelled = (
        side.labels.filter(
            (pl.col("unit") == "turn")
            & (pl.col("candidate") == side.candidate)
            & (pl.col("stratum") != _CHANGED).fill_null(True)
        )
        .group_by(POINT)
        .agg(agreed("risky_promise").alias("labelled_risky"))
    )
    own = (
        own_points(side)
        .join(labelled, on=POINT, how="left")
        # Whatever was labelled there, it is not what the candidate says in this run.
        .with_columns(pl.when("spoke").then("labelled_risky").alias("labelled_risky"))
    )
    return own.rename({name: f"{prefix}{name}" for name in own.columns if name not in POINT})


def _judged(side: Side) -> pl.DataFrame:
    return side.contexts.filter(pl.col("judge") == JUDGE).select(*POINT, *OF_CONTEXT)


def _drawn(side: Side) -> pl.DataFrame:
    """The labelled conversations of every draw that stands for the whole replay.

    Left out are simple draws, which are of the auto domain alone, and strata that one segment had
    besides, as are labels of other replies than now and of an unknown chance.

    Returns:
        ``candidate, draw_id, conversation_id, inclusion_prob``.
    """
    cell = ["candidate", "stage", "draw_id"]
    replayed = side.decision_points.select("conversation_id").unique()
    return (
        with_draw(side.labels.filter(pl.col("unit") == "turn"))
        .filter(
            (pl.col("drawn_in") == "all")
            & ~pl.col("stratum").is_in([SIMPLE, _CHANGED]).fill_null(False)
            & pl.col("inclusion_prob").is_not_null()
        )
        .join(replayed, on="conversation_id", how="semi")
        .select(*cell, "conversation_id", "inclusion_prob")
        .unique()
        .filter((1 / pl.col("inclusion_prob")).sum().over(cell) >= _COVERS * replayed.height)
        .drop("stage")
    )


def _weights(drawn: pl.DataFrame) -> pl.DataFrame:
    """``conversation_id, weight``: what a labelled conversation stands for, of :func:`_drawn`.

    Stages and candidates share the random numbers of a draw: whatever one of them drew, the one
    with the highest chance drew too, so that this is the chance to be in the draw at all. Every
    draw counts each conversation as often as it is in the replay, if multiplied by 1 / chance;
    several draws count together, each by its conversations.
    """
    chances = (
        drawn.group_by("draw_id", "conversation_id")
        .agg(pl.col("inclusion_prob").max())
        .with_columns(pl.len().over("draw_id").alias("size"))
    )
    # In order: a weight a hair beside a half step would be rounded now up, now down.
    return (
        chances.sort("draw_id", "conversation_id")
        .group_by("conversation_id", maintain_order=True)
        .agg((pl.col("size") / pl.col("inclusion_prob")).sum().alias("weight"))
        .with_columns(pl.col("weight") / chances.height)
    )


def on_lattice(weights: pl.Series) -> pl.Series:
    """Weights as whole steps, a twentieth of their mean each, none below one step.

    For a test of swapped signs alone, which holds whatever the weights are; an estimate counts the
    weights themselves.
    """
    return (weights / weights.mean() * STEPS).round(0).clip(lower_bound=1.0)
