"""An export of boundary cases of a small fortnight, for the tests that train on it."""

from __future__ import annotations

from pathlib import Path

from simulator import pipeline
from simulator.pipeline.exports import Asked, export
from simulator.scenario_file import load
from tests.conftest import ROOT


def exported(place: Path, form: str) -> Path:
    """The folder of an export in format ``form``, made below ``place``."""
    one = load(ROOT / "scenarios" / "boundary_data.toml", ("history.sample.conversations=250",))
    folder = pipeline.run(one, place / "run")
    prompt = ROOT / "scenarios" / "prompts" / "tuned.toml"
    export(folder, Asked(form, place / form, prompt), lambda stage, done, total: None)
    return place / form
