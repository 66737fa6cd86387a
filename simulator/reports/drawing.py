"""What all charts share: colours, type, rows, and SVG that can stand in a page.

Colours are those of Okabe and Ito (2008, jfly.uni-koeln.de/color), which people with any of the
common colour-vision deficiencies can tell apart; line styles and markers say the same once more.
The browser draws the text, so that Chinese needs no font inside matplotlib.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.reports import wording
from simulator.reports.run import Run

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, INK, GREY = "#E69F00", "#56B4E9", "#1a1f24", "#5b6570"
LINES = ((BLUE, "--"), (GREEN, "-"), (VERMILLION, "-."), (PURPLE, ":"), (ORANGE, "--"), (SKY, "-"))
# One more than there are colours, so that the two together repeat late.
MARKERS = "sD^vPX*"
WIDTH = 10.0
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#8a939c",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e9ec",
    "xtick.color": GREY,
    "ytick.color": INK,
    "legend.frameon": False,
    "axes.unicode_minus": True,
    # A name may hold dollar signs, and means no formula by them.
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Chart:
    """A chart: ``name`` (of its files), what stands over and under it, its SVG and its data."""

    name: str
    section: str
    title: str
    svg: str
    reading: str
    data: pl.DataFrame


def rows_of(axes: Axes, cells: Sequence[tuple[str, str]]) -> None:
    """Name the rows of ``axes`` after (stage, candidate) cells, with a line between stages."""
    axes.set_yticks(
        range(len(cells)),
        [f"{wording.stage_label(s)} · {wording.clip(wording.visible(c), 24)}" for s, c in cells],
    )
    axes.set_ylim(len(cells) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0, pad=7)
    for place in range(1, len(cells)):
        if cells[place][0] != cells[place - 1][0]:
            axes.axhline(place - 0.5, color="#c3c9cf", linewidth=0.8)


def of_candidate(run: Run, candidate: str) -> tuple[str, str]:
    """Colour and marker of a candidate, the same in every chart."""
    if candidate == "human":
        return INK, "o"
    place = [name for name in run.candidates if name != "human"].index(candidate)
    machine = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
    return machine[place % len(machine)], MARKERS[place % len(MARKERS)]


def height(n_rows: int) -> float:
    """Inches that a chart of ``n_rows`` rows wants."""
    return 1.3 + 0.34 * n_rows


def slug(name: str, run: Run) -> str:
    """A candidate's name as part of a file name, unique within the run."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    # Names in other scripts, and names that differ in punctuation only, still need their own file.
    same = [n for n in run.candidates if re.sub(r"[^a-z0-9]+", "-", n.lower()).strip("-") == plain]
    place = run.candidates.index(name) + 1
    return plain if plain and len(same) == 1 else f"{plain or 'candidate'}-{place}"


def chart(
    figure: Figure, name: str, section: str, title: str, reading: str, data: pl.DataFrame
) -> Chart:
    """``figure`` as a chart: deterministic SVG whose ids no other chart of the page has."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(
            buffer,
            format="svg",
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    # Several charts share one page, and an id may stand there once.
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\g<1>#{name}-", svg)
    svg = svg.replace(
        "<svg ", f'<svg stroke-linejoin="round" role="img" aria-label="{escape(title)}" ', 1
    )
    return Chart(name, section, title, svg, reading, data)
