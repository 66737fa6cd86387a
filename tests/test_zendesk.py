"""Zendesk's JSON: tickets with comments, however they were exported."""

from __future__ import annotations

import gzip
import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers import read_history
from simulator.scenario import History

# As the account's JSON export has them: comments and people stand in the ticket.
TICKET: dict[str, Any] = {
    "id": 35436,
    "created_at": "2026-03-02T06:05:00Z",
    "subject": "Where is my order?",
    "status": "solved",
    "via": {"channel": "native_messaging"},
    "requester_id": 20978392,
    "requester": {"id": 20978392, "role": "end-user", "locale": "zh-TW"},
    "assignee_id": 235323,
    "collaborator_ids": [777],
    "tags": ["delivery", "web_widget"],
    "custom_fields": [{"id": 360001, "value": "late_parcel"}, {"id": 360002, "value": "95"}],
    "satisfaction_rating": {"score": "good"},
    "metric_set": {"reply_time_in_minutes": {"calendar": 2, "business": 2}},
    "comments": [
        {
            "id": 1,
            "author_id": 20978392,
            "body": "Where is it?",
            "public": True,
            "created_at": "2026-03-02T06:05:00Z",
        },
        {
            "id": 3,
            "author_id": 235323,
            "html_body": "<p>It comes <b>tomorrow</b>.</p>",
            "public": True,
            "created_at": "2026-03-02T06:09:00Z",
        },
        {
            "id": 2,
            "author_id": 235323,
            "body": "this one again",
            "public": False,
            "created_at": "2026-03-02T06:07:00Z",
        },
        {"id": 4, "author_id": 777, "plain_body": "me too", "created_at": "2026-03-02T06:10:00Z"},
        {
            "id": 5,
            "author_id": -1,
            "body": "Your request has been solved",
            "via": {"channel": "rule"},
            "created_at": "2026-03-02T06:11:00Z",
        },
    ],
}
TURNS = [
    ("customer", "Where is it?"),
    ("system", "this one again"),
    ("agent", "It comes tomorrow."),
    ("customer", "me too"),
    ("system", "Your request has been solved"),
]


def take(path: Path, content: Any = None, **more: Any) -> Imported:
    if content is not None:
        path.write_text(json.dumps(content), encoding="utf-8")
    return read_history(History(source=path, format="zendesk", **more))


def bare(ticket: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in ticket.items() if name != "comments"}


def test_exact_ticket(tmp_path: Path) -> None:
    found = take(tmp_path / "tickets.json", [TICKET])
    (row,) = found.conversations.to_dicts()
    assert (row["conversation_id"], row["channel"], row["language"]) == ("35436", "chat", "zh-TW")
    assert row["started_at"] == datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
    assert (row["resolved"], row["csat"], row["handle_time_s"], row["wait_s"]) == (
        True,
        *[None] * 3,
    )
    assert row["agent_id"] == "235323"
    assert row["intent"] == "delivery"
    assert found.turns.select("role", "text").rows() == TURNS
    assert found.account.notes["tickets rated good, which is no mark from 1 to 5"] == 1
    assert "messages: 5 in = 5 out + 0 quarantined" in found.account.lines()


def test_exact_every_shape_of_export_gives_the_same(tmp_path: Path) -> None:
    expected = take(tmp_path / "list.json", [TICKET]).turns
    comments = TICKET["comments"]
    shapes: dict[str, Any] = {
        "page": {"tickets": [TICKET], "next_page": None, "count": 1},
        "one": {"ticket": bare(TICKET), "comments": comments},
        "sideloaded": {"tickets": [bare(TICKET)], "comments": comments},
        "named": [bare(TICKET), *({**one, "ticket_id": 35436} for one in comments)],
    }
    for name, content in shapes.items():
        assert take(tmp_path / f"{name}.json", content).turns.equals(expected), name
    (tmp_path / "lines.json").write_bytes(gzip.compress(json.dumps(TICKET).encode() + b"\n{}\n"))
    by_line = take(tmp_path / "lines.json")
    assert by_line.turns.equals(expected)
    assert by_line.quarantine[0]["reason"] == "neither a ticket nor a page of tickets"
    assert by_line.quarantine[0]["line"] == 2


