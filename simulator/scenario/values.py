"""What scenario keys hold: plain kinds of value, and numbers that carry their source.

A fault is raised by :func:`fault`, so that :mod:`simulator.scenario_file` can say where it is, what
was found and what is expected, all in our own words.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

DAY_S = 86_400
# What file systems and the calls that open files take, in bytes.
_LONGEST_PART = 255
_LONGEST_PATH = 4000


class Found:
    """What was found, kept from pydantic, which would write text and long numbers out and fail."""

    def __init__(self, value: Any) -> None:
        self.value = value


def fault(
    expected: str, at: tuple[str | int, ...] = (), found: Any = Ellipsis
) -> PydanticCustomError:
    """An error for a validator to raise.

    Args:
        expected: what is allowed, and the fix.
        at: the faulty key, from the model or the value under validation downwards.
        found: the value there; without it the value under validation is shown.
    """
    context: dict[str, Any] = {"expected": expected, "at": at}
    if found is not Ellipsis:
        context["found"] = Found(found)
    return PydanticCustomError("scenario", "{expected}", context)


class Model(BaseModel):
    """A part of a scenario: unknown keys are errors, numbers finite, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
            raise fault(f"expected low <= value <= high, found {low:g}, {self.value:g}, {high:g}")
        return self


def _dated(value: Any) -> date:
    # A moment has no place here, and a number would be taken as seconds since 1970.
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise fault("expected a date such as 2026-03-01")


Day = Annotated[date, BeforeValidator(_dated)]


def limits(low: float, high: float, *, above: bool = False, unit: str = "") -> AfterValidator:
    """A check that a number, or all three of an :class:`Assumed`, lie from ``low`` to ``high``.

    Args:
        low: the least, or what the number must be ``above``.
        high: the most.
        above: whether ``low`` itself is refused.
        unit: said after the limits.
    """
    allowed = f"{_plain(low)} {'<' if above else '<='} x <= {_plain(high)}"
    allowed += unit and f" ({unit})"

    def inside(value: Any) -> Any:
        numbers = (
            {"value": value.value, "low": value.low, "high": value.high}
            if isinstance(value, Assumed)
            else {"": value}
        )
        for key, number in numbers.items():
            if number is None or _inside(number):
                continue
            # Somebody who thinks in per cent.
            share = 0.9 <= high <= 1 and 1 < number <= 100 and _inside(number / 100)
            raise fault(
                f"expected {allowed}" + (f"; write {number / 100:g}" if share else ""),
                at=(key,) if key in ("low", "high") else (),
                found=_as_written(number),
            )
        return value

    def _inside(number: float) -> bool:
        return number <= high and (low < number if above else low <= number)

    return AfterValidator(inside)


def _as_written(number: float) -> float:
    # 30 has become 30.0 on its way here.
    whole = isinstance(number, float) and number.is_integer() and abs(number) < 1e15
    return int(number) if whole else number


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.12g}"


def _table(value: Any) -> Any:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return {"value": value} if plain else value


def _named(text: str) -> str:
    if not re.fullmatch(r"\w[\w .-]{0,63}", text):
        raise fault(
            "expected a name: at most 64 letters, digits, _, -, . and spaces, beginning with a "
            "letter or digit"
        )
    return text


def _openable(path: Path) -> Path:
    text = str(path)
    if re.search("[\x00\ud800-\udfff]", text):
        raise fault("expected a path in UTF-8, without the NUL character")
    size = len(text.encode("utf-8", "replace"))
    longest = max((len(part.encode("utf-8", "replace")) for part in path.parts), default=0)
    if longest > _LONGEST_PART or size > _LONGEST_PATH:
        raise fault(
            f"expected a path of at most {_LONGEST_PATH:,} bytes, and at most {_LONGEST_PART} "
            f"between two slashes; found {size:,} and {longest:,}"
        )
    return path


def _clock(value: Any) -> Any:
    # A number would be taken as seconds after midnight: 9 would be nine seconds, not nine o'clock.
    if not isinstance(value, time | str):
        raise fault("expected a local time such as 09:30:00")
    return value


def _whole(at: time) -> time:
    if at.tzinfo is not None or at.microsecond:
        raise fault("expected a local time in whole seconds without a zone, such as 09:30:00")
    return at


def _tagged(language: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", language):
        raise fault("expected BCP 47, such as en or zh-Hant")
    return language


Share = Annotated[float, limits(0, 1)]
Multiple = Annotated[float, limits(0, 50, above=True)]
Name = Annotated[str, AfterValidator(_named)]
Language = Annotated[str, AfterValidator(_tagged)]
Source = Annotated[Path, AfterValidator(_openable)]
LocalTime = Annotated[time, BeforeValidator(_clock), AfterValidator(_whole)]
Seed = Annotated[int, limits(0, 2**64 - 1)]
Action = Literal["answer", "clarify", "escalate", "refuse", "soothe"]
Risk = Literal["low", "medium", "high"]
Channel = Literal["chat", "email", "voice"]

Number = Annotated[Assumed, BeforeValidator(_table)]
Fraction = Annotated[Number, limits(0, 1)]
Money = Annotated[Number, limits(0, 1_000_000_000)]
Seconds = Annotated[Number, limits(0, 7 * DAY_S, unit="seconds; 7 days at most")]


def assumed(
    value: float, source: str, low: float | None = None, high: float | None = None
) -> Assumed:
    """A default number with its source and range."""
    return Assumed(value=value, low=low, high=high, source=source)
