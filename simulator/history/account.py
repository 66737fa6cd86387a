"""What came of an import: every conversation and every message is somewhere, and is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import polars as pl


@dataclass
class Account:
    """The counts of one import. In = out + quarantined, for conversations and for messages.

    ``notes`` counts what was changed or is worth knowing, by a phrase that follows the number.
    ``redacted`` counts replaced values by kind (email, phone), in the texts that were kept.
    ``reasons`` counts quarantine rows by the first part of their reason.
    ``unused`` counts the fields of the source that no table has.
    """

    source: str
    format: str
    conversations_in: int = 0
    conversations_out: int = 0
    conversations_quarantined: int = 0
    messages_in: int = 0
    messages_out: int = 0
    messages_quarantined: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """The account for people to read, a line each; most frequent first within a kind."""
        found = [f"{self.source} ({self.format})"]
        for what in ("conversations", "messages"):
            came, left, aside = (
                getattr(self, f"{what}_{end}") for end in ("in", "out", "quarantined")
            )
            found.append(f"{what}: {came:,} in = {left:,} out + {aside:,} quarantined")
        if self.redacted:
            kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(self.redacted.items()))
            found.append(f"redacted: {kinds}")
        found += [f"note: {n:,} {phrase}" for phrase, n in self.notes.most_common()]
        found += [f"quarantined: {n:,} x {reason}" for reason, n in self.reasons.most_common(12)]
        if self.unused:
            shown = ", ".join(f"{name} ({n:,})" for name, n in self.unused.most_common(12))
            more = len(self.unused) - 12
            found.append(f"fields not used: {shown}{f', and {more} more' if more > 0 else ''}")
        return found

    def close(self, conversations: int, messages: int, quarantine: list[dict[str, Any]]) -> None:
        """Fill in what went out, from the tables themselves, and check the sums.

        Args:
            conversations: rows of the table ``conversations``.
            messages: rows of the table ``turns``.
            quarantine: the rows set aside.

        Raises:
            RuntimeError: a conversation or a message got lost. That is a defect of the importer,
                never of the history.
        """
        self.conversations_out, self.messages_out = conversations, messages
        self.conversations_quarantined = sum(row["conversations"] for row in quarantine)
        self.messages_quarantined = sum(row["messages"] for row in quarantine)
        self.reasons = Counter(str(row["reason"]).split(": ")[0] for row in quarantine)
        for what in ("conversations", "messages"):
            came, left, aside = (
                getattr(self, f"{what}_{end}") for end in ("in", "out", "quarantined")
            )
            if came != left + aside:
                raise RuntimeError(
                    f"{self.source}: {what} got lost: {came} in, {left} out, {aside} quarantined"
                )


@dataclass(frozen=True)
class Imported:
    """A history as tables.

    ``conversations`` and ``turns`` keep the contracts of those names. ``quarantine`` has one row
    for each thing set aside: ``source`` (file name), ``line`` (1-based) or ``index`` (0-based),
    ``conversation_id``, ``turn`` (0-based; null for a whole conversation), ``reason`` (a plain
    sentence), ``raw`` (the first 500 characters), and how many ``conversations`` and ``messages``
    the row stands for.
    """

    conversations: pl.DataFrame
    turns: pl.DataFrame
    quarantine: list[dict[str, Any]]
    account: Account
