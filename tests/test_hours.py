"""When the desk is open, who comes back when it is closed, and what an outage of the bot does."""

from __future__ import annotations

from datetime import time
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import tables
from simulator.contact_center import simulate
from simulator.contact_center.desk.checks import check_hours
from simulator.contact_center.outages import on_each_day, with_outages
from simulator.contact_center.roster.hours import hours_of, returns_when_open
from simulator.contact_center.roster.schedule import DAY_MS, horizon_of
from simulator.errors import TableError
from simulator.scenario import WEEK, ContactCenter, Demand, Opening, Outage
from simulator.schema import EMAIL_PRIORITY, ORDINARY_PRIORITY
from tests.test_contact_center import able, arrival, bot, presence

HOUR = 3_600_000
A_WEEK = horizon_of(Demand(day="week"))
ONE_DAY = horizon_of(Demand())


def opening(opens: int, closes: int, **more: Any) -> Opening:
    """Whole hours; 24 is the last second of the day."""
    last = time(closes) if closes < 24 else time(23, 59, 59)
    return Opening(opens=time(opens), closes=last, **more)


def by_hour(hours: pl.DataFrame, channel: str) -> list[tuple[float, float]]:
    mine = hours.filter(replication=0, channel=channel)
    return [(opens / HOUR, closes / HOUR) for opens, closes in mine[:, 2:4].iter_rows()]


# Opening hours: exact.


def test_a_desk_without_openings_is_always_open() -> None:
    assert hours_of(ContactCenter(), A_WEEK, 3).equals(tables.empty("hours"))


