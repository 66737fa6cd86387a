"""``[money]``: prices."""

from __future__ import annotations

from pydantic import Field, model_validator

from simulator.scenario.values import Fraction, Model, Number, assumed


class Money(Model):
    """``[money]``: prices. One currency a run."""

    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    wage_per_hour: Number = assumed(
        20.59, "median of US customer service representatives, May 2024 (BLS OEWS)", 15, 30
    )
    target_occupancy: Fraction = assumed(0.80, "assumption", 0.7, 0.88)
    shrinkage: Fraction = assumed(0.30, "assumption: leave, training, breaks", 0.2, 0.4)
    bot_reply_money: Number = assumed(
        0.01, "assumption: hosting and tokens of one reply", 0.001, 0.05
    )
    risky_promise_money: Number = assumed(
        6, "assumption: one unauthorised firm promise in ten is claimed, at 60 of loss", 1, 60
    )
    complaint_money: Number = assumed(25, "assumption: handling and goodwill", 10, 80)
    abandonment_money: Number = assumed(3, "assumption: lost goodwill", 0, 15)

    @model_validator(mode="after")
    def _divisor(self) -> Money:
        if self.target_occupancy.value <= 0 or self.shrinkage.value >= 1:
            raise ValueError("target_occupancy must be above 0 and shrinkage below 1")
        return self
