"""Which days of the log a replication is made of, and the contacts of those days.

A simulated horizon is one day, or a week from a Monday, with warm-up days before it. A *position*
counts its days: 0 is the first that counts, -1 the warm-up day before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from simulator.errors import ScenarioError
from simulator.scenario import WEEK, Demand, Simulation
from simulator.streams import Streams, stable_hash

STRATUM = ("intent", "skill", "language", "channel")
DAY_MS = 86_400_000
# A uniform's place has 16 bits for a copy and for an attempt.
PLACES = 2**16
# Days of a type from which drawing whole days is trusted to show how days differ.
_ENOUGH = 7


class DrawnDays(NamedTuple):
    """The days of each bootstrap draw.

    ``dates``: one tuple a draw, from the first warm-up day to the last day. ``thin``: by position
    in that tuple, whether the log has so few days of the type that their conversations are drawn
    with replacement too. ``n_logged``: days that a counted position is drawn from, the fewest of
    them all. ``method``: in words.
    """

    dates: list[tuple[date, ...]]
    thin: tuple[bool, ...]
    n_logged: int
    method: str


def day_type(weekday: int) -> str:
    """The type of a day of the week (0 is Monday): weekday or weekend."""
    return "weekend" if weekday >= 5 else "weekday"


def calendar_of(dated: pl.DataFrame) -> list[date]:
    """Every day from the first to the last of column ``local``, those without contacts too."""
    days = dated["local"].dt.date().unique().sort().to_list()
    return [days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days + 1)]


def positions_of(demand: Demand, simulation: Simulation) -> range:
    """The positions of the simulated days, warm-up first."""
    return range(-simulation.warm_up_days, 7 if demand.day == "week" else 1)


def days_drawn(
    calendar: Sequence[date], demand: Demand, simulation: Simulation, streams: Streams
) -> DrawnDays:
    """Days of the log for every draw and position, each drawn with replacement.

    For a week each position takes days of its own weekday, or days of its type (Monday to Friday,
    Saturday and Sunday) where the log has fewer than two of the weekday. Otherwise every position
    takes days of the simulated type.

    Raises:
        ScenarioError: the log has no day of the type.
    """
    of_week = demand.day == "week"
    dates, thin, sizes = [], [], []
    widened: dict[str, str] = {}
    for position in positions_of(demand, simulation):
        wanted = day_type(position % 7) if of_week else demand.day
        of_type = [day for day in calendar if wanted in ("any", day_type(day.weekday()))]
        if not of_type:
            raise ScenarioError(
                f"demand.day = {demand.day!r}; the log, {calendar[0]} to {calendar[-1]}, has no "
                f"day of type {wanted}; write another, or give history.assume.contacts_per_day"
            )
        own = [day for day in of_type if day.weekday() == position % 7]
        pool = own if of_week and len(own) >= 2 else of_type
        if of_week and len(own) < 2:
            widened[WEEK[position % 7]] = f"{len(of_type)} of type {wanted}"
        sizes.append(len(pool))
        # The day at position 0 is the same with and without others around it.
        name = f"input day {position}" if position else "input day"
        n = simulation.days
        u = streams.uniform(stable_hash([name] * n), "day", copy=np.arange(n))
        dates.append([pool[int(x * len(pool))] for x in u])
        thin.append(1 < len(of_type) < _ENOUGH)
    if of_week:
        method = _of_weeks(sizes, widened, any(thin))
    else:
        method = _of_days(sizes[0], demand.day)
    n_logged = min(sizes[simulation.warm_up_days :])
    return DrawnDays(list(zip(*dates, strict=True)), tuple(thin), n_logged, method)


def _of_days(n: int, kind: str) -> str:
    if n >= _ENOUGH:
        return f"days of the log drawn with replacement from {n} days of type {kind}"
    if n > 1:
        return (
            f"only {n} days of type {kind} in the log: days and their conversations are "
            "drawn with replacement, and the input variance is a lower bound"
        )
    return "one day of this type in the log: no input variance can be estimated"


def _of_weeks(sizes: Sequence[int], widened: dict[str, str], thin: bool) -> str:
    few, many = min(sizes), max(sizes)
    number = f"{few}" if few == many else f"{few} to {many}"
    method = (
        "weeks put together from days of the log, each weekday drawn with replacement from "
        f"{number} days"
    )
    if widened:
        named = ", ".join(f"{day} from the {pool}" for day, pool in widened.items())
        method += f"; fewer than two of a weekday in the log: {named}"
    if thin:
        method += f"; where a type has fewer than {_ENOUGH} days their conversations are drawn too"
    if few < _ENOUGH:
        method += "; the input variance is a lower bound"
    return method


def contacts_of(
    dated: pl.DataFrame, drawn: DrawnDays, first: int, streams: Streams
) -> pl.DataFrame:
    """The contacts of the drawn days: ``draw, arrival_id, copy, at_ms`` and the stratum.

    Args:
        dated: conversations with their local time in ``local``.
        drawn: :func:`days_drawn`.
        first: the position of the first date of each draw, 0 or below.
        streams: random numbers.

    ``at_ms`` is ms after local midnight of position 0; ``copy`` numbers what a draw has more than
    once.
    """
    by_day = with_local_times(dated).partition_by("day", as_dict=True)
    nobody = with_local_times(dated.clear())
    # Days that count come first, so that their copies are the same with and without warm-up.
    order = sorted(range(len(drawn.thin)), key=lambda place: (place + first < 0, place))
    frames = []
    for draw, dates in enumerate(drawn.dates):
        for place in order:
            position = place + first
            # A day without a contact is a day all the same.
            frame = by_day.get((dates[place],), nobody)
            if drawn.thin[place]:
                frame = _resampled(frame, draw, position, streams)
            frames.append(
                frame.select(
                    pl.lit(draw, dtype=pl.Int64).alias("draw"),
                    pl.col("conversation_id").alias("arrival_id"),
                    pl.col("at_ms") + position * DAY_MS,
                    *STRATUM,
                )
            )
    copy = pl.int_range(pl.len()).over("draw", "arrival_id").cast(pl.Int64).alias("copy")
    return pl.concat(frames).select("draw", "arrival_id", copy, "at_ms", *STRATUM)


def with_local_times(dated: pl.DataFrame) -> pl.DataFrame:
    """``dated`` with ``day`` (date) and ``at_ms`` (of the local clock) from ``local``."""
    local = pl.col("local").dt
    return dated.with_columns(
        local.date().alias("day"),
        (
            local.hour().cast(pl.Int64) * 3_600_000
            + local.minute().cast(pl.Int64) * 60_000
            + local.second().cast(pl.Int64) * 1000
            + local.millisecond().cast(pl.Int64)
        ).alias("at_ms"),
    )


def _resampled(frame: pl.DataFrame, draw: int, position: int, streams: Streams) -> pl.DataFrame:
    names = stable_hash(frame["conversation_id"].to_list())
    u = streams.uniform(names, "resample", copy=draw, attempt=position % PLACES)
    taken: pl.DataFrame = frame[(u * frame.height).astype(np.int64).tolist()]
    return taken
