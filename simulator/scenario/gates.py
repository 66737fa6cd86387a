"""``[[gates]]`` and ``[proposal]``: what must hold, and what is asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from simulator.scenario.values import Model, fault, limits

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
    confidence: Annotated[float, limits(0.5, 0.9999, above=True)] = 0.95

    @model_validator(mode="after")
    def _reachable(self) -> Gate:
        least, most = (-1e12, 1e12) if self.metric == "saving_money" else (0.0, 1.0)
        if not least <= self.limit <= most:
            fix = f"; write {self.limit / 100:g}" if most == 1 and 1 < self.limit <= 100 else ""
            raise fault(
                f"expected {least:g} <= x <= {most:g} for {self.metric}{fix}",
                at=("limit",),
                found=self.limit,
            )
        return self


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
