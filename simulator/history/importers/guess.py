"""Which format a source is in, told by what it holds; a name never decides."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from simulator.errors import HistoryError
from simulator.history.importers import bank_calls, columns
from simulator.history.importers.messages_csv import header_of
from simulator.history.importers.text_file import decode, delimiter

_LOOKED_AT = 65_536
_JSON = frozenset((".json", ".jsonl", ".ndjson"))
_TABLES = ("conversations", "turns")
# Keys that only one format has, the most telling first. A key counts when a colon follows it.
_KEYS = {
    "tau2": ("simulations", "agent_info"),
    "twitter-cdp": ("dialogHeader", "dialogContent", "agentURL"),
    "stc3": ("utterances",),
    "intercom": ("conversation_parts", "delivered_as"),
    "zendesk": ("tickets", "requester_id", "satisfaction_rating", "via", "comments", "ticket_id"),
    "jsonl": ("conversation_id", "messages"),
}
_FORMATS = (
    "jsonl (one conversation a line), csv (a row a message, or conversations.csv and turns.csv), "
    "parquet, zendesk, intercom, tau2, twitter-cdp, stc3, bank-calls"
)


@dataclass(frozen=True)
class Guess:
    """A format, and ``columns`` (ours -> theirs) where the format needs them; else empty."""

    format: str
    columns: dict[str, str]


def guess(source: Path) -> Guess:
    """The format of ``source``, a file or a folder, from its first 64 KB (unpacked if gzip).

    Raises:
        HistoryError: cannot be read, or is in no format that is known; says what it saw.
    """
    try:
        if not source.exists():
            raise HistoryError(f"{source}: no such file or folder; check the path")
        return _folder(source) if source.is_dir() else _file(source)
    except (OSError, ValueError) as error:
        raise HistoryError(f"{source}: cannot be read: {error}") from None


def _folder(folder: Path) -> Guess:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    # The two tables say so by their names, which is how they are found.
    for kind in ("parquet", "csv"):
        if any(path.name.startswith(f"conversations.{kind}") for path in files):
            named = [path for path in files if path.name.split(".")[0] in _TABLES]
            return Guess(kind, {}) if len(named) > 1 or kind == "parquet" else _file(named[0])
    sheets = [path for path in files if ".csv" in path.suffixes]
    if len(sheets) == 1:
        return _file(sheets[0])
    exports = [path for path in files if _JSON & set(path.suffixes)]
    for path in exports:
        found = _file(path)
        if found.format in ("zendesk", "intercom"):
            return found
    shown = ", ".join(path.name for path in files[:8]) or "no file"
    raise HistoryError(
        f"{folder}: holds {shown}; of a folder expected conversations.csv and turns.csv (or "
        ".parquet), one CSV with a row a message, or the JSON files of zendesk or intercom; name "
        f"the file itself for others: {_FORMATS}"
    )


def _file(path: Path) -> Guess:
    start = _start(path)
    if start[:4] == b"PAR1":
        return Guess("parquet", {})
    if not start.strip():
        raise HistoryError(f"{path}: is empty; expected a log of conversations")
    text = _text(path, start)
    if text.lstrip()[:1] in ("{", "["):
        return Guess(_json(path, text), {})
    mark, text = delimiter(text)
    header = header_of(text, mark)
    if mark == "\t" and set(bank_calls.COLUMNS) <= set(header):
        return Guess("bank-calls", {})
    if path.name.split(".")[0] in _TABLES and not columns.is_messages(header):
        return Guess("csv", {})
    if len(header) < 2:
        raise HistoryError(
            f"{path}: begins with {text.lstrip()[:60]!r}, which is neither JSON nor a CSV with "
            f"several columns; the formats there are: {_FORMATS}"
        )
    return Guess("csv", columns.choose(path, header, {}))


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(_LOOKED_AT)
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return zlib.decompressobj(wbits=31).decompress(raw, _LOOKED_AT)
    except zlib.error as error:
        raise HistoryError(f"{path}: damaged gzip: {error}; expected a whole file") from None


def _text(path: Path, start: bytes) -> str:
    """The start as text. A character that the cut went through is left out."""
    for end in range(4):
        whole = start[: len(start) - end]
        try:
            return whole.decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
    whole = start
    if len(start) >= _LOOKED_AT:
        # Up to the last line's end: two bytes of Chinese or of UTF-16 must not come apart.
        whole = start[: start.rfind(b"\n") + 1] or start
        if start[:2] == b"\xff\xfe":
            whole = start[: len(start) // 2 * 2]
    return decode(path, whole)[0]


def _json(path: Path, text: str) -> str:
    keys = set(re.findall(r'"([A-Za-z_0-9]{1,40})"\s*:', text))
    for name, telling in _KEYS.items():
        found = keys.intersection(telling)
        # Single words such as "via" mean little alone; zendesk's come several at once.
        if found and (name != "zendesk" or len(found) > 1 or found & {"tickets", "requester_id"}):
            return name
    if {"author_id", "body"} <= keys or {"users", "role"} <= keys:
        return "zendesk"
    shown = ", ".join(sorted(keys)[:10]) or "no keys"
    raise HistoryError(
        f"{path}: is JSON with {shown}, which no known format has; the formats there are: "
        f"{_FORMATS}"
    )
