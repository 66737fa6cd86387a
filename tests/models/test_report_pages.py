"""Reports of the scenarios that need a model on disk, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator import pipeline, reports
from simulator.scenario_file import load
from tests.conftest import ROOT
from tests.models.asking import adapter
from tests.report_pages import WIDTHS, assert_page, chromium, opened

SMALL = (
    "history.sample.conversations=5",
    "history.sample.contacts_per_day=100",
    "simulation.days=2",
    "simulation.replications=1",
    "simulation.processes=1",
)


@pytest.mark.parametrize("name", ["own_model", "tuned"])
def test_its_pages(
    name: str, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHADOWDESK_MODEL", str(small_model))
    monkeypatch.setenv("SHADOWDESK_TUNED", str(tmp_path))
    for part in ("sft", "dpo"):
        adapter(small_model, tmp_path / part)
    (tmp_path / "sft-merged").symlink_to(small_model)
    path = ROOT / "scenarios" / f"{name}.toml"
    asked = [who for who, bot in load(path).candidates.items() if bot.kind == "prompted"]
    few = [f"candidates.{who}.model.max_tokens=4" for who in asked]
    few += [f'candidates.{who}.model.dtype="float32"' for who in asked]
    run = pipeline.run(load(path, (*SMALL, *few)), tmp_path / "out")
    reports.write(pipeline.as_report_run(run), run.path, "zh-Hant")
    with chromium() as browser:
        for page in ("report.html", "report.zh-Hant.html"):
            for width in WIDTHS:
                with opened(browser, run.path / page, width) as found:
                    assert_page(found)
