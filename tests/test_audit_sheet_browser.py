"""The labelling page in a real browser: by keyboard, over a reload, into a file that loads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page

from simulator.judging.audit import filled, sheet
from simulator.judging.audit.read_labels import reply_digest
from tests import audit_sheets
from tests.audit_sheets import NAME
from tests.test_report_browser import browser, grave_violations  # noqa: F401

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title=1\">"
POINTS = audit_sheets.drawn(
    [
        ("talk1", 0, 1, f"{HOSTILE}\n=1+1"),
        ("talk1", 2, 2, "Your refund arrives in 3 days."),
        ("talk2", 0, 1, None),
        ("talk3", 0, 1, '退款會在 3 天內到賬, "保證".\r\n'),
        ("talk4", 0, 1, "x" * 3_000 + "\u202eEND\u2028"),
    ]
)
SAID = {
    ("talk1", 0): HOSTILE,
    ("talk1", 2): "'=cmd|' /C calc'!A0",
    ("talk2", 0): "我要投訴！",
    ("talk3", 0): "@me\t\x00",
    ("talk4", 0): "\r-1",
}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sheet") / "sheet.html"
    path.write_bytes(sheet.to_html(NAME, rows(), "sheet-filled.csv"))
    return path


def rows() -> list[sheet.Row]:
    return audit_sheets.rows(POINTS, SAID)


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:  # noqa: F811
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(page_file.as_uri())
    yield page
    page.close()


def saved(page: Page, tmp_path: Path) -> Path:
    with page.expect_download() as waiting:
        page.keyboard.press("s")
    assert waiting.value.suggested_filename == "sheet-filled.csv"
    path = tmp_path / "sheet-filled.csv"
    waiting.value.save_as(path)
    return path


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def test_labels_by_keyboard_survive_a_reload_and_load(page: Page, tmp_path: Path) -> None:
    shown = rows()
    spoken = [i for i, row in enumerate(shown) if row.reply is not None][:2]
    (silent,) = (i for i, row in enumerate(shown) if row.reply is None)
    for position, _ in enumerate(shown):
        if position in spoken:
            # firm, risky, no person, high, enough known, no, no, over-certain, would not send
            press(page, "3 1 2 3 1 2 2 4 3")
        elif position == silent:
            press(page, "1 3 2 e")
            page.keyboard.type("=1, s n 2")
            press(page, "Escape")
        press(page, "n")
    assert page.locator("#progress-text").inner_text() == "3 of 5 complete"
    page.reload()
    assert page.locator("#progress-text").inner_text() == "3 of 5 complete"
    path = saved(page, tmp_path)
    found = filled.read_filled(path)
    filled.check_filled(path, found, POINTS)
    labels = filled.to_labels(found, POINTS, "ann", date(2026, 3, 9))
    said = {
        "commitment": "firm",
        "risky_promise": True,
        "needs_human": False,
        "risk": "high",
        "info_sufficient": True,
        "over_answer": False,
        "compliance_breach": False,
        "tone": "over_certain",
        "would_send": "no",
        "note": None,
    }
    by_unit = {
        (sheet.unit_id(NAME, row["conversation_id"]), row["turn"] // 2 + 1): row
        for row in labels.filter(pl.col("unit") == "turn").iter_rows(named=True)
    }
    for position in spoken:
        row = by_unit[shown[position].unit, shown[position].point]
        assert {column: row[column] for column in said} == said
    row = by_unit[shown[silent].unit, 1]
    assert (row["needs_human"], row["risk"], row["info_sufficient"]) == (True, "high", False)
    assert (row["note"], row["commitment"], row["tone"]) == ("=1, s n 2", None, None)


def test_an_empty_page_saves_the_sheet_as_it_was_drawn(page: Page, tmp_path: Path) -> None:
    assert saved(page, tmp_path).read_bytes() == sheet.to_csv(NAME, rows())


def test_answers_can_be_changed_left_open_and_cleared(page: Page) -> None:
    progress = page.locator("#progress-text")
    press(page, "2 k 1")
    first = page.locator("fieldset").first
    assert first.locator("input:checked").get_attribute("value") != ""
    assert progress.inner_text() == "0 of 5 complete, 1 begun"
    press(page, "k 0")
    assert first.locator("input:checked").get_attribute("value") == ""
    assert progress.inner_text() == "0 of 5 complete"
    press(page, "k 9")
    assert progress.inner_text() == "0 of 5 complete"
    first.get_by_role("radio").first.check()
    assert progress.inner_text() == "0 of 5 complete, 1 begun"
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Clear all answers").click()
    assert progress.inner_text() == "0 of 5 complete"


def test_keys_can_be_turned_off(page: Page) -> None:
    page.get_by_text("Keys", exact=True).click()
    page.get_by_label("Use these keys").uncheck()
    press(page, "1 n")
    assert page.locator("#place").inner_text() == "1 of 5"
    assert page.locator("#progress-text").inner_text() == "0 of 5 complete"


def test_next_open_skips_what_is_complete(page: Page) -> None:
    shown = rows()
    press(page, "1 1 1 1 1 1 1 1 1 n p u")
    assert page.locator("#place").inner_text() == f"2 of {len(shown)}"
    press(page, "n n n n n n")
    assert page.locator("#place").inner_text() == "5 of 5"
    press(page, "u")
    assert page.locator("#place").inner_text() == "2 of 5"


def test_hostile_texts_are_text(page: Page) -> None:
    replies = []
    for _ in rows():
        replies.append(page.locator("#reply").text_content())
        press(page, "n")
    wanted = [sheet.NO_REPLY if row.reply is None else row.reply for row in rows()]
    assert replies == wanted
    assert page.title() == "Labelling sheet"
    assert page.locator("main img, main script").count() == 0


def test_a_browser_that_keeps_nothing_says_so(browser: Browser, page_file: Path) -> None:  # noqa: F811
    page = browser.new_page()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
    )
    page.goto(page_file.as_uri())
    assert "save the CSV before you leave" in page.get_by_role("alert").inner_text()
    press(page, "1")
    assert page.locator("#progress-text").inner_text() == "0 of 5 complete, 1 begun"
    page.close()


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_opens_quietly_fits_and_is_accessible(
    browser: Browser,  # noqa: F811
    page_file: Path,
    width: int,
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(page_file.as_uri())
    for position in range(len(rows())):
        assert page.locator("#place").inner_text() == f"{position + 1} of 5"
        wide, view = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= view
        assert grave_violations(page) == []
        press(page, "1 n")
    page.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]


def test_the_digest_is_of_the_reply_that_is_shown() -> None:
    by_key = {(row.unit, row.point): row.reply for row in rows()}
    for row in POINTS.iter_rows(named=True):
        shown = by_key[sheet.unit_id(NAME, row["conversation_id"]), row["point"]]
        assert reply_digest(shown) == row["digest"]
