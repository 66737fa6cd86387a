"""Chats as tokens, for the backends that hold the model themselves."""

from __future__ import annotations

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

    Args:
        tokenizer: of transformers; has a chat template.
        window: tokens that prompt and reply may have together.

    Raises:
        BackendError: the model has no chat template.
    """

    def __init__(self, tokenizer: Any, window: int) -> None:
        self._tokenizer, self.window = tokenizer, window
        self._choices: dict[str, int] = {}
        if not tokenizer.chat_template:
            raise BackendError(
                f"{tokenizer.name_or_path}: has no chat template; expected a model tuned for chat "
                "(chat_template.jinja, or chat_template in tokenizer_config.json)"
            )
        # Some templates refuse a system message, others leave it out without a word.
        try:
            probe = self._rendered([Message("system", _PROBE), Message("user", "?")])
            self._has_system = _PROBE in self._tokenizer.decode(probe)
        except Exception:  # whatever the template raises
            self._has_system = False

    def tokens(self, ask: Ask) -> Tokens | Completion:
        """The ask as tokens, or the refusal that its completion is: too long, or no system role."""
        if ask.messages[0].role == "system" and not self._has_system:
            return Completion(error=NO_SYSTEM_ROLE)
        prompt = self._rendered(ask.messages)
        limit = self.window - ask.max_tokens
        if len(prompt) > limit:
            return Completion(error=TOO_LONG, prompt_tokens=len(prompt), limit_tokens=limit)
        return Tokens(prompt, tuple(self._choice(label) for label in ask.choices))

    def _rendered(self, messages: Sequence[Message]) -> list[int]:
        found: list[int] = self._tokenizer.apply_chat_template(
            [message._asdict() for message in messages],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
        )["input_ids"]
        return found

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
