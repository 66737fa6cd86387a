"""``shadowdesk backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli import names, terminal
from simulator.cli.names import LISTED, AsJson

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
            help=f"sample, {LISTED}.",
            show_default=False,
            autocompletion=names.formats,
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
    json_: AsJson = False,
) -> None:
    """Test the queue model on the second half of a log's days. Exit code 0: it passes; 1: not.

    Example: shadowdesk backtest calls.tsv.gz --format bank-calls

    With --json: verdict, sentence, criteria (each with estimate, limit and status), days.
    """
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
        days = found.backtest_days.to_dicts()
        answer = {
            "verdict": status,
            "sentence": verdict_sentence(table),
            "criteria": table.filter(table["metric"] != "verdict").to_dicts(),
            "days": [{**day, "day": day["day"].isoformat()} for day in days],
        }
        terminal.show_json(answer)
    else:
        _tell(table.filter(table["metric"] != "verdict").to_dicts())
        if format_ == "sample":
            typer.echo("The built-in synthetic sample, not your operation.")
        terminal.show_lines([verdict_sentence(table)])
    raise typer.Exit(0 if status == "pass" else 1)


def _tell(criteria: list[dict[str, Any]]) -> None:
    """Each criterion: a line of text, or a row of a table at a terminal."""
    rows = [
        (
            row["status"],
            row["metric"],
            "-" if row["estimate"] is None else f"{row['estimate']:.3f}",
            row["reason"],
        )
        for row in criteria
    ]
    if not terminal.is_plain():
        terminal.show_table(["Status", "Criterion", "Measured", "Why"], rows, right=(2,))
        return
    for status, metric, value, reason in rows:
        typer.echo(f"  {status:<12} {metric:<24} {value:>8}  {reason}")


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
