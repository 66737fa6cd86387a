"""Money: what a stage costs a day, and what it saves against people alone.

Hours do not vanish from a fixed roster, so labour is priced by the hours that the work needs at the
target occupancy and shrinkage, whether today's roster gets round to it or not:
``hours / (occupancy x (1 - shrinkage)) x wage``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.evidence.replications import two_level
from simulator.scenario import Assist, Gate, Money
from simulator.tables import conform, empty

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
    quits = pl.col("bot_quits_at").is_not_null() & ~hit
    # Who comes back from the bot hears a person as well.
    comes_back = pl.col("cause").is_in(["hand_back", "recontact"])
    said = (
        pl.when(hit)
        .then("n_human_promises")
        .when(comes_back)
        .then(pl.col("n_promises") + pl.col("n_human_promises"))
        .otherwise("n_promises")
    )

    def known(promises: pl.Expr) -> pl.Expr:
        return pl.when(promises.is_not_null().any()).then(promises.sum() / n_replications)

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
            (quits.sum() / n_replications).alias("quits_per_day"),
            known(said).alias("promises_per_day"),
            known(pl.col("n_bot_promises").filter(~hit)).alias("bot_promises_per_day"),
        ),
    )


def promise_counts(
    decisions: pl.DataFrame, settlements: pl.DataFrame, verdicts: pl.DataFrame, assist: Assist
) -> pl.DataFrame:
    """Expected risky promises that reach the customer, and bot replies, by conversation.

    An automatic reply counts as the judge reads it. In assist, a risky draft that is used slips
    through with ``agent_misses_risky_draft``, and never makes the reply safer than the agent's own
    was; a draft that is thrown away leaves the agent's own reply. What people say counts too: they
    are the baseline, and they over-promise as well. Points after a divergence count as the bot's,
    points from a hand-over on as the human's.

    Returns:
        ``stage, candidate, conversation_id, automatic, n_promises`` (whoever made them),
        ``n_human_promises`` (had people alone answered), ``n_bot_promises`` (of automatic replies),
        ``n_bot_replies``; promises null where nothing could be judged.
    """
    read = verdicts.select("candidate", "conversation_id", "turn", "risky_promise")
    own = read.filter(pl.col("candidate") == "human").select(
        "conversation_id", "turn", pl.col("risky_promise").alias("human_risky")
    )
    mine, theirs = pl.col("risky_promise").cast(pl.Float64), pl.col("human_risky").cast(pl.Float64)
    missed = assist.agent_misses_risky_draft.value
    handed = (pl.col("status") == "handoff") & (pl.col("turn") >= pl.col("at_turn"))
    auto = (pl.col("mode") == "auto") & ~handed.fill_null(False)
    used = (pl.col("mode") == "assist") & pl.col("draft").is_in(["accepted", "edited"])
    sent = (
        pl.when(auto)
        .then(mine)
        .when(used)
        .then(pl.max_horizontal(mine * missed, theirs))
        .otherwise(theirs)
    )

    def known(promises: pl.Expr) -> pl.Expr:
        return pl.when(promises.is_not_null().any()).then(promises.sum())

    return (
        decisions.join(
            read, on=("candidate", "conversation_id", "turn"), how="left", maintain_order="left"
        )
        .join(own, on=("conversation_id", "turn"), how="left", maintain_order="left")
        .join(settlements.drop("cause"), on=_CELL, how="left", maintain_order="left")
        .group_by(_CELL, maintain_order=True)
        .agg(
            (pl.col("mode") == "auto").any().alias("automatic"),
            known(sent).alias("n_promises"),
            known(theirs).alias("n_human_promises"),
            known(mine.filter(auto)).alias("n_bot_promises"),
            # The hand-over's own reply was written as well.
            pl.col("mode").is_in(["auto", "assist"]).sum().alias("n_bot_replies"),
        )
    )


def costs(
    kpis: pl.DataFrame,
    volumes: pl.DataFrame,
    hours: pl.DataFrame,
    draws: Sequence[int],
    money: Money,
    baseline: str,
) -> pl.DataFrame:
    """The table ``costs``: money a day by cell, bound and segment.

    Args:
        kpis: table ``kpis``: ``offered_per_day, abandonment_rate, complaint_rate``.
        volumes: table ``volumes``.
        hours: table ``desk_hours``; a cell without rows had no visit on any day.
        draws: the input day of each replication.
        money: prices.
        baseline: name of the stage without a bot.

    Returns:
        Metrics ``labour_money`` (of the work that came, answered or not: a desk that loses its
        customers is not cheaper), ``bot_money, promise_money, complaint_money, abandonment_money,
        total_money, saving_money`` (against the baseline; positive is cheaper), ``saving_hours``
        and ``break_even_risky_promise_rate``: risky promises of the bot per automatic conversation
        at which the saving is gone. ``low`` and ``high`` of the two savings are a 95 % interval
        from the same customers' hours with and without the bot, day by day. Where promises could
        not be judged (no policy), ``promise_money`` is null, and ``method`` says that total and
        saving leave them out.
    """
    judged = volumes["promises_per_day"].is_not_null().any()
    wide = volumes.join(
        _needed(volumes, hours, draws, baseline), on=_GROUP, how="left", maintain_order="left"
    )
    for metric in ("offered_per_day", "abandonment_rate", "complaint_rate"):
        one = kpis.filter(pl.col("metric") == metric)
        wide = wide.join(
            one.select(*_GROUP, pl.col("estimate").alias(metric)),
            on=_GROUP,
            how="left",
            maintain_order="left",
        )
    wage = money.wage_per_hour.value / (money.target_occupancy.value * (1 - money.shrinkage.value))
    left = (pl.col("offered_per_day") * pl.col("abandonment_rate")).fill_null(0.0)
    parts = ["labour_money", "bot_money", "promise_money", "complaint_money", "abandonment_money"]
    wide = wide.with_columns(
        (pl.col("needed_hours") * wage).alias("labour_money"),
        (pl.col("bot_replies_per_day") * money.bot_reply_money.value).alias("bot_money"),
        (pl.col("promises_per_day") * money.risky_promise_money.value).alias("promise_money"),
        (pl.col("arrivals_per_day") * pl.col("complaint_rate") * money.complaint_money.value).alias(
            "complaint_money"
        ),
        ((left + pl.col("quits_per_day")) * money.abandonment_money.value).alias(
            "abandonment_money"
        ),
    ).with_columns(pl.sum_horizontal(parts).alias("total_money"))
    base = wide.filter(pl.col("stage") == baseline).select(
        "segment", pl.col("total_money").alias("base_money")
    )
    # Where nothing is saved even without a single promise, the rate that breaks even is 0.
    at_stake = pl.col("automatic_per_day") * money.risky_promise_money.value
    own = pl.col("bot_promises_per_day").fill_null(0.0) * money.risky_promise_money.value
    wide = (
        wide.join(base, on="segment", how="left", maintain_order="left")
        .with_columns((pl.col("base_money") - pl.col("total_money")).alias("saving_money"))
        .with_columns(
            pl.when(at_stake > 0)
            .then(((pl.col("saving_money") + own) / at_stake).clip(lower_bound=0.0))
            .alias("break_even_risky_promise_rate")
        )
    )
    units = {
        **dict.fromkeys((*parts, "total_money", "saving_money"), f"{money.currency} a day"),
        "saving_hours": "hours of work a day",
        "break_even_risky_promise_rate": "risky promises per automatic conversation",
    }
    long = wide.unpivot(
        list(units),
        index=[*_GROUP, "arrivals_per_day", "half_width"],
        variable_name="metric",
        value_name="estimate",
    )
    half = (
        pl.when(pl.col("metric") == "saving_money")
        .then(pl.col("half_width") * wage)
        .when(pl.col("metric") == "saving_hours")
        .then("half_width")
    )
    return conform(
        "costs",
        long.with_columns(
            (pl.col("estimate") - half).alias("low"),
            (pl.col("estimate") + half).alias("high"),
            pl.col("metric").replace_strict(units, return_dtype=pl.String).alias("unit"),
            pl.col("arrivals_per_day").round(0).cast(pl.Int64).alias("n"),
            pl.lit(
                "mean simulated day at the scenario's prices"
                + ("" if judged else "; risky promises left out: no policy to judge them by")
            ).alias("method"),
        ),
    )


def _needed(
    volumes: pl.DataFrame, hours: pl.DataFrame, draws: Sequence[int], baseline: str
) -> pl.DataFrame:
    """Mean hours of each cell, those saved, and the half-width of the saving's interval."""
    by_cell = {
        key: dict(part.select("replication", "needed_hours").iter_rows())
        for key, part in hours.partition_by(_GROUP, as_dict=True).items()
    }

    def days(key: tuple[object, ...]) -> NDArray[np.float64]:
        found = by_cell.get(key, {})
        return np.array([found.get(day, 0.0) for day in range(len(draws))])

    alone = {key[3]: days(key) for key in volumes.select(_GROUP).rows() if key[0] == baseline}
    rows = []
    for key in volumes.select(_GROUP).rows():
        own = days(key)
        saved = alone.get(key[3], np.zeros(len(draws))) - own
        half = two_level(saved, np.asarray(draws)).half_width
        rows.append((*key, float(own.mean()), float(saved.mean()), half))
    return pl.DataFrame(
        rows,
        schema={
            **dict.fromkeys(_GROUP, pl.String),
            "needed_hours": pl.Float64,
            "saving_hours": pl.Float64,
            "half_width": pl.Float64,
        },
        orient="row",
    )


