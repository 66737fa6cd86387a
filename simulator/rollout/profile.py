"""A fitted profile of arrivals: what each half-hour of a day brings, and how much days differ.

The number of contacts of day d in half-hour i is Poisson with the mean
``rate[class of d, i] * G[d] * H[d, i]``, where G and H are independent gamma variables of mean 1:
some days are busy as a whole, and some half-hours by themselves. Counts of call centres vary more
than a Poisson variable does, and staffing for the Poisson alone falls short.

Fitted by moments. With v_G and v_H the variances of G and H, and u = v_H (1 + v_G), a count has
variance ``rate + rate^2 (v_G + u)``, two counts of a day have covariance ``rate_i rate_j v_G``, and
a day's total of mean m has variance ``m + m^2 v_G + u * sum rate^2``. A trend over the log, or a
holiday in it, counts as days that differ.

Source: Jongbloed and Koole, "Managing uncertainty in call centres using Poisson mixtures", Applied
Stochastic Models in Business and Industry 17 (2001), 307-318; Avramidis, Deslauriers, L'Ecuyer,
"Modeling daily arrivals to a telephone call center", Management Science 50 (2004), 896-908.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special, stats

from simulator.rollout.logged_days import DAY_MS, STRATUM, day_type, with_local_times
from simulator.scenario import WEEK
from simulator.streams import Streams, stable_hash

INTERVAL_MS = 1_800_000
N_INTERVALS = DAY_MS // INTERVAL_MS
# A weekday has a profile of its own only where every weekday of its type has as many days.
_DAYS_EACH = 3


class Dispersion(NamedTuple):
    """Variances of the gamma factors (1 / shape; 0: none) and the day factor's standard error.

    ``day_se`` is by the jackknife over days; null where fewer than three days can tell.
    """

    day: float
    interval: float
    day_se: float | None


@dataclass(frozen=True)
class Profile:
    """A fitted profile.

    Attributes:
        classes: names of the kinds of day, such as ``mon`` or ``weekend``.
        class_of: the class of each day of the week, from Monday; null where the log has none.
        rates: contacts a half-hour, shape (classes, 48).
        n_days: days of each class.
        dispersion: how much counts vary beyond chance.
        contacts: the stratum columns of the log's contacts, by class and half-hour.
        starts: where the contacts of each class and half-hour begin in ``contacts``, flat.
        method: in words.
    """

    classes: tuple[str, ...]
    class_of: tuple[int | None, ...]
    rates: NDArray[np.float64]
    n_days: tuple[int, ...]
    dispersion: Dispersion
    contacts: pl.DataFrame
    starts: NDArray[np.int64]
    method: str

    def table(self) -> pl.DataFrame:
        """One row a class and half-hour, with the shapes of the gamma factors (null: none).

        Columns ``day_class, interval_start_s, n_days, arrivals_per_hour, day_shape,
        day_variance_se, interval_shape``.
        """
        n = len(self.classes)
        found = self.dispersion
        return pl.DataFrame(
            {
                "day_class": np.repeat(np.array(self.classes), N_INTERVALS).tolist(),
                "interval_start_s": np.tile(np.arange(N_INTERVALS) * (INTERVAL_MS // 1000), n),
                "n_days": np.repeat(np.array(self.n_days, dtype=np.int64), N_INTERVALS),
                "arrivals_per_hour": self.rates.ravel() * (3_600_000 / INTERVAL_MS),
            }
        ).with_columns(
            pl.lit(1 / found.day if found.day else None, dtype=pl.Float64).alias("day_shape"),
            pl.lit(found.day_se, dtype=pl.Float64).alias("day_variance_se"),
            pl.lit(1 / found.interval if found.interval else None, dtype=pl.Float64).alias(
                "interval_shape"
            ),
        )


def fitted(dated: pl.DataFrame, calendar: Sequence[date]) -> Profile:
    """The profile of a log.

    Args:
        dated: conversations with their local time in ``local``; at least one.
        calendar: the days of the log, those without contacts too.
    """
    rows = with_local_times(dated).select(
        *STRATUM,
        pl.col("day").dt.weekday().cast(pl.Int64).alias("weekday") - 1,
        (pl.col("day") - calendar[0]).dt.total_days().alias("day"),
        (pl.col("at_ms") // INTERVAL_MS).alias("interval"),
    )
    n_of = np.bincount([day.weekday() for day in calendar], minlength=7)
    classes: list[str] = []
    class_of: list[int | None] = []
    for weekday in range(7):
        kind = day_type(weekday)
        alike = [other for other in range(7) if day_type(other) == kind]
        name = WEEK[weekday] if n_of[alike].min() >= _DAYS_EACH else kind
        if not n_of[alike].any():
            class_of.append(None)
            continue
        if name not in classes:
            classes.append(name)
        class_of.append(classes.index(name))
    of_day = np.array([class_of[day.weekday()] for day in calendar], dtype=np.int64)
    counts = np.zeros((len(calendar), N_INTERVALS), dtype=np.int64)
    day, interval = rows["day"].to_numpy(), rows["interval"].to_numpy()
    np.add.at(counts, (day, interval), 1)
    rates = np.array([counts[of_day == one].mean(axis=0) for one in range(len(classes))])
    cell = of_day[day] * N_INTERVALS + interval
    n_in_cell = np.bincount(cell, minlength=len(classes) * N_INTERVALS)
    found = dispersion(counts, of_day)
    return Profile(
        tuple(classes),
        tuple(class_of),
        rates,
        tuple(int((of_day == one).sum()) for one in range(len(classes))),
        found,
        rows[np.argsort(cell, kind="stable").tolist()].select(STRATUM),
        np.concatenate([[0], np.cumsum(n_in_cell)]).astype(np.int64),
        _in_words(classes, len(calendar), found),
    )


def _in_words(classes: Sequence[str], n_days: int, found: Dispersion) -> str:
    words = (
        f"profile by half-hour and kind of day ({', '.join(classes)}) fitted to {n_days} days of "
        "the log and taken as known; "
    )
    if not found.day and not found.interval:
        return words + (
            "Poisson: no over-dispersion found"
            if found.day_se is not None
            else "Poisson: too few days of a kind to find over-dispersion"
        )
    parts = []
    if found.day:
        error = (
            "" if found.day_se is None else f" (variance {found.day:.2g} +/- {found.day_se:.1g})"
        )
        parts.append(f"day's volume gamma with shape {1 / found.day:.3g}{error}")
    if found.interval:
        parts.append(f"half-hour gamma with shape {1 / found.interval:.3g}")
    return words + "Poisson-gamma: " + ", ".join(parts)


def dispersion(counts: NDArray[np.int64], of_day: NDArray[np.int64]) -> Dispersion:
    """The variances of the gamma factors by moments around the means of each class.

    Args:
        counts: contacts, shape (days, intervals).
        of_day: the class of each day; classes with one day say nothing.

    A factor whose variance is not estimated above 0 is left out, and the other then fitted alone.
    """
    groups = [counts[of_day == one].astype(float) for one in np.unique(of_day)]
    groups = [group for group in groups if len(group) >= 2]
    parts = [_moments(group) for group in groups]
    total = np.sum(parts, axis=0) if parts else np.zeros(4)
    day, interval = _variances(total)
    without = [
        _variances(total - part + _moments(np.delete(group, one, axis=0)))[0]
        for group, part in zip(groups, parts, strict=True)
        for one in range(len(group))
    ]
    n = len(without)
    se = float(np.sqrt((n - 1) * np.var(without))) if n >= 3 else None
    return Dispersion(day, interval, se)


def _moments(group: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance beyond Poisson of totals and of counts, and the squared means they are shares of.

    Each times the degrees of freedom, so that the classes add up.
    """
    n = len(group)
    if n < 2:
        return np.zeros(4)
    totals = group.sum(axis=1)
    spread, mean = totals.var(ddof=1), totals.mean()
    spreads, means = group.var(axis=0, ddof=1), group.mean(axis=0)
    # A squared mean overstates the square of the expectation by the variance of the mean.
    return (n - 1) * np.array(
        [
            spread - mean,
            spreads.sum() - mean,
            mean**2 - spread / n,
            (means**2 - spreads / n).sum(),
        ]
    )


