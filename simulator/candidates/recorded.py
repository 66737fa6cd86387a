"""Replies from a file: what some model said, somewhere else, to exactly these turns.

The file (CSV, JSONL or Parquet) has ``conversation_id, turn, reply, context_hash`` and may have
``action, score, article_ids, prompt_tokens, completion_tokens, latency_s, finish_reason``. A reply
whose ``context_hash`` is not that of the point (``shadowdesk run`` writes them to the table
``decision_points``) is an error, not a reply: it answered something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from simulator.candidates import Answerer, Materials, Point, Reply, context_hash
from simulator.errors import HistoryError
from simulator.scenario import Candidate
from simulator.schema import ACTIONS

_NEEDED = ("conversation_id", "turn", "reply", "context_hash")
_READERS: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": pl.read_csv,
    ".jsonl": pl.read_ndjson,
    ".parquet": pl.read_parquet,
}


def make(config: Candidate, materials: Materials) -> Answerer:
    """The answerer over ``config.source``.

    Raises:
        HistoryError: the file is missing, of another format, or lacks a needed column.
    """
    assert config.source is not None
    replies = {(str(row["conversation_id"]), int(row["turn"])): row for row in _read(config.source)}

    def answer(points: Sequence[Point]) -> list[Reply]:
        return [
            _reply(replies.get((point.conversation_id, point.turn)), context_hash(point.said))
            for point in points
        ]

    return answer


def _reply(row: dict[str, Any] | None, expected: str) -> Reply:
    if row is None:
        return Reply(error="not_recorded")
    if row["context_hash"] != expected:
        return Reply(error="context_mismatch")
    action = row.get("action")
    if action is not None and action not in ACTIONS:
        return Reply(error=f"unknown_action: {str(action)[:40]}")
    if not (row["reply"] or action == "escalate"):
        return Reply(error="no_reply")
    articles = row.get("article_ids") or ()
    return Reply(
        action,
        row["reply"],
        row.get("score"),
        tuple(articles.split()) if isinstance(articles, str) else tuple(articles),
        row.get("prompt_tokens"),
        row.get("completion_tokens"),
        row.get("latency_s"),
        row.get("finish_reason"),
    )


def _read(path: Path) -> list[dict[str, Any]]:
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise HistoryError(f"{path}: recorded replies; expected one of {', '.join(_READERS)}")
    try:
        frame = reader(path)
    except FileNotFoundError:
        raise HistoryError(f"{path}: no such file of recorded replies") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise HistoryError(f"{path}: cannot be read: {str(error)[:200]}") from None
    missing = [column for column in _NEEDED if column not in frame.columns]
    if missing:
        raise HistoryError(f"{path}: columns {missing} are missing; expected {list(_NEEDED)}")
    try:
        frame = frame.with_columns(
            pl.col("turn").cast(pl.Int64), pl.col("reply", "context_hash").cast(pl.String)
        )
    except pl.exceptions.PolarsError as error:
        raise HistoryError(f"{path}: {str(error)[:200]}") from None
    rows: list[dict[str, Any]] = frame.filter(pl.col("turn").is_not_null()).to_dicts()
    return rows
