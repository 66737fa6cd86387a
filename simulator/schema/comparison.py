"""Tables of a comparison of candidates, and of boundary cases to tune a model with."""

from __future__ import annotations

import polars as pl

from simulator.schema.columns import ACTIONS, FLAG, INT, POINT, REAL, TEXT, Table

# What a decision is set against where there was none.
NO_DECISION = "none"
SOURCES = ("labels", "rules", "measured", "logged")
# The last is the other side of the boundary: without it a tuned model learns to hold back always.
CASE_KINDS = (
    "answered_wrongly",
    "held_back_rightly",
    "mandated_wording",
    "handled_differently",
    "decided_rightly",
)
REASONS = (
    "clarify_over_conclude",
    "escalate_over_explain",
    "soothe_over_inform",
    "hedge_over_promise",
    "tone",
    "help_over_handover",
)
MESSAGES = pl.List(pl.Struct({"role": pl.String(), "content": pl.String()}))

TABLES = {
    # Ours less theirs, at the same points or in the same conversations. `by` is the column that
    # `slice` is a value of ("all" of both: everything). `source` says who found it out: people
    # (labels), the rules judge, the replay itself (measured) or the log. `better`: which way is
    # good (null: neither). `n` counts pairs of `unit`. `worse`: beyond the tolerance, and more
    # than chance explains once all that was tested is counted; null where nothing can be said.
    "differences": Table(
        {
            "ours": TEXT,
            "theirs": TEXT,
            "unit": TEXT,
            "by": TEXT,
            "slice": TEXT,
            "metric": TEXT,
            "source": TEXT,
            "better": TEXT,
            "of_ours": REAL,
            "of_theirs": REAL,
            "difference": REAL,
            "low": REAL,
            "high": REAL,
            "p_value": REAL,
            "p_adjusted": REAL,
            "different": FLAG,
            "worse": FLAG,
            "n": INT,
            "n_conversations": INT,
            "n_excluded": INT,
            "method": TEXT,
        },
        ("ours", "theirs", "unit", "by", "slice", "metric", "source", "n", "method"),
        ("ours", "theirs", "unit", "by", "slice", "metric", "source"),
        {
            "unit": ("point", "conversation"),
            "source": SOURCES,
            "better": ("lower", "higher"),
        },
    ),
    # Rows are what was called for (`against` labels) or what the incumbent did (a description: an
    # agent's habit is no yardstick), columns what the candidate did.
    "decision_matrix": Table(
        {"candidate": TEXT, "against": TEXT, "called_for": TEXT, "did": TEXT, "n": INT},
        ("candidate", "against", "called_for", "did", "n"),
        ("candidate", "against", "called_for", "did"),
        {
            "against": ("labels", "incumbent"),
            "called_for": ACTIONS,
            "did": (*ACTIONS, NO_DECISION),
        },
    ),
    # The points where two candidates differ most, the first first. `weight` orders them.
    "disagreements": Table(
        {
            "ours": TEXT,
            "theirs": TEXT,
            "place": INT,
            **POINT,
            "weight": REAL,
            "why": TEXT,
            "language": TEXT,
            "intent": TEXT,
            "said": TEXT,
            "our_action": TEXT,
            "our_reply": TEXT,
            "our_evidence": TEXT,
            "their_action": TEXT,
            "their_reply": TEXT,
            "their_evidence": TEXT,
            "incumbent_reply": TEXT,
        },
        ("ours", "theirs", "place", "conversation_id", "weight", "why"),
        ("ours", "theirs", "place"),
    ),
    # What the difference means at the desk: the same simulated days with ours and with theirs.
    "desk_differences": Table(
        {
            "ours": TEXT,
            "theirs": TEXT,
            "stage": TEXT,
            "bound": TEXT,
            "metric": TEXT,
            "better": TEXT,
            "of_ours": REAL,
            "of_theirs": REAL,
            "difference": REAL,
            "low": REAL,
            "high": REAL,
            "n": INT,
            "unit": TEXT,
            "method": TEXT,
        },
        ("ours", "theirs", "stage", "bound", "metric", "unit", "method"),
        ("ours", "theirs", "stage", "bound", "metric"),
        {"better": ("lower", "higher")},
    ),
    # A point at the boundary: what should be said there (`chosen`) and, where somebody said
    # something worse, that (`rejected`). `*_from` says whose words they are: "incumbent
    # CONVERSATION/TURN", "policy RULE", or "CANDIDATE CONVERSATION/TURN". `known_by`: what the
    # choice rests on.
    "boundary_cases": Table(
        {
            "case_id": TEXT,
            "kind": TEXT,
            **POINT,
            "language": TEXT,
            "intent": TEXT,
            "known_by": TEXT,
            "why": TEXT,
            "chosen": TEXT,
            "chosen_action": TEXT,
            "chosen_from": TEXT,
            "reason": TEXT,
            "rejected": TEXT,
            "rejected_action": TEXT,
            "rejected_from": TEXT,
        },
        (
            "case_id",
            "kind",
            "conversation_id",
            "turn",
            "known_by",
            "why",
            "chosen",
            "chosen_action",
            "chosen_from",
        ),
        ("case_id",),
        {
            "kind": CASE_KINDS,
            "known_by": ("labels", "rules", "policy", "outcomes"),
            "reason": REASONS,
            "chosen_action": ACTIONS,
            "rejected_action": ACTIONS,
        },
    ),
    # A reply with what it is worth, in [-1, 1]; `parts` says why, in words.
    "rewards": Table(
        {
            **POINT,
            "candidate": TEXT,
            "reply": TEXT,
            "action": TEXT,
            "reward": REAL,
            "known_by": TEXT,
            "parts": TEXT,
        },
        ("conversation_id", "turn", "candidate", "reply", "reward", "known_by", "parts"),
        ("conversation_id", "turn", "candidate"),
        {"known_by": ("labels", "rules"), "action": ACTIONS},
    ),
    # What a model is asked at a point, as a candidate of kind prompted asks it.
    "prompts": Table(
        {**POINT, "messages": MESSAGES},
        ("conversation_id", "turn", "messages"),
        ("conversation_id", "turn"),
    ),
}
