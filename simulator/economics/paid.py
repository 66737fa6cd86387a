"""Money after re-staffing: the hours that are paid, not those that are worked."""

from __future__ import annotations

import polars as pl

from simulator.scenario import Money
from simulator.tables import conform

_GROUP = ("stage", "candidate", "bound", "segment")


def paid_costs(
    costs: pl.DataFrame, paid: pl.DataFrame, money: Money, baseline: str
) -> pl.DataFrame:
    """Rows of table ``costs`` for a desk that is staffed anew for each stage.

    Hours that a bot frees save nothing until somebody is no longer paid for them. So the paid
    saving is that of the fewest agents in whole shifts, with and without the bot, in the place of
    the saving of labour by the work alone; all other money is the same.

    Args:
        costs: :func:`costs`.
        paid: table ``staffing_hours``; may be empty, or of some cells only.
        money: the wage.
        baseline: name of the stage without a bot.

    Returns:
        Segment ``all``: ``paid_labour_money``, and for all but the baseline
        ``paid_saving_hours`` and ``paid_saving_money``, with the interval of the hours.
    """
    wage = money.wage_per_hour.value
    hours = paid.filter(pl.col("metric") == "paid_hours_per_day").drop("metric", "unit")
    saved = paid.filter(pl.col("metric") == "paid_hours_saved_per_day").drop("metric", "unit")
    rest = (
        costs.filter(pl.col("metric").is_in(["saving_money", "labour_money"]))
        .pivot("metric", index=_GROUP, values="estimate")
        .join(
            costs.filter(metric="labour_money", stage=baseline).select(
                "segment", pl.col("estimate").alias("base_labour")
            ),
            on="segment",
        )
        .select(
            *_GROUP,
            # What is saved besides labour: promises, complaints, the bot's own cost.
            (pl.col("saving_money") - pl.col("base_labour") + pl.col("labour_money")).alias("rest"),
        )
        if costs.height
        else pl.DataFrame(schema={**dict.fromkeys(_GROUP, pl.String), "rest": pl.Float64})
    )
    with_rest = saved.join(rest, on=_GROUP, how="inner", maintain_order="left")
    values = pl.col("estimate", "low", "high")
    unit = f"{money.currency} a day"
    return pl.concat(
        conform("costs", frame.with_columns(metric=pl.lit(metric), unit=pl.lit(unit_)))
        for metric, unit_, frame in (
            ("paid_labour_money", unit, hours.with_columns(values * wage)),
            ("paid_saving_hours", "paid hours a day", saved),
            (
                "paid_saving_money",
                unit,
                with_rest.with_columns(values * wage + pl.col("rest")).drop("rest"),
            ),
        )
    )
