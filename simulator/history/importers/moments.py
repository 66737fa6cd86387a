"""Reading a column of times in whatever way a spreadsheet or a help desk wrote them.

The column decides, not the cell: 3/2/2026 alone is March or February, and a column is read one way
throughout. Where no row of it decides, the file is refused, since half of all days would be wrong.
A day without a time of day says nothing about when people ask, so it is left empty and counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from simulator.errors import HistoryError

_ZONE = r"(?P<zone>\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?"
_HALF = r"(?P<before>上午|下午|早上|晚上|中午|凌晨|am|pm)?\s*"
_CLOCK = (
    rf"{_HALF}(?P<hour>\d{{1,2}})[:時点點](?P<minute>\d{{1,2}})(?:[:分](?P<second>\d{{1,2}})"
    r"(?:[.,]\d{1,9})?)?[秒分]?\s*(?P<after>[ap]\.?m\.?)?"
)
_DAY, _NAME = r"(?P<day>\d{1,2})", r"(?P<name>[A-Za-z]{3,9})"
_DATES = (
    ("year-month-day", rf"(?P<year>\d{{3,4}})[-/.年]\s?(?P<month>\d{{1,2}})[-/.月]\s?{_DAY}日?"),
    ("day.month.year", rf"{_DAY}\.(?P<month>\d{{1,2}})\.(?P<year>\d{{4}})"),
    ("day name-of-month year", rf"{_DAY}[ -]{_NAME}\.?[ -](?P<year>\d{{4}})"),
    ("name-of-month day, year", rf"{_NAME}\.? {_DAY},? (?P<year>\d{{4}})"),
    ("?", r"(?P<one>\d{1,2})[/-](?P<two>\d{1,2})[/-](?P<year>\d{4}|\d{2})"),
)
_SHAPES = tuple(
    (name, re.compile(rf"{date}(?:(?:\s*,?\s+|T|\s?at\s|,\s*){_CLOCK}{_ZONE})?", re.I))
    for name, date in _DATES
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_LATE = ("下午", "晚上", "pm")
_EARLY = ("上午", "早上", "凌晨", "am")
_EXCEL = datetime(1899, 12, 30)
# The Republic of China's calendar, as spreadsheets in Taiwan write it: 115/3/2 is 2 March 2026.
_ROC = 1911
_LONGEST = 60


class Times:
    """How one column of times is read.

    Args:
        path: named in errors.
        column: the column's own name.
        values: all its values, as text.

    Raises:
        HistoryError: days and months cannot be told apart, or contradict each other.
    """

    def __init__(self, path: object, column: str, values: Iterable[str]) -> None:
        self.readings: Counter[str] = Counter()
        filled = [value.strip() for value in values if value.strip()]
        self._numbers = _numbers(filled)
        self._day_first = None if self._numbers else _day_first(f"{path}: {column}", filled)

    def read(self, value: str) -> datetime | None:
        """The moment, with its zone if it names one; null if it cannot be read (counted)."""
        text = value.strip()
        if not text:
            return None
        try:
            moment, how = self._numbered(text) if self._numbers else self._written(text)
        except (ValueError, OverflowError, IndexError, TypeError):
            moment, how = None, "that cannot be read, left empty"
        self.readings[how] += 1
        return moment

    def _numbered(self, text: str) -> tuple[datetime, str]:
        number = float(text)
        if self._numbers == "Excel":
            return _EXCEL + timedelta(seconds=round(number * 86_400)), "read as days of Excel"
        scale = {"s": 1, "ms": 1000, "us": 1_000_000}[self._numbers]
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=number / scale)
        return moment, f"read as Unix time in {self._numbers}"

    def _written(self, text: str) -> tuple[datetime | None, str]:
        if len(text) > _LONGEST:
            raise ValueError
        for name, shape in _SHAPES:
            if found := shape.fullmatch(text):
                if found["hour"] is None:
                    return None, "without a time of day, left empty"
                return self._moment(name, found)
        try:
            iso = datetime.fromisoformat(text)
        except ValueError:
            return parsedate_to_datetime(text), "read as day name-of-month year"
        if len(text) <= 10:
            return None, "without a time of day, left empty"
        return iso, "read as year-month-day"

    def _moment(self, name: str, found: re.Match[str]) -> tuple[datetime, str]:
        part = found.groupdict()
        if name == "?":
            name = "day/month/year" if self._day_first else "month/day/year"
            part["day"], part["month"] = part["one"], part["two"]
            if not self._day_first:
                part["day"], part["month"] = part["month"], part["day"]
        year = int(part["year"])
        if year < 100:
            year += 2000
        elif year < 1000:
            year, name = year + _ROC, "year-month-day of the Republic of China"
        month = int(part["month"]) if "month" in part else _month(part["name"])
        hour = _hour(int(part["hour"]), part["before"] or part["after"] or "")
        moment = datetime(
            year, month, int(part["day"]), hour, int(part["minute"]), int(part["second"] or 0)
        )
        zone = (part["zone"] or "").strip()
        if zone:
            named = zone if zone[0] in "+-" else "+00:00"
            moment = datetime.fromisoformat(moment.isoformat() + named)
        return moment, f"read as {name}"


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1


def _hour(hour: int, half: str) -> int:
    half = half.lower().replace(".", "")
    if half in (*_EARLY, *_LATE) and not 0 <= hour <= 12:
        return hour  # 下午 14:05: said twice
    if half in _LATE:
        return hour % 12 + 12
    return hour % 12 if half in _EARLY else hour


def _numbers(values: list[str]) -> str:
    """Unix seconds, milliseconds or microseconds or Excel's days, if all are such; else ''."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return ""
    # From 1990 to 2100, so that no unit's range meets another's.
    ranges: dict[str, tuple[float, float]] = {
        "Excel": (32_874, 73_050),
        "s": (6.3e8, 4.1e9),
        "ms": (6.3e11, 4.1e12),
        "us": (6.3e14, 4.1e15),
    }
    fits = {
        unit: sum(low <= number <= high for number in numbers)
        for unit, (low, high) in ranges.items()
    }
    best = max(fits, key=lambda unit: fits[unit])
    return best if fits[best] * 2 > len(numbers) else ""


def _day_first(where: str, values: list[str]) -> bool | None:
    shape = _SHAPES[-1][1]
    pairs = [
        (int(found["one"]), int(found["two"]))
        for found in (shape.fullmatch(value) for value in values if len(value) <= _LONGEST)
        if found is not None
    ]
    day = next((value for value in pairs if value[0] > 12), None)
    month = next((value for value in pairs if value[1] > 12), None)
    if day and month:
        raise HistoryError(
            f"{where}: {day[0]}/{day[1]} has the day first and {month[0]}/{month[1]} the month; "
            "expected one order; write the times as 2026-03-02 14:05"
        )
    if pairs and not day and not month:
        raise HistoryError(
            f"{where}: {pairs[0][0]}/{pairs[0][1]} may be day/month or month/day, and no row "
            "decides it; write the times as 2026-03-02 14:05 (in a spreadsheet: format the cells "
            "as yyyy-mm-dd hh:mm and save again)"
        )
    return bool(day) if pairs else None
