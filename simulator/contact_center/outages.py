"""What a bot that is down does to the desk: its customers become visits at that instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time

import numpy as np
import polars as pl

from simulator import tables
from simulator.contact_center.roster.schedule import DAY_MS
from simulator.errors import TableError
from simulator.scenario import Outage

# Priorities of a customer whom the bot dropped, and of one whom it never greeted.
MID_CONVERSATION_PRIORITY = 0
AT_START_PRIORITY = 1


def on_each_day(outages: Sequence[Outage], n_days: int) -> list[tuple[int, int]]:
    """The scenario's outages on each day that counts, [start, end) in ms, in the order of time.

    Why every day: indicators are means of a day, so a week with one bad hour in it would say a
    seventh of what that hour does. Warm-up days are ordinary ones: what they leave over must not
    come from the very thing under study.
    """
    return sorted(
        (day * DAY_MS + _ms(outage.starts), day * DAY_MS + _ms(outage.ends))
        for day in range(n_days)
        for outage in outages
    )


def with_outages(arrivals: pl.DataFrame, outages: Sequence[tuple[int, int]]) -> pl.DataFrame:
    """The same arrivals with the bot down in each interval ``[start, end)``.

    A row's bot stage runs from ``bot_start_ms`` for the sum of ``bot_turn_ms``. Where it begins
    while the bot is down, the customer goes to the desk at once; where it is under way when the
    bot goes down, then, after the k replies that were complete. Such a row becomes a visit of
    cause ``outage`` with the work ``work_if_down_ms[k]`` (no draft helps with it) and replaces the
    visit that the row may have been due to make later. Customers who had left the bot by then (k
    beyond ``bot_quits_at``) and rows without a bot stage stay as they are.

    Args:
        arrivals: table ``arrivals``.
        outages: (start, end) in ms after the first local midnight, start < end; they may overlap.
            See :func:`on_each_day`.

    Returns:
        Table ``arrivals`` of the same rows in the same order.

    Raises:
        TableError: an outage does not end after it starts, or a row that is hit has no
            ``work_if_down_ms`` for its k.
    """
    tables.check("arrivals", arrivals)
    for start, end in outages:
        if start >= end:
            raise TableError(
                f"outage from {start} to {end} ms after midnight; expected start < end: an "
                "outage over midnight is two"
            )
    bot = arrivals.select(
        "bot_start_ms",
        "bot_turn_ms",
        row=pl.int_range(pl.len()),
        quits=pl.col("bot_quits_at").fill_null(np.iinfo(np.int64).max),
    ).drop_nulls(["bot_start_ms", "bot_turn_ms"])
    if not outages or not bot.height:
        return arrivals

    begins = bot["bot_start_ms"].to_numpy()
    n_turns = bot["bot_turn_ms"].list.len().to_numpy().astype(np.int64)
    turns = bot.filter(pl.col("bot_turn_ms").list.len() > 0)["bot_turn_ms"].explode().to_numpy()
    of_row = np.repeat(np.arange(bot.height), n_turns)
    total = np.concatenate([[0], np.cumsum(turns)])
    first = np.cumsum(n_turns) - n_turns
    replied = begins[of_row] + total[1:] - total[first][of_row]
    ends = begins + total[first + n_turns] - total[first]

    never = np.iinfo(np.int64).max
    hit = np.full(bot.height, never)
    for start, end in outages:
        down_at_start = (start <= begins) & (begins < end)
        under_way = (begins < start) & (start < ends)
        moment = np.where(down_at_start, begins, np.where(under_way, start, never))
        hit = np.minimum(hit, moment)
    complete = np.bincount(of_row[replied <= hit[of_row]], minlength=bot.height)
    complete = np.where(hit == begins, 0, complete)
    is_hit = (hit < never) & (complete <= bot["quits"].to_numpy())

    dropped = pl.DataFrame(
        {"row": bot["row"].to_numpy()[is_hit], "at": hit[is_hit], "k": complete[is_hit]},
        schema={"row": pl.Int64, "at": pl.Int64, "k": pl.Int64},
    )
    joined = (
        arrivals.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
        .join(dropped, on="row", how="left", maintain_order="left")
        .with_columns(down=pl.col("work_if_down_ms").list.get(pl.col("k"), null_on_oob=True))
    )
    lacking = joined.filter(pl.col("at").is_not_null() & pl.col("down").is_null())
    if lacking.height:
        raise TableError(
            f"table arrivals: work_if_down_ms of {lacking['arrival_id'][0]} has nothing for "
            f"{lacking['k'][0]} replies; expected the human work after each number of bot replies"
        )
    down = pl.col("at").is_not_null()
    grade = pl.when(pl.col("k") > 0).then(MID_CONVERSATION_PRIORITY).otherwise(AT_START_PRIORITY)
    return tables.conform(
        "arrivals",
        joined.with_columns(
            cause=pl.when(down).then(pl.lit("outage")).otherwise("cause"),
            arrives_ms=pl.when(down).then("at").otherwise("arrives_ms"),
            work_ms=pl.when(down).then("down").otherwise("work_ms"),
            saved_ms=pl.when(~down).then("saved_ms"),
            # Nobody waits in line with a mail, whoever dropped it.
            priority=pl.when(down & (pl.col("channel") != "email"))
            .then(pl.min_horizontal("priority", grade))
            .otherwise("priority"),
        ),
    )


def _ms(at: time) -> int:
    return ((at.hour * 60 + at.minute) * 60 + at.second) * 1000
