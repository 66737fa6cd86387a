"""The report of every scenario in a real browser: three widths, both languages, hostile words.

Scenarios are made smaller, not other. Those that ask a model of Hugging Face's format are opened
in ``tests/models/test_report_pages.py``, with the models' other tests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest
from playwright.sync_api import Browser

from simulator import pipeline, reports
from simulator.scenario_file import load
from tests.conftest import ROOT
from tests.fault_server import FaultServer
from tests.report_pages import WIDTHS, assert_page, chromium, opened

# Each scenario is run and opened six times: minutes in all.
pytestmark = pytest.mark.slow

SMALL = ("simulation.days=2", "simulation.replications=2", "simulation.processes=1")
# Recorded replies belong to the whole sample: fewer conversations of it are replayed.
FEWER = {
    "quickstart": ("replay.sample=250",),
    "long_context": ("replay.sample=150",),
    "boundary_data": ("history.sample.conversations=200",),
    "own_server": ("replay.sample=40",),
    "blended_week": ("history.sample.contacts_per_day=300", "contact_center.staffing=0.3"),
    "peak_outage": ("history.sample.conversations=200",),
    "wide_auto_overpromise": ("history.sample.conversations=200",),
    "real_log": (),
}
# They need a model on disk.
WITH_MODELS = {"own_model", "tuned"}
SCRIPT = "<script>document.title='owned'</script>"
IMAGE = '"><img src=x onerror="document.title=\'owned\'">'
REVERSED = "\u202eyadot dnufer\u202c"
TEMPLATE = "{{ 7 * 7 }} ${name} {x} %(y)s"
LONG = "We guarantee a refund of 900 dollars today. " * 250 + "END"


def test_no_scenario_is_left_out() -> None:
    shipped = {path.stem for path in (ROOT / "scenarios").glob("*.toml")}
    assert shipped == {*FEWER, *WITH_MODELS}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def hostile_log(folder: Path) -> Path:
    """A log of people who paste anything, and of agents who promise in it."""
    says = (SCRIPT, IMAGE, REVERSED, LONG, TEMPLATE)
    rows = [
        {
            "conversation_id": f"c{i} {says[i % 3]}",
            "intent": says[i % 3] if i % 2 else "refund",
            "language": "en",
            "started_at": f"2026-03-{2 + i % 5:02d}T{9 + i % 8:02d}:00:00+00:00",
            "messages": [
                {"role": "user", "content": f"{says[i % 5]} where is my refund?"},
                {
                    "role": "assistant",
                    "content": f"{says[i % 5]} {TEMPLATE} We guarantee a refund of 500 today.",
                },
            ],
        }
        for i in range(60)
    ]
    path = folder / "hostile.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module", params=sorted(FEWER))
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A run of the scenario, with its reports in both languages."""
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    more = [*SMALL, *FEWER[name]]
    with pytest.MonkeyPatch.context() as patch, FaultServer() as server:
        patch.setenv("SHADOWDESK_LOG", str(hostile_log(folder)))
        patch.setenv("MODEL_API_KEY", os.environ.get("MODEL_API_KEY", "none"))
        if name == "own_server":
            more.append(f"candidates.served.model.server.url={server.url}")
        made = pipeline.run(load(ROOT / "scenarios" / f"{name}.toml", tuple(more)), folder / "out")
        reports.write(pipeline.as_report_run(made), made.path, "zh-Hant")
    return name, made.path


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", ["report.html", "report.zh-Hant.html"])
def test_every_page_of_every_scenario(
    browser: Browser, run: tuple[str, Path], page: str, width: int
) -> None:
    with opened(browser, run[1] / page, width) as found:
        # Axe takes seconds on a page of this size; the language changes words, not structure.
        assert_page(found, axe=page == "report.html" or width == WIDTHS[0])


# How `data-from` names a cell of each table: the columns between its name and the cell's column.
_CELL = ("stage", "candidate", "segment", "bound", "metric")
KEYS = {
    "backtest": ("metric",),
    "replay_account": ("candidate",),
    "thresholds": ("stage", "candidate", "segment"),
    "spectrum": ("candidate", "question_kind", "source", "metric"),
    "what_if": ("what_if", *_CELL),
}


@pytest.mark.parametrize("name", ["report.html", "report.zh-Hant.html"])
def test_every_number_is_the_number_of_its_table(
    browser: Browser, run: tuple[str, Path], name: str
) -> None:
    with opened(browser, run[1] / name, 1400) as page:
        shown = page.locator("data").evaluate_all("all => all.map(d => [d.dataset.from, d.value])")
    assert len(shown) > 100
    stored: dict[str, dict[tuple[str, ...], dict[str, object]]] = {}
    for source, value in shown:
        table, *key, column = map(unquote, source.split("/"))
        names = KEYS.get(table, _CELL)
        if table not in stored:
            rows = pl.read_parquet(run[1] / "tables" / f"{table}.parquet").to_dicts()
            stored[table] = {tuple(str(row[name]) for name in names): row for row in rows}
            assert len(stored[table]) == len(rows)
        assert float(value) == stored[table][tuple(key)][column], source


def test_every_chart_has_its_data(browser: Browser, run: tuple[str, Path]) -> None:
    with opened(browser, run[1] / "report.html", 1400) as page:
        figures = page.locator("figure").evaluate_all("all => all.map(one => one.id)")
        links = page.locator("a.download").count()
    assert figures
    assert links == len(figures)
    for figure in figures:
        data = run[1] / "charts" / f"{figure.removeprefix('chart-')}.csv"
        assert pl.read_csv(data, infer_schema=False).height > 0


@pytest.mark.parametrize("run", ["real_log"], indirect=True)
def test_hostile_words_are_text(browser: Browser, run: tuple[str, Path]) -> None:
    for name in ("report.html", "report.zh-Hant.html"):
        with opened(browser, run[1] / name, 1400) as page:
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert "owned" not in page.title()
            text = page.locator("main").inner_text()
            assert SCRIPT in text
            assert IMAGE in text
            assert TEMPLATE in text
            assert "\u202e" not in page.content()
            assert "U+202E" in text
            assert page.locator("img, iframe, object, embed").count() == 0
            assert page.locator("script").count() == 1
