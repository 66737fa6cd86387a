"""Queues of theory on the desk, in bulk: what the tests against theory share.

The compiled engine is given its arrays directly (seconds here, microseconds there), since tables
of some tens of millions of customers would take longer than the desk does. That this is the same
desk as the public function's is itself a test (``test_contact_center_theory``).

Each replication starts empty; a warm-up and the last stretch are left out. The standard error of
a ratio comes from its linearised residuals over replications, less what their number of arrivals
and their amount of work explain, whose means are known (control variates: Lavenberg and Welch,
Management Science 27 (1981) 322-335).

Every comparison must have |z| < 4, be within 1 % of theory, and be precise enough for that to mean
something: a standard error below a quarter of the bound. A comparison fails by chance with
probability 8e-5 (Student's t with 400 degrees of freedom), and there are 190 of them: the chance
that a correct desk fails any of them is below 2 %. Seeds come from the name of the test
and, outside continuous integration, from the clock: none was ever chosen.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center.desk import compiled_engine, state
from simulator.contact_center.desk.plan import CHAT_SPEED, Plan, Presence, plan_of
from simulator.schema import ORDINARY_PRIORITY

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Visits = NDArray[Any]
# Sums of one replication by name: numerators and denominators.
Sums = dict[str, float]

REPLICATIONS = 400
RELATIVE = 0.01
MOST_Z = 4.0
US = 1e6
FOREVER_S = 1e12
_ENTROPY = 0 if os.environ.get("CI") else time.time_ns()


@dataclass(frozen=True)
class Drawn:
    """The customers of one replication, by time of arrival; seconds.

    ``patience_s``, ``returns`` (after giving up) and ``delay_s`` have shape (customers, tries);
    None: endless patience, never. ``kind`` is the row of the desk's kinds; None: the first.
    """

    arrives_s: Reals
    work_s: Reals
    patience_s: Reals | None = None
    kind: Ints | None = None
    returns: NDArray[np.bool_] | None = None
    delay_s: Reals | None = None


def desk_of(
    kinds: Sequence[dict[str, Any]] = ({},),
    *,
    max_attempts: int = 1,
    chat_speed: Sequence[float] = CHAT_SPEED,
    queue_limit: Mapping[str, int] | None = None,
) -> Plan:
    """A plan without customers, for one team that takes everything.

    Args:
        kinds: columns of table ``arrivals`` that tell kinds of customers apart.
        max_attempts: visits of a customer at most.
        chat_speed: an agent's total speed with 1, 2, ... chats.
        queue_limit: how many may wait, by channel.
    """
    rows = [
        {
            "replication": 0,
            "stage": "human_only",
            "candidate": "human",
            "bound": "central",
            "arrival_id": str(at),
            "conversation_id": str(at),
            "cause": "new",
            "channel": "voice",
            "priority": ORDINARY_PRIORITY,
            "arrives_ms": 0,
            "work_ms": 0,
            "patience_ms": [None] * max_attempts,
            "recontacts": [0] * max_attempts,
            "recontact_delay_ms": [0] * max_attempts,
            **kind,
        }
        for at, kind in enumerate(kinds)
    ]
    return plan_of(
        tables.build("arrivals", rows),
        TEAM,
        max_attempts=max_attempts,
        chat_speed=chat_speed,
        queue_limit=queue_limit,
    )


TEAM: pl.DataFrame = tables.build(
    "teams", [{"team": "desk", "skills": [], "languages": [], "channels": []}]
)


def agents(
    n: int, *, max_chats: int = 1, starts_s: Sequence[float] = (), ends_s: Sequence[float] = ()
) -> Presence:
    """``n`` agents, there all the time or each from ``starts_s`` to ``ends_s``."""
    return Presence(
        [str(agent) for agent in range(n)],
        np.full(n, max_chats),
        np.full(n, 1000),
        np.arange(n),
        np.zeros(n, np.int64),
        _us(np.array(starts_s or [0.0] * n)),
        _us(np.array(ends_s or [FOREVER_S] * n)),
    )


def visits(desk: Plan, there: Presence, drawn: Drawn) -> Visits:
    """The compiled engine's records (microseconds) of one replication."""
    return compiled_engine.visits_of(given(desk, drawn), 0, there)


def given(desk: Plan, drawn: Drawn) -> Plan:
    """The plan with these customers, as its only replication."""
    n, tries = len(drawn.arrives_s), desk.max_attempts
    kind = np.zeros(n, np.int64) if drawn.kind is None else drawn.kind
    routed = {name: desk.customers[name][kind] for name in ("entry", "rank", "rank_again")}
    none = np.full(n * tries, state.NOBODY)
    return replace(
        desk,
        replications=np.zeros(1, np.int64),
        first=np.array([0, n]),
        arrives=_us(drawn.arrives_s),
        customers={
            **routed,
            "work": _us(drawn.work_s),
            "saved": np.zeros(n, np.int64),
            "allowance": np.full(n, state.NOBODY),
        },
        trials={
            "patience": none if drawn.patience_s is None else _us(drawn.patience_s).ravel(),
            "habit": np.zeros(n * tries, np.int64)
            if drawn.returns is None
            else drawn.returns.astype(np.int64).ravel(),
            "delay": none if drawn.delay_s is None else _us(drawn.delay_s).ravel(),
        },
    )


