"""The knowledge base: articles, and when each was valid."""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path

import polars as pl

from simulator.history.table_file import load

# As exports of knowledge bases call them.
_ALIASES = {"id": "article_id", "content": "text"}


def load_knowledge(path: Path, zone: tzinfo = UTC) -> pl.DataFrame:
    """The table ``knowledge`` from CSV, JSONL, a JSON array or Parquet, gzip or not.

    ``id`` is read as ``article_id`` and ``content`` as ``text``.

    Args:
        path: the file.
        zone: of ``valid_from`` and ``valid_to`` that name none.

    Raises:
        HistoryError: unreadable, or a row without id or text, a repeated id, a bad date; says
            which row.
    """
    return load("knowledge", path, zone, _ALIASES)