def _variances(moments: NDArray[np.float64]) -> tuple[float, float]:
    of_totals, of_counts, squared_total, squared_counts = (float(moment) for moment in moments)
    if squared_total <= 0 or squared_counts <= 0:
        return 0.0, 0.0
    if squared_total <= squared_counts:
        # One half-hour holds it all: what varies is the day.
        return max(0.0, of_totals / squared_total), 0.0
    day = (of_totals - of_counts) / (squared_total - squared_counts)
    within = of_counts / squared_counts - day
    if within <= 0:
        return max(0.0, of_totals / squared_total), 0.0
    if day <= 0:
        return 0.0, max(0.0, of_counts / squared_counts)
    return day, within / (1 + day)


def day_counts(
    profile: Profile, weekday: int, position: int, draw: int, scale: float, streams: Streams
) -> NDArray[np.int64]:
    """Contacts in each of the 48 half-hours of one simulated day.

    Args:
        profile: :func:`fitted`.
        weekday: 0 is Monday; the log must have such a day, or one of its type.
        position: of the day in its horizon; with ``draw`` the place of the random numbers.
        draw: the bootstrap draw.
        scale: multiplies the rates; more of it keeps the contacts and adds to them.
        streams: random numbers.
    """
    one = profile.class_of[weekday]
    assert one is not None
    found = profile.dispersion
    mean = profile.rates[one] * scale
    if found.day:
        u = streams.uniform(stable_hash([f"input day {position}"]), "day factor", copy=draw)
        mean = mean * special.gammaincinv(1 / found.day, u) * found.day
    places = stable_hash([f"input day {position} {i}" for i in range(N_INTERVALS)])
    if found.interval:
        u = streams.uniform(places, "interval factor", copy=draw)
        mean = mean * special.gammaincinv(1 / found.interval, u) * found.interval
    u = streams.uniform(places, "interval count", copy=draw)
    counts: NDArray[np.int64] = stats.poisson.ppf(u, mean).astype(np.int64)
    return counts


