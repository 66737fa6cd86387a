"""Tables in Markdown that line up as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.reports import wording


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
