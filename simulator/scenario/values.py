"""What scenario keys hold: plain kinds of value, and numbers that carry their source."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w][\w .-]*$")]
Action = Literal["answer", "clarify", "escalate", "refuse", "soothe"]
Risk = Literal["low", "medium", "high"]
Channel = Literal["chat", "email", "voice"]


class Model(BaseModel):
    """A part of a scenario: unknown keys are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Assumed(Model):
    """A number that the log does not hold, with its range and where it comes from."""

    value: float
    low: float | None = None
    high: float | None = None
    source: str = "set in the scenario, no source given"

    @model_validator(mode="after")
    def _ordered(self) -> Assumed:
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        if not low <= self.value <= high:
            raise ValueError(f"low <= value <= high expected, found {low}, {self.value}, {high}")
        return self


def _plain(value: Any) -> Any:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return {"value": value} if plain else value


def _within(low: float, high: float) -> Any:
    def inside(assumed: Assumed) -> Assumed:
        for number in (assumed.value, assumed.low, assumed.high):
            if number is not None and not low <= number <= high:
                raise ValueError(f"expected {low} <= x <= {high}, found {number}")
        return assumed

    return AfterValidator(inside)


Number = Annotated[Assumed, BeforeValidator(_plain), _within(0, 1e12)]
Fraction = Annotated[Assumed, BeforeValidator(_plain), _within(0, 1)]


def assumed(
    value: float, source: str, low: float | None = None, high: float | None = None
) -> Assumed:
    """A default number with its source and range."""
    return Assumed(value=value, low=low, high=high, source=source)
