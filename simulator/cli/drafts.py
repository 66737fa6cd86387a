"""``shadowdesk new``."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import names
from simulator.cli.names import LISTED, AsJson
from simulator.cli.terminal import show_json, show_lines


def new(
    source: Annotated[
        Path, typer.Argument(help="File or folder of past conversations.", show_default=False)
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help=f"{LISTED}. Default: told by what the file holds.",
            show_default=False,
            autocompletion=names.formats,
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The scenario file to write.")] = Path(
        "first-look.toml"
    ),
    name: Annotated[
        str | None,
        typer.Option(help="Name of its runs. Default: that of the file.", show_default=False),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            help="IANA time zone of your desk, such as Asia/Taipei. Default: that of the log, or "
            "UTC.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over the file.")] = False,
    json_: AsJson = False,
) -> None:
    """Write a first scenario from your own past conversations.

    Teams, opening hours, intents and handle times are counted in the log, and each number says in
    a comment where it is from. Beside it lie promises.csv and articles.csv, examples to replace by
    your own rules and articles: without rules no promise can be judged. Run it again with --force
    once you have: they are then wired in.

    Example: shadowdesk new chats.csv --timezone Asia/Taipei

    With --json: scenario, written (files), account (lines), missing ([{key, supplies}]), next
    (command lines).
    """
    from simulator.errors import RunError

    if out.exists() and not force:
        raise RunError(
            f"{out}: is there already; expected a new file; name another with --out FILE, or "
            "write over it with --force"
        )
    from simulator.history import starters
    from simulator.history.draft import Asked, draft
    from simulator.scenario.json_schema import FILE, schema_text
    from simulator.scenario_file import validate
    from simulator.store import write_bytes

    asked = Asked(source, out, name or _named(out.stem), format_, timezone)
    drafted = draft(asked)
    folder = out.absolute().parent
    schema = folder / FILE
    # Whatever stands in the log, this must be a scenario.
    validate(tomllib.loads(drafted.text), out.name)
    write_bytes(out, drafted.text.encode("utf-8"))
    write_bytes(schema, schema_text().encode("utf-8"))
    made = starters.write(folder, sorted(starters.FILES.keys() - drafted.wired))
    next_ = [f"shadowdesk {verb} {shlex.quote(str(out))}" for verb in ("check", "run")]
    written = [str(out), *(str(out.parent / one.name) for one in (schema, *made))]
    if json_:
        show_json(
            {
                "scenario": str(out),
                "written": written,
                "account": drafted.account,
                "missing": [{"key": key, "supplies": what} for key, what in drafted.missing],
                "next": next_,
            }
        )
        return
    lines = [*drafted.account, "", f"Written: {', '.join(written)}"]
    if "commitments" not in drafted.wired:
        lines.append(
            f"No promise can be judged yet: put your rules into {out.parent / 'promises.csv'}, "
            "then run this command again with --force."
        )
    lines += ["", "What the log does not say, and the key that would:"]
    lines += [f"  {key}: {what}" for key, what in drafted.missing]
    lines += ["", "Next:", *(f"  {one}" for one in next_)]
    show_lines(lines)


def _named(stem: str) -> str:
    kept = re.sub(r"[^\w .-]+", "-", stem)[:64]
    return kept if re.match(r"\w", kept) else f"run-{kept}".rstrip("-")
