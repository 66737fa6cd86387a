"""The report in a real browser: three widths, no request, no console error, no hostile script."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, sync_playwright

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


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chinese")
    write(finished(), folder, "zh-Hant")
    return folder / "report.zh-Hant.html"


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


@pytest.fixture(params=[360, 768, 1400])
def opened(
    browser: Browser, report: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Page, list[str], list[str]]]:
    yield from open_at(browser, report, request.param)


@pytest.fixture(params=[360, 768, 1400])
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
    assert page.locator("img, iframe, script[src]").count() == 0
    assert page.locator("script").count() == 1


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


@pytest.mark.parametrize("width", [360, 768, 1400])
def test_the_chinese_page_opens_quietly_fits_and_passes_axe(
    browser: Browser, chinese: Path, width: int
) -> None:
    for page, said, asked in open_at(browser, chinese, width):
        assert_quiet_and_within(page, said, asked, chinese)
        assert page.locator("html").get_attribute("lang") == "zh-Hant"
        assert page.title() == "quickstart 客服試行 – 上線推行報告"
        assert grave_violations(page) == []
        filtered = page.locator("#stages p.filter").filter(has_text="分群")
        filtered.locator("input").fill("invoice")
        assert filtered.locator(".count").text_content() == "顯示 15 列中的 3 列"


def table_of(page: Page, section: str, name: str) -> Locator:
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    return page.locator(f"#{section} [role=region][aria-label='{name}'] table")


def column(table: Locator, place: int) -> list[str]:
    """The cells of a column of the body, each by the value of its first number, or its text."""
    cells: list[str] = table.evaluate(
        """(table, place) => [...table.tBodies].flatMap(b => [...b.rows]).filter(r => !r.hidden)
           .map(r => r.cells[place]).map(c => c.querySelector('data')?.value ?? c.textContent)""",
        place,
    )
    return cells


def test_tables_sort_by_number_with_the_unknown_last(browser: Browser, report: Path) -> None:
    for page, said, _ in open_at(browser, report, 1400):
        table = table_of(page, "stages", "Stages and candidates")
        # Risky promises: people alone and Assist have no gate, and so no number.
        before = column(table, 5)
        known = [float(one) for one in before if re.fullmatch(r"[\d.e-]+", one)]
        assert 2 < len(known) < len(before)
        assert known != sorted(known)
        head = table.locator("thead th").nth(5)
        for state, order in (("ascending", sorted(known)), ("descending", sorted(known)[::-1])):
            head.locator("button").click()
            assert head.get_attribute("aria-sort") == state
            after = column(table, 5)
            assert [float(one) for one in after[: len(known)]] == order
            assert not any(re.match(r"\d", one) for one in after[len(known) :])
        head.locator("button").click()
        assert head.get_attribute("aria-sort") is None
        assert column(table, 5) == before
        # One column at a time; each row keeps its own cells.
        waits = dict(zip(column(table, 0), column(table, 2), strict=True))
        head.locator("button").click()
        table.locator("thead th").nth(2).locator("button").click()
        assert table.locator("[aria-sort]").count() == 1
        assert dict(zip(column(table, 0), column(table, 2), strict=True)) == waits
        assert column(table, 0) != list(waits)
        assert said == []


def test_columns_under_a_common_head_sort_by_their_own_numbers(
    browser: Browser, report: Path
) -> None:
    for page, _, _ in open_at(browser, report, 1400):
        table = table_of(page, "money", "Cost and saving")
        # The sixth column of the body is the worst case of the saving: row two of the head.
        table.locator("thead tr").nth(1).locator("button").nth(5).click()
        worst = [float(one) for one in column(table, 6) if one.strip() not in ("", "–")]
        assert len(worst) > 3
        assert worst == sorted(worst)


def test_groups_keep_their_heading_when_sorted_and_filtered(browser: Browser, report: Path) -> None:
    for page, said, _ in open_at(browser, report, 1400):
        table = table_of(page, "stages", "Segments")
        rows = table.locator("tbody tr:not([hidden])")
        n = rows.count()
        assert n == 5 * 3
        box = page.locator("#stages p.filter").filter(has_text="Segments").locator("input")
        count = page.locator("#stages p.filter").filter(has_text="Segments").locator(".count")
        assert count.get_attribute("role") == "status"
        box.fill("退款糾紛 GUARDED")
        assert rows.count() == 1
        assert count.text_content() == "1 of 15 rows shown"
        heading = rows.first.locator("th[scope=rowgroup]")
        assert heading.text_content() == "退款糾紛"
        assert heading.get_attribute("rowspan") == "1"
        box.fill("no such words")
        assert rows.count() == 0
        assert count.text_content() == "No row holds these words."
        box.fill("")
        assert (rows.count(), count.text_content()) == (n, "")
        table.locator("thead button").nth(0).click()
        table.locator("thead button").nth(0).click()
        names = table.locator("tbody tr:first-child th").all_inner_texts()
        assert names == sorted(names, reverse=True)
        assert {one.get_attribute("rowspan") for one in table.locator("tbody th").all()} == {"3"}
        # By a column of the rows: within each group, and the heading stays the first cell.
        table.locator("thead button").nth(1).click()
        firsts = table.locator("tbody tr:first-child td:nth-child(2)").all_inner_texts()
        assert set(firsts) == {"always_escalate"}
        assert said == []


def test_sorting_and_filtering_work_by_keyboard(browser: Browser, report: Path) -> None:
    for page, _, _ in open_at(browser, report, 1400):
        table = table_of(page, "stages", "Stages and candidates")
        button = table.locator("thead button").nth(2)
        button.focus()
        for key, state in (("Enter", "ascending"), ("Space", "descending")):
            page.keyboard.press(key)
            assert table.locator("thead th").nth(2).get_attribute("aria-sort") == state
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "sort"
        # The box of a table stands before it, so that Tab comes to it first.
        page.locator("#stages p.filter input").first.focus()
        page.keyboard.type("guarded")
        shown = table.locator("tbody tr:not([hidden])").all_inner_texts()
        assert shown
        assert all("guarded" in text for text in shown)


def test_no_script_but_the_page_s_own_runs(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(report.as_uri())
    assert page.locator("button.sort").count() > 20
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = "document.title = 'owned'";
            document.body.append(script);
            document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="owned()">');
            const link = document.createElement('a');
            link.href = 'javascript:owned()';
            document.body.append(link);
            link.click();
        }"""
    )
    page.wait_for_timeout(200)
    assert page.title().endswith("rollout report")
    assert any("script-src" in text for text in refused)
    assert page.evaluate("fetch('data:,x').then(() => 'sent', () => 'refused')") == "refused"
    page.close()


