"""Tables of what was said: the log, its replay, what judges and people make of it, decisions."""

from __future__ import annotations

import polars as pl

from simulator.schema.columns import (
    ACTION_PROBS,
    ACTIONS,
    CELL,
    CHANNELS,
    COMMITMENT_KINDS,
    CONTEXT,
    DATE,
    EMOTIONS,
    FAILURES,
    FIRMNESS,
    FLAG,
    INT,
    POINT,
    QUESTION_KINDS,
    REAL,
    RISKS,
    ROLES,
    STAMP,
    TEXT,
    TEXTS,
    TONES,
    VERDICT,
    Table,
)

# Of a risky promise, by the rules judge: which commitments, and why the policy does not allow them:
# never, speaker, above_limit, amount_unsaid, condition_unsaid or not_listed (then rule_id is null).
BROKEN_RULES = pl.List(
    pl.Struct(
        {"kind": pl.String(), "span": pl.String(), "why": pl.String(), "rule_id": pl.String()}
    )
)

VERDICTS = Table(
    {
        "judge": TEXT,
        "candidate": TEXT,
        **POINT,
        **VERDICT,
        "evidence": TEXT,
        "broken_rules": BROKEN_RULES,
        "unscored": TEXT,
    },
    ("judge", "candidate", "conversation_id", "turn"),
    ("judge", "candidate", "conversation_id", "turn"),
    {"action": ACTIONS, "commitment": FIRMNESS, "tone": TONES},
)

TABLES = {
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
            **POINT,
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
            **POINT,
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
        {"judge": TEXT, **POINT, **CONTEXT, "distress": REAL, "evidence": TEXT},
        ("judge", "conversation_id", "turn"),
        ("judge", "conversation_id", "turn"),
        {"question_kind": QUESTION_KINDS, "risk": RISKS, "emotion": EMOTIONS},
    ),
    "shadow": Table(
        {
            "candidate": TEXT,
            **POINT,
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
            # Of a prompt longer than the model's window: the oldest turns that were left out.
            "n_dropped_turns": INT,
            "error": TEXT,
            "key": TEXT,
        },
        ("candidate", "conversation_id", "turn", "key"),
        ("candidate", "conversation_id", "turn"),
        {"action": ACTIONS},
    ),
    # What the replay of each candidate took. `n_asked` distinct prompts were put to it, the other
    # points had one that was asked before; tokens and seconds are those of the distinct prompts,
    # and seconds leave out the loading of a model. `failures`: attempts that failed, by kind,
    # whether or not a later one came through.
    "replay_account": Table(
        {
            "candidate": TEXT,
            "n_points": INT,
            "n_asked": INT,
            "n_errors": INT,
            "n_cut_off": INT,
            "n_shortened": INT,
            "prompt_tokens": INT,
            "cached_prompt_tokens": INT,
            "completion_tokens": INT,
            "took_s": REAL,
            "failures": FAILURES,
        },
        ("candidate", "n_points", "n_asked", "n_errors"),
        ("candidate",),
    ),
    # By the rules; those of language models stand apart, so that nobody counts a reply twice.
    "verdicts": VERDICTS,
    "model_verdicts": VERDICTS,
    # How a candidate sounds over a whole conversation, each sentence of which may be right.
    "conversation_verdicts": Table(
        {
            "judge": TEXT,
            "candidate": TEXT,
            "conversation_id": TEXT,
            "n_replies": INT,
            "tone": TEXT,
            "n_cold": INT,
            "n_over_eager": INT,
            "n_over_certain": INT,
            "n_evasive": INT,
            "over_answer": FLAG,
            "compliance_breach": FLAG,
            "risky_promise": FLAG,
            "evidence": TEXT,
        },
        ("judge", "candidate", "conversation_id", "n_replies"),
        ("judge", "candidate", "conversation_id"),
        {"tone": TONES},
    ),
    # By people (or drawn from a synthetic truth: then `labeller` is "synthetic"). `turn` is null
    # where the unit is a whole conversation.
    "labels": Table(
        {
            "candidate": TEXT,
            **POINT,
            **CONTEXT,
            **VERDICT,
            "would_send": TEXT,
            "stage": TEXT,
            "unit": TEXT,
            "draw_id": TEXT,
            "labeller": TEXT,
            "stratum": TEXT,
            "inclusion_prob": REAL,
            "split": TEXT,
            "labelled_on": DATE,
        },
        ("candidate", "conversation_id", "stage", "unit", "draw_id", "labeller", "stratum"),
        (),
        {
            "would_send": ("as_is", "edit", "no"),
            "unit": ("conversation", "turn", "trajectory"),
            "split": ("choose", "certify"),
        },
    ),
    # Shares of replies by how long the conversation is at them: `axis` is the customer's turn
    # (depth) or the characters said up to it; `band` of a change names the first and the last.
    "depth": Table(
        {
            "candidate": TEXT,
            "axis": TEXT,
            "band": TEXT,
            "source": TEXT,
            "metric": TEXT,
            "estimate": REAL,
            "low": REAL,
            "high": REAL,
            "n": INT,
            "n_conversations": INT,
            "method": TEXT,
        },
        ("candidate", "axis", "band", "source", "metric", "n", "n_conversations", "method"),
        ("candidate", "axis", "band", "source", "metric"),
        {"axis": ("depth", "characters"), "source": ("labels", "rules")},
    ),
    # What each candidate does along the questions; their kind is read by the rules judge.
    "spectrum": Table(
        {
            "candidate": TEXT,
            "question_kind": TEXT,
            "source": TEXT,
            "metric": TEXT,
            "estimate": REAL,
            "low": REAL,
            "high": REAL,
            "n": INT,
            "n_conversations": INT,
            "method": TEXT,
        },
        (
            "candidate",
            "question_kind",
            "source",
            "metric",
            "estimate",
            "low",
            "high",
            "n",
            "n_conversations",
            "method",
        ),
        ("candidate", "question_kind", "source", "metric"),
        {"question_kind": QUESTION_KINDS, "source": ("labels", "rules")},
    ),
    "decisions": Table(
        {**CELL, **POINT, "mode": TEXT, "rule": TEXT, "draft": TEXT, "reach": TEXT},
        ("stage", "candidate", "conversation_id", "turn", "mode", "rule", "reach"),
        ("stage", "candidate", "conversation_id", "turn"),
        {
            "mode": ("human", "assist", "auto"),
            "draft": ("accepted", "edited", "rejected"),
            "reach": ("reached", "after_divergence", "after_handoff"),
        },
    ),
    "settlements": Table(
        {**CELL, "conversation_id": TEXT, "status": TEXT, "cause": TEXT, "at_turn": INT},
        ("stage", "candidate", "conversation_id", "status"),
        ("stage", "candidate", "conversation_id"),
        {
            "status": ("human", "assist", "agreed", "handoff", "diverged"),
            "cause": ("chosen", "routed", "error"),
        },
    ),
}
