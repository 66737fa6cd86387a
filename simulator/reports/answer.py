"""The answer of a run in words: how far, for whom, and why not further.

The gates decided; this only reads the tables ``recommendation`` and ``gates`` aloud.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from simulator.reports import wording
from simulator.reports.run import Run, standing


@dataclass(frozen=True)
class Advice:
    """How far one candidate may go in one segment, and what stands before the next stage.

    ``reason`` is the sentence of the gate that binds at ``next_stage``; both are None at the top
    of the ladder. ``overridden``: the gates up to ``stage`` that do not pass, and who lets them be.
    """

    candidate: str
    segment: str
    stage: str
    next_stage: str | None
    binding_gate: str | None
    status: str | None
    reason: str | None
    next_step: str
    overridden: tuple[str, ...] = ()


def advice(run: Run, candidate: str | None = None, segment: str | None = None) -> list[Advice]:
    """All advice, or that of one candidate or segment, in the run's order of candidates."""
    rows = run.table("recommendation")
    if candidate is not None:
        rows = rows.filter(pl.col("candidate") == candidate)
    if segment is not None:
        rows = rows.filter(pl.col("segment") == segment)
    found = [_advice(run, row) for row in rows.iter_rows(named=True)]
    place = {name: i for i, name in enumerate(run.candidates)}
    return sorted(found, key=lambda a: (place.get(a.candidate, 99), a.segment != "all", a.segment))


def _advice(run: Run, row: dict[str, Any]) -> Advice:
    stages = run.stages
    after = stages.index(row["stage"]) + 1 if row["stage"] in stages else len(stages)
    next_stage = stages[after] if after < len(stages) else None
    gate = next(
        (
            gate
            for gate in run.gates(next_stage or "", row["candidate"], row["segment"])
            if gate["metric"] == row["binding_gate"]
        ),
        None,
    )
    return Advice(
        row["candidate"],
        row["segment"],
        row["stage"],
        next_stage,
        row["binding_gate"],
        gate["status"] if gate else None,
        gate["reason"] if gate else None,
        row["next_step"],
        _overridden(
            gate
            for stage in stages[: after if row["stage"] in stages else 0]
            for gate in run.gates(stage, row["candidate"], row["segment"])
        ),
    )


def leader(run: Run) -> Advice | None:
    """The candidate that is worth most where it may go: whom the headline names.

    One that saves something in the central case goes before one that does not, then the further
    stage, then the larger saving: a candidate that hands everything to people passes every gate,
    and is no answer. Among those that may go nowhere, one whose next stage lacks evidence goes
    before one whose next stage fails.
    """

    def worth(one: Advice) -> tuple[bool, int, float, bool, float]:
        saving = run.bounds("costs", one.stage, one.candidate, "saving_money").central or 0.0
        place = run.stages.index(one.stage) if one.stage in run.stages else 0
        ahead = run.bounds("costs", one.next_stage or one.stage, one.candidate, "saving_money")
        return (saving > 0 and place > 0, place, saving, one.status != "fail", ahead.central or 0.0)

    overall = advice(run, segment="all")
    return max(overall, key=worth, default=None)


def headline(run: Run) -> str:
    """One sentence: how far the rollout may go, and with whom."""
    best = leader(run)
    if best is None:
        return "No recommendation: no candidate other than people was put to the gates."
    if best.stage == run.baseline:
        return "No candidate may answer customers yet: stay with people alone."
    text = (
        f"The rollout may go as far as {wording.stage_label(best.stage)}, "
        f"with {wording.visible(best.candidate)}"
    )
    return f"{text}, but only by override." if best.overridden else f"{text}."


def segments_apart(run: Run, candidate: str) -> list[tuple[str, list[str]]]:
    """Stages that some segments may reach other than the candidate's overall one.

    Returns (stage, segments) pairs, the furthest stage first.
    """
    overall = advice(run, candidate, "all")
    stage = overall[0].stage if overall else None
    apart: dict[str, list[str]] = {}
    for one in advice(run, candidate):
        if one.segment != "all" and one.stage != stage:
            apart.setdefault(one.stage, []).append(one.segment)
    order = {name: i for i, name in enumerate(run.stages)}
    return sorted(apart.items(), key=lambda pair: -order.get(pair[0], -1))


def automatic_cell(run: Run, one: Advice | None) -> tuple[str, str] | None:
    """The first stage from ``one`` on where its candidate answers customers; None: nowhere."""
    if one is None or one.stage not in run.stages:
        return None
    further = run.stages[run.stages.index(one.stage) :]
    cells = [(stage, one.candidate) for stage in further if run.automatic(stage, one.candidate)]
    return next((cell for cell in cells if cell in run.cells), None)


def missed(run: Run, stage: str, candidate: str) -> list[str]:
    """The limits that a cell misses even where every unknown outcome is a good one."""
    method = run.method("costs", stage, candidate, "breakdown_contained_share") or ""
    return [
        wording.metric_label(name)
        for name in method.rpartition(": ")[2].split(", ")
        if name in wording.METRICS
    ]


