"""What an engine is given: the tables as records, and the desk of one replication."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center.desk import state
from simulator.contact_center.desk.checks import (
    check_arrivals,
    check_chat_speed,
    check_hours,
    check_roster,
)
from simulator.contact_center.desk.routing import Routing, routing_of
from simulator.contact_center.desk.state import NOBODY, US, Desk, record_type, rows
from simulator.errors import TableError
from simulator.schema import CHANNELS

Ints = NDArray[np.int64]
CHAT_SPEED = (1.0, 1.7, 2.3, 2.8, 3.2, 3.5)
_OUTSIDE = {"wait": state.WAIT, "turn_away": state.TURN_AWAY, "next_opening": state.NEXT_OPENING}


@dataclass(frozen=True, slots=True)
class Plan:
    """The arrivals of all replications as arrays over rows, and how they are routed.

    ``first[r]`` to ``first[r + 1] - 1`` are the rows of the replication ``replications[r]``, in the
    order of the table, which is the last tie-break. ``customers`` are columns over the rows, and
    ``trials`` columns of ``max_attempts`` tries a row (see :class:`state.Desk`). Times are
    microseconds.
    """

    visits: pl.DataFrame
    replications: Ints
    first: Ints
    arrives: Ints
    customers: dict[str, Ints]
    trials: dict[str, Ints]
    max_attempts: int
    routing: Routing
    hours: dict[int, tuple[NDArray[Any], NDArray[Any]]]
    queue_limit: Mapping[str, int]
    chat_speed: tuple[float, ...]


class Presence(NamedTuple):
    """The agents of one replication, in the order of agents, and their stretches.

    ``agent`` and ``team`` are numbers; ``starts`` and ``ends`` are microseconds; ``gain`` is in
    thousandths.
    """

    agent_ids: Sequence[str]
    max_chats: Ints
    gain: Ints
    agent: Ints
    team: Ints
    starts: Ints
    ends: Ints


def plan_of(
    arrivals: pl.DataFrame,
    teams: pl.DataFrame,
    *,
    hours: pl.DataFrame | None = None,
    max_attempts: int = 3,
    chat_speed: Sequence[float] = CHAT_SPEED,
    queue_limit: Mapping[str, int] | None = None,
) -> Plan:
    """Prepare the arrivals of one cell; see :func:`simulator.contact_center.simulate`."""
    tables.check("arrivals", arrivals)
    tables.check("teams", teams)
    check_arrivals(arrivals)
    check_chat_speed(chat_speed)
    visits = arrivals.filter(pl.col("arrives_ms").is_not_null()).sort(
        "replication", maintain_order=True
    )
    # An empty table says no more than none.
    hours = None if hours is None or hours.is_empty() else tables.check("hours", hours)
    if hours is not None:
        check_hours(hours)
    routing = routing_of(visits, teams, hours is not None, queue_limit or ())
    numbers, counts = np.unique(visits["replication"].to_numpy(), return_counts=True)
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Plan(
        visits=visits,
        replications=numbers.astype(np.int64),
        first=first,
        arrives=_us(visits["arrives_ms"]),
        customers={
            "entry": routing.entry,
            "rank": routing.rank,
            "rank_again": routing.rank_again,
            "work": _us(visits["work_ms"]),
            "saved": _us(visits["saved_ms"].fill_null(0)),
            "allowance": _us(visits["deadline_ms"], missing=NOBODY),
        },
        trials=_trials(visits, max_attempts),
        max_attempts=max_attempts,
        routing=routing,
        hours={} if hours is None else _hours(hours),
        queue_limit=queue_limit or {},
        chat_speed=tuple(chat_speed),
    )


def presence_of(roster: pl.DataFrame, teams: pl.DataFrame) -> dict[int, Presence]:
    """The presence of each replication that the roster has.

    Raises:
        TableError: the roster breaks its contract; see :func:`check_roster`.
    """
    tables.check("roster", roster)
    check_roster(roster, teams)
    order = {team: at for at, team in enumerate(teams["team"].unique(maintain_order=True))}
    kept = roster.filter(pl.col("starts_ms") < pl.col("ends_ms"))
    found = {}
    for (number,), part in kept.partition_by("replication", as_dict=True).items():
        agents = part.unique("agent_id", keep="first", maintain_order=True)
        of = agents.select("agent_id").with_row_index("agent")
        found[number] = Presence(
            agents["agent_id"].to_list(),
            agents["max_chats"].fill_null(1).to_numpy().astype(np.int64),
            np.rint(agents["gain"].fill_null(1.0).to_numpy() * 1000).astype(np.int64),
            part.join(of, on="agent_id", maintain_order="left")["agent"]
            .to_numpy()
            .astype(np.int64),
            part["team"].replace_strict(order, return_dtype=pl.Int64).to_numpy(),
            _us(part["starts_ms"]),
            _us(part["ends_ms"]),
        )
    return found


NOBODY_THERE = Presence((), *(np.empty(0, np.int64) for _ in range(6)))


class Replication(NamedTuple):
    """A desk before its first event, and the events that are known beforehand, in their order.

    ``visits`` of the arrivals by time; presence events as their times and keys (``kind * KEY +
    stretch``).
    """

    desk: Desk
    order: Ints
    presence_at: Ints
    presence_key: Ints


KEY = 1 << 40


def replication(plan: Plan, r: int, presence: Presence) -> Replication:
    """The desk of the ``r``-th replication of a plan, as arrays of records."""
    first, last = int(plan.first[r]), int(plan.first[r + 1])
    n = last - first
    most = plan.max_attempts
    customers = {name: column[first:last] for name, column in plan.customers.items()}
    trials = {name: column[first * most : last * most] for name, column in plan.trials.items()}
    # Each try that may bring the customer back may make one more visit.
    n_most = n + int(np.count_nonzero(trials["habit"]))
    n_agents = len(presence.max_chats)
    n_chats = int(presence.max_chats.max(initial=1))
    if n_chats > len(plan.chat_speed):
        raise TableError(
            f"table roster: max_chats = {n_chats}; chat_speed says how fast an agent is with up to "
            f"{len(plan.chat_speed)} chats at once; add to it"
        )
    agents = rows(
        state.Agent,
        n_agents,
        alone=0,
        free_since=0,
        gain=presence.gain,
        in_hand=0,
        max_chats=presence.max_chats,
        present=0,
        updated=0,
    )
    stretches = rows(state.Stretch, len(presence.agent), agent=presence.agent, team=presence.team)
    routing = plan.routing
    tiers = routing.tiers
    if n_chats == 1:
        # One chat at a time is worked like a call.
        tiers = tiers.copy()
        tiers["shared"] = 0
    hours, openings = plan.hours.get(int(plan.replications[r]), _no_hours())
    n_stretches = len(presence.agent)
    at = np.concatenate([presence.starts, presence.ends])
    key = np.concatenate(
        [
            state.PRESENCE_BEGINS * KEY + np.arange(n_stretches),
            state.PRESENCE_ENDS * KEY + np.arange(n_stretches),
        ]
    )
    in_order = np.lexsort((key, at))
    # Record arrays are used as sequences of records are.
    arrays: dict[str, Any] = dict(
        **customers,
        **trials,
        visits=np.empty(n_most, record_type(state.Visit)),
        agents=agents,
        stretches=stretches,
        waiting=rows(state.Line, len(tiers) * routing.n_ranks),
        free=rows(state.Line, routing.n_teams * n_chats),
        tiers=tiers,
        routes=routing.routes,
        claims=routing.claims,
        claimed=routing.claimed,
        hours=hours,
        openings=openings,
        speed=_speed(plan.chat_speed, n_chats),
        rooms=rows(
            state.Room,
            len(CHANNELS),
            limit=[plan.queue_limit.get(channel, NOBODY) for channel in CHANNELS],
            waiting=0,
        ),
        tally=rows(
            state.Tally,
            1,
            n_due=0,
            n_visits=n,
            n_waiting=0,
            overdue_rank=routing.overdue_rank,
        ),
        due=rows(state.Due, 4),
        n_ranks=routing.n_ranks,
        n_chats=n_chats,
        n_trials=most,
    )
    order = np.argsort(plan.arrives[first:last], kind="stable")
    return Replication(Desk(**arrays), order, at[in_order], key[in_order])


def _us(column: pl.Series, missing: int | None = None) -> Ints:
    us = column * US
    if missing is not None:
        us = us.fill_null(missing)
    column_us: Ints = us.to_numpy().astype(np.int64)
    return column_us


def _trials(visits: pl.DataFrame, max_attempts: int) -> dict[str, Ints]:
    columns: dict[str, list[NDArray[Any]]] = {
        "patience_ms": [],
        "recontacts": [],
        "recontact_delay_ms": [],
    }
    for name, values in columns.items():
        for k in range(max_attempts):
            one = visits[name].list.get(k, null_on_oob=True)
            values.append(one.fill_null(NOBODY).to_numpy())
    patience, habit, delay = (
        np.column_stack(values).astype(np.int64).ravel() for values in columns.values()
    )
    trial = np.tile(np.arange(max_attempts), visits.height)
    tries = np.repeat(visits["patience_ms"].list.len().to_numpy().astype(np.int64), max_attempts)
    last = trial + 1 >= np.minimum(tries, max_attempts)
    habit = np.where(last | (habit == NOBODY) | (delay == NOBODY), state.NEVER, habit)
    return {
        "patience": np.where(patience == NOBODY, NOBODY, patience * US),
        "habit": habit,
        "delay": delay * US,
    }


def _hours(table: pl.DataFrame) -> dict[int, tuple[NDArray[Any], NDArray[Any]]]:
    """Records of hours (one a channel, in the order of ``CHANNELS``) and openings."""
    found = {}
    for (number,), part in table.partition_by("replication", as_dict=True).items():
        part = part.sort("channel", "opens_ms")
        hours = rows(state.Hours, len(CHANNELS), first=0, last=0, outside=state.WAIT)
        names = part["channel"].to_numpy()
        for at, channel in enumerate(CHANNELS):
            mine = np.flatnonzero(names == channel)
            if mine.size:
                outside = _OUTSIDE[part["outside"][int(mine[0])]]
                hours[at] = tuple(
                    {"first": mine[0], "last": mine[-1] + 1, "outside": outside}[field]
                    for field in hours.dtype.names or ()
                )
        openings = rows(
            state.Opening,
            part.height,
            opens=_us(part["opens_ms"]),
            closes=_us(part["closes_ms"]),
        )
        found[number] = (hours, openings)
    return found


def _no_hours() -> tuple[NDArray[Any], NDArray[Any]]:
    hours = rows(state.Hours, len(CHANNELS), first=0, last=0, outside=state.WAIT)
    return hours, rows(state.Opening, 0)


def _speed(chat_speed: Sequence[float], n_chats: int) -> Ints:
    # As written: 1000 x 1.7 is 1700 and not 1699.
    milli: Ints = np.rint(1000 * np.asarray((0.0, *chat_speed))).astype(np.int64)
    each: Ints = milli[: n_chats + 1] // np.maximum(1, np.arange(n_chats + 1))
    return each
