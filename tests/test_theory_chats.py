"""Concurrent chats in a steady state against birth-death chains; see ``queues``.

With n chats an agent's total speed is n times the speed of each, which the desk keeps in whole
thousandths; with exponential work, chats in hand end at that rate, whatever each has left. The
chains are solved numerically, from their balance equations.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from simulator.contact_center.desk import state
from simulator.contact_center.desk.plan import CHAT_SPEED
from simulator.contact_center.erlang import erlang_b
from tests.queues import (
    US,
    Drawn,
    Ratio,
    Reals,
    Sums,
    Visits,
    Window,
    agents,
    agree,
    controls_of,
    desk_of,
    poisson,
    ratio,
    replicated,
    sums_of,
    visits,
    window,
)

HANDLE_S = 300.0
# Shares of time below this are left to their complements: they would cost the longest runs.
LEAST_SHARE = 0.06
State = tuple[int, ...]


def rates(chat_speed: tuple[float, ...], n_chats: int) -> list[float]:
    """Total speed with 0, 1, ... chats, of which each has a whole number of thousandths."""
    milli = [round(1000 * total) // n for n, total in enumerate(chat_speed[:n_chats], 1)]
    return [0.0, *(n * each / 1000 for n, each in enumerate(milli, 1))]


def stationary(
    n_agents: int, n_chats: int, speed: list[float], load: float, leaving: float | None
) -> dict[State, float]:
    """Chances of (chats in hand of each agent, most first ..., waiting); time in mean works.

    A chat goes to an agent with the fewest in hand, so that agents are alike and only how many
    have how many matters. ``leaving`` is the rate of each who waits; None: nobody waits.
    """
    room = 0 if leaving is None else 400
    hands = [
        tuple(reversed(hand))
        for hand in itertools.combinations_with_replacement(range(n_chats + 1), n_agents)
    ]
    full = (n_chats,) * n_agents
    states: list[State] = [(*hand, 0) for hand in hands] + [(*full, q) for q in range(1, room + 1)]
    at = {one: place for place, one in enumerate(states)}
    flow = np.zeros((len(states), len(states)))

    def go(origin: State, hand: list[int], waiting: int, rate: float) -> None:
        target = (*sorted(hand, reverse=True), waiting)
        if target in at:
            flow[at[origin], at[target]] += rate

    for one in states:
        *hand, waiting = one
        if tuple(hand) == full:
            go(one, hand, waiting + 1, load)
        else:
            fewest = hand.index(min(hand))
            go(one, [n + (k == fewest) for k, n in enumerate(hand)], 0, load)
        if waiting:
            # Whoever ends a chat takes the next at once.
            ends = sum(speed[n] for n in hand) + waiting * (leaving or 0.0)
            go(one, hand, waiting - 1, ends)
            continue
        for k, n in enumerate(hand):
            if n:
                go(one, [m - (j == k) for j, m in enumerate(hand)], 0, speed[n])
    balance = flow.T - np.diag(flow.sum(axis=1))
    balance[0] = 1.0
    right = np.zeros(len(states))
    right[0] = 1.0
    return dict(zip(states, np.linalg.solve(balance, right).tolist(), strict=True))


def expected(
    chance: dict[State, float], n_agents: int, n_chats: int, load: float
) -> dict[str, float]:
    """The measures of :func:`measured`, of the chain."""
    in_hand: dict[int, float] = {}
    for one, p in chance.items():
        in_hand[sum(one[:-1])] = in_hand.get(sum(one[:-1]), 0.0) + p
    busy = sum(p * sum(n > 0 for n in one[:-1]) for one, p in chance.items()) / n_agents
    chats = sum(n * p for n, p in in_hand.items())
    waiting = sum(p * one[-1] for one, p in chance.items())
    p_full = in_hand[n_agents * n_chats]
    assert sum(chance.values()) == pytest.approx(1)
    return {
        "p_wait": p_full,
        "chats_in_hand": chats,
        "occupancy": busy,
        "mean_wait_s": waiting / load * HANDLE_S,
        **{f"share_{n}": p for n, p in in_hand.items() if p > LEAST_SHARE},
    }


def shares(found: Visits, within: Window, most: int) -> Reals:
    """Seconds of the window with 0, 1, ... ``most`` chats in hand."""
    served = found[found["state"] == state.DONE]
    at = np.concatenate([served["started"], served["ended"]])
    change = np.repeat([1, -1], len(served))
    order = np.argsort(at, kind="stable")
    # Only the number matters that an instant ends with, which no stretch of length 0 hides.
    n = np.cumsum(change[order])[:-1]
    edges = np.clip(at[order], within.begins_s * US, within.ends_s * US)
    return np.bincount(np.maximum(n, 0), np.diff(edges) / US, most + 1)[: most + 1]


def measured(
    name: str,
    n_agents: int,
    n_chats: int,
    chat_speed: tuple[float, ...],
    load: float,
    patience_s: float | None,
    within: Window,
) -> dict[str, Ratio]:
    """What chats meet; ``load`` in mean works a unit of mean work."""
    desk = desk_of([{"channel": "chat"}], chat_speed=chat_speed)
    there = agents(n_agents, max_chats=n_chats)
    most = n_agents * n_chats

    def one(draw: np.random.Generator) -> Sums:
        at = poisson(draw, load / HANDLE_S, within.until_s)
        patience = None if patience_s is None else draw.exponential(1, len(at)) * patience_s
        drawn = Drawn(at, draw.exponential(HANDLE_S, len(at)), patience)
        found = visits(desk, there, drawn)
        sums = controls_of(drawn, within, load / HANDLE_S, HANDLE_S)
        sums |= sums_of(found, within)
        came = (found["arrived"] >= within.begins_s * US) & (found["arrived"] < within.ends_s * US)
        sums["handled_s"] = found["handled"][came].sum() / (state.PARTS * US)
        for n, seconds in enumerate(shares(found, within, most)):
            sums[f"share_{n}"] = seconds
        return sums

    sums = replicated(name, one)
    length = sums["length_s"]
    known = sums["more_arrivals"], sums["more_work_s"]
    return {
        "p_wait": ratio(sums["waited"], sums["offered"], *known),
        "p_abandon": ratio(sums["abandoned"], sums["offered"], *known),
        "chats_in_hand": ratio(sums["in_service_s"], length, *known),
        "occupancy": ratio(sums["handled_s"], n_agents * length, *known),
        "mean_wait_s": ratio(sums["wait_s"], sums["offered"], *known),
        "sojourn_s": ratio(sums["sojourn_s"], sums["answered"], *known),
        **{f"share_{n}": ratio(sums[f"share_{n}"], length, *known) for n in range(most + 1)},
    }


def in_service_s(chance: dict[State, float], load: float, p_abandon: float) -> float:
    """Mean time from answer to end, by Little's law."""
    chats = sum(sum(one[:-1]) * p for one, p in chance.items())
    return chats / (load * (1 - p_abandon)) * HANDLE_S


