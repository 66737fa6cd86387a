"""When contacts arrive, and which replayed conversation each of them is.

Demand is separate from replay: arrivals come from the full log (or from an assumed profile), and
each draws a replayed conversation of its stratum by weight. Everything is keyed by the arrival,
never by candidate or stage, so that every policy faces the same customers.
"""

from __future__ import annotations

import math
from datetime import date, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from simulator.errors import HistoryError, ScenarioError
from simulator.scenario import Assume, Demand, Simulation
from simulator.streams import Streams, stable_hash

STRATUM = ("intent", "skill", "language", "channel")
_DAY_MS = 86_400_000
_PLACES = 2**16


class Arrivals(NamedTuple):
    """The contacts of all replications, and how they came about.

    ``table``: ``replication, draw, arrival_id, copy, at_ms, intent, skill, language, channel,
    conversation_id`` (the replayed conversation that it draws). ``days``: the local day of each
    bootstrap draw (null where the profile is assumed). ``n_widened``: by number of stratum columns
    that had to be dropped to find a replayed conversation. ``method``: in words.
    """

    table: pl.DataFrame
    days: list[date | None]
    n_widened: dict[int, int]
    method: str


def arrivals_of(
    conversations: pl.DataFrame,
    replayed: pl.DataFrame,
    demand: Demand,
    simulation: Simulation,
    assume: Assume,
    zone: ZoneInfo,
    streams: Streams,
) -> Arrivals:
    """Arrivals for ``simulation.days`` bootstrap draws times ``simulation.replications`` seeds.

    Args:
        conversations: the full log.
        replayed: ``conversation_id`` of those with decision points and work; they can be drawn.
        demand: day type, scale, peaks.
        simulation: number of draws and of seeds for each.
        assume: volume and profile, used where the log has no time stamps or a volume is given.
        zone: decides days.
        streams: random numbers.

    Raises:
        HistoryError: nothing can be drawn.
        ScenarioError: the log has no day of the type.
    """
    fresh = conversations.filter(pl.col("recontact_of").is_null()).with_columns(
        pl.col("started_at").dt.convert_time_zone(str(zone)).alias("local")
    )
    dated = fresh.filter(pl.col("local").is_not_null())
    wanted = {"weekday": (1, 5), "weekend": (6, 7), "any": (1, 7)}[demand.day]
    of_type = dated.filter(pl.col("local").dt.weekday().is_between(*wanted))
    if replayed.is_empty():
        raise HistoryError(
            "no conversation has both a customer's turn and work (a handle time above 0, not "
            "abandoned); there is nothing to simulate"
        )
    if assume.contacts_per_day is None and of_type.is_empty() and dated.height:
        raise ScenarioError(
            f"demand.day = {demand.day!r}; the log has no such day; write another, or give "
            "history.assume.contacts_per_day"
        )
    if assume.contacts_per_day is not None or dated.is_empty():
        table, method = _from_profile(fresh, demand, simulation, assume, streams)
        days: list[date | None] = [None] * simulation.days
    else:
        logged = sorted(dated["local"].dt.date().unique().to_list())
        span = range((logged[-1] - logged[0]).days + 1)
        calendar = [logged[0] + timedelta(days=n) for n in span]
        calendar = [day for day in calendar if wanted[0] <= day.isoweekday() <= wanted[1]]
        table, days, method = _from_log(of_type, calendar, demand, simulation, streams)
    table = _with_peaks(_scaled(table, demand.scale, streams), demand, streams)
    # One draw of the input serves several seeds: the same arrivals, other patience and choices.
    seeds = pl.DataFrame({"seed": np.arange(simulation.replications)})
    table = (
        table.join(seeds, how="cross")
        .with_columns(
            (pl.col("draw") * simulation.replications + pl.col("seed")).alias("replication")
        )
        .sort("replication", "at_ms", "arrival_id")
    )
    table, widened = _drawn(table, conversations, replayed, streams)
    return Arrivals(table, days, widened, method)


