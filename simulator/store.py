"""The run folder: tables written atomically, stages that are not run again, parts that resume.

``outputs/<name>/`` holds ``manifest.json``, ``tables/*.parquet``, ``run.duckdb`` (views over the
tables) and the reports. A stage is skipped where the fingerprint of its inputs is in the manifest
and the tables it wrote are still the ones it wrote. Killed at any moment and run again, the tables
equal those of an undisturbed run.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from simulator import __version__, database
from simulator.errors import RunError
from simulator.schema import TABLES
from simulator.tables import check


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``path`` so that a reader, or a kill, sees the old content or the new, nothing else.

    Raises:
        RunError: the folder is not writable or the disk is full.
    """
    # The process id keeps two writers apart; a file left by a killed one is overwritten or ignored.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # Where the folder itself is the trouble, there is nothing to clean up either.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RunError(
            f"{path}: cannot be written: {error.strerror}; expected a folder that you may write "
            "to, with space left; name another with --out DIR"
        ) from None


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """Write ``frame`` as Parquet, as :func:`write_bytes` does."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=3)
    write_bytes(path, buffer.getvalue())


def fingerprint(*parts: Any) -> str:
    """A stable digest of JSON-like values, tables and bytes.

    Tables count by content and column types, not by how they lie in memory. Stable for one version
    of polars; with another, work is done again.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, pl.DataFrame):
            digest.update(str(dict(part.schema)).encode())
            digest.update(part.hash_rows(seed=0).to_numpy().tobytes())
        elif isinstance(part, bytes):
            digest.update(part)
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
        digest.update(b"\x00")
    return digest.hexdigest()


