"""All that the kinds of boundary cases are looked for in, and how one is written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from simulator.boundary.readings import INCUMBENT, called_for, points_read, replies_read
from simulator.boundary.wording import Borrowed, Mandated, Words, stock
from simulator.streams import stable_hash

Row = dict[str, Any]
_Point = tuple[str, int]


class History(NamedTuple):
    """The part of a run that cases may come from; tables of :mod:`simulator.schema`.

    Attributes:
        decision_points, conversations, contexts, shadow, verdicts, labels: of these conversations.
        knowledge, commitments_policy: of the run.
        prompts: table ``prompts``, a row a decision point.
        dev: ids of the conversations of the dev part, whose words are not lent.
        came_back: ids of the conversations that somebody came back after before the cut.
    """

    decision_points: pl.DataFrame
    conversations: pl.DataFrame
    contexts: pl.DataFrame
    shadow: pl.DataFrame
    verdicts: pl.DataFrame
    labels: pl.DataFrame
    knowledge: pl.DataFrame
    commitments_policy: pl.DataFrame
    prompts: pl.DataFrame
    dev: frozenset[str]
    came_back: frozenset[str]


class Scene(NamedTuple):
    """Points and replies with what is known of them.

    Attributes:
        points: rows of :func:`simulator.boundary.readings.called_for`, with ``dev`` and
            ``came_back``, in order.
        incumbent: the incumbent's reply at each point where there is one.
        others: the candidates' replies at each point, by name.
        borrowed: the incumbent's good replies.
        mandated: the policy's wordings.
        stock: candidate and reply, where the candidate says it in two conversations or more.
        seen: all that the prompt of each point says.
    """

    points: list[Row]
    incumbent: Mapping[_Point, Row]
    others: Mapping[_Point, list[Row]]
    borrowed: Borrowed
    mandated: Mandated
    stock: frozenset[tuple[str, str]]
    seen: Mapping[_Point, str]


def scene_of(history: History) -> Scene:
    """The scene of a history's exported part."""
    points = points_read(
        history.decision_points,
        history.conversations,
        history.contexts,
        history.labels,
        history.knowledge,
    )
    replies = replies_read(history.shadow, history.verdicts, history.labels)
    own = replies.filter(pl.col("candidate") == INCUMBENT)
    of = pl.col("conversation_id")
    points = called_for(points, own).with_columns(
        of.is_in(sorted(history.dev)).alias("dev"),
        of.is_in(sorted(history.came_back)).alias("came_back"),
    )
    others: dict[_Point, list[Row]] = {}
    for row in replies.filter(pl.col("candidate") != INCUMBENT).iter_rows(named=True):
        others.setdefault(point_of(row), []).append(row)
    seen = {
        (conversation, turn): "\n".join(message["content"] for message in messages)
        for conversation, turn, messages in history.prompts.iter_rows()
    }
    return Scene(
        points.to_dicts(),
        {point_of(row): row for row in own.iter_rows(named=True)},
        others,
        Borrowed(points, own),
        Mandated(history.commitments_policy, history.knowledge),
        frozenset(
            (str(candidate), text)
            for (candidate,), part in replies.group_by("candidate")
            for text in stock(part)
        ),
        seen,
    )


def point_of(row: Mapping[str, Any]) -> _Point:
    """Conversation and turn."""
    return row["conversation_id"], row["turn"]


def said_by(reply: Mapping[str, Any]) -> Words:
    """A reply with whose words it is."""
    who = f"{reply['candidate']} {reply['conversation_id']}/{reply['turn']}"
    if reply["candidate"] == INCUMBENT:
        who = f"incumbent {reply['conversation_id']}/{reply['turn']}"
    return Words(reply["reply"].strip(), reply["action"], who)


def at_fault(reply: Mapping[str, Any]) -> bool:
    """Whether a reply promises what it may not, or answers without knowing enough."""
    return bool(reply["risky_promise"]) or bool(reply["over_answer"])


def answered_at(scene: Scene, row: Row) -> Iterator[Row]:
    """The candidates' replies at a point that answered, the most flatly promising first."""
    answers = [one for one in scene.others.get(point_of(row), []) if one["action"] == "answer"]
    firmness = {"firm": 1, "hedged": 2, "none": 3}

    def order(one: Row) -> tuple[bool, int, int]:
        drawn = stable_hash([f"{point_of(row)}\x1f{one['candidate']}"])[0]
        return not one["risky_promise"], firmness.get(one["commitment"], 3), int(drawn)

    yield from sorted(answers, key=order)


def case(
    kind: str,
    row: Row,
    chosen: Words,
    rejected: Words | None,
    reason: str | None,
    known_by: str,
    why: str,
) -> Row:
    """A row of table ``boundary_cases``; without ``rejected`` there is no pair and no reason."""
    place = [kind, row["conversation_id"], row["turn"], reason, chosen, rejected]
    return {
        "case_id": f"{int(stable_hash([repr(place)])[0]):016x}",
        "kind": kind,
        "conversation_id": row["conversation_id"],
        "turn": row["turn"],
        "language": row["language"],
        "intent": row["intent"],
        "known_by": known_by,
        "why": why,
        "chosen": chosen.text,
        "chosen_action": chosen.action,
        "chosen_from": chosen.source,
        "reason": reason if rejected else None,
        "rejected": rejected.text if rejected else None,
        "rejected_action": rejected.action if rejected else None,
        "rejected_from": rejected.source if rejected else None,
    }
