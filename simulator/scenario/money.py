"""``[money]``: prices."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from simulator.scenario import values
from simulator.scenario.values import Model, Number, assumed, fault, limits


def _iso(currency: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise fault("expected three capital letters of ISO 4217, such as USD or TWD")
    return currency


class Money(Model):
    """``[money]``: prices. One currency a run."""

    currency: Annotated[str, AfterValidator(_iso)] = "USD"
    wage_per_hour: values.Money = assumed(
        20.59, "median of US customer service representatives, May 2024 (BLS OEWS)", 15, 30
    )
    # Work is divided by these: hours beyond a hundred times the work are a slip of the pen.
    target_occupancy: Annotated[Number, limits(0.01, 1)] = assumed(0.80, "assumption", 0.7, 0.88)
    shrinkage: Annotated[Number, limits(0, 0.99)] = assumed(
        0.30, "assumption: leave, training, breaks", 0.2, 0.4
    )
    bot_reply_money: values.Money = assumed(
        0.01, "assumption: hosting and tokens of one reply", 0.001, 0.05
    )
    risky_promise_money: values.Money = assumed(
        6, "assumption: one unauthorised firm promise in ten is claimed, at 60 of loss", 1, 60
    )
    complaint_money: values.Money = assumed(25, "assumption: handling and goodwill", 10, 80)
    abandonment_money: values.Money = assumed(3, "assumption: lost goodwill", 0, 15)
