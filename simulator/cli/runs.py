"""``shadowdesk quickstart`` and ``shadowdesk run``."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli.names import AsJson, ScenarioPath
from simulator.cli.terminal import show, show_json

if TYPE_CHECKING:
    from simulator.store import RunFolder

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the run. Default: outputs/NAME.", show_default=False),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one key of the scenario, as in --set simulation.seed=2. Repeat for more.",
        show_default=False,
    ),
]


class Language(StrEnum):
    """What a report can be written in."""

    en = "en"
    zh_hant = "zh-Hant"


Lang = Annotated[
    Language, typer.Option("--lang", help="Language of the report: English, or Chinese of Taiwan.")
]


def quickstart(
    out: Out = None, set_: Set = None, lang: Lang = Language.en, json_: AsJson = False
) -> None:
    """Do the whole job once on the built-in synthetic sample: no network, no GPU, no model.

    It takes about a minute and ends with the summary and the path of the report.

    Example: shadowdesk quickstart

    With --json: as run.
    """
    _run(shipped("quickstart.toml"), out, set_, lang, json_)


def run(
    scenario: ScenarioPath,
    out: Out = None,
    set_: Set = None,
    lang: Lang = Language.en,
    json_: AsJson = False,
) -> None:
    """Run a scenario; run it again to go on where it stopped.

    Replays its history, judges the replies, simulates the desk, and writes the report. Another
    language than English is written beside the English report.

    Example: shadowdesk run first-look.toml --set simulation.days=20

    With --json: run, name, synthetic, report, summary, headline, recommendation (rows of that
    table), ask_again (null, or why to run it again).
    """
    _run(scenario, out, set_, lang, json_)


def shipped(name: str) -> Path:
    """A scenario that comes with the product: installed beside the code, or in the checkout."""
    here = Path(__file__).resolve().parents[1]
    installed = here / "shipped_scenarios" / name
    return installed if installed.is_file() else here.parent / "scenarios" / name


def _run(path: Path, out: Path | None, overrides: list[str] | None, lang: str, json_: bool) -> None:
    from simulator.scenario_file import load

    scenario = load(path, tuple(overrides or ()))

    from simulator import pipeline
    from simulator.cli.progress import progress

    folder = out or Path("outputs") / scenario.name
    command = shlex.join(["shadowdesk", *sys.argv[1:]])
    with progress() as tell:
        done = pipeline.run(scenario, folder, command=command, tell=tell)
    say_reported(done, folder, lang, json_)


def say_reported(done: RunFolder, folder: Path, lang: str, json_: bool) -> None:
    """Write the report of a finished run in another language than English, and say the answer.

    Args:
        done: the run, its English report written.
        folder: its path as the user knows it.
        lang: a tag of ``reports.language``.
        json_: as one JSON object.
    """
    from simulator import pipeline, reports
    from simulator.reports import answer
    from simulator.reports.language import ENGLISH, speaking

    finished = pipeline.as_report_run(done)
    ending = ""
    if lang != ENGLISH:
        reports.write(finished, done.path, lang)
        ending = f".{lang}"
    page = folder / f"report{ending}.html"
    with speaking(lang):
        again = reports.ask_again(finished)
        if json_:
            made: dict[str, Any] = {
                "run": str(folder),
                "name": finished.manifest["name"],
                "synthetic": finished.manifest["synthetic"],
                "report": str(page),
                "summary": str(folder / f"summary{ending}.md"),
                "headline": answer.headline(finished),
                "recommendation": finished.table("recommendation").to_dicts(),
                "ask_again": again,
            }
            show_json(made)
            return
        show(reports.summary_text(finished))
        if again:
            typer.echo(again)
    typer.echo(f"\nReport: {page}")
