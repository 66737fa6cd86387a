"""What a spreadsheet is given: bytes that Excel reads in any locale, and no cell that runs."""

from __future__ import annotations

import csv
import io
from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.reports import spreadsheets

# Full-width ones run in Excel where the input method is a Chinese or Japanese one.
RUNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
# A lone surrogate is no text that a table could hold.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def _read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@given(st.lists(st.tuples(st.one_of(st.sampled_from(RUNS), st.just("")), TEXT), min_size=1))
def test_no_cell_runs_and_no_text_is_lost(cells: list[tuple[str, str]]) -> None:
    texts = ["".join(cell) for cell in cells]
    frame = pl.DataFrame({"n": list(range(len(texts))), "text": texts})
    for bom in (False, True):
        head, *rows = _read(spreadsheets.csv(frame, bom=bom).removeprefix("\ufeff"))
        assert head == ["n", "text"]
        shown = [row[1] for row in rows]
        assert not [cell for cell in shown if cell.startswith(RUNS)]
        assert [
            cell.removeprefix("'") if text.startswith(RUNS) else cell
            for text, cell in zip(texts, shown, strict=True)
        ] == texts


@pytest.mark.parametrize("name", ["=cmd", "-saving", "+1", "@who"])
def test_a_heading_does_not_run_either(name: str) -> None:
    head, row = _read(spreadsheets.csv(pl.DataFrame({name: [-1.5]})))
    assert (head, row) == (["'" + name], ["-1.5"])


def test_numbers_stay_numbers_and_unknown_is_empty() -> None:
    frame = pl.DataFrame(
        {
            "money": [-1.5, 1234567.25, 1e-7, None],
            "n": [-3, 0, 10**12, None],
            "day": [date(2026, 3, 2), None, None, None],
        }
    )
    _, *rows = _read(spreadsheets.csv(frame))
    money, counts, days = zip(*rows, strict=True)
    assert [float(cell) if cell else None for cell in money] == frame["money"].to_list()
    assert list(counts) == ["-3", "0", "1000000000000", ""]
    assert list(days) == ["2026-03-02", "", "", ""]
    assert not [cell for row in rows for cell in row if cell.startswith("'")]


def test_asked_for_excel_the_file_says_its_encoding_and_ends_lines_as_windows_does() -> None:
    frame = pl.DataFrame(
        {"candidate": ["守規矩的, 機器人", 'two\nlines, "quoted"', None], "n": [1, 2, 3]}
    )
    made = spreadsheets.csv(frame, bom=True).encode()
    assert made.startswith(b"\xef\xbb\xbf")
    assert made.count(b"\xef\xbb\xbf") == 1
    # The lone line feed is the one within a quoted cell.
    assert made.count(b"\r\n") == 4
    assert made.count(b"\n") == 5
    rows = _read(made.decode("utf-8-sig"))
    assert rows[0] == ["candidate", "n"]
    assert [row[0] for row in rows[1:]] == ["守規矩的, 機器人", 'two\nlines, "quoted"', ""]


def test_without_asking_nothing_stands_before_the_first_heading() -> None:
    made = spreadsheets.csv(pl.DataFrame({"stage": ["assist"]})).encode()
    assert made == b"stage\nassist\n"