def without(measures: dict[str, float], *names: str) -> dict[str, float]:
    return {name: value for name, value in measures.items() if name not in names}


@pytest.mark.parametrize(("n_agents", "n_chats", "load"), [(1, 4, 2.0), (2, 3, 3.2), (3, 2, 3.5)])
def test_chats_nobody_waits(n_agents: int, n_chats: int, load: float) -> None:
    """Who finds all hands full leaves."""
    speed = rates(CHAT_SPEED, n_chats)
    chance = stationary(n_agents, n_chats, speed, load, None)
    theory = without(expected(chance, n_agents, n_chats, load), "mean_wait_s")
    theory["p_abandon"] = theory["p_wait"]
    theory["sojourn_s"] = in_service_s(chance, load, theory["p_abandon"])
    within = window(6e3, 1.2e6, 1e4)
    name = f"chats, loss {n_agents} {n_chats}"
    agree(measured(name, n_agents, n_chats, CHAT_SPEED, load, 0.0, within), theory)


@pytest.mark.parametrize(
    ("n_agents", "n_chats", "load", "patience_s"),
    [(1, 4, 2.9, 400.0), (2, 3, 4.0, 200.0), (3, 2, 5.3, 300.0)],
)
def test_chats_with_patience(n_agents: int, n_chats: int, load: float, patience_s: float) -> None:
    speed = rates(CHAT_SPEED, n_chats)
    leaving = HANDLE_S / patience_s
    chance = stationary(n_agents, n_chats, speed, load, leaving)
    theory = expected(chance, n_agents, n_chats, load)
    theory["p_abandon"] = theory["mean_wait_s"] / patience_s
    theory["sojourn_s"] = in_service_s(chance, load, theory["p_abandon"])
    within = window(1e4, 1.2e6, 2e4)
    name = f"chats, patience {n_agents} {n_chats}"
    agree(measured(name, n_agents, n_chats, CHAT_SPEED, load, patience_s, within), theory)


@pytest.mark.parametrize(("n_agents", "n_chats", "load"), [(1, 3, 1.4), (2, 2, 2.3)])
def test_chats_with_endless_patience(n_agents: int, n_chats: int, load: float) -> None:
    speed = rates(CHAT_SPEED, n_chats)
    chance = stationary(n_agents, n_chats, speed, load, 0.0)
    theory = expected(chance, n_agents, n_chats, load)
    theory["sojourn_s"] = in_service_s(chance, load, 0.0)
    within = window(3e4, 7e6, 3e4)
    name = f"chats, endless {n_agents} {n_chats}"
    agree(measured(name, n_agents, n_chats, CHAT_SPEED, load, None, within), theory)


def test_chain_of_single_chats_is_erlang_b() -> None:
    chance = stationary(5, 1, [0.0, 1.0], 3.0, None)
    assert chance[1, 1, 1, 1, 1, 0] == pytest.approx(erlang_b(3.0, 5), rel=1e-12)
