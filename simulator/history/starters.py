"""Files to begin with: a policy of promises and some articles, made up, to be replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from simulator.store import write_bytes

_SHIPPED = Path(__file__).parent / "starter_files"
# By the table of the scenario that names it.
FILES = {"commitments": "promises.csv", "knowledge": "articles.csv"}


def is_example(path: Path) -> bool:
    """Whether the file is one of ours as it was written, with no row of the user's in it."""
    ours = _SHIPPED / path.name
    return ours.is_file() and path.read_bytes() == ours.read_bytes()


def write(folder: Path, tables: Iterable[str]) -> list[Path]:
    """Write those for ``tables`` that are not there yet, and name them.

    Raises:
        RunError: the folder cannot be written.
    """
    missing = [folder / FILES[table] for table in tables if not (folder / FILES[table]).exists()]
    for path in missing:
        write_bytes(path, (_SHIPPED / path.name).read_bytes())
    return missing
