"""From settlements to what the contact centre may be offered: the table ``arrivals``.

One row a potential visit, contained conversations too (an outage needs them), every random
quantity already drawn. What replay cannot know is a bound: a diverged conversation is contained at
best, comes back for a human at worst, and in the central case is contained with an assumed
probability, by the same uniform for every value of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator.rollout.arrival_process import hashes_of
from simulator.rollout.work import reading_s
from simulator.scenario import Assist, ContactCenter, Demand, Rollout
from simulator.schema import EMAIL_PRIORITY, FIRST_GROUP_PRIORITY, ORDINARY_PRIORITY
from simulator.streams import Streams
from simulator.tables import conform

_POINT = ("conversation_id", "turn")
_CELL = ("stage", "candidate", "conversation_id")
_HOUR_MS = 3_600_000

# Uniforms and the channel of each in, patience in ms out, NaN where it never ends.
PatienceOf = Callable[[NDArray[np.float64], pl.Series], NDArray[np.float64]]


def customers(
    arrivals: pl.DataFrame,
    conversations: pl.DataFrame,
    demand: Demand,
    patience_of: PatienceOf,
    streams: Streams,
) -> pl.DataFrame:
    """What each arriving customer will do, whoever answers.

    Args:
        arrivals: ``Arrivals.table`` of :mod:`simulator.rollout.arrival_process`.
        conversations: table ``conversations`` (whether the log's conversation was resolved).
        demand: recontact rates and delay, quit hazard.
        patience_of: uniforms and channels to patience in whole ms (NaN: never leaves); the smaller
            the uniform, the longer the patience.
        streams: random numbers; the place is the arrival and its replication.

    Returns:
        ``arrivals`` with ``patience_ms, recontacts, recontact_delay_ms`` (lists by attempt),
        ``u_contained`` and ``quits_after`` (bot replies the customer waits for).
    """
    table = arrivals.join(
        conversations.select("conversation_id", "resolved"),
        on="conversation_id",
        how="left",
        maintain_order="left",
    )
    names = hashes_of(table["arrival_id"])
    copy = table["replication"].to_numpy()
    unresolved = (~table["resolved"].fill_null(True)).to_numpy()
    patience, recontacts, delays = [], [], []
    for attempt in range(demand.max_attempts):
        u = streams.uniform(names, "patience", copy=copy, attempt=attempt)
        patience.append(patience_of(u, arrivals["channel"]))
        u = streams.uniform(names, "recontact", copy=copy, attempt=attempt)
        served = unresolved * demand.recontact_unresolved_rate.value
        recontacts.append(
            np.where(u < served, 2, np.where(u < demand.recontact_abandoned_rate.value, 1, 0))
        )
        u = streams.uniform(names, "recontact delay", copy=copy, attempt=attempt)
        delays.append(-np.log(u) * demand.recontact_delay_s.value * 1000)
    hazard = demand.bot_quit_hazard.value
    u = streams.uniform(names, "bot quit", copy=copy)
    quits_after = (
        np.floor(np.log(u) / np.log1p(-hazard))
        if 0 < hazard < 1
        else np.full(u.size, 1e9 * (hazard < 1))
    )
    return table.drop("resolved").with_columns(
        _lists("patience_ms", patience),
        _lists("recontacts", recontacts),
        _lists("recontact_delay_ms", delays),
        pl.Series("u_contained", streams.uniform(names, "contained", copy=copy)),
        pl.Series("quits_after", np.minimum(quits_after, 1e9).astype(np.int64)),
    )


def _lists(name: str, columns: list[NDArray[Any]]) -> pl.Series:
    matrix = pl.Series(name, np.rint(np.column_stack(columns)).astype(np.float64))
    return matrix.cast(pl.List(pl.Float64)).list.eval(pl.element().fill_nan(None).cast(pl.Int64))


def scripts(
    decisions: pl.DataFrame,
    settlements: pl.DataFrame,
    work: pl.DataFrame,
    shadow: pl.DataFrame,
    contexts: pl.DataFrame,
    demand: Demand,
    desk: ContactCenter,
    assist: Assist,
) -> pl.DataFrame:
    """How each conversation runs in each cell, before any customer is drawn.

    Args:
        decisions: table ``decisions``.
        settlements: table ``settlements``.
        work: ``rollout.work.human_work``; conversations without work are left out.
        shadow: table ``shadow`` (latencies; drafts to be read).
        contexts: table ``contexts`` of one judge (risk and emotion, for priorities).
        demand: bot and customer reply times.
        desk: reading speeds.
        assist: what a draft saves.

    Returns:
        One row a cell and conversation: ``status, cause, human_s`` (human work from the hand-over,
        or of the whole, with the reading of drafts), ``saved_s`` (what the drafts save of it at an
        ordinary gain; null without drafts), ``hand_back_s`` (if the customer comes back),
        ``bot_turn_ms``, ``work_if_down_ms`` (lists; null where no bot is involved),
        ``n_quittable`` (bot replies that the customer may not wait for), ``angry`` and
        ``high_risk`` (at the point where the bot hands over or diverges, else at the first).
    """
    saved = (
        pl.when(pl.col("draft") == "accepted")
        .then(assist.draft_saves_rate.value)
        .when(pl.col("draft") == "edited")
        .then(assist.edited_saves_rate.value)
        .otherwise(0.0)
    )
    drafted = pl.col("mode") == "assist"
    rows = (
        decisions.join(work, on=_POINT, how="inner", maintain_order="left")
        .join(
            shadow.select("candidate", *_POINT, "reply", "latency_s"),
            on=("candidate", *_POINT),
            how="left",
            maintain_order="left",
        )
        .join(
            contexts.select(*_POINT, "risk", "emotion"),
            on=_POINT,
            how="left",
            maintain_order="left",
        )
        .join(settlements, on=_CELL, how="left", maintain_order="left")
        .sort(*_CELL, "turn")
        .with_columns(
            pl.when(drafted).then(pl.col("work_s") * saved).alias("saved_s"),
            pl.when(drafted).then(reading_s("reply", desk)).alias("draft_s"),
            (pl.col("latency_s").fill_null(demand.bot_reply_s.value)).alias("bot_s"),
            pl.when(pl.col("n_th") == 0)
            .then(0.0)
            .otherwise(demand.customer_reply_s.value)
            .alias("customer_s"),
            (pl.col("status") == "handoff").fill_null(False).alias("hands"),
        )
    )
    here = pl.col("turn") == pl.col("at_turn")
    # What the desk knows of a contact when it comes; what nobody judged raises nothing.
    known_at = pl.col("turn") == pl.col("at_turn").fill_null(pl.col("turn").min())
    before = ~pl.col("hands") | (pl.col("turn") < pl.col("at_turn"))
    auto = pl.col("mode") == "auto"
    # The bot's part of a routed hand-over ends with the customer's message that was routed away.
    bot_ms = (
        ((pl.col("customer_s") + pl.when(auto).then("bot_s").otherwise(0.0)) * 1000)
        .round()
        .cast(pl.Int64)
    )
    in_bot = auto | (here & pl.col("hands") & (pl.col("n_th") > 0))
    down_ms = ((pl.col("remaining_s") + pl.col("reading_s")) * 1000).round().cast(pl.Int64)
    grouped = rows.group_by(_CELL, maintain_order=True).agg(
        pl.col("status").first(),
        pl.col("cause").first(),
        pl.col("total_s").first(),
        pl.col("reading_all_s").first(),
        pl.when(drafted.any()).then(pl.col("saved_s").sum()).alias("saved_s"),
        pl.col("draft_s").sum(),
        (pl.col("emotion") == "angry").filter(known_at).first().fill_null(False).alias("angry"),
        (pl.col("risk") == "high").filter(known_at).first().fill_null(False).alias("high_risk"),
        (pl.col("remaining_s") + pl.col("reading_s")).filter(here).first().alias("from_here_s"),
        auto.any().alias("automated"),
        bot_ms.filter(in_bot).alias("bot_turn_ms"),
        down_ms.filter(in_bot).alias("work_if_down_ms"),
        # Nobody has to wait for the reply that hands over.
        (auto & before).sum().alias("n_quittable"),
    )
    return grouped.with_columns(
        (
            pl.when(pl.col("status") == "handoff").then("from_here_s").otherwise("total_s")
            + pl.col("draft_s")
        ).alias("human_s"),
        (pl.col("total_s") + pl.col("reading_all_s")).alias("hand_back_s"),
        pl.when("automated").then("bot_turn_ms"),
        pl.when("automated").then("work_if_down_ms"),
    )


def arrivals(
    drawn: pl.DataFrame,
    script: pl.DataFrame,
    bound: str,
    rollout: Rollout,
    desk: ContactCenter,
) -> pl.DataFrame:
    """The table ``arrivals`` of one cell (stage, candidate) and bound.

    Priorities: from :data:`FIRST_GROUP_PRIORITY` the groups of ``contact_center.priority`` in their
    order, each contact in the first that it belongs to; then :data:`ORDINARY_PRIORITY`, which
    customers who come back by themselves have too; e-mail has :data:`EMAIL_PRIORITY`, whatever is
    in it, since nobody waits in line with it.

    Args:
        drawn: :func:`customers`.
        script: the rows of :func:`scripts` of one stage and candidate.
        bound: best, central or worst.
        rollout: contained share and delay of those who come back.
        desk: whose turn comes first, and by when an e-mail should be answered.
    """
    contained = {
        "best": pl.lit(True),
        "central": pl.col("u_contained") < rollout.diverged_contained.value,
        "worst": pl.lit(False),
    }[bound]
    rows = drawn.join(
        script, on="conversation_id", how="inner", maintain_order="left"
    ).with_columns(
        pl.col("bot_turn_ms").list.sum().alias("bot_ms"),
        (pl.col("automated") & (pl.col("quits_after") < pl.col("n_quittable"))).alias("quits"),
    )
    # Who quits does not wait for the replies after that.
    with_bot_ms = (
        pl.when("quits")
        .then(pl.col("bot_turn_ms").list.head(pl.col("quits_after")).list.sum())
        .otherwise("bot_ms")
    )
    back_ms = pl.col("at_ms") + with_bot_ms + int(rollout.hand_back_delay_s.value * 1000)
    automated, status = pl.col("automated"), pl.col("status")
    outcome = (
        pl.when(~automated)
        .then(pl.when(status == "assist").then(pl.lit("assist")).otherwise(pl.lit("new")))
        # Who leaves the bot is gone, or at worst comes back.
        .when("quits")
        .then(pl.lit("hand_back" if bound == "worst" else "gone"))
        .when(status == "handoff")
        .then(pl.lit("handoff"))
        .when(status == "diverged")
        .then(pl.when(contained).then(pl.lit("contained")).otherwise(pl.lit("hand_back")))
        # Agreed: the log's outcome stands, and so does its customer's coming back.
        .when((pl.col("recontacts").list.first() == 2) & (pl.col("recontacts").list.len() > 1))
        .then(pl.lit("recontact"))
        .otherwise(pl.lit("contained"))
    )
    rows = rows.with_columns(outcome.alias("outcome"))
    returns = pl.col("outcome") == "recontact"
    arrives = (
        pl.when(pl.col("outcome").is_in(["new", "assist"]))
        .then("at_ms")
        .when(pl.col("outcome") == "handoff")
        .then(pl.col("at_ms") + pl.col("bot_ms"))
        .when(pl.col("outcome") == "hand_back")
        .then(back_ms)
        .when(returns)
        .then(pl.col("at_ms") + pl.col("bot_ms") + pl.col("recontact_delay_ms").list.first())
    )
    seconds = (
        pl.when(pl.col("outcome") == "hand_back")
        .then("hand_back_s")
        .when(returns)
        .then("total_s")
        .otherwise("human_s")
    )
    email = pl.col("channel") == "email"
    deadline_ms = round(desk.email_deadline_h.value * _HOUR_MS)
    return conform(
        "arrivals",
        rows.select(
            "stage",
            "candidate",
            pl.lit(bound).alias("bound"),
            "replication",
            "arrival_id",
            "conversation_id",
            "copy",
            # A contained conversation visits the desk only if an outage sends it there.
            pl.col("outcome").replace({"contained": "outage", "gone": "outage"}).alias("cause"),
            "channel",
            "language",
            "skill",
            pl.when(email)
            .then(EMAIL_PRIORITY)
            .when(returns)
            .then(ORDINARY_PRIORITY)
            .otherwise(_group(desk.priority))
            .alias("priority"),
            arrives.alias("arrives_ms"),
            (seconds * 1000).round().cast(pl.Int64).alias("work_ms"),
            # Drafts help where a human takes a contact over, not where it starts again.
            pl.when(pl.col("outcome").is_in(["assist", "handoff"]))
            .then((pl.col("saved_s") * 1000).round().cast(pl.Int64))
            .alias("saved_ms"),
            pl.when(email).then(deadline_ms).cast(pl.Int64).alias("deadline_ms"),
            # A recontact has used up its first attempt with the bot.
            *(
                pl.when(returns)
                .then(pl.col(column).list.slice(1))
                .otherwise(pl.col(column))
                .alias(column)
                for column in ("patience_ms", "recontacts", "recontact_delay_ms")
            ),
            pl.when(automated).then("at_ms").alias("bot_start_ms"),
            "bot_turn_ms",
            "work_if_down_ms",
            pl.when("quits").then("quits_after").alias("bot_quits_at"),
        ),
    )


def _group(order: Sequence[str]) -> pl.Expr:
    """The priority of the first of the groups in ``order`` that a row belongs to."""
    belongs = {
        "angry": pl.col("angry"),
        "high_risk": pl.col("high_risk"),
        "handoff": pl.col("outcome") == "handoff",
    }
    found = pl.lit(ORDINARY_PRIORITY)
    for place, group in reversed(list(enumerate(dict.fromkeys(order)))):
        found = pl.when(belongs[group]).then(FIRST_GROUP_PRIORITY + place).otherwise(found)
    return found
