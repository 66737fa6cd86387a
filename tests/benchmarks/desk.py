"""The desk's engines against other means of simulating queues, as ratios taken in one run.

    pip install ciw
    python -m tests.benchmarks.desk

M/M/50+M: 50 agents, Poisson arrivals, exponential work and patience, offered load 52. All serve
the very same customers, from prepared numpy arrays to numpy records (Ciw: from lists to its own
records); how many leave must be equal before any time counts. Timed is what a replication costs:
building its desk and running it. Not timed: drawing the customers, routing them (once for all
replications), compiling, and naming agents and teams in the table ``contacts``.

Whatever else the machine does slows one or the other: they take turns, and the best time of each
counts, processor time where there is one thread.
"""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

from simulator import tables
from simulator.contact_center import simulate
from simulator.contact_center.desk import compiled_engine, simpy_engine, state
from simulator.contact_center.desk.plan import Plan, Presence, plan_of, presence_of
from simulator.contact_center.desk.simulation import days
from simulator.contact_center.measures.sums import desk_sums, together
from simulator.contact_center.measures.yardstick import yardstick
from tests import textbook_desk
from tests.benchmarks import peers
from tests.benchmarks.every_feature import busy_desk, week
from tests.queues import Drawn, agents, desk_of, given

AGENTS, CUSTOMERS, RUNS = 50, 50_000, 5
WEEKS, CONTACTS_A_WEEK = 100, 100_000
RECORD = ("row", "attempt", "state", "team", "agent", "arrived", "started", "ended", "left")


def customers(n: int, seed: int = 0) -> Drawn:
    """Offered load 52, mean work 300 s, mean patience 200 s; whole microseconds."""
    draw = np.random.default_rng(seed)
    return Drawn(
        np.round(np.cumsum(draw.exponential(300 / 52, n)), 6),
        np.round(draw.exponential(300, n), 6),
        np.round(draw.exponential(200, n), 6),
    )


