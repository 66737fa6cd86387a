"""The importer of a bank's call log: exact on hand-written lines, and on the real month."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from simulator.errors import HistoryError
from simulator.history.importers import Imported, read_history
from simulator.history.load import load
from simulator.scenario import History, Scenario
from simulator.streams import Streams

HEADER = (
    "vru+line call_id customer_id priority type date vru_entry vru_exit vru_time q_start q_exit "
    "q_time outcome ser_start ser_exit ser_time server"
).split()
SERVED = {
    "vru+line": "AA0101", "call_id": "1", "customer_id": "c0ffee", "priority": "2", "type": "PS",
    "date": "990105", "vru_entry": "9:00:00", "vru_exit": "9:00:06", "vru_time": "6",
    "q_start": "9:00:06", "q_exit": "9:01:06", "q_time": "60", "outcome": "AGENT",
    "ser_start": "9:01:05", "ser_exit": "9:03:05", "ser_time": "120", "server": "ann",
}  # fmt: skip
NO_QUEUE = {"q_start": "0:00:00", "q_exit": "0:00:00", "q_time": "0"}
NO_SERVICE = {
    "ser_start": "0:00:00",
    "ser_exit": "0:00:00",
    "ser_time": "0",
    "server": "NO_SERVER",
}


def _read(folder: Path, *calls: dict[str, str], **history: Any) -> Imported:
    rows = [{**SERVED, "call_id": str(place), **call} for place, call in enumerate(calls)]
    lines = ["\t".join(HEADER), *("\t".join(row[name] for name in HEADER) for row in rows)]
    path = folder / "calls.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_history(History(source=path, format="bank-calls", **history))


def test_exact_a_call_that_waited_and_was_served(tmp_path: Path) -> None:
    row = _read(tmp_path, {}).conversations.row(0, named=True)
    # Israel was two hours ahead of UTC that winter, whatever the history's own time zone.
    assert row["started_at"] == datetime(1999, 1, 5, 7, 0, 6, tzinfo=UTC)
    assert (row["channel"], row["intent"], row["agent_id"]) == ("voice", "PS", "ann")
    assert (row["wait_s"], row["handle_time_s"], row["abandoned"]) == (60, 120, False)
    assert row["skill"] is None
    assert row["customer_id"] is not None


def test_exact_a_call_put_through_at_once_joined_when_it_left_the_menu(tmp_path: Path) -> None:
    row = _read(tmp_path, {**NO_QUEUE, "customer_id": "0"}).conversations.row(0, named=True)
    assert row["started_at"] == datetime(1999, 1, 5, 7, 0, 6, tzinfo=UTC)
    assert (row["wait_s"], row["customer_id"]) == (0, None)


def test_exact_a_call_that_gave_up_has_no_service(tmp_path: Path) -> None:
    row = _read(tmp_path, {"outcome": "HANG", **NO_SERVICE}).conversations.row(0, named=True)
    assert (row["abandoned"], row["wait_s"]) == (True, 60)
    assert (row["handle_time_s"], row["agent_id"]) == (None, None)


def test_exact_the_clock_wraps_at_midnight(tmp_path: Path) -> None:
    late = {"vru_entry": "23:59:50", "vru_exit": "0:00:02", "q_start": "0:00:02"}
    found = _read(tmp_path, late, {**late, **NO_QUEUE}).conversations["started_at"].to_list()
    assert found == [datetime(1999, 1, 5, 22, 0, 2, tzinfo=UTC)] * 2


def test_exact_every_line_is_somewhere(tmp_path: Path) -> None:
    found = _read(
        tmp_path,
        {},
        {"outcome": "PHANTOM"},
        {"outcome": "HANG", **NO_QUEUE, **NO_SERVICE},
        {"outcome": "HANG"},
        {"outcome": "LOST"},
        {"q_time": "-3"},
        {"date": "990231"},
        {"vru_exit": "noon"},
        {"server": "NO_SERVER"},
        {"ser_start": "0:00:00", "ser_exit": "0:00:00", "ser_time": "0"},
    )
    assert found.account.conversations_in == 10
    assert found.conversations.height == 3
    assert found.account.reasons == {
        "phantom call": 1,
        "hung up before joining the queue": 1,
        "contradiction": 1,
        "unknown outcome": 1,
        "q_time is out of range": 1,
        "date is no day": 1,
        "vru_exit is no time of day": 1,
    }
    served_by_nobody, untimed = found.conversations.sort("conversation_id").rows(named=True)[1:]
    assert (served_by_nobody["agent_id"], served_by_nobody["handle_time_s"]) == (None, 120)
    assert (untimed["agent_id"], untimed["handle_time_s"], untimed["wait_s"]) == ("ann", None, 60)


def test_exact_short_lines_and_foreign_files(tmp_path: Path) -> None:
    path = tmp_path / "calls.tsv"
    path.write_text("\t".join(HEADER) + "\n" + "AA0101\t1\n", encoding="utf-8")
    with pytest.raises(HistoryError, match="2 fields; the header has 17"):
        read_history(History(source=path, format="bank-calls"))
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(HistoryError, match=r"line 1 has no column 'vru\+line'"):
        read_history(History(source=path, format="bank-calls"))


def test_exact_a_run_says_that_there_is_nothing_to_replay(tmp_path: Path) -> None:
    _read(tmp_path, {})
    scenario = Scenario.model_validate(
        {
            "name": "calls",
            "history": {"source": str(tmp_path / "calls.tsv"), "format": "bank-calls"},
            "candidates": {"human": {"kind": "human"}},
        }
    )
    with pytest.raises(HistoryError, match="no conversation has a turn of a customer"):
        load(scenario, lambda arrivals, roster, teams: arrivals, Streams(1))


def test_exact_the_real_month(real_data: Path) -> None:
    path = real_data / "bank-calls" / "january-1999.tsv.gz"
    found = read_history(History(source=path, format="bank-calls", redact=False))
    assert found.account.conversations_in == 31_599
    assert found.account.reasons == {
        "hung up before joining the queue": 1198,
        "phantom call": 240,
        "contradiction": 1,
    }
    calls = found.conversations
    assert calls.height == 30_160
    assert calls["agent_id"].n_unique() == 28 + 1
    served = calls.filter(~pl.col("abandoned"))
    assert served["handle_time_s"].mean() == pytest.approx(185, abs=5)
    assert calls.filter("abandoned").select("handle_time_s", "agent_id").null_count().row(0) == (
        3100,
        3100,
    )
