"""Closed forms of queues in a steady state: what the simulated desk is checked against.

Poisson arrivals, exponential service, ``n_agents`` alike, first come first served; with
exponential patience (Erlang A), with endless patience (Erlang C), or without a queue (Erlang B).

Sources: Gans, Koole, Mandelbaum, "Telephone call centers: tutorial, review, and research
prospects", M&SOM 5 (2003) 79-141, section 4.2; for Erlang A the building blocks of Zeltyn and
Mandelbaum, "Call centers with impatient customers: many-server asymptotics of the M/M/n+G queue",
Queueing Systems 51 (2005) 361-402, section 5; for the recursion of Erlang B, Cooper,
"Introduction to Queueing Theory" (1981), chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UnstableQueueError


@dataclass(frozen=True, slots=True)
class SteadyState:
    """What a queue looks like in the long run.

    Attributes:
        p_wait: share of contacts that find no free agent.
        p_abandon: share that leaves before an answer.
        asa_s: mean wait of answered contacts, seconds; those answered at once count with 0.
        mean_wait_s: mean wait of all contacts, seconds.
        service_level: answered within T / (answered + abandoned after T).
        occupancy: share of the agents' time that is busy.
    """

    p_wait: float
    p_abandon: float
    asa_s: float
    mean_wait_s: float
    service_level: float
    occupancy: float


def erlang_b(offered_load: float, n_agents: int) -> float:
    """Share of contacts that is lost where nobody can wait.

    Args:
        offered_load: arrivals per handle time (erlangs), 0 or more.
        n_agents: 0 or more.

    Raises:
        ValueError: an argument is out of its range.
    """
    _not_negative(offered_load=offered_load, n_agents=n_agents)
    if offered_load == 0:
        return 1.0 if n_agents == 0 else 0.0
    return 1 / _inverse_blocking(offered_load, n_agents)


def erlang_c(
    arrivals_per_hour: float, handle_time_s: float, n_agents: int, target_wait_s: float
) -> SteadyState:
    """Endless patience: M/M/n.

    Args:
        arrivals_per_hour: 0 or more.
        handle_time_s: mean, above 0.
        n_agents: 1 or more.
        target_wait_s: T of the service level, 0 or more.

    Raises:
        UnstableQueueError: the offered load is not below ``n_agents``.
        ValueError: an argument is out of its range.
    """
    load = _offered_load(arrivals_per_hour, handle_time_s, n_agents, target_wait_s)
    if load >= n_agents:
        raise UnstableQueueError(
            f"n_agents = {n_agents} for an offered load of {load:.6g} erlangs; expected more "
            f"agents than the load: at least {math.floor(load) + 1}, or use erlang_a with a "
            "patience"
        )
    blocking = erlang_b(load, n_agents)
    p_wait = blocking / (1 - load / n_agents * (1 - blocking))
    spare_per_s = (n_agents - load) / handle_time_s
    mean_wait_s = p_wait / spare_per_s
    return SteadyState(
        p_wait=p_wait,
        p_abandon=0.0,
        asa_s=mean_wait_s,
        mean_wait_s=mean_wait_s,
        service_level=1 - p_wait * math.exp(-spare_per_s * target_wait_s),
        occupancy=load / n_agents,
    )


def erlang_a(
    arrivals_per_hour: float,
    handle_time_s: float,
    n_agents: int,
    patience_mean_s: float,
    target_wait_s: float,
) -> SteadyState:
    """Exponential patience: M/M/n+M. Stable at any load.

    Args:
        arrivals_per_hour: 0 or more.
        handle_time_s: mean, above 0.
        n_agents: 1 or more.
        patience_mean_s: mean, above 0.
        target_wait_s: T of the service level, 0 or more.

    Raises:
        ValueError: an argument is out of its range.
    """
    load = _offered_load(arrivals_per_hour, handle_time_s, n_agents, target_wait_s)
    if not patience_mean_s > 0:
        raise ValueError(f"patience_mean_s = {patience_mean_s}; expected above 0")
    if load == 0:
        return SteadyState(0.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    arrival, service, leaving = arrivals_per_hour / 3600, 1 / handle_time_s, 1 / patience_mean_s

    def log_density(wait: NDArray[np.float64]) -> NDArray[np.float64]:
        # Of the offered wait, up to a constant: arrivals that stay so long, less the work done.
        return -arrival / leaving * np.expm1(-leaving * wait) - n_agents * service * wait

    peak_at = max(0.0, math.log(arrival / (n_agents * service)) / leaving)
    peak = float(log_density(np.array(peak_at)))
    low, high = _support(log_density, peak_at, peak, min(handle_time_s, patience_mean_s))
    cut = min(max(target_wait_s, low), high)
    waits, weights = _nodes(low, cut, high)
    density = arrival * np.exp(log_density(waits) - peak)
    # The chance to find an agent free, on the same scale; 1 / B overflows only where it is sure.
    inverse = _inverse_blocking(load, n_agents - 1)
    free = math.exp(math.log(inverse) - peak) if math.isfinite(inverse) else math.inf
    if math.isinf(free):
        return SteadyState(0.0, 0.0, 0.0, 0.0, 1.0, load / n_agents)
    mass = weights * density / (free + float(weights @ density))
    stays = np.exp(-leaving * waits)

    # Quadrature may end a rounding error above 1.
    p_wait = min(1.0, float(mass.sum()))
    p_abandon = float(mass @ -np.expm1(-leaving * waits))
    answered = 1 - p_abandon
    late = waits > cut
    answered_late = float(mass[late] @ stays[late])
    # Who abandons after T had both an offered wait and a patience beyond T.
    patient = math.exp(-leaving * target_wait_s)
    abandoned_late = max(0.0, float(mass[late].sum()) * patient - answered_late)
    return SteadyState(
        p_wait=p_wait,
        p_abandon=p_abandon,
        asa_s=float(mass @ (waits * stays)) / answered,
        mean_wait_s=p_abandon / leaving,
        service_level=(answered - answered_late) / (answered + abandoned_late),
        occupancy=min(1.0, load * answered / n_agents),
    )


def fewest_agents(
    arrivals_per_hour: float,
    handle_time_s: float,
    patience_mean_s: float | None,
    target_wait_s: float,
    service_level: float,
    max_abandonment: float = 1.0,
) -> int:
    """The fewest agents that reach a service level and keep abandonment down, in a steady state.

    Args:
        arrivals_per_hour: 0 or more; with none, no agent is needed.
        handle_time_s: mean, above 0.
        patience_mean_s: mean, above 0; null: endless (Erlang C).
        target_wait_s: T of the service level, 0 or more.
        service_level: to be reached, in (0, 1).
        max_abandonment: share that may leave, above 0.

    Raises:
        ValueError: an argument is out of its range.

    Source: both measures improve with every agent, so bisection from the square-root rule (Halfin
    and Whitt, Operations Research 29 (1981) 567-588; Garnett, Mandelbaum, Reiman, M&SOM 4 (2002)
    208-227) finds the answer.
    """
    load = _offered_load(arrivals_per_hour, handle_time_s, 1, target_wait_s)
    if not 0 < service_level < 1 or not max_abandonment > 0:
        raise ValueError(
            f"service_level = {service_level}, max_abandonment = {max_abandonment}; expected a "
            "level in (0, 1) and an abandonment above 0"
        )
    if load == 0:
        return 0

    def enough(n_agents: int) -> bool:
        if patience_mean_s is None:
            if n_agents <= load:
                return False
            found = erlang_c(arrivals_per_hour, handle_time_s, n_agents, target_wait_s)
        else:
            found = erlang_a(
                arrivals_per_hour, handle_time_s, n_agents, patience_mean_s, target_wait_s
            )
        return found.service_level >= service_level and found.p_abandon <= max_abandonment

    short, many = 0, max(1, math.ceil(load + math.sqrt(load)))
    while not enough(many):
        short, many = many, 2 * many
    while many - short > 1:
        middle = (short + many) // 2
        if enough(middle):
            many = middle
        else:
            short = middle
    return many


def _inverse_blocking(load: float, n_agents: int) -> float:
    # 1 / B by recursion over the agents: only sums of positive terms, so nothing cancels.
    inverse = 1.0
    for agents in range(1, n_agents + 1):
        inverse = 1 + agents / load * inverse
    return inverse


def _support(
    log_density: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    peak_at: float,
    peak: float,
    scale: float,
) -> tuple[float, float]:
    """Where a log-concave density is above e^-45 of its peak."""

    def beyond(wait: float) -> bool:
        return float(log_density(np.array(wait))) < peak - 45

    reach = scale
    while not beyond(peak_at + reach):
        reach *= 2
    high = _boundary(beyond, peak_at + reach, peak_at)
    low = _boundary(beyond, 0.0, peak_at) if beyond(0.0) else 0.0
    return low, high


def _boundary(beyond: Callable[[float], bool], outside: float, inside: float) -> float:
    for _ in range(60):
        middle = (outside + inside) / 2
        if beyond(middle):
            outside = middle
        else:
            inside = middle
    return outside


@cache
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # Once: finding them takes a thousand times as long as using them.
    return np.polynomial.legendre.leggauss(300)


def _nodes(low: float, cut: float, high: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre points and weights on [low, cut] and [cut, high]."""
    points, weights = _gauss_legendre()
    parts = [(a, b) for a, b in ((low, cut), (cut, high)) if b > a]
    return (
        np.concatenate([(b - a) / 2 * points + (a + b) / 2 for a, b in parts]),
        np.concatenate([(b - a) / 2 * weights for a, b in parts]),
    )


def _offered_load(
    arrivals_per_hour: float, handle_time_s: float, n_agents: int, target_wait_s: float
) -> float:
    _not_negative(arrivals_per_hour=arrivals_per_hour, target_wait_s=target_wait_s)
    if not handle_time_s > 0:
        raise ValueError(f"handle_time_s = {handle_time_s}; expected above 0")
    if n_agents < 1:
        raise ValueError(f"n_agents = {n_agents}; expected 1 or more")
    return arrivals_per_hour * handle_time_s / 3600


def _not_negative(**numbers: float) -> None:
    for name, number in numbers.items():
        if not number >= 0:
            raise ValueError(f"{name} = {number}; expected 0 or more")
