"""What a decision point calls for, by rules: kind of question, risk, emotion, what is missing.

Causal: the context at (conversation, turn t) is made from turns 0..t of that conversation and from
its intent, channel and language; nothing later and no outcome is read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import polars as pl

from simulator import tables
from simulator.judging import signals
from simulator.judging.emotion import Mood, level, mood, said_thanks
from simulator.judging.quantities import fold

JUDGE = "rules"
# Topics whose answer turns on the customer's own case.
_CASES = ("delivery", "refund_timing", "price_protection", "address_change", "warranty_repair")


class _Heard(NamedTuple):
    """What one customer message shows by itself."""

    risks: tuple[tuple[str, str], ...]
    serious: bool
    medium: bool
    wants_person: bool
    failed: bool
    personal: bool
    strategy: bool
    status: bool
    topic: str | None
    needs: tuple[str, ...]
    mood: Mood
    thanks: bool


def judge_contexts(
    points: pl.DataFrame, turns: pl.DataFrame, conversations: pl.DataFrame
) -> pl.DataFrame:
    """The contexts of all decision points.

    Args:
        points: table ``decision_points``.
        turns: table ``turns``.
        conversations: table ``conversations``; only ``intent`` is read, where the words of the
            customer name no topic.

    Returns:
        Table ``contexts`` with judge ``rules``, one row a point, in the order of ``points``.
        ``evidence`` is the exact span of a customer's turn that decided the risk, or else the
        emotion; null where neither is raised. ``missing_info`` uses the words order_number,
        payment_method, date, product, account, address, amount, details.
    """
    intents = dict(conversations.select("conversation_id", "intent").iter_rows())
    wanted = points.select("conversation_id").unique()
    said: dict[str, list[tuple[int, str, str]]] = {}
    kept = turns.join(wanted, on="conversation_id", how="semi", maintain_order="left").sort(
        "conversation_id", "turn"
    )
    for conversation, turn, role, text in kept.select(
        "conversation_id", "turn", "role", "text"
    ).iter_rows():
        said.setdefault(conversation, []).append((turn, role, text or ""))
    order = {key: i for i, key in enumerate(points.select("conversation_id", "turn").iter_rows())}
    rows: list[dict[str, Any]] = [{}] * len(order)
    by_conversation: dict[str, list[int]] = {}
    for conversation, turn in order:
        by_conversation.setdefault(conversation, []).append(turn)
    for conversation, at in by_conversation.items():
        spoken = said.get(conversation, [])
        for turn, context in _contexts(spoken, sorted(at), intents.get(conversation)):
            rows[order[conversation, turn]] = {
                "judge": JUDGE,
                "conversation_id": conversation,
                "turn": turn,
                **context,
            }
    return tables.build("contexts", rows)


def _contexts(
    spoken: list[tuple[int, str, str]], at: list[int], intent: str | None
) -> list[tuple[int, dict[str, Any]]]:
    found = []
    heard: list[_Heard] = []
    named: set[str] = set()
    feeling, feeling_span = 0.0, None
    waiting = list(spoken)
    for turn in at:
        while waiting and waiting[0][0] <= turn:
            _, role, text = waiting.pop(0)
            if role in ("customer", "agent", "bot"):
                named |= _named(text) if role == "customer" else _named(text) - {"date", "amount"}
            if role == "customer":
                one = _heard(text)
                # Anger lasts, but fades: three quarters are left after the next message.
                carried = 0.0 if one.thanks and one.mood.score < 1 else feeling * 0.75
                feeling = one.mood.score + carried
                feeling_span = one.mood.span or (feeling_span if carried else None)
                heard.append(one)
        found.append((turn, _context(heard, named, feeling, feeling_span, intent)))
    return found


def _context(
    heard: list[_Heard], named: set[str], feeling: float, span: str | None, intent: str | None
) -> dict[str, Any]:
    risks = {kind: words for one in heard for kind, words in one.risks}
    emotion = level(feeling)
    serious = any(kind in signals.HIGH for kind in risks) or any(one.serious for one in heard)
    if serious:
        risk = "high"
    elif "money_dispute" in risks or any(one.medium for one in heard) or emotion == "angry":
        risk = "medium"
    else:
        risk = "low"
    topic, needs = next(((one.topic, one.needs) for one in heard if one.topic), _by_intent(intent))
    last = heard[-1] if heard else None
    personal = any(one.personal for one in heard)
    # Somebody who asks how returns work needs no order number; who asks for their own refund does.
    asked = needs if personal or risk != "low" else ()
    missing = [item for item in needs if item in asked and item not in named]
    if topic is None and last is not None and not last.thanks and personal and risk == "low":
        missing = [] if named & {"product", "order_number", "account"} else ["details"]
    failed = sum(one.failed for one in heard)
    wants = any(one.wants_person for one in heard[-2:])
    decisive = next((words for kind, words in risks.items() if kind in signals.HIGH), None)
    return {
        "question_kind": _question_kind(heard, risk, emotion, topic),
        "risk": risk,
        "risk_kinds": sorted(risks),
        "needs_human": serious or wants or failed >= 2,
        "info_sufficient": not missing,
        "missing_info": missing,
        "emotion": emotion,
        "evidence": decisive or next(iter(risks.values()), None) or span,
    }


def _question_kind(heard: list[_Heard], risk: str, emotion: str, topic: str | None) -> str:
    if risk == "high" or emotion == "angry" or any(one.strategy for one in heard):
        return "strategy"
    own = any(one.personal for one in heard)
    if risk == "medium" or (own and (topic in _CASES or any(one.status for one in heard))):
        return "mixed"
    return "knowledge"


def _by_intent(intent: str | None) -> tuple[str | None, tuple[str, ...]]:
    words = (intent or "").replace("_", " ").replace("-", " ").lower()
    for topic, pattern, needs in signals.TOPICS:
        if intent == topic or (words and pattern.search(words)):
            return topic, needs
    return None, ()


@lru_cache(maxsize=65536)
def _heard(text: str) -> _Heard:
    folded = fold(text)
    risks = []
    for kind, pattern in signals.RISKS:
        match = pattern.search(folded)
        if match:
            risks.append((kind, text[match.start() : match.end()]))
    topic, needs = next(
        ((name, items) for name, pattern, items in signals.TOPICS if pattern.search(folded)),
        (None, ()),
    )
    return _Heard(
        tuple(risks),
        signals.SERIOUS_DISPUTE.search(folded) is not None
        and any(kind == "money_dispute" for kind, _ in risks),
        signals.MEDIUM.search(folded) is not None,
        signals.WANTS_PERSON.search(folded) is not None,
        signals.FAILED_AGAIN.search(folded) is not None,
        signals.PERSONAL.search(folded) is not None,
        signals.STRATEGY.search(folded) is not None,
        signals.STATUS.search(folded) is not None,
        topic,
        needs,
        mood(text),
        said_thanks(folded),
    )


@lru_cache(maxsize=65536)
def _named(text: str) -> frozenset[str]:
    folded = fold(text)
    return frozenset(item for item, pattern in signals.NAMED.items() if pattern.search(folded))
