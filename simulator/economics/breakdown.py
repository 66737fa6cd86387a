"""How many of the unknown outcomes must be good ones."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from simulator.scenario import Gate
from simulator.tables import conform, empty

_SERVICE = ("service_level", "service_level_loss")
# Those that must stay below their limit.
_HARMS = ("complaint_rate", "service_level_loss")
_GROUP = ("stage", "candidate", "bound", "segment")


def breakdown(
    kpis: pl.DataFrame, costs: pl.DataFrame, gates: Sequence[Gate], assumed: float
) -> pl.DataFrame:
    """The breakdown value: how many of the unknown outcomes must be good ones.

    The smallest share of the diverged conversations that must be contained so that the saving and
    the gates on service level and complaints hold, if the others come back and complain as the log
    has it. On the line through the central case (the assumed share) and the best case (all are
    contained; at the central case's complaints); of service, where the central case keeps the limit
    and the worst does not, on the line through these two.

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
        if gate.metric in ("saving_money", "complaint_rate", *_SERVICE)
    }
    columns = (*_GROUP, "metric", "estimate", "n")
    values = pl.concat([kpis.select(columns), costs.select(columns)])
    values = values.filter(pl.col("metric").is_in([*limits, "complaint_money"]))
    place = ("stage", "candidate", "segment", "metric")
    both = values.filter(pl.col("bound") == "central").join(
        values.filter(pl.col("bound") == "best"),
        on=place,
        how="left",
        suffix="_best",
        maintain_order="left",
    )
    # What replay cannot know hits the desk otherwise than the line says: the worst case stands for
    # no conversation contained, where service is concerned (its complaints are no matter of that).
    both = both.join(
        values.filter(pl.col("bound") == "worst", pl.col("metric").is_in(_SERVICE)).select(
            *place, pl.col("estimate").alias("estimate_worst")
        ),
        on=place,
        how="left",
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
        .when(metric == "service_level_loss")
        .then(pl.col("estimate_best").fill_null(0.0))
    )
    sign = pl.when(metric.is_in(_HARMS)).then(-1.0).otherwise(1.0)
    limit = metric.replace_strict(limits, default=None, return_dtype=pl.Float64)
    best, central = sign * (at_best - limit), sign * (pl.col("estimate") - limit)
    worst = sign * (pl.col("estimate_worst") - limit)
    crossing = assumed - central * (1 - assumed) / (best - central)
    needed = (
        pl.when(best < 0)
        .then(None)
        .when((worst < 0) & (central >= 0))
        .then(assumed * -worst / (central - worst))
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
