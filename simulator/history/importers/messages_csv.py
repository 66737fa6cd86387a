"""One CSV with a row a message, as people export it from a help desk or keep it in a spreadsheet.

Needed are a conversation's id, who spoke, and the text; time, channel, language, intent, agent,
handle time, rating and outcome are taken where there are columns for them
(:mod:`simulator.history.importers.columns`). The account says which column was read as what, and
how: encoding, delimiter, times, units.

Messages of a conversation need not stand together. They are ordered by their number or time where
every one of them has one, and otherwise stay in the order of the file. What a whole conversation
has one of (intent, channel, rating ...) is taken from its first row that says it, outcomes from the
last; where rows differ it is counted. A cell that cannot be read (a rating "great") is left empty
and counted: the conversation is worth keeping without it. Internal notes become turns of role
system, which no candidate, judge or labeller is shown.

Why no handle time is derived from the times of messages: between an agent's two messages lie the
customer's thinking and the agent's other chats, so the difference is no work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers import cells
from simulator.history.importers import columns as names
from simulator.history.importers.fields import Fault, shown
from simulator.history.importers.hypertext import text_of
from simulator.history.importers.intake import Intake
from simulator.history.importers.intents import leading, split, too_various
from simulator.history.importers.moments import Times
from simulator.history.importers.source import BadRow
from simulator.history.importers.text_file import delimiter, read_text, records
from simulator.scenario import History
from simulator.schema import ROLES

_LAST = ("resolved", "escalated", "complained", "abandoned", "csat", "handle_time_s", "wait_s")
_WORTH_HAVING = {
    "sent_at": "no times: name a column sent_at; arrivals are assumed until then",
    "intent": "no intents: name a column intent; until then there is one segment",
    "handle_time_s": "no handle times: name a column handle_time_s; assumed until then",
    "resolved": "no outcomes: name a column resolved; assumed until then",
}
_MARKS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}


class Row(NamedTuple):
    """One message: where it stands, and its cells by their column's name."""

    line: int
    cells: dict[str, str]


def read(history: History) -> Imported:
    """The conversations of a CSV with a row a message.

    Raises:
        HistoryError: cannot be read, a needed column is not found, nobody's role is known, days
            and months cannot be told apart, or no conversation is usable.
    """
    path = Path(history.source or "")
    text, encoding, raw = read_text(path)
    mark, text = delimiter(text)
    header = header_of(text, mark)
    found = names.choose(path, header, history.columns)
    intake = Intake(history, path.name, [raw], lenient=True)
    rows = _rows(text, mark, header, intake)
    if rows:
        taken = ", ".join(f"{ours} = {theirs!r}" for ours, theirs in found.items())
        intake.notes[f"rows read as {encoding}, {_MARKS[mark]} between fields, {taken}"] = len(rows)
    used = {part for theirs in found.values() for part in names.parts(theirs, header)}
    for row in rows:
        for name, value in row.cells.items():
            if name and name not in used and value.strip():
                intake.account.unused[shown(name)] += 1
    _Sheet(path, found, header, history, intake).take(rows)
    return intake.finish()


def header_of(text: str, mark: str) -> list[str]:
    """The names of the columns; none where the first record cannot be read."""
    first = next((fields for _, fields in records(text, mark)), [])
    return [] if isinstance(first, BadRow) else [name.strip() for name in first]


def _rows(text: str, mark: str, header: Sequence[str], intake: Intake) -> list[Row]:
    rows: list[Row] = []
    all_records = records(text, mark)
    next(all_records, None)
    for line, fields in all_records:
        place = {"line": line}
        if isinstance(fields, BadRow):
            intake.orphan(place, None, str(fields), "")
        elif not any(field.strip() for field in fields):
            intake.orphan(place, None, "blank row: nothing in any column", "")
        elif len(fields) < len(header) or any(field.strip() for field in fields[len(header) :]):
            reason = f"not CSV: {len(fields)} fields; the header has {len(header)}"
            intake.orphan(place, None, reason, mark.join(fields))
        else:
            rows.append(Row(line, dict(zip(header, fields, strict=False))))
    return rows


