"""``shadowdesk audit draw`` and ``shadowdesk audit load``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli.answers import Candidate, Segment, Stage
from simulator.cli.names import AsJson, RunFolderPath
from simulator.cli.terminal import plain, show_json, show_lines

if TYPE_CHECKING:
    from simulator.evidence.intervals import Interval
    from simulator.pipeline.audits import Drawn, Loaded

app = typer.Typer(
    help="Draw conversations for people to label, and load what they said.", no_args_is_help=True
)


class Split(StrEnum):
    """What labels are for: to certify a rate, or to choose a threshold."""

    certify = "certify"
    choose = "choose"


@app.command()
def draw(
    run: RunFolderPath,
    labels: Annotated[
        int,
        typer.Option(
            help="How many conversations with automatic replies to draw.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The sheet, a .csv; its page lies beside it.", show_default=False)
    ],
    candidate: Candidate = None,
    stage: Stage = None,
    segment: Segment = None,
    no_bot: Annotated[
        int,
        typer.Option(help="How many without any to draw: the interception gate needs them."),
    ] = 0,
    split: Annotated[
        Split | None,
        typer.Option(help="What the labels are for. Default: certify; with --simple choose."),
    ] = None,
    doubles: Annotated[
        float, typer.Option(help="Share that a second person labels too, on a sheet of its own.")
    ] = 0.0,
    simple: Annotated[
        bool,
        typer.Option("--simple", help="Draw whatever a judge said, as a score threshold needs it."),
    ] = False,
    json_: AsJson = False,
) -> None:
    """Draw conversations at random, and write the sheet on which people label them.

    Example: shadowdesk audit draw outputs/first-look --labels 100 --no-bot 50 --out sheet.csv

    With --json: draw, round, stage, candidate, segment, allocated (by stratum), plan (null, or
    outlooks, gate, more: what the labels can certify), n_rows, files.
    """
    from simulator import pipeline
    from simulator.pipeline import audits
    from simulator.store import RunFolder

    folder = RunFolder.open(run)
    part = split or (Split.choose if simple else Split.certify)
    asked = audits.Asked(candidate, stage, segment, labels, no_bot, part.value, doubles, simple)
    drawn = audits.draw(pipeline.scenario_of(folder), folder, asked, out)
    if json_:
        show_json(_drawn_json(drawn))
        return
    then = f"Fill in the sheet, then: shadowdesk audit load {run} {out} --labeller NAME"
    show_lines([*_drawn_lines(drawn, part), then])


@app.command()
def load(
    run: RunFolderPath,
    sheet: Annotated[Path, typer.Argument(help="The filled sheet.", show_default=False)],
    labeller: Annotated[str, typer.Option(help="Who filled it.", show_default=False)],
    json_: AsJson = False,
) -> None:
    """Check a filled sheet, keep its labels, and show how far people and the judge agree.

    Example: shadowdesk audit load outputs/first-look sheet.csv --labeller Ann

    With --json: draw, stage, candidate, n_conversations, n_drawn, n_rows, unanswered (by question),
    doubtful, kappas, accuracy (of the judge), without_labels (draws).
    """
    from datetime import UTC, datetime

    from simulator import pipeline
    from simulator.pipeline import audits
    from simulator.store import RunFolder

    folder = RunFolder.open(run)
    today = datetime.now(UTC).date()
    loaded = audits.load(pipeline.scenario_of(folder), folder, sheet, labeller, today)
    if json_:
        show_json(_loaded_json(loaded))
        return
    then = f"What the gates make of it: shadowdesk gate {run}"
    show_lines([*_loaded_lines(loaded, labeller), then])


def _drawn_json(drawn: Drawn) -> dict[str, Any]:
    stage, candidate, segment = drawn.cell
    where = {"stage": stage, "candidate": candidate, "segment": segment}
    plan = plain(drawn.plan)
    allocated = [plain(one) for one in drawn.allocated]
    files = [str(one) for one in drawn.files]
    return {
        "draw": drawn.draw_id,
        "round": drawn.round,
        **where,
        "allocated": allocated,
        "plan": plan,
        "n_rows": drawn.n_rows,
        "files": files,
    }


def _loaded_json(loaded: Loaded) -> dict[str, Any]:
    stage, candidate = loaded.cell
    made = plain(loaded)
    made = {key: value for key, value in made.items() if key not in ("draw_id", "cell")}
    return {"draw": loaded.draw_id, "stage": stage, "candidate": candidate, **made}


def _drawn_lines(drawn: Drawn, part: Split) -> list[str]:
    stage, candidate, segment = drawn.cell
    lines = [f"Draw {drawn.draw_id}: {candidate} at {stage}, segment {segment}, to {part.value}."]
    if drawn.round > 1:
        lines.append(
            f"Round {drawn.round} of this cell: it goes on in the same random order, so that all "
            "rounds together are one random sample by stratum. A bound is stated for one look: "
            f"after {drawn.round} looks, made because the one before did not pass, it may be wrong "
            f"up to {drawn.round} times as often."
        )
    for one in drawn.allocated:
        name = one.stratum.replace("_", " ")
        before = f" ({one.before} drawn before)" if one.before else ""
        lines.append(f"  {name:<10} {one.new:>6} of {one.units} conversations{before}")
    if all(one.stratum not in ("no_bot", "simple") for one in drawn.allocated):
        lines.append("  None without an automatic reply: interception needs some (--no-bot M).")
    lines += _plan_lines(drawn)
    lines.append(f"{drawn.n_rows} rows to label: {', '.join(map(str, drawn.files))}")
    return lines


def _plan_lines(drawn: Drawn) -> list[str]:
    plan = drawn.plan
    if plan is None:
        return ["By themselves these labels certify no rate of risky promises."]
    lines = [f"What it can certify, one-sided {100 * plan.confidence:.4g} %:"]
    words = {0: "none", 1: "one", 2: "two"}
    for one in plan.outlooks:
        verdict = {True: ": passes", False: ": does not pass", None: ""}[one.passes]
        lines.append(
            f"  if {words[one.risky]} of them {'are' if one.risky > 1 else 'is'} risky, the upper "
            f"bound is {_percent(one.history)} for this history, {_percent(one.future)} for future "
            f"traffic of the same mix{verdict}"
        )
    gate = plan.gate
    if gate is None:
        return [*lines, "No gate of the scenario limits risky promises here."]
    of = "future traffic" if gate.estimand == "future_traffic" else "this history"
    limit = f"The gate allows at most {_percent(gate.limit)} ({of})."
    if plan.more is None:
        limit += " No number of labels of this history can pass it."
    elif plan.more:
        n = sum(one.before + one.new for one in drawn.allocated if one.stratum != "no_bot")
        limit += f" This draw cannot pass it: the fewest labels that could are {n + plan.more}."
    lines.append(limit)
    if drawn.cell[2] != "all":
        lines.append("Several segments tested together share the error: a gate may ask for more.")
    return lines


def _loaded_lines(loaded: Loaded, labeller: str) -> list[str]:
    stage, candidate = loaded.cell
    lines = [
        f"Draw {loaded.draw_id}, {candidate} at {stage}: labels of {labeller} for "
        f"{loaded.n_conversations} of {loaded.n_drawn} conversations."
    ]
    lines += [f"  to look at: {one}" for one in loaded.doubtful]
    open_ = {name: n for name, n in loaded.unanswered.items() if n}
    if open_:
        listed = ", ".join(f"{name} {n}" for name, n in open_.items())
        lines.append(
            f"Still open, of {loaded.n_rows} rows: {listed}. What is unknown counts against the "
            "candidate."
        )
    if loaded.kappas:
        lines.append("Agreement of two labellers (Cohen's kappa, 95 %):")
    for kappa in loaded.kappas:
        shown = "unknown: both gave one word throughout"
        if kappa.kappa is not None:
            shown = f"{kappa.kappa:.2f}"
            if kappa.low is not None and kappa.high is not None:
                shown += f" ({kappa.low:.2f} to {kappa.high:.2f})"
        lines.append(
            f"  {kappa.question:<18} {shown}; {kappa.agreed} of {kappa.n} alike in "
            f"{kappa.n_conversations} conversations ({' and '.join(kappa.labellers)})"
        )
    if loaded.accuracy:
        lines.append("The judge of risky promises against people (95 %; no gate reads this):")
    for one in loaded.accuracy:
        where = "overall" if one.stratum == "all" else one.stratum
        lines.append(
            f"  {one.judge:<10} {one.measure:<11} {where:<10} {_percent(one.estimate)}"
            f"{_ends(one.interval)}, n = {one.n} {one.unit}"
        )
    if loaded.without_labels:
        lines.append(f"Draws without any label yet: {', '.join(loaded.without_labels)}")
    return lines


def _ends(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f" ({_percent(interval.low)} to {_percent(interval.high)})"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.3g} %"
