"""Who is at the desk when: the roster and the teams, from a schedule or from planned shifts.

A replication simulates the days of a :class:`Horizon`. Time is ms after the first local midnight
that counts; warm-up days lie before it, at negative times. It is the time of the local clock: on
the two days a year that change it, a stretch over the change is an hour too long or too short.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from simulator import tables
from simulator.errors import ScenarioError
from simulator.scenario import WEEK, Assist, Demand, Overflow, Team
from simulator.scenario.desk import Weekday
from simulator.streams import Streams, stable_hash

DAY_MS = 86_400_000
# Tenure, in months, below which an agent is a novice and above which an expert: the ends of the
# scale on which the gain by tenure was measured (Brynjolfsson, Li, Raymond, "Generative AI at
# Work", QJE 140 (2025) 889-942: newcomers gain most; after a year there is next to nothing).
NOVICE_MONTHS = 2.0
EXPERT_MONTHS = 12.0
_PLACES = 2**16
_KINDS: dict[str, tuple[Weekday, ...]] = {"weekday": WEEK[:5], "weekend": WEEK[5:], "any": WEEK}


class Horizon(NamedTuple):
    """The days that one replication simulates, warm-up days first.

    ``weekdays``: for each day the weekdays that it stands for; ``warm_up_days``: how many of the
    days come before time 0 and do not count.
    """

    weekdays: tuple[tuple[Weekday, ...], ...]
    warm_up_days: int = 0

    @property
    def n_days(self) -> int:
        """Days that count."""
        return len(self.weekdays) - self.warm_up_days

    @property
    def midnights_ms(self) -> list[int]:
        """When each day begins."""
        return [(place - self.warm_up_days) * DAY_MS for place in range(len(self.weekdays))]


def horizon_of(demand: Demand, warm_up_days: int = 0) -> Horizon:
    """The days of ``demand.day``: one of its type, or the week from Monday to Sunday.

    Warm-up days are of the same type; those of a week are the weekdays before Monday.
    """
    if demand.day == "week":
        first = -warm_up_days
        return Horizon(tuple((WEEK[place % 7],) for place in range(first, 7)), warm_up_days)
    return Horizon((_KINDS[demand.day],) * (warm_up_days + 1), warm_up_days)


def roster_from_schedule(
    schedule: pl.DataFrame,
    days: Sequence[Sequence[date]],
    zone: ZoneInfo,
    staffing: float,
    warm_up_days: int = 0,
) -> pl.DataFrame:
    """The presence of logged or planned days; replication i takes the local days ``days[i]``.

    A stretch over midnight is one stretch where the next day of the replication is the next day
    of the calendar. Where it is another, the stretch ends at midnight, and what came over midnight
    into that other day counts from midnight, so that each night is staffed as it was. The same
    holds before the first day; after the last, a stretch keeps its end, so that the last contacts
    find the night shift.

    Args:
        schedule: table ``schedule``.
        days: for each replication its local days in order, warm-up days first; a day may repeat.
        zone: decides what a day is.
        staffing: multiplies the agents of each team and day, above 0. Whole copies of agent
            ``a`` are ``a#2``, ``a#3``; a fraction takes or leaves agents evenly over their
            starting times, the same ones each time, to the nearest whole number.
        warm_up_days: how many of the days of each replication lie before time 0.

    Returns:
        Table ``roster``, by replication, start and agent. A day without schedule has no rows.
        Nobody is absent: a schedule says who was there.
    """
    tables.check("schedule", schedule)
    local = schedule.with_columns(
        pl.col("starts_at", "ends_at").dt.convert_time_zone(zone.key).dt.replace_time_zone(None)
    )
    parts: dict[_Cut, int] = {}
    places = [
        (replication, (place - warm_up_days) * DAY_MS, parts.setdefault(cut, len(parts)))
        for replication, dates in enumerate(days)
        for place, cut in enumerate(_cuts(dates))
    ]
    return _laid_out([_logged(local, cut, staffing) for cut in parts], places)


def roster_from_shifts(
    teams: tuple[Team, ...],
    horizon: Horizon,
    n_replications: int,
    staffing: float,
    absence_rate: float,
    streams: Streams,
) -> pl.DataFrame:
    """The planned shifts of every team without those agents who do not come.

    Agents of a shift take their breaks one after another, evenly spread from the first quarter of
    the shift to the last: never two at once where the breaks fit one after another, all in the
    middle where a break is longer than half the shift.

    Args:
        teams: of the scenario; a team without shifts gets no rows.
        horizon: the days. A shift counts on a day that stands for one of its weekdays.
        n_replications: 0 or more.
        staffing: as in :func:`roster_from_schedule`, above 0.
        absence_rate: the chance that an agent does not come on a day, independent of all others.
        streams: random numbers. An absence belongs to agent, day and replication, so that every
            policy and every staffing faces the same ones; a higher rate only adds to them.

    Returns:
        Table ``roster``, by replication, start and agent. A break splits a shift into two rows.

    Raises:
        ScenarioError: a break is not shorter than its shift.
    """
    planned = _planned(teams)
    kinds = list(dict.fromkeys(horizon.weekdays))
    parts = [_with_breaks(_staffed(_on(planned, kind), staffing)) for kind in kinds]
    roster = _laid_out(
        parts,
        [
            (replication, midnight, kinds.index(kind))
            for replication in range(n_replications)
            for midnight, kind in zip(horizon.midnights_ms, horizon.weekdays, strict=True)
        ],
    )
    return roster.filter(~_absent(roster, absence_rate, streams))


def with_abilities(roster: pl.DataFrame, teams: tuple[Team, ...], assist: Assist) -> pl.DataFrame:
    """The roster with ``max_chats`` by team and ``gain`` by tenure.

    Args:
        roster: table ``roster``.
        teams: of the scenario; agents of another team get null for ``max_chats``.
        assist: times the mean saving for novices (less than 2 months) and experts (more than 12);
            in between, and where tenure is unknown, 1.
    """
    months = pl.col("tenure_months")
    return tables.conform(
        "roster",
        roster.with_columns(
            max_chats=pl.col("team").replace_strict(
                {team.name: team.chats_at_once for team in teams},
                default=None,
                return_dtype=pl.Int64,
            ),
            gain=pl.when(months < NOVICE_MONTHS)
            .then(assist.gain_novice.value)
            .when(months > EXPERT_MONTHS)
            .then(assist.gain_expert.value)
            .otherwise(1.0),
        ),
    )


def teams_table(teams: tuple[Team, ...]) -> pl.DataFrame:
    """Table ``teams``: of each team first what is its own, then what it takes after a wait.

    In an overflow too, a list that is not given means any.
    """
    rows = []
    for team in teams:
        routes: list[tuple[Team | Overflow, float]] = [(team, 0.0)]
        routes += [(more, more.after_s) for more in team.overflow]
        rows += [
            {
                "team": team.name,
                "skills": list(takes.skills),
                "languages": list(takes.languages),
                "channels": list(takes.channels),
                "rank": team.preference,
                "after_ms": round(after_s * 1000),
            }
            for takes, after_s in routes
        ]
    return tables.build("teams", rows)


def teams_of_schedule(schedule: pl.DataFrame) -> pl.DataFrame:
    """Table ``teams`` of a schedule's teams: a log does not say who takes what, so all take all."""
    names = tables.check("schedule", schedule)["team"].unique().sort().to_list()
    return tables.build(
        "teams",
        [{"team": name, "skills": [], "languages": [], "channels": []} for name in names],
    )


