"""Answers of a model that were given once, so that none is asked for twice.

One SQLite file for each who asks (a candidate, a judge): each answer is in it before the next one
is looked at, so a kill loses those alone that were still on their way. A row carries a digest of
itself; one that does not match counts as not there.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from simulator.errors import RunError

_AT_ONCE = 500


class Record(Protocol):
    """A named tuple of what JSON can hold; of sequences, tuples alone."""

    def _asdict(self) -> dict[str, Any]: ...


Answer = TypeVar("Answer", bound=Record)


class Kept(NamedTuple, Generic[Answer]):
    """A stored reply, and the seconds of work that it took (other replies' waiting left out)."""

    reply: Answer
    took_s: float


class KeptAnswers(Generic[Answer]):
    """Answers by key.

    Args:
        path: the file; made where it does not exist. One that is damaged is begun anew.
        kind: the named tuple that an answer is.

    Raises:
        RunError: it cannot be opened or written.
    """

    def __init__(self, path: Path, kind: Callable[..., Answer]) -> None:
        self.path, self._kind = path, kind
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._open()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._connection.close()
                for name in (path, *path.parent.glob(f"{path.name}-*")):
                    name.unlink(missing_ok=True)
                self._open()

    def _open(self) -> None:
        self._connection = sqlite3.connect(self.path, isolation_level=None)
        # A write-ahead log survives the end of the process without waiting for the disk.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, reply TEXT NOT NULL, "
            "took_s REAL NOT NULL, digest TEXT NOT NULL)"
        )

    def get(self, keys: Sequence[str]) -> dict[str, Kept[Answer]]:
        """Those of ``keys`` that are there."""
        found: dict[str, Kept[Answer]] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            holes = ", ".join("?" * len(some))
            with self._told():
                rows = self._connection.execute(
                    f"SELECT key, reply, took_s, digest FROM replies WHERE key IN ({holes})", some
                ).fetchall()
            for key, text, took_s, digest in rows:
                if digest == _digest(key, text):
                    found[key] = Kept(self._answer(text), took_s)
        return found

    def put(self, key: str, kept: Kept[Answer]) -> None:
        """Store an answer; it is safe from a kill when this returns."""
        text = json.dumps(kept.reply._asdict(), ensure_ascii=True)
        with self._told():
            self._connection.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)",
                (key, text, kept.took_s, _digest(key, text)),
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _answer(self, text: str) -> Answer:
        fields = json.loads(text)
        return self._kind(
            **{name: tuple(one) if isinstance(one, list) else one for name, one in fields.items()}
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise RunError(
                f"{self.path}: cannot be used: {error}; expected a folder that you may read and "
                "write, with space left (name another with --out DIR), and a file that is whole "
                "(delete it: its replies are then asked for again)"
            ) from None


def _digest(key: str, text: str) -> str:
    return hashlib.blake2b(f"{key}\x00{text}".encode(), digest_size=8).hexdigest()
