"""Making tables, and the check at both ends of every stage. Their columns: ``simulator.schema``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from simulator.errors import TableError
from simulator.schema import REAL, TABLES


def empty(name: str) -> pl.DataFrame:
    """An empty table with the columns of ``name``."""
    return pl.DataFrame(schema=dict(TABLES[name].columns))


def build(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """A table from rows; a column that a row lacks is null.

    Raises:
        TableError: as :func:`check`, and for a column that the table does not have.
    """
    schema = dict(TABLES[name].columns)
    unknown = sorted({column for row in rows for column in row} - schema.keys())
    if unknown:
        raise TableError(f"table {name}: unknown columns {unknown}; it has {list(schema)}")
    return check(name, pl.DataFrame(rows, schema=schema, strict=True))


def conform(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` with the table's columns in order: missing ones null, others dropped, cast.

    Raises:
        TableError: as :func:`check`, or where a value cannot be cast without loss.
    """
    schema = TABLES[name].columns
    # Without rows, constants would make one.
    if frame.is_empty():
        return empty(name)
    try:
        frame = frame.select(
            pl.col(column).cast(dtype)
            if column in frame.columns
            else pl.lit(None, dtype=dtype).alias(column)
            for column, dtype in schema.items()
        )
    except pl.exceptions.PolarsError as error:
        raise TableError(f"table {name}: {error}") from error
    return check(name, frame)


def check(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``frame`` unchanged if it keeps the contract of table ``name``.

    Raises:
        TableError: columns or types differ, a never-null column has nulls, a number is NaN, a
            word is not allowed, or the key repeats. Says which, with an example row.
    """
    table = TABLES[name]
    if dict(frame.schema) != dict(table.columns):
        found, wanted = dict(frame.schema), dict(table.columns)
        wrong = [
            f"{column}: {found.get(column, 'missing')} for {wanted.get(column, 'no such column')}"
            for column in {**wanted, **found}
            if found.get(column) != wanted.get(column)
        ]
        raise TableError(f"table {name}: {'; '.join(wrong) or 'columns in another order'}")
    for column in table.never_null:
        if frame[column].null_count():
            row = frame.filter(pl.col(column).is_null()).row(0, named=True)
            raise TableError(f"table {name}: {column} is null in {_shown(row)}")
    for column, dtype in table.columns.items():
        if dtype == REAL and frame[column].is_nan().any():
            raise TableError(f"table {name}: {column} holds NaN; unknown is null")
    for column, words in table.allowed.items():
        odd = frame.filter(pl.col(column).is_not_null() & ~pl.col(column).is_in(words))
        if odd.height:
            found = odd[column][0]
            raise TableError(f"table {name}: {column} = {found!r}; expected one of {words}")
    if table.key and frame.height:
        repeated = frame.filter(frame.select(table.key).is_duplicated())
        if repeated.height:
            row = repeated.select(table.key).row(0, named=True)
            raise TableError(f"table {name}: {_shown(row)} stands there more than once")
    return frame


def _shown(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={str(value)[:60]!r}" for key, value in list(row.items())[:6])
