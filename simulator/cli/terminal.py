"""What the commands print: Markdown as it is, or laid out for the terminal that reads it.

Plain is what pipes, CI and files get: the text byte for byte. At a terminal headings, tables and
verdicts are laid out to its width, 100 columns at most; a table that is too wide has the words of
its cells wrapped, and where even those do not fit each row becomes a few lines of its own, so that
no number is ever cut. Colour only repeats what a word says (none with ``NO_COLOR``).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import IO, TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_WIDEST = 100
_NARROWEST = 20
# What rich puts between two columns.
_GAP = 3
PLAIN = "SHADOWDESK_PLAIN"
# Words that a cell or line may begin with, and their colours.
_VERDICTS = {
    "pass": "green",
    "caught": "green",
    "GO": "bold green",
    "通過": "green",
    "fail": "red",
    "NOT CAUGHT": "bold red",
    "NO GO": "bold red",
    "未通過": "red",
    "insufficient": "yellow",
    "not reached": "yellow",
    "證據不足": "yellow",
    "overridden": "magenta",
    "人為放行": "magenta",
}
_VERDICT = re.compile(r"\s*(" + "|".join(sorted(_VERDICTS, key=len, reverse=True)) + r")(?!\w)")
# Names and replies come from data: nothing in them may steer the terminal or turn its text round.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_WIDE = re.compile(
    "[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60]"
)
_NO_LINE_START = "，。、；：！？）」』》】％,.;:!?)"
# A number keeps its sign of per cent.
_WORD = re.compile(r"\S+(?: %)?")
_PIECE = re.compile(rf"{_WIDE.pattern}[{_NO_LINE_START}]*|[^\s\u2e80-\uff60]+(?: %)?|\s+|.")
_MARKED = re.compile(r"\*\*(?P<bold>.+?)\*\*|`(?P<code>[^`]+)`")


def is_plain(stream: IO[str] | None = None) -> bool:
    """Whether to leave the text as it is: asked for, in CI, or no terminal that can do better."""
    asked = any(os.environ.get(name) for name in (PLAIN, "CI"))
    return asked or os.environ.get("TERM") == "dumb" or not (stream or sys.stdout).isatty()


def width() -> int:
    """Columns that text may take."""
    from rich.console import Console

    return max(_NARROWEST, min(_WIDEST, Console().width))


def show(markdown: str) -> None:
    """Print Markdown: headings, paragraphs, lists and tables as the reports write them."""
    if is_plain():
        typer.echo(markdown)
        return
    console = _console()
    for kind, lines in _blocks(_STEERING.sub("", markdown).splitlines()):
        if kind == "table":
            _table(console, *_cells(lines))
        elif kind == "heading":
            _heading(console, lines[0])
        else:
            _prose(console, lines)


def show_lines(lines: Sequence[str]) -> None:
    """Print lines that stand for themselves; at a terminal wrapped under their own indent."""
    if is_plain():
        for line in lines:
            typer.echo(line)
        return
    console = _console()
    for line in lines:
        clean = _STEERING.sub("", line)
        indent = len(clean) - len(clean.lstrip())
        text = _inline(clean.strip())
        _print(console, text, " " * indent, " " * (indent + 2 if indent else 0))


def show_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()
) -> None:
    """Lay out a table, at a terminal only; ``right``: columns of numbers."""
    clean = [[_STEERING.sub("", cell) for cell in row] for row in rows]
    _table(_console(), list(head), clean, [place in right for place in range(len(head))])


def show_json(answer: Mapping[str, Any]) -> None:
    """Print one JSON object, and nothing else, for a program to read; dates are ISO text."""
    import json

    typer.echo(json.dumps(answer, ensure_ascii=False, indent=2, default=str, allow_nan=False))


def plain(found: Any) -> Any:
    """Tuples with names, dataclasses and models as JSON has them: objects by their fields."""
    if hasattr(found, "model_dump"):
        return found.model_dump(mode="json")
    if is_dataclass(found) and not isinstance(found, type):
        return {one.name: plain(getattr(found, one.name)) for one in fields(found)}
    if isinstance(found, tuple) and hasattr(found, "_asdict"):
        return {name: plain(value) for name, value in found._asdict().items()}
    if isinstance(found, Mapping):
        return {str(name): plain(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [plain(one) for one in found]
    return found


def _console() -> Console:
    from rich.console import Console

    return Console(width=width(), highlight=False, markup=False, emoji=False, soft_wrap=True)


def _blocks(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Tables, headings and prose, in their order. Blank lines are prose of their own."""
    held: list[str] = []
    kind = ""
    for line in lines:
        one = "table" if line.startswith("|") else "heading" if line.startswith("#") else "prose"
        ends = one != kind or one == "heading" or (one == "prose" and _begins(line, held))
        if held and ends:
            yield kind, held
            held = []
        kind = one
        held.append(line)
    if held:
        yield kind, held


