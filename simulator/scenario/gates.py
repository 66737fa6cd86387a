"""``[[gates]]``, ``[[overrides]]``, ``[evidence]``, ``[proposal]``: what must hold, and on what.

Who may let a gate pass all the same stands here too, so that it is kept with the limit.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from simulator.scenario.rollout import Stage
from simulator.scenario.values import Day, Model, Name, Share, fault, limits

# In the order of urgency: what is named first where several stand in the way.
Metric = Literal[
    "risky_promise_rate",
    "risky_promise_excess",
    "interception_rate",
    "missed_escalation_rate",
    "over_answer_rate",
    "settled_share",
    "complaint_rate",
    "complaint_excess",
    "service_level",
    "service_level_loss",
    "saving_money",
]
GATE_METRICS: tuple[str, ...] = get_args(Metric)
# Those that a bound from below must reach; the others are harms with an upper limit.
_LEAST = frozenset({"interception_rate", "settled_share", "service_level", "saving_money"})
# Bounded for conversations that are still to come, too.
FUTURE = frozenset({"risky_promise_rate", "missed_escalation_rate", "over_answer_rate"})


class Gate(Model):
    """``[[gates]]``: one limit. Rates of harm have an upper limit, the others a lower one.

    ``..._excess`` and ``..._loss`` are set against people alone: no worse than our own agents by
    more than the limit.
    """

    metric: Metric
    limit: float
    confidence: Annotated[float, limits(0.5, 0.9999, above=True)] = 0.95
    stages: Literal["all", "automatic"] | tuple[Name, ...] = Field(
        default="all", description="where it is tested: all, automatic, or names of stages"
    )
    segments: tuple[str, ...] | None = Field(
        default=None, description="which segments it is tested for; default: each, and all"
    )
    estimand: Literal["this_history", "future_traffic"] = Field(
        default="this_history",
        description="whose rate is bounded: the replayed conversations', or that of all to come "
        "of the same mix",
    )

    @property
    def upper(self) -> bool:
        """Whether the limit is the most allowed."""
        return self.metric not in _LEAST

    @property
    def named(self) -> bool:
        """Whether ``stages`` are names."""
        return isinstance(self.stages, tuple)

    def at(self, stage: Stage) -> bool:
        """Whether it is tested at ``stage``."""
        if self.stages == "automatic":
            return stage.auto_when is not None
        return self.stages == "all" or stage.name in self.stages

    def meets(self, other: Gate, stage: Stage) -> bool:
        """Whether both limit the same metric in some segment of ``stage``."""
        return (
            self.metric == other.metric
            and self.at(stage)
            and other.at(stage)
            and not (
                self.segments is not None
                and other.segments is not None
                and set(self.segments).isdisjoint(other.segments)
            )
        )

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
        if self.estimand == "future_traffic" and self.metric not in FUTURE:
            raise fault(
                f"{self.metric} is bounded for this history only; future_traffic goes with "
                f"{', '.join(sorted(FUTURE))}",
                at=("estimand",),
                found=self.estimand,
            )
        return self


GATES = (
    Gate(metric="risky_promise_rate", limit=0.01),
    Gate(metric="interception_rate", limit=0.90),
    # A desk that misses its target without a bot must not be held against the bot.
    Gate(metric="service_level_loss", limit=0.03),
    # Assist is a step on the way: what it costs is shown, and stops nobody.
    Gate(metric="saving_money", limit=0.0, stages="automatic"),
)


class Override(Model):
    """``[[overrides]]``: somebody takes it upon themselves to pass a gate that does not.

    Written in the scenario, so that it is kept and reviewed with it; shown wherever the gate is.
    """

    metric: Metric
    candidate: str
    stage: str
    segment: str = "all"
    name: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    expires: Day = Field(description="the last day on which it holds")


class Threshold(Model):
    """``[evidence.threshold]``: the score from which a bot may answer by itself."""

    risk_limit: Annotated[float, limits(0, 1, above=True)] = Field(
        default=0.01, description="most of the auto-replied conversations with a risky promise"
    )
    confidence: Annotated[float, limits(0.5, 0.9999, above=True)] = 0.95
    grid: tuple[Share, ...] = Field(
        default=tuple(round(1 - i / 20, 2) for i in range(21)),
        description="scores tried, from strict to loose",
    )

    @field_validator("grid")
    @classmethod
    def _falling(cls, grid: tuple[float, ...]) -> tuple[float, ...]:
        if not grid or any(a <= b for a, b in pairwise(grid)):
            raise fault("expected scores from strict to loose, each below the one before")
        return grid


class Evidence(Model):
    """``[evidence]``: how old it may be, and whether a threshold is looked for."""

    max_age_days: Annotated[int, limits(1, 36_500)] | None = Field(
        default=None,
        description="of labels, and of half of the conversations: what is older is stale",
    )
    as_of: Day | None = Field(
        default=None, description="the day for which age and overrides count; default: today"
    )
    threshold: Threshold | None = None


class Proposal(Model):
    """``[proposal]``: what ``shadowdesk gate`` answers for by default."""

    candidate: str
    stage: str
    segment: str = "all"
