"""The run folder: nothing half-written, nothing done twice, clear words where it cannot be used."""

import os

import duckdb
import polars as pl
import pytest

from simulator import __version__
from simulator.errors import RunError, TableError
from simulator.store import RunFolder, fingerprint, write_bytes
from simulator.tables import build, check, conform, empty

ROWS = [{"conversation_id": "c", "weight": 2.0}]


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def test_a_stage_runs_once_for_the_same_inputs(folder):
    calls = []

    def work():
        calls.append(1)
        return {"replayed": build("replayed", ROWS)}

    assert folder.stage("s", "a", ["replayed"], work)
    assert not folder.stage("s", "a", ["replayed"], work)
    assert not RunFolder(folder.path).stage("s", "a", ["replayed"], work)
    assert folder.stage("s", "b", ["replayed"], work)
    assert len(calls) == 2


def test_a_damaged_or_missing_table_is_made_again(folder):
    def work():
        return {"replayed": build("replayed", ROWS)}

    folder.stage("s", "a", ["replayed"], work)
    folder.table_path("replayed").write_bytes(b"PAR1 damaged")
    with pytest.raises(RunError, match="damaged"):
        folder.table("replayed")
    assert folder.stage("s", "a", ["replayed"], work)
    folder.table_path("replayed").unlink()
    assert folder.stage("s", "a", ["replayed"], work)
    assert folder.table("replayed").to_dicts() == ROWS


def test_a_stage_cannot_store_a_table_that_breaks_its_contract(folder):
    broken = build("replayed", ROWS).with_columns(weight=pl.lit(float("nan")))
    with pytest.raises(TableError, match="NaN"):
        folder.stage("s", "a", ["replayed"], lambda: {"replayed": broken})
    assert not folder.table_path("replayed").exists()


def test_a_failed_write_leaves_the_old_file(folder, monkeypatch):
    path = folder.path / "file"
    write_bytes(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="No space left on device"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in folder.path.iterdir() if p.name.endswith(".tmp")] == []


def test_a_damaged_part_is_not_there(folder):
    parts = folder.parts("p")
    parts.put("1", pl.DataFrame({"x": [1]}))
    assert parts.get("1").to_dicts() == [{"x": 1}]
    (parts.folder / "1.parquet").write_bytes(b"PAR1")
    assert parts.get("1") is None
    assert parts.get("2") is None


def test_folders_that_are_no_runs_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is a file"):
        RunFolder(tmp_path / "file")
    with pytest.raises(RunError, match="holds files but no run"):
        RunFolder(tmp_path)
    with pytest.raises(RunError, match="no run there"):
        RunFolder.open(tmp_path)
    (tmp_path / "manifest.json").write_text("[")
    with pytest.raises(RunError, match="cannot be read as JSON"):
        RunFolder(tmp_path)


def test_the_database_shows_the_tables(folder):
    folder.stage("s", "a", ["replayed"], lambda: {"replayed": build("replayed", ROWS)})
    folder.write_database()
    with duckdb.connect(str(folder.path / "run.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT * FROM replayed").fetchall() == [("c", 2.0)]


def test_fingerprints_tell_contents_apart_and_not_layouts():
    frame = pl.DataFrame({"x": [1, 2, 3], "y": ["a", "b", None]})
    pieces = pl.concat([frame[:1], frame[1:]], rechunk=False)
    assert fingerprint(frame) == fingerprint(pieces)
    assert fingerprint(frame) != fingerprint(frame.with_columns(y=pl.lit("a")))
    assert fingerprint("a", "b") != fingerprint("ab")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weight": None}, "weight is null"),
        ({"colour": "red"}, "unknown columns"),
    ],
)
def test_tables_say_what_is_wrong(change, says):
    with pytest.raises(TableError, match=says):
        build("replayed", [{**ROWS[0], **change}])


def test_a_repeated_key_a_wrong_type_and_a_wrong_word_are_faults():
    with pytest.raises(TableError, match="more than once"):
        build("replayed", ROWS * 2)
    with pytest.raises(TableError, match="weight"):
        check("replayed", empty("replayed").with_columns(pl.col("weight").cast(pl.Int64)))
    with pytest.raises(TableError, match="expected one of"):
        build("conversations", [{"conversation_id": "c", "channel": "fax"}])
    assert conform("replayed", pl.DataFrame([{**ROWS[0], "z": 1}])).to_dicts() == ROWS


@pytest.mark.parametrize("finished", [False, None, "true", 1])
def test_only_a_finished_run_is_opened(folder, finished):
    facts = {"scenario": {}, "versions": {"shadowdesk": __version__}}
    folder.note(**facts, finished=finished)
    with pytest.raises(RunError, match="is not finished; run the scenario again to the end"):
        RunFolder.open(folder.path)
    folder.note(finished=True)
    assert RunFolder.open(folder.path).manifest["finished"] is True
    # Going on with an unfinished run is what the other way in is for.
    folder.note(finished=False)
    assert RunFolder(folder.path).manifest["finished"] is False


def test_a_name_too_long_is_a_user_error(tmp_path):
    for take in (RunFolder, RunFolder.open):
        with pytest.raises(RunError, match="File name too long"):
            take(tmp_path / ("x" * 300))


def test_something_in_the_place_of_the_database_is_a_user_error(folder):
    (folder.path / "run.duckdb").mkdir()
    with pytest.raises(RunError, match=r"run\.duckdb: cannot be written: .*directory"):
        folder.write_database()
    assert [p.name for p in folder.path.iterdir() if p.name.endswith(".tmp")] == []


@pytest.mark.parametrize("stages", [[], 5, {"s": None}, {"s": {"inputs": "a"}}])
def test_a_manifest_of_another_shape_is_refused(folder, stages):
    folder.note(stages=stages)
    with pytest.raises(RunError, match="not the manifest of a run"):
        RunFolder(folder.path)
