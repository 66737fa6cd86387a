"""The rules of the desk against SimPy's clock: the engine to read, to trace and to check with.

Why
    Callbacks on scheduled events instead of a generator process for each customer: the rules
    already say what happens, and a process would only hide the order at ties, which SimPy decides
    by an event's priority. The priority holds the kind of event and then the sequence number, so
    the order never depends on when an event was scheduled. Events are two words of memory instead
    of SimPy's own, which carry what nobody waits for here.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import simpy
from numpy.typing import NDArray

from simulator.contact_center.desk import rules, state
from simulator.contact_center.desk.plan import KEY, Plan, Presence, replication
from simulator.contact_center.desk.state import NOBODY, RECORDS, Desk, objects, rows


class Happening(NamedTuple):
    """One event of a trace: when, which kind, which visit or stretch, and what follows from it.

    ``agent`` is the one concerned and ``n_waiting`` the number in queues, both right after it.
    """

    at: int
    kind: int
    subject: int
    agent: int
    n_waiting: int


def visits_of(
    plan: Plan, r: int, presence: Presence, trace: list[Happening] | None = None
) -> NDArray[Any]:
    """The visits of the ``r``-th replication of a plan, in the order of their sequence numbers.

    Of the fields of :class:`state.Visit` those in ``state.LOGGED``; the others are NOBODY.
    """
    one = replication(plan, r, presence)
    at = plan.arrives[plan.first[r] : plan.first[r + 1]][one.order]
    arrivals = zip(at.tolist(), one.order.tolist(), strict=True)
    comings = zip(one.presence_at.tolist(), one.presence_key.tolist(), strict=True)
    begins = min([*at[:1].tolist(), *one.presence_at[:1].tolist()])
    with _no_garbage():
        desk = _as_objects(one.desk)
        _run(desk, begins, arrivals, comings, trace)
        n = desk.tally[0].n_visits
        visits = rows(state.Visit, n)
        for field in state.LOGGED:
            visits[field] = np.fromiter(map(attrgetter(field), desk.visits), np.int64, n)
        return visits


class _Event:
    """What SimPy asks of an event, and which it is."""

    __slots__ = ("callbacks", "subject")
    _ok = True

    def __init__(self, callbacks: _Callbacks, subject: int) -> None:
        self.callbacks = callbacks
        self.subject = subject


_Callbacks = tuple[Callable[[_Event], None], ...]


def _run(
    desk: Desk,
    begins: int,
    arrivals: Iterator[tuple[int, int]],
    comings: Iterable[tuple[int, int]],
    trace: list[Happening] | None,
) -> None:
    """One replication: SimPy holds the clock and the future, the rules decide."""
    # Any: SimPy asks of an event no more than these have, and of a time that it can be added to.
    env: Any = simpy.Environment(begins)
    schedule, step, expect = env.schedule, rules.step, rules.expect
    tally, due = desk.tally[0], desk.due
    counted = [range(n) for n in range(len(due) + 1)]

    def happening(kind: int) -> Callable[[_Event], None]:
        def happen(event: _Event) -> None:
            subject, now = event.subject, env.now
            step(desk, kind, subject, now)
            for k in counted[tally.n_due]:
                one = due[k]
                then, visit = one.kind, one.subject
                schedule(_Event(asked[then], visit), keys[then] + visit, one.time - now)

        return happen

    def told(kind: int, happen: Callable[[_Event], None]) -> Callable[[_Event], None]:
        of_agent = kind in (state.PRESENCE_BEGINS, state.PRESENCE_ENDS)

        def happen_and_tell(event: _Event) -> None:
            happen(event)
            who = (desk.stretches if of_agent else desk.visits)[event.subject].agent
            assert trace is not None
            trace.append(Happening(env.now, kind, event.subject, who, tally.n_waiting))

        return happen_and_tell

    kinds = range(state.PATIENCE_ENDS + 1)
    keys = [kind * KEY for kind in kinds]
    asked: list[_Callbacks] = [(happening(kind),) for kind in kinds]
    if trace is not None:
        asked = [(told(kind, asked[kind][0]),) for kind in kinds]

    def expect_next(event: _Event) -> None:
        # Only the next arrival is in SimPy's heap, which stays as small as the desk.
        for at, visit in arrivals:
            expect(desk, visit, visit, 0)
            schedule(_Event(first, visit), keys[state.ARRIVAL] + visit, at - env.now)
            return

    first = (expect_next, *asked[state.ARRIVAL])
    for at, key in comings:
        schedule(_Event(asked[key // KEY], key % KEY), key, at - begins)
    expect_next(_Event((), NOBODY))
    env.run()


class _Desk:
    """A desk with attributes that Python finds faster than those of a tuple."""

    __slots__ = Desk._fields


def _as_objects(arrays: Desk) -> Desk:
    desk: Any = _Desk()
    for field in Desk._fields:
        value: Any = getattr(arrays, field)
        if field == "visits":
            value = [state.Visit() for _ in range(len(value))]
        elif field in RECORDS:
            value = objects(RECORDS[field], value)
        elif isinstance(value, np.ndarray):
            value = value.tolist()
        setattr(desk, field, value)
    same: Desk = desk
    return same


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Records and events make no cycles: looking for some takes a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
