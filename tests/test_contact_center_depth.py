"""Exact logs of what a desk does besides serving a queue: overflow, deadlines, chats, hours.

Small days written by hand, on both engines. Where chats share an agent the times are reckoned in
microseconds beside the test: 850, 766 and 700 thousandths of the speed for each of 2, 3 and 4.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from simulator import tables
from simulator.contact_center.desk import compiled_engine, simpy_engine
from simulator.contact_center.desk.plan import plan_of, presence_of
from simulator.contact_center.desk.state import PARTS
from simulator.schema import EMAIL_PRIORITY, ORDINARY_PRIORITY
from tests.test_contact_center import (
    Rows,
    Run,
    able,
    arrival,
    call,
    log,
    opening,
    presence,
    run,
    runs_on,
)

__all__ = ["run"]  # the fixture

SERVED = dict[str, tuple[str | None, int | None, int | None]]


def served(contacts: pl.DataFrame) -> SERVED:
    """Of each contact: agent, started, ended."""
    columns = contacts.select("contact_id", "agent", "started_ms", "ended_ms")
    return {name.removesuffix("/0"): tuple(rest) for name, *rest in columns.rows()}  # type: ignore[misc]


# Overflow.

FIRST_THEN_SECOND = [
    able("first", skills=["care"]),
    able("second", skills=["billing"]),
    able("second", after_ms=20, rank=1),
]
CARE, BILLING = {"skill": "care"}, {"skill": "billing"}


def test_a_contact_goes_to_a_further_team_once_it_has_waited(run: Run) -> None:
    contacts = run(
        [call("a", 0, **CARE), call("b", 5, **CARE), call("c", 100, **CARE)],
        [presence("x", 0, 90, "second"), presence("y", 95, 200, "first")],
        FIRST_THEN_SECOND,
    )
    assert log(contacts) == [
        ("a/0", "x", 0, 20, 30, None),
        ("b/0", "x", 5, 30, 40, None),
        ("c/0", "y", 100, 100, 110, None),
    ]
    assert contacts["team"].to_list() == ["second", "second", "first"]
    assert contacts["offered_team"].to_list() == ["first"] * 3


def test_overflow_keeps_the_place_and_patience_goes_on(run: Run) -> None:
    def day(x_is_busy_until: int) -> SERVED:
        contacts = run(
            [
                call("busy", 0, x_is_busy_until, **BILLING),
                call("a", 1, **CARE),
                call("b", 5, **BILLING),
                call("short", 2, patience_ms=[27], **CARE),
                call("shortest", 2, patience_ms=[21], **CARE),
            ],
            [presence("x", 0, 200, "second")],
            FIRST_THEN_SECOND,
        )
        left = contacts.filter(pl.col("outcome") == "abandoned")
        assert left.select("contact_id", "abandoned_ms").rows() == [
            ("short/0", 29),
            ("shortest/0", 23),
        ]
        return served(contacts)

    # At 30 a has long been among those of x, and came before b. At 15 it is not yet.
    after, before = day(30), day(15)
    assert (after["a"], after["b"]) == (("x", 30, 40), ("x", 40, 50))
    assert (before["b"], before["a"]) == (("x", 15, 25), ("x", 25, 35))


def test_overflow_at_the_instant_at_which_patience_ends_is_in_time(run: Run) -> None:
    contacts = run(
        [call("a", 0, patience_ms=[20], **CARE)], [presence("x", 0, 9, "second")], FIRST_THEN_SECOND
    )
    assert log(contacts) == [("a/0", None, 0, None, None, 20)]
    contacts = run(
        [call("a", 0, patience_ms=[20], **CARE)],
        [presence("x", 0, 99, "second")],
        FIRST_THEN_SECOND,
    )
    assert log(contacts) == [("a/0", "x", 0, 20, 30, None)]


def test_an_agent_who_comes_free_at_the_instant_of_overflow(run: Run) -> None:
    # The completion comes first: x takes w, who came later than a.
    contacts = run(
        [call("busy", 0, 20, **BILLING), call("a", 0, **CARE), call("w", 5, **BILLING)],
        [presence("x", 0, 200, "second")],
        FIRST_THEN_SECOND,
    )
    assert served(contacts)["w"] == ("x", 20, 30)
    assert served(contacts)["a"] == ("x", 30, 40)
    # Nobody else waits: x comes free, by a completion or as his shift begins, and takes a.
    for roster in ([presence("x", 0, 200, "second")], [presence("x", 20, 200, "second")]):
        contacts = run(
            [call("busy", 0, 20, patience_ms=[0], **BILLING), call("a", 0, **CARE)],
            roster,
            FIRST_THEN_SECOND,
        )
        assert served(contacts)["a"] == ("x", 20, 30)
    # An arrival at that instant comes before the overflow.
    contacts = run(
        [call("a", 0, **CARE), call("b", 20, **BILLING)],
        [presence("x", 0, 200, "second")],
        FIRST_THEN_SECOND,
    )
    assert served(contacts) == {"a": ("x", 30, 40), "b": ("x", 20, 30)}


def test_overflows_at_one_instant_go_by_sequence_number_whatever_the_priority(run: Run) -> None:
    contacts = run(
        [call("a", 0, **CARE), call("urgent", 0, priority=0, **CARE)],
        [presence("x", 0, 200, "second")],
        FIRST_THEN_SECOND,
    )
    assert served(contacts) == {"a": ("x", 20, 30), "urgent": ("x", 30, 40)}


def test_overflow_in_several_steps(run: Run) -> None:
    teams = [
        able("third", after_ms=40),
        able("first"),
        able("second", after_ms=20),
        able("nobody's", after_ms=30),
    ]
    contacts = run(
        [call(name, at) for name, at in (("a", 0), ("b", 1), ("c", 2))],
        [presence("z", 0, 99, "third"), presence("y", 0, 99, "second")],
        teams,
    )
    assert served(contacts) == {"a": ("y", 20, 30), "b": ("y", 30, 40), "c": ("y", 40, 50)}
    contacts = run(
        [call("a", 0, 30), call("b", 0), call("c", 0)],
        [presence("z", 0, 99, "third"), presence("y", 0, 99, "second")],
        teams,
    )
    assert served(contacts) == {"a": ("y", 20, 50), "b": ("z", 40, 50), "c": ("y", 50, 60)}
    assert contacts["team"].to_list() == ["second", "third", "second"]


def test_preferences_then_longest_idle_within_one_rank(run: Run) -> None:
    teams = [able("far 1", rank=1), able("near"), able("far 2", rank=1)]
    roster = [presence(f"of {t['team']}", 0, 99, t["team"]) for t in teams]
    contacts = run(
        [call("1", 10, 10), call("2", 11, 5), call("3", 12, 2), call("4", 18), call("5", 25, 1)],
        roster,
        teams,
    )
    # 4: near is busy; far 2 is free since 14 and far 1 since 16. 5: near is free since 20 only.
    assert contacts["team"].to_list() == ["near", "far 1", "far 2", "far 2", "near"]
    assert contacts["offered_team"].to_list() == ["near"] * 5


def test_a_recontact_waits_anew_for_the_further_team(run: Run) -> None:
    contacts = run(
        [call("a", 0, patience_ms=[15, None], recontacts=[1], recontact_delay_ms=[5], **CARE)],
        [presence("x", 0, 99, "second")],
        FIRST_THEN_SECOND,
    )
    assert log(contacts)[1] == ("a/1", "x", 20, 40, 50, None)


# Deadlines.


def email(name: str, at: int, work: int = 10, **more: Any) -> dict[str, Any]:
    return arrival(name, at, work, **{"channel": "email", "priority": EMAIL_PRIORITY, **more})


@pytest.mark.parametrize(
    ("deadline", "order"),
    [(None, "cde"), (31, "ced"), (30, "ced"), (29, "ecd"), (10, "ecd"), (0, "ecd")],
)
def test_an_overdue_email_waits_with_the_ordinary(
    run: Run, deadline: int | None, order: str
) -> None:
    contacts = run(
        [
            call("busy", 0, 30),
            email("e", 0, 30, deadline_ms=deadline),
            call("c", 5),
            call("d", 25),
        ],
        [presence("x", 0, 200)],
    )
    by_start = contacts.sort("started_ms")["contact_id"].to_list()
    assert by_start == ["busy/0", *(f"{name}/0" for name in order)]
    assert dict(contacts.select("contact_id", "deadline_ms").rows())["e/0"] == deadline


def test_an_overdue_email_waits_with_the_ordinary_from_its_deadline(run: Run) -> None:
    contacts = run(
        [call("busy", 0, 30), email("e", 0, 10, deadline_ms=20), call("c", 5)],
        [presence("x", 0, 200)],
    )
    assert served(contacts) == {"busy": ("x", 0, 30), "e": ("x", 30, 40), "c": ("x", 40, 50)}


def test_a_deadline_leaves_the_urgent_and_those_still_earlier_before(run: Run) -> None:
    contacts = run(
        [
            call("busy", 0, 50),
            call("c", 3),
            email("e", 4, deadline_ms=20),
            call("urgent", 30, priority=0, deadline_ms=1),
            email("again", 6, deadline_ms=9),
            email("never", 1),
        ],
        [presence("x", 0, 200)],
    )
    by_start = contacts.sort("started_ms")["contact_id"].to_list()
    assert by_start == ["busy/0", "urgent/0", "c/0", "e/0", "again/0", "never/0"]


def test_a_deadline_and_overflow_at_one_instant(run: Run) -> None:
    days = [
        run(
            [
                call("busy", 0, 25, **BILLING),
                email("e", 0, deadline_ms=deadline, **CARE),
                call("c", 5, **BILLING),
            ],
            [presence("x", 0, 200, "second")],
            FIRST_THEN_SECOND,
        )
        for deadline in (19, 20, 21, 25, 40)
    ]
    # As soon as both have come x takes e first; at 25 the completion comes before the deadline.
    assert [served(day)["e"] for day in days] == [("x", 25, 35)] * 3 + [("x", 35, 45)] * 2


# Chats at once.

Precise = list[tuple[str, int, int, float]]


@pytest.fixture(params=["compiled", "simpy"])
def precise(request: pytest.FixtureRequest) -> Any:
    """As ``run``; gives contact, started and ended in us, and the agent's own time in us."""
    engine = compiled_engine if request.param == "compiled" else simpy_engine

    def run(arrivals: Rows, roster: Rows, **settings: Any) -> Precise:
        teams = tables.build("teams", [able()])
        plan = plan_of(tables.build("arrivals", arrivals), teams, **settings)
        there = presence_of(tables.build("roster", roster), teams)
        visits = engine.visits_of(plan, 0, there[0])
        return [
            (
                arrivals[one["row"]]["arrival_id"],
                int(one["started"]),
                int(one["ended"]),
                int(one["handled"]) / PARTS,
            )
            for one in visits
        ]

    return run


