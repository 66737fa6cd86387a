"""Tables in Markdown that line up as plain text, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simulator.reports import wording
from simulator.reports.language import say
from simulator.reports.run import Bounds

COLUMNS = 100
# What the names may take of a row, so that the numbers beside them always fit.
STAGE_COLUMNS, CANDIDATE_COLUMNS, RANGE_COLUMNS, MONEY_COLUMNS = 14, 15, 13, 28


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    names: int = 2,
    words_last: bool = False,
) -> list[str]:
    """A Markdown table whose columns line up: names left, numbers right.

    Args:
        heads: of the columns.
        rows: as many cells each.
        names: columns from the left that hold names.
        words_last: the last column holds words.
    """
    sizes = [
        max(3, *(wording.width(cells[i]) for cells in [heads, *rows])) for i in range(len(heads))
    ]
    on_left = [i < names or (words_last and i == len(heads) - 1) for i in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell + " " * (size - wording.width(cell))
            if to_left
            else " " * (size - wording.width(cell)) + cell
            for cell, size, to_left in zip(cells, sizes, on_left, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * size if to_left else "-" * (size - 1) + ":"
        for size, to_left in zip(sizes, on_left, strict=True)
    ]
    return [line(heads), line(rule), *map(line, rows)]


def clipped(name: str, columns: int) -> str:
    """A name from data, in at most ``columns``."""
    return wording.clip(wording.markdown(name), columns).rstrip("\\")


def spread(bounds: Bounds, unit: str = "") -> str:
    """Central, and worst in brackets where it differs; shortened where it would not fit."""

    def written(write: Callable[[str, float | None], str]) -> str:
        middle, worst = (
            bare(write(bounds.metric, value)) for value in (bounds.central, bounds.worst)
        )
        return (middle if bounds.single or middle == worst else f"{middle} ({worst})") + unit

    if not bounds.known:
        return say(wording.UNKNOWN) if bounds.figures else "–"
    full = written(wording.number)
    return full if wording.width(full) <= RANGE_COLUMNS else written(wording.short)


def bare(text: str) -> str:
    """A number without its unit, which stands in the heading."""
    return (
        "–"
        if text == say(wording.UNKNOWN)
        else text.removesuffix(" %").removesuffix(" s").removesuffix(" h")
    )


def three(bounds: Bounds, columns: int = MONEY_COLUMNS) -> str:
    """Best / central / worst, shortened where they would not fit."""
    if not bounds.known:
        return say(wording.UNKNOWN) if bounds.figures else "–"
    if bounds.single:
        return bare(wording.number(bounds.metric, bounds.central))
    values = (bounds.best, bounds.central, bounds.worst)
    full = " / ".join(bare(wording.number(bounds.metric, value)) for value in values)
    if wording.width(full) <= columns:
        return full
    return " / ".join(wording.short(bounds.metric, value) for value in values)


def bullet(text: str) -> list[str]:
    """``text`` as an item of a list, wrapped."""
    return wording.wrap(f"- {text}", COLUMNS, indent="  ")
