"""``shadowdesk staff`` on a run: what it keeps, what it drops, what it refuses."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from simulator import pipeline
from simulator.cli import app
from simulator.errors import RunError
from simulator.pipeline.staffing import _mean_gain
from simulator.scenario import Scenario
from simulator.scenario_file import load
from simulator.store import RunFolder
from simulator.tables import build

SMALL = """
name = "small"
[history]
format = "sample"
timezone = "Asia/Taipei"
[history.sample]
days = 8
contacts_per_day = 60
conversations = 60
[candidates.human]
kind = "human"
[candidates.bot]
kind = "always_escalate"
[rollout]
stages = [{ name = "human_only" }, { name = "auto", auto_when = { max_risk = "high" } }]
[simulation]
days = 2
replications = 1
"""


def scenario(folder: Path, *overrides: str) -> Scenario:
    path = folder / "small.toml"
    path.write_text(SMALL)
    return load(path, overrides)


def test_an_answer_stays_until_there_is_another_or_the_customers_change(tmp_path: Path) -> None:
    out = tmp_path / "run"
    pipeline.run(scenario(tmp_path), out)
    asked = ["staff", str(out), "--candidate", "bot", "--target", "70/60", "--json"]
    done = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert done.exit_code == 0
    folder = RunFolder.open(out)
    answer = folder.table("staffing_hours")
    metrics = set(folder.table("costs").filter(segment="all")["metric"])
    assert {"paid_labour_money", "paid_saving_hours", "paid_saving_money"} <= metrics
    saved = answer.filter(metric="paid_hours_saved_per_day", stage="auto")
    # Who hands everything over saves nobody's hours, but for the time that the bot takes.
    assert abs(saved["estimate"][0]) < 0.2 * answer["estimate"].max()

    # Asked for more, it does not look again for what it knows.
    parts = {path: path.stat().st_mtime_ns for path in (out / "parts" / "staffing").iterdir()}
    assert len(parts) == 3 * len(answer.select("stage", "candidate", "bound").unique())
    again = CliRunner().invoke(app, [*asked[:2], *asked[4:]], catch_exceptions=False)
    assert again.exit_code == 0
    assert RunFolder.open(out).table("staffing_hours").equals(answer)
    assert {path: path.stat().st_mtime_ns for path in parts} == parts

    # What fails leaves everything as it was.
    for wrong, says in (
        (["--candidate", "nobody"], "expected one of bot, human"),
        (["--candidate", "human", "--stage", "auto"], "no such pair"),
        (["--target", "0/20"], "1 to 99 per cent"),
        (["--max-abandonment", "0"], "0.1 to 100"),
    ):
        with pytest.raises(Exception, match=says):
            CliRunner().invoke(app, ["staff", str(out), *wrong], catch_exceptions=False)
    pipeline.run(scenario(tmp_path), out)
    assert RunFolder.open(out).table("staffing_hours").equals(answer)

    # Other customers: the answer is not about them.
    pipeline.run(scenario(tmp_path, "history.assume.contacts_per_day=120"), out)
    folder = RunFolder.open(out)
    assert folder.table("staffing_hours").is_empty()
    assert folder.manifest["staffing"] is None
    assert not set(folder.table("costs")["metric"]) & {"paid_labour_money", "paid_saving_money"}


def test_a_week_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "run"
    pipeline.run(scenario(tmp_path, "demand.day=week"), out)
    with pytest.raises(RunError, match="expected a run of one day"):
        CliRunner().invoke(app, ["staff", str(out)], catch_exceptions=False)


def test_a_teams_gain_is_that_of_whoever_is_there_by_time() -> None:
    there = {"replication": 0, "starts_ms": 0}
    roster = build(
        "roster",
        [
            {**there, "agent_id": "a", "team": "t", "ends_ms": 3, "gain": 0.0},
            {**there, "agent_id": "b", "team": "t", "ends_ms": 1, "gain": 2.0},
            {**there, "agent_id": "c", "team": "u", "ends_ms": 1, "gain": None},
        ],
    )
    assert _mean_gain(roster) == {"t": 0.5, "u": 1.0}
    assert _mean_gain(roster.with_columns(gain=pl.lit(1.0))) == {"t": 1.0, "u": 1.0}