def test_exact_folder_of_api_pages(tmp_path: Path) -> None:
    other = {**bare(TICKET), "id": 35437, "description": "Help, please", "tags": []}
    (tmp_path / "tickets.json").write_text(json.dumps({"tickets": [bare(TICKET), other]}))
    page = {"comments": TICKET["comments"], "next_page": None}
    (tmp_path / "comments_35436.json").write_text(json.dumps(page))
    (tmp_path / "comments_99.json").write_text(json.dumps({"comments": [{"body": "lost"}]}))
    (tmp_path / "users.json").write_text(json.dumps({"users": [{"id": 777, "role": "agent"}]}))
    (tmp_path / "readme.txt").write_text("not read")
    found = take(tmp_path)
    first = found.turns.filter(found.turns["conversation_id"] == "35436")
    # What users.json says of 777 counts more than that they are on copy.
    expected = [("agent" if text == "me too" else role, text) for role, text in TURNS]
    assert first.select("role", "text").rows() == expected
    assert found.turns["text"].to_list()[-1] == "Help, please"
    assert found.account.notes["tickets without comments, their description alone taken"] == 1
    (lost,) = found.quarantine
    assert lost["reason"] == "comment of a ticket that is not in the export"
    assert lost["source"] == "comments_99.json"


def test_exact_columns_name_fields_by_path(tmp_path: Path) -> None:
    columns = {
        "intent": "custom_fields.360001",
        "handle_time_s": "custom_fields.360002",
        "wait_s": "metric_set.reply_time_in_minutes.calendar",
    }
    (row,) = take(tmp_path / "t.json", [TICKET], columns=columns).conversations.to_dicts()
    assert (row["intent"], row["handle_time_s"], row["wait_s"]) == ("late_parcel", 95.0, 120.0)
    with pytest.raises(HistoryError, match=r"intent = 'custom_fields\.1': nothing stands there"):
        take(tmp_path / "t.json", [TICKET], columns={"intent": "custom_fields.1"})


def test_exact_deleted_and_broken_tickets_are_set_aside(tmp_path: Path) -> None:
    deleted = {**TICKET, "id": 2, "status": "deleted"}
    content = {"tickets": [TICKET, deleted, "?", {**TICKET, "comments": [5]}]}
    found = take(tmp_path / "t.json", content)
    assert [row["reason"].split(":")[0] for row in found.quarantine] == [
        "ticket was deleted",
        "ticket is no object",
        "conversation_id stands there already",
    ]
    assert found.account.messages_in == found.turns.height + 5 + 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("hello", "expected JSON: one document, or one a line"),
        ("[]", "holds no ticket"),
        ('{"conversation_parts": []}', "holds no ticket"),
        ("", "is empty"),
    ],
)
def test_exact_no_export_at_all(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(HistoryError, match=said):
        take(tmp_path / "t.json")


def test_exact_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="holds no file named"):
        take(tmp_path)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    field=st.sampled_from(sorted(TICKET)),
    of_comment=st.sampled_from(
        ["id", "author_id", "body", "public", "created_at", "via", "author"]
    ),
    junk=JUNK,
    other=JUNK,
)
def test_property_broken_tickets_are_counted_or_refused(
    tmp_path: Path, field: str, of_comment: str, junk: Any, other: Any
) -> None:
    broken = deepcopy(TICKET)
    broken["id"] = 1
    broken["comments"][0][of_comment] = other
    broken[field] = junk
    try:
        found = take(tmp_path / "t.json", [TICKET, broken, junk])
    except HistoryError:
        return
    account = found.account
    aside = [sum(row[what] for row in found.quarantine) for what in ("conversations", "messages")]
    assert account.conversations_in == found.conversations.height + aside[0] == 3
    assert account.messages_in == found.turns.height + aside[1]