def test_chats_share_an_agent_as_they_come_and_go(run: Run) -> None:
    contacts = run(
        [arrival("a", 0, 10_000), arrival("b", 4000, 10_000)],
        [presence("x", 0, 99_000, max_chats=2)],
        chat_speed=(1.0, 1.5),
    )
    # From 4 s to 12 s each at 750 thousandths; then b alone.
    assert served(contacts) == {"a": ("x", 0, 12_000), "b": ("x", 4000, 16_000)}
    assert contacts["handled_ms"].to_list() == [8000, 8000]


def test_two_chats_share_an_agent(run: Run, precise: Any) -> None:
    day = (
        [arrival("a", 0, 10_000), arrival("b", 4000, 10_000)],
        [presence("x", 0, 99_000, max_chats=2)],
    )
    # From 4 s on a needs 6e9 / 850 = 7058823.5 us, rounded up. Of b 3999999600 are left then.
    assert precise(*day) == [
        ("a", 0, 11_058_824, 4_000_000 + 7_058_824 / 2),
        ("b", 4_000_000, 15_058_824, 7_058_824 / 2 + 4_000_000),
    ]
    contacts = run(*day)
    assert log(contacts) == [
        ("a/0", "x", 0, 0, 11_058, None),
        ("b/0", "x", 4000, 4000, 15_058, None),
    ]
    assert contacts["handled_ms"].to_list() == [7529, 7529]
    assert contacts["work_ms"].to_list() == [10_000, 10_000]


