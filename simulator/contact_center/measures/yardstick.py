"""What the cells of a run are measured with: segments, teams, horizon, target."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from simulator.errors import TableError

LIVE = ("voice", "chat")
UNKNOWN = "unknown"
DAY_S = 86_400


@dataclass(frozen=True)
class Yardstick:
    """What is counted, and against what; the same for all cells of a run.

    Attributes:
        segment_of: ``conversation_id`` and ``segment``, the number of its name.
        segments: names; the first is ``all``, the last ``unknown``.
        n_named: so many of ``segments`` have rows even without a visit.
        teams: names, without ``all``.
        target_wait_s: T of the service level, seconds.
        n_replications: numbered from 0.
        n_days: days of one replication.
        interval_s: length of an interval, a divisor of a day.
        live_only: waits, service level and abandonment are over live contacts alone.
        with_email: the log has both live contacts and e-mail.
    """

    segment_of: pl.DataFrame
    segments: tuple[str, ...]
    n_named: int
    teams: tuple[str, ...]
    target_wait_s: float
    n_replications: int
    n_days: int = 1
    interval_s: int = 1800
    live_only: bool = True
    with_email: bool = False

    @property
    def n_intervals(self) -> int:
        """Intervals of the horizon."""
        return self.n_days * DAY_S // self.interval_s


def yardstick(
    conversations: pl.DataFrame,
    segment_by: Sequence[str],
    teams: Iterable[str],
    target_wait_s: float,
    n_replications: int,
    n_days: int = 1,
    interval_s: int = 1800,
) -> Yardstick:
    """What the cells of a run are measured with.

    Args:
        conversations: table ``conversations``; gives the segments and the channels of the log.
        segment_by: columns of it. A segment's name is their values joined by " / ", with
            ``unknown`` for null and for conversations that are not in the table.
        teams: in the order of the tables.
        target_wait_s: T of the service level, seconds.
        n_replications: of each cell.
        n_days: days of one replication.
        interval_s: length of an interval, a divisor of a day.

    Raises:
        TableError: a segment is called ``all``.
    """
    named = conversations.select(
        "conversation_id",
        segment=pl.concat_str(
            [pl.col(column).cast(pl.String).fill_null(UNKNOWN) for column in segment_by],
            separator=" / ",
        )
        if segment_by
        else pl.lit(UNKNOWN),
    )
    names = named["segment"].unique().sort().to_list() if segment_by else []
    if "all" in names:
        raise TableError(
            f"table conversations: a segment by {', '.join(segment_by)} is called 'all', which "
            "stands for every conversation; rename it"
        )
    # Last, since it is shown only where it occurs.
    known = [name for name in names if name != UNKNOWN]
    segments = ("all", *known, UNKNOWN) if segment_by else ("all",)
    codes = pl.DataFrame({"segment": segments, "code": range(len(segments))})
    if not segment_by:
        named = named.with_columns(segment=pl.lit("all"))
    segment_of = named.join(codes, on="segment", how="left").select(
        "conversation_id", segment="code"
    )
    live = conversations["channel"].is_in(LIVE)
    return Yardstick(
        segment_of,
        segments,
        len(segments) - (bool(segment_by) and UNKNOWN not in names),
        tuple(dict.fromkeys(teams)),
        target_wait_s,
        n_replications,
        n_days,
        interval_s,
        bool(live.any()),
        bool(live.any()) and not bool(live.all()),
    )