def poisson(draw: np.random.Generator, per_s: float, until_s: float) -> Reals:
    """Arrival times of a Poisson process on [0, until_s)."""
    expected = per_s * until_s
    n = math.ceil(expected + 10 * math.sqrt(expected) + 10)
    at = np.cumsum(draw.exponential(1 / per_s, n))
    assert at[-1] >= until_s
    kept: Reals = at[at < until_s]
    return kept


@dataclass(frozen=True)
class Window:
    """From when to when a replication is measured, and when arrivals end; seconds."""

    begins_s: float
    ends_s: float
    until_s: float

    @property
    def length_s(self) -> float:
        """Of what is measured."""
        return self.ends_s - self.begins_s


def window(warm_up_s: float, length_s: float, cool_down_s: float) -> Window:
    """A window between a warm-up and a stretch in which arrivals only go on."""
    return Window(warm_up_s, warm_up_s + length_s, warm_up_s + length_s + cool_down_s)


def sums_of(found: Visits, within: Window, target_s: float = 30.0) -> Sums:
    """Counts and seconds of the visits that arrive in the window, and of the time in it."""
    came = (found["arrived"] >= within.begins_s * US) & (found["arrived"] < within.ends_s * US)
    here = found[came]
    answered = here["state"] == state.DONE
    left = np.isin(here["state"], (state.ABANDONED, state.TURNED_AWAY))
    assert (answered | left).all()
    wait = np.where(answered, here["started"], here["left"]) - here["arrived"]
    late = wait > target_s * US
    served = found[found["state"] == state.DONE]
    return {
        "offered": len(here),
        "answered": np.count_nonzero(answered),
        "abandoned": np.count_nonzero(left),
        # A contact that finds nobody free and no patience waits no time, and is not answered.
        "waited": len(here) - np.count_nonzero(answered & (wait == 0)),
        "wait_s": wait.sum() / US,
        "wait_answered_s": wait[answered].sum() / US,
        "sojourn_s": (here["ended"] - here["started"])[answered].sum() / US,
        "within": np.count_nonzero(answered & ~late),
        "reached": np.count_nonzero(answered | late),
        "in_service_s": overlap_s(served["started"], served["ended"], within),
        "length_s": within.length_s,
    }


def controls_of(drawn: Drawn, within: Window, per_s: float, work_s: float) -> Sums:
    """Arrivals and work in the window, less their means, of Poisson arrivals at a known rate."""
    came = (drawn.arrives_s >= within.begins_s) & (drawn.arrives_s < within.ends_s)
    expected = per_s * within.length_s
    return {
        "more_arrivals": np.count_nonzero(came) - expected,
        "more_work_s": drawn.work_s[came].sum() - expected * work_s,
    }


def overlap_s(starts: Ints, ends: Ints, within: Window) -> float:
    """The part of the stretches (microseconds) that lies in the window, added up."""
    lo, hi = round(within.begins_s * US), round(within.ends_s * US)
    return float((np.clip(ends, lo, hi) - np.clip(starts, lo, hi)).sum() / US)


def replicated(
    name: str, one: Callable[[np.random.Generator], Sums], replications: int = REPLICATIONS
) -> dict[str, Reals]:
    """``one`` replication many times, each with random numbers of its own; sums by name."""
    seeds = np.random.SeedSequence([_ENTROPY, crc32(name.encode())]).spawn(replications)
    # The compiled engine leaves Python's lock alone, so that two threads take half the time.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda seed: one(np.random.default_rng(seed)), seeds))
    return {key: np.array([sums[key] for sums in found], dtype=float) for key in found[0]}


@dataclass(frozen=True)
class Ratio:
    """A measured ratio of sums, and its standard error over replications."""

    value: float
    error: float


def ratio(top: Reals, bottom: Reals, *controls: Reals) -> Ratio:
    """Sum over sum, by linearisation; the mean of each control is 0."""
    value = top.sum() / bottom.sum()
    residuals = (top - value * bottom) / bottom.mean()
    # With controls the intercept is the residual at their means.
    given = np.column_stack([np.ones(len(top)), *controls])
    effects = np.linalg.lstsq(given, residuals)[0]
    left = residuals - given @ effects
    error = math.sqrt((left @ left) / (len(top) - given.shape[1]) / len(top))
    return Ratio(float(value + effects[0]), error)


def agree(found: dict[str, Ratio], theory: dict[str, float]) -> None:
    """Each measure against theory; all that is wrong is told at once."""
    wrong = []
    for name, expected in theory.items():
        got = found[name]
        z = (got.value - expected) / got.error
        off = got.value / expected - 1
        said = (
            f"{name}: {got.value:.6g} for {expected:.6g} (z {z:+.2f}, {off:+.3%}, standard error "
            f"{got.error / expected:.3%})"
        )
        if os.environ.get("SHADOWDESK_SHOW"):
            print(said)
        precise = got.error < RELATIVE / 4 * expected
        if not (abs(z) < MOST_Z and abs(off) < RELATIVE and precise):
            wrong.append(said)
    assert not wrong, f"seed {_ENTROPY}: " + "; ".join(wrong)


def _us(seconds: Reals) -> Ints:
    return np.rint(seconds * US).astype(np.int64)
