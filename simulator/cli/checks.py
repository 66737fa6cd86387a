"""``shadowdesk check``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from simulator.cli.names import AsJson, ScenarioPath
from simulator.cli.runs import Set
from simulator.cli.terminal import show_json

if TYPE_CHECKING:
    from simulator.scenario import Scenario

# A larger log takes longer to read than a check should.
_MOST_BYTES = 20_000_000
_VALUE = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^;]*?)"
_FAULT = re.compile(
    rf"(?P<file>.+?): (?:(?P<key>[\w.\[\] -]+?)(?: = (?P<found>{_VALUE}))?"
    r"(?: (?=is missing)|[;:] ))?(?P<rest>.+)"
)


def check(scenario: ScenarioPath, set_: Set = None, json_: AsJson = False) -> None:
    """Validate a scenario: every fault with file, key, value, what is allowed.

    Says on standard error, too, what a run would lack: nobody has to mend that.

    Example: shadowdesk check first-look.toml

    With --json: valid, name, faults ([{file, key, found, expected, fix, message}], null where a
    fault has no such part) and warnings (lines). Exit code 2 where there is a fault, as without.
    """
    from simulator.errors import ScenarioError

    try:
        one = _checked(scenario, tuple(set_ or ()))
    except ScenarioError as error:
        if not json_:
            raise
        faults = [_parts(line) for line in str(error).splitlines()]
        show_json({"valid": False, "name": None, "faults": faults, "warnings": []})
        raise typer.Exit(2) from None
    warnings = list(_lacking(one))
    if json_:
        show_json({"valid": True, "name": one.name, "faults": [], "warnings": warnings})
        return
    stages = ", ".join(stage.name for stage in one.rollout.stages)
    typer.echo(f"{scenario}: {one.name} is valid")
    typer.echo(f"  history    {one.history.format} {one.history.source or ''}".rstrip())
    typer.echo(f"  candidates {', '.join(one.candidates)}")
    typer.echo(f"  stages     {stages}")
    days, seeds = one.simulation.days, one.simulation.replications
    typer.echo(f"  simulation {days} input days x {seeds} seeds")
    for warning in warnings:
        typer.echo(f"  note: {warning}", err=True)


def _checked(path: Path, overrides: tuple[str, ...]) -> Scenario:
    from simulator.candidates.prompts import load as load_prompt
    from simulator.errors import ScenarioError
    from simulator.scenario_file import load

    one = load(path, overrides)
    faults = [
        f"{path.name}: {where} = {str(found)!r}; {fault}"
        for where, found in _paths(one)
        if (fault := _unreadable(found))
    ]
    if faults:
        raise ScenarioError("\n".join(faults))
    for candidate in one.candidates.values():
        if candidate.prompt:
            load_prompt(candidate.prompt)
    return one


def _parts(line: str) -> dict[str, str | None]:
    """A fault by its parts, as every error about a scenario names them."""
    match = _FAULT.fullmatch(line)
    clauses = (match["rest"] if match else line).split("; ")
    allowed = [one for one in clauses if one.startswith(("expected ", "allowed: "))]
    # What is wrong comes first; what is left is the way out.
    rest = [one for one in clauses[0 if clauses[0] in allowed else 1 :] if one not in allowed]
    return {
        "file": match["file"] if match else None,
        "key": match["key"] if match else None,
        "found": match["found"] if match else None,
        "expected": allowed[0].removeprefix("expected ") if allowed else None,
        "fix": "; ".join(rest) or None,
        "message": line,
    }


def _lacking(one: Scenario) -> Iterator[str]:
    """What a run of a valid scenario would do without, each with how to supply it."""
    bots = {name: bot for name, bot in one.candidates.items() if bot.kind != "human"}
    synthetic = one.history.format == "sample"
    if not bots:
        yield (
            "no candidate besides human: no stage can be tested; add one, such as "
            '[candidates.guarded] with kind = "guarded"'
        )
    if one.commitments is None and not synthetic:
        yield (
            "no [commitments]: the rules judge cannot tell which promises are risky, and money "
            "leaves them out; name a CSV of rules (`shadowdesk new` writes one to begin with)"
        )
    if one.knowledge is None and not synthetic:
        for name, bot in bots.items():
            if bot.kind in ("faq_rag", "guarded"):
                yield f"no [knowledge]: {name} finds no article; name a CSV of articles"
    if one.proposal is None and bots:
        yield "no [proposal]: `shadowdesk gate` will ask for --candidate and --stage"
    limited = {gate.metric for gate in one.gates}
    today = one.evidence.as_of or datetime.now(UTC).date()
    for place, override in enumerate(one.overrides):
        if override.metric not in limited:
            yield f"overrides[{place}] passes {override.metric}, which no gate limits; take it out"
        if override.expires < today:
            yield f"overrides[{place}] expired on {override.expires}: it passes nothing any more"
    for name, bot in one.candidates.items():
        server = bot.model.server if bot.model else None
        if server and server.key_variable and server.key_variable not in os.environ:
            yield (
                f"candidates.{name}.model.server.key_variable: the environment has no "
                f"{server.key_variable}; set it before the run"
            )
    yield from _unknown_names(one)


def _unknown_names(one: Scenario) -> Iterator[str]:
    """Segments and intents that are named and that the history does not have."""
    named: list[tuple[str, str, str]] = []
    for place, gate in enumerate(one.gates):
        named += [(f"gates[{place}].segments", "segment", name) for name in gate.segments or ()]
    named += [
        (f"overrides[{place}].segment", "segment", override.segment)
        for place, override in enumerate(one.overrides)
    ]
    if one.proposal:
        named.append(("proposal.segment", "segment", one.proposal.segment))
    for place, stage in enumerate(one.rollout.stages):
        when = stage.auto_when
        where = f"rollout.stages[{place}].auto_when"
        named += [(f"{where}.intents", "intent", name) for name in (when and when.intents) or ()]
        named += [(f"{where}.languages", "language", n) for n in (when and when.languages) or ()]
    asked = [row for row in named if row[1:] != ("segment", "all")]
    if not asked or (there := _in_history(one)) is None:
        return
    import difflib

    for where, kind, name in asked:
        if name not in there[kind]:
            near = difflib.get_close_matches(name, there[kind], n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(there[kind][:12])}"
            yield f"{where}: the history has no {kind} {name!r}; {hint}"


def _in_history(one: Scenario) -> dict[str, list[str]] | None:
    """Segments, intents and languages of the history; null where it is not read for a check."""
    from simulator.errors import HistoryError
    from simulator.history.importers import read_history

    source = one.history.source
    if source is None or _size(source) > _MOST_BYTES:
        return None
    import polars as pl

    try:
        log = read_history(one.history).conversations
    except HistoryError:
        # A run says what is wrong with it.
        return None
    parts = [pl.col(column).fill_null("unknown") for column in one.rollout.segment_by]
    columns: dict[str, Any] = {
        "segment": pl.concat_str(parts, separator=" / "),
        "intent": pl.col("intent"),
        "language": pl.col("language"),
    }
    return {
        kind: sorted(log.select(column.alias(kind))[kind].drop_nulls().unique())
        for kind, column in columns.items()
    }


def _size(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(one.stat().st_size for one in files if one.is_file())


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
