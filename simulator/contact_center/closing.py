"""Who comes back when the desk has closed comes back the next morning."""

from __future__ import annotations

import polars as pl

from simulator import tables


def next_morning(arrivals: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Visits of customers who return from the bot after closing, moved to the opening.

    The simulated day stands for the next one as well: what yesterday left over waits at the door
    when the first agent comes. Only returns (``hand_back`` and ``recontact``) are moved; a contact
    that the log has after closing time was made then, and finds nobody.

    Args:
        arrivals: table ``arrivals``.
        roster: table ``roster``; a replication without anybody at work is left as it is.
    """
    hours = roster.group_by("replication").agg(
        pl.col("starts_ms").min().alias("opens_ms"), pl.col("ends_ms").max().alias("closes_ms")
    )
    late = (
        pl.col("cause").is_in(["hand_back", "recontact"])
        & (pl.col("arrives_ms") >= pl.col("closes_ms"))
    ).fill_null(False)
    moved = arrivals.join(hours, on="replication", how="left", maintain_order="left")
    moved = moved.with_columns(
        pl.when(late).then("opens_ms").otherwise("arrives_ms").alias("arrives_ms")
    )
    return tables.check("arrivals", moved.drop("opens_ms", "closes_ms"))
