"""Reading single cells of other people's tables: words for flags and channels, marks, durations."""

from __future__ import annotations

import re
from typing import Any

from simulator.history.importers import columns as names
from simulator.history.importers.fields import Fault, shown
from simulator.history.importers.intake import Intake

OF_MESSAGE = {"conversation_id", "role", "text", "sent_at", "turn", "internal", "public"}
_FLAGS = ("resolved", "escalated", "complained", "abandoned")
_HMS = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})(?:\.\d+)?")
_OF_FIVE = re.compile(r"([1-5])(?:\.0+)?\s*(?:/\s*5|stars?|星|分|顆星)?", re.I)
_STARS = re.compile(r"([★⭐]{1,5})[☆]*\ufe0f?")


def value(intake: Intake, ours: str, text: str, theirs: str) -> Any:
    """The cell ``text`` of their column as a value of ours.

    Raises:
        Fault: it cannot be read.
    """
    if ours in _FLAGS:
        flag = names.flag(text)
        if flag is None:
            raise Fault(f"{ours} is neither yes nor no: found {shown(text)}")
        return flag
    if ours in ("handle_time_s", "wait_s"):
        return intake.read.number(ours, _seconds(intake, ours, text, theirs))
    if ours == "csat":
        return _mark(text)
    if ours == "channel":
        known = names.CHANNEL_WORDS.get(names.plain(text))
        if known is None:
            raise Fault(f"channel is not known: found {shown(text)}")
        return known
    if ours == "language":
        code = names.LANGUAGE_WORDS.get(names.plain(text), text.replace("_", "-"))
        return intake.read.language(code)
    return intake.read.text(ours, text)


def whole(text: str) -> int | None:
    """A message's number; null if it is none."""
    number = text.removesuffix(".0")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 12 else None


def _seconds(intake: Intake, ours: str, text: str, theirs: str) -> float:
    clock = _HMS.fullmatch(text)
    if clock is not None:
        intake.notes[f"values of {theirs!r} read as [h:]mm:ss"] += 1
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return hours * 3600.0 + minutes * 60 + seconds
    scale = names.unit(theirs)
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        raise Fault(f"{ours} is not a number: found {shown(text)}") from None
    if scale is None:
        intake.notes[f"values of {theirs!r}, which names no unit, read as seconds"] += 1
    return number * (1.0 if scale is None else scale)


def _mark(text: str) -> int:
    if stars := _STARS.fullmatch(text):
        return len(stars[1])
    if found := _OF_FIVE.fullmatch(text):
        return int(found[1])
    raise Fault(f"csat is no mark from 1 to 5: found {shown(text)}")
