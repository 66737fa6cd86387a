"""Splitting replies into sentences, the same way wherever a sentence is looked up or judged."""

from __future__ import annotations

import re

import polars as pl

# A full stop ends a sentence only before white space or the end, so that 3.5 and a.com stay whole;
# Chinese stops end one at once. Abbreviations that are common in support are kept together.
_END = re.compile(
    r"(?<!\be\.g)(?<!\bi\.e)(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bNo)(?<!\bapprox)"
    r"[.!?]+[\"'”’)\]]*(?=\s|$)"
    r"|[。！？；…]+[”’」』）]*"
    r"|\n+|(?:\\n)+"
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


# The same ends for many texts at once; a text with an abbreviation or a rare blank goes one by one.
_ENDS = r"([.!?]+[\"'”’)\]]*(?:\s|$)|[。！？；…]+[”’」』）]*|\n+|(?:\\n)+)"
_ALONE = r"(?:e\.g|i\.e|Mr|Ms|Dr|No|approx)[.!?]|[\x00-\x08\x1c-\x1f]"
_MARK = "\x1e"


def split(texts: pl.Series) -> pl.DataFrame:
    """The sentences of many texts, as :func:`sentences` finds them.

    Args:
        texts: strings, without nulls.

    Returns:
        One row a sentence, in order: ``text`` (place in ``texts``) and ``sentence``. A text
        without sentences has no row.
    """
    frame = texts.rename("sentence").to_frame().with_row_index("text")
    alone = frame["sentence"].str.contains(_ALONE)
    many = frame.filter(~alone).with_columns(
        pl.col("sentence").str.replace_all(_ENDS, "${1}" + _MARK).str.split(_MARK)
    )
    single = frame.filter(alone)
    parts = pl.DataFrame(
        {"text": single["text"], "sentence": [sentences(one) for one in single["sentence"]]},
        schema=many.schema,
    )
    return (
        pl.concat([many, parts])
        .explode("sentence", empty_as_null=True)
        .with_columns(pl.col("sentence").str.strip_chars())
        .filter(pl.col("sentence").str.len_bytes() > 0)
        .sort("text", maintain_order=True)
    )


def is_cjk(text: str) -> bool:
    """Whether most letters of ``text`` are Chinese (or Japanese or Korean) characters."""
    cjk = sum("㐀" <= char <= "鿿" or "豈" <= char <= "﫿" for char in text)
    letters = sum(char.isalpha() for char in text)
    return cjk * 2 > letters
