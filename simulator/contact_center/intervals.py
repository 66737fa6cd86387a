"""The desk by half-hour and team: what a planner lays beside a forecast."""

from __future__ import annotations

from typing import Any

import polars as pl

from simulator import tables
from simulator.contact_center.occupancy import (
    CELL,
    busy_stretches,
    logged_in_stretches,
    within_interval,
)

_UNITS = {
    "offered": "contacts",
    "answered": "contacts",
    "abandoned": "contacts",
    "asa_s": "s",
    "service_level": "ratio",
    "occupancy": "ratio",
    "agents": "agents",
}


def desk_intervals(
    contacts: pl.DataFrame, roster: pl.DataFrame, target_wait_s: float, interval_s: int = 1800
) -> pl.DataFrame:
    """Indicators by interval, as means over replications.

    Contacts count in the interval in which they arrived; agent time where it was spent. Nobody
    knows which team a contact that was never answered would have had, so ``offered``,
    ``abandoned`` and ``service_level`` stand under team ``all`` alone.

    Args:
        contacts: table ``contacts``.
        roster: table ``roster``, common to all cells.
        target_wait_s: T of the service level, seconds.
        interval_s: length of an interval, seconds.

    Returns:
        Table ``intervals``, segment ``all``, from the first interval with an arrival or an agent
        to the last, for each cell and team. Counts are means of one day; ``agents`` is the mean
        number logged in, work after the end of a shift included. ``estimate`` is null where the
        denominator is 0; ``low`` and ``high`` are null. ``n`` counts visits, and replications for
        ``agents`` and ``occupancy``.

    Raises:
        TableError: a table breaks its contract.
    """
    tables.check("contacts", contacts)
    tables.check("roster", roster)
    if not contacts.height:
        return tables.empty("intervals")
    interval_ms = interval_s * 1000
    n_days = pl.concat([contacts["replication"], roster["replication"]]).n_unique()
    key = [*CELL, "team", "interval"]
    visits = _visits(contacts, target_wait_s, interval_ms)
    busy = _spent(busy_stretches(contacts), interval_ms, "busy_ms")
    logged_in = _spent(logged_in_stretches(contacts, roster), interval_ms, "logged_in_ms")
    table = (
        _grid(contacts, roster, [visits, busy, logged_in])
        .join(visits, on=key, how="left", maintain_order="left")
        .join(busy, on=key, how="left", maintain_order="left")
        .join(logged_in, on=key, how="left", maintain_order="left")
        .with_columns(pl.exclude(key).fill_null(0))
    )
    answered = pl.col("answered")
    # All but those who left within T; whoever was never served had waited longer.
    reached = pl.col("offered") - pl.col("abandoned") + pl.col("abandoned_late")
    whole = pl.col("team") == "all"
    days = pl.lit(n_days, dtype=pl.Int64)
    metrics: dict[str, tuple[pl.Expr, pl.Expr, pl.Expr | None]] = {
        "offered": (pl.col("offered") / n_days, pl.col("offered"), whole),
        "answered": (answered / n_days, answered, None),
        "abandoned": (pl.col("abandoned") / n_days, pl.col("abandoned"), whole),
        "asa_s": (_over(pl.col("wait_ms") / 1000, answered), answered, None),
        "service_level": (_over(pl.col("within"), reached), reached, whole),
        "occupancy": (_over(pl.col("busy_ms"), pl.col("logged_in_ms")), days, None),
        "agents": (pl.col("logged_in_ms") / (n_days * interval_ms), days, None),
    }
    parts = [
        (table if where is None else table.filter(where)).select(
            *CELL,
            "team",
            segment=pl.lit("all"),
            metric=pl.lit(metric),
            estimate=estimate.cast(pl.Float64),
            n=n.cast(pl.Int64),
            unit=pl.lit(_UNITS[metric]),
            method=pl.lit(f"mean of {n_days} simulated days"),
            interval_start_s=pl.col("interval") * interval_s,
        )
        for metric, (estimate, n, where) in metrics.items()
    ]
    return tables.conform("intervals", pl.concat(parts))


def _visits(contacts: pl.DataFrame, target_wait_s: float, interval_ms: int) -> pl.DataFrame:
    wait = pl.col("started_ms") - pl.col("arrived_ms")
    left = pl.col("abandoned_ms") - pl.col("arrived_ms")
    counted = contacts.with_columns(interval=pl.col("arrived_ms") // interval_ms)
    answered = counted.filter(pl.col("team").is_not_null())
    return (
        pl.concat([counted.with_columns(team=pl.lit("all")), answered])
        .group_by(*CELL, "team", "interval", maintain_order=True)
        .agg(
            offered=pl.len(),
            answered=wait.count(),
            abandoned=left.count(),
            wait_ms=wait.sum(),
            within=(wait <= target_wait_s * 1000).sum(),
            abandoned_late=(left > target_wait_s * 1000).sum(),
        )
    )


def _spent(stretches: pl.DataFrame, interval_ms: int, name: str) -> pl.DataFrame:
    cut = within_interval(stretches, interval_ms)
    return (
        pl.concat([cut.with_columns(team=pl.lit("all")), cut])
        .group_by(*CELL, "team", "interval", maintain_order=True)
        .agg(pl.col("spent_ms").sum().alias(name))
    )


def _grid(contacts: pl.DataFrame, roster: pl.DataFrame, parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Every cell, team and interval between the first and the last that occur."""
    seen = pl.concat([part["interval"].cast(pl.Int64) for part in parts])
    first: Any = seen.min()
    last: Any = seen.max()
    teams = roster["team"].unique().sort()
    return (
        contacts.select(CELL)
        .unique(maintain_order=True)
        .join(pl.DataFrame({"team": ["all", *teams]}), how="cross")
        .join(
            pl.DataFrame({"interval": pl.int_range(first, last + 1, dtype=pl.Int64, eager=True)}),
            how="cross",
        )
    )


def _over(top: pl.Expr, bottom: pl.Expr) -> pl.Expr:
    return pl.when(bottom > 0).then(top / bottom)
