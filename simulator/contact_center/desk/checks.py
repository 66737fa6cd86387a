"""The checks on the tables that an engine is given."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from simulator.contact_center.desk.state import MOST_CHATS
from simulator.errors import TableError


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
        ("saved_ms", pl.col("saved_ms") < 0, "0 or more, or null"),
        ("deadline_ms", pl.col("deadline_ms") < 0, "0 or more, or null"),
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
    crowded = roster.filter(~pl.col("max_chats").is_between(1, MOST_CHATS))
    if crowded.height:
        raise TableError(
            f"table roster: max_chats = {crowded['max_chats'][0]} of agent "
            f"{crowded['agent_id'][0]!r}; expected 1 to {MOST_CHATS}, or null"
        )
    harmed = roster.filter(pl.col("gain") < 0)
    if harmed.height:
        raise TableError(
            f"table roster: gain = {harmed['gain'][0]} of agent {harmed['agent_id'][0]!r}; "
            "expected 0 or more, or null"
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


def check_chat_speed(chat_speed: Sequence[float]) -> None:
    """Raise TableError where chats could not go on at these speeds."""
    if not chat_speed or chat_speed[0] != 1:
        raise TableError(
            f"chat_speed = {tuple(chat_speed)}; expected 1 first: one chat is worked as a call is"
        )
    for number, speed in enumerate(chat_speed, 1):
        # Each goes on at so many whole thousandths; none at all would be for ever.
        if round(1000 * speed) < number:
            raise TableError(
                f"chat_speed = {speed:g} with {number} chats; expected at least {number / 1000:g}"
            )


def check_hours(hours: pl.DataFrame) -> None:
    """Raise TableError where an engine could not keep these opening hours."""
    backwards = hours.filter(pl.col("closes_ms") <= pl.col("opens_ms"))
    if backwards.height:
        row = backwards.row(0, named=True)
        raise TableError(
            f"table hours: {row['channel']} closes at {row['closes_ms']} ms, and opens at "
            f"{row['opens_ms']} ms; expected opens_ms < closes_ms"
        )
    channel = ["replication", "channel"]
    sorted_ = hours.sort(*channel, "opens_ms")
    overlapping = sorted_.filter(pl.col("opens_ms") < pl.col("closes_ms").shift(1).over(channel))
    if overlapping.height:
        row = overlapping.row(0, named=True)
        raise TableError(
            f"table hours: two openings of {row['channel']} overlap at {row['opens_ms']} ms; merge "
            "them"
        )
    if hours.group_by(channel).agg(pl.col("outside").n_unique())["outside"].max() != 1:
        raise TableError("table hours: a channel has two values of outside; expected one")
