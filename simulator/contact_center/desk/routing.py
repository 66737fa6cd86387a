"""Who may take which contact, and after which wait: teams and their routes as records."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.contact_center.desk import state
from simulator.contact_center.desk.state import NOBODY, US, rows
from simulator.schema import CHANNELS, ORDINARY_PRIORITY

_Route = tuple[int, int, int]  # after which wait in us, rank, team


@dataclass(frozen=True, slots=True)
class Routing:
    """Tiers, routes and claims (see :class:`simulator.contact_center.desk.state.Desk`).

    ``entry, rank, rank_again, offered_team`` are over the rows of the arrivals; ``offered_team`` is
    the first of a contact's preferences, or NOBODY.
    """

    tiers: NDArray[Any]
    routes: NDArray[Any]
    claims: NDArray[Any]
    claimed: NDArray[np.int64]
    n_ranks: int
    n_teams: int
    overdue_rank: int
    entry: NDArray[np.int64]
    rank: NDArray[np.int64]
    rank_again: NDArray[np.int64]
    offered_team: NDArray[np.int64]


def routing_of(
    visits: pl.DataFrame, teams: pl.DataFrame, has_hours: bool, limited: Collection[str] = ()
) -> Routing:
    """How the rows of ``visits`` (table ``arrivals``) are routed over ``teams``.

    Args:
        visits: each with a time of arrival.
        teams: table ``teams``; a team may have several rows.
        has_hours: whether opening hours are to be looked at.
        limited: channels of which only so many contacts may wait.
    """
    names = teams["team"].unique(maintain_order=True).to_list()
    order = {name: at for at, name in enumerate(names)}
    kinds = visits.select("channel", "language", "skill").unique(maintain_order=True)
    pools: dict[tuple[str, tuple[_Route, ...]], int] = {}
    pool_of_kind = []
    for kind in kinds.iter_rows():
        key = (kind[0], _routes(kind, teams, order))
        pool_of_kind.append(pools.setdefault(key, len(pools)))

    tiers: list[tuple[int, ...]] = []  # since_arrival, first, last, more, shared, hours, room
    routes: list[tuple[int, int]] = []  # rank, team
    entries, offered = [], []
    reach: list[set[int]] = []  # of each tier, the teams that may take from it
    for channel, able in pools:
        entries.append(len(tiers))
        offered.append(able[0][2] if able else NOBODY)
        waits = sorted({0, *(after for after, _, _ in able)})
        within: set[int] = set()
        for at, wait in enumerate(waits):
            here = [(rank, team) for after, rank, team in able if after == wait]
            more = int(at + 1 < len(waits))
            hours = CHANNELS.index(channel) if has_hours else NOBODY
            first, last = len(routes), len(routes) + len(here)
            shared = int(channel == "chat")
            room = CHANNELS.index(channel) if channel in limited else NOBODY
            tiers.append((wait, first, last, more, shared, hours, room))
            routes += here
            within = within | {team for _, team in here}
            reach.append(within)

    priority = visits["priority"].to_numpy().astype(np.int64)
    # A visit that comes back has lost its place of honour.
    again = np.maximum(priority, ORDINARY_PRIORITY)
    levels = np.unique(np.concatenate([priority, again, [ORDINARY_PRIORITY]]))
    claims: list[tuple[int, int]] = []
    claimed: list[int] = []
    for team in range(len(names)):
        for level in range(len(levels)):
            mine = [t * len(levels) + level for t, able in enumerate(reach) if team in able]
            claims.append((len(claimed), len(claimed) + len(mine)))
            claimed += mine

    pool = (
        visits.select("channel", "language", "skill")
        .join(
            kinds.with_columns(pl.Series("pool", pool_of_kind, dtype=pl.Int64)),
            on=["channel", "language", "skill"],
            nulls_equal=True,
            how="left",
            maintain_order="left",
        )["pool"]
        .to_numpy()
    )
    tier = np.array(tiers, dtype=np.int64).reshape(-1, 7).T
    route = np.array(routes, dtype=np.int64).reshape(-1, 2).T
    claim = np.array(claims, dtype=np.int64).reshape(-1, 2).T
    fields = ("since_arrival", "first", "last", "more", "shared", "hours", "room")
    return Routing(
        tiers=rows(state.Tier, len(tiers), **dict(zip(fields, tier, strict=True))),
        routes=rows(state.Route, len(routes), rank=route[0], team=route[1]),
        claims=rows(state.Claim, len(claims), first=claim[0], last=claim[1]),
        claimed=np.array(claimed, dtype=np.int64),
        n_ranks=len(levels),
        n_teams=len(names),
        overdue_rank=int(np.searchsorted(levels, ORDINARY_PRIORITY)),
        entry=np.array(entries, dtype=np.int64)[pool],
        rank=np.searchsorted(levels, priority).astype(np.int64),
        rank_again=np.searchsorted(levels, again).astype(np.int64),
        offered_team=np.array(offered, dtype=np.int64)[pool],
    )


def _routes(
    kind: tuple[str | None, ...], teams: pl.DataFrame, order: dict[str, int]
) -> tuple[_Route, ...]:
    """The routes that a kind of contact has, by wait, rank and team; one a team."""
    able: dict[int, _Route] = {}
    for row in teams.iter_rows(named=True):
        if _takes(row, kind):
            team = order[row["team"]]
            route = ((row["after_ms"] or 0) * US, row["rank"] or 0, team)
            able[team] = min(route, able.get(team, route))
    return tuple(sorted(able.values()))


def _takes(team: dict[str, list[str]], kind: tuple[str | None, ...]) -> bool:
    channel, language, skill = kind
    return (
        (channel is None or not team["channels"] or channel in team["channels"])
        and (skill is None or not team["skills"] or skill in team["skills"])
        and (
            language is None
            or not team["languages"]
            or any(_speaks(spoken, language) for spoken in team["languages"])
        )
    )


def _speaks(spoken: str, language: str) -> bool:
    # Basic filtering of language tags (RFC 4647, 3.3.1): "zh" takes "zh-Hant", not the reverse.
    spoken, language = spoken.casefold(), language.casefold()
    return language == spoken or language.startswith(spoken + "-")
