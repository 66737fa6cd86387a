"""``shadowdesk compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    run: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    run2: Annotated[
        Path | None,
        typer.Argument(
            help="A later run of the same history: each candidate against itself before.",
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Default: the candidate of \\[proposal], else human."),
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(help="Compare this one. Repeat for more. Default: all.", show_default=False),
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
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Candidates side by side. Exit code 0: none is worse than the tolerance allows; 1: one is.

    With one run, each candidate against the baseline; with two, each against itself in the first.
    Only what labels, judges or the log say of replies decides, never the simulated desk.
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
        import json

        answer = comparison.answer_json(found)
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2, default=str))
    else:
        typer.echo(text(found))
        typer.echo(f"Page: {folder / 'comparison.html'}")
    raise typer.Exit(1 if found.regressed else 0)
