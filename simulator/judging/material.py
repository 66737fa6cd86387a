"""What an LLM judge is shown of a reply: rules, conversation and reply, fenced as data.

They stand between lines with a code drawn from what they say, which none of them contains, and each
of their lines begins with a word that says whose it is, so that no text can look like the end of
the data, like another speaker or like the question. What might be a token of some model's own
("<|im_end|>") is spelt apart. Who wrote the reply is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from simulator.candidates.policy import valid
from simulator.candidates.prompts import rules_in_words
from simulator.judging.rubrics import Language, language_of
from simulator.store import fingerprint

POINT = ("candidate", "conversation_id", "turn")
Point = tuple[str, str, int]
_RANK = {"auto": 0, "agent": 1, "supervisor": 2}
_ROLES = {"customer": "customer", "agent": "agent", "bot": "agent"}
# Beginnings of what chat templates mark messages with: <|im_end|>, <start_of_turn>, [INST], </s>.
_MARKUP = re.compile(r"([<\[])(?=[/|｜A-Za-z_])")
_CODE_LENGTH = 12


class Material(NamedTuple):
    """What a question is about.

    ``language``: to ask in. ``said``: role and words of turns 0..t. ``rules``: those of the policy
    that decide on the reply, in words.
    """

    language: Language
    said: tuple[tuple[str, str], ...]
    rules: str
    reply: str


def materials(
    replies: pl.DataFrame,
    points: pl.DataFrame,
    turns: pl.DataFrame,
    conversations: pl.DataFrame,
    rules: Sequence[Mapping[str, Any]] | None,
) -> Iterator[tuple[Point, Material]]:
    """Each reply, by candidate, conversation and turn, with what is to be known of it."""
    point = ["conversation_id", "turn"]
    wanted = replies.select("conversation_id").unique()
    said: dict[str, list[tuple[int, str, str]]] = {}
    words = turns.join(wanted, on="conversation_id", how="semi").filter(
        pl.col("text").is_not_null()
    )
    for conversation, turn, role, text in (
        words.sort(point).select(*point, "role", "text").iter_rows()
    ):
        said.setdefault(conversation, []).append((turn, role, text))
    rows = replies.join(
        points.select(*point, "at"), on=point, how="left", maintain_order="left"
    ).join(
        conversations.select("conversation_id", "intent", "language"),
        on="conversation_id",
        how="left",
        maintain_order="left",
    )
    for candidate, conversation, turn, reply, at, intent, language in rows.select(
        *POINT, "reply", "at", "intent", "language"
    ).iter_rows():
        speaker = "agent" if candidate == "human" else "auto"
        bound = _in_force(rules or (), speaker, intent, language, at)
        past = [(role, text) for number, role, text in said.get(conversation, ()) if number <= turn]
        spoken_in = language_of(language, reply)
        yield (
            (candidate, conversation, turn),
            Material(spoken_in, tuple(past), rules_in_words(bound), reply),
        )


def laid_out(material: Material, dropped: int) -> str:
    """The data as the model is shown it, without the oldest ``dropped`` turns."""
    said = [(_ROLES.get(role, "record"), text) for role, text in material.said[dropped:]]
    left_out = f"[{dropped} earlier messages left out]\n" if dropped else ""
    code = _code(material)
    parts = (
        ("RULES ON PROMISES", _lines("rule", material.rules) or "(none)"),
        ("CONVERSATION", left_out + "\n".join(_lines(role, text) for role, text in said)),
        ("REPLY", _lines("reply", material.reply)),
    )
    blocks = [f"--- {code} {name} ---\n{text}\n--- {code} END ---" for name, text in parts]
    return "\n".join([f"The data stands between lines with the code {code}.", *blocks])


def _lines(whose: str, text: str) -> str:
    # All that Unicode calls the end of a line, so that none begins without saying whose it is.
    lines = _MARKUP.sub(r"\1 ", text).splitlines()
    return "\n".join(f"{whose}> {line}".rstrip() for line in lines)


def _code(material: Material) -> str:
    """A code that belongs to the material and stands nowhere in it."""
    whole = repr(material).casefold()
    code = fingerprint(material)[:_CODE_LENGTH]
    while code in whole:
        code = fingerprint(code)[:_CODE_LENGTH]
    return code


def _in_force(
    rules: Sequence[Mapping[str, Any]],
    speaker: str,
    intent: str | None,
    language: str | None,
    at: datetime | None,
) -> list[Mapping[str, Any]]:
    """The rules that decide on a reply, as :mod:`simulator.judging.promises.authority` has it."""
    rank = _RANK[speaker]
    meet = [
        rule
        for rule in rules
        if rule["intent"] in (None, intent)
        and _meant_for(rank, rule)
        and (rule["language"] is None or language is None or _same(rule["language"], language))
        and valid(rule, at)
    ]
    named = {rule["kind"] for rule in meet if rule["intent"] is not None}
    return [rule for rule in meet if rule["intent"] is not None or rule["kind"] not in named]


def _meant_for(rank: int, rule: Mapping[str, Any]) -> bool:
    # What is forbidden to those above is forbidden below; what is allowed below, above.
    of_rule = _RANK[rule["speaker"]]
    return rank <= of_rule if rule["allowed"] == "never" else of_rule <= rank


def _same(one: str, other: str) -> bool:
    return one.split("-")[0].lower() == other.split("-")[0].lower()
