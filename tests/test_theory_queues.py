"""The desk in a steady state against closed forms; see ``queues`` for what agreement means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from simulator.contact_center import erlang_a, erlang_b, erlang_c
from tests.queues import (
    Drawn,
    Ratio,
    Reals,
    Sums,
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
TARGET_S = 30.0
Law = Callable[[np.random.Generator, int], Reals]


def exponential(draw: np.random.Generator, n: int) -> Reals:
    return draw.exponential(HANDLE_S, n)


def constant(draw: np.random.Generator, n: int) -> Reals:
    return np.full(n, HANDLE_S)


def two_kinds(draw: np.random.Generator, n: int) -> Reals:
    """A fifth of the work is long: mean as the others, squared coefficient of variation 2.5."""
    return np.where(draw.random(n) < 0.2, 3.0, 0.5) * draw.exponential(HANDLE_S, n)


SQUARED_CV = {exponential: 1.0, constant: 0.0, two_kinds: 2 * (0.2 * 9 + 0.8 * 0.25) - 1}


def served(
    name: str,
    n_agents: int,
    per_hour: float,
    patience_s: float | None,
    within: Window,
    law: Law = exponential,
    queue_limit: int | None = None,
) -> dict[str, Ratio]:
    """The measures of a desk of alike agents and one kind of customer."""
    limit = None if queue_limit is None else {"voice": queue_limit}
    desk, there = desk_of(queue_limit=limit), agents(n_agents)

    def one(draw: np.random.Generator) -> Sums:
        at = poisson(draw, per_hour / 3600, within.until_s)
        patience = None if patience_s is None else draw.exponential(1, len(at)) * patience_s
        drawn = Drawn(at, law(draw, len(at)), patience)
        known = controls_of(drawn, within, per_hour / 3600, HANDLE_S)
        return known | sums_of(visits(desk, there, drawn), within, TARGET_S)

    sums = replicated(name, one)
    # Constant work is explained by the number of arrivals.
    known = [sums["more_arrivals"], sums["more_work_s"]][: 1 + (law is not constant)]
    return {
        "p_wait": ratio(sums["waited"], sums["offered"], *known),
        "p_abandon": ratio(sums["abandoned"], sums["offered"], *known),
        "asa_s": ratio(sums["wait_answered_s"], sums["answered"], *known),
        "mean_wait_s": ratio(sums["wait_s"], sums["offered"], *known),
        "service_level": ratio(sums["within"], sums["reached"], *known),
        "occupancy": ratio(sums["in_service_s"], n_agents * sums["length_s"], *known),
    }


@pytest.mark.parametrize("law", [exponential, constant, two_kinds])
def test_erlang_b(law: Law) -> None:
    """Nobody waits. Also with other laws of work: the loss formula asks for the mean alone."""
    found = served(f"b {law.__name__}", 6, 60, 0.0, window(6e3, 1e6, 0), law)
    lost = erlang_b(5, 6)
    agree(found, {"p_abandon": lost, "p_wait": lost, "occupancy": 5 * (1 - lost) / 6})


@pytest.mark.parametrize(("n_agents", "per_hour", "length_s"), [(3, 21.6, 5.5e6), (6, 43.2, 7e6)])
def test_erlang_c(n_agents: int, per_hour: float, length_s: float) -> None:
    found = served(f"c {n_agents}", n_agents, per_hour, None, window(2e4, length_s, 0))
    theory = erlang_c(per_hour, HANDLE_S, n_agents, TARGET_S)
    measures = ("p_wait", "asa_s", "service_level", "occupancy")
    agree(found, {name: getattr(theory, name) for name in measures})


@pytest.mark.parametrize(
    ("n_agents", "per_hour", "patience_s", "length_s"),
    [(8, 100, 240, 1e6), (8, 130, 240, 5e5), (50, 620, 180, 3e5), (3, 24, 900, 3e6)],
)
def test_erlang_a(n_agents: int, per_hour: float, patience_s: float, length_s: float) -> None:
    """Below and above the load that the agents can bear, few and many, quick and slow to leave."""
    name = f"a {n_agents} {per_hour}"
    found = served(name, n_agents, per_hour, patience_s, window(1e4, length_s, 0))
    theory = erlang_a(per_hour, HANDLE_S, n_agents, patience_s, TARGET_S)
    agree(found, {name: getattr(theory, name) for name in found})


@pytest.mark.parametrize(("servers", "places", "load"), [(1, 4, 0.9), (2, 6, 1.8), (3, 5, 2.5)])
def test_finite_waiting_room(servers: int, places: int, load: float) -> None:
    """M/M/c/K: whoever finds K in the system is turned away.

    Source: Gross, Shortle, Thompson, Harris, "Fundamentals of Queueing Theory" (2008), section 2.5.
    """
    within = window(1e4, 4e6, 0)
    name = f"places {servers} {places}"
    per_hour = load * 3600 / HANDLE_S
    found = served(name, servers, per_hour, None, within, queue_limit=places - servers)
    chance = [1.0]
    for n in range(1, places + 1):
        chance.append(chance[-1] * load / min(n, servers))
    law = np.array(chance) / sum(chance)
    waiting = float(law @ np.maximum(0, np.arange(places + 1) - servers))
    busy = float(law @ np.minimum(np.arange(places + 1), servers))
    agree(
        found,
        {
            "p_abandon": law[-1],
            # Nobody else is answered at once.
            "p_wait": law[servers:].sum(),
            "asa_s": waiting / (load * (1 - law[-1])) * HANDLE_S,
            "occupancy": busy / servers,
        },
    )


@pytest.mark.parametrize("law", [constant, two_kinds])
def test_pollaczek_khinchine(law: Law) -> None:
    """M/G/1: E[W] = load x E[S] x (1 + squared coefficient of variation) / (2 (1 - load)).

    Source: Kleinrock, "Queueing Systems" vol. 1 (1975), section 5.6.
    """
    load = 0.5
    length_s = 4e6 if law is constant else 1.4e7
    found = served(
        f"pk {law.__name__}", 1, load * 3600 / HANDLE_S, None, window(4e4, length_s, 0), law
    )
    wait_s = load * HANDLE_S * (1 + SQUARED_CV[law]) / (2 * (1 - load))
    agree(found, {"p_wait": load, "occupancy": load, "asa_s": wait_s})


def priorities(
    name: str,
    n_agents: int,
    per_hour: float,
    shares: tuple[float, ...],
    laws: tuple[Law, ...],
    within: Window,
) -> dict[str, Ratio]:
    """Mean wait by priority, 0 first."""
    desk = desk_of([{"priority": priority} for priority in range(len(shares))])
    there = agents(n_agents)

    def one(draw: np.random.Generator) -> Sums:
        at = poisson(draw, per_hour / 3600, within.until_s)
        kind = draw.choice(len(shares), len(at), p=shares)
        work = np.choose(kind, [law(draw, len(at)) for law in laws])
        drawn = Drawn(at, work, kind=kind)
        found = visits(desk, there, drawn)
        sums = controls_of(drawn, within, per_hour / 3600, HANDLE_S)
        for priority in range(len(shares)):
            part = sums_of(found[kind[found["row"]] == priority], within)
            sums |= {f"{key} {priority}": part[key] for key in ("wait_s", "offered")}
        return sums

    sums = replicated(name, one)
    return {
        f"wait_s {priority}": ratio(
            sums[f"wait_s {priority}"],
            sums[f"offered {priority}"],
            sums["more_arrivals"],
            sums["more_work_s"],
        )
        for priority in range(len(shares))
    }


def test_cobham_one_agent_and_work_by_priority() -> None:
    """Non-preemptive priorities, M/G/1, each class with a law of its own.

    W_p = W_0 / ((1 - s_{p-1}) (1 - s_p)), W_0 = sum of rate x E[S^2] / 2, s_p the load of classes
    0 to p. Source: Cobham, Operations Research 2 (1954) 70-76.
    """
    laws = (constant, two_kinds, exponential)
    shares, load = (0.2, 0.3, 0.5), 0.6
    found = priorities("cobham 1", 1, load * 3600 / HANDLE_S, shares, laws, window(5e4, 1.9e7, 2e4))
    moments = [share * (1 + SQUARED_CV[law]) for share, law in zip(shares, laws, strict=True)]
    residual_s = load / HANDLE_S * HANDLE_S**2 * sum(moments) / 2
    upto = np.concatenate([[0.0], load * np.cumsum(shares)])
    agree(
        found,
        {
            f"wait_s {p}": residual_s / ((1 - upto[p]) * (1 - upto[p + 1]))
            for p in range(len(shares))
        },
    )


def test_cobham_several_agents() -> None:
    """M/M/c, one law of work: W_0 is the chance to wait times the mean work over c."""
    shares, per_hour, n = (0.4, 0.6), 36.0, 4
    found = priorities("cobham 4", n, per_hour, shares, (exponential,) * 2, window(3e4, 7e6, 2e4))
    load = per_hour * HANDLE_S / 3600 / n
    base = erlang_c(per_hour, HANDLE_S, n, TARGET_S).p_wait * HANDLE_S / n
    high = 1 - shares[0] * load
    agree(found, {"wait_s 0": base / high, "wait_s 1": base / (high * (1 - load))})
