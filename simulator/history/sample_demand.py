"""Who writes to the synthetic desk, about what, and what will happen in the conversation.

Everything that the queue does not decide is drawn here for all contacts at once, before the desk
runs: when they come, how much work they are, how the customer feels, when a high-risk fact comes
to light and when the agent escalates. The dialogues are written along this plan afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special, stats

from simulator import tables
from simulator.history.sample_wordings import content
from simulator.scenario import SampleConfig
from simulator.streams import Streams, stable_hash

MAX_ATTEMPTS = 3
NEVER = 99
# Chances of 1 to 6 decision points before an escalation cuts a conversation short.
_POINTS = np.cumsum([0.22, 0.28, 0.22, 0.14, 0.09, 0.05])


def hour_profile(weekday: int, *, email: bool = False) -> NDArray[np.float64]:
    """Share of a day's chats, or e-mails, by hour from midnight; Monday is 0."""
    part = content("desk")["email" if email else "arrivals"]
    hours = part["weekday" if weekday < 5 else "weekend"]
    profile: NDArray[np.float64] = np.array(hours, float) / np.sum(hours)
    return profile


def day_level(weekday: int) -> float:
    """Expected chats of a day against the configured ones; Monday is 0."""
    return float(content("desk")["arrivals"]["days"][weekday])


def email_level(weekday: int) -> float:
    """Expected e-mails of a day against the configured ones; in a week the same as of chats."""
    chats, mails = content("desk")["arrivals"]["days"], content("desk")["email"]["days"]
    return float(mails[weekday] * sum(chats) / sum(mails))


def plan(config: SampleConfig, weekdays: Sequence[int], streams: Streams) -> pl.DataFrame:
    """One row a first contact, with all that is drawn before the desk runs.

    Args:
        config: size of the sample.
        weekdays: of each day, Monday is 0.
        streams: the sample's random numbers.

    Returns:
        ``arrival_id, replication`` (day), ``channel`` (chat or email), ``arrives_ms`` after local
        midnight, ``intent, language, skill, mood`` (0 calm to 2 angry), ``n_points``,
        ``reply_s`` (how long the reply to an e-mail takes), and the decision points (or
        ``NEVER``) where the customer ``grows_at`` angrier, ``reveals_at`` a high-risk fact,
        ``asks_human_at``, where a human is first needed (``needed_at``) and where the agent
        ``escalates_at``; ``u_unresolved`` with ``p_unresolved`` before waits, ``u_back``,
        ``work_s``.
    """
    day, names = _contacts(config, weekdays, streams)
    intents = content("intents")
    n = len(day)

    def u(quantity: str) -> NDArray[np.float64]:
        return streams.uniform(names, f"sample.{quantity}")

    def pick(quantity: str, shares: Sequence[float]) -> NDArray[np.int64]:
        edges = np.cumsum(shares) / np.sum(shares)
        return np.minimum(np.searchsorted(edges, u(quantity)), len(edges) - 1)

    topic = pick("intent", [about["share"] for about in intents.values()])
    languages = content("desk")["mix"]
    language = pick("language", list(languages.values()))
    high = np.array([about["risk"] == "high" for about in intents.values()])[topic]
    moods = np.cumsum([about["moods"] for about in intents.values()], axis=1)[topic]
    mood = np.minimum((u("mood")[:, None] > moods).sum(axis=1), 2)

    points = 1 + np.minimum(np.searchsorted(_POINTS, u("points")), 5)

    def later(quantity: str, chance: NDArray[np.float64] | float) -> NDArray[np.int64]:
        # Some point after the first, or never.
        at = 1 + np.floor(u(f"{quantity}.at") * (points - 1)).astype(np.int64)
        return np.where((u(quantity) < chance) & (points > 1), at, NEVER)

    grows = later("grows", 0.25)
    reveals = np.where(high, NEVER, later("reveals", 0.06))
    asks_human = later("asks_human", np.array([0.02, 0.08, 0.16])[mood])
    needed = np.where(high, 0, np.minimum(reveals, asks_human))

    late = np.searchsorted([0.72, 0.90], u("late"))  # at once, one point late, or never
    escalates = np.where(needed == NEVER, NEVER, needed + np.array([0, 1, NEVER])[late])
    needless = np.floor(u("needless.at") * points).astype(np.int64)
    escalates = np.where((needed == NEVER) & (u("needless") < 0.03), needless, escalates)
    escalates = np.where(escalates < points, escalates, NEVER)
    points = np.minimum(points, escalates + 1)

    base = np.array([about["unresolved_rate"] for about in intents.values()])[topic]
    unresolved = u("unresolved")
    work = content("desk")["work"]
    spread = np.exp(work["log_sd"] * special.ndtri(u("work")) - work["log_sd"] ** 2 / 2)
    pace = work["per_point_s"] * np.where(high, work["specialist_factor"], 1.0)

    expected = np.array([_levels(config, weekday) for weekday in weekdays])
    email = u("channel") < (expected[:, 1] / expected.sum(axis=1))[day]
    return pl.DataFrame(
        {
            "arrival_id": [f"{d}/{k}" for d, k in zip(day, _within(day), strict=True)],
            "replication": day,
            "channel": np.where(email, "email", "chat"),
            "arrives_ms": _times(day, email, weekdays, u("arrives")),
            "intent": np.array(list(intents))[topic],
            "language": np.array(list(languages))[language],
            "skill": np.where(high, "specialist", "general"),
            "mood": mood,
            "n_points": points,
            "grows_at": grows,
            "reveals_at": reveals,
            "asks_human_at": asks_human,
            "needed_at": np.where(needed < points, needed, NEVER),
            "escalates_at": escalates,
            "p_unresolved": base,
            "u_unresolved": unresolved,
            "u_back": u("back"),
            "work_s": work["wrap_up_s"] + points * pace * spread,
            "reply_s": content("desk")["email"]["reply_s"] * (0.5 + u("reply")),
            "customer_id": [f"c{k:06d}" for k in np.floor(u("customer") * 0.7 * n).astype(int)],
        }
    ).sort("replication", "arrives_ms", "arrival_id")


