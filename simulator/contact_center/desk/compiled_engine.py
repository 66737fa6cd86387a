"""The rules of the desk, compiled: an event heap in machine code for replications and searches.

The rules are those of :mod:`rules`, compiled from the same source; what this module adds is a heap.
Its logs equal those of :mod:`simpy_engine` row by row.

Why
    The known events (arrivals, presence) are in order already and stay out of the heap, which holds
    what the desk asks for: it stays as small as the desk, and time grows linearly with contacts.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable
from numpy.typing import NDArray

from simulator.contact_center.desk import clock, lines, plan, rules, state
from simulator.contact_center.desk.plan import KEY, Plan, Presence, replication
from simulator.contact_center.desk.rules import expect, step
from simulator.contact_center.desk.state import (
    ARRIVAL,
    Agent,
    Claim,
    Desk,
    Due,
    Hours,
    Line,
    Opening,
    Room,
    Route,
    Stretch,
    Tally,
    Tier,
    Visit,
    record_type,
)


@intrinsic
def _at_address(_: Any, address: Any) -> Any:
    """An address as a pointer."""

    def build(_: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), build


# Any: the compiler's view of these is not Python's.
_numba: Any = numba
_carray, _njit = _numba.carray, _numba.njit
_pointer: Any = _at_address
_inlined: Any = register_jitable
_VISITS, _AGENTS, _STRETCHES, _LINES, _TIERS, _ROUTES, _CLAIMS = map(
    record_type, (Visit, Agent, Stretch, Line, Tier, Route, Claim)
)
_HOURS, _OPENINGS, _ROOMS, _TALLY, _DUE = map(record_type, (Hours, Opening, Room, Tally, Due))
_INT = np.dtype(np.int64)
_COMPILING = Lock()
# Inlined, so that what a rule looks up need not be passed on; nothing is divided by zero.
_OPTIONS = {"error_model": "numpy"}


def visits_of(plan: Plan, r: int, presence: Presence) -> NDArray[Any]:
    """The visits of the ``r``-th replication of a plan."""
    one = replication(plan, r, presence)
    at = plan.arrives[plan.first[r] : plan.first[r + 1]][one.order]
    n = _drive()(*_addresses(one.desk), at, one.order, one.presence_at, one.presence_key)
    visits: NDArray[Any] = one.desk.visits[:n]  # type: ignore[assignment]
    return visits


def _drive() -> Callable[..., int]:
    # One thread compiles, the others wait.
    with _COMPILING:
        return _compiled()


@cache
def _compiled() -> Callable[..., int]:
    """The compiled driver; compiled once for each version of the rules, and kept on disk."""
    functions = [
        function
        for module in (clock, lines, rules)
        for function in vars(module).values()
        if inspect.isfunction(function) and function.__module__ == module.__name__
    ]
    for function in (*functions, _earlier, _push, _drop_first):
        _inlined(forceinline=True, **_OPTIONS)(function)
    # What is kept on disk is known by the driver's own code and the values that it closes over, not
    # by the functions that it calls: so it closes over their digest, and over nothing else, since
    # not everything has the same bytes in each process.
    sources = "".join(inspect.getsource(module) for module in (rules, lines, clock, state, plan))
    version = int(hashlib.sha256(sources.encode()).hexdigest()[:15], 16)

    def drive(
        where: NDArray[np.int64],
        size: NDArray[np.int64],
        n_ranks: int,
        n_chats: int,
        n_trials: int,
        arrives: NDArray[np.int64],
        order: NDArray[np.int64],
        presence_at: NDArray[np.int64],
        presence_key: NDArray[np.int64],
    ) -> int:
        if version < 0:
            return 0
        desk = Desk(
            _carray(_pointer(where[0]), (size[0],), _INT),
            _carray(_pointer(where[1]), (size[1],), _INT),
            _carray(_pointer(where[2]), (size[2],), _INT),
            _carray(_pointer(where[3]), (size[3],), _INT),
            _carray(_pointer(where[4]), (size[4],), _INT),
            _carray(_pointer(where[5]), (size[5],), _INT),
            _carray(_pointer(where[6]), (size[6],), _INT),
            _carray(_pointer(where[7]), (size[7],), _INT),
            _carray(_pointer(where[8]), (size[8],), _INT),
            _carray(_pointer(where[9]), (size[9],), _VISITS),
            _carray(_pointer(where[10]), (size[10],), _AGENTS),
            _carray(_pointer(where[11]), (size[11],), _STRETCHES),
            _carray(_pointer(where[12]), (size[12],), _LINES),
            _carray(_pointer(where[13]), (size[13],), _LINES),
            _carray(_pointer(where[14]), (size[14],), _TIERS),
            _carray(_pointer(where[15]), (size[15],), _ROUTES),
            _carray(_pointer(where[16]), (size[16],), _CLAIMS),
            _carray(_pointer(where[17]), (size[17],), _INT),
            _carray(_pointer(where[18]), (size[18],), _HOURS),
            _carray(_pointer(where[19]), (size[19],), _OPENINGS),
            _carray(_pointer(where[20]), (size[20],), _INT),
            _carray(_pointer(where[21]), (size[21],), _ROOMS),
            _carray(_pointer(where[22]), (size[22],), _TALLY),
            _carray(_pointer(where[23]), (size[23],), _DUE),
            n_ranks,
            n_chats,
            n_trials,
        )
        heap = np.empty((64, 2), np.int64)
        n = 0
        a, n_arrivals = 0, len(arrives)
        p, n_presence = 0, len(presence_at)
        tally = desk.tally[0]
        while True:
            known = 0
            time, key = 0, 0
            if a < n_arrivals:
                known = 1
                time = arrives[a]
                key = ARRIVAL * KEY + order[a]
            if p < n_presence and (
                known == 0 or _earlier(presence_at[p], presence_key[p], time, key)
            ):
                known = 2
                time = presence_at[p]
                key = presence_key[p]
            if n > 0 and (known == 0 or _earlier(heap[0, 0], heap[0, 1], time, key)):
                time = heap[0, 0]
                key = heap[0, 1]
                n = _drop_first(heap, n)
            elif known == 1:
                expect(desk, order[a], order[a], 0)
                a += 1
            elif known == 2:
                p += 1
            else:
                break
            step(desk, key // KEY, key % KEY, time)
            for k in range(tally.n_due):
                if n == len(heap):
                    wider = np.empty((2 * n, 2), np.int64)
                    wider[:n] = heap
                    heap = wider
                due = desk.due[k]
                n = _push(heap, n, due.time, due.kind * KEY + due.subject)
        return int(tally.n_visits)

    try:
        driver: Callable[..., int] = _njit(cache=True, nogil=True, **_OPTIONS)(drive)
    except RuntimeError:
        # Nowhere to keep it: neither beside the code nor in the user's cache.
        driver = _njit(nogil=True, **_OPTIONS)(drive)
    return driver


def _addresses(desk: Desk) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int, int]:
    """Where the arrays of a desk lie, and how long they are; the caller keeps the desk alive."""
    arrays: Any = desk[:-3]
    where = np.array([one.ctypes.data for one in arrays], dtype=np.int64)
    size = np.array([len(one) for one in arrays], dtype=np.int64)
    return where, size, desk.n_ranks, desk.n_chats, desk.n_trials


def _earlier(at: int, key: int, other_at: int, other_key: int) -> bool:
    return at < other_at or (at == other_at and key < other_key)


def _push(heap: NDArray[np.int64], n: int, at: int, key: int) -> int:
    """Put an event in; returns how many there are then."""
    hole = n
    while hole > 0:
        above = (hole - 1) >> 1
        if not (at < heap[above, 0] or (at == heap[above, 0] and key < heap[above, 1])):
            break
        heap[hole, 0] = heap[above, 0]
        heap[hole, 1] = heap[above, 1]
        hole = above
    heap[hole, 0] = at
    heap[hole, 1] = key
    return n + 1


def _drop_first(heap: NDArray[np.int64], n: int) -> int:
    """Take the first event out; returns how many there are then."""
    n -= 1
    at, key = heap[n, 0], heap[n, 1]
    hole = 0
    while True:
        below = 2 * hole + 1
        if below >= n:
            break
        right = below + 1
        if right < n and (
            heap[right, 0] < heap[below, 0]
            or (heap[right, 0] == heap[below, 0] and heap[right, 1] < heap[below, 1])
        ):
            below = right
        if not (heap[below, 0] < at or (heap[below, 0] == at and heap[below, 1] < key)):
            break
        heap[hole, 0] = heap[below, 0]
        heap[hole, 1] = heap[below, 1]
        hole = below
    heap[hole, 0] = at
    heap[hole, 1] = key
    return n
