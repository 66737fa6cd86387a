"""Support conversations of companies on Twitter, 2018-2020, a time stamp a message.

The key that holds a message's handle says who wrote it: ``agent`` is the company, ``client`` the
customer, ``client1`` and so on other people who joined in (read as customers, and counted). The
last agent message of a conversation stands apart, in ``agentURL.url_utterance``. It has no time
stamp: it is the header's start plus duration. The duration lacks whole days and is negative in
places, so the stamp is null where that lies before the last message; where a conversation has just
one message a lost day cannot be seen.

``skill`` is the company. Intent, outcome and handle time are not in this source.

Source: github.com/IBM/twitter-customer-care-document-prediction (Apache-2.0).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers.intake import Intake
from simulator.history.importers.source import json_document
from simulator.scenario import History


def read(history: History) -> Imported:
    """The conversations of the data set's JSON list.

    Raises:
        HistoryError: cannot be read, is no such list, or no conversation is usable.
    """
    path = Path(history.source or "")
    document, raw = json_document(path)
    if not isinstance(document, list):
        raise HistoryError(f"{path}: is no JSON list; expected a list of conversations")
    intake = Intake(history, path.name, [raw])
    for index, one in enumerate(document):
        place = {"index": index}
        if not isinstance(one, dict) or not isinstance(one.get("dialogContent"), list):
            intake.refuse(place, "conversation has no dialogContent: expected a list", one)
            continue
        header = one.get("dialogHeader")
        header = header if isinstance(header, dict) else {}
        messages = [_message(raw, intake.notes) for raw in one["dialogContent"]]
        last = _last(one.get("agentURL"), one["dialogContent"], header, intake.notes)
        if last is not None:
            messages.append(last)
        if str(header.get("messageCount")) != str(len(messages)):
            intake.notes["conversations whose header counts other messages than there are"] += 1
        fields = {
            "conversation_id": header.get("sessionID"),
            "customer_id": _customer(one["dialogContent"]),
            "language": "en",
            "skill": header.get("company"),
            "started_at": header.get("conversationDateTime"),
        }
        intake.conversation(fields, messages, place)
    return intake.finish()


def _customer(content: list[Any]) -> Any:
    return next(
        (raw["client"] for raw in content if isinstance(raw, dict) and "client" in raw), None
    )


def _message(raw: Any, notes: Counter[str]) -> Any:
    if not isinstance(raw, dict):
        return raw
    role = None
    if "agent" in raw:
        role = "agent"
    elif any(key.startswith("client") for key in raw):
        role = "customer"
        if "client" not in raw:
            notes["messages by a second customer in a conversation"] += 1
    return {"role": role, "text": raw.get("message"), "sent_at": raw.get("datetime")}


def _last(
    apart: Any, content: list[Any], header: Mapping[str, Any], notes: Counter[str]
) -> dict[str, Any] | None:
    """The last agent message, unless it stands among the others already."""
    if not isinstance(apart, dict) or apart.get("url_utterance") is None:
        return None
    held = [raw for raw in content if isinstance(raw, dict)]
    same = apart.get("tweet_ID")
    if same is not None and any(raw.get("tweet_ID") == same for raw in held):
        return None
    sent_at = _end(header)
    stamps = [_moment(raw.get("datetime")) for raw in held]
    known = [stamp for stamp in stamps if stamp is not None]
    try:
        early = sent_at is None or any(sent_at < stamp for stamp in known)
    except TypeError:  # one of them has a zone and the other has none
        early = True
    if early:
        notes["last agent messages without a usable time stamp"] += 1
        sent_at = None
    return {
        "role": "agent",
        "text": apart["url_utterance"],
        "sent_at": None if sent_at is None else sent_at.isoformat(),
    }


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def _end(header: Mapping[str, Any]) -> datetime | None:
    start = _moment(header.get("conversationDateTime"))
    try:
        hours, minutes, seconds = (float(part) for part in str(header["duration"]).split(":"))
        length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except (KeyError, ValueError, OverflowError):
        return None
    if start is None or length < timedelta(0):
        return None
    try:
        return start + length
    except OverflowError:
        return None
