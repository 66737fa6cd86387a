"""Money: what a stage costs a day, and what it saves against people alone.

Hours do not vanish from a fixed roster, so labour is priced by the hours that the work needs at the
target occupancy and shrinkage: ``hours / (occupancy x (1 - shrinkage)) x wage``.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from simulator.scenario import Assist, Gate, Money
from simulator.tables import conform

_CELL = ("stage", "candidate", "conversation_id")
_GROUP = ("stage", "candidate", "bound", "segment")


def volumes(
    arrivals: pl.DataFrame, promises: pl.DataFrame, segment_of: pl.DataFrame, n_replications: int
) -> pl.DataFrame:
    """The table ``volumes`` of one cell and bound.

    A conversation that an outage took from the bot is worked by people; what the bot had already
    said to it is not counted.

    Args:
        arrivals: table ``arrivals`` of the cell, after outages.
        promises: :func:`promise_counts`.
        segment_of: ``conversation_id, segment``.
        n_replications: simulated days.
    """
    hit = (pl.col("cause") == "outage") & pl.col("arrives_ms").is_not_null()
    bot = pl.col("automatic") & ~hit
    return conform(
        "volumes",
        arrivals.join(promises, on=_CELL, how="left", maintain_order="left")
        .join(segment_of, on="conversation_id", how="inner", maintain_order="left")
        .group_by(_GROUP, maintain_order=True)
        .agg(
            (pl.len() / n_replications).alias("arrivals_per_day"),
            (bot.sum() / n_replications).alias("automatic_per_day"),
            (pl.col("n_bot_replies").filter(~hit).sum() / n_replications).alias(
                "bot_replies_per_day"
            ),
            pl.when(pl.col("n_promises").is_not_null().any())
            .then(pl.col("n_promises").filter(~hit).sum() / n_replications)
            .alias("promises_per_day"),
        ),
    )


def promise_counts(
    decisions: pl.DataFrame, settlements: pl.DataFrame, verdicts: pl.DataFrame, assist: Assist
) -> pl.DataFrame:
    """Expected risky promises that reach the customer, and bot replies, by conversation.

    An automatic reply counts as the judge reads it. In assist, a risky draft slips through with
    ``agent_misses_risky_draft``, and a draft that is thrown away leaves the agent's own reply. What
    people say counts too: they are the baseline, and they over-promise as well. Points after a
    divergence count as the bot's, points from a hand-over on as the human's.

    Returns:
        ``stage, candidate, conversation_id, automatic, n_promises, n_bot_replies``; promises null
        where nothing could be judged.
    """
    read = verdicts.select("candidate", "conversation_id", "turn", "risky_promise")
    own = read.filter(pl.col("candidate") == "human").select(
        "conversation_id", "turn", pl.col("risky_promise").alias("human_risky")
    )
    mine, theirs = pl.col("risky_promise").cast(pl.Float64), pl.col("human_risky").cast(pl.Float64)
    missed = assist.agent_misses_risky_draft.value
    handed = (pl.col("status") == "handoff") & (pl.col("turn") >= pl.col("at_turn"))
    auto = (pl.col("mode") == "auto") & ~handed.fill_null(False)
    sent = (
        pl.when(auto)
        .then(mine)
        .when((pl.col("mode") == "assist") & pl.col("draft").is_in(["accepted", "edited"]))
        .then(mine * missed)
        .when(pl.col("mode") == "assist")
        .then(pl.max_horizontal(mine.fill_null(0.0) * missed, theirs))
        .otherwise(theirs)
    )
    return (
        decisions.join(
            read, on=("candidate", "conversation_id", "turn"), how="left", maintain_order="left"
        )
        .join(own, on=("conversation_id", "turn"), how="left", maintain_order="left")
        .join(settlements.drop("cause"), on=_CELL, how="left", maintain_order="left")
        .group_by(_CELL, maintain_order=True)
        .agg(
            (pl.col("mode") == "auto").any().alias("automatic"),
            pl.when(sent.is_not_null().any()).then(sent.sum()).alias("n_promises"),
            # The hand-over's own reply was written as well.
            pl.col("mode").is_in(["auto", "assist"]).sum().alias("n_bot_replies"),
        )
    )


def costs(
    kpis: pl.DataFrame,
    volumes: pl.DataFrame,
    money: Money,
    baseline: str,
) -> pl.DataFrame:
    """The table ``costs``: money a day by cell, bound and segment.

    Args:
        kpis: table ``kpis``: ``human_hours_per_day, offered_per_day, abandonment_rate,
            quit_rate, complaint_rate``.
        volumes: table ``volumes``.
        money: prices.
        baseline: name of the stage without a bot.

    Returns:
        Metrics ``labour_money, bot_money, promise_money, complaint_money, abandonment_money,
        total_money, saving_money`` (against the baseline; positive is cheaper), ``saving_hours``
        and ``break_even_risky_promise_rate``: risky promises per automatic conversation at which
        the saving is gone. Where promises could not be judged (no policy), ``promise_money`` is
        null, and ``method`` says that total and saving leave them out.
    """
    wanted = (
        "human_hours_per_day",
        "offered_per_day",
        "abandonment_rate",
        "complaint_rate",
        "quit_rate",
    )
    judged = volumes["promises_per_day"].is_not_null().any()
    wide = volumes
    for metric in wanted:
        one = kpis.filter(pl.col("metric") == metric)
        wide = wide.join(
            one.select(*_GROUP, pl.col("estimate").alias(metric)),
            on=_GROUP,
            how="left",
            maintain_order="left",
        )
    wage = money.wage_per_hour.value / (money.target_occupancy.value * (1 - money.shrinkage.value))
    left = pl.col("offered_per_day") * pl.col("abandonment_rate").fill_null(0.0) + pl.col(
        "automatic_per_day"
    ) * pl.col("quit_rate").fill_null(0.0)
    parts = ["labour_money", "bot_money", "promise_money", "complaint_money", "abandonment_money"]
    wide = wide.with_columns(
        (pl.col("human_hours_per_day").fill_null(0.0) * wage).alias("labour_money"),
        (pl.col("bot_replies_per_day") * money.bot_reply_money.value).alias("bot_money"),
        (pl.col("promises_per_day") * money.risky_promise_money.value).alias("promise_money"),
        (pl.col("arrivals_per_day") * pl.col("complaint_rate") * money.complaint_money.value).alias(
            "complaint_money"
        ),
        (left.fill_null(0.0) * money.abandonment_money.value).alias("abandonment_money"),
    ).with_columns(pl.sum_horizontal(parts).alias("total_money"))
    base = wide.filter(pl.col("stage") == baseline).select(
        "segment",
        pl.col("total_money").alias("base_money"),
        pl.col("human_hours_per_day").alias("base_hours"),
    )
    wide = wide.join(base, on="segment", how="left", maintain_order="left").with_columns(
        (pl.col("base_money") - pl.col("total_money")).alias("saving_money"),
        (pl.col("base_hours") - pl.col("human_hours_per_day").fill_null(0.0)).alias("saving_hours"),
    )
    # Where nothing is saved even without a single promise, the rate that breaks even is 0.
    at_stake = pl.col("automatic_per_day") * money.risky_promise_money.value
    before_promises = pl.col("saving_money") + pl.col("promise_money")
    wide = wide.with_columns(
        pl.when(at_stake > 0)
        .then((before_promises / at_stake).clip(lower_bound=0.0))
        .alias("break_even_risky_promise_rate")
    )
    units = {
        **dict.fromkeys((*parts, "total_money", "saving_money"), f"{money.currency} a day"),
        "saving_hours": "hours of work a day",
        "break_even_risky_promise_rate": "risky promises per automatic conversation",
    }
    long = wide.unpivot(
        list(units),
        index=[*_GROUP, "arrivals_per_day"],
        variable_name="metric",
        value_name="estimate",
    )
    return conform(
        "costs",
        long.with_columns(
            pl.col("metric").replace_strict(units, return_dtype=pl.String).alias("unit"),
            pl.col("arrivals_per_day").fill_null(0.0).round(0).cast(pl.Int64).alias("n"),
            pl.lit(
                "mean simulated day at the scenario's prices"
                + ("" if judged else "; risky promises left out: no policy to judge them by")
            ).alias("method"),
        ),
    )


def breakdown(kpis: pl.DataFrame, costs: pl.DataFrame, gates: Sequence[Gate]) -> pl.DataFrame:
    """The breakdown value: how many of the unknown outcomes must be good ones.

    The smallest share of the diverged conversations that must be contained so that the saving and
    the gates on service level and complaints hold; between the worst case (none contained) and the
    best (all), taken as linear.

    Args:
        kpis: table ``kpis``.
        costs: table ``costs``.
        gates: the limits; the saving must be at least 0 even without a gate on it.

    Returns:
        Rows of table ``costs``, metric ``breakdown_contained_share``, for each cell and segment
        that has a best and a worst case. Null where even the best does not hold; ``method`` says
        which limit it misses.
    """
    limits = {"saving_money": 0.0} | {
        gate.metric: gate.limit
        for gate in gates
        if gate.metric in ("saving_money", "service_level", "complaint_rate")
    }
    values = pl.concat([kpis, costs]).filter(pl.col("metric").is_in(list(limits)))
    both = values.filter(pl.col("bound") == "best").join(
        values.filter(pl.col("bound") == "worst"),
        on=("stage", "candidate", "segment", "metric"),
        suffix="_worst",
        maintain_order="left",
    )
    # A complaint rate must stay below its limit, the others above theirs.
    sign = pl.when(pl.col("metric") == "complaint_rate").then(-1.0).otherwise(1.0)
    limit = pl.col("metric").replace_strict(limits, return_dtype=pl.Float64)
    best = sign * (pl.col("estimate") - limit)
    worst = sign * (pl.col("estimate_worst") - limit)
    needed = (
        pl.when(best < 0).then(None).when(worst >= 0).then(0.0).otherwise(-worst / (best - worst))
    )
    found = (
        both.with_columns(needed.alias("needed"), (best < 0).fill_null(True).alias("never"))
        .group_by("stage", "candidate", "segment", maintain_order=True)
        .agg(
            pl.when(~pl.col("never").any()).then(pl.col("needed").max()).alias("estimate"),
            pl.col("metric").filter("never").sort().str.join(", ").alias("fails"),
            pl.col("n").max(),
        )
    )
    return conform(
        "costs",
        found.with_columns(
            pl.lit("central").alias("bound"),
            pl.lit("breakdown_contained_share").alias("metric"),
            pl.lit("share of diverged conversations").alias("unit"),
            pl.when(pl.col("fails") == "")
            .then(pl.lit("linear between the worst and the best case"))
            .otherwise(pl.format("not even if all are contained: {}", "fails"))
            .alias("method"),
        ),
    )
