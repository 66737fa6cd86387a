"""Which sentences can hold a commitment at all: a screen before the rules of clauses.

Most sentences of a reply commit to nothing, and the rules that prove it are slow. Polars runs plain
regular expressions on all cores, but without lookarounds; so each rule that can find a commitment
is relaxed by leaving its lookarounds and anchors out. What is left matches wherever the rule does,
and more: the screen lets too much through, never too little.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from simulator.judging.promises import patterns_en, patterns_zh

# Python and Rust mean the same by \w, \b and \s in these characters (Latin, Chinese, their marks,
# arrows and pictures). Text with any other goes to the rules unscreened.
_PLAIN = (
    r"^[\t\n\r -~\u{a0}\u{a3}\u{a5}\u{b7}\u{202f}\u{c0}-\u{24f}\u{2010}-\u{2027}"
    r"\u{2030}-\u{205e}\u{20ac}\u{2190}-\u{21ff}\u{2600}-\u{27bf}\u{3001}-\u{3004}\u{3008}-\u{3020}\u{3400}-\u{9fff}"
    r"\u{f900}-\u{fa6d}\u{ff01}-\u{ff5e}\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}]*$"
)
# In such text these mean the same or more, and need no tables of Unicode.
_PLAINER = {r"\b": r"(?-u:\b)", r"\d": "[0-9]"}
_MARK = "\x1e"
# Of each language: letters without which it has no words, ends of clauses, offers, and the rest.
_LANGUAGES = (
    (
        "english",
        "[a-z]",
        r"([,;:]\s|\n|\\n)",
        patterns_en.OFFER.pattern,
        patterns_en.COMMITTING,
    ),
    (
        "chinese",
        r"[\u{3400}-\u{9fff}\u{f900}-\u{faff}]",
        "([,;:\n~!?。！？；，]+)",
        patterns_zh.OFFER.pattern,
        patterns_zh.COMMITTING,
    ),
)
_LOOKS = ("(?=", "(?!", "(?<=", "(?<!")


@cache
def relaxed(pattern: str) -> str:
    """``pattern`` without lookarounds, anchors, counts and possessive repeats: it matches no less.

    >>> relaxed(r"^(?<!no )will(?: (?!not)[a-z)]+)*+$")
    'will(?: [a-z)]+)*'
    """
    out: list[str] = []
    place, skipped = 0, 0
    while place < len(pattern):
        char = pattern[place]
        if char == "\\":
            token = _PLAINER.get(pattern[place : place + 2], pattern[place : place + 2])
        elif char == "[":
            close = pattern.index("]", place + 2 + (pattern[place + 1] == "^"))
            token = pattern[place : close + 1]
        else:
            token = char
        if skipped:
            skipped += (token == "(") - (token == ")")
        elif pattern.startswith(_LOOKS, place):
            skipped = 1
        elif char == "{":
            # An open repeat is more, and far faster, than a counted one.
            token = pattern[place : pattern.index("}", place) + 1]
            out.append("*" if token.startswith(("{0,", "{,")) else "+")
        elif token not in ("^", "$") and not (token == "+" and out and out[-1] in ("*", "+", "?")):
            out.append(token)
        place += 2 if char == "\\" else len(token)
    return "".join(out)


def _hits(texts: pl.DataFrame, rows: tuple[tuple[str, ...], ...]) -> pl.DataFrame:
    # Each pattern of a row reads only what those before it have left.
    found = []
    for row in rows:
        of = texts
        for pattern in row:
            of = of.filter(pl.col("folded").str.contains(relaxed(pattern)))
        found.append(of)
    return pl.concat(found)


def odd(text: pl.Expr) -> pl.Expr:
    """Whether ``text`` has characters that the two kinds of regular expression read differently."""
    return ~text.str.contains(_PLAIN)


def may_commit(texts: pl.DataFrame) -> pl.DataFrame:
    """Those rows whose sentence may hold a commitment; none is lost.

    Args:
        texts: with ``folded``, the sentences as the rules read them.

    Returns:
        The rows in their order, with ``english`` and ``chinese``: in which stretches of characters,
        as pairs of begin and end, a clause of that language may commit; null for anywhere.
    """
    text = pl.col("folded")
    rows = texts.select("folded").with_row_index("row")
    strange = rows.filter(odd(text)).select("row", strange=pl.lit(True))
    kept, live = [strange.select("row")], []
    # Only words of its own language make a rule hold. Offers alone read more than one clause.
    for language, written, ends, offer, committing in _LANGUAGES:
        of = rows.filter(text.str.contains(written))
        found = _live(of, ends, committing).rename({"live": language})
        live.append(found)
        kept += [found.select("row"), of.filter(text.str.contains(relaxed(offer))).select("row")]
    return (
        texts.with_row_index("row")
        .join(pl.concat(kept).unique(), on="row", how="semi", maintain_order="left")
        .join(live[0], on="row", how="left", maintain_order="left")
        .join(live[1], on="row", how="left", maintain_order="left")
        .join(strange, on="row", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("strange").is_null()).then(pl.col(language).fill_null([]))
            for language, *_ in _LANGUAGES
        )
        .drop("row", "strange")
    )


def _live(rows: pl.DataFrame, ends: str, committing: tuple[tuple[str, ...], ...]) -> pl.DataFrame:
    # No clause reaches over one of its language's ends, and these rules read one clause at a time.
    cut = pl.col("folded").str.replace_all(ends, "${1}" + _MARK).str.split(_MARK)
    parts = rows.select("row", cut).explode("folded", empty_as_null=True)
    of = _hits(parts.select("folded").unique(), committing).unique()
    found = parts.join(of.with_columns(hit=True), on="folded", how="left", maintain_order="left")
    length = pl.col("folded").str.len_chars().cast(pl.Int64)
    end = length.cum_sum().over("row")
    return (
        found.filter(pl.col("row").is_in(found.filter("hit")["row"].unique().implode()))
        .with_columns(pl.concat_list(end - length, end).alias("live"))
        .filter("hit")
        .group_by("row", maintain_order=True)
        .agg("live")
    )
