"""``shadowdesk staff``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli import names, terminal
from simulator.cli.names import AsJson, RunFolderPath

if TYPE_CHECKING:
    import polars as pl


def staff(
    run: RunFolderPath,
    candidate: Annotated[
        str | None,
        typer.Option(help="For this one alone. Default: all.", autocompletion=names.candidates),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(help="For this one alone. Default: all.", autocompletion=names.stages),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="80/20: 80 % answered within 20 s. Default: that of \\[staffing].",
            show_default=False,
        ),
    ] = None,
    max_abandonment: Annotated[
        float | None,
        typer.Option(
            help="Most that may give up, in per cent. Default: that of \\[staffing].",
            show_default=False,
        ),
    ] = None,
    json_: AsJson = False,
) -> None:
    """The fewest agents by half-hour that meet a target, shifts for them, and paid hours a day.

    Each stage and candidate takes some 20 s; what was found before is not looked for again.

    Example: shadowdesk staff outputs/quickstart --candidate guarded --stage assist --target 80/20

    With --json: staffing, staffing_shifts and staffing_hours, the rows of these tables.
    """
    from simulator import pipeline
    from simulator.cli.progress import progress
    from simulator.errors import ScenarioError
    from simulator.scenario import Staffing
    from simulator.scenario_file import validate_part
    from simulator.store import RunFolder

    folder = RunFolder.open(run)
    scenario = pipeline.scenario_of(folder)
    asked: dict[str, Any] = scenario.staffing.model_dump(mode="json")
    if target is not None:
        asked["target_share"], asked["within_s"] = _target(target)
    if max_abandonment is not None:
        if not 0.1 <= max_abandonment <= 100:
            raise ScenarioError(
                f"--max-abandonment {max_abandonment:g}: expected 0.1 to 100, in per cent"
            )
        asked["max_abandonment"] = max_abandonment / 100
    rules = validate_part(Staffing, asked, "staff")
    with progress() as tell:
        wanted = pipeline.StaffingAsked(rules=rules, candidate=candidate, stage=stage)
        tables = pipeline.staff(folder, wanted, tell=tell)
    if json_:
        terminal.show_json({name: frame.to_dicts() for name, frame in tables.items()})
        return
    said = (
        f"The fewest agents found with {100 * rules.target_share:g} % answered within "
        f"{rules.within_s:g} s and at most {100 * rules.max_abandonment:g} % lost, half-hour by "
        "half-hour."
    )
    terminal.show_lines([said, _checked(tables["staffing"], rules.target_share)])
    _tell(tables)
    typer.echo(f"\nWritten to {run / 'tables'}: {', '.join(f'{n}.parquet' for n in tables)}")


def _target(text: str) -> tuple[float, float]:
    from simulator.errors import ScenarioError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)", text)
    if match is None:
        raise ScenarioError(
            f"--target {text}: expected a share in per cent and seconds, such as 80/20 for 80 % "
            "within 20 s"
        )
    share = float(match[1])
    if not 1 <= share <= 99:
        raise ScenarioError(f"--target {text}: expected a share of 1 to 99 per cent, as in 80/20")
    return share / 100, float(match[2])


def _checked(staffing: pl.DataFrame, share: float) -> str:
    """How the half-hours did on customers that the search had not seen."""
    import polars as pl

    keys = ["stage", "candidate", "bound", "team", "judged_with_s"]
    judged = staffing.drop_nulls("service_level").unique(keys)
    clearly = judged.filter(pl.col("service_level_high") < share).height
    below = judged.filter(pl.col("service_level") < share).height
    return (
        f"Checked on customers that the search had not seen: of {judged.height} half-hours (quiet "
        f"ones together) {below} lie below the target, {clearly} of them by more than chance."
    )


_HEAD = ("stage", "candidate", "bound", "team", "most", "required", "in shifts")
_WORST = "worst half-hour on fresh seeds"


def _tell(tables: dict[str, pl.DataFrame]) -> None:
    """A line a cell and team, then the paid hours; at a terminal two tables."""
    found, hours = _found(tables["staffing"]), _hours(tables["staffing_hours"])
    head = "Paid agent-hours a day, shrinkage included:"
    if not terminal.is_plain():
        typer.echo()
        terminal.show_table([*_HEAD, _WORST], found, right=(4, 5, 6, 7))
        typer.echo(f"\n{head}\n")
        terminal.show_table(["stage", "candidate", "bound", "", "hours", ""], hours, right=(4,))
        return
    typer.echo()
    for row in ((*_HEAD, _WORST), *found):
        stage, candidate, bound, team, most, required, in_shifts, worst = row
        typer.echo(
            f"{stage:<18}{candidate:<18}{bound:<9}{team:<14}{most:>5}{required:>9}"
            f"{in_shifts:>10}{worst:>34}"
        )
    typer.echo(f"\n{head}")
    for stage, candidate, bound, what, n, interval in hours:
        apart = f"  {interval}" if interval else ""
        typer.echo(f"  {stage:<18}{candidate:<18}{bound:<9}{what:<6}{n:>9}{apart}")


def _found(staffing: pl.DataFrame) -> list[tuple[str, ...]]:
    import polars as pl

    rows = []
    for key, part in staffing.group_by(*_HEAD[:4], maintain_order=True):
        required = part["required"].to_numpy()
        scheduled = part["scheduled"].fill_null(0).to_numpy()
        judged = part.filter(pl.col("service_level").is_not_null()).sort("service_level")
        worst = ""
        if judged.height:
            row = judged.row(0, named=True)
            at = row["interval_start_s"]
            worst = (
                f"{at // 3600:02d}:{at // 60 % 60:02d} {row['service_level']:.1%} "
                f"[{row['service_level_low']:.1%}, {row['service_level_high']:.1%}]"
            )
        numbers = (
            str(int(required.max(initial=0))),
            f"{required.sum() / 2:.1f}",
            f"{scheduled.sum() / 2:.1f}",
        )
        rows.append((*map(str, key), *numbers, worst))
    return rows


def _hours(paid: pl.DataFrame) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in paid.iter_rows(named=True):
        saved = row["metric"] == "paid_hours_saved_per_day"
        low, high = row["low"], row["high"]
        rows.append(
            (
                row["stage"],
                row["candidate"],
                row["bound"],
                "saved" if saved else "paid",
                f"{row['estimate']:.1f}",
                "" if low is None else f"[{low:.1f}, {high:.1f}]",
            )
        )
    return rows