def _from_log(
    dated: pl.DataFrame,
    days: list[date],
    demand: Demand,
    simulation: Simulation,
    streams: Streams,
) -> tuple[pl.DataFrame, list[date | None], str]:
    rows = dated.with_columns(
        pl.col("local").dt.date().alias("day"),
        (
            pl.col("local").dt.hour().cast(pl.Int64) * 3_600_000
            + pl.col("local").dt.minute().cast(pl.Int64) * 60_000
            + pl.col("local").dt.second().cast(pl.Int64) * 1000
            + pl.col("local").dt.millisecond().cast(pl.Int64)
        ).alias("at_ms"),
    )
    u = streams.uniform(
        stable_hash(["input day"] * simulation.days), "day", copy=np.arange(simulation.days)
    )
    chosen = [days[int(x * len(days))] for x in u]
    by_day = rows.partition_by("day", as_dict=True)
    frames = []
    for draw, day in enumerate(chosen):
        # A day without a contact is a day all the same.
        frame = by_day.get((day,), rows.clear()).with_columns(
            pl.lit(0).cast(pl.Int64).alias("copy")
        )
        if 1 < len(days) < 7:
            frame = _resampled(frame, draw, streams)
        frames.append(
            frame.with_columns(pl.lit(draw).cast(pl.Int64).alias("draw")).select(
                "draw", pl.col("conversation_id").alias("arrival_id"), "copy", "at_ms", *STRATUM
            )
        )
    n = len(days)
    if n >= 7:
        method = f"days of the log drawn with replacement from {n} days of type {demand.day}"
    elif n > 1:
        method = (
            f"only {n} days of type {demand.day} in the log: days and their conversations are "
            "drawn with replacement, and the input variance is a lower bound"
        )
    else:
        method = "one day of this type in the log: no input variance can be estimated"
    return pl.concat(frames), list(chosen), method


def _resampled(frame: pl.DataFrame, draw: int, streams: Streams) -> pl.DataFrame:
    names = stable_hash(frame["conversation_id"].to_list())
    chosen = (streams.uniform(names, "resample", copy=draw) * frame.height).astype(np.int64)
    taken: pl.DataFrame = frame[chosen.tolist()]
    return taken.with_columns(
        pl.int_range(pl.len()).over("conversation_id").cast(pl.Int64).alias("copy")
    )


def _from_profile(
    fresh: pl.DataFrame, demand: Demand, simulation: Simulation, assume: Assume, streams: Streams
) -> tuple[pl.DataFrame, str]:
    given = assume.contacts_per_day
    mean = given.value if given is not None else float(fresh.height)
    shares = np.asarray(assume.arrival_profile, float)
    edges = np.concatenate([[0.0], np.cumsum(shares / shares.sum())])
    frames = []
    for draw in range(simulation.days):
        u = streams.uniform(stable_hash(["input day"]), "volume", copy=draw)[0]
        n = int(stats.poisson.ppf(u, mean))
        names = [f"a{draw:04d}-{i:06d}" for i in range(n)]
        keys = stable_hash(names)
        hours = np.interp(streams.uniform(keys, "arrival time"), edges, np.arange(25))
        source = (streams.uniform(keys, "stratum") * fresh.height).astype(np.int64)
        frames.append(
            fresh[source.tolist()]
            .select(STRATUM)
            .with_columns(
                pl.lit(draw).cast(pl.Int64).alias("draw"),
                pl.Series("arrival_id", names, dtype=pl.String),
                pl.lit(0).cast(pl.Int64).alias("copy"),
                pl.Series("at_ms", (hours * 3_600_000).astype(np.int64)),
            )
            .select("draw", "arrival_id", "copy", "at_ms", *STRATUM)
        )
    volume = f"Poisson with mean {mean:g} a day" + (
        "" if given else " (the whole log taken as one day)"
    )
    return pl.concat(frames), f"assumed profile by hour of the day, {volume}"


def _scaled(table: pl.DataFrame, factor: float, streams: Streams) -> pl.DataFrame:
    if factor == 1.0:
        return table
    return _multiplied(table, np.full(table.height, factor), "scale", streams)


def _with_peaks(table: pl.DataFrame, demand: Demand, streams: Streams) -> pl.DataFrame:
    for number, peak in enumerate(demand.peaks):
        starts, ends = after_midnight_ms(peak.starts), after_midnight_ms(peak.ends)
        inside = table["at_ms"].is_between(starts, ends, closed="left").to_numpy()
        factors = np.where(inside, peak.factor, 1.0)
        table = _multiplied(table, factors, f"peak {number}", streams, (starts, ends))
    return table


