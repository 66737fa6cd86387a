"""When agents were logged in and when they had a contact in hand, by team and interval."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

_Ints = NDArray[np.int64]


def agent_time(
    contacts: pl.DataFrame,
    roster: pl.DataFrame,
    replications: _Ints,
    teams: tuple[str, ...],
    interval_ms: int,
    n_intervals: int,
) -> tuple[_Ints, _Ints]:
    """Time logged in and time busy, in ms.

    An agent with several chats at once is busy while there is at least one. One who ends a contact
    after the shift is logged in until then. Only what lies in the ``n_intervals`` intervals from
    time 0 counts.

    Args:
        contacts: table ``contacts`` of one cell, of the replications only.
        roster: table ``roster``; rows of other replications are left out.
        replications: those that count, ascending.
        teams: the teams, in the order of the result; others count under all of them.

    Returns:
        Two arrays of shape (1 + teams, intervals, replications); the first team is all of them.
    """
    horizon = n_intervals * interval_ms
    lazily = pl.concat(
        [
            part.lazy()
            .filter(counts)
            .select(
                "replication",
                team=pl.col("team")
                .cast(pl.Enum(teams), strict=False)
                .to_physical()
                .cast(pl.Int64)
                .fill_null(len(teams)),
                agent=pl.col(agent),
                starts=pl.col(starts).clip(0, horizon),
                ends=pl.col(ends).clip(0, horizon),
                busy=pl.lit(busy),
            )
            for part, counts, agent, starts, ends, busy in (
                (
                    roster,
                    pl.col("replication").is_in(replications),
                    *("agent_id", "starts_ms", "ends_ms", False),
                ),
                (
                    contacts,
                    pl.col("started_ms").is_not_null(),
                    *("agent", "started_ms", "ended_ms", True),
                ),
            )
        ]
    )
    stretches = (
        lazily.filter(pl.col("starts") < pl.col("ends"))
        .with_columns(
            pl.col("agent")
            .cast(pl.Categorical)
            .to_physical()
            .rank("dense")
            .cast(pl.Int64)
            .fill_null(0)
        )
        .collect()
    )
    day = np.searchsorted(replications, stretches["replication"].to_numpy())
    team = stretches["team"].to_numpy()
    group = team * len(replications) + day
    # Each owner's times lie beyond those of the owner before, so that one sort and one running
    # maximum do for all.
    apart = n_intervals * interval_ms + 1
    owner = (stretches["agent"].to_numpy() * ((len(teams) + 1) * len(replications)) + group) * apart
    starts, ends = owner + stretches["starts"].to_numpy(), owner + stretches["ends"].to_numpy()
    order = np.argsort(starts)
    busy = order[stretches["busy"].to_numpy()[order]]
    shape = (len(teams) + 1, len(replications), n_intervals)
    logged_in, worked = (
        _by_interval(
            *_union(group[chosen], owner[chosen], starts[chosen], ends[chosen]), interval_ms, shape
        )
        for chosen in (order, busy)
    )
    return logged_in, worked


def _union(group: _Ints, owner: _Ints, starts: _Ints, ends: _Ints) -> tuple[_Ints, _Ints, _Ints]:
    """The union of each owner's stretches, by start: group, start and end of each piece."""
    until = np.maximum.accumulate(ends) if len(ends) else ends
    begins = np.ones(len(starts), dtype=np.bool_)
    begins[1:] = starts[1:] > until[:-1]
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(starts))[: len(first)] - 1
    return group[first], (starts - owner)[first], until[last] - owner[last]


def _by_interval(
    group: _Ints, starts: _Ints, ends: _Ints, interval_ms: int, shape: tuple[int, int, int]
) -> _Ints:
    """Time of stretches in each (team, replication, interval); all teams put first."""
    n_teams, n_days, n_intervals = shape
    first, last = starts // interval_ms, (ends - 1) // interval_ms
    cells = n_teams * n_days * (n_intervals + 1)
    row = group * (n_intervals + 1)

    def spread(at: _Ints, weights: _Ints | None = None) -> NDArray[np.float64]:
        return np.bincount(row + at, weights, cells).astype(np.float64)

    # Whole intervals from the one after the first up to the last, then what the ends lack.
    whole = (spread(first + 1) - spread(last + 1)).reshape(-1, n_intervals + 1).cumsum(axis=1)
    ragged = spread(first, np.minimum((first + 1) * interval_ms, ends) - starts)
    over = np.where(last > first, (last + 1) * interval_ms - ends, 0)
    time = whole * interval_ms + (ragged - spread(last, over)).reshape(-1, n_intervals + 1)
    by_team = time[:, :n_intervals].reshape(n_teams, n_days, n_intervals).transpose(0, 2, 1)
    return np.concatenate([by_team.sum(axis=0)[None], by_team[:-1]]).astype(np.int64)
