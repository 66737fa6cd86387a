"""Loading small tables that people write by hand: knowledge, commitments policy, schedule.

A log may have bad rows, which are set aside; a policy may not, since what it lacks would be judged
as forbidden. So the first fault in one of these files is an error that says where it is.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import polars as pl

from simulator.errors import HistoryError
from simulator.history.importers.source import BadRow, read_bytes, rows
from simulator.schema import REAL, STAMP, TABLES, TEXT, TEXTS
from simulator.tables import build

LIST_SEPARATOR = " || "


def load(
    name: str, path: Path, zone: tzinfo = UTC, aliases: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """The table ``name`` from a CSV, JSONL, JSON array or Parquet file, gzip or not.

    Args:
        name: a table of ``simulator.tables`` with text, number, time stamp and list columns.
        path: the file; its content, not its name, decides how it is read.
        zone: of time stamps that name none. A date alone is its midnight.
        aliases: other names for columns.

    Returns:
        The table, in the order of the file. Columns that the table does not have are left out.

    Raises:
        HistoryError: the file cannot be read or is empty, or a row breaks the table's contract.
            Says which row, what was found and what is allowed.
    """
    table = TABLES[name]
    key = table.key[0] if table.key else None
    found: list[dict[str, Any]] = []
    seen: dict[Any, int] = {}
    for number, row in rows(path, read_bytes(path)):
        if isinstance(row, BadRow):
            raise HistoryError(f"{path.name}: row {number}: {row}")
        if not found:
            _columns(path, name, row, aliases or {})
        row = {(aliases or {}).get(column, column): value for column, value in row.items()}
        where = f"{path.name}: row {number}"
        if key is not None and row.get(key) not in (None, ""):
            where += f", {key} {row[key]!r}"
        values = {
            column: _value(where, column, row.get(column), dtype, zone)
            for column, dtype in table.columns.items()
        }
        for column in table.never_null:
            if values[column] is None:
                raise HistoryError(f"{where}: {column} is missing; every row needs it")
        for column, words in table.allowed.items():
            if values[column] is not None and values[column] not in words:
                near = difflib.get_close_matches(str(values[column]), words, n=1)
                fix = f"; did you mean {near[0]}?" if near else ""
                raise HistoryError(
                    f"{where}: {column} = {values[column]!r}; expected one of "
                    f"{', '.join(words)}{fix}"
                )
        for start, end in (("valid_from", "valid_to"), ("starts_at", "ends_at")):
            if values.get(start) and values.get(end) and values[start] >= values[end]:
                raise HistoryError(
                    f"{where}: {start} = {values[start]} is not before {end} = {values[end]}"
                )
        if key is not None:
            if values[key] in seen:
                raise HistoryError(f"{where}: row {seen[values[key]]} has this {key} already")
            seen[values[key]] = number
        found.append(values)
    if not found:
        raise HistoryError(f"{path.name}: has no rows; expected at least one of table {name}")
    return build(name, found)


def _columns(path: Path, name: str, row: Mapping[str, Any], aliases: Mapping[str, str]) -> None:
    """Refuse a misspelt column, which would otherwise be left out in silence."""
    columns = TABLES[name].columns
    given = {aliases.get(column, column) for column in row}
    for column in row.keys() - columns.keys() - aliases.keys():
        near = difflib.get_close_matches(column, columns.keys() - given, n=1, cutoff=0.8)
        if near:
            raise HistoryError(f"{path.name}: unknown column {column!r}; did you mean {near[0]}?")
    missing = [column for column in TABLES[name].never_null if column not in given]
    if missing:
        raise HistoryError(
            f"{path.name}: has no column {', '.join(missing)}; found {', '.join(sorted(row))}; "
            f"expected {', '.join(columns)}"
        )


def _value(where: str, column: str, value: Any, dtype: pl.DataType, zone: tzinfo) -> Any:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float) and math.isnan(value):
        return None
    if dtype == TEXT:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _wrong(where, column, value, "text")
        return _text(where, column, str(value))
    if dtype == REAL:
        return _number(where, column, value)
    if dtype == STAMP:
        return _stamp(where, column, value, zone)
    if dtype == TEXTS:
        parts = value.split(LIST_SEPARATOR) if isinstance(value, str) else value
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise _wrong(where, column, value, f"texts separated by {LIST_SEPARATOR!r}, or a list")
        return [_text(where, column, part) for part in parts if part.strip()]
    raise TypeError(f"column {column} has type {dtype}, which no hand-written table has")


def _text(where: str, column: str, text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise HistoryError(f"{where}: {column} is not UTF-8; save the file as UTF-8") from None
    return text.replace("\x00", "").strip()


def _number(where: str, column: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise _wrong(where, column, value, "a number, 0 or more")
    return number


def _stamp(where: str, column: str, value: Any, zone: tzinfo) -> datetime:
    try:
        stamp = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
        if 1970 <= stamp.year < 2200:
            return (stamp if stamp.tzinfo else stamp.replace(tzinfo=zone)).astimezone(UTC)
    except (AttributeError, ValueError):
        pass
    raise _wrong(where, column, value, "ISO 8601, such as 2024-05-15 or 2024-05-15T09:00:00+08:00")


def _wrong(where: str, column: str, value: Any, expected: str) -> HistoryError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return HistoryError(f"{where}: {column} = {shown}; expected {expected}")
