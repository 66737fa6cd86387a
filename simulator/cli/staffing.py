"""``shadowdesk staff``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import polars as pl


def staff(
    run: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    candidate: Annotated[str | None, typer.Option(help="Default: all.")] = None,
    stage: Annotated[str | None, typer.Option(help="Default: all.")] = None,
    target: Annotated[
        str | None,
        typer.Option(help="80/20: 80 % within 20 s. Default: of [staffing].", show_default=False),
    ] = None,
    max_abandonment: Annotated[
        float | None,
        typer.Option(help="In per cent. Default: of [staffing].", show_default=False),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the tables as JSON.")] = False,
) -> None:
    """The fewest agents by half-hour that meet a target, shifts for them, and paid hours a day."""
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
        import json

        answer = {name: frame.to_dicts() for name, frame in tables.items()}
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    typer.echo(
        f"The fewest agents found with {100 * rules.target_share:g} % answered within "
        f"{rules.within_s:g} s and at most {100 * rules.max_abandonment:g} % lost, half-hour by "
        "half-hour."
    )
    typer.echo(_checked(tables["staffing"], rules.target_share))
    for line in _lines(tables):
        typer.echo(line)
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


def _lines(tables: dict[str, pl.DataFrame]) -> list[str]:
    """One line a cell and team, then the paid hours."""
    import polars as pl

    cell = ["stage", "candidate", "bound"]
    lines = [
        "",
        f"{'stage':<18}{'candidate':<18}{'bound':<9}{'team':<14}{'most':>5}{'required':>9}"
        f"{'in shifts':>10}{'worst half-hour on fresh seeds':>34}",
    ]
    for key, part in tables["staffing"].group_by(*cell, "team", maintain_order=True):
        stage, candidate, bound, team = (str(one) for one in key)
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
        lines.append(
            f"{stage:<18}{candidate:<18}{bound:<9}{team:<14}{int(required.max(initial=0)):>5}"
            f"{required.sum() / 2:>9.1f}{scheduled.sum() / 2:>10.1f}{worst:>34}"
        )
    lines += ["", "Paid agent-hours a day, shrinkage included:"]
    for row in tables["staffing_hours"].iter_rows(named=True):
        saved = row["metric"] == "paid_hours_saved_per_day"
        low, high = row["low"], row["high"]
        interval = "" if low is None else f"  [{low:.1f}, {high:.1f}]"
        lines.append(
            f"  {row['stage']:<18}{row['candidate']:<18}{row['bound']:<9}"
            f"{'saved' if saved else 'paid':<6}{row['estimate']:>9.1f}{interval}"
        )
    return lines
