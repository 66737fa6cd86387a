"""``shadowdesk gate`` and ``shadowdesk report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunPath = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]


def gate(
    run: RunPath,
    candidate: Annotated[str | None, typer.Option(help="Default: of [proposal].")] = None,
    stage: Annotated[str | None, typer.Option(help="Default: of [proposal].")] = None,
    segment: Annotated[str | None, typer.Option(help="Default: of [proposal], or all.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the gates as JSON.")] = False,
) -> None:
    """May this stage go live? Exit code 0: every gate passes; 1: one fails or lacks evidence."""
    import polars as pl

    from simulator import pipeline
    from simulator.errors import RunError
    from simulator.store import RunFolder

    folder = RunFolder.open(run)
    gates = folder.table("gates")
    if gates.is_empty():
        raise RunError(
            f"{run}: no gate was tested: the run has no candidate besides human, no stage after "
            "the baseline or no gates; expected a bot such as [candidates.guarded] with kind = "
            '"guarded"; add one and run the scenario again'
        )
    proposal = pipeline.scenario_of(folder).proposal
    asked = {
        "candidate": candidate or (proposal and proposal.candidate),
        "stage": stage or (proposal and proposal.stage),
        "segment": segment or (proposal.segment if proposal else "all"),
    }
    for column, value in asked.items():
        allowed = gates[column].unique().sort().to_list()
        if value is None:
            raise RunError(
                f"{run}: the scenario has no [proposal]; name a {column} with --{column}: "
                f"{', '.join(allowed)}"
            )
        if value not in allowed:
            raise RunError(f"--{column} {value}: expected one of {', '.join(allowed)}")
    rows = gates.filter(*(pl.col(column) == value for column, value in asked.items()))
    passed = rows.height > 0 and bool((rows["status"] == "pass").all())
    if json_:
        import json

        answer = {**asked, "pass": passed, "gates": rows.to_dicts()}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        typer.echo(f"{asked['candidate']} at {asked['stage']}, segment {asked['segment']}:")
        if rows.is_empty():
            typer.echo("  no gate was tested here; there is no evidence to go on")
        for row in rows.to_dicts():
            typer.echo(f"  {row['status']:<12} {row['metric']:<20} {row['reason']}")
        typer.echo("GO" if passed else "NO GO")
    raise typer.Exit(0 if passed else 1)


def report(run: RunPath) -> None:
    """Write the reports of a finished run again from its tables."""
    from simulator import pipeline, reports
    from simulator.store import RunFolder

    folder = RunFolder.open(run)
    folder.table("gates")
    pipeline.report(folder)
    typer.echo(reports.summary_text(pipeline.as_report_run(folder)))
    typer.echo(f"\nReport: {run / 'report.html'}")