def test_three_chats_share_an_agent_and_a_fourth_waits(run: Run, precise: Any) -> None:
    day = (
        [arrival(name, at, 10_000) for name, at in (("a", 0), ("b", 2000), ("c", 4000))],
        [presence("x", 0, 99_000, max_chats=3)],
    )
    # a: 2 s alone, 2 s at 850, then 6.3e9 / 766 = 8224543.1. b: 8.3e9 less 8224544 x 766, then
    # 1999999296 / 850 = 2352940.4. c: 3699999296 less 2352941 x 850, then 1699999446 / 1000.
    assert precise(*day) == [
        ("a", 0, 12_224_544, pytest.approx(3_000_000 + 8_224_544 / 3)),
        ("b", 2_000_000, 14_577_485, pytest.approx(1_000_000 + 8_224_544 / 3 + 2_352_941 / 2)),
        ("c", 4_000_000, 16_277_485, pytest.approx(8_224_544 / 3 + 2_352_941 / 2 + 1_700_000)),
    ]
    waits = run([*day[0], arrival("d", 5000, 1000)], day[1])
    assert log(waits)[3][:4] == ("d/0", "x", 5000, 12_224)


def test_speeds_are_rounded_down_as_written_and_completions_up(precise: Any) -> None:
    twins = [arrival("a", 0, 1), arrival("b", 0, 1)]
    roster = [presence("x", 0, 99, max_chats=2)]
    assert [end for _, _, end, _ in precise(twins, roster)] == [1177, 1177]  # 1e6 / 850 = 1176.5
    no_gain = precise(twins, roster, chat_speed=(1.0, 1.0))
    assert no_gain == [("a", 0, 2000, 1000), ("b", 0, 2000, 1000)]
    third = precise([*twins, arrival("c", 0, 1)], [presence("x", 0, 99, max_chats=3)],
                    chat_speed=(1.0, 1.0, 1.0))  # fmt: skip
    assert [end for _, _, end, _ in third] == [3004] * 3  # 1e6 / 333 = 3003.003


