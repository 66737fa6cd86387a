"""``[money]``: prices."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from simulator.scenario import values
from simulator.scenario.values import Assumed, Day, Model, Name, Number, assumed, fault, limits

_UTILISATION = assumed(0.5, "assumption: a machine kept for a desk is idle at night", 0.2, 0.9)
_PER_TOKEN = ("input_per_million", "cached_input_per_million", "output_per_million")
_OF_MACHINE = ("n_gpus", "utilisation")


def _said(text: str) -> str:
    if not text.strip():
        raise fault("expected where the prices are from, such as a price list and its address")
    return text


class PriceCard(Model):
    """``[money.prices.NAME]``: what a model costs, by its tokens or by the hour of its machine.

    Prices are of one day, ``as_of``. By tokens: of a million of each class; ``cached_input`` is the
    part of the input that the engine had from an earlier prompt (not on the card: as input). By
    the hour: ``gpu_hour`` is the price of one GPU; how long a reply takes all ``n_gpus`` together
    is measured in the replay, and ``utilisation`` is the share of the paid time in which they work.
    """

    as_of: Day
    source: Annotated[str, AfterValidator(_said)]
    input_per_million: values.Money | None = None
    cached_input_per_million: values.Money | None = None
    output_per_million: values.Money | None = None
    gpu_hour: values.Money | None = None
    n_gpus: Annotated[int, limits(1, 10_000)] = 1
    utilisation: Annotated[Number, limits(0, 1, above=True)] = _UTILISATION

    @model_validator(mode="after")
    def _one_way(self) -> PriceCard:
        given = [key for key in _PER_TOKEN if getattr(self, key) is not None]
        if self.gpu_hour is None:
            for key in ("input_per_million", "output_per_million"):
                if key not in given:
                    raise fault(
                        f"{key} is missing: a card has input_per_million and output_per_million, "
                        "or gpu_hour",
                    )
            fields = type(self).model_fields
            given = [key for key in _OF_MACHINE if getattr(self, key) != fields[key].default]
        if given:
            key, other = given[0], "input_per_million" if self.gpu_hour is None else "gpu_hour"
            found = getattr(self, key)
            raise fault(
                f"a card is by tokens or by the hour; leave out {key} or {other}",
                at=(key,),
                found=found.value if isinstance(found, Assumed) else found,
            )
        return self

    def numbers(self) -> dict[str, Assumed]:
        """The numbers on the card by key, each with its own source, the card's, and its date."""
        of_card = f"price card of {self.as_of}: {self.source}"
        found = {}
        for key in _PER_TOKEN if self.gpu_hour is None else ("gpu_hour", "utilisation"):
            number = getattr(self, key)
            if key == "utilisation":
                found[key] = number
                continue
            source = of_card
            if number is None:
                number, source = self.input_per_million, f"{of_card} (not on it: as input)"
            elif number.source != Assumed.model_fields["source"].default:
                source = f"{number.source}; {of_card}"
            found[key] = number.model_copy(update={"source": source})
        return found


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
    prices: dict[Name, PriceCard] = Field(
        default={}, description="cards that candidates name; without one: bot_reply_money"
    )
