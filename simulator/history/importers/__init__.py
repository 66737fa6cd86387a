"""Reading a log of past conversations into the tables ``conversations`` and ``turns``.

One module a format, loaded when it is asked for. Each has a function
``read(history: History) -> Imported`` and says in its docstring what it takes from the source and
what it cannot know.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

from simulator.errors import HistoryError, RunError
from simulator.history.account import Account, Imported
from simulator.scenario import History
from simulator.store import write_bytes, write_table

__all__ = ["FORMATS", "Account", "Imported", "read_history", "write_import"]

FORMATS = {
    "jsonl": "simulator.history.importers.jsonl",
    "csv": "simulator.history.importers.tables_files",
    "parquet": "simulator.history.importers.tables_files",
    "zendesk": "simulator.history.importers.zendesk",
    "intercom": "simulator.history.importers.intercom",
    "tau2": "simulator.history.importers.tau2",
    "twitter-cdp": "simulator.history.importers.twitter_cdp",
    "stc3": "simulator.history.importers.stc3",
    "bank-calls": "simulator.history.importers.bank_calls",
}


def read_history(history: History) -> Imported:
    """The history that ``[history]`` names, redacted unless ``redact = false``.

    Rows that cannot be used are set aside with the reason; conversations and messages that came
    in are out or set aside, counted and checked.

    Raises:
        HistoryError: the source cannot be read at all, holds nothing, or nothing in it is usable.
    """
    if history.format not in FORMATS:
        raise HistoryError(
            f"format {history.format}: is not read from a file; expected one of {list(FORMATS)}"
        )
    module = importlib.import_module(FORMATS[history.format])
    return cast(Callable[[History], Imported], module.read)(history)


def write_import(imported: Imported, folder: Path) -> None:
    """Write ``conversations.parquet``, ``turns.parquet`` and ``quarantine.jsonl`` to ``folder``.

    Each file is old or new, never half. ``conversations.parquet`` comes last: a folder without it
    is an import that was interrupted. The folder can be read again with format parquet.

    Raises:
        RunError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be made: {error.strerror}; expected a folder that you may write "
            "to; name another with --out DIR"
        ) from None
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in imported.quarantine]
    write_bytes(folder / "quarantine.jsonl", "".join(lines).encode("utf-8"))
    write_table(folder / "turns.parquet", imported.turns)
    write_table(folder / "conversations.parquet", imported.conversations)
