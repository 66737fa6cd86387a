"""The text of an HTML message: what a reader would have seen, without markup, scripts or links."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from simulator.history.importers.fields import TEXT_LIMIT_BYTES

_BLOCKS = frozenset("p div br li tr ul ol table h1 h2 h3 h4 h5 h6 blockquote pre hr".split())
_UNSEEN = frozenset(("script", "style", "head", "title", "template", "noscript"))
_MARKUP = re.compile(r"<[a-zA-Z/!][^<>]*>|&(?:#\d+|#x[0-9a-fA-F]+|\w+);")


_OPEN = re.compile(r"<(?![^<>]*>)")


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag == "img":
            alt = next((value for name, value in attrs if name == "alt" and value), None)
            self.parts.append(f"[{alt}]" if alt else "[image]")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(data)


def text_of(html: str) -> str:
    """``html`` as plain text: a line a block, blank lines and runs of spaces closed up.

    Text without any tag or entity, or longer than a message may be, is given back as it is.
    Whatever the input, nothing of it is run or fetched, and the work grows with its length only; an
    unclosed ``<script>`` or comment hides what follows, as in a browser.
    """
    if len(html) > TEXT_LIMIT_BYTES or not _MARKUP.search(html):
        return html
    parser = _Seen()
    try:
        # The parser tries again at every "<" that no ">" follows, up to the end of the text: on a
        # long run of them it would take hours.
        parser.feed(_OPEN.sub("&lt;", _without_comments(html)))
        parser.close()
    except (ValueError, AssertionError, RecursionError):
        # The parser gives up on some broken declarations: then the tags are merely cut out.
        return _MARKUP.sub(" ", html).strip()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).split("\n"))
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()


def _without_comments(html: str) -> str:
    parts: list[str] = []
    start = 0
    while (opens := html.find("<!--", start)) >= 0:
        parts.append(html[start:opens])
        closes = html.find("-->", opens + 4)
        if closes < 0:
            return "".join(parts)
        start = closes + 3
    return "".join(parts) + html[start:]
