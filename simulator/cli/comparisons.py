"""``shadowdesk compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import names, terminal
from simulator.cli.names import AsJson, RunFolderPath


def compare(
    run: RunFolderPath,
    run2: Annotated[
        Path | None,
        typer.Argument(
            help="A later run of the same history: each candidate against itself before.",
            show_default=False,
            autocompletion=names.runs,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Default: the candidate of \\[proposal], else human.",
            autocompletion=names.candidates,
        ),
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare this one. Repeat for more. Default: all.",
            show_default=False,
            autocompletion=names.candidates,
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Slice by intent, question_kind, risk, language, channel, emotion or depth. "
            "Repeat for more. Default: all.",
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="How much worse a share may be: 0.01 is one percentage point.")
    ] = 0.01,
    top: Annotated[int, typer.Option(help="How many slices and turns to show.")] = 10,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the files. Default: RUN/compare."),
    ] = None,
    json_: AsJson = False,
) -> None:
    """Candidates side by side. Exit code 0: none is worse than the tolerance allows; 1: one is.

    With one run, each candidate against the baseline; with two, each against itself in the first.
    Only what labels, judges or the log say of replies decides, never the simulated desk.

    Example: shadowdesk compare outputs/quickstart --baseline guarded --by intent

    With --json: all that the page shows, by part.
    """
    from simulator.cli.progress import progress
    from simulator.pipeline import comparing
    from simulator.reports import comparison
    from simulator.reports.comparison_text import text
    from simulator.store import RunFolder

    before = RunFolder.open(run)
    after = None if run2 is None else RunFolder.open(run2)
    asked = comparing.Asked(baseline, tuple(candidate or ()), tuple(by or ()), tolerance, top)
    with progress() as tell:
        found = comparing.compare(before, after, asked, tell=tell)
        folder = out or run / "compare"
        comparison.write(found, folder)
    if json_:
        terminal.show_json(comparison.answer_json(found))
    else:
        terminal.show(text(found))
        typer.echo(f"Page: {folder / 'comparison.html'}")
    raise typer.Exit(1 if found.regressed else 0)
