"""The command line: the only place that exits.

Exit codes: 0 done (``gate``: pass); 1 a gate failed or its evidence is insufficient; 2 the user can
mend it: one message on standard error. Data goes to standard output, messages and progress to
standard error. Heavy libraries are imported inside the commands: ``--help`` loads none.
"""

from __future__ import annotations

import io
import os
import sys

import typer

from simulator.cli import (
    answers,
    audits,
    backtests,
    checks,
    comparisons,
    doctor,
    drafts,
    explanations,
    exports,
    histories,
    runs,
    schemas,
    staffing,
    terminal,
)
from simulator.cli.names import hinted
from simulator.errors import ShadowdeskError

_INTERRUPTED = 130

app = typer.Typer(
    name="shadowdesk",
    help="Replay past customer conversations through candidate models in shadow mode, and see the "
    "load, the risky promises and the cost before any customer sees a word.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(runs.quickstart)
app.command()(drafts.new)
app.command()(checks.check)
app.command()(runs.run)
app.command("import")(histories.import_)
app.command()(histories.sample)
app.command()(backtests.backtest)
app.add_typer(audits.app, name="audit")
app.command()(answers.gate)
app.command()(staffing.staff)
app.command()(comparisons.compare)
app.command()(exports.export)
app.command()(answers.report)
app.command()(explanations.explain)
app.command()(schemas.schema)
app.command()(doctor.doctor)


@app.callback(invoke_without_command=True)
def _top(
    version: bool = typer.Option(False, "--version", help="Show the version and exit."),
    plain: bool = typer.Option(
        False,
        "--plain",
        help="Plain text without colour or layout, as in a pipe; before the command. Always so "
        "with SHADOWDESK_PLAIN set.",
    ),
) -> None:
    if plain:
        os.environ[terminal.PLAIN] = "1"
    if version:
        from simulator import __version__

        typer.echo(f"shadowdesk {__version__}")
        raise typer.Exit()


def main() -> None:
    """Entry point of the command ``shadowdesk``."""
    for stream in (sys.stdout, sys.stderr):
        # What we print may quote the user, and a terminal need not know every character of it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        # Completion is asked for under this name, however the command was started.
        app(prog_name=app.info.name)
    except ShadowdeskError as error:
        _fail(hinted(str(error)), 2)
    except BrokenPipeError:
        # The reader of our output has gone (as with `| head`): not an error worth a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except SystemExit as done:
        # So typer ends what Ctrl-C interrupted, without a word.
        if done.code == _INTERRUPTED:
            said = "interrupted; run the same command again (a run goes on where it stopped)"
            _fail(said, done.code)
        raise


def _fail(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