def test_chats_alone_or_one_at_a_time_are_worked_like_calls(run: Run) -> None:
    chats = [arrival("a", 0), arrival("b", 3)]
    for most in (None, 1):
        contacts = run(chats, [presence("x", 0, 99, max_chats=most)])
        assert served(contacts) == {"a": ("x", 0, 10), "b": ("x", 10, 20)}
        assert contacts["handled_ms"].to_list() == [10, 10]
    # y has one at a time though x may have two: the third goes to x.
    both = run(
        [*chats, arrival("c", 4)],
        [presence("x", 0, 99, max_chats=2), presence("y", 0, 99)],
    )
    assert both["agent"].to_list() == ["x", "y", "x"]
    assert served(both)["b"] == ("y", 3, 13)


def test_the_agent_with_the_fewest_chats_then_free_longest_takes_a_chat(run: Run) -> None:
    contacts = run(
        [arrival(str(i), i, 100) for i in range(5)],
        [presence("x", 0, 999, max_chats=2), presence("y", 0, 999, max_chats=2)],
    )
    # 2: x has had his one chat since 0 and y since 1. 4 waits.
    assert contacts["agent"].to_list()[:4] == ["x", "y", "x", "y"]
    assert contacts["started_ms"].to_list()[4] > 100
    # A preferred team comes before fewest chats.
    contacts = run(
        [arrival(str(i), i, 100) for i in range(3)],
        [presence("y", 0, 999, "far", max_chats=2), presence("x", 0, 999, "near", max_chats=2)],
        [able("far", rank=1), able("near")],
    )
    assert contacts["agent"].to_list() == ["x", "x", "y"]


