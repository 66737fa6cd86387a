"""The labelling sheet: what it shows, what it hides, and that answers come back as given."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import tables
from simulator.errors import HistoryError
from simulator.judging.audit import filled, sheet
from simulator.judging.audit.questions import COLUMNS, FLAGS, OF_REPLY, QUESTIONS
from simulator.judging.audit.rules import rules_in_words
from tests import audit_sheets
from tests.audit_sheets import AT, NAME

TODAY = date(2026, 3, 9)
POINTS = audit_sheets.drawn(
    [
        ("talk1", 0, 1, "Which order?"),
        ("talk1", 2, 2, "=SUM(A1)"),
        ("talk2", 0, 1, None),
        ("talk3", 1, 1, "Yes."),
    ]
)
SAID = {
    ("talk1", 0): "Hello",
    ("talk1", 2): "</script><b>1",
    ("talk2", 0): "+1",
    ("talk3", 1): "退款？",
}
HIDDEN = ("wide", "moonbeam", "talk", "flagged", "no_bot", "stratum", "inclusion", "0.5")
HIDDEN += ("certify", "verdict", "candidate", "draw_id")


def sheet_of(points: pl.DataFrame = POINTS) -> bytes:
    return sheet.to_csv(NAME, audit_sheets.rows(points, SAID))


def write(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "sheet.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def loaded(tmp_path: Path, content: bytes, points: pl.DataFrame = POINTS) -> filled.Filled:
    path = write(tmp_path, content)
    found = filled.read_filled(path)
    filled.check_filled(path, found, points)
    return found


def unit(conversation: str) -> str:
    return sheet.unit_id(NAME, conversation)


def test_exact_shows_the_conversation_the_reply_and_the_rules() -> None:
    rows = {(row.unit, row.point): row for row in audit_sheets.rows(POINTS, SAID)}
    second = rows[unit("talk1"), 2]
    assert second.said == (("Customer", "Hello"), ("Customer", "</script><b>1"))
    assert second.reply == "=SUM(A1)"
    assert rows[unit("talk1"), 1].said == (("Customer", "Hello"),)
    assert rows[unit("talk2"), 1].reply is None
    assert second.rules == (
        "refund: a bot may promise it, up to 7 working days, if the reply says so: the card is "
        "named",
        "waiver: never; neither a bot nor an agent may promise it",
        "nothing else may be promised firmly",
    )


def test_exact_is_blind() -> None:
    rows = audit_sheets.rows(POINTS, SAID)
    for content in (sheet.to_csv(NAME, rows), sheet.to_html(NAME, rows, "sheet-filled.csv")):
        text = content.decode()
        assert [word for word in HIDDEN if word in text] == []


def test_exact_strata_and_their_order_leave_no_trace() -> None:
    other = POINTS.with_columns(
        pl.lit("flagged").alias("stratum"),
        pl.lit(0.01).alias("inclusion_prob"),
        pl.lit("other").alias("candidate"),
    ).reverse()
    assert sheet_of(other) == sheet_of()


def test_analytic_conversations_stand_in_random_order_their_points_together() -> None:
    names = [f"c{i:03d}" for i in range(200)]
    points = audit_sheets.drawn([(n, 2 * p, p + 1, "Yes.") for n in names for p in range(2)])
    rows = audit_sheets.rows(points, {(n, 0): "Hi" for n in names})
    assert [row.point for row in rows] == [1, 2] * 200
    units = [row.unit for row in rows[::2]]
    assert [row.unit for row in rows[1::2]] == units
    place = {unit(name): i for i, name in enumerate(names)}
    ranks = pl.Series([place[u] for u in units])
    correlation = pl.select(pl.corr(ranks, pl.Series(range(200)))).item()
    assert abs(correlation) < 4 / 200**0.5
    # Nor is it the order of the units' names, which anybody could sort by.
    assert units != sorted(units)


def test_exact_formulas_are_text_for_a_spreadsheet() -> None:
    cells = list(csv.DictReader(io.StringIO(sheet_of().decode("utf-8-sig"), newline="")))
    by_key = {(row["unit"], row["point"]): row for row in cells}
    assert by_key[unit("talk1"), "2"]["reply"] == "'=SUM(A1)"
    assert sheet_of().startswith(b"\xef\xbb\xbf")
    assert all(row[column] == "" for row in cells for column in COLUMNS)


@given(st.text())
def test_property_a_guarded_cell_is_no_formula_and_comes_back(cell: str) -> None:
    safe = sheet.guarded(cell)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert sheet.unguarded(safe) == cell


def test_exact_a_customer_who_writes_markup_is_shown_as_text() -> None:
    html = sheet.to_html(NAME, audit_sheets.rows(POINTS, SAID), "f.csv").decode()
    assert "</script><b>" not in html
    assert html.count("</script>") == 2
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    said = [text for row in json.loads(data[1])["rows"] for _, text in row["said"]]
    assert "</script><b>1" in said
    assert not re.search(r"(?:src|href)=\"(?!data:)", html)


def test_exact_a_long_conversation_keeps_its_end() -> None:
    points = audit_sheets.drawn([("talk1", 5, 1, "Yes.")])
    (row,) = audit_sheets.rows(points, {("talk1", i): f"{i}" * 9_000 for i in range(6)})
    assert row.said[0] == ("…", "4 earlier messages left out")
    assert [text[0] for _, text in row.said[1:]] == ["4", "5"]


def test_exact_rules_are_those_of_the_intent_the_language_and_the_time() -> None:
    rule = {"kind": "refund", "allowed": "always", "speaker": "auto"}
    policy = tables.build(
        "commitments_policy",
        [
            {**rule, "rule_id": "1", "limit_value": 1.0, "limit_unit": "TWD"},
            {**rule, "rule_id": "2", "intent": "refunds", "limit_value": 2.0, "limit_unit": "day"},
            {**rule, "rule_id": "3", "intent": "refunds", "language": "fr"},
            {**rule, "rule_id": "4", "kind": "price", "valid_to": AT},
            {**rule, "rule_id": "5", "kind": "repair", "speaker": "agent"},
            {**rule, "rule_id": "6", "kind": "legal", "language": "zh-Hans"}
            | {"mandated_wording": "简"},
            {**rule, "rule_id": "7", "kind": "legal", "language": "zh-Hant"}
            | {"mandated_wording": "繁"},
        ],
    )
    last = "nothing else may be promised firmly"
    repair = "repair: only a human agent may promise it, not a bot"
    assert rules_in_words(policy, "refunds", "en-GB", AT) == [
        "refund: a bot may promise it, up to 2 days",
        repair,
        last,
    ]
    assert rules_in_words(policy, None, "zh-Hant", AT) == [
        "legal: a bot may promise it; wording to use: “繁”",
        "refund: a bot may promise it, up to 1 TWD",
        repair,
        last,
    ]
    assert rules_in_words(policy.clear(), None, None, None) == [
        "no policy is on record: whether a promise is allowed is not known"
    ]


NASTY = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NOTES = NASTY.filter(lambda text: text.strip() != "")


@st.composite
def answered(draw: st.DrawFn) -> tuple[list[tuple[str, int, int, str | None]], list[str], list]:  # type: ignore[type-arg]
    """Points with texts of any kind, what customers say, and answers of any kind."""
    replies = draw(st.lists(st.one_of(st.none(), NASTY), min_size=1, max_size=6))
    points = [(f"c{i // 2}", 2 * (i % 2), i % 2 + 1, reply) for i, reply in enumerate(replies)]
    said = draw(st.lists(NASTY, min_size=len(points), max_size=len(points)))
    answers = []
    for _, _, _, reply in points:
        given = {}
        for question in QUESTIONS:
            words = [""] if question.of_reply and reply is None else ["", *question.choices]
            given[question.column] = draw(st.sampled_from(words))
        given["note"] = draw(st.one_of(st.just(""), NOTES))
        answers.append(given)
    answers[0]["risk"] = "high"
    return points, said, answers


@settings(max_examples=60, deadline=None)
@given(answered())
def test_property_a_filled_sheet_gives_the_labels_back(case) -> None:  # type: ignore[no-untyped-def]
    given_points, said, answers = case
    points = audit_sheets.drawn(given_points)
    texts = {(p[0], p[1]): text for p, text in zip(given_points, said, strict=True)}
    content = sheet.to_csv(NAME, audit_sheets.rows(points, texts))
    wanted = {(unit(p[0]), str(p[2])): a for p, a in zip(given_points, answers, strict=True)}

    def answer(row: dict[str, str]) -> dict[str, str]:
        mine = wanted[row["unit"], row["point"]]
        return {**mine, "note": sheet.guarded(mine["note"])}

    with TemporaryDirectory() as folder:
        found = loaded(Path(folder), audit_sheets.filled(content, answer), points)
    labels = filled.to_labels(found, points, "ann", TODAY)
    turns = {
        (row["conversation_id"], row["turn"]): row
        for row in labels.filter(pl.col("unit") == "turn").iter_rows(named=True)
    }
    risky: dict[str, list[bool | None]] = {}
    some = {p[0] for p, a in zip(given_points, answers, strict=True) if any(a.values())}
    assert {name for name, _ in turns} == some
    for (name, turn, _, reply), given_answers in zip(given_points, answers, strict=True):
        if name not in some:
            continue
        for column, word in given_answers.items():
            value = {"yes": True, "no": False}[word] if column in FLAGS and word else word or None
            assert turns[name, turn][column] == value
        risky.setdefault(name, [])
        if reply is not None:
            risky[name].append(turns[name, turn]["risky_promise"])
    for row in labels.filter(pl.col("unit") == "conversation").iter_rows(named=True):
        verdicts = risky.pop(row["conversation_id"])
        expected = True if True in verdicts else None if None in verdicts or not verdicts else False
        assert row["risky_promise"] is expected
        assert row["turn"] is None
    assert risky == {}
    tables.conform("labels", labels)
    assert set(labels["labelled_on"]) == {TODAY}
    assert set(labels["labeller"]) == {"ann"}


def safe(row: dict[str, str]) -> dict[str, str]:
    return {"risk": "low"} if row["reply"] == sheet.NO_REPLY else {"risky_promise": "no"}


def changed(old: str, new: str) -> bytes:
    text = audit_sheets.filled(sheet_of(), safe).decode("utf-8-sig")
    assert old in text
    return text.replace(old, new, 1).encode()


def test_exact_what_spreadsheet_programs_make_of_it_is_read(tmp_path: Path) -> None:
    plain = audit_sheets.filled(sheet_of(), safe)
    rows = list(csv.reader(io.StringIO(plain.decode("utf-8-sig"), newline="")))
    for row in rows[1:]:
        row[7] = row[7].replace("no", " FALSE ")
        while row[-1] == "":
            row.pop()
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";").writerows([*rows, [], ["", ""]])
    assert loaded(tmp_path, out.getvalue().encode()).lines[0].answers["commitment"] == ""
    first = filled.to_labels(loaded(tmp_path, out.getvalue().encode()), POINTS, "a", TODAY)
    assert first.equals(filled.to_labels(loaded(tmp_path, plain), POINTS, "a", TODAY))
    assert first.filter(pl.col("risky_promise") == False).height == 5  # noqa: E712


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00", "is not in UTF-8; expected the sheet saved as CSV UTF-8"),
        (b"", "columns sheet, unit, point, commitment"),
        (b"sheet,unit,point\r\n", "columns commitment, risky_promise"),
        (sheet_of().split(b"\r\n")[0], "holds no rows"),
        (sheet_of(), "no answer is filled in"),
        (changed("\r\n", '\r\n"x'), "cannot be read as CSV|cells"),
        (changed(",no,", ",perhaps,"), r"row \d: risky_promise = 'perhaps'; expected yes, no"),
        (changed(f"{NAME},{unit('talk1')}", f"dffffffff,{unit('talk1')}"), "rows of the sheets"),
        (changed(f"{unit('talk3')},1", f"{unit('talk3')},x"), r"row \d: point = 'x'"),
        (changed(unit("talk3"), "u9999999999"), "unit u9999999999, point 1 is not of the draw"),
        (changed(unit("talk3"), "u9999999999"), r"1 of 4 rows are missing \(such as unit"),
        (changed(f"{unit('talk1')},2", f"{unit('talk1')},1"), r"point 1 stands in row \d already"),
    ],
)
def test_exact_a_sheet_that_cannot_be_used_is_refused(
    tmp_path: Path, content: bytes, says: str
) -> None:
    with pytest.raises(HistoryError, match=says):
        loaded(tmp_path, content)


def test_exact_an_answer_about_no_reply_and_a_changed_reply_are_refused(tmp_path: Path) -> None:
    content = audit_sheets.filled(sheet_of(), lambda row: {"tone": "apt"})
    with pytest.raises(HistoryError, match="tone = 'apt'; there is no reply to judge") as told:
        loaded(tmp_path, content)
    assert str(told.value).count("\n") == 0
    other = POINTS.with_columns(
        pl.when(pl.col("conversation_id") == "talk1")
        .then(pl.lit("0" * 8))
        .otherwise("digest_now")
        .alias("digest_now")
    )
    with pytest.raises(HistoryError, match="the reply has changed since the draw") as told:
        loaded(tmp_path, audit_sheets.filled(sheet_of(), safe), other)
    assert str(told.value).count("changed") == 2


def test_exact_no_file(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no such sheet"):
        filled.read_filled(tmp_path / "none.csv")


def test_exact_what_is_open_and_what_is_doubtful_is_told(tmp_path: Path) -> None:
    def answer(row: dict[str, str]) -> dict[str, str]:
        if row["reply"] == sheet.NO_REPLY:
            return {"risk": "low"}
        return {"risky_promise": "yes", "commitment": "hedged" if row["point"] == "1" else ""}

    found = loaded(tmp_path, audit_sheets.filled(sheet_of(), answer))
    assert filled.unanswered(found, POINTS) == {
        **dict.fromkeys(OF_REPLY, 3),
        "needs_human": 4,
        "info_sufficient": 4,
        "risk": 3,
        "risky_promise": 0,
        "commitment": 1,
    }
    assert len(filled.doubtful(found)) == 2
