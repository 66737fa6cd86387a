"""Opening hours, and who comes back when the desk is closed."""

from __future__ import annotations

from datetime import time
from typing import get_args

import polars as pl

from simulator import tables
from simulator.contact_center.roster.schedule import DAY_MS, Horizon
from simulator.scenario import ContactCenter
from simulator.scenario.values import Channel

# The latest time that can be written stands for midnight: else whoever is open all night would be
# closed for a second.
_LAST_SECOND = time(23, 59, 59)
_RETURNS = ("hand_back", "recontact")


def hours_of(desk: ContactCenter, horizon: Horizon, n_replications: int) -> pl.DataFrame:
    """The opening hours of the simulated days.

    Openings that touch or overlap are one, over midnight too (``closes = 23:59:59`` is midnight).
    On a day that stands for several weekdays the desk is open when it is on any of them.

    Args:
        desk: ``opening`` and ``outside``.
        horizon: the days.
        n_replications: all have the same hours.

    Returns:
        Table ``hours``, by replication, channel and opening; no rows for a channel that no opening
        names, which is always open. A channel that is closed on all simulated days was
        open for a moment the day before them, since without rows it would be always open.
    """
    rows = []
    for opening in desk.opening:
        opens, closes = _ms(opening.opens), _ms(opening.closes)
        for midnight, weekdays in zip(horizon.midnights_ms, horizon.weekdays, strict=True):
            is_open = not set(opening.days).isdisjoint(weekdays)
            rows += [
                (channel, midnight + opens, midnight + closes)
                for channel in opening.channels
                if is_open
            ]
    openings = pl.DataFrame(
        rows,
        schema={"channel": pl.String, "opens_ms": pl.Int64, "closes_ms": pl.Int64},
        orient="row",
    )
    named = {channel for opening in desk.opening for channel in opening.channels}
    closed = sorted(named - set(openings["channel"]))
    before = horizon.midnights_ms[0] - DAY_MS
    never = pl.DataFrame(
        [(channel, before, before + 1) for channel in closed], openings.schema, orient="row"
    )
    outside = {channel: getattr(desk.outside, channel) for channel in get_args(Channel)}
    return tables.conform(
        "hours",
        pl.DataFrame({"replication": range(n_replications)}, {"replication": pl.Int64})
        .join(
            pl.concat([_merged(openings, "channel"), never]).sort("channel", "opens_ms"),
            how="cross",
        )
        .with_columns(outside=pl.col("channel").replace_strict(outside, return_dtype=pl.String)),
    )


def returns_when_open(
    arrivals: pl.DataFrame, roster: pl.DataFrame, hours: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Visits of customers who return from the bot to a closed desk, moved to the next opening.

    For channels without opening hours of their own. The desk is open on a day from the coming of
    the first agent to the leaving of the last. After the last closing the next opening is the
    first of the replication: the simulated days stand for the next ones as well, and what the last
    of them leaves over waits at the door when the first begins. Only returns (``hand_back`` and
    ``recontact``) are moved; a contact that the log has outside these hours was made then, and
    finds nobody.

    Args:
        arrivals: table ``arrivals``.
        roster: table ``roster``; a replication without anybody at work is left as it is.
        hours: table ``hours``; its channels are left as they are, for the engine keeps their
            hours. Null: there are none.

    Returns:
        Table ``arrivals`` of the same rows in the same order.
    """
    tables.check("arrivals", arrivals)
    openings = _openings(tables.check("roster", roster))
    kept = [] if hours is None else hours["channel"].unique().to_list()
    due = (
        arrivals.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
        .filter(
            pl.col("cause").is_in(_RETURNS),
            pl.col("arrives_ms").is_not_null(),
            ~pl.col("channel").is_in(kept),
        )
        .select("row", "replication", at="arrives_ms")
    )
    if openings.is_empty() or due.is_empty():
        return arrivals
    before, after = (
        openings.rename({"opens_ms": "opened"}),
        openings.select("replication", "opens_ms"),
    )
    first = openings.group_by("replication").agg(first=pl.col("opens_ms").min())
    moved = (
        due.sort("at")
        .join_asof(
            before.sort("opened"), left_on="at", right_on="opened", by="replication",
            strategy="backward", check_sortedness=False,
        )
        .join_asof(
            after.sort("opens_ms"), left_on="at", right_on="opens_ms", by="replication",
            strategy="forward", check_sortedness=False, coalesce=False,
        )
        .filter((pl.col("at") < pl.col("closes_ms")).fill_null(False).not_())
        .join(first, on="replication")
        .select("row", moved=pl.coalesce("opens_ms", "first"))
    )  # fmt: skip
    return tables.check(
        "arrivals",
        arrivals.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
        .join(moved, on="row", how="left", maintain_order="left")
        .with_columns(arrives_ms=pl.coalesce("moved", "arrives_ms"))
        .drop("row", "moved"),
    )


def _openings(roster: pl.DataFrame) -> pl.DataFrame:
    """When somebody is there: ``replication, opens_ms, closes_ms``; a break does not close."""
    # By the day on which a stretch begins, so that a night shift closes when it ends.
    days = (
        roster.filter(pl.col("starts_ms") < pl.col("ends_ms"))
        .group_by("replication", day=pl.col("starts_ms") // DAY_MS)
        .agg(opens_ms=pl.col("starts_ms").min(), closes_ms=pl.col("ends_ms").max())
    )
    return _merged(days.drop("day"), "replication")


def _merged(openings: pl.DataFrame, by: str) -> pl.DataFrame:
    """Openings that touch or overlap as one, for each ``by``; sorted."""
    until = pl.col("closes_ms").cum_max().shift(1).over(by)
    apart = (pl.col("opens_ms") > until).fill_null(True)
    return (
        openings.sort(by, "opens_ms")
        .with_columns(group=apart.cum_sum().over(by))
        .group_by(by, "group", maintain_order=True)
        .agg(pl.col("opens_ms").min(), pl.col("closes_ms").max())
        .drop("group")
    )


def _ms(at: time) -> int:
    if at == _LAST_SECOND:
        return DAY_MS
    return ((at.hour * 60 + at.minute) * 60 + at.second) * 1000
