"""A textbook SimPy model of the desk, written without a look at its rules: what they are held to.

A process for each customer, a ``PriorityResource`` of agents, ``request | timeout``. It reaches as
far as such a model does: one pool of agents who are always there, priorities, patience, customers
who come back. Where two things happen at one instant it goes by which was scheduled first, which
the desk does not; so the two agree only where there are no ties.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import simpy


@dataclass(frozen=True)
class Customer:
    """One who arrives, in units of any length.

    ``patience`` of each attempt (None: never leaves). ``comes_back[k]``: after what time, and
    whether only after abandoning, the customer tries again after attempt ``k``.
    """

    arrives: int
    work: int
    patience: Sequence[int | None] = (None,)
    priority: int = 0
    comes_back: Sequence[tuple[int, bool]] = field(default=())


@dataclass(frozen=True)
class Visit:
    """One attempt of the customer with that number; ``started`` is None for who abandoned."""

    customer: int
    attempt: int
    arrived: int
    started: int | None
    left: int


Process = Generator[simpy.Event, object, None]


def serve(customers: Sequence[Customer], n_agents: int, priority_again: int = 0) -> list[Visit]:
    """Every visit, in the order in which they end.

    Args:
        customers: by time of arrival.
        n_agents: how many serve, all alike.
        priority_again: the least priority of who comes back.
    """
    env = simpy.Environment()
    agents = simpy.PriorityResource(env, n_agents)
    visits: list[Visit] = []

    def customer(number: int, one: Customer) -> Process:
        for attempt, patience in enumerate(one.patience):
            arrived = int(env.now)
            priority = max(one.priority, priority_again) if attempt else one.priority
            with agents.request(priority) as request:
                if patience is None:
                    yield request
                else:
                    yield request | env.timeout(patience)
                started = int(env.now) if request.triggered else None
                if request.triggered:
                    yield env.timeout(one.work)
            visits.append(Visit(number, attempt, arrived, started, int(env.now)))
            if attempt >= len(one.comes_back):
                return
            delay, only_after_abandoning = one.comes_back[attempt]
            if only_after_abandoning and started is not None:
                return
            yield env.timeout(delay)

    def source() -> Process:
        for number, one in enumerate(customers):
            yield env.timeout(one.arrives - env.now)
            env.process(customer(number, one))

    env.process(source())
    env.run()
    return visits


def abandoned(arrives: Sequence[int], work: Sequence[int], patience: Sequence[int], n: int) -> int:
    """How many of the customers abandon ``n`` agents."""
    customers = [
        Customer(int(at), int(needs), (int(waits),))
        for at, needs, waits in zip(arrives, work, patience, strict=True)
    ]
    return sum(visit.started is None for visit in serve(customers, n))
