"""The answer of a run in words: how far, for whom, and why not further.

The gates decided; this only reads their tables (and ``thresholds``) aloud.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from simulator.reports import wording
from simulator.reports.language import noted, say, say_n
from simulator.reports.phrases import named, together
from simulator.reports.phrases import sentence as sentence
from simulator.reports.run import Run, standing

# The headline names segments as long as it stays a headline.
_NAMED_SEGMENTS = 3


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


def leader(run: Run, segment: str = "all") -> Advice | None:
    """The candidate that is worth most where it may go: whom the headline names.

    One that saves something in the central case goes before one that does not, then the further
    stage, then the larger saving: a candidate that hands everything to people passes every gate,
    and is no answer. Among those that may go nowhere, one whose next stage lacks evidence goes
    before one whose next stage fails.
    """
    return _leading(run, advice(run, segment=segment))


def _leading(run: Run, found: Iterable[Advice]) -> Advice | None:
    def worth(one: Advice) -> tuple[bool, int, float, bool, float]:
        saving = _saving(run, one, one.stage) or 0.0
        rank = place(run, one.stage)
        ahead = _saving(run, one, one.next_stage or one.stage) or 0.0
        return (saving > 0 and rank > 0, rank, saving, one.status != "fail", ahead)

    return max(found, key=worth, default=None)


def _saving(run: Run, one: Advice, stage: str) -> float | None:
    return run.bounds("costs", stage, one.candidate, "saving_money", one.segment).central


def place(run: Run, stage: str) -> int:
    """How far up the ladder ``stage`` stands."""
    return run.stages.index(stage) if stage in run.stages else 0


def headline(run: Run) -> str:
    """How far the rollout may go, and with whom; what that costs; and where it may go further."""
    best = leader(run)
    if best is None:
        return say("No recommendation: no candidate other than people was put to the gates.")
    return together(_far(run, best), _further(run, best))


def _far(run: Run, best: Advice) -> str:
    if best.stage == run.baseline:
        return say("No candidate may answer customers yet: stay with people alone.")
    parts = {
        "stage": wording.stage_label(best.stage),
        "candidate": wording.visible(best.candidate),
    }
    saving = _saving(run, best, best.stage)
    if saving is not None and saving < 0:
        parts["currency"] = run.scenario.money.currency
        parts["amount"] = wording.number("saving_money", -saving)
        if best.overridden:
            return say(
                "The rollout may go as far as {stage}, with {candidate}, but only by override, and "
                "there it costs {currency} {amount} a day more than people alone.",
                **parts,
            )
        return say(
            "The rollout may go as far as {stage}, with {candidate}, but there it costs {currency} "
            "{amount} a day more than people alone.",
            **parts,
        )
    if best.overridden:
        return say(
            "The rollout may go as far as {stage}, with {candidate}, but only by override.", **parts
        )
    return say("The rollout may go as far as {stage}, with {candidate}.", **parts)


def _further(run: Run, best: Advice) -> str | None:
    """That some segments may go further than all together, where that is not at a loss."""
    further = [one for one in by_segment(run) if goes_further(run, one, best)]
    if not further:
        return None
    parts = {
        "n": len(further),
        "segments": wording.listed([named(one.segment) for one in further[:_NAMED_SEGMENTS]]),
    }
    if len(further) > _NAMED_SEGMENTS:
        return say(
            "That is for all conversations together; in {n} segments it may go further.", **parts
        )
    return say_n(
        "That is for all conversations together; in {n} segment it may go further: {segments}.",
        "That is for all conversations together; in {n} segments it may go further: {segments}.",
        len(further),
        **parts,
    )


def goes_further(run: Run, one: Advice, overall: Advice | None) -> bool:
    """Whether a segment's advice goes further than that of all, and not at a known loss."""
    if one.segment == "all" or overall is None:
        return False
    saving = _saving(run, one, one.stage)
    beyond = place(run, one.stage) > place(run, overall.stage)
    return beyond and (saving is None or saving > 0)


