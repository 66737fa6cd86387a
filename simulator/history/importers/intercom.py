"""Conversations with their parts from Intercom: what its API gives for a conversation, or many.

The source is a file or a folder of files (.json, .jsonl, .ndjson, gzip or not), each a list, one
object a line, or pages ``{"conversations": [...]}``. Intercom's lists hold no parts: retrieve each
conversation; those without parts keep their first message and are counted.

The first message is ``source``, the others are parts with a ``body`` (HTML, read as text). Parts
without one (an assignment, a snooze) are events, counted, and no messages. Who spoke is
``author.type``: user, lead and contact are the customer; admin and team the agent; bot, and
whatever ``from_ai_agent`` or ``is_ai_answer`` marks, a bot. Notes become turns of role system,
which nobody is shown, and so does text in a part of a kind that is not known to reach the customer.

``csat`` is ``conversation_rating.rating``; ``handle_time_s`` is
``statistics.adjusted_handling_time``, "active handling time excluding idle periods" in Intercom's
words; ``handling_time`` runs from assignment to closing and is not work, and the times to a reply
hold the writing of it and leave out closed hours, so neither is taken. ``escalated`` and
``resolved`` are known where Fin took part (``ai_agent.resolution_state``); a closed conversation
need not be a resolved one. Topics, else tags, give the intent (see
:mod:`simulator.history.importers.intents`) unless ``[history.columns]`` names a field by its path,
such as ``intent = "custom_attributes.issue_type"``.

Source: developers.intercom.com/docs/references/2.15/rest-api/api.intercom.io/conversations/
conversation, .../models/conversation_part, .../models/conversation_statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers import help_desk
from simulator.history.importers.help_desk import at, key
from simulator.history.importers.hypertext import text_of
from simulator.history.importers.intake import Intake, Place
from simulator.history.importers.source import BadRow
from simulator.scenario import History

_ROLES = {
    "user": "customer",
    "lead": "customer",
    "contact": "customer",
    "visitor": "customer",
    "admin": "agent",
    "team": "agent",
    "bot": "bot",
}
_CHANNEL = {
    "email": "email",
    "phone_call": "voice",
    "phone_switch": "voice",
    **dict.fromkeys(
        "conversation push facebook instagram twitter sms whatsapp in_app messenger".split(), "chat"
    ),
}
# The kinds of part whose text the customer sees: replies, and what was written while closing,
# opening, snoozing or assigning.
_SPOKEN = frozenset(
    "comment quick_reply open close snoozed unsnoozed timer_unsnooze assignment "
    "assign_and_reopen assign_and_unsnooze default_assignment fin_reply".split()
)
_TOPICS = ("topics.topics", "tags.tags", "tags")
_RESOLVED = {"confirmed_resolution": True}
_ESCALATED = {"routed_to_team": True, "confirmed_resolution": False, "assumed_resolution": False}


def read(history: History) -> Imported:
    """The conversations of an export.

    Raises:
        HistoryError: cannot be read, holds no conversation, a path of ``[history.columns]`` leads
            nowhere, or no conversation is usable.
    """
    source = Path(history.source or "")
    held, contents = help_desk.load(source)
    intake = Intake(history, source.name, contents, lenient=True)
    conversations: list[tuple[Place, dict[str, Any]]] = []
    for one in held:
        value = one.value
        if isinstance(value, BadRow):
            intake.refuse(one.place, str(value), "")
            continue
        page = value.get("conversations") if isinstance(value, dict) else None
        for found in page if isinstance(page, list) else [value]:
            if is_conversation(found):
                conversations.append((one.place, found))
            else:
                intake.refuse(one.place, "is no conversation: neither source nor parts", found)
    if not conversations:
        raise HistoryError(
            f"{source}: holds no conversation; expected Intercom's JSON: conversations with "
            "source and conversation_parts"
        )
    records = {str(key(one.get("id"))): one for _, one in conversations}
    configured = help_desk.Configured(source, records, history.columns, _TOPICS)
    for place, conversation in conversations:
        _conversation(place, conversation, configured, intake)
    return intake.finish()


def is_conversation(value: Any) -> bool:
    """Whether ``value`` is an object that has a first message or parts."""
    return isinstance(value, dict) and bool(value.keys() & {"source", "conversation_parts"})


def _conversation(
    place: Place, found: dict[str, Any], configured: help_desk.Configured, intake: Intake
) -> None:
    messages: list[Any] = []
    first = found.get("source")
    if isinstance(first, dict) and first.get("body"):
        messages.append(_message({**first, "part_type": "comment"}, found, intake))
    parts = found.get("conversation_parts")
    if isinstance(parts, dict):
        parts = parts.get("conversation_parts")
    if not isinstance(parts, list):
        intake.notes["conversations without parts: retrieve each one to have its replies"] += 1
        parts = []
    for part in parts:
        if isinstance(part, dict) and not part.get("body"):
            intake.notes["parts without text (assignments and the like), no messages"] += 1
        else:
            messages.append(_message(part, None, intake))
    name, state = key(found.get("id")), at(found, "ai_agent.resolution_state")
    state = state if isinstance(state, str) else None
    fields = {
        "conversation_id": name,
        "customer_id": _customer(found),
        "agent_id": key(found.get("admin_assignee_id")) or key(at(found, "assignee.id")),
        "channel": _CHANNEL.get(str(at(found, "source.type")).lower()),
        "started_at": help_desk.moment(intake, found.get("created_at")),
        "handle_time_s": _seconds(at(found, "statistics.adjusted_handling_time")),
        "resolved": _RESOLVED.get(state or ""),
        "escalated": _ESCALATED.get(state or ""),
        "csat": _csat(at(found, "conversation_rating.rating")),
        **configured.fields(name or "", found, intake),
    }
    help_desk.hand_over(intake, fields, messages, place, [place] * len(messages))


def _message(part: Any, conversation: Mapping[str, Any] | None, intake: Intake) -> Any:
    if not isinstance(part, dict):
        return part
    author = part.get("author")
    role = _ROLES.get(str(at(author, "type")))
    kind = str(part.get("part_type"))
    if kind.startswith("note"):
        intake.notes["notes kept as turns of role system"] += 1
        role = "system"
    elif kind not in _SPOKEN:
        intake.notes["texts of parts that need not reach the customer, role system"] += 1
        role = "system"
    elif at(author, "from_ai_agent") is True or at(author, "is_ai_answer") is True:
        role = "bot"
    body = part["body"]
    sent = (conversation or part).get("created_at")
    return {
        "role": role or at(author, "type"),
        "text": text_of(body) if isinstance(body, str) else body,
        "sent_at": help_desk.moment(intake, sent),
    }


def _customer(found: Mapping[str, Any]) -> str | None:
    contacts = found.get("contacts")
    if isinstance(contacts, dict):
        contacts = contacts.get("contacts")
    first = contacts[0] if isinstance(contacts, list) and contacts else None
    if first is None and _ROLES.get(str(at(found, "source.author.type"))) == "customer":
        first = at(found, "source.author")
    return key(at(first, "id"))


def _seconds(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known and 0 <= value <= 366 * 86_400 else None


def _csat(rating: Any) -> int | None:
    known = isinstance(rating, int) and not isinstance(rating, bool)
    return rating if known and 1 <= rating <= 5 else None
