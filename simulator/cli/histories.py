"""``shadowdesk import`` and ``shadowdesk sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(
    source: Annotated[Path, typer.Argument(help="File or folder to read.", show_default=False)],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="jsonl, csv, parquet, tau2, twitter-cdp, stc3 or bank-calls.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.", show_default=False)],
    timezone: Annotated[
        str, typer.Option(help="IANA time zone of time stamps that have none.")
    ] = "UTC",
    channel: Annotated[str, typer.Option(help="Where the source does not say.")] = "chat",
    language: Annotated[
        str | None, typer.Option(help="BCP 47, where the source does not say.")
    ] = None,
    redact: Annotated[
        bool, typer.Option(help="Replace e-mail addresses and phone numbers by pseudonyms.")
    ] = True,
) -> None:
    """Read a log into conversations.parquet and turns.parquet, and account for every row."""
    from simulator.scenario import History
    from simulator.scenario_file import validate_part

    history = validate_part(
        History,
        {
            "source": str(source.absolute()),
            "format": format_,
            "timezone": timezone,
            "channel": channel,
            "language": language,
            "redact": redact,
        },
        f"import {source}",
    )
    from simulator.history.importers import read_history, write_import

    imported = read_history(history)
    write_import(imported, out)
    for line in imported.account.lines():
        typer.echo(line)
    typer.echo(f"Written to {out}: conversations.parquet, turns.parquet, quarantine.jsonl")


def sample(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.", show_default=False)],
    conversations: Annotated[int, typer.Option(help="How many conversations have turns.")] = 2000,
    days: Annotated[int, typer.Option(help="Days of contacts.")] = 14,
    contacts_per_day: Annotated[int, typer.Option(help="On a working day.")] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed is another operation.")] = 11,
) -> None:
    """Write the built-in synthetic operation: a history, knowledge, a policy, a schedule."""
    from zoneinfo import ZoneInfo

    from simulator.scenario import SampleConfig
    from simulator.scenario_file import validate_part

    config = validate_part(
        SampleConfig,
        {
            "days": days,
            "contacts_per_day": contacts_per_day,
            "conversations": conversations,
            "seed": seed,
        },
        "sample",
    )
    from simulator import pipeline
    from simulator.store import write_table

    made = pipeline.make_sample(config, ZoneInfo("UTC"))
    for name, frame in vars(made).items():
        # What the generator knows and no candidate or judge may see lies apart.
        folder = out / "truth" if name.startswith("truth_") else out
        write_table(folder / f"{name}.parquet", frame)
        typer.echo(f"{name}: {frame.height} rows")
    typer.echo(f"Synthetic sample written to {out}")
