"""The tables that stages hand to one another, and the check at both ends of every stage.

Unknown is null, never 0 or NaN. Units stand in names: ``_s`` seconds, ``_ms`` milliseconds,
``_money`` (one ISO currency a run), ``_rate`` in [0, 1], ``_per_hour``, ``n_`` counts. Time
stamps are UTC. A *segment* is an intent unless ``[rollout] segment_by`` says otherwise; ``all``
is every conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from simulator.errors import TableError

ACTIONS = ("answer", "clarify", "escalate", "refuse", "soothe")
ROLES = ("customer", "agent", "bot", "system", "tool")
CHANNELS = ("chat", "email", "voice")
RISKS = ("low", "medium", "high")
QUESTION_KINDS = ("knowledge", "mixed", "strategy")
EMOTIONS = ("calm", "upset", "angry")
FIRMNESS = ("none", "hedged", "firm")
TONES = ("apt", "cold", "over_eager", "over_certain", "evasive")
BOUNDS = ("best", "central", "worst")
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
ACTION_PROBS = pl.Struct({action: pl.Float64() for action in ACTIONS})


@dataclass(frozen=True)
class Table:
    """What a table promises: its columns, those never null, its key, the words allowed."""

    columns: Mapping[str, pl.DataType]
    never_null: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_POINT = {"conversation_id": TEXT, "turn": INT}
_CELL = {"stage": TEXT, "candidate": TEXT}
_CONTEXT = {
    "question_kind": TEXT,
    "risk": TEXT,
    "risk_kinds": TEXTS,
    "needs_human": FLAG,
    "info_sufficient": FLAG,
    "missing_info": TEXTS,
    "emotion": TEXT,
}
_VERDICT = {
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
_ESTIMATE = {
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

_ASSUMED = Table(
    {"name": TEXT, "value": TEXT, "low": REAL, "high": REAL, "source": TEXT, "n": INT},
    ("name", "value", "source"),
    ("name",),
)

TABLES: dict[str, Table] = {
    "conversations": Table(
        {
            "conversation_id": TEXT,
            "customer_id": TEXT,
            "channel": TEXT,
            "language": TEXT,
            "intent": TEXT,
            "skill": TEXT,
            "started_at": STAMP,
            "handle_time_s": REAL,
            "wait_s": REAL,
            "abandoned": FLAG,
            "agent_id": TEXT,
            "resolved": FLAG,
            "escalated": FLAG,
            "complained": FLAG,
            "csat": INT,
            "recontact_of": TEXT,
            "weight": REAL,
        },
        ("conversation_id", "channel"),
        ("conversation_id",),
        {"channel": CHANNELS},
    ),
    "turns": Table(
        {
            **_POINT,
            "role": TEXT,
            "text": TEXT,
            "tool_calls": TEXT,
            "sent_at": STAMP,
            "action": TEXT,
        },
        ("conversation_id", "turn", "role"),
        ("conversation_id", "turn"),
        {"role": ROLES, "action": ACTIONS},
    ),
    "schedule": Table(
        {
            "agent_id": TEXT,
            "team": TEXT,
            "tenure_months": REAL,
            "starts_at": STAMP,
            "ends_at": STAMP,
        },
        ("agent_id", "team", "starts_at", "ends_at"),
    ),
    "knowledge": Table(
        {
            "article_id": TEXT,
            "title": TEXT,
            "text": TEXT,
            "intent": TEXT,
            "language": TEXT,
            "valid_from": STAMP,
            "valid_to": STAMP,
        },
        ("article_id", "text"),
        ("article_id",),
    ),
    # One row a rule: what may be promised, by whom, on which condition, in which words.
    # `condition_patterns` are regular expressions; any match in a reply states the condition.
    "commitments_policy": Table(
        {
            "rule_id": TEXT,
            "kind": TEXT,
            "intent": TEXT,
            "language": TEXT,
            "allowed": TEXT,
            "limit_value": REAL,
            "limit_unit": TEXT,
            "condition": TEXT,
            "condition_patterns": TEXTS,
            "mandated_wording": TEXT,
            "speaker": TEXT,
            "valid_from": STAMP,
            "valid_to": STAMP,
        },
        ("rule_id", "kind", "allowed", "speaker"),
        ("rule_id",),
        {
            "kind": COMMITMENT_KINDS,
            "allowed": ("always", "conditional", "never"),
            "speaker": ("auto", "agent", "supervisor"),
        },
    ),
    # Where a candidate has to decide: the last of consecutive customer turns. `text` is those
    # turns joined; `reply_*` is all that the incumbent said before the next customer turn.
    "decision_points": Table(
        {
            **_POINT,
            "n_th": INT,
            "at": STAMP,
            "text": TEXT,
            "reply": TEXT,
            "reply_action": TEXT,
            "reply_last_turn": INT,
            "context_hash": TEXT,
        },
        ("conversation_id", "turn", "n_th", "context_hash"),
        ("conversation_id", "turn"),
        {"reply_action": ACTIONS},
    ),
    # The conversations put before the candidates; each stands for `weight` of the log.
    "replayed": Table(
        {"conversation_id": TEXT, "weight": REAL},
        ("conversation_id", "weight"),
        ("conversation_id",),
    ),
    "contexts": Table(
        {"judge": TEXT, **_POINT, **_CONTEXT, "evidence": TEXT},
        ("judge", "conversation_id", "turn"),
        ("judge", "conversation_id", "turn"),
        {"question_kind": QUESTION_KINDS, "risk": RISKS, "emotion": EMOTIONS},
    ),
    "shadow": Table(
        {
            "candidate": TEXT,
            **_POINT,
            "action": TEXT,
            "action_probs": ACTION_PROBS,
            "score": REAL,
            "reply": TEXT,
            "article_ids": TEXTS,
            "prompt_tokens": INT,
            "cached_prompt_tokens": INT,
            "completion_tokens": INT,
            "latency_s": REAL,
            "finish_reason": TEXT,
            "error": TEXT,
            "key": TEXT,
        },
        ("candidate", "conversation_id", "turn", "key"),
        ("candidate", "conversation_id", "turn"),
        {"action": ACTIONS},
    ),
    "verdicts": Table(
        {
            "judge": TEXT,
            "candidate": TEXT,
            **_POINT,
            **_VERDICT,
            "evidence": TEXT,
            "unscored": TEXT,
        },
        ("judge", "candidate", "conversation_id", "turn"),
        ("judge", "candidate", "conversation_id", "turn"),
        {"action": ACTIONS, "commitment": FIRMNESS, "tone": TONES},
    ),
    # By people (or drawn from a synthetic truth: then `labeller` is "synthetic"). `turn` is null
    # where the unit is a whole conversation.
    "labels": Table(
        {
            "candidate": TEXT,
            **_POINT,
            **_CONTEXT,
            **_VERDICT,
            "would_send": TEXT,
            "stage": TEXT,
            "unit": TEXT,
            "draw_id": TEXT,
            "labeller": TEXT,
            "stratum": TEXT,
            "inclusion_prob": REAL,
            "split": TEXT,
        },
        ("candidate", "conversation_id", "stage", "unit", "draw_id", "labeller", "stratum"),
        (),
        {
            "would_send": ("as_is", "edit", "no"),
            "unit": ("conversation", "turn", "trajectory"),
            "split": ("choose", "certify"),
        },
    ),
    "decisions": Table(
        {**_CELL, **_POINT, "mode": TEXT, "rule": TEXT, "draft": TEXT, "reach": TEXT},
        ("stage", "candidate", "conversation_id", "turn", "mode", "rule", "reach"),
        ("stage", "candidate", "conversation_id", "turn"),
        {
            "mode": ("human", "assist", "auto"),
            "draft": ("accepted", "edited", "rejected"),
            "reach": ("reached", "after_divergence", "after_handoff"),
        },
    ),
    "settlements": Table(
        {**_CELL, "conversation_id": TEXT, "status": TEXT, "cause": TEXT, "at_turn": INT},
        ("stage", "candidate", "conversation_id", "status"),
        ("stage", "candidate", "conversation_id"),
        {
            "status": ("human", "assist", "agreed", "handoff", "diverged"),
            "cause": ("chosen", "routed", "error"),
        },
    ),
    # What the contact centre may be offered, every random quantity already drawn: one row a
    # potential visit, contained conversations too (an outage needs them). Times are ms after
    # local midnight of the simulated day. `arrives_ms` is null where no visit is due unless an
    # outage makes one. Lists by attempt (0-based): `patience_ms` (null: never leaves),
    # `recontacts` (0 never, 1 only after abandoning, 2 either way), `recontact_delay_ms`.
    # The bot's part: `bot_turn_ms[k]` is how long its k-th reply takes (with the customer's own
    # time before it); `work_if_down_ms[k]` is the human work if the bot goes down after k
    # replies; `bot_quits_at` is the reply that the customer does not wait for.
    "arrivals": Table(
        {
            **_CELL,
            "bound": TEXT,
            "replication": INT,
            "arrival_id": TEXT,
            "conversation_id": TEXT,
            "copy": INT,
            "cause": TEXT,
            "channel": TEXT,
            "language": TEXT,
            "skill": TEXT,
            "priority": INT,
            "arrives_ms": INT,
            "work_ms": INT,
            "patience_ms": INTS,
            "recontacts": INTS,
            "recontact_delay_ms": INTS,
            "bot_start_ms": INT,
            "bot_turn_ms": INTS,
            "work_if_down_ms": INTS,
            "bot_quits_at": INT,
        },
        (
            "stage",
            "candidate",
            "bound",
            "replication",
            "arrival_id",
            "conversation_id",
            "cause",
            "channel",
            "priority",
            "work_ms",
            "patience_ms",
            "recontacts",
            "recontact_delay_ms",
        ),
        ("stage", "candidate", "bound", "replication", "arrival_id"),
        {"cause": CAUSES, "bound": BOUNDS},
    ),
    # Who can take what; an empty list means any.
    "teams": Table(
        {"team": TEXT, "skills": TEXTS, "languages": TEXTS, "channels": TEXTS},
        ("team", "skills", "languages", "channels"),
        ("team",),
    ),
    # Presence on the simulated day, ms after local midnight; one row a stretch without a break.
    "roster": Table(
        {
            "replication": INT,
            "agent_id": TEXT,
            "team": TEXT,
            "tenure_months": REAL,
            "starts_ms": INT,
            "ends_ms": INT,
        },
        ("replication", "agent_id", "team", "starts_ms", "ends_ms"),
    ),
    # One row a visit to the human desk. Never answered: `started_ms` null. Neither answered nor
    # abandoned (still waiting when the last agent left): `abandoned_ms` null too.
    "contacts": Table(
        {
            "replication": INT,
            **_CELL,
            "bound": TEXT,
            "contact_id": TEXT,
            "conversation_id": TEXT,
            "attempt": INT,
            "cause": TEXT,
            "team": TEXT,
            "agent": TEXT,
            "arrived_ms": INT,
            "started_ms": INT,
            "ended_ms": INT,
            "abandoned_ms": INT,
            "work_ms": INT,
        },
        (
            "replication",
            "stage",
            "candidate",
            "bound",
            "contact_id",
            "conversation_id",
            "attempt",
            "cause",
            "arrived_ms",
            "work_ms",
        ),
        ("stage", "candidate", "bound", "replication", "contact_id"),
        {"cause": CAUSES, "bound": BOUNDS},
    ),
    "intervals": Table(
        {**_CELL, **_ESTIMATE, "interval_start_s": INT, "team": TEXT},
        ("stage", "candidate", "segment", "bound", "metric", "n", "unit", "method"),
        ("stage", "candidate", "segment", "bound", "metric", "interval_start_s", "team"),
        {"bound": BOUNDS},
    ),
    "kpis": Table(
        {**_CELL, **_ESTIMATE},
        ("stage", "candidate", "segment", "bound", "metric", "n", "unit", "method"),
        ("stage", "candidate", "segment", "bound", "metric"),
        {"bound": BOUNDS},
    ),
    # Means of a simulated day that money is reckoned from.
    "volumes": Table(
        {
            **_CELL,
            "bound": TEXT,
            "segment": TEXT,
            "arrivals_per_day": REAL,
            "automatic_per_day": REAL,
            "bot_replies_per_day": REAL,
            "promises_per_day": REAL,
        },
        ("stage", "candidate", "bound", "segment", "arrivals_per_day", "automatic_per_day"),
        ("stage", "candidate", "bound", "segment"),
        {"bound": BOUNDS},
    ),
    "costs": Table(
        {**_CELL, **_ESTIMATE},
        ("stage", "candidate", "segment", "bound", "metric", "n", "unit", "method"),
        ("stage", "candidate", "segment", "bound", "metric"),
        {"bound": BOUNDS},
    ),
    "gates": Table(
        {**_CELL, **_ESTIMATE, "status": TEXT, "limit": REAL, "labels_needed": INT, "reason": TEXT},
        ("stage", "candidate", "segment", "metric", "status", "limit", "reason"),
        ("stage", "candidate", "segment", "metric"),
        {"status": ("pass", "fail", "insufficient"), "bound": BOUNDS},
    ),
    "recommendation": Table(
        {
            "candidate": TEXT,
            "segment": TEXT,
            "stage": TEXT,
            "binding_gate": TEXT,
            "next_step": TEXT,
        },
        ("candidate", "segment", "stage", "next_step"),
        ("candidate", "segment"),
    ),
    # What was not in the log and had to be supplied, each with its source; `n` records it went
    # into. `assumed` is what a report lists: of the log, of the desk, and of the scenario.
    "assumed_log": _ASSUMED,
    "assumed_desk": _ASSUMED,
    "assumed": _ASSUMED,
    # Truth of the synthetic sample. No candidate and no judge reads these two.
    "truth_sentences": Table(
        {
            "sentence": TEXT,
            "language": TEXT,
            "kind": TEXT,
            "value": REAL,
            "unit": TEXT,
            "firmness": TEXT,
            "states_condition_of": TEXTS,
        },
        ("sentence", "language", "firmness", "states_condition_of"),
        ("sentence",),
        {"firmness": FIRMNESS, "kind": COMMITMENT_KINDS},
    ),
    "truth_contexts": Table(
        {**_POINT, **_CONTEXT},
        ("conversation_id", "turn", "question_kind", "risk", "needs_human", "emotion"),
        ("conversation_id", "turn"),
        {"question_kind": QUESTION_KINDS, "risk": RISKS, "emotion": EMOTIONS},
    ),
}


def empty(name: str) -> pl.DataFrame:
    """An empty table with the columns of ``name``."""
    return pl.DataFrame(schema=dict(TABLES[name].columns))


def build(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """A table from rows; a column that a row lacks is null.

    Raises:
        TableError: as :func:`check`, and for a column that the table does not have.
    """
    schema = dict(TABLES[name].columns)
    unknown = sorted({column for row in rows for column in row} - schema.keys())
    if unknown:
        raise TableError(f"table {name}: unknown columns {unknown}; it has {list(schema)}")
    return check(name, pl.DataFrame(rows, schema=schema, strict=True))


def conform(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` with the table's columns in order: missing ones null, others dropped, cast.

    Raises:
        TableError: as :func:`check`, or where a value cannot be cast without loss.
    """
    schema = TABLES[name].columns
    # Without rows, constants would make one.
    if frame.is_empty():
        return empty(name)
    try:
        frame = frame.select(
            pl.col(column).cast(dtype)
            if column in frame.columns
            else pl.lit(None, dtype=dtype).alias(column)
            for column, dtype in schema.items()
        )
    except pl.exceptions.PolarsError as error:
        raise TableError(f"table {name}: {error}") from error
    return check(name, frame)