class RunFolder:
    """A run on disk.

    Args:
        path: its folder; made where it does not exist.

    Raises:
        RunError: it is a file, or it holds something that is not a run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Looked at before all else: a name that is too long or not to be entered faults here.
        with _usable(path):
            self._take()

    def _take(self) -> None:
        path = self.path
        if str(path.absolute()).encode("utf-8", "replace") != os.fsencode(path.absolute()):
            # The engines that read and write tables take names in UTF-8 only.
            raise RunError(f"{path}: is not a name in UTF-8; name another folder with --out DIR")
        if path.exists() and not path.is_dir():
            raise RunError(f"{path}: is a file; expected a folder for the run (--out DIR)")
        if (
            path.is_dir()
            and not self._manifest_path.exists()
            and any(p for p in path.iterdir() if not p.name.startswith("."))
        ):
            raise RunError(
                f"{path}: holds files but no run; expected an empty or new folder, or one that "
                "shadowdesk made"
            )
        self.manifest: dict[str, Any] = {"stages": {}}
        if self._manifest_path.exists():
            self.manifest = _read_json(self._manifest_path)
        else:
            self.note()

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A finished run.

        Raises:
            RunError: there is none, or one that is not finished: its tables may be of different
                scenarios; or another version made it.
        """
        with _usable(path):
            if not (path / "manifest.json").is_file():
                raise RunError(
                    f"{path}: no run there (no manifest.json); expected a folder that "
                    "`shadowdesk run` made, such as outputs/quickstart"
                )
        run = cls(path)
        if run.manifest.get("finished") is not True:
            raise RunError(
                f"{path}: the run there is not finished; run the scenario again to the end"
            )
        versions = run.manifest.get("versions")
        made_by = versions.get("shadowdesk") if isinstance(versions, dict) else None
        if made_by != __version__ or not isinstance(run.manifest.get("scenario"), dict):
            raise RunError(
                f"{path}: made by shadowdesk {made_by or 'of an unknown version'}; expected a run "
                f"of {__version__}; run the scenario again"
            )
        return run

    @property
    def _manifest_path(self) -> Path:
        return self.path / "manifest.json"

    def note(self, **facts: Any) -> None:
        """Put ``facts`` into the manifest."""
        self.manifest.update(facts)
        text = json.dumps(self.manifest, indent=2, ensure_ascii=False, default=str)
        write_bytes(self._manifest_path, text.encode("utf-8", "replace"))

    def table_path(self, name: str) -> Path:
        """Where table ``name`` lies."""
        return self.path / "tables" / f"{name}.parquet"

    def table(self, name: str) -> pl.DataFrame:
        """Table ``name``, checked.

        Raises:
            RunError: the run has no such table (yet), or the file is damaged.
        """
        path = self.table_path(name)
        if not path.is_file():
            raise RunError(f"{path}: no such table; run the scenario again to the end")
        try:
            return check(name, pl.read_parquet(path))
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error}") from None
        except pl.exceptions.PolarsError as error:
            raise RunError(f"{path}: damaged ({error}); delete it and run again") from None

    def stage(
        self,
        name: str,
        inputs: str,
        outputs: Sequence[str],
        work: Callable[[], Mapping[str, pl.DataFrame]],
    ) -> bool:
        """Run ``work`` and store its tables, unless this was done with the same ``inputs``.

        Args:
            name: of the stage.
            inputs: fingerprint of all that the result depends on.
            outputs: names of the tables that ``work`` returns.
            work: returns the tables by name.

        Returns:
            Whether it ran.
        """
        done = self.manifest["stages"].get(name, {})
        if done.get("inputs") == inputs and all(
            self._digest(table) == done["outputs"].get(table) for table in outputs
        ):
            return False
        tables = work()
        for table in outputs:
            write_table(self.table_path(table), check(table, tables[table]))
        stages = dict(self.manifest["stages"])
        stages[name] = {
            "inputs": inputs,
            "outputs": {table: self._digest(table) for table in outputs},
        }
        self.note(stages=stages)
        return True

    def forget(self, name: str) -> None:
        """Let the next run do stage ``name`` again: its tables stand, but are not the last word."""
        stages = dict(self.manifest["stages"])
        stages[name] = {**stages[name], "inputs": None}
        self.note(stages=stages)

    def outputs_of(self, *names: str) -> str:
        """A fingerprint of tables as they are stored, by content."""
        return fingerprint({name: self._digest(name) for name in names})

    def _digest(self, table: str) -> str | None:
        path = self.table_path(table)
        if not path.is_file():
            return None
        with _usable(path):
            return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()

    def parts(self, name: str) -> Parts:
        """The parts of work ``name`` done so far."""
        return Parts(self.path / "parts" / name)

    def write_database(self) -> None:
        """``run.duckdb``: a view over each table of the run (:mod:`simulator.database`).

        Raises:
            RunError: the file cannot be written.
        """
        paths = {name: self.table_path(name) for name in TABLES}
        database.write(
            self.path / "run.duckdb", {name: path for name, path in paths.items() if path.is_file()}
        )


class Parts:
    """Results kept one part a file, so that a killed stage goes on where it stopped.

    Args:
        folder: theirs alone; the caller puts the fingerprint of the work into its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> pl.DataFrame | None:
        """The part ``key``, or null where it is not done (or its file is damaged)."""
        path = self.folder / f"{key}.parquet"
        try:
            return pl.read_parquet(path) if path.is_file() else None
        except pl.exceptions.PolarsError:
            return None

    def put(self, key: str, frame: pl.DataFrame) -> None:
        """Store the part ``key``."""
        write_table(self.folder / f"{key}.parquet", frame)


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{path}: cannot be used: {error.strerror}; expected a folder that you may "
            "read and write; name another with --out DIR"
        ) from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read as JSON: {error}; delete the folder") from None
    stages = found.get("stages") if isinstance(found, dict) else None
    if not isinstance(stages, dict) or not all(
        isinstance(stage, dict) and isinstance(stage.get("outputs"), dict)
        for stage in stages.values()
    ):
        raise RunError(f"{path}: not the manifest of a run; expected a folder made by shadowdesk")
    manifest: dict[str, Any] = found
    return manifest
