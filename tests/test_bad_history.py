"""Bad histories: one clear error, or a row set aside with a reason; never silence, never more."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import HistoryError, RunError
from simulator.history.account import Imported
from simulator.history.importers import read_history, write_import
from simulator.scenario import History

GOOD = {"conversation_id": "good", "messages": [{"role": "user", "content": "hi"}]}


def take(path: Path, kind: str = "jsonl", **more: Any) -> Imported:
    return read_history(History(source=path, format=kind, **more))  # type: ignore[arg-type]


def log(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_bytes(
        b"".join(
            (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines
        )
    )
    return path


def chat(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"conversation_id": "bad", **fields, "messages": list(messages)}


def refused(path: Path, kind: str = "jsonl") -> str:
    with pytest.raises(HistoryError) as caught:
        take(path, kind)
    message = str(caught.value)
    assert path.name in message
    assert "Traceback" not in message
    return message


@contextmanager
def nobody() -> Iterator[None]:
    """Act as a user who owns nothing, where the tests run as the superuser."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


KINDS = ["jsonl", "csv", "parquet", "tau2", "twitter-cdp", "stc3"]


@pytest.mark.parametrize("kind", KINDS)
def test_exact_missing_file(tmp_path: Path, kind: str) -> None:
    assert "no such file" in refused(tmp_path / "missing.x", kind)


@pytest.mark.parametrize("kind", ["jsonl", "tau2", "twitter-cdp", "stc3"])
def test_exact_directory_where_a_file_is_expected(tmp_path: Path, kind: str) -> None:
    assert "is a folder; expected a file" in refused(tmp_path, kind)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_exact_directory_without_the_tables(tmp_path: Path, kind: str) -> None:
    assert f"has no conversations.{kind}" in refused(tmp_path, kind)


def test_exact_no_permission_to_read(tmp_path: Path) -> None:
    path = log(tmp_path, GOOD)
    path.chmod(0)
    with nobody():
        assert "may not be read" in refused(path) or "cannot be read" in refused(path)


def test_exact_no_permission_to_write(tmp_path: Path) -> None:
    imported = take(log(tmp_path, GOOD))
    (tmp_path / "closed").mkdir(mode=0o500)
    with nobody(), pytest.raises(RunError, match="name another with --out"):
        write_import(imported, tmp_path / "closed" / "out")


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("jsonl", b"hello\nworld\n", "expected JSONL"),
        ("jsonl", b'[\n {"conversation_id": 1}\n]', "one conversation a line"),
        ("jsonl", b"\x89PNG\r\n\x1a\n\x00", "not UTF-8"),
        ("jsonl", "{}".encode("utf-16"), "is UTF-16"),
        ("tau2", b"hello", "expected one JSON document"),
        ("tau2", b"[]", "expected a tau2 results file"),
        ("twitter-cdp", b"{}", "expected a list of conversations"),
        ("stc3", b"{", "expected one JSON document"),
        ("stc3", b"[" * 200_000, "not JSON"),
        ("jsonl", gzip.compress(bytes(range(256)) * 9)[:-9], "damaged gzip"),
    ],
)
def test_exact_not_json_at_all(tmp_path: Path, kind: str, content: bytes, said: str) -> None:
    (tmp_path / "log").write_bytes(content)
    assert said in refused(tmp_path / "log", kind)


def test_exact_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "conversations.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(HistoryError, match=r"conversations\.parquet: not Parquet, or damaged"):
        take(tmp_path, "parquet")
    (tmp_path / "conversations.parquet").write_bytes(b"conversation_id\na\n")
    with pytest.raises(HistoryError, match="format = 'parquet' does not fit"):
        take(tmp_path, "parquet")


@pytest.mark.parametrize(
    ("kind", "content"),
    [("jsonl", b""), ("jsonl", b"\n \n"), ("tau2", b'{"simulations": []}'), ("stc3", b"[]")],
)
def test_exact_empty_history(tmp_path: Path, kind: str, content: bytes) -> None:
    (tmp_path / "log").write_bytes(content)
    message = refused(tmp_path / "log", kind)
    assert "is empty" in message or "holds no conversation" in message