class _Sheet:
    """How the columns of one file are read."""

    def __init__(
        self,
        path: Path,
        found: Mapping[str, str],
        header: Sequence[str],
        history: History,
        intake: Intake,
    ) -> None:
        self._path, self._found, self._history, self._intake = path, found, history, intake
        self._parts = {ours: names.parts(theirs, header) for ours, theirs in found.items()}
        own_words = {names.plain(word): role for word, role in history.roles.items()}
        self._roles = {**names.role_words(found["role"]), **own_words}
        self._times: dict[str, Times] = {}

    def take(self, rows: list[Row]) -> None:
        self._check_roles(rows)
        for ours in ("sent_at", "started_at"):
            if ours in self._found:
                values = (self._cell(row, ours) for row in rows)
                self._times[ours] = Times(self._path, self._found[ours], values)
        conversations = self._grouped(rows)
        intents = self._intents(conversations)
        notes = self._intake.notes
        if len(conversations) == len(rows) > 1:
            notes[
                f"conversations of one message: is {self._found['conversation_id']!r} perhaps the "
                "message's id?"
            ] = len(rows)
        for key, own in conversations.items():
            messages = [self._message(row) for row in own]
            order = self._order(own, messages)
            fields = {"conversation_id": key, **self._fields(own), "intent": intents[key]}
            place = {"line": own[0].line}
            self._intake.conversation(
                fields,
                [messages[i] for i in order],
                place,
                [{"line": own[i].line} for i in order],
            )
        for ours, times in self._times.items():
            for how, n in times.readings.items():
                notes[f"values of {self._found[ours]!r} {how}"] += n
        for ours, lacks in _WORTH_HAVING.items():
            if ours not in self._found and conversations:
                notes[f"conversations with {lacks}"] = len(conversations)

    def _cell(self, row: Row, ours: str) -> str:
        text = " ".join(row.cells[part].strip() for part in self._parts.get(ours, ())).strip()
        return "" if names.empty(text) else text

    def _check_roles(self, rows: list[Row]) -> None:
        words = [self._cell(row, "role") for row in rows]
        known = {self._roles.get(names.plain(word)) for word in words}
        if rows and not known & {"customer", "agent", "bot"}:
            found = ", ".join(shown(word) for word in list(dict.fromkeys(words))[:6])
            raise HistoryError(
                f"{self._path}: column {self._found['role']!r} says {found}: none is known as "
                "customer or agent; name another column with [history.columns] role = "
                '"...", or what the words mean with [history.roles] "their word" = "agent"'
            )

    def _grouped(self, rows: list[Row]) -> dict[str, list[Row]]:
        """Rows by conversation; those of none are set aside."""
        found: dict[str, list[Row]] = {}
        for row in rows:
            key = self._cell(row, "conversation_id")
            if key:
                found.setdefault(key, []).append(row)
            else:
                reason = f"{self._found['conversation_id']} is missing: whose message it is"
                self._intake.orphan({"line": row.line}, None, reason, row.cells)
        return found

    def _message(self, row: Row) -> dict[str, Any]:
        word = self._cell(row, "role")
        role = self._roles.get(names.plain(word))
        hidden = names.flag(self._cell(row, "internal"))
        if names.flag(self._cell(row, "public")) is False:
            hidden = True
        if hidden and role is not None:
            self._intake.notes["internal notes kept as turns of role system"] += 1
            role = "system"
        text = " ".join(row.cells[part] for part in self._parts["text"])
        if "html" in names.plain(self._found["text"]):
            text = text_of(text)
        times = self._times.get("sent_at")
        return {
            # Unknown words go on as they are: the intake sets such messages aside, with the word.
            "role": role or word,
            "text": text,
            "sent_at": times.read(self._cell(row, "sent_at")) if times else None,
        }

    def _order(self, rows: list[Row], messages: list[dict[str, Any]]) -> list[int]:
        """Positions in the order in which the messages were said."""
        everything = list(range(len(rows)))
        # Rows of nobody known are set aside later: that they have no time must not matter here.
        positions = [i for i in everything if messages[i]["role"] in ROLES]
        keys: dict[int, Any] = {i: cells.whole(self._cell(rows[i], "turn")) for i in positions}
        if None in keys.values() or len(set(keys.values())) < len(keys):
            keys = {i: messages[i]["sent_at"] for i in positions}
        if None in keys.values():
            return everything
        try:
            order = sorted(positions, key=lambda i: keys[i])
        except TypeError:  # some times have a zone and some have none
            return everything
        if order != positions:
            self._intake.notes["conversations whose rows stood out of order, sorted"] += 1
        return order + [i for i in everything if i not in keys]

    def _fields(self, rows: list[Row]) -> dict[str, Any]:
        """What the conversation has one of, each read or left empty."""
        found: dict[str, Any] = {}
        for ours in self._found.keys() - cells.OF_MESSAGE - {"intent"}:
            values = [self._cell(row, ours) for row in self._saying(rows, ours)]
            values = list(dict.fromkeys(value for value in values if value))
            if len(values) > 1:
                which = "last" if ours in _LAST else "first"
                note = f"conversations with several values of {self._found[ours]!r}, {which} taken"
                self._intake.notes[note] += 1
            if values:
                found[ours] = self._value(ours, values[-1 if ours in _LAST else 0])
        return found

    def _saying(self, rows: list[Row], ours: str) -> list[Row]:
        """The rows that speak of it: a column of names may hold the writer's, whoever that is."""
        who = {"customer_id": "customer", "agent_id": "agent"}.get(ours)
        own = [r for r in rows if self._roles.get(names.plain(self._cell(r, "role"))) == who]
        return own if who and any(self._cell(row, ours) for row in own) else rows

    def _value(self, ours: str, text: str) -> Any:
        try:
            if ours == "started_at":
                return self._times[ours].read(text)
            return cells.value(self._intake, ours, text, self._found[ours])
        except Fault as fault:
            reason = str(fault).split(":")[0]
            self._intake.notes[f"conversations where {reason}, left empty"] += 1
            return None

    def _intents(self, conversations: Mapping[str, list[Row]]) -> Mapping[str, str | None]:
        said = {
            key: next((cell for row in rows if (cell := self._cell(row, "intent"))), "")
            for key, rows in conversations.items()
        }
        theirs = self._found.get("intent", "")
        if names.plain(theirs) in names.TAGS:
            return leading({key: split(cell) for key, cell in said.items()})
        filled = [cell for cell in said.values() if cell]
        if "intent" not in self._history.columns and too_various(filled):
            note = f"conversations whose {theirs!r} is too various for an intent, left empty"
            self._intake.notes[note] = len(filled)
            return dict.fromkeys(said)
        return {key: cell[:1000] or None for key, cell in said.items()}
