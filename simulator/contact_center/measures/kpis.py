"""The desk's indicators, from the log of visits alone.

Definitions: *ASA* = mean wait of answered contacts. *Service level (T)* = answered within T /
(answered + abandoned after T); who was still waiting at the end is in the denominator, who was
turned away is not. *Abandonment rate* = abandoned / offered. *Occupancy* = agent time with at least
one contact in hand / logged-in agent time, work after the end of a shift in both, of the simulated
days (0:00 to 24:00: what a night shift does after the last midnight belongs to the next day).

Why e-mail stands apart: ``simulator.contact_center.measures.sums``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center.measures.sums import (
    CELL,
    PERCENTILES,
    DeskSums,
    desk_sums,
    together,
)
from simulator.contact_center.measures.yardstick import Yardstick, yardstick
from simulator.errors import TableError
from simulator.evidence.replications import two_levels

HOUR_MS = 3_600_000

_Reals = NDArray[np.float64]


def desk_kpis(
    contacts: pl.DataFrame,
    roster: pl.DataFrame,
    conversations: pl.DataFrame,
    segment_by: Sequence[str],
    target_wait_s: float,
    draws: Sequence[int],
    n_days: int = 1,
    n_logged: int | None = None,
) -> pl.DataFrame:
    """Indicators of each cell and segment; see :func:`kpis_of`.

    Args:
        contacts: table ``contacts``; replications are numbered from 0 to ``len(draws) - 1``, and
            one that does not occur was a day without visits.
        roster: table ``roster``, common to all cells.
        conversations: table ``conversations``; gives the segments, and those without any visit,
            and says whether the log has live contacts.
        segment_by: columns of ``conversations``. A segment's name is their values joined by
            " / ", with ``unknown`` for null.
        target_wait_s: T of the service level, seconds.
        draws: which draw of the input each replication belongs to.
        n_days: days of one replication.
        n_logged: days of the log that were drawn from; see
            :func:`simulator.evidence.replications.two_level`.

    Raises:
        TableError: a table breaks its contract, a replication is not in ``draws``, or a segment
            is called ``all``.
    """
    tables.check("contacts", contacts)
    tables.check("roster", roster)
    by = yardstick(
        conversations,
        segment_by,
        roster["team"].unique().sort(),
        target_wait_s,
        len(draws),
        n_days,
    )
    found = [
        kpis_of(sums, by, cell, draws, n_logged)
        for cell, sums in sums_by_cell(contacts, roster, by)
    ]
    return pl.concat([tables.empty("kpis"), *found])


def desk_hours(
    contacts: pl.DataFrame,
    conversations: pl.DataFrame,
    segment_by: Sequence[str],
    n_replications: int,
    n_days: int = 1,
) -> pl.DataFrame:
    """The table ``desk_hours``: work and service of each cell, segment and replication.

    Args and segments as :func:`desk_kpis`. A cell without a single visit has no rows.
    """
    by = yardstick(conversations, segment_by, (), 0.0, n_replications, n_days)
    found = [
        hours_of(sums, by, cell)
        for cell, sums in sums_by_cell(contacts, tables.empty("roster"), by)
    ]
    return pl.concat([tables.empty("desk_hours"), *found])


def sums_by_cell(
    contacts: pl.DataFrame, roster: pl.DataFrame, by: Yardstick
) -> Iterator[tuple[tuple[str, str, str], DeskSums]]:
    """The sums of each cell in ``contacts``, all replications at once."""
    for key, part in contacts.partition_by(CELL, as_dict=True, maintain_order=True).items():
        sums = desk_sums(part, roster, by, range(by.n_replications))
        yield (key[0], key[1], key[2]), together([sums], by)


def hours_of(sums: DeskSums, by: Yardstick, cell: tuple[str, str, str]) -> pl.DataFrame:
    """Table ``desk_hours`` of one cell, from the sums of all its replications."""
    shown = _shown(sums, by)
    needed = sums.daily["needed_ms"][shown] / HOUR_MS / by.n_days
    rows = {
        "segment": [by.segments[at] for at in shown for _ in sums.replications],
        "replication": np.tile(sums.replications, len(shown)),
        "needed_hours": needed.ravel(),
        "n_within": sums.daily["within"][shown].ravel().astype(np.int64),
        "n_reached": _reached(sums)[shown].ravel().astype(np.int64),
    }
    return tables.conform("desk_hours", named(pl.DataFrame(rows), cell))


class _Metric(NamedTuple):
    """``top / bottom``: sum over sum of all days; ``bottom`` null: the mean of days."""

    name: str
    unit: str
    top: _Reals
    bottom: _Reals | None
    n: _Reals
    most: float | None = None
    of_all: bool = False


def kpis_of(
    sums: DeskSums,
    by: Yardstick,
    cell: tuple[str, str, str],
    draws: Sequence[int],
    n_logged: int | None = None,
) -> pl.DataFrame:
    """Table ``kpis`` of one cell, from the sums of all its replications.

    Per day what is counted, as means over replications; sums over sums for ratios; percentiles of
    waits are means of each replication's (linear interpolation). ``asa_s``, the percentiles,
    ``service_level`` and ``abandonment_rate`` are over live contacts where the log has any, else
    over all. ``deadline_met_rate`` is over the contacts whose deadline falls on a day that counts,
    whenever they came: answered within it; never answered is missed. ``unserved_per_day`` are live
    contacts still waiting when the last agent left; a mail is never that. ``backlog_end``: waiting
    at the end of the horizon, that is come by then (warm-up days included) and neither begun, gone
    nor turned away. ``human_hours_per_day`` is the
    agents' own time on contacts, ``needed_hours_per_day`` the work of all that came.

    Args:
        sums: of all replications (:func:`simulator.contact_center.measures.sums.together`).
        by: what they were counted with.
        cell: stage, candidate and bound.
        draws: which draw of the input each replication belongs to.
        n_logged: days of the log that were drawn from, null where each draw is a day of its own.

    Returns:
        ``estimate`` is null where the denominator is 0. ``low`` and ``high`` are a 95 % confidence
        interval of the estimate from the two-level layout (by linearisation for ratios), cut to the
        metric's range; ``input_sd`` and ``simulation_sd`` are its two causes on the scale of one
        replication. Between ``predicted_low`` and ``predicted_high`` lie 90 % of replications:
        days, or weeks where ``by.n_days`` is 7. ``n`` counts the visits behind the estimate.
        Segment ``all`` also has occupancy, unserved visits, the backlog, and where the log has both
        live contacts and e-mail, e-mail's own. No visit in any replication: no rows.

    Raises:
        TableError: ``draws`` has not one entry for each replication.
    """
    if len(draws) != by.n_replications:
        raise TableError(
            f"draws has {len(draws)} entries; expected {by.n_replications}, one a replication"
        )
    if not sums.n_contacts:
        return tables.empty("kpis")
    shown = _shown(sums, by)
    parts = [
        _rows(metric, shown[:1] if metric.of_all else shown, by, draws, n_logged)
        for metric in _metrics(sums, by)
    ]
    # Segment by segment, as a reader looks them up.
    order = {by.segments[at]: place for place, at in enumerate(shown)}
    return tables.conform(
        "kpis",
        named(pl.concat(parts), cell).sort(
            pl.col("segment").replace_strict(order, return_dtype=pl.Int64), maintain_order=True
        ),
    )


def _metrics(sums: DeskSums, by: Yardstick) -> Iterator[_Metric]:
    day, days = sums.daily, by.n_days
    offered, answered, live = day["offered"], day["answered"], day["live_answered"]
    for name in ("offered", "escalated", "turned_away"):
        yield _Metric(f"{name}_per_day", "contacts/day", day[name] / days, None, day[name])
    yield _Metric("asa_s", "s", day["wait_ms"] / 1000, live, live)
    for p in PERCENTILES:
        yield _Metric(f"wait_p{p}_s", "s", day[f"wait_p{p}_ms"] / 1000, None, live)
    reached = _reached(sums)
    yield _Metric("service_level", "ratio", day["within"], reached, reached, 1.0)
    queued = day["live_offered"]
    yield _Metric("abandonment_rate", "ratio", day["live_abandoned"], queued, queued, 1.0)
    lost = day["live_abandoned"] / days
    yield _Metric("abandoned_per_day", "contacts/day", lost, None, day["live_abandoned"])
    yield _Metric("deadline_met_rate", "ratio", day["met"], day["due"], day["due"], 1.0)
    for name, of, behind in (("human", "handled_ms", answered), ("needed", "needed_ms", offered)):
        hours = day[of] / HOUR_MS / days
        yield _Metric(f"{name}_hours_per_day", "h/day", hours, None, behind)
    busy, logged_in = (sums.spans[f"{name}_ms"][:1].sum(axis=1) for name in ("busy", "logged_in"))
    yield _Metric(
        "occupancy", "ratio", busy.astype(float), logged_in.astype(float), answered, 1.0, True
    )
    unserved, backlog = day["live_unserved"], day["backlog"]
    yield _Metric("unserved_per_day", "contacts/day", unserved / days, None, unserved, None, True)
    yield _Metric("backlog_end", "contacts", backlog, None, backlog, None, True)
    if by.with_email:
        mails, left = day["email_answered"], day["email_backlog"]
        hours = day["email_wait_ms"] / HOUR_MS
        yield _Metric("email_time_to_answer_h", "h", hours, mails, mails, None, True)
        yield _Metric("email_backlog_end", "contacts", left, None, left, None, True)


def _reached(sums: DeskSums) -> _Reals:
    """Live contacts that count for the service level: answered, left late, or never served."""
    day = sums.daily
    return day["live_answered"] + day["abandoned_late"] + day["live_unserved"]


def _shown(sums: DeskSums, by: Yardstick) -> list[int]:
    """Segments that have rows: those of the log, and unknown ones where they occur."""
    if not sums.n_contacts:
        return []
    seen = sums.daily["offered"].sum(axis=1) > 0
    return [at for at in range(len(by.segments)) if at < by.n_named or seen[at]]


def _rows(
    metric: _Metric,
    shown: list[int],
    by: Yardstick,
    draws: Sequence[int],
    n_logged: int | None,
) -> pl.DataFrame:
    found = estimated(
        metric.top[shown],
        None if metric.bottom is None else metric.bottom[shown],
        draws,
        n_logged,
        metric.most,
    )
    return pl.DataFrame(
        {
            "segment": [by.segments[at] for at in shown],
            "metric": [metric.name] * len(shown),
            "unit": [metric.unit] * len(shown),
            "n": metric.n[shown].sum(axis=1).astype(np.int64),
            **found,
        }
    )


def estimated(
    top: _Reals,
    bottom: _Reals | None,
    draws: Sequence[int],
    n_logged: int | None,
    most: float | None,
) -> dict[str, Any]:
    """Columns ``estimate``, ``low``, ``high``, the two causes, the prediction, and ``method``.

    Args:
        top: one row a quantity, one column a replication; NaN: not known for it.
        bottom: denominators of the same shape, or null for the mean of ``top``.
        draws: the draw of each column.
        n_logged: days that were drawn from.
        most: the largest possible value; the smallest is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if bottom is None:
            values, one_day = top, None
            known = ~np.isnan(top)
            estimate = np.where(known, top, 0.0).sum(axis=1) / known.sum(axis=1)
        else:
            estimate = top.sum(axis=1) / bottom.sum(axis=1)
            ratio = estimate[:, None]
            values = ratio + (top - ratio * bottom) / bottom.mean(axis=1)[:, None]
            one_day = np.where(bottom > 0, top / bottom, np.nan)
    spread = two_levels(values, np.asarray(draws, dtype=np.int64), n_logged, one_day)

    def cut(limits: _Reals) -> pl.Series:
        return pl.Series(np.clip(limits, 0.0, most), dtype=pl.Float64, nan_to_null=True)

    def plain(numbers: _Reals) -> pl.Series:
        return pl.Series(numbers, dtype=pl.Float64, nan_to_null=True)

    return {
        "estimate": plain(estimate),
        "low": cut(estimate - spread.half_width),
        "high": cut(estimate + spread.half_width),
        "input_sd": plain(spread.input_sd),
        "simulation_sd": plain(spread.simulation_sd),
        "predicted_low": cut(spread.predicted_low),
        "predicted_high": cut(spread.predicted_high),
        "method": spread.method,
    }


def named(rows: pl.DataFrame, cell: tuple[str, str, str]) -> pl.DataFrame:
    """``rows`` with the columns of their cell."""
    return rows.with_columns(
        pl.lit(value).alias(name) for name, value in zip(CELL, cell, strict=True)
    )
