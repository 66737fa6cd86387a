"""The queue model against the operation's own history: days that it has not seen.

The days of a log are split into two halves by date. All that the model has to learn it learns
from the first: work by intent, patience by Kaplan-Meier, and, where there is no schedule, the one
number behind the inferred presence (:mod:`.presence`), chosen so that the level of waits is right
there. The second half is then simulated, human-only, with the log's own
time stamps and presence, and compared day by day.

Definitions, the same for log and model: *wait* is the mean over all contacts of a day, those who
gave up included; *abandonment* is the share not answered; *service level* is answered within T over
answered or given up after T. Where the log does not know how long they waited who gave up, waits
are of the answered alone, and service level is over all. E-mail is left out.

What a 90 % prediction interval of a day contains: chance (replications), what the calibration half
leaves unknown about work and patience (its days drawn anew for each replication), and how far the
calibration days themselves lay from their own predictions, as far as chance does not explain it
(measured in sample, on days that the model has learnt from, hence rather too narrow than too wide).

A held-out day with a quarter of an hour busier than the busiest of the calibration half could
have been by chance (Poisson, p < .001) counts like any other, and is named: nothing was learnt
about such a load. What the correlation would be without it is told, and has no limit.

Of the scenario's desk it knows target, patience and who is there, not chats at once, opening hours
and queues of a size: where the scenario has them, the verdict says that the back-test had not.

What it cannot show: with inferred presence, the held-out days' own services say who was there. It
is the queue that is tested then, given the staffing, not the staffing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center import simulate
from simulator.contact_center.backtest import verdict
from simulator.contact_center.backtest.daily import (
    METRICS,
    Measure,
    compared,
    logged,
    measured,
    misses,
    unusual,
)
from simulator.contact_center.backtest.presence import TEAM, infer_presence
from simulator.contact_center.patience import Patience, patience_of
from simulator.contact_center.roster.schedule import roster_from_schedule
from simulator.scenario import ContactCenter
from simulator.schema import ORDINARY_PRIORITY
from simulator.streams import Streams, stable_hash

LEAST_DAYS = 5
_GAPS_S = (60.0, 120.0, 240.0, 480.0, 960.0)
_TRIAL_REPLICATIONS = 5
_POOL = 50
_MOST_UNKNOWN = 0.1

Reals = NDArray[np.float64]
Tell = Callable[[int, int], None]


class Backtest(NamedTuple):
    """Tables ``backtest`` and ``backtest_days``."""

    backtest: pl.DataFrame
    backtest_days: pl.DataFrame


@dataclass(frozen=True)
class _Staff:
    """Who is there, what they take, their time between contacts, and how that is known."""

    schedule: pl.DataFrame
    teams: pl.DataFrame
    turnaround_s: Reals
    method: str


@dataclass(frozen=True)
class _Learnt:
    """Work (s) and patience by intent; None stands for intents of which there is too little."""

    work_s: dict[str | None, Reals]
    patience: dict[str | None, Patience]


def backtest(
    conversations: pl.DataFrame,
    schedule: pl.DataFrame | None,
    desk: ContactCenter,
    zone: ZoneInfo,
    streams: Streams,
    *,
    teams: pl.DataFrame | None = None,
    replications: int = 100,
    tell: Tell = lambda done, total: None,
) -> Backtest:
    """Test the human-only desk on the second half of a log's days.

    Args:
        conversations: table ``conversations``, every contact of the log.
        schedule: table ``schedule``; None or empty: presence is inferred, and said to be.
        desk: ``target_wait_s``, and the patience assumed where nobody ever gave up.
        zone: decides what a day is.
        streams: random numbers, keyed by contact and replication.
        teams: table ``teams`` of the schedule's teams; default: each takes the skills and
            languages that its agents answered in the calibration half.
        replications: of each held-out day, 20 or more; a fifth of it (at least 20) of each
            calibration day.
        tell: told of days done and days in all.

    Returns:
        See :mod:`simulator.schema.backtest`. Too few days, a log without waits or without handle
        times give verdict ``insufficient`` with the reason.
    """
    contacts = _contacts(conversations, zone)
    days = contacts["day"].unique().sort().to_list()
    first, second = days[: len(days) // 2], days[len(days) // 2 :]
    learnt_from = contacts.filter(pl.col("day").is_in(first))
    held_out = contacts.filter(pl.col("day").is_in(second))
    lack = _lack(learnt_from, held_out)
    if lack is not None:
        return Backtest(verdict.insufficient(lack, len(second)), tables.empty("backtest_days"))

    # Nothing learnt from the first half may hang on how many replications the second gets.
    inputs = _bootstrap(learnt_from, desk, replications, streams)
    left = contacts.filter("abandoned")["wait_s"]
    how = Measure(round(desk.target_wait_s * 1000), left.null_count() > _MOST_UNKNOWN * left.len())
    n_steps = len(first) + len(second)
    if schedule is None or schedule.is_empty():
        staff = _calibrated(contacts, learnt_from, inputs, zone, how, streams)
    else:
        staff = _scheduled(schedule, teams, learnt_from)

    def simulated(part: pl.DataFrame, n: int, before: int) -> pl.DataFrame:
        runs = []
        for place, (_, day) in enumerate(part.group_by("day", maintain_order=True)):
            tell(before + place, n_steps)
            runs.append(_simulated(day, staff, inputs[:n], zone, how, streams))
        return pl.concat(runs)

    fitted = simulated(learnt_from, max(20, replications // 5), 0)
    predicted = simulated(held_out, replications, len(first))
    tell(n_steps, n_steps)
    table = pl.concat(
        [
            compared("calibration", learnt_from, fitted, how, unusual(learnt_from, None)),
            compared(
                "held_out",
                held_out,
                predicted,
                how,
                unusual(held_out, learnt_from),
                misses(learnt_from, fitted, how),
            ),
        ]
    )
    found = tables.conform("backtest_days", table.sort("day", "metric"))
    left_out = [
        what
        for what, is_so in (
            ("chats are worked one at a time", any(t.chats_at_once > 1 for t in desk.teams)),
            ("the desk is always open", bool(desk.opening)),
            ("any number may wait", bool(desk.queue_limit.model_dump(exclude_none=True))),
        )
        if is_so
    ]
    method = staff.method
    if left_out:
        method += f"; unlike at the desk of the scenario {', '.join(left_out)} in the back-test"
    method += (
        "; waits are those of answered contacts, since the log does not know "
        "how long the others waited"
        if how.answered_only
        else ""
    )
    return Backtest(verdict.judged(found, method), found)


def _contacts(conversations: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    local = pl.col("started_at").dt.convert_time_zone(zone.key).dt.replace_time_zone(None)
    return (
        conversations.filter(pl.col("started_at").is_not_null() & (pl.col("channel") != "email"))
        .with_columns(
            day=local.dt.date(),
            arrives_ms=(local - local.dt.truncate("1d")).dt.total_milliseconds(),
        )
        .sort("started_at", "conversation_id")
    )


def _lack(learnt_from: pl.DataFrame, held_out: pl.DataFrame) -> str | None:
    n, m = learnt_from["day"].n_unique(), held_out["day"].n_unique()
    if min(n, m) < LEAST_DAYS:
        return (
            f"the log has {n + m} days with calls or chats; expected at least {2 * LEAST_DAYS}, "
            f"{LEAST_DAYS} to learn from and {LEAST_DAYS} to test on"
        )
    for half, part in (("first", learnt_from), ("second", held_out)):
        if not part["wait_s"].sum():
            return f"the log has no wait above 0 in its {half} half, so there is no queue to test"
        if part.filter(
            pl.col("wait_s").is_not_null() & pl.col("abandoned").is_not_null()
        ).is_empty():
            return f"the {half} half of the log does not say who gave up (wait_s with abandoned)"
    if _served(learnt_from).is_empty():
        return "the first half of the log has no handle time of an answered contact"
    return None


def _served(contacts: pl.DataFrame) -> pl.DataFrame:
    return contacts.filter(
        ~pl.col("abandoned").fill_null(False) & pl.col("handle_time_s").is_not_null()
    )


def _bootstrap(
    learnt_from: pl.DataFrame, desk: ContactCenter, replications: int, streams: Streams
) -> list[_Learnt]:
    """What each replication takes for granted: learnt from days of the half drawn anew."""
    days = [day for _, day in learnt_from.group_by("day", maintain_order=True)]
    names = stable_hash(f"calibration day {place}" for place in range(len(days)))
    served = _served(learnt_from)
    left = learnt_from.filter("abandoned")
    own_work = _frequent(served["intent"])
    own_patience = _frequent(left["intent"])
    by_log = desk.model_copy(update={"patience": "kaplan_meier"})
    found = []
    for replication in range(replications):
        u = streams.uniform(names, "backtest.day", copy=replication)
        drawn = pl.concat([days[place] for place in np.floor(u * len(days)).astype(int)])
        works = _served(drawn)
        # A day drawn may lack what other days have; then the whole half stands in.
        works = served if works.is_empty() else works
        work_s: dict[str | None, Reals] = {None: works["handle_time_s"].to_numpy()}
        patience: dict[str | None, Patience] = {None: patience_of(drawn, by_log)}
        for intent in own_work:
            own = works.filter(pl.col("intent") == intent)["handle_time_s"].to_numpy()
            if own.size:
                work_s[intent] = own
        for intent in own_patience:
            patience[intent] = patience_of(drawn.filter(pl.col("intent") == intent), by_log)
        found.append(_Learnt(work_s, patience))
    return found


def _frequent(intents: pl.Series) -> list[str]:
    counts = intents.drop_nulls().value_counts().filter(pl.col("count") >= _POOL)
    return counts["intent"].sort().to_list()


def _scheduled(
    schedule: pl.DataFrame, teams: pl.DataFrame | None, learnt_from: pl.DataFrame
) -> _Staff:
    method = "presence of agents from the schedule"
    if teams is not None and not teams.is_empty():
        return _Staff(schedule, teams, np.zeros(1), method)
    # A team's agents, whatever a single one of them once did for another team.
    answered = learnt_from.filter(~pl.col("abandoned").fill_null(False)).join(
        schedule.select("agent_id", "team").unique("agent_id", keep="first", maintain_order=True),
        on="agent_id",
    )
    rows = []
    for team in schedule["team"].unique().sort():
        own = answered.filter(pl.col("team") == team)
        takes = {
            f"{what}s": own[what].drop_nulls().unique().sort().to_list()
            for what in ("skill", "language")
        }
        rows.append({"team": team, **takes, "channels": []})
    return _Staff(
        schedule,
        tables.build("teams", rows),
        np.zeros(1),
        f"{method}; each team takes what its agents answered in the first half",
    )


def _calibrated(
    contacts: pl.DataFrame,
    learnt_from: pl.DataFrame,
    inputs: Sequence[_Learnt],
    zone: ZoneInfo,
    how: Measure,
    streams: Streams,
) -> _Staff:
    """Inferred presence; the gap that makes the level of waits right in the calibration half."""
    everyone = tables.build(
        "teams", [{"team": TEAM, "skills": [], "languages": [], "channels": []}]
    )
    observed = measured(logged(learnt_from), ["day"], how)["wait_s"].mean()
    trials: list[tuple[float, float]] = []
    for gap_s in _GAPS_S:
        here = infer_presence(learnt_from, gap_s)
        staff = _Staff(here.schedule, everyone, _or_zero(here.turnaround_s), here.method)
        runs = pl.concat(
            _simulated(day, staff, inputs[:_TRIAL_REPLICATIONS], zone, how, streams)
            for _, day in learnt_from.group_by("day", maintain_order=True)
        )
        level = runs["wait_s"].mean()
        assert isinstance(level, float)
        assert isinstance(observed, float)
        trials.append((abs(np.log((level + 1) / (observed + 1))), gap_s))
    gap_s = min(trials)[1]
    # Turnarounds are learnt; who was there on the held-out days only those days can tell.
    return _Staff(
        infer_presence(contacts, gap_s).schedule,
        everyone,
        _or_zero(infer_presence(learnt_from, gap_s).turnaround_s),
        f"{infer_presence(contacts.clear(), gap_s).method}; that number makes the level of waits "
        "right in the first half",
    )


def _or_zero(turnaround_s: Reals) -> Reals:
    return turnaround_s if turnaround_s.size else np.zeros(1)


def _simulated(
    day: pl.DataFrame,
    staff: _Staff,
    inputs: Sequence[_Learnt],
    zone: ZoneInfo,
    how: Measure,
    streams: Streams,
) -> pl.DataFrame:
    """One day, once with each of ``inputs``: ``day, replication`` and the three measures."""
    when: date = day["day"][0]
    n, names = day.height, stable_hash(day["conversation_id"])
    members: dict[str | None, list[int]] = {}
    for place, intent in enumerate(day["intent"]):
        members.setdefault(intent, []).append(place)
    work, patience = np.empty((len(inputs), n)), np.empty((len(inputs), n))
    for replication, learnt in enumerate(inputs):

        def u(quantity: str, copy: int = replication) -> Reals:
            return streams.uniform(names, f"backtest.{quantity}", copy=copy)

        u_work, u_patience = u("work"), u("patience")
        work[replication] = _drawn(staff.turnaround_s, u("turnaround"))
        for intent, places in members.items():
            pool = learnt.work_s.get(intent, learnt.work_s[None])
            work[replication, places] += _drawn(pool, u_work[places])
            leaves = learnt.patience.get(intent, learnt.patience[None])
            patience[replication, places] = leaves(u_patience[places], day["channel"][places])
    numbers = pl.DataFrame({"replication": np.arange(len(inputs))})
    arrivals = numbers.join(day, how="cross", maintain_order="left_right").with_columns(
        pl.lit("human_only").alias("stage"),
        pl.lit("human").alias("candidate"),
        pl.lit("central").alias("bound"),
        pl.col("conversation_id").alias("arrival_id"),
        pl.lit("new").alias("cause"),
        pl.lit(ORDINARY_PRIORITY).alias("priority"),
        pl.Series("work_ms", np.rint(work.ravel() * 1000).astype(np.int64)),
        # The log's own recontacts stand among its contacts: the model must not add to them.
        pl.concat_list(pl.lit(0, pl.Int64)).alias("recontacts"),
        pl.concat_list(pl.lit(0, pl.Int64)).alias("recontact_delay_ms"),
        pl.Series("patience", np.rint(patience.ravel()).astype(np.int64)),
    )
    arrivals = arrivals.with_columns(pl.concat_list("patience").alias("patience_ms"))
    present = roster_from_schedule(staff.schedule, [[when]], zone, 1.0).drop("replication")
    roster = numbers.join(present, how="cross", maintain_order="left_right")
    seen = simulate(
        tables.conform("arrivals", arrivals),
        tables.conform("roster", roster),
        staff.teams,
        max_attempts=1,
    ).select(
        "replication",
        wait_ms=pl.coalesce("started_ms", "abandoned_ms") - pl.col("arrived_ms"),
        answered=pl.col("started_ms").is_not_null(),
    )
    return measured(seen, ["replication"], how).select(
        pl.lit(when).alias("day"), "replication", *METRICS
    )


def _drawn(pool: Reals, u: Reals) -> Reals:
    return pool[np.floor(u * pool.size).astype(np.int64)]
