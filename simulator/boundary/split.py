"""What may be exported, and what is kept to evaluate on: by conversation and by time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from simulator.errors import HistoryError, RunError

_SHARE = 0.6
_DEV = 0.1


class Split(NamedTuple):
    """Ids of conversations by where they go.

    Attributes:
        cut: exported ones begin and end before it.
        day: its date in the scenario's time zone.
        train, dev: exported; the dev part is the last tenth by time.
        held_out: began at the cut or later.
        astride: began before the cut and ended after it; neither exported nor to evaluate on.
        undated: without a start; nothing can be said of them.
        elsewhere: left out since a run to evaluate on replays them.
    """

    cut: datetime
    day: date
    train: frozenset[str]
    dev: frozenset[str]
    held_out: frozenset[str]
    astride: frozenset[str]
    undated: frozenset[str]
    elsewhere: frozenset[str]


def split(
    conversations: pl.DataFrame,
    turns: pl.DataFrame,
    until: date | None,
    zone: ZoneInfo,
    replayed_elsewhere: pl.DataFrame | None = None,
) -> Split:
    """Cut the replayed conversations in two by time.

    Args:
        conversations: table ``conversations``, the replayed ones.
        turns: table ``turns``, of these.
        until: the cut is the midnight before that day; null: the midnight that has nearest to
            60 % of the conversations before it.
        zone: the scenario's time zone.
        replayed_elsewhere: ``conversation_id, started_at`` of what another run is to be evaluated
            on; null: there is no such run, and something must be left after the cut.

    Raises:
        HistoryError: no conversation has a start, or all of them began on one day.
        RunError: the day leaves nothing on one side.
    """
    dated = conversations.filter(pl.col("started_at").is_not_null())
    if dated.is_empty():
        raise HistoryError(
            "export: no replayed conversation has a started_at, so that nothing can be held out "
            "by time; expected times in the history; import them"
        )
    cut = _cut(dated["started_at"], until, zone, alone=replayed_elsewhere is None)
    last = turns.group_by("conversation_id").agg(pl.col("sent_at").max().alias("ended_at"))
    both = dated.join(last, on="conversation_id", how="left").with_columns(
        pl.coalesce("ended_at", "started_at").alias("ended_at")
    )
    before = both.filter(pl.col("started_at") < cut)
    whole = before.filter(pl.col("ended_at") < cut)
    shared = whole.clear()
    if replayed_elsewhere is not None:
        key = ["conversation_id", "started_at"]
        shared = whole.join(replayed_elsewhere.select(key).unique(), on=key, how="semi")
    kept = whole.join(shared, on="conversation_id", how="anti").sort(
        "started_at", "conversation_id"
    )
    n_dev = round(kept.height * _DEV)
    train, dev = kept.head(kept.height - n_dev), kept.tail(n_dev)
    return Split(
        cut,
        cut.astimezone(zone).date(),
        *(
            frozenset(part["conversation_id"].to_list())
            for part in (
                train,
                dev,
                both.filter(pl.col("started_at") >= cut),
                before.filter(pl.col("ended_at") >= cut),
                conversations.filter(pl.col("started_at").is_null()),
                shared,
            )
        ),
    )


def _cut(starts: pl.Series, until: date | None, zone: ZoneInfo, *, alone: bool) -> datetime:
    first, last = starts.min(), starts.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    first, last = first.astimezone(zone), last.astimezone(zone)
    if until is not None:
        cut = _midnight(until, zone)
        if cut <= first:
            raise RunError(
                f"--until {until}: no replayed conversation began before that day; the first began "
                f"on {first:%Y-%m-%d}, the last on {last:%Y-%m-%d}; expected a day between them"
            )
        if alone and cut > last:
            raise RunError(
                f"--until {until}: no replayed conversation began on that day or later, so that "
                f"nothing is held out to evaluate on; the last began on {last:%Y-%m-%d}; name an "
                "earlier day, or the run to evaluate on with --held-out RUN"
            )
        return cut
    days = (last.date() - first.date()).days
    midnights = [_midnight(first.date() + timedelta(n), zone) for n in range(1, days + 1)]
    if not midnights:
        raise HistoryError(
            f"export: all replayed conversations began on {first:%Y-%m-%d}, and they are split by "
            "day; expected a history of two days or more"
        )
    n = len(starts)
    return min(midnights, key=lambda cut: abs(len(starts.filter(starts < cut)) / n - _SHARE))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # In UTC, as the tables are.
    return datetime.combine(day, time(), zone).astimezone(UTC)