def check(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return ``frame`` unchanged if it keeps the contract of table ``name``.

    Raises:
        TableError: columns or types differ, a never-null column has nulls, a number is NaN, a
            word is not allowed, or the key repeats. Says which, with an example row.
    """
    table = TABLES[name]
    if dict(frame.schema) != dict(table.columns):
        found, wanted = dict(frame.schema), dict(table.columns)
        wrong = [
            f"{column}: {found.get(column, 'missing')} for {wanted.get(column, 'no such column')}"
            for column in {**wanted, **found}
            if found.get(column) != wanted.get(column)
        ]
        raise TableError(f"table {name}: {'; '.join(wrong) or 'columns in another order'}")
    for column in table.never_null:
        if frame[column].null_count():
            row = frame.filter(pl.col(column).is_null()).row(0, named=True)
            raise TableError(f"table {name}: {column} is null in {_shown(row)}")
    for column, dtype in table.columns.items():
        if dtype == REAL and frame[column].is_nan().any():
            raise TableError(f"table {name}: {column} holds NaN; unknown is null")
    for column, words in table.allowed.items():
        odd = frame.filter(pl.col(column).is_not_null() & ~pl.col(column).is_in(words))
        if odd.height:
            found = odd[column][0]
            raise TableError(f"table {name}: {column} = {found!r}; expected one of {words}")
    if table.key and frame.height:
        repeated = frame.filter(frame.select(table.key).is_duplicated())
        if repeated.height:
            row = repeated.select(table.key).row(0, named=True)
            raise TableError(f"table {name}: {_shown(row)} stands there more than once")
    return frame


def _shown(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={str(value)[:60]!r}" for key, value in list(row.items())[:6])
