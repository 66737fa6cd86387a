"""The desk while its load changes, against theory; see ``queues`` for what agreement means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from simulator.contact_center import erlang_a
from simulator.contact_center.desk import state
from tests.queues import (
    US,
    Drawn,
    Ratio,
    Sums,
    agents,
    agree,
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


def test_enough_agents_under_a_changing_rate() -> None:
    """M(t)/M/infinity: the number in service at t is Poisson with the convolution as its mean.

    Rate (a + b sin wt) / S gives mean a + b (sin wt - wS cos wt) / (1 + (wS)^2) at t. Source: Eick,
    Massey, Whitt, "M_t/G/infinity queues with sinusoidal arrival rates", Management Science 39
    (1993) 241-252. Looked at once a period, eight mean works apart.
    """
    a, b, period_s, n_agents = 2.5, 2.0, 8 * HANDLE_S, 40
    w = 2 * math.pi / period_s
    phases = np.array([0.0, 0.25, 0.5, 0.75])
    warm_up, periods = 5, 2200
    desk, there = desk_of(), agents(n_agents)
    until_s = (warm_up + periods) * period_s
    at_us = np.rint(
        (np.arange(warm_up, warm_up + periods)[:, None] + phases) * period_s * US
    ).astype(np.int64)

    def one(draw: np.random.Generator) -> Sums:
        at = poisson(draw, (a + b) / HANDLE_S, until_s)
        kept = draw.random(len(at)) * (a + b) < a + b * np.sin(w * at)
        at = at[kept]
        found = visits(desk, there, Drawn(at, draw.exponential(HANDLE_S, len(at))))
        # Nobody ever waits: so many agents are as good as infinitely many.
        assert (found["started"] == found["arrived"]).all()
        n = np.searchsorted(found["started"], at_us, "right") - np.searchsorted(
            np.sort(found["ended"]), at_us, "right"
        )
        sums: Sums = {"periods": periods}
        for place, phase in enumerate(phases):
            here = n[:, place]
            sums[f"n {phase}"] = here.sum()
            sums[f"square {phase}"] = (here * here).sum()
            sums[f"none {phase}"] = np.count_nonzero(here == 0)
        return sums

    sums = replicated("changing rate", one)
    found: dict[str, Ratio] = {}
    theory: dict[str, float] = {}
    for phase in phases.tolist():
        angle = 2 * math.pi * phase
        lag = w * HANDLE_S
        mean = a + b * (math.sin(angle) - lag * math.cos(angle)) / (1 + lag * lag)
        total, periods_of = sums[f"n {phase}"], sums["periods"]
        # About the known mean: (n - mean)^2 has the variance as its own mean.
        squares = sums[f"square {phase}"] - 2 * mean * total + mean * mean * periods_of
        found |= {
            f"mean {phase}": ratio(total, periods_of),
            f"variance {phase}": ratio(squares, periods_of),
            f"none {phase}": ratio(sums[f"none {phase}"], periods_of),
        }
        theory |= {
            f"mean {phase}": mean,
            f"variance {phase}": mean,
            f"none {phase}": math.exp(-mean),
        }
    # Where hardly anybody comes an empty desk is no rare event.
    agree(found, {name: p for name, p in theory.items() if p > 0.2})


def test_piecewise_stationary() -> None:
    """Rate and staffing change together; each piece, once settled, is its own Erlang A.

    Agents leave at the end of a piece and end what they have in hand first.
    """
    pieces = ((60.0, 5), (110.0, 10), (40.0, 4))  # arrivals an hour, agents
    patience_s, settle_s, length_s = 240.0, 6e3, 1e6
    each_s = settle_s + length_s
    # The first agents stay on; those who make up a piece's number come and go with it.
    starts, ends = [], []
    for place, (_, n) in enumerate(pieces):
        starts += [place * each_s] * n
        ends += [(place + 1) * each_s] * n
    desk = desk_of()
    there = agents(len(starts), starts_s=starts, ends_s=ends)
    windows = [window(place * each_s + settle_s, length_s - 1, 1) for place in range(len(pieces))]

    def one(draw: np.random.Generator) -> Sums:
        at = np.concatenate(
            [
                place * each_s + poisson(draw, per_hour / 3600, each_s)
                for place, (per_hour, _) in enumerate(pieces)
            ]
        )
        drawn = Drawn(
            at, draw.exponential(HANDLE_S, len(at)), draw.exponential(patience_s, len(at))
        )
        found = visits(desk, there, drawn)
        # Who still waits when the last agent has gone gives up, or was in time.
        assert (found["state"] != state.WAITING).all()
        sums: Sums = {}
        for place, within in enumerate(windows):
            part = sums_of(found, within, TARGET_S)
            sums |= {f"{name} {place}": value for name, value in part.items()}
        return sums

    sums = replicated("pieces", one)
    found: dict[str, Ratio] = {}
    theory: dict[str, float] = {}
    for place, (per_hour, n) in enumerate(pieces):
        steady = erlang_a(per_hour, HANDLE_S, n, patience_s, TARGET_S)
        for measure, top, bottom in (
            ("p_wait", "waited", "offered"),
            ("p_abandon", "abandoned", "offered"),
            ("mean_wait_s", "wait_s", "offered"),
            ("service_level", "within", "reached"),
        ):
            found[f"{measure} {place}"] = ratio(sums[f"{top} {place}"], sums[f"{bottom} {place}"])
            theory[f"{measure} {place}"] = getattr(steady, measure)
    agree(found, theory)


def test_recontacts_settle_at_the_fixed_point() -> None:
    """Who gives up comes back with probability p, three visits at most: a retrial queue.

    When delays are long against the time in which the queue forgets, returns are as good as fresh
    Poisson arrivals, and the total rate solves r = fresh (1 + pP + (pP)^2) with P = P(abandon) of
    Erlang A at rate r. Source: Cohen, Philips Telecommunication Review 18 (1957) 49-100; Aguir,
    Karaesmen, Aksin, Chauvet, OR Spectrum 26 (2004) 353-376.

    Delays are uniform on 40 to 360 mean works. (Exponential ones would have their most likely
    value at 0, and who returns at once meets the congestion that he left: an error of the order of
    the queue's memory over the mean delay.) What is left of the approximation: returns fluctuate
    with the abandonments of 320 mean works, by a variance of about w x their rate / 320, where w
    is the index of dispersion of abandonments; half the curvature of P times that is computed
    below, with w = 10, and is asserted to be below a twentieth of the bound.
    """
    fresh, n_agents, patience_s, p, tries = 78.0, 6, 300.0, 0.4, 3
    delay_s = (40 * HANDLE_S, 360 * HANDLE_S)

    def lost(per_hour: float) -> float:
        return erlang_a(per_hour, HANDLE_S, n_agents, patience_s, TARGET_S).p_abandon

    def visits_of_one(per_hour: float) -> float:
        again = p * lost(per_hour)
        return 1 + again + again * again

    rate = brentq(lambda r: r - fresh * visits_of_one(r), fresh, 3 * fresh)
    step = 1.0
    curvature = (lost(rate + step) - 2 * lost(rate) + lost(rate - step)) / step**2
    per_work = HANDLE_S / 3600
    variance = 10 * (rate - fresh) * per_work / 320 / per_work**2
    assert abs(curvature * variance / 2 / lost(rate)) < 0.0005

    # More congestion brings more returns: what the empty start lacks shrinks by this factor with
    # each mean delay, eight of which are left out.
    feedback = (visits_of_one(rate + step) - visits_of_one(rate - step)) / (2 * step) * fresh
    assert feedback**8 < 1e-4
    within = window(8 * sum(delay_s) / 2, 6e5, 0)
    desk, there = desk_of(max_attempts=tries), agents(n_agents)

    def one(draw: np.random.Generator) -> Sums:
        at = poisson(draw, fresh / 3600, within.until_s)
        shape = (len(at), tries)
        returns = draw.random(shape) < p
        returns[:, -1] = False
        drawn = Drawn(
            at,
            draw.exponential(HANDLE_S, len(at)),
            draw.exponential(patience_s, shape),
            returns=returns,
            delay_s=draw.uniform(*delay_s, shape),
        )
        return sums_of(visits(desk, there, drawn), within, TARGET_S)

    sums = replicated("recontacts", one)
    steady = erlang_a(rate, HANDLE_S, n_agents, patience_s, TARGET_S)
    agree(
        {
            "visits_per_hour": ratio(sums["offered"], sums["length_s"] / 3600),
            "p_abandon": ratio(sums["abandoned"], sums["offered"]),
            "p_wait": ratio(sums["waited"], sums["offered"]),
            "mean_wait_s": ratio(sums["wait_s"], sums["offered"]),
            "occupancy": ratio(sums["in_service_s"], n_agents * sums["length_s"]),
        },
        {
            "visits_per_hour": rate,
            "p_abandon": steady.p_abandon,
            "p_wait": steady.p_wait,
            "mean_wait_s": steady.mean_wait_s,
            "occupancy": steady.occupancy,
        },
    )
    # The three visits matter: without returns the share would be another.
    assert lost(fresh) < 0.9 * steady.p_abandon
    assert rate == pytest.approx(fresh * visits_of_one(rate))
