"""Who is at the desk: by the scenario, by the history, or sized to the work where neither says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.contact_center.erlang import fewest_agents
from simulator.contact_center.roster.schedule import (
    Horizon,
    roster_from_schedule,
    roster_from_shifts,
    teams_of_schedule,
    teams_table,
    with_abilities,
)
from simulator.errors import ScenarioError
from simulator.scenario import Assist, ContactCenter
from simulator.streams import Streams
from simulator.tables import build, conform

_HOUR_MS = 3_600_000
_WEEK = 7
TEAM = "desk"
_ANSWERED = 0.9


def sized_roster(
    offered: pl.DataFrame, horizon: Horizon, n_replications: int, desk: ContactCenter
) -> pl.DataFrame:
    """As many agents in each hour as Erlang A asks for to answer nine in ten within the target.

    This is a planner's ideal: it is assumed, never observed, and waits under it say how the stages
    compare rather than how the operation was. One team that takes everything. Days that stand for
    the same weekdays are staffed alike, by their mean in each hour of the day; at least one agent
    from a day's first hour with work to its last. Nobody is absent: who is needed is there.

    Args:
        offered: ``replication, at_ms, work_ms``: the baseline's contacts, those of warm-up days at
            negative times.
        horizon: the days.
        n_replications: all of them get the same roster.
        desk: target wait, patience, and what multiplies the agents.

    Returns:
        Table ``roster``.
    """
    first = horizon.midnights_ms[0] // _HOUR_MS
    n_hours = 24 * len(horizon.weekdays)
    hours = (offered["at_ms"].to_numpy() // _HOUR_MS - first).clip(0, n_hours - 1)
    calls = np.bincount(hours, minlength=n_hours)
    work_ms = np.bincount(hours, weights=offered["work_ms"].to_numpy(), minlength=n_hours)
    agents = np.zeros((len(horizon.weekdays), 24), dtype=np.int64)
    for kind in set(horizon.weekdays):
        alike = [place for place, one in enumerate(horizon.weekdays) if one == kind]
        n = len(alike) * n_replications
        agents[alike] = _by_hour(
            calls.reshape(-1, 24)[alike].sum(axis=0) / n,
            work_ms.reshape(-1, 24)[alike].sum(axis=0) / n / 1000,
            desk,
        )
    rows = []
    for number in range(int(agents.max(initial=0))):
        present = np.concatenate([[0], (agents.ravel() > number).astype(int), [0]])
        starts, ends = np.flatnonzero(np.diff(present) == 1), np.flatnonzero(np.diff(present) == -1)
        rows += [
            {
                "agent_id": f"assumed-{number + 1:03d}",
                "team": TEAM,
                "starts_ms": (first + int(start)) * _HOUR_MS,
                "ends_ms": (first + int(end)) * _HOUR_MS,
            }
            for start, end in zip(starts, ends, strict=True)
        ]
    one = build("roster", [{"replication": 0, **row} for row in rows]).drop("replication")
    replications = pl.DataFrame({"replication": range(n_replications)}, {"replication": pl.Int64})
    return conform("roster", replications.join(one, how="cross"))


def _by_hour(
    calls: NDArray[np.float64], work_s: NDArray[np.float64], desk: ContactCenter
) -> NDArray[np.int64]:
    """Agents in each of the 24 hours of a day with so many calls and so much work in each."""
    agents = np.zeros(24, dtype=np.int64)
    open_hours = np.flatnonzero(work_s > 0)
    for hour in range(open_hours[0], open_hours[-1] + 1) if open_hours.size else ():
        need = _fewest(calls[hour], work_s[hour], desk) if work_s[hour] else 1
        agents[hour] = max(1, round(need * desk.staffing))
    return agents


def _fewest(per_hour: float, work_s: float, desk: ContactCenter) -> int:
    return fewest_agents(
        per_hour, work_s / per_hour, desk.patience_mean_s.value, desk.target_wait_s, _ANSWERED
    )


def one_team() -> pl.DataFrame:
    """The table ``teams`` that goes with :func:`sized_roster`: one team that takes everything."""
    return build("teams", [{"team": TEAM, "skills": [], "languages": [], "channels": []}])


class Presence(NamedTuple):
    """Tables ``roster`` and ``teams``, and in words where the presence comes from."""

    roster: pl.DataFrame
    teams: pl.DataFrame
    source: str


def presence(
    desk: ContactCenter,
    assist: Assist,
    schedule: pl.DataFrame,
    logged_teams: pl.DataFrame,
    offered: pl.DataFrame,
    days: Sequence[Sequence[date | None]],
    horizon: Horizon,
    zone: ZoneInfo,
    streams: Streams,
) -> Presence:
    """Who is there: the scenario's shifts, else the schedule of each drawn day, else sized.

    Args:
        desk: ``[contact_center]``.
        assist: what drafts save novices and experts.
        schedule: table ``schedule``; may be empty.
        logged_teams: table ``teams`` of the history; may be empty.
        offered: as :func:`sized_roster`.
        days: for each replication its local days, warm-up days first; nulls where arrivals come
            from an assumed profile.
        horizon: the days of a replication.
        zone: of the days.
        streams: random numbers, for absences.

    Raises:
        ScenarioError: teams are named without shifts where there is no schedule for the days, or
            the schedule leaves some of the drawn days empty. A weekday on which it never has
            anybody is a day on which the desk is closed.
    """
    teams = teams_table(desk.teams)
    if any(team.shifts for team in desk.teams):
        roster = roster_from_shifts(
            desk.teams,
            horizon,
            len(days),
            desk.staffing,
            desk.absence_rate.value,
            streams,
        )
        source = "shifts of the scenario"
        if desk.absence_rate.value:
            source += f"; {desk.absence_rate.value:.3g} of their agents do not come on a day"
        return Presence(with_abilities(roster, desk.teams, assist), teams, source)
    known = [[day for day in dates if day is not None] for dates in days]
    if schedule.height and all(map(len, days)) and list(map(len, known)) == list(map(len, days)):
        local = schedule.select(pl.col("starts_at", "ends_at").dt.convert_time_zone(zone.key))
        there = _days_of(local)
        drawn = {day for dates in known for day in dates}
        absent = sorted(day for day in drawn if day not in there and not _closed(day, there))
        if absent and there & drawn:
            raise ScenarioError(
                f"history.schedule: nobody is at work on {', '.join(map(str, absent))}, days that "
                "the simulation draws; complete the schedule, or write shifts in "
                "[[contact_center.teams]]"
            )
        if there & drawn:
            roster = roster_from_schedule(
                schedule, known, zone, desk.staffing, horizon.warm_up_days
            )
            if teams.is_empty():
                teams = logged_teams if logged_teams.height else teams_of_schedule(schedule)
            return Presence(
                with_abilities(roster, desk.teams, assist),
                teams,
                "the history's own schedule on each drawn day",
            )
    if desk.teams:
        raise ScenarioError(
            "contact_center.teams: no team has shifts, and the history has no schedule for the "
            'simulated days; write shifts = [{agents = 5, starts = "09:00", ends = "17:30"}] in '
            "each [[contact_center.teams]], or leave the teams out to have the desk sized"
        )
    roster = sized_roster(offered, horizon, len(days), desk)
    return Presence(
        with_abilities(roster, desk.teams, assist),
        one_team(),
        "assumed: one team that takes everything, sized by the hour (Erlang A) so that people "
        f"alone would answer {_ANSWERED:.0%} within {desk.target_wait_s:g} s",
    )


def _days_of(local: pl.DataFrame) -> set[date]:
    """The local days of which a stretch has a part."""
    return set(
        local.filter(pl.col("starts_at") < pl.col("ends_at"))
        .select(
            pl.date_ranges(
                pl.col("starts_at").dt.date(),
                (pl.col("ends_at") - pl.duration(microseconds=1)).dt.date(),
            )
        )
        .to_series()
        .explode()
        .unique()
    )


def _closed(day: date, there: set[date]) -> bool:
    """Whether a schedule of at least a week, within a week of ``day``, never has that weekday."""
    first, last = min(there), max(there)
    return (
        (last - first).days >= _WEEK - 1
        and first - timedelta(days=_WEEK) < day < last + timedelta(days=_WEEK)
        and all(other.weekday() != day.weekday() for other in there)
    )