def promises_left_out(run: Run) -> bool:
    """Whether cost and saving leave risky promises out, there being nothing to judge them by."""
    found = [run.bounds("costs", *cell, "promise_money") for cell in run.cells]
    people = next((b for cell, b in zip(run.cells, found, strict=True) if cell[0] == run.baseline),
                  None)  # fmt: skip
    return people is not None and bool(people.figures) and not people.known


def why_not_further(run: Run, one: Advice) -> str:
    """Why ``one`` stops where it does, as the gate itself put it."""
    if one.next_stage is None:
        return "It is at the top of the ladder."
    where = wording.stage_label(one.next_stage)
    if one.binding_gate is None:
        return f"Nothing is on record against {where}."
    gate = wording.metric_label(one.binding_gate)
    said = {"fail": "fails", "insufficient": "lacks evidence"}.get(
        one.status or "", "holds it back"
    )
    reason = f": {wording.readable(sentence(one.reason), run.stages)}" if one.reason else "."
    return f"{where} is held back: the gate “{gate}” {said}{reason}"


def sentence(text: str) -> str:
    """``text`` with its control characters visible, closed by a full stop."""
    text = wording.visible(text).strip()
    return text if text.endswith((".", "!", "?", "。")) else f"{text}."


def cell_gate(run: Run, stage: str, candidate: str) -> tuple[str | None, list[str]]:
    """The gates' verdict on a cell over all conversations, and the metrics that made it so.

    Fail goes before insufficient, insufficient before overridden, overridden before pass. None
    where no gate was put (the baseline).
    """
    gates = run.gates(stage, candidate)
    if not gates:
        return None, []
    status = standing(gates[0])
    if status == "pass":
        return status, []
    return status, [str(gate["metric"]) for gate in gates if standing(gate) == status]


def proposal(run: Run) -> str | None:
    """What the gates say to the scenario's own proposal; None where it makes none."""
    asked = run.scenario.proposal
    if asked is None:
        return None
    whom = "all conversations" if asked.segment == "all" else wording.visible(asked.segment)
    where = f"{wording.visible(asked.candidate)} at {wording.stage_label(asked.stage)}"
    what = f"The scenario proposes {where} for {whom}"
    gates = run.gates(asked.stage, asked.candidate, asked.segment)
    if not gates:
        return f"{what}: no gate was put to it."
    status = standing(gates[0])
    if status == "pass":
        return f"{what}: every gate passes."
    if status == "overridden":
        return f"{what}: it may go there only by override: {'; '.join(_overridden(gates))}."
    said = "fail" if status == "fail" else "insufficient evidence"
    binding = [wording.metric_label(g["metric"]) for g in gates if standing(g) == status]
    return f"{what}: {said} ({wording.listed(binding)})."


def _overridden(gates: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Which gates do not pass and are overridden; those of one override in one sentence."""
    found: dict[str, list[str]] = {}
    for gate in gates:
        if standing(gate) == "overridden":
            fault = {"fail": "fails", "insufficient": "lacks evidence"}[gate["status"]]
            where = wording.stage_label(gate["stage"])
            name = f"{wording.metric_label(gate['metric'])} at {where} {fault}"
            found.setdefault(override(gate), []).append(name)
    return tuple(f"{wording.listed(names)}, {said}" for said, names in found.items())


def override(gate: Mapping[str, Any]) -> str:
    """Who lets a gate be that does not pass, until when and why."""
    reason = wording.visible(gate["override_reason"] or "no reason given").strip().rstrip(".")
    return (
        f"overridden by {wording.visible(gate['overridden_by'])} until "
        f"{gate['override_expires']} ({reason})"
    )


def by_override(one: Advice) -> str | None:
    """What its stage rests on besides gates that pass; None where on nothing."""
    if not one.overridden:
        return None
    return f"Only by override: {'; '.join(one.overridden)}."


def from_score(run: Run, one: Advice) -> str | None:
    """From which score the candidate may answer by itself, as the labels certify; or None."""
    rows = run.table("thresholds").filter(
        (pl.col("candidate") == one.candidate)
        & (pl.col("segment") == one.segment)
        & pl.col("threshold").is_not_null()
    )
    by_stage = {row["stage"]: row for row in rows.iter_rows(named=True)}
    row = next((by_stage[stage] for stage in run.stages if stage in by_stage), None)
    if row is None:
        return None
    text = (
        f"At {wording.stage_label(row['stage'])} it may answer by itself from a score of "
        f"{row['threshold']:g} on: labels certify at most {wording.percent(row['risk_limit'])} "
        f"with a risky promise there, at {wording.percent(row['confidence'])}"
    )
    if row["accepted_share"] is not None:
        text += f"; that is {wording.percent(row['accepted_share'])} of what it would answer"
    return f"{text}."
