"""The desk by half-hour and team: what a planner lays beside a forecast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center.measures.kpis import estimated, named, sums_by_cell
from simulator.contact_center.measures.required import erlang_a_agents
from simulator.contact_center.measures.sums import (
    PERCENTILES,
    DeskSums,
    percentiles_of,
)
from simulator.contact_center.measures.yardstick import LIVE, UNKNOWN, Yardstick
from simulator.evidence.replications import two_levels

_Ints = NDArray[np.int64]
_Reals = NDArray[np.float64]


class Target(NamedTuple):
    """What ``required_agents`` is reckoned for: so large a share answered within T of the
    yardstick, with customers of this mean patience."""

    share: float
    patience_mean_s: float


def desk_intervals(
    contacts: pl.DataFrame,
    roster: pl.DataFrame,
    target_wait_s: float,
    interval_s: int = 1800,
    n_days: int = 1,
    draws: Sequence[int] | None = None,
    n_logged: int | None = None,
    target: Target | None = None,
) -> pl.DataFrame:
    """Indicators by interval and team of each cell; see :func:`intervals_of`.

    Args:
        contacts: table ``contacts``; where any of it is live (voice or chat), ASA, percentiles,
            service level and required agents are over live contacts alone.
        roster: table ``roster``, common to all cells.
        target_wait_s: T of the service level, seconds.
        interval_s: length of an interval, seconds, a divisor of a day.
        n_days: days of one replication.
        draws: which draw of the input each replication belongs to; null: those that occur, each a
            draw of its own.
        n_logged: days of the log that were drawn from.
        target: for ``required_agents``; null: unknown.

    Raises:
        TableError: a table breaks its contract, or a replication is not in ``draws``.
    """
    tables.check("contacts", contacts)
    tables.check("roster", roster)
    if not contacts.height:
        return tables.empty("intervals")
    if draws is None:
        seen = pl.concat([contacts["replication"], roster["replication"]])
        places = {number: place for place, number in enumerate(seen.unique().sort())}
        contacts, roster = (
            frame.with_columns(pl.col("replication").replace_strict(places, return_dtype=pl.Int64))
            for frame in (contacts, roster)
        )
        draws = range(len(places))
    teams = pl.concat([roster["team"], contacts["team"], contacts["offered_team"]])
    by = Yardstick(
        segment_of=pl.DataFrame(),
        segments=("all",),
        n_named=1,
        teams=tuple(teams.drop_nulls().unique().sort()),
        target_wait_s=target_wait_s,
        n_replications=len(draws),
        n_days=n_days,
        interval_s=interval_s,
        live_only=bool(contacts["channel"].fill_null(UNKNOWN).is_in((*LIVE, UNKNOWN)).any()),
    )
    found = [
        intervals_of(sums, by, cell, draws, n_logged, target)
        for cell, sums in sums_by_cell(contacts, roster, by)
    ]
    return pl.concat([tables.empty("intervals"), *found])


class _Metric(NamedTuple):
    """``top / bottom``: sum over sum of all replications; ``bottom`` null: the mean of them."""

    name: str
    unit: str
    top: _Reals
    bottom: _Reals | None
    n: _Reals | None
    most: float | None = None


def intervals_of(
    sums: DeskSums,
    by: Yardstick,
    cell: tuple[str, str, str],
    draws: Sequence[int],
    n_logged: int | None = None,
    target: Target | None = None,
) -> pl.DataFrame:
    """Table ``intervals`` of one cell, from the sums of all its replications.

    Contacts count in the interval in which they arrived and under the team that they were offered
    to first (``offered_team``), whichever answered; under team ``all`` stand all of them. Agent
    time counts where it was spent, under the agent's team, within the horizon.

    Metrics: ``offered``, ``answered``, ``abandoned`` and ``turned_away`` (contacts; the last three
    and those never served make up the first), ``backlog`` (waiting at the interval's end, from
    warm-up days on), ``asa_s``, ``wait_p50_s`` / ``p90`` / ``p99`` (of answered contacts of all
    replications together, linear interpolation), ``service_level``, ``aht_s`` (the agents' own
    time on an answered contact), ``occupancy``, ``agents`` (mean number logged in, work after the
    end of a shift included), and ``required_agents``: the fewest with which Erlang A meets the
    target in a steady state at the interval's offered rate (turned-away contacts left out), one
    contact at a time, with the agents' own time as mean work. ASA, percentiles, service level and
    required agents are over live contacts where there are any (see
    ``simulator.contact_center.measures.sums``).

    Args:
        sums: of all replications (:func:`simulator.contact_center.measures.sums.together`).
        by: what they were counted with.
        cell: stage, candidate and bound.
        draws: which draw of the input each replication belongs to.
        n_logged: days of the log that were drawn from, null where each draw is a day of its own.
        target: for ``required_agents``; null: unknown.

    Returns:
        Segment ``all``, from the first interval with an arrival or an agent to the last, also
        beyond the horizon where contacts came back after it (``backlog`` and ``agents`` are null
        there). ``estimate`` is null where the
        denominator is 0. ``low`` and ``high``: 95 % confidence interval from the two-level layout;
        for ratios by linearisation; for percentiles the percentiles at the limits of the share of
        waits below the estimate (Woodruff 1952, JASA 47:635-646), null where that share reaches 1.
        ``input_sd``, ``simulation_sd``, ``predicted_low`` and ``predicted_high`` as in table
        ``kpis``; for percentiles they are those of each replication's own, which differ the more
        the fewer contacts it has. ``required_agents`` has no interval. ``n`` counts visits,
        and replications for ``agents`` and ``occupancy``.
    """
    if not sums.n_contacts:
        return tables.empty("intervals")
    busy_at = (sums.spans["offered"][0] + sums.spans["logged_in_ms"][0]).sum(axis=1).nonzero()[0]
    if not len(busy_at):
        return tables.empty("intervals")
    shown = slice(int(busy_at[0]), int(busy_at[-1]) + 1)
    # One row a team and interval, one column a replication.
    flat = {
        name: counts[:, shown].reshape(-1, by.n_replications).astype(np.float64)
        for name, counts in sums.spans.items()
    }
    # Beyond the horizon the desk is seen no more, though customers may still come back.
    seen = np.tile(np.arange(shown.start, shown.stop) < by.n_intervals, len(by.teams) + 1)
    teams = ("all", *by.teams)
    starts = np.arange(shown.start, shown.stop, dtype=np.int64) * by.interval_s
    common = {
        "team": pl.Series([team for team in teams for _ in starts], dtype=pl.String),
        "interval_start_s": pl.Series(np.tile(starts, len(teams))),
    }
    parts = []
    for metric in _metrics(flat, seen, by):
        found = estimated(metric.top, metric.bottom, draws, n_logged, metric.most)
        n = (
            np.full(len(metric.top), by.n_replications)
            if metric.n is None
            else metric.n.sum(axis=1)
        )
        parts.append(_table(metric.name, metric.unit, common, n, **found))
    n = flat["live_answered"].sum(axis=1)
    for p, found in _percentiles(sums, by, shown, draws, n_logged):
        parts.append(_table(f"wait_p{p}_s", "s", common, n, **found))
    parts.append(_table("required_agents", "agents", common, **_required(flat, by, target)))
    whole = named(pl.concat(parts, how="diagonal"), cell).with_columns(segment=pl.lit("all"))
    return tables.conform("intervals", whole)


def _metrics(flat: dict[str, _Reals], seen: NDArray[np.bool_], by: Yardstick) -> Iterator[_Metric]:
    for name in ("offered", "answered", "abandoned", "turned_away"):
        yield _Metric(name, "contacts", flat[name], None, flat[name])
    backlog, logged_in = (
        np.where(seen[:, None], flat[name], np.nan) for name in ("backlog", "logged_in_ms")
    )
    yield _Metric("backlog", "contacts", backlog, None, np.nan_to_num(backlog))
    live, answered = flat["live_answered"], flat["answered"]
    yield _Metric("asa_s", "s", flat["wait_ms"] / 1000, live, live)
    # All but those who left within T; whoever was never served had waited longer.
    reached = live + flat["abandoned_late"] + flat["live_unserved"]
    yield _Metric("service_level", "ratio", flat["within"], reached, reached, 1.0)
    yield _Metric("aht_s", "s", flat["handled_ms"] / 1000, answered, answered)
    yield _Metric("occupancy", "ratio", flat["busy_ms"], flat["logged_in_ms"], None, 1.0)
    yield _Metric("agents", "agents", logged_in / (by.interval_s * 1000), None, None)


def _percentiles(
    sums: DeskSums, by: Yardstick, shown: slice, draws: Sequence[int], n_logged: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    teams, n_intervals = len(by.teams) + 1, shown.stop - shown.start
    interval = sums.wait_interval.astype(np.int64) - shown.start
    shares = np.array(PERCENTILES)[:, None] / 100
    shape = (len(PERCENTILES), teams, n_intervals)

    def at(shares: _Reals, group: _Ints, n_groups: int) -> _Reals:
        found = np.empty((len(PERCENTILES), teams, n_groups))
        for team in range(teams):
            # The first is all of them; a team is chosen from the waits, to hold one part at a time.
            mine = slice(None) if team == 0 else sums.wait_team == team - 1
            of_team = shares if shares.shape[1] == 1 else shares.reshape(shape)[:, team]
            found[:, team] = percentiles_of(group[mine], sums.waits_ms[mine], n_groups, of_team)
        return found

    estimate = at(shares, interval, n_intervals)
    n = by.n_replications
    of_days = at(shares, interval * n + sums.wait_replication, n_intervals * n) / 1000
    each = sums.spans["live_answered"][:, shown].reshape(-1, by.n_replications).astype(np.float64)
    limits = np.empty((2, *estimate.shape)).reshape(2, len(PERCENTILES), -1)
    methods = []
    for k, share in enumerate(shares[:, 0]):
        below = _counts_below(sums, interval, estimate[k], by.n_replications)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (below.sum(axis=1) / each.sum(axis=1))[:, None]
            values = ratio + (below - ratio * each) / each.mean(axis=1)[:, None]
        spread = two_levels(values, np.asarray(draws, dtype=np.int64), n_logged)
        limits[:, k] = share - spread.half_width, share + spread.half_width
        methods.append(spread.method)
    low, high = (at(np.nan_to_num(limit), interval, n_intervals) for limit in limits)
    low[np.isnan(limits[0]).reshape(shape)] = np.nan
    high[~(limits[1].reshape(shape) < 1)] = np.nan
    for k, p in enumerate(PERCENTILES):
        days = two_levels(of_days[k].reshape(-1, n), np.asarray(draws, dtype=np.int64), n_logged)
        columns = {
            "estimate": estimate[k].ravel() / 1000,
            "low": low[k].ravel() / 1000,
            "high": high[k].ravel() / 1000,
            "input_sd": days.input_sd,
            "simulation_sd": days.simulation_sd,
            "predicted_low": np.maximum(0.0, days.predicted_low),
            "predicted_high": days.predicted_high,
        }
        known = {name: pl.Series(found, nan_to_null=True) for name, found in columns.items()}
        yield p, {**known, "method": methods[k]}


def _counts_below(sums: DeskSums, interval: _Ints, limit_ms: _Reals, n_replications: int) -> _Reals:
    """Waits up to the limit of their team and interval, by (team, interval) and replication."""
    teams, n_intervals = limit_ms.shape
    counts = np.zeros((teams, n_intervals * n_replications))
    place = interval * n_replications + sums.wait_replication
    for team in range(teams):
        mine = sums.waits_ms <= limit_ms[team][interval]
        if team:
            mine &= sums.wait_team == team - 1
        counts[team] = np.bincount(place[mine], minlength=n_intervals * n_replications)
    return counts.reshape(teams * n_intervals, n_replications)


def _required(flat: dict[str, _Reals], by: Yardstick, target: Target | None) -> dict[str, Any]:
    offered, load_ms = flat["to_staff"].sum(axis=1), flat["load_ms"].sum(axis=1)
    if target is None:
        none = pl.Series([None] * len(offered), dtype=pl.Float64)
        return {"n": offered, "estimate": none, "method": ["no target given"] * len(offered)}
    with np.errstate(divide="ignore", invalid="ignore"):
        work_s = load_ms / 1000 / offered
    rate = offered / by.n_replications * 3600 / by.interval_s
    agents = erlang_a_agents(rate, work_s, target.patience_mean_s, by.target_wait_s, target.share)
    method = (
        f"Erlang A, steady state: {target.share:.0%} within {by.target_wait_s:g} s, mean patience "
        f"{target.patience_mean_s:g} s"
    )
    return {
        "n": offered,
        "estimate": pl.Series(agents, nan_to_null=True),
        "method": [method] * len(offered),
    }


def _table(metric: str, unit: str, common: dict[str, Any], n: _Reals, **more: Any) -> pl.DataFrame:
    words = {
        name: pl.repeat(word, len(n), eager=True, dtype=pl.String)
        for name, word in (("metric", metric), ("unit", unit))
    }
    return pl.DataFrame({**common, **words, "n": n.astype(np.int64), **more})
