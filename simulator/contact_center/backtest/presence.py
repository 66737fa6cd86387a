"""Agents' presence where there is no schedule: inferred from when each of them served.

Who serves is there. Who is silent while somebody waits is not, or not free to serve, even if he
serves again later: a desk that has somebody waiting and somebody idle does not exist in the model,
which puts a waiting contact through at once. So what is counted in a silence between two services
is not its length but the seconds during which somebody waited:

- up to ``gap_s`` of them, he was there. If somebody was already waiting when the service ended,
  they are his *turnaround*, the time from one contact to the next, which is work in all but name;
- beyond, he was away from the end of the one service until the last moment before the next at
  which somebody waited;
- a silence of an hour is an absence even if nobody waited in it.

Why
    A limit on the length of silences (20 minutes, say) makes waits half as long as they were: most
    breaks are shorter, and each counts as an idle agent just when all are busy. Ends of stretches
    are not stretched either: the first and the last service are the only evidence there is.
    The turnaround must be work and not absence: an absence stands at a fixed time of day, so that
    in a replay, where services end at other moments, most of the short ones would cost nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables

# Nobody waits less than a call takes to ring: so much of each wait says nothing about the agents.
RING_S = 5.0
SILENT_S = 3600.0
TEAM = "all"

Seconds = NDArray[np.float64]


class Inferred(NamedTuple):
    """``schedule``: table, one team. ``turnaround_s``: seconds between a service and the next
    while somebody waited, one for each service that ended so; to be drawn from. ``method``: in
    words."""

    schedule: pl.DataFrame
    turnaround_s: Seconds
    method: str


def infer_presence(conversations: pl.DataFrame, gap_s: float) -> Inferred:
    """The stretches of presence that the services of a log show.

    Args:
        conversations: table ``conversations``. Services are those with ``started_at``, ``agent_id``
            and ``handle_time_s``; an unknown ``wait_s`` counts as 0. Waits of all contacts count,
            answered or not.
        gap_s: seconds of silence while somebody waited beyond which an agent was away; 0 or more.

    Returns:
        See :class:`Inferred`. Services of one agent that overlap are one. A log without services
        gives an empty schedule.
    """
    stamped = conversations.filter(pl.col("started_at").is_not_null()).select(
        "agent_id",
        "abandoned",
        "handle_time_s",
        pl.col("started_at").dt.timestamp("us").alias("arrived_us"),
        pl.col("wait_s").fill_null(0.0),
    )
    if stamped.is_empty():
        return Inferred(tables.empty("schedule"), np.empty(0), _method(gap_s))
    origin = int(stamped["arrived_us"].to_numpy().min())
    timed = stamped.with_columns(arrived=(pl.col("arrived_us") - origin) / 1e6)
    waiting = _Waiting(timed["arrived"].to_numpy(), timed["wait_s"].to_numpy())
    services = (
        timed.filter(
            pl.col("agent_id").is_not_null()
            & pl.col("handle_time_s").is_not_null()
            & ~pl.col("abandoned").fill_null(False)
        )
        .with_columns(begins=pl.col("arrived") + pl.col("wait_s"))
        .with_columns(ends=pl.col("begins") + pl.col("handle_time_s"))
        .sort("agent_id", "begins", "ends")
    )
    stretches, turnarounds = [], [np.empty(0)]
    for (agent,), own in services.group_by("agent_id", maintain_order=True):
        begins = own["begins"].to_numpy()
        # An agent who holds two contacts is busy until the later ends.
        ends = np.maximum.accumulate(own["ends"].to_numpy())
        starts, stops, turnaround = _stretches(begins, ends, waiting, gap_s)
        turnarounds.append(turnaround)
        stretches.append(
            pl.DataFrame({"starts": starts, "ends": stops}).with_columns(agent_id=pl.lit(agent))
        )
    if not stretches:
        return Inferred(tables.empty("schedule"), np.empty(0), _method(gap_s))
    schedule = pl.concat(stretches).with_columns(
        team=pl.lit(TEAM),
        starts_at=_stamp("starts", origin),
        # Somebody who did nothing but hang up at once was there all the same.
        ends_at=_stamp(pl.max_horizontal("ends", pl.col("starts") + 0.001), origin),
    )
    return Inferred(
        tables.conform("schedule", schedule.sort("starts_at", "agent_id")),
        np.concatenate(turnarounds),
        _method(gap_s),
    )


def _method(gap_s: float) -> str:
    return (
        "presence of agents inferred from their services, not known from a schedule: away where "
        f"silent for more than {gap_s:g} s while somebody waited, or for an hour; skills unknown, "
        "so everybody takes everything"
    )


def _stamp(seconds: str | pl.Expr, origin: int) -> pl.Expr:
    value = pl.col(seconds) if isinstance(seconds, str) else seconds
    return (
        ((value * 1e6).round().cast(pl.Int64) + origin)
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
    )


class _Waiting:
    """The time during which at least one contact waited, its first seconds aside."""

    def __init__(self, arrived: Seconds, wait_s: Seconds) -> None:
        long = wait_s > RING_S
        begins = np.sort(arrived[long] + RING_S)
        ends = np.sort(arrived[long] + wait_s[long])
        # With both sorted, nobody waits just before the k-th begins if all k before have ended.
        first = np.ones(begins.size, bool)
        first[1:] = begins[1:] > ends[:-1]
        self.begins = begins[first]
        self.ends = ends[np.append(first[1:], True)] if begins.size else ends
        self._before = np.concatenate([[0.0], np.cumsum(self.ends - self.begins)])

    def until(self, at: Seconds) -> Seconds:
        """Seconds with somebody waiting before each of ``at``."""
        if not self.begins.size:
            return np.zeros_like(at)
        place = np.searchsorted(self.begins, at, "right")
        last = self.ends[np.maximum(place - 1, 0)]
        rest = np.where(place > 0, np.maximum(0.0, last - at), 0.0)
        return np.asarray(self._before[place] - rest, np.float64)

    def at(self, at: Seconds) -> NDArray[np.bool_]:
        """Whether somebody waited at each of ``at``."""
        if not self.begins.size:
            return np.zeros(at.size, bool)
        place = np.searchsorted(self.begins, at, "right")
        return np.asarray((place > 0) & (self.ends[np.maximum(place - 1, 0)] > at))

    def last_before(self, at: Seconds) -> Seconds:
        """The last moment before each of ``at`` at which somebody waited; needs one."""
        place = np.searchsorted(self.begins, at, "left") - 1
        return np.minimum(self.ends[np.maximum(place, 0)], at)


def _stretches(
    begins: Seconds, ends: Seconds, waiting: _Waiting, gap_s: float
) -> tuple[Seconds, Seconds, Seconds]:
    """One agent's stretches and turnarounds, from services in order."""
    gone, back = ends[:-1], begins[1:]
    silent = back - gone
    watched = np.where(silent > 0, waiting.until(back) - waiting.until(gone), 0.0)
    away = (silent > 0) & ((watched > gap_s) | (silent > SILENT_S))
    returned = back.copy()
    if waiting.begins.size:
        seen = away & (watched > gap_s)
        returned[seen] = waiting.last_before(back[seen])
        # Hours before the next service nobody can say that he had come back.
        returned = np.where(back - returned > SILENT_S, back, returned)
    turnaround = watched[~away & waiting.at(gone)]
    starts = np.concatenate([begins[:1], returned[away]])
    stops = np.concatenate([gone[away], ends[-1:]])
    return starts, stops, turnaround
