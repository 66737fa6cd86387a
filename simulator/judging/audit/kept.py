"""Draws and labels of a run on disk: ``RUN/audits``.

``DRAW.parquet`` is what a draw knows and its labellers must not see; ``DRAW.LABELLER.parquet``
what one of them said, as table ``labels`` with a last column ``note``. Each file is written whole
or not at all.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from simulator.errors import RunError
from simulator.store import RunFolder, fingerprint, write_table
from simulator.tables import conform, empty

_DRAW = re.compile(r"d[0-9a-f]{8}(?:-second)?")
# One row a decision point of a drawn conversation. `point` counts those of the conversation from
# 1; `digest` is of the reply, `double` whether a second person labels it too.
_COLUMNS = {
    "draw_id": pl.String(),
    "stage": pl.String(),
    "candidate": pl.String(),
    "segment": pl.String(),
    "split": pl.String(),
    "simple": pl.Boolean(),
    "round": pl.Int64(),
    "conversation_id": pl.String(),
    "turn": pl.Int64(),
    "point": pl.Int64(),
    "replied": pl.Boolean(),
    "digest": pl.String(),
    "stratum": pl.String(),
    "inclusion_prob": pl.Float64(),
    "double": pl.Boolean(),
}


def keep_draw(folder: RunFolder, drawn: pl.DataFrame) -> None:
    """Keep a draw: ``drawn`` has the columns of :func:`draws`, and one draw only."""
    path = folder.path / "audits" / f"{drawn['draw_id'][0]}.parquet"
    write_table(path, drawn.select(pl.col(name).cast(dtype) for name, dtype in _COLUMNS.items()))


def keep_labels(folder: RunFolder, sheet: str, labeller: str, labels: pl.DataFrame) -> None:
    """Keep what a labeller said on a sheet, in place of what the same one said there before."""
    write_table(folder.path / "audits" / f"{sheet}.{labeller}.parquet", labels)


def draws(folder: RunFolder) -> pl.DataFrame:
    """All draws of a run, a row a decision point: ``draw_id, stage, candidate, segment, split,

    simple, round, conversation_id, turn, point, replied, digest, stratum, inclusion_prob, double``.

    Raises:
        RunError: a file is damaged.
    """
    found = [_read(path) for path in _files(folder) if "." not in path.stem]
    return pl.concat([pl.DataFrame(schema=_COLUMNS), *found])


def audited_labels(folder: RunFolder) -> pl.DataFrame:
    """Table ``labels`` of all that people said of this run, one file after the other.

    ``inclusion_prob`` is the share of the stratum that the label's own draw took; over the draws
    of a cell it adds up. Labels of a segment's own draw have the stratum "flagged in SEGMENT".

    Raises:
        RunError: a file is damaged.
    """
    parts = [conform("labels", _read(path)) for path in _files(folder) if "." in path.stem]
    return pl.concat([empty("labels"), *parts])


def has_audits(folder: RunFolder) -> bool:
    """Whether anybody's labels of this run are kept."""
    return any("." in path.stem for path in _files(folder))


def audits_digest(folder: RunFolder) -> str:
    """A fingerprint of all draws and labels of a run, by content."""
    return fingerprint({path.name: fingerprint(path.read_bytes()) for path in _files(folder)})


def _files(folder: RunFolder) -> list[Path]:
    where = folder.path / "audits"
    return sorted(
        path for path in where.glob("d*.parquet") if _DRAW.fullmatch(path.name.split(".")[0])
    )


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise RunError(
            f"{path}: cannot be read: {str(error)[:200]}; delete it, and load its sheet again"
        ) from None