def test_without_a_script_everything_is_shown(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("button, input, select").count() == 0
    assert page.locator("tr[hidden], tbody[hidden]").count() == 0
    assert page.locator("#answer table tbody tr").count() == 6
    context.close()


FILTERED = """<main data-filter="f" data-rows="r" data-none="n">
<div data-filters data-label-candidate="Bot" data-label-intent="Intent" data-label-verdict="Verdict"
 data-label-all="all" data-label-count="{shown} of {all} shown" data-label-none="None is left.">
<p data-filter-candidate="guarded" data-filter-intent="invoice" data-filter-verdict="risky">1</p>
<details><summary>More</summary>
<p data-filter-candidate="faq" data-filter-intent="invoice" data-filter-verdict="risky|over">2</p>
<p data-filter-candidate="faq" data-filter-intent="<b>帳單</b>" data-filter-verdict="over">3</p>
</details></div></main>"""


def test_examples_filter_by_what_they_carry(browser: Browser) -> None:
    page = browser.new_page()
    script = (ROOT / "simulator" / "reports" / "templates" / "page.js").read_text("utf-8")
    page.set_content(f"<html lang=en><body>{FILTERED}<script>{script}</script></body></html>")
    count, shown = page.locator("[role=status]"), page.locator("[data-filter-candidate]:visible")
    assert (shown.all_inner_texts(), count.text_content()) == (["1"], "")
    verdict = page.get_by_label("Verdict")
    assert verdict.locator("option").all_inner_texts() == ["all", "over", "risky"]
    # What a fold holds is shown where it was asked for, and folded away again afterwards.
    verdict.select_option("risky")
    assert (shown.all_inner_texts(), count.text_content()) == (["1", "2"], "2 of 3 shown")
    page.get_by_label("Bot").select_option("guarded")
    assert (shown.all_inner_texts(), count.text_content()) == (["1"], "1 of 3 shown")
    assert not page.locator("details").is_visible()
    page.get_by_label("Intent").select_option("<b>帳單</b>")
    assert (shown.count(), count.text_content()) == (0, "None is left.")
    for select in page.locator("select").all():
        select.select_option("")
    assert (shown.all_inner_texts(), count.text_content()) == (["1"], "")
    page.close()


def test_a_filter_is_told_in_print_and_the_controls_are_not(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri())
    page.locator("#stages p.filter input").first.fill("guarded")
    page.emulate_media(media="print")
    assert not page.locator("#stages p.filter input").first.is_visible()
    assert page.locator("#stages p.filter .count").first.is_visible()
    page.close()


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
