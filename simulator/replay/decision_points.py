"""Decision points: the last of consecutive customer turns, and what the incumbent replied.

A log's messages stay one turn each and are joined here only. System and tool turns, and agent turns
without words (a bare tool call), neither end a run of customer turns nor count as a reply, except
that a logged escalation is an action even where nothing was said with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import polars as pl

from simulator.candidates import Said, context_hash
from simulator.tables import conform


def decision_points(turns: pl.DataFrame, conversations: pl.DataFrame) -> pl.DataFrame:
    """The table ``decision_points`` of all conversations that have customer turns.

    Args:
        turns: table ``turns``.
        conversations: table ``conversations``; gives the time where a turn has none.
    """
    by_turn = ("conversation_id", "turn")
    runs = (
        turns.sort(by_turn)
        .filter(
            (pl.col("role").is_in(["customer", "agent", "bot"]) & pl.col("text").is_not_null())
            | (pl.col("role").is_in(["agent", "bot"]) & pl.col("action").is_not_null())
        )
        .with_columns((pl.col("role") == "customer").alias("customer"))
        .with_columns(pl.col("customer").rle_id().over("conversation_id").alias("run"))
        .group_by("conversation_id", "run", maintain_order=True)
        .agg(
            pl.col("customer").first(),
            pl.col("turn").last(),
            pl.col("sent_at").last(),
            pl.col("text").drop_nulls().str.join("\n").alias("text"),
            pl.col("action").drop_nulls().last().alias("last_action"),
            (pl.col("action") == "escalate").any().alias("escalated"),
        )
        .with_columns(
            pl.col("text", "last_action", "escalated", "turn")
            .shift(-1)
            .over("conversation_id")
            .name.prefix("reply_")
        )
        .filter("customer")
    )
    points = runs.join(
        conversations.select("conversation_id", "started_at"),
        on="conversation_id",
        how="left",
        maintain_order="left",
    ).with_columns(
        pl.int_range(pl.len()).over("conversation_id").alias("n_th"),
        pl.coalesce("sent_at", "started_at").alias("at"),
        pl.when(pl.col("reply_text") != "").then("reply_text").alias("reply"),
        pl.when("reply_escalated")
        .then(pl.lit("escalate"))
        .otherwise("reply_last_action")
        .alias("reply_action"),
        pl.col("reply_turn").alias("reply_last_turn"),
    )
    hashes = _hashes(turns, points)
    return conform(
        "decision_points",
        points.join(hashes, on=by_turn, how="left", maintain_order="left").sort(by_turn),
    )


def seen(turns: pl.DataFrame) -> Iterator[tuple[str, list[tuple[int, Said]]]]:
    """Per conversation, its turns with words as ``(turn, Said)`` in order."""
    columns = ("conversation_id", "turn", "role", "text")
    here: str | None = None
    said: list[tuple[int, Said]] = []
    words = turns.filter(pl.col("text").is_not_null()).sort("conversation_id", "turn")
    for conversation, turn, role, text in words.select(columns).iter_rows():
        if conversation != here:
            if here is not None:
                yield here, said
            here, said = conversation, []
        said.append((turn, Said(role, text)))
    if here is not None:
        yield here, said


def _hashes(turns: pl.DataFrame, points: pl.DataFrame) -> pl.DataFrame:
    """``context_hash`` of each point, as :func:`simulator.candidates.context_hash` gives it."""
    wanted: dict[str, set[int]] = {}
    for conversation, turn in points.select("conversation_id", "turn").iter_rows():
        wanted.setdefault(conversation, set()).add(turn)
    start = hashlib.blake2b(digest_size=12)
    assert start.hexdigest() == context_hash([])
    rows = []
    for conversation, said in seen(turns):
        digest = start.copy()
        for turn, (role, text) in said:
            # Incremental: a long conversation is read once, not once for each of its points.
            digest.update(f"{role}\x1f{text}\x1e".encode("utf-8", "replace"))
            if turn in wanted.get(conversation, ()):
                rows.append((conversation, turn, digest.hexdigest()))
    return pl.DataFrame(
        rows,
        schema={"conversation_id": pl.String, "turn": pl.Int64, "context_hash": pl.String},
        orient="row",
    )
