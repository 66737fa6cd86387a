"""The summary in both languages: the same numbers, lines that fit, the answer in the first 25."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from simulator.reports import Run, lined, wording
from simulator.reports.language import speaking
from simulator.reports.summary import summary_text
from tests.report_run import finished

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?[kMG]?")


@pytest.fixture(scope="module")
def run() -> Run:
    return finished()


@pytest.fixture(scope="module")
def texts(run: Run) -> tuple[str, str]:
    with speaking("zh-Hant"):
        chinese = summary_text(run)
    return summary_text(run), chinese


def tables(text: str) -> list[list[list[str]]]:
    """Cells of each table, by row."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def test_chinese_lines_fit_100_columns_and_tables_line_up(texts: tuple[str, str]) -> None:
    for text in texts:
        lines = text.splitlines()
        assert max(map(wording.width, lines)) <= lined.COLUMNS
        for above, below in pairwise(lines):
            if above.startswith("|") and below.startswith("|"):
                assert wording.width(above) == wording.width(below)
    assert re.search("[一-鿿]", texts[1])


def test_tables_hold_the_same_numbers_in_either_language(texts: tuple[str, str]) -> None:
    english, chinese = (tables(text) for text in texts)
    assert len(english) == len(chinese) > 3
    for ours, theirs in zip(english, chinese, strict=True):
        assert len(ours) == len(theirs)
        for row, other in zip(ours[2:], theirs[2:], strict=True):
            assert [_NUMBER.findall(cell) for cell in row] == [
                _NUMBER.findall(cell) for cell in other
            ]


def test_sentences_tell_the_same_numbers_in_either_language(texts: tuple[str, str]) -> None:
    def told(text: str) -> set[str]:
        prose = " ".join(line for line in text.splitlines() if not line.startswith("|"))
        return {number for number in _NUMBER.findall(prose) if len(number) > 1}

    english, chinese = map(told, texts)
    assert english == chinese


def test_the_answer_stands_in_the_first_25_lines(texts: tuple[str, str]) -> None:
    for text, heads in zip(texts, ("| Candidate", "| 候選模型"), strict=True):
        first = text.splitlines()[:25]
        assert sum(line.startswith("**") for line in first) >= 1
        assert any(line.startswith(heads) for line in first)


def test_chinese_lines_begin_with_no_closing_mark_and_end_with_no_opening_one() -> None:
    text = "上線推行最遠可到「低風險自動回覆」，採用「guarded」。服務水準（60 秒）為 95.2 %；" * 4
    # Narrower than its longest word a line breaks anywhere.
    for columns in range(16, 60):
        lines = wording.wrap(text, columns, indent="  ")
        assert max(map(wording.width, lines)) <= columns
        for line in lines:
            assert line.strip()[0] not in "，。、；：！？）」』", (columns, line)
            assert line[-1] not in "（「『", (columns, line)
        assert "".join("".join(lines).split()) == "".join(text.split())


def test_lists_and_days_are_said_in_the_language() -> None:
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.moment(88_200, 7) == "Tue 00:30"
    with speaking("zh-Hant"):
        assert wording.listed(["a", "b", "c"]) == "a、b、c"
        assert "00:30" in wording.moment(88_200, 7)
        assert "Tue" not in wording.moment(88_200, 7)
        assert wording.number("asa_s", None) == "– 未知"
        assert wording.stage_label("low_risk_auto") == "低風險自動回覆"
