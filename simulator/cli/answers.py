"""``shadowdesk gate`` and ``shadowdesk report``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli import names, terminal
from simulator.cli.names import AsJson, RunFolderPath
from simulator.cli.runs import Lang, Language, say_reported

if TYPE_CHECKING:
    from simulator.store import RunFolder

Candidate = Annotated[
    str | None,
    typer.Option(help="Which bot. Default: that of \\[proposal].", autocompletion=names.candidates),
]
Stage = Annotated[
    str | None,
    typer.Option(help="Which stage. Default: that of \\[proposal].", autocompletion=names.stages),
]
Segment = Annotated[
    str | None,
    typer.Option(
        help="Which segment. Default: that of \\[proposal], or all.", autocompletion=names.segments
    ),
]


def gate(
    run: RunFolderPath,
    candidate: Candidate = None,
    stage: Stage = None,
    segment: Segment = None,
    json_: AsJson = False,
    self_test: Annotated[
        bool,
        typer.Option("--self-test", help="Weaken each gate in turn, and show that it is caught."),
    ] = False,
) -> None:
    """May this stage go live? Exit code 0: every gate passes; 1: one fails or lacks evidence.

    Labels that were loaded since the run was made count. A gate that somebody overrode lets the
    stage be, and says whose word that is.

    Example: shadowdesk gate outputs/first-look --candidate guarded --stage low_risk_auto

    With --json: candidate, stage, segment, pass, gates (rows of that table); with --self-test
    pass and weakenings.
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
        terminal.show_json({**asked, "pass": passed, "gates": found})
        raise typer.Exit(0 if passed else 1)
    typer.echo(f"{asked['candidate']} at {asked['stage']}, segment {asked['segment']}:")
    if not found:
        typer.echo("  no gate was tested here; there is no evidence to go on")
    _tell(found)
    whose = sorted({row["overridden_by"] for row in found if row["status"] != "pass"} - {None})
    by_word = f", on the word of {' and '.join(whose)}" if passed and whose else ""
    if found and not allowed_there and all(lets_be(row) for row in found):
        typer.echo(f"  not reached  {advice[0]['next_step'] if advice else ''}")
    if (day := pipeline.scenario_of(folder).evidence.as_of) is not None:
        typer.echo(f"As of {day}, as the scenario says: age and overrides count for that day.")
    terminal.show_lines([f"GO{by_word}" if passed else "NO GO"])
    raise typer.Exit(0 if passed else 1)


def _tell(found: list[dict[str, Any]]) -> None:
    """Each gate and why: a line of text, or a row of a table at a terminal."""
    rows = []
    for row in found:
        more = row["labels_needed"]
        needed = f"; some {more} more labels may settle it" if more else ""
        rows.append((row["status"], row["metric"], f"{row['reason']}{needed}"))
        if row["overridden_by"]:
            said = f"by {row['overridden_by']}, until {row['override_expires']}"
            rows.append(("overridden", "", f"{said}: {row['override_reason']}"))
    if rows and not terminal.is_plain():
        terminal.show_table(["Status", "Gate", "Why"], rows)
        return
    for status, metric, why in rows:
        typer.echo(f"  {status:<12} {metric:<22} {why}")


def _self_test(folder: RunFolder, json_: bool) -> None:
    from simulator import pipeline

    found = pipeline.self_test(folder)
    caught = all(one.caught for one in found)
    if json_:
        terminal.show_json({"pass": caught, "weakenings": [one._asdict() for one in found]})
        raise typer.Exit(0 if caught else 1)
    rows = [("caught" if one.caught else "NOT CAUGHT", one.metric, one.said) for one in found]
    if not terminal.is_plain():
        terminal.show_table(["Weakened", "Gate", "How"], rows)
    for caught_, metric, how in rows if terminal.is_plain() else ():
        typer.echo(f"  {caught_:<11} {metric:<22} {how}")
    n = sum(one.caught for one in found)
    typer.echo(f"{n} of {len(found)} weakenings of the gates are caught")
    raise typer.Exit(0 if caught else 1)


def report(
    run: RunFolderPath,
    lang: Lang = Language.en,
    excel: Annotated[
        bool,
        typer.Option(
            "--excel",
            help="Write intervals.csv and recommendation.csv so that Excel shows every script.",
        ),
    ] = False,
    json_: AsJson = False,
) -> None:
    """Write the reports of a finished run again from its tables.

    In another language than English, report.LANG.html and summary.LANG.md alone.

    Example: shadowdesk report outputs/quickstart --lang zh-Hant

    With --json: as run.
    """
    from simulator import pipeline
    from simulator.store import RunFolder

    folder = RunFolder.open(run)
    folder.table("gates")
    if lang == Language.en:
        pipeline.report(folder)
    if excel:
        _for_excel(folder)
    say_reported(folder, run, lang, json_)


def _for_excel(folder: RunFolder) -> None:
    """The two spreadsheets again, with a byte-order mark and Excel's line ends."""
    from simulator import pipeline
    from simulator.reports import spreadsheets
    from simulator.store import write_bytes

    run = pipeline.as_report_run(folder)
    tables = {
        "intervals": spreadsheets.intervals(run),
        "recommendation": run.table("recommendation"),
    }
    for name, table in tables.items():
        text = spreadsheets.csv(table, bom=True)
        write_bytes(folder.path / f"{name}.csv", text.encode("utf-8"))
