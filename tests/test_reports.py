"""Exact tests of the reports: every number is one of a table, and nothing in a log is markup."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import math
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import schema, tables
from simulator.errors import RunError
from simulator.reports import (
    Run,
    answer,
    how_far,
    plots,
    readings,
    sections,
    spreadsheets,
    staffed,
    summary_rows,
    summary_text,
    support,
    validity,
    wording,
    write,
)
from simulator.scenario import GATE_METRICS
from tests.report_run import (
    AUTO,
    HOSTILE,
    STAFFED,
    backtest,
    cells,
    finished,
    of_a_week,
    overridden,
)


class Page(HTMLParser):
    """The text of a page, its ``<data>`` numbers with what they show, its tags and headings."""

    VOID = ("meta", "link", "br", "img", "input", "hr", "wbr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.numbers: list[tuple[str, str, str]] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.headings: list[int] = []
        self.marked: list[str] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in found.items()]
        if "id" in found:
            self.ids.append(found["id"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.VOID:
            self._open.append((tag, found))

    def handle_endtag(self, tag: str) -> None:
        assert self._open
        assert self._open.pop()[0] == tag

    def handle_data(self, text: str) -> None:
        tag, found = self._open[-1] if self._open else ("", {})
        if tag == "data":
            self.numbers.append((found["data-from"], found["value"], text))
        if tag == "mark":
            self.marked.append(text)
        if tag not in ("style", "script"):
            self.text += text


@pytest.fixture(scope="module")
def run() -> Run:
    return finished()


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reports")
    write(run, path)
    return path


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def lookup(run: Run, source: str) -> Any:
    """The cell of a table that ``source`` points to, found without the reports' own index."""
    if source.startswith("backtest/"):
        table, metric, column = map(unquote, source.split("/"))
        return run.tables[table].filter(metric=metric)[column].item()
    if source.startswith("thresholds/"):
        table, stage, candidate, segment, column = map(unquote, source.split("/"))
        cell = {"stage": stage, "candidate": candidate, "segment": segment}
        return run.tables[table].filter(**cell)[column].item()
    table, stage, candidate, segment, bound, metric, column = map(unquote, source.split("/"))
    rows = run.tables[table].filter(
        (pl.col("stage") == stage)
        & (pl.col("candidate") == candidate)
        & (pl.col("segment") == segment)
        & (pl.col("metric") == metric)
        & pl.col("bound").eq_missing(None if bound == "None" else bound)
    )
    assert rows.height == 1, source
    return rows[column][0]


def test_every_number_of_the_page_is_the_number_of_its_table(run: Run, page: Page) -> None:
    assert len(page.numbers) > 600
    for source, value, text in page.numbers:
        stored = lookup(run, source)
        assert stored is not None
        assert float(value) == stored
        metric, column = map(unquote, source.split("/")[-2:])
        if source.startswith("backtest/") and column == "limit":
            assert text == wording.number(metric, stored).removeprefix("+")
        elif column in ("labels_needed", "n"):
            assert text == f"{stored:,}"
        elif column == "confidence":
            assert text == wording.percent(stored)
        else:
            assert text == wording.number(metric, stored)


# Shown elsewhere (paid hours saved are those of staffing_hours), or nowhere as nothing occurred.
IN_WORDS = ("emotion_change", "calmed", "upset_further")
NOT_SHOWN = ("human_hours_per_day", "escalation_rate", "paid_saving_hours", "turned_away_per_day")


def test_every_number_of_the_tables_is_on_the_page(run: Run, page: Page) -> None:
    shown = {tuple(map(unquote, source.split("/"))) for source, _, _ in page.numbers}
    texts = {key[:6]: 0 for key in shown}
    # An estimate that reads the same in all three bounds is shown once.
    missing = []
    for name in ("kpis", "costs", "staffing_hours", "support_metrics"):
        frame = run.tables[name].filter(
            (pl.col("segment") == "all")
            & pl.col("estimate").is_not_null()
            & ~pl.col("metric").is_in(NOT_SHOWN + IN_WORDS)
            # Nothing of it diverges: how much of that must end well does not apply.
            & ~(
                (pl.col("metric") == "breakdown_contained_share")
                & (pl.col("candidate") == "always_escalate")
            )
        )
        for row in frame.iter_rows(named=True):
            key = (name, row["stage"], row["candidate"], "all", str(row["bound"]), row["metric"])
            central = (*key[:4], "central", key[5])
            if key not in texts and not (
                central in texts
                and wording.number(row["metric"], row["estimate"])
                == wording.number(row["metric"], lookup(run, "/".join((*central, "estimate"))))
            ):
                missing.append(key)
    assert missing == []


