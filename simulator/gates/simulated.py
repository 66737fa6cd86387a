"""Gates on what replay and the simulated days show; no labels, and no segment shares a level.

What replay cannot know (did the customer come back?) is a range from best to worst case: a gate
passes by its worst case and fails by its best. It may block a stage; by itself it promotes none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from simulator.evidence.audited import with_segments
from simulator.gates.findings import Finding
from simulator.gates.words import METRICS, percent, shown
from simulator.scenario import Gate

_CELL = ["stage", "candidate"]
_READ = ("service_level", "service_level_loss", "complaint_rate", "saving_money")
# Complaints are bounded by their worst case: outcomes that no replay knows only block.
_BLOCKS_ONLY = ("complaint_rate", "complaint_excess")

Bounds = Mapping[str, Mapping[str, Any]]


class Settled(NamedTuple):
    """Conversations whose outcome replay knows, of how many, and their share by replay weight."""

    known: int
    automated: int
    share: float


NOBODY = Settled(0, 0, 0.0)


def settled_share(counted: Settled, gate: Gate) -> Finding:
    """The share of automated conversations whose outcome replay knows, by replay weight."""
    method = "count over the replayed history; agreed or handoff, over automated; no sampling"
    settled, automated, share = counted
    if not automated:
        reason = "no conversation was automated"
        return Finding("insufficient", reason, "rate", method, "this_history")
    reason = (
        f"{settled} of {automated} automated conversations have an outcome that replay knows "
        f"({percent(share)}), against a limit of at least {percent(gate.limit)}"
    )
    status = "pass" if share >= gate.limit else "fail"
    return Finding(status, reason, "rate", method, "this_history", automated, share, share, share)


class _Range(NamedTuple):
    """An estimate with its ends, which are the estimate where no sampling uncertainty is known."""

    estimate: float
    low: float
    high: float
    bounded: bool


def indicator(cases: Bounds, gate: Gate) -> Finding:
    """A number of the simulated days or of the money; ``cases`` by best, central, worst."""
    worst, best, several = _cases(cases)
    return _judged(gate, _range(worst), _range(best), worst, several)


def complaint_excess(cases: Bounds, human: Bounds, gate: Gate) -> Finding:
    """By how much more customers complain than with people alone.

    Their ends are set against ours, as though the two knew nothing of each other: conservative.
    """
    worst, best, several = _cases(cases)
    theirs, _, _ = _cases(human)
    base = _range(theirs)

    def more(row: Mapping[str, Any] | None) -> _Range | None:
        ours = _range(row)
        if not ours or not base:
            return None
        return _Range(
            ours.estimate - base.estimate,
            ours.low - base.high,
            ours.high - base.low,
            ours.bounded and base.bounded,
        )

    return _judged(gate, more(worst), more(best), worst, several)


def _judged(
    gate: Gate,
    worst: _Range | None,
    best: _Range | None,
    row: Mapping[str, Any] | None,
    several: bool,
) -> Finding:
    what = METRICS[gate.metric]
    if worst is None or best is None or row is None:
        reason = f"the {what} of the worst case is not known for this segment"
        return Finding("insufficient", reason, "rate", "none", "simulated_days")
    upper = gate.upper
    against, favour = (worst.high, best.low) if upper else (worst.low, best.high)
    holds = against <= gate.limit if upper else against >= gate.limit
    may_hold = favour <= gate.limit if upper else favour >= gate.limit
    status = "pass" if holds else "insufficient" if may_hold else "fail"
    unit = row["unit"]
    case, other = (" in the worst case", "in the best") if several else ("", "at best")
    text = f"{what} {shown(against, unit)}{case}"
    if not worst.bounded:
        text += " (its sampling uncertainty is not known)"
    # Complaints only block, and are bounded by their worst case; for the rest, no bound, no pass.
    if not worst.bounded and status == "pass" and gate.metric not in _BLOCKS_ONLY:
        status = "insufficient"
    if status != "pass" and favour != against:
        text += f", {shown(favour, unit)} {other}"
    text += f", against a limit of at {'most' if upper else 'least'} {shown(gate.limit, unit)}"
    if gate.metric in _BLOCKS_ONLY and status == "pass":
        text += "; does not block (an outcome from replay promotes no stage)"
    if status == "insufficient" and not worst.bounded:
        text += "; without an interval nothing passes: simulate more days"
    elif status == "insufficient":
        text += "; replay cannot tell which" if several else "; its interval spans the limit"
    return Finding(
        status,
        text,
        unit,
        row["method"],
        "simulated_days",
        row["n"],
        worst.estimate,
        worst.low if worst.bounded else None,
        worst.high if worst.bounded else None,
        None,
        row["bound"],
    )


def _cases(
    cases: Bounds,
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None, bool]:
    # A cell with a single bound has nothing that replay cannot know.
    only = next(iter(cases.values())) if len(cases) == 1 else None
    worst, best = cases.get("worst", only), cases.get("best", only)
    return worst, worst if best is None else best, only is None


def _range(row: Mapping[str, Any] | None) -> _Range | None:
    if row is None or row["estimate"] is None:
        return None
    low, high, estimate = row["low"], row["high"], row["estimate"]
    bounded = low is not None and high is not None
    return _Range(
        estimate, estimate if low is None else low, estimate if high is None else high, bounded
    )


def by_cell(numbers: pl.DataFrame) -> dict[tuple[str, str, str, str], dict[str, dict[str, Any]]]:
    """Rows of ``kpis`` and ``costs`` by stage, candidate, segment and metric, then by bound."""
    found: dict[tuple[str, str, str, str], dict[str, dict[str, Any]]] = {}
    for row in numbers.filter(pl.col("metric").is_in(_READ)).iter_rows(named=True):
        place = (row["stage"], row["candidate"], row["segment"], row["metric"])
        found.setdefault(place, {})[row["bound"]] = row
    return found


def settled_counts(
    settlements: pl.DataFrame, segments: pl.DataFrame, weights: pl.DataFrame | None
) -> dict[tuple[str, str, str], Settled]:
    """By stage, candidate and segment; ``weights`` as in :class:`simulator.gates.Evidence`."""
    automated = settlements.filter(pl.col("status").is_in(["agreed", "handoff", "diverged"]))
    weighted = (
        automated.with_columns(pl.lit(1.0).alias("weight"))
        if weights is None
        else automated.join(weights, on="conversation_id", how="left")
    )
    known = pl.col("status") != "diverged"
    counted = (
        with_segments(weighted, segments)
        .group_by(*_CELL, "segment")
        .agg(
            known.sum().alias("known"),
            pl.len().alias("automated"),
            (pl.col("weight").filter(known).sum() / pl.col("weight").sum()).alias("share"),
        )
    )
    return {(row[0], row[1], row[2]): Settled(*row[3:]) for row in counted.iter_rows()}
