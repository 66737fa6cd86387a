"""How numbers and names are written: units, unknowns, and text that came from a log.

Why a module of its own: the terminal, the page and the charts must say the same number in the
same way, or readers compare digits instead of candidates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from simulator.reports.language import noted, say
from simulator.reports.metrics import ESTIMANDS as ESTIMANDS
from simulator.reports.metrics import METRICS as METRICS
from simulator.reports.metrics import SUPPORT as SUPPORT
from simulator.reports.metrics import Metric as Metric

UNKNOWN = noted("– unknown")


STAGES = {
    "human_only": noted("Human only"),
    "assist": noted("Assist"),
    "low_risk_auto": noted("Low-risk auto"),
    "wider_auto": noted("Wider auto"),
}


_UNIT = r"%|[sh]\b"
# A line may end after any Chinese character, but none begins with a mark that closes, and none
# ends with one that opens (W3C, Requirements for Chinese Text Layout, section 3.1).
_OPENS, _CLOSES = "（「『《〈【", "，。、；：！？）」』》〉】"
_WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60"
_PIECE = re.compile(
    rf"[{_OPENS}]*(?:(?![{_OPENS}{_CLOSES}])[{_WIDE}]|[^{_WIDE}]+)[{_CLOSES}]*|[{_OPENS}]+|[{_CLOSES}]+"
)


def stage_label(name: str) -> str:
    """A stage as a reader meets it: ``low_risk_auto`` is *Low-risk auto*."""
    if name in STAGES:
        return say(STAGES[name])
    words = visible(name).replace("_", " ")
    return words[:1].upper() + words[1:]


def readable(text: str, stages: Sequence[str]) -> str:
    """``text`` with the stage names in it as tables show them, and no line end before a unit."""
    if stages:
        names = "|".join(re.escape(name) for name in sorted(stages, key=len, reverse=True))
        # A hyphen joins words: the "assist" of "assist-only" is no stage by itself.
        text = re.sub(
            rf"(?<![\w-])(?:{names})(?![\w-])", lambda found: stage_label(found.group()), text
        )
    return re.sub(rf"(?<=\d) (?={_UNIT})", "\u00a0", text)


def metric_label(name: str) -> str:
    """The metric's name, or the name of the column in words where it is not a known one."""
    return say(METRICS[name].label) if name in METRICS else visible(name).replace("_", " ")


def number(metric: str, value: float | None) -> str:
    """``value`` of ``metric`` as text, with its unit; unknown is an en dash and says so.

    Money carries no currency sign here (a run has one currency, named in the heading).
    """
    if value is None:
        return say(UNKNOWN)
    kind = METRICS[metric].kind if metric in METRICS else "plain"
    if kind == "rate":
        return percent(value)
    if kind == "signed":
        return f"+{percent(value)}" if value > 0 else percent(value)
    if kind == "correlation":
        return f"{value:.3f}".replace("-", "−")
    if kind == "per_hundred":
        return percent(value).removesuffix(" %")
    if kind == "seconds":
        return f"{_rounded(value, 10)} s"
    if kind == "hours":
        return f"{_rounded(value, 100)} h"
    if kind in ("count", "money"):
        return _rounded(value, 10)
    return f"{value:g}".replace("-", "−")


def percent(share: float) -> str:
    """A share as a percentage: two decimals below 10 %, one above, never a false zero."""
    value = round(share * 100, 9)
    if 0 < value < 0.005:
        return "< 0.01 %"
    if 99.95 <= value < 100:
        return "> 99.9 %"
    decimals = 0 if value == round(value) else 2 if abs(value) < 9.995 else 1
    return f"{value:,.{decimals}f} %".replace("-", "−")


def short(metric: str, value: float | None) -> str:
    """As :func:`number`, for a narrow column: no unit, large numbers in k and M."""
    if value is None:
        return "–"
    if METRICS[metric].kind == "rate":
        return percent(value).removesuffix(" %")
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 99.95 * size:
            return f"{value / size:,.0f}{letter}".replace("-", "−")
    return number(metric, value).removesuffix(" s").removesuffix(" h")


def _rounded(value: float, whole_from: float) -> str:
    """``value`` in whole numbers from ``whole_from`` on, else to a tenth; never a false zero."""
    if 0 < abs(value) < 0.05:
        return "< 0.1" if value > 0 else "> −0.1"
    decimals = 1 if abs(value) < whole_from and value != round(value) else 0
    # Rounding may leave a negative zero, which would show its sign.
    return f"{value or 0.0:,.{decimals}f}".replace("-", "−")


def clock(seconds: int) -> str:
    """Seconds after local midnight as ``HH:MM``; past midnight the hours run on (``24:30``)."""
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}"


WEEKDAYS = (
    noted("Mon"),
    noted("Tue"),
    noted("Wed"),
    noted("Thu"),
    noted("Fri"),
    noted("Sat"),
    noted("Sun"),
)


def moment(seconds: int, n_days: int) -> str:
    """Seconds after the first local midnight as ``HH:MM``; in a simulated week, ``Tue 10:30``.

    What comes after the last day of a week is of the ``next Mon``.
    """
    if n_days == 1:
        return clock(seconds)
    day, second = divmod(seconds, 86_400)
    name = say(WEEKDAYS[day % 7])
    if day >= n_days:
        name = say("next {day}", day=name)
    return f"{name} {clock(second)}"


# Characters that change how their neighbours are shown, or show as nothing at all.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)


def visible(text: str) -> str:
    """``text`` with control and direction-changing characters written out as ``[U+202E]``."""
    text = text.replace("\r\n", "\n")
    return UNSEEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", text)


def width(text: str) -> int:
    """Columns that ``text`` takes in a terminal: wide East Asian characters take two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def clip(text: str, columns: int) -> str:
    """``text`` in at most ``columns`` terminal columns, with an ellipsis where it was cut."""
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text + "…"


def wrap(text: str, columns: int, indent: str = "") -> list[str]:
    """``text`` in lines of at most ``columns``; ``indent`` stands before all but the first."""
    lines: list[str] = []
    line, empty = "", True
    # A number keeps its unit on its line.
    plain = re.sub(r"[ \n\t]+", " ", text)
    for word in (w for w in re.split(rf"(?<!\d) | (?!{_UNIT})", plain) if w):
        for place, piece in enumerate(_PIECE.findall(word)):
            joined = line + piece if empty or place else f"{line} {piece}"
            if width(joined) <= columns:
                line, empty = joined, False
                continue
            if not empty:
                lines.append(line)
                line = indent
            # What is wider than a line (an address) is broken where the line is full.
            for character in piece:
                if width(line + character) > columns:
                    lines.append(line)
                    line = indent
                line += character
            empty = False
    return lines if empty else [*lines, line]


def markdown(text: str) -> str:
    """Text from data as one line of Markdown that means nothing but itself."""
    return re.sub(r"([\\`*<>\[\]|~#])", r"\\\1", re.sub(r"\s+", " ", visible(text)).strip())


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    first = say(", ").join(names[:-1])
    return say("{names} and {last}", names=first, last=names[-1])
