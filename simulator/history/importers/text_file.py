"""Text out of a file whose encoding and delimiter nobody wrote down, as spreadsheets save it.

UTF-8 with or without a byte order mark and UTF-16 (Excel's "Unicode text") are recognised for
certain. Big5 (code page 950) and GB18030 share their bytes, so they are told apart by how many of
the characters are among the most frequent of written Chinese; what is neither is refused, since a
wrong guess would put nonsense before the judges in silence.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from simulator.errors import HistoryError
from simulator.history.importers.source import CSV_FIELD_LIMIT, BadRow, read_bytes

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8", "UTF-8"),
    (b"\xff\xfe", "utf-16-le", "UTF-16"),
    (b"\xfe\xff", "utf-16-be", "UTF-16"),
)
# The most frequent characters of written Chinese and of customer service, in both scripts.
_TRADITIONAL = frozenset(
    "的一是不了在有我他這個們你來說到時要就出會可也對生能而得自之年過發後作用於多成看沒問題"
    "請您好款訂單退貨嗎謝幫客服為什麼還收到已經與將並無電話付寄送帳號密碼現線"
)
_SIMPLIFIED = frozenset(
    "的一是不了在有我他这个们你来说到时要就出会可也对生能而得自之年过发后作用于多成看没问题"
    "请您好款订单退货吗谢帮客服为什么还收到已经与将并无电话付寄送账号密码现线"
)
_NAMES = {"cp950": ("Big5", _TRADITIONAL), "gb18030": ("GB18030", _SIMPLIFIED)}
# Frequent characters make up half of a Chinese text; of wrongly decoded text hardly any.
_FREQUENT = 0.2
# A stray byte in UTF-8 is replaced and counted; this share of them means another encoding.
_STRAY = 0.01
_DELIMITERS = ",;\t|"


def read_text(path: Path) -> tuple[str, str, bytes]:
    """The text of ``path``, the name of its encoding, and its bytes (unpacked if gzip).

    Bytes that are not UTF-8 in a file that otherwise is stand in the text as lone surrogates.

    Raises:
        HistoryError: cannot be read, is empty, or its encoding cannot be told.
    """
    raw = read_bytes(path)
    text, name = decode(path, raw)
    if not text.strip():
        raise HistoryError(f"{path}: is empty; expected at least one row")
    return text, name, raw


def decode(path: Path, raw: bytes) -> tuple[str, str]:
    """Text and encoding of ``raw``; ``path`` is named in errors. Raises HistoryError."""
    for mark, encoding, name in _BOMS:
        if raw.startswith(mark):
            errors = "surrogateescape" if encoding == "utf-8" else "replace"
            return raw[len(mark) :].decode(encoding, errors), name
    if raw[:4096].count(0) * 4 > len(raw[:4096]):
        # Half of UTF-16 in Latin script is zero bytes: the first or the second of each pair.
        wide = "utf-16-be" if raw[0] == 0 else "utf-16-le"
        return raw.decode(wide, "replace"), "UTF-16"
    try:
        return raw.decode("utf-8"), "UTF-8"
    except UnicodeDecodeError:
        pass
    if found := _chinese(raw):
        return found
    text = raw.decode("utf-8", "surrogateescape")
    if sum("\udc80" <= char <= "\udcff" for char in text) > _STRAY * len(text):
        raise HistoryError(
            f"{path}: is not UTF-8, and whether it is Big5 or GB18030 cannot be told; save it as "
            "UTF-8 (in a spreadsheet: CSV UTF-8)"
        )
    return text, "UTF-8"


def _chinese(raw: bytes) -> tuple[str, str] | None:
    found: list[tuple[float, str, str]] = []
    for encoding, (name, frequent) in _NAMES.items():
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        wide = [char for char in text if not char.isascii()]
        found.append((sum(char in frequent for char in wide) / max(1, len(wide)), text, name))
    found.sort(reverse=True)
    clear = found and found[0][0] >= _FREQUENT
    if clear and (len(found) == 1 or found[0][0] >= 2 * found[1][0]):
        return found[0][1], found[0][2]
    return None


def delimiter(text: str) -> tuple[str, str]:
    """What stands between the fields, and ``text`` without Excel's line ``sep=;`` before them.

    It is what cuts the first line into the most fields; a comma where nothing cuts it.
    """
    first, _, rest = text.partition("\n")
    if first[:4].lower() == "sep=" and first[4:5] in _DELIMITERS and not first[5:].strip():
        return first[4], rest
    cuts = {mark: len(_fields(text, mark)) for mark in _DELIMITERS}
    best = max(cuts.values())
    return next(mark for mark in _DELIMITERS if cuts[mark] == best), text


def records(text: str, mark: str) -> Iterator[tuple[int, list[str] | BadRow]]:
    """Line number (of the record's first line) and fields of each record, the header too.

    Empty lines are passed over. What cannot be read comes as a BadRow in its place: a quote that
    is never closed takes the rest of the file with it, which its reason says.
    """
    before = csv.field_size_limit(CSV_FIELD_LIMIT)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=mark)
        while True:
            line = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                last = reader.line_num
                span = f"lines {line} to {last} were taken as one; " if last > line else ""
                yield line, BadRow(f"not CSV: {span}{error}")
                continue
            if fields:
                yield line, fields
    finally:
        csv.field_size_limit(before)


def _fields(text: str, mark: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text[:65_536], newline=""), delimiter=mark), [])
    except csv.Error:
        return []
