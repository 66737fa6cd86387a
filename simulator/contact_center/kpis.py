"""The desk's indicators, from the log of visits alone.

Definitions: *ASA* = mean wait of answered contacts. *Service level (T)* = answered within T /
(answered + abandoned after T). *Abandonment rate* = abandoned / offered. *Occupancy* = busy agent
time / logged-in agent time, work after the end of a shift in both, of the simulated day (0:00 to
24:00: what a night shift does after midnight belongs to the next day).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center.occupancy import CELL, busy_stretches, logged_in_stretches
from simulator.errors import TableError
from simulator.evidence.replications import two_level

ESCALATIONS = ("handoff", "hand_back", "outage")
DAY_MS = 86_400_000
HOUR_MS = 3_600_000

_Sums = Mapping[str, NDArray[np.float64]]


def desk_kpis(
    contacts: pl.DataFrame,
    roster: pl.DataFrame,
    conversations: pl.DataFrame,
    segment_by: Sequence[str],
    target_wait_s: float,
    draws: Sequence[int],
) -> pl.DataFrame:
    """Indicators of each cell and segment, as means over simulated days.

    Args:
        contacts: table ``contacts``; replications are numbered from 0 to ``len(draws) - 1``, and
            one that does not occur was a day without visits.
        roster: table ``roster``, common to all cells.
        conversations: table ``conversations``; gives the segments, and those without any visit.
        segment_by: columns of ``conversations``. A segment's name is their values joined by
            " / ", with ``unknown`` for null.
        target_wait_s: T of the service level, seconds.
        draws: which input day each replication belongs to.

    Returns:
        Table ``kpis``. Means of days for what is counted; sums over sums for ratios; the 90th
        percentile of waits is the mean of each day's (linear interpolation). ``estimate`` is
        null where the denominator is 0. ``low`` and ``high`` are a 95 % confidence interval of
        the estimate from the two-level layout (by linearisation for ratios), cut to the metric's
        range. ``n`` counts the visits behind the estimate. Segment ``all`` also has occupancy and
        unserved visits. A cell without a single visit in any replication has no rows.

    Raises:
        TableError: a table breaks its contract, a replication is not in ``draws``, or a segment
            is called ``all``.
    """
    tables.check("contacts", contacts)
    tables.check("roster", roster)
    strange = contacts.filter(~pl.col("replication").is_between(0, len(draws) - 1))
    if strange.height:
        raise TableError(
            f"table contacts: replication = {strange['replication'][0]}; expected 0 to "
            f"{len(draws) - 1}: draws has one entry for each replication"
        )
    days = np.asarray(draws, dtype=np.int64)
    rows: list[dict[str, Any]] = []
    time = _agent_time(contacts, roster)
    for key, sums in _by_cell(_daily(contacts, conversations, segment_by, target_wait_s), days):
        cell = dict(zip((*CELL, "segment"), key, strict=True))
        rows += [{**cell, **row} for row in _rows(sums, days)]
        if cell["segment"] == "all":
            busy, logged_in = (
                _scattered(time.filter(*(pl.col(c) == cell[c] for c in CELL)), column, days)
                for column in ("busy_ms", "logged_in_ms")
            )
            occupancy = _ratio(busy, logged_in, sums["answered"], days, "ratio", 1.0)
            rows.append({**cell, "metric": "occupancy", **occupancy})
            unserved = sums["offered"] - sums["answered"] - sums["abandoned"]
            counted = _mean(unserved, unserved, days, "contacts/day")
            rows.append({**cell, "metric": "unserved_per_day", **counted})
    return tables.build("kpis", rows)


def desk_hours(
    contacts: pl.DataFrame,
    conversations: pl.DataFrame,
    segment_by: Sequence[str],
    n_replications: int,
) -> pl.DataFrame:
    """The table ``desk_hours``: needed hours of each cell, segment and simulated day.

    Args and segments as :func:`desk_kpis`. A cell without a single visit has no rows.
    """
    daily = _daily(contacts, conversations, segment_by, 0.0)
    rows = [
        {**dict(zip((*CELL, "segment"), key, strict=True)), "replication": day, "needed_hours": h}
        for key, sums in _by_cell(daily, np.arange(n_replications))
        for day, h in enumerate(sums["needed_ms"] / HOUR_MS)
    ]
    return tables.build("desk_hours", rows)


def _rows(sums: _Sums, days: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    offered, answered, escalated = sums["offered"], sums["answered"], sums["escalated"]
    # Whoever was still waiting at the end had waited longer than T as well.
    unserved = offered - answered - sums["abandoned"]
    reached = answered + sums["abandoned_late"] + unserved
    yield {"metric": "offered_per_day", **_mean(offered, offered, days, "contacts/day")}
    yield {"metric": "escalated_per_day", **_mean(escalated, escalated, days, "contacts/day")}
    yield {"metric": "asa_s", **_ratio(sums["wait_ms"] / 1000, answered, answered, days, "s", None)}
    yield {"metric": "wait_p90_s", **_mean(sums["p90_ms"] / 1000, answered, days, "s")}
    level = _ratio(sums["within"], reached, reached, days, "ratio", 1.0)
    yield {"metric": "service_level", **level}
    lost = _ratio(sums["abandoned"], offered, offered, days, "ratio", 1.0)
    yield {"metric": "abandonment_rate", **lost}
    hours = _mean(sums["work_ms"] / HOUR_MS, answered, days, "h/day")
    yield {"metric": "human_hours_per_day", **hours}
    needed = _mean(sums["needed_ms"] / HOUR_MS, offered, days, "h/day")
    yield {"metric": "needed_hours_per_day", **needed}


def _daily(
    contacts: pl.DataFrame,
    conversations: pl.DataFrame,
    segment_by: Sequence[str],
    target_wait_s: float,
) -> pl.DataFrame:
    """Counts and sums of each cell, segment and replication, 0 where there was no visit.

    ``needed_ms`` is the work of all that came, answered or not; a visit that repeats one that was
    not answered asks for the same work, which counts once.
    """
    segments = conversations.select(
        "conversation_id",
        segment=pl.concat_str(
            [pl.col(column).cast(pl.String).fill_null("unknown") for column in segment_by],
            separator=" / ",
        )
        if segment_by
        else pl.lit("all"),
    )
    visits = contacts.join(
        segments, on="conversation_id", how="left", maintain_order="left"
    ).with_columns(pl.col("segment").fill_null("unknown"))
    named = pl.concat([visits["segment"], segments["segment"]]).unique().sort()
    if segment_by and "all" in named:
        raise TableError(
            f"table conversations: a segment by {', '.join(segment_by)} is called 'all', which "
            "stands for every conversation; rename it"
        )
    arrival = pl.col("contact_id").str.replace(r"/\d+$", "")
    before = pl.col("started_ms").is_not_null().shift(1).over(*CELL, "replication", arrival)
    visits = visits.with_columns(anew=before.fill_null(True))
    whole = visits.with_columns(segment=pl.lit("all"))
    both = pl.concat([whole, visits]) if segment_by else whole

    answered = pl.col("started_ms").is_not_null()
    abandoned = pl.col("abandoned_ms").is_not_null()
    wait = pl.col("started_ms") - pl.col("arrived_ms")
    left = pl.col("abandoned_ms") - pl.col("arrived_ms")
    target_ms = target_wait_s * 1000
    sums = both.group_by(*CELL, "segment", "replication", maintain_order=True).agg(
        offered=pl.len(),
        answered=answered.sum(),
        abandoned=abandoned.sum(),
        escalated=pl.col("cause").is_in(ESCALATIONS).sum(),
        wait_ms=wait.sum(),
        within=(wait <= target_ms).sum(),
        abandoned_late=(left > target_ms).sum(),
        work_ms=(pl.col("ended_ms") - pl.col("started_ms")).sum(),
        needed_ms=pl.col("work_ms").filter("anew").sum(),
        p90_ms=wait.quantile(0.9, "linear"),
    )
    names = pl.DataFrame({"segment": ["all", *named] if segment_by else ["all"]})
    cells = contacts.select(CELL).unique(maintain_order=True)
    return (
        cells.join(names, how="cross")
        .join(sums, on=[*CELL, "segment"], how="left", maintain_order="left")
        .with_columns(pl.exclude(*CELL, "segment", "replication", "p90_ms").fill_null(0))
    )


def _by_cell(
    daily: pl.DataFrame, days: NDArray[np.int64]
) -> Iterator[tuple[tuple[Any, ...], dict[str, NDArray[np.float64]]]]:
    columns = [c for c in daily.columns if c not in (*CELL, "segment", "replication")]
    for key, part in daily.group_by(*CELL, "segment", maintain_order=True):
        seen = part.drop_nulls("replication")
        sums = {column: _scattered(seen, column, days) for column in columns}
        sums["p90_ms"][sums["answered"] == 0] = np.nan
        yield key, sums


def _scattered(part: pl.DataFrame, column: str, days: NDArray[np.int64]) -> NDArray[np.float64]:
    values = np.zeros(len(days))
    values[part["replication"].to_numpy()] = part[column].cast(pl.Float64).fill_null(0).to_numpy()
    return values


def _agent_time(contacts: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """``busy_ms`` and ``logged_in_ms`` of each cell and replication, within the day."""
    of_day = pl.col("ends_ms").clip(0, DAY_MS) - pl.col("starts_ms").clip(0, DAY_MS)
    key = [*CELL, "replication"]
    logged_in = logged_in_stretches(contacts, roster)
    return (
        logged_in.group_by(key, maintain_order=True)
        .agg(logged_in_ms=of_day.sum())
        .join(
            busy_stretches(contacts).group_by(key, maintain_order=True).agg(busy_ms=of_day.sum()),
            on=key,
            how="left",
            maintain_order="left",
        )
    )


def _mean(
    values: NDArray[np.float64], behind: NDArray[np.float64], days: NDArray[np.int64], unit: str
) -> dict[str, Any]:
    """The mean of days; a day whose value is not known (NaN inside this module) is left out."""
    known = ~np.isnan(values)
    row = {"n": int(behind.sum()), "unit": unit}
    if not known.any():
        return {**row, "estimate": None, "low": None, "high": None, "method": "no visit"}
    return {
        **row,
        **_around(float(values[known].mean()), values[known], days[known], None),
    }


def _ratio(
    top: NDArray[np.float64],
    bottom: NDArray[np.float64],
    behind: NDArray[np.float64],
    days: NDArray[np.int64],
    unit: str,
    most: float | None,
) -> dict[str, Any]:
    """Sum over sum; its uncertainty is that of the mean of the linearised residuals."""
    row = {"n": int(behind.sum()), "unit": unit}
    if bottom.sum() == 0:
        return {**row, "estimate": None, "low": None, "high": None, "method": "no visit"}
    ratio = float(top.sum() / bottom.sum())
    linear = ratio + (top - ratio * bottom) / bottom.mean()
    return {**row, **_around(ratio, linear, days, most)}


def _around(
    estimate: float, values: NDArray[np.float64], days: NDArray[np.int64], most: float | None
) -> dict[str, Any]:
    spread = two_level(values, days)
    low = high = None
    if spread.half_width is not None:
        low, high = max(0.0, estimate - spread.half_width), estimate + spread.half_width
        high = high if most is None else min(most, high)
    return {"estimate": estimate, "low": low, "high": high, "method": spread.method}
