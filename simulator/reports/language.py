"""The language of a report: sentences are written in English, and said in another where known.

Why English sentences are the keys (gettext's way): the code reads as the report does, and a
sentence without a translation is still a sentence. Translations lie in ``zh_hant/*.po``, one file a
room, which translators' tools open; Babel reads them. A test extracts every sentence from the code
and the templates and finds its translation.

Sentences that a table holds (why a gate fails, what to do next) are English there. :func:`heard`
finds the pattern that such a sentence was made by in ``zh_hant/tables.po`` and fills its parts into
the translation of the pattern. What a place of a pattern takes goes by its name:

* ``first``, ``then``: sentences that are in ``tables.po`` themselves, as are ``metric`` and
  ``metrics``, which end at a semicolon; a pattern does not fit around words without translation;
* ``n``, ``m``, ``k``: numbers; ``value``: a number with its unit;
* ``source``, ``who``: text of the user's, which stays as it is;
* all others: up to the next semicolon; translated where they are known, else as they are.
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
_PLACE = re.compile(r"\{(\w+)\}")
_LETTER = re.compile(r"[^\W\d_]")
_CHINESE = "[\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]"
_NUMBER = r"[−+-]?\d[\d,.]*(?:e[+-]\d+)?"
_SENTENCES = ("first", "then")
_KNOWN = (*_SENTENCES, "metric", "metrics")
_VERBATIM = ("source", "who")
_TAKES = {
    **dict.fromkeys((*_SENTENCES, *_VERBATIM), ".+?"),
    **dict.fromkeys("nmk", _NUMBER),
    "value": rf"{_NUMBER} (?:%|\w+ a day)",
}


@dataclass(frozen=True)
class Catalogue:
    """What one language has: sentences by their English, and patterns of sentences in tables.

    ``whole`` are those without places, ``of_tables`` those of them that tables hold: only these are
    looked for within a sentence, since a stage may be called like a heading.
    """

    said: Mapping[str, str]
    whole: Mapping[str, str]
    of_tables: Mapping[str, str]
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
    return _filled(_translated(text), parts)


def say_n(one: str, many: str, n: float, /, **parts: Any) -> str:
    """``one`` where ``n`` is 1, else ``many``, in the language spoken now."""
    return _filled(_translated(one if n == 1 else many), parts)


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
    """A sentence from a table in the language spoken now; as it stands where no pattern fits."""
    if spoken() == ENGLISH:
        return text
    return _catalogue(spoken()).whole.get(text) or _heard(text, spoken()) or text


def known(text: str) -> bool:
    """Whether a sentence from a table can be said in the language spoken now.

    English needs no translation, and neither does what has no letters.
    """
    if spoken() == ENGLISH or text in _catalogue(spoken()).whole:
        return True
    return _heard(text, spoken()) is not None


def _filled(text: str, parts: Mapping[str, Any]) -> str:
    """``text`` with ``parts`` in its places; a blank sets Chinese apart from all but Chinese."""
    if spoken() != ENGLISH:
        for name, part in parts.items():
            if re.match(_CHINESE, str(part)):
                text = re.sub(rf"(?<={_CHINESE}) (?=\{{{name}\}})", "", text)
            if re.search(_CHINESE + "$", str(part)):
                text = re.sub(rf"(?<=\{{{name}\}}) (?={_CHINESE})", "", text)
    return text.format(**parts)


def _translated(text: str) -> str:
    return text if spoken() == ENGLISH else _catalogue(spoken()).said.get(text, text)


@cache
def _heard(text: str, language: str) -> str | None:
    """``text`` by the patterns of ``tables.po``; None where none fits."""
    if not _LETTER.search(text):
        return text
    catalogue = _catalogue(language)
    if text in catalogue.of_tables:
        return catalogue.of_tables[text]
    for pattern, translated in catalogue.patterns:
        if found := pattern.fullmatch(text):
            parts = {
                name: part if name in _VERBATIM else _heard(part, language)
                for name, part in found.groupdict().items()
            }
            if all(parts[name] is not None for name in parts if name in _KNOWN):
                return _filled(
                    translated,
                    {name: found[name] if said is None else said for name, said in parts.items()},
                )
    return None


@cache
def _catalogue(language: str) -> Catalogue:
    from babel.messages.pofile import read_po

    folder = Path(__file__).parent / language.lower().replace("-", "_")
    said: dict[str, str] = {}
    of_tables: dict[str, str] = {}
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            messages = list(read_po(file))
        for message in messages:
            english, translated = message.id, message.string
            if not english or message.fuzzy or not isinstance(english, str):
                continue
            if isinstance(translated, str) and translated:
                (of_tables if path.stem == "tables" else said)[english] = translated
    said |= of_tables
    # The pattern that says most by itself goes first: "{first}; {then}" fits nearly everything.
    patterns = sorted(
        filter(_PLACE.search, of_tables), key=lambda english: -len(_PLACE.sub("", english))
    )
    return Catalogue(
        said,
        {english: said[english] for english in said if not _PLACE.search(english)},
        {english: of_tables[english] for english in of_tables if not _PLACE.search(english)},
        tuple((_pattern(english), of_tables[english]) for english in patterns),
    )


def _pattern(english: str) -> re.Pattern[str]:
    """``english`` as a regular expression, each of its places a group."""
    parts = _PLACE.split(english)
    return re.compile(
        "".join(
            f"(?P<{part}>{_TAKES.get(part, '(?:(?!; ).)+?')})" if i % 2 else re.escape(part)
            for i, part in enumerate(parts)
        ),
        re.DOTALL,
    )
