"""Splitting replies into sentences, the same way wherever a sentence is looked up or judged."""

from __future__ import annotations

import re

# A full stop ends a sentence only before white space or the end, so that 3.5 and a.com stay whole;
# Chinese stops end one at once. Abbreviations that are common in support are kept together.
_END = re.compile(
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bNo)(?<!\bapprox)"
    r"[.!?]+[\"'”’)\]]*(?=\s|$)"
    r"|[。！？；…]+[”’」』）]*"
    r"|\n+"
)


def sentences(text: str | None) -> list[str]:
    """The sentences of ``text`` in order, stripped, with their end mark; none for null or blank.

    >>> sentences("It takes 3.5 days. Is that fine?  好的。謝謝！")
    ['It takes 3.5 days.', 'Is that fine?', '好的。', '謝謝！']
    """
    if not text:
        return []
    found, start = [], 0
    for end in _END.finditer(text):
        found.append(text[start : end.end()].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def is_cjk(text: str) -> bool:
    """Whether most letters of ``text`` are Chinese (or Japanese or Korean) characters."""
    cjk = sum("㐀" <= char <= "鿿" or "豈" <= char <= "﫿" for char in text)
    letters = sum(char.isalpha() for char in text)
    return cjk * 2 > letters
