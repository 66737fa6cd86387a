"""What the exports of help desks have in common: JSON in pages, lines or one file, many files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from simulator.errors import HistoryError
from simulator.history.importers import cells
from simulator.history.importers import columns as names
from simulator.history.importers.fields import Fault
from simulator.history.importers.intake import Intake, Place
from simulator.history.importers.intents import leading
from simulator.history.importers.source import BadRow, parse_json, read_bytes, without_bom

_SUFFIXES = {".json", ".jsonl", ".ndjson"}
_DEEPEST = 20
_LATEST = 7_258_118_400  # the year 2200


class Held(NamedTuple):
    """A JSON value (or why there is none) and where it stands."""

    file: str
    place: Place
    value: Any


def load(source: Path) -> tuple[list[Held], list[bytes]]:
    """The JSON values of a file, or of a folder's JSON files in order of name, and their bytes.

    A file is one document, a list of them, or one a line.

    Raises:
        HistoryError: no such file, no JSON file in the folder, or nothing in a file is JSON.
    """
    try:
        paths = (
            sorted(p for p in source.iterdir() if _SUFFIXES & set(p.suffixes))
            if source.is_dir()
            else [source]
        )
    except (OSError, ValueError) as error:
        raise HistoryError(f"{source}: cannot be read: {error}") from None
    if not paths:
        raise HistoryError(
            f"{source}: holds no file named .json, .jsonl or .ndjson; expected the export's files"
        )
    contents = [read_bytes(path) for path in paths]
    held = [one for p, raw in zip(paths, contents, strict=True) for one in _values(p, raw)]
    return held, contents


def _values(path: Path, raw: bytes) -> list[Held]:
    raw = without_bom(path, raw)
    try:
        value = parse_json(raw)
    except BadRow as error:
        return _lines(path, raw, error)
    many = value if isinstance(value, list) else [value]
    return [Held(path.name, {"source": path.name, "index": i}, one) for i, one in enumerate(many)]


def _lines(path: Path, raw: bytes, whole: BadRow) -> list[Held]:
    found: list[Held] = []
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.strip():
            value: Any
            try:
                value = parse_json(line)
            except BadRow as error:
                value = error
            found.append(Held(path.name, {"source": path.name, "line": number}, value))
    if all(isinstance(one.value, BadRow) for one in found):
        raise HistoryError(f"{path}: {whole}; expected JSON: one document, or one a line")
    return found


def key(value: Any) -> str | None:
    """An id as text; null for anything that is none."""
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None


def at(value: Any, path: str) -> Any:
    """What stands at ``path``, such as ``custom_fields.360001`` or ``tags``; null for nothing.

    A step into a list picks the member with that ``id`` or ``name`` (its ``value``, if it has one).
    """
    for step in path.split(".")[:_DEEPEST]:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list):
            value = next((one for one in value if _named(one, step)), None)
            if isinstance(value, Mapping) and "value" in value:
                value = value["value"]
        else:
            return None
    return value


def _named(one: Any, step: str) -> bool:
    return isinstance(one, Mapping) and step in (key(one.get("id")), one.get("name"))


def words(value: Any) -> list[str]:
    """``value`` as tags: a list of texts, or of objects with a name, or one text."""
    many = value if isinstance(value, list) else [value]
    named = (one.get("name") if isinstance(one, Mapping) else one for one in many)
    return [text for one in named if (text := key(one)) and text.strip()]


class Configured:
    """What ``[history.columns]`` takes from each record, by path.

    Args:
        source: named in errors.
        records: all of them, to know which paths there are and which tag is the commonest.
        columns: ours -> path.
        tags: paths that hold tags, for intents where ``columns`` names none: the first that any
            record has something at.

    Raises:
        HistoryError: no record has anything at a path of ``columns``.
    """

    def __init__(
        self,
        source: Path,
        records: Mapping[str, Mapping[str, Any]],
        columns: Mapping[str, str],
        tags: Sequence[str],
    ) -> None:
        for ours, path in columns.items():
            if records and all(at(one, path) is None for one in records.values()):
                there = sorted({str(name) for one in records.values() for name in one})
                raise HistoryError(
                    f"{source}: [history.columns] {ours} = {path!r}: nothing stands there in any "
                    f"conversation; their fields are {', '.join(there)[:400]}"
                )
        self._columns = {ours: path for ours, path in columns.items() if ours != "intent"}
        paths = [columns["intent"]] if "intent" in columns else tags
        self._tags = next((p for p in paths if any(words(at(r, p)) for r in records.values())), "")
        own = {name: words(at(one, self._tags)) for name, one in records.items()}
        self._intents = leading(own if self._tags else {})

    def fields(self, name: str, record: Mapping[str, Any], intake: Intake) -> dict[str, Any]:
        """The configured fields of one record; what cannot be read is left empty and counted."""
        found: dict[str, Any] = {}
        if self._tags:
            intake.notes[f"conversations whose intent was looked for in {self._tags!r}"] += 1
            found["intent"] = (self._intents.get(name) or "")[:1000] or None
        for ours, path in self._columns.items():
            value = at(record, path)
            try:
                found[ours] = _value(intake, ours, value, path)
            except Fault as fault:
                reason = str(fault).split(":")[0]
                intake.notes[f"conversations where {reason}, left empty"] += 1
        return found


def _value(intake: Intake, ours: str, value: Any, path: str) -> Any:
    if isinstance(value, list):
        value = next(iter(words(value)), None)
    if value is None or value == "":
        return None
    if ours == "started_at":
        return moment(intake, value)
    if not isinstance(value, str | int | float):
        raise Fault(f"{ours} is no single value")
    # The step that names a unit (reply_time_in_minutes) may have others under it.
    step = next((step for step in path.split(".") if names.unit(step)), path)
    return cells.value(intake, ours, str(value), step)


def moment(intake: Intake, value: Any) -> datetime | None:
    """A time stamp from ISO 8601 or Unix seconds; null, and counted, for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if 0 <= value < _LATEST:
                return datetime.fromtimestamp(value, UTC)
            raise Fault("out of range")
        return intake.read.stamp("time stamp", value)
    except Fault:
        intake.notes["time stamps that cannot be read, left empty"] += 1
        return None


def hand_over(
    intake: Intake,
    fields: Mapping[str, Any],
    messages: Sequence[Any],
    place: Place,
    places: Sequence[Place],
) -> None:
    """Hand a conversation to ``intake``, its messages by time where every one has a time."""
    stamps = [one.get("sent_at") if isinstance(one, dict) else None for one in messages]
    order = list(range(len(messages)))
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) == len(stamps):
        order.sort(key=lambda i: known[i])
        if order != list(range(len(messages))):
            intake.notes["conversations whose messages stood out of order, sorted by time"] += 1
    intake.conversation(fields, [messages[i] for i in order], place, [places[i] for i in order])
    if fields.get("handle_time_s") is None:
        intake.notes[
            "conversations without a handle time: name a field with [history.columns] "
            "handle_time_s, or one is assumed"
        ] += 1
