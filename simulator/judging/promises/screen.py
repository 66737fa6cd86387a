"""Which sentences can hold a commitment at all: a screen before the rules of clauses.

Most sentences of a reply commit to nothing, and the rules that prove it are slow. Polars runs plain
regular expressions on all cores, but without lookarounds; so each rule that can find a commitment
is relaxed by leaving its lookarounds and anchors out. What is left matches wherever the rule does,
and more: the screen lets too much through, never too little.
"""

from __future__ import annotations

import polars as pl

from simulator.judging.promises import clauses_zh, patterns_en

# Python and Rust mean the same by \w, \b and \s in these characters (Latin, Chinese, their marks,
# arrows and pictures). Text with any other goes to the rules unscreened.
_PLAIN = (
    r"^[\t\n\r -~\u{a0}\u{a3}\u{a5}\u{b7}\u{202f}\u{c0}-\u{24f}\u{2010}-\u{2027}"
    r"\u{2030}-\u{205e}\u{20ac}\u{2190}-\u{21ff}\u{2600}-\u{27bf}\u{3001}-\u{3004}\u{3008}-\u{3020}\u{3400}-\u{9fff}"
    r"\u{f900}-\u{fa6d}\u{ff01}-\u{ff5e}\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}]*$"
)
# In such text these mean the same or more, and need no tables of Unicode.
_PLAINER = {r"\b": r"(?-u:\b)", r"\d": "[0-9]"}
_LOOKS = ("(?=", "(?!", "(?<=", "(?<!")


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


def _any(folded: pl.Expr, rows: tuple[tuple[str, ...], ...]) -> pl.Expr:
    return pl.any_horizontal(
        pl.all_horizontal(folded.str.contains(relaxed(pattern)) for pattern in row) for row in rows
    )


def odd(text: pl.Expr) -> pl.Expr:
    """Whether ``text`` has characters that the two kinds of regular expression read differently."""
    return ~text.str.contains(_PLAIN)


def may_commit(folded: pl.Expr) -> pl.Expr:
    """Whether a folded sentence may hold a commitment; false only where the rules find none."""
    chinese = folded.str.contains(r"[\u{3400}-\u{9fff}\u{f900}-\u{faff}]")
    return (
        _any(folded, patterns_en.COMMITTING)
        | (chinese & _any(folded, clauses_zh.COMMITTING))
        | odd(folded)
    )
