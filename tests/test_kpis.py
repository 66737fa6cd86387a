"""Indicators of the desk, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from simulator import tables
from simulator.contact_center import desk_kpis
from simulator.contact_center.measures.kpis import desk_hours
from simulator.errors import TableError

S = 1000
HOUR = 3_600_000


def visit(
    name: str,
    arrived: int,
    started: int | None = None,
    ended: int | None = None,
    abandoned: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    row = {
        "replication": 0,
        "stage": "assist",
        "candidate": "X",
        "bound": "central",
        "contact_id": f"{name}/0",
        "conversation_id": name,
        "attempt": 0,
        "cause": "assist",
        "channel": "chat",
        "offered_team": "desk",
        "team": None if started is None else "desk",
        "agent": None if started is None else "x",
        "outcome": "unserved",
        "arrived_ms": arrived,
        "started_ms": started,
        "ended_ms": ended,
        "abandoned_ms": abandoned,
        "work_ms": 60 * S,
        "handled_ms": None if started is None or ended is None else ended - started,
    }
    if started is not None:
        row["outcome"] = "answered"
    elif abandoned is not None:
        row["outcome"] = "abandoned"
    return row | more


def presence(agent: str, starts: int, ends: int, team: str = "desk", **more: Any) -> dict[str, Any]:
    row = {"replication": 0, "agent_id": agent, "team": team, "starts_ms": starts, "ends_ms": ends}
    return {**row, **more}


def conversations(**intents: str | None) -> pl.DataFrame:
    return tables.build(
        "conversations",
        [
            {"conversation_id": name, "channel": "chat", "intent": intent}
            for name, intent in intents.items()
        ],
    )


INTENTS = conversations(a="refund", b="refund", c="refund", d="invoice", e=None, f="cancel")

DAY = [
    visit("a", 9 * HOUR, 9 * HOUR, 9 * HOUR + 60 * S),
    visit("b", 9 * HOUR + 10 * S, 9 * HOUR + 60 * S, 9 * HOUR + 120 * S, cause="handoff"),
    visit("c", 9 * HOUR + 20 * S, None, None, 9 * HOUR + 50 * S, cause="outage"),
    visit("d", 9 * HOUR + 30 * S, None, None, 9 * HOUR + 35 * S),
    visit("e", 9 * HOUR + 1740 * S, 9 * HOUR + 1760 * S, 9 * HOUR + 1880 * S),
    visit("e", 20 * HOUR, contact_id="e/1", attempt=1, cause="recontact"),
]
ROSTER = [presence("x", 9 * HOUR, 9 * HOUR + 1800 * S)]

Kpis = dict[tuple[str, str], dict[str, Any]]


def kpis(
    contacts: list[dict[str, Any]],
    roster: list[dict[str, Any]],
    segment_by: tuple[str, ...] = ("intent",),
    draws: tuple[int, ...] = (0,),
    target_wait_s: float = 20,
    history: pl.DataFrame = INTENTS,
    n_days: int = 1,
) -> Kpis:
    found = desk_kpis(
        tables.build("contacts", contacts),
        tables.build("roster", roster),
        history,
        segment_by,
        target_wait_s,
        draws,
        n_days,
    )
    tables.check("kpis", found)
    return {(row["segment"], row["metric"]): row for row in found.iter_rows(named=True)}


def values(found: Kpis, segment: str) -> dict[str, Any]:
    return {metric: row["estimate"] for (name, metric), row in found.items() if name == segment}


def test_a_day_by_hand() -> None:
    found = kpis(DAY, ROSTER)
    assert values(found, "all") == {
        "offered_per_day": 6,
        "escalated_per_day": 2,
        "turned_away_per_day": 0,
        "asa_s": pytest.approx((0 + 50 + 20) / 3),
        "wait_p50_s": 20,
        "wait_p90_s": pytest.approx(20 + 0.8 * 30),
        "wait_p99_s": pytest.approx(20 + 0.98 * 30),
        # Answered within 20 s: a and e. Reached: a, b, e, c, who left after 30 s, and the second
        # visit of e, still waiting when nobody was left.
        "service_level": pytest.approx(2 / 5),
        "abandonment_rate": pytest.approx(2 / 6),
        "human_hours_per_day": pytest.approx(240 / 3600),
        # All first visits, answered or not, and the second of e, whose first was answered.
        "needed_hours_per_day": pytest.approx(360 / 3600),
        # Logged in 1800 s and 80 s after the end of the shift.
        "occupancy": pytest.approx(240 / 1880),
        "abandoned_per_day": 2,
        "unserved_per_day": 1,
        "deadline_met_rate": None,
        # The second visit of e still waits at midnight.
        "backlog_end": 1,
    }
    row = found["all", "service_level"]
    assert (row["n"], row["unit"], row["low"], row["high"]) == (5, "ratio", None, None)
    assert row["method"] == "one replication: no interval"
    assert {metric: found["all", metric]["n"] for metric in ("asa_s", "abandonment_rate")} == {
        "asa_s": 3,
        "abandonment_rate": 6,
    }


def test_segments_and_those_that_nobody_visited() -> None:
    found = kpis(DAY, ROSTER)
    assert {name for name, _ in found} == {"all", "refund", "invoice", "cancel", "unknown"}
    assert values(found, "refund")["offered_per_day"] == 3
    assert values(found, "unknown")["asa_s"] == 20
    assert values(found, "invoice")["asa_s"] is None
    assert values(found, "invoice")["service_level"] is None
    assert values(found, "invoice")["abandonment_rate"] == 1.0
    cancel = values(found, "cancel")
    assert (cancel["offered_per_day"], cancel["abandonment_rate"]) == (0, None)
    assert "occupancy" not in values(found, "refund")


def test_segments_of_several_columns() -> None:
    found = kpis(DAY, ROSTER, ("intent", "channel"))
    assert values(found, "refund / chat")["offered_per_day"] == 3
    assert values(found, "unknown / chat")["offered_per_day"] == 2
    assert {name for name, _ in kpis(DAY, ROSTER, ())} == {"all"}


def test_cells_are_kept_apart() -> None:
    other = [{**row, "bound": "worst"} for row in DAY[:2]]
    found = desk_kpis(
        tables.build("contacts", DAY + other),
        tables.build("roster", ROSTER),
        INTENTS,
        ["intent"],
        20,
        [0],
    )
    offered = found.filter(segment="all", metric="offered_per_day")
    assert dict(offered.select("bound", "estimate").iter_rows()) == {"central": 6, "worst": 2}
    occupancy = found.filter(segment="all", metric="occupancy", bound="worst")
    assert occupancy["estimate"].item() == pytest.approx(120 / 1800)


def test_a_replication_without_visits_is_a_day_of_zero() -> None:
    found = kpis(DAY, [*ROSTER, presence("x", 0, 10 * S, replication=1)], draws=(0, 1))
    row = found["all", "offered_per_day"]
    assert row["estimate"] == 3
    half = stats.t.ppf(0.975, 1) * 3
    assert (row["low"], row["high"]) == (0.0, pytest.approx(3 + half))
    # A ratio is the sum over the sum; the percentile is the mean of the days that have one.
    assert values(found, "all")["asa_s"] == pytest.approx(70 / 3)
    assert values(found, "all")["wait_p90_s"] == pytest.approx(44)
    level = found["all", "service_level"]
    assert level["low"] is not None
    assert 0 <= level["low"] <= level["estimate"] <= level["high"] <= 1


def test_ratio_interval_is_that_of_the_linearised_residuals() -> None:
    contacts = []
    for replication, (n, answered) in enumerate([(10, 9), (20, 14), (10, 6), (30, 27)]):
        for i in range(n):
            started = HOUR if i < answered else None
            ended = None if started is None else 2 * HOUR
            gone = HOUR if started is None else None
            contacts.append(
                visit("a", HOUR, started, ended, gone, replication=replication)
                | {"contact_id": f"{replication}-{i}"}
            )
    row = kpis(contacts, [], draws=(0, 0, 0, 0))["all", "abandonment_rate"]
    ratio = 14 / 70
    residuals = (np.array([1, 6, 4, 3]) - ratio * np.array([10, 20, 10, 30])) / 17.5
    half = stats.t.ppf(0.975, 3) * np.sqrt((residuals**2).sum() / 3 / 4)
    assert row["estimate"] == pytest.approx(ratio)
    assert row["high"] == pytest.approx(ratio + half)
    assert row["low"] == pytest.approx(max(0, ratio - half))
    assert "of one input day, no input variance" in row["method"]
    assert row["simulation_sd"] == pytest.approx(np.sqrt((residuals**2).sum() / 3))
    assert row["input_sd"] is None
    # One day is the ratio of its own, not the residual.
    daily = np.array([1 / 10, 6 / 20, 4 / 10, 3 / 30])
    one_day = stats.t.ppf(0.95, 3) * daily.std(ddof=1) * np.sqrt(1 + 1 / 4)
    assert row["predicted_high"] == pytest.approx(daily.mean() + one_day)
    assert row["predicted_low"] == pytest.approx(max(0, daily.mean() - one_day))


def test_work_after_midnight_belongs_to_the_next_day() -> None:
    night = [visit("a", 23 * HOUR, 23 * HOUR, 25 * HOUR)]
    found = kpis(night, [presence("x", 22 * HOUR, 30 * HOUR)])
    assert values(found, "all")["occupancy"] == pytest.approx(1 / 2)
    assert values(found, "all")["human_hours_per_day"] == 2


def test_presence_that_overlaps_counts_once() -> None:
    roster = [presence("x", 9 * HOUR, 11 * HOUR), presence("x", 10 * HOUR, 12 * HOUR)]
    found = kpis([visit("a", 10 * HOUR, 10 * HOUR, 13 * HOUR)], roster)
    assert values(found, "all")["occupancy"] == pytest.approx(3 / 4)


def test_tables_that_do_not_fit() -> None:
    with pytest.raises(TableError, match="replication = 1; expected one of"):
        kpis([visit("a", 0, replication=1)], [])
    with pytest.raises(TableError, match="is called 'all'"):
        kpis([visit("a", 0)], [], history=conversations(a="all"))
    with pytest.raises(TableError, match="table contacts"):
        desk_kpis(INTENTS, tables.empty("roster"), INTENTS, [], 20, [0])
    nothing = desk_kpis(tables.empty("contacts"), tables.empty("roster"), INTENTS, [], 20, [0])
    assert nothing.equals(tables.empty("kpis"))


def test_warm_up_days_leave_their_queue_and_their_work() -> None:
    before = [
        # Answered on the day that counts, by an agent who is busy with it then.
        visit("a", -HOUR, 9 * HOUR, 10 * HOUR),
        # Still waiting at the end of the day that counts.
        visit("b", -2 * HOUR),
        # Left before it began.
        visit("c", -2 * HOUR, None, None, -HOUR),
    ]
    shift = [presence("x", -15 * HOUR, -HOUR), presence("x", 8 * HOUR, 12 * HOUR)]
    found = values(kpis([*before, visit("d", 11 * HOUR, 11 * HOUR, 12 * HOUR)], shift), "all")
    assert found["offered_per_day"] == 1
    assert found["unserved_per_day"] == 0
    assert found["asa_s"] == 0
    assert found["human_hours_per_day"] == 1
    assert found["backlog_end"] == 1
    assert found["occupancy"] == pytest.approx(2 / 4)


def test_a_week_is_counted_by_the_day() -> None:
    visits = [visit("a", day * 24 * HOUR, contact_id=f"{day}/0") for day in range(7)]
    late = visit("b", 167 * HOUR, 167 * HOUR, 169 * HOUR)
    shift = [presence("x", 166 * HOUR, 170 * HOUR)]
    found = values(kpis([*visits, late], shift, n_days=7), "all")
    assert found["offered_per_day"] == pytest.approx(8 / 7)
    assert found["unserved_per_day"] == 1
    assert found["backlog_end"] == 7
    assert found["human_hours_per_day"] == pytest.approx(2 / 7)
    # The week ends two hours before the shift.
    assert found["occupancy"] == pytest.approx(1 / 2)
    hours = desk_hours(tables.build("contacts", visits), INTENTS, (), 1, 7)
    assert hours["needed_hours"].to_list() == [pytest.approx(7 * 60 / 3600 / 7)]


def test_chats_at_once_share_an_agent() -> None:
    together = [
        visit("a", 0, 0, 100 * S, handled_ms=60 * S),
        visit("b", 0, 20 * S, 80 * S, handled_ms=40 * S),
        visit("c", 0, 150 * S, 160 * S),
    ]
    found = values(kpis(together, [presence("x", 0, 200 * S)]), "all")
    assert found["occupancy"] == pytest.approx(110 / 200)
    assert found["human_hours_per_day"] == pytest.approx(110 / 3600)


def test_who_was_turned_away_is_not_in_the_service_level() -> None:
    away = [visit("a", i * S, outcome="turned_away", contact_id=f"{i}/0") for i in range(3)]
    found = values(kpis([*away, visit("b", 0, 5 * S, 9 * S)], []), "all")
    assert found["turned_away_per_day"] == 3
    assert found["offered_per_day"] == 4
    assert found["service_level"] == 1
    assert (found["unserved_per_day"], found["backlog_end"]) == (0, 0)


def mail(name: str, arrived: int, started: int | None, **more: Any) -> dict[str, Any]:
    ended = None if started is None else started + HOUR
    row = visit(name, arrived, started, ended, channel="email", deadline_ms=4 * HOUR)
    return row | more


def test_mail_stands_apart_where_there_are_live_contacts() -> None:
    mails = [mail("a", 0, 4 * HOUR), mail("b", 0, 4 * HOUR + 1), mail("c", 0, None)]
    log = tables.build(
        "conversations",
        [
            {"conversation_id": name, "channel": "chat" if name == "d" else "email"}
            for name in "abcdef"
        ],
    )
    talk = visit("d", 0, 10 * S, HOUR)
    found = values(kpis([*mails, talk], [], (), history=log), "all")
    assert (found["asa_s"], found["wait_p99_s"], found["service_level"]) == (10, 10, 1)
    assert found["abandonment_rate"] == 0
    assert found["offered_per_day"] == 4
    # Answered in time, too late, never.
    assert found["deadline_met_rate"] == pytest.approx(1 / 3)
    # One more that is not due yet when the day is over, and one of the day before that is.
    later = [mail("e", 23 * HOUR, None), mail("f", -1 * HOUR, 2 * HOUR)]
    told = values(kpis([*mails[:2], talk, *later], [], (), history=log), "all")
    assert told["deadline_met_rate"] == pytest.approx(2 / 3)
    assert told["unserved_per_day"] == 0
    assert found["email_time_to_answer_h"] == pytest.approx(4, rel=1e-6)
    assert (found["email_backlog_end"], found["backlog_end"]) == (1, 1)
    # A candidate that leaves only mail to people does not change what the waits are over.
    left = values(kpis(mails, [], (), history=log), "all")
    assert (left["asa_s"], left["service_level"]) == (None, None)
    alone = values(kpis(mails, [], (), history=log.filter(channel="email")), "all")
    assert alone["asa_s"] == pytest.approx(4 * 3600, rel=1e-6)
    assert "email_backlog_end" not in alone


def test_work_of_a_visit_that_was_not_answered_counts_once() -> None:
    def tries(name: str, *answered: bool) -> list[dict[str, Any]]:
        return [
            visit(
                name,
                at * HOUR,
                at * HOUR if hit else None,
                at * HOUR + S if hit else None,
                None if hit else at * HOUR,
                attempt=at,
                contact_id=f"{name}/{at}",
            )
            for at, hit in enumerate(answered)
        ]

    found = values(
        kpis([*tries("a", False, False, True), *tries("b", True, True), *tries("c", False)], []),
        "all",
    )
    assert found["needed_hours_per_day"] == pytest.approx((1 + 2 + 1) * 60 / 3600)
