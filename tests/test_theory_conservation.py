"""Little's law and conservation, exact in every run, whatever the run is like."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from simulator.contact_center.desk import compiled_engine, simpy_engine, state
from simulator.contact_center.desk.plan import Plan, Presence
from simulator.contact_center.desk.state import PARTS
from tests.queues import Drawn, Ints, agents, desk_of, given, poisson

HANDLE_S = 300.0
RUNS = 400


def most_open(begins: Ints, ends: Ints) -> int:
    """The most stretches [begins, ends) that are open at once."""
    at = np.concatenate([ends, begins])
    # At one instant the ends come first.
    order = np.argsort(at, kind="stable")
    n = np.cumsum(np.repeat([-1, 1], len(begins))[order])
    return int(n.max(initial=0))


def union(begins: Ints, ends: Ints) -> int:
    """Time in which at least one stretch is open."""
    order = np.argsort(begins, kind="stable")
    begins, until = begins[order], np.maximum.accumulate(ends[order])
    apart = np.maximum(0, begins[1:] - until[:-1])
    return int(until[-1] - begins[0] - apart.sum()) if len(begins) else 0


@cache
def runs(n_chats: int) -> list[tuple[Plan, Drawn, Presence]]:
    """Desks of all sizes and loads, with priorities, patience and returns."""
    desk = desk_of([{"channel": "chat", "priority": p} for p in (0, 2)], max_attempts=3)
    found = []
    for seed in range(RUNS):
        draw = np.random.default_rng([n_chats, seed])
        n_agents = int(draw.integers(1, 9))
        load = n_agents * draw.uniform(0.4, 1.6) * (1.0 if n_chats == 1 else 1.8)
        at = poisson(draw, load / HANDLE_S, 40 * HANDLE_S)
        shape = (len(at), 3)
        drawn = Drawn(
            at,
            draw.exponential(HANDLE_S, len(at)),
            draw.exponential(draw.uniform(20, 900), shape),
            kind=draw.integers(0, 2, len(at)),
            returns=np.column_stack([draw.random((len(at), 2)) < 0.5, np.zeros(len(at), bool)]),
            delay_s=draw.exponential(1200, shape),
        )
        found.append((given(desk, drawn), drawn, agents(n_agents, max_chats=n_chats)))
    return found


@pytest.mark.parametrize("n_chats", [1, 3])
def test_exact_conservation_in_every_run(n_chats: int) -> None:
    for plan, drawn, there in runs(n_chats):
        found = compiled_engine.visits_of(plan, 0, there)
        answered, left = found["state"] == state.DONE, found["state"] == state.ABANDONED
        # All who come are answered or leave, and each has as many tries as giving up allows.
        assert (answered | left).all()
        first = found[: len(drawn.arrives_s)]
        assert (first["row"] == np.arange(len(first))).all()
        assert (first["attempt"] == 0).all()
        assert drawn.returns is not None
        gave_up = found[left]
        n_returns = np.count_nonzero(drawn.returns[gave_up["row"], gave_up["attempt"]])
        assert len(found) == len(first) + n_returns
        tries = np.bincount(found["row"], answered, len(first))
        assert tries.max(initial=0) <= 1
        # No agent has more in hand than he may.
        for agent in range(len(there.agent_ids)):
            own = found[answered & (found["agent"] == agent)]
            assert most_open(own["started"], own["ended"]) <= n_chats
            # His own time on his contacts is the time in which he had any.
            assert own["handled"].sum() == PARTS * union(own["started"], own["ended"])


@pytest.mark.parametrize("n_chats", [1, 3])
def test_exact_little_in_every_run(n_chats: int) -> None:
    """The integral over time of the queue's length is the sum of all waits.

    The length is the desk's own count, told after each event of the traced engine; the waits are
    those of the records.
    """
    for plan, _, there in runs(n_chats)[:100]:
        happened: list[simpy_engine.Happening] = []
        found = simpy_engine.visits_of(plan, 0, there, happened)
        at = np.array([one.at for one in happened])
        n_waiting = np.array([one.n_waiting for one in happened])
        answered = found["state"] == state.DONE
        waits = np.where(answered, found["started"], found["left"]) - found["arrived"]
        assert n_waiting[-1] == 0
        assert (n_waiting[:-1] * np.diff(at)).sum() == waits.sum()


@pytest.mark.parametrize("n_chats", [1, 3])
def test_exact_nobody_idle_while_somebody_waits(n_chats: int) -> None:
    for plan, _, there in runs(n_chats):
        found = compiled_engine.visits_of(plan, 0, there)
        answered = found["state"] == state.DONE
        waiting_until = np.where(answered, found["started"], found["left"])
        served = found[answered]
        begins = [found["arrived"], served["started"]]
        ends = [waiting_until, served["ended"]]
        at = np.concatenate(begins + ends)
        # Waiting and in hand, each before and after.
        counts = len(found), len(served), len(found), len(served)
        queue = np.repeat([1, 0, -1, 0], counts)
        in_hand = np.repeat([0, 1, 0, -1], counts)
        order = np.argsort(at, kind="stable")
        lasts = np.diff(at[order])
        somebody = np.cumsum(queue[order])[:-1] > 0
        places = np.cumsum(in_hand[order])[:-1]
        assert lasts[somebody & (places < len(there.agent_ids) * n_chats)].sum() == 0


def test_exact_work_is_what_was_drawn() -> None:
    """One contact at a time: nobody's work is cut short, or lasts longer."""
    for plan, _, there in runs(1):
        found = compiled_engine.visits_of(plan, 0, there)
        served = found[found["state"] == state.DONE]
        work = plan.customers["work"][served["row"]]
        assert (served["ended"] - served["started"] == work).all()
