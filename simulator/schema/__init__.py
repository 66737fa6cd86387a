"""The columns of every table: what a stage may rely on, in one place.

Unknown is null, never 0 or NaN. Units stand in names: ``_s`` seconds, ``_ms`` milliseconds,
``_money`` (one ISO currency a run), ``_rate`` in [0, 1], ``_per_hour``, ``n_`` counts. Time
stamps are UTC. A *segment* is an intent unless ``[rollout] segment_by`` says otherwise; ``all``
is every conversation.
"""

from __future__ import annotations

from simulator.schema import backtest, comparison, conversations, desk, staffing
from simulator.schema.columns import (
    ACTION_PROBS,
    ACTIONS,
    BOUNDS,
    CAUSES,
    CHANNELS,
    COMMITMENT_KINDS,
    COMMITMENTS,
    EMAIL_PRIORITY,
    EMOTIONS,
    FIRMNESS,
    FIRST_GROUP_PRIORITY,
    FLAG,
    INT,
    INTS,
    ORDINARY_PRIORITY,
    QUESTION_KINDS,
    REAL,
    RISKS,
    ROLES,
    STAMP,
    TEXT,
    TEXTS,
    TONES,
    Table,
)

TABLES: dict[str, Table] = {
    **conversations.TABLES,
    **desk.TABLES,
    **staffing.TABLES,
    **backtest.TABLES,
    **comparison.TABLES,
}

__all__ = [
    "ACTIONS",
    "ACTION_PROBS",
    "BOUNDS",
    "CAUSES",
    "CHANNELS",
    "COMMITMENTS",
    "COMMITMENT_KINDS",
    "EMAIL_PRIORITY",
    "EMOTIONS",
    "FIRMNESS",
    "FIRST_GROUP_PRIORITY",
    "FLAG",
    "INT",
    "INTS",
    "ORDINARY_PRIORITY",
    "QUESTION_KINDS",
    "REAL",
    "RISKS",
    "ROLES",
    "STAMP",
    "TABLES",
    "TEXT",
    "TEXTS",
    "TONES",
    "Table",
]
