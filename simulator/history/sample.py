"""The built-in synthetic operation: a seeded log, its knowledge, its policy, and the truth.

A shop that ships worldwide answers chats in English, Traditional and Simplified Chinese, and, where
a share of e-mails is asked for, these in the words of a chat. Nothing in it is taken from a real
log. Waits, abandonments and agents come from running the human desk
with a known staffing, so that a back-test has a truth to find; outcomes are then drawn with
chances that depend on the wait, the intent, the customer's mood and what the agent did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.history import (
    sample_demand,
    sample_dialogues,
    sample_outcomes,
    sample_reference,
    sample_staffing,
)
from simulator.retrieval import Retriever
from simulator.scenario import SampleConfig
from simulator.streams import Streams

RunDesk = Callable[[pl.DataFrame, pl.DataFrame, pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Sample:
    """The tables of the synthetic operation; no candidate and no judge may see the last two."""

    conversations: pl.DataFrame
    turns: pl.DataFrame
    schedule: pl.DataFrame
    teams: pl.DataFrame
    knowledge: pl.DataFrame
    commitments_policy: pl.DataFrame
    truth_sentences: pl.DataFrame
    truth_contexts: pl.DataFrame


def generate(
    config: SampleConfig, zone: ZoneInfo, run_desk: RunDesk, *, flat_articles: bool = True
) -> Sample:
    """Make the operation; the same arguments give the same tables.

    Args:
        config: from which day on, how many days, how many first contacts on an average
            working day (recontacts of the same day come on top), and how many of the answered
            conversations have turns: a random sample stratified by intent and language, whose
            ``weight`` is the stratum's answered conversations over those with turns.
        zone: decides where a day begins. Times of day are hours after local midnight.
        run_desk: the human desk, ``(arrivals, roster, teams) -> contacts``; a day is one
            replication. A visit that it never serves counts as abandoned, with null wait unless
            it gave up. It is offered the chats alone: the log's e-mails are answered elsewhere,
            about a day later, by people whom it does not name, and their ``wait_s`` is null.
        flat_articles: articles state their promises flatly; False gives their hedged form and
            changes nothing else.
    """
    streams = Streams(config.seed)

    def midnight(day: int) -> datetime:
        local = datetime.combine(config.first_day + timedelta(days=day), time(), zone)
        return local.astimezone(UTC)

    weekdays = [(config.first_day + timedelta(days=day)).weekday() for day in range(config.days)]
    planned = sample_demand.plan(config, weekdays, streams)
    roster = sample_staffing.roster(config, weekdays, planned, streams)
    teams = sample_staffing.teams()
    contacts = run_desk(sample_demand.arrivals(planned, streams), roster, teams)
    visits = sample_outcomes.visits(planned, contacts, roster, midnight, streams)
    visits = visits.with_columns(_weights(visits, config.conversations, streams))
    chosen = visits.filter(pl.col("weight").is_not_null())
    # Agents look things up in the hedged form, so that `flat_articles` changes the articles alone.
    retriever = Retriever(sample_reference.knowledge(midnight, flat=False))
    written = sample_dialogues.write(chosen, retriever, streams)
    policy = sample_reference.commitments_policy(midnight)
    return Sample(
        conversations=tables.conform("conversations", visits),
        turns=written.turns,
        schedule=sample_staffing.schedule(roster, midnight),
        teams=teams,
        knowledge=sample_reference.knowledge(midnight, flat=flat_articles),
        commitments_policy=policy,
        truth_sentences=sample_reference.truth_sentences(written.spoken, policy),
        truth_contexts=written.truth_contexts,
    )


def _weights(visits: pl.DataFrame, wanted: int, streams: Streams) -> pl.Series:
    """``weight`` of the conversations that get turns, null for the others."""
    frame = visits.select(
        "intent",
        "language",
        "abandoned",
        pl.Series("u", streams.uniform(visits["turns_name"].to_numpy(), "sample.chosen")),
    ).with_row_index("row")
    answered = frame.filter(~pl.col("abandoned"))
    strata = (
        answered.group_by("intent", "language", maintain_order=True)
        .agg(pl.len().alias("size"))
        .sort("intent", "language")
    )
    n = _allocation(strata["size"].to_numpy(), min(wanted, answered.height))
    chosen = (
        answered.join(
            strata.with_columns(pl.Series("n", n)), on=("intent", "language"), maintain_order="left"
        )
        .sort("u")
        .with_columns(pl.int_range(pl.len()).over("intent", "language").alias("rank"))
        .filter(pl.col("rank") < pl.col("n"))
        .select("row", (pl.col("size") / pl.col("n")).alias("weight"))
    )
    return frame.join(chosen, on="row", how="left", maintain_order="left")["weight"]


def _allocation(sizes: NDArray[np.integer[Any]], total: int) -> NDArray[np.int64]:
    """``total`` shared over strata by size, largest remainders first; one each where it can be."""
    least = np.ones_like(sizes) if total >= len(sizes) else np.zeros_like(sizes)
    exact = (total - least.sum()) * (sizes - least) / max(1, (sizes - least).sum())
    n: NDArray[np.int64] = least.astype(np.int64) + np.floor(exact).astype(np.int64)
    n[np.argsort(-(exact % 1), kind="stable")[: total - n.sum()]] += 1
    return n
