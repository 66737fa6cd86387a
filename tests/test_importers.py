"""Importers: exact tables from small logs, and counts that always add up."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import HistoryError, RunError
from simulator.history.account import Account
from simulator.history.importers import FORMATS, read_history, write_import
from simulator.scenario import History
from simulator.tables import check

CHAT = {
    "conversation_id": "c1",
    "language": "en",
    "intent": "refund",
    "started_at": "2024-05-15T09:00:00+08:00",
    "handle_time_s": 300,
    "csat": 4,
    "messages": [
        {"role": "user", "content": "refund?", "sent_at": "2024-05-15T09:00:05+08:00"},
        {"role": "assistant", "content": "How did you pay?", "sent_at": "2024-05-15T01:01:00Z"},
        {"role": "customer", "content": "Visa"},
        {"role": "agent", "text": "3-7 days", "action": "answer"},
    ],
}


def history(path: Path, kind: str = "jsonl", **more: Any) -> History:
    return History(source=path, format=kind, **more)  # type: ignore[arg-type]


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    return path


def test_exact_jsonl(tmp_path: Path) -> None:
    found = read_history(history(write(tmp_path / "log.jsonl", CHAT), timezone="Asia/Taipei"))
    row = found.conversations.row(0, named=True)
    assert row["started_at"] == datetime(2024, 5, 15, 1, 0, tzinfo=UTC)
    assert (row["channel"], row["handle_time_s"], row["csat"]) == ("chat", 300.0, 4)
    assert row["resolved"] is None
    assert row["weight"] is None
    assert found.turns["role"].to_list() == ["customer", "agent", "customer", "agent"]
    assert found.turns["turn"].to_list() == [0, 1, 2, 3]
    assert found.turns["action"].to_list() == [None, None, None, "answer"]
    assert found.turns["sent_at"][0] == datetime(2024, 5, 15, 1, 0, 5, tzinfo=UTC)
    assert found.quarantine == []
    assert "messages: 4 in = 4 out + 0 quarantined" in found.account.lines()


@pytest.mark.parametrize("name", ["log.jsonl", "log.gz", "log"])
def test_exact_gzip_and_bom_by_content_not_by_name(tmp_path: Path, name: str) -> None:
    plain = b"\xef\xbb\xbf" + json.dumps(CHAT).encode()
    (tmp_path / name).write_bytes(gzip.compress(plain))
    (tmp_path / "plain.gz").write_bytes(plain)
    packed = read_history(history(tmp_path / name))
    assert packed.turns.equals(read_history(history(tmp_path / "plain.gz")).turns)
    assert packed.turns.height == 4


def test_exact_tables_round_trip_through_parquet(tmp_path: Path) -> None:
    broken = {"conversation_id": "c2", "csat": 9, "messages": []}
    first = read_history(history(write(tmp_path / "log.jsonl", CHAT, broken)))
    write_import(first, tmp_path / "out")
    again = read_history(history(tmp_path / "out", "parquet"))
    assert again.conversations.equals(first.conversations)
    assert again.turns.equals(first.turns)
    rows = [json.loads(x) for x in (tmp_path / "out" / "quarantine.jsonl").open(encoding="utf-8")]
    assert rows == first.quarantine
    assert rows[0]["line"] == 2
    assert rows[0]["conversation_id"] == "c2"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "conversations.parquet",
        "quarantine.jsonl",
        "turns.parquet",
    ]
    with pytest.raises(RunError, match="cannot be made"):
        write_import(first, tmp_path / "log.jsonl" / "below-a-file")


def tables(folder: Path, conversations: str, turns: str) -> Path:
    (folder / "conversations.csv").write_text(conversations, encoding="utf-8")
    (folder / "turns.csv").write_text(turns, encoding="utf-8")
    return folder


def test_exact_csv(tmp_path: Path) -> None:
    source = tables(
        tmp_path,
        "conversation_id,channel,resolved,escalated,complained,wait_s,csat,region\n"
        "a,voice,yes,0,,12.5,5,north\nb,,TRUE,no,1,,,\nb,,,,,,,\nc,,maybe,,,,,\n",
        'conversation_id,turn,role,text,sent_at\na,1,agent,"We, too",2024-05-15T10:00:00Z\n'
        "a,0,user,Hi,2024-05-15T09:00:00Z\nnobody,0,user,lost,\nc,0,user,gone with c,\n",
    )
    found = read_history(history(source, "csv"))
    a, b = found.conversations.to_dicts()
    assert (a["channel"], a["resolved"], a["escalated"], a["complained"]) == (
        "voice",
        True,
        False,
        None,
    )
    assert (a["wait_s"], a["csat"], b["resolved"], b["complained"]) == (12.5, 5, True, True)
    # No start was logged: it is the first message's.
    assert a["started_at"] == datetime(2024, 5, 15, 9, 0, tzinfo=UTC)
    assert found.turns["text"].to_list() == ["Hi", "We, too"]
    reasons = [row["reason"].split(":")[0] for row in found.quarantine]
    assert reasons == [
        "conversation_id stands there already",
        "resolved has the wrong type",
        "conversation_id is not in conversations.csv",
    ]
    account = found.account
    assert (account.conversations_in, account.conversations_out) == (4, 2)
    assert (account.messages_in, account.messages_out, account.messages_quarantined) == (4, 2, 2)
    assert account.unused == {"'region'": 1}
    # Either file names the pair.
    either = read_history(history(tmp_path / "turns.csv", "csv"))
    assert either.turns.equals(found.turns)


def test_exact_csv_damaged_rows_are_set_aside(tmp_path: Path) -> None:
    source = tables(
        tmp_path, "conversation_id,intent\na,x\nb,x,too,many\n", 'conversation_id,role,text\na,u"\n'
    )
    found = read_history(history(source, "csv"))
    assert [row["line"] for row in found.quarantine] == [2, 3]
    assert found.account.conversations_quarantined == 1
    assert found.account.messages_quarantined == 1


def test_exact_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "conversations.csv").write_bytes("conversation_id,intent\na,退款\n".encode("big5"))
    with pytest.raises(HistoryError, match="UTF-8"):
        read_history(history(tmp_path, "csv"))


def tau2(*messages: dict[str, Any], reward: float | None = 1.0) -> dict[str, Any]:
    return {
        "info": {"agent_info": {"llm": "model-x"}},
        "simulations": [
            {
                "task_id": "7",
                "trial": 0,
                "start_time": "2024-05-15T15:00:00.5",
                "reward_info": {"reward": reward},
                "messages": [{"tool_calls": None, "content": None, **one} for one in messages],
            }
        ],
    }


def test_exact_tau2_hand_over_markers_and_envelope(tmp_path: Path) -> None:
    call = {"id": "1", "name": "transfer_to_human_agents", "arguments": {"summary": "s"}}
    document = tau2(
        {"role": "user", "content": "Help", "timestamp": "2024-05-15T15:00:01"},
        {"role": "assistant", "content": '{"message": "Which one?"}'},
        {"role": "user", "content": "This one ###STOP###"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": '{"ok": 1}'},
        {"role": "assistant"},
        {"role": "user", "content": " ###TRANSFER###\n"},
    )
    (tmp_path / "t.json").write_text(json.dumps(document))
    found = read_history(history(tmp_path / "t.json", "tau2", timezone="Asia/Taipei"))
    row = found.conversations.row(0, named=True)
    assert row["conversation_id"] == "task-7-trial-0"
    assert (row["agent_id"], row["resolved"], row["escalated"]) == ("model-x", True, True)
    assert row["handle_time_s"] is None
    assert row["started_at"] == datetime(2024, 5, 15, 15, 0, 0, 500_000, tzinfo=UTC)
    assert found.turns["text"].to_list() == ["Help", "Which one?", "This one", None, '{"ok": 1}']
    assert found.turns["action"].to_list() == [None, None, None, "escalate", None]
    assert json.loads(found.turns["tool_calls"][3]) == [call]
    assert [(r["turn"], r["reason"].split(":")[0]) for r in found.quarantine] == [
        (5, "blank message"),
        (6, "marker of a test harness"),
    ]
    assert found.account.notes["time stamps without zone read as UTC"] == 2


@pytest.mark.parametrize(("reward", "resolved"), [(0.99, False), (None, None)])
def test_exact_tau2_reward(tmp_path: Path, reward: float | None, resolved: bool | None) -> None:
    document = tau2({"role": "user", "content": "Help"}, reward=reward)
    (tmp_path / "t.json").write_text(json.dumps(document))
    found = read_history(history(tmp_path / "t.json", "tau2"))
    assert found.conversations["resolved"].to_list() == [resolved]
    assert found.conversations["escalated"].to_list() == [False]


def twitter(duration: str, last_id: str = "t9") -> list[dict[str, Any]]:
    return [
        {
            "dialogHeader": {
                "company": "ACME",
                "conversationDateTime": "2020-04-01T10:00:00.000Z",
                "duration": duration,
                "messageCount": "4",
                "sessionID": "s1",
            },
            "dialogContent": [
                {"client": "u", "datetime": "2020-04-01T10:00:00.000Z", "message": "m0"},
                {"agent": "ACME", "datetime": "2020-04-01T10:05:00.000Z", "message": "m1"},
                {"client1": "v", "datetime": "2020-04-01T10:06:00.000Z", "message": "m2"},
            ],
            "agentURL": {"tweet_ID": last_id, "url_utterance": "see x.com"},
        }
    ]


def test_exact_twitter_last_agent_turn_stands_apart(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(twitter("00:30:00.0")))
    found = read_history(history(tmp_path / "t.json", "twitter-cdp"))
    assert found.turns["text"].to_list() == ["m0", "m1", "m2", "see x.com"]
    assert found.turns["role"].to_list() == ["customer", "agent", "customer", "agent"]
    assert found.turns["sent_at"][3] == datetime(2020, 4, 1, 10, 30, tzinfo=UTC)
    row = found.conversations.row(0, named=True)
    assert (row["skill"], row["intent"], row["customer_id"]) == ("ACME", None, "u")
    # The header loses whole days: an end before the last message is unknown, not early.
    (tmp_path / "t.json").write_text(json.dumps(twitter("00:01:00.0")))
    found = read_history(history(tmp_path / "t.json", "twitter-cdp"))
    assert found.turns["sent_at"][3] is None


def test_exact_twitter_last_turn_already_there_is_not_doubled(tmp_path: Path) -> None:
    document = twitter("00:30:00.0", last_id="same")
    document[0]["dialogContent"][1]["tweet_ID"] = "same"
    (tmp_path / "t.json").write_text(json.dumps(document))
    assert read_history(history(tmp_path / "t.json", "twitter-cdp")).turns.height == 3


def test_exact_stc3_each_utterance_is_a_turn(tmp_path: Path) -> None:
    dialogue = {
        "id": "w1",
        "turns": [
            {"sender": "customer", "utterances": ["不能退款", " "]},
            {"sender": "helpdesk", "utterances": ["您好", "请稍等"]},
            {"sender": "robot", "utterances": ["?"]},
        ],
        "annotations": [{"quality": {"A": 2, "S": 2, "E": 2}}],
    }
    (tmp_path / "w.json").write_text(json.dumps([dialogue]))
    found = read_history(history(tmp_path / "w.json", "stc3"))
    assert found.turns.select("turn", "role", "text").rows() == [
        (0, "customer", "不能退款"),
        (2, "agent", "您好"),
        (3, "agent", "请稍等"),
    ]
    assert found.conversations["language"].to_list() == ["zh-Hans"]
    assert found.conversations["csat"].to_list() == [None]
    assert [row["turn"] for row in found.quarantine] == [1, 4]


def test_exact_account_finds_a_lost_message() -> None:
    account = Account("x", "jsonl", conversations_in=2, messages_in=5)
    with pytest.raises(RuntimeError, match="messages got lost"):
        account.close(2, 4, [])


def mutated(data: st.DataObject, content: bytes) -> bytes:
    edits = data.draw(
        st.lists(
            st.tuples(st.integers(0, len(content) - 1), st.integers(0, 2), st.binary(max_size=3)),
            min_size=1,
            max_size=12,
        )
    )
    raw = bytearray(content)
    for place, length, new in edits:
        raw[place : place + length] = new
    return bytes(raw)


SMALL = {
    "jsonl": b"".join(
        json.dumps({**CHAT, "conversation_id": f"c{i}"}).encode() + b"\n" for i in range(3)
    ),
    "tau2": json.dumps(tau2({"role": "user", "content": "Help"})).encode(),
    "twitter-cdp": json.dumps(twitter("00:30:00.0")).encode(),
    "stc3": b'[{"id": "w", "turns": [{"sender": "customer", "utterances": ["a", "b"]}]}]',
}


@pytest.mark.parametrize("kind", SMALL)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_property_damage_is_an_error_or_is_counted(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    content = mutated(data, SMALL[kind])
    if data.draw(st.booleans()):
        content = gzip.compress(content)
        content = mutated(data, content) if data.draw(st.booleans()) else content
    path = tmp_path_factory.getbasetemp() / f"mutated-{kind}"
    path.write_bytes(content)
    try:
        found = read_history(history(path, kind))
    except HistoryError:
        return
    check("conversations", found.conversations)
    check("turns", found.turns)
    account = found.account
    for what, table in (("conversations", found.conversations), ("messages", found.turns)):
        aside = sum(row[what] for row in found.quarantine)
        assert getattr(account, f"{what}_in") == table.height + aside
        assert getattr(account, f"{what}_out") == table.height
    assert all(row["reason"] and len(row["raw"]) <= 500 for row in found.quarantine)
    json.dumps(found.quarantine).encode()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_property_damaged_csv_keeps_count(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    (folder / "conversations.csv").write_bytes(
        mutated(data, b"conversation_id,csat,resolved\na,4,yes\nb,,no\nc,3,\n")
    )
    (folder / "turns.csv").write_bytes(
        mutated(data, b"conversation_id,turn,role,text\na,0,user,hi\na,1,agent,ok\nb,0,user,x\n")
    )
    try:
        found = read_history(history(folder, "csv"))
    except HistoryError:
        return
    aside = sum(row["messages"] for row in found.quarantine)
    assert found.account.messages_in == found.turns.height + aside


def test_exact_every_format_has_a_module_with_read() -> None:
    import importlib

    formats = History.model_fields["format"].annotation.__args__  # type: ignore[union-attr]
    assert set(FORMATS) == set(formats) - {"sample"}
    for module in FORMATS.values():
        assert callable(importlib.import_module(module).read)
