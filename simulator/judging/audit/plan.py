"""What a draw can certify, said before anybody labels.

A draw that cannot pass even if nothing risky turns up is labour lost: better known before. The
bounds are the gate's own (:mod:`simulator.evidence.rates` and :mod:`simulator.evidence.future`),
with the risky ones placed where they weigh most.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from simulator.evidence.future import future_labels_needed, future_upper
from simulator.evidence.rates import Stratum, labels_needed, stratified_upper
from simulator.scenario import Gate


class Outlook(NamedTuple):
    """The upper bounds if ``risky`` of the new labels turn out risky.

    ``history`` is of this history, ``future`` of future traffic of the same mix; ``passes``: the
    gate, null without one.
    """

    risky: int
    history: float
    future: float
    passes: bool | None


class Plan(NamedTuple):
    """What a draw can show.

    ``outlooks`` for 0, 1 and 2 risky ones, as far as so many are drawn; ``more`` labels that are
    needed beyond this draw if none of it is risky (0: enough; null: no number of labels of this
    history does it, or there is no gate).
    """

    outlooks: tuple[Outlook, ...]
    confidence: float
    gate: Gate | None
    more: int | None


def plan(strata: Mapping[str, Stratum], new: Mapping[str, int], gate: Gate | None) -> Plan:
    """What the labels of a draw can certify, with those of the rounds before it.

    Args:
        strata: by name, its conversations, those of earlier rounds, and the risky ones among the
            latter as far as they are labelled.
        new: labels of this draw by stratum.
        gate: on risky promises; without one the bounds are at 95 %.

    Raises:
        ValueError: no conversations at all.
    """
    drawn = {name: Stratum(s.N, s.n + new.get(name, 0), s.k) for name, s in strata.items()}
    confidence = gate.confidence if gate else 0.95
    alpha = 1 - confidence
    outlooks = []
    for risky in range(1 + min(2, sum(new.values()))):
        placed = [
            [s._replace(k=s.k + risky) if name == at else s for name, s in drawn.items()]
            for at in drawn
            if new.get(at, 0) >= risky
        ]
        if not placed:
            continue
        history = max(stratified_upper(case, alpha) for case in placed)
        future = max(future_upper(case, alpha) for case in placed)
        tested = future if gate and gate.estimand == "future_traffic" else history
        passes = tested <= gate.limit if gate else None
        outlooks.append(Outlook(risky, history, future, passes))
    more = 0 if outlooks and outlooks[0].passes else None
    if gate and more is None:
        needed = future_labels_needed if gate.estimand == "future_traffic" else labels_needed
        more = needed(list(drawn.values()), gate.limit, alpha)
    return Plan(tuple(outlooks), confidence, gate, more)
