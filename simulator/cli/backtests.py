"""``shadowdesk backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import polars as pl

    from simulator.scenario import History

_SEED = 1
# The time zone that a format's clock times are of, where it is one.
_ZONES = {"bank-calls": "Asia/Jerusalem"}


def backtest(
    log: Annotated[
        Path | None,
        typer.Argument(help="File or folder of the log; none for format sample."),
    ] = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="sample, jsonl, csv, parquet, tau2, twitter-cdp, stc3 or bank-calls.",
            show_default=False,
        ),
    ] = "sample",
    schedule: Annotated[
        Path | None,
        typer.Option(
            help="Who was at work (CSV or Parquet). Default: inferred from who served when."
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="IANA time zone that decides days. Default: the format's own, or UTC."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Test the queue model on the second half of a log's days. Exit code 0: it passes; 1: not."""
    if log is not None and format_ == "sample":
        from simulator.errors import HistoryError

        raise HistoryError(
            f"{log}: format sample is the built-in sample and reads no file; say what the log is, "
            "as in --format csv, or leave the log out"
        )
    from simulator.scenario import ContactCenter, History
    from simulator.scenario_file import validate_part

    history = validate_part(
        History,
        {
            "source": None if log is None else str(log.absolute()),
            "format": format_,
            "timezone": timezone or _ZONES.get(format_, "UTC"),
            "schedule": None if schedule is None else str(schedule.absolute()),
        },
        f"backtest {log or format_}",
    )
    from simulator.cli.progress import progress
    from simulator.contact_center.backtest.halves import backtest as run
    from simulator.contact_center.backtest.verdict import verdict_sentence
    from simulator.streams import Streams

    conversations, present, teams = _history(history)
    with progress() as tell:
        found = run(
            conversations,
            present,
            ContactCenter(),
            history.zone,
            Streams(_SEED),
            teams=teams,
            tell=lambda done, total: tell("backtest", done, total),
        )
    table = found.backtest
    status = table.filter(metric="verdict")["status"][0]
    if json_:
        import json

        days = found.backtest_days.to_dicts()
        answer = {
            "verdict": status,
            "sentence": verdict_sentence(table),
            "criteria": table.filter(table["metric"] != "verdict").to_dicts(),
            "days": [{**day, "day": day["day"].isoformat()} for day in days],
        }
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        for row in table.filter(table["metric"] != "verdict").to_dicts():
            value = "-" if row["estimate"] is None else f"{row['estimate']:.3f}"
            typer.echo(f"  {row['status']:<12} {row['metric']:<24} {value:>8}  {row['reason']}")
        if format_ == "sample":
            typer.echo("The built-in synthetic sample, not your operation.")
        typer.echo(verdict_sentence(table))
    raise typer.Exit(0 if status == "pass" else 1)


def _history(
    history: History,
) -> tuple[pl.DataFrame, pl.DataFrame | None, pl.DataFrame | None]:
    """Conversations, and schedule and teams where they are known."""
    from simulator.history.importers import read_history
    from simulator.history.schedule import load_schedule

    teams = None
    if history.format == "sample":
        from simulator import pipeline

        made = pipeline.make_sample(history.sample, history.zone)
        conversations, present, teams = made.conversations, made.schedule, made.teams
    else:
        conversations, present = read_history(history).conversations, None
    if history.schedule is not None:
        present = load_schedule(history.schedule, history.zone)
    return conversations, present, teams
