"""``shadowdesk export``."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import names
from simulator.cli.names import AsJson, RunFolderPath
from simulator.cli.runs import shipped
from simulator.cli.terminal import show_json, show_lines


class Format(StrEnum):
    """Who reads the files."""

    llamafactory = "llamafactory"
    trl = "trl"


def export(
    run: RunFolderPath,
    format_: Annotated[
        Format, typer.Option("--format", help="Who reads the files.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder to write to.", show_default=False)],
    until: Annotated[
        str | None,
        typer.Option(
            help="YYYY-MM-DD: only conversations from before. Default: about the first 60 %.",
            show_default=False,
        ),
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(
            help="A run to evaluate on; nothing that it replays is exported.",
            autocompletion=names.runs,
        ),
    ] = None,
    per_kind: Annotated[int, typer.Option(help="Most cases of each kind at the boundary.")] = 300,
    prompt: Annotated[
        Path | None,
        typer.Option(
            help="Prompt file that the tuned model will be asked with. Default: prompts/tuned.toml "
            "of the shipped scenarios.",
            show_default=False,
        ),
    ] = None,
    json_: AsJson = False,
) -> None:
    """Boundary cases of a run as data to tune a model with: SFT, preferences, rewards.

    Example: shadowdesk export outputs/boundary-data --format trl --out tuning-data

    With --json: out, files, account (lines).
    """
    from simulator.cli.progress import progress
    from simulator.pipeline import exports
    from simulator.store import RunFolder

    folder = RunFolder.open(run)
    asked = exports.Asked(
        format_.value,
        out,
        prompt or shipped("prompts/tuned.toml"),
        _day(until),
        tuple(held_out or ()),
        per_kind,
    )
    with progress() as tell:
        exported = exports.export(folder, asked, tell)
    if json_:
        files = [str(one) for one in exported.files]
        show_json({"out": str(out), "files": files, "account": list(exported.account)})
        return
    written = f"Written to {out}: {len(exported.files)} files; README.md says what each is"
    show_lines([*exported.account, written])


def _day(text: str | None) -> date | None:
    from simulator.errors import RunError

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise RunError(f"--until {text}: expected a day such as 2026-03-10") from None
