"""Reading a scenario file, and saying what is wrong with it so that it can be mended."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from simulator.errors import ScenarioError
from simulator.scenario import History, Scenario

_PATHS = ("source", "schedule")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def load(path: Path, overrides: tuple[str, ...] = ()) -> Scenario:
    """The scenario in ``path``, with ``key=value`` overrides, paths made absolute.

    ``${NAME}`` in a path is taken from the environment. Paths are relative to the file.

    Raises:
        ScenarioError: every fault in one message, a line each: file, key, value, what is
            allowed, the fix.
    """
    shown = path.name
    try:
        raw = path.read_bytes()
    except IsADirectoryError:
        raise ScenarioError(f"{path}: is a folder; expected a scenario file (TOML)") from None
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file; expected a scenario file (TOML)") from None
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        data = tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{shown}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{shown}: not TOML: {error}") from None
    for override in overrides:
        _set(data, override)
    _expand(data, path.resolve().parent, shown)
    return validate(data, shown)


def validate(data: dict[str, Any], shown: str) -> Scenario:
    """The scenario in ``data``. Raises ScenarioError as :func:`load`; ``shown`` names the file."""
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        faults = [_fault(shown, one) for one in error.errors(include_url=False)]
        raise ScenarioError("\n".join(dict.fromkeys(faults))) from None


def validate_history(data: dict[str, Any], shown: str) -> History:
    """``[history]`` alone, from the command line. Raises ScenarioError as :func:`load`."""
    try:
        return History.model_validate(data)
    except ValidationError as error:
        faults = [_fault(shown, one) for one in error.errors(include_url=False)]
        raise ScenarioError("\n".join(dict.fromkeys(faults))) from None


def _set(data: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise ScenarioError(f"--set {override}: expected key=value, such as simulation.seed=2")
    try:
        parsed: Any = tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        parsed = value
    here: Any = data
    *parents, last = key.strip().split(".")
    for parent in parents:
        index = re.fullmatch(r"(\w+)\[(\d+)\]", parent)
        try:
            here = here[index[1]][int(index[2])] if index else here.setdefault(parent, {})
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ScenarioError(f"--set {override}: the scenario has no {parent}") from None
    if not isinstance(here, dict):
        raise ScenarioError(f"--set {override}: {'.'.join(parents)} is a value, not a table")
    here[last] = parsed


def _expand(data: Any, folder: Path, shown: str, where: str = "") -> None:
    if isinstance(data, dict):
        for key, value in data.items():
            here = f"{where}.{key}" if where else str(key)
            # Assumed values have a `source` too: a citation, not a path.
            if key in _PATHS and isinstance(value, str) and "value" not in data:
                data[key] = str(_path(value, folder, shown, here))
            else:
                _expand(value, folder, shown, here)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            _expand(value, folder, shown, f"{where}[{index}]")


def _path(value: str, folder: Path, shown: str, where: str) -> Path:
    for name in _VARIABLE.findall(value):
        if name not in os.environ:
            raise ScenarioError(
                f"{shown}: {where} = {value!r}; the environment has no {name}; "
                f"set it, as in: {name}=/path/to/log shadowdesk run {shown}"
            )
    return folder / _VARIABLE.sub(lambda found: os.environ[found[1]], value)


def _fault(shown: str, fault: Any) -> str:
    location = tuple(part for part in fault["loc"] if part != "[key]")
    where = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in location
    ).lstrip(".")
    value = fault["input"]
    found = f"{shown}: {where}" if where else shown
    kind = fault["type"]
    context = fault.get("ctx", {})
    if kind == "missing":
        parent = ".".join(str(part) for part in location[:-1])
        table = f"[{parent}]" if parent else "the top of the file"
        return f"{found} is missing; add {location[-1]} = ... to {table}"
    if kind == "extra_forbidden":
        allowed = _keys(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
        fix = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(allowed)}"
        return f"{found}: unknown key; {fix}"
    if kind == "literal_error":
        near = difflib.get_close_matches(
            str(value), re.findall(r"'([^']*)'", context["expected"]), n=1
        )
        fix = f"; did you mean {near[0]}?" if near else ""
        return f"{found} = {value!r}; expected {context['expected']}{fix}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    if kind == "less_than_equal" and context.get("le") == 1 and isinstance(value, int | float):
        fix = f"; write {value / 100:g}" if 1 < value <= 100 else ""
        return f"{found} = {value!r}; expected 0 <= x <= 1{fix}"
    shown_value = "" if isinstance(value, dict | BaseModel) else f" = {_short(value)}"
    return f"{found}{shown_value}; {message[:1].lower()}{message[1:]}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _keys(location: tuple[Any, ...]) -> list[str]:
    """The keys that the model at ``location`` allows."""
    here: Any = Scenario
    for part in location:
        if isinstance(here, type) and issubclass(here, BaseModel):
            if part not in here.model_fields:
                return []
            here = here.model_fields[part].annotation
        else:
            here = (typing.get_args(here) or (None,))[0 if isinstance(part, int) else -1]
        while not isinstance(here, type) or not issubclass(here, BaseModel):
            arguments = [one for one in typing.get_args(here) if one is not type(None)]
            if typing.get_origin(here) in (dict, tuple, list):
                break
            if not arguments:
                return []
            here = arguments[0]
    if isinstance(here, type) and issubclass(here, BaseModel):
        return list(here.model_fields)
    return []