def test_exact_nothing_usable_says_why(tmp_path: Path) -> None:
    message = refused(log(tmp_path, chat(csat=9), chat(csat=0)))
    assert "none of its 2 conversations" in message
    assert "csat is out of range" in message
    assert "line 1" in message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"conversation_id": "x", ', "not JSON"),
        (b'{"conversation_id": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "not JSON: nested too deeply"),
        (b"1" * 5000, "not JSON"),
        (b"[1]", "line is not an object"),
        ({"conversation_id": "x", "messages": "hi"}, "messages has the wrong type"),
        ({"messages": []}, "conversation_id is missing"),
        (chat(conversation_id=["x"]), "conversation_id has the wrong type"),
        (chat(conversation_id="x" * 5000), "conversation_id is too long"),
        (chat(intent={"a": 1}), "intent has the wrong type"),
        (chat(channel="fax"), "unknown channel: 'fax'; expected one of chat, email, voice"),
        (chat(language="traditional chinese"), "unknown language"),
        (chat(started_at="yesterday"), "started_at is not a time stamp"),
        (chat(started_at="2024-05-15"), "started_at is not a time stamp"),
        (chat(started_at=1715760000), "started_at has the wrong type"),
        (chat(started_at="0001-01-01T00:00:00"), "started_at is out of range"),
        (chat(handle_time_s="5 min"), "handle_time_s has the wrong type"),
        (chat(handle_time_s=-1), "handle_time_s is out of range: found -1"),
        (chat(wait_s=1e300), "wait_s is out of range"),
        (chat(csat=9), "csat is out of range: found 9; expected 1..5"),
        (chat(csat=3.5), "csat is out of range"),
        (chat(resolved="yes"), "resolved has the wrong type: expected true or false"),
        (b'{"conversation_id": "x", "weight": Infinity}', "weight is out of range"),
        (chat(weight=0), "weight is out of range: found 0; expected 1e-06..1e+12"),
        (chat(weight=-2.5), "weight is out of range: found -2.5"),
    ],
)
def test_exact_conversation_set_aside(tmp_path: Path, line: Any, said: str) -> None:
    found = take(log(tmp_path, GOOD, line))
    assert found.conversations["conversation_id"].to_list() == ["good"]
    (row,) = found.quarantine
    assert row["reason"].startswith(said)
    assert (row["source"], row["line"], row["turn"]) == ("log.jsonl", 2, None)
    assert 0 < len(row["raw"]) <= 500
    assert found.account.conversations_quarantined == 1


SAID = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"role": "alien", "content": "x"}, "unknown role: 'alien'; expected one of user, assis"),
        ({"content": "x"}, "role is missing"),
        ("x", "message has the wrong type: expected an object"),
        ({"role": "user", "content": 5}, "content has the wrong type: expected text, found 5"),
        ({"role": "user", "content": "x", "sent_at": "soon"}, "sent_at is not a time stamp"),
        ({"role": "user", "content": "x", "action": "shout"}, "unknown action"),
        ({"role": "agent", "tool_calls": "{"}, "tool_calls is not JSON"),
        ({"role": "agent", "tool_calls": 5}, "tool_calls has the wrong type"),
        ({"role": "user", "content": " \n"}, "blank message: neither text nor tool calls"),
        ({"role": "user", "content": "\x00"}, "blank message"),
        ({"role": "user"}, "blank message"),
        ({"role": "user", "content": "###STOP###"}, "marker of a test harness"),
        ({"role": "user", "content": "x" * 5_000_000}, "content is too long: 5,000,000 bytes"),
        ({"role": "user", "content": "退" * 333_334}, "content is too long: 1,000,002 bytes"),
    ],
)
def test_exact_message_set_aside_and_conversation_kept(
    tmp_path: Path, message: Any, said: str
) -> None:
    found = take(log(tmp_path, chat(SAID, message, SAID)))
    assert found.turns["turn"].to_list() == [0, 2]
    (row,) = found.quarantine
    assert row["reason"].startswith(said)
    assert (row["conversation_id"], row["turn"]) == ("bad", 1)
    assert len(row["raw"]) <= 500
    # With nothing else in it, the conversation goes too, and no message is counted twice.
    found = take(log(tmp_path, GOOD, chat(message)))
    assert found.account.conversations_quarantined == found.account.messages_quarantined == 1
    assert found.quarantine[1]["reason"].startswith("nothing usable")


