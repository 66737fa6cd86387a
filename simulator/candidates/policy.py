"""Which rules of the promise policy a candidate may read at a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def in_force(
    rules: Sequence[Mapping[str, Any]], language: str | None, at: datetime | None
) -> list[Mapping[str, Any]]:
    """The rules that bind a bot, in ``language`` (BCP 47), at that moment.

    What is never allowed to an agent or a supervisor is never allowed to a bot either; what is
    allowed to them says nothing about it.
    """
    return [
        rule
        for rule in rules
        if (rule["allowed"] == "never" or rule["speaker"] == "auto")
        and spoken(rule["language"], language)
        and valid(rule, at)
    ]


def spoken(rule: str | None, language: str | None) -> bool:
    """Whether a rule of one language meets a conversation in another; null meets all."""
    return rule is None or language is None or rule == language


def valid(rule: Mapping[str, Any], at: datetime | None) -> bool:
    """Whether a rule holds at a moment; at an unknown one every rule does."""
    if at is None:
        return True
    begins, ends = rule["valid_from"], rule["valid_to"]
    return (begins is None or begins <= at) and (ends is None or at < ends)
