"""How far each candidate may go in each segment, what stops it there, and what would move it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from simulator import tables
from simulator.gates.words import gap, named, shown
from simulator.scenario import GATE_METRICS, Gate, Stage

_Row = Mapping[str, Any]


def passed(row: _Row) -> bool:
    """Whether a row of table ``gates`` lets a stage be: it passes, or somebody overrode it."""
    return row["status"] == "pass" or row["overridden_by"] is not None


def recommend(
    gates: pl.DataFrame, stages: Sequence[Stage], thresholds: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The furthest stage that each candidate may reach in each segment, and what stops it there.

    A stage is reached if the one before it is and all its gates pass (or are overridden); an
    automatic one needs a gate on ``risky_promise_rate`` besides: outcomes from replay may block,
    never promote.

    Args:
        gates: table ``gates``.
        stages: the ladder, baseline first.
        thresholds: table ``thresholds``; ``score_threshold`` is that of the first automatic stage
            at which one was found.

    Returns:
        Table ``recommendation``; ``binding_gate`` is the metric that stops the next stage, null
        at the top of the ladder or where no gate was tested. ``overridden``: what was passed only
        because somebody let it pass, with who. The candidate human, who is the baseline, has no
        row.
    """
    found: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for row in gates.filter(pl.col("candidate") != "human").iter_rows(named=True):
        by_stage = found.setdefault((row["candidate"], row["segment"]), {})
        by_stage.setdefault(row["stage"], []).append(row)
    from_score = _thresholds(thresholds, stages)
    rows = []
    for (candidate, segment), by_stage in sorted(found.items()):
        reached, binding, next_step = stages[0].name, None, "The ladder ends here."
        overridden: list[str] = []
        score = from_score.get((candidate, segment))
        for stage in stages[1:]:
            tested = by_stage.get(stage.name, [])
            blocking = sorted((row for row in tested if not passed(row)), key=_urgency)
            if blocking:
                binding, next_step = blocking[0]["metric"], _next_step(stage.name, blocking)
                if stage.auto_when is not None and binding == "risky_promise_rate" and score:
                    next_step += (
                        f" Or let it answer by itself only from a score of {score:g} on, which "
                        "the labels certify."
                    )
                break
            if stage.auto_when is not None and all(
                row["metric"] != "risky_promise_rate" for row in tested
            ):
                binding = "risky_promise_rate"
                next_step = (
                    f"To reach {stage.name}: add a gate on risky_promise_rate; without labels "
                    "of what the bot said, no automatic stage is recommended."
                )
                break
            if not tested:
                next_step = f"To reach {stage.name}: no gate was tested there; set [[gates]]."
                break
            reached = stage.name
            overridden += [
                f"{row['metric']} at {stage.name}, by {row['overridden_by']}"
                for row in tested
                if row["status"] != "pass"
            ]
        rows.append(
            {"candidate": candidate, "segment": segment, "stage": reached}
            | {"binding_gate": binding, "next_step": next_step}
            | {"score_threshold": score, "overridden": "; ".join(overridden) or None}
        )
    return tables.build("recommendation", rows)


def _thresholds(
    thresholds: pl.DataFrame | None, stages: Sequence[Stage]
) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    if thresholds is None:
        return found
    order = {stage.name: i for i, stage in enumerate(stages)}
    rows = sorted(thresholds.iter_rows(named=True), key=lambda row: order[row["stage"]])
    for row in rows:
        if row["threshold"] is not None:
            found.setdefault((row["candidate"], row["segment"]), row["threshold"])
    return found


def _urgency(row: _Row) -> tuple[bool, int]:
    return row["status"] != "fail", GATE_METRICS.index(row["metric"])


def _next_step(stage: str, blocking: Sequence[_Row]) -> str:
    first = blocking[0]
    metric, unit = first["metric"], first["unit"]
    name = named(metric)
    upper = Gate(metric=metric, limit=0).upper
    side, way = ("upper", "fall") if upper else ("lower", "rise")
    end = first["high" if upper else "low"]
    end = first["estimate"] if end is None else end
    text = f"To reach {stage}: "
    if first["reason"].startswith("stale"):
        text += f"label and replay newer conversations for {name}"
    elif first["status"] == "insufficient" and first["labels_needed"]:
        text += f"label some {first['labels_needed']} more conversations for {name}"
    elif end is None:
        text += f"{name} must be known first"
    elif (end <= first["limit"]) == upper:
        # Within the limit, and yet nothing passes: something is not known.
        text += f"{name} must be shown to hold ({first['reason']})"
    else:
        bound = "" if first["low"] == first["high"] else f"the {side} bound of "
        case = " in the worst case" if first["bound"] == "worst" else ""
        by = gap(abs(end - first["limit"]), unit)
        text += f"{bound}{name}{case} must {way} by {by}, to {shown(first['limit'], unit)}"
    if others := [named(row["metric"]) for row in blocking[1:]]:
        listed = " and ".join(filter(None, [", ".join(others[:-1]), others[-1]]))
        text += f"; {listed} {'stands' if len(others) == 1 else 'stand'} in the way too"
    return text + "."
