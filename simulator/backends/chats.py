"""Chats as tokens, for the backends that hold the model themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from simulator.backends import NO_SYSTEM_ROLE, TOO_LONG, Ask, Completion, Message
from simulator.errors import BackendError

_PROBE = "a probe of the system role"


class Tokens(NamedTuple):
    """An ask as tokens, ready for an engine; ``choices`` are the tokens to decide among."""

    prompt: list[int]
    choices: tuple[int, ...]


class Chats:
    """The chat template and window of a model.

    ``window``: tokens that prompt and reply may have together. ``stops``: tokens that end a
    message: the tokenizer's end of text, and what the chat template puts after an assistant's words
    (not always the same one).

    Args:
        tokenizer: of transformers; has a chat template.
        window: see above.

    Raises:
        BackendError: the model has no chat template.
    """

    def __init__(self, tokenizer: Any, window: int) -> None:
        self._tokenizer, self.window = tokenizer, window
        self._choices: dict[str, int] = {}
        special = [one.content for one in tokenizer.added_tokens_decoder.values() if one.special]
        self._special = re.compile("|".join(re.escape(one) for one in special if len(one) > 1))
        if not tokenizer.chat_template:
            raise BackendError(
                f"{tokenizer.name_or_path}: has no chat template; expected a model tuned for chat "
                "(chat_template.jinja, or chat_template in tokenizer_config.json)"
            )
        # Some templates refuse a system message, others leave it out without a word.
        system = self._text([Message("system", _PROBE), Message("user", "?")])
        self._has_system = _PROBE in system
        said = self._text([Message("user", "?"), Message("assistant", _PROBE)])
        self.stops = self._ends(said.rpartition(_PROBE)[2] if _PROBE in said else "")

    def tokens(self, ask: Ask) -> Tokens | Completion:
        """The ask as tokens, or the refusal that its completion is.

        Refused is what is too long, a system message where the template has no system role, and
        what the template refuses for reasons of its own ("template_error"; many want user and
        assistant to take turns).

        Raises:
            BackendError: a label of ``choices`` is not one token.
        """
        if ask.messages[0].role == "system" and not self._has_system:
            return Completion(error=NO_SYSTEM_ROLE)
        try:
            prompt = self._rendered(ask.messages)
        except Exception:  # whatever the template raises
            return Completion(error="template_error")
        limit = self.window - ask.max_tokens
        if len(prompt) > limit:
            return Completion(error=TOO_LONG, prompt_tokens=len(prompt), limit_tokens=limit)
        return Tokens(prompt, tuple(self._choice(label) for label in ask.choices))

    def _rendered(self, messages: Sequence[Message]) -> list[int]:
        # A customer who writes an end-of-message token must not end the message: it is spelt apart.
        found: list[int] = self._tokenizer.apply_chat_template(
            [{"role": role, "content": self._plain(content)} for role, content in messages],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
        )["input_ids"]
        return found

    def _plain(self, content: str) -> str:
        if not self._special.pattern:
            return content
        return self._special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", content)

    def _text(self, messages: Sequence[Message]) -> str:
        """What the template makes of a chat; nothing where it refuses."""
        try:
            found: str = self._tokenizer.apply_chat_template(
                [message._asdict() for message in messages], tokenize=False
            )
        except Exception:  # whatever the template raises
            return ""
        return found

    def _ends(self, tail: str) -> tuple[int, ...]:
        """The tokens that end a message, given what stands behind one."""
        special = self._tokenizer.added_tokens_decoder
        behind = self._tokenizer.encode(tail, add_special_tokens=False) if tail else []
        ends = [token for token in behind if token in special and special[token].special][:1]
        if self._tokenizer.eos_token_id is not None:
            ends.append(self._tokenizer.eos_token_id)
        return tuple(sorted(set(ends)))

    def _choice(self, label: str) -> int:
        if label not in self._choices:
            ids = self._tokenizer.encode(label, add_special_tokens=False)
            if len(ids) != 1:
                raise BackendError(
                    f"the label {label!r} is {len(ids)} tokens for {self._tokenizer.name_or_path}; "
                    "expected labels of one token each, such as A to E, in [decide] of the prompt "
                    "file"
                )
            self._choices[label] = ids[0]
        return self._choices[label]