def day_contacts(
    profile: Profile, weekday: int, position: int, draw: int, scale: float, streams: Streams
) -> pl.DataFrame:
    """The contacts of one simulated day: ``draw, arrival_id, copy, at_ms`` and the stratum.

    Within a half-hour times are uniform. The stratum is that of a contact which the log has in the
    same half-hour of the same kind of day; there is one wherever the rate is above 0. Arguments as
    in :func:`day_counts`; ``at_ms`` is ms after local midnight of position 0.
    """
    counts = day_counts(profile, weekday, position, draw, scale, streams)
    interval = np.repeat(np.arange(N_INTERVALS), counts)
    nth = np.arange(interval.size) - np.repeat(np.cumsum(counts) - counts, counts)
    names = [
        f"f{draw:04d}-{position}-{i:02d}-{k:05d}"
        for i, k in zip(interval.tolist(), nth.tolist(), strict=True)
    ]
    keys = stable_hash(names)
    within = (streams.uniform(keys, "arrival time") * INTERVAL_MS).astype(np.int64)
    one = profile.class_of[weekday]
    assert one is not None
    cell = one * N_INTERVALS + interval
    first, last = profile.starts[cell], profile.starts[cell + 1]
    source = first + (streams.uniform(keys, "stratum") * (last - first)).astype(np.int64)
    contacts: pl.DataFrame = profile.contacts[source.tolist()]
    return contacts.select(
        pl.lit(draw, dtype=pl.Int64).alias("draw"),
        pl.Series("arrival_id", names, dtype=pl.String),
        pl.lit(0, dtype=pl.Int64).alias("copy"),
        pl.Series("at_ms", position * DAY_MS + interval * INTERVAL_MS + within, dtype=pl.Int64),
        *STRATUM,
    )