class _Cut(NamedTuple):
    """A day of the calendar, and what of the nights around it belongs to it.

    ``carries``: stretches that began before count from midnight. ``until_ms``: where stretches
    that began on the day are cut off (null: nowhere).
    """

    day: date
    carries: bool
    until_ms: int | None


def _cuts(dates: Sequence[date]) -> list[_Cut]:
    follows = [later - day == timedelta(days=1) for day, later in pairwise(dates)]
    cuts: list[_Cut] = []
    until: int | None = None
    for place in reversed(range(len(dates))):
        if place + 1 < len(dates):
            if not follows[place]:
                until = DAY_MS
            elif until is not None:
                until += DAY_MS
        cuts.append(_Cut(dates[place], place == 0 or not follows[place - 1], until))
    return cuts[::-1]


def _logged(local: pl.DataFrame, cut: _Cut, staffing: float) -> pl.DataFrame:
    since_midnight = (pl.col("starts_at", "ends_at") - cut.day).dt.total_milliseconds()
    day = (
        local.with_columns(since_midnight)
        .rename({"starts_at": "starts_ms", "ends_at": "ends_ms"})
        .filter((pl.col("ends_ms") > 0) & (pl.col("starts_ms") < DAY_MS))
    )
    day = (
        day.with_columns(pl.col("starts_ms").clip(0))
        if cut.carries
        else day.filter(pl.col("starts_ms") >= 0)
    )
    if cut.until_ms is not None:
        day = day.with_columns(pl.col("ends_ms").clip(upper_bound=cut.until_ms))
    return _staffed(day, staffing).sort("starts_ms", "agent_id")


