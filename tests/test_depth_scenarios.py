"""The scenario of a blended week, made smaller: exact tests over the tables of whole runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from simulator import pipeline, tables
from simulator.scenario_file import load
from simulator.schema import BOUNDS
from simulator.store import RunFolder

SCENARIO = Path(__file__).resolve().parent.parent / "scenarios" / "blended_week.toml"
# A third of the people for a third of the customers.
SMALL = (
    "history.sample.days=7",
    "history.sample.contacts_per_day=500",
    "history.sample.conversations=150",
    "contact_center.staffing=0.4",
    "simulation.days=1",
    "simulation.trace=true",
)
CELL = ("stage", "candidate", "bound")
VISIT = (*CELL, "replication", "contact_id")
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return pipeline.run(load(SCENARIO, SMALL), tmp_path_factory.mktemp("week") / "out")


@pytest.fixture(scope="module")
def people_alone(week: RunFolder) -> pl.DataFrame:
    return week.table("contacts").filter(stage="human_only")


def test_exact_tables_keep_their_contracts(week: RunFolder) -> None:
    for name in ("contacts", "intervals", "kpis", "roster", "hours", "trace", "horizon"):
        assert tables.check(name, week.table(name)).height > 0, name
    assert week.table("horizon").row(0, named=True)["n_days"] == 7
    assert set(week.table("contacts")["bound"]) == set(BOUNDS)


def test_exact_every_outcome_has_its_times_and_no_others(week: RunFolder) -> None:
    times = ("started_ms", "ended_ms", "abandoned_ms")
    known = {
        "answered": (True, True, False),
        "abandoned": (False, False, True),
        "turned_away": (False, False, False),
        "unserved": (False, False, False),
    }
    contacts = week.table("contacts")
    found = contacts.select("outcome", *(pl.col(time).is_not_null() for time in times)).unique()
    assert {row[0]: row[1:] for row in found.iter_rows()} == known
    assert found.height == len(known)
    assert contacts.filter(pl.col("started_ms") < pl.col("arrived_ms")).is_empty()
    assert contacts.filter(
        pl.col("agent").is_null() == (pl.col("outcome") == "answered")
    ).is_empty()


def test_exact_outcomes_add_up_to_what_was_offered(week: RunFolder) -> None:
    """Over contacts, over the indicators, and over the half-hours."""
    n_replications = week.table("horizon")["n_replications"].item()
    metrics = ("offered", "answered", "abandoned", "turned_away")
    counted = (
        week.table("contacts")
        .filter(pl.col("arrived_ms") >= 0)
        .group_by(CELL)
        .agg(
            pl.len().alias("offered"),
            *((pl.col("outcome") == name).sum().alias(name) for name in metrics[1:]),
            (pl.col("outcome") == "unserved").sum().alias("unserved"),
        )
    )
    by_half_hour = (
        week.table("intervals")
        .filter(pl.col("metric").is_in(metrics), pl.col("team") == "all")
        .pivot("metric", index=CELL, values="estimate", aggregate_function="sum")
    )
    indicators = (
        week.table("kpis")
        .filter(segment="all")
        .pivot("metric", index=CELL, values="estimate")
        .select(*CELL, "offered_per_day", "turned_away_per_day")
        .drop_nulls()
    )
    joined = counted.join(by_half_hour, on=CELL, suffix="_i").join(indicators, on=CELL)
    assert joined.height == week.table("contacts").select(CELL).unique().height
    for row in joined.to_dicts():
        parts = [row[name] for name in (*metrics[1:], "unserved")]
        assert sum(parts) == row["offered"]
        for name in metrics:
            assert row[f"{name}_i"] * n_replications == pytest.approx(row[name]), name
        for name in ("offered", "turned_away"):
            assert row[f"{name}_per_day"] * 7 * n_replications == pytest.approx(row[name]), name


def test_exact_drafts_change_nobody_who_comes(week: RunFolder) -> None:
    first = week.table("contacts").filter(attempt=0).select("stage", *VISIT[3:], "arrived_ms")
    alone, drafted = (
        first.filter(stage=stage).drop("stage").sort(VISIT[3:])
        for stage in ("human_only", "assist")
    )
    assert alone.height > 1000
    assert alone.equals(drafted)


def test_exact_monday_begins_with_the_mail_of_the_weekend(
    week: RunFolder, people_alone: pl.DataFrame
) -> None:
    backlog = (
        week.table("intervals")
        .filter(stage="human_only", metric="backlog", team="mail", interval_start_s=0)["estimate"]
        .item()
    )
    end_ms = 1_800_000
    waiting = people_alone.filter(
        pl.col("offered_team") == "mail",
        pl.col("arrived_ms") < end_ms,
        (pl.coalesce("started_ms", "abandoned_ms") >= end_ms).fill_null(True),
    )
    assert set(waiting["channel"]) == {"email"}
    assert backlog == pytest.approx(waiting.height / 2)
    # More than came in that half-hour: the mail of the days before.
    assert backlog > 100
    assert waiting.filter(pl.col("arrived_ms") < -DAY_MS).height > 0


def test_exact_nobody_is_answered_by_an_agent_who_is_not_there(week: RunFolder) -> None:
    answered = week.table("contacts").filter(outcome="answered")
    there = (
        answered.join(
            week.table("roster").rename({"agent_id": "agent"}), on=["replication", "agent", "team"]
        )
        .filter(pl.col("started_ms").is_between("starts_ms", "ends_ms"))
        .select(VISIT)
        .unique()
    )
    assert answered.height == there.height > 0


def test_exact_chats_are_turned_away_outside_hours_and_only_then(week: RunFolder) -> None:
    chats = week.table("contacts").filter(channel="chat")
    hours = week.table("hours")
    assert set(hours["channel"]) == {"chat"}
    inside = (
        chats.join(hours, on="replication")
        .filter(pl.col("arrived_ms").is_between("opens_ms", "closes_ms", closed="left"))
        .select(VISIT)
        .unique()
    )
    away = chats.filter(outcome="turned_away")
    assert away.height > 0
    assert away.join(inside, on=VISIT, how="semi").is_empty()
    assert away.height + inside.height == chats.height
    assert week.table("contacts").filter(channel="email", outcome="turned_away").is_empty()


def test_exact_other_teams_help_after_the_wait_that_the_scenario_sets(
    people_alone: pl.DataFrame,
) -> None:
    helped = people_alone.filter(
        pl.col("team") != pl.col("offered_team"), outcome="answered"
    ).with_columns(waited_ms=pl.col("started_ms") - pl.col("arrived_ms"))
    after_ms = {"chinese": 45_000, "mail": 60_000, "specialists": 90_000}
    assert set(helped["team"]) == set(after_ms)
    for team, least in after_ms.items():
        assert (helped.filter(team=team)["waited_ms"] >= least).all(), team
    # Nobody but the mail team writes mail, and only who speaks English gets help in Chinese.
    assert set(helped["channel"]) == {"chat"}
    assert set(helped.filter(team="chinese")["offered_team"]) == {"english"}


def test_exact_some_mail_is_late_and_some_is_not(week: RunFolder) -> None:
    kpis = week.table("kpis").filter(segment="all", metric="deadline_met_rate")
    assert kpis.height == week.table("contacts").select(CELL).unique().height
    assert kpis["estimate"].is_between(0, 1, closed="none").all()
    mails = week.table("contacts").filter(channel="email")
    assert mails["deadline_ms"].unique().to_list() == [DAY_MS]
    assert mails["abandoned_ms"].null_count() == mails.height


def test_exact_the_readable_engine_gives_the_same_tables(week: RunFolder) -> None:
    copy = week.path.with_name("simpy")
    shutil.copytree(week.path, copy)
    other = pipeline.run(load(SCENARIO, (*SMALL, "simulation.engine=simpy")), copy)
    assert other.manifest["scenario"]["simulation"]["engine"] == "simpy"
    for name in ("contacts", "kpis", "intervals", "desk_hours", "costs", "trace"):
        assert other.table(name).equals(week.table(name)), name


def test_exact_the_trace_has_every_contact(week: RunFolder) -> None:
    trace = week.table("trace")
    assert set(trace["replication"]) == {0}
    for part in (trace, trace.filter(pl.col("contact_id").is_not_null())):
        assert part.height > 0
    contacts = week.table("contacts").filter(replication=0)
    for cell, mine in contacts.group_by(CELL):
        here = trace.filter(*(pl.col(name) == one for name, one in zip(CELL, cell, strict=True)))
        assert set(here["contact_id"].drop_nulls()) == set(mine["contact_id"]), cell
        # In the order in which it happened.
        assert here["at_us"].is_sorted()
