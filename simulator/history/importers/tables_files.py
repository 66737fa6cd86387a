"""The two tables as files: ``conversations.csv`` and ``turns.csv``, or the same in Parquet.

A CSV of another name, or one whose columns say who spoke and what, has a row a message and is read
by :mod:`simulator.history.importers.messages_csv`.

The source is their folder, or either of the two files. Columns are those of the tables of that
name; missing ones are null, others are counted as unused. In a CSV an empty field is null, and
flags may be true / false, 1 / 0 or yes / no. The order of rows says nothing: turns are sorted by
``turn`` where there is that column. Turns whose conversation is not there are set aside;
conversations without turns are kept, since a log may hold more contacts than transcripts.

Roles ``user`` and ``assistant`` are read as customer and agent, as everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers import messages_csv
from simulator.history.importers.columns import is_messages
from simulator.history.importers.fields import Fault
from simulator.history.importers.intake import Intake
from simulator.history.importers.source import BadRow, read_bytes, rows
from simulator.history.importers.text_file import delimiter, read_text
from simulator.scenario import History

_NAMES = ("conversations", "turns")


def read(history: History) -> Imported:
    """The conversations of two CSV or Parquet files.

    Raises:
        HistoryError: a file is missing or cannot be read, or no conversation is usable.
    """
    source = Path(history.source or "")
    sheet = one_of_messages(source) if history.format == "csv" else None
    if sheet is not None:
        return messages_csv.read(history.model_copy(update={"source": sheet}))
    if history.columns or history.roles:
        raise HistoryError(
            f"{source}: [history.columns] and [history.roles] are for one CSV with a row a "
            "message; this has the tables conversations and turns, whose columns have our names"
        )
    conversations, turns = _files(source, history.format)
    content = {path: read_bytes(path) for path in (conversations, turns) if path is not None}
    for path, raw in content.items():
        parquet = raw[:4] == b"PAR1"
        if raw and parquet != (history.format == "parquet"):
            found = "Parquet" if parquet else "no Parquet file"
            raise HistoryError(f"{path}: is {found}; format = {history.format!r} does not fit")
    intake = Intake(history, source.name, list(content.values()), lenient=True)

    said: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    if turns is not None and content[turns].strip():
        for number, row in rows(turns, content[turns]):
            place = {"source": turns.name, "line": number}
            if isinstance(row, BadRow):
                intake.orphan(place, None, str(row), "")
                continue
            owner = intake.key(row.get("conversation_id"))
            if owner is None:
                intake.orphan(place, None, "conversation_id is missing: whose turn it is", row)
                continue
            said.setdefault(owner, []).append((row, place))
    for number, row in rows(conversations, content[conversations]):
        place = {"source": conversations.name, "line": number}
        if isinstance(row, BadRow):
            intake.refuse(place, str(row), "")
            continue
        # A second row of the same id finds no turns left: they went with the first.
        own = _in_order(said.pop(intake.key(row.get("conversation_id")) or "", []), intake)
        messages = [_message(one) for one, _ in own]
        intake.conversation(row, messages, place, [where for _, where in own])
    for owner, orphans in said.items():
        for row, place in orphans:
            reason = f"conversation_id is not in {conversations.name}: {owner[:60]!r}"
            intake.orphan(place, owner, reason, row)
    return intake.finish()


def one_of_messages(source: Path) -> Path | None:
    """The CSV with a row a message that ``source`` is or holds alone; null for the two tables."""
    try:
        if source.is_dir():
            held = [p for p in source.iterdir() if ".csv" in p.suffixes and p.is_file()]
            if len(held) != 1:
                return None
            source = held[0]
        elif not source.is_file():
            return None
        if source.name.split(".")[0] not in _NAMES:
            return source
        # A row a message in conversations.csv: tables of that name say nothing of who spoke.
        if len([p for p in source.parent.glob("*.csv*") if p.name.split(".")[0] in _NAMES]) > 1:
            return None
    except (OSError, ValueError):
        return None
    text, _, _ = read_text(source)
    mark, text = delimiter(text)
    return source if is_messages(messages_csv.header_of(text, mark)) else None


def _message(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "conversation_id"}


def _in_order(
    own: list[tuple[dict[str, Any], dict[str, Any]]], intake: Intake
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    try:
        numbers = [intake.read.turn(row.get("turn")) for row, _ in own]
    except Fault:
        return own
    if any(number is None for number in numbers):
        return own
    order = sorted(range(len(own)), key=lambda i: numbers[i] or 0)
    if order != list(range(len(own))):
        intake.notes["conversations whose turns stood out of order, sorted by turn"] += 1
    return [own[i] for i in order]


def _files(source: Path, kind: str) -> tuple[Path, Path | None]:
    """The two files; the turns may be missing."""
    try:
        folder = source if source.is_dir() else source.parent
        if folder != source and not source.exists():
            raise HistoryError(f"{source}: no such file or folder; check the path")
        found = {
            name: sorted(p for p in folder.glob(f"{name}.{kind}*") if p.is_file())
            for name in _NAMES
        }
    except (OSError, ValueError) as error:
        raise HistoryError(f"{source}: cannot be read: {error}") from None
    if folder != source and source not in found["conversations"] + found["turns"]:
        raise HistoryError(
            f"{source}: expected conversations.{kind} or turns.{kind} (or .{kind}.gz), or their "
            "folder"
        )
    for name, paths in found.items():
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise HistoryError(f"{folder}: holds {names}; expected one file of {name}")
    if not found["conversations"]:
        raise HistoryError(
            f"{folder}: has no conversations.{kind}; expected conversations.{kind} and, for "
            f"transcripts, turns.{kind}"
        )
    return found["conversations"][0], next(iter(found["turns"]), None)
