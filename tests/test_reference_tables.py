"""Knowledge, policy and schedule files: exact tables, and errors that name the row."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from simulator.errors import HistoryError
from simulator.history.commitments_policy import load_policy
from simulator.history.knowledge import load_knowledge
from simulator.history.schedule import load_schedule
from simulator.tables import check


def test_exact_knowledge_with_aliases(tmp_path: Path) -> None:
    rows = [{"id": "k1", "title": "T", "content": "Body", "extra": 1}]
    (tmp_path / "k.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    found = load_knowledge(tmp_path / "k.gz")
    assert found.select("article_id", "text", "valid_from").rows() == [("k1", "Body", None)]
    check("knowledge", found)


def test_exact_policy_patterns_and_dates(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        "rule_id,kind,allowed,speaker,condition_patterns,limit_value,valid_from\n"
        "R1,refund,conditional,auto,if approved || a||b,30,2024-05-15\nR2,legal,never,auto,,,\n"
    )
    one, two = load_policy(path).to_dicts()
    assert one["condition_patterns"] == ["if approved", "a||b"]
    assert (one["limit_value"], two["condition_patterns"]) == (30.0, None)
    assert one["valid_from"] == datetime(2024, 5, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("R1,refund,sometimes,auto,", "allowed = 'sometimes'; expected one of always, condit"),
        ("R1,refunds,always,auto,", "did you mean refund"),
        ("R1,refund,always,auto,(", "'R1': condition_patterns holds '('"),
        ("R1,refund,always,,", "speaker is missing"),
        ("R0,refund,always,auto,", "row 2 has this rule_id already"),
        ("R1,refund,always,auto,,9", "6 fields; the header has 5"),
    ],
)
def test_exact_policy_faults_name_the_rule(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        f"rule_id,kind,allowed,speaker,condition_patterns\nR0,legal,never,auto,\n{row}\n"
    )
    with pytest.raises(HistoryError) as caught:
        load_policy(path)
    assert said in str(caught.value)
    assert "p.csv" in str(caught.value)


def test_exact_misspelt_column_is_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "k.csv").write_text("article_id,text,valid_form\nk,body,2024-05-15\n")
    with pytest.raises(HistoryError, match="did you mean valid_from"):
        load_knowledge(tmp_path / "k.csv")


def test_exact_schedule(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("agent_id,team,starts_at,ends_at\na,t,2024-05-15T09:00,2024-05-15T17:00\n")
    zone = ZoneInfo("Asia/Taipei")
    assert load_schedule(path, zone)["starts_at"][0] == datetime(2024, 5, 15, 1, tzinfo=UTC)
    pl.read_csv(path, try_parse_dates=True).write_parquet(tmp_path / "s.parquet")
    assert load_schedule(tmp_path / "s.parquet", zone).equals(load_schedule(path, zone))
    path.write_text("agent_id,team,starts_at,ends_at\na,t,2024-05-15T19:00,2024-05-15T17:00\n")
    with pytest.raises(HistoryError, match="is not before ends_at"):
        load_schedule(path)
