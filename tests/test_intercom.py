"""Intercom's JSON: conversations with their parts."""

from __future__ import annotations

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
from tests.test_zendesk import JUNK


def part(at: int, kind: str, who: str, body: str | None, **author: Any) -> dict[str, Any]:
    return {
        "type": "conversation_part",
        "part_type": kind,
        "body": body,
        "created_at": 1772431500 + at,
        "author": {"type": who, "id": f"{who}-1", **author},
    }


CONVERSATION: dict[str, Any] = {
    "type": "conversation",
    "id": "1911149811",
    "created_at": 1772431500,
    "state": "closed",
    "admin_assignee_id": 814860,
    "source": {
        "type": "conversation",
        "delivered_as": "customer_initiated",
        "body": "<p>When do I get my <b>refund</b>?</p>",
        "author": {"type": "lead", "id": "5bc8f7"},
    },
    "contacts": {"type": "contact.list", "contacts": [{"type": "contact", "id": "5bc8f7"}]},
    "tags": {"type": "tag.list", "tags": [{"id": "1", "name": "refund"}]},
    "custom_attributes": {"issue_type": "Billing"},
    "conversation_rating": {"rating": 4, "remark": ""},
    "ai_agent": {"resolution_state": "routed_to_team"},
    "statistics": {"adjusted_handling_time": 240, "handling_time": 9000, "time_to_admin_reply": 60},
    "conversation_parts": {
        "type": "conversation_part.list",
        "conversation_parts": [
            part(5, "comment", "bot", "<p>Which order?</p>"),
            part(9, "comment", "admin", "<p>Let me check.</p>", is_ai_answer=True),
            part(20, "comment", "user", "A17"),
            part(30, "assignment", "bot", None),
            part(40, "note_and_reopen", "admin", "<p>angry one</p>"),
            part(60, "comment", "admin", "<p>In 3&ndash;7 days.</p>"),
            part(70, "close", "admin", "<p>Bye!</p>"),
            part(80, "channel_and_reply_time_expectation", "bot", "We reply in minutes"),
        ],
        "total_count": 8,
    },
}
TURNS = [
    ("customer", "When do I get my refund?"),
    ("bot", "Which order?"),
    ("bot", "Let me check."),
    ("customer", "A17"),
    ("system", "angry one"),
    ("agent", "In 3–7 days."),
    ("agent", "Bye!"),
    ("system", "We reply in minutes"),
]


def take(path: Path, content: Any = None, **more: Any) -> Imported:
    if content is not None:
        path.write_text(json.dumps(content), encoding="utf-8")
    return read_history(History(source=path, format="intercom", **more))


def test_exact_conversation(tmp_path: Path) -> None:
    found = take(tmp_path / "log.json", CONVERSATION)
    (row,) = found.conversations.to_dicts()
    assert row["conversation_id"] == "1911149811"
    assert row["started_at"] == datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
    assert (row["channel"], row["intent"], row["csat"]) == ("chat", "refund", 4)
    assert (row["handle_time_s"], row["wait_s"]) == (240.0, None)
    assert (row["escalated"], row["resolved"]) == (True, None)
    assert (row["customer_id"], row["agent_id"]) == ("5bc8f7", "814860")
    assert found.turns.select("role", "text").rows() == TURNS
    notes = found.account.notes
    assert notes["parts without text (assignments and the like), no messages"] == 1
    assert notes["notes kept as turns of role system"] == 1


def test_exact_every_shape_of_export_gives_the_same(tmp_path: Path) -> None:
    expected = take(tmp_path / "one.json", CONVERSATION).turns
    page = {"type": "conversation.list", "conversations": [CONVERSATION], "pages": {}}
    assert take(tmp_path / "page.json", page).turns.equals(expected)
    assert take(tmp_path / "list.json", [CONVERSATION]).turns.equals(expected)
    (tmp_path / "many").mkdir()
    for name in ("a", "b"):
        one = {**CONVERSATION, "id": name}
        (tmp_path / "many" / f"{name}.json").write_text(json.dumps(one))
    assert take(tmp_path / "many").turns.height == 2 * expected.height
    lines = "\n".join(json.dumps({**CONVERSATION, "id": name}) for name in "ab")
    (tmp_path / "log.ndjson").write_text(lines + "\nnot json\n")
    by_line = take(tmp_path / "log.ndjson")
    assert by_line.turns.height == 2 * expected.height
    assert by_line.quarantine[0]["line"] == 3


def test_exact_a_list_page_has_no_replies_and_says_so(tmp_path: Path) -> None:
    listed = {k: v for k, v in CONVERSATION.items() if k != "conversation_parts"}
    found = take(tmp_path / "page.json", {"conversations": [listed, {"id": "x"}]})
    assert found.turns.select("role", "text").rows() == TURNS[:1]
    assert (
        found.account.notes["conversations without parts: retrieve each one to have its replies"]
        == 1
    )
    assert found.quarantine[0]["reason"].startswith("is no conversation")


def test_exact_intent_by_path(tmp_path: Path) -> None:
    columns = {"intent": "custom_attributes.issue_type"}
    found = take(tmp_path / "log.json", CONVERSATION, columns=columns)
    assert found.conversations["intent"].to_list() == ["Billing"]
    with pytest.raises(HistoryError, match="nothing stands there in any conversation"):
        take(tmp_path / "log.json", CONVERSATION, columns={"intent": "custom_attributes.topic"})


def test_exact_no_export_at_all(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="holds no conversation"):
        take(tmp_path / "log.json", [{"tickets": []}])


@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    field=st.sampled_from(sorted(CONVERSATION)),
    of_part=st.sampled_from(["part_type", "body", "created_at", "author"]),
    junk=JUNK,
    other=JUNK,
)
def test_property_broken_conversations_are_counted_or_refused(
    tmp_path: Path, field: str, of_part: str, junk: Any, other: Any
) -> None:
    broken = deepcopy(CONVERSATION)
    broken["id"] = "broken"
    broken["conversation_parts"]["conversation_parts"][0][of_part] = other
    broken["source"][of_part] = other
    broken[field] = junk
    found = take(tmp_path / "log.json", [CONVERSATION, broken, junk])
    account = found.account
    aside = [sum(row[what] for row in found.quarantine) for what in ("conversations", "messages")]
    assert account.conversations_in == found.conversations.height + aside[0] == 3
    assert account.messages_in == found.turns.height + aside[1]
