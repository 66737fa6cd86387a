"""Conversation-level figures of a rollout: how much is automatic, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from simulator.evidence.intervals import wilson
from simulator.tables import conform

_CELL = ("stage", "candidate", "conversation_id")
# Shares of how automatic conversations end: a missing reply is one way.
_OF_ENDINGS = ("settled_share", "handoff_share", "diverged_share", "escalation_rate")


def segments(conversations: pl.DataFrame, segment_by: Sequence[str]) -> pl.DataFrame:
    """``conversation_id, segment``: each conversation in its own segment and in ``all``."""
    own = conversations.select(
        "conversation_id",
        pl.concat_str(
            [pl.col(column).fill_null("unknown") for column in segment_by], separator=" / "
        ).alias("segment"),
    )
    return pl.concat([own.with_columns(pl.lit("all").alias("segment")), own])


def settled_kpis(
    decisions: pl.DataFrame,
    settlements: pl.DataFrame,
    verdicts: pl.DataFrame,
    conversations: pl.DataFrame,
    segment_of: pl.DataFrame,
) -> pl.DataFrame:
    """Rows of table ``kpis`` that need no simulation: shares of conversations, by replay weight.

    ``auto_share`` of all replayed conversations; of the automatic ones ``settled_share`` (agreed or
    handed over), ``handoff_share``, ``diverged_share``, ``escalation_rate`` (handed over by the
    candidate's own choice) and ``risky_promise_rate_judged`` (some automatic reply flagged by the
    judge: descriptive, the judge errs; of those where each reply has a verdict or one is flagged).
    ``low`` and ``high``: Wilson, 95 %, with the effective sample size of the weights.

    A conversation that lacks a reply is handed over there (cause error) and counts so in the
    shares; ``method`` says how many do, and how many the judged rate leaves out.
    """
    replies = verdicts.filter(pl.col("unscored").is_null() | (pl.col("unscored") != "no_reply"))
    flagged = (
        decisions.filter((pl.col("mode") == "auto") & (pl.col("reach") != "after_handoff"))
        .join(
            replies.select("candidate", "conversation_id", "turn", "risky_promise"),
            on=("candidate", "conversation_id", "turn"),
            how="inner",
            maintain_order="left",
        )
        .group_by(_CELL, maintain_order=True)
        .agg(pl.col("risky_promise").any(ignore_nulls=False).alias("flagged"))
    )
    automatic = decisions.group_by(_CELL, maintain_order=True).agg(
        (pl.col("mode") == "auto").any().alias("automatic")
    )
    rows = (
        settlements.join(automatic, on=_CELL, how="left", maintain_order="left")
        .join(flagged, on=_CELL, how="left", maintain_order="left")
        .join(
            conversations.select("conversation_id", pl.col("weight").fill_null(1.0)),
            on="conversation_id",
            how="left",
            maintain_order="left",
        )
        .join(segment_of, on="conversation_id", how="inner", maintain_order="left")
    )
    bot, status = pl.col("automatic"), pl.col("status")
    shares = {
        "auto_share": (pl.lit(True), bot),
        "settled_share": (bot, status.is_in(["agreed", "handoff"])),
        "handoff_share": (bot, status == "handoff"),
        "diverged_share": (bot, status == "diverged"),
        "escalation_rate": (bot, (pl.col("cause") == "chosen").fill_null(False)),
        "risky_promise_rate_judged": (bot & pl.col("flagged").is_not_null(), pl.col("flagged")),
    }
    weight = pl.col("weight")
    found = pl.concat(
        rows.filter(of)
        .group_by("stage", "candidate", "segment", maintain_order=True)
        .agg(
            pl.lit(metric).alias("metric"),
            ((weight * hit).sum() / weight.sum()).alias("estimate"),
            (weight.sum() ** 2 / (weight**2).sum()).alias("n_effective"),
            pl.len().alias("n"),
        )
        for metric, (of, hit) in shares.items()
    )
    missing = (
        rows.filter(bot)
        .group_by("stage", "candidate", "segment")
        .agg(
            (pl.col("cause") == "error").sum().alias("n_silent"),
            pl.col("flagged").is_null().sum().alias("n_unjudged"),
        )
    )
    found = found.join(
        missing, on=("stage", "candidate", "segment"), how="left", maintain_order="left"
    )
    metric, silent, unjudged = pl.col("metric"), pl.col("n_silent"), pl.col("n_unjudged")
    note = (
        pl.when((metric == "risky_promise_rate_judged") & (unjudged > 0))
        .then(pl.format("; {} left out: nothing was said, or not all of it is judged", unjudged))
        .when(metric.is_in(_OF_ENDINGS) & (silent > 0))
        .then(pl.format("; {} of them handed over as a reply is missing", silent))
        .otherwise(pl.lit(""))
    )
    bounds = [
        wilson(round(estimate * round(n)), round(n), 0.95)
        for estimate, n in found.select("estimate", "n_effective").iter_rows()
    ]
    return conform(
        "kpis",
        found.with_columns(
            pl.Series("low", [one.low for one in bounds], dtype=pl.Float64),
            pl.Series("high", [one.high for one in bounds], dtype=pl.Float64),
            pl.lit("central").alias("bound"),
            pl.lit("share of conversations").alias("unit"),
            pl.format(
                "Wilson 95 %, this history's mix, effective n = {}",
                pl.col("n_effective").round(0).cast(pl.Int64),
            )
            .add(note)
            .alias("method"),
        ),
    )


def arrival_kpis(
    arrivals: pl.DataFrame,
    settlements: pl.DataFrame,
    conversations: pl.DataFrame,
    segment_of: pl.DataFrame,
) -> pl.DataFrame:
    """Rows of table ``kpis`` that need the drawn customers, outages included.

    ``contained_rate``: automatic conversations without hand-over, quit or recontact, over all
    automatic ones. ``quit_rate``: left before a bot reply, over all automatic ones.
    ``complaint_rate``: of all arrivals. A conversation complains as it did in the log, except that
    after a divergence it does not at best, and does at worst if it came back from the bot.

    Args:
        arrivals: table ``arrivals`` of one cell and bound, after outages.
        settlements: table ``settlements`` of that cell.
        conversations: table ``conversations`` (``complained``, filled).
        segment_of: :func:`segments`.
    """
    rows = (
        arrivals.join(
            settlements.select("conversation_id", "status"),
            on="conversation_id",
            how="left",
            maintain_order="left",
        )
        .join(
            conversations.select("conversation_id", "complained"),
            on="conversation_id",
            how="left",
            maintain_order="left",
        )
        .join(segment_of, on="conversation_id", how="inner", maintain_order="left")
    )
    bot = pl.col("bot_start_ms").is_not_null()
    stays = pl.col("arrives_ms").is_null()
    hit = (pl.col("cause") == "outage") & ~stays
    quits = pl.col("bot_quits_at").is_not_null() & ~hit
    unknown = stays & (pl.col("status") == "diverged")
    complains = (
        pl.when((pl.col("cause") == "hand_back") & (pl.col("bound") == "worst"))
        .then(1.0)
        .when(unknown & (pl.col("bound") == "best"))
        .then(0.0)
        .otherwise(pl.col("complained").cast(pl.Float64))
    )
    found = (
        rows.group_by("stage", "candidate", "bound", "segment", maintain_order=True)
        .agg(
            pl.len().alias("n"),
            bot.sum().alias("n_bot"),
            pl.when(bot.any())
            .then((bot & stays & ~quits).sum() / bot.sum())
            .alias("contained_rate"),
            pl.when(bot.any()).then((bot & quits).sum() / bot.sum()).alias("quit_rate"),
            complains.mean().alias("complaint_rate"),
        )
        .unpivot(
            ["contained_rate", "quit_rate", "complaint_rate"],
            index=["stage", "candidate", "bound", "segment", "n", "n_bot"],
            variable_name="metric",
            value_name="estimate",
        )
    )
    return conform(
        "kpis",
        found.with_columns(
            pl.when(pl.col("metric") == "complaint_rate").then("n").otherwise("n_bot").alias("n"),
            pl.lit("share of conversations").alias("unit"),
            pl.lit("over all simulated arrivals").alias("method"),
        ),
    )
