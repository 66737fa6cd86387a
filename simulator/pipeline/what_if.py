"""What-ifs: the same replies at the same desk with one thing changed, for the proposal's candidate.

Why only that candidate (all where the scenario proposes none): a what-if asks of a plan how it
holds, not which plan to make, and takes as long as simulating its cells.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from simulator.contact_center.cells import Parts
from simulator.pipeline.consequences import priced, rolled_out
from simulator.pipeline.customers import TableOf
from simulator.pipeline.desk import simulated
from simulator.scenario import Scenario
from simulator.streams import Streams
from simulator.tables import conform, empty

INPUTS = (
    "decision_points",
    "conversations",
    "contexts",
    "shadow",
    "verdicts",
    "replayed",
    "schedule",
    "teams",
    "replay_account",
)
METRICS = (
    "offered_per_day",
    "escalated_per_day",
    "asa_s",
    "wait_p90_s",
    "service_level",
    "abandonment_rate",
    "occupancy",
    "complaint_rate",
    "total_money",
    "saving_money",
)


def ask(
    one: Scenario,
    table: TableOf,
    streams: Streams,
    code: str,
    parts: Parts,
    tell: Callable[[int, int], None],
) -> pl.DataFrame:
    """Table ``what_if``: indicators and money of each what-if, over all conversations.

    The run itself stands in ``kpis`` and ``costs``, for the same customers.

    Args:
        one: the scenario.
        table: gives a table of the run by name.
        streams: random numbers.
        code: digest of the product's code.
        parts: where finished cells are kept.
        tell: told of what-ifs done and in all.
    """
    who = None if one.proposal is None else ["human", one.proposal.candidate]
    found = [empty("what_if")]
    for number, change in enumerate(one.what_if):
        tell(number, len(one.what_if))
        variant = one.with_changed(change)
        # Staffing is of the run as planned; a what-if meets the desk that the scenario gives it.
        tables = {"staffing_hours": empty("staffing_hours")}
        tables |= {name: _of(table(name), who) for name in INPUTS}
        tables |= rolled_out(variant, tables.__getitem__)
        tables |= simulated(
            variant, tables.__getitem__, streams, code, parts, lambda done, total: None
        )
        tables |= priced(variant, tables.__getitem__)
        rows = pl.concat([tables["kpis"].select(tables["costs"].columns), tables["costs"]]).filter(
            (pl.col("segment") == "all") & pl.col("metric").is_in(METRICS)
        )
        found.append(conform("what_if", rows.with_columns(pl.lit(change.name).alias("what_if"))))
    return pl.concat(found)


def _of(frame: pl.DataFrame, who: list[str] | None) -> pl.DataFrame:
    if who is None or "candidate" not in frame.columns:
        return frame
    return frame.filter(pl.col("candidate").is_in(who))
