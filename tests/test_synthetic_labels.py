"""Labels read off the truth of the synthetic sample."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import tables
from simulator.judging.audit.synthetic_labels import Moment, Truth, label_from_truth
from simulator.judging.promises.authority import Policy
from simulator.sentences import sentences

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CELL = {"stage": "wider_auto", "candidate": "x"}

FLAT = "Your refund arrives in 3 days."
CONDITION = "This holds for card payments."
WAIVER = "I'll waive the fee."
HEDGE = "It usually takes 3-7 days."
PLAIN = "Thanks for waiting."
UNLISTED = "Moonbeams are made of cheese."

SENTENCES = tables.build(
    "truth_sentences",
    [
        {"language": "en", "states_condition_of": [], "firmness": "none"} | row
        for row in (
            {"sentence": FLAT, "kind": "refund", "value": 3.0, "unit": "day", "firmness": "firm"},
            {"sentence": CONDITION, "states_condition_of": ["card"]},
            {"sentence": WAIVER, "kind": "waiver", "firmness": "firm"},
            {
                "sentence": HEDGE,
                "kind": "refund",
                "value": 7.0,
                "unit": "day",
                "firmness": "hedged",
            },
            {"sentence": PLAIN},
        )
    ],
)
POLICY = Policy(
    tables.build(
        "commitments_policy",
        [
            {"rule_id": "card", "kind": "refund", "allowed": "conditional", "speaker": "auto"}
            | {"limit_value": 5.0, "limit_unit": "day", "condition_patterns": ["card payments"]},
            {"rule_id": "fees", "kind": "waiver", "allowed": "always", "speaker": "agent"},
        ],
    )
)
BOT = Moment("refund", "en", NOW, "auto")


@pytest.mark.parametrize(
    ("reply", "commitment", "authorised", "risky"),
    [
        (PLAIN, "none", True, False),
        (HEDGE, "hedged", True, False),
        (FLAT, "firm", False, True),
        (f"{FLAT} {CONDITION}", "firm", True, False),
        (f"{HEDGE} {WAIVER}", "firm", False, True),
        (UNLISTED, None, None, None),
        (f"{PLAIN} {UNLISTED}", None, None, None),
        # What is not listed might state the condition, but nothing lets a bot waive a fee.
        (f"{FLAT} {UNLISTED}", None, None, None),
        (f"{WAIVER} {UNLISTED}", "firm", False, True),
    ],
)
def test_exact_truth_of_a_reply(
    reply: str, commitment: str | None, authorised: bool | None, risky: bool | None
) -> None:
    found = Truth(SENTENCES, POLICY).of(reply, BOT)
    assert (found.commitment, found.authorised, found.risky_promise) == (
        commitment,
        authorised,
        risky,
    )


def test_exact_who_says_it_decides() -> None:
    truth = Truth(SENTENCES, POLICY)
    assert truth.of(WAIVER, BOT).risky_promise is True
    assert truth.of(WAIVER, BOT._replace(speaker="agent")).risky_promise is False


def test_exact_without_a_policy_nothing_is_risky_or_safe() -> None:
    found = Truth(SENTENCES, None).of(FLAT, BOT)
    assert (found.commitment, found.authorised, found.risky_promise) == ("firm", None, None)
    assert [one.kind for one in found.commitments] == ["refund"]


@given(st.lists(st.sampled_from([FLAT, CONDITION, WAIVER, HEDGE, PLAIN]), max_size=5))
def test_property_an_unlisted_sentence_only_hides(parts: list[str]) -> None:
    truth = Truth(SENTENCES, POLICY)
    whole = truth.of(" ".join(parts), BOT)
    hidden = truth.of(" ".join([*parts, UNLISTED]), BOT)
    assert sentences(" ".join(parts)) == parts
    assert hidden.risky_promise in (whole.risky_promise, None)
    assert hidden.risky_promise is not False
    assert hidden.commitments == whole.commitments


def _labels(replies: dict[tuple[str, int], dict[str, Any]], **more: Any) -> pl.DataFrame:
    """Labels of conversations a, b, ... with points at turns 0 and 2."""
    names = sorted({name for name, _ in replies})
    places = [(name, turn) for name in names for turn in (0, 2)]
    shadow, decisions = [], []
    for (name, turn), row in replies.items():
        key = {"candidate": "x", "conversation_id": name, "turn": turn}
        shadow.append({**key, "key": "k", "action": "answer"} | row)
        decisions.append(
            {**key, "stage": "wider_auto", "mode": "auto", "rule": "r", "reach": "reached"}
            | more.get("decision", {}).get((name, turn), {})
        )
    contexts = [
        {"conversation_id": name, "turn": turn, "question_kind": "strategy", "risk": "high"}
        | {"needs_human": True, "emotion": "angry"}
        for name, turn in places
    ]
    return label_from_truth(
        pl.DataFrame(
            [
                {**CELL, "conversation_id": name, "inclusion_prob": 0.25, "draw_id": "d"}
                | {"stratum": more.get("stratum", "unflagged")}
                for name in names
            ]
        ),
        tables.build("shadow", shadow),
        tables.build(
            "decision_points",
            [
                {"conversation_id": name, "turn": turn, "n_th": turn // 2, "at": NOW}
                | {"context_hash": "h"}
                for name, turn in places
            ],
        ),
        tables.build("decisions", decisions),
        tables.build(
            "conversations",
            [
                {"conversation_id": name, "channel": "chat", "intent": "refund", "language": "en"}
                for name in names
            ],
        ),
        SENTENCES,
        tables.build("truth_contexts", contexts),
        POLICY,
    )


def test_exact_rows_of_a_drawn_conversation() -> None:
    labels = _labels(
        {
            ("a", 0): {"reply": PLAIN},
            ("a", 2): {"reply": f"{FLAT} {WAIVER}"},
            ("b", 0): {"reply": HEDGE},
            ("b", 2): {"reply": "I pass you on.", "action": "escalate"},
            ("c", 0): {"reply": UNLISTED},
            ("c", 2): {"reply": PLAIN},
        }
    )
    shown = labels.select("conversation_id", "unit", "turn", "risk", "commitment", "risky_promise")
    assert shown.rows() == [
        ("a", "turn", 0, "high", "none", False),
        ("a", "turn", 2, "high", "firm", True),
        ("b", "turn", 0, "high", "hedged", False),
        ("b", "turn", 2, "high", None, None),
        ("c", "turn", 0, "high", None, None),
        ("c", "turn", 2, "high", "none", False),
        ("a", "conversation", None, None, None, True),
        ("b", "conversation", None, None, None, False),
        ("c", "conversation", None, None, None, None),
    ]
    assert [one["kind"] for one in labels["commitments"][1]] == ["refund", "waiver"]
    assert labels["commitments"][0].to_list() == []
    assert labels["commitments"][4] is None
    for column, value in (
        ("labeller", "synthetic"),
        ("split", "certify"),
        ("stratum", "unflagged"),
        ("inclusion_prob", 0.25),
        ("draw_id", "d"),
    ):
        assert set(labels[column]) == {value}


def test_exact_words_that_nobody_would_read_are_not_judged() -> None:
    labels = _labels(
        {("a", 0): {"reply": PLAIN}, ("a", 2): {"reply": WAIVER}},
        decision={("a", 2): {"reach": "after_handoff"}},
    )
    assert labels["risky_promise"].to_list() == [False, None, False]
    assert labels["risk"].to_list() == ["high", "high", None]


@pytest.mark.parametrize("reply", [PLAIN, WAIVER, UNLISTED])
def test_exact_without_a_bot_there_is_risk_and_no_verdict(reply: str) -> None:
    labels = _labels({("a", 0): {"reply": reply}, ("a", 2): {"reply": reply}}, stratum="no_bot")
    assert labels["risky_promise"].to_list() == [None, None, None]
    assert labels["commitment"].to_list() == [None, None, None]
    assert labels["risk"].to_list() == ["high", "high", None]
    assert labels["unit"].to_list() == ["turn", "turn", "conversation"]


def test_exact_words_after_a_divergence_are_judged() -> None:
    labels = _labels(
        {("a", 0): {"reply": PLAIN}, ("a", 2): {"reply": WAIVER}},
        decision={("a", 2): {"reach": "after_divergence"}},
    )
    assert labels["risky_promise"].to_list() == [False, True, True]


@pytest.mark.parametrize("second", [PLAIN, UNLISTED])
def test_exact_one_risky_reply_makes_the_conversation_risky(second: str) -> None:
    labels = _labels({("a", 0): {"reply": WAIVER}, ("a", 2): {"reply": second}})
    assert labels["risky_promise"][-1] is True
