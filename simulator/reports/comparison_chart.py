"""The chart of a comparison: every difference of the decisions with its interval."""

from __future__ import annotations

import warnings

import matplotlib as mpl
import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from simulator.reports import comparison_words as words
from simulator.reports import wording
from simulator.reports.comparison import Compared
from simulator.reports.drawing import INK, LINES, MARKERS, STYLE, WIDTH, Chart, chart


def differences(one: Compared) -> Chart | None:
    """Dots and intervals, a row a metric; to the right is worse. Null where nothing is known."""
    rows = [
        row
        for row in one.overall
        if row["difference"] is not None
        and row["better"] is not None
        and words.known(row["metric"]).kind == "rate"
    ]
    if not rows:
        return None
    # What nobody ever does is in the table; here it would be a column of dots on the line.
    told = {(r["metric"], r["source"]) for r in rows if r["of_ours"] or r["of_theirs"]}
    rows = [row for row in rows if (row["metric"], row["source"]) in told] or rows
    metrics = list(dict.fromkeys((row["metric"], row["source"]) for row in rows))
    ours = [pair[0] for pair in one.pairs]
    step = 0.8 / max(len(ours), 2)
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        inches = 1.4 + len(metrics) * max(0.45, 0.17 * len(ours))
        figure = Figure(figsize=(WIDTH, inches), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=INK, linewidth=1)
        if one.tolerance:
            axes.axvline(100 * one.tolerance, color=INK, linestyle="--", linewidth=1)
        for row in rows:
            place = ours.index(row["ours"])
            at = metrics.index((row["metric"], row["source"]))
            at_y = at + (place - (len(ours) - 1) / 2) * step
            colour, marker = LINES[place % len(LINES)][0], MARKERS[place % len(MARKERS)]
            if row["low"] is not None and row["high"] is not None:
                ends = [100 * words.harm(row, "low"), 100 * words.harm(row, "high")]
                axes.plot(ends, [at_y, at_y], color=colour, linewidth=2, alpha=0.6)
            axes.plot(
                100 * words.harm(row, "difference"), at_y, marker, color=colour, markersize=6,
                clip_on=False,
            )  # fmt: skip
        axes.set_yticks(
            range(len(metrics)),
            [words.label({"metric": metric, "source": source}) for metric, source in metrics],
        )
        axes.set_ylim(len(metrics) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0, pad=7)
        for place in range(1, len(metrics)):
            axes.axhline(place - 0.5, color="#e0e4e8", linewidth=0.8)
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, -1), max(right, 1))
        axes.set_xlabel("percentage points: ← better · worse →")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}".replace("-", "−"))
        handles = [
            Line2D([], [], color=LINES[i % len(LINES)][0], marker=MARKERS[i % len(MARKERS)],
                   label=wording.clip(wording.visible(one.shown[name]), 24))
            for i, name in enumerate(ours)
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside upper left", ncols=min(5, len(ours)))
        than = wording.clip(wording.visible(one.yardstick), 40)
        title = f"Differences from {than} with their {100 * one.confidence:g} % intervals"
        return chart(figure, "differences", "metrics", title, _reading(one), pl.DataFrame(rows))


def _reading(one: Compared) -> str:
    worse = [row for row in one.overall if row["worse"]]
    dashed = f" Dashed: the tolerance of {words.points(one.tolerance)}." if one.tolerance else ""
    said = "To the right of the solid line is worse, whichever way the metric counts."
    if not worse:
        return f"{said}{dashed} Nothing is shown to lie beyond the tolerance."
    most = max(worse, key=lambda row: words.harm(row, "difference"))
    return (
        f"{said}{dashed} Farthest to the right: {one.shown[most['ours']]}, "
        f"{words.inside(most)}, {words.difference(most['metric'], most)}."
    )
