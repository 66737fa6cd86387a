"""When contacts arrive, and which replayed conversation each of them is.

Demand is separate from replay: arrivals come from the full log, from a profile fitted to it, or
from an assumed one, and each draws a replayed conversation of its stratum by weight. Everything is
keyed by the arrival, never by candidate or stage, so that every policy faces the same customers.
"""

from __future__ import annotations

import math
from datetime import date, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from simulator.errors import HistoryError, ScenarioError
from simulator.rollout import profile
from simulator.rollout.logged_days import (
    DAY_MS,
    PLACES,
    STRATUM,
    DrawnDays,
    calendar_of,
    contacts_of,
    days_drawn,
    positions_of,
)
from simulator.scenario import Assume, Demand, Simulation
from simulator.streams import Streams, stable_hash


class Arrivals(NamedTuple):
    """The contacts of all replications, and how they came about.

    Attributes:
        table: ``replication, draw, arrival_id, copy, at_ms, intent, skill, language, channel,
            conversation_id`` (the replayed conversation that it draws). ``at_ms`` is ms after local
            midnight of the first day that counts; warm-up days lie below 0.
        days: for each bootstrap draw the local dates from the first warm-up day to the last day
            (null where the profile is assumed). With a fitted profile they say which day it stands
            for, not what came on it.
        n_days: days that count, 1 or 7.
        warm_up_days: days before them.
        first_weekday: day of the week at time 0 (0 is Monday); null where it is a day of a type.
        n_widened: by number of stratum columns that had to be dropped to find a replayed
            conversation.
        n_logged: days of the log that a simulated day is drawn from or fitted to, the fewest of a
            week's; null where the profile is assumed.
        method: in words.
        profile: :meth:`simulator.rollout.profile.Profile.table`; null unless it was fitted.
    """

    table: pl.DataFrame
    days: list[tuple[date | None, ...]]
    n_days: int
    warm_up_days: int
    first_weekday: int | None
    n_widened: dict[int, int]
    n_logged: int | None
    method: str
    profile: pl.DataFrame | None


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
        demand: day type or week, the log's days or a fitted profile, scale, peaks (of every day).
        simulation: number of draws and of seeds for each; warm-up days.
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
    if replayed.is_empty():
        raise HistoryError(
            "no conversation has both a customer's turn and work (a handle time above 0, not "
            "abandoned); there is nothing to simulate"
        )
    positions = positions_of(demand, simulation)
    found: pl.DataFrame | None = None
    n_logged = None
    scale = demand.scale
    if assume.contacts_per_day is not None or dated.is_empty():
        table, method = _from_profile(fresh, demand, simulation, assume, streams)
        scale = 1.0
        days: list[tuple[date | None, ...]] = [(None,) * len(positions)] * simulation.days
    else:
        table, drawn, method, found = _from_log(dated, demand, simulation, streams)
        days, n_logged = [*drawn.dates], drawn.n_logged
        scale = 1.0 if found is not None else scale
    if simulation.warm_up_days:
        method += f"; {simulation.warm_up_days} warm-up days before, made in the same way"
    table = _with_peaks(_scaled(table, scale, streams), demand, streams)
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
    of_week = demand.day == "week"
    return Arrivals(
        table,
        days,
        positions.stop,
        simulation.warm_up_days,
        0 if of_week else None,
        widened,
        n_logged,
        method,
        found,
    )


def _from_log(
    dated: pl.DataFrame, demand: Demand, simulation: Simulation, streams: Streams
) -> tuple[pl.DataFrame, DrawnDays, str, pl.DataFrame | None]:
    """Contacts, days, method, and the fitted profile, already scaled, where one was asked for."""
    calendar = calendar_of(dated)
    if demand.day in ("weekday", "weekend"):
        wanted = (1, 5) if demand.day == "weekday" else (6, 7)
        if not dated["local"].dt.weekday().is_between(*wanted).any():
            raise ScenarioError(
                f"demand.day = {demand.day!r}; the log has no such day; write another, or give "
                "history.assume.contacts_per_day"
            )
    drawn = days_drawn(calendar, demand, simulation, streams)
    first = -simulation.warm_up_days
    if demand.arrivals == "log":
        return contacts_of(dated, drawn, first, streams), drawn, drawn.method, None
    one = profile.fitted(dated, calendar)
    frames = []
    for draw, dates in enumerate(drawn.dates):
        for position, day in enumerate(dates, first):
            weekday = position % 7 if demand.day == "week" else day.weekday()
            frames.append(profile.day_contacts(one, weekday, position, draw, demand.scale, streams))
    return pl.concat(frames), drawn, one.method, one.table()


def _from_profile(
    fresh: pl.DataFrame, demand: Demand, simulation: Simulation, assume: Assume, streams: Streams
) -> tuple[pl.DataFrame, str]:
    given = assume.contacts_per_day
    mean = (given.value if given is not None else float(fresh.height)) * demand.scale
    shares = np.asarray(assume.arrival_profile, float)
    edges = np.concatenate([[0.0], np.cumsum(shares / shares.sum())])
    frames = []
    for draw in range(simulation.days):
        for position in positions_of(demand, simulation):
            day = f" {position}" if position else ""
            u = streams.uniform(stable_hash([f"input day{day}"]), "volume", copy=draw)[0]
            n = int(stats.poisson.ppf(u, mean))
            names = [f"a{draw:04d}{day.replace(' ', 'd')}-{i:06d}" for i in range(n)]
            keys = stable_hash(names)
            hours = np.interp(streams.uniform(keys, "arrival time"), edges, np.arange(25))
            source = (streams.uniform(keys, "stratum") * fresh.height).astype(np.int64)
            at_ms = (hours * 3_600_000).astype(np.int64) + position * DAY_MS
            frames.append(
                fresh[source.tolist()]
                .select(STRATUM)
                .with_columns(
                    pl.lit(draw).cast(pl.Int64).alias("draw"),
                    pl.Series("arrival_id", names, dtype=pl.String),
                    pl.lit(0).cast(pl.Int64).alias("copy"),
                    pl.Series("at_ms", at_ms),
                )
                .select("draw", "arrival_id", "copy", "at_ms", *STRATUM)
            )
    method = f"assumed profile by hour of the day, Poisson with mean {mean:g} a day"
    if given is None:
        method += " (the whole log taken as one day)"
    if demand.day == "week":
        method += ", every day of the week alike"
    if demand.arrivals == "fitted":
        why = "the log has no time stamps" if given is None else "a volume is given"
        method += f"; no profile was fitted, since {why}"
    return pl.concat(frames), method


