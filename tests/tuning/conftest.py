"""What the tests that train share: LLaMA-Factory's own environment, a real model.

They run on purpose only (``pytest -m tuning``, see ``just test-tuning``): ``SHADOWDESK_TUNING``
names the virtual environment of LLaMA-Factory, ``SHADOWDESK_SMALL_MODEL`` the folder of a small
model. Where one is missing they fail, and do not skip.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Before -m is looked at.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("tuning")


@pytest.fixture(scope="session")
def model() -> Path:
    """The folder of a small model."""
    folder = Path(os.environ["SHADOWDESK_SMALL_MODEL"]).resolve()
    assert (folder / "config.json").is_file(), f"SHADOWDESK_SMALL_MODEL: no model: {folder}"
    return folder


@pytest.fixture(scope="session")
def tuning():
    """Runs a program of LLaMA-Factory's environment; its output, or the test's failure."""
    programs = Path(os.environ["SHADOWDESK_TUNING"]).resolve() / "bin"
    assert (programs / "llamafactory-cli").is_file(), f"SHADOWDESK_TUNING: none at {programs}"

    def run(program: str, *arguments: object) -> str:
        done = subprocess.run(
            [programs / program, *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "WANDB_DISABLED": "true"},
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stdout

    return run
