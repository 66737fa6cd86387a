"""What an engine is given: the arrivals as lists, who may take them, and the checks on both."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from simulator.errors import TableError

# A visit that comes back has lost its place of honour: whatever it was, it is an ordinary contact.
ORDINARY_PRIORITY = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """The arrivals as lists over rows, and who may take them.

    ``line`` and ``line_again`` are the lines (see :class:`simulator.contact_center.rules.Desk`)
    that the first and the later visits join; ``teams_of_line`` and ``lines_of_team`` are the
    desk's.
    """

    arrives: list[int]
    work: list[int]
    line: list[int]
    line_again: list[int]
    patience: list[list[int | None]]
    habits: list[list[int]]
    delays: list[list[int]]
    teams_of_line: list[tuple[int, ...]]
    lines_of_team: list[tuple[tuple[int, ...], ...]]


def plan_of(visits: pl.DataFrame, teams: pl.DataFrame) -> Plan:
    """The plan of the rows of ``visits`` (table ``arrivals``, each with ``arrives_ms``)."""
    kinds = ["channel", "language", "skill"]
    pools: dict[tuple[int, ...], int] = {}
    pool_of: dict[tuple[str | None, ...], int] = {}
    for kind in visits.select(kinds).unique(maintain_order=True).iter_rows():
        able = tuple(
            at for at, team in enumerate(teams.iter_rows(named=True)) if _takes(team, kind)
        )
        pool_of[kind] = pools.setdefault(able, len(pools))
    pool = [pool_of[kind] for kind in visits.select(kinds).iter_rows()]

    priority = visits["priority"].to_list()
    again = [max(one, ORDINARY_PRIORITY) for one in priority]
    rank = {one: at for at, one in enumerate(sorted({*priority, *again}))}
    n = len(rank)
    return Plan(
        arrives=visits["arrives_ms"].to_list(),
        work=visits["work_ms"].to_list(),
        line=[p * n + rank[one] for p, one in zip(pool, priority, strict=True)],
        line_again=[p * n + rank[one] for p, one in zip(pool, again, strict=True)],
        patience=visits["patience_ms"].to_list(),
        habits=visits["recontacts"].to_list(),
        delays=visits["recontact_delay_ms"].to_list(),
        teams_of_line=[able for able in pools for _ in range(n)],
        lines_of_team=[
            tuple(
                tuple(p * n + level for able, p in pools.items() if team in able)
                for level in range(n)
            )
            for team in range(teams.height)
        ],
    )


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


def check_arrivals(arrivals: pl.DataFrame) -> None:
    """Raise TableError where an engine could not run these arrivals."""
    cells = arrivals.select("stage", "candidate", "bound").unique()
    if cells.height > 1:
        raise TableError(
            f"table arrivals: {cells.height} cells of stage, candidate and bound, such as "
            f"{cells.row(0)} and {cells.row(1)}; simulate takes one at a time: filter first"
        )
    visiting = arrivals.filter(pl.col("arrives_ms").is_not_null())
    faults = (
        ("work_ms", pl.col("work_ms") < 0, "0 or more"),
        ("patience_ms", pl.col("patience_ms").list.len() == 0, "one for each attempt"),
        ("patience_ms", pl.col("patience_ms").list.min() < 0, "0 or more, or null"),
        ("recontact_delay_ms", pl.col("recontact_delay_ms").list.min() < 0, "0 or more"),
        ("recontacts", ~pl.col("recontacts").list.eval(pl.element().is_in([0, 1, 2])).list.all(),
         "0 never, 1 after abandoning, 2 either way"),
        ("recontact_delay_ms", pl.col("recontact_delay_ms").list.contains(None), "no null in it"),
    )  # fmt: skip
    for column, fault, allowed in faults:
        odd = visiting.filter(fault)
        if odd.height:
            raise TableError(
                f"table arrivals: {column} = {odd[column].to_list()[0]} in {odd['arrival_id'][0]}; "
                f"expected {allowed}"
            )


def check_roster(roster: pl.DataFrame, teams: pl.DataFrame) -> None:
    """Raise TableError where an engine could not run this roster."""
    known = teams["team"].to_list()
    strange = roster.filter(~pl.col("team").is_in(known))
    if strange.height:
        raise TableError(
            f"table roster: team = {strange['team'][0]!r} of agent {strange['agent_id'][0]!r} is "
            f"not in table teams; expected one of {known}"
        )
    backwards = roster.filter(pl.col("ends_ms") < pl.col("starts_ms"))
    if backwards.height:
        row = backwards.row(0, named=True)
        raise TableError(
            f"table roster: agent {row['agent_id']!r} ends at {row['ends_ms']} ms, before "
            f"starting at {row['starts_ms']} ms; a stretch over midnight ends after 86400000"
        )
    # Sorted by start, the end so far of the agent's earlier stretches tells whether one overlaps.
    agent = ["replication", "agent_id"]
    torn = (
        roster.sort(*agent, "starts_ms")
        .with_columns(
            until=pl.col("ends_ms").shift(1).cum_max().over(agent),
            other=pl.col("team").shift(1).over(agent),
        )
        .filter((pl.col("starts_ms") < pl.col("until")) & (pl.col("team") != pl.col("other")))
    )
    if torn.height:
        row = torn.row(0, named=True)
        raise TableError(
            f"table roster: agent {row['agent_id']!r} is in teams {row['other']!r} and "
            f"{row['team']!r} at {row['starts_ms']} ms; an agent is in one team at a time"
        )
