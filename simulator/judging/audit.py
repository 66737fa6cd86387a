"""Which conversations an audit is about, and which of them people are asked to label.

The *auto domain* of a stage and candidate: the decision points at which the customer would have
read the candidate's own words: mode auto and a reply, not after a handoff. Escalations and
errors are outside it, and counted. Points after a divergence are inside: the words there are
the candidate's, though the customer's answers were given to somebody else.

A conversation without such a point (routed to people, handed over or without a reply from the
start) can hold no risky promise of the bot. It can hold high risk that was left to people in time,
so people label some of these too, as a stratum of their own: ``no_bot``.

Why the verdicts only choose strata: a judge that misses half of the risky replies would halve
any rate read off it. It decides where labels are looked for; what counts is the label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from simulator.evidence.audited import NO_BOT, outside
from simulator.evidence.rates import allocate
from simulator.scenario import Stage
from simulator.streams import Streams, stable_hash

STRATA = ("flagged", "unflagged")

_CELL = ["stage", "candidate"]
_POINT = ["candidate", "conversation_id", "turn"]

# Before labels nobody knows the judge's precision: among the flagged a half is the guess that
# asks for most labels. Among the unflagged the floor of `allocate` (0.5 %) stands in.
_GUESS = (0.5, 0.0)
# Auditing only what was flagged certifies nothing.
_LEAST = (0.0, 0.6)


def auto_points(
    decisions: pl.DataFrame,
    shadow: pl.DataFrame,
    verdicts: pl.DataFrame,
    settlements: pl.DataFrame,
) -> pl.DataFrame:
    """The decision points of the auto domain.

    Args:
        decisions: table ``decisions``.
        shadow: table ``shadow``; its ``action``, where null, is taken from the verdicts.
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


def draw(domain: pl.DataFrame, labels: int, streams: Streams, draw_id: str) -> pl.DataFrame:
    """A stratified simple random sample of conversations for people to label.

    Per stage and candidate, strata flagged and unflagged; labels in proportion to
    N_h sqrt(p_h q_h), at least 60 % of them to the unflagged, none above N_h (the rest goes to
    the other stratum). Stages and candidates share their random numbers, so that they are
    audited on the same conversations as far as their domains overlap.

    Args:
        domain: what :func:`auto_domain` gives.
        labels: conversations a stage and candidate, at least 1.
        streams: the random numbers.
        draw_id: names the draw; another name is another sample.

    Returns:
        ``stage, candidate, conversation_id, stratum, inclusion_prob`` (n_h / N_h), ``draw_id``.

    Raises:
        ValueError: ``labels`` below 1.
    """
    _at_least_one(labels)
    domain = domain.sort(*_CELL, "conversation_id")
    chosen = [_sample(part, labels, streams, draw_id) for part in domain.partition_by(_CELL)] or [
        _sample(domain, labels, streams, draw_id)
    ]
    return pl.concat(chosen).sort(*_CELL, "conversation_id")


def draw_no_bot(
    settlements: pl.DataFrame,
    domain: pl.DataFrame,
    stages: Sequence[Stage],
    labels: int,
    streams: Streams,
    draw_id: str,
) -> pl.DataFrame:
    """A simple random sample of the conversations outside the auto domain, per cell.

    Args:
        settlements: table ``settlements``.
        domain: what :func:`auto_domain` gives.
        stages: the ladder; only stages with an automatic part are drawn from.
        labels: conversations a stage and candidate, at least 1 (fewer where there are fewer).
        streams, draw_id: as :func:`draw`.

    Returns:
        The columns of :func:`draw`, stratum "no_bot".

    Raises:
        ValueError: ``labels`` below 1.
    """
    _at_least_one(labels)
    automatic = [stage.name for stage in stages if stage.auto_when is not None]
    rest = outside(domain, settlements.filter(pl.col("stage").is_in(automatic)))
    rest = rest.sort(*_CELL, "conversation_id")
    chosen = [
        _at_random(part, labels, NO_BOT, streams, draw_id)
        for part in (rest.partition_by(_CELL) or [rest])
    ]
    return pl.concat(chosen).sort(*_CELL, "conversation_id")


def _at_least_one(labels: int) -> None:
    if labels < 1:
        raise ValueError(f"labels = {labels}; expected at least 1")


def _sample(part: pl.DataFrame, labels: int, streams: Streams, draw_id: str) -> pl.DataFrame:
    strata = [part.filter(pl.col("flagged")), part.filter(~pl.col("flagged"))]
    units = [stratum.height for stratum in strata]
    shares = allocate(units, _GUESS, labels, _LEAST)
    return pl.concat(
        _at_random(stratum, n, name, streams, draw_id)
        for name, stratum, n in zip(STRATA, strata, shares, strict=True)
    )


def _at_random(
    stratum: pl.DataFrame, labels: int, name: str, streams: Streams, draw_id: str
) -> pl.DataFrame:
    names = stable_hash(stratum["conversation_id"])
    n = min(labels, stratum.height)
    order = np.argsort(streams.uniform(names, f"audit.{draw_id}"), kind="stable")[:n]
    return stratum[order].select(
        *_CELL,
        "conversation_id",
        pl.lit(name).alias("stratum"),
        pl.lit(n / max(stratum.height, 1)).alias("inclusion_prob"),
        pl.lit(draw_id).alias("draw_id"),
    )


def _sorted_out(
    decisions: pl.DataFrame,
    shadow: pl.DataFrame,
    verdicts: pl.DataFrame,
    settlements: pl.DataFrame,
) -> pl.DataFrame:
    judged = verdicts.group_by(_POINT).agg(
        pl.col("action").drop_nulls().first().alias("judged_action"),
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
    escalates = pl.coalesce("action", "judged_action").eq("escalate").fill_null(False)
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
