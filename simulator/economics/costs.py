"""What a simulated day costs, and what it saves against people alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.economics.prices import Priced, bot_money
from simulator.evidence.replications import two_level
from simulator.scenario import Money
from simulator.tables import conform

_GROUP = ("stage", "candidate", "bound", "segment")
_ALL_FLAT: Mapping[str, Priced] = MappingProxyType({})


def costs(
    kpis: pl.DataFrame,
    volumes: pl.DataFrame,
    hours: pl.DataFrame,
    draws: Sequence[int],
    n_logged: int | None,
    money: Money,
    baseline: str,
    priced: Mapping[str, Priced] = _ALL_FLAT,
) -> pl.DataFrame:
    """The table ``costs``: money a day by cell, bound and segment.

    Args:
        kpis: table ``kpis``: ``abandoned_per_day, complaint_rate``.
        volumes: table ``volumes``.
        hours: table ``desk_hours``; a cell without rows had no visit on any day.
        draws: the input day of each replication.
        n_logged: days of the log that they were drawn from; null for an assumed profile.
        money: prices.
        baseline: name of the stage without a bot.
        priced: how the replies of candidates with a price card are priced
            (:func:`simulator.economics.prices.reply_prices`).

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
        _needed(volumes, hours, draws, n_logged, baseline),
        on=_GROUP,
        how="left",
        maintain_order="left",
    )
    for metric in ("abandoned_per_day", "complaint_rate"):
        one = kpis.filter(pl.col("metric") == metric)
        wide = wide.join(
            one.select(*_GROUP, pl.col("estimate").alias(metric)),
            on=_GROUP,
            how="left",
            maintain_order="left",
        )
    wage = money.wage_per_hour.value / (money.target_occupancy.value * (1 - money.shrinkage.value))
    left = pl.col("abandoned_per_day").fill_null(0.0)
    parts = ["labour_money", "bot_money", "promise_money", "complaint_money", "abandonment_money"]
    wide = wide.with_columns(
        (pl.col("needed_hours") * wage).alias("labour_money"),
        bot_money(volumes, priced, money.bot_reply_money.value).alias("bot_money"),
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
            pl.concat_str(
                pl.lit(
                    "mean simulated day at the scenario's prices"
                    + ("" if judged else "; risky promises left out: no policy to judge them by")
                ),
                pl.when(pl.col("metric") == "bot_money")
                .then(
                    pl.col("candidate").replace_strict(
                        {name: f"; {one.method}" for name, one in priced.items()},
                        default="",
                        return_dtype=pl.String,
                    )
                )
                .otherwise(pl.lit("")),
            ).alias("method"),
        ),
    )


def _needed(
    volumes: pl.DataFrame,
    hours: pl.DataFrame,
    draws: Sequence[int],
    n_logged: int | None,
    baseline: str,
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
        half = two_level(saved, np.asarray(draws), n_logged).half_width
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
