"""The language of a report: sentences are written in English, and said in another where known.

Why English sentences are the keys (gettext's way): the code reads as the report does, and a
sentence without a translation is still a sentence. Translations lie in ``zh_hant/*.po``, one file a
room, which translators' tools open; Babel reads them. A test extracts every sentence from the code
and the templates and finds its translation.

Sentences that a table holds (why a gate fails, what to do next) are English there. :func:`heard`
finds the pattern that such a sentence was made by in ``zh_hant/tables.po`` and fills its parts into
the translation of the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = {"en": "English", "zh-Hant": "繁體中文"}
ENGLISH = "en"

_spoken: ContextVar[str] = ContextVar("spoken", default=ENGLISH)
_PART = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Catalogue:
    """What one language has: sentences by their English, and patterns of sentences in tables."""

    said: Mapping[str, str]
    patterns: tuple[tuple[re.Pattern[str], str], ...]


def spoken() -> str:
    """The language that is spoken now, as a BCP 47 tag."""
    return _spoken.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak ``language``, one of :data:`LANGUAGES`, while the block runs.

    Raises:
        KeyError: no such language.
    """
    token = _spoken.set(language if language in LANGUAGES else LANGUAGES[language])
    try:
        yield
    finally:
        _spoken.reset(token)


def say(text: str, /, **parts: Any) -> str:
    """``text`` in the language spoken now, with ``parts`` in the places of their names.

    ``text`` is the English sentence as a literal, its places as in ``str.format``. A part is never
    read as a template.
    """
    return _translated(text).format(**parts)


def say_n(one: str, many: str, n: float, /, **parts: Any) -> str:
    """``one`` where ``n`` is 1, else ``many``, in the language spoken now."""
    return _translated(one if n == 1 else many).format(**parts)


def translated(text: str) -> str:
    """``text`` in the language spoken now, its places not filled: what templates ask for."""
    return _translated(text)


def translated_n(one: str, many: str, n: float) -> str:
    """As :func:`translated`: ``one`` where ``n`` is 1, else ``many``."""
    return _translated(one if n == 1 else many)


def noted(text: str, /) -> str:
    """``text`` as it is: marks a literal that is said elsewhere, so that it gets a translation."""
    return text


def heard(text: str) -> str:
    """A sentence from a table in the language spoken now; as it stands where no pattern fits.

    What fills a pattern's places is heard in turn: ``{first}; {then}`` is two sentences.
    """
    return text if spoken() == ENGLISH else _heard(text, spoken())


def known(text: str) -> bool:
    """Whether ``text`` has a translation in the language spoken now (English needs none)."""
    return spoken() == ENGLISH or _heard(text, spoken()) != text


def _translated(text: str) -> str:
    return text if spoken() == ENGLISH else _catalogue(spoken()).said.get(text, text)


@cache
def _heard(text: str, language: str) -> str:
    catalogue = _catalogue(language)
    if text in catalogue.said:
        return catalogue.said[text]
    for pattern, translated in catalogue.patterns:
        if found := pattern.fullmatch(text):
            parts = {name: _heard(part, language) for name, part in found.groupdict().items()}
            return translated.format(**parts)
    return text


@cache
def _catalogue(language: str) -> Catalogue:
    from babel.messages.pofile import read_po

    folder = Path(__file__).parent / language.lower().replace("-", "_")
    said: dict[str, str] = {}
    patterns: list[tuple[str, str]] = []
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            messages = list(read_po(file))
        for message in messages:
            english, translated = message.id, message.string
            if not english or message.fuzzy or not isinstance(english, str):
                continue
            if isinstance(translated, str) and translated:
                said[english] = translated
                if path.stem == "tables" and _PART.search(english):
                    patterns.append((english, translated))
    # The pattern that says most by itself goes first: "{a}; {b}" fits nearly everything.
    patterns.sort(key=lambda pair: -len(_PART.sub("", pair[0])))
    compiled = tuple((_pattern(english), translated) for english, translated in patterns)
    return Catalogue(said, compiled)


def _pattern(english: str) -> re.Pattern[str]:
    """``english`` as a regular expression, each of its places a group."""
    parts = _PART.split(english)
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts)),
        re.DOTALL,
    )
