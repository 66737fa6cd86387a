"""Lines of a scenario file: keys, comments, and text that comes out of a log."""

from __future__ import annotations

import json
import re
import textwrap

import polars as pl

from simulator.scenario import Assumed

WIDTH = 100


def comment(text: str, width: int = WIDTH, hang: int = 0) -> list[str]:
    """Lines of a comment; blanks before the text indent it, further lines by ``hang``."""
    lead = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(
        plain(text.strip()),
        width,
        initial_indent=f"# {lead}",
        subsequent_indent=f"# {' ' * hang}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def said(line: str, why: str) -> list[str]:
    """A key with where its value is from: behind it where there is room, else above."""
    beside = f"{line}  # {plain(why)}"
    return [beside] if len(beside) <= WIDTH else [*comment(why[0].upper() + why[1:] + ":"), line]


def plain(text: str) -> str:
    """Text on one line without control characters, as comments must be, whatever the log holds."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


def quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def named(text: str) -> str:
    """Text as the name of something: the characters that names may have."""
    kept = re.sub(r"[^\w .-]+", " ", text).strip(" .-")[:64].strip()
    return kept if kept and kept != "all" else f"team {kept}".strip()


def table(number: Assumed) -> str:
    """An assumed number with its range and source."""
    return (
        f"{{ value = {number.value:g}, low = {number.low:g}, high = {number.high:g}, "
        f"source = {quoted(number.source)} }}"
    )


def clock(second: int) -> str:
    """A second of the day as a local time."""
    # The latest time that can be written stands for midnight.
    return "23:59:59" if second >= 86_400 else f"{second // 3600:02d}:{second % 3600 // 60:02d}:00"


def shares(column: pl.Series) -> str:
    """The most frequent values with their shares of all rows; empty where there is none."""
    known = column.drop_nulls()
    counts = known.value_counts().sort("count", column.name, descending=[True, False])
    listed = [
        f"{short(row[0])} {100 * row[1] / column.len():.1f} %" for row in counts.head(8).iter_rows()
    ]
    if counts.height > 8:
        listed.append(f"{counts.height - 8} more")
    if listed and known.len() < column.len():
        listed.append(f"not known {100 * (1 - known.len() / column.len()):.1f} %")
    return ", ".join(listed)


def short(text: str) -> str:
    """At most 40 characters of it."""
    return text if len(text) <= 40 else text[:37] + "..."
