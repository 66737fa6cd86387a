"""The answer for each segment: how far, with whom, why not further, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.reports import answer, wording
from simulator.reports.answer import Advice
from simulator.reports.language import noted, say, say_n
from simulator.reports.run import Run, standing
from simulator.scenario import Gate


@dataclass(frozen=True)
class SegmentAnswer:
    """How far the rollout may go in one segment, with whom, and what stands before more.

    ``advice`` is that of the segment's leading candidate. ``further``: it goes further than all
    conversations together, and not at a known loss. ``why`` is one sentence on the gate that binds;
    ``missing`` holds one short sentence for each gate that does not pass at the next stage, the
    one that binds first (empty at the top of the ladder). ``labels_needed`` is the most that one of
    these gates asks for; None where none says how many would do.
    """

    advice: Advice
    further: bool
    why: str
    missing: tuple[str, ...]
    labels_needed: int | None


def segment_answers(run: Run) -> list[SegmentAnswer]:
    """The answer for each segment, ``all`` first, then by name; empty without a recommendation."""
    overall = answer.leader(run)
    return [
        SegmentAnswer(
            one,
            answer.goes_further(run, one, overall),
            answer.why_not_further(run, one),
            missing(run, one),
            max((gate["labels_needed"] or 0 for gate in _blocking(run, one)), default=0) or None,
        )
        for one in answer.by_segment(run)
    ]


def _blocking(run: Run, one: Advice) -> list[dict[str, Any]]:
    """The gates that do not pass at the next stage, the one that binds first."""
    gates = run.gates(one.next_stage or "", one.candidate, one.segment)
    found = [gate for gate in gates if standing(gate) in ("fail", "insufficient")]
    return sorted(found, key=lambda gate: gate["metric"] != one.binding_gate)


def missing(run: Run, one: Advice) -> tuple[str, ...]:
    """What must come about before the next stage, one short sentence a gate; empty at the top."""
    if one.next_stage is None:
        return ()
    found = tuple(_lacking(run, gate) for gate in _blocking(run, one))
    return found or (wording.readable(answer.sentence(one.next_step), run.stages),)


def _lacking(run: Run, gate: Mapping[str, Any]) -> str:
    metric, limit = str(gate["metric"]), gate["limit"]
    label = wording.metric_label(metric)
    upper = Gate.model_validate({"metric": metric, "limit": 0}).upper
    bound = gate["high" if upper else "low"]
    end = gate["estimate"] if bound is None else bound
    if gate["status"] == "insufficient" and gate["labels_needed"]:
        n = gate["labels_needed"]
        return say_n(
            "{gate}: label {n} more conversation.",
            "{gate}: label some {n} more conversations.",
            n,
            gate=label,
            n=f"{n:,}",
        )
    if end is None:
        return say("{gate}: must be known first.", gate=label)
    if (end <= limit) == upper:
        # Within the limit, and yet it does not pass: evidence is too old, or not known to hold.
        return say("{gate}: must be shown to hold.", gate=label)
    if gate["bound"] == "worst":
        label = say("{gate} in the worst case", gate=label)
    texts = {
        (True, False): noted("{gate}: the upper bound must fall from {now} to {limit}."),
        (False, False): noted("{gate}: the lower bound must rise from {now} to {limit}."),
        (True, True): noted("{gate}: must fall from {now} to {limit}."),
        (False, True): noted("{gate}: must rise from {now} to {limit}."),
    }
    return say(
        texts[upper, bound is None or gate["low"] == gate["high"]],
        gate=label,
        now=_amount(run, metric, end),
        limit=_amount(run, metric, limit),
    )


def _amount(run: Run, metric: str, value: float) -> str:
    # The words around it say which way it cuts.
    text = wording.number(metric, value).removeprefix("+")
    return f"{run.scenario.money.currency} {text}" if metric == "saving_money" else text