def test_the_page_asks_for_nothing_and_runs_only_its_own_script(folder: Path, page: Page) -> None:
    assert not page.tags.keys() & {"img", "iframe", "object", "embed", "form", "base"}
    assert page.tags["script"] == 1
    assert ("script", "src") not in {(tag, name) for tag, name, _ in page.attributes}
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("href", "src", "xlink:href", "action", "srcset"):
            assert value.startswith(("#", "data:")), (tag, name, value[:80])
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\((?!#|&quot;#)", text)
    assert ("meta", "content") in {(tag, name) for tag, name, _ in page.attributes}
    assert "default-src 'none'" in text
    # The policy names the one script by the hash of what stands between its tags, and nothing else.
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert re.findall(r"script-src ([^;]*);", text) == [f"'sha256-{digest}'"]


def test_hostile_text_is_text(page: Page) -> None:
    for reply in (HOSTILE[0], HOSTILE[1], HOSTILE[3]):
        assert reply in page.text
    assert (
        "Your refund is U+202EgnihtonU+202C and U+2067hiddenU+2069 until U+001B[31mMondayU+0000"
        in (page.text)
    )
    assert not set(page.text) & set("\u202e\u202c\u2067\u2069\x1b\x00")
    assert len(HOSTILE[3]) > 10_000 - 10


def test_evidence_is_marked(page: Page) -> None:
    assert "我們保證三天內退款" in page.marked
    assert "We guarantee" in page.marked


def test_headings_are_in_order_and_ids_stand_once(page: Page) -> None:
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(
        after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False)
    )
    assert [name for name, n in Counter(page.ids).items() if n > 1] == []
    for _, name, value in page.attributes:
        if name in ("href", "xlink:href") and value.startswith("#"):
            assert value[1:] in page.ids
    assert page.tags["caption"] == page.tags["table"]
    scopes = [value for tag, name, value in page.attributes if (tag, name) == ("th", "scope")]
    assert len(scopes) == page.tags["th"]


def test_unknown_is_said_and_never_zero(run: Run, page: Page) -> None:
    assert "– unknown" in page.text
    blind = replace(
        run,
        tables={
            **run.tables,
            "kpis": run.tables["kpis"].with_columns(
                pl.lit(None, dtype=pl.Float64).alias(c) for c in ("estimate", "low", "high")
            ),
        },
    )
    rows = [line for line in summary_text(blind).splitlines() if line.startswith("| wider_auto")]
    assert rows[0].count("– unknown") == 4
    assert wording.number("asa_s", None) == wording.UNKNOWN


def test_every_chart_has_its_data(run: Run, folder: Path, page: Page) -> None:
    drawings = sorted(path.stem for path in (folder / "charts").glob("*.svg"))
    assert drawings == sorted(path.stem for path in (folder / "charts").glob("*.csv"))
    assert {"load-guarded", "waits", "saving", "cost", "risk", "settlement"} <= set(drawings)
    links = {
        value for tag, name, value in page.attributes if tag == "a" and value.startswith("data:")
    }
    files = {base64.b64decode(link.split("base64,")[1]).decode() for link in links}
    for name in drawings:
        assert (folder / "charts" / f"{name}.csv").read_text(encoding="utf-8") in files
    saving = pl.read_csv(folder / "charts" / "saving.csv")
    stored = run.tables["costs"].filter(
        (pl.col("metric") == "saving_money") & (pl.col("segment") == "all")
    )
    keys = ["stage", "candidate", "bound"]
    both = saving.join(stored, on=keys, how="full", suffix="_stored")
    assert both.height == stored.height
    assert (both["estimate"] == both["estimate_stored"]).all()


def test_charts_have_real_text_and_are_the_same_twice(run: Run, folder: Path) -> None:
    again = {chart.name: chart for chart in plots.charts(run)}
    for name, chart in again.items():
        assert (folder / "charts" / f"{name}.svg").read_text(encoding="utf-8") == chart.svg
        assert "<text" in chart.svg
        assert chart.reading.endswith(".")
    assert "Wider auto · guarded" in again["saving"].svg


def test_readings_follow_the_numbers(run: Run) -> None:
    def best_wait(stage: str, candidate: str, wait: float) -> Run:
        here = (
            (pl.col("stage") == stage)
            & (pl.col("candidate") == candidate)
            & (pl.col("metric") == "asa_s")
        )
        kpis = run.tables["kpis"].with_columns(
            pl.when(here).then(wait).otherwise("estimate").alias("estimate")
        )
        return replace(run, tables={**run.tables, "kpis": kpis})

    assert "13 s, faq_rag at Wider auto" in readings.waits(run)
    assert "2.0 s, always_escalate at Assist" in readings.waits(
        best_wait("assist", "always_escalate", 2.04)
    )
    assert "229 more labels" in readings.risk(run)
    best = answer.leader(run)
    assert "80 of 400 replayed conversations (20 %)" in readings.settlement(run, best)
    kept = run.tables["settlements"].filter(pl.col("status") != "diverged")
    none = replace(run, tables={**run.tables, "settlements": kept})
    assert "0 of 320 replayed conversations (0 %)" in readings.settlement(none, best)


def test_the_answer_names_the_candidate_worth_most_where_it_may_go(run: Run) -> None:
    best = answer.leader(run)
    assert best is not None
    assert (best.candidate, best.stage, best.next_stage) == (
        "guarded",
        "low_risk_auto",
        "wider_auto",
    )
    assert answer.segments_apart(run, "guarded") == [("wider_auto", ["delivery", "invoice"])]
    # Handing everything over reaches the top of the ladder, and is still no answer.
    timid = run.tables["recommendation"].with_columns(
        pl.when(pl.col("candidate") == "always_escalate")
        .then(pl.lit("wider_auto"))
        .otherwise("stage")
        .alias("stage")
    )
    again = answer.leader(replace(run, tables={**run.tables, "recommendation": timid}))
    assert again is not None
    assert again.candidate == "guarded"
    stay = run.tables["recommendation"].with_columns(pl.lit("human_only").alias("stage"))
    assert "stay with people alone" in answer.headline(
        replace(run, tables={**run.tables, "recommendation": stay})
    )


def test_gate_of_a_cell_is_its_worst(run: Run) -> None:
    assert answer.cell_gate(run, "wider_auto", "faq_rag") == ("fail", ["risky_promise_rate"])
    assert answer.cell_gate(run, "wider_auto", "guarded") == (
        "insufficient",
        ["risky_promise_rate"],
    )
    assert answer.cell_gate(run, "low_risk_auto", "guarded") == ("pass", [])
    assert answer.cell_gate(run, "human_only", "human") == (None, [])


def test_summary_fits_100_columns_and_is_markdown(run: Run) -> None:
    text = summary_text(run)
    assert max(map(wording.width, text.splitlines())) <= 100
    assert text.startswith("# quickstart 客服試行\n\n**Synthetic sample.**")
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if line.startswith("| ---"):
            assert line.count("|") == lines[i - 1].count("|") == lines[i + 1].count("|")
            assert wording.width(line) == wording.width(lines[i - 1])
    for stage, candidate in cells():
        rows = [line for line in lines if re.match(rf"\| {stage} +\| {candidate} +\|", line)]
        staffed = ((stage, candidate) in STAFFED) + ((stage, candidate) in STAFFED[1:])
        assert len(rows) == 3 + (stage in AUTO and candidate != "always_escalate") + staffed
    assert text.index("How far may") < text.index("Load and waits")


def test_summary_numbers_are_those_of_the_tables(run: Run) -> None:
    rows = {(row.stage, row.candidate): row for row in summary_rows(run)}
    assert list(rows) == cells()
    row = rows["wider_auto", "guarded"]
    where = "costs/wider_auto/guarded/all/{}/saving_money/estimate"
    for bound in schema.BOUNDS:
        stored = lookup(run, where.format(bound))
        assert getattr(row.saving_money, bound) == stored
        assert wording.number("saving_money", stored) in summary_text(run)
    assert (row.risky_promise_rate, row.risky_promise_bound) == (0.005, 0.0156)
    assert (row.gate, row.binding) == ("insufficient", ("risky_promise_rate",))
    human = rows["human_only", "human"]
    assert human.asa_s.single
    assert human.asa_s.worst == lookup(run, "kpis/human_only/human/all/central/asa_s/estimate")


def test_summary_of_real_data_does_not_call_it_synthetic(run: Run) -> None:
    real = replace(run, manifest={**run.manifest, "synthetic": False})
    assert "ynthetic" not in summary_text(real)


def test_long_names_and_large_sums_still_fit(run: Run) -> None:
    long = "a candidate with a name of sixty-four letters, or near enough 64"[:63].replace(",", "")
    grown = {
        name: frame.with_columns(
            pl.col("candidate").replace("guarded", long),
            pl.when(pl.col("metric").str.contains("_money|_per_day|_s$"))
            .then(pl.col("estimate") * 12_345.6)
            .otherwise("estimate")
            .alias("estimate"),
        )
        if name in ("kpis", "costs")
        else frame
        for name, frame in run.tables.items()
    }
    text = summary_text(replace(run, tables=grown))
    assert max(map(wording.width, text.splitlines())) <= 100


def test_intervals_csv(run: Run, folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / "intervals.csv").read_text(encoding="utf-8"))))
    assert list(rows[0]) == [
        *("day", "interval_start", "interval_min", "stage", "candidate", "bound", "team"),
        *("offered", "answered", "abandoned", "turned_away", "aht_s", "asa_s", "wait_p50_s"),
        *("wait_p90_s", "wait_p99_s", "service_level", "occupancy", "backlog"),
        *("required_agents", "scheduled_agents"),
    ]
    stored = run.tables["intervals"]
    keys = ["stage", "candidate", "bound", "team", "interval_start_s"]
    assert len(rows) == stored.select(keys).unique().height
    first = rows[0]
    assert (first["day"], first["interval_start"], first["interval_min"]) == ("1", "07:00", "30")
    assert (first["stage"], first["service_level"], first["turned_away"]) == ("human_only", "", "")
    assert first["scheduled_agents"] == "24.0"
    offered = {
        (r["stage"], r["candidate"], r["bound"], r["team"], r["interval_start"]): float(
            r["offered"]
        )
        for r in rows
    }
    for row in stored.filter(pl.col("metric") == "offered").iter_rows(named=True):
        team = "'=1+1" if row["team"] == "=1+1" else row["team"]
        at = wording.clock(row["interval_start_s"])
        assert offered[row["stage"], row["candidate"], row["bound"], team, at] == row["estimate"]


