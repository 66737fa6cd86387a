"""A run folder used again: whatever the result depends on makes it new, and nothing else does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from simulator import pipeline
from simulator.errors import HistoryError, ScenarioError
from simulator.scenario_file import load

SCENARIO = """
name = "again"
[history]
source = "{source}"
format = "{format}"
timezone = "{zone}"
[candidates.human]
kind = "human"
[candidates.bot]
kind = "always_escalate"
[simulation]
days = 2
replications = 1
processes = 1
"""
START = datetime(2026, 3, 2, 13, tzinfo=UTC)


def conversation(i, intent="refund", day=None, **more):
    return {
        "conversation_id": f"c{i}",
        "intent": intent,
        "handle_time_s": 300,
        "started_at": (START + timedelta(days=i if day is None else day)).isoformat(),
        "messages": [
            {"role": "user", "content": "I paid by Visa"},
            {"role": "assistant", "content": "Thank you"},
        ],
        **more,
    }


@pytest.fixture
def place(tmp_path):
    def write(rows, zone="UTC", more=""):
        lines = [json.dumps(row) for row in rows]
        (tmp_path / "log.jsonl").write_text("\n".join(lines), "utf-8")
        text = SCENARIO.format(source="log.jsonl", format="jsonl", zone=zone) + more
        (tmp_path / "s.toml").write_text(text, "utf-8")
        return pipeline.run(load(tmp_path / "s.toml"), tmp_path / "out")

    return write


LOG = [conversation(i) for i in range(5)]


def modified(folder):
    tables = (folder.path / "tables").glob("*.parquet")
    return {path.name: path.stat().st_mtime_ns for path in tables}


def test_nothing_changed_nothing_is_done(place):
    before = modified(place(LOG))
    assert modified(place(LOG)) == before


def test_renamed_intents_give_their_own_segments(place):
    assert "refund" in place(LOG).table("kpis")["segment"].to_list()
    renamed = place([conversation(i, "refund_timing") for i in range(5)])
    metrics = renamed.table("kpis").filter(metric="offered_per_day", stage="human_only")
    assert set(metrics["segment"]) == {"all", "refund_timing"}
    assert (metrics["estimate"] > 0).all()


def test_another_time_zone_moves_the_arrivals(place):
    def hours(folder):
        return set(folder.table("contacts").filter(stage="human_only")["arrived_ms"] // 3_600_000)

    assert hours(place(LOG)) == {13}
    assert hours(place(LOG, "Asia/Taipei")) == {21}


def test_an_edited_turns_file_is_read_again(tmp_path):
    (tmp_path / "conversations.csv").write_text(
        "conversation_id,channel,started_at\nc1,chat,2026-03-02T10:00:00Z\n"
    )
    scenario = SCENARIO.format(source="conversations.csv", format="csv", zone="UTC")
    (tmp_path / "s.toml").write_text(scenario)

    def text(words):
        (tmp_path / "turns.csv").write_text(
            f"conversation_id,turn,role,text\nc1,0,customer,{words}\n"
        )
        folder = pipeline.run(load(tmp_path / "s.toml"), tmp_path / "out")
        return folder.table("turns")["text"].to_list()

    assert text("Visa") == ["Visa"]
    assert text("Mastercard") == ["Mastercard"]


def test_a_chart_of_an_earlier_run_does_not_stay(place, tmp_path):
    folder = place(LOG)
    (folder.path / "charts").mkdir(exist_ok=True)
    (folder.path / "charts" / "load-gone.svg").write_text("<svg/>")
    pipeline.report(folder)
    assert not (folder.path / "charts" / "load-gone.svg").exists()


def test_a_day_without_a_contact_is_a_day_all_the_same(place):
    sparse = [conversation(0, day=0), conversation(1, day=4)]
    folder = place(sparse, more="[demand]\nday = 'any'\n")
    drawn = folder.table("volumes").filter(stage="human_only", segment="all")
    assert drawn["arrivals_per_day"].item() <= 1
    assert "5 days of type any" in folder.table("assumed").filter(name="arrivals")["source"].item()


def test_a_log_without_such_a_day_says_so(place):
    with pytest.raises(ScenarioError, match="the log has no such day"):
        place(LOG, more="[demand]\nday = 'weekend'\n")


def test_a_log_without_work_says_so(place):
    with pytest.raises(HistoryError, match="there is nothing to simulate"):
        place([conversation(i, abandoned=True, handle_time_s=None) for i in range(5)])
    with pytest.raises(HistoryError, match="there is nothing to simulate"):
        place([conversation(i, handle_time_s=0) for i in range(5)])


def test_a_day_on_which_nobody_comes_is_simulated(place):
    folder = place(LOG, more="[history.assume]\ncontacts_per_day = 0.001\n")
    assert folder.table("contacts").is_empty()
    assert folder.table("costs").filter(metric="labour_money")["estimate"].to_list() in ([], [0.0])


def test_a_schedule_with_holes_says_which_days(place, tmp_path):
    (tmp_path / "schedule.csv").write_text(
        "agent_id,team,starts_at,ends_at\na,t,2026-03-02T08:00:00Z,2026-03-02T20:00:00Z\n"
    )
    rows = [conversation(i, day=i % 2) for i in range(8)]
    (tmp_path / "log.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    text = SCENARIO.format(source="log.jsonl", format="jsonl", zone="UTC")
    text = text.replace('format = "jsonl"', 'format = "jsonl"\nschedule = "schedule.csv"')
    (tmp_path / "s.toml").write_text(text.replace("days = 2", "days = 12"))
    scenario = load(tmp_path / "s.toml")
    with pytest.raises(ScenarioError, match="nobody is at work on 2026-03-03"):
        pipeline.run(scenario, tmp_path / "out")


def test_a_recording_of_something_else_is_an_error(place, tmp_path):
    (tmp_path / "r.csv").write_text("conversation_id,turn,reply,context_hash\nz,0,hello,x\n")
    recorded = '[candidates.other]\nkind = "recorded"\nsource = "r.csv"\n'
    with pytest.raises(
        HistoryError, match="none of its recorded replies belongs to a decision point"
    ):
        place(LOG, more=recorded)


def test_what_is_left_out_of_the_risk_rates_is_counted(place):
    counted = place(LOG).table("excluded").filter(stage="wider_auto").row(0, named=True)
    assert counted["n_points"] == counted["n_escalations"] == 5
    assert counted["n_in_domain"] == 0


def test_many_copies_of_a_contact_stay_apart(place):
    folder = place(
        LOG, more="[demand]\nscale = 50\npeaks = [{starts='12:00:00',ends='15:00:00',factor=3}]\n"
    )
    offered = folder.table("volumes").filter(stage="human_only", segment="all")
    assert 100 < offered["arrivals_per_day"].item() < 200


def test_every_table_of_the_contract_is_written(place):
    from simulator.schema import TABLES, comparison

    folder = place(LOG)
    there = {path.stem for path in (folder.path / "tables").glob("*.parquet")}
    # Arrivals are drawn anew from the seed; they would be most of the disk. What compares runs is
    # in none of them.
    assert there == set(TABLES) - {"arrivals"} - set(comparison.TABLES)
    assert isinstance(folder.table("kpis"), pl.DataFrame)
