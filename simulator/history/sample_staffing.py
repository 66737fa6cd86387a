"""The synthetic desk's teams and the schedule of its agents.

The staffing is planned as a desk would plan it: from the expected load of each half-hour, not from
what then happens. So days that run hot are short of agents, and the back-test has a truth to find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from simulator import tables
from simulator.history.sample_demand import day_level, hour_profile
from simulator.history.sample_wordings import content
from simulator.scenario import SampleConfig
from simulator.streams import Streams, stable_hash

_SLOT_MIN = 30
_OPENS_MIN = 480


class _Shift(NamedTuple):
    """Minutes after midnight; ``pause`` is the start of a half-hour break, or None."""

    starts: int
    ends: int
    pause: int | None

    def stretches(self) -> list[tuple[int, int]]:
        if self.pause is None:
            return [(self.starts, self.ends)]
        return [(self.starts, self.pause), (self.pause + _SLOT_MIN, self.ends)]


def teams() -> pl.DataFrame:
    """The table ``teams``."""
    return tables.build(
        "teams",
        [{"team": name, **team, "channels": []} for name, team in content("desk")["teams"].items()],
    )


def roster(
    config: SampleConfig, weekdays: Sequence[int], planned: pl.DataFrame, streams: Streams
) -> pl.DataFrame:
    """The table ``roster``, replication = day: every agent works at most five days in a week.

    It is staffed for the chats. E-mails are answered elsewhere, at leisure.

    Args:
        config: size of the sample.
        weekdays: of each day, Monday is 0.
        planned: :func:`simulator.history.sample_demand.plan`; gives each team's share of the
            contacts and their mean work, as a planner knows them from experience.
        streams: the sample's random numbers.
    """
    rows: list[dict[str, object]] = []
    chats = planned.filter(channel="chat")
    per_day = config.contacts_per_day * (1 - config.email_share)
    for name, team in content("desk")["teams"].items():
        mine = chats.filter(
            pl.col("skill").is_in(team["skills"]) & pl.col("language").is_in(team["languages"])
        )
        if mine.is_empty():
            continue
        share, work_s = mine.height / chats.height, float(mine["work_s"].to_numpy().mean())
        week = [
            _cover(_required(name, per_day * day_level(w) * share, work_s, w)) for w in range(7)
        ]
        n_agents = max(*(len(shifts) for shifts in week), -(-sum(map(len, week)) // 5))
        agents = [f"{name[:2]}{k + 1:02d}" for k in range(n_agents)]
        u = streams.uniform(stable_hash(agents), "sample.tenure")
        tenure = np.clip(np.exp(np.log(14) + 0.9 * special.ndtri(u)), 0.5, 120).round(1)
        worked = np.zeros(n_agents, int)
        for day, weekday in enumerate(weekdays):
            if weekday == 0:
                worked[:] = 0
            shifts = week[weekday]
            # Those with the fewest days so far, the turn moving on from week to week.
            turn = (np.arange(n_agents) - 3 * (day // 7)) % n_agents
            chosen = np.sort(np.lexsort((turn, worked))[: len(shifts)])
            worked[chosen] += 1
            rows += [
                {
                    "replication": day,
                    "agent_id": agents[agent],
                    "team": name,
                    "tenure_months": float(tenure[agent]),
                    "starts_ms": start * 60_000,
                    "ends_ms": end * 60_000,
                }
                for agent, shift in zip(chosen, shifts, strict=True)
                for start, end in shift.stretches()
            ]
    return tables.build("roster", rows)


def schedule(presence: pl.DataFrame, midnight: Callable[[int], datetime]) -> pl.DataFrame:
    """The table ``schedule`` of a roster whose replications are days."""
    return tables.build(
        "schedule",
        [
            {
                "agent_id": row["agent_id"],
                "team": row["team"],
                "tenure_months": row["tenure_months"],
                "starts_at": midnight(row["replication"])
                + timedelta(milliseconds=row["starts_ms"]),
                "ends_at": midnight(row["replication"]) + timedelta(milliseconds=row["ends_ms"]),
            }
            for row in presence.iter_rows(named=True)
        ],
    )


def _required(team: str, per_day: float, work_s: float, weekday: int) -> NDArray[np.int64]:
    """Agents needed in each half-hour from opening until the last chat has ended."""
    staffing = content("desk")["staffing"]
    n_slots = (staffing["closes_min"] - _OPENS_MIN) // _SLOT_MIN
    hours = (_OPENS_MIN + _SLOT_MIN * np.arange(n_slots)) // 60
    # Recontacts of the same day come on top of the first contacts.
    load = 1.1 * per_day * hour_profile(weekday)[hours] * work_s / 3600
    # Chats begun in the half-hour before last into this one.
    load = (load + np.concatenate([load[:1], load[:-1]])) / 2
    need: NDArray[np.int64] = np.ceil(load + staffing["safety"][team] * np.sqrt(load)).astype(int)
    return np.maximum(need, 2)


def _cover(need: NDArray[np.int64]) -> list[_Shift]:
    """Shifts that nearly cover ``need``, greedily: always the one with most of its time needed.

    Why not exactly: planners leave a half-hour one agent short rather than call somebody in for
    it, and so does this: a shift is not worth it if it is needed for less than three fifths.
    """
    shifts, masks = _templates(len(need))
    length = masks.sum(axis=1)
    left = need.copy()
    found: list[_Shift] = []
    while True:
        useful = (masks * (left > 0)).sum(axis=1) / length
        if useful.max() < 0.6:
            return sorted(found)
        # Where several fit as well, a full day before a half one, and the deeper need first.
        depth = (masks * np.clip(left, 0, 20)).sum(axis=1) / length
        best = int(np.argmax(useful + 0.12 * (length > 8) + 0.005 * depth))
        found.append(shifts[best])
        left = left - masks[best]


def _templates(n_slots: int) -> tuple[list[_Shift], NDArray[np.int64]]:
    """Full days of eight hours and a break, and half days of four hours, by half-hour covered."""
    shifts = []
    for length in (17, 8):
        for start in range(n_slots - length + 1):
            begins = _OPENS_MIN + start * _SLOT_MIN
            pauses = (7, 8, 9) if length == 17 else (None,)
            shifts += [
                _Shift(
                    begins,
                    begins + length * _SLOT_MIN,
                    None if pause is None else begins + pause * _SLOT_MIN,
                )
                for pause in pauses
            ]
    masks = np.zeros((len(shifts), n_slots), np.int64)
    for row, shift in enumerate(shifts):
        for start, end in shift.stretches():
            masks[row, (start - _OPENS_MIN) // _SLOT_MIN : (end - _OPENS_MIN) // _SLOT_MIN] = 1
    return shifts, masks
