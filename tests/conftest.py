"""What all tests share: where the real conversations are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from simulator.scenario import Scenario
from simulator.scenario_file import load

# Whether a change lands must not hang on what a random search happens to find that day: in CI the
# examples are always the same; everywhere else they are new ones at every run.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

ROOT = Path(__file__).resolve().parent.parent


def small_quickstart(*overrides: str) -> Scenario:
    """The quickstart with another sample; recordings belong to the one that it ships with."""
    whole = load(ROOT / "scenarios" / "quickstart.toml", overrides)
    bots = {name: bot for name, bot in whole.candidates.items() if bot.kind != "recorded"}
    assert len(bots) == len(whole.candidates) - 4
    # What-ifs have a test of their own; here they would only take time.
    return whole.model_copy(update={"candidates": bots, "what_if": ()})


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data (see its README); not part of the product."""
    folder = Path(os.environ.get("SHADOWDESK_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SHADOWDESK_REAL_DATA to its folder")
    return folder