def test_the_engine_keeps_the_hours() -> None:
    desk = ContactCenter.model_validate(
        {
            "opening": [opening(9, 17, channels=["voice", "chat", "email"])],
            "outside": {"chat": "next_opening"},
        }
    )
    horizon = horizon_of(Demand(day="week"), 1)
    rows = [
        arrival(f"{channel} {hour}", hour * HOUR, channel=channel)
        for channel in ("voice", "chat", "email")
        for hour in (-1, 10, 20)
    ]
    contacts = simulate(
        tables.build("arrivals", rows),
        tables.build("roster", [presence("x", -DAY_MS, 7 * DAY_MS)]),
        tables.build("teams", [able()]),
        hours=hours_of(desk, horizon, 1),
        engine="simpy",
    )
    seen = {
        (name[:-2], outcome, None if at is None else at // HOUR)
        for name, outcome, at in contacts.select("contact_id", "outcome", "started_ms").iter_rows()
    }
    assert seen == {
        *((f"voice {hour}", "turned_away", None) for hour in (-1, 20)),
        *((f"email {hour}", "answered", hour) for hour in (-1, 20)),
        ("chat -1", "answered", 9),
        ("chat 20", "answered", 33),
        *((f"{channel} 10", "answered", 10) for channel in ("voice", "chat", "email")),
    }


def test_hours_by_weekday_and_channel() -> None:
    desk = ContactCenter.model_validate(
        {
            "opening": [
                opening(9, 18, days=WEEK[:5], channels=["voice", "chat"]),
                opening(10, 14, days=["sat"], channels=["voice"]),
            ],
            "outside": {"chat": "next_opening"},
        }
    )
    week = hours_of(desk, horizon_of(Demand(day="week"), 2), 2)
    days = [(24.0 * day + 9, 24.0 * day + 18) for day in range(5)]
    assert by_hour(week, "chat") == days
    # The two warm-up days are a Saturday and a Sunday.
    assert by_hour(week, "voice") == [(-38, -34), *days, (130, 134)]
    assert by_hour(week, "email") == []
    assert dict(week.select("channel", "outside").iter_rows()) == {
        "chat": "next_opening",
        "voice": "turn_away",
    }
    first = week.filter(replication=0).drop("replication")
    assert first.equals(week.filter(replication=1).drop("replication"))
    # Whoever is closed on all simulated days is not always open.
    weekend = hours_of(desk, horizon_of(Demand(day="weekend")), 1)
    assert by_hour(weekend, "voice") == [(10, 14)]
    assert weekend.filter(channel="chat")["closes_ms"].to_list() == [1 - DAY_MS]
    check_hours(weekend)
    assert by_hour(hours_of(desk, horizon_of(Demand(day="any")), 1), "voice") == [(9, 18)]


def test_openings_that_touch_or_overlap_are_one() -> None:
    desk = ContactCenter(
        opening=(opening(18, 24), opening(0, 6), opening(9, 12), opening(11, 13), opening(13, 14))
    )
    assert by_hour(hours_of(desk, A_WEEK, 1), "email") == [
        (0, 6),
        *[
            span
            for day in range(7)
            for span in ((24 * day + 9, 24 * day + 14), (24 * day + 18, 24 * day + 30))
        ][:-1],
        (24 * 6 + 18, 24 * 7),
    ]


# Coming back to a closed desk: exact.


def returning(name: str, at: float, **more: Any) -> dict[str, Any]:
    return arrival(name, int(at * HOUR), **{"cause": "hand_back", **more})


def moved_to(rows: list[dict[str, Any]], roster: list[dict[str, Any]]) -> dict[str, Any]:
    before = tables.build("arrivals", rows)
    moved = returns_when_open(before, tables.build("roster", roster))
    assert moved.drop("arrives_ms").equals(before.drop("arrives_ms"))
    return {
        name: at if at is None else at / HOUR
        for name, at in moved.select("arrival_id", "arrives_ms").iter_rows()
    }


def test_who_returns_after_closing_comes_at_the_next_opening() -> None:
    rows = [
        returning("back", 21),
        returning("again", 21, cause="recontact"),
        arrival("new", 21 * HOUR),
        returning("early", 10),
        returning("as it opens", 9),
        returning("in the break", 14),
        returning("as it closes", 20),
        returning("before it opens", 3),
        arrival("contained", None, cause="hand_back"),
    ]
    one_day = [presence("x", 9 * HOUR, 13 * HOUR), presence("x", 15 * HOUR, 20 * HOUR)]
    assert moved_to(rows, one_day) == {
        "back": 9,
        "again": 9,
        "new": 21,
        "early": 10,
        "as it opens": 9,
        "in the break": 14,
        "as it closes": 9,
        "before it opens": 9,
        "contained": None,
    }
    next_day = [presence("y", 24 * HOUR + 8 * HOUR, 24 * HOUR + 16 * HOUR)]
    moved = moved_to([*rows, returning("last", 45)], one_day + next_day)
    assert (moved["back"], moved["as it closes"], moved["last"]) == (32, 32, 9)
    assert moved_to([returning("back", 21)], []) == {"back": 21}


def test_after_the_last_closing_comes_the_first_opening_of_all() -> None:
    # So each opening, that of the warm-up day too, has one night's returns before it.
    roster = [presence("x", (24 * day + 9) * HOUR, (24 * day + 17) * HOUR) for day in (-1, 0)]
    moved = moved_to([returning("warm", -5), returning("last", 19)], roster)
    assert moved == {"warm": 9, "last": -15}


def test_a_night_shift_keeps_the_desk_open_until_it_ends() -> None:
    roster = [presence("day", 9 * HOUR, 17 * HOUR), presence("owl", 22 * HOUR, 30 * HOUR)]
    rows = [returning(str(hour), hour) for hour in (18, 23, 29, 31)]
    later = [presence("day", 33 * HOUR, 41 * HOUR)]
    assert moved_to(rows, roster + later) == {"18": 18, "23": 23, "29": 29, "31": 33}


def test_every_replication_has_its_own_hours() -> None:
    roster = [presence("x", 9 * HOUR, 17 * HOUR), presence("x", 7 * HOUR, 22 * HOUR, replication=1)]
    rows = [returning(f"{n}", 20, replication=n) for n in (2, 1, 0)]
    assert moved_to(rows, roster) == {"2": 20, "1": 20, "0": 9}


def test_channels_with_hours_are_left_to_them() -> None:
    rows = [returning("chat", 20), returning("voice", 20, channel="voice")]
    arrivals = tables.build("arrivals", rows)
    roster = tables.build("roster", [presence("x", 9 * HOUR, 17 * HOUR)])
    hours = hours_of(ContactCenter(opening=(opening(8, 18, channels=("voice",)),)), ONE_DAY, 1)
    moved = returns_when_open(arrivals, roster, hours)
    assert moved["arrives_ms"].to_list() == [9 * HOUR, 20 * HOUR]


# Properties.

SPANS = st.lists(st.tuples(st.integers(0, 23), st.integers(1, 24)), min_size=1, max_size=4).map(
    lambda spans: [span for span in spans if span[0] < span[1]]
)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(SPANS, st.sets(st.sampled_from(WEEK), min_size=1)), max_size=3),
    st.integers(0, 3),
)
def test_hours_are_open_when_an_opening_says_so(
    plan: list[tuple[list[tuple[int, int]], set[Any]]], warm_up: int
) -> None:
    openings = [opening(*span, days=tuple(days)) for spans, days in plan for span in spans]
    horizon = horizon_of(Demand(day="week"), warm_up)
    table = hours_of(ContactCenter(opening=tuple(openings)), horizon, 1)
    if openings:
        check_hours(table)
    hours = by_hour(table, "chat")
    assert all(one[1] < other[0] for one, other in pairwise(hours))
    for hour in range(-24 * warm_up, 7 * 24) if openings else ():
        day, of_day = WEEK[hour // 24 % 7], hour % 24
        wanted = any(
            day in days and opens <= of_day < closes
            for spans, days in plan
            for opens, closes in spans
        )
        assert any(opens <= hour < closes for opens, closes in hours) == wanted


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(-1, 2), st.integers(0, 30), st.integers(1, 12)),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.integers(-30, 110), min_size=1, max_size=8),
)
def test_returns_wait_for_the_first_moment_at_which_the_desk_is_open(
    shifts: list[tuple[int, int, int]], returns: list[int]
) -> None:
    spans = [(24 * day + start, 24 * day + start + length) for day, start, length in shifts]
    roster = [
        presence(f"x{i}", starts * HOUR, ends * HOUR) for i, (starts, ends) in enumerate(spans)
    ]
    days: dict[int, list[tuple[int, int]]] = {}
    for starts, ends in spans:
        days.setdefault(starts // 24, []).append((starts, ends))
    is_open = {
        hour
        for mine in days.values()
        for hour in range(min(span[0] for span in mine), max(span[1] for span in mine))
    }
    moved = moved_to([returning(f"{i}", at) for i, at in enumerate(returns)], roster)
    for i, at in enumerate(returns):
        later = [hour for hour in is_open if hour >= at]
        assert moved[f"{i}"] == min(later or is_open)


# Outages: exact.


@pytest.mark.parametrize(
    ("starts", "visit"),
    [
        (0, ("new", None, 0, ORDINARY_PRIORITY)),  # over at 60, well before
        (40, ("new", None, 0, ORDINARY_PRIORITY)),  # over at 100, the very instant
        (41, ("outage", 100, 900, 0)),  # the third reply under way
        (70, ("outage", 100, 900, 0)),  # two replies complete at this very instant
        (71, ("outage", 100, 800, 0)),
        (91, ("outage", 100, 700, 1)),  # under way, but no reply yet
        (100, ("outage", 100, 700, 1)),
        (149, ("outage", 149, 700, 1)),
        (150, ("new", None, 0, ORDINARY_PRIORITY)),  # up again
    ],
)
def test_an_outage_moves_the_bots_customers_to_the_desk(
    starts: int, visit: tuple[str, int | None, int, int]
) -> None:
    moved = with_outages(tables.build("arrivals", [bot("a", starts)]), [(100, 150)])
    assert moved.select("cause", "arrives_ms", "work_ms", "priority").row(0) == visit


def test_an_outage_leaves_alone_who_is_not_with_the_bot() -> None:
    arrivals = tables.build(
        "arrivals",
        [
            arrival("human", 120, saved_ms=3),
            bot("gone", 71, bot_quits_at=0),
            bot("still there", 71, bot_quits_at=1),
            bot("hand-off due later", 90, at=500, cause="handoff", priority=1, saved_ms=5),
            bot("first in line already", 120, priority=0),
        ],
    )
    moved = with_outages(arrivals, [(100, 150)])
    assert moved["arrival_id"].to_list() == arrivals["arrival_id"].to_list()
    # A visit that comes of an outage has no drafts to save work.
    assert moved.select("cause", "arrives_ms", "work_ms", "priority", "saved_ms").rows() == [
        ("new", 120, 10, ORDINARY_PRIORITY, 3),
        ("new", None, 0, ORDINARY_PRIORITY, None),
        ("outage", 100, 800, 0, None),
        ("outage", 100, 800, 0, None),
        ("outage", 120, 700, 0, None),
    ]
    assert moved[:2].equals(arrivals[:2])


def test_a_mail_that_the_bot_drops_overtakes_nobody() -> None:
    mails = [bot("mail", 70, channel="email", priority=EMAIL_PRIORITY), bot("chat", 70)]
    moved = with_outages(tables.build("arrivals", mails), [(100, 150)])
    assert moved["cause"].to_list() == ["outage", "outage"]
    assert moved["priority"].to_list() == [EMAIL_PRIORITY, 0]


def test_of_several_outages_the_first_counts() -> None:
    arrivals = tables.build("arrivals", [bot("a", 50), bot("b", 95), bot("c", 0)])
    moved = with_outages(arrivals, [(100, 110), (90, 96), (300, 310), (57, 58)])
    assert moved["arrives_ms"].to_list() == [57, 95, 57]
    assert with_outages(arrivals, []).equals(arrivals)


def test_outages_that_cannot_be() -> None:
    arrivals = tables.build("arrivals", [bot("a", 50)])
    with pytest.raises(TableError, match="expected start < end"):
        with_outages(arrivals, [(100, 100)])
    short = arrivals.with_columns(work_if_down_ms=pl.Series([[1]], dtype=pl.List(pl.Int64)))
    with pytest.raises(TableError, match="has nothing for 2 replies"):
        with_outages(short, [(85, 90)])


def test_an_outage_comes_on_every_day_that_counts() -> None:
    outages = [
        Outage(starts=time(13), ends=time(14, 30)),
        Outage(starts=time(9), ends=time(9, 1)),
    ]
    one = [(9 * HOUR, 9 * HOUR + 60_000), (13 * HOUR, int(14.5 * HOUR))]
    assert on_each_day(outages, 1) == one
    assert on_each_day(outages, 2) == [*one, *((a + DAY_MS, b + DAY_MS) for a, b in one)]
    days = [bot(str(day), day * DAY_MS + one[0][0] - 5) for day in (-1, 0, 1)]
    hit = with_outages(tables.build("arrivals", days), on_each_day(outages, 2))
    assert hit["arrives_ms"].to_list() == [None, one[0][0], DAY_MS + one[0][0]]
