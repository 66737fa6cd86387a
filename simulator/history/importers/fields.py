"""Reading single values: each function returns the value, null, or raises Fault with the reason.

``lenient`` values come from CSV and Parquet, where everything may be text: numbers and flags are
then read from text, and an empty text is null.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import UTC, datetime, tzinfo
from typing import Any

from simulator.schema import ACTIONS, CHANNELS, ROLES

TEXT_LIMIT_BYTES = 1_000_000
# A year: anything longer is another unit (milliseconds) or a mistake.
_LONGEST_S = 366 * 86_400.0
_SURROGATE = re.compile("[\ud800-\udfff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_ROLES = {"user": "customer", "assistant": "agent", **{role: role for role in ROLES}}
_NUMBERS = {
    "handle_time_s": (0.0, _LONGEST_S),
    "wait_s": (0.0, _LONGEST_S),
    # Above 0: what weighs nothing would be drawn by no arrival and leave a rate without divisor.
    "weight": (1e-6, 1e12),
    "csat": (1.0, 5.0),
}


class Fault(Exception):
    """A value that cannot be used. Its text is the reason, as it goes to the quarantine."""


def shown(value: Any) -> str:
    """``value`` as it stands in a reason, at most 60 characters."""
    found = repr(value) if isinstance(value, str | int | float | bool) else type(value).__name__
    return found if len(found) <= 60 else found[:57] + "..."


class Reader:
    """Reads values and counts, in ``notes``, what it had to change.

    Args:
        zone: the time zone of time stamps that name none.
        lenient: whether numbers and flags may come as text.
        notes: counts by phrase.
    """

    def __init__(self, zone: tzinfo, lenient: bool, notes: Counter[str]) -> None:
        self.zone = zone
        self.lenient = lenient
        self.notes = notes

    def clean(self, text: str) -> str:
        """``text`` without NUL and lone surrogates, which neither Parquet nor UTF-8 can hold."""
        if "\x00" in text:
            self.notes["NUL characters removed"] += text.count("\x00")
            text = text.replace("\x00", "")
        if not text.isascii():
            text, n = _SURROGATE.subn("�", text)
            if n:
                self.notes["lone surrogates or bytes that are not UTF-8 replaced by U+FFFD"] += n
        return text

    def text(self, name: str, value: Any) -> str | None:
        """A short text such as an id or an intent; integers count as text; blank is null."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        # A column of whole numbers with gaps comes out of pandas as 12.0.
        if self.lenient and isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Fault(f"{name} has the wrong type: expected text, found {shown(value)}")
        text = self.clean(str(value)).strip()
        if len(text) > 1000:
            raise Fault(f"{name} is too long: {len(text):,} characters; the limit is 1,000")
        return text or None

    def body(self, name: str, value: Any) -> str | None:
        """The text of a message, as it stands; blank is null."""
        if value is None:
            return None
        if not isinstance(value, str):
            raise Fault(f"{name} has the wrong type: expected text, found {shown(value)}")
        _limit(name, value)
        text = self.clean(value)
        return text if text.strip() else None

    def language(self, value: Any) -> str | None:
        """A BCP 47 tag."""
        text = self.text("language", value)
        if text is not None and not _LANGUAGE.fullmatch(text):
            raise Fault(f"unknown language: {shown(text)}; expected BCP 47, such as en or zh-Hant")
        return text

    def channel(self, value: Any) -> str | None:
        """chat, email or voice."""
        return self._word("channel", value, {word: word for word in CHANNELS})

    def action(self, value: Any) -> str | None:
        """One of the five actions."""
        return self._word("action", value, {word: word for word in ACTIONS})

    def role(self, value: Any) -> str:
        """Who speaks; ``user`` is the customer, ``assistant`` the agent."""
        role = self._word("role", value, _ROLES)
        if role is None:
            raise Fault(f"role is missing: expected one of {', '.join(_ROLES)}")
        return role

    def _word(self, name: str, value: Any, allowed: dict[str, str]) -> str | None:
        text = self.text(name, value)
        if text is None:
            return None
        if text.lower() not in allowed:
            raise Fault(f"unknown {name}: {shown(text)}; expected one of {', '.join(allowed)}")
        return allowed[text.lower()]

    def number(self, name: str, value: Any) -> float | None:
        """A number within the range of its column; NaN is null."""
        if value is None or (self.lenient and value == ""):
            return None
        if self.lenient and isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise Fault(f"{name} is not a number: found {shown(value)}") from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Fault(f"{name} has the wrong type: expected a number, found {shown(value)}")
        if value != value:
            return None
        low, high = _NUMBERS[name]
        if not low <= value <= high:
            raise Fault(f"{name} is out of range: found {shown(value)}; expected {low:g}..{high:g}")
        return float(value)

    def csat(self, value: Any) -> int | None:
        """Satisfaction, a whole number from 1 to 5."""
        number = self.number("csat", value)
        if number is not None and number != int(number):
            raise Fault(f"csat is out of range: found {shown(value)}; expected 1, 2, 3, 4 or 5")
        return None if number is None else int(number)

    def flag(self, name: str, value: Any) -> bool | None:
        """True or false; in lenient sources also 1, 0, yes, no."""
        if isinstance(value, bool) or value is None:
            return value
        if self.lenient:
            if value == "" or value != value:
                return None
            key = f"{value:g}" if isinstance(value, float) else str(value).strip().lower()
            if key in _FLAGS:
                return _FLAGS[key]
        raise Fault(f"{name} has the wrong type: expected true or false, found {shown(value)}")

    def turn(self, value: Any) -> int | None:
        """A turn number, from 0."""
        if value is None or (self.lenient and (value == "" or value != value)):
            return None
        if self.lenient and isinstance(value, str):
            value = int(value) if value.strip().isdecimal() and len(value) < 12 else value
        if self.lenient and isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Fault(f"turn has the wrong type: expected a whole number, found {shown(value)}")
        if not 0 <= value <= 10**9:
            raise Fault(f"turn is out of range: found {shown(value)}; expected 0 or more")
        return value

    def tool_calls(self, value: Any) -> str | None:
        """Tool calls as a JSON text; none is null."""
        if value is None or value == "" or value == [] or value == {}:
            return None
        if isinstance(value, str):
            _limit("tool_calls", value)
            text = self.clean(value)
            try:
                known = json.loads(text)
            except (ValueError, RecursionError):
                raise Fault(f"tool_calls is not JSON: found {shown(text)}") from None
            return text if known not in (None, [], {}) else None
        if not isinstance(value, list | dict):
            raise Fault(f"tool_calls has the wrong type: expected a list, found {shown(value)}")
        try:
            text = json.dumps(value, ensure_ascii=False, default=str)
        except (ValueError, RecursionError):
            raise Fault("tool_calls is nested too deeply: cannot be written as JSON") from None
        _limit("tool_calls", text)
        return self.clean(text)

    def stamp(self, name: str, value: Any) -> datetime | None:
        """A time stamp in UTC, from ISO 8601 with date and time (or a datetime of Parquet).

        Without a zone it is read in the history's zone and counted; one that the change to or
        from summer time makes ambiguous or skips is taken as its first reading, and counted too.
        """
        if value is None or (self.lenient and value == ""):
            return None
        if isinstance(value, str):
            stamp = _iso(name, value.strip())
        elif isinstance(value, datetime):
            stamp = value
        else:
            raise Fault(f"{name} has the wrong type: expected ISO 8601, found {shown(value)}")
        if not 1970 <= stamp.year < 2200:
            raise Fault(f"{name} is out of range: found {stamp.isoformat()}; expected 1970..2199")
        if stamp.tzinfo is None:
            self.notes[f"time stamps without zone read as {self.zone}"] += 1
            stamp = stamp.replace(tzinfo=self.zone)
            if stamp.utcoffset() != stamp.replace(fold=1).utcoffset():
                self.notes["time stamps without zone at a clock change, first reading taken"] += 1
        return stamp.astimezone(UTC)


def _iso(name: str, text: str) -> datetime:
    try:
        # Up to this length it is a date alone, which would put everything at midnight.
        if len(text) > 10:
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise Fault(
        f"{name} is not a time stamp: found {shown(text)}; expected ISO 8601 with date and time, "
        "such as 2024-05-15T15:00:00+08:00"
    )


def _limit(name: str, text: str) -> None:
    # Four bytes are the most that a character takes: most texts need no encoding to be sure.
    if len(text) * 4 > TEXT_LIMIT_BYTES:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > TEXT_LIMIT_BYTES:
            raise Fault(
                f"{name} is too long: {size:,} bytes; the limit of a message is "
                f"{TEXT_LIMIT_BYTES:,} bytes"
            )
