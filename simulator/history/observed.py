"""What a log itself says of a desk: when customers come, how long the work takes, who is there.

Everything is counted; where too little is there to count, nothing is returned. Times of day are
local.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from simulator.scenario import WEEK

_HALF_HOUR, _DAY = 1800, 86_400
# Fewer contacts than this say nothing of a group of days' hours.
_ENOUGH = 30
# Open for so long is taken as open around the clock.
_ROUND_THE_CLOCK = 20 * 3600
WEEKDAYS, SATURDAY, SUNDAY = WEEK[:5], WEEK[5:6], WEEK[6:]


class Volume(NamedTuple):
    """Contacts by local day, from the ``first`` day to the ``last``; ``n`` of them have a time.

    ``weekday`` and ``weekend``: median contacts of such a day, null where the log has none.
    """

    first: date
    last: date
    n: int
    weekday: float | None
    weekend: float | None


class Hours(NamedTuple):
    """Hours of a channel on some weekdays: seconds after midnight, ``n`` contacts within them."""

    channel: str
    days: tuple[str, ...]
    opens: int
    closes: int
    n: int
    n_outside: int


class HandleTime(NamedTuple):
    """Of a channel: how many conversations have a handle time, of how many, and seconds."""

    channel: str
    n: int
    of: int
    median: float | None
    low: float | None
    high: float | None
    mean: float | None


class Team(NamedTuple):
    """People of a skill (null: of all) by who served when; ``shifts``: agents, from and to which
    hour, on which weekdays."""

    skill: str | None
    n_agents: int
    shifts: tuple[tuple[int, int, int, tuple[str, ...]], ...]


def local(conversations: pl.DataFrame, zone: ZoneInfo) -> pl.DataFrame:
    """The conversations that have a time, with ``local`` (naive time), ``day`` and ``weekday``
    (0 is Monday)."""
    return (
        conversations.drop_nulls("started_at")
        .with_columns(
            pl.col("started_at")
            .dt.convert_time_zone(zone.key)
            .dt.replace_time_zone(None)
            .alias("local")
        )
        .with_columns(
            pl.col("local").dt.date().alias("day"),
            (pl.col("local").dt.weekday() - 1).alias("weekday"),
        )
    )


def volume(dated: pl.DataFrame) -> Volume | None:
    """Contacts a day, of :func:`local` conversations; null: none has a time."""
    if dated.is_empty():
        return None
    counts = {row[0]: row[1] for row in dated.group_by("day").len().iter_rows()}
    first, last = min(counts), max(counts)
    every = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    usual = []
    for weekend in (False, True):
        days = [counts.get(day, 0) for day in every if (day.weekday() >= 5) == weekend]
        usual.append(_median(days))
    return Volume(first, last, dated.height, usual[0], usual[1])


def opening(dated: pl.DataFrame) -> list[Hours]:
    """Hours in which chats and calls came, by weekday; nothing for a channel open day and night.

    From the first contact to the last, in whole half-hours; where that is nearly the whole day, the
    hours of 99 % of the contacts. Mail comes at any time, and waits.
    """
    found: list[Hours] = []
    for channel in ("chat", "voice"):
        rows = dated.filter(channel=channel).with_columns(
            (
                pl.col("local").dt.hour().cast(pl.Int64) * 3600
                + pl.col("local").dt.minute().cast(pl.Int64) * 60
                + pl.col("local").dt.second()
            ).alias("at")
        )
        of_week = _span(rows.filter(pl.col("weekday") < 5)["at"])
        if of_week is None:
            continue
        of_channel = [Hours(channel, WEEKDAYS, *of_week)]
        for place, days in ((5, SATURDAY), (6, SUNDAY)):
            at = rows.filter(weekday=place)["at"]
            if at.is_empty():
                continue
            span = _span(at)
            if span is None:
                # Few came: the hours of the week, made wide enough for them.
                opens = min(of_week[0], _floor(at.min()))
                span = (opens, max(of_week[1], _ceil(at.max())), at.len(), 0)
            of_channel.append(Hours(channel, days, *span))
        if any(one.closes - one.opens < _ROUND_THE_CLOCK for one in of_channel):
            found += of_channel
    return found


def _span(at: pl.Series) -> tuple[int, int, int, int] | None:
    if at.len() < _ENOUGH:
        return None
    opens, closes = _floor(at.min()), _ceil(at.max())
    if closes - opens >= _ROUND_THE_CLOCK:
        opens, closes = _floor(at.quantile(0.005)), _ceil(at.quantile(0.995))
    inside = int(at.is_between(opens, closes - 1).sum())
    return opens, closes, inside, at.len() - inside


def _floor(second: object) -> int:
    return math.floor(float(str(second)) / _HALF_HOUR) * _HALF_HOUR


def _ceil(second: object) -> int:
    # A contact on the half-hour itself still finds the desk open.
    return min(math.floor(float(str(second)) / _HALF_HOUR + 1) * _HALF_HOUR, _DAY)


def handle_times(conversations: pl.DataFrame) -> list[HandleTime]:
    """By channel, over the conversations that were served; low and high are the quartiles."""
    served = conversations.filter(~pl.col("abandoned").fill_null(False))
    found = []
    for channel in served["channel"].unique().sort():
        rows = served.filter(channel=channel)
        times = rows["handle_time_s"].drop_nulls()
        has = times.len() > 0
        found.append(
            HandleTime(
                channel,
                times.len(),
                rows.height,
                _number(times.median()) if has else None,
                _number(times.quantile(0.25)) if has else None,
                _number(times.quantile(0.75)) if has else None,
                _number(times.mean()) if has else None,
            )
        )
    return found


def teams(dated: pl.DataFrame) -> list[Team]:
    """Who was at work when, by skill, from who served when; nothing where agents are not named.

    An agent is taken to be at work from the first to the last contact of a day. In each hour from
    the desk's first to its last there are as many as on the median day of the kind, one at least.
    """
    served = dated.filter(~pl.col("abandoned").fill_null(False))
    named = served.drop_nulls("agent_id")
    if served.is_empty() or named.height < 0.8 * served.height:
        return []
    if named.filter(pl.col("weekday") < 5)["day"].n_unique() < 3:
        return []
    if named["skill"].null_count() > 0.2 * named.height:
        named = named.with_columns(pl.lit(None, pl.String).alias("skill"))
    main = (
        named.group_by("agent_id", "skill")
        .len()
        .sort("len", "skill", descending=[True, False])
        .unique("agent_id", keep="first", maintain_order=True)
        .select("agent_id", pl.col("skill").alias("team"))
    )
    if set(named["skill"].drop_nulls()) - set(main["team"].drop_nulls()):
        # A skill that is nobody's main one would be left to nobody.
        main = main.with_columns(pl.lit(None, pl.String).alias("team"))
    placed = named.join(main, on="agent_id")
    ends = pl.col("local") + pl.duration(seconds=pl.col("handle_time_s").fill_null(0))
    spans = placed.group_by("team", "agent_id", "day", "weekday").agg(
        pl.col("local").min().dt.hour().cast(pl.Int64).alias("begins"),
        # Not past midnight: a night is two days' work.
        pl.min_horizontal(
            (ends.max() - pl.col("day").first().cast(pl.Datetime)).dt.total_seconds() / 3600,
            pl.lit(24.0),
        )
        .ceil()
        .cast(pl.Int64)
        .alias("ends"),
    )
    found = []
    for team in sorted(main["team"].unique(), key=str):
        rows = spans.filter(pl.col("team").eq_missing(pl.lit(team)))
        agents = main.filter(pl.col("team").eq_missing(pl.lit(team))).height
        shifts = [*_shifts(rows, WEEKDAYS), *_shifts(rows, WEEK[5:])]
        if not shifts:
            return []
        found.append(Team(team, agents, tuple(shifts)))
    return found


def _shifts(
    spans: pl.DataFrame, days: tuple[str, ...]
) -> list[tuple[int, int, int, tuple[str, ...]]]:
    """Shifts that together put the median number at work in every hour of such days."""
    rows = spans.filter((pl.col("weekday") >= 5) == (days != WEEKDAYS))
    if rows.is_empty():
        return []
    n_days = rows["day"].n_unique()
    there = [0] * 24
    for hour in range(24):
        at = rows.filter((pl.col("begins") <= hour) & (pl.col("ends") > hour))
        counts = sorted(at.group_by("day").len()["len"].to_list())
        median = _median([0] * (n_days - len(counts)) + counts) or 0
        there[hour] = max(1, round(median)) if counts else 0
    first = next(hour for hour in range(24) if there[hour])
    last = max(hour for hour in range(24) if there[hour])
    there[first : last + 1] = [max(1, n) for n in there[first : last + 1]]
    found: dict[tuple[int, int], int] = {}
    for level in range(max(there)):
        begins = None
        for hour in range(25):
            busy = hour < 24 and there[hour] > level
            if busy and begins is None:
                begins = hour
            elif not busy and begins is not None:
                found[begins, hour] = found.get((begins, hour), 0) + 1
                begins = None
    return [(n, begins, ends, days) for (begins, ends), n in sorted(found.items())]


def most_at_once(conversations: pl.DataFrame) -> tuple[int, float]:
    """Chats that an agent had at once: the 95th percentile at the beginning of a chat, and the
    share of chats that began beside another. (1, 0) where the log does not say."""
    rows = (
        conversations.filter(channel="chat")
        .drop_nulls(["agent_id", "started_at", "handle_time_s"])
        .with_columns(
            (pl.col("started_at").dt.epoch("us") / 1e6 + pl.col("wait_s").fill_null(0)).alias(
                "begins"
            )
        )
        .with_columns((pl.col("begins") + pl.col("handle_time_s")).alias("ends"))
        .sort("agent_id", "begins")
    )
    at_once = []
    for _, one in rows.group_by("agent_id", maintain_order=True):
        running: list[float] = []
        for begin, end in one.select("begins", "ends").iter_rows():
            running = [other for other in running if other > begin]
            running.append(end)
            at_once.append(len(running))
    if not at_once:
        return 1, 0.0
    at_once.sort()
    beside = sum(n > 1 for n in at_once) / len(at_once)
    return min(6, at_once[int(0.95 * (len(at_once) - 1))]), beside


def _median(values: list[int]) -> float | None:
    return None if not values else _number(pl.Series(values).median())


def _number(value: object) -> float:
    return float(str(value))
