"""What each table and column holds, in a line each: ``meanings.toml``, read once."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

_SHARED = "shared"
_ABOUT = "about"


@cache
def _meanings() -> dict[str, dict[str, str]]:
    return tomllib.loads(resources.files(__package__).joinpath("meanings.toml").read_text("utf-8"))


def about(table: str) -> str:
    """What table (or view of ``run.duckdb``) ``table`` holds.

    Raises:
        KeyError: nobody has said it.
    """
    return _meanings()[table][_ABOUT]


def meaning(table: str, column: str) -> str:
    """What ``column`` of ``table`` holds, with its unit.

    Raises:
        KeyError: nobody has said it.
    """
    meanings = _meanings()
    return meanings[table].get(column) or meanings[_SHARED][column]


def described() -> dict[str, tuple[str, ...]]:
    """Names of all that is described, with the columns that have a line of their own."""
    return {
        table: tuple(column for column in lines if column != _ABOUT)
        for table, lines in _meanings().items()
        if table != _SHARED
    }
