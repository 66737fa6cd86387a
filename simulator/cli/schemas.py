"""``shadowdesk schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schema(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write. Default: standard output.", show_default=False),
    ] = None,
) -> None:
    """The JSON Schema of a scenario, for editors that complete and check TOML.

    An editor with a TOML language server (Even Better TOML, taplo) offers the keys, says what each
    means and underlines faults, where the scenario's first line is
    `#:schema scenario.schema.json` and that file lies beside it.

    Example: shadowdesk schema --out scenario.schema.json
    """
    from simulator.scenario.json_schema import schema_text

    if out is None:
        typer.echo(schema_text(), nl=False)
        return
    from simulator.store import write_bytes

    write_bytes(out, schema_text().encode("utf-8"))
    typer.echo(f"Written to {out}")
