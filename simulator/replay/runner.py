"""Putting decision points before a candidate; replies are kept one by one and survive a kill.

A reply is kept under a key: the digest of the candidate (what its replies depend on) and of what it
could see at that point. Equal keys are asked once. Points are asked in the order of conversations
and turns, so that an engine which keeps the beginnings of prompts can use them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import polars as pl

from simulator.backends import final
from simulator.candidates import Answerer, Point, Reply
from simulator.errors import HistoryError
from simulator.replay.decision_points import seen
from simulator.replay.kept import Kept
from simulator.schema import ACTIONS
from simulator.schema.columns import CONTEXT
from simulator.store import fingerprint
from simulator.tables import build, conform, empty

_CONTEXT = tuple(CONTEXT)
# Points held in memory with all that was said before them.
_CHUNK = 5_000


class Replies(Protocol):
    """Where replies are kept between runs (see :class:`simulator.replay.kept.KeptReplies`)."""

    def get(self, keys: Sequence[str]) -> dict[str, Kept]:
        """Those of ``keys`` that are there."""

    def put(self, key: str, kept: Kept) -> None:
        """Store a reply."""


class Replayed(NamedTuple):
    """``shadow``: the table's rows of the candidate. ``account``: its row of replay_account."""

    shadow: pl.DataFrame
    account: pl.DataFrame


def replay(
    name: str,
    answerer: Answerer,
    points: pl.DataFrame,
    turns: pl.DataFrame,
    conversations: pl.DataFrame,
    contexts: pl.DataFrame,
    kept: Replies,
    progress: Callable[[int], None] = lambda n: None,
) -> Replayed:
    """What candidate ``name`` says at every point.

    Args:
        name: of the candidate; not human (see :mod:`simulator.candidates.human`).
        answerer: of it.
        points: table ``decision_points``.
        turns: table ``turns``.
        conversations: table ``conversations`` (channel, language).
        contexts: table ``contexts``: judged from turns 0..t only.
        kept: where replies are kept, for this candidate alone. A reply that is missing for
            something that may pass (a server that was away) is a row with ``error`` and is not
            kept, so that the next run asks again.
        progress: told how many more points are done.

    Raises:
        HistoryError: not one recorded reply belongs to a decision point.
        BackendError: the model cannot go on; what was answered so far is kept.
    """
    print_of = fingerprint(*answerer.identity)
    asking = _Asking(answerer, kept)
    frames, all_known = [], dict[str, Kept]()
    try:
        for chunk in points_seen(points, turns, conversations, contexts):
            keys = [fingerprint(print_of, answerer.sight(point)) for point in chunk]
            known = asking.known(keys, chunk, progress)
            frames.append(_rows(name, chunk, keys, known))
            all_known |= {key: one._replace(reply=_spent(one.reply)) for key, one in known.items()}
    finally:
        answerer.close()
    found = pl.concat(frames) if frames else empty("shadow")
    if found.height and _strange(found["error"]).all():
        raise HistoryError(
            f"{name}: none of its recorded replies belongs to a decision point of this history; "
            "conversation_id and turn must be those of the table decision_points; take the "
            "candidate out, or give the history that it was recorded on"
        )
    return Replayed(found, _account(name, found, all_known))


class _Asking:
    """Answers from what is kept, and asks for the rest."""

    def __init__(self, answerer: Answerer, kept: Replies) -> None:
        self.answerer, self.kept = answerer, kept
        self.ready = False

    def known(
        self, keys: Sequence[str], chunk: Sequence[Point], progress: Callable[[int], None]
    ) -> dict[str, Kept]:
        """The replies to a chunk by key."""
        waiting = Counter(keys)
        known = self.kept.get(list(waiting))
        progress(sum(waiting[key] for key in known))
        new = {key: point for key, point in zip(keys, chunk, strict=True) if key not in known}
        if not new:
            return known
        # A replay that was finished before loads no model.
        if not self.ready:
            self.answerer.ready()
            self.ready = True
        asked = list(new)
        began = time.perf_counter()
        for index, reply in self.answerer.answer(list(new.values())):
            now = time.perf_counter()
            known[asked[index]] = one = Kept(_mended(reply), now - began)
            began = now
            if final(one.reply.error):
                self.kept.put(asked[index], one)
            progress(waiting[asked[index]])
        return known


