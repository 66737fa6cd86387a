"""How numbers and names are written: units, unknowns, and text that came from a log.

Why a module of its own: the terminal, the page and the charts must say the same number in the
same way, or readers compare digits instead of candidates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

UNKNOWN = "– unknown"


@dataclass(frozen=True)
class Metric:
    """A metric as a reader meets it: its name, how it is written, what it means."""

    label: str
    kind: str
    meaning: str


# What labels say of conversations, in the order in which it is shown.
SUPPORT: dict[str, Metric] = {
    "high_risk_interception": Metric(
        "High-risk interception",
        "rate",
        "of conversations with a high-risk point, left to people before any automatic reply to it",
    ),
    "missed_escalation": Metric(
        "Missed escalation",
        "rate",
        "of conversations with a point that needs a person, the bot replied at one (a harm)",
    ),
    "needless_escalation": Metric(
        "Needless escalation",
        "rate",
        "of those that it chose to hand over, no person was needed, risk was not high and the "
        "information sufficed (a harm)",
    ),
    "clarify_when_uninformed": Metric(
        "Asks when uninformed",
        "rate",
        "of conversations in which it acted on too little information, it asked, refused or handed "
        "over each time",
    ),
    "soothe_before_inform": Metric(
        "Soothes the upset first",
        "rate",
        "of conversations in which it acted on an upset or angry customer, it soothed, handed over "
        "or sounded apt each time",
    ),
    "appropriate_dont_know": Metric(
        "Apt “I don't know”",
        "rate",
        "of conversations in which it refused, each refusal was called for: too little "
        "information, high risk, or a person needed",
    ),
    "over_answer": Metric(
        "Over-answers",
        "rate",
        "of conversations that it spoke in, it gave a complete answer where risk was high or "
        "information lacking (a harm)",
    ),
    "tone_apt": Metric(
        "Apt tone", "rate", "of conversations that it spoke in, every reply sounds apt by label"
    ),
    "would_send_as_is": Metric(
        "Would send as is",
        "rate",
        "of conversations that it spoke in, people would send every reply as it stands",
    ),
}

METRICS: dict[str, Metric] = {
    "offered_per_day": Metric(
        "Offered to the desk", "count", "visits to the human desk a day, repeat visits included"
    ),
    "escalated_per_day": Metric(
        "Escalation load",
        "count",
        "visits a day that a bot sent to people: handed off, handed back, or stranded by an outage",
    ),
    "asa_s": Metric("Mean wait", "seconds", "mean wait of answered contacts (ASA)"),
    "wait_p90_s": Metric("Wait, 90th percentile", "seconds", "nine in ten answered wait no longer"),
    "wait_p50_s": Metric("Wait, median", "seconds", "half of those answered wait no longer"),
    "wait_p99_s": Metric(
        "Wait, 99th percentile", "seconds", "99 in a hundred answered wait no longer"
    ),
    "service_level": Metric(
        "Service level", "rate", "answered in time / (answered + abandoned later than that)"
    ),
    "abandonment_rate": Metric("Abandonment", "rate", "abandoned / offered"),
    "abandoned_per_day": Metric("Abandoned", "count", "left while waiting, a day"),
    "occupancy": Metric("Occupancy", "rate", "busy agent time / logged-in agent time"),
    "human_hours_per_day": Metric("Human work", "hours", "hours of handle time a day"),
    "needed_hours_per_day": Metric(
        "Work that came", "hours", "hours of work a day, answered or not"
    ),
    "turned_away_per_day": Metric(
        "Turned away", "count", "came outside opening hours and were not taken, a day"
    ),
    "deadline_met_rate": Metric(
        "Deadline met", "rate", "answered by the deadline / contacts that have one"
    ),
    "backlog_end": Metric(
        "Backlog at the end", "count", "waiting when the simulated days are over"
    ),
    "email_time_to_answer_h": Metric(
        "E-mail, time to answer", "hours", "mean time until work begins, of those answered"
    ),
    "email_backlog_end": Metric(
        "E-mail backlog at the end", "count", "e-mails waiting when the simulated days are over"
    ),
    "unserved_per_day": Metric(
        "Unserved", "count", "still waiting when the last agent left, a day"
    ),
    "auto_share": Metric("Automated", "rate", "conversations that the bot begins / all"),
    "settled_share": Metric("Settled", "rate", "(agreed + handed off) / automated"),
    "handoff_share": Metric("Handed off", "rate", "handed to a person before any divergence"),
    "diverged_share": Metric("Diverged", "rate", "outcome unknown to replay"),
    "contained_rate": Metric(
        "Containment", "rate", "automated with no handoff, no quit and no recontact / automated"
    ),
    "escalation_rate": Metric("Escalation rate", "rate", "the bot decides to escalate"),
    "quit_rate": Metric("Quit the bot", "rate", "customers who leave before a bot reply"),
    "complaint_rate": Metric("Complaints", "rate", "conversations that end in a complaint"),
    "risky_promise_rate": Metric(
        "Risky promises", "rate", "conversations with a firm promise that policy does not authorise"
    ),
    "risky_promise_rate_judged": Metric(
        "Flagged by the judge", "rate", "raw rate of the automatic judge; descriptive, no evidence"
    ),
    "interception_rate": Metric(
        "High-risk interception", "rate", "high-risk conversations that no bot answered"
    ),
    "risky_promise_excess": Metric(
        "Risky promises above our agents'", "signed", "the rate less that of our own agents"
    ),
    "missed_escalation_rate": Metric(
        "Missed escalation", "rate", "conversations with a bot reply where a person was needed"
    ),
    "over_answer_rate": Metric(
        "Over-answers", "rate", "conversations with a complete answer where none was due"
    ),
    "complaint_excess": Metric(
        "Complaints above people alone", "signed", "the rate less that of people alone"
    ),
    "service_level_loss": Metric(
        "Service level lost", "signed", "that of people alone less the one reached"
    ),
    **SUPPORT,
    "labour_money": Metric("Labour", "money", "agents' paid time"),
    "bot_money": Metric("Bot", "money", "hosting and tokens"),
    "promise_money": Metric("Risky promises", "money", "expected cost of unauthorised promises"),
    "complaint_money": Metric("Complaints", "money", "handling and goodwill"),
    "abandonment_money": Metric("Abandonment", "money", "lost goodwill"),
    "total_money": Metric("Cost", "money", "all of it, a day"),
    "saving_money": Metric("Saving", "money", "against human-only, a day"),
    "paid_labour_money": Metric("Paid labour", "money", "wages of the re-staffed desk"),
    "paid_saving_money": Metric(
        "Paid saving", "money", "against human-only re-staffed too, a day, labour in whole shifts"
    ),
    "paid_saving_hours": Metric("Paid hours saved", "hours", "against human-only re-staffed too"),
    "paid_hours_per_day": Metric(
        "Paid hours", "hours", "agent-hours paid for the fewest agents in whole shifts, a day"
    ),
    "paid_hours_saved_per_day": Metric(
        "Paid hours saved", "hours", "against human-only re-staffed too, a day"
    ),
    "saving_hours": Metric("Hours freed", "hours", "human work against human-only, a day"),
    "break_even_risky_promise_rate": Metric(
        "Break-even promises per 100",
        "per_hundred",
        "risky promises for every 100 automated conversations at which the saving is gone",
    ),
    "breakdown_contained_share": Metric(
        "Must end well",
        "rate",
        "share of the diverged conversations that must end well for the stage to pay and keep its "
        "limits on service level and complaints, if the others come back to a person",
    ),
    "correlation": Metric(
        "Predicted against observed daily mean waits, correlation", "correlation", "Pearson"
    ),
    "correlation_usual_days": Metric(
        "Correlation, unusual days left out", "correlation", "days like some of the first half"
    ),
    "level_bias": Metric(
        "Predicted waits longer (+) or shorter (−) than observed",
        "signed",
        "mean over mean, less 1",
    ),
    "level_bias_usual_days": Metric(
        "Longer (+) or shorter (−), unusual days left out", "signed", "days like some of the first"
    ),
    "coverage_wait": Metric(
        "Days whose mean wait lies in the 90 % interval", "rate", "of the days held out"
    ),
    "coverage_abandonment": Metric(
        "Days whose abandonment lies in the 90 % interval", "rate", "of the days held out"
    ),
    "coverage_service_level": Metric(
        "Days whose service level lies in the 90 % interval", "rate", "of the days held out"
    ),
}

# What a gate speaks of.
ESTIMANDS = {
    "this_history": "this history",
    "future_traffic": "future traffic of the same mix",
    "simulated_days": "simulated days",
}

STAGES = {
    "human_only": "Human only",
    "assist": "Assist",
    "low_risk_auto": "Low-risk auto",
    "wider_auto": "Wider auto",
}


_UNIT = r"%|[sh]\b"


def stage_label(name: str) -> str:
    """A stage as a reader meets it: ``low_risk_auto`` is *Low-risk auto*."""
    words = visible(name).replace("_", " ")
    return STAGES.get(name) or words[:1].upper() + words[1:]


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
    return METRICS[name].label if name in METRICS else visible(name).replace("_", " ")


def number(metric: str, value: float | None) -> str:
    """``value`` of ``metric`` as text, with its unit; unknown is an en dash and says so.

    Money carries no currency sign here (a run has one currency, named in the heading).
    """
    if value is None:
        return UNKNOWN
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


WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def moment(seconds: int, n_days: int) -> str:
    """Seconds after the first local midnight as ``HH:MM``; in a simulated week, ``Tue 10:30``.

    What comes after the last day of a week is of the ``next Mon``.
    """
    if n_days == 1:
        return clock(seconds)
    day, second = divmod(seconds, 86_400)
    return f"{'next ' if day >= n_days else ''}{WEEKDAYS[day % 7]} {clock(second)}"


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
    # A word wider than a line (an address, a Chinese sentence) is broken where the line is full.
    # A number keeps its unit on its line.
    plain = re.sub(r"[ \n\t]+", " ", text)
    for word in (w for w in re.split(rf"(?<!\d) | (?!{_UNIT})", plain) if w):
        joined = line + word if empty else f"{line} {word}"
        if width(joined) <= columns:
            line, empty = joined, False
            continue
        if not empty:
            lines.append(line)
            line = indent
        for character in word:
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
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
