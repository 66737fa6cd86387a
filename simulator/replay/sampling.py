"""Which conversations are replayed: all that have turns, or a stratified sample with weights."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from simulator.errors import HistoryError
from simulator.streams import Streams, stable_hash

STRATUM = ("intent", "language")


def sampled(
    points: pl.DataFrame,
    conversations: pl.DataFrame,
    size: int | None,
    streams: Streams,
    since: datetime | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The points to replay, and conversations with the weights that this leaves them.

    Every stratum (intent and language; null is a value) keeps its share, at least one conversation
    each, chosen by a random number of the conversation's own: a larger sample holds the smaller.

    Args:
        points: table ``decision_points``.
        conversations: table ``conversations``.
        size: conversations to replay; null or more than there are: all.
        streams: random numbers.
        since: only conversations that began then or later; one without a time is left out. Those
            that are left stand for their stratum as a whole.

    Raises:
        HistoryError: none began since then.

    Returns:
        Points of the chosen conversations, and the table ``conversations`` with ``weight`` of the
        chosen raised to stand for their stratum and null for those not replayed.
    """
    there = conversations.join(
        points.select("conversation_id").unique(), on="conversation_id", maintain_order="left"
    )
    late = there if since is None else there.filter(pl.col("started_at") >= since)
    if since is not None and late.is_empty():
        last = there["started_at"].max()
        raise HistoryError(
            f"replay.since: no conversation with turns began at {since:%Y-%m-%d %H:%M} UTC or "
            f"later; the last began at {last:%Y-%m-%d %H:%M} UTC; name an earlier day"
            if isinstance(last, datetime)
            else "replay.since: no conversation has a started_at; take it out, or import the times"
        )
    size = late.height if size is None else min(size, late.height)
    if size == there.height:
        return points, conversations
    u = streams.uniform(stable_hash(there["conversation_id"].to_list()), "replay sample")
    ranked = there.with_columns(
        pl.Series("u", u), pl.col("weight").fill_null(1.0).alias("weight")
    ).with_columns(pl.col("weight").sum().over(STRATUM).alias("stands_for"))
    ranked = ranked.join(late, on="conversation_id", how="semi", maintain_order="left")
    ranked = ranked.with_columns(
        pl.col("u").rank("ordinal").over(STRATUM).alias("rank"),
        pl.len().over(STRATUM).alias("units"),
    )
    quota = np.maximum(1, np.rint(ranked["units"].to_numpy() * size / late.height))
    chosen = ranked.filter(pl.col("rank") <= pl.Series(quota)).with_columns(
        (pl.col("weight") * pl.col("stands_for") / pl.col("weight").sum().over(STRATUM)).alias(
            "weight"
        )
    )
    weighted = conversations.drop("weight").join(
        chosen.select("conversation_id", "weight"),
        on="conversation_id",
        how="left",
        maintain_order="left",
    )
    kept = points.join(chosen, on="conversation_id", how="semi", maintain_order="left")
    return kept, weighted.select(conversations.columns)