@pytest.mark.parametrize("channel", ["voice", "email"])
def test_a_call_waits_for_an_agent_to_end_his_chats_who_takes_no_other(
    run: Run, channel: str
) -> None:
    def day(**of_call: Any) -> SERVED:
        return served(
            run(
                [
                    arrival("a", 0, 10),
                    arrival("b", 0, 30),
                    arrival("v", 2, 5, channel=channel, **of_call),
                    arrival("c", 3, 10),
                    arrival("d", 25, 10),
                ],
                [presence("x", 0, 200, max_chats=2)],
            )
        )

    # a ends at 11.765; b, alone from then on, at 31.765. v ends at 36.765; then c and d share.
    taken = day()
    assert (taken["a"], taken["b"]) == (("x", 0, 11), ("x", 0, 31))
    assert taken["v"] == ("x", 31, 36)
    assert taken["c"][1] == taken["d"][1] == 36
    # The call gives up: x still ends his chats first.
    left = day(patience_ms=[20])
    assert left["v"] == (None, None, None)
    assert left["b"] == ("x", 0, 31)
    assert left["c"][1] == left["d"][1] == 31
    # Behind the chat, the call does not hold it up: c shares x with b from 11.765 on.
    last = day(priority=ORDINARY_PRIORITY + 1)
    assert last["c"][1] == 11
    assert last["v"][1] is not None
    assert last["v"][1] > last["d"][1]


def test_an_agent_with_chats_ends_them_for_a_call_that_came_first(run: Run) -> None:
    contacts = run(
        [arrival("a", 0, 10), arrival("b", 0, 20), call("v", 1), arrival("c", 2)],
        [presence("x", 0, 99, max_chats=2)],
        chat_speed=(1.0, 1.0),
    )
    # a ends at 20 and b, alone from then on, at 30.
    assert served(contacts) == {
        "a": ("x", 0, 20),
        "b": ("x", 0, 30),
        "v": ("x", 30, 40),
        "c": ("x", 40, 50),
    }


def test_a_mail_that_may_wait_does_not_keep_an_agent_from_chats(run: Run) -> None:
    def of(mail: dict[str, Any]) -> SERVED:
        return served(
            run(
                [arrival("a", 0, 10), arrival("b", 1, 60), mail, arrival("d", 30)],
                [presence("x", 0, 999, max_chats=3)],
            )
        )

    assert of(email("m", 5, priority=EMAIL_PRIORITY))["d"][1] == 30
    assert of(call("m", 5))["d"][1] > 60
    # Overdue at 9, before the agent looks: now it counts like a call.
    late = of(email("m", 5, priority=EMAIL_PRIORITY, deadline_ms=4))
    assert late["m"][1] < late["d"][1]


def test_a_chat_that_arrives_meets_an_agent_with_chats_though_a_call_waits(run: Run) -> None:
    # Only an agent who looks to the queue holds back for a call; x, free for a chat, does not.
    contacts = run(
        [arrival("a", 0, 10), call("v", 2, 5), arrival("b", 4, 10)],
        [presence("x", 0, 200, max_chats=2)],
    )
    # a: 4 alone, then 6e6 / 850 = 7058.8 us; b: 3999.85 us more, alone.
    assert served(contacts) == {"a": ("x", 0, 11), "v": ("x", 15, 20), "b": ("x", 4, 15)}


def test_a_call_and_chats_each_have_the_agent_alone(run: Run) -> None:
    contacts = run(
        [call("v", 0, 10), arrival("a", 1, 10), arrival("b", 2, 10), arrival("c", 3, 10)],
        [presence("x", 0, 200, max_chats=2)],
    )
    # Both that wait are taken at once. They end at 10000 + 1e7 / 850 = 21764.7 us.
    assert served(contacts) == {
        "v": ("x", 0, 10),
        "a": ("x", 10, 21),
        "b": ("x", 10, 21),
        "c": ("x", 21, 31),
    }


def test_chats_that_are_done_at_one_instant_and_chats_without_work(run: Run, precise: Any) -> None:
    roster = [presence("x", 0, 99, max_chats=2)]
    twins = [arrival("a", 0, 10), arrival("b", 0, 10), arrival("w", 1, 10), arrival("v", 2, 10)]
    assert [one[1] for one in precise(twins, roster)] == [0, 0, 11_765, 11_765]
    nothing = run([arrival("a", 0, 10), arrival("b", 5, 0), arrival("c", 5, 0)], roster)
    assert served(nothing) == {"a": ("x", 0, 10), "b": ("x", 5, 5), "c": ("x", 5, 5)}
    assert nothing["handled_ms"].to_list() == [10, 0, 0]


