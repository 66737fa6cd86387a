"""``shadowdesk quickstart`` and ``shadowdesk run``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

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


def quickstart(out: Out = None, set_: Set = None) -> None:
    """Do the whole job once on the built-in synthetic sample: no network, no GPU, no model."""
    _run(shipped("quickstart.toml"), out, set_)


def run(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (TOML).", show_default=False)],
    out: Out = None,
    set_: Set = None,
) -> None:
    """Run a scenario; run it again to go on where it stopped."""
    _run(scenario, out, set_)


def shipped(name: str) -> Path:
    """A scenario that comes with the product: installed beside the code, or in the checkout."""
    here = Path(__file__).resolve().parents[1]
    installed = here / "shipped_scenarios" / name
    return installed if installed.is_file() else here.parent / "scenarios" / name


def _run(path: Path, out: Path | None, overrides: list[str] | None) -> None:
    from simulator.scenario_file import load

    scenario = load(path, tuple(overrides or ()))

    from simulator import pipeline, reports
    from simulator.cli.progress import progress

    folder = out or Path("outputs") / scenario.name
    command = shlex.join(["shadowdesk", *sys.argv[1:]])
    with progress() as tell:
        done = pipeline.run(scenario, folder, command=command, tell=tell)
    finished = pipeline.as_report_run(done)
    typer.echo(reports.summary_text(finished))
    if again := reports.ask_again(finished):
        typer.echo(again)
    typer.echo(f"\nReport: {folder / 'report.html'}")