def _multiplied(
    table: pl.DataFrame,
    factors: NDArray[np.float64],
    quantity: str,
    streams: Streams,
    within: tuple[int, int] = (0, _DAY_MS),
) -> pl.DataFrame:
    """Each row ``factor`` times on average; copies arrive within a quarter of an hour around it."""
    keys = stable_hash(table["arrival_id"].to_list())
    digits = math.floor(factors.max(initial=1.0)) + 2
    place = (table["draw"].to_numpy() * 1009 + table["copy"].to_numpy()) % _PLACES
    u = streams.uniform(keys, quantity, copy=place)
    times = np.floor(factors).astype(np.int64) + (u < factors % 1.0)
    rows = np.repeat(np.arange(table.height), times)
    nth = np.arange(rows.size) - np.repeat(np.cumsum(times) - times, times)
    copies = table[rows.tolist()].with_columns(pl.Series("nth", nth))
    shift = streams.uniform(
        keys[rows], f"{quantity} shift", copy=place[rows], attempt=nth % _PLACES
    )
    at = copies["at_ms"].to_numpy()
    moved = np.clip(at + ((shift - 0.5) * 1_800_000).astype(np.int64), within[0], within[1] - 1)
    return copies.with_columns(
        pl.Series("at_ms", np.where(nth > 0, moved, at)),
        # Copies of copies stay apart: each multiplication has digits of its own.
        (pl.col("copy") * digits + pl.col("nth")).alias("copy"),
    ).drop("nth")


def _drawn(
    table: pl.DataFrame, conversations: pl.DataFrame, replayed: pl.DataFrame, streams: Streams
) -> tuple[pl.DataFrame, dict[int, int]]:
    """Give each arrival the replayed conversation that it is."""
    pool = (
        conversations.join(
            replayed.select("conversation_id").unique(), on="conversation_id", maintain_order="left"
        )
        .select("conversation_id", *STRATUM, pl.col("weight").fill_null(1.0))
        .sort("conversation_id")
    )
    own = set(pool["conversation_id"].to_list())
    drawn: list[str | None] = [name if name in own else None for name in table["arrival_id"]]
    # From here on a copy is an arrival of its own.
    table = table.with_columns(
        pl.when(pl.col("copy") == 0)
        .then("arrival_id")
        .otherwise(pl.format("{}~{}", "arrival_id", "copy"))
        .alias("arrival_id")
    )
    keys = stable_hash(table["arrival_id"].to_list())
    u = streams.uniform(keys, "replayed conversation", copy=table["replication"].to_numpy())
    open_rows = np.array([name is None for name in drawn])
    widened: dict[int, int] = {}
    # From the whole stratum down to anything: channel, language, skill, intent are dropped in turn.
    for kept in range(len(STRATUM), -1, -1):
        if not open_rows.any():
            break
        columns = STRATUM[:kept]
        strata = _strata(pool, columns)
        places = np.flatnonzero(open_rows)
        wanted = table[places.tolist()].select(columns).rows() if columns else [()] * len(places)
        for place, stratum in zip(places, wanted, strict=True):
            found = strata.get(stratum)
            if found is not None:
                names, edges = found
                at = min(int(np.searchsorted(edges, u[place] * edges[-1])), len(names) - 1)
                drawn[place] = names[at]
                open_rows[place] = False
                dropped = len(STRATUM) - kept
                widened[dropped] = widened.get(dropped, 0) + 1
    return table.with_columns(pl.Series("conversation_id", drawn, dtype=pl.String)), widened


def _strata(
    pool: pl.DataFrame, columns: tuple[str, ...]
) -> dict[tuple[str | None, ...], tuple[list[str], NDArray[np.float64]]]:
    parts: dict[tuple[str | None, ...], pl.DataFrame] = (
        pool.partition_by(columns, as_dict=True) if columns else {(): pool}
    )
    return {
        stratum: (part["conversation_id"].to_list(), np.cumsum(part["weight"].to_numpy()))
        for stratum, part in parts.items()
    }


def after_midnight_ms(moment: time) -> int:
    """Milliseconds from local midnight to ``moment``."""
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1000
