"""Who might answer. Each kind is a factory that gives a function from decision points to replies.

A candidate sees a :class:`Point`: turns 0..t, what was valid then, and (where it uses them) the
contexts judged from those turns. It never sees a later turn, an outcome or a label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
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
    """What a candidate decided and said. ``error`` set: there is no reply, and why."""

    action: str | None = None
    reply: str | None = None
    score: float | None = None
    article_ids: tuple[str, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None
    finish_reason: str | None = None
    error: str | None = None


class Materials(NamedTuple):
    """What candidates may draw on: tables ``knowledge`` and ``commitments_policy``."""

    knowledge: pl.DataFrame
    policy: pl.DataFrame


Answerer = Callable[[Sequence[Point]], list[Reply]]

# kind -> module with `make(config, materials) -> Answerer`.
KINDS = {
    "always_escalate": "simulator.candidates.always_escalate",
    "faq_rag": "simulator.candidates.faq_rag",
    "guarded": "simulator.candidates.guarded",
    "recorded": "simulator.candidates.recorded",
}


def make(config: Candidate, materials: Materials) -> Answerer:
    """The function that answers for ``config``. Kind human has none: its replies are the log's."""
    answerer: Answerer = import_module(KINDS[config.kind]).make(config, materials)
    return answerer


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
