"""Who is at the desk when: the roster and the teams, from a schedule or from planned shifts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from fractions import Fraction
from zoneinfo import ZoneInfo

import polars as pl

from simulator import tables
from simulator.errors import ScenarioError
from simulator.scenario import Team


def roster_from_schedule(
    schedule: pl.DataFrame, days: Sequence[date], zone: ZoneInfo, staffing: float
) -> pl.DataFrame:
    """The presence of logged or planned days; replication i takes local day ``days[i]``.

    A stretch that began the day before counts from midnight; one that goes on after midnight
    keeps its end, so that the last contacts of the day find the night shift. Times are those of
    the local clock: on the two days a year that change it, a stretch over the change is an hour
    too long or too short.

    Args:
        schedule: table ``schedule``.
        days: one local day for each replication; a day may repeat.
        zone: decides what a day is.
        staffing: multiplies the agents of each team and day, above 0. Whole copies of agent
            ``a`` are ``a#2``, ``a#3``; a fraction takes or leaves agents evenly over their
            starting times, the same ones each time, to the nearest whole number.

    Returns:
        Table ``roster``, by replication, start and agent. A day without schedule has no rows.
    """
    tables.check("schedule", schedule)
    local = schedule.with_columns(
        pl.col("starts_at", "ends_at").dt.convert_time_zone(zone.key).dt.replace_time_zone(None)
    )
    parts = {}
    for day in set(days):
        since_midnight = (pl.col("starts_at", "ends_at") - day).dt.total_milliseconds()
        parts[day] = _staffed(
            local.with_columns(since_midnight)
            .rename({"starts_at": "starts_ms", "ends_at": "ends_ms"})
            .filter((pl.col("ends_ms") > 0) & (pl.col("starts_ms") < 86_400_000))
            .with_columns(pl.col("starts_ms").clip(0)),
            staffing,
        )
    return _repeated([parts[day] for day in days])


def roster_from_shifts(
    teams: tuple[Team, ...], n_replications: int, staffing: float
) -> pl.DataFrame:
    """The planned shifts of every team, the same for each replication.

    Args:
        teams: of the scenario; a team without shifts gets no rows.
        n_replications: 0 or more.
        staffing: as in :func:`roster_from_schedule`.

    Returns:
        Table ``roster``. A break lies in the middle of its shift and splits it into two rows.

    Raises:
        ScenarioError: a break is not shorter than its shift.
    """
    rows = []
    for at, team in enumerate(teams):
        number = 0
        for place, shift in enumerate(team.shifts):
            starts, ends = _ms(shift.starts), _ms(shift.ends)
            off = shift.break_min * 60_000
            if off >= ends - starts:
                raise ScenarioError(
                    f"contact_center.teams[{at}].shifts[{place}].break_min = {shift.break_min}; "
                    f"expected less than the {(ends - starts) // 60_000} min of the shift from "
                    f"{shift.starts:%H:%M} to {shift.ends:%H:%M}; shorten the break"
                )
            leaves = starts + (ends - starts - off) // 2
            stretches = [(starts, leaves), (leaves + off, ends)] if off else [(starts, ends)]
            for _ in range(shift.agents):
                number += 1
                rows += [
                    {
                        "agent_id": f"{team.name}-{number}",
                        "team": team.name,
                        "starts_ms": begins,
                        "ends_ms": stops,
                    }
                    for begins, stops in stretches
                ]
    one = tables.build("roster", [{"replication": 0, **row} for row in rows])
    return _repeated([_staffed(one, staffing)] * n_replications)


def teams_table(teams: tuple[Team, ...]) -> pl.DataFrame:
    """Table ``teams`` of the scenario's teams."""
    return tables.build(
        "teams",
        [
            {
                "team": team.name,
                "skills": list(team.skills),
                "languages": list(team.languages),
                "channels": list(team.channels),
            }
            for team in teams
        ],
    )


def teams_of_schedule(schedule: pl.DataFrame) -> pl.DataFrame:
    """Table ``teams`` of a schedule's teams: a log does not say who takes what, so all take all."""
    names = tables.check("schedule", schedule)["team"].unique().sort().to_list()
    return tables.build(
        "teams",
        [{"team": name, "skills": [], "languages": [], "channels": []} for name in names],
    )


def _staffed(presence: pl.DataFrame, staffing: float) -> pl.DataFrame:
    """One day's presence with each team's agents multiplied; rows by start and agent."""
    # Exact arithmetic on the number as written: 0.8 of 5 agents is 4 and not 3.9999.
    factor = Fraction(repr(float(staffing)))
    # An agent belongs to the team of the first stretch of the day, so as to be kept or left whole.
    agents = (
        presence.sort("starts_ms", "agent_id")
        .unique("agent_id", keep="first", maintain_order=True)
        .select("agent_id", place=pl.int_range(pl.len()).over("team"))
    )
    copies = [
        {"agent_id": agent, "as_id": agent if number == 1 else f"{agent}#{number}"}
        for agent, place in agents.iter_rows()
        for number in range(1, _rounded((place + 1) * factor) - _rounded(place * factor) + 1)
    ]
    schema = {"agent_id": pl.String, "as_id": pl.String}
    return (
        presence.join(pl.DataFrame(copies, schema=schema), on="agent_id", maintain_order="left")
        .with_columns(agent_id="as_id")
        .sort("starts_ms", "agent_id")
    )


def _rounded(number: Fraction) -> int:
    return int(number + Fraction(1, 2))


def _repeated(days: Sequence[pl.DataFrame]) -> pl.DataFrame:
    numbered = [
        day.with_columns(replication=pl.lit(number, dtype=pl.Int64))
        for number, day in enumerate(days)
    ]
    return tables.conform("roster", pl.concat(numbered) if numbered else tables.empty("roster"))


def _ms(at: time) -> int:
    seconds = at.hour * 3600 + at.minute * 60 + at.second
    return seconds * 1000 + at.microsecond // 1000
