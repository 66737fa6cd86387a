"""A filled labelling sheet, read and checked, and the labels that it gives."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from simulator.errors import HistoryError
from simulator.judging.audit.questions import COLUMNS, FLAGS, NOTE, OF_REPLY, QUESTIONS
from simulator.judging.audit.sheet import KEY, unguarded, unit_id
from simulator.schema import TABLES
from simulator.tables import conform

_ALLOWED = {question.column: tuple(question.choices) for question in QUESTIONS}
_FLAGS = {"yes": True, "no": False, "true": True, "false": False}
_MOST_FAULTS = 10


class Line(NamedTuple):
    """A row of a sheet as it stands in the file: its number there, and its answers by column."""

    number: int
    unit: str
    point: int
    answers: Mapping[str, str]


class Filled(NamedTuple):
    """The sheet's name and its rows."""

    sheet: str
    lines: tuple[Line, ...]


def read_filled(path: Path) -> Filled:
    """The sheet at ``path``: CSV as it was drawn, or as a spreadsheet program saved it.

    Answers are trimmed and in lower case, notes as they are; yes and no may be true and false.

    Raises:
        HistoryError: not there, no CSV in UTF-8, columns that are missing, rows of several sheets.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise HistoryError(f"{path}: no such sheet") from None
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise HistoryError(
            f"{path}: is not in UTF-8; expected the sheet saved as CSV UTF-8 (comma delimited)"
        ) from None
    rows = _parsed(path, text)
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    missing = [column for column in (*KEY, *COLUMNS) if column not in header]
    if missing:
        raise HistoryError(
            f"{path}: columns {', '.join(missing)} are missing; expected the sheet that `audit "
            "draw` wrote, with all its columns"
        )
    twice = sorted({column for column in (*KEY, *COLUMNS) if header.count(column) > 1})
    if twice:
        raise HistoryError(f"{path}: column {twice[0]} stands there twice; expected it once")
    lines, sheets, faults = [], set(), []
    for number, cells in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if any(cells[len(header) :]):
            faults.append(f"row {number}: {len(cells)} cells; expected {len(header)}")
            continue
        # Some spreadsheet programs leave out empty cells at the end of a row.
        cells += [""] * (len(header) - len(cells))
        row = dict(zip(header, map(unguarded, cells), strict=False))
        point = row["point"].strip()
        if not point.isdecimal():
            faults.append(f"row {number}: point = {point!r}; expected a whole number")
            continue
        answers = {column: _answer(column, row[column]) for column in COLUMNS}
        sheets.add(row["sheet"].strip())
        lines.append(Line(number, row["unit"].strip(), int(point), answers))
    _refuse(path, faults)
    if not lines:
        raise HistoryError(f"{path}: holds no rows; expected the sheet that `audit draw` wrote")
    if len(sheets) > 1:
        raise HistoryError(
            f"{path}: holds rows of the sheets {', '.join(sorted(sheets))}; load each by itself"
        )
    return Filled(sheets.pop(), tuple(lines))


def check_filled(path: Path, filled: Filled, drawn: pl.DataFrame) -> None:
    """Whether the sheet has every row of its draw once, with answers that are allowed.

    Args:
        path: of the sheet, for the message.
        filled: what :func:`read_filled` gives.
        drawn: ``conversation_id, turn, point, replied, digest, digest_now``: the points that the
            sheet was drawn with, and the digest of the reply as the run holds it now.

    Raises:
        HistoryError: with the first ten faults, one a line.
    """
    expected = {
        (unit_id(filled.sheet, row["conversation_id"]), row["point"]): row
        for row in drawn.iter_rows(named=True)
    }
    faults: list[str] = []
    seen: dict[tuple[str, int], int] = {}
    for line in filled.lines:
        key = (line.unit, line.point)
        row = expected.get(key)
        if row is None:
            faults.append(
                f"row {line.number}: unit {line.unit}, point {line.point} is not of the draw "
                f"{filled.sheet}; take the row out"
            )
        elif key in seen:
            faults.append(
                f"row {line.number}: unit {line.unit}, point {line.point} stands in row "
                f"{seen[key]} already; keep one of them"
            )
        else:
            seen[key] = line.number
            if row["digest"] != row["digest_now"]:
                faults.append(
                    f"row {line.number}: the reply has changed since the draw (the run was made "
                    "again with other replies); draw again and label these"
                )
            faults += _wrong_words(line, row["replied"])
    missing = [key for key in expected if key not in seen]
    if missing:
        unit, point = missing[0]
        faults.append(
            f"{len(missing)} of {len(expected)} rows are missing (such as unit {unit}, point "
            f"{point}); expected every row of the draw: leave answers empty that are not known"
        )
    _refuse(path, faults)
    if not any(any(line.answers.values()) for line in filled.lines):
        raise HistoryError(
            f"{path}: no answer is filled in; save the spreadsheet, or press Save on the page and "
            "load the file that it gives"
        )


def doubtful(filled: Filled) -> list[str]:
    """Answers that contradict each other: they are taken as they are, and should be looked at."""
    return [
        f"row {line.number}: a risky promise without a firm commitment (counts as risky)"
        for line in filled.lines
        if line.answers["risky_promise"] in ("yes", "true")
        and line.answers["commitment"] in ("none", "hedged")
    ]


def unanswered(filled: Filled, drawn: pl.DataFrame) -> dict[str, int]:
    """By question, the rows that it is asked in and not answered."""
    replied = {
        (unit_id(filled.sheet, row["conversation_id"]), row["point"]): row["replied"]
        for row in drawn.iter_rows(named=True)
    }
    return {
        question.column: sum(
            not line.answers[question.column]
            for line in filled.lines
            if replied[line.unit, line.point] or not question.of_reply
        )
        for question in QUESTIONS
    }


def to_labels(filled: Filled, drawn: pl.DataFrame, labeller: str, on: date) -> pl.DataFrame:
    """Table ``labels`` with a last column ``note``: what the sheet says.

    A row of unit "turn" for each point of every conversation with some answer, and a row of unit
    "conversation": ``risky_promise`` is true if any reply's is, else null if any is unknown, else
    false; null where there was no reply to judge. A conversation without any answer has no row:
    it is missing, which is not the same as looked at and unknown.

    Args:
        filled: a sheet that was checked.
        drawn: as for :func:`check_filled`, with ``stage, candidate, stratum, inclusion_prob,
            draw_id, split``.
        labeller: who labelled.
        on: the day.
    """
    lines = {(line.unit, line.point): line.answers for line in filled.lines}
    answered = {line.unit for line in filled.lines if any(line.answers.values())}
    turns: list[dict[str, Any]] = []
    for row in drawn.iter_rows(named=True):
        unit = unit_id(filled.sheet, row["conversation_id"])
        if unit in answered:
            answers = lines[unit, row["point"]]
            said = {column: _value(column, answers[column]) for column in COLUMNS}
            turns.append({**row, **said, "unit": "turn"})
    columns: dict[str, Any] = {**TABLES["labels"].columns, NOTE: pl.String()}
    frame = pl.DataFrame(turns, schema={**columns, "replied": pl.Boolean()})
    frame = frame.with_columns(
        pl.lit(labeller).alias("labeller"), pl.lit(on, pl.Date).alias("labelled_on")
    )
    same = ["stage", "candidate", "conversation_id", "stratum", "inclusion_prob", "draw_id"]
    same += ["split", "labeller", "labelled_on"]
    risky = pl.col("risky_promise").filter("replied")
    whole = frame.group_by(same).agg(
        pl.when(risky.len() > 0).then(risky.any(ignore_nulls=False)).alias("risky_promise"),
        pl.lit("conversation").alias("unit"),
    )
    labels = pl.concat([conform("labels", frame), conform("labels", whole)])
    notes = frame.select("conversation_id", "turn", "unit", NOTE)
    return labels.join(notes, on=["conversation_id", "turn", "unit"], how="left").sort(
        "conversation_id", "unit", "turn"
    )


def _parsed(path: Path, text: str) -> list[list[str]]:
    first = text.split("\n", 1)[0]
    # Spreadsheet programs write what the country's settings say.
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise HistoryError(
            f"{path}: cannot be read as CSV: {error}; save the sheet as CSV UTF-8 once more"
        ) from None


def _answer(column: str, cell: str) -> str:
    return cell if column == NOTE else cell.strip().lower()


def _wrong_words(line: Line, replied: bool) -> list[str]:
    faults = []
    for column, allowed in _ALLOWED.items():
        answer = line.answers[column]
        if answer and not replied and column in OF_REPLY:
            faults.append(
                f"row {line.number}: {column} = {answer!r}; there is no reply to judge in this "
                "row: leave it empty"
            )
        elif answer and answer not in allowed and not (column in FLAGS and answer in _FLAGS):
            faults.append(
                f"row {line.number}: {column} = {answer[:60]!r}; expected {', '.join(allowed)}, "
                "or empty for unknown"
            )
    return faults


def _value(column: str, answer: str) -> str | bool | None:
    if answer == "":
        return None
    return _FLAGS[answer] if column in FLAGS else answer


def _refuse(path: Path, faults: Sequence[str]) -> None:
    if not faults:
        return
    shown = [f"{path}: {fault}" for fault in faults[:_MOST_FAULTS]]
    if len(faults) > _MOST_FAULTS:
        shown.append(f"{path}: and {len(faults) - _MOST_FAULTS} more")
    raise HistoryError("\n".join(shown))