def best(
    ways: dict[str, Callable[[], Any]],
    runs: int = RUNS,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """The least seconds of each, taken in turns; whatever it compiles or warms up, before."""
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(runs):
        for name, way in ways.items():
            gc.collect()
            began = clock()
            way()
            least[name] = min(least[name], clock() - began)
    return least


def left(plan: Plan, there: Presence, engine: Any = compiled_engine) -> int:
    """How many give up."""
    return int(np.count_nonzero(engine.visits_of(plan, 0, there)["state"] == state.ABANDONED))


def row(what: str, value: float, target: str = "", unit: str = "x") -> None:
    """One line of the result."""
    print(f"{what:<66} {value:9.2f} {unit:<3} {target}", flush=True)


def engines() -> None:
    """The engines against the others."""
    plan, there = given(desk_of(), customers(CUSTOMERS)), agents(AGENTS)
    column = plan.arrives, plan.customers["work"], plan.trials["patience"]
    busy, busy_there = busy_desk(CUSTOMERS, AGENTS)
    ways: dict[str, Callable[[], Any]] = {
        "compiled": lambda: left(plan, there),
        "bare heap": lambda: peers.bare_heap(AGENTS, *column),
        "every feature": lambda: compiled_engine.visits_of(busy, 0, busy_there),
        "simpy_engine": lambda: left(plan, there, simpy_engine),
        "simpy_engine, every feature": lambda: simpy_engine.visits_of(busy, 0, busy_there),
        # The leanest that is still idiomatic: it counts, and keeps no records.
        "textbook SimPy": lambda: peers.textbook_simpy(AGENTS, *column),
        "textbook SimPy with records": lambda: textbook_desk.abandoned(*column, AGENTS),
    }
    gave_up = {name: way() for name, way in ways.items() if "feature" not in name}
    assert len(set(gave_up.values())) == 1, gave_up
    both = ways["every feature"](), ways["simpy_engine, every feature"]()
    # The rest is what an engine keeps while it runs.
    assert all((both[0][field] == both[1][field]).all() for field in RECORD)
    took = best(ways)
    try:
        of_ciw = peers.ciw_network(AGENTS, *column)
        # Seconds as floats: two instants may change places.
        assert abs(of_ciw - gave_up["compiled"]) <= 3, (of_ciw, gave_up)
        took |= best({"Ciw": lambda: peers.ciw_network(AGENTS, *column)}, runs=2)
    except ImportError:
        print("Ciw is not installed (pip install ciw): left out")
    for name, seconds in took.items():
        row(f"M/M/50+M, {name}", CUSTOMERS / seconds / 1000, "", "k/s")
    for fast, slow, target in (
        ("compiled", "Ciw", "at least 100"),
        ("compiled", "textbook SimPy", "at least 50"),
        ("compiled", "simpy_engine", "at least 15"),
        ("every feature", "textbook SimPy", "at least 10"),
        ("every feature", "simpy_engine, every feature", ""),
        ("bare heap", "compiled", "at most 3"),
        ("simpy_engine", "textbook SimPy", "at least 2.5"),
        ("simpy_engine", "textbook SimPy with records", ""),
    ):
        if slow in took:
            row(f"{fast} is faster than {slow} by", took[slow] / took[fast], target)


def growth() -> None:
    """Time a contact, from 10^4 to 10^6 contacts in one replication."""
    there = agents(AGENTS)
    sizes = 10**4, 10**5, 10**6
    plans = {n: given(desk_of(), customers(n)) for n in sizes}
    # As many contacts each time.
    took = best(
        {
            str(n): lambda plan=plan, n=n: [left(plan, there) for _ in range(10**6 // n)]
            for n, plan in plans.items()
        },
        runs=3,
    )
    for n in sizes:
        row(f"compiled, a contact of {n:>9,}", took[str(n)] * 1000, "", "ns")
    row("a contact of 10^6 takes that of 10^4 by", took["1000000"] / took["10000"], "about 1")


def cores() -> None:
    """Replications in two threads and in one; the kernel leaves Python's lock alone."""
    there = agents(AGENTS)
    plans = [given(desk_of(), customers(10**5, seed)) for seed in range(16)]

    def threads(n: int) -> None:
        with ThreadPoolExecutor(n) as pool:
            list(pool.map(lambda plan: left(plan, there), plans))

    ways = {"one": lambda: threads(1), "two": lambda: threads(2)}
    took = best(ways, 7, time.perf_counter)
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    row(f"two threads are faster than one by ({load})", took["one"] / took["two"], "at least 1.8")
    spent = best(ways, 3)
    # What two threads cost each other, which other programs on the machine hardly change.
    row("two threads need so much more processor time than one", spent["two"] / spent["one"])


def whole_road() -> None:
    """From tables to the table ``contacts``."""
    arrivals, roster, teams = week(0, CONTACTS_A_WEEK)
    took = best({"simulate": lambda: simulate(arrivals, roster, teams)}, runs=3)
    row("simulate, tables to table, a 100,000-contact week", took["simulate"], "", "s")


def weeks() -> None:
    """In a process of its own: 100 weeks, one at a time, of which only sums are kept."""
    began = time.perf_counter()
    _, _, teams = week(0, 10)
    by = yardstick(
        tables.empty("conversations"), (), teams["team"].to_list(), 30.0, WEEKS, n_days=7
    )
    parts = []
    for number in range(WEEKS):
        arrivals, roster, teams = week(number, CONTACTS_A_WEEK)
        plan = plan_of(arrivals, teams)
        for contacts in days(plan, presence_of(roster, teams), teams):
            parts.append(desk_sums(contacts, roster, by, [number]))
    whole = together(parts, by)
    assert whole.daily["offered"].sum() >= WEEKS * CONTACTS_A_WEEK
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    row("100 replications of a 100,000-contact week, four teams: peak", peak_gb, "below 1", "GB")
    row("  of which so many seconds", time.perf_counter() - began, "", "s")


def main() -> None:
    """Print the table."""
    if sys.argv[1:] == ["weeks"]:
        weeks()
        return
    print(f"polars {pl.__version__}, {os.cpu_count()} cores; times in seconds of the best run")
    engines()
    growth()
    cores()
    whole_road()
    subprocess.run([sys.executable, "-m", "tests.benchmarks.desk", "weeks"], check=True)


if __name__ == "__main__":
    main()
