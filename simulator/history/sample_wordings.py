"""What the synthetic operation says: its texts, read from ``sample_content``, with their truth.

Texts carry their truth in a short notation (see the head of ``dialogue_en.toml``), so that a
sentence and what it promises can be read, and mended, in one place.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from simulator.schema import COMMITMENT_KINDS, FIRMNESS
from simulator.sentences import sentences

LANGUAGES = ("en", "zh-Hant", "zh-Hans")
MOODS = ("calm", "upset", "angry")
# Which piece of information a text with this slot tells.
TELLS = {
    "order": "order_number",
    "payment": "payment_method",
    "date": "date",
    "product": "product",
    "account": "account",
    "city": "address",
    "amount": "amount",
}
_SLOT = re.compile(r"\{(\w+)\}")


class Sentence(NamedTuple):
    """One sentence of the company, and the truth about it.

    Where it promises two things, the truth is the one that binds more.
    """

    text: str
    firmness: str = "none"
    kind: str | None = None
    value: float | None = None
    unit: str | None = None

    def filled(self, slots: Mapping[str, str]) -> Sentence:
        """The sentence with its slots filled."""
        return self._replace(text=self.text.format_map(slots)) if "{" in self.text else self


class Line(NamedTuple):
    """Words of a customer: the risk kinds that they reveal, and the information they tell."""

    text: str
    reveals: tuple[str, ...]
    tells: frozenset[str]


def sentence(raw: str) -> Sentence:
    """Read one sentence in the notation of ``sample_content``.

    >>> sentence("It takes about 3 days. @@ hedged refund 3 day")
    Sentence(text='It takes about 3 days.', firmness='hedged', kind='refund', value=3.0, unit='day')

    Raises:
        ValueError: the text is not one sentence with an end mark, or its mark cannot be read.
    """
    text, _, mark = (part.strip() for part in raw.partition("@@"))
    words: list[str | None] = [*mark.split()] if mark else ["none"]
    firmness, kind, value, unit = (*words, None, None, None)[:4]
    if (
        sentences(text) != [text]
        or text[-1] not in ".!?。！？"
        or firmness not in FIRMNESS
        or (firmness == "none") != (kind is None)
        or (kind is not None and kind not in COMMITMENT_KINDS)
        or (value is None) != (unit is None)
    ):
        raise ValueError(f"not one marked sentence: {raw!r}")
    return Sentence(text, str(firmness), kind, None if value is None else float(value), unit)


def line(raw: str) -> Line:
    """Read a customer's words; what they tell follows from their slots."""
    text, _, mark = (part.strip() for part in raw.partition("@@"))
    return Line(text, tuple(mark.split()), tells(text))


def tells(text: str) -> frozenset[str]:
    """The pieces of information that a text with slots holds."""
    return frozenset(TELLS[slot] for slot in _SLOT.findall(text) if slot in TELLS)


@cache
def content(name: str) -> dict[str, Any]:
    """The file ``sample_content/<name>.toml``."""
    source = resources.files("simulator.history") / "sample_content" / f"{name}.toml"
    return tomllib.loads(source.read_text("utf-8"))


class Article(NamedTuple):
    """A topic in one language. ``flat`` and ``hedged`` are its sentences in either form."""

    topic: str
    language: str
    intent: str
    title: str
    flat: tuple[Sentence, ...]
    hedged: tuple[Sentence, ...]
    from_day: int | None
    to_day: int | None

    @property
    def article_id(self) -> str:
        """The id in the table ``knowledge``."""
        return f"{self.topic}:{self.language}"


@cache
def articles() -> tuple[Article, ...]:
    """All articles, by topic and language."""
    found = []
    for topic, about in content("topics").items():
        for language in LANGUAGES:
            entry = content(f"knowledge_{_file(language)}")[topic]
            forms = [raw.split(">>") for raw in entry["text"]]
            found.append(
                Article(
                    topic,
                    language,
                    about["intent"],
                    entry["title"],
                    tuple(sentence(form[0]) for form in forms),
                    tuple(sentence(form[-1]) for form in forms),
                    about.get("from_day"),
                    about.get("to_day"),
                )
            )
    return tuple(found)


@cache
def mandated(language: str) -> dict[str, tuple[Sentence, ...]]:
    """The mandated wordings in ``language`` by the name of their rule."""
    return {
        rule["id"]: tuple(sentence(raw) for raw in rule["wording"][language].split("||"))
        for rule in content("policy")["rule"]
        if "wording" in rule
    }


class Wordings(NamedTuple):
    """All that can be said in one language."""

    language: str
    slots: dict[str, list[str]]
    greetings: list[str]
    said: dict[str, list[Line]]
    details: dict[str, list[Line]]
    asks: dict[str, dict[str, list[Line]]]
    agent: dict[str, list[Sentence]]
    by_intent: dict[str, dict[str, list[Sentence]]]

    def joined(self, parts: list[str]) -> str:
        """One message of several sentences, as the language writes it."""
        return (" " if self.language == "en" else "").join(parts)


@cache
def wordings(language: str) -> Wordings:
    """The dialogue texts of ``language``."""
    source = content(f"dialogue_{_file(language)}")
    customer, agent = source["customer"], source["agent"]
    intents = content("intents")
    return Wordings(
        language,
        source["slots"],
        customer["greetings"],
        {
            name: [line(raw) for raw in lines]
            for name, lines in customer.items()
            if isinstance(lines, list) and name != "greetings"
        },
        {item: [line(raw) for raw in lines] for item, lines in customer["details"].items()},
        {
            intent: {part: [line(raw) for raw in lines] for part, lines in customer[intent].items()}
            for intent in intents
        },
        {
            name: [sentence(raw) for raw in lines]
            for name, lines in agent.items()
            if isinstance(lines, list)
        },
        {
            name: {key: [sentence(raw) for raw in lines] for key, lines in table.items()}
            for name, table in agent.items()
            if isinstance(table, dict)
        },
    )


def phrases() -> Iterator[tuple[str, str]]:
    """Language and sentence of all fixed phrases of the rule-based candidates."""
    source = resources.files("simulator.candidates") / "phrases.toml"
    if not source.is_file():
        return
    for language, texts in tomllib.loads(source.read_text("utf-8")).items():
        for text in _strings(texts):
            for one in sentences(text):
                yield language, one


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value)


def _file(language: str) -> str:
    return language.lower().replace("-", "_")
