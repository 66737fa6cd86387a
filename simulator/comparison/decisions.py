"""What a decision point called for by its labels, and what candidates did there.

What labels call for follows the order of harm, as in :mod:`simulator.candidates.guarded`:
escalate where a person is needed or risk is high; else soothe where the customer is angry (upset
alone does not stop an answer); else clarify where information lacks and it is known what; else
refuse where it lacks; else answer. It is unknown where a column on the way there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from simulator import tables
from simulator.comparison.sides import Side
from simulator.schema.columns import ACTIONS
from simulator.schema.comparison import NO_DECISION

POINT = ["conversation_id", "turn"]
JUDGE = "rules"
INCUMBENT = "human"
_CONTEXT = ("question_kind", "risk", "needs_human", "info_sufficient", "names_missing", "emotion")


def agreed(name: str) -> pl.Expr:
    """The value that all who gave one gave; else null."""
    known = pl.col(name).drop_nulls()
    return pl.when(known.n_unique() == 1).then(known.first()).alias(name)


def own_points(side: Side) -> pl.DataFrame:
    """The points of a side's candidate.

    Returns:
        ``conversation_id, turn, reply, action`` (of the candidate, else of the rules judge; null
        where neither says it, and where there is no reply either unless it escalated), ``spoke``
        (there is a reply), tokens, seconds, and of the rules judge ``risky_promise,
        compliance_breach, over_answer, tone, evidence``, null without a reply.
    """
    verdicts = side.verdicts.filter(
        (pl.col("judge") == JUDGE) & (pl.col("candidate") == side.candidate)
    ).select(
        *POINT,
        pl.col("action").alias("judged"),
        "risky_promise",
        "compliance_breach",
        "over_answer",
        "tone",
        "evidence",
    )
    spoke = pl.col("reply").is_not_null() & pl.col("error").is_null()
    found = ("risky_promise", "compliance_breach", "over_answer", "tone", "evidence")
    return (
        side.shadow.filter(pl.col("candidate") == side.candidate)
        .select(
            *POINT,
            "action",
            "prompt_tokens",
            "completion_tokens",
            "latency_s",
            spoke.alias("spoke"),
            pl.when(spoke).then("reply").alias("reply"),
        )
        .join(verdicts, on=POINT, how="left")
        .with_columns(
            # What was meant to be said before an error reached nobody.
            pl.when("spoke")
            .then(pl.coalesce("action", "judged"))
            .when(pl.col("action") == "escalate")
            .then("action")
            .alias("action"),
            *(pl.when("spoke").then(name).alias(name) for name in found),
        )
        .drop("judged")
    )


def labelled_contexts(labels: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """What labels say of each customer's point, whichever candidate it was labelled for.

    Args:
        labels: tables ``labels`` over the same points; labels that contradict count as none.

    Returns:
        ``conversation_id, turn, question_kind, risk, needs_human, info_sufficient,
        names_missing`` (whether it is known what to ask for), ``emotion, called_for``.
    """
    return (
        pl.concat(
            table.filter(pl.col("unit") == "turn").select(
                *POINT,
                "question_kind",
                "risk",
                "needs_human",
                "info_sufficient",
                (pl.col("missing_info").list.len() > 0).alias("names_missing"),
                "emotion",
            )
            for table in labels
        )
        .group_by(POINT)
        .agg(agreed(name) for name in _CONTEXT)
        .with_columns(called_for().alias("called_for"))
    )


def for_people(risk: str = "risk") -> pl.Expr:
    """Whether labels leave the point to a person; null where they do not tell."""
    return pl.col("needs_human") | (pl.col(risk) == "high")


def called_for() -> pl.Expr:
    """The action that labels call for, as the module says."""
    angry, informed, missing = (
        pl.col("emotion") == "angry",
        pl.col("info_sufficient"),
        pl.col("names_missing"),
    )
    return (
        pl.when(for_people())
        .then(pl.lit("escalate"))
        .when(for_people().is_null())
        .then(None)
        .when(angry)
        .then(pl.lit("soothe"))
        .when(angry.is_null())
        .then(None)
        .when(informed)
        .then(pl.lit("answer"))
        .when(informed.is_null())
        .then(None)
        .when(missing)
        .then(pl.lit("clarify"))
        .when(missing.is_null())
        .then(None)
        .otherwise(pl.lit("refuse"))
    )


def incumbent_actions(side: Side) -> pl.DataFrame:
    """``conversation_id, turn, called_for``: what the incumbent did, where that is known."""
    human = own_points(side._replace(candidate=INCUMBENT)).select(
        *POINT, pl.col("action").alias("judged")
    )
    return (
        side.decision_points.select(*POINT, "reply_action")
        .join(human, on=POINT, how="left")
        .select(*POINT, pl.coalesce("reply_action", "judged").alias("called_for"))
        .drop_nulls("called_for")
    )


def decision_matrix(sides: Sequence[Side]) -> pl.DataFrame:
    """Table ``decision_matrix``: each of ``sides`` over all points of its run."""
    order = {action: place for place, action in enumerate((*ACTIONS, NO_DECISION))}
    found = []
    for side in sides:
        did = own_points(side).select(*POINT, pl.col("action").fill_null(NO_DECISION).alias("did"))
        for against, wanted in (
            ("labels", labelled_contexts([side.labels]).drop_nulls("called_for")),
            ("incumbent", incumbent_actions(side)),
        ):
            found.append(
                wanted.select(*POINT, "called_for")
                .join(did, on=POINT)
                .group_by("called_for", "did")
                .agg(pl.len().cast(pl.Int64).alias("n"))
                .sort(
                    pl.col("called_for", "did").replace_strict(order, return_dtype=pl.Int64),
                )
                .with_columns(
                    pl.lit(side.name).alias("candidate"), pl.lit(against).alias("against")
                )
            )
    return tables.conform("decision_matrix", pl.concat(found))
