"""What is left of a replication's contacts: sums small enough to keep for hundreds of them.

All indicators come from these sums. Waits are kept as they are, in twelve bytes each, since the
percentiles of an interval are those of all replications together.

Who counts
    Contacts that arrived before time 0 (warm-up days) do not; their agents' time within the horizon
    does, and so does their place in the queue. Where the log has any live contact (voice or chat),
    waits, service level and abandonment are over live contacts alone: T of a live channel says
    nothing about e-mail. Where it has none they are over all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.contact_center.measures.occupancy import agent_time
from simulator.contact_center.measures.yardstick import DAY_S, Yardstick
from simulator.errors import TableError

CELL = ("stage", "candidate", "bound")
ESCALATIONS = ("handoff", "hand_back", "outage")
PERCENTILES = (50, 90, 99)

_Ints = NDArray[np.int64]
_Reals = NDArray[np.float64]


@dataclass(frozen=True)
class DeskSums:
    """Sums of some replications of one cell. Arrays end in an axis of replications.

    Attributes:
        replications: their numbers, ascending.
        daily: by name, shape (segments, replications); ``wait_p50_ms`` and the like are NaN where
            nobody was answered.
        spans: by name, shape (1 + teams, intervals, replications), the first team being all.
        waits_ms: waits of answered contacts, with the number of their replication, interval and
            offered team (-1: none).
        n_contacts: rows behind it, warm-up included.
    """

    replications: _Ints
    daily: dict[str, _Reals]
    spans: dict[str, _Ints]
    waits_ms: NDArray[np.int32]
    wait_replication: NDArray[np.int32]
    wait_interval: NDArray[np.int16]
    wait_team: NDArray[np.int16]
    n_contacts: int


def desk_sums(
    contacts: pl.DataFrame, roster: pl.DataFrame, by: Yardstick, replications: Sequence[int]
) -> DeskSums:
    """The sums of some replications of one cell.

    Args:
        contacts: table ``contacts`` of one cell, all rows of these replications and no others.
        roster: table ``roster``; rows of other replications are left out.
        by: what is counted.
        replications: those that were simulated; one without contacts was a day without visits.

    Raises:
        TableError: a contact is of another replication.
    """
    days = np.asarray(sorted(replications), dtype=np.int64)
    rows = _coded(contacts, by)
    strange = ~np.isin(rows["replication"], days)
    if strange.any():
        raise TableError(
            f"table contacts: replication = {rows['replication'][strange][0]}; expected one of "
            f"{days[:5].tolist()}{' and so on' if len(days) > 5 else ''}"
        )
    interval_ms = by.interval_s * 1000
    rows["day"] = np.searchsorted(days, rows["replication"])
    chosen = rows["arrived_ms"] >= 0
    counted = {name: column[chosen] for name, column in rows.items()}
    counted["repeats"] = _repeats(contacts)[chosen]
    n_intervals = max(by.n_intervals, int(counted["arrived_ms"].max(initial=0)) // interval_ms + 1)
    spans = _spans(rows, counted, by, len(days), n_intervals)
    logged_in, busy = agent_time(contacts, roster, days, by.teams, interval_ms, by.n_intervals)
    spans["logged_in_ms"], spans["busy_ms"] = (
        np.pad(time, ((0, 0), (0, n_intervals - by.n_intervals), (0, 0)))
        for time in (logged_in, busy)
    )
    kept = counted["live"] & counted["answered"]
    return DeskSums(
        days,
        _daily(rows, counted, by, len(days)),
        spans,
        counted["wait_ms"][kept].astype(np.int32),
        counted["replication"][kept].astype(np.int32),
        (counted["arrived_ms"][kept] // interval_ms).astype(np.int16),
        counted["offered"][kept].astype(np.int16),
        contacts.height,
    )


def together(parts: Iterable[DeskSums], by: Yardstick) -> DeskSums:
    """The sums of all replications of one cell, from those of some at a time."""
    found = list(parts)
    days = np.arange(by.n_replications)
    n_intervals = max([by.n_intervals, *(part.spans["offered"].shape[1] for part in found)])
    daily: dict[str, _Reals] = {}
    spans: dict[str, _Ints] = {}
    for part in found:
        for name, values in part.daily.items():
            empty = np.nan if name.startswith("wait_p") else 0.0
            whole = daily.setdefault(name, np.full((len(by.segments), len(days)), empty))
            whole[:, part.replications] = values
        for name, counts in part.spans.items():
            shape = (len(by.teams) + 1, n_intervals, len(days))
            all_of_them = spans.setdefault(name, np.zeros(shape, dtype=np.int64))
            all_of_them[:, : counts.shape[1], part.replications] = counts
    return DeskSums(
        days,
        daily,
        spans,
        np.concatenate([part.waits_ms for part in found]),
        np.concatenate([part.wait_replication for part in found]),
        np.concatenate([part.wait_interval for part in found]),
        np.concatenate([part.wait_team for part in found]),
        sum(part.n_contacts for part in found),
    )


def percentiles_of(
    group: _Ints, waits: NDArray[np.integer[Any]], n_groups: int, shares: _Reals
) -> _Reals:
    """Percentiles of each group, by linear interpolation; NaN where it is empty.

    Args:
        group: of each wait, from 0 to ``n_groups - 1``.
        waits: ms, 0 or more, below 2^31.
        n_groups: number of groups.
        shares: in [0, 1]; shape (percentiles, groups), or one column for all groups.
    """
    # One sort of whole numbers: the group above, the wait below.
    keys = group << 31
    keys |= waits
    keys.sort()
    ends = np.searchsorted(keys, (np.arange(n_groups, dtype=np.int64) + 1) << 31)
    sizes = np.diff(ends, prepend=0)
    if not len(keys):
        return np.full((len(shares), n_groups), np.nan)
    place = np.clip(shares, 0.0, 1.0) * np.maximum(sizes - 1, 0)
    below = np.floor(place).astype(np.int64)
    first = ends - sizes
    low = np.minimum(first + below, len(keys) - 1)
    high = np.minimum(first + np.minimum(below + 1, np.maximum(sizes - 1, 0)), len(keys) - 1)
    mask = (1 << 31) - 1
    at_low, at_high = keys[low] & mask, keys[high] & mask
    found: _Reals = np.where(sizes > 0, at_low + (place - below) * (at_high - at_low), np.nan)
    return found


def _coded(contacts: pl.DataFrame, by: Yardstick) -> dict[str, NDArray[Any]]:
    """Numbers for names, flags for what became of each visit, 0 for a time that it does not have.

    ``leaves_ms`` is until when it was in the queue, far in the future where it never left.
    """
    outcome = pl.col("outcome")
    leaves = pl.coalesce("started_ms", "abandoned_ms")
    chosen = contacts.lazy().select(
        "conversation_id",
        "replication",
        "arrived_ms",
        "work_ms",
        offered=pl.col("offered_team")
        .cast(pl.Enum(by.teams), strict=False)
        .to_physical()
        .cast(pl.Int64)
        .fill_null(-1),
        answered=outcome == "answered",
        abandoned=outcome == "abandoned",
        turned_away=outcome == "turned_away",
        unserved=outcome == "unserved",
        escalated=pl.col("cause").is_in(ESCALATIONS),
        email=(pl.col("channel") == "email").fill_null(False),
        wait_ms=(leaves - pl.col("arrived_ms")).fill_null(0),
        leaves_ms=leaves.fill_null(1 << 62),
        handled_ms=pl.coalesce("handled_ms", pl.col("ended_ms") - pl.col("started_ms")).fill_null(
            0
        ),
        due_ms=pl.col("deadline_ms").fill_null(-1),
        due_at_ms=(pl.col("arrived_ms") + pl.col("deadline_ms")).fill_null(-1),
    )
    if len(by.segments) > 1:
        chosen = chosen.join(
            by.segment_of.lazy(), on="conversation_id", how="left", maintain_order="left"
        )
    rows = chosen.drop("conversation_id").collect()
    columns = {name: rows[name].to_numpy() for name in rows.columns if name != "segment"}
    if len(by.segments) > 1:
        columns["segment"] = rows["segment"].fill_null(len(by.segments) - 1).to_numpy()
    columns["live"] = ~columns.pop("email") if by.live_only else np.ones(len(rows), dtype=np.bool_)
    columns["met"] = columns["answered"] & (columns["wait_ms"] <= columns.pop("due_ms"))
    return columns


def _repeats(contacts: pl.DataFrame) -> NDArray[np.bool_]:
    """Visits that ask again for the work of one before that counts and was not answered."""
    found = np.zeros(contacts.height, dtype=np.bool_)
    if not (contacts["attempt"].to_numpy() > 0).any():
        return found
    before = (
        contacts.lazy()
        .select("replication", "contact_id", "attempt")
        .with_row_index("row")
        .filter(pl.col("attempt") > 0)
        .with_columns(
            contact_id=pl.concat_str(
                pl.col("contact_id").str.replace(r"\d+$", ""), pl.col("attempt") - 1
            )
        )
    )
    unanswered = contacts.lazy().filter(pl.col("outcome") != "answered", pl.col("arrived_ms") >= 0)
    same = before.join(
        unanswered.select("replication", "contact_id"), on=["replication", "contact_id"], how="semi"
    )
    found[same.select("row").collect()["row"].to_numpy()] = True
    return found


def _daily(
    rows: dict[str, NDArray[Any]], counted: dict[str, NDArray[Any]], by: Yardstick, n_days: int
) -> dict[str, _Reals]:
    """Counts and sums by segment and replication.

    ``needed_ms`` is the work of all that came, answered or not; a visit that repeats one that was
    not answered asks for the same work, which counts once.
    """
    n_segments = len(by.segments)

    def place(of: dict[str, NDArray[Any]]) -> _Ints:
        where: _Ints = of["segment"] * n_days + of["day"] if n_segments > 1 else of["day"]
        return where

    def tally(group: _Ints, weights: NDArray[Any] | None = None) -> _Reals:
        sums = np.bincount(group, weights, n_segments * n_days).reshape(n_segments, n_days)
        if n_segments > 1:
            sums[0] = sums.sum(axis=0)
        return sums.astype(np.float64)

    group = place(counted)
    live, answered, wait_ms = counted["live"], counted["answered"], counted["wait_ms"]
    in_time = wait_ms <= by.target_wait_s * 1000
    chosen, gone, mails = live & answered, live & counted["abandoned"], answered & ~live
    weights = {
        **{name: counted[name] for name in ("answered", "turned_away", "escalated")},
        "handled_ms": counted["handled_ms"],
        "needed_ms": counted["work_ms"] * ~counted["repeats"],
        "live_offered": live,
        "live_answered": chosen,
        "live_abandoned": gone,
        "live_unserved": live & counted["unserved"],
        "wait_ms": wait_ms * chosen,
        "within": chosen & in_time,
        "abandoned_late": gone & ~in_time,
        "email_answered": mails,
        "email_wait_ms": wait_ms * mails,
    }
    end_ms = by.n_days * DAY_S * 1000
    # Whoever is not due yet when the days are over has not missed anything.
    due = (rows["due_at_ms"] >= 0) & (rows["due_at_ms"] < end_ms)
    left = (rows["arrived_ms"] < end_ms) & ~rows["turned_away"] & (rows["leaves_ms"] >= end_ms)
    everyone = place(rows)
    sums = {
        "offered": tally(group),
        **{name: tally(group, each) for name, each in weights.items()},
        "due": tally(everyone, due),
        "met": tally(everyone, due & rows["met"]),
        "backlog": tally(everyone, left),
        "email_backlog": tally(everyone, left & ~rows["live"]),
    }
    shares = np.array(PERCENTILES)[:, None] / 100
    found = percentiles_of(group[chosen], wait_ms[chosen], n_segments * n_days, shares)
    found = found.reshape(len(PERCENTILES), n_segments, n_days)
    if n_segments > 1:
        found[:, 0] = percentiles_of(counted["day"][chosen], wait_ms[chosen], n_days, shares)
    return sums | {f"wait_p{p}_ms": one for p, one in zip(PERCENTILES, found, strict=True)}


def _spans(
    rows: dict[str, NDArray[Any]],
    counted: dict[str, NDArray[Any]],
    by: Yardstick,
    n_days: int,
    n_intervals: int,
) -> dict[str, _Ints]:
    """Counts and sums by offered team, interval of arrival and replication."""
    interval_ms = by.interval_s * 1000
    shape = (len(by.teams) + 1, n_intervals, n_days)

    def place(of: dict[str, NDArray[Any]], at: str) -> _Ints:
        # No team may take it: the last place, which only all of them have.
        team = np.where(of["offered"] < 0, len(by.teams), of["offered"])
        interval = np.clip(of[at] // interval_ms, 0, n_intervals - 1)
        where: _Ints = (team * n_intervals + interval) * n_days + of["day"]
        return where

    def tally(at: _Ints, weights: NDArray[Any] | None = None) -> _Ints:
        sums = np.bincount(at, weights, shape[0] * shape[1] * shape[2]).reshape(shape)
        return np.concatenate([sums.sum(axis=0)[None], sums[:-1]]).astype(np.int64)

    arrived = place(counted, "arrived_ms")
    live, answered, wait_ms = counted["live"], counted["answered"], counted["wait_ms"]
    in_time = wait_ms <= by.target_wait_s * 1000
    chosen, gone = live & answered, live & counted["abandoned"]
    to_staff = live & ~counted["turned_away"]
    # The work that staffing has to meet: the agent's own time where it is known.
    load_ms = np.where(answered, counted["handled_ms"], counted["work_ms"])
    weights = {
        **{name: counted[name] for name in ("answered", "abandoned", "turned_away", "handled_ms")},
        "live_answered": chosen,
        "live_unserved": live & counted["unserved"],
        "wait_ms": wait_ms * chosen,
        "within": chosen & in_time,
        "abandoned_late": gone & ~in_time,
        "to_staff": to_staff,
        "load_ms": load_ms * to_staff,
    }
    waiting = ~rows["turned_away"]
    left = waiting & (rows["leaves_ms"] < n_intervals * interval_ms)
    came = tally(place(rows, "arrived_ms"), waiting)
    # Who came and has not left by the end of the interval; warm-up days begin the queue.
    return {
        "offered": tally(arrived),
        **{name: tally(arrived, each) for name, each in weights.items()},
        "backlog": (came - tally(place(rows, "leaves_ms"), left)).cumsum(axis=1),
    }
