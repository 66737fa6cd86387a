"""What-ifs: one thing changed after the replay, and the run that would have been."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from simulator import pipeline
from simulator.errors import ScenarioError
from simulator.pipeline.what_if import METRICS
from simulator.reports import what_if as shown
from simulator.scenario_file import load
from simulator.store import RunFolder

SCENARIO = """
name = "asked"
[history]
format = "sample"
timezone = "Asia/Taipei"
[history.sample]
days = 7
contacts_per_day = 120
conversations = 120
[candidates.human]
kind = "human"
[candidates.guarded]
kind = "guarded"
[candidates.always_escalate]
kind = "always_escalate"
[simulation]
days = 3
replications = 1
processes = 1
[proposal]
candidate = "guarded"
stage = "low_risk_auto"
"""
NOTHING = """
[[what_if]]
name = "nothing else"
set = { "demand.scale" = 1.0 }
"""
ASKED = (
    NOTHING
    + """
[[what_if]]
name = "twice as many, and another wage"
set = { "demand.scale" = 2.0, "money.wage_per_hour" = 30 }

[[what_if]]
name = "the ladder is shorter"
set = { "rollout.stages" = [
  { name = "human_only" },
  { name = "low_risk_auto", auto_when = { max_risk = "low" } },
] }
"""
)
KEYS = ["stage", "candidate", "bound", "metric"]


def scenario(folder: Path, more: str = "") -> Path:
    path = folder / "s.toml"
    path.write_text(SCENARIO + more, "utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("asked")
    return pipeline.run(load(scenario(folder, ASKED)), folder / "out")


def of(folder: RunFolder, name: str) -> pl.DataFrame:
    return folder.table("what_if").filter(pl.col("what_if") == name).sort(KEYS)


def planned(folder: RunFolder) -> pl.DataFrame:
    columns = [*KEYS, "estimate", "low", "high"]
    found = pl.concat([folder.table(name).filter(segment="all").select(columns)
                       for name in ("kpis", "costs")])  # fmt: skip
    kept = pl.col("metric").is_in(METRICS) & pl.col("candidate").is_in(["human", "guarded"])
    return found.filter(kept).sort(KEYS)


def test_a_change_of_nothing_gives_the_run_itself(run: RunFolder) -> None:
    found, expected = of(run, "nothing else"), planned(run)
    assert found.height > 20
    assert found.select(expected.columns).equals(expected)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("twice as many, and another wage", ("demand.scale=2.0", "money.wage_per_hour=30")),
        (
            "the ladder is shorter",
            (
                'rollout.stages=[{name="human_only"},'
                '{name="low_risk_auto",auto_when={max_risk="low"}}]',
            ),
        ),
    ],
)
def test_a_what_if_is_the_run_with_the_same_set(
    run: RunFolder, tmp_path: Path, name: str, overrides: tuple[str, ...]
) -> None:
    other = pipeline.run(load(scenario(tmp_path), overrides), tmp_path / "out")
    expected = planned(other)
    assert of(run, name).select(expected.columns).equals(expected)
    assert not expected.equals(planned(run))


def test_only_the_proposal_is_asked_about(run: RunFolder) -> None:
    assert set(run.table("what_if")["candidate"]) == {"human", "guarded"}


def test_the_report_holds_the_run_beside_its_what_ifs(run: RunFolder) -> None:
    read = pipeline.as_report_run(run)
    cases = shown.cases(read)
    assert [case.name for case in cases][1:] == [one.name for one in read.scenario.what_if]
    assert cases[2].changes == ("demand.scale = 2.0", "money.wage_per_hour = 30")
    table = run.table("what_if").rows_by_key(["what_if", *KEYS], named=True, unique=True)
    for case in cases[1:]:
        for row in case.rows:
            for metric, bounds in row.bounds.items():
                for bound, figure in (bounds.figures or {}).items():
                    key = (case.name, row.stage, row.candidate, bound, metric)
                    assert figure.value == table[key]["estimate"]
    # A stage that a what-if does not have is empty there, not zero.
    assist = next(row for row in cases[3].rows if row.stage == "assist")
    assert not any(bounds.figures for bounds in assist.bounds.values())


def test_without_a_what_if_nothing_is_asked(tmp_path: Path) -> None:
    folder = pipeline.run(load(scenario(tmp_path)), tmp_path / "out")
    assert folder.table("what_if").is_empty()
    assert shown.section(pipeline.as_report_run(folder)) is None
    # One is added: what was replayed and simulated before is not done again.
    before = folder.manifest["stages"]
    again = pipeline.run(load(scenario(tmp_path, NOTHING)), tmp_path / "out")
    assert again.table("what_if").height > 20
    for stage in ("shadow", "verdicts", "contacts", "costs"):
        assert again.manifest["stages"][stage] == before[stage]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('{ "history.timezone" = "UTC" }', "what_if[0].set.history.timezone"),
        ('{ "simulation.seed" = 2 }', "keys under rollout, assist"),
        ('{ "demand.scale" = -1 }', "the change does not fit: demand.scale"),
        ('{ "contact_center.teams[4].skills" = [] }', "no table teams[4]"),
        ('{ "demand.scale.more" = 1 }', "no table"),
        ("{}", "what_if[0].set"),
    ],
)
def test_a_change_that_cannot_be_is_said_before_the_run(
    tmp_path: Path, change: str, said: str
) -> None:
    path = scenario(tmp_path, f'\n[[what_if]]\nname = "x"\nset = {change}\n')
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert said in str(error.value)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"what_if\[1\]\.name"):
        load(scenario(tmp_path, NOTHING + NOTHING))
