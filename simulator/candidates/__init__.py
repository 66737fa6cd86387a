"""Who might answer. Each kind is a factory that gives a function from decision points to replies.

A candidate sees a :class:`Point`: turns 0..t, what was valid then, and (where it uses them) the
contexts judged from those turns. It never sees a later turn, an outcome or a label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from simulator.scenario import Candidate


class Said(NamedTuple):
    """One turn as a candidate sees it."""

    role: str
    text: str


class Point(NamedTuple):
    """A decision point with all that a live system would have known there."""

    conversation_id: str
    turn: int
    said: tuple[Said, ...]
    channel: str
    language: str | None
    at: datetime | None
    context: dict[str, Any] | None


class Reply(NamedTuple):
    """What a candidate decided and said. ``error`` set: there is no reply, and why.

    ``action_probs`` in the order of :data:`simulator.schema.ACTIONS`. ``n_dropped_turns``: turns
    left out of a prompt that was too long. ``failures``: attempts that failed on the way.
    """

    action: str | None = None
    reply: str | None = None
    score: float | None = None
    article_ids: tuple[str, ...] = ()
    action_probs: tuple[float, ...] | None = None
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None
    finish_reason: str | None = None
    n_dropped_turns: int | None = None
    error: str | None = None
    failures: tuple[str, ...] = ()


class Materials(NamedTuple):
    """What candidates may draw on: tables ``knowledge`` and ``commitments_policy``."""

    knowledge: pl.DataFrame
    policy: pl.DataFrame


def everything(point: Point) -> Any:
    """All that a candidate can see at a point, in a form that can be digested."""
    return (point.said, point.channel, point.language, point.at, point.context)


class Answerer(NamedTuple):
    """A candidate that can be asked.

    ``answer``: gives, for points, the index of a point and its reply, as they come. ``sight``: what
    the reply to a point depends on; equal sights are asked once. ``identity``: what replies depend
    on besides; ``asks``: what sights depend on besides the point. ``ready``: called once before the
    first point; loads what is heavy. ``close``: gives it back.
    """

    answer: Callable[[Sequence[Point]], Iterator[tuple[int, Reply]]]
    identity: Any
    sight: Callable[[Point], Any] = everything
    asks: Any = None
    ready: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None


# kind -> module with `make(config, materials) -> Answerer`.
KINDS = {
    "always_escalate": "simulator.candidates.always_escalate",
    "faq_rag": "simulator.candidates.faq_rag",
    "guarded": "simulator.candidates.guarded",
    "prompted": "simulator.candidates.prompted",
    "recorded": "simulator.candidates.recorded",
}


def make(config: Candidate, materials: Materials) -> Answerer:
    """The function that answers for ``config``. Kind human has none: its replies are the log's."""
    answerer: Answerer = import_module(KINDS[config.kind]).make(config, materials)
    return answerer


def by_rule(one: Callable[[Point], Reply], config: Candidate, materials: Materials) -> Answerer:
    """A candidate that needs nothing but a function from a point to a reply."""
    return Answerer(
        lambda points: enumerate(map(one, points)),
        [config.model_dump(mode="json"), version(), materials.knowledge, materials.policy],
    )


@cache
def version() -> str:
    """Digest of the code that replies depend on besides configuration and materials."""
    here = Path(__file__).parent
    sources = [*here.rglob("*.py"), *here.rglob("*.toml")]
    sources += [here.parent / "retrieval.py", here.parent / "sentences.py"]
    digest = hashlib.blake2b(digest_size=12)
    for source in sorted(sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def context_hash(said: Sequence[Said]) -> str:
    """Digest of roles and texts of turns 0..t: a recorded reply belongs to exactly these."""
    digest = hashlib.blake2b(digest_size=12)
    for role, text in said:
        digest.update(f"{role}\x1f{text}\x1e".encode("utf-8", "replace"))
    return digest.hexdigest()


def last_words(point: Point) -> str:
    """The customer's consecutive turns that end at the point, joined."""
    words: list[str] = []
    for role, text in reversed(point.said):
        if role in ("agent", "bot"):
            break
        if role == "customer":
            words.append(text)
    return "\n".join(reversed(words))
