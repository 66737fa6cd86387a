"""Prompt files: the words that a language model is asked with, kept beside the scenario.

A prompt file is TOML::

    system = '''...'''      # who it is; may hold {policy} and {language}
    ask = '''...'''         # put after the customer's last words; {articles}, {language}

    [decide]                # where it is there, the candidate decides before it writes
    ask = '''...'''         # the question; put after the other ask
    labels = { answer = "A", clarify = "B", escalate = "C", refuse = "D", soothe = "E" }
    [decide.then]           # what it is then asked to write, by action
    answer = "..."

Replies belong to the words: the digest of what was rendered is part of their key, so a file that
is edited is another candidate as far as stored replies go.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import model_validator

from simulator.errors import ScenarioError
from simulator.scenario import Model
from simulator.scenario.values import fault
from simulator.scenario_file import validate_part
from simulator.schema import ACTIONS

_HOLE = re.compile(r"\{(\w+)\}")
# Named in English, the language that most models follow instructions in best.
_LANGUAGES = {
    "en": "English",
    "zh-Hant": "Traditional Chinese",
    "zh-Hans": "Simplified Chinese",
    "zh": "Chinese",
    "yue": "Cantonese",
    "ja": "Japanese",
    "ko": "Korean",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "pt": "Portuguese",
    "it": "Italian",
    "nl": "Dutch",
}


class Decide(Model):
    """``[decide]``: how the action is asked for, and what then is to be written."""

    ask: str
    labels: dict[str, str]
    then: dict[str, str]

    @model_validator(mode="after")
    def _whole(self) -> Decide:
        for key, found in (("labels", self.labels), ("then", self.then)):
            if set(found) != set(ACTIONS):
                raise fault(
                    f"expected one for each of {', '.join(ACTIONS)}", at=(key,), found=list(found)
                )
        if len(set(self.labels.values())) < len(ACTIONS) or not all(self.labels.values()):
            raise fault("expected five different labels", at=("labels",))
        return self


class Prompt(Model):
    """A prompt file."""

    system: str
    ask: str = ""
    decide: Decide | None = None

    @model_validator(mode="after")
    def _known_holes(self) -> Prompt:
        _check_holes(("system",), self.system, ("policy", "language"))
        _check_holes(("ask",), self.ask, ("articles", "language"))
        if self.decide:
            _check_holes(("decide", "ask"), self.decide.ask, ("articles", "language"))
            for action, text in self.decide.then.items():
                _check_holes(("decide", "then", action), text, ("language",))
        return self


def _check_holes(at: tuple[str, ...], text: str, allowed: tuple[str, ...]) -> None:
    for hole in _HOLE.findall(text):
        if hole not in allowed:
            names = " and ".join(f"{{{name}}}" for name in allowed)
            raise fault(f"expected no other {{...}} than {names}", at=at, found=f"{{{hole}}}")


def load(path: Path) -> Prompt:
    """The prompt file at ``path``.

    Raises:
        ScenarioError: it is missing or has a fault; says where, what is allowed, the fix.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such prompt file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ScenarioError(f"{path}: cannot be read as a prompt file (TOML): {error}") from None
    return validate_part(Prompt, data, path.name)


def filled(text: str, **holes: str) -> str:
    """``text`` with ``{name}`` replaced; other braces stay, and those in values do too."""
    return _HOLE.sub(lambda found: holes.get(found[1], found[0]), text).strip()


def language_name(tag: str | None) -> str:
    """The English name of a BCP 47 tag, or how to find out."""
    if tag is None:
        return "the customer's language"
    return _LANGUAGES.get(tag) or _LANGUAGES.get(tag.split("-")[0]) or tag


def rules_in_words(rules: Sequence[Mapping[str, Any]]) -> str:
    """Rows of table ``commitments_policy`` as a list that a model can read."""
    return "\n".join(f"- {_rule(rule)}" for rule in rules)


def _rule(rule: Mapping[str, Any]) -> str:
    about = f" ({rule['intent']})" if rule["intent"] else ""
    what = f"{rule['kind']}{about}: ".replace("_", " ")
    most = ""
    if rule["limit_value"] is not None:
        most = f", at most {rule['limit_value']:g} {rule['limit_unit'] or ''}".rstrip()
        most = most.replace("_", " ")
    words = {
        "never": "never promise it.",
        "always": f"may be promised{most}.",
        "conditional": f"only under a condition{most}: {rule['condition'] or 'as agreed'}.",
    }[rule["allowed"]]
    say = f' Say: "{rule["mandated_wording"]}"' if rule["mandated_wording"] else ""
    return what + words + say