def _planned(teams: tuple[Team, ...]) -> pl.DataFrame:
    """One row an agent and shift: ``days``, the number in the team, and the length of the break."""
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
            for _ in range(shift.agents):
                number += 1
                row = (f"{team.name}-{number}", team.name, number, place)
                rows.append((*row, list(shift.days), starts, ends, off))
    text, whole = pl.String(), pl.Int64()
    schema = {
        "agent_id": text,
        "team": text,
        "number": whole,
        "shift": whole,
        "days": pl.List(text),
        "starts_ms": whole,
        "ends_ms": whole,
        "off_ms": whole,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _on(planned: pl.DataFrame, kind: tuple[Weekday, ...]) -> pl.DataFrame:
    return planned.filter(pl.col("days").list.eval(pl.element().is_in(kind)).list.any())


def _with_breaks(shifts: pl.DataFrame) -> pl.DataFrame:
    """Each shift without its break, one or two rows an agent."""
    length, off = pl.col("ends_ms") - pl.col("starts_ms"), pl.col("off_ms")
    nth, n = pl.int_range(pl.len()).over("team", "shift"), pl.len().over("team", "shift")
    # How far the first break can be from the last, and the first from the start of the shift.
    slack = (length - 2 * (length // 4) - off).clip(0)
    lead = (length - off - slack) // 2
    place = pl.when(n > 1).then(slack * nth // (n - 1).clip(1)).otherwise(slack // 2)
    leaves = pl.col("starts_ms") + lead + place
    shifts = shifts.sort("number", "agent_id").with_columns(leaves_ms=leaves)
    before = shifts.with_columns(
        ends_ms=pl.when(off > 0).then("leaves_ms").otherwise("ends_ms"),
    )
    after = shifts.filter(off > 0).with_columns(starts_ms=pl.col("leaves_ms") + off)
    return pl.concat([before, after]).sort("starts_ms", "agent_id")


def _absent(roster: pl.DataFrame, rate: float, streams: Streams) -> pl.Series:
    """For each row of a roster of shifts whether its agent does not come that day."""
    agents = roster["agent_id"].unique(maintain_order=True)
    hashes = dict(zip(agents.to_list(), stable_hash(agents), strict=True))
    # No shift goes over midnight, so a stretch belongs to the day on which it starts.
    day = roster["starts_ms"].to_numpy() // DAY_MS
    u = streams.uniform(
        np.array([hashes[agent] for agent in roster["agent_id"]], np.uint64),
        "absence",
        copy=roster["replication"].to_numpy() % _PLACES,
        attempt=day % _PLACES,
    )
    return pl.Series(u < rate, dtype=pl.Boolean)


def _staffed(presence: pl.DataFrame, staffing: float) -> pl.DataFrame:
    """One day's presence with each team's agents multiplied."""
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
        .drop("as_id")
    )


def _rounded(number: Fraction) -> int:
    return int(number + Fraction(1, 2))


def _laid_out(
    parts: Sequence[pl.DataFrame], places: Sequence[tuple[int, int, int]]
) -> pl.DataFrame:
    """Table ``roster`` of days: (replication, ms at midnight, which of ``parts``) for each."""
    if not parts:
        return tables.empty("roster")
    schema = {"replication": pl.Int64, "midnight_ms": pl.Int64, "part": pl.Int64}
    numbered = [
        part.with_columns(part=pl.lit(number, dtype=pl.Int64)) for number, part in enumerate(parts)
    ]
    midnight = pl.col("midnight_ms")
    laid = (
        pl.DataFrame(places, schema=schema, orient="row")
        .join(pl.concat(numbered), on="part", maintain_order="left_right")
        .with_columns(
            starts_ms=pl.col("starts_ms") + midnight, ends_ms=pl.col("ends_ms") + midnight
        )
        .sort("replication", "starts_ms", "agent_id", maintain_order=True)
    )
    return tables.conform("roster", laid)


def _ms(at: time) -> int:
    return ((at.hour * 60 + at.minute) * 60 + at.second) * 1000
