"""A browser for reports, and what every page of every run must keep to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = (360, 768, 1400)
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


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; without one the test is skipped, in CI it fails."""
    if not CHROMIUM.exists():
        reason = f"no {CHROMIUM}; install it with: apt-get install -y chromium fonts-noto-cjk"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, report: Path, width: int) -> Iterator[Page]:
    """``report`` at ``width``, which must have said nothing and asked for nothing at the end."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(report.as_uri())
    page.wait_for_load_state("networkidle")
    yield page
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    page.close()


def assert_fits(page: Page) -> None:
    """The page does not scroll sideways, and nothing outside a scrolling box sticks out."""
    wide, view = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= view
    out = page.evaluate(
        """[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, .chart')
           && e.getBoundingClientRect().right > innerWidth + 1)
           .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert out == []


def assert_said_in_words(page: Page) -> None:
    """No word of the code shows through, but where people wrote it."""
    text = page.evaluate(
        """() => { const main = document.querySelector('main').cloneNode(true);
           main.querySelectorAll('.example').forEach(one => one.remove());
           return main.textContent; }"""
    )
    assert not re.search(r"\bNone\b|\bnan\b|\bNaN\b|\{\{|\{%|%\(|\{\w+\}", text)


def grave_violations(page: Page) -> list[tuple[str, str]]:
    """What axe finds serious or critical, with all that is folded away opened."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def assert_page(page: Page, axe: bool = True) -> None:
    """What holds for every report: it fits, speaks in words, sorts, filters, and passes axe."""
    assert_fits(page)
    assert_said_in_words(page)
    assert_sorts(page)
    assert_filters(page)
    if axe:
        assert grave_violations(page) == []


def assert_sorts(page: Page) -> None:
    """A heading orders a column of numbers, then turns it round, then leaves it as it was."""
    table = page.locator("section#waits table").first
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    values = (
        "(t, x) => [...t.tBodies].flatMap(b => [...b.rows]).map(r => "
        "r.cells[x].querySelector('data')).map(d => d === null ? null : Number(d.value))"
    )
    before = table.evaluate(values, 3)
    button = table.locator("thead th").nth(3).locator("button")
    for order in (1, -1):
        button.focus()
        page.keyboard.press("Enter")
        known = [value for value in table.evaluate(values, 3) if value is not None]
        assert known == sorted(known, reverse=order < 0)
        assert len(known) == len([value for value in before if value is not None])
        said = table.locator("thead th").nth(3).get_attribute("aria-sort")
        assert said == ("ascending" if order > 0 else "descending")
    page.keyboard.press("Enter")
    assert table.evaluate(values, 3) == before


def assert_filters(page: Page) -> None:
    """Words in a box leave the rows that hold them, and their number is said."""
    boxes = page.locator("p.filter input[type=search]")
    if boxes.count() == 0:
        return
    paragraph = page.locator("p.filter").first
    region = paragraph.locator("xpath=following-sibling::*[1]")
    rows = region.locator("tbody tr")
    everything = rows.count()
    first = rows.last.inner_text().split()[0]
    boxes.first.fill(first)
    shown = [row for row in rows.all() if row.is_visible()]
    assert 0 < len(shown) <= everything
    assert all(first.lower() in row.inner_text().lower() for row in shown)
    assert str(len(shown)) in paragraph.locator("[role=status]").inner_text()
    boxes.first.fill("no row holds these words")
    assert not any(row.is_visible() for row in rows.all())
    boxes.first.fill("")
    assert all(row.is_visible() for row in rows.all())
