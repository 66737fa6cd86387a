"""The one way in, whatever the format: check, redact, count, or set aside with the reason.

A format turns its source into conversations (a mapping of fields and a list of messages) and hands
them over one by one. Turn numbers are positions in the source's own conversation (or its own
numbers), so a message that is set aside leaves a gap and nothing after it is renumbered: replies
recorded elsewhere for turn 7 still belong to turn 7.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Any

import polars as pl

from simulator.errors import HistoryError
from simulator.history.account import Account, Imported
from simulator.history.importers.fields import Fault, Reader, shown
from simulator.history.redact import Redactor
from simulator.scenario import History
from simulator.schema import TABLES
from simulator.tables import check

# Written by the tau2 harness into messages of its simulated users; never said by a customer.
MARKER = re.compile(r"###(?:STOP|TRANSFER|OUT-OF-SCOPE)###")
_RAW = 500
_CONVERSATION = TABLES["conversations"].columns
_MESSAGE = frozenset({"role", "text", "tool_calls", "sent_at", "action", "turn"})
_IDENTIFIERS = ("conversation_id", "customer_id", "agent_id", "recontact_of")

Place = Mapping[str, Any]


class Intake:
    """Takes in the conversations of one source.

    Args:
        history: the scenario's ``[history]``; channel, language, time zone and redaction.
        source: shown name of the source.
        content: the source's bytes, unpacked; the key of the pseudonyms is their hash.
        lenient: whether numbers and flags may come as text (CSV).
        zone: of time stamps without one; default: the history's.
    """

    def __init__(
        self,
        history: History,
        source: str,
        content: Sequence[bytes],
        *,
        lenient: bool = False,
        zone: tzinfo | None = None,
    ) -> None:
        self.account = Account(source=source, format=history.format)
        self.notes = self.account.notes
        self.read = Reader(zone or history.zone, lenient, self.notes)
        self._history = history
        digest = hashlib.blake2b(digest_size=32)
        for part in content:
            digest.update(len(part).to_bytes(8, "little") + part)
        self._redactor = Redactor(digest.digest(), history.timezone) if history.redact else None
        # What goes to the quarantine is redacted as well, but is not counted as kept text.
        self._aside = Redactor(digest.digest(), history.timezone) if history.redact else None
        self._quiet = Reader(self.read.zone, True, Counter())
        self._ids: set[str] = set()
        self._conversations: list[dict[str, Any]] = []
        self._turns: dict[str, list[Any]] = {name: [] for name in TABLES["turns"].columns}
        self._quarantine: list[dict[str, Any]] = []

    def conversation(
        self,
        fields: Mapping[str, Any],
        messages: Sequence[Any],
        place: Place,
        places: Sequence[Place] | None = None,
    ) -> None:
        """Take one conversation in, or set it or some of its messages aside.

        Args:
            fields: by column of the table ``conversations``; others are counted as unused.
            messages: mappings with ``role, text, tool_calls, sent_at, action, turn``; anything
                else is set aside.
            place: ``line`` or ``index`` (and ``source``) for the quarantine.
            places: the same for each message, where they stand elsewhere.
        """
        self.account.conversations_in += 1
        self.account.messages_in += len(messages)
        shown_id = self.key(fields.get("conversation_id"))
        try:
            row = self._fields(fields)
            numbers = self._numbers(messages)
            if shown_id in self._ids:
                raise Fault(f"conversation_id stands there already: {shown(shown_id)}; first kept")
        except Fault as fault:
            raw = {**fields, "messages": messages[:20]}
            self._set_aside(place, shown_id, None, str(fault), raw, 1, len(messages))
            return
        kept: list[dict[str, Any]] = []
        for number, message, where in zip(
            numbers, messages, places or [place] * len(messages), strict=True
        ):
            try:
                kept.append({"turn": number, **self._message(message)})
            except Fault as fault:
                self._set_aside(where, shown_id, number, str(fault), message, 0, 1)
        if messages and not kept:
            reason = f"nothing usable: all {len(messages)} messages were quarantined"
            self._set_aside(place, shown_id, None, reason, dict(fields), 1, 0)
            return
        self._keep(row, kept)

    def refuse(self, place: Place, reason: str, raw: Any, messages: int = 0) -> None:
        """Set a conversation aside that cannot even be told apart into fields and messages."""
        self.account.conversations_in += 1
        self.account.messages_in += messages
        self._set_aside(place, None, None, reason, raw, 1, messages)

    def orphan(self, place: Place, conversation_id: Any, reason: str, raw: Any) -> None:
        """Set a message aside that belongs to no conversation."""
        self.account.messages_in += 1
        self._set_aside(place, self.key(conversation_id), None, reason, raw, 0, 1)

    def finish(self) -> Imported:
        """The tables, the quarantine and the closed account.

        Raises:
            HistoryError: no conversation is left; says what was wrong with the most.
        """
        source = self.account.source
        if not self._conversations:
            if not self._quarantine:
                raise HistoryError(f"{source}: holds no conversation; expected at least one")
            first = self._quarantine[0]
            where = ", ".join(f"{k} {first[k]}" for k in ("line", "index") if k in first)
            reasons = Counter(row["reason"].split(": ")[0] for row in self._quarantine)
            (most, n), *_ = reasons.most_common(1)
            raise HistoryError(
                f"{source}: none of its {self.account.conversations_in} conversations can be "
                f"used; most often: {most} ({n}); the first, {where}: {first['reason']}"
            )
        # Cheap here, costly to find out later from a recontact rate that is too low.
        missing = sum(
            row["recontact_of"] is not None and row["recontact_of"] not in self._ids
            for row in self._conversations
        )
        if missing:
            self.notes["recontacts of a conversation that is not in the history"] += missing
        conversations = check(
            "conversations",
            pl.DataFrame(self._conversations, schema=dict(_CONVERSATION), strict=True),
        )
        turns = check(
            "turns",
            pl.DataFrame(self._turns, schema=dict(TABLES["turns"].columns), strict=True),
        )
        bare = conversations.height - turns["conversation_id"].n_unique()
        if bare:
            self.notes["conversations without turns"] += bare
        if self._redactor is not None:
            self.account.redacted = self._redactor.counts
        self.account.close(conversations.height, turns.height, self._quarantine)
        return Imported(conversations, turns, self._quarantine, self.account)

    def key(self, value: Any) -> str | None:
        """A conversation's id as the tables show it: cleaned and redacted; null if unusable."""
        try:
            text = self._quiet.text("conversation_id", value)
        except Fault:
            return None
        return text if text is None or self._aside is None else self._aside.identifier(text)

    def _fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        read, get = self.read, fields.get
        for name in fields.keys() - _CONVERSATION.keys():
            if fields[name] not in (None, ""):
                self.account.unused[shown(name)] += 1
        row: dict[str, Any] = {
            name: read.text(name, get(name)) for name in (*_IDENTIFIERS, "intent", "skill")
        }
        if row["conversation_id"] is None:
            raise Fault("conversation_id is missing: expected a text that names the conversation")
        row["channel"] = read.channel(get("channel")) or self._history.channel
        row["language"] = read.language(get("language")) or self._history.language
        row["started_at"] = read.stamp("started_at", get("started_at"))
        for name in ("handle_time_s", "wait_s", "weight"):
            row[name] = read.number(name, get(name))
        for name in ("abandoned", "resolved", "escalated", "complained"):
            row[name] = read.flag(name, get(name))
        row["csat"] = read.csat(get("csat"))
        return row

    def _numbers(self, messages: Sequence[Any]) -> list[int]:
        given = [
            self.read.turn(message.get("turn")) if isinstance(message, Mapping) else None
            for message in messages
        ]
        if all(number is None for number in given):
            return list(range(len(messages)))
        numbers = [number for number in given if number is not None]
        if len(numbers) < len(given):
            raise Fault("turn is missing: some messages have a turn number and some have none")
        for before, after in pairwise(numbers):
            if after == before:
                raise Fault(f"turn numbers repeat: {after} stands there twice")
            if after < before:
                raise Fault(f"turn numbers do not ascend: {after} after {before}")
        return numbers

    def _message(self, message: Any) -> dict[str, Any]:
        read = self.read
        if not isinstance(message, Mapping):
            raise Fault(f"message has the wrong type: expected an object, found {shown(message)}")
        for name in message.keys() - _MESSAGE:
            if message[name] not in (None, ""):
                self.account.unused[f"messages.{shown(name)}"] += 1
        role = read.role(message.get("role"))
        text = read.body("content", message.get("text"))
        calls = read.tool_calls(message.get("tool_calls"))
        sent_at = read.stamp("sent_at", message.get("sent_at"))
        action = read.action(message.get("action"))
        if text is not None and (found := MARKER.search(text)):
            text = MARKER.sub("", text).strip() or None
            if text is None and calls is None:
                raise Fault(f"marker of a test harness: nothing but {found[0]}")
            self.notes["markers of a test harness cut out of messages with text"] += 1
        if text is None and calls is None:
            raise Fault("blank message: neither text nor tool calls")
        return {
            "role": role,
            "text": text,
            "tool_calls": calls,
            "sent_at": sent_at,
            "action": action,
        }

    def _keep(self, row: dict[str, Any], turns: list[dict[str, Any]]) -> None:
        stamps: list[datetime] = [turn["sent_at"] for turn in turns if turn["sent_at"] is not None]
        if row["started_at"] is None and stamps:
            row["started_at"] = min(stamps)
            self.notes["conversations that start at their first message's time stamp"] += 1
        if stamps != sorted(stamps):
            self.notes["conversations with messages out of time order, order of file kept"] += 1
        redactor = self._redactor
        if redactor is not None:
            for name in _IDENTIFIERS:
                if row[name] is not None:
                    redact = redactor.customer if name == "customer_id" else redactor.identifier
                    row[name] = redact(row[name])
            for turn in turns:
                if turn["text"] is not None:
                    # What a tool returned is often JSON, and should stay it.
                    is_json = turn["role"] == "tool" and turn["text"][:1] in ("{", "[")
                    clean = redactor.json_text if is_json else redactor.text
                    turn["text"] = clean(turn["text"], row["language"])
                if turn["tool_calls"] is not None:
                    turn["tool_calls"] = redactor.json_text(turn["tool_calls"], row["language"])
        self._ids.add(row["conversation_id"])
        self._conversations.append(row)
        columns = self._turns
        for turn in turns:
            columns["conversation_id"].append(row["conversation_id"])
            for name, value in turn.items():
                columns[name].append(value)

    def _set_aside(
        self,
        place: Place,
        conversation_id: str | None,
        turn: int | None,
        reason: str,
        raw: Any,
        conversations: int,
        messages: int,
    ) -> None:
        if self._aside is not None and isinstance(raw, Mapping):
            # In the text of the whole row it would be one number among others.
            customer = raw.get("customer_id")
            if isinstance(customer, str | int):
                raw = {**raw, "customer_id": self._aside.customer(str(customer)[:_RAW])}
        text, reason = self._quiet.clean(_raw(raw)), self._quiet.clean(reason)
        if self._aside is not None:
            text = self._aside.text(text, self._history.language)
            reason = self._aside.text(reason, self._history.language)
        self._quarantine.append(
            {
                "source": self.account.source,
                **place,
                "conversation_id": conversation_id,
                "turn": turn,
                "reason": reason,
                "raw": text[:_RAW],
                "conversations": conversations,
                "messages": messages,
            }
        )


def _raw(value: Any) -> str:
    """The start of ``value`` as text, with room for what redaction may shorten."""
    if isinstance(value, bytes):
        return value[: 8 * _RAW].decode("utf-8", "replace")
    if isinstance(value, str):
        return value[: 4 * _RAW]
    if isinstance(value, Mapping):
        value = {
            str(k)[:_RAW]: v[: 4 * _RAW] if isinstance(v, str) else v for k, v in value.items()
        }
    try:
        return json.dumps(value, ensure_ascii=False, default=str)[: 4 * _RAW]
    except (ValueError, RecursionError):
        return "(cannot be shown)"