def breakdown(
    kpis: pl.DataFrame, costs: pl.DataFrame, gates: Sequence[Gate], assumed: float
) -> pl.DataFrame:
    """The breakdown value: how many of the unknown outcomes must be good ones.

    The smallest share of the diverged conversations that must be contained so that the saving and
    the gates on service level and complaints hold, if the others come back and complain as the log
    has it. On the line through the central case (the assumed share) and the best case (all are
    contained; at the central case's complaints).

    Args:
        kpis: table ``kpis``.
        costs: table ``costs``.
        gates: the limits; the saving must be at least 0 even without a gate on it.
        assumed: contained share of the central case.

    Returns:
        Rows of table ``costs``, metric ``breakdown_contained_share``, for each cell and segment
        that has a best and a central case. Null where even the best does not hold; ``method`` says
        which limit it misses. No row where the assumed share is 1: one point makes no line.
    """
    limits = {"saving_money": 0.0} | {
        gate.metric: gate.limit
        for gate in gates
        if gate.metric in ("saving_money", "service_level", "complaint_rate")
    }
    values = pl.concat([kpis, costs]).select(*_GROUP, "metric", "estimate", "n")
    values = values.filter(pl.col("metric").is_in([*limits, "complaint_money"]))
    place = ("stage", "candidate", "segment", "metric")
    both = values.filter(pl.col("bound") == "central").join(
        values.filter(pl.col("bound") == "best"),
        on=place,
        how="left",
        suffix="_best",
        maintain_order="left",
    )
    cells = values.filter(pl.col("bound") == "best").select(place[:3]).unique()
    both = both.join(cells, on=place[:3], how="semi", maintain_order="left")
    if assumed >= 1 or both.is_empty():
        return empty("costs")
    complaints = both.filter(pl.col("metric") == "complaint_money").select(
        *place[:3], (pl.col("estimate") - pl.col("estimate_best")).alias("complaints")
    )
    metric = pl.col("metric")
    at_best = (
        pl.when(metric == "saving_money")
        .then(pl.col("estimate_best") - pl.col("complaints").fill_null(0.0))
        .when(metric == "complaint_rate")
        .then("estimate")
        # Without a single visit nobody waits.
        .when(metric == "service_level")
        .then(pl.col("estimate_best").fill_null(1.0))
    )
    # A complaint rate must stay below its limit, the others above theirs.
    sign = pl.when(metric == "complaint_rate").then(-1.0).otherwise(1.0)
    limit = metric.replace_strict(limits, default=None, return_dtype=pl.Float64)
    best, central = sign * (at_best - limit), sign * (pl.col("estimate") - limit)
    crossing = assumed - central * (1 - assumed) / (best - central)
    needed = (
        pl.when(best < 0)
        .then(None)
        # More contained conversations do not help this limit: it holds as it is.
        .when(best <= central)
        .then(0.0)
        .otherwise(crossing.clip(0.0, 1.0))
    )
    found = (
        both.filter(metric != "complaint_money")
        .join(complaints, on=place[:3], how="left", maintain_order="left")
        .with_columns(needed.alias("needed"), (best < 0).fill_null(True).alias("never"))
        .group_by(place[:3], maintain_order=True)
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
            .then(pl.lit("linear through the central and the best case"))
            .otherwise(pl.format("not even if all are contained: {}", "fails"))
            .alias("method"),
        ),
    )
