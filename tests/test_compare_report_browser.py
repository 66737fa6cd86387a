"""The page of a comparison in a real browser: widths, silence, hostile text, axe, print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser, Page

from simulator.pipeline import comparing
from simulator.reports import comparison, wording
from simulator.reports.comparison_text import text
from simulator.store import RunFolder
from tests.report_run import HOSTILE
from tests.test_compare_cli import asked, runs
from tests.test_report_browser import assert_quiet_and_within, browser, grave_violations, open_at

__all__ = ["browser", "runs"]
NAME = "<script>document.title='owned'</script> \u202eevil"


@pytest.fixture(scope="module")
def hostile(runs: Path) -> comparison.Compared:
    """A comparison whose every text is hostile: names, replies, what customers said, remarks."""
    found = comparing.compare(RunFolder.open(runs / "before"), None, asked(top=4))
    texts = pl.Series([HOSTILE[i % len(HOSTILE)] for i in range(found.disagreements.height)])
    said = found.disagreements.with_columns(
        *(texts.alias(name) for name in ("said", "our_reply", "intent", "why", "conversation_id")),
        pl.lit("onerror=").alias("our_evidence"),
    )
    slices = pl.when(pl.col("by") == "all").then("slice").otherwise(pl.lit(HOSTILE[1]))
    return replace(
        found,
        title=f"Comparison: {NAME}",
        shown=dict.fromkeys(found.shown, NAME),
        disagreements=said,
        differences=found.differences.with_columns(slices.alias("slice")),
        remarks=(*found.remarks, *HOSTILE[:3]),
        labelled_by={NAME: 7, HOSTILE[1]: 5, **found.labelled_by},
    )


@pytest.fixture(scope="module", params=["real", "hostile", "runs"])
def page_of(
    request: pytest.FixtureRequest,
    runs: Path,
    hostile: comparison.Compared,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    before, after = (RunFolder.open(runs / name) for name in ("before", "after"))
    made = {
        "real": lambda: comparing.compare(before, None, asked(baseline="bot")),
        "hostile": lambda: hostile,
        "runs": lambda: comparing.compare(before, after, asked()),
    }
    comparison.write(made[request.param](), folder)
    return folder / "comparison.html"


@pytest.fixture(params=[360, 800, 1400])
def opened(
    browser: Browser, page_of: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Page, list[str], list[str]]]:
    yield from open_at(browser, page_of, request.param)


def test_opens_quietly_and_fits(opened: tuple[Page, list[str], list[str]], page_of: Path) -> None:
    page, _, _ = opened
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert_quiet_and_within(*opened, page_of)
    assert page.locator("script, img, iframe").count() == 0
    assert page.title().startswith("Comparison: ")
    assert grave_violations(page) == []


def test_hostile_text_is_text(
    browser: Browser, hostile: comparison.Compared, tmp_path: Path
) -> None:
    comparison.write(hostile, tmp_path)
    for page, said, _ in open_at(browser, tmp_path / "comparison.html", 800):
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert said == []
        replies = page.locator(".reply").all_inner_texts()
        assert any("<script>document.title='owned'</script>" in reply for reply in replies)
        assert "<script>document.title='owned'</script> U+202Eevil" in page.inner_text("h1")
        assert "onerror=" in page.locator("mark").all_inner_texts()
        assert not page.evaluate("/[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.innerText)")


def test_hostile_text_cannot_steer_a_terminal(hostile: comparison.Compared) -> None:
    shown = text(hostile)
    assert wording.UNSEEN.search(shown.replace("\n", "")) is None
    assert max(wording.width(line) for line in shown.splitlines()) <= 100
    assert "U+202E" in shown


def test_both_replies_stand_side_by_side(browser: Browser, runs: Path, tmp_path: Path) -> None:
    found = comparing.compare(RunFolder.open(runs / "before"), None, asked(baseline="bot"))
    comparison.write(found, tmp_path)
    row = found.disagreements.filter(place=1).row(0, named=True)
    for page, _, _ in open_at(browser, tmp_path / "comparison.html", 1400):
        pair = page.locator(".pair").first
        boxes = [one.bounding_box() for one in pair.locator("dl").all()]
        assert len(boxes) == 2
        assert boxes[0]["y"] == boxes[1]["y"]
        assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
        told = pair.inner_text()
        assert row["our_action"] in told
        assert row["their_action"] in told


def test_numbers_say_where_they_come_from(browser: Browser, runs: Path, tmp_path: Path) -> None:
    found = comparing.compare(RunFolder.open(runs / "before"), None, asked(baseline="bot"))
    comparison.write(found, tmp_path)
    row = found.differences.filter(
        by="all", ours="human", metric="risky_promise", source="rules"
    ).row(0, named=True)
    place = "differences/human/bot/point/all/all/risky_promise/rules/difference"
    for page, _, _ in open_at(browser, tmp_path / "comparison.html", 800):
        shown = page.locator(f"data[data-from='{place}']").first
        assert float(shown.get_attribute("value")) == row["difference"]


def test_prints_without_cutting_a_table(browser: Browser, page_of: Path) -> None:
    page = browser.new_page(viewport={"width": 718, "height": 1000})
    page.goto(page_of.as_uri())
    page.emulate_media(media="print")
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('table')]"
        ".map(t => t.getBoundingClientRect().right))"
    )
    page.close()
    assert right <= 718
