"""Audit labels of the synthetic sample, read off its truth: what a faultless labeller would say.

The sample's truth lists every sentence that its generator writes. A reply's truth is a join on
its sentences; a reply with a sentence that nobody listed (a model's own words) is unknown, unless
what is known of it settles the matter however the rest reads. No candidate and no judge sees
any of this, and the labels say ``labeller = "synthetic"``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from simulator import tables
from simulator.evidence.audited import NO_BOT
from simulator.judging.audit.domain import auto_points
from simulator.judging.promises.authority import Policy
from simulator.judging.promises.commitments import Commitment
from simulator.schema import FIRMNESS
from simulator.schema.columns import CONTEXT
from simulator.sentences import sentences

_CELL = ["stage", "candidate"]
_CONTEXT = tuple(CONTEXT)


class ReplyTruth(NamedTuple):
    """What a reply holds. ``commitment`` none, hedged or firm; null where it cannot be known.

    ``authorised`` is true where nothing firm is said, null too where no policy says what is
    allowed.
    """

    commitment: str | None
    commitments: tuple[Commitment, ...]
    authorised: bool | None
    risky_promise: bool | None


class Moment(NamedTuple):
    """Where and when a reply is given, and by whom ("auto" or "agent")."""

    intent: str | None
    language: str | None
    at: datetime | None
    speaker: str


class Truth:
    """Looks up the truth of replies, sentence by sentence.

    Args:
        truth_sentences: table ``truth_sentences``.
        policy: what may be promised; null leaves ``authorised`` and ``risky_promise`` null.
    """

    def __init__(self, truth_sentences: pl.DataFrame, policy: Policy | None) -> None:
        self._policy = policy
        self._rows = {row["sentence"]: row for row in truth_sentences.iter_rows(named=True)}
        self._conditions = _conditions(self._rows.values())
        self._seen: dict[tuple[str, Moment], ReplyTruth] = {}

    def of(self, reply: str, moment: Moment) -> ReplyTruth:
        """The truth of ``reply`` said at ``moment``."""
        if (reply, moment) not in self._seen:
            self._seen[reply, moment] = self._look_up(reply, moment)
        return self._seen[reply, moment]

    def _look_up(self, reply: str, moment: Moment) -> ReplyTruth:
        parts = sentences(reply)
        known = [self._rows[part] for part in parts if part in self._rows]
        complete = len(known) == len(parts)
        commitments = tuple(_commitment(row) for row in known if row["firmness"] != "none")
        strongest = max((one.firmness for one in commitments), key=FIRMNESS.index, default="none")
        if self._policy is None:
            return ReplyTruth(strongest if complete else None, commitments, None, None)
        # An unlisted sentence may state any condition: read it in the reply's favour, and call
        # the reply unauthorised only if that does not help.
        stated = _conditions(known) if complete else self._conditions
        authorised = self._policy.authorised(
            commitments,
            stated,
            intent=moment.intent,
            language=moment.language,
            at=moment.at,
            speaker=moment.speaker,
        )
        if complete:
            return ReplyTruth(strongest, commitments, authorised, not authorised)
        if not authorised:
            return ReplyTruth("firm", commitments, False, True)
        return ReplyTruth(None, commitments, None, None)


def label_from_truth(
    draw: pl.DataFrame,
    shadow: pl.DataFrame,
    points: pl.DataFrame,
    decisions: pl.DataFrame,
    conversations: pl.DataFrame,
    truth_sentences: pl.DataFrame,
    truth_contexts: pl.DataFrame,
    policy: Policy | None,
) -> pl.DataFrame:
    """Labels of the drawn conversations.

    A row of unit "turn" for every decision point of a drawn conversation, with the true context;
    its verdict columns are filled only where the candidate's words would have reached the
    customer (the auto domain). And a row of unit "conversation" with ``risky_promise``: true if
    any reply is, else null if any is unknown, else false; in stratum no_bot, where nothing was
    said that could be risky or safe, null.

    Args:
        draw: what :func:`simulator.judging.audit.draw.draw` and ``draw_no_bot`` give.
        shadow: table ``shadow``.
        points: table ``decision_points``.
        decisions: table ``decisions``.
        conversations: table ``conversations`` (intent and language).
        truth_sentences: table ``truth_sentences``.
        truth_contexts: table ``truth_contexts``.
        policy: the true policy, not the one that a candidate was given.

    Returns:
        Table ``labels``: split "certify", labeller "synthetic".
    """
    truth = Truth(truth_sentences, policy)
    spoken = auto_points(
        decisions, shadow, tables.empty("verdicts"), tables.empty("settlements")
    ).drop("flagged")
    rows = (
        draw.join(points.select("conversation_id", "turn", "at"), on="conversation_id")
        .join(
            spoken.with_columns(pl.lit(True).alias("spoken")),
            on=[*_CELL, "conversation_id", "turn"],
            how="left",
        )
        .join(
            shadow.select("candidate", "conversation_id", "turn", "action", "reply"),
            on=["candidate", "conversation_id", "turn"],
            how="left",
        )
        .join(truth_contexts, on=["conversation_id", "turn"], how="left")
        .join(
            conversations.select("conversation_id", "intent", "language"),
            on="conversation_id",
            how="left",
        )
        .sort(*_CELL, "conversation_id", "turn")
    )
    labels: list[dict[str, Any]] = []
    risky: dict[tuple[str, str, str], list[bool | None]] = {}
    for row in rows.iter_rows(named=True):
        label = {**_drawn(row), "turn": row["turn"], "unit": "turn"}
        label |= {column: row[column] for column in _CONTEXT}
        verdicts = risky.setdefault((row["stage"], row["candidate"], row["conversation_id"]), [])
        if row["spoken"] and row["stratum"] != NO_BOT:
            speaker = "agent" if row["candidate"] == "human" else "auto"
            moment = Moment(row["intent"], row["language"], row["at"], speaker)
            found = truth.of(row["reply"], moment)
            verdicts.append(found.risky_promise)
            label |= {
                "action": row["action"],
                "commitment": found.commitment,
                # Part of a list would read like all of it.
                "commitments": [one._asdict() for one in found.commitments]
                if found.commitment
                else None,
                "authorised": found.authorised,
                "risky_promise": found.risky_promise,
            }
        labels.append(label)
    for row in draw.sort(*_CELL, "conversation_id").iter_rows(named=True):
        replies = risky.get((row["stage"], row["candidate"], row["conversation_id"]), [])
        labels.append({**_drawn(row), "unit": "conversation", "risky_promise": _any(replies)})
    return tables.build("labels", labels)


def _drawn(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("stage", "candidate", "conversation_id", "draw_id", "stratum", "inclusion_prob")
    return {
        **{column: row[column] for column in kept},
        "labeller": "synthetic",
        "split": "certify",
    }


def _any(replies: Iterable[bool | None]) -> bool | None:
    found = set(replies)
    if True in found:
        return True
    # Without a reply there is nothing to call safe.
    return None if None in found or not found else False


def _conditions(rows: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(rule for row in rows for rule in row["states_condition_of"])


def _commitment(row: Mapping[str, Any]) -> Commitment:
    return Commitment(
        kind=row["kind"] or "other",
        value=row["value"],
        unit=row["unit"],
        firmness=row["firmness"],
        span=row["sentence"],
    )
