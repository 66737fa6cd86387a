"""The synthetic operation's log: what came of every visit to the desk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from simulator.history.sample_demand import NEVER
from simulator.history.sample_wordings import content
from simulator.streams import Streams, stable_hash

MAX_POINTS = 6


def visits(
    planned: pl.DataFrame,
    contacts: pl.DataFrame,
    roster: pl.DataFrame,
    midnight: Callable[[int], datetime],
    streams: Streams,
) -> pl.DataFrame:
    """One row a visit in order of arrival: the columns of ``conversations`` and of the plan.

    Args:
        planned: :func:`simulator.history.sample_demand.plan`.
        contacts: what the desk returned for its arrivals, the chats. An e-mail has one visit,
            without a wait in line and without an agent known by name.
        roster: gives the agents' tenure.
        midnight: the start of a day of the sample, by its number.
        streams: the sample's random numbers.

    Returns:
        Also ``over`` (list of decision points at which the agent promises too much) and
        ``turns_name`` (hash that the dialogue's random numbers belong to).
    """
    tenure = roster.unique("agent_id").select(pl.col("agent_id").alias("agent"), "tenure_months")
    visit = ("arrival_id", "attempt", "agent", "arrived_ms", "started_ms", "work_ms")
    chats = contacts.with_columns(pl.col("conversation_id").alias("arrival_id")).select(visit)
    mails = planned.filter(channel="email").select(
        "arrival_id",
        pl.lit(0).cast(pl.Int64).alias("attempt"),
        pl.lit(None, pl.String).alias("agent"),
        pl.col("arrives_ms").alias("arrived_ms"),
        pl.lit(None, pl.Int64).alias("started_ms"),
        (pl.col("work_s") * 1000).round().cast(pl.Int64).alias("work_ms"),
    )
    log = (
        pl.concat([chats, mails])
        .join(planned.drop("arrives_ms"), on="arrival_id", how="inner", maintain_order="left")
        .join(tenure, on="agent", how="left", maintain_order="left")
        # Nobody can write to a chat that has closed: such a return falls on another day, unseen.
        .filter(
            (pl.col("attempt") == 0)
            | (pl.col("arrived_ms") < content("desk")["staffing"]["closes_min"] * 60_000)
        )
        .sort("replication", "arrived_ms", "arrival_id", "attempt")
    )
    seen = log["replication"].unique().sort().to_list()
    days = pl.DataFrame(
        {"replication": seen, "midnight": [midnight(day) for day in seen]},
        schema={"replication": pl.Int64, "midnight": pl.Datetime("us", "UTC")},
    )
    log = log.join(days, on="replication", how="left", maintain_order="left").with_columns(
        pl.format("s{}", pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(6)).alias(
            "conversation_id"
        ),
        (pl.col("midnight") + pl.duration(milliseconds="arrived_ms")).alias("started_at"),
        ((pl.col("started_ms") - pl.col("arrived_ms")) / 1000).alias("wait_s"),
        (pl.col("started_ms").is_null() & (pl.col("channel") == "chat")).alias("abandoned"),
    )
    names = stable_hash(
        f"{arrival}/{attempt}"
        for arrival, attempt in log.select("arrival_id", "attempt").iter_rows()
    )
    before = log.select(
        "arrival_id",
        (pl.col("attempt") + 1).alias("attempt"),
        pl.col("conversation_id").alias("recontact_of"),
    )
    log = log.join(before, on=("arrival_id", "attempt"), how="left", maintain_order="left")
    over = _over_promises(log, names, streams)
    slipped: NDArray[np.bool_] = np.any(over, axis=1)
    return log.with_columns(
        pl.Series("over", [list(np.flatnonzero(row)) for row in over], dtype=pl.List(pl.Int64)),
        pl.Series("turns_name", names),
        *_outcomes(log, slipped, names, streams),
        pl.when("abandoned").then(None).otherwise(pl.col("work_ms") / 1000).alias("handle_time_s"),
        pl.when("abandoned").then(None).otherwise("agent").alias("agent_id"),
    )


def _over_promises(
    log: pl.DataFrame, names: NDArray[np.uint64], streams: Streams
) -> NDArray[np.bool_]:
    """Which replies promise too much, (visits, MAX_POINTS): newcomers do it more often."""
    tenure = log["tenure_months"].fill_null(120.0).to_numpy()
    chance = 0.028 + 0.085 * np.exp(-tenure / 9)
    points = np.arange(MAX_POINTS)
    u = streams.uniform(
        np.repeat(names, MAX_POINTS), "sample.over", attempt=np.tile(points, len(names))
    ).reshape(-1, MAX_POINTS)
    reached = points < log["n_points"].to_numpy()[:, None]
    answered = ~log["abandoned"].to_numpy()[:, None]
    result: NDArray[np.bool_] = (u < chance[:, None]) & reached & answered
    return result


def _outcomes(
    log: pl.DataFrame, over: NDArray[np.bool_], names: NDArray[np.uint64], streams: Streams
) -> list[pl.Series]:
    """Resolved, escalated, complained and CSAT, by chances that depend on what happened."""
    gone = log["abandoned"].to_numpy()
    unseen = pl.when(pl.col("channel") == "chat").then(600.0).otherwise(0.0)
    waited = log.select(pl.col("wait_s").fill_null(unseen)).to_series()
    wait = np.minimum(waited.to_numpy() / 300, 3.0)
    needed, escalates, points = (
        log[name].to_numpy() for name in ("needed_at", "escalates_at", "n_points")
    )
    late = (needed < points) & (escalates > needed)
    mood = np.minimum(log["mood"].to_numpy() + (log["grows_at"].to_numpy() < points), 2)
    high = (log["skill"] == "specialist").to_numpy()

    # The same uniform as the plan's: a wait or a slip can only add to the unresolved.
    p_unresolved = log["p_unresolved"].to_numpy() + 0.08 * late + 0.03 * over + 0.05 * wait
    unresolved = gone | (log["u_unresolved"].to_numpy() < p_unresolved)
    # Who came back was not helped; a second visit is a new chance.
    again = log.select(
        (pl.col("attempt") < pl.col("attempt").max().over("arrival_id")).alias("again"),
        (pl.col("attempt") > 0).alias("second"),
    )
    second = streams.uniform(names, "sample.second") < p_unresolved
    unresolved = np.where(again["second"].to_numpy() & ~gone, second, unresolved)
    unresolved = unresolved | again["again"].to_numpy()

    p_complaint = (
        0.004
        + np.array([0.0, 0.012, 0.05])[mood]
        + 0.09 * over
        + 0.08 * late
        + 0.025 * unresolved
        + 0.012 * wait
    ) * np.where(high, 1.5, 1.0)
    complained = streams.uniform(names, "sample.complained") < np.where(gone, 0.015, p_complaint)

    noise = 0.7 * special.ndtri(streams.uniform(names, "sample.csat"))
    score = 4.6 - 1.1 * unresolved - 0.5 * mood - 0.35 * wait - 1.2 * complained + noise
    csat = np.clip(np.rint(score), 1, 5).astype(np.int64)
    # Three in ten fill in the survey; one who left the queue never sees it.
    asked = ~gone & (streams.uniform(names, "sample.survey") < 0.3)
    return [
        pl.Series("resolved", ~unresolved),
        pl.Series("escalated", ~gone & (escalates < NEVER)),
        pl.Series("complained", complained),
        pl.Series("csat", [int(c) if a else None for c, a in zip(csat, asked, strict=True)]),
    ]