def test_an_agent_leaves_with_two_chats_in_hand(run: Run, precise: Any) -> None:
    chats = [arrival("a", 0, 20), arrival("b", 5, 20), arrival("c", 6, 20)]
    gone = presence("x", 0, 10, max_chats=2)
    # a: 15e6 / 850 = 17647.06; of b 4999200 are left, which take 5000 us alone.
    assert precise(chats[:2], [gone]) == [
        ("a", 0, 22_648, 5000 + 17_648 / 2),
        ("b", 5000, 27_648, 17_648 / 2 + 5000),
    ]
    assert served(run(chats, [gone]))["c"] == (None, None, None)
    # Back at 25 with b in hand he takes c: b's 2647200 at 850 are done in 3115 us, and of c's work
    # 17352250 are left for him alone.
    back = precise(chats, [gone, presence("x", 25, 99, max_chats=2)])
    assert [one[1:3] for one in back[1:]] == [(5000, 28_115), (25_000, 45_468)]


def test_chats_may_come_at_the_end_of_the_shift_only_until_it_ends(run: Run) -> None:
    contacts = run(
        [arrival("a", 0, 30), arrival("b", 9, 30), arrival("c", 10, 30)],
        [presence("x", 0, 10, max_chats=3)],
    )
    assert contacts["outcome"].to_list() == ["answered", "answered", "unserved"]


# Drafts.


@pytest.mark.parametrize(
    ("saved", "gain", "handled"),
    [
        (40, None, 60),
        (40, 1.0, 60),
        (40, 0.5, 80),
        (40, 1.25, 50),
        (40, 0.0, 100),
        (40, 3.0, 0),
        (None, 2.0, 100),
        (0, 2.0, 100),
    ],
)
def test_drafts_save_work_by_the_agents_gain(
    run: Run, saved: int | None, gain: float | None, handled: int
) -> None:
    for most in (1, 2):
        contacts = run(
            [arrival("a", 1, 100, saved_ms=saved)],
            [presence("x", 0, 999, gain=gain, max_chats=most)],
        )
        assert log(contacts) == [("a/0", "x", 1, 1, 1 + handled, None)]
        assert contacts["handled_ms"].to_list() == [handled]
        assert contacts["work_ms"].to_list() == [handled]


def test_the_gain_is_the_agents_own(run: Run) -> None:
    contacts = run(
        [call("a", 0, 100, saved_ms=40), call("b", 0, 100, saved_ms=40), call("c", 0, 100)],
        [presence("x", 0, 999, gain=0.5), presence("y", 0, 999, gain=1.25), presence("z", 0, 999)],
    )
    assert contacts["ended_ms"].to_list() == [80, 50, 100]


def test_work_that_nobody_took_is_net_of_what_an_ordinary_agent_saves(run: Run) -> None:
    contacts = run([call("a", 50, 100, saved_ms=40), call("b", 50)], [presence("x", 0, 9, gain=2)])
    assert contacts["work_ms"].to_list() == [60, 10]
    assert contacts["handled_ms"].to_list() == [None, None]


def test_what_is_saved_is_rounded_down_to_a_microsecond(precise: Any) -> None:
    day = precise([call("a", 0, 10, saved_ms=1)], [presence("x", 0, 99, gain=0.3337)])
    assert day == [("a", 0, 9666, 9666)]  # a gain of 334 thousandths


# A queue with so many places.


def test_who_finds_every_place_taken_is_turned_away_and_may_try_again(run: Run) -> None:
    again = {"recontacts": [1, 0], "recontact_delay_ms": [20, 0], "patience_ms": [None, None]}
    contacts = run(
        [
            call("served", 0, 10),
            call("waits", 1, 10),
            call("too late", 2, 10, **again),
            arrival("chat", 3, 10),
            call("place free", 10, 10),
        ],
        [presence("x", 0, 99)],
        queue_limit={"voice": 1},
    )
    assert contacts.select("contact_id", "outcome", "arrived_ms", "started_ms").rows() == [
        ("served/0", "answered", 0, 0),
        ("waits/0", "answered", 1, 10),
        ("too late/0", "turned_away", 2, None),
        ("chat/0", "answered", 3, 20),
        # The completion comes first: the place is free again at this very instant.
        ("place free/0", "answered", 10, 30),
        ("too late/1", "turned_away", 22, None),
    ]


