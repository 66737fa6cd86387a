"""The report in a real browser: three widths, no request, no console error, no hostile script."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from simulator import pipeline
from simulator.reports import write
from simulator.scenario_file import load
from tests.conftest import ROOT
from tests.report_run import finished

SMALL = (
    "history.sample.conversations=300",
    "history.sample.contacts_per_day=400",
    "history.sample.days=8",
    "simulation.days=4",
    "simulation.replications=1",
    "simulation.processes=1",
)
CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"no {CHROMIUM}; install it with: apt-get install -y chromium fonts-noto-cjk"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    write(finished(), folder)
    return folder / "report.html"


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run from beginning to end: a small sample, with an outage."""
    scenario = load(ROOT / "scenarios" / "peak_outage.toml", SMALL)
    folder = pipeline.run(scenario, tmp_path_factory.mktemp("simulated") / "out")
    return folder.path / "report.html"


def open_at(
    browser: Browser, report: Path, width: int
) -> Iterator[tuple[Page, list[str], list[str]]]:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(report.as_uri())
    page.wait_for_load_state("networkidle")
    yield page, said, asked
    page.close()


@pytest.fixture(params=[360, 800, 1400])
def opened(
    browser: Browser, report: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Page, list[str], list[str]]]:
    yield from open_at(browser, report, request.param)


@pytest.fixture(params=[360, 800, 1400])
def real(
    browser: Browser, simulated: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Page, list[str], list[str]]]:
    yield from open_at(browser, simulated, request.param)


def test_opens_quietly_and_fits(opened: tuple[Page, list[str], list[str]], report: Path) -> None:
    assert_quiet_and_within(*opened, report)


def test_a_simulated_run_opens_quietly_and_fits(
    real: tuple[Page, list[str], list[str]], simulated: Path
) -> None:
    page, _, _ = real
    assert_quiet_and_within(*real, simulated)
    assert "Bot down" in page.locator("#chart-load-guarded svg").text_content()
    text = page.locator("main").inner_text()
    assert not re.search(r"\bNone\b|\bnan\b|low_risk_auto|\{\{", text)
    assert grave_violations(page) == []


def assert_quiet_and_within(page: Page, said: list[str], asked: list[str], report: Path) -> None:
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    wide, view = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= view
    # Nothing outside its own scrolling container may stick out.
    out = page.evaluate(
        """[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, .chart')
           && e.getBoundingClientRect().right > innerWidth + 1)
           .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert out == []


def test_hostile_replies_are_text(opened: tuple[Page, list[str], list[str]]) -> None:
    page, _, _ = opened
    assert page.title() == "quickstart 客服試行 – rollout report"
    replies = page.locator(".reply").all_inner_texts()
    assert any("<script>document.title='owned'</script>" in reply for reply in replies)
    assert any('"><img src=x onerror=' in reply for reply in replies)
    assert any(len(reply) > 9_990 and reply.endswith("END") for reply in replies)
    assert page.locator("script, img, iframe").count() == 0


def test_axe_finds_no_serious_violation(opened: tuple[Page, list[str], list[str]]) -> None:
    assert grave_violations(opened[0]) == []


def grave_violations(page: Page) -> list[tuple[str, str]]:
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_works_by_keyboard(opened: tuple[Page, list[str], list[str]]) -> None:
    page, _, _ = opened
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#answer"


def test_chart_data_downloads_as_the_file(browser: Browser, report: Path) -> None:
    page = browser.new_page(accept_downloads=True)
    page.goto(report.as_uri())
    with page.expect_download() as waiting:
        page.locator('a[download="saving.csv"]').click()
    got = Path(waiting.value.path()).read_bytes()
    page.close()
    assert got == (report.parent / "charts" / "saving.csv").read_bytes()


@pytest.mark.parametrize("which", ["report", "simulated"])
def test_prints_without_cutting_a_table(
    browser: Browser, which: str, request: pytest.FixtureRequest
) -> None:
    page = browser.new_page(viewport={"width": 718, "height": 1000})
    page.goto(request.getfixturevalue(which).as_uri())
    page.emulate_media(media="print")
    # What is folded away on the screen is printed too.
    edges = page.evaluate(
        "[...document.querySelectorAll('table')].map(t => t.getBoundingClientRect())"
        ".map(r => [r.right, r.height])"
    )
    page.close()
    assert max(right for right, _ in edges) <= 718
    assert min(height for _, height in edges) > 0
