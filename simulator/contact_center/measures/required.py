"""The fewest agents by Erlang A for many half-hours at once.

The closed form of :func:`simulator.contact_center.erlang.erlang_a` in incomplete gamma functions,
over arrays. The integral of its density of the offered wait beyond t is, with load = arrivals x
handle time, a = n x patience / handle time, x = arrivals x patience and y = x e^(-t / patience),

    J(t) = handle time / n x e^(x - y - n t / handle time) x M(1, a + 1, y)

where M is Kummer's function; the same with one e^(-t / patience) more in it (who stays) has a + 1
for a.

Source: Zeltyn and Mandelbaum, "Call centers with impatient customers: many-server asymptotics of
the M/M/n+G queue", Queueing Systems 51 (2005) 361-402, section 5.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

_Reals = NDArray[np.float64]


def erlang_a_agents(
    arrivals_per_hour: _Reals,
    handle_time_s: _Reals,
    patience_mean_s: float,
    target_wait_s: float,
    target_share: float,
) -> _Reals:
    """The fewest agents with which a share of contacts is answered in time, in a steady state.

    Service level as everywhere: answered within T / (answered + abandoned after T).

    Args:
        arrivals_per_hour: of each interval; NaN or 0: nothing is offered.
        handle_time_s: mean of each interval, NaN where nothing is offered.
        patience_mean_s: mean of an exponential patience, above 0.
        target_wait_s: T, 0 or more.
        target_share: above 0 and below 1.

    Returns:
        Whole numbers, 1 or more; NaN where nothing is offered or there is no work.

    Raises:
        ValueError: an argument is out of its range.
    """
    if not (patience_mean_s > 0 and target_wait_s >= 0 and 0 < target_share < 1):
        raise ValueError(
            f"patience_mean_s = {patience_mean_s}, target_wait_s = {target_wait_s}, "
            f"target_share = {target_share}; expected above 0, 0 or more, and between 0 and 1"
        )
    found = np.full(len(arrivals_per_hour), np.nan)
    open_ = np.flatnonzero((arrivals_per_hour > 0) & (handle_time_s > 0))
    rate, work = arrivals_per_hour[open_] / 3600, handle_time_s[open_]
    # 1 / B of Erlang B with one agent less, by recursion over the agents.
    inverse = np.ones(len(open_))
    n_agents = 0
    while len(open_):
        n_agents += 1
        level = _service_level(rate, work, n_agents, inverse, patience_mean_s, target_wait_s)
        met = level >= target_share
        found[open_[met]] = n_agents
        open_ = open_[~met]
        rate, work, inverse = rate[~met], work[~met], inverse[~met]
        inverse = 1 + n_agents / (rate * work) * inverse
    return found


def _service_level(
    rate: _Reals, work: _Reals, n_agents: int, inverse: _Reals, patience_s: float, target_s: float
) -> _Reals:
    x = rate * patience_s
    a = n_agents * patience_s / work
    stay = math.exp(-target_s / patience_s)
    late = -x * math.expm1(-target_s / patience_s) - n_agents * target_s / work
    # Logarithms, on the scale on which an arrival finds an agent free with weight `inverse`.
    scale = np.log(rate * patience_s)
    with np.errstate(divide="ignore"):
        waits = scale - np.log(a) + _log_kummer(a, x)
        waits_late = scale - np.log(a) + _log_kummer(a, x * stay) + late
        stays = scale - np.log(a + 1) + _log_kummer(a + 1, x)
        stays_late = scale - np.log(a + 1) + _log_kummer(a + 1, x * stay) + late + math.log(stay)
        total = np.logaddexp(np.log(inverse), waits)
    abandoned = np.exp(waits - total) - np.exp(stays - total)
    answered = 1 - abandoned
    answered_late = np.exp(stays_late - total)
    left_late = np.maximum(0.0, stay * np.exp(waits_late - total) - answered_late)
    level: _Reals = (answered - answered_late) / (answered + left_late)
    return level


def _log_kummer(a: _Reals, y: _Reals) -> _Reals:
    """log M(1, a + 1, y) for a > 0, y >= 0."""
    above = y > a
    log = np.empty(len(a))
    # Beyond a the function grows like e^y, but its share of the gamma function is at least a half.
    part, at = a[above], y[above]
    gamma = special.gammaln(part) + np.log(special.gammainc(part, at))
    log[above] = np.log(part) + at - part * np.log(at) + gamma
    log[~above] = np.log(special.hyp1f1(1.0, a[~above] + 1, y[~above]))
    return log
