"""One conversation a line, as people export them from a help desk.

``{"conversation_id": ..., "channel": "chat", "language": "en", "intent": ..., "started_at": ...,
"messages": [{"role": "user", "content": ..., "sent_at": ...}, ...]}``. Any other column of the
table ``conversations`` may stand beside them. In messages, ``user`` is the customer and
``assistant`` the agent (our own role names work too); ``text`` works for ``content``, and
``tool_calls``, ``action`` and ``turn`` are read. A line without ``messages`` is a contact whose
transcript the log does not hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers.intake import Intake
from simulator.history.importers.source import BadRow, parse_json, read_bytes, without_bom
from simulator.scenario import History


def read(history: History) -> Imported:
    """The conversations of a JSONL file.

    Raises:
        HistoryError: cannot be read, is empty, no line is JSON, or no conversation is usable.
    """
    path = Path(history.source or "")
    raw = read_bytes(path)
    intake = Intake(history, path.name, [raw])
    if raw.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"[" and _is_list(raw):
        raise HistoryError(
            f"{path}: is one JSON array; expected JSONL: write one conversation a line"
        )
    parsed = 0
    first = ""
    for number, line in enumerate(without_bom(path, raw).split(b"\n"), start=1):
        if not line.strip():
            continue
        place = {"line": number}
        try:
            record = parse_json(line)
        except BadRow as error:
            first = first or f"line {number} is {error}"
            intake.refuse(place, str(error), line)
            continue
        parsed += 1
        if not isinstance(record, dict):
            intake.refuse(place, "line is not an object: expected one conversation {...}", record)
            continue
        messages = record.pop("messages", None)
        if messages is None:
            messages = []
        if not isinstance(messages, list):
            intake.refuse(place, "messages has the wrong type: expected a list", record)
            continue
        intake.conversation(record, [_message(one) for one in messages], place)
    if not parsed:
        raise HistoryError(
            f"{path}: {first}, and so is every line; expected JSONL: one conversation a line"
        )
    return intake.finish()


def _is_list(raw: bytes) -> bool:
    try:
        return isinstance(parse_json(raw.removeprefix(b"\xef\xbb\xbf")), list)
    except BadRow:
        return False


def _message(raw: Any) -> Any:
    if not isinstance(raw, dict) or "content" not in raw:
        return raw
    message = {**raw, "text": raw["content"]}
    del message["content"]
    return message
