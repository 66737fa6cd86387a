"""``[[gates]]`` and ``[proposal]``: what must hold, and what is asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.values import Model

GATE_METRICS = (
    "risky_promise_rate",
    "interception_rate",
    "settled_share",
    "complaint_rate",
    "service_level",
    "saving_money",
)


class Gate(Model):
    """``[[gates]]``: one limit. Rates of harm have an upper limit, the others a lower one."""

    metric: Literal[
        "risky_promise_rate",
        "interception_rate",
        "settled_share",
        "complaint_rate",
        "service_level",
        "saving_money",
    ]
    limit: float
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


GATES = (
    Gate(metric="risky_promise_rate", limit=0.01),
    Gate(metric="interception_rate", limit=0.90),
    Gate(metric="service_level", limit=0.80),
    Gate(metric="saving_money", limit=0.0),
)


class Proposal(Model):
    """``[proposal]``: what ``shadowdesk gate`` answers for by default."""

    candidate: str
    stage: str
    segment: str = "all"
