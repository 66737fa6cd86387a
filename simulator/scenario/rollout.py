"""``[rollout]`` and ``[assist]``: the ladder of stages, and what replay cannot know of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from simulator.scenario.values import (
    Channel,
    Fraction,
    Model,
    Name,
    Number,
    Risk,
    Seconds,
    Share,
    assumed,
    fault,
    limits,
)


class AutoWhen(Model):
    """Which decision points a stage hands to the bot. All that is set must hold."""

    max_risk: Risk = "high"
    intents: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    channels: tuple[Channel, ...] | None = None
    min_score: Share | None = None


class Stage(Model):
    """One rung of the ladder. Without ``auto_when`` nothing is automatic."""

    name: Name
    auto_when: AutoWhen | None = None
    otherwise: Literal["human", "assist"] = "human"


LADDER = (
    Stage(name="human_only"),
    Stage(name="assist", otherwise="assist"),
    Stage(name="low_risk_auto", auto_when=AutoWhen(max_risk="low")),
    Stage(name="wider_auto", auto_when=AutoWhen(max_risk="high")),
)


class Rollout(Model):
    """``[rollout]``: the ladder, and what replay cannot know."""

    stages: tuple[Stage, ...] = LADDER
    segment_by: tuple[Literal["intent", "language", "channel", "skill"], ...] = ("intent",)
    diverged_contained: Fraction = assumed(
        0.5, "assumption: replay cannot know; the worst and best bounds span it", 0, 1
    )
    hand_back_delay_s: Seconds = assumed(
        3600, "assumption: a customer whom the bot failed comes back within hours", 300, 14400
    )
    value_tolerance: Share = Field(
        default=0.0, description="relative difference at which two promised values are the same"
    )

    @field_validator("segment_by")
    @classmethod
    def _once(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if not columns or len(set(columns)) < len(columns):
            raise fault(
                "expected at least one of 'intent', 'language', 'channel', 'skill', each once",
                found=list(columns),
            )
        return columns

    @model_validator(mode="after")
    def _ladder(self) -> Rollout:
        names = [stage.name for stage in self.stages]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise fault(
                    "expected a name that no other stage has",
                    at=("stages", index, "name"),
                    found=name,
                )
        first = self.stages[0] if self.stages else None
        if first is None:
            raise fault(
                'expected at least the baseline: { name = "human_only" }', at=("stages",), found=[]
            )
        if first.auto_when is not None or first.otherwise != "human":
            raise fault(
                "the first stage is the baseline; expected no auto_when, and otherwise = 'human'; "
                'put { name = "human_only" } before it',
                at=("stages", 0, "name"),
                found=first.name,
            )
        return self


class Assist(Model):
    """``[assist]``: what a draft saves the agent, and what slips through."""

    draft_saves_rate: Fraction = assumed(
        0.14,
        "share of a turn's work that an accepted draft saves; 14 % more issues an hour "
        "(Brynjolfsson, Li, Raymond 2025, QJE 140:889-942)",
        0,
        0.35,
    )
    gain_novice: Annotated[Number, limits(0, 7)] = assumed(
        2.3,
        "times the mean saving for agents with less than 2 months; about a third more issues an "
        "hour (Brynjolfsson, Li, Raymond 2025, QJE 140:889-942)",
        1,
        3,
    )
    gain_expert: Annotated[Number, limits(0, 7)] = assumed(
        0.0,
        "times the mean saving for agents with more than a year; about none (same source)",
        0,
        1,
    )
    edited_saves_rate: Fraction = assumed(0.07, "assumption: half of an accepted draft", 0, 0.2)
    agent_misses_risky_draft: Fraction = assumed(
        0.3, "assumption: share of risky drafts that an agent sends as they are", 0.05, 0.6
    )
