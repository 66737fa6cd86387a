"""The commitments policy: what may be promised, by whom, on which condition, in which words."""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from pathlib import Path

import polars as pl

from simulator.errors import HistoryError
from simulator.history.table_file import load


def load_policy(path: Path, zone: tzinfo = UTC) -> pl.DataFrame:
    """The table ``commitments_policy`` from CSV, JSONL, a JSON array or Parquet, gzip or not.

    In a CSV the regular expressions of ``condition_patterns`` are separated by ``" || "``.

    Args:
        path: the file.
        zone: of ``valid_from`` and ``valid_to`` that name none.

    Raises:
        HistoryError: unreadable, or a row that breaks the table's contract, or a pattern that is
            no regular expression; says which rule.
    """
    policy = load("commitments_policy", path, zone)
    for rule_id, patterns in policy.select("rule_id", "condition_patterns").iter_rows():
        for pattern in patterns or ():
            try:
                re.compile(pattern)
            except (re.error, RecursionError, OverflowError) as error:
                raise HistoryError(
                    f"{path.name}: rule_id {rule_id!r}: condition_patterns holds {pattern!r}, "
                    f"which is no regular expression: {error}; mend it, or escape the character "
                    "with a backslash"
                ) from None
    return policy
