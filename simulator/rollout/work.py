"""Human work: what a conversation costs the desk, and how much of it is left after a hand-over.

The work of a conversation is its handle time, with a fixed wrap-up at its end (inside the handle
time, clamped), the rest split over the incumbent's replies by characters. After a hand-over at a
point: the work from there on, the time to read what came before, and the wrap-up. At the first
point that is the whole handle time and nothing to read, so that escalating everything costs exactly
the human work.
"""

from __future__ import annotations

import polars as pl

from simulator.scenario import ContactCenter

_POINT = ("conversation_id", "turn")
# Chinese, Japanese and Korean characters are read one by one, others by the word.
_CJK = r"[\u3400-\u9fff\uf900-\ufaff]"


def reading_s(column: str, desk: ContactCenter) -> pl.Expr:
    """Seconds to read the text in ``column``; null reads in 0 s."""
    text = pl.col(column).fill_null("")
    cjk = text.str.count_matches(_CJK)
    return (
        cjk / desk.reading_cjk_chars_per_s.value
        + (text.str.len_chars() - cjk) / desk.reading_chars_per_s.value
    )


def human_work(
    points: pl.DataFrame, conversations: pl.DataFrame, desk: ContactCenter
) -> pl.DataFrame:
    """Work at and from each decision point.

    Args:
        points: table ``decision_points``.
        conversations: table ``conversations``; abandoned ones and those without work are left out.
        desk: wrap-up, reading speeds, and whether handle times are work or elapsed time.

    Returns:
        ``conversation_id, turn, n_th, work_s`` (of the reply at this point), ``remaining_s`` (work
        left if a human takes over here, wrap-up included, reading not), ``reading_s`` (of what was
        said before this point), ``total_s`` (of the conversation), ``reading_all_s``.
    """
    share = overlap_share(conversations) if desk.handle_time_basis == "elapsed" else 1.0
    chats = pl.when(pl.col("channel") == "chat").then(share).otherwise(1.0)
    handled = conversations.filter(
        (pl.col("handle_time_s") > 0) & ~pl.col("abandoned").fill_null(False)
    ).select("conversation_id", (pl.col("handle_time_s") * chats).alias("total_s"))
    here = pl.col("conversation_id")
    rows = (
        points.select(*_POINT, "n_th", "text", "reply")
        .join(handled, on="conversation_id", how="inner", maintain_order="left")
        .sort(_POINT)
        .with_columns(
            pl.col("reply").fill_null("").str.len_chars().alias("chars"),
            (reading_s("text", desk) + reading_s("reply", desk)).alias("read_s"),
            pl.min_horizontal("total_s", pl.lit(desk.wrap_up_s.value)).alias("wrap_s"),
        )
        .with_columns(
            pl.col("chars").sum().over(here).alias("all_chars"), pl.len().over(here).alias("n")
        )
        .with_columns(
            # Where the incumbent wrote nothing, its points share the work equally.
            (
                (pl.col("total_s") - pl.col("wrap_s"))
                * pl.when(pl.col("all_chars") > 0)
                .then(pl.col("chars") / pl.col("all_chars"))
                .otherwise(1 / pl.col("n"))
            ).alias("work_s")
        )
        .with_columns(
            (pl.col("work_s").cum_sum().over(here) - pl.col("work_s")).alias("done_s"),
            (pl.col("read_s").cum_sum().over(here) - pl.col("read_s")).alias("reading_s"),
            pl.col("read_s").sum().over(here).alias("reading_all_s"),
        )
        .with_columns((pl.col("total_s") - pl.col("done_s")).alias("remaining_s"))
    )
    return rows.select(
        *_POINT, "n_th", "work_s", "remaining_s", "reading_s", "total_s", "reading_all_s"
    )


def overlap_share(conversations: pl.DataFrame) -> float:
    """Busy time over the sum of elapsed times: what elapsed chat times must be multiplied by.

    An agent with two chats at once is busy once. 1.0 where the log names no agents or no times.
    Calls and e-mails are worked one at a time and are left out.
    """
    spans = (
        conversations.filter(
            (pl.col("channel") == "chat")
            & pl.col("agent_id").is_not_null()
            & pl.col("started_at").is_not_null()
            & pl.col("handle_time_s").is_not_null()
        )
        .select(
            "agent_id",
            (pl.col("started_at").dt.epoch("us") / 1e6 + pl.col("wait_s").fill_null(0)).alias(
                "begins"
            ),
            "handle_time_s",
        )
        .with_columns((pl.col("begins") + pl.col("handle_time_s")).alias("ends"))
        .sort("agent_id", "begins")
    )
    if spans.is_empty() or not (total := float(spans["handle_time_s"].sum())):
        return 1.0
    reached = pl.col("ends").cum_max().shift(1).over("agent_id")
    busy = spans.select(
        (pl.col("ends") - pl.max_horizontal("begins", reached)).clip(lower_bound=0).sum()
    ).item()
    return float(busy) / total
