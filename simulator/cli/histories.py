"""``shadowdesk import`` and ``shadowdesk sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import names
from simulator.cli.names import LISTED, AsJson
from simulator.cli.terminal import plain, show_json, show_lines


def import_(
    source: Annotated[Path, typer.Argument(help="File or folder to read.", show_default=False)],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"{LISTED}.",
            show_default=False,
            autocompletion=names.formats,
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
    json_: AsJson = False,
) -> None:
    """Read a log into conversations.parquet and turns.parquet, and account for every row.

    What cannot be used is put aside in quarantine.jsonl, each row with its reason.

    Example: shadowdesk import tickets.json --format zendesk --out imported

    With --json: out, and the account: source, format, conversations_in, _out and _quarantined,
    messages_in, _out and _quarantined, notes, redacted, reasons and unused by name.
    """
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
    if json_:
        show_json({"out": str(out), **plain(imported.account)})
        return
    written = f"Written to {out}: conversations.parquet, turns.parquet, quarantine.jsonl"
    show_lines([*imported.account.lines(), written])


def sample(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.", show_default=False)],
    conversations: Annotated[int, typer.Option(help="How many conversations have turns.")] = 2000,
    days: Annotated[int, typer.Option(help="Days of contacts.")] = 14,
    contacts_per_day: Annotated[int, typer.Option(help="On a working day.")] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed is another operation.")] = 11,
    json_: AsJson = False,
) -> None:
    """Write the built-in synthetic operation: a history, knowledge, a policy, a schedule.

    Example: shadowdesk sample --out made --conversations 500

    With --json: out, and tables (rows by name).
    """
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
        if not json_:
            typer.echo(f"{name}: {frame.height} rows")
    if json_:
        rows = {name: frame.height for name, frame in vars(made).items()}
        show_json({"out": str(out), "tables": rows})
        return
    typer.echo(f"Synthetic sample written to {out}")
