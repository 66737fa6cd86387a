"""Verdicts on replies, by rules.

A text is read once for all rows that repeat it: candidates quote the same articles again and
again. What depends on the point (authority, over-answering, tone to an upset customer) is then
judged for each row.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import polars as pl

from simulator import tables
from simulator.judging import actions, attitude
from simulator.judging.promises.authority import Policy
from simulator.judging.promises.commitments import Commitment, find_commitments
from simulator.retrieval import Retriever

JUDGE = "rules"
# Weakest retrieval hit at which a reply counts as citing an article.
MIN_CITATION = 0.2


class _Read(NamedTuple):
    """What a text says by itself."""

    commitments: tuple[Commitment, ...]
    strongest: str
    action: str
    shown_by: str
    asked_for: str | None
    breach: str | None


def judge_replies(
    shadow: pl.DataFrame,
    points: pl.DataFrame,
    contexts: pl.DataFrame,
    conversations: pl.DataFrame,
    policy: pl.DataFrame | None,
    knowledge: pl.DataFrame | None,
) -> pl.DataFrame:
    """The verdicts on all shadow rows.

    Args:
        shadow: table ``shadow``.
        points: table ``decision_points``; gives the time of each point.
        contexts: table ``contexts`` of one judge; a point without a context leaves ``over_answer``
            null.
        conversations: table ``conversations``; gives intent and language.
        policy: table ``commitments_policy``. None: ``authorised`` and ``risky_promise`` are null
            and ``unscored`` is ``no_policy``; all else is judged.
        knowledge: table ``knowledge``, to find what an answer cites. None: only what the
            candidate says it cites.

    Returns:
        Table ``verdicts`` with judge ``rules``, one row for each of ``shadow``, in its order. A row
        with an error or without a reply has ``unscored = no_reply`` and nothing else but the
        candidate's own action. ``evidence`` is an exact span of the reply.

    Raises:
        TableError: the policy cannot be used (see
            :class:`simulator.judging.promises.authority.Policy`).
    """
    rules = None if policy is None else Policy(policy)
    retriever = None if knowledge is None else Retriever(knowledge)
    times = {
        (conversation, turn): at
        for conversation, turn, at in points.select("conversation_id", "turn", "at").iter_rows()
    }
    about = {
        row[0]: row[1:]
        for row in conversations.select("conversation_id", "intent", "language").iter_rows()
    }
    judged = {
        row[:2]: row[2:]
        for row in contexts.select(
            "conversation_id", "turn", "risk", "info_sufficient", "emotion"
        ).iter_rows()
    }
    cited: dict[tuple[str, str | None, datetime | None], str | None] = {}
    rows: list[dict[str, Any]] = []
    for candidate, conversation, turn, chosen, reply, articles, error in shadow.select(
        "candidate", "conversation_id", "turn", "action", "reply", "article_ids", "error"
    ).iter_rows():
        row: dict[str, Any] = {
            "judge": JUDGE,
            "candidate": candidate,
            "conversation_id": conversation,
            "turn": turn,
            "action": chosen,
        }
        rows.append(row)
        if error is not None or reply is None or not reply.strip():
            row["unscored"] = "no_reply"
            continue
        intent, language = about.get(conversation, (None, None))
        at = times.get((conversation, turn))
        risk, informed, emotion = judged.get((conversation, turn), (None, None, None))
        read = _read(reply, language)
        action = chosen or read.action
        tone = attitude.tone(reply, emotion)
        article = articles[0] if articles else None
        if article is None and action == "answer" and retriever is not None:
            key = (reply, language, at)
            if key not in cited:
                hits = retriever.top(*key)
                best = hits[0] if hits and hits[0].score >= MIN_CITATION else None
                cited[key] = best.article_id if best else None
            article = cited[key]
        authorised: bool | None = None
        if rules is not None:
            authorised = read.strongest != "firm" or rules.authorised(
                read.commitments,
                rules.stated(reply, language, at),
                intent=intent,
                language=language,
                at=at,
                speaker="agent" if candidate == "human" else "auto",
            )
        row |= {
            "action": action,
            "commitment": read.strongest,
            "commitments": [one._asdict() for one in read.commitments],
            "cited_article": article,
            "asked_for": read.asked_for if action == "clarify" else None,
            "authorised": authorised,
            "risky_promise": None if authorised is None else not authorised,
            "compliance_breach": read.breach is not None,
            "over_answer": _over_answer(action, risk, informed),
            "tone": tone.tone,
            "evidence": _evidence(read, tone.span),
            "unscored": "no_policy" if rules is None else None,
        }
    return tables.build("verdicts", rows)


@lru_cache(maxsize=65536)
def _read(reply: str, language: str | None) -> _Read:
    found = tuple(find_commitments(reply, language))
    firm = any(one.firmness == "firm" for one in found)
    action, shown_by = actions.action(reply)
    breach = attitude.breach(reply)
    return _Read(
        found,
        "firm" if firm else "hedged" if found else "none",
        action,
        shown_by,
        actions.asked_for(reply),
        breach[1] if breach else None,
    )


def _over_answer(action: str, risk: str | None, informed: bool | None) -> bool | None:
    if action != "answer":
        return False
    if risk == "high" or informed is False:
        return True
    return None if risk is None or informed is None else False


def _evidence(read: _Read, tone: str | None) -> str:
    # The gravest finding speaks: a firm commitment, a breach, the tone, and else the action.
    firm = next((one.span for one in read.commitments if one.firmness == "firm"), None)
    hedged = read.commitments[0].span if read.commitments else None
    return firm or read.breach or tone or hedged or read.shown_by
