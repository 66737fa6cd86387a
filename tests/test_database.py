"""run.duckdb: every table as a view, every column with its meaning, nothing to be written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest

from simulator import database, tables
from simulator.schema import TABLES
from simulator.schema.meanings import about, described, meaning
from tests import report_run

# Words that would say nothing, were they all that is said.
EMPTY = ("", "The value", "Value")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's tables, in a folder whose name has a quote and a space in it."""
    path = tmp_path_factory.mktemp("o'brien run")
    _write(path, report_run.finished().tables)
    return path


def _write(path: Path, frames: dict[str, pl.DataFrame]) -> None:
    (path / "tables").mkdir()
    for name, frame in frames.items():
        frame.write_parquet(path / "tables" / f"{name}.parquet")
    database.write(path / "run.duckdb", _files(path))


def _files(path: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted((path / "tables").glob("*.parquet"))}


def _asked(path: Path, query: str) -> pl.DataFrame:
    with duckdb.connect(str(path / "run.duckdb"), read_only=True) as run:
        found = run.execute(query)
        names = [column[0] for column in found.description or ()]
        rows = found.fetchall()
    return pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_and_column_has_a_meaning(table: str) -> None:
    lines = [about(table), *(meaning(table, column) for column in TABLES[table].columns)]
    assert not [line for line in lines if line.strip() in EMPTY or "\n" in line]
    assert not [line for line in lines if line.endswith(".") and not line.endswith("...")]


def test_nothing_is_described_that_is_not_there() -> None:
    columns = {name: set(table.columns) for name, table in TABLES.items()}
    assert described().keys() == {*TABLES, *database.VIEWS}
    stale = {
        table: set(own) - columns[table]
        for table, own in described().items()
        if table in columns and set(own) - columns[table]
    }
    assert stale == {}
    assert database.VIEWS.keys().isdisjoint(TABLES)


def test_the_words_that_a_column_holds_are_named_as_the_schema_has_them() -> None:
    # Where a meaning lists the words, it lists those that are allowed, or says that there are more.
    for name, table in TABLES.items():
        for column, words in table.allowed.items():
            line = meaning(name, column)
            named = [word for word in words if word in re.findall(r"\w+", line)]
            assert not named or len(named) == len(words) or "..." in line or len(named) == 1, (
                f"{name}.{column}: {line}; the schema allows {words}"
            )


def test_views_hold_the_tables_and_explain_themselves(folder: Path) -> None:
    views = _asked(folder, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")
    assert set(views["view_name"]) == {*_files(folder), *database.VIEWS}
    assert views["comment"].to_list() == [about(name) for name in views["view_name"]]
    told = _asked(
        folder, "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
    )
    assert told.height > len(views)
    assert told["comment"].to_list() == [
        meaning(table, column) for table, column, _ in told.iter_rows()
    ]
    for name, file in _files(folder).items():
        stored = pl.read_parquet(file)
        found = _asked(folder, f'FROM "{name}"')
        assert found.columns == stored.columns
        assert found.height == stored.height


def test_views_cannot_be_written_through(folder: Path) -> None:
    before = pl.read_parquet(folder / "tables" / "gates.parquet")
    with (
        duckdb.connect(str(folder / "run.duckdb")) as run,
        pytest.raises(duckdb.Error, match="base table"),
    ):
        run.execute("DELETE FROM gates")
    assert pl.read_parquet(folder / "tables" / "gates.parquet").equals(before)


def test_ranges_set_the_cases_side_by_side(folder: Path) -> None:
    frames = {name: pl.read_parquet(_files(folder)[name]) for name in ("kpis", "costs")}
    rows = {
        (*key, bound): estimate
        for frame in frames.values()
        for *key, bound, estimate in frame.select(
            "stage", "candidate", "segment", "metric", "bound", "estimate"
        ).iter_rows()
    }
    found = _asked(folder, "FROM ranges")
    cells = found.unpivot(
        ["best", "central", "worst"], index=["stage", "candidate", "segment", "metric"]
    ).filter(pl.col("value").is_not_null())
    assert {
        (stage, candidate, segment, metric, bound): value
        for stage, candidate, segment, metric, bound, value in cells.iter_rows()
    } == {key: value for key, value in rows.items() if value is not None}
    assert not cells.is_empty()


def test_replies_have_a_row_for_each_reply(folder: Path) -> None:
    key = ["candidate", "conversation_id", "turn"]
    shadow = pl.read_parquet(_files(folder)["shadow"])
    found = _asked(folder, "FROM replies")
    assert found.select(key).sort(key).equals(shadow.select(key).sort(key))
    assert found["question"].null_count() < found.height


def test_a_convenience_lacks_where_its_tables_do(tmp_path: Path) -> None:
    _write(tmp_path, {"gates": tables.empty("gates")})
    views = _asked(tmp_path, "SELECT view_name FROM duckdb_views() WHERE NOT internal")
    assert views["view_name"].to_list() == ["gates"]


def test_a_copy_reads_its_own_tables_once_its_database_is_written_again(
    folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    gates = pl.read_parquet(copy / "tables" / "gates.parquet").head(1)
    gates.write_parquet(copy / "tables" / "gates.parquet")
    database.write(copy / "run.duckdb", _files(copy))
    assert _asked(copy, "FROM gates").height == 1
    assert not list(copy.glob(".run.duckdb*"))
