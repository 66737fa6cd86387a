"""Telling a format by its content."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.errors import HistoryError
from simulator.history.importers import read_history, write_import
from simulator.history.importers.guess import guess
from simulator.scenario import History
from tests.own_conversations import write
from tests.test_importers import CHAT
from tests.test_intercom import CONVERSATION
from tests.test_zendesk import TICKET

FILES: dict[str, tuple[str, Any]] = {
    "jsonl": ("jsonl", CHAT),
    "zendesk": ("zendesk", [TICKET]),
    "zendesk page": ("zendesk", {"tickets": [], "next_page": None}),
    "zendesk comments": ("zendesk", {"comments": [{"id": 1, "author_id": 2, "body": "via"}]}),
    "intercom": ("intercom", {"conversations": [CONVERSATION]}),
    "tau2": ("tau2", {"info": {}, "simulations": [{"messages": []}]}),
    "twitter": ("twitter-cdp", [{"dialogHeader": {}, "dialogContent": []}]),
    "stc3": ("stc3", [{"id": 1, "turns": [{"sender": "customer", "utterances": []}]}]),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_exact_json_whatever_its_name(tmp_path: Path, name: str, packed: bool) -> None:
    kind, content = FILES[name]
    raw = json.dumps(content, indent=None if kind == "jsonl" else 1).encode()
    path = tmp_path / "export"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    found = guess(path)
    assert (found.format, found.columns) == (kind, {})


def test_exact_sheets(tmp_path: Path) -> None:
    write(tmp_path / "own.csv")
    found = guess(tmp_path / "own.csv")
    assert found == guess(tmp_path)
    assert found.format == "csv"
    assert found.columns["role"] == "From"
    assert found.columns["handle_time_s"] == "Handling time (min)"
    # What was guessed can be written into a scenario, and then nothing is left to be guessed.
    history = History(source=tmp_path / "own.csv", format="csv", columns=found.columns)
    assert read_history(history).conversations.height == 200

    chinese = tmp_path / "log.txt"
    row = "1\t客戶\t請問我的退款什麼時候會到\n"
    for encoding in ("utf-8", "utf-16", "cp950"):
        # Long enough to be cut within a character.
        chinese.write_bytes(("對話編號\t角色\t內容\n" + row * 4000).encode(encoding))
        assert guess(chinese).columns["text"] == "內容"


def test_exact_tables(tmp_path: Path) -> None:
    (tmp_path / "conversations.csv").write_text("conversation_id,intent\na,refund\n")
    assert guess(tmp_path).format == "csv"
    (tmp_path / "turns.csv").write_text("conversation_id,role,text\na,user,hi\n")
    for source in (tmp_path, tmp_path / "conversations.csv"):
        assert (guess(source).format, guess(source).columns) == ("csv", {})
    imported = read_history(History(source=tmp_path, format="csv"))
    write_import(imported, tmp_path / "out")
    assert guess(tmp_path / "out").format == "parquet"
    assert guess(tmp_path / "out" / "turns.parquet").format == "parquet"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello\nworld", "begins with 'hello"),
        (b"a,b\n1,2\n", "no column says whose message it is"),
        (b'{"a": 1}', "is JSON with a, which no known format has"),
        (gzip.compress(bytes(99_999))[:20], "is empty|damaged|begins|UTF-8"),
    ],
)
def test_exact_unknown_content_says_what_was_seen(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "log").write_bytes(content)
    with pytest.raises(HistoryError, match=said):
        guess(tmp_path / "log")


def test_exact_folders_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no such file or folder"):
        guess(tmp_path / "nothing")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(HistoryError, match=r"holds notes\.txt"):
        guess(tmp_path)
    (tmp_path / "comments_1.json").write_text('{"comments": [{"author_id": 1, "body": ""}]}')
    assert guess(tmp_path).format == "zendesk"


def test_exact_real_data(real_data: Path) -> None:
    kinds = {
        "tau2-airline/gpt-4o.json.gz": "tau2",
        "twitter-support/conversations.json.gz": "twitter-cdp",
        "weibo-helpdesk/conversations.json.gz": "stc3",
        "bank-calls/january-1999.tsv.gz": "bank-calls",
    }
    for name, kind in kinds.items():
        assert guess(real_data / name).format == kind


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    raw=st.binary(max_size=60),
    start=st.sampled_from([b"", b"\x1f\x8b", b"{", b"[", b'"', b"\xff\xfe", b"a,b\n"]),
)
def test_property_nothing_but_an_answer_or_a_history_error(
    tmp_path: Path, raw: bytes, start: bytes
) -> None:
    (tmp_path / "log").write_bytes(start + raw)
    try:
        found = guess(tmp_path / "log")
    except HistoryError:
        return
    assert found.format
