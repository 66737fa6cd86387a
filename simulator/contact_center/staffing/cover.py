"""Shifts that cover the agents required in every interval at the least paid time.

The set-covering formulation of Dantzig ("A comment on Edie's 'Traffic delays at toll booths'",
Operations Research 2 (1954) 339-341): one integer variable a shift pattern (start, length, place of
its break), at least the required agents in every interval, least paid time. Solved by HiGHS through
``scipy.optimize.milp``.

Why
    Where the break lies is part of the pattern, enumerated before: with half-hours a day has some
    five hundred patterns, which HiGHS covers in a second or so. Any number of agents may work
    a pattern, so a requirement cannot be met only where no pattern reaches the interval; such
    intervals are left out and reported, which needs no penalty.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from simulator.scenario.staffing import Staffing

_DAY_S = 86_400
_TIME_LIMIT_S = 10.0


class Pattern(NamedTuple):
    """A shift that may be worked; seconds after the first midnight, ``break_`` null: none."""

    starts_s: int
    ends_s: int
    break_: tuple[int, int] | None

    @property
    def paid_s(self) -> int:
        """Time that is paid: the shift without its break."""
        off = self.break_[1] - self.break_[0] if self.break_ else 0
        return self.ends_s - self.starts_s - off


class Cover(NamedTuple):
    """Shifts of one team.

    Attributes:
        shifts: each pattern that is worked, with its number of agents (1 or more).
        scheduled: agents at work in each interval, int64.
        uncovered: intervals whose requirement no pattern reaches.
        bound_s: paid time that no cover can be below, as far as the solver got; equals ``paid_s``
            where the cover is proved to be the cheapest.
    """

    shifts: list[tuple[Pattern, int]]
    scheduled: NDArray[np.int64]
    uncovered: list[int]
    bound_s: float

    @property
    def paid_s(self) -> int:
        """Paid time of all agents, without shrinkage."""
        return sum(pattern.paid_s * agents for pattern, agents in self.shifts)


def shift_patterns(rules: Staffing, n_intervals: int, interval_s: int) -> list[Pattern]:
    """Every shift that ``[staffing]`` allows.

    Args:
        rules: lengths, break, earliest and latest start.
        n_intervals: of the simulated time, which is a day or several whole days.
        interval_s: length of an interval; shifts and breaks begin on one.

    Returns:
        By start, then length, then break. A break begins in the middle third of its shift.
    """
    found = []
    for starts in range(0, n_intervals * interval_s, interval_s):
        if not _s(rules.earliest_start) <= starts % _DAY_S <= _s(rules.latest_start):
            continue
        for hours in sorted(set(rules.shift_h)):
            length = round(hours * 3600)
            off = rules.break_min * 60 if hours > rules.unbroken_h else 0
            if not off:
                found.append(Pattern(starts, starts + length, None))
                continue
            # Rounded up, so that the break never begins before the middle third.
            first = -(-length // (3 * interval_s)) * interval_s
            last = max(first, 2 * length // 3 - off)
            found += [
                Pattern(starts, starts + length, (starts + begins, starts + begins + off))
                for begins in range(first, last + 1, interval_s)
            ]
    return found


def cover(
    required: Sequence[int] | NDArray[np.int64], patterns: Sequence[Pattern], interval_s: int
) -> Cover:
    """The cheapest shifts with at least ``required`` agents in every interval.

    An agent counts in an interval where he is at work for the whole of it. Days repeat: a shift
    that goes on after the last interval covers the first ones, as yesterday's did.

    Args:
        required: agents by interval, 0 or more.
        patterns: the shifts that may be worked.
        interval_s: length of an interval, seconds.

    Returns:
        The cheapest cover, or the best found in 10 s (see ``Cover.bound_s``).
    """
    need = np.asarray(required, dtype=np.int64)
    reach = _reach(patterns, len(need), interval_s)
    uncovered = np.flatnonzero((need > 0) & (reach.sum(axis=0) == 0))
    need = np.where(reach.sum(axis=0) > 0, need, 0)
    if not need.any():
        return Cover([], np.zeros(len(need), dtype=np.int64), uncovered.tolist(), 0.0)
    cost = np.array([pattern.paid_s for pattern in patterns], dtype=np.float64) / interval_s
    solved = milp(
        c=cost,
        constraints=LinearConstraint(csr_array(reach.T.astype(np.float64)), lb=need),
        integrality=np.ones(len(patterns), dtype=np.int64),
        bounds=Bounds(0, need.max()),
        options={"time_limit": _TIME_LIMIT_S, "mip_rel_gap": 0.0},
    )
    if solved.x is None:
        # Every interval can be reached by as many as it takes, so this is a fault of the solver.
        raise RuntimeError(f"HiGHS found no cover: {solved.message}")
    agents = np.rint(solved.x).astype(np.int64)
    shifts = [(pattern, int(n)) for pattern, n in zip(patterns, agents, strict=True) if n]
    bound = solved.mip_dual_bound
    return Cover(
        shifts,
        agents @ reach.astype(np.int64),
        uncovered.tolist(),
        interval_s * float(cost @ agents if bound is None else bound),
    )


def _reach(patterns: Sequence[Pattern], n_intervals: int, interval_s: int) -> NDArray[np.bool_]:
    """Which interval (column) each pattern covers (row), whole intervals only."""
    reach = np.zeros((len(patterns), n_intervals), dtype=bool)
    for row, (starts, ends, off) in enumerate(patterns):
        for begins in range(starts, ends, interval_s):
            stops = begins + interval_s
            away = off is not None and begins < off[1] and off[0] < stops
            if stops <= ends and not away and stops - starts <= n_intervals * interval_s:
                reach[row, begins // interval_s % n_intervals] = True
    return reach


def _s(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second
