"""One CSV with a row a message: whatever a spreadsheet made of it, read right or refused."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.errors import HistoryError, ScenarioError
from simulator.history.account import Imported
from simulator.history.importers import read_history
from simulator.history.importers.columns import find
from simulator.history.importers.hypertext import text_of
from simulator.history.importers.intents import leading, too_various
from simulator.history.importers.moments import Times
from simulator.scenario import History
from simulator.scenario_file import validate_part
from tests.own_conversations import write

HEAD = "ticket_id,sender,message,created_at\n"


def take(path: Path, content: str | bytes, **more: Any) -> Imported:
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(raw)
    return read_history(History(source=path, format="csv", **more))


def refused(path: Path, content: str | bytes, **more: Any) -> str:
    with pytest.raises(HistoryError) as caught:
        take(path, content, **more)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_exact_rows_become_turns(tmp_path: Path) -> None:
    found = take(
        tmp_path / "log.csv",
        "Ticket ID;Sender;Message;Created at;Tags;Rating;AHT (min);Status;Agent;Channel;Internal\n"
        '7;Client;"Where is it,\nplease?";2026/03/02 14:05;vip, orders;4/5;3;solved;Amy;LINE;no\n'
        "8;客戶;我要退款;2026/3/2 下午 3:05;refund;N/A;;open;;E-mail;\n"
        "7;Support;Tomorrow.;2026/03/02 14:07;vip, orders;;3;solved;Amy;LINE;no\n"
        "8;客服;請問編號？;2026/3/2 下午 3:02;refund;;;open;Bob;E-mail;\n"
        "7;Support;they always ask this;2026/03/02 14:06;vip, orders;;3;solved;Amy;LINE;yes\n"
        "9;Chatbot;Hi;2026/03/02 15:00;orders;;;;;fax;\n",
        timezone="Asia/Taipei",
    )
    first, second, third = found.conversations.to_dicts()
    assert first["conversation_id"] == "7"
    assert (first["intent"], first["csat"], first["handle_time_s"]) == ("orders", 4, 180.0)
    assert (first["resolved"], first["agent_id"], first["channel"]) == (True, "Amy", "chat")
    assert first["started_at"] == datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
    assert (second["resolved"], second["csat"], second["channel"]) == (None, None, "email")
    assert (second["agent_id"], third["handle_time_s"], third["channel"]) == ("Bob", None, "chat")
    turns = found.turns.select("conversation_id", "role", "text").rows()
    assert turns == [
        ("7", "customer", "Where is it,\nplease?"),
        ("7", "system", "they always ask this"),
        ("7", "agent", "Tomorrow."),
        ("8", "agent", "請問編號？"),
        ("8", "customer", "我要退款"),
        ("9", "bot", "Hi"),
    ]
    lines = "\n".join(found.account.lines())
    assert "messages: 6 in = 6 out + 0 quarantined" in lines
    assert "6 rows read as UTF-8, semicolon between fields" in lines
    assert "6 values of 'Created at' read as year-month-day" in lines
    assert "1 conversations where channel is not known, left empty" in lines


def test_exact_every_row_is_a_turn_or_set_aside_with_a_reason(tmp_path: Path) -> None:
    found = take(
        tmp_path / "log.csv",
        HEAD + "1,user,hi,\n,user,whose?,\n,,,\n1,martian,beep,\n1,agent,one,too,many\n"
        '1,agent,,\n1,agent,fine,,,\n1,agent,"never closed\n1,user,lost,\n',
    )
    assert found.turns["text"].to_list() == ["hi", "fine"]
    assert found.account.messages_in == 8
    reasons = {row["line"]: row["reason"].split(":")[0] for row in found.quarantine}
    assert reasons == {
        3: "ticket_id is missing",
        4: "blank row",
        5: "unknown role",
        6: "not CSV",
        7: "blank message",
        9: "not CSV",
    }
    assert "lines 9 to 10 were taken as one" in found.quarantine[2]["reason"] + str(
        [row["reason"] for row in found.quarantine]
    )


CHINESE = (
    "對話編號,角色,內容,時間\n"
    "1,客戶,請問我的退款什麼時候會到？,2026/3/2 14:05\n"
    "1,客服,您好，請提供訂單編號,2026/3/2 14:06\n"
)
SIMPLIFIED = (
    "对话编号,角色,内容,时间\n"
    "1,客户,请问我的退款什么时候会到？,2026/3/2 14:05\n"
    "1,客服,您好，请提供订单编号,2026/3/2 14:06\n"
)


@pytest.mark.parametrize(
    ("content", "encoding", "name"),
    [
        (CHINESE, "utf-8", "UTF-8"),
        (CHINESE, "utf-8-sig", "UTF-8"),
        (CHINESE.replace(",", "\t"), "utf-16", "UTF-16"),
        (HEAD + "1,user,hello,\n", "utf-16-le", "UTF-16"),
        (CHINESE, "cp950", "Big5"),
        (SIMPLIFIED, "gb18030", "GB18030"),
        (CHINESE.replace(",", "|"), "utf-8", "UTF-8"),
        ("sep=;\r\n" + CHINESE.replace(",", ";"), "utf-8", "UTF-8"),
    ],
)
def test_exact_encodings_and_delimiters(
    tmp_path: Path, content: str, encoding: str, name: str
) -> None:
    found = take(tmp_path / "log.csv", content.encode(encoding))
    assert f"rows read as {name}," in "\n".join(found.account.lines())
    said = found.turns["text"][0]
    assert said == "hello" or said in content
    assert found.account.messages_quarantined == 0


@pytest.mark.parametrize(
    "raw",
    [
        (HEAD + "1,user,où est ma commande? très déçu, ça m'énerve,\n" * 2).encode("cp1252"),
        CHINESE.encode("euc_jp", "ignore"),
        bytes(range(128, 256)) * 20,
    ],
)
def test_exact_an_encoding_that_cannot_be_told_is_refused(tmp_path: Path, raw: bytes) -> None:
    assert "save it as UTF-8" in refused(tmp_path / "log.csv", raw)


@pytest.mark.parametrize(
    ("cells", "moments"),
    [
        (["2026-03-02T14:05:00+08:00"], ["2026-03-02T14:05:00+08:00"]),
        (["2026-03-02 14:05:00 UTC"], ["2026-03-02T14:05:00+00:00"]),
        (["2026年3月2日 14:05"], ["2026-03-02T14:05:00"]),
        (["115/3/2 上午 12:05"], ["2026-03-02T00:05:00"]),
        (["02.03.2026 14:05"], ["2026-03-02T14:05:00"]),
        (
            ["3/2/2026 2:05 PM", "3/13/2026 12:00 AM"],
            ["2026-03-02T14:05:00", "2026-03-13T00:00:00"],
        ),
        (["3/2/26 14:05", "13/2/26 9:00"], ["2026-02-03T14:05:00", "2026-02-13T09:00:00"]),
        (["Mar 2, 2026, 2:05 PM", "2 March 2026 at 14:05"], ["2026-03-02T14:05:00"] * 2),
        (["Mon, 02 Mar 2026 14:05:00 +0800"], ["2026-03-02T14:05:00+08:00"]),
        (["1772460300"], ["2026-03-02T14:05:00+00:00"]),
        (["1772460300000", "?"], [None, None]),
        (["1772460300000"], ["2026-03-02T14:05:00+00:00"]),
        (["46083.586805556"], ["2026-03-02T14:05:00"]),
        (["2026-03-02", "2026-03-02 25:00", "soon"], [None, None, None]),
    ],
)
def test_exact_times(cells: list[str], moments: list[str | None]) -> None:
    times = Times("log.csv", "when", cells)
    found = [times.read(cell) for cell in cells]
    assert [None if one is None else one.isoformat() for one in found] == moments
    assert times.readings.total() == len(cells)


def test_exact_times_that_nothing_decides_are_refused(tmp_path: Path) -> None:
    rows = HEAD + "1,user,hi,{}\n1,agent,ho,{}\n"
    said = refused(tmp_path / "log.csv", rows.format("3/2/2026 14:05", "3/4/2026 14:06"))
    assert "created_at: 3/2 may be day/month or month/day" in said
    said = refused(tmp_path / "log.csv", rows.format("13/2/2026 14:05", "3/14/2026 14:06"))
    assert "expected one order" in said


def test_exact_order_without_all_times_is_that_of_the_file(tmp_path: Path) -> None:
    rows = HEAD + "1,user,b,2026-03-02 14:05\n1,agent,a,{}\n"
    found = take(tmp_path / "log.csv", rows.format("2026-03-02 14:04"))
    assert found.turns["text"].to_list() == ["a", "b"]
    found = take(tmp_path / "log.csv", rows.format(""))
    assert found.turns["text"].to_list() == ["b", "a"]
    found = take(tmp_path / "log.csv", "case,from,body,turn\n1,user,b,2\n1,agent,a,1\n")
    assert found.turns["text"].to_list() == ["a", "b"]


def test_exact_columns_and_roles_of_the_scenario(tmp_path: Path) -> None:
    content = (
        "nr,wer,was,Tag,Uhrzeit\n1,Kunde,Hallo,2026-03-02,14:05\n1,Beraterin,Ja?,2026-03-02,14:06\n"
    )
    said = refused(tmp_path / "log.csv", content)
    assert "no column says whose message it is (conversation_id); found columns nr, wer" in said
    columns = {"conversation_id": "nr", "role": "wer", "text": "was", "sent_at": "Tag + Uhrzeit"}
    said = refused(tmp_path / "log.csv", content, columns=columns)
    assert "'wer' says 'Kunde', 'Beraterin': none is known" in said
    roles = {"kunde": "customer", "Beraterin": "agent"}
    found = take(tmp_path / "log.csv", content, columns=columns, roles=roles)
    assert found.turns["role"].to_list() == ["customer", "agent"]
    assert found.turns["sent_at"][1] == datetime(2026, 3, 2, 14, 6, tzinfo=UTC)
    said = refused(tmp_path / "log.csv", content, columns={**columns, "text": "wass"})
    assert "text = 'wass': no such column" in said
    assert "did you mean 'was'" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"format": "csv", "columns": {"custommer_id": "x"}}, "did you mean customer_id"),
        ({"format": "jsonl", "columns": {"text": "x"}}, "expected format csv, zendesk, intercom"),
        ({"format": "zendesk", "columns": {"text": "x"}}, "expected one of customer_id"),
        ({"format": "csv", "roles": {"x": "robot"}}, "roles"),
        ({"format": "zendesk", "roles": {"x": "bot"}}, "expected format csv"),
    ],
)
def test_exact_wrong_columns_are_faults_of_the_scenario(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        validate_part(History, {"source": "log.csv", **more}, "test.toml")


def test_exact_usual_names() -> None:
    assert find(
        ["Case ID", "Author_Type", "Author", "Body", "ID", "Date", "Time", "AHT (sec)"]
    ) == {
        "conversation_id": "Case ID",
        "role": "Author_Type",
        "text": "Body",
        "sent_at": "Date + Time",
        "handle_time_s": "AHT (sec)",
    }
    assert find(["對話編號", "角色", "內容", "時間", "滿意度"])["csat"] == "滿意度"
    # A message's own id names no conversation.
    assert "conversation_id" not in find(["message_id", "sender", "text"])


def test_exact_values_that_vary_and_cells_that_say_nothing(tmp_path: Path) -> None:
    found = take(
        tmp_path / "log.csv",
        "chat_id,is_agent,text,handling_time,status,customer,language\n"
        "1,false,a,1:02:03,open,Ann,zh_TW\n1,true,b,,solved,Bob,zh_TW\n2,yes,c,long,,,klingonese!\n",
    )
    first, second = found.conversations.to_dicts()
    assert (first["handle_time_s"], first["resolved"]) == (3723.0, True)
    assert (first["customer_id"], first["language"]) == ("Ann", "zh-Hant")
    assert (second["handle_time_s"], second["language"]) == (None, None)
    notes = found.account.notes
    assert notes["conversations with several values of 'status', last taken"] == 1
    assert notes["conversations where handle_time_s is not a number, left empty"] == 1
    assert notes["conversations where unknown language, left empty"] == 1
    assert any("no times: name a column sent_at" in note for note in notes)


def test_exact_intents_of_tags_and_of_too_various_subjects(tmp_path: Path) -> None:
    tags = {"a": ["web", "rare"], **{name: ["refund", "web"] for name in "bcdefghi"}, "j": []}
    assert leading(tags) == {"a": "rare", **dict.fromkeys("bcdefghi", "refund"), "j": None}
    assert leading({"a": ["web"], "b": ["web"]}) == {"a": "web", "b": "web"}
    assert too_various([str(i) for i in range(20)])
    assert not too_various(["refund", "delivery"] * 10)
    rows = "".join(f"{i},user,hi,my problem no {i}\n" for i in range(20))
    found = take(tmp_path / "log.csv", "ticket,sender,text,subject\n" + rows)
    assert found.conversations["intent"].null_count() == 20
    own = {"intent": "subject"}
    found = take(tmp_path / "log.csv", "ticket,sender,text,subject\n" + rows, columns=own)
    assert found.conversations["intent"][3] == "my problem no 3"


def test_exact_where_a_csv_of_messages_may_lie(tmp_path: Path) -> None:
    content = HEAD + "1,user,hi,2026-03-02 14:05\n"
    assert take(tmp_path / "conversations.csv", content).turns.height == 1
    (tmp_path / "conversations.csv").rename(tmp_path / "chats.csv")
    assert read_history(History(source=tmp_path, format="csv")).turns.height == 1
    (tmp_path / "more.csv").write_text(content)
    with pytest.raises(HistoryError, match=r"has no conversations\.csv"):
        read_history(History(source=tmp_path, format="csv"))


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello <b>you</b></p><p>a &amp; b</p>", "Hello you\na & b"),
        ("no tags, 3 < 4 & 5 > 2", "no tags, 3 < 4 & 5 > 2"),
        ('<script>alert("x")</script>ok<style>p{}</style>', "ok"),
        ("<p>one<br>two</p><ul><li>three</ul>", "one\ntwo\nthree"),
        ('<img src=x onerror="alert(1)" alt="a shoe">', "[a shoe]"),
        ("<![CDATA[x]]><p>y", "y"),
        ("<!-- <b>unseen</b> -->seen<!-- the rest", "seen"),
        ("a <b>b</b> c < d <a", "a b c < d <a"),
        # Each of these takes the parser alone minutes to hours.
        ("<p>" + "<a " * 300_000, "<a " * 299_999 + "<a"),
        ("<p>ok" + "<!--" * 200_000, "ok"),
        ("<p>ok<script>" + "<a b='" * 100_000, "ok"),
    ],
)
def test_exact_text_of_html(html: str, text: str) -> None:
    assert text_of(html) == text


@settings(deadline=None, max_examples=150)
@given(st.text(alphabet=st.sampled_from("<>/!&;#-\"'= apbrscitdv\n[]x0"), max_size=300))
def test_property_no_html_breaks_the_reader(html: str) -> None:
    assert isinstance(text_of(html), str)


CELL = st.one_of(
    st.sampled_from(
        ["", "1", "2", "user", "客服", "2026-03-02 14:05", "3/2/2026", "N/A", '"', "=1+1"]
    ),
    st.text(max_size=12),
)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=6), max_size=8),
    edits=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), max_size=3),
)
def test_property_broken_sheets_are_counted_or_refused(
    tmp_path: Path, rows: list[list[str]], edits: list[tuple[int, bytes]]
) -> None:
    sheet = io.StringIO()
    writer = csv.writer(sheet)
    writer.writerow(["ticket_id", "sender", "message", "created_at", "rating"])
    writer.writerows([["1", "user", "hello", "", ""], *rows])
    raw = sheet.getvalue().encode("utf-8", "surrogatepass")
    for at, what in edits:
        raw = raw[:at] + what + raw[at + 1 :]
    try:
        found = take(tmp_path / "log.csv", raw)
    except HistoryError:
        return
    aside = sum(row["messages"] for row in found.quarantine)
    assert found.account.messages_in == found.turns.height + aside
    if not edits:
        assert found.account.messages_in == 1 + len(rows)


def test_exact_a_newcomers_own_conversations(tmp_path: Path) -> None:
    write(tmp_path / "own.csv")
    write(tmp_path / "again.csv")
    assert (tmp_path / "own.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    history = History(source=tmp_path / "own.csv", format="csv", timezone="Asia/Taipei")
    found = read_history(history)
    assert found.conversations.height == 200
    assert {row["reason"].split(":")[0] for row in found.quarantine} == {"blank row"}
    assert found.conversations["intent"].n_unique() == 5
    assert found.conversations["handle_time_s"].null_count() < 40
    assert found.turns["sent_at"].null_count() == 0
    openings = found.turns.filter(found.turns["turn"] == 0)["role"]
    assert openings.to_list() == ["customer"] * 200
