"""Exact logs of the desk: small days written by hand, every tie among them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from simulator import tables
from simulator.contact_center import (
    next_morning,
    roster_from_schedule,
    roster_from_shifts,
    rules,
    simulate,
    teams_of_schedule,
    teams_table,
    with_outages,
)
from simulator.contact_center.plan import plan_of
from simulator.contact_center.simpy_engine import Replication
from simulator.errors import ScenarioError, TableError
from simulator.scenario import Shift, Team

HOUR = 3_600_000


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
        "priority": 2,
        "arrives_ms": at,
        "work_ms": work,
        "patience_ms": [None, None, None],
        "recontacts": [0, 0, 0],
        "recontact_delay_ms": [0, 0, 0],
        **more,
    }


def presence(agent: str, starts: int, ends: int, team: str = "desk", **more: Any) -> dict[str, Any]:
    row = {"replication": 0, "agent_id": agent, "team": team, "starts_ms": starts, "ends_ms": ends}
    return {**row, **more}


def able(team: str = "desk", **lists: list[str]) -> dict[str, Any]:
    return {"team": team, "skills": [], "languages": [], "channels": [], **lists}


def run(
    arrivals: list[dict[str, Any]],
    roster: list[dict[str, Any]],
    teams: list[dict[str, Any]] | None = None,
    max_attempts: int = 3,
) -> pl.DataFrame:
    contacts = simulate(
        tables.build("arrivals", arrivals),
        tables.build("roster", roster),
        tables.build("teams", teams or [able()]),
        max_attempts=max_attempts,
    )
    return tables.check("contacts", contacts)


Line = tuple[str, str | None, int, int | None, int | None, int | None]


def log(contacts: pl.DataFrame) -> list[Line]:
    """contact, agent, arrived, started, ended, abandoned"""
    return contacts.select(
        "contact_id", "agent", "arrived_ms", "started_ms", "ended_ms", "abandoned_ms"
    ).rows()  # type: ignore[return-value]


def test_one_agent_works_the_queue_in_order() -> None:
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
        "team": "desk",
        "agent": "x",
        "arrived_ms": 3,
        "started_ms": 10,
        "ended_ms": 20,
        "abandoned_ms": None,
        "work_ms": 10,
    }


# Ties: each is one instant, 10, at which two things happen.


def test_completion_comes_before_arrival() -> None:
    waiting = run([arrival("a", 0), arrival("b", 10), arrival("w", 5)], [presence("x", 0, 100)])
    assert log(waiting)[1:] == [("w/0", "x", 5, 10, 20, None), ("b/0", "x", 10, 20, 30, None)]
    free = run([arrival("a", 0), arrival("b", 10)], [presence("x", 0, 100)])
    assert log(free)[1] == ("b/0", "x", 10, 10, 20, None)


def test_completion_comes_before_the_end_of_the_shift() -> None:
    contacts = run([arrival("a", 0), arrival("b", 5), arrival("c", 6)], [presence("x", 0, 10)])
    assert log(contacts) == [
        ("a/0", "x", 0, 0, 10, None),
        ("b/0", "x", 5, 10, 20, None),
        ("c/0", None, 6, None, None, None),
    ]


def test_shift_begins_before_arrival_and_takes_those_waiting_first() -> None:
    at_once = run([arrival("a", 10)], [presence("x", 10, 100)])
    assert log(at_once) == [("a/0", "x", 10, 10, 20, None)]
    queue = run([arrival("a", 10), arrival("w", 9)], [presence("x", 10, 100)])
    assert log(queue) == [("w/0", "x", 9, 10, 20, None), ("a/0", "x", 10, 20, 30, None)]


def test_shift_ends_before_arrival() -> None:
    contacts = run([arrival("a", 10)], [presence("x", 0, 10)])
    assert log(contacts) == [("a/0", None, 10, None, None, None)]


def test_shift_begins_before_another_ends() -> None:
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


def test_service_wins_over_patience_at_the_same_instant() -> None:
    by_completion = run(
        [arrival("a", 0), arrival("b", 4, patience_ms=[6])], [presence("x", 0, 100)]
    )
    assert log(by_completion)[1] == ("b/0", "x", 4, 10, 20, None)
    by_shift = run([arrival("b", 4, patience_ms=[6])], [presence("x", 10, 100)])
    assert log(by_shift) == [("b/0", "x", 4, 10, 20, None)]
    too_late = run([arrival("a", 0), arrival("b", 4, patience_ms=[5])], [presence("x", 0, 100)])
    assert log(too_late)[1] == ("b/0", None, 4, None, None, 9)


def test_no_patience_at_all_still_takes_a_free_agent() -> None:
    contacts = run(
        [arrival("a", 0, patience_ms=[0]), arrival("b", 5, patience_ms=[0])],
        [presence("x", 0, 100)],
    )
    assert log(contacts) == [("a/0", "x", 0, 0, 10, None), ("b/0", None, 5, None, None, 5)]


def test_arrivals_at_one_instant_go_by_row_and_recontacts_after_them() -> None:
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


def test_completions_at_one_instant_go_by_sequence_number() -> None:
    # b started first, but a is the earlier row: a's agent y takes the waiting contact.
    contacts = run(
        [arrival("a", 4, 6), arrival("b", 0, 10), arrival("w", 5)],
        [presence("x", 0, 100), presence("y", 1, 100)],
    )
    assert log(contacts)[2] == ("w/0", "y", 5, 10, 20, None)


# Who takes what.


def test_queue_goes_by_priority_then_arrival_then_sequence() -> None:
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


def test_sequence_decides_between_contacts_of_different_skills() -> None:
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


def test_longest_idle_agent_then_the_order_of_agents() -> None:
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
def test_matching(contact: dict[str, Any], team: dict[str, list[str]], taken: bool) -> None:
    contacts = run([arrival("a", 1, **contact)], [presence("x", 0, 100)], [able(**team)])
    assert log(contacts) == [
        ("a/0", "x", 1, 1, 11, None) if taken else ("a/0", None, 1, *[None] * 3)
    ]


def test_an_agent_skips_contacts_that_are_not_for_the_team() -> None:
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


def test_the_contact_in_hand_is_ended_before_a_break_and_the_queue_waits_for_the_return() -> None:
    contacts = run(
        [arrival("a", 8), arrival("b", 9)], [presence("x", 0, 10), presence("x", 30, 40)]
    )
    assert log(contacts) == [("a/0", "x", 8, 8, 18, None), ("b/0", "x", 9, 30, 40, None)]
    overrun = run(
        [arrival("a", 8, 25), arrival("b", 9)], [presence("x", 0, 10), presence("x", 30, 40)]
    )
    assert log(overrun)[1] == ("b/0", "x", 9, 33, 43, None)


def test_an_agent_who_changes_team_takes_what_waits_there() -> None:
    contacts = run(
        [arrival("a", 5, skill="care"), arrival("b", 12, skill="billing")],
        [presence("x", 0, 10, "billing"), presence("x", 10, 100, "care")],
        [able("billing", skills=["billing"]), able("care", skills=["care"])],
    )
    assert log(contacts) == [("a/0", "x", 5, 10, 20, None), ("b/0", None, 12, None, None, None)]
    assert contacts["team"].to_list() == ["care", None]


# Coming back.


def test_recontacts_by_habit() -> None:
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


def test_attempts_end_with_the_lists_or_with_max_attempts() -> None:
    ever = {"recontacts": [2] * 5, "recontact_delay_ms": [1] * 5}
    five = [arrival("a", 0, 1, patience_ms=[None] * 5, **ever)]
    assert run(five, [presence("x", 0, 100)], max_attempts=4)["attempt"].to_list() == [0, 1, 2, 3]
    assert run(five, [presence("x", 0, 100)], max_attempts=1)["attempt"].to_list() == [0]
    two = [arrival("a", 0, 1, patience_ms=[None] * 2, **ever)]
    assert run(two, [presence("x", 0, 100)], max_attempts=9)["attempt"].to_list() == [0, 1]


def test_each_attempt_has_its_own_patience_and_only_the_first_its_priority() -> None:
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


def test_after_the_last_shift_a_recontact_is_still_offered() -> None:
    back = {"recontacts": [2], "recontact_delay_ms": [100]}
    leaves = run([arrival("a", 0, patience_ms=[5, 7], **back)], [presence("x", 0, 10)])
    assert log(leaves)[1] == ("a/1", None, 110, None, None, 117)
    stays = run([arrival("a", 0, patience_ms=[5, None], **back)], [presence("x", 0, 10)])
    assert log(stays)[1] == ("a/1", None, 110, None, None, None)


# Days.


def test_replications_do_not_meet_and_rows_without_arrival_do_not_visit() -> None:
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


def test_simpy_drives_the_events_in_the_stated_order() -> None:
    arrivals = tables.build(
        "arrivals", [arrival("a", 0), arrival("b", 4, patience_ms=[6]), arrival("c", 10)]
    )
    teams = tables.build("teams", [able()])
    roster = tables.build("roster", [presence("x", 0, 10)])
    replication = Replication(plan_of(arrivals, teams), roster, ["desk"], 0, 3, 1)
    seen = []
    while replication.env.peek() < float("inf"):
        kind = replication.env._queue[0][1] >> 40
        replication.env.step()
        seen.append((replication.env.now, kind, replication.desk.n_waiting))
    assert seen == [
        (0, rules.PRESENCE_BEGINS, 0),
        (0, rules.ARRIVAL, 0),
        (4, rules.ARRIVAL, 1),
        (10, rules.COMPLETION, 0),
        (10, rules.PRESENCE_ENDS, 0),
        (10, rules.ARRIVAL, 1),
        (10, rules.PATIENCE_ENDS, 1),
        (20, rules.COMPLETION, 1),
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
    ],
)
def test_tables_that_cannot_be_run(
    arrivals: list[dict[str, Any]], roster: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        run(arrivals, roster, [able(), able("other")])


# Outages.


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


@pytest.mark.parametrize(
    ("starts", "visit"),
    [
        (0, ("new", None, 0, 2)),  # over at 60, well before
        (40, ("new", None, 0, 2)),  # over at 100, the very instant
        (41, ("outage", 100, 900, 0)),  # the third reply under way
        (70, ("outage", 100, 900, 0)),  # two replies complete at this very instant
        (71, ("outage", 100, 800, 0)),
        (91, ("outage", 100, 700, 1)),  # under way, but no reply yet
        (100, ("outage", 100, 700, 1)),
        (149, ("outage", 149, 700, 1)),
        (150, ("new", None, 0, 2)),  # up again
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
            arrival("human", 120),
            bot("gone", 71, bot_quits_at=0),
            bot("still there", 71, bot_quits_at=1),
            bot("hand-off due later", 90, at=500, cause="handoff", priority=1),
            bot("first in line already", 120, priority=0),
        ],
    )
    moved = with_outages(arrivals, [(100, 150)])
    assert moved["arrival_id"].to_list() == arrivals["arrival_id"].to_list()
    assert moved.select("cause", "arrives_ms", "work_ms", "priority").rows() == [
        ("new", 120, 10, 2),
        ("new", None, 0, 2),
        ("outage", 100, 800, 0),
        ("outage", 100, 800, 0),
        ("outage", 120, 700, 0),
    ]
    assert moved[:2].equals(arrivals[:2])


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


# Rosters.


def stretch(agent: str, starts: datetime, ends: datetime, team: str = "desk") -> dict[str, Any]:
    return {"agent_id": agent, "team": team, "starts_at": starts, "ends_at": ends}


def utc(day: int, hour: int) -> datetime:
    return datetime(2025, 3, day, hour, tzinfo=UTC)


def test_schedule_by_local_day() -> None:
    schedule = tables.build(
        "schedule",
        [
            # 09:00 to 17:00 in Taipei on 3 March, 22:00 to 06:00 over that midnight, and the 4th.
            stretch("day", utc(3, 1), utc(3, 9)),
            stretch("owl", utc(3, 14), utc(3, 22)),
            stretch("new", utc(4, 1), utc(4, 9), "b"),
        ],
    )
    days = [date(2025, 3, 4), date(2025, 3, 3), date(2025, 3, 9)]
    roster = roster_from_schedule(schedule, days, ZoneInfo("Asia/Taipei"), 1.0)
    assert roster.select("replication", "agent_id", "team", "starts_ms", "ends_ms").rows() == [
        (0, "owl", "desk", 0, 6 * HOUR),
        (0, "new", "b", 9 * HOUR, 17 * HOUR),
        (1, "day", "desk", 9 * HOUR, 17 * HOUR),
        (1, "owl", "desk", 22 * HOUR, 30 * HOUR),
    ]
    assert teams_of_schedule(schedule).rows() == [("b", [], [], []), ("desk", [], [], [])]


def test_shifts_with_a_break_in_the_middle() -> None:
    shift = Shift(agents=2, starts=time(9), ends=time(17), break_min=60)
    teams = (Team(name="care", skills=("care",), shifts=(shift,)), Team(name="later"))
    roster = roster_from_shifts(teams, 2, 1.0)
    one = [
        ("care-1", "care", 9 * HOUR, 12.5 * HOUR),
        ("care-2", "care", 9 * HOUR, 12.5 * HOUR),
        ("care-1", "care", 13.5 * HOUR, 17 * HOUR),
        ("care-2", "care", 13.5 * HOUR, 17 * HOUR),
    ]
    assert roster.select("agent_id", "team", "starts_ms", "ends_ms").rows() == one + one
    assert roster["replication"].to_list() == [0] * 4 + [1] * 4
    assert teams_table(teams).rows() == [("care", ["care"], [], []), ("later", [], [], [])]


@pytest.mark.parametrize(
    ("staffing", "early", "late"),
    [
        (1.0, ["e-1", "e-2", "e-3", "e-4", "e-5"], ["l-1"]),
        (0.8, ["e-1", "e-2", "e-4", "e-5"], ["l-1"]),
        (0.4, ["e-2", "e-4"], []),
        (2.0, [f"e-{i}{copy}" for i in range(1, 6) for copy in ("", "#2")], ["l-1", "l-1#2"]),
        (1.4, ["e-1", "e-2", "e-2#2", "e-3", "e-4", "e-4#2", "e-5"], ["l-1"]),
    ],
)
def test_staffing_multiplies_agents_by_team(
    staffing: float, early: list[str], late: list[str]
) -> None:
    shifts = (Shift(agents=5, starts=time(9), ends=time(17), break_min=30),)
    more = (Shift(agents=1, starts=time(12), ends=time(20)),)
    teams = (Team(name="e", shifts=shifts), Team(name="l", shifts=more))
    roster = roster_from_shifts(teams, 1, staffing)
    for team, agents in (("e", early), ("l", late)):
        part = roster.filter(pl.col("team") == team)
        assert part["agent_id"].unique().sort().to_list() == sorted(agents)
        assert part.height == len(agents) * (2 if team == "e" else 1)


def test_a_break_longer_than_its_shift() -> None:
    shift = Shift(agents=1, starts=time(9), ends=time(10), break_min=60)
    with pytest.raises(ScenarioError, match=r"teams\[0\].shifts\[0\].break_min = 60.*the 60 min"):
        roster_from_shifts((Team(name="a", shifts=(shift,)),), 1, 1.0)


def test_who_returns_after_closing_comes_in_the_morning() -> None:
    late = 21 * 3_600_000
    rows = [
        arrival("back", late, cause="hand_back"),
        arrival("again", late, cause="recontact"),
        arrival("new", late),
        arrival("early", 10 * 3_600_000, cause="hand_back"),
    ]
    offered = tables.build("arrivals", rows)
    roster = tables.build("roster", [presence("x", 9 * 3_600_000, 20 * 3_600_000)])
    moved = next_morning(offered, roster)
    hours = dict(moved.select("arrival_id", pl.col("arrives_ms") // 3_600_000).iter_rows())
    assert hours == {"back": 9, "again": 9, "new": 21, "early": 10}
    assert next_morning(offered, roster.clear()).equals(offered)