def by_segment(run: Run) -> list[Advice]:
    """The leading candidate of each segment, that of all conversations first."""
    found: dict[str, list[Advice]] = {}
    for one in advice(run):
        found.setdefault(one.segment, []).append(one)
    leading = [_leading(run, found[name]) for name in sorted(found, key=lambda n: (n != "all", n))]
    return [one for one in leading if one is not None]


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
        return say("It is at the top of the ladder.")
    where = wording.stage_label(one.next_stage)
    if one.binding_gate is None:
        return say("Nothing is on record against {stage}.", stage=where)
    gate = wording.metric_label(one.binding_gate)
    if one.reason is None:
        return say("{stage} is held back: the gate “{gate}” holds it back.", stage=where, gate=gate)
    texts = {
        "fail": noted("{stage} is held back: the gate “{gate}” fails: {reason}"),
        "insufficient": noted("{stage} is held back: the gate “{gate}” lacks evidence: {reason}"),
    }
    other = noted("{stage} is held back: the gate “{gate}” holds it back: {reason}")
    return say(
        texts.get(one.status or "", other),
        stage=where,
        gate=gate,
        reason=wording.readable(sentence(one.reason), run.stages),
    )


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
    parts = {
        "candidate": wording.visible(asked.candidate),
        "stage": wording.stage_label(asked.stage),
        "whom": say("all conversations") if asked.segment == "all" else named(asked.segment),
    }
    gates = run.gates(asked.stage, asked.candidate, asked.segment)
    if not gates:
        return say(
            "The scenario proposes {candidate} at {stage} for {whom}: no gate was put to it.",
            **parts,
        )
    status = standing(gates[0])
    if status == "pass":
        return say(
            "The scenario proposes {candidate} at {stage} for {whom}: every gate passes.", **parts
        )
    if status == "overridden":
        return say(
            "The scenario proposes {candidate} at {stage} for {whom}: it may go there only by "
            "override: {gates}.",
            gates=say("; ").join(_overridden(gates)),
            **parts,
        )
    binding = wording.listed(
        [wording.metric_label(g["metric"]) for g in gates if standing(g) == status]
    )
    if status == "fail":
        return say(
            "The scenario proposes {candidate} at {stage} for {whom}: fail ({gates}).",
            gates=binding,
            **parts,
        )
    return say(
        "The scenario proposes {candidate} at {stage} for {whom}: insufficient evidence ({gates}).",
        gates=binding,
        **parts,
    )


def _overridden(gates: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Which gates do not pass and are overridden; those of one override in one sentence."""
    found: dict[str, list[str]] = {}
    for gate in gates:
        if standing(gate) == "overridden":
            texts = {
                "fail": noted("{gate} at {stage} fails"),
                "insufficient": noted("{gate} at {stage} lacks evidence"),
            }
            text = texts[gate["status"]]
            name = say(
                text,
                gate=wording.metric_label(gate["metric"]),
                stage=wording.stage_label(gate["stage"]),
            )
            found.setdefault(override(gate), []).append(name)
    return tuple(
        say("{gates}, {overridden}", gates=wording.listed(names), overridden=said)
        for said, names in found.items()
    )


def override(gate: Mapping[str, Any]) -> str:
    """Who lets a gate be that does not pass, until when and why."""
    given = wording.visible(gate["override_reason"] or "").strip().rstrip(".")
    return say(
        "overridden by {who} until {day} ({reason})",
        who=wording.visible(gate["overridden_by"]),
        day=gate["override_expires"],
        reason=given or say("no reason given"),
    )


def by_override(one: Advice) -> str | None:
    """What its stage rests on besides gates that pass; None where on nothing."""
    if not one.overridden:
        return None
    return say("Only by override: {gates}.", gates=say("; ").join(one.overridden))


def from_score(run: Run, one: Advice) -> str | None:
    """From which score the candidate may answer by itself, as the labels certify, or why from

    none; None where no score was tried.
    """
    rows = run.table("thresholds").filter(
        (pl.col("candidate") == one.candidate) & (pl.col("segment") == one.segment)
    )
    tried = sorted(rows.to_dicts(), key=lambda row: place(run, row["stage"]))
    row = next((row for row in tried if row["threshold"] is not None), None)
    if row is None:
        return _no_score(tried[0]) if tried else None
    parts = {
        "stage": wording.stage_label(row["stage"]),
        "score": f"{row['threshold']:g}",
        "limit": wording.percent(row["risk_limit"]),
        "confidence": wording.percent(row["confidence"]),
    }
    if row["accepted_share"] is None:
        return say(
            "At {stage} it may answer by itself from a score of {score} on: labels certify at most "
            "{limit} with a risky promise there, at {confidence}.",
            **parts,
        )
    return say(
        "At {stage} it may answer by itself from a score of {score} on: labels certify at most "
        "{limit} with a risky promise there, at {confidence}; that is {share} of what it would "
        "answer.",
        share=wording.percent(row["accepted_share"]),
        **parts,
    )


def _no_score(row: Mapping[str, Any]) -> str:
    """Why labels certify no score, as the table has it: with how many more labels might."""
    return say(
        "By score at {stage}: {reason}",
        stage=wording.stage_label(row["stage"]),
        reason=sentence(row["reason"]),
    )
