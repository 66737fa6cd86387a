"""When agents were logged in and when they were busy, as stretches of time."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

CELL = ("stage", "candidate", "bound")


def busy_stretches(contacts: pl.DataFrame) -> pl.DataFrame:
    """One row an answered visit: cell, ``replication, agent, team, starts_ms, ends_ms``."""
    return contacts.filter(pl.col("started_ms").is_not_null()).select(
        *CELL, "replication", "agent", "team", starts_ms="started_ms", ends_ms="ended_ms"
    )


def logged_in_stretches(contacts: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Presence and work together, for each cell in ``contacts``.

    An agent who ends a contact after the shift is logged in until then.

    Returns:
        The columns of :func:`busy_stretches`; stretches of one agent in one team are disjoint.
    """
    cells = contacts.select(CELL).unique(maintain_order=True)
    present = cells.join(roster, how="cross").select(
        *CELL, "replication", "team", "starts_ms", "ends_ms", agent="agent_id"
    )
    return _merged(
        pl.concat([present, busy_stretches(contacts)], how="diagonal"),
        [*CELL, "replication", "agent", "team"],
    )


def within_interval(stretches: pl.DataFrame, interval_ms: int) -> pl.DataFrame:
    """Stretches cut every ``interval_ms``; adds ``interval``, its number, and ``spent_ms``."""
    interval = pl.col("interval")
    return (
        stretches.filter(pl.col("starts_ms") < pl.col("ends_ms"))
        .with_columns(
            interval=pl.int_ranges(
                pl.col("starts_ms") // interval_ms, (pl.col("ends_ms") - 1) // interval_ms + 1
            )
        )
        .explode("interval")
        .with_columns(
            spent_ms=pl.min_horizontal("ends_ms", (interval + 1) * interval_ms)
            - pl.max_horizontal("starts_ms", interval * interval_ms)
        )
    )


def _merged(stretches: pl.DataFrame, owner: Sequence[str]) -> pl.DataFrame:
    """The union of each owner's stretches."""
    until = pl.col("ends_ms").cum_max().shift(1).over(owner)
    return (
        stretches.sort(*owner, "starts_ms")
        .with_columns(begins=(pl.col("starts_ms") > until).fill_null(True))
        .with_columns(part=pl.col("begins").cum_sum().over(owner))
        .group_by(*owner, "part", maintain_order=True)
        .agg(pl.col("starts_ms").min(), pl.col("ends_ms").max())
        .drop("part")
    )
