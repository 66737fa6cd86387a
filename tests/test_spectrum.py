"""What candidates do from knowledge to strategy questions: the table, its chart, its section."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import matplotlib as mpl
import polars as pl
import pytest

from simulator import tables
from simulator.quality.depth import by_depth
from simulator.quality.spectrum import by_question_kind
from simulator.reports import Run, spectrum, wording
from simulator.reports.drawing import STYLE, Chart
from simulator.reports.html import page
from simulator.reports.language import speaking
from tests.report_run import finished

KINDS = ("knowledge", "mixed", "strategy")
# Actions of 20 conversations with one point a kind: (answer, clarify, escalate) for each kind.
DOES = {
    "human": ((17, 1, 2), (10, 6, 4), (2, 6, 12)),
    "guarded": ((18, 2, 0), (10, 10, 0), (1, 3, 16)),
    "flat": ((19, 1, 0), (19, 1, 0), (19, 1, 0)),
    "bold": ((2, 18, 0), (10, 10, 0), (20, 0, 0)),
    "silent": ((0, 0, 20), (0, 0, 20), (0, 0, 20)),
}


def material() -> dict[str, pl.DataFrame]:
    contexts = [
        {"judge": "rules", "conversation_id": f"c{i}", "turn": 2 * k, "question_kind": kind}
        for k, kind in enumerate(KINDS)
        for i in range(20)
    ]
    verdicts = [
        {"judge": "rules", "candidate": name, "conversation_id": f"c{i}", "turn": 2 * k,
         "action": action, "risky_promise": None if action == "escalate" else i < 3,
         "over_answer": None if action == "escalate" else action == "answer" and k == 2}
        for name, kinds in DOES.items()
        for k, counts in enumerate(kinds)
        for i, action in enumerate(
            a for a, n in zip(("answer", "clarify", "escalate"), counts, strict=True)
            for _ in range(n)
        )
    ]  # fmt: skip
    labels = [
        {"candidate": "flat", "conversation_id": f"c{i}", "turn": 4, "stage": "wider_auto",
         "unit": "turn", "draw_id": "one", "labeller": "Ann", "stratum": "flagged" if i < 10
         else "unflagged", "inclusion_prob": 0.5 if i < 10 else 0.1, "split": "certify",
         "risky_promise": i in (0, 10)}
        for i in range(20)
    ]  # fmt: skip
    built = {"contexts": contexts, "verdicts": verdicts, "labels": labels}
    return {name: tables.build(name, rows) for name, rows in built.items()}


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    found = material()
    return by_question_kind(found["verdicts"], found["labels"], found["contexts"])


@pytest.fixture(scope="module")
def run(table: pl.DataFrame) -> Run:
    whole = finished()
    bots = dict.fromkeys(("human", "guarded"))
    names = {name: "guarded" if name == "flat" else name for name in DOES if name in bots} | {
        "flat": "faq_rag", "silent": "always_escalate"
    }  # fmt: skip
    known = table.filter(pl.col("candidate").is_in(list(names)))
    renamed = known.with_columns(pl.col("candidate").replace_strict(names))
    return replace(whole, tables={**whole.tables, "spectrum": renamed})


def drawn(run: Run) -> Chart | None:
    with mpl.rc_context(STYLE):
        return spectrum.spectrum_chart(run)


def row(table: pl.DataFrame, *key: str) -> dict[str, Any]:
    columns = ("candidate", "question_kind", "source", "metric")
    return table.filter(**dict(zip(columns, key, strict=True))).row(0, named=True)


def test_exact_shares_are_those_counted_by_hand(table: pl.DataFrame) -> None:
    for name, kinds in DOES.items():
        for kind, counts in zip(KINDS, kinds, strict=True):
            for action, n in zip(("answer", "clarify", "escalate"), counts, strict=True):
                found = row(table, name, kind, "rules", f"{action}_share")
                assert found["estimate"] == pytest.approx(n / 20)
                assert (found["n"], found["n_conversations"]) == (20, 20)
                assert found["low"] <= found["estimate"] <= found["high"]
            assert row(table, name, kind, "rules", "refuse_share")["estimate"] == 0
    # An escalation without a word is a decision and no reply.
    said = row(table, "guarded", "strategy", "rules", "over_answer_rate")
    assert (said["n"], said["estimate"]) == (4, 0.25)
    with pytest.raises(pl.exceptions.OutOfBoundsError):
        row(table, "silent", "strategy", "rules", "risky_promise_rate")


def test_exact_labels_count_for_one_in_their_inclusion_probability(table: pl.DataFrame) -> None:
    said = row(table, "flat", "strategy", "labels", "risky_promise_rate")
    # One of ten that stand for 2 each, and one of ten that stand for 10 each.
    assert said["estimate"] == pytest.approx((2 + 10) / (10 * 2 + 10 * 10))
    assert said["method"].startswith("labels of stage wider_auto")
    assert table.filter(pl.col("source") == "labels").height == 1


def test_intervals_are_those_of_table_depth(table: pl.DataFrame) -> None:
    """Where every point is of one turn and one kind, both tables count the same replies."""
    found = material()
    points = tables.build(
        "decision_points",
        [{"conversation_id": f"c{i}", "turn": 0, "n_th": 0, "context_hash": "h"} for i in
         range(20)],
    )  # fmt: skip
    turns = tables.build(
        "turns",
        [{"conversation_id": f"c{i}", "turn": 0, "role": "customer", "text": "?"} for i in
         range(20)],
    )  # fmt: skip
    first = by_depth(found["verdicts"], found["labels"], points, turns)
    shared = ("estimate", "low", "high", "n", "n_conversations", "method")
    for name in ("human", "guarded", "flat"):
        one = first.filter(candidate=name, axis="depth", metric="risky_promise_rate")
        other = row(table, name, "knowledge", "rules", "risky_promise_rate")
        assert one.select(shared).row(0, named=True) == {c: other[c] for c in shared}


def test_a_kind_or_judge_that_is_not_known_is_left_out() -> None:
    found = material()
    blind = found["contexts"].with_columns(pl.lit(None, pl.String).alias("question_kind"))
    other = found["contexts"].with_columns(pl.lit("a model").alias("judge"))
    for contexts in (blind, other, tables.empty("contexts")):
        none = by_question_kind(found["verdicts"], found["labels"], contexts)
        assert none.is_empty()
        assert none.schema == tables.empty("spectrum").schema


def test_the_chart_says_who_changes_and_who_does_not(table: pl.DataFrame) -> None:
    scenario = finished()
    kinds = {name: {"kind": "always_escalate"} for name in DOES if name != "human"}
    candidates = {"human": {"kind": "human"}} | kinds
    base = finished(candidates=candidates, proposal=None, gates=[])
    known = replace(base, tables={"spectrum": table})
    chart = drawn(known)
    assert chart is not None
    for said in (
        "human and guarded answer strategy questions less often, most of all guarded (90 % to 5 %)",
        "flat answers about as often at both ends (95 % and 95 %)",
        "bold answers more often (10 % to 100 %)",
        "silent answers neither",
        "guarded hands over most at the strategy end (80 %)",
    ):
        assert said in chart.reading
    assert chart.reading.endswith(".")
    for name in DOES:
        assert f">{name}<" in chart.svg
    assert chart.data.height == table.height
    again = drawn(known)
    assert again is not None
    assert again.svg == chart.svg
    assert drawn(scenario) is None
    assert spectrum.section(scenario) is None
    with speaking("zh-Hant"):
        chinese = drawn(known)
    assert chinese is not None
    assert "知識型問題" in chinese.svg
    assert "「bold」反而更常回答（10 % 升至 100 %）" in chinese.reading


def test_nine_candidates_fit_and_one_without_a_kind_is_said_to_have_none() -> None:
    found = material()
    names = [f"candidate_{i}" for i in range(9)]
    rules = found["verdicts"].filter(candidate="flat")
    nine = pl.concat(rules.with_columns(pl.lit(name).alias("candidate")) for name in names)
    nine = nine.filter((pl.col("candidate") != "candidate_3") | (pl.col("turn") == 0))
    table = by_question_kind(nine, tables.empty("labels"), found["contexts"])
    base = finished(
        candidates={name: {"kind": "faq_rag"} for name in names}, proposal=None, gates=[]
    )
    chart = drawn(replace(base, tables={"spectrum": table}))
    assert chart is not None
    assert all(f">{name}<" in chart.svg for name in names)
    assert chart.svg.count(">none<") == 2
    assert "candidate_3" not in chart.reading


@pytest.mark.parametrize("tag", ["en", "zh-Hant"])
def test_every_number_of_the_section_is_the_number_of_its_table(run: Run, tag: str) -> None:
    with speaking(tag):
        html = page(run, [])
    pattern = r'<data value="([^"]*)" data-from="(spectrum/[^"]*)">([^<]*)</data>'
    shown = re.findall(pattern, html)
    assert len(shown) > 60
    for value, source, text in shown:
        _, *key, column = map(unquote, source.split("/"))
        stored = row(run.table("spectrum"), *key)[column]
        assert float(value) == stored
        written = f"{stored:,}" if column == "n" else wording.percent(stored)
        assert text.replace("&lt;", "<").replace("&gt;", ">") == written
    estimates = {source for _, source, _ in shown if source.endswith("/estimate")}
    assert len(estimates) == run.table("spectrum").height
    assert 'href="#spectrum"' in html


def test_without_the_table_there_is_no_section() -> None:
    html = page(finished(), [])
    assert 'id="spectrum"' not in html
    assert 'href="#spectrum"' not in html
