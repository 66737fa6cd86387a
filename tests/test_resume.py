"""Killed at random moments and run again, a run ends with the tables of an undisturbed one."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from simulator.store import RunFolder
from tests.conftest import ROOT

# contacts, kpis, intervals, desk_hours
TABLES_OF_A_CELL = 4

SETTINGS = (
    "history.sample.conversations=200",
    "history.sample.contacts_per_day=300",
    "history.sample.days=7",
    "simulation.days=3",
    "simulation.replications=1",
)


def start(out):
    # Without the recordings, which belong to the whole sample.
    text = (ROOT / "scenarios" / "quickstart.toml").read_text()
    scenario = out.parent / "quickstart.toml"
    scenario.write_text(re.sub(r"\[candidates\.small_.*?\n\n", "", text, flags=re.DOTALL))
    command = [sys.executable, "-m", "simulator", "run", str(scenario), "--out", str(out)]
    for setting in SETTINGS:
        command += ["--set", setting]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(out):
    process = start(out)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def stored(out):
    """Parts and replies, each with what would change if it were made again."""
    parts: dict[str, list[Path]] = {}
    for path in sorted((out / "parts").rglob("*.parquet")):
        parts.setdefault(path.name.partition("-")[0], []).append(path)
    # A cell is stored once all its tables are: what a kill cut short is made again.
    found = {
        path.name: path.stat().st_mtime_ns
        for paths in parts.values()
        if len(paths) == TABLES_OF_A_CELL
        for path in paths
    }
    for path in sorted((out / "parts" / "replay").glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT key, took_s FROM replies").fetchall()
        found |= {f"{path.name} {key}": took_s for key, took_s in rows}
    return found


def tables_but_times(out, table):
    return RunFolder(out).table(table).drop("took_s", strict=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    began = time.monotonic()
    finish(out)
    return out, time.monotonic() - began


def test_killed_at_five_random_moments_the_tables_are_the_same(undisturbed, tmp_path):
    whole, took = undisturbed
    out = tmp_path / "run"
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    print(f"seed {seed}")
    kept: dict[str, int] = {}
    for _ in range(5):
        process = start(out)
        time.sleep(moments.uniform(0.1, 0.95) * took)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # What was stored before is not asked again.
        now = stored(out)
        assert {name: now.get(name) for name in kept} == kept
        kept = now
    finish(out)
    assert {name: stored(out)[name] for name in kept} == kept
    names = sorted(path.name for path in (whole / "tables").glob("*.parquet"))
    assert names == sorted(path.name for path in (out / "tables").glob("*.parquet"))
    for name in names:
        table = name.removesuffix(".parquet")
        one, other = (tables_but_times(path, table) for path in (whole, out))
        assert one.equals(other), f"{table}, seed {seed}"


def test_an_interrupt_is_answered_in_one_line(undisturbed, tmp_path):
    _, took = undisturbed
    process = start(tmp_path / "run")
    deadline = time.monotonic() + 4 * took + 30
    # In the midst of the simulation, whose threads must not keep the answer back.
    kept = tmp_path / "run" / "parts" / "simulation"
    while not any(kept.glob("*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    # As a terminal does it: to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors.decode()
    assert errors.decode().splitlines()[-1].startswith("interrupted; run the same command again")
    finish(tmp_path / "run")
