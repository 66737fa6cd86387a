"""Exact logs of the desk: small days written by hand, every tie among them, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from simulator import tables
from simulator.contact_center import simulate
from simulator.contact_center.desk.simulation import Engine, traced
from simulator.errors import TableError
from simulator.schema import ORDINARY_PRIORITY

Rows = list[dict[str, Any]]
Run = Callable[..., pl.DataFrame]
ENGINES: tuple[Engine, ...] = ("compiled", "simpy")


def arrival(name: str, at: int | None, work: int = 10, **more: Any) -> dict[str, Any]:
    return {
        "stage": "human_only",
        "candidate": "human",
        "bound": "central",
        "replication": 0,
        "arrival_id": name,
        "conversation_id": f"of {name}",
        "copy": 0,
        "cause": "new",
        "channel": "chat",
        "priority": ORDINARY_PRIORITY,
        "arrives_ms": at,
        "work_ms": work,
        "patience_ms": [None, None, None],
        "recontacts": [0, 0, 0],
        "recontact_delay_ms": [0, 0, 0],
        **more,
    }


def call(name: str, at: int, work: int = 10, **more: Any) -> dict[str, Any]:
    return arrival(name, at, work, channel="voice", **more)


def bot(name: str, starts: int, **more: Any) -> dict[str, Any]:
    """Three replies that take 10, 20 and 30; then nothing, unless `at` says otherwise."""
    return arrival(
        name,
        more.pop("at", None),
        0,
        bot_start_ms=starts,
        bot_turn_ms=[10, 20, 30],
        work_if_down_ms=[700, 800, 900],
        **more,
    )


def presence(agent: str, starts: int, ends: int, team: str = "desk", **more: Any) -> dict[str, Any]:
    row = {"replication": 0, "agent_id": agent, "team": team, "starts_ms": starts, "ends_ms": ends}
    return {**row, **more}


def able(team: str = "desk", **route: Any) -> dict[str, Any]:
    return {"team": team, "skills": [], "languages": [], "channels": [], **route}


def opening(channel: str, opens: int, closes: int, outside: str) -> dict[str, Any]:
    row = {"replication": 0, "channel": channel, "opens_ms": opens, "closes_ms": closes}
    return {**row, "outside": outside}


def runs_on(engine: Engine) -> Run:
    """A day given as rows, run by one of the engines."""

    def run(
        arrivals: Rows,
        roster: Rows,
        teams: Rows | None = None,
        hours: Rows | None = None,
        **settings: Any,
    ) -> pl.DataFrame:
        contacts = simulate(
            tables.build("arrivals", arrivals),
            tables.build("roster", roster),
            tables.build("teams", teams or [able()]),
            hours=tables.build("hours", hours) if hours else None,
            engine=engine,
            **settings,
        )
        return tables.check("contacts", contacts)

    return run


@pytest.fixture(params=ENGINES)
def run(request: pytest.FixtureRequest) -> Run:
    return runs_on(request.param)


Line = tuple[str, str | None, int, int | None, int | None, int | None]


def log(contacts: pl.DataFrame) -> list[Line]:
    """contact, agent, arrived, started, ended, abandoned"""
    return contacts.select(
        "contact_id", "agent", "arrived_ms", "started_ms", "ended_ms", "abandoned_ms"
    ).rows()  # type: ignore[return-value]


def test_one_agent_works_the_queue_in_order(run: Run) -> None:
    contacts = run([arrival("a", 0), arrival("b", 3), arrival("c", 25)], [presence("x", 0, 100)])
    assert log(contacts) == [
        ("a/0", "x", 0, 0, 10, None),
        ("b/0", "x", 3, 10, 20, None),
        ("c/0", "x", 25, 25, 35, None),
    ]
    assert contacts.row(1, named=True) == {
        "replication": 0,
        "stage": "human_only",
        "candidate": "human",
        "bound": "central",
        "contact_id": "b/0",
        "conversation_id": "of b",
        "attempt": 0,
        "cause": "new",
        "channel": "chat",
        "offered_team": "desk",
        "team": "desk",
        "agent": "x",
        "outcome": "answered",
        "arrived_ms": 3,
        "started_ms": 10,
        "ended_ms": 20,
        "abandoned_ms": None,
        "work_ms": 10,
        "handled_ms": 10,
        "deadline_ms": None,
    }


# Ties: each is one instant, 10, at which two things happen.


def test_completion_comes_before_arrival(run: Run) -> None:
    waiting = run([arrival("a", 0), arrival("b", 10), arrival("w", 5)], [presence("x", 0, 100)])
    assert log(waiting)[1:] == [("w/0", "x", 5, 10, 20, None), ("b/0", "x", 10, 20, 30, None)]
    free = run([arrival("a", 0), arrival("b", 10)], [presence("x", 0, 100)])
    assert log(free)[1] == ("b/0", "x", 10, 10, 20, None)
    urgent = run(
        [arrival("a", 0), arrival("b", 10, priority=0), arrival("w", 5)], [presence("x", 0, 100)]
    )
    assert log(urgent)[1:] == [("w/0", "x", 5, 10, 20, None), ("b/0", "x", 10, 20, 30, None)]


def test_completion_comes_before_the_end_of_the_shift(run: Run) -> None:
    contacts = run([arrival("a", 0), arrival("b", 5), arrival("c", 6)], [presence("x", 0, 10)])
    assert log(contacts) == [
        ("a/0", "x", 0, 0, 10, None),
        ("b/0", "x", 5, 10, 20, None),
        ("c/0", None, 6, None, None, None),
    ]


def test_shift_begins_before_arrival_and_takes_those_waiting_first(run: Run) -> None:
    at_once = run([arrival("a", 10)], [presence("x", 10, 100)])
    assert log(at_once) == [("a/0", "x", 10, 10, 20, None)]
    queue = run([arrival("a", 10), arrival("w", 9)], [presence("x", 10, 100)])
    assert log(queue) == [("w/0", "x", 9, 10, 20, None), ("a/0", "x", 10, 20, 30, None)]


def test_shift_ends_before_arrival(run: Run) -> None:
    contacts = run([arrival("a", 10)], [presence("x", 0, 10)])
    assert log(contacts) == [("a/0", None, 10, None, None, None)]


def test_shift_begins_before_another_ends(run: Run) -> None:
    # y begins at 10 and takes the contact that x, busy until after his shift, left waiting.
    contacts = run(
        [arrival("a", 0, 15), arrival("b", 5)], [presence("x", 0, 10), presence("y", 10, 20)]
    )
    assert log(contacts)[1] == ("b/0", "y", 5, 10, 20, None)
    # Stretches that touch are one: x stays, and has been idle since 0, longer than y.
    touching = run(
        [arrival("a", 12)],
        [presence("y", 5, 20), presence("x", 0, 10), presence("x", 10, 20)],
    )
    assert log(touching) == [("a/0", "x", 12, 12, 22, None)]


def test_service_wins_over_patience_at_the_same_instant(run: Run) -> None:
    by_completion = run(
        [arrival("a", 0), arrival("b", 4, patience_ms=[6])], [presence("x", 0, 100)]
    )
    assert log(by_completion)[1] == ("b/0", "x", 4, 10, 20, None)
    by_shift = run([arrival("b", 4, patience_ms=[6])], [presence("x", 10, 100)])
    assert log(by_shift) == [("b/0", "x", 4, 10, 20, None)]
    too_late = run([arrival("a", 0), arrival("b", 4, patience_ms=[5])], [presence("x", 0, 100)])
    assert log(too_late)[1] == ("b/0", None, 4, None, None, 9)


def test_no_patience_at_all_still_takes_a_free_agent(run: Run) -> None:
    contacts = run(
        [arrival("a", 0, patience_ms=[0]), arrival("b", 5, patience_ms=[0])],
        [presence("x", 0, 100)],
    )
    assert log(contacts) == [("a/0", "x", 0, 0, 10, None), ("b/0", None, 5, None, None, 5)]


def test_arrivals_at_one_instant_go_by_row_and_recontacts_after_them(run: Run) -> None:
    contacts = run(
        [
            arrival("late row", 20),
            arrival("quits", 0, patience_ms=[8, None], recontacts=[1], recontact_delay_ms=[2]),
            arrival("second", 10),
            arrival("first", 0, 5),
        ],
        [presence("x", 10, 100)],
    )
    assert [line[0] for line in log(contacts)] == [
        "quits/0",
        "first/0",
        "second/0",
        "quits/1",
        "late row/0",
    ]
    assert log(contacts)[1:4] == [
        ("first/0", "x", 0, 10, 15, None),
        ("second/0", "x", 10, 15, 25, None),
        ("quits/1", "x", 10, 25, 35, None),
    ]


def test_completions_at_one_instant_go_by_sequence_number(run: Run) -> None:
    # b started first, but a is the earlier row: a's agent y takes the waiting contact.
    contacts = run(
        [arrival("a", 4, 6), arrival("b", 0, 10), arrival("w", 5)],
        [presence("x", 0, 100), presence("y", 1, 100)],
    )
    assert log(contacts)[2] == ("w/0", "y", 5, 10, 20, None)


# Who takes what.


def test_queue_goes_by_priority_then_arrival_then_sequence(run: Run) -> None:
    contacts = run(
        [
            arrival("busy", 0),
            arrival("ordinary", 1),
            arrival("twin 1", 3, priority=1),
            arrival("twin 2", 3, priority=1),
            arrival("earlier", 2, priority=1),
            arrival("urgent", 4, priority=0),
        ],
        [presence("x", 0, 100)],
    )
    by_start = contacts.sort("started_ms")["contact_id"].to_list()
    assert by_start == ["busy/0", "urgent/0", "earlier/0", "twin 1/0", "twin 2/0", "ordinary/0"]


def test_sequence_decides_between_contacts_of_different_skills(run: Run) -> None:
    contacts = run(
        [
            arrival("first", 1, skill="billing"),
            arrival("second", 1, skill="care"),
            arrival("third", 1, skill="billing"),
        ],
        [presence("x", 5, 100, "both")],
        [able("both"), able("billing", skills=["billing"])],
    )
    assert contacts["contact_id"].to_list() == ["first/0", "second/0", "third/0"]
    assert contacts["started_ms"].to_list() == [5, 15, 25]


def test_longest_idle_agent_then_the_order_of_agents(run: Run) -> None:
    roster = [presence("z", 0, 100), presence("a", 0, 100), presence("m", 0, 100)]
    contacts = run([arrival(str(i), 10 * i, 3) for i in range(1, 6)], roster)
    assert contacts["agent"].to_list() == ["z", "a", "m", "z", "a"]
    # Both idle since 20: the order of agents, not of completions.
    both = run(
        [arrival("1", 10, 10), arrival("2", 12, 8), arrival("3", 30)],
        [presence("z", 0, 100), presence("a", 0, 100)],
    )
    assert both["agent"].to_list() == ["z", "a", "z"]


@pytest.mark.parametrize(
    ("contact", "team", "taken"),
    [
        ({"skill": "billing"}, {"skills": ["billing", "care"]}, True),
        ({"skill": "billing"}, {"skills": ["care"]}, False),
        ({"skill": None}, {"skills": ["care"]}, True),
        ({"channel": "email"}, {"channels": ["chat"]}, False),
        ({"language": "zh-Hant"}, {"languages": ["zh"]}, True),
        ({"language": "zh"}, {"languages": ["zh-Hant"]}, False),
        ({"language": "zh-Hant"}, {"languages": ["zh-Hans", "zh-hant"]}, True),
        ({"language": "zha"}, {"languages": ["zh"]}, False),
        ({"language": None}, {"languages": ["zh"]}, True),
        ({"language": "en", "skill": "care"}, {"languages": ["fr"], "skills": ["care"]}, False),
    ],
)  # fmt: skip
def test_matching(
    run: Run, contact: dict[str, Any], team: dict[str, list[str]], taken: bool
) -> None:
    contacts = run([arrival("a", 1, **contact)], [presence("x", 0, 100)], [able(**team)])
    assert log(contacts) == [
        ("a/0", "x", 1, 1, 11, None) if taken else ("a/0", None, 1, *[None] * 3)
    ]


def test_an_agent_skips_contacts_that_are_not_for_the_team(run: Run) -> None:
    contacts = run(
        [arrival("a", 0, skill="care"), arrival("b", 1, skill="billing"), arrival("c", 2)],
        [presence("x", 5, 100, "billing"), presence("y", 50, 100, "care")],
        [able("billing", skills=["billing"]), able("care", skills=["care"])],
    )
    assert log(contacts) == [
        ("a/0", "y", 0, 50, 60, None),
        ("b/0", "x", 1, 5, 15, None),
        ("c/0", "x", 2, 15, 25, None),
    ]
    assert contacts["team"].to_list() == ["care", "billing", "billing"]


def test_the_contact_in_hand_is_ended_before_a_break_and_the_queue_waits_for_the_return(
    run: Run,
) -> None:
    contacts = run(
        [arrival("a", 8), arrival("b", 9)], [presence("x", 0, 10), presence("x", 30, 40)]
    )
    assert log(contacts) == [("a/0", "x", 8, 8, 18, None), ("b/0", "x", 9, 30, 40, None)]
    overrun = run(
        [arrival("a", 8, 25), arrival("b", 9)], [presence("x", 0, 10), presence("x", 30, 40)]
    )
    assert log(overrun)[1] == ("b/0", "x", 9, 33, 43, None)


def test_an_agent_who_changes_team_takes_what_waits_there(run: Run) -> None:
    contacts = run(
        [arrival("a", 5, skill="care"), arrival("b", 12, skill="billing")],
        [presence("x", 0, 10, "billing"), presence("x", 10, 100, "care")],
        [able("billing", skills=["billing"]), able("care", skills=["care"])],
    )
    assert log(contacts) == [("a/0", "x", 5, 10, 20, None), ("b/0", None, 12, None, None, None)]
    assert contacts["team"].to_list() == ["care", None]


# Coming back.


def test_recontacts_by_habit(run: Run) -> None:
    habit = {"patience_ms": [2, 2, 2], "recontact_delay_ms": [5, 7, 9]}
    contacts = run(
        [
            arrival("blocks", 0, 50),
            arrival("never", 10, recontacts=[0, 2, 2], **habit),
            arrival("after abandoning", 10, recontacts=[1, 0, 2], **habit),
            arrival("either way", 60, recontacts=[2, 1, 2], **habit),
        ],
        [presence("x", 0, 100)],
    )
    assert log(contacts) == [
        ("blocks/0", "x", 0, 0, 50, None),
        ("never/0", None, 10, None, None, 12),
        ("after abandoning/0", None, 10, None, None, 12),
        ("after abandoning/1", None, 17, None, None, 19),
        ("either way/0", "x", 60, 60, 70, None),
        ("either way/1", "x", 75, 75, 85, None),
    ]
    again = contacts.row(5, named=True)
    assert (again["cause"], again["attempt"], again["work_ms"]) == ("recontact", 1, 10)
    assert again["conversation_id"] == "of either way"


def test_attempts_end_with_the_lists_or_with_max_attempts(run: Run) -> None:
    ever = {"recontacts": [2] * 5, "recontact_delay_ms": [1] * 5}
    five = [arrival("a", 0, 1, patience_ms=[None] * 5, **ever)]
    assert run(five, [presence("x", 0, 100)], max_attempts=4)["attempt"].to_list() == [0, 1, 2, 3]
    assert run(five, [presence("x", 0, 100)], max_attempts=1)["attempt"].to_list() == [0]
    two = [arrival("a", 0, 1, patience_ms=[None] * 2, **ever)]
    assert run(two, [presence("x", 0, 100)], max_attempts=9)["attempt"].to_list() == [0, 1]


def test_each_attempt_has_its_own_patience_and_only_the_first_its_priority(run: Run) -> None:
    contacts = run(
        [
            arrival("a", 0, 20),
            arrival("b", 1, 3, priority=0, patience_ms=[4, None], recontacts=[1],
                    recontact_delay_ms=[5]),
            arrival("c", 9, 3),
        ],
        [presence("x", 0, 100)],
    )  # fmt: skip
    assert log(contacts)[1:] == [
        ("b/0", None, 1, None, None, 5),
        ("c/0", "x", 9, 20, 23, None),
        ("b/1", "x", 10, 23, 26, None),
    ]


def test_after_the_last_shift_a_recontact_is_still_offered(run: Run) -> None:
    back = {"recontacts": [2], "recontact_delay_ms": [100]}
    leaves = run([arrival("a", 0, patience_ms=[5, 7], **back)], [presence("x", 0, 10)])
    assert log(leaves)[1] == ("a/1", None, 110, None, None, 117)
    stays = run([arrival("a", 0, patience_ms=[5, None], **back)], [presence("x", 0, 10)])
    assert log(stays)[1] == ("a/1", None, 110, None, None, None)


# Days.


def test_replications_do_not_meet_and_rows_without_arrival_do_not_visit(run: Run) -> None:
    contacts = run(
        [
            arrival("b", 0, replication=1),
            arrival("a", 0),
            arrival("nobody there", 0, replication=2, patience_ms=[9]),
            arrival("contained", None),
        ],
        [presence("x", 0, 100), presence("x", 7, 100, replication=1)],
    )
    assert contacts["replication"].to_list() == [0, 1, 2]
    assert log(contacts) == [
        ("a/0", "x", 0, 0, 10, None),
        ("b/0", "x", 0, 7, 17, None),
        ("nobody there/0", None, 0, None, None, 9),
    ]
    assert run([arrival("contained", None)], [presence("x", 0, 9)]).equals(tables.empty("contacts"))


def test_the_trace_has_the_events_in_the_stated_order() -> None:
    contacts, trace = traced(
        tables.build(
            "arrivals", [arrival("a", 0), arrival("b", 4, patience_ms=[6]), arrival("c", 10)]
        ),
        tables.build("roster", [presence("x", 0, 10)]),
        tables.build("teams", [able()]),
    )
    assert log(contacts)[1] == ("b/0", "x", 4, 10, 20, None)
    assert trace.select("at_us", "event", "contact_id", "agent", "n_waiting").rows() == [
        (0, "presence begins", None, "x", 0),
        (0, "arrival", "a/0", "x", 0),
        (4_000, "arrival", "b/0", None, 1),
        (10_000, "completion", "a/0", "x", 0),
        (10_000, "presence ends", None, "x", 0),
        (10_000, "arrival", "c/0", None, 1),
        (10_000, "patience ends", "b/0", "x", 1),
        (20_000, "completion", "b/0", "x", 1),
    ]


@pytest.mark.parametrize(
    ("arrivals", "roster", "message"),
    [
        ([arrival("a", 0), arrival("b", 0, stage="assist")], [], "2 cells"),
        ([arrival("a", 0, -1)], [], "work_ms = -1 in a; expected 0 or more"),
        ([arrival("a", 0, patience_ms=[])], [], "one for each attempt"),
        ([arrival("a", 0, patience_ms=[1, -2])], [], "patience_ms"),
        ([arrival("a", 0, recontacts=[3])], [], "0 never, 1 after abandoning, 2 either way"),
        ([arrival("a", 0, recontact_delay_ms=[None])], [], "no null"),
        ([arrival("a", 0)], [presence("x", 0, 9, "night")], r"'night'.*expected one of \['desk'"),
        ([arrival("a", 0)], [presence("x", 9, 0)], "ends at 0 ms, before starting at 9 ms"),
        (
            [arrival("a", 0)],
            [presence("x", 0, 9), presence("x", 8, 20, "other")],
            "'desk' and 'other' at 8 ms",
        ),
        ([arrival("a", 0, saved_ms=-1)], [], "saved_ms = -1 in a; expected 0 or more, or null"),
        ([arrival("a", 0, deadline_ms=-1)], [], "deadline_ms = -1 in a"),
        ([arrival("a", 0)], [presence("x", 0, 9, max_chats=7)], "max_chats = 7.*expected 1 to 6"),
        ([arrival("a", 0)], [presence("x", 0, 9, max_chats=0)], "max_chats = 0"),
    ],
)
def test_tables_that_cannot_be_run(arrivals: Rows, roster: Rows, message: str) -> None:
    with pytest.raises(TableError, match=message):
        runs_on("simpy")(arrivals, roster, [able(), able("other")])


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        ([opening("voice", 9, 9, "wait")], "voice closes at 9 ms, and opens at 9 ms"),
        (
            [opening("voice", 0, 9, "wait"), opening("voice", 8, 10, "wait")],
            "two openings of voice overlap at 8 ms",
        ),
        (
            [opening("voice", 0, 9, "wait"), opening("voice", 10, 20, "turn_away")],
            "two values of outside",
        ),
    ],
)
def test_hours_that_cannot_be_kept(hours: Rows, message: str) -> None:
    with pytest.raises(TableError, match=message):
        runs_on("simpy")([call("a", 0)], [], hours=hours)
