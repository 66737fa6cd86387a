"""What the difference of two candidates means at the desk: the same simulated days with both.

Both faced the same customers on the same days, so where a figure of each day is kept, the
difference is taken day by day: it is known far better than either figure is. Of the other figures
only means are kept; their differences have no interval, since what the two have in common cannot
be told any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.evidence.replications import two_levels

_BETTER = {
    "service_level": "higher",
    "needed_hours_per_day": "lower",
    "escalated_per_day": None,
    "asa_s": "lower",
    "abandonment_rate": "lower",
    "complaint_rate": "lower",
    "total_money": "lower",
    "saving_money": "higher",
    "reply_tokens": "lower",
    "reply_money": "lower",
}
_BY_DAY = ("service_level", "needed_hours_per_day")
_PLACE = ("stage", "bound")
_MEANS = "difference of the means over all simulated days; days are not kept for it: no interval"
_Reals = NDArray[np.float64]


def desk_differences(
    ours: str,
    theirs: str,
    kpis: pl.DataFrame,
    costs: pl.DataFrame,
    desk_hours: pl.DataFrame,
    draws: Sequence[int],
    n_logged: int | None,
    *,
    n_days: int = 1,
    volumes: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Table ``desk_differences``, ours less theirs, of the whole desk (segment "all").

    Service level and hours of work are paired by simulated day, two-sided 95 %: a ratio by sums
    over sums and linearisation. Waits, what is abandoned, complained of and escalated, and money
    are differences of means. A candidate that is at one stage and bound alone (people, at the
    baseline) is set against the other's every stage and bound.

    Args:
        ours, theirs: candidates. Two names in the tables; they face the same days if they are of
            one run, or of two with the same seed, history and demand.
        kpis, costs, desk_hours: tables of those names.
        draws: which draw of the input each replication belongs to, in the order of replications.
        n_logged: days of the log that were drawn from; see
            :func:`simulator.evidence.replications.two_level`.
        n_days: days of one replication, after the warm-up.
        volumes: table ``volumes``; with it, what one reply of the bot takes: ``reply_tokens``
            (prompt and completion, of replies whose tokens are known) and ``reply_money``.

    Returns:
        A row for each stage, bound and metric of which at least one of the two is known; the
        difference is null where the other is not. Stages in the order in which they stand in
        ``kpis``. ``n`` counts simulated days. Days that are all the same with both give no
        interval: it would have no width.

    Source: for linearisation, Cochran, "Sampling Techniques" (3rd ed., 1977), section 6.3.
    """
    means = _means(kpis, costs, volumes)
    places = {
        name: means.filter(pl.col("candidate") == name).select(_PLACE).unique(maintain_order=True)
        for name in (ours, theirs)
    }
    shared = places[ours].join(places[theirs], on=_PLACE, how="semi", maintain_order="left")
    alone = [name for name, at in places.items() if at.height == 1 and shared.is_empty()]
    if len(alone) == 1:
        # People alone are the same at every stage of a bot: they stand there once.
        shared = places[theirs if alone == [ours] else ours]
    days = _days(desk_hours, n_days, len(draws))
    rows = []
    for place in shared.iter_rows():
        at = {name: places[name].row(0) if name in alone else place for name in (ours, theirs)}
        here = [
            means.filter(
                (pl.col("candidate") == name)
                & (pl.col("stage") == at[name][0])
                & (pl.col("bound") == at[name][1])
            )
            for name in (ours, theirs)
        ]
        found = {row["metric"]: row for row in _by_mean(*here)}
        a, b = (days.get((at[name][0], name, at[name][1])) for name in (ours, theirs))
        if a is not None and b is not None:
            found |= {row["metric"]: row for row in _by_day(a, b, draws, n_logged)}
        said = f"; {alone[0]} as at stage {at[alone[0]][0]}" if alone else ""
        rows += [
            {"ours": ours, "theirs": theirs, "stage": place[0], "bound": place[1]}
            | {"better": _BETTER[metric], "n": len(draws) * n_days}
            | found[metric]
            | {"method": found[metric]["method"] + said}
            for metric in _BETTER
            if metric in found
        ]
    return tables.build("desk_differences", rows)


