"""The decision points of a cell as an audit sees them."""

from __future__ import annotations

import polars as pl

from simulator.evidence.audited import NO_BOT, SIMPLE, outside
from simulator.judging.audit.domain import auto_domain, auto_points
from simulator.judging.audit.draw import STRATA
from simulator.judging.audit.read_labels import reply_digest
from simulator.streams import Streams, stable_hash

_POINT = ["conversation_id", "turn"]


def audit_points(
    decision_points: pl.DataFrame,
    decisions: pl.DataFrame,
    shadow: pl.DataFrame,
    verdicts: pl.DataFrame,
    settlements: pl.DataFrame,
    *,
    simple: bool,
) -> pl.DataFrame:
    """Every decision point of one cell, in and outside the auto domain.

    A point that the bot does not answer is in too: whether high risk was left to people is read
    off all the points of a conversation.

    Args:
        decision_points, decisions, shadow, verdicts, settlements: the tables, the last four of one
            stage and candidate.
        simple: the domain is one stratum, whatever a judge says.

    Returns:
        ``conversation_id, turn, point`` (from 1), ``at, stratum, replied, reply, digest``;
        ``reply`` is null where no word of the candidate would have reached the customer.
    """
    decided = (decisions, shadow, verdicts, settlements)
    domain, spoken = auto_domain(*decided), auto_points(*decided)
    verdict = pl.when("flagged").then(pl.lit(STRATA[0])).otherwise(pl.lit(STRATA[1]))
    inside = domain.select(
        "conversation_id", (pl.lit(SIMPLE) if simple else verdict).alias("stratum")
    )
    rest = outside(domain, settlements).select("conversation_id", pl.lit(NO_BOT).alias("stratum"))
    words = spoken.select(*_POINT, pl.lit(True).alias("replied")).join(
        shadow.select(*_POINT, "reply"), on=_POINT, how="left"
    )
    return (
        decision_points.select(*_POINT, (pl.col("n_th") + 1).alias("point"), "at")
        .join(pl.concat([inside, rest]), on="conversation_id")
        .join(words, on=_POINT, how="left")
        .with_columns(
            pl.col("replied").fill_null(False),
            pl.col("reply").map_elements(reply_digest, pl.String, skip_nulls=False).alias("digest"),
        )
        .sort(_POINT)
    )


def as_drawn(
    chosen: pl.DataFrame,
    points: pl.DataFrame,
    names: tuple[str, str, str, str, str],
    simple: bool,
    number: int,
    doubles: float,
    streams: Streams,
) -> pl.DataFrame:
    """A draw, a row a decision point: the columns of :func:`simulator.judging.audit.kept.draws`.

    Args:
        chosen: what :func:`simulator.judging.audit.draw.rounds` gives.
        points: what :func:`audit_points` gives.
        names: ``draw_id, stage, candidate, segment, split``.
        simple: whether the domain was one stratum.
        number: of the round, from 1.
        doubles: share of the conversations that a second person labels too.
        streams: random numbers, for who is labelled twice.
    """
    columns = ("draw_id", "stage", "candidate", "segment", "split")
    at_random = streams.uniform(stable_hash(chosen["conversation_id"]), f"audit.double.{names[0]}")
    double = pl.Series("double", at_random).rank("ordinal") <= round(doubles * chosen.height)
    return (
        points.drop("stratum", "at", "reply")
        .join(chosen.with_columns(double), on="conversation_id")
        .with_columns(
            *(pl.lit(name).alias(column) for column, name in zip(columns, names, strict=True)),
            pl.lit(simple).alias("simple"),
            pl.lit(number).alias("round"),
        )
        .sort(_POINT)
    )


def by_segment(
    units: pl.DataFrame, of: pl.DataFrame, draws: pl.DataFrame, segment: str
) -> pl.DataFrame:
    """``units`` with those segments that have draws of their own as strata of their own.

    A segment that was drawn more densely than the rest would weigh too much in a sample of all;
    as a stratum of its own it weighs what it is.

    Args:
        units: ``conversation_id, stratum``.
        of: ``conversation_id, segment``.
        draws: ``segment`` of each draw of the cell.
        segment: what is asked about; within a segment there is nothing to set apart.
    """
    deeper = set(draws["segment"]) - {"all"} if segment == "all" else set()
    own = of.filter(pl.col("segment").is_in(list(deeper)))
    return units.join(own, on="conversation_id", how="left").select(
        "conversation_id",
        pl.when(pl.col("segment").is_not_null())
        .then(pl.format("{} in {}", "stratum", "segment"))
        .otherwise("stratum")
        .alias("stratum"),
    )


def stratum_drawn() -> pl.Expr:
    """The stratum of a row of a draw, as labels carry it: of a segment's own draw with its name.

    A sample of a segment is none of the whole: its labels must not be taken for one.
    """
    return (
        pl.when(pl.col("segment") == "all")
        .then("stratum")
        .otherwise(pl.format("{} in {}", "stratum", "segment"))
        .alias("stratum")
    )
