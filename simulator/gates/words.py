"""How gates say numbers and metrics."""

from __future__ import annotations

METRICS = {
    "risky_promise_rate": "risky-promise rate",
    "risky_promise_excess": "risky-promise rate above our own agents'",
    "interception_rate": "high-risk interception",
    "missed_escalation_rate": "missed-escalation rate",
    "over_answer_rate": "over-answer rate",
    "settled_share": "settled share",
    "complaint_rate": "complaint rate",
    "complaint_excess": "complaint rate above that of people alone",
    "service_level": "service level",
    "service_level_loss": "service level lost against people alone",
    "saving_money": "saving against human-only",
}
_SHARES = ("rate", "ratio", "share of conversations")


def named(metric: str) -> str:
    """The metric within a sentence."""
    name = METRICS[metric]
    return name if metric == "interception_rate" else f"the {name}"


def shown(value: float, unit: str) -> str:
    """A number with its unit: shares in per cent."""
    if unit in _SHARES:
        return percent(value)
    # Cents say nothing of a large sum.
    decimals = 0 if abs(value) >= 100 or value == round(value) else 2
    number = f"{abs(value):,.{decimals}f}"
    return f"{'−' if value < 0 else ''}{number} {unit}"


def gap(value: float, unit: str) -> str:
    """A difference: of shares in points."""
    if unit not in _SHARES:
        return shown(value, unit)
    number = f"{100 * value:.3g}"
    return f"{number} point" if number == "1" else f"{number} points"


def percent(value: float | None) -> str:
    """A share in per cent, to three digits."""
    if value is None:
        return "unknown"
    return f"{'−' if value < 0 else ''}{100 * abs(value):.3g} %"
