"""Replies from a file: what some model said, somewhere else, to exactly these turns.

The file (CSV, JSONL or Parquet) has ``conversation_id, turn, reply, context_hash`` and may have
``action, score, article_ids, prompt_tokens, cached_prompt_tokens, completion_tokens, latency_s,
finish_reason, n_dropped_turns``. A reply
whose ``context_hash`` is not that of the point (``shadowdesk run`` writes them to the table
``decision_points``) is an error, not a reply: it answered something else.

``turn`` and tokens are whole numbers from 0, ``latency_s`` is seconds from 0, ``score`` any finite
number; ``article_ids`` is a list, or text with spaces between. Ids are text, "001" included. Blank
is unknown. A file with a value that cannot be so read, or with two replies to one turn, is refused
as a whole and the row named: a comparison must not rest on part of a recording.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import polars as pl

from simulator.candidates import Answerer, Materials, Point, Reply, context_hash, version
from simulator.errors import HistoryError
from simulator.scenario import Candidate
from simulator.schema import ACTIONS

_NEEDED = ("conversation_id", "turn", "reply", "context_hash")
_Rows = tuple[list[dict[str, Any]], set[str]]


class _Recorded(NamedTuple):
    context_hash: str | None
    reply: Reply


def make(config: Candidate, materials: Materials) -> Answerer:
    """The answerer over ``config.source``.

    Raises:
        HistoryError: the file is missing, of another format, lacks a needed column, or has a row
            that cannot be used.
    """
    assert config.source is not None
    replies = _replies(config.source)

    def one(point: Point) -> Reply:
        found = replies.get((point.conversation_id, point.turn))
        return _matching(found, context_hash(point.said))

    def place(point: Point) -> Any:
        return (point.conversation_id, point.turn, point.said)

    def answer(points: Sequence[Point]) -> Iterator[tuple[int, Reply]]:
        return enumerate(map(one, points))

    return Answerer(answer, [version(), config.source.read_bytes()], place)


def _matching(recorded: _Recorded | None, expected: str) -> Reply:
    if recorded is None:
        return Reply(error="not_recorded")
    if recorded.context_hash != expected:
        return Reply(error="context_mismatch")
    return recorded.reply


def _replies(path: Path) -> dict[tuple[str, int], _Recorded]:
    found: dict[tuple[str, int], _Recorded] = {}
    for number, row in enumerate(_rows(path), start=1):
        values = _Row(f"{path}: row {number}", row)
        conversation, turn = values.text("conversation_id"), values.whole("turn")
        if conversation is None:
            values.refuse("conversation_id", "text")
        if turn is None:
            values.refuse("turn", "a whole number from 0")
        if (conversation, turn) in found:
            values.refuse("turn", f"one reply to a turn; conversation {conversation} has another")
        found[conversation, turn] = _Recorded(values.text("context_hash"), _reply(values))
    return found


def _reply(values: _Row) -> Reply:
    action, said = values.text("action"), values.text("reply")
    reply = Reply(
        action,
        said,
        score=values.number("score"),
        article_ids=values.articles(),
        prompt_tokens=values.whole("prompt_tokens"),
        cached_prompt_tokens=values.whole("cached_prompt_tokens"),
        completion_tokens=values.whole("completion_tokens"),
        latency_s=values.number("latency_s", least=0),
        finish_reason=values.text("finish_reason"),
        n_dropped_turns=values.whole("n_dropped_turns"),
    )
    if action is not None and action not in ACTIONS:
        return Reply(error=f"unknown_action: {action[:40]}")
    if said is None and action != "escalate":
        return Reply(error="no_reply")
    return reply


class _Row:
    """Reads the values of one row; numbers may come as text, as they do from CSV."""

    def __init__(self, where: str, row: dict[str, Any]) -> None:
        self.where, self.row = where, row

    def refuse(self, column: str, expected: str) -> NoReturn:
        value = repr(self.row.get(column))[:80]
        raise HistoryError(f"{self.where}: {column} = {value}; expected {expected}")

    def text(self, column: str) -> str | None:
        value = self.row.get(column)
        return None if value is None else self._as_text(column, value)

    def _as_text(self, column: str, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.refuse(column, "text")
        # Lone surrogates, which JSON can name, fit into no table.
        text = str(value).encode("utf-8", "replace").decode()
        return text if text.strip() else None

    def number(self, column: str, least: float = -math.inf) -> float | None:
        value = self.row.get(column)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number) or number < least:
            self.refuse(column, "a finite number" + (" from 0" if least == 0 else ""))
        return number

    def whole(self, column: str) -> int | None:
        number = self.number(column, least=0)
        if number is not None and (number > 1e15 or not number.is_integer()):
            self.refuse(column, "a whole number from 0")
        return None if number is None else int(number)

    def articles(self) -> tuple[str, ...]:
        value = self.row.get("article_ids")
        if isinstance(value, list):
            ids = [self._as_text("article_ids", one) for one in value]
            return tuple(one for one in ids if one is not None)
        return tuple((self.text("article_ids") or "").split())


def _rows(path: Path) -> list[dict[str, Any]]:
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise HistoryError(f"{path}: recorded replies; expected one of {', '.join(_READERS)}")
    try:
        rows, columns = reader(path)
    except FileNotFoundError:
        raise HistoryError(f"{path}: no such file of recorded replies") from None
    except (OSError, ValueError, RecursionError, pl.exceptions.PolarsError) as error:
        raise HistoryError(f"{path}: cannot be read: {str(error)[:200]}") from None
    missing = [column for column in _NEEDED if column not in columns]
    if missing:
        raise HistoryError(f"{path}: columns {missing} are missing; expected {list(_NEEDED)}")
    return rows


def _csv(path: Path) -> _Rows:
    # Without inference: "001" is an id, and a hash of digits is no number.
    return _of_frame(pl.read_csv(path, infer_schema=False))


def _parquet(path: Path) -> _Rows:
    return _of_frame(pl.read_parquet(path))


def _of_frame(frame: pl.DataFrame) -> _Rows:
    return frame.to_dicts(), set(frame.columns)


def _jsonl(path: Path) -> _Rows:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text("utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is not an object with {', '.join(_NEEDED)}")
        rows.append(row)
    return rows, {column for row in rows for column in row}


_READERS: dict[str, Callable[[Path], _Rows]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
