"""Tables of re-staffing: agents by half-hour, shifts, and the paid hours of each rollout stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from simulator import tables
from simulator.contact_center.staffing.cover import cover, shift_patterns
from simulator.contact_center.staffing.search import Staffed
from simulator.evidence.intervals import wilson
from simulator.evidence.replications import CONFIDENCE, two_level
from simulator.scenario.staffing import Staffing

Cell = tuple[str, str, str]
_CELL = ("stage", "candidate", "bound")


class Restaffed(NamedTuple):
    """Tables ``staffing`` and ``staffing_shifts`` of one cell, and hours of work by day."""

    staffing: pl.DataFrame
    shifts: pl.DataFrame
    work_h: NDArray[np.float64]


def restaffed(
    cell: Cell, staffed: Staffed, rules: Staffing, shrinkage: float, interval_s: int = 1800
) -> Restaffed:
    """Cover the required agents by shifts, and put both into tables.

    Args:
        cell: stage, candidate, bound.
        staffed: the search's answer.
        rules: the shifts that may be worked.
        shrinkage: share of paid time that is not worked, in [0, 1); breaks come on top, unpaid.
        interval_s: length of an interval, seconds.
    """
    patterns = shift_patterns(rules, staffed.required.shape[1], interval_s)
    names = dict(zip(_CELL, cell, strict=True))
    rows: list[dict[str, Any]] = []
    shifts: list[dict[str, Any]] = []
    for team, name in enumerate(staffed.teams):
        required, group = staffed.required[team], staffed.group[team]
        covered = cover(required, patterns, interval_s)
        shifts += [
            {
                **names,
                "team": name,
                "starts_s": pattern.starts_s,
                "ends_s": pattern.ends_s,
                "break_starts_s": pattern.break_[0] if pattern.break_ else None,
                "break_ends_s": pattern.break_[1] if pattern.break_ else None,
                "agents": agents,
                "paid_hours": agents * pattern.paid_s / 3600 / (1 - shrinkage),
            }
            for pattern, agents in covered.shifts
        ]
        rows += [
            {
                **names,
                "team": name,
                "interval_start_s": at * interval_s,
                "offered_per_day": float(staffed.offered_per_day[team, at]),
                "required": int(required[at]),
                "scheduled": None if at in covered.uncovered else int(covered.scheduled[at]),
                **_rates(staffed, int(group[at])),
                "judged_with_s": int(np.flatnonzero(group == group[at])[0]) * interval_s,
            }
            for at in np.flatnonzero(group >= 0).tolist()
        ]
    return Restaffed(
        tables.build("staffing", rows), tables.build("staffing_shifts", shifts), staffed.work_h
    )


def _rates(staffed: Staffed, group: int) -> dict[str, Any]:
    check, n = staffed.check, int(staffed.check.n[group])
    service = _interval(check.service[group], check.service_se[group], n, staffed.replications)
    lost = _interval(check.lost[group], check.lost_se[group], n, staffed.replications)
    keys = ("service_level", "service_level_low", "service_level_high")
    lost_keys = ("abandonment_rate", "abandonment_low", "abandonment_high")
    return {
        **dict(zip(keys, service, strict=True)),
        **dict(zip(lost_keys, lost, strict=True)),
        "n": n,
    }


def _interval(
    rate: float, error: float, n: int, days: int
) -> tuple[float | None, float | None, float | None]:
    """Estimate, low, high: the wider of Student's t over days and Wilson's over contacts.

    Days without a single miss have no spread; then Wilson's interval keeps the ends apart.
    """
    if not n or np.isnan(rate):
        return None, None, None
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, days - 1)) * error
    low, high, _, _ = wilson(round(rate * n), n, CONFIDENCE)
    assert low is not None
    assert high is not None
    return float(rate), max(0.0, min(low, rate - half)), min(1.0, max(high, rate + half))


def paid_hours(
    shifts: pl.DataFrame,
    work_h: Mapping[Cell, NDArray[np.float64]],
    baseline: str,
    n_logged: int | None = None,
) -> pl.DataFrame:
    """Paid agent-hours a day of each cell, and what each saves against the baseline.

    The hours are those of the shifts, shrinkage included. Their interval is that of the work which
    the days bring: paid hours follow the work in proportion, by linearisation; what the search
    itself can be off is not in it. Cells are paired by day, so that what makes a day busy for both
    does not blur the difference.

    Args:
        shifts: table ``staffing_shifts`` of all cells.
        work_h: hours of work by simulated day; the same customers in each cell. A cell without
            shifts is here all the same.
        baseline: name of the stage that is compared with.
        n_logged: days of the log that the simulated ones were drawn from; null: each is its own.

    Returns:
        Table ``staffing_hours``, segment ``all``: ``paid_hours_per_day`` for each cell, and
        ``paid_hours_saved_per_day`` for all but the baseline, where there is one; negative where
        agents are added.
    """
    totals = {
        key: float(part["paid_hours"].sum())
        for key, part in shifts.partition_by(_CELL, as_dict=True).items()
    }
    by_day = {
        cell: np.full(len(work), totals.get(cell, 0.0)) * (work / work.mean() if work.any() else 1)
        for cell, work in work_h.items()
    }
    base = next((cell for cell in by_day if cell[0] == baseline), None)
    rows: list[dict[str, Any]] = []
    for cell, days in by_day.items():
        metrics = {"paid_hours_per_day": days}
        if base is not None and cell != base:
            metrics["paid_hours_saved_per_day"] = by_day[base] - days
        for metric, values in metrics.items():
            spread = two_level(values, np.arange(len(values)), n_logged)
            half, estimate = spread.half_width, float(values.mean())
            low = None if half is None else estimate - half
            rows.append(
                {
                    **dict(zip(_CELL, cell, strict=True)),
                    "segment": "all",
                    "metric": metric,
                    "estimate": estimate,
                    "low": max(0.0, low) if low is not None and values is days else low,
                    "high": None if half is None else estimate + half,
                    "n": len(values),
                    "unit": "h/day",
                    "method": f"shifts for the fewest agents, in proportion to work; "
                    f"{spread.method}",
                }
            )
    return tables.build("staffing_hours", rows)
