"""What is held out: by conversation and by time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.boundary.split import split
from simulator.errors import HistoryError, RunError
from simulator.tables import build

TAIPEI = ZoneInfo("Asia/Taipei")


def logged(starts, lasts):
    ids = [f"c{n}" for n in range(len(starts))]
    conversations = build(
        "conversations",
        [
            {"conversation_id": name, "channel": "chat", "started_at": at}
            for name, at in zip(ids, starts, strict=True)
        ],
    )
    turns = build(
        "turns",
        [
            {"conversation_id": name, "turn": 0, "role": "customer", "sent_at": at and at + last}
            for name, at, last in zip(ids, starts, lasts, strict=True)
        ],
    )
    return conversations, turns


@given(
    st.lists(
        st.tuples(st.integers(0, 20 * 24), st.integers(0, 30), st.booleans()),
        min_size=2,
        max_size=60,
    ),
    st.none() | st.integers(0, 21),
)
def test_a_split_keeps_every_conversation_on_one_side(hours, until):
    first = datetime(2026, 3, 1, tzinfo=UTC)
    starts = [first + timedelta(hours=h) if known else None for h, _, known in hours]
    conversations, turns = logged(starts, [timedelta(hours=last) for _, last, _ in hours])
    day = None if until is None else date(2026, 3, 1) + timedelta(days=until)
    try:
        parts = split(conversations, turns, day, TAIPEI)
    except (RunError, HistoryError):
        return
    groups = [parts.train, parts.dev, parts.held_out, parts.astride, parts.undated, parts.elsewhere]
    assert sum(map(len, groups)) == conversations.height
    assert frozenset().union(*groups) == set(conversations["conversation_id"])
    local = parts.cut.astimezone(TAIPEI)
    assert (local.hour, local.minute, local.date()) == (0, 0, parts.day)
    began = dict(conversations.select("conversation_id", "started_at").iter_rows())
    ended = dict(turns.select("conversation_id", "sent_at").iter_rows())
    exported = parts.train | parts.dev
    assert all(began[one] < parts.cut and ended[one] < parts.cut for one in exported)
    assert all(began[one] >= parts.cut for one in parts.held_out)
    assert parts.held_out
    assert all(began[dev] >= began[train] for dev in parts.dev for train in parts.train)


def test_the_default_cut_is_the_midnight_nearest_to_sixty_in_a_hundred():
    starts = [datetime(2026, 3, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(10)]
    conversations, turns = logged(starts, [timedelta(hours=1)] * 10)
    parts = split(conversations, turns, None, TAIPEI)
    assert parts.day == date(2026, 3, 7)
    assert (len(parts.train), len(parts.dev), len(parts.held_out)) == (5, 1, 4)
    there = conversations.head(3).select("conversation_id", "started_at")
    assert split(conversations, turns, None, TAIPEI, there).elsewhere == {"c0", "c1", "c2"}


def test_without_times_there_is_no_split():
    conversations, turns = logged([None, None], [timedelta()] * 2)
    with pytest.raises(HistoryError, match="no replayed conversation has a started_at"):
        split(conversations, turns, None, TAIPEI)
    one_day, turns = logged([datetime(2026, 3, 1, 1, tzinfo=UTC)] * 2, [timedelta()] * 2)
    with pytest.raises(HistoryError, match="two days or more"):
        split(one_day, turns, None, TAIPEI)