def test_places_are_counted_through_overflow_and_patience(run: Run) -> None:
    contacts = run(
        [
            call("leaves", 0, 10, skill="care", patience_ms=[5]),
            call("in its place", 5, 10, skill="care"),
            call("after it", 6, 10, skill="care"),
            call("moves on", 25, 10, skill="care"),
            call("next", 26, 10, skill="care"),
        ],
        [presence("x", 0, 99, "second")],
        FIRST_THEN_SECOND,
        queue_limit={"voice": 1},
    )
    assert contacts.select("contact_id", "outcome", "started_ms").rows() == [
        ("leaves/0", "abandoned", None),
        # Patience ends after arrivals of the same instant.
        ("in its place/0", "turned_away", None),
        ("after it/0", "answered", 26),
        ("moves on/0", "turned_away", None),
        ("next/0", "turned_away", None),
    ]


# Opening hours.


def test_turned_away_when_closed(run: Run) -> None:
    contacts = run(
        [call("early", 9), call("first", 10), call("last", 49), call("late", 50), arrival("c", 9)],
        [presence("x", 0, 99), presence("y", 0, 99), presence("z", 0, 99)],
        hours=[opening("voice", 10, 50, "turn_away")],
    )
    assert dict(contacts.select("contact_id", "outcome").rows()) == {
        "early/0": "turned_away",
        "c/0": "answered",
        "first/0": "answered",
        "last/0": "answered",
        "late/0": "turned_away",
    }
    assert served(contacts)["early"] == (None, None, None)
    assert contacts["abandoned_ms"].to_list() == [None] * 5
    assert served(contacts)["last"][1:] == (49, 59)


def test_who_is_turned_away_may_try_again_as_who_gave_up(run: Run) -> None:
    tries = {"patience_ms": [None] * 3, "recontact_delay_ms": [5, 5, 5]}
    contacts = run(
        [
            call("in time", 5, recontacts=[1, 0, 0], **tries),
            call("in vain", 50, recontacts=[1, 2, 2], **tries),
            call("never", 51, recontacts=[0, 0, 0], **tries),
        ],
        [presence("x", 0, 99)],
        hours=[opening("voice", 10, 50, "turn_away")],
    )
    assert contacts.select("contact_id", "arrived_ms", "outcome", "cause").rows() == [
        ("in time/0", 5, "turned_away", "new"),
        ("in time/1", 10, "answered", "recontact"),
        ("in vain/0", 50, "turned_away", "new"),
        ("never/0", 51, "turned_away", "new"),
        ("in vain/1", 55, "turned_away", "recontact"),
        ("in vain/2", 60, "turned_away", "recontact"),
    ]


def test_at_the_next_opening(run: Run) -> None:
    contacts = run(
        [
            call("b", 50, recontacts=[2], recontact_delay_ms=[45]),
            call("a", 5, patience_ms=[3, None], recontacts=[2], recontact_delay_ms=[45]),
            call("open", 20),
            call("too late", 150),
            call("c", 100),
        ],
        [presence("x", 12, 400)],
        hours=[
            opening("voice", 10, 50, "next_opening"),
            opening("voice", 100, 150, "next_opening"),
        ],
    )
    # a's patience counts from the opening; its recontact at 67 comes at 100 after b and before
    # c by number. b's, at 155, finds no opening.
    assert log(contacts) == [
        ("a/0", "x", 10, 12, 22, None),
        ("open/0", "x", 20, 22, 32, None),
        ("b/0", "x", 100, 100, 110, None),
        ("c/0", "x", 100, 110, 120, None),
        ("a/1", "x", 100, 120, 130, None),
        ("too late/0", None, 150, None, None, None),
        ("b/1", None, 155, None, None, None),
    ]
    assert contacts["outcome"].to_list() == ["answered"] * 5 + ["turned_away"] * 2


def test_outside_hours_the_queue_may_be_open(run: Run) -> None:
    hours = [opening("voice", 10, 50, "turn_away"), opening("email", 10, 50, "wait")]
    contacts = run(
        [email("e", 60), call("v", 60), arrival("c", 60), call("elsewhere", 60, replication=1)],
        [presence("x", 70, 99), presence("x", 70, 99, replication=1)],
        hours=hours,
    )
    assert contacts["outcome"].to_list() == ["answered", "turned_away", "answered", "answered"]
    assert served(contacts)["c"] == ("x", 70, 80)
    assert served(contacts)["e"] == ("x", 80, 90)


