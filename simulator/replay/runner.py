"""Putting decision points before a candidate, in parts that survive a kill.

A reply is kept under a key: the digest of the candidate (configuration, version, the knowledge and
policy it was given) and of all that it could see at that point. Equal keys are asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from simulator.candidates import Answerer, Materials, Point, Reply, make, version
from simulator.errors import HistoryError
from simulator.replay.decision_points import seen
from simulator.scenario import Candidate
from simulator.schema.columns import CONTEXT
from simulator.store import fingerprint
from simulator.tables import conform, empty

_CONTEXT = tuple(CONTEXT)


class Parts(Protocol):
    """Where parts are kept between runs (see :class:`simulator.store.Parts`)."""

    def get(self, key: str) -> pl.DataFrame | None:
        """A part, or null."""

    def put(self, key: str, frame: pl.DataFrame) -> None:
        """Keep a part."""


def candidate_fingerprint(config: Candidate, materials: Materials) -> str:
    """What the replies of a candidate depend on besides the point."""
    recorded = config.source.read_bytes() if config.source and config.source.is_file() else b""
    return fingerprint(
        config.model_dump(mode="json"),
        version(),
        materials.knowledge,
        materials.policy,
        recorded,
    )


def replay(
    name: str,
    config: Candidate,
    materials: Materials,
    points: pl.DataFrame,
    turns: pl.DataFrame,
    conversations: pl.DataFrame,
    contexts: pl.DataFrame,
    parts: Parts,
    part: int = 500,
    progress: Callable[[int], None] = lambda n: None,
) -> pl.DataFrame:
    """The rows of table ``shadow`` for candidate ``name``.

    Args:
        name: of the candidate.
        config: its configuration; not kind human (see :mod:`simulator.candidates.human`).
        materials: knowledge and policy it is given.
        points: table ``decision_points``.
        turns: table ``turns``.
        conversations: table ``conversations`` (channel, language).
        contexts: table ``contexts``: judged from turns 0..t only.
        parts: where parts are kept, for this candidate alone.
        part: decision points to a part.
        progress: told how many more points are done.

    Raises:
        HistoryError: not one recorded reply belongs to a decision point.
    """
    print_of = candidate_fingerprint(config, materials)
    # Made at the first part that is missing: a finished replay loads no model.
    answerer: Answerer | None = None
    known: dict[str, Reply] = {}
    frames = []
    for number, chunk in enumerate(_chunks(points, turns, conversations, contexts, part)):
        key = f"{number:06d}-{fingerprint(print_of, [_place(point) for point in chunk])[:16]}"
        stored = parts.get(key)
        if stored is None:
            answerer = answerer or make(config, materials)
            stored = _answer(name, print_of, answerer, chunk, known)
            parts.put(key, stored)
        frames.append(stored)
        progress(len(chunk))
    found = pl.concat(frames) if frames else empty("shadow")
    if found.height and (found["error"] == "not_recorded").fill_null(False).all():
        raise HistoryError(
            f"{config.source}: none of its replies belongs to a decision point of this history; "
            "conversation_id and turn must be those of the table decision_points"
        )
    return found


def _answer(
    name: str, print_of: str, answerer: Answerer, chunk: Sequence[Point], known: dict[str, Reply]
) -> pl.DataFrame:
    keys = [fingerprint(print_of, _sight(point)) for point in chunk]
    new = {key: point for key, point in zip(keys, chunk, strict=True) if key not in known}
    for key, reply in zip(new, answerer(list(new.values())), strict=True):
        # Words of nothing but space are no reply, whoever said them.
        blank = reply.reply is not None and not reply.reply.strip()
        silent = blank and reply.action != "escalate" and reply.error is None
        known[key] = reply._replace(
            reply=None if blank else reply.reply, error="no_reply" if silent else reply.error
        )
    rows = [
        {
            "candidate": name,
            "conversation_id": point.conversation_id,
            "turn": point.turn,
            "key": key,
            **known[key]._asdict(),
            "article_ids": list(known[key].article_ids),
        }
        for key, point in zip(keys, chunk, strict=True)
    ]
    return conform("shadow", pl.DataFrame(rows, infer_schema_length=None))


def _place(point: Point) -> tuple[Any, ...]:
    return (point.conversation_id, point.turn, *_sight(point))


def _sight(point: Point) -> tuple[Any, ...]:
    """All that a candidate can see, in a form that can be digested."""
    return (point.said, point.channel, point.language, point.at, point.context)


def _chunks(
    points: pl.DataFrame,
    turns: pl.DataFrame,
    conversations: pl.DataFrame,
    contexts: pl.DataFrame,
    part: int,
) -> Iterator[list[Point]]:
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
    for start in range(0, rows.height, part):
        yield [
            _point(said[conversation], conversation, turn, channel, language, at, context)
            for conversation, turn, channel, language, at, context in rows.slice(
                start, part
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
