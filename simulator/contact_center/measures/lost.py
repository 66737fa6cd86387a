"""The service level that a stage loses against people alone, day by day with the same customers.

Both faced the same days, so the difference of a day is known far better than either level: the
interval is that of the difference, not of two intervals set against each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.evidence.replications import two_levels

_CELL = ["stage", "candidate", "bound", "segment"]


def service_level_lost(
    desk_hours: pl.DataFrame, baseline: str, draws: Sequence[int], n_logged: int | None
) -> pl.DataFrame:
    """Rows of table ``kpis``: metric ``service_level_loss``, positive where fewer are in time.

    Args:
        desk_hours: table ``desk_hours``.
        baseline: the stage of people alone.
        draws: which draw of the input each replication belongs to.
        n_logged: days of the log that were drawn from; see
            :func:`simulator.evidence.replications.two_level`.

    Returns:
        One row for each cell and segment after the baseline with visits in both. Sums over sums,
        the interval by linearisation. ``n`` counts the cell's visits behind it.
    """
    days = {
        key: _counts(part, len(draws))
        for key, part in desk_hours.partition_by(_CELL, as_dict=True, maintain_order=True).items()
    }
    alone = {key[3]: counts for key, counts in days.items() if key[0] == baseline}
    rows = []
    for key, ours in days.items():
        theirs = alone.get(key[3])
        if key[0] == baseline or theirs is None or not ours[1].sum() or not theirs[1].sum():
            continue
        level, off = _linearised(*ours)
        base, off_base = _linearised(*theirs)
        lost = base - level
        spread = two_levels((lost + off_base - off)[None, :], np.asarray(draws), n_logged)
        half = float(spread.half_width[0])
        known = not np.isnan(half)
        rows.append(
            dict(zip(_CELL, key, strict=True))
            | {"metric": "service_level_loss", "estimate": lost, "unit": "ratio"}
            | {"low": lost - half if known else None, "high": lost + half if known else None}
            | {"n": int(ours[1].sum())}
            | {"method": f"difference of the same days; {spread.method[0]}"}
        )
    return tables.build("kpis", rows)


def _counts(part: pl.DataFrame, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    within, reached = np.zeros(n), np.zeros(n)
    at = part["replication"].to_numpy()
    within[at], reached[at] = part["n_within"].to_numpy(), part["n_reached"].to_numpy()
    return within, reached


def _linearised(
    within: NDArray[np.float64], reached: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Sum over sum, and by how much each day moves it."""
    level = float(within.sum() / reached.sum())
    return level, (within - level * reached) / reached.mean()