def _scaled(table: pl.DataFrame, factor: float, streams: Streams) -> pl.DataFrame:
    if factor == 1.0:
        return table
    return _multiplied(table, np.full(table.height, factor), "scale", streams)


def _with_peaks(table: pl.DataFrame, demand: Demand, streams: Streams) -> pl.DataFrame:
    for number, peak in enumerate(demand.peaks):
        starts, ends = after_midnight_ms(peak.starts), after_midnight_ms(peak.ends)
        inside = (table["at_ms"] % DAY_MS).is_between(starts, ends, closed="left").to_numpy()
        factors = np.where(inside, peak.factor, 1.0)
        table = _multiplied(table, factors, f"peak {number}", streams, (starts, ends))
    return table


def _multiplied(
    table: pl.DataFrame,
    factors: NDArray[np.float64],
    quantity: str,
    streams: Streams,
    within: tuple[int, int] = (0, DAY_MS),
) -> pl.DataFrame:
    """Each row ``factor`` times on average; copies arrive within a quarter of an hour around it.

    They stay ``within`` the times of day given, on the day of the row.
    """
    keys = stable_hash(table["arrival_id"].to_list())
    digits = math.floor(factors.max(initial=1.0)) + 2
    place = (table["draw"].to_numpy() * 1009 + table["copy"].to_numpy()) % PLACES
    u = streams.uniform(keys, quantity, copy=place)
    times = np.floor(factors).astype(np.int64) + (u < factors % 1.0)
    rows = np.repeat(np.arange(table.height), times)
    nth = np.arange(rows.size) - np.repeat(np.cumsum(times) - times, times)
    copies = table[rows.tolist()].with_columns(pl.Series("nth", nth))
    shift = streams.uniform(keys[rows], f"{quantity} shift", copy=place[rows], attempt=nth % PLACES)
    at = copies["at_ms"].to_numpy()
    midnight = at // DAY_MS * DAY_MS
    around = at + ((shift - 0.5) * 1_800_000).astype(np.int64)
    moved = np.clip(around, midnight + within[0], midnight + within[1] - 1)
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
    # Who was replayed is drawn as itself, copies of it too.
    itself = pool.select(
        pl.col("conversation_id").alias("arrival_id"), pl.int_range(pl.len()).alias("row")
    )
    row = (
        table.select("arrival_id")
        .join(itself, on="arrival_id", how="left", maintain_order="left")["row"]
        .fill_null(-1)
        .to_numpy()
        .copy()
    )
    # From here on a copy is an arrival of its own.
    table = table.with_columns(
        pl.when(pl.col("copy") == 0)
        .then("arrival_id")
        .otherwise(pl.format("{}~{}", "arrival_id", "copy"))
        .alias("arrival_id")
    )
    keys = hashes_of(table["arrival_id"])
    u = streams.uniform(keys, "replayed conversation", copy=table["replication"].to_numpy())
    widened: dict[int, int] = {}
    # From the whole stratum down to anything: channel, language, skill, intent are dropped in turn.
    for kept in range(len(STRATUM), -1, -1):
        places = np.flatnonzero(row < 0)
        if not places.size:
            break
        columns = STRATUM[:kept]
        inside = _strata(pool, columns)
        for stratum, lacking in _strata(table[places].select(STRATUM), columns).items():
            if stratum not in inside:
                continue
            here, found = places[lacking], inside[stratum]
            edges = np.cumsum(pool["weight"].to_numpy()[found])
            nth = np.searchsorted(edges, u[here] * edges[-1])
            row[here] = found[np.minimum(nth, found.size - 1)]
            dropped = len(STRATUM) - kept
            widened[dropped] = widened.get(dropped, 0) + here.size
    return table.with_columns(pool["conversation_id"].gather(row)), widened


def _strata(
    frame: pl.DataFrame, columns: tuple[str, ...]
) -> dict[tuple[str | None, ...], NDArray[np.int64]]:
    """The row numbers of each stratum."""
    numbered = frame.with_row_index("row")
    parts: dict[tuple[str | None, ...], pl.DataFrame] = (
        numbered.partition_by(columns, as_dict=True) if columns else {(): numbered}
    )
    return {stratum: part["row"].to_numpy().astype(np.int64) for stratum, part in parts.items()}


def hashes_of(names: pl.Series) -> NDArray[np.uint64]:
    """:func:`simulator.streams.stable_hash` of each name, made once for each that repeats."""
    once = names.unique(maintain_order=True)
    found = pl.DataFrame({"name": once, "hash": stable_hash(once.to_list())})
    table = names.to_frame("name").join(found, on="name", how="left", maintain_order="left")
    return table["hash"].to_numpy()


def after_midnight_ms(moment: time) -> int:
    """Milliseconds from local midnight to ``moment``."""
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1000