def test_exact_a_message_just_within_the_limit_stays(tmp_path: Path) -> None:
    found = take(log(tmp_path, chat({"role": "user", "content": "x" * 1_000_000})))
    assert found.turns["text"].str.len_chars().to_list() == [1_000_000]


def test_exact_duplicate_ids_keep_the_first(tmp_path: Path) -> None:
    second = chat({"role": "user", "content": "b"})
    found = take(log(tmp_path, chat({"role": "user", "content": "a"}), second, second))
    assert found.turns["text"].to_list() == ["a"]
    assert [row["line"] for row in found.quarantine] == [2, 3]
    assert all("stands there already" in row["reason"] for row in found.quarantine)


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ([0, 0], "turn numbers repeat"),
        ([1, 0], "turn numbers do not ascend"),
        ([0, None], "turn is missing"),
        ([0, "1"], "turn has the wrong type"),
        ([-1, 0], "turn is out of range"),
    ],
)
def test_exact_turn_numbers_out_of_order(tmp_path: Path, turns: list[Any], said: str) -> None:
    found = take(log(tmp_path, GOOD, chat(*({**SAID, "turn": turn} for turn in turns))))
    (row,) = found.quarantine
    assert row["reason"].startswith(said)
    assert found.account.messages_quarantined == 2


def test_exact_turn_numbers_of_the_log_are_kept(tmp_path: Path) -> None:
    found = take(log(tmp_path, chat({**SAID, "turn": 1}, {**SAID, "turn": 5})))
    assert found.turns["turn"].to_list() == [1, 5]


def test_exact_time_order_is_counted_and_the_file_order_kept(tmp_path: Path) -> None:
    late = {"role": "user", "content": "late", "sent_at": "2024-05-15T10:00:00Z"}
    early = {"role": "agent", "content": "early", "sent_at": "2024-05-15T09:00:00Z"}
    found = take(log(tmp_path, chat(late, early)))
    assert found.turns["text"].to_list() == ["late", "early"]
    assert any("1 conversations with messages out of time" in x for x in found.account.lines())


def test_exact_time_stamps_without_zone(tmp_path: Path) -> None:
    stamps = ["2024-11-03T01:30:00", "2024-07-01T12:00:00", "2024-07-01T12:00:00Z"]
    messages = [{**SAID, "sent_at": stamp} for stamp in stamps]
    found = take(log(tmp_path, chat(*messages)), timezone="America/New_York")
    hours = [stamp.hour for stamp in found.turns["sent_at"]]
    assert hours == [5, 16, 12]
    notes = found.account.notes
    assert notes["time stamps without zone read as America/New_York"] == 2
    # 1:30 came twice that night.
    assert notes["time stamps without zone at a clock change, first reading taken"] == 1


def test_exact_nul_bytes_and_lone_surrogates(tmp_path: Path) -> None:
    line = (
        rb'{"conversation_id": "b\u0000", "intent": "i\ud800",'
        rb' "messages": [{"role": "user", "content": "\u0000hi\udc00 \ud83d\ude00"}]}'
    )
    found = take(log(tmp_path, line))
    assert found.conversations.select("conversation_id", "intent").rows() == [("b", "i�")]
    assert found.turns["text"].to_list() == ["hi� 😀"]
    assert found.account.notes["NUL characters removed"] == 2
    assert (
        found.account.notes["lone surrogates or bytes that are not UTF-8 replaced by U+FFFD"] == 2
    )


def test_exact_unknown_fields_are_named(tmp_path: Path) -> None:
    found = take(log(tmp_path, chat({**SAID, "mood": "fine"}, brand="x")))
    assert found.account.unused == {"'brand'": 1, "messages.'mood'": 1}
    assert "fields not used: 'brand' (1), messages.'mood' (1)" in found.account.lines()
