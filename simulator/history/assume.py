"""Supplying what a log lacks, and saying so: every number put in is a row of table ``assumed``."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import stats

from simulator.scenario import Assume, Assumed
from simulator.streams import Streams, stable_hash
from simulator.tables import build


def fill(
    conversations: pl.DataFrame, assume: Assume, streams: Streams
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Conversations with handle times and outcomes where the log has null.

    Handle times are lognormal with the assumed mean of the channel; outcomes are drawn with the
    assumed rates. Both are keyed by the conversation. Abandoned conversations get none: they had
    no work and their outcome is known.

    Args:
        conversations: table ``conversations``.
        assume: ``[history.assume]``.
        streams: random numbers.

    Returns:
        The table, and the rows of table ``assumed`` for what was put in, with counts.
    """
    names = stable_hash(conversations["conversation_id"].to_list())
    served = ~pl.col("abandoned").fill_null(False)
    needs = {
        column: conversations.select(pl.col(column).is_null() & served).to_series()
        for column in ("handle_time_s", "resolved", "complained")
    }
    rows = []
    means = {
        "chat": assume.handle_time_chat_s,
        "email": assume.handle_time_email_s,
        "voice": assume.handle_time_voice_s,
    }
    for channel, mean in means.items():
        n = int((needs["handle_time_s"] & (conversations["channel"] == channel)).sum())
        if n:
            rows.append(assumed_row(f"handle_time_{channel}_s", mean, n))
    if needs["handle_time_s"].any():
        n = int(needs["handle_time_s"].sum())
        rows.append(assumed_row("handle_time_log_sd", assume.handle_time_log_sd, n))
    for column, rate in (
        ("resolved", assume.resolved_rate),
        ("complained", assume.complained_rate),
    ):
        if needs[column].any():
            rows.append(assumed_row(f"{column}_rate", rate, int(needs[column].sum())))
    sd = assume.handle_time_log_sd.value
    mean_s = conversations["channel"].replace_strict(
        {channel: mean.value for channel, mean in means.items()}, return_dtype=pl.Float64
    )
    normal = stats.norm.ppf(streams.uniform(names, "handle time"))
    drawn = {
        # The mean of exp(sd z - sd^2 / 2) is 1.
        "handle_time_s": pl.Series(mean_s.to_numpy() * np.exp(sd * normal - sd * sd / 2)),
        "resolved": pl.Series(streams.uniform(names, "resolved") < assume.resolved_rate.value),
        "complained": pl.Series(
            streams.uniform(names, "complained") < assume.complained_rate.value
        ),
    }
    filled = conversations.with_columns(
        pl.when(needs[column]).then(values).otherwise(pl.col(column)).alias(column)
        for column, values in drawn.items()
    )
    return filled, build("assumed", rows)


def assumed_row(name: str, number: Assumed, n: int | None = None) -> dict[str, object]:
    """A row of table ``assumed``; ``n`` counts the records that the number was put into."""
    return {
        "name": name,
        "value": f"{number.value:g}",
        "low": number.low,
        "high": number.high,
        "source": number.source,
        "n": n,
    }