def test_intervals_csv_of_a_week(run: Run) -> None:
    stored = run.tables["intervals"].with_columns(pl.col("interval_start_s") + 2 * 86_400)
    rows = spreadsheets.intervals(replace(run, tables=run.tables | {"intervals": stored}))
    assert rows.select("day", "interval_start").row(0) == (3, "07:00")
    none = spreadsheets.intervals(replace(run, tables=run.tables | {"intervals": stored.clear()}))
    assert none.schema == rows.schema


def test_recommendation_csv(run: Run, folder: Path) -> None:
    stored = run.tables["recommendation"]
    read = pl.read_csv(folder / "recommendation.csv", schema_overrides=dict(stored.schema))
    assert read.equals(stored)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_cells_that_would_run_are_neutralised(text: str) -> None:
    out = spreadsheets.csv(
        pl.DataFrame({"text": [text, "plain", None], "number": [-1.5, 2.0, None]})
    )
    rows = list(csv.reader(io.StringIO(out, newline="")))
    assert rows == [["text", "number"], ["'" + text, "-1.5"], ["plain", "2.0"], ["", ""]]


def test_files_are_whole_and_nothing_temporary_stays(folder: Path, run: Run) -> None:
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert not [p for p in before if p.name.endswith(".tmp")]
    write(run, folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_folder_that_cannot_be_written_is_one_clear_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(RunError, match=r"taken.*cannot write the report.*--out"):
        write(run, tmp_path / "taken")


def test_a_run_without_gates_or_desk_still_reports(run: Run, tmp_path: Path) -> None:
    bare = replace(run, tables={"settlements": run.tables["settlements"]}, manifest={})
    write(bare, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No recommendation" in text
    assert "No reply of this run was flagged" in text


def with_cells(run: Run, table: str, where: pl.Expr, **values: Any) -> Run:
    """``run`` with the columns ``values`` set in the rows ``where`` of a table."""
    frame = run.tables[table]
    changed = frame.with_columns(
        pl.when(where).then(pl.lit(value, dtype=frame.schema[name])).otherwise(name).alias(name)
        for name, value in values.items()
    )
    return replace(run, tables={**run.tables, table: changed})


def test_what_must_end_well_is_said_as_the_table_has_it(run: Run, page: Page) -> None:
    assert (
        "Low-risk auto with guarded pays and keeps its limit on service level if at least "
        "41\u00a0% of the 80 replayed conversations that replay cannot follow end well" in page.text
    )
    flat = " ".join(summary_text(run).split())
    assert "if at least 41 % of the 80 replayed" in flat
    assert "The central case assumes that 50 % end well" in flat
    assert re.search(r"\| wider_auto +\| guarded +\| +50 \(46\) % +\| +62 % \|", summary_text(run))
    assert re.search(r"\| wider_auto +\| faq_rag .*not even all: Saving \|", summary_text(run))
    assert "not even allmisses Saving, Service level" in page.text
    here = (pl.col("metric") == "breakdown_contained_share") & (pl.col("stage") == "low_risk_auto")
    said = {}
    for needed in (0.0, 0.7, None):
        changed = with_cells(
            run, "costs", here, estimate=needed, method="not even if all are: complaint_rate"
        )
        said[needed] = readings.breakdown(changed, answer.leader(changed)) or ""
    assert "service level even if all of the 80 replayed conversations" in said[0.0]
    assert "at least 70 % of the 80" in said[0.7]
    assert said[None].endswith("end well (missed: Complaints).")
    best = answer.leader(run)
    assert best is not None
    assert readings.breakdown(run, replace(best, candidate="always_escalate")) is None


def test_what_only_a_bot_can_have_does_not_apply_without_one(run: Run) -> None:
    for metric in ("break_even_risky_promise_rate", "breakdown_contained_share"):
        assert run.bounds("costs", "assist", "guarded", metric).figures is None
        assert run.bounds("costs", "wider_auto", "guarded", metric).figures
    # A stage may have a bot, and the bot nothing to do.
    share, contained = (pl.col("metric") == name for name in ("auto_share", "contained_rate"))
    idle = with_cells(run, "kpis", share & (pl.col("stage") == "wider_auto"), estimate=0.0)
    assert idle.bounds("kpis", "wider_auto", "guarded", "contained_rate").figures is None
    assert idle.bounds("kpis", "low_risk_auto", "guarded", "contained_rate").figures
    blind = with_cells(run, "kpis", contained, estimate=None)
    assert blind.bounds("kpis", "low_risk_auto", "guarded", "contained_rate").figures


def test_break_even_promises_are_a_number_for_every_hundred(run: Run) -> None:
    metric = "break_even_risky_promise_rate"
    shown = {1.301: "130.1", 0.712: "71.2", 0.0: "0", 0.00001: "< 0.01"}
    assert {value: wording.number(metric, value) for value in shown} == shown
    said = {}
    for even in (1.301, 0.712, 0.0):
        changed = with_cells(run, "costs", pl.col("metric") == metric, estimate=even)
        said[even] = readings.money_spread(changed, answer.leader(run)) or ""
    assert "one risky promise in every automated conversation would not undo" in said[1.301]
    assert "gone at 71.2 risky promises for every 100 automated" in said[0.712]
    assert "risky promise" not in said[0.0]


def test_stage_names_in_sentences_are_those_of_the_tables(run: Run, page: Page) -> None:
    assert "To reach Wider auto: label 229 more for the assist-only rate." in page.text
    assert "To reach Wider auto: label" in " ".join(summary_text(run).split())
    stages = ["assist", "low_risk_auto", "low_risk_auto_2"]
    text = "low_risk_auto_2, low_risk_auto: assisted, assist"
    assert wording.readable(text, stages) == "Low risk auto 2, Low-risk auto: assisted, Assist"


def test_a_loss_is_called_a_cost(run: Run) -> None:
    loss = with_cells(run, "costs", pl.col("metric") == "saving_money", estimate=-12.0)
    said = readings.money_spread(loss, answer.leader(run)) or ""
    assert said.startswith("Against people alone it costs USD 12 more a day")


def test_outages_are_drawn_and_read(run: Run) -> None:
    outage = {"outages": [{"starts": "10:00:00", "ends": "11:00:00"}]}
    down = {c.name: c for c in plots.charts(finished(simulation=outage))}["load-guarded"]
    usual = {c.name: c for c in plots.charts(run)}["load-guarded"]
    assert "Bot down" in down.svg
    assert "Bot down" not in usual.svg
    assert "In the outage, 10:00 to 11:00, up to" in down.reading
    rows = run.tables["intervals"].filter(
        (pl.col("metric") == "offered")
        & (pl.col("team") == "all")
        & (pl.col("bound") == "central")
        & pl.col("interval_start_s").is_in([36_000, 37_800])
    )
    for stage, candidate in (("wider_auto", "guarded"), ("human_only", "human")):
        most = rows.filter(stage=stage, candidate=candidate)["estimate"].max()
        assert f"{most:,.1f}".removesuffix(".0") in down.reading.split("In the outage")[1]


def test_bands_are_drawn_where_one_case_runs_longer(run: Run) -> None:
    late = (pl.col("bound") == "worst") & (pl.col("interval_start_s") == 45 * 1800)
    short = {**run.tables, "intervals": run.tables["intervals"].filter(~late)}
    for one in (run, replace(run, tables=short)):
        chart = next(c for c in plots.charts(one) if c.name == "load-guarded")
        # One for the agents, one for each of the two automatic stages.
        assert len(re.findall(r'id="load-guarded-FillBetween', chart.svg)) == 3


def test_without_a_policy_promises_are_said_to_be_left_out(run: Run, tmp_path: Path) -> None:
    blind = with_cells(run, "costs", pl.col("metric") == "promise_money", estimate=None)
    write(blind, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Risky promises are left out." in text
    assert "Risky promises are left out" in summary_text(blind)
    assert ">Risky promises<" not in (tmp_path / "charts/cost.svg").read_text(encoding="utf-8")
    assert "left out" not in summary_text(run)


def test_people_alone_need_no_empty_tables(run: Run, tmp_path: Path) -> None:
    own = {
        name: frame.filter(pl.col("candidate") == "human")
        for name, frame in run.tables.items()
        if "candidate" in frame.columns
    }
    alone = replace(run, tables={**run.tables, **own})
    write(alone, tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "no candidate other than people" in page.text
    assert "No stage of this run answers customers automatically" in page.text
    assert "No gate was put to this run" in page.text
    assert "No gate was put to this run" in summary_text(alone)
    drawn = {path.stem for path in (tmp_path / "charts").glob("*.svg")}
    assert drawn == {"load-human", "waits", "cost", "staffing", "backtest"}


def without(run: Run, *prefixes: str) -> Run:
    """``run`` without the tables whose names begin so."""
    kept = {name: frame for name, frame in run.tables.items() if not name.startswith(prefixes)}
    return replace(run, tables=kept)


def html_of(run: Run, folder: Path) -> Page:
    write(run, folder)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_every_report_carries_the_verdict(run: Run, page: Page, tmp_path: Path) -> None:
    said = "The queue model passes its back-test on 7 days that it had not seen, <b>1%</b>."
    assert said in page.text
    flat = " ".join(summary_text(run).split())
    assert (
        f"## Validity {wording.markdown(said)} Two engines give the same contacts; checked on"
        in (flat)
    )
    assert "Two engines give the same contacts; checked on 2,333 contacts." in page.text
    untested = without(run, "backtest", "checks")
    missing = "The queue model has not been tested against the operation's own history."
    assert missing in " ".join(summary_text(untested).split())
    assert missing in html_of(untested, tmp_path).text
    assert not (tmp_path / "charts" / "backtest.svg").exists()
    assert "Warning" not in summary_text(run) + summary_text(untested) + page.text


def test_a_failed_back_test_stands_under_the_answer(run: Run, tmp_path: Path) -> None:
    failed = replace(run, tables=run.tables | {"backtest": backtest("fail", 0.41)})
    text, page = summary_text(failed), html_of(failed, tmp_path)
    assert text.index("**The rollout may go") < text.index("**Warning.**")
    assert text.index("**Warning.**") < text.index("Against people alone it saves")
    assert page.text.index("Warning. The queue model fails") < page.text.index("Next step.")
    assert ("backtest/level_bias/estimate", "0.41", "+41 %") in page.numbers
    assert max(map(wording.width, text.splitlines())) <= 100


def test_criteria_of_the_back_test_are_those_of_its_table(run: Run) -> None:
    found = {one.metric: one for one in validity.criteria(run)}
    assert list(found) == ["correlation", "level_bias", "coverage_wait", "correlation_usual_days"]
    assert found["correlation"].estimate.text == "0.947"
    assert found["level_bias"].limit_word == "within ±"
    assert found["correlation_usual_days"].limit is None
    assert all(metric in wording.METRICS for metric in found)


def test_reading_of_the_back_test_counts_held_out_days(run: Run) -> None:
    # Of seven held-out days one is outside, and one has no known wait.
    assert validity.reading(run) == (
        "On 5 of 6 held-out days the observed mean wait lies inside its 90 % interval; furthest "
        "off is 2026-03-14, when 29 s were observed and 20 s predicted."
    )
    # A day that the model was fitted to says nothing, however far off.
    fitted_day = (pl.col("half") == "calibration") & (pl.col("day").dt.day() == 3)
    off = with_cells(run, "backtest_days", fitted_day, observed=500.0)
    assert validity.reading(off) == validity.reading(run)
    first = run.tables["backtest_days"].filter(pl.col("half") == "calibration")
    fitted = replace(run, tables=run.tables | {"backtest_days": first})
    assert validity.reading(fitted) == "No held-out day can be compared with its prediction."


def test_paid_saving_stands_beside_the_saving_by_work(run: Run, page: Page) -> None:
    text = summary_text(run)
    saved = {
        bound: lookup(run, f"costs/low_risk_auto/guarded/all/{bound}/paid_saving_money/estimate")
        for bound in schema.BOUNDS
    }
    three = " / ".join(wording.number("paid_saving_money", saved[b]) for b in schema.BOUNDS)
    assert re.search(rf"\| low_risk_auto +\| guarded +\| .* \| +{three} \|", text)
    hours = [528.3 * (1 - kept) for kept in (0.27, 0.22, 0.16)]
    paid = " / ".join(f"{value:.0f}" for value in hours)
    between = f"{(528.3 * 0.22) * 0.96:.0f} to {(528.3 * 0.22) * 1.05:.0f}"
    assert re.search(rf"\| low_risk_auto +\| guarded +\| +{paid} \| .* \| +{between} \|", text)
    middle = wording.number("paid_saving_money", saved["central"])
    assert (
        f"re-staffed in whole shifts it saves USD {middle} a day in the central case" in page.text
    )
    assert "shadowdesk staff" not in page.text + text


def test_without_staffing_one_sentence_says_how_to_get_it(run: Run, tmp_path: Path) -> None:
    costs = run.tables["costs"].filter(~pl.col("metric").str.starts_with("paid_"))
    bare = replace(
        without(run, "staffing"), tables=without(run, "staffing").tables | {"costs": costs}
    )
    page, text = html_of(bare, tmp_path), summary_text(bare)
    said = "shadowdesk staff RUN"
    assert text.count(said) == page.text.count(said) == 1
    assert "aid saving" not in page.text.replace("the fewest agents and the paid saving.", "")
    assert not (tmp_path / "charts" / "staffing.svg").exists()


def test_agents_are_drawn_for_the_proposal(run: Run) -> None:
    # The scenario proposes guarded at the wider stage, which keeps .36 of all contacts.
    chart = next(c for c in plots.charts(run) if c.name == "staffing")
    assert "Wider auto, required" in chart.svg
    assert chart.title == "Agents by half-hour and team: people alone and Wider auto, guarded"
    most, then = 40 + 9, math.ceil(40 * 0.64) + math.ceil(9 * 0.64)
    assert chart.reading.startswith(f"People alone need most at 09:30: {most} agents in all teams")
    assert (
        f"with guarded at Wider auto it is {then} (central case); 46 are logged in" in chart.reading
    )
    stored = run.tables["staffing"].filter(bound="central", stage="wider_auto")
    drawn = chart.data.filter(pl.col("what").str.contains("Wider auto"))
    assert (
        drawn["agents"].to_list() == stored.sort("team", "interval_start_s")["required"].to_list()
    )
    other = finished(proposal={"candidate": "guarded", "stage": "low_risk_auto"})
    assert staffed.drawn_cell(other) == ("low_risk_auto", "guarded")


def test_ranges_of_single_days_stand_beside_the_estimate(run: Run, page: Page) -> None:
    shown = {source for source, _, _ in page.numbers}
    for metric in ("asa_s", "service_level"):
        for column in ("predicted_low", "predicted_high"):
            assert f"kpis/wider_auto/guarded/all/central/{metric}/{column}" in shown
    low, high = (96 * share for share in (0.75, 1.22))
    said = f"with people alone, mean wait {low:.0f} s to {high:.0f} s, service level"
    assert said in " ".join(summary_text(run).split())
    assert "hold 90 % of days" in readings.single_days(run)
    blind = with_cells(run, "kpis", pl.lit(value=True), predicted_low=None)
    assert readings.single_days(blind) is None
    assert "hold 90 %" not in summary_text(blind)


def test_what_never_occurs_has_no_column(run: Run, page: Page, tmp_path: Path) -> None:
    assert "Turned away" not in page.text
    away = with_cells(run, "kpis", pl.col("metric") == "turned_away_per_day", estimate=12.0)
    assert "Turned away" in html_of(away, tmp_path).text
    # Where no deadline was met, there were deadlines.
    missed = run.tables["kpis"].with_columns(
        pl.col("metric").replace("turned_away_per_day", "deadline_met_rate")
    )
    text = html_of(replace(run, tables=run.tables | {"kpis": missed}), tmp_path).text
    assert "Deadline met" in text
    assert "Turned away" not in text


def test_a_simulated_week_is_not_called_a_day(run: Run, tmp_path: Path) -> None:
    week = of_a_week(run)
    page, text = html_of(week, tmp_path), summary_text(week)
    assert "in the simulated week" in page.text
    assert "simulated day," not in page.text
    assert "A mean day of the simulated week at the human desk" in " ".join(text.split())
    assert "hold 90 % of weeks" in text
    assert "90 % of days" not in text + page.text.split("Validity of the queue model")[0]
    assert "cannot be staffed anew" in text
    assert "demand.day=weekday" in page.text
    chart = next(c for c in plots.charts(week) if c.name == "load-guarded")
    names = re.findall(r">(Mon|Tue|Wed|Thu|Fri|Sat|Sun)</text>", chart.svg)
    assert names == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert "In the busiest half-hour of people alone, Tue 10:30, " in chart.reading
    assert chart.data["at"][0] == "Mon 07:00"
    assert "Mon" not in next(c for c in plots.charts(run) if c.name == "load-guarded").svg


def test_outages_of_a_week_come_back_each_day(run: Run) -> None:
    outage = {"outages": [{"starts": "10:00:00", "ends": "11:00:00"}]}
    week = of_a_week(finished(simulation=outage))
    assert readings.outages(week)[6] == (6 * 86_400 + 36_000, 6 * 86_400 + 39_600)
    reading = next(c for c in plots.charts(week) if c.name == "load-guarded").reading
    assert reading.count("In the outage, 10:00 to 11:00 each day, up to") == 1


def test_moments_of_a_week_carry_the_weekday() -> None:
    assert wording.moment(88_200, 1) == "24:30"
    assert wording.moment(88_200, 7) == "Tue 00:30"
    assert wording.moment(7 * 86_400 + 1800, 7) == "next Mon 00:30"


def test_small_numbers_are_never_a_false_zero() -> None:
    shown = {0.0: "0 s", 0.03: "< 0.1 s", 0.3: "0.3 s", 9.0: "9 s", 12.4: "12 s", -0.01: "> −0.1 s"}
    assert {value: wording.number("asa_s", value) for value in shown} == shown
    assert wording.short("asa_s", 0.03) == "< 0.1"
    assert wording.number("saving_hours", -3.25) == "−3.2 h"


def test_percent() -> None:
    shown = {0.0: "0 %", 1.0: "100 %", 0.0096: "0.96 %", 0.00001: "< 0.01 %", 0.9999: "> 99.9 %",
             0.29: "29 %", 0.0999: "9.99 %", 0.12345: "12.3 %", -0.05: "−5 %"}  # fmt: skip
    assert {share: wording.percent(share) for share in shown} == shown


@given(st.floats(0, 1))
def test_property_a_share_never_rounds_to_certainty(share: float) -> None:
    text = wording.percent(share)
    assert (text == "0 %") == (share == 0) or round(share * 100, 9) == 0
    assert (text == "100 %") == (share == 1) or round(share * 100, 9) == 100


@given(st.text(), st.integers(4, 60))
def test_property_wrapped_lines_fit_and_lose_nothing(text: str, columns: int) -> None:
    lines = wording.wrap(text, columns)
    assert all(wording.width(line) <= columns for line in lines)
    kept = re.sub(r"[ \n\t]+", "", text)
    assert re.sub(r"[ \n\t]+", "", "".join(lines)) == kept


@given(st.text())
def test_property_visible_text_hides_nothing(text: str) -> None:
    from simulator.reports.html import visible_markup

    assert not wording.UNSEEN.search(wording.visible(text))
    assert "<" not in re.sub(r'</?span( class="unseen")?>', "", str(visible_markup(text)))


def test_an_override_is_never_called_a_pass(run: Run, tmp_path: Path) -> None:
    let = overridden(run)
    assert answer.cell_gate(let, "wider_auto", "guarded") == ("overridden", ["risky_promise_rate"])
    assert answer.headline(let).endswith("Wider auto, with guarded, but only by override.")
    said = answer.proposal(let) or ""
    assert said == (
        "The scenario proposes guarded at Wider auto for all conversations: it may go there only "
        "by override: Risky promises at Wider auto lacks evidence, overridden by Ann <i>Chen</i> "
        "until 2026-12-31 (The trial in the north went well)."
    )
    text, page = summary_text(let), html_of(let, tmp_path)
    assert re.search(r"\| wider_auto +\| guarded .* overridden: risky_promise_rate +\|", text)
    flat = " ".join(text.split())
    assert (
        r"Only by override: Risky promises at Wider auto lacks evidence, overridden by Ann" in flat
    )
    assert max(map(wording.width, text.splitlines())) <= 100
    assert "? insufficientoverridden by Ann <i>Chen</i> until 2026-12-31" in page.text
    assert "! overriddenRisky promises" in page.text
    assert "i" not in page.tags
    # Another gate that does not pass goes before it.
    both = with_cells(let, "gates", pl.col("metric") == "saving_money", status="fail")
    assert answer.cell_gate(both, "wider_auto", "guarded") == ("fail", ["saving_money"])
    assert "fail (Saving)" in (answer.proposal(both) or "")
    # What passes anyway is not overridden.
    passed = with_cells(let, "gates", pl.col("overridden_by").is_not_null(), status="pass")
    assert answer.cell_gate(passed, "wider_auto", "guarded") == ("pass", [])
    assert "every gate passes" in (answer.proposal(passed) or "")
    assert "verrid" not in html_of(passed, tmp_path / "passed").text.split("Every gate over")[0]


def test_a_certified_score_is_said_in_a_sentence(run: Run, tmp_path: Path) -> None:
    row = {"candidate": "guarded", "segment": "all", "risk_limit": 0.01, "confidence": 0.95}
    row |= {"method": "LTT", "reason": "0 of 400"}
    found = [
        {**row, "stage": "low_risk_auto", "threshold": None},
        {**row, "stage": "wider_auto", "threshold": 0.85, "accepted_share": 0.62},
    ]
    scored = replace(run, tables=run.tables | {"thresholds": tables.build("thresholds", found)})
    said = "At Wider auto it may answer by itself from a score of 0.85 on: labels certify at most"
    assert said in " ".join(summary_text(scored).split())
    assert said in html_of(scored, tmp_path).text
    assert "from a score" not in summary_text(run)


def test_what_labels_say_stands_in_the_summary(run: Run) -> None:
    lines = summary_text(run).splitlines()
    assert "## What the labels say of the conversations" in lines
    flat = " ".join(summary_text(run).split())
    # The proposal's stage for its candidate, the next automatic one for the others.
    assert "always_escalate and faq_rag at Low-risk auto and guarded at Wider auto" in flat
    labels = lines[lines.index("## What the labels say of the conversations") :]
    rows = [line for line in labels if re.match(r"\| guarded +\|", line)]
    assert "98.4 [90.6, > 99.9] 221" in rows[0]
    assert "1.63 [0.27, 9.40] 221" in rows[0]
    # Long numbers give way before the line does.
    assert "<1 [<1, <1] 12,345" in flat
    assert "– [92.1, 100] 62" in flat
    assert flat.count("Not labelled: Apt tone.") == 1
    assert "Apt tone" not in flat.replace("Not labelled: Apt tone.", "")
    assert "upset rises by 0.055 of a level on average (+0.041 to +0.069)" in flat
    assert "47.7 % (42.7 % to 52.8 %) are calmer at their next (461)" in flat


def test_the_page_defines_what_labels_say_and_what_is_left_out(run: Run, page: Page) -> None:
    for metric in ("high_risk_interception", "clarify_when_uninformed", "over_answer"):
        assert wording.SUPPORT[metric].meaning in page.text
        assert ("th", "title", wording.SUPPORT[metric].meaning) in page.attributes
    assert "179 labelled <b>conversations</b> left out" in page.text
    shown = {source for source, _, _ in page.numbers}
    assert "support_metrics/wider_auto/guarded/invoice/None/over_answer/high" in shown
    assert "support_metrics/low_risk_auto/guarded/invoice/None/over_answer/high" not in shown
    assert wording.SUPPORT["tone_apt"].meaning not in page.text
    assert page.text.count("Not labelled: Apt tone.") == 1


def test_metrics_without_labels_take_no_rows(run: Run, tmp_path: Path) -> None:
    blank = with_cells(
        run, "support_metrics", pl.col("candidate") != "human",
        estimate=None, low=None, high=None, n=0,
    )  # fmt: skip
    text, page = summary_text(blank), html_of(blank, tmp_path)
    for said in (" ".join(text.split()), page.text):
        assert "No label is on record for" in said
        assert "Not labelled" not in said
        assert "upset rises by" in said
    assert "Per cent of the conversations concerned" not in text
    old = without(run, "support_metrics", "thresholds")
    assert "labels say of the conversations" not in summary_text(old)
    assert "No label is on record for this run" in html_of(old, tmp_path / "old").text


def test_every_gate_and_support_metric_has_a_name() -> None:
    assert set(GATE_METRICS) <= wording.METRICS.keys()
    heads = [support.head(metric) for metric in wording.SUPPORT]
    assert max(map(wording.width, heads)) <= 24
    assert wording.number("complaint_excess", 0.012) == "+1.20 %"


def test_the_chinese_page_has_the_numbers_of_the_english_one(
    run: Run, page: Page, tmp_path: Path
) -> None:
    write(run, tmp_path, "zh-Hant")
    # Charts and spreadsheets are those of the English report: no second set of them is written.
    names = sorted(path.name for path in tmp_path.rglob("*"))
    assert names == ["report.zh-Hant.html", "summary.zh-Hant.md"]
    text = (tmp_path / "report.zh-Hant.html").read_text(encoding="utf-8")
    chinese = Page(text)
    assert ("html", "lang", "zh-Hant") in chinese.attributes
    assert chinese.numbers == page.numbers
    assert len(chinese.numbers) > 600
    assert chinese.headings == page.headings
    # Within charts some ids hang on how wide the words are.
    drawn = re.compile(r"-(?:p|m)[0-9a-f]{10}$")
    ours, theirs = (sorted(x for x in one.ids if not drawn.search(x)) for one in (chinese, page))
    assert ours == theirs
    for said in ("上線推行可以走多遠？", "合成樣本", "? 證據不足", "– 未知", "逐一分群"):
        assert said in chinese.text
    assert "How far may the rollout go" not in chinese.text
    assert "– unknown" not in chinese.text
    # What has no translation says that it is English; what was said in a log is left as it is.
    assert '<span lang="en">179 labelled &lt;b&gt;conversations&lt;/b&gt; left out' in text
    for reply in (HOSTILE[0], HOSTILE[1], HOSTILE[3]):
        assert reply in chinese.text
    write(run, tmp_path / "english")
    english = (tmp_path / "english" / "report.html").read_text(encoding="utf-8")
    assert "<span lang=" not in english


def test_a_page_names_the_other_language_only_where_its_file_is(run: Run, tmp_path: Path) -> None:
    def links() -> list[str]:
        return [
            value
            for path in sorted(tmp_path.glob("report*.html"))
            for tag, name, value in Page(path.read_text(encoding="utf-8")).attributes
            if (tag, name) == ("a", "href") and not value.startswith(("#", "data:"))
        ]

    write(run, tmp_path, "zh-Hant")
    assert links() == []
    write(run, tmp_path)
    assert links() == ["report.zh-Hant.html"]
    write(run, tmp_path, "zh-Hant")
    assert links() == ["report.zh-Hant.html", "report.html"]
    with pytest.raises(KeyError):
        write(run, tmp_path, "fr")


def test_the_matrix_says_how_far_in_each_segment(run: Run, page: Page) -> None:
    rows = how_far.matrix(run)
    assert [row.answer.advice.segment for row in rows] == [
        *("all", "account_takeover", "delivery", "invoice", "refund_timing", "退款糾紛")
    ]
    stored = {
        (row["segment"], row["candidate"]): run.stages.index(row["stage"])
        for row in run.tables["recommendation"].iter_rows(named=True)
    }
    assert {
        (row.answer.advice.segment, name): rung for row in rows for name, rung in row.rungs.items()
    } == stored
    for row in rows:
        own = row.rungs[row.answer.advice.candidate]
        assert all(row.rungs[name] == own for name in row.others)
        # What is missing is said in the page where there is a further stage.
        assert all(line in page.text.replace("\u00a0", " ") for line in row.answer.missing[:1])
    best = answer.leader(run)
    assert best is not None
    assert (rows[0].answer.advice.candidate, rows[0].answer.advice.stage) == (
        best.candidate,
        best.stage,
    )


def test_with_many_candidates_only_those_that_matter_stand_open(run: Run) -> None:
    few = sections.ladders(run, answer.leader(run))
    assert [one["open"] for one in few] == [True] * 3
    copies = {f"copy_{i}": "faq_rag" for i in range(5)}
    many = pl.concat(
        [
            run.tables["recommendation"],
            *(
                run.tables["recommendation"]
                .filter(candidate=of)
                .with_columns(pl.lit(name).alias("candidate"))
                for name, of in copies.items()
            ),
        ]
    )
    crowd = replace(run, tables=run.tables | {"recommendation": many})
    found = sections.ladders(crowd, answer.leader(crowd))
    assert len(found) == 8
    assert [one["advice"].candidate for one in found if one["open"]] == ["guarded"]


def test_a_score_that_labels_do_not_certify_is_shown_with_the_reason(
    run: Run, tmp_path: Path
) -> None:
    row = {"segment": "all", "risk_limit": 0.01, "confidence": 0.95, "method": "LTT"}
    found = [
        {**row, "candidate": "guarded", "stage": "wider_auto", "threshold": 0.85,
         "accepted_share": 0.62, "reason": "0 of 400"},
        {**row, "candidate": "faq_rag", "stage": "wider_auto", "threshold": None,
         "labels_needed": 1682, "reason": "no score: 3 of 344 <held> a risky promise"},
    ]  # fmt: skip
    scored = replace(run, tables=run.tables | {"thresholds": tables.build("thresholds", found)})
    page = html_of(scored, tmp_path)
    where = "thresholds/wider_auto/{}/all/{}"
    assert (where.format("guarded", "threshold"), "0.85", "0.85") in page.numbers
    assert (where.format("faq_rag", "labels_needed"), "1682", "1,682") in page.numbers
    assert "no score: 3 of 344 <held> a risky promise" in page.text
    for source, value, _ in page.numbers:
        if source.startswith("thresholds/"):
            assert float(value) == lookup(scored, source)
