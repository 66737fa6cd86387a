"""What the answers of an OpenAI-compatible server say: completions, probabilities, refusals."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from simulator.backends import NO_SYSTEM_ROLE, TOO_LONG, Ask, Completion

# Wordings of vLLM, SGLang, llama.cpp, TGI, OpenAI and those that follow them.
_TOO_LONG = re.compile(
    r"context[ _](?:length|size|window)|too many (?:input )?tokens|prompt is too long"
    r"|`inputs` (?:tokens|must have)",
    re.IGNORECASE,
)
_WINDOW = re.compile(
    r"context (?:length|size|window)\D{0,12}?(\d+)|must be <= (\d+)|> (\d+) maximum", re.IGNORECASE
)
# Not "at least 1025 input tokens": whoever says so stopped counting there.
_PROMPT = re.compile(
    r"(\d+) in the messages|(?:contains|has) (\d+) input tokens|resulted in (\d+) tokens"
    r"|(?:input length|the input|request) \((\d+)|(\d+) tokens from the input"
    r"|prompt is too long: (\d+)|given: (\d+) `inputs`",
    re.IGNORECASE,
)
_NO_SYSTEM = re.compile(
    r"system (?:role|messages?|prompts?) (?:(?:is|are) )?not|only .?user.{1,8}assistant"
    r"|roles must alternate|(?:does not|doesn't) support (?:the )?system"
    r"|unsupported role.{0,4}system",
    re.IGNORECASE,
)
# With these a server may say that it will not take the prompt.
_OF_PROMPT = (400, 413, 422, 500)


class Refusal(NamedTuple):
    """Why a server did not answer. ``words``: its own; tokens null where it does not count them."""

    words: str
    prompt_tokens: int | None = None
    window: int | None = None

    @property
    def of_prompt(self) -> bool:
        """Whether it is the prompt that is refused: its length, or its system message."""
        return bool(_TOO_LONG.search(self.words) or _NO_SYSTEM.search(self.words))

    def completion(self, status: int, ask: Ask) -> Completion:
        """The completion of ``ask``, which would be refused again."""
        if status in _OF_PROMPT and _TOO_LONG.search(self.words):
            room = None if self.window is None else max(0, self.window - ask.max_tokens)
            return Completion(error=TOO_LONG, prompt_tokens=self.prompt_tokens, limit_tokens=room)
        # Beside it the chat is user and assistant in turn, as templates want.
        if status in _OF_PROMPT and self.of_prompt and ask.messages[0].role == "system":
            return Completion(error=NO_SYSTEM_ROLE)
        return Completion(error=f"http_{status}")


def refusal(body: bytes) -> Refusal:
    """What the body of an error says, of whatever shape it is."""
    text = body.decode("utf-8", "replace")
    try:
        error = json.loads(text)
    except (ValueError, RecursionError):
        error = text
    if isinstance(error, dict):
        error = error.get("error") or error
    if isinstance(error, dict):
        words = " ".join(str(error[k]) for k in ("message", "detail", "code") if error.get(k))
    else:
        words = str(error)
    return Refusal(
        words,
        _count(error, "n_prompt_tokens") or _number(_PROMPT, words),
        _count(error, "n_ctx") or _number(_WINDOW, words),
    )


def completion(body: bytes, ask: Ask) -> Completion:
    """The completion that an answer holds.

    Raises:
        ValueError: it has not the shape of one.
    """
    try:
        whole = json.loads(body)
        choice = whole["choices"][0]
        content = choice["message"].get("content")
        if not isinstance(content, str | None):
            raise TypeError
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise ValueError("an answer that is no chat completion") from None
    usage = _part(whole, "usage")
    done = Completion(
        # Half a surrogate pair is no text, and no table takes it.
        text=content and content.encode("utf-8", "replace").decode(),
        prompt_tokens=_count(usage, "prompt_tokens"),
        cached_prompt_tokens=_count(_part(usage, "prompt_tokens_details"), "cached_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )
    if not ask.choices:
        reason = choice.get("finish_reason")
        return done._replace(finish_reason=reason if isinstance(reason, str) else None)
    # One token was asked for: that the answer ends there is no cut-off.
    probs = _probs(choice, ask.choices)
    if probs is None:
        return done._replace(text=_label(content or "", ask.choices))
    return done._replace(text=ask.choices[probs.index(max(probs))], probs=probs)


def _probs(choice: dict[str, Any], labels: Sequence[str]) -> tuple[float, ...] | None:
    """Probabilities of the labels among the first token's alternatives; null: hidden, or none."""
    try:
        top = choice["logprobs"]["content"][0]["top_logprobs"]
        found = [(one["token"].strip(), float(one["logprob"])) for one in top]
    except (LookupError, TypeError, ValueError, AttributeError):
        return None
    weights = [
        sum(math.exp(min(logprob, 0.0)) for token, logprob in found if token == label)
        for label in labels
    ]
    total = sum(weights)
    return tuple(weight / total for weight in weights) if total > 0 else None


def _label(content: str, labels: Sequence[str]) -> str | None:
    """The label that ``content`` begins with, as a word of its own."""
    said = content.strip()
    for label in sorted(labels, key=len, reverse=True):
        if said.startswith(label) and not said[len(label) : len(label) + 1].isalnum():
            return label
    return None


def _part(of: Any, key: str) -> Any:
    return of.get(key) if isinstance(of, dict) else None


def _count(of: Any, key: str) -> int | None:
    found = _part(of, key)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _number(pattern: re.Pattern[str], said: str) -> int | None:
    found = pattern.search(said)
    return next(int(group) for group in found.groups() if group) if found else None
