"""``shadowdesk explain``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.names import AsJson
from simulator.cli.terminal import show_json

if TYPE_CHECKING:
    from simulator.reports.definitions import Definition

_COLUMNS = 100
_NAMES, _HEADS = 31, 13


def _named(incomplete: str) -> list[str]:
    from simulator.reports.definitions import names

    return sorted(name for name in names() if name.startswith(incomplete.lower()))


def explain(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A metric, gate or term, as tables or reports have it; without: all names.",
            show_default=False,
            autocompletion=_named,
        ),
    ] = None,
    json_: AsJson = False,
) -> None:
    """What a metric, gate or term means, how it is computed, from where, and its source.

    Takes names of tables, labels of reports and what people call them: `asa_s`, `"Mean wait"`,
    `ASA`.

    Example: shadowdesk explain "break-even"
    """
    from simulator.reports.definitions import find, listed

    if name is not None:
        found = find(name)
        if json_:
            show_json(asdict(found))
            return
        for line in _told(found):
            typer.echo(line)
        return
    groups = list(listed())
    if json_:
        show_json({"names": {title: [asdict(one) for one in ones] for title, ones in groups}})
        return
    lines: list[str] = []
    for title, ones in groups:
        lines += [*([""] if lines else []), title]
        lines += [_line(one) for one in ones]
    # A line each: laid out as they are at a terminal, too.
    for line in [*lines, "", "shadowdesk explain NAME tells more of one."]:
        typer.echo(line)


def _line(one: Definition) -> str:
    from simulator.reports.wording import clip

    return clip(f"  {one.name:{_NAMES}} {one.label}: {one.meaning}", _COLUMNS)


def _told(one: Definition) -> Iterator[str]:
    """The definition in lines of at most 100 columns."""
    yield f"{one.name}: {one.label}"
    parts: list[tuple[str, list[str]]] = [
        ("Meaning", [one.meaning]),
        ("Computed", [one.how]),
        ("As a gate", [one.gate] if one.gate else []),
        ("Held in", [_place(one, place) for place in one.held_in]),
        ("Code", list(one.computed_by)),
        ("Scenario", list(one.keys)),
        ("Source", [one.source]),
        ("Beware", list(one.caveats)),
        ("Also called", [", ".join(one.aliases)] if one.aliases else []),
    ]
    for head, texts in parts:
        for place, text in enumerate(texts):
            yield from _wrapped("" if place else head, text)


def _place(one: Definition, held: str) -> str:
    """A column, with the rows of it that are meant where it is a tidy table's."""
    place, _, metric = held.partition(" ")
    of_metric = place.endswith((".estimate", ".difference", ".high", ".observed"))
    if not of_metric or one.group in ("evidence", "rollout"):
        return place
    return f"{place} (metric {metric or one.name})"


def _wrapped(head: str, text: str) -> Iterator[str]:
    from simulator.reports.wording import wrap

    indent = " " * (2 + _HEADS)
    lines = wrap(text, _COLUMNS - len(indent))
    yield f"  {head:{_HEADS}}{lines[0]}"
    yield from (f"{indent}{line}" for line in lines[1:])