def _begins(line: str, held: Sequence[str]) -> bool:
    return not line.strip() or not held[-1].strip() or line.startswith(("- ", "  - "))


def _cells(lines: Sequence[str]) -> tuple[list[str], list[list[str]], list[bool]]:
    rows = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]
        for line in lines
    ]
    ruled = len(rows) > 1 and all(re.fullmatch(r":?-+:?", cell) for cell in rows[1])
    right = [cell.endswith(":") for cell in rows[1]] if ruled else [False] * len(rows[0])
    return rows[0], rows[2 if ruled else 1 :], right


def _heading(console: Console, line: str) -> None:
    from rich.text import Text

    level = len(line) - len(line.lstrip("#"))
    text = Text(line.lstrip("# "), style="bold underline" if level == 1 else "bold")
    _print(console, text, "", "")


def _prose(console: Console, lines: Sequence[str]) -> None:
    first = lines[0]
    if len(lines) == 1 and not first.strip():
        console.print()
        return
    indent = re.match(r"\s*(?:- )?", first)
    hang = " " * len(indent[0]) if indent else ""
    # Lines of a hundred columns are kept where they fit, and flow together where they do not.
    from rich.cells import cell_len

    # Emphasis that runs over a line end is read as one.
    if max(map(cell_len, lines)) <= console.width and not any(
        line.count("**") % 2 for line in lines
    ):
        for line in lines:
            console.print(_inline(line))
        return
    text = lines[0].strip()
    for line in lines[1:]:
        touching = _WIDE.match(text[-1:]) and _WIDE.match(line.strip()[:1])
        text += ("" if touching else " ") + line.strip()
    _print(console, _inline(text.removeprefix("- ")), indent[0] if indent else "", hang)


def _inline(text: str) -> Text:
    """Bold and code without their marks, a verdict at the beginning in its colour."""
    from rich.text import Text

    found, end = Text(), 0
    for match in _MARKED.finditer(text):
        found.append(text[end : match.start()])
        style = "bold" if match["bold"] else "cyan"
        found.append(match["bold"] or match["code"], style=style)
        end = match.end()
    found.append(text[end:])
    if verdict := _VERDICT.match(found.plain):
        found.stylize(_VERDICTS[verdict[1]], verdict.start(1), verdict.end(1))
    return found


def _print(console: Console, text: Text, first: str, hang: str) -> None:
    from rich.text import Text

    for number, line in enumerate(_wrapped(text, console.width - max(len(first), len(hang)))):
        console.print(Text.assemble(hang if number else first, line))


def _wrapped(text: Text, columns: int) -> list[Text]:
    """Lines of at most ``columns``; Chinese may break between any two characters."""
    from rich.cells import cell_len

    breaks: list[int] = []
    used = 0
    for piece in _PIECE.finditer(text.plain):
        size = cell_len(piece[0])
        if used and used + size > columns and not piece[0].isspace():
            breaks.append(piece.start())
            used = 0
        # What is longer than a line is broken where the line ends.
        start = piece.start()
        for place, letter in enumerate(piece[0]) if size > columns else ():
            if used + cell_len(letter) > columns:
                breaks.append(start + place)
                used = 0
            used += cell_len(letter)
        used += 0 if size > columns else size
    lines = text.divide(breaks)
    for line in lines:
        line.rstrip()
    return list(lines) or [text]


def _table(
    console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]
) -> None:
    """As a table where its words fit, else row by row."""
    columns = [[name, *(row[place] for row in rows)] for place, name in enumerate(head)]
    widths = _widths([[_inline(cell).plain for cell in cells] for cells in columns], console.width)
    if widths is None:
        _records(console, head, rows)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for name, size, is_number in zip(head, widths, right, strict=True):
        lines = Text("\n").join(_wrapped(_inline(name), size))
        made.add_column(lines, width=size, justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        cells = zip(row, widths, strict=True)
        made.add_row(*(Text("\n").join(_wrapped(_inline(cell), size)) for cell, size in cells))
    console.print(made)


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Columns' widths that together fit ``room`` without cutting a word; null: there are none."""
    from rich.cells import cell_len

    widest = [max(map(cell_len, cells)) for cells in columns]
    least = [
        max((cell_len(word) for cell in cells for word in _WORD.findall(cell)), default=1)
        for cells in columns
    ]
    room -= _GAP * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widest) > room:
        loose = [place for place in range(len(widest)) if widest[place] > least[place]]
        widest[max(loose, key=lambda place: widest[place])] -= 1
    return widest


def _records(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Each row as a line that names it, and a line for each further cell."""
    from rich.text import Text

    # The first two columns say of what, as in stage and candidate.
    named = 2 if len(head) > 2 else 1
    for row in rows:
        _print(console, Text(", ".join(row[:named]), style="bold"), "", "  ")
        for name, cell in zip(head[named:], row[named:], strict=True):
            line = Text.assemble(f"{name}: ", _inline(cell))
            _print(console, line, "  ", "    ")
