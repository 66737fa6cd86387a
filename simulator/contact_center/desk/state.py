"""The state of a desk as records: objects for Python, rows of arrays for compiled code.

Every field is an integer; times are microseconds, and what has not happened is :data:`NOBODY`. The
attribute of a record object and the field of a numpy record are written the same way
(``desk.visits[i].state``), so that one source of rules serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NOBODY = -1
US = 1000  # microseconds in a millisecond

# Kinds of event, in the order in which they happen at one instant; within a kind by number. A bot
# that goes down or comes back stands between presence and arrivals: it is a change of arrivals, and
# made before the desk sees them (see outages).
COMPLETION, PRESENCE_BEGINS, PRESENCE_ENDS, ARRIVAL, MILESTONE, PATIENCE_ENDS = range(6)

# States of a visit.
DUE, WAITING, IN_SERVICE, DONE, ABANDONED, TURNED_AWAY = range(6)

# Whether a customer comes back.
NEVER, AFTER_ABANDONING, EITHER_WAY = range(3)

# What a closed desk does with a contact.
WAIT, TURN_AWAY, NEXT_OPENING = range(3)

# An agent's own time is shared out among his chats in sixtieths of a microsecond: exact for as many
# as six at once.
PARTS = 60
MOST_CHATS = 6


@dataclass(slots=True, init=False, eq=False)
class Visit:
    """One visit to the desk; its index in ``Desk.visits`` is its sequence number.

    ``row, attempt``: which customer, and which try. ``came``: when it found the desk closed first,
    if it did; it arrives at the opening. ``tier, rank``: how far it has come in its list
    of preferences, and its priority. ``due``: when its work is done as things stand. ``remaining``:
    of a chat in hand, in thousandths. ``handled``: the agent's own time that it has taken, in
    :data:`PARTS`. ``before, after``: neighbours in the queue, or in the hands of the agent.
    """

    after: int
    agent: int
    arrived: int
    attempt: int
    before: int
    came: int
    due: int
    ended: int
    handled: int
    left: int
    rank: int
    remaining: int
    row: int
    started: int
    state: int
    team: int
    tier: int


# What is left to know of a visit when the desk has closed.
LOGGED = (
    "row",
    "attempt",
    "agent",
    "team",
    "state",
    "came",
    "arrived",
    "started",
    "ended",
    "left",
    "handled",
)


@dataclass(slots=True, init=False, eq=False)
class Agent:
    """One agent; the index in ``Desk.agents`` is the place in the order of agents.

    ``present`` counts the stretches of presence that are open, so that stretches which touch or
    overlap are one. ``alone`` says that the contact in hand admits no other; else ``in_hand``
    chats, first to last, were brought up to date at ``updated``. ``next_done`` is the contact
    whose completion is due first. ``free_line`` is where he stands among the free, since
    ``free_since``. ``gain`` is in thousandths.
    """

    after: int
    alone: int
    before: int
    first: int
    free_line: int
    free_since: int
    gain: int
    in_hand: int
    last: int
    max_chats: int
    next_done: int
    present: int
    team: int
    updated: int


class Stretch(NamedTuple):
    """A stretch of presence: who, and for which team."""

    agent: int
    team: int


@dataclass(slots=True, init=False, eq=False)
class Line:
    """The two ends of a linked list of visits or of free agents."""

    first: int
    last: int


class Tier(NamedTuple):
    """Whom a contact may go to once it has waited ``since_arrival``, besides those before.

    Routes ``first`` to ``last - 1``. ``more``: whether the next tier is of the same contacts.
    ``shared``: whether they are chats, of which an agent may have several. ``hours``: the opening
    hours that hold for them, or NOBODY; ``room``: where they wait if not
    any number may, else NOBODY.
    """

    first: int
    hours: int
    last: int
    more: int
    room: int
    shared: int
    since_arrival: int


class Route(NamedTuple):
    """A team, and how far down the list of preferences it stands."""

    rank: int
    team: int


class Claim(NamedTuple):
    """The lines that a team takes from at one priority: ``first`` to ``last - 1`` of claimed."""

    first: int
    last: int


class Hours(NamedTuple):
    """Openings ``first`` to ``last - 1`` of a channel, and what holds outside them."""

    first: int
    last: int
    outside: int


class Opening(NamedTuple):
    """From ``opens`` to just before ``closes``."""

    closes: int
    opens: int


@dataclass(slots=True, init=False, eq=False)
class Room:
    """Where the contacts of a channel wait of which only ``limit`` may."""

    limit: int
    waiting: int


@dataclass(slots=True, init=False, eq=False)
class Tally:
    """Counts: visits in queues, visits so far, events that the last step asks for."""

    n_due: int
    n_visits: int
    n_waiting: int
    overdue_rank: int


@dataclass(slots=True, init=False, eq=False)
class Due:
    """An event that a step asks for."""

    kind: int
    subject: int
    time: int


class Desk(NamedTuple):
    """The state of a desk.

    Contacts that the same teams may take after the same waits form a pool, and each step of their
    waiting a tier. Line ``tier * n_ranks + rank`` of ``waiting`` holds those of a tier and a
    priority, rank 0 first; line ``team * n_chats + n`` of ``free`` holds the team's agents with n
    chats in hand who may take another. ``claims[team * n_ranks + rank]`` says which lines a team
    takes from. ``speed[n]`` is that of each of n chats, in thousandths.

    What a customer brings stands in columns over the rows of the arrivals: ``entry``, the tier that
    a visit begins in; ``rank`` and ``rank_again``, the priority of the first visit and of later
    ones; ``work`` without help and what help has ``saved``; ``allowance``, the time from a visit's
    arrival to its deadline, or NOBODY. ``patience`` (NOBODY: never leaves), ``habit`` (whether the
    customer comes back) and ``delay`` (after what time) hold ``n_trials`` tries a row.
    """

    entry: Sequence[int]
    rank: Sequence[int]
    rank_again: Sequence[int]
    work: Sequence[int]
    saved: Sequence[int]
    allowance: Sequence[int]
    patience: Sequence[int]
    habit: Sequence[int]
    delay: Sequence[int]
    visits: Sequence[Visit]
    agents: Sequence[Agent]
    stretches: Sequence[Stretch]
    waiting: Sequence[Line]
    free: Sequence[Line]
    tiers: Sequence[Tier]
    routes: Sequence[Route]
    claims: Sequence[Claim]
    claimed: Sequence[int]
    hours: Sequence[Hours]
    openings: Sequence[Opening]
    speed: Sequence[int]
    rooms: Sequence[Room]
    tally: Sequence[Tally]
    due: Sequence[Due]
    n_ranks: int
    n_chats: int
    n_trials: int


# What the arrays of a desk are arrays of. Those that never change are tuples in Python.
RECORDS: dict[str, type] = {
    "visits": Visit,
    "agents": Agent,
    "stretches": Stretch,
    "waiting": Line,
    "free": Line,
    "tiers": Tier,
    "routes": Route,
    "claims": Claim,
    "hours": Hours,
    "openings": Opening,
    "rooms": Room,
    "tally": Tally,
    "due": Due,
}


def record_type(record: type) -> np.dtype[np.void]:
    """The record as numpy has it."""
    return np.dtype([(name, np.int64) for name in _names(record)])


def _names(record: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = record._fields if issubclass(record, tuple) else record.__slots__
    return names


def rows(record: type, n: int, **fields: Any) -> NDArray[Any]:
    """An array of ``n`` records; fields that are not given are NOBODY."""
    width = len(_names(record))
    array = np.full((n, width), NOBODY, dtype=np.int64).view(record_type(record))[:, 0]
    for name, values in fields.items():
        array[name] = values
    return array


def objects(record: Any, array: NDArray[Any]) -> list[Any]:
    """The same records as objects."""
    if issubclass(record, tuple):
        return list(map(record._make, array.tolist()))
    made = [record() for _ in range(len(array))]
    for name in array.dtype.names or ():
        for one, value in zip(made, array[name].tolist(), strict=True):
            setattr(one, name, value)
    return made
