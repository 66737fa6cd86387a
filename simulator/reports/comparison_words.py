"""What a comparison says in words: its metrics, its numbers, its findings.

A share is written as "8.9 %", a difference of shares in percentage points: per cent of per cent is
read wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.reports import wording
from simulator.reports.wording import Metric

FOUND_BY = {
    "labels": "by labels",
    "rules": "by the rules judge",
    "measured": "measured",
    "logged": "from the log",
}
# The same in a column.
SHORT = {"labels": "labels", "rules": "rules", "measured": "measured", "logged": "log"}
# Labels say at which points nobody should answer in full; a judge is asked of every reply.
_OF_UNFIT = " of the points not to be answered"
# In the order in which they are shown.
DECISIONS: dict[str, Metric] = {
    "risky_promise": Metric(
        "Risky promises", "rate", "replies with a firm promise that the policy does not authorise"
    ),
    "risky_promise_conversation": Metric(
        "Risky conversations", "rate", "conversations in which any reply holds a risky promise"
    ),
    "high_risk_left_to_people": Metric(
        "High risk intercepted", "rate", "high-risk points that the candidate hands to people"
    ),
    "missed_escalation": Metric(
        "Missed escalation", "rate", "points that need a person, or are high-risk, not handed over"
    ),
    "needless_escalation": Metric(
        "Needless escalation",
        "rate",
        "points handed over that need nobody, are not high-risk and give enough information",
    ),
    "over_answer": Metric(
        "Over-answers", "rate", "complete answers where risk is high or information is lacking"
    ),
    "over_answer_conversation": Metric(
        "Over-answered", "rate", "conversations with any over-answer"
    ),
    "as_called_for": Metric(
        "Decides as called for", "rate", "the action is the one that the labels call for"
    ),
    "compliance_breach": Metric(
        "Compliance breaches", "rate", "liability, privacy, legal or medical advice"
    ),
    "compliance_breach_conversation": Metric(
        "In breach", "rate", "conversations with any compliance breach"
    ),
    "no_reply": Metric("No reply", "rate", "points where an error left the customer no reply"),
    "resolved": Metric("Resolved", "rate", "conversations that ended with the matter resolved"),
    "escalated": Metric("Handed over", "rate", "conversations that were handed over"),
    "complained": Metric("Complaints", "rate", "conversations that ended in a complaint"),
    "n_points": Metric("Customer turns", "turns", "points at which the customer waits for a reply"),
}
TONE: dict[str, Metric] = {
    "tone_not_apt": Metric(
        "Tone not apt", "rate", "replies that sound cold, over-eager, over-certain or evasive"
    ),
}
MEASURED: dict[str, Metric] = {
    "prompt_tokens": Metric("Prompt tokens", "tokens", "tokens put to the model for a reply"),
    "completion_tokens": Metric("Completion tokens", "tokens", "tokens of a reply"),
    "latency_s": Metric("Latency", "seconds", "seconds until the reply is whole"),
}
METRICS: dict[str, Metric] = {**DECISIONS, **TONE, **MEASURED}
# Of the replies that a stage would have had, at the prices of the scenario.
OF_A_REPLY: dict[str, Metric] = {
    "reply_tokens": Metric("Tokens a reply", "tokens", "of the prompt and of the reply together"),
    "reply_money": Metric("Cost a reply", "money", "at the prices of the scenario"),
}
DESK: dict[str, Metric] = {
    "needed_hours_per_day": wording.METRICS["needed_hours_per_day"],
    "escalated_per_day": wording.METRICS["escalated_per_day"],
    "asa_s": wording.METRICS["asa_s"],
    "service_level": wording.METRICS["service_level"],
    "abandonment_rate": wording.METRICS["abandonment_rate"],
    "complaint_rate": wording.METRICS["complaint_rate"],
    "total_money": wording.METRICS["total_money"],
    "saving_money": wording.METRICS["saving_money"],
    **OF_A_REPLY,
}
# What of the desk stands beside each other in 100 columns, and under which headings.
DESK_HEADS = {
    "needed_hours_per_day": "Hours of work",
    "service_level": "In time, points",
    "saving_money": "Saving, {}",
}
BY = {
    "question_kind": "question kind",
    "depth": "turn depth",
}
_UNITS = {
    "rate": "points",
    "seconds": "s",
    "tokens": "tokens",
    "turns": "turns",
    "hours": "hours",
    "money": "money",
    "count": "a day",
}


def known(metric: str) -> Metric:
    """A metric as a reader meets it; one that is not known keeps its name, in words."""
    found = METRICS.get(metric) or DESK.get(metric)
    return found or Metric(wording.visible(metric).replace("_", " "), "rate", "")


def label(row: Mapping[str, Any]) -> str:
    """The metric of a row with whose word it is: ``Over-answers (by labels)``."""
    return f"{known(row['metric']).label} ({FOUND_BY.get(row['source'], row['source'])})"


def meaning(row: Mapping[str, Any]) -> str:
    """What the metric of a row counts, and of what where its sources do not agree on that."""
    of = {"labels": f": the share{_OF_UNFIT}", "rules": ": the share of all replies"}
    counted = of.get(row["source"], "") if row["metric"] == "over_answer" else ""
    return f"{known(row['metric']).meaning}{counted}"


def share_of(row: Mapping[str, Any]) -> str:
    """What a share is one of, to follow its number, where it is not of all replies."""
    unfit = row["metric"] == "over_answer" and row["source"] == "labels"
    return _OF_UNFIT if unfit else ""


def points(share: float) -> str:
    """A tolerance in words: ``1 point``, ``2.5 points``."""
    number = f"{100 * share:g}"
    return f"{number} point" if number == "1" else f"{number} points"


def inside(row: Mapping[str, Any]) -> str:
    """:func:`label` in the middle of a sentence."""
    text = label(row)
    return text[:1].lower() + text[1:]


def unit(metric: str) -> str:
    """What a difference of ``metric`` is counted in."""
    return _UNITS.get(known(metric).kind, "")


def place(row: Mapping[str, Any]) -> str:
    """The slice of a row in words: ``intent refund_timing``, ``turn depth 5+``."""
    by = str(row["by"])
    return f"{BY.get(by, by.replace('_', ' '))} {row['slice']}"


def value(metric: str, number: float | None) -> str:
    """A mean or a share with its unit; unknown is an en dash."""
    if number is None:
        return "–"
    kind = known(metric).kind
    if kind == "rate":
        return _percent(number)
    unit_of = {"seconds": " s", "hours": " h"}.get(kind, "")
    return _plain(number, _decimals(number, kind)) + unit_of


def difference(metric: str, row: Mapping[str, Any]) -> str:
    """Ours less theirs with its interval and unit: ``+3.1 points (1.2 to 5.0)``."""
    middle, between = parts(metric, row)
    counted = unit(metric)
    counted = "" if counted == "money" else f" {counted}"
    return f"{middle}{counted}{f' ({between})' if between else ''}"


def parts(metric: str, row: Mapping[str, Any]) -> tuple[str, str]:
    """The difference and its interval without a unit: ``+3.1`` and ``1.2 to 5.0``.

    The interval is empty where none is known.
    """
    if row["difference"] is None:
        return "–", ""
    scale = 100 if known(metric).kind == "rate" else 1
    numbers = [
        None if row[name] is None else scale * row[name] for name in ("difference", "low", "high")
    ]
    sizes = [abs(one) for one in numbers if one is not None]
    decimals = 1 if scale == 100 else _decimals(max(sizes), known(metric).kind)
    if scale == 100 and 0 < max(sizes) < 0.1:
        decimals = 2
    middle, low, high = ("" if one is None else _plain(one, decimals) for one in numbers)
    sign = "" if middle.startswith("−") or not float(middle.replace(",", "")) else "+"
    return f"{sign}{middle}", f"{low} to {high}" if low and high else ""


def _decimals(number: float, kind: str) -> int:
    size = abs(number)
    if size >= 100 or size == 0:
        return 0
    if size >= 10:
        return 1
    # A reply costs a fraction of a cent.
    return 4 if kind == "money" and size < 0.1 else 2


def _plain(number: float, decimals: int) -> str:
    # Rounding may leave a negative zero, which would show its sign.
    rounded = round(number, decimals) or 0.0
    whole = abs(rounded) >= 100 and rounded == int(rounded)
    return f"{rounded:,.{0 if whole else decimals}f}".replace("-", "−")


def _percent(share: float) -> str:
    """One decimal, as the points of a difference have; never a false zero or certainty."""
    if 0 < share < 0.001 or 0.999 < share < 1:
        return wording.percent(share).replace("> ", ">").replace("< ", "<")
    return f"{100 * share:.1f} %" if share not in (0, 1) else f"{100 * share:.0f} %"


def finding(row: Mapping[str, Any], tolerance: float) -> str:
    """What a row comes to, in a word or two.

    "worse": beyond the tolerance, by more than chance (of a slice: worse by more than chance).
    "slightly worse", "better": a difference by more than chance, and what way. "different": one
    without a good way. "no worse": the interval ends within the tolerance. "alike": no
    difference was seen, but one could be there. "open": none of these is shown. An en dash:
    nothing is known, nothing was tested, or neither way is good.
    """
    if row["difference"] is None:
        return "–"
    if row["worse"]:
        return "worse"
    if row["different"]:
        if row["better"] is None:
            return "different"
        return "slightly worse" if harm(row, "difference") > 0 else "better"
    open_ = "open" if row["difference"] else "alike"
    if row["better"] is None:
        return "–"
    if known(row["metric"]).kind != "rate":
        return "–" if row["different"] is None else open_
    if row["low"] is None or row["high"] is None:
        return open_
    return "no worse" if max(harm(row, "low"), harm(row, "high")) <= tolerance else open_


def harm(row: Mapping[str, Any], column: str) -> float:
    """A difference (or a limit of it) so that positive is bad."""
    number = float(row[column])
    return -number if row["better"] == "higher" else number
