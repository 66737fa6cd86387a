"""What people said of a candidate's replies, read from a file, as labels of a drawn sample.

The file (CSV) has a row for every decision point of some conversations: ``conversation_id, turn,
reply_digest, commitment, risky_promise, labeller``. ``reply_digest`` is :func:`reply_digest` of the
words that were read, so that labels of other words are refused, not used. The conversations must
be a simple random sample of the replayed ones, drawn before anybody looked: within any part of
them (those a stage answers by itself, those that a judge flagged) they are then a simple random
sample too, given how many fell there, and that is the inclusion probability that the labels carry.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl

from simulator.errors import HistoryError
from simulator.evidence.audited import NO_BOT, outside
from simulator.schema import FIRMNESS
from simulator.schema.columns import CONTEXT
from simulator.tables import conform, empty

_POINT = ["conversation_id", "turn"]
_COLUMNS = ("conversation_id", "turn", "reply_digest", "commitment", "risky_promise", "labeller")
_WORDS = {"true": True, "false": False}


def reply_digest(reply: str | None) -> str:
    """Eight hexadecimal digits that tell one reply from another."""
    return hashlib.blake2b((reply or "").encode("utf-8", "replace"), digest_size=4).hexdigest()


def read(path: Path) -> pl.DataFrame:
    """The file at ``path``, a row a decision point.

    Raises:
        HistoryError: it is missing, lacks a column, or has a value that is not allowed.
    """
    try:
        rows = pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise HistoryError(f"{path}: no such file of labels") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise HistoryError(f"{path}: cannot be read: {str(error)[:200]}") from None
    missing = [column for column in _COLUMNS if column not in rows.columns]
    if missing:
        raise HistoryError(f"{path}: columns {missing} are missing; expected {list(_COLUMNS)}")
    for column, allowed in (("commitment", FIRMNESS), ("risky_promise", tuple(_WORDS))):
        wrong = rows.filter(~pl.col(column).is_in(allowed).fill_null(False))
        if wrong.height:
            raise HistoryError(
                f"{path}: {column} = {wrong[column][0]!r} (conversation "
                f"{wrong['conversation_id'][0]}); expected one of {', '.join(allowed)}"
            )
    turns = rows["turn"].cast(pl.Int64, strict=False)
    if turns.null_count() or (turns < 0).any():
        raise HistoryError(f"{path}: turn; expected whole numbers from 0")
    twice = rows.filter(rows.select(_POINT).is_duplicated())
    if twice.height:
        raise HistoryError(
            f"{path}: conversation {twice['conversation_id'][0]}, turn {twice['turn'][0]} stands "
            "there twice; expected one label for each reply"
        )
    return rows.select(
        "conversation_id",
        turns,
        "reply_digest",
        "commitment",
        pl.col("risky_promise").replace_strict(_WORDS, return_dtype=pl.Boolean),
        pl.col("labeller").fill_null("unknown"),
    )


def labels_as_read(
    candidate: str,
    said: pl.DataFrame,
    shadow: pl.DataFrame,
    domain: pl.DataFrame,
    points: pl.DataFrame,
    settlements: pl.DataFrame,
    contexts: pl.DataFrame,
) -> pl.DataFrame:
    """Labels of one candidate at every stage, split "certify".

    A row of unit "turn" for every point of a labelled conversation, its verdict only where the
    candidate's words would have reached the customer; and a row of unit "conversation".

    Args:
        candidate: whose replies were read.
        said: what :func:`read` gives.
        shadow: table ``shadow``.
        domain: :func:`simulator.judging.audit.domain.auto_domain`.
        points: :func:`simulator.judging.audit.domain.auto_points`.
        settlements: table ``settlements``.
        contexts: ``conversation_id, turn`` and the columns of table ``contexts`` that are known to
            be true (of the synthetic sample); may be empty.

    Raises:
        HistoryError: a label is about other words than the candidate's.
    """
    mine = pl.col("candidate") == candidate
    texts = shadow.filter(mine).select(*_POINT, "reply")
    # Conversations that are not replayed this time say nothing; the others must be whole.
    here = said.join(texts, on=_POINT, how="inner")
    other = here.filter(
        pl.col("reply_digest")
        != pl.col("reply").map_elements(reply_digest, pl.String, skip_nulls=False)
    )
    if other.height:
        raise HistoryError(
            f"{candidate}: {other.height} labels are about other replies than those replayed "
            f"(conversation {other['conversation_id'][0]}, turn {other['turn'][0]}); take out its "
            "labels, or read and label these replies"
        )
    counted = texts.group_by("conversation_id").len("points")
    whole = here.group_by("conversation_id").len("labelled").join(counted, on="conversation_id")
    part = whole.filter(pl.col("labelled") < pl.col("points"))
    if part.height:
        raise HistoryError(
            f"{candidate}: {part.height} conversations are labelled in part (such as "
            f"{part['conversation_id'][0]}); label all its replies, or none: leaving some out "
            "would choose among them"
        )
    own = domain.filter(mine).with_columns(
        pl.when("flagged").then(pl.lit("flagged")).otherwise(pl.lit("unflagged")).alias("stratum")
    )
    rest = outside(own, settlements.filter(mine)).with_columns(pl.lit(NO_BOT).alias("stratum"))
    key = ["stage", "candidate", "conversation_id", "stratum"]
    units = pl.concat([own.select(key), rest.select(key)])
    drawn = units.join(whole, on="conversation_id", how="semi")
    if drawn.is_empty():
        return empty("labels")
    in_stratum = ["stage", "stratum"]
    sizes = (
        units.group_by(in_stratum).len("N").join(drawn.group_by(in_stratum).len("n"), on=in_stratum)
    )
    drawn = drawn.join(
        sizes.select(*in_stratum, (pl.col("n") / pl.col("N")).alias("inclusion_prob")),
        on=in_stratum,
    ).with_columns(pl.lit("read").alias("draw_id"), pl.lit("certify").alias("split"))
    spoken = points.filter(mine).select("stage", *_POINT, pl.lit(True).alias("spoken"))
    verdict = ("commitment", "risky_promise")
    turns = (
        drawn.join(here.drop("reply"), on="conversation_id")
        .join(spoken, on=["stage", *_POINT], how="left")
        .with_columns(pl.when("spoken").then(column).alias(column) for column in verdict)
        .with_columns(pl.lit("turn").alias("unit"))
    )
    if not contexts.is_empty():
        known = contexts.select(*_POINT, *CONTEXT)
        turns = turns.join(known, on=_POINT, how="left")
    conversations = (
        turns.group_by(*key, "inclusion_prob", "draw_id", "split")
        .agg(
            pl.col("risky_promise").any(ignore_nulls=True).alias("any"),
            pl.col("risky_promise").is_not_null().any().alias("spoke"),
            pl.col("labeller").sort().first(),
        )
        .with_columns(
            pl.when("spoke").then("any").alias("risky_promise"),
            pl.lit("conversation").alias("unit"),
        )
    )
    both = pl.concat([conform("labels", turns), conform("labels", conversations)])
    return both.sort("stage", "conversation_id", "unit", "turn")
