"""``shadowdesk check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.runs import Set


def check(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (TOML).", show_default=False)],
    set_: Set = None,
) -> None:
    """Validate a scenario: every fault with file, key, value, what is allowed."""
    from simulator.candidates.prompts import load as load_prompt
    from simulator.errors import ScenarioError
    from simulator.scenario_file import load

    one = load(scenario, tuple(set_ or ()))
    faults = [
        f"{scenario.name}: {where} = {str(path)!r}; {fault}"
        for where, path in _paths(one)
        if (fault := _unreadable(path))
    ]
    if faults:
        raise ScenarioError("\n".join(faults))
    for candidate in one.candidates.values():
        if candidate.prompt:
            load_prompt(candidate.prompt)
    stages = ", ".join(stage.name for stage in one.rollout.stages)
    typer.echo(f"{scenario}: {one.name} is valid")
    typer.echo(f"  history    {one.history.format} {one.history.source or ''}".rstrip())
    typer.echo(f"  candidates {', '.join(one.candidates)}")
    typer.echo(f"  stages     {stages}")
    days, seeds = one.simulation.days, one.simulation.replications
    typer.echo(f"  simulation {days} input days x {seeds} seeds")


def _unreadable(path: Path) -> str | None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "no such file or folder; paths are relative to the scenario file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None


def _paths(one: object) -> list[tuple[str, Path]]:
    from pydantic import BaseModel

    found: list[tuple[str, Path]] = []

    def walk(here: object, where: str) -> None:
        if isinstance(here, Path):
            found.append((where, here))
        elif isinstance(here, BaseModel):
            for name, value in here:
                walk(value, f"{where}.{name}" if where else name)
        elif isinstance(here, dict):
            for name, value in here.items():
                walk(value, f"{where}.{name}")

    walk(one, "")
    return found
