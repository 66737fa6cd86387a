"""Reading a scenario file, and saying what is wrong with it so that it can be mended."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import typing
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.what_if import put

_PATHS = ("source", "schedule", "prompt", "folder", "adapter", "labels", "rubrics")
_Part = TypeVar("_Part", bound=BaseModel)
_MOST_BYTES = 1_000_000
_DEEP_KEY = re.compile(r"(?:\.\s*[\w\"'-]+\s*){200}")
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
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except IsADirectoryError:
        raise ScenarioError(f"{path}: is a folder; expected a scenario file (TOML)") from None
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file; expected a scenario file (TOML)") from None
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > _MOST_BYTES:
        raise ScenarioError(f"{path}: more than {_MOST_BYTES:,} bytes; expected a scenario file")
    try:
        data = _parsed(raw, shown)
        for override in overrides:
            _set(data, override)
        _expand(data, path.resolve().parent, shown)
        return validate(data, shown)
    except RecursionError:
        raise ScenarioError(
            f"{shown}: nested too deeply; expected tables and lists as a scenario has them"
        ) from None


def _parsed(raw: bytes, shown: str) -> dict[str, Any]:
    try:
        return _toml(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{shown}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    # Python's reader of whole numbers has a limit of digits, and says so by a plain ValueError.
    except ValueError as error:
        raise ScenarioError(f"{shown}: not TOML: {error}") from None


def _toml(text: str) -> dict[str, Any]:
    # Python's reader takes memory by the square of the length of a dotted key.
    if _DEEP_KEY.search(text):
        raise RecursionError
    return tomllib.loads(text)


def validate(data: Any, shown: str) -> Scenario:
    """The scenario in ``data``. Raises ScenarioError as :func:`load`; ``shown`` names the file."""
    return validate_part(Scenario, data, shown)


def validate_part(model: type[_Part], data: Any, shown: str) -> _Part:
    """One table of a scenario, such as ``[history]`` from the command line.

    Raises:
        ScenarioError: as :func:`load`; ``shown`` stands in the place of the file.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = [_fault(model, shown, one) for one in error.errors(include_url=False)]
        raise ScenarioError("\n".join(dict.fromkeys(faults))) from None


def _set(data: dict[str, Any], override: str) -> None:
    said = f"--set {_cut(override)}"
    if re.search("[\ud800-\udfff]", override):
        raise ScenarioError(f"{said}: not UTF-8")
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise ScenarioError(f"{said}: expected key=value, such as simulation.seed=2")
    try:
        parsed: Any = _toml(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        parsed = value
    except ValueError:
        raise ScenarioError(f"{said}: a number of too many digits") from None
    except RecursionError:
        raise ScenarioError(f"{said}: nested too deeply") from None
    try:
        put(data, key, parsed)
    except KeyError as error:
        raise ScenarioError(f"{said}: the scenario has no {_cut(error.args[0])}") from None
    except TypeError as error:
        raise ScenarioError(f"{said}: {_cut(error.args[0])} is a value, not a table") from None


def _expand(data: Any, folder: Path, shown: str, where: str = "") -> None:
    if isinstance(data, dict):
        for key, value in data.items():
            here = f"{where}.{key}" if where else str(key)
            # Assumed values and price cards have a `source` too: a citation, not a path.
            cites = not data.keys().isdisjoint(("value", "as_of"))
            if key in _PATHS and isinstance(value, str) and not cites:
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
                f"set it, as in: {name}=/the/path shadowdesk run {shown}"
            )
    return folder / _VARIABLE.sub(lambda found: os.environ[found[1]], value)


# What is allowed, by the type of a fault that pydantic finds itself.
_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "int_type": "a whole number",
    "model_type": "a table",
    "path_type": "a path in quotes",
    "string_type": "text in quotes",
    "string_unicode": "text in Unicode",
    "time_parsing": "a local time such as 09:30:00",
    "time_type": "a local time such as 09:30:00",
    "tuple_type": "a list, as in [ ... ]",
}


def _fault(model: type[BaseModel], shown: str, fault: Any) -> str:
    context = fault.get("ctx", {})
    location = tuple(part for part in fault["loc"] if part != "[key]")
    location += context.get("at", ())
    value = context["found"].value if "found" in context else fault["input"]
    where = _where(location)
    found = f"{shown}: {where}" if where else shown
    kind = fault["type"]
    if kind == "missing":
        parent = _where(location[:-1])
        table = f"[{parent}]" if parent else "the top of the file"
        return f"{found} is missing; add {location[-1]} = ... to {table}"
    if kind == "extra_forbidden":
        allowed = _keys(model, location[:-1])
        near = difflib.get_close_matches(str(location[-1])[:80], allowed, n=1)
        fix = f"did you mean {near[0]}?" if near else f"allowed: {', '.join(allowed)}"
        return f"{found}: unknown key; {fix}"
    shown_value = "" if isinstance(value, dict | BaseModel) or not where else f" = {_short(value)}"
    found += shown_value + (";" if where else ":")
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", context["expected"])
        near = difflib.get_close_matches(_short(value).strip("'"), options, n=1)
        fix = f"; did you mean {near[0]}?" if near else ""
        return f"{found} expected {context['expected']}{fix}"
    if kind == "scenario":
        return f"{found} {context['expected']}"
    if context.get("class_name") == "Assumed":
        return f"{found} expected a number, or a table with value, low, high and source"
    # A type that is not in the list is still a fault of the user's, said in pydantic's words.
    return f"{found} expected {_EXPECTED.get(kind, fault['msg'])}"


def _where(location: tuple[Any, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{_cut(part)}" for part in location)
    return "".join(parts).lstrip(".")


def _short(value: Any) -> str:
    try:
        return _cut(repr(value))
    # Whole numbers beyond some thousand digits cannot be written in decimal.
    except (ValueError, RecursionError):
        return f"{type(value).__name__} (too long to show)"


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def _keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The keys that the model at ``location`` within ``model`` allows."""
    here: Any = model
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
