"""``[staffing]``: what the desk should reach with as few people as possible, in which shifts."""

from __future__ import annotations

from datetime import time
from typing import Annotated

from pydantic import Field, model_validator

from simulator.scenario.values import DAY_S, LocalTime, Model, fault, limits


class Staffing(Model):
    """``[staffing]``: the target of every half-hour, and the shifts that may cover it."""

    target_share: Annotated[float, limits(0.01, 0.99)] = Field(
        default=0.8, description="answered within within_s / (answered + lost after within_s)"
    )
    within_s: Annotated[float, limits(0, DAY_S, unit="seconds; a day at most")] = Field(
        default=20, description="contacts with a deadline are measured against that instead"
    )
    max_abandonment: Annotated[float, limits(0.001, 1)] = Field(
        default=0.05, description="share of contacts that leave, or are never served; 1: any"
    )
    fewest_agents: Annotated[int, limits(0, 5000)] = Field(
        default=0, description="in every team and half-hour in which the desk is open"
    )
    shift_h: tuple[Annotated[float, limits(0.5, 16, unit="hours")], ...] = Field(
        default=(4, 6, 8), description="lengths of a shift with its break, in half-hours"
    )
    break_min: Annotated[int, limits(0, 240, unit="minutes")] = Field(
        default=30, description="unpaid, begins in the middle third of the shift; 0: no breaks"
    )
    unbroken_h: Annotated[float, limits(0, 16, unit="hours")] = Field(
        default=5, description="shifts up to this length have no break"
    )
    earliest_start: LocalTime = time(0, 0)
    latest_start: LocalTime = time(23, 30)

    @model_validator(mode="after")
    def _shifts(self) -> Staffing:
        if not self.shift_h:
            raise fault("expected at least one length, such as [4, 8]", at=("shift_h",), found=[])
        for index, hours in enumerate(self.shift_h):
            if hours * 2 != round(hours * 2):
                raise fault(
                    "expected whole half-hours, such as 7.5", at=("shift_h", index), found=hours
                )
            if hours > self.unbroken_h and self.break_min * 3 > hours * 60:
                raise fault(
                    f"expected at most a third of a shift of {hours:g} h; shorten the break, or "
                    "raise staffing.unbroken_h to leave it out",
                    at=("break_min",),
                    found=self.break_min,
                )
        if self.earliest_start > self.latest_start:
            raise fault(
                f"expected no earlier than earliest_start, {self.earliest_start:%H:%M}",
                at=("latest_start",),
                found=str(self.latest_start),
            )
        return self
