"""Where a language model runs: one small Protocol, and a factory for each way to run one.

An :class:`Ask` is a chat and what is wanted of it: one of a few choices (decided by the first
token), or text. A backend takes asks and gives completions, in whatever order they come. It never
raises for a single ask: an ask that got no answer is a completion with ``error`` set, and no words
are made up for it.

Why a package of its own, and not a room of ``candidates``: judges speak through the same backends.
Nothing here reads a table.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

from simulator.scenario import LanguageModel

# Raised by hand where replies of the same model to the same ask would now be others: stored
# replies are not used then.
REVISION = 1

# An ask may be asked again in another shape after these; see `simulator.candidates.prompted`.
TOO_LONG = "too_long"
NO_SYSTEM_ROLE = "no_system_role"
# What may pass: a reply that is missing for one of these is asked for again by the next run.
PASSING = frozenset({"connection", "timeout", "bad_body", "server_error", "rate_limited", "engine"})


def final(error: str | None) -> bool:
    """Whether the same ask would surely come to this again: then it is not asked again.

    A server's refusal (``http_400`` and so on) is not: it may be about the server, not the ask.
    """
    return error is None or not (error in PASSING or error.startswith("http_"))


class Message(NamedTuple):
    """One message of a chat. ``role``: system, user or assistant."""

    role: str
    content: str


class Ask(NamedTuple):
    """A chat, and what is wanted of it.

    ``choices``: first tokens to decide among; without them, text of up to ``max_tokens`` tokens.
    ``seed`` belongs to the ask, so that an answer drawn at random does not hang on what else is
    asked beside it.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    choices: tuple[str, ...] = ()
    seed: int = 0


class Completion(NamedTuple):
    """What came of an ask.

    ``text``: the words, or the choice made. ``probs``: probabilities of the choices, in their order
    and summing to 1; null where the server hides them. Tokens as the engine counted them;
    ``cached_prompt_tokens`` are part of ``prompt_tokens``; null: not known. ``latency_s``: from
    submission to the answer, or the time of the batch that it was in. ``finish_reason``: "stop",
    "length", or a server's own word; null for a choice. ``failures``: attempts that failed on the
    way, by kind. ``limit_tokens``: with error too_long, the most that a prompt may have, where it
    is known.
    """

    text: str | None = None
    probs: tuple[float, ...] | None = None
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None
    finish_reason: str | None = None
    error: str | None = None
    failures: tuple[str, ...] = ()
    limit_tokens: int | None = None


class Backend(Protocol):
    """A model that can be asked.

    ``in_hand``: how many asks it wants to hold at once to work at full speed.
    """

    in_hand: int

    def submit(self, ticket: int, ask: Ask) -> None:
        """Take an ask; ``ticket`` names it. Returns at once."""

    def wait(self) -> list[tuple[int, Completion]]:
        """Completions, at least one, of asks that were submitted and have none yet.

        Raises:
            BackendError: the model cannot go on at all.
        """

    def close(self) -> None:
        """Give back what it holds; asks in hand are dropped."""


_KINDS = {
    "transformers": "simulator.backends.transformers",
    "vllm": "simulator.backends.vllm",
    "openai_http": "simulator.backends.openai_http",
}


def make(model: LanguageModel) -> Backend:
    """A running backend for ``model``; local ones load the weights here.

    Raises:
        BackendError: a library is missing, or the model cannot be loaded.
    """
    backend: Backend = import_module(_KINDS[model.backend]).make(model)
    return backend


def identity(model: LanguageModel) -> list[object]:
    """What answers depend on besides the ask: weights, adapter, sampling; not where a server is."""
    settings = model.model_dump(mode="json", exclude={"folder", "adapter", "server"})
    return [REVISION, settings, _digest(model.folder), _digest(model.adapter)]


_SMALL, _BLOCK, _PLACES = 1 << 20, 1 << 12, 4096


def _digest(folder: Path | None) -> str | None:
    """Digest of a model's files: small ones whole, of large ones some 4,000 places spread evenly.

    These are at most 4 MiB apart in a file of 16 GiB, closer than the matrices of a model of that
    size are large: training that changes a matrix is seen.
    """
    if folder is None:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)}\x00{size}\x00".encode())
        with path.open("rb") as file:
            if size <= _SMALL:
                digest.update(file.read())
                continue
            for place in range(0, size, max(_BLOCK, size // _PLACES)):
                file.seek(place)
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()
