"""``shadowdesk gate`` and ``shadowdesk report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simulator.store import RunFolder

RunPath = Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)]


def gate(
    run: RunPath,
    candidate: Annotated[str | None, typer.Option(help="Default: that of \\[proposal].")] = None,
    stage: Annotated[str | None, typer.Option(help="Default: that of \\[proposal].")] = None,
    segment: Annotated[str | None, typer.Option(help="Default: of \\[proposal], or all.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the gates as JSON.")] = False,
    self_test: Annotated[
        bool,
        typer.Option("--self-test", help="Weaken each gate in turn, and show that it is caught."),
    ] = False,
) -> None:
    """May this stage go live? Exit code 0: every gate passes; 1: one fails or lacks evidence.

    Labels that were loaded since the run was made count. A gate that somebody overrode lets the
    stage be, and says whose word that is.
    """
    import polars as pl

    from simulator import pipeline
    from simulator.cli.progress import progress
    from simulator.errors import RunError
    from simulator.gates import passed as lets_be
    from simulator.store import RunFolder

    folder = RunFolder.open(run)
    if self_test:
        _self_test(folder, json_)
    if folder.table("gates").is_empty():
        raise RunError(
            f"{run}: no gate was tested: the run has no candidate besides human, no stage after "
            "the baseline or no gates; expected a bot such as [candidates.guarded] with kind = "
            '"guarded"; add one and run the scenario again'
        )
    with progress() as tell:
        pipeline.assess(folder, tell=tell)
    gates = folder.table("gates")
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
    found = rows.to_dicts()
    at = {name: asked[name] for name in ("candidate", "segment")}
    advice = folder.table("recommendation").filter(**at).to_dicts()
    stages = [one.name for one in pipeline.scenario_of(folder).rollout.stages]
    reached = [stages.index(one["stage"]) for one in advice]
    # Passing here is not enough: an earlier stage may not, or nothing speaks of promises at all.
    allowed_there = max(reached, default=0) >= stages.index(str(asked["stage"]))
    passed = bool(found) and all(lets_be(row) for row in found) and allowed_there
    if json_:
        import json

        answer = {**asked, "pass": passed, "gates": found}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2, default=str))
        raise typer.Exit(0 if passed else 1)
    typer.echo(f"{asked['candidate']} at {asked['stage']}, segment {asked['segment']}:")
    if not found:
        typer.echo("  no gate was tested here; there is no evidence to go on")
    for row in found:
        more = row["labels_needed"]
        needed = f"; some {more} more labels may settle it" if more else ""
        typer.echo(f"  {row['status']:<12} {row['metric']:<22} {row['reason']}{needed}")
        if row["overridden_by"]:
            typer.echo(
                f"  {'overridden':<12} {'':<22} by {row['overridden_by']}, until "
                f"{row['override_expires']}: {row['override_reason']}"
            )
    whose = sorted({row["overridden_by"] for row in found if row["status"] != "pass"} - {None})
    by_word = f", on the word of {' and '.join(whose)}" if passed and whose else ""
    if found and not allowed_there and all(lets_be(row) for row in found):
        typer.echo(f"  not reached  {advice[0]['next_step'] if advice else ''}")
    if (day := pipeline.scenario_of(folder).evidence.as_of) is not None:
        typer.echo(f"As of {day}, as the scenario says: age and overrides count for that day.")
    typer.echo(f"GO{by_word}" if passed else "NO GO")
    raise typer.Exit(0 if passed else 1)


def _self_test(folder: RunFolder, json_: bool) -> None:
    from simulator import pipeline

    found = pipeline.self_test(folder)
    caught = all(one.caught for one in found)
    if json_:
        import json

        answer = {"pass": caught, "weakenings": [one._asdict() for one in found]}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        raise typer.Exit(0 if caught else 1)
    for one in found:
        typer.echo(f"  {'caught' if one.caught else 'NOT CAUGHT':<11} {one.metric:<22} {one.said}")
    n = sum(one.caught for one in found)
    typer.echo(f"{n} of {len(found)} weakenings of the gates are caught")
    raise typer.Exit(0 if caught else 1)


def report(run: RunPath) -> None:
    """Write the reports of a finished run again from its tables."""
    from simulator import pipeline, reports
    from simulator.store import RunFolder

    folder = RunFolder.open(run)
    folder.table("gates")
    pipeline.report(folder)
    typer.echo(reports.summary_text(pipeline.as_report_run(folder)))
    typer.echo(f"\nReport: {run / 'report.html'}")
