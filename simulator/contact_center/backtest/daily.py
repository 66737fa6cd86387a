"""Days of the log beside days of the model: the same measures of both, misses, intervals."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special, stats

from simulator import tables

METRICS = ("wait_s", "abandonment_rate", "service_level")
_QUARTER_MS = 900_000
_SURPRISE = 0.001
_STEPS = 40

Reals = NDArray[np.float64]


class Measure(NamedTuple):
    """How days are measured. ``target_ms``: T of the service level. ``answered_only``: waits of
    those who gave up do not count, and all of them have missed the target, because the log does not
    know how long they waited."""

    target_ms: int
    answered_only: bool


def logged(contacts: pl.DataFrame) -> pl.DataFrame:
    """Visits of the log as those of the model: ``day, wait_ms, answered``; null is unknown."""
    return contacts.select(
        "day",
        wait_ms=(pl.col("wait_s") * 1000).round().cast(pl.Int64),
        answered=~pl.col("abandoned"),
    )


def measured(visits: pl.DataFrame, by: list[str], how: Measure) -> pl.DataFrame:
    """The three measures of ``visits`` (``wait_ms, answered``), one row for each of ``by``."""
    if how.answered_only:
        visits = visits.with_columns(pl.when("answered").then("wait_ms").alias("wait_ms"))
    # Who was never served nor left (after closing, say) waited for longer than any target.
    beyond = pl.col("wait_ms").fill_null(how.target_ms + 1) > how.target_ms
    met = pl.col("answered") & ~beyond
    counted = pl.col("answered") | beyond
    return visits.group_by(by, maintain_order=True).agg(
        (pl.col("wait_ms").mean() / 1000).alias("wait_s"),
        (~pl.col("answered")).mean().alias("abandonment_rate"),
        pl.when(counted.sum() > 0).then(met.sum() / counted.sum()).alias("service_level"),
    )


def unusual(part: pl.DataFrame, learnt_from: pl.DataFrame | None) -> dict[date, str]:
    """Days that no calibration day prepares for, with the reason: they are scored, and named."""
    if learnt_from is None:
        return {}
    busiest = max(_peaks(learnt_from).values())
    return {
        day: f"{peak} contacts within a quarter of an hour; at most {busiest} in the first half"
        for day, peak in _peaks(part).items()
        if stats.poisson.sf(peak - 1, busiest) < _SURPRISE
    }


def _peaks(contacts: pl.DataFrame) -> dict[date, int]:
    quarters = contacts.group_by("day", pl.col("arrives_ms") // _QUARTER_MS).len()
    return dict(quarters.group_by("day").agg(pl.col("len").max()).sort("day").iter_rows())


def _scaled(metric: str, values: Reals, n: int | Reals) -> Reals:
    """Values on a scale on which a miss may be added to any day's: log of waits, log-odds."""
    if metric == "wait_s":
        return np.log1p(values)
    half = 0.5 / np.asarray(n, np.float64)
    return np.asarray(special.logit(np.clip(values, half, 1 - half)), np.float64)


def _unscaled(metric: str, values: Reals) -> Reals:
    found = np.expm1(values) if metric == "wait_s" else special.expit(values)
    return np.asarray(np.maximum(found, 0.0), np.float64)


def misses(contacts: pl.DataFrame, runs: pl.DataFrame, how: Measure) -> dict[str, Reals]:
    """By measure: how far each calibration day lay from its prediction, chance taken off."""
    observed = measured(logged(contacts), ["day"], how)
    size = dict(contacts.group_by("day").len().iter_rows())
    found = {}
    for metric in METRICS:
        misses: list[float] = []
        chance: list[float] = []
        for day, value in observed.select("day", metric).drop_nulls().iter_rows():
            of_day = runs.filter(pl.col("day") == day)[metric].drop_nulls().to_numpy()
            if not of_day.size:
                continue
            predicted = _scaled(metric, of_day, size[day])
            misses.append(_scaled(metric, np.array([value]), size[day])[0] - predicted.mean())
            chance.append(predicted.var())
        found[metric] = _of_a_new_day(np.array(misses), np.array(chance))
    return found


def _of_a_new_day(misses: Reals, chance: Reals) -> Reals:
    """Misses to be expected of one more day: Student's t, as wide as those of ``misses``.

    Why not the misses themselves: the quantiles of a dozen days hold fewer new days than they
    should. Why about 0: what all calibration days have in common widens the interval instead of
    moving it, for nobody knows whether it will last, and a prediction must not be put right by the
    waits that it is compared with. ``chance`` is the variance that each miss owes to chance, which
    is added elsewhere.
    """
    n = misses.size
    if not n:
        return np.zeros(1)
    beyond_chance = max(0.0, float(np.mean(misses**2)) - float(chance.mean()))
    steps = (np.arange(_STEPS) + 0.5) / _STEPS
    return np.asarray(np.sqrt(beyond_chance * (1 + 1 / n)) * stats.t.ppf(steps, n), np.float64)


def compared(
    half: str,
    contacts: pl.DataFrame,
    runs: pl.DataFrame,
    how: Measure,
    unusual: dict[date, str],
    misses: dict[str, Reals] | None = None,
) -> pl.DataFrame:
    """Rows of table ``backtest_days``; intervals only where the misses of other days are given."""
    observed = measured(logged(contacts), ["day"], how)
    size = dict(contacts.group_by("day").len().iter_rows())
    rows: list[dict[str, Any]] = []
    for seen in observed.iter_rows(named=True):
        day = seen["day"]
        of_day = runs.filter(pl.col("day") == day)
        for metric in METRICS:
            values = of_day[metric].drop_nulls().to_numpy()
            row: dict[str, Any] = {
                "day": day,
                "half": half,
                "metric": metric,
                "n_contacts": size[day],
                "observed": seen[metric],
                "predicted": float(values.mean()) if values.size else None,
                "scored": True,
                "reason": unusual.get(day),
            }
            if seen[metric] is None or not values.size:
                row["scored"] = False
                row["reason"] = row["reason"] or "nothing to compare: no known wait on this day"
            elif misses is not None:
                spread = _scaled(metric, values, size[day])[:, None] + misses[metric]
                low, high = _unscaled(metric, np.quantile(spread, [0.05, 0.95]))
                row |= {"low": low, "high": high, "inside": bool(low <= seen[metric] <= high)}
            rows.append(row)
    return tables.build("backtest_days", rows)