def arrivals(planned: pl.DataFrame, streams: Streams) -> pl.DataFrame:
    """The table ``arrivals`` of the planned chats, one replication a day."""
    planned = planned.filter(channel="chat")
    work = content("desk")["work"]
    names = stable_hash(planned["arrival_id"])
    means = {
        "patience": work["patience_mean_s"],
        "recontact_delay": work["recontact_delay_s"],
    }
    # An unresolved customer comes back whether answered or not, another one only after hanging
    # up. Waits make some more unresolved later; those do not come back on the same day.
    unresolved = planned["u_unresolved"] < planned["p_unresolved"]
    back = (
        pl.when(unresolved & (planned["u_back"] < work["recontact_unresolved_rate"]))
        .then(2)
        .when(pl.col("u_back") < work["recontact_abandoned_rate"])
        .then(1)
        .otherwise(0)
    )
    return tables.conform(
        "arrivals",
        planned.with_columns(
            pl.lit("human_only").alias("stage"),
            pl.lit("human").alias("candidate"),
            pl.lit("central").alias("bound"),
            pl.col("arrival_id").alias("conversation_id"),
            pl.lit(0).alias("copy"),
            pl.lit("new").alias("cause"),
            pl.lit(2).alias("priority"),
            (pl.col("work_s") * 1000).round().cast(pl.Int64).alias("work_ms"),
            # The second visit settles it: no third one after an answer.
            pl.concat_list(back, back.clip(0, 1), back.clip(0, 1)).alias("recontacts"),
            *(
                pl.concat_list(
                    pl.Series(_exponential(streams, names, quantity, attempt, mean_s))
                    for attempt in range(MAX_ATTEMPTS)
                ).alias(f"{quantity}_ms")
                for quantity, mean_s in means.items()
            ),
        ),
    )


def _contacts(
    config: SampleConfig, weekdays: Sequence[int], streams: Streams
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Day and name of every first contact: a Poisson number around a gamma level."""
    sd = content("desk")["arrivals"]["day_sd"]
    days = stable_hash(f"day {d}" for d in range(len(weekdays)))
    factor = stats.gamma.ppf(streams.uniform(days, "sample.level"), 1 / sd**2, scale=sd**2)
    levels = np.array([sum(_levels(config, weekday)) for weekday in weekdays])
    mean = config.contacts_per_day * levels * factor
    count = stats.poisson.ppf(streams.uniform(days, "sample.count"), mean).astype(np.int64)
    day = np.repeat(np.arange(len(weekdays)), count)
    return day, stable_hash(f"{d}/{k}" for d, k in zip(day, _within(day), strict=True))


def _levels(config: SampleConfig, weekday: int) -> tuple[float, float]:
    """Expected chats and e-mails of a day against the configured contacts."""
    share = config.email_share
    return (1 - share) * day_level(weekday), share * email_level(weekday)


def _within(day: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of a contact within its day."""
    starts = np.searchsorted(day, day)
    return np.arange(len(day)) - starts


def _times(
    day: NDArray[np.int64],
    email: NDArray[np.bool_],
    weekdays: Sequence[int],
    u: NDArray[np.float64],
) -> NDArray[np.int64]:
    times = np.empty(len(day))
    for d, weekday in enumerate(weekdays):
        for mails in (False, True):
            edges = np.concatenate([[0.0], np.cumsum(hour_profile(weekday, email=mails))])
            here = (day == d) & (email == mails)
            times[here] = np.interp(u[here], edges, np.arange(25) * 3_600_000)
    return times.astype(np.int64)


def _exponential(
    streams: Streams, names: NDArray[np.uint64], quantity: str, attempt: int, mean_s: float
) -> NDArray[np.int64]:
    u = streams.uniform(names, f"sample.{quantity}", attempt=attempt)
    return np.maximum(1, (-np.log(u) * mean_s * 1000)).astype(np.int64)