def test_openings_that_touch_are_one_and_nobody_leaves_the_queue_at_closing(run: Run) -> None:
    contacts = run(
        [call("a", 5), call("b", 19), call("c", 10)],
        [presence("x", 40, 99)],
        hours=[opening("voice", 10, 20, "turn_away"), opening("voice", 0, 10, "turn_away")],
    )
    assert contacts["outcome"].to_list() == ["answered"] * 3
    assert contacts["started_ms"].to_list() == [40, 50, 60]


def test_overflow_and_deadline_count_from_the_opening(run: Run) -> None:
    contacts = run(
        [call("a", 5, **CARE)],
        [presence("x", 0, 99, "second")],
        FIRST_THEN_SECOND,
        [opening("voice", 10, 50, "next_opening")],
    )
    assert log(contacts) == [("a/0", "x", 10, 30, 40, None)]


def test_a_deadline_runs_while_the_desk_is_closed(run: Run) -> None:
    late, soon = {"priority": EMAIL_PRIORITY, "deadline_ms": 20}, {"priority": EMAIL_PRIORITY}
    contacts = run(
        [
            call("in hand", 90, 30),
            email("not yet due", 6, **soon, deadline_ms=500),
            email("overdue by then", 60, **late),
            call("call", 101),
        ],
        [presence("x", 0, 999)],
        hours=[opening("email", 0, 5, "next_opening"), opening("email", 100, 900, "next_opening")],
    )
    assert contacts.select("contact_id", "arrived_ms", "started_ms", "deadline_ms").rows() == [
        ("in hand/0", 90, 90, None),
        ("not yet due/0", 100, 140, 406),
        ("overdue by then/0", 100, 120, -20),
        ("call/0", 101, 130, None),
    ]


# Presence.


def test_an_agent_is_back_while_still_at_work(run: Run) -> None:
    work = [call("a", 5, 15), call("b", 6)]
    stays = run(work, [presence("x", 0, 10), presence("x", 15, 40)])
    assert served(stays)["b"] == ("x", 20, 30)
    gone_again = run(work, [presence("x", 0, 10), presence("x", 15, 18), presence("x", 33, 40)])
    assert served(gone_again)["b"] == ("x", 33, 43)
    # The same with a chat of two in hand: at 15 he takes b, who waited for him to come back.
    chats = [arrival("a", 5, 15), arrival("b", 11)]
    shared = run(chats, [presence("x", 0, 10, max_chats=2), presence("x", 15, 40, max_chats=2)])
    assert served(shared)["b"][1] == 15


def test_stretches_that_overlap_are_one(run: Run) -> None:
    contacts = run([call("a", 25), call("b", 30)], [presence("x", 0, 20), presence("x", 10, 30)])
    assert log(contacts) == [("a/0", "x", 25, 25, 35, None), ("b/0", None, 30, None, None, None)]


def test_an_agent_of_two_teams_in_one_shift(run: Run) -> None:
    teams = [able("billing", skills=["billing"]), able("care", skills=["care"])]
    two = [presence("x", 0, 10, "billing", max_chats=2), presence("x", 10, 99, "care", max_chats=2)]
    # Free since 0, longer than y, whatever the team.
    idle = run([call("a", 12, **CARE)], [presence("y", 5, 99, "care"), *two], teams)
    assert idle["agent"].to_list() == ["x"]
    # With a chat of his old team in hand he takes one of the new, and none of the old.
    chats = run(
        [arrival("a", 1, 20, **BILLING), arrival("b", 2, **CARE), arrival("c", 10, **BILLING)],
        two,
        teams,
    )
    assert chats["team"].to_list() == ["billing", "care", None]
    assert chats["started_ms"].to_list() == [1, 10, None]


def test_a_stretch_without_length_is_none() -> None:
    for engine in ("compiled", "simpy"):
        contacts = runs_on(engine)([call("a", 5)], [presence("x", 5, 5), presence("y", 6, 6)])  # type: ignore[arg-type]
        assert contacts["outcome"].to_list() == ["unserved"]
