"""Tables of what follows: the desk, its indicators, money, gates, and where numbers come from."""

from __future__ import annotations

from simulator.schema.columns import (
    ASSUMED,
    BOUNDS,
    CAUSES,
    CELL,
    CHANNELS,
    COMMITMENT_KINDS,
    CONTEXT,
    DATE,
    EMOTIONS,
    ESTIMATE,
    FIRMNESS,
    INT,
    INTS,
    OUTSIDE,
    POINT,
    QUESTION_KINDS,
    REAL,
    RISKS,
    SPREAD,
    TEXT,
    TEXTS,
    Table,
)

TABLES = {
    # What the contact centre may be offered, every random quantity already drawn: one row a
    # potential visit, contained conversations too (an outage needs them). Times are ms after
    # local midnight of the simulated day. `arrives_ms` is null where no visit is due unless an
    # outage makes one. Lists by attempt (0-based): `patience_ms` (null: never leaves),
    # `recontacts` (0 never, 1 only after abandoning, 2 either way), `recontact_delay_ms`.
    # Priorities are those of `FIRST_GROUP_PRIORITY` and the others: the lowest number goes first.
    # `work_ms` is what the contact takes an agent who does nothing else. `saved_ms` is what drafts
    # save of it at an ordinary gain (null: nothing); `deadline_ms` is by when it should be
    # answered, counted from its arrival (null: no deadline).
    # The bot's part: `bot_turn_ms[k]` is how long its k-th reply takes (with the customer's own
    # time before it); `work_if_down_ms[k]` is the human work if the bot goes down after k
    # replies; `bot_quits_at` is the reply that the customer does not wait for.
    "arrivals": Table(
        {
            **CELL,
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
            "saved_ms": INT,
            "deadline_ms": INT,
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
    # Who can take what; an empty list means any. A team may have several rows, its routes: each
    # says what it takes once a contact has waited `after_ms` (null: at once), and how far down the
    # contact's list of preferences the team stands (`rank`, 0 first; null is 0).
    "teams": Table(
        {
            "team": TEXT,
            "skills": TEXTS,
            "languages": TEXTS,
            "channels": TEXTS,
            "rank": INT,
            "after_ms": INT,
        },
        ("team", "skills", "languages", "channels"),
    ),
    # Presence on the simulated days, ms after the first local midnight; one row a stretch without
    # a break. `max_chats` at once (null: 1). `gain` is how much of `saved_ms` this agent saves
    # (null: 1).
    "roster": Table(
        {
            "replication": INT,
            "agent_id": TEXT,
            "team": TEXT,
            "tenure_months": REAL,
            "starts_ms": INT,
            "ends_ms": INT,
            "max_chats": INT,
            "gain": REAL,
        },
        ("replication", "agent_id", "team", "starts_ms", "ends_ms"),
    ),
    # Opening hours, ms after the first local midnight, [opens, closes). A channel without rows is
    # always open. Outside them a contact waits in the queue all the same, is turned away, or
    # comes at the next opening.
    "hours": Table(
        {
            "replication": INT,
            "channel": TEXT,
            "opens_ms": INT,
            "closes_ms": INT,
            "outside": TEXT,
        },
        ("replication", "channel", "opens_ms", "closes_ms", "outside"),
        ("replication", "channel", "opens_ms"),
        {"channel": CHANNELS, "outside": OUTSIDE},
    ),
    # One row a visit to the human desk. Never answered: `started_ms` null. `unserved`: still
    # waiting when the last agent left. `offered_team` is the first of the contact's preferences
    # (null: no team may take it). `work_ms` is net of what drafts save the agent who took it (an
    # ordinary one where nobody did); `handled_ms` is the agent's own time, less than `ended_ms -
    # started_ms` where chats shared it. `deadline_ms` counts from `arrived_ms`, the
    # opening for those who came before it: then it is shorter, or below 0.
    "contacts": Table(
        {
            "replication": INT,
            **CELL,
            "bound": TEXT,
            "contact_id": TEXT,
            "conversation_id": TEXT,
            "attempt": INT,
            "cause": TEXT,
            "channel": TEXT,
            "offered_team": TEXT,
            "team": TEXT,
            "agent": TEXT,
            "outcome": TEXT,
            "arrived_ms": INT,
            "started_ms": INT,
            "ended_ms": INT,
            "abandoned_ms": INT,
            "work_ms": INT,
            "handled_ms": INT,
            "deadline_ms": INT,
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
            "outcome",
            "arrived_ms",
            "work_ms",
        ),
        ("stage", "candidate", "bound", "replication", "contact_id"),
        {
            "cause": CAUSES,
            "bound": BOUNDS,
            "outcome": ("answered", "abandoned", "turned_away", "unserved"),
        },
    ),
    # One row: what a replication simulates. `n_logged` is the number of days of the log that a
    # simulated day was drawn from or fitted to (null: an assumed profile).
    "horizon": Table(
        {
            "day": TEXT,
            "n_days": INT,
            "warm_up_days": INT,
            "n_draws": INT,
            "n_replications": INT,
            "n_logged": INT,
        },
        ("day", "n_days", "warm_up_days", "n_draws", "n_replications"),
    ),
    # What a run has checked of itself, in words; `n` what it was checked on.
    "checks": Table({"name": TEXT, "result": TEXT, "n": INT}, ("name", "result", "n"), ("name",)),
    # What happened when, in the order in which it happened; on request.
    "trace": Table(
        {
            **CELL,
            "bound": TEXT,
            "replication": INT,
            "at_us": INT,
            "event": TEXT,
            "contact_id": TEXT,
            "agent": TEXT,
            "n_waiting": INT,
        },
        ("stage", "candidate", "bound", "replication", "at_us", "event", "n_waiting"),
    ),
    "intervals": Table(
        {**CELL, **ESTIMATE, **SPREAD, "interval_start_s": INT, "team": TEXT},
        ("stage", "candidate", "segment", "bound", "metric", "n", "unit", "method"),
        ("stage", "candidate", "segment", "bound", "metric", "interval_start_s", "team"),
        {"bound": BOUNDS},
    ),
    "kpis": Table(
        {**CELL, **ESTIMATE, **SPREAD},
        ("stage", "candidate", "segment", "bound", "metric", "n", "unit", "method"),
        ("stage", "candidate", "segment", "bound", "metric"),
        {"bound": BOUNDS},
    ),
    # Hours of work that a simulated day brought, answered or not; and of the live contacts that
    # count for the service level, those answered in time.
    "desk_hours": Table(
        {**CELL, "bound": TEXT, "segment": TEXT, "replication": INT, "needed_hours": REAL}
        | {"n_within": INT, "n_reached": INT},
        ("stage", "candidate", "bound", "segment", "replication", "needed_hours"),
        ("stage", "candidate", "bound", "segment", "replication"),
        {"bound": BOUNDS},
    ),
    # Means of a simulated day that money is reckoned from. Tokens are those of the replies whose
    # tokens are known, the cached ones part of the prompt's; null where none are. The other replies
    # are the unpriced ones: no card by tokens can price them.
    "volumes": Table(
        {
            **CELL,
            "bound": TEXT,
            "segment": TEXT,
            "arrivals_per_day": REAL,
            "automatic_per_day": REAL,
            "bot_replies_per_day": REAL,
            "bot_prompt_tokens_per_day": REAL,
            "bot_cached_tokens_per_day": REAL,
            "bot_completion_tokens_per_day": REAL,
            "unpriced_bot_replies_per_day": REAL,
            "quits_per_day": REAL,
            "promises_per_day": REAL,
            "bot_promises_per_day": REAL,
        },
        ("stage", "candidate", "bound", "segment", "arrivals_per_day", "automatic_per_day"),
        ("stage", "candidate", "bound", "segment"),
        {"bound": BOUNDS},
    ),
    "costs": Table(
        {**CELL, **ESTIMATE},
        ("stage", "candidate", "segment", "bound", "metric", "n", "unit", "method"),
        ("stage", "candidate", "segment", "bound", "metric"),
        {"bound": BOUNDS},
    ),
    # What became of the points with mode auto: the risk rates are over `n_in_domain`.
    "excluded": Table(
        {
            **CELL,
            "n_points": INT,
            "n_in_domain": INT,
            "n_after_handoff": INT,
            "n_no_reply": INT,
            "n_escalations": INT,
        },
        ("stage", "candidate", "n_points", "n_in_domain"),
        ("stage", "candidate"),
    ),
    # `confidence` is that of each bound: of a segment, as Holm leaves it. An override changes what
    # follows from a gate, never its status.
    # The proposal's candidate (all, where nothing is proposed) with one thing changed: what the
    # scenario calls the change, and indicators and money over all conversations as in `kpis` and
    # `costs`.
    "what_if": Table(
        {"what_if": TEXT, **CELL, **ESTIMATE},
        ("what_if", "stage", "candidate", "segment", "bound", "metric"),
        ("what_if", "stage", "candidate", "segment", "bound", "metric"),
        {"bound": BOUNDS},
    ),
    "gates": Table(
        {
            **CELL,
            **ESTIMATE,
            "status": TEXT,
            "limit": REAL,
            "confidence": REAL,
            "estimand": TEXT,
            "labels_needed": INT,
            "reason": TEXT,
            "overridden_by": TEXT,
            "override_reason": TEXT,
            "override_expires": DATE,
        },
        ("stage", "candidate", "segment", "metric", "status", "limit", "estimand", "reason"),
        ("stage", "candidate", "segment", "metric"),
        {
            "status": ("pass", "fail", "insufficient"),
            "estimand": ("this_history", "future_traffic", "simulated_days"),
            "bound": BOUNDS,
        },
    ),
    # What a support organisation counts, from labels, the simulated days and the log's contexts.
    # `excluded` says what is left out of the metric, and how many.
    "support_metrics": Table(
        {**CELL, **ESTIMATE, "estimand": TEXT, "excluded": TEXT},
        ("stage", "candidate", "segment", "metric", "method"),
        (),
        {"bound": BOUNDS},
    ),
    # From which score a candidate may answer by itself, as far as labels show; null: none does.
    "thresholds": Table(
        {
            **CELL,
            "segment": TEXT,
            "threshold": REAL,
            "risk_limit": REAL,
            "confidence": REAL,
            "n_accepted": INT,
            "n_risky": INT,
            "p_value": REAL,
            "accepted_share": REAL,
            "labels_needed": INT,
            "method": TEXT,
            "reason": TEXT,
        },
        ("stage", "candidate", "segment", "risk_limit", "confidence", "method", "reason"),
        ("stage", "candidate", "segment"),
    ),
    "recommendation": Table(
        {
            "candidate": TEXT,
            "segment": TEXT,
            "stage": TEXT,
            "binding_gate": TEXT,
            "next_step": TEXT,
            "score_threshold": REAL,
            "overridden": TEXT,
        },
        ("candidate", "segment", "stage", "next_step"),
        ("candidate", "segment"),
    ),
    # What was not in the log and had to be supplied, each with its source; `n` records it went
    # into. `assumed` is what a report lists: of the log, of the desk, and of the scenario.
    "assumed_log": ASSUMED,
    "assumed_desk": ASSUMED,
    "assumed": ASSUMED,
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
        {**POINT, **CONTEXT},
        ("conversation_id", "turn", "question_kind", "risk", "needs_human", "emotion"),
        ("conversation_id", "turn"),
        {"question_kind": QUESTION_KINDS, "risk": RISKS, "emotion": EMOTIONS},
    ),
}
