"""Types of columns, the words that columns hold, and what a table promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

ACTIONS = ("answer", "clarify", "escalate", "refuse", "soothe")
ROLES = ("customer", "agent", "bot", "system", "tool")
CHANNELS = ("chat", "email", "voice")
RISKS = ("low", "medium", "high")
QUESTION_KINDS = ("knowledge", "mixed", "strategy")
EMOTIONS = ("calm", "upset", "angry")
FIRMNESS = ("none", "hedged", "firm")
TONES = ("apt", "cold", "over_eager", "over_certain", "evasive")
BOUNDS = ("best", "central", "worst")
# Priorities of contacts, the lowest first. 0 and 1 are for customers of a bot that goes down,
# 2 to 4 for the groups that a scenario puts first; then everybody else, and whoever comes back;
# then e-mail, with which nobody waits in line.
FIRST_GROUP_PRIORITY, ORDINARY_PRIORITY, EMAIL_PRIORITY = 2, 5, 6
OUTSIDE = ("wait", "turn_away", "next_opening")
CAUSES = ("new", "assist", "handoff", "hand_back", "recontact", "outage")
COMMITMENT_KINDS = (
    "refund",
    "compensation",
    "delivery_time",
    "price",
    "waiver",
    "account",
    "legal",
    "callback",
    "repair",
    "action",
    "other",
)

TEXT, INT, REAL, FLAG = pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()
DATE = pl.Date()
STAMP = pl.Datetime("us", "UTC")
TEXTS = pl.List(pl.String())
INTS = pl.List(pl.Int64())
COMMITMENTS = pl.List(
    pl.Struct(
        {
            "kind": pl.String(),
            "value": pl.Float64(),
            "unit": pl.String(),
            "firmness": pl.String(),
            "span": pl.String(),
        }
    )
)
FAILURES = pl.List(pl.Struct({"failure": pl.String(), "n": pl.Int64()}))
ACTION_PROBS = pl.Struct({action: pl.Float64() for action in ACTIONS})


@dataclass(frozen=True)
class Table:
    """What a table promises: its columns, those never null, its key, the words allowed."""

    columns: Mapping[str, pl.DataType]
    never_null: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


POINT = {"conversation_id": TEXT, "turn": INT}
CELL = {"stage": TEXT, "candidate": TEXT}
CONTEXT = {
    "question_kind": TEXT,
    "risk": TEXT,
    "risk_kinds": TEXTS,
    "needs_human": FLAG,
    "info_sufficient": FLAG,
    "missing_info": TEXTS,
    "emotion": TEXT,
}
VERDICT = {
    "action": TEXT,
    "commitment": TEXT,
    "commitments": COMMITMENTS,
    "cited_article": TEXT,
    "asked_for": TEXT,
    "authorised": FLAG,
    "risky_promise": FLAG,
    "compliance_breach": FLAG,
    "over_answer": FLAG,
    "tone": TEXT,
}
ESTIMATE = {
    "segment": TEXT,
    "bound": TEXT,
    "metric": TEXT,
    "estimate": REAL,
    "low": REAL,
    "high": REAL,
    "n": INT,
    "unit": TEXT,
    "method": TEXT,
}
# Where simulated days differ: standard deviations of one day, by the input and by chance, and an
# interval that holds 90 % of days.
SPREAD = {
    "input_sd": REAL,
    "simulation_sd": REAL,
    "predicted_low": REAL,
    "predicted_high": REAL,
}

ASSUMED = Table(
    {"name": TEXT, "value": TEXT, "low": REAL, "high": REAL, "source": TEXT, "n": INT},
    ("name", "value", "source"),
    ("name",),
)
