"""Who is at the desk: by the scenario, by the history, or sized to the work where neither says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from simulator.contact_center.erlang import erlang_a
from simulator.contact_center.schedule import (
    roster_from_schedule,
    roster_from_shifts,
    teams_of_schedule,
    teams_table,
)
from simulator.errors import ScenarioError
from simulator.scenario import ContactCenter
from simulator.tables import build

_HOUR_MS = 3_600_000
TEAM = "desk"
_ANSWERED = 0.9


def sized_roster(offered: pl.DataFrame, n_replications: int, desk: ContactCenter) -> pl.DataFrame:
    """As many agents in each hour as Erlang A asks for to answer nine in ten within the target.

    This is a planner's ideal: it is assumed, never observed, and waits under it say how the stages
    compare rather than how the operation was. One team that takes everything; at least one agent
    from the first hour with work to the last.

    Args:
        offered: ``replication, at_ms, work_ms``: the baseline's contacts.
        n_replications: all of them get the same roster.
        desk: target wait, patience, and what multiplies the agents.

    Returns:
        Table ``roster``.
    """
    hours = (offered["at_ms"].to_numpy() // _HOUR_MS).clip(0, 23)
    calls = np.bincount(hours, minlength=24) / n_replications
    work_ms = np.bincount(hours, weights=offered["work_ms"].to_numpy(), minlength=24)
    work_s = work_ms / n_replications / 1000
    open_hours = np.flatnonzero(work_s > 0)
    agents = np.zeros(24, dtype=np.int64)
    for hour in range(open_hours[0], open_hours[-1] + 1) if open_hours.size else ():
        need = _fewest(calls[hour], work_s[hour], desk) if calls[hour] else 1
        agents[hour] = max(1, round(need * desk.staffing))
    rows = []
    for number in range(int(agents.max(initial=0))):
        present = np.concatenate([[0], (agents > number).astype(int), [0]])
        starts, ends = np.flatnonzero(np.diff(present) == 1), np.flatnonzero(np.diff(present) == -1)
        for start, end in zip(starts, ends, strict=True):
            for replication in range(n_replications):
                rows.append(
                    {
                        "replication": replication,
                        "agent_id": f"assumed-{number + 1:03d}",
                        "team": TEAM,
                        "starts_ms": int(start) * _HOUR_MS,
                        "ends_ms": int(end) * _HOUR_MS,
                    }
                )
    return build("roster", rows).sort("replication", "agent_id", "starts_ms")


def _fewest(per_hour: float, work_s: float, desk: ContactCenter) -> int:
    n = max(1, int(work_s / 3600))
    while True:
        steady = erlang_a(
            per_hour, work_s / per_hour, n, desk.patience_mean_s.value, desk.target_wait_s
        )
        if steady.service_level >= _ANSWERED:
            return n
        n += 1


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
    schedule: pl.DataFrame,
    logged_teams: pl.DataFrame,
    offered: pl.DataFrame,
    days: Sequence[date | None],
    zone: ZoneInfo,
) -> Presence:
    """Who is there: the scenario's shifts, else the schedule of each drawn day, else sized.

    Args:
        desk: ``[contact_center]``.
        schedule: table ``schedule``; may be empty.
        logged_teams: table ``teams`` of the history; may be empty.
        offered: as :func:`sized_roster`.
        days: the local day of each replication; null where arrivals come from a profile.
        zone: of the days.

    Raises:
        ScenarioError: teams are named without shifts where there is no schedule for the days, or
            the schedule leaves some of the drawn days empty.
    """
    named = teams_table(desk.teams) if desk.teams else None
    if any(team.shifts for team in desk.teams):
        roster = roster_from_shifts(desk.teams, len(days), desk.staffing)
        return Presence(roster, teams_table(desk.teams), "shifts of the scenario")
    known = [day for day in days if day is not None]
    if schedule.height and len(known) == len(days):
        roster = roster_from_schedule(schedule, known, zone, desk.staffing)
        present = set(roster["replication"].unique())
        absent = sorted({day for i, day in enumerate(known) if i not in present})
        if absent and present:
            raise ScenarioError(
                f"history.schedule: nobody is at work on {', '.join(map(str, absent))}, days that "
                "the simulation draws; complete the schedule, or write shifts in "
                "[[contact_center.teams]]"
            )
        if present:
            teams = named if named is not None else logged_teams
            if teams.is_empty():
                teams = teams_of_schedule(schedule)
            return Presence(roster, teams, "the history's own schedule on each drawn day")
    if named is not None:
        raise ScenarioError(
            "contact_center.teams: no team has shifts, and the history has no schedule for the "
            'simulated days; write shifts = [{agents = 5, starts = "09:00", ends = "17:30"}] in '
            "each [[contact_center.teams]], or leave the teams out to have the desk sized"
        )
    roster = sized_roster(offered, len(days), desk)
    return Presence(
        roster,
        one_team(),
        "assumed: one team that takes everything, sized by the hour (Erlang A) so that people "
        f"alone would answer {_ANSWERED:.0%} within {desk.target_wait_s:g} s",
    )
