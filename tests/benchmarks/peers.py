"""The queue M/M/c+M by other means: what the desk's engines are measured against.

Each takes arrival times, work and patience in whole microseconds, by time of arrival, and gives
how many leave unserved.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import simpy
from numba import njit
from numpy.typing import NDArray

from simulator.contact_center.desk import compiled_engine

Ints = NDArray[np.int64]


def textbook_simpy(agents: int, arrives: Ints, work: Ints, patience: Ints) -> int:
    """SimPy as its tutorial has it: a process a customer, a ``Resource``, request | timeout."""
    env = simpy.Environment()
    desk = simpy.Resource(env, agents)
    left = 0

    def customer(work_us: int, patience_us: int) -> Generator[Any, Any, None]:
        nonlocal left
        with desk.request() as request:
            result = yield request | env.timeout(patience_us)
            if request in result:
                yield env.timeout(work_us)
            else:
                left += 1

    def source() -> Generator[Any, Any, None]:
        for at, work_us, patience_us in zip(
            arrives.tolist(), work.tolist(), patience.tolist(), strict=True
        ):
            yield env.timeout(at - env.now)
            env.process(customer(work_us, patience_us))

    env.process(source())
    env.run()
    return left


def ciw_network(agents: int, arrives: Ints, work: Ints, patience: Ints) -> int:
    """Ciw, with the same customers by their numbers.

    Raises:
        ImportError: Ciw is not there; ``pip install ciw``.
    """
    import ciw

    class Own(ciw.dists.Distribution):  # type: ignore[misc]
        """What each customer brings, whenever it is asked for."""

        def __init__(self, values: list[float]) -> None:
            self.values = values

        def sample(self, t: float | None = None, ind: Any = None) -> float:
            return self.values[ind.id_number - 1]

    between = np.diff(arrives, prepend=0) / 1e6
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*between.tolist(), 1e15])],
        service_distributions=[Own((work / 1e6).tolist())],
        reneging_time_distributions=[Own((patience / 1e6).tolist())],
        number_of_servers=[agents],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(float(arrives[-1]) / 1e6 + 1e6)
    return sum(record.record_type == "renege" for record in simulation.get_all_records())


_push = njit(cache=True, nogil=True, inline="always")(compiled_engine._push)
_drop_first = njit(cache=True, nogil=True, inline="always")(compiled_engine._drop_first)


@njit(cache=True, nogil=True)
def _bare_heap(
    agents: int, arrives: Ints, work: Ints, patience: Ints, started: Ints, left: Ints
) -> int:
    n_customers = len(arrives)
    heap = np.empty((64, 2), np.int64)
    n = 0
    # Who waits, in order; who has left is passed over.
    queue = np.empty(n_customers, np.int64)
    first = last = 0
    free = agents
    n_left = 0
    coming = 0
    while coming < n_customers or n > 0:
        if n + 1 >= len(heap):
            wider = np.empty((2 * len(heap), 2), np.int64)
            wider[:n] = heap[:n]
            heap = wider
        if coming < n_customers and (n == 0 or arrives[coming] < heap[0, 0]):
            now, who = arrives[coming], coming
            coming += 1
            if free > 0:
                free -= 1
                started[who] = now
                n = _push(heap, n, now + work[who], who)
            else:
                queue[last] = who
                last += 1
                n = _push(heap, n, now + patience[who], n_customers + who)
            continue
        now, who = heap[0, 0], heap[0, 1]
        n = _drop_first(heap, n)
        if who >= n_customers:
            who -= n_customers
            if started[who] < 0:
                left[who] = now
                n_left += 1
            continue
        while first < last and left[queue[first]] >= 0:
            first += 1
        if first < last:
            next_one = queue[first]
            first += 1
            started[next_one] = now
            n = _push(heap, n, now + work[next_one], next_one)
        else:
            free += 1
    return n_left


def bare_heap(agents: int, arrives: Ints, work: Ints, patience: Ints) -> int:
    """An event heap in machine code that knows this queue and nothing else.

    The heap itself is that of the compiled engine, so that the difference is what the rules cost.
    """
    started, left = np.full(len(arrives), -1), np.full(len(arrives), -1)
    return int(_bare_heap(agents, arrives, work, patience, started, left))
