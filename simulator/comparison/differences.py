"""Table ``differences``: every metric, over everything and slice by slice.

Why two kinds of multiplicity
    Over everything, each row may be acted on: Holm over the metrics of all pairs keeps the chance
    of any false one to 5 % (at a confidence of 95 %). Slices are an exploration of hundreds:
    Benjamini-Hochberg keeps the share of false ones among those reported to 5 %, and to 5 % the
    chance of any where nothing differs at all.
Why ``worse`` has a test of its own
    That something differs does not say that it got worse by more than was allowed for. Over
    everything, "worse by no more than the tolerance" is tested, and Holm counts these tests. What
    is measured (tokens, seconds) has no tolerance in points; it is described, and worse is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from simulator import tables
from simulator.comparison.flips import LEAST, Kinds, interval, two_sided, worse
from simulator.comparison.metrics import BY_CONVERSATION, METRICS, OURS, THEIRS, Metric
from simulator.comparison.points import on_lattice
from simulator.evidence.multiplicity import benjamini_hochberg, holm
from simulator.evidence.paired import mcnemar

ALL = "all"


class Cell(NamedTuple):
    """One metric of one pair in one slice, before any test.

    Attributes:
        name: columns of the row that say which one it is, and its counts.
        metric: what it is of.
        kinds: its conversations.
        stepped: the same with weights in whole steps, for the sign-flip test.
        weighted: whether points count differently.
    """

    name: dict[str, Any]
    metric: Metric
    kinds: Kinds
    stepped: Kinds
    weighted: bool


def cells(ours: str, theirs: str, points: pl.DataFrame, by: Sequence[str]) -> Iterator[Cell]:
    """All that is known of a pair, metric by metric; first everything, then slices in order.

    Args:
        ours, theirs: what the two are called.
        points: of :class:`simulator.comparison.points.Paired`.
        by: columns to slice by.
    """
    for metric in METRICS:
        mine, other = (metric.value(side).cast(pl.Float64) for side in (OURS, THEIRS))
        concerned = points.select(
            "place",
            *by,
            metric.concerned.fill_null(True).alias("may_be"),
            pl.when(metric.concerned).then(mine).alias("mine"),
            pl.when(metric.concerned).then(other).alias("other"),
            pl.lit(1.0).alias("weight")
            if metric.weight is None
            else pl.col(metric.weight).alias("weight"),
        ).filter(pl.col("may_be") & pl.col("weight").is_not_null())
        either = pl.col("mine", "other").is_null()
        known = concerned.filter(~pl.any_horizontal(either))
        if known.is_empty():
            continue
        step = known["weight"] if metric.weight is None else on_lattice(known["weight"])
        known = known.with_columns(step.alias("step"))
        missing = concerned.filter(pl.any_horizontal(either))
        for slicer in (ALL, *by):
            key = (pl.lit(ALL) if slicer == ALL else pl.col(slicer)).alias("slice")
            lacking = missing.select("place", key).group_by("slice").len()
            n_missing = dict(lacking.iter_rows())
            totals = (
                known.select("place", "mine", "other", "weight", "step", key)
                .drop_nulls("slice")
                # In order, so that sums of seconds do not hang on which thread came first.
                .group_by("slice", "place", maintain_order=True)
                .agg(
                    pl.col("mine", "other").sum(),
                    # A conversation was drawn as a whole: its points weigh the same.
                    pl.col("weight", "step").first(),
                    pl.len().alias("n"),
                )
            )
            named = {"ours": ours, "theirs": theirs, "by": slicer}
            yield from _cells(metric, named, "point", totals, n_missing)
            if metric.source == "rules" and metric.name in BY_CONVERSATION:
                any_of = totals.with_columns(
                    (pl.col("mine", "other") > 0).cast(pl.Float64),
                    pl.lit(1, pl.UInt32).alias("n"),
                )
                whole = metric._replace(name=BY_CONVERSATION[metric.name])
                # What is left out is counted in points, at the metric that this is made of.
                yield from _cells(whole, named, "conversation", any_of, {})


def _cells(
    metric: Metric,
    named: dict[str, Any],
    unit: str,
    totals: pl.DataFrame,
    n_missing: dict[str, int],
) -> Iterator[Cell]:
    sums = totals.group_by("slice", maintain_order=True).agg(
        (pl.col("mine", "other", "n") * pl.col("weight")).sum().name.prefix("all_"),
        pl.col("n").sum(),
        (pl.col("weight").n_unique() > 1).alias("weighted"),
        pl.len().alias("n_conversations"),
    )
    kinds = (
        totals.group_by(
            "slice", (pl.col("mine") - pl.col("other")).alias("total"), "n", "weight", "step"
        )
        .agg(pl.len().alias("count"))
        .sort("slice", "total", "n", "weight")
        .partition_by("slice", as_dict=True)
    )
    for row in sums.sort("slice").iter_rows(named=True):
        part = kinds[(row["slice"],)]
        counts = part["count"].to_numpy().astype(np.int64)
        exact, stepped = (
            Kinds(
                (part["total"] * part[weight]).to_numpy(),
                (part["n"] * part[weight]).to_numpy(),
                counts,
            )
            for weight in ("weight", "step")
        )
        yield Cell(
            named
            | {
                "slice": row["slice"],
                "unit": unit,
                "metric": metric.name,
                "source": metric.source,
                "better": metric.better,
                "of_ours": row["all_mine"] / row["all_n"],
                "of_theirs": row["all_other"] / row["all_n"],
                "n": int(row["n"]),
                "n_conversations": int(row["n_conversations"]),
                "n_excluded": n_missing.get(row["slice"], 0),
            },
            metric,
            exact,
            stepped,
            row["weighted"],
        )


def differences(
    found: Sequence[Cell], tolerance: float, confidence: float, rng: np.random.Generator
) -> pl.DataFrame:
    """Table ``differences``, in order: everything; slices that got worse, better, the rest.

    Args:
        found: the cells of all pairs.
        tolerance: by which a share may be worse, in [0, 1].
        confidence: of intervals and, less 1, level of both families, in (0, 1).
        rng: what flips and draws come from.
    """
    overall = [_tested(cell, confidence, rng) for cell in found if cell.name["by"] == ALL]
    shares = [cell for cell in found if cell.name["by"] == ALL and cell.metric.share]
    fell = holm(
        [worse(cell.kinds, _bad(cell.metric), tolerance, rng) for cell in shares], 1 - confidence
    )
    worse_by = {id(cell): one.rejected for cell, one in zip(shares, fell, strict=True)}
    whole = [cell for cell in found if cell.name["by"] == ALL]
    held = holm([row["p_value"] for row in overall], 1 - confidence)
    for cell, row, one in zip(whole, overall, held, strict=True):
        row["p_adjusted"], row["different"] = one.adjusted, one.rejected
        row["worse"] = worse_by.get(id(cell))
        row["method"] = f"{row['method']}; Holm over everything compared"
    parts = [cell for cell in found if cell.name["by"] != ALL]
    slices = [_tested(cell, confidence, rng) for cell in parts]
    adjusted = benjamini_hochberg([row["p_value"] for row in slices])
    for cell, row, p in zip(parts, slices, adjusted, strict=True):
        row["p_adjusted"] = p
        row["different"] = p is not None and p <= 1 - confidence
        if cell.metric.share:
            row["worse"] = row["different"] and row["difference"] * _bad(cell.metric) > 0
        row["method"] = f"{row['method']}; Benjamini-Hochberg over all slices"
    return tables.build("differences", [*overall, *sorted(slices, key=_urgency)])


def _tested(cell: Cell, confidence: float, rng: np.random.Generator) -> dict[str, Any]:
    kinds = cell.kinds
    if cell.name["unit"] == "conversation":
        ahead, behind = (int(kinds.counts[sign * kinds.totals > 0].sum()) for sign in (1, -1))
        p, test = max(LEAST, mcnemar(ahead, behind)), "exact McNemar test"
        paired = "paired by conversation"
    else:
        p, test = two_sided(cell.stepped, rng)
        paired = "paired by point, clustered by conversation"
    low, high, ends = interval(kinds, confidence, share=cell.metric.share, p=p, rng=rng)
    weighted = ", weighted by how labels were drawn" if cell.weighted else ""
    return {
        **cell.name,
        "difference": kinds.mean(),
        "low": low,
        "high": high,
        "p_value": p,
        "method": f"{paired}{weighted}; {test}; {ends}",
    }


def _bad(metric: Metric) -> int:
    return 1 if metric.better == "lower" else -1


def _urgency(row: dict[str, Any]) -> tuple[Any, ...]:
    """What got worse first, surest first; then what differs otherwise; then the rest."""
    group = 0 if row.get("worse") else 1 if row["different"] else 2
    return group, row["p_adjusted"], row["p_value"], -abs(row["difference"])