def _strange(errors: pl.Series) -> pl.Series:
    """Where a recording had nothing to say to exactly these turns."""
    return errors.is_in(["not_recorded", "context_mismatch"]).fill_null(False)


def _mended(reply: Reply) -> Reply:
    # Words of nothing but space are no reply, whoever said them.
    blank = reply.reply is not None and not reply.reply.strip()
    silent = blank and reply.action != "escalate" and reply.error is None
    return reply._replace(
        reply=None if blank else reply.reply, error="no_reply" if silent else reply.error
    )


def _rows(
    name: str, chunk: Sequence[Point], keys: Sequence[str], known: dict[str, Kept]
) -> pl.DataFrame:
    rows = []
    for point, key in zip(chunk, keys, strict=True):
        fields = known[key].reply._asdict()
        probs = fields["action_probs"]
        rows.append(
            {
                **fields,
                "candidate": name,
                "conversation_id": point.conversation_id,
                "turn": point.turn,
                "key": key,
                "article_ids": list(fields["article_ids"]),
                "action_probs": probs and dict(zip(ACTIONS, probs, strict=True)),
            }
        )
    return conform("shadow", pl.DataFrame(rows, infer_schema_length=None))


def _spent(reply: Reply) -> Reply:
    # The words are in the table by now; the account needs the numbers alone.
    return reply._replace(reply=None, article_ids=(), action_probs=None)


def _account(name: str, shadow: pl.DataFrame, known: dict[str, Kept]) -> pl.DataFrame:
    replies = [one.reply for one in known.values()]
    failures = Counter(failure for reply in replies for failure in reply.failures)

    def total(field: str) -> int | None:
        found = [n for reply in replies if (n := getattr(reply, field)) is not None]
        return sum(found) if found else None

    return build(
        "replay_account",
        [
            {
                "candidate": name,
                "n_points": shadow.height,
                "n_asked": len(known),
                "n_errors": shadow["error"].is_not_null().sum(),
                "n_cut_off": (shadow["finish_reason"] == "length").sum(),
                "n_shortened": (shadow["n_dropped_turns"] > 0).sum(),
                "prompt_tokens": total("prompt_tokens"),
                "cached_prompt_tokens": total("cached_prompt_tokens"),
                "completion_tokens": total("completion_tokens"),
                "took_s": sum(one.took_s for one in known.values()),
                "failures": [{"failure": f, "n": n} for f, n in sorted(failures.items())],
            }
        ],
    )


def points_seen(
    points: pl.DataFrame,
    turns: pl.DataFrame,
    conversations: pl.DataFrame,
    contexts: pl.DataFrame,
) -> Iterator[list[Point]]:
    """Decision points as candidates see them, some thousands at a time.

    Args:
        points: table ``decision_points``.
        turns: table ``turns``.
        conversations: table ``conversations`` (channel, language).
        contexts: table ``contexts``; may be empty.
    """
    wanted = points.select("conversation_id").unique()
    said = dict(seen(turns.join(wanted, on="conversation_id", how="semi", maintain_order="left")))
    rows = (
        points.sort("conversation_id", "turn")
        .join(
            conversations.select("conversation_id", "channel", "language"),
            on="conversation_id",
            how="left",
            maintain_order="left",
        )
        .join(
            contexts.select("conversation_id", "turn", pl.struct(_CONTEXT).alias("context")),
            on=("conversation_id", "turn"),
            how="left",
            maintain_order="left",
        )
        .select("conversation_id", "turn", "channel", "language", "at", "context")
    )
    for start in range(0, rows.height, _CHUNK):
        yield [
            _point(said[conversation], conversation, turn, channel, language, at, context)
            for conversation, turn, channel, language, at, context in rows.slice(
                start, _CHUNK
            ).iter_rows()
        ]


def _point(
    said: Sequence[tuple[int, Any]],
    conversation: str,
    turn: int,
    channel: str,
    language: str | None,
    at: datetime | None,
    context: dict[str, Any] | None,
) -> Point:
    # The cut that keeps the future out.
    past = tuple(one for number, one in said if number <= turn)
    return Point(conversation, turn, past, channel, language, at, context)
