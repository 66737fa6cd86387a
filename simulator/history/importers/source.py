"""Reading source files: what they hold decides (gzip, Parquet, JSON, CSV), never their name."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from simulator.errors import HistoryError

_GZIP, _PARQUET, _BOM = b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
CSV_FIELD_LIMIT = 1 << 30


class BadRow(Exception):
    """A row of a file that cannot be read at all; its text says why."""


def read_bytes(path: Path) -> bytes:
    """The content of ``path``, unpacked if it is gzip.

    Raises:
        HistoryError: no such file, a folder, no permission, or damaged gzip.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise HistoryError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise HistoryError(f"{path}: is a folder; expected a file") from None
    except PermissionError:
        raise HistoryError(f"{path}: may not be read; expected a file that you may read") from None
    except (OSError, ValueError) as error:
        raise HistoryError(f"{path}: cannot be read: {error}") from None
    if raw[:2] != _GZIP:
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise HistoryError(f"{path}: damaged gzip: {error}; expected a whole file") from None


def without_bom(path: Path, raw: bytes) -> bytes:
    """``raw`` without a UTF-8 byte order mark. Raises HistoryError for UTF-16 and for nothing."""
    if raw[:2] in _UTF16:
        raise HistoryError(f"{path}: is UTF-16; expected UTF-8; save it as UTF-8")
    if not raw.strip():
        raise HistoryError(f"{path}: is empty; expected at least one row")
    return raw.removeprefix(_BOM)


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises BadRow with the reason.

    ``json`` gives up with four kinds of error: syntax, encoding, digits beyond Python's limit and
    nesting beyond Python's stack.
    """
    try:
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise BadRow(f"not UTF-8: byte {error.start} of the line; save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadRow(f"not JSON: {error.msg} at character {error.pos}") from None
    except ValueError as error:
        raise BadRow(f"not JSON: {error}") from None
    except RecursionError:
        raise BadRow("not JSON: nested too deeply") from None


def json_document(path: Path) -> tuple[Any, bytes]:
    """The one JSON value of a file, and the bytes it was read from. Raises HistoryError."""
    raw = without_bom(path, read_bytes(path))
    try:
        return parse_json(raw), raw
    except BadRow as error:
        raise HistoryError(f"{path}: {error}; expected one JSON document") from None


def csv_rows(text: str) -> Iterator[tuple[int, dict[str, str] | BadRow]]:
    """Line number (of the row's last line) and row of a CSV with a header.

    A row that cannot be read comes as a BadRow in its place.
    """
    before = csv.field_size_limit(CSV_FIELD_LIMIT)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header: list[str] | None = None
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if header is None:
                    header = []
                yield reader.line_num, BadRow(f"not CSV: {error}")
                continue
            if not row:
                continue
            if header is None:
                header = [name.strip() for name in row]
            elif len(row) != len(header):
                yield (
                    reader.line_num,
                    BadRow(f"not CSV: {len(row)} fields; the header has {len(header)}"),
                )
            else:
                yield reader.line_num, dict(zip(header, row, strict=True))
    finally:
        csv.field_size_limit(before)


def parquet_rows(path: Path, raw: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """Row number (1-based) and row of a Parquet file. Raises HistoryError if it is damaged."""
    try:
        frame = pl.read_parquet(io.BytesIO(raw))
        rows = frame.to_dicts()
    # A panic of the reader on damaged input derives from BaseException.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise HistoryError(f"{path}: not Parquet, or damaged: {first}") from None
    return ((number, row) for number, row in enumerate(rows, start=1))


def rows(path: Path, raw: bytes) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """Place (line, row or element, 1-based) and row of a Parquet, JSON array, JSONL or CSV file.

    Raises:
        HistoryError: empty, damaged, UTF-16, or a JSON array that is not JSON.
    """
    if raw[:4] == _PARQUET:
        yield from parquet_rows(path, raw)
        return
    raw = without_bom(path, raw)
    start = raw.lstrip()[:1]
    if start == b"[":
        try:
            array = parse_json(raw)
        except BadRow as error:
            raise HistoryError(f"{path}: {error}; expected a JSON array of objects") from None
        yield from ((number, _object(one)) for number, one in enumerate(array, start=1))
    elif start == b"{":
        for number, line in enumerate(raw.splitlines(), start=1):
            if line.strip():
                try:
                    yield number, _object(parse_json(line))
                except BadRow as error:
                    yield number, error
    else:
        text = raw.decode("utf-8", "surrogateescape")
        # A stray byte is replaced and counted later; this many mean another encoding.
        strange = sum("\udc80" <= char <= "\udcff" for char in text) if not text.isascii() else 0
        if strange * 100 > len(text):
            raise HistoryError(
                f"{path}: is not UTF-8; save it as UTF-8 (in a spreadsheet: CSV UTF-8)"
            )
        yield from csv_rows(text)


def _object(value: Any) -> dict[str, Any] | BadRow:
    return value if isinstance(value, dict) else BadRow("not an object: expected {...}")
