"""The incumbent: its replies are the log's own, judged like any other. The baseline to beat."""

from __future__ import annotations

import polars as pl

from simulator.tables import conform


def logged(points: pl.DataFrame) -> pl.DataFrame:
    """The table ``shadow`` of candidate ``human`` from the table ``decision_points``.

    A point without a reply before the next customer turn has ``error = "no_reply"``.
    """
    return conform(
        "shadow",
        points.select(
            pl.lit("human").alias("candidate"),
            "conversation_id",
            "turn",
            pl.col("reply_action").alias("action"),
            "reply",
            pl.when(pl.col("reply").is_null() & pl.col("reply_action").is_null())
            .then(pl.lit("no_reply"))
            .alias("error"),
            pl.col("context_hash").alias("key"),
        ),
    )