def _means(kpis: pl.DataFrame, costs: pl.DataFrame, volumes: pl.DataFrame | None) -> pl.DataFrame:
    """``stage, candidate, bound, metric, estimate, unit`` of the whole desk."""
    columns = [*_PLACE, "candidate", "metric", "estimate", "unit"]
    parts = [kpis, costs] if volumes is None else [kpis, costs, _of_a_reply(costs, volumes)]
    return pl.concat(
        part.filter((pl.col("segment") == "all") & pl.col("metric").is_in(list(_BETTER))).select(
            columns
        )
        for part in parts
    )


def _of_a_reply(costs: pl.DataFrame, volumes: pl.DataFrame) -> pl.DataFrame:
    money = costs.filter(pl.col("metric") == "bot_money")
    replies = pl.col("bot_replies_per_day")
    counted = replies - pl.col("unpriced_bot_replies_per_day").fill_null(0.0)
    tokens = pl.col("bot_prompt_tokens_per_day") + pl.col("bot_completion_tokens_per_day")
    on = [*_PLACE, "candidate", "segment"]
    return pl.concat(
        [
            volumes.filter(counted > 0).select(
                *on,
                estimate=tokens / counted,
                metric=pl.lit("reply_tokens"),
                unit=pl.lit("tokens/reply"),
            ),
            volumes.filter(replies > 0)
            .join(money.select(*on, "estimate", "unit"), on=on)
            .select(
                *on,
                estimate=pl.col("estimate") / replies,
                metric=pl.lit("reply_money"),
                unit=pl.col("unit").str.replace(" a day", " a reply", literal=True),
            ),
        ]
    )


def _by_mean(ours: pl.DataFrame, theirs: pl.DataFrame) -> Iterator[dict[str, Any]]:
    pairs = ours.join(
        theirs,
        on="metric",
        how="full",
        coalesce=True,
        suffix=":theirs",
    )
    for row in pairs.iter_rows(named=True):
        a, b = row["estimate"], row["estimate:theirs"]
        if a is None and b is None:
            continue
        yield {
            "metric": row["metric"],
            "of_ours": a,
            "of_theirs": b,
            "difference": None if a is None or b is None else a - b,
            "unit": row["unit"] or row["unit:theirs"],
            "method": _MEANS,
        }


def _days(
    desk_hours: pl.DataFrame, n_days: int, n: int
) -> dict[tuple[object, ...], dict[str, tuple[_Reals, _Reals]]]:
    """By stage, candidate and bound: for each metric numerators and denominators by replication."""
    whole = desk_hours.filter(pl.col("segment") == "all")
    found = {}
    for key, part in whole.partition_by("stage", "candidate", "bound", as_dict=True).items():
        at = part["replication"].to_numpy()
        within, reached, hours = np.zeros(n), np.zeros(n), np.zeros(n)
        within[at], reached[at] = part["n_within"].to_numpy(), part["n_reached"].to_numpy()
        hours[at] = part["needed_hours"].to_numpy()
        found[key] = {
            "service_level": (within, reached),
            "needed_hours_per_day": (hours, np.full(n, float(n_days))),
        }
    return found


def _by_day(
    ours: dict[str, tuple[_Reals, _Reals]],
    theirs: dict[str, tuple[_Reals, _Reals]],
    draws: Sequence[int],
    n_logged: int | None,
) -> Iterator[dict[str, Any]]:
    for metric, unit in zip(_BY_DAY, ("ratio", "h/day"), strict=True):
        if not ours[metric][1].sum() or not theirs[metric][1].sum():
            continue
        (a, off_a), (b, off_b) = _linearised(*ours[metric]), _linearised(*theirs[metric])
        spread = two_levels((a - b + off_a - off_b)[None, :], np.asarray(draws), n_logged)
        half, method = float(spread.half_width[0]), spread.method[0]
        if half == 0:
            half, method = np.nan, "every day differs alike: no interval"
        known = not np.isnan(half)
        yield {
            "metric": metric,
            "of_ours": a,
            "of_theirs": b,
            "difference": a - b,
            "low": a - b - half if known else None,
            "high": a - b + half if known else None,
            "unit": unit,
            "method": f"difference of the same days; {method}",
        }


def _linearised(top: _Reals, bottom: _Reals) -> tuple[float, _Reals]:
    """Sum over sum, and by how much each day moves it."""
    level = float(top.sum() / bottom.sum())
    return level, (top - level * bottom) / bottom.mean()
