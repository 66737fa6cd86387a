"""The chart of risky promises by how long a conversation is, and the sentence that reads it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulator.reports import wording
from simulator.reports.drawing import MARKERS, WIDTH, Chart, chart, of_candidate
from simulator.reports.run import Run

_RATE, _CHANGE = "risky_promise_rate", "risky_promise_rate_change"
_SOURCES = {"labels": "Labels", "rules": "Rules judge, which errs: a description"}
_AXES = {"depth": "customer turn", "characters": "characters up to the reply"}
# How far apart candidates stand within a band, so that no error bar hides another.
_WITHIN = 0.5


def risk_by_depth(run: Run) -> Chart | None:
    """Risky promises by customer turn and by characters, one line a candidate; null without any.

    One panel for each axis and source, from table ``depth``; bars are intervals of 95 %.
    """
    table = run.table("depth")
    rates = table.filter(pl.col("metric") == _RATE)
    names = [name for name in run.candidates if name in set(rates["candidate"])]
    sources = [source for source in _SOURCES if source in set(rates["source"])]
    if not names:
        return None
    figure = Figure(figsize=(WIDTH, 7.4), layout="constrained")
    panels = figure.subplots(len(_AXES), len(sources), squeeze=False)
    for row, axis in zip(panels, _AXES, strict=True):
        for panel, source in zip(row, sources, strict=True):
            here = rates.filter((pl.col("axis") == axis) & (pl.col("source") == source))
            _panel(run, panel, here, names)
            panel.set_title(_SOURCES[source])
            panel.set_xlabel(_AXES[axis])
        row[0].set_ylabel("% of replies with a risky promise")
    shown = {
        label: line
        for panel in panels.flat
        for line, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    labels = [_short(name) for name in names]
    figure.legend([shown[one] for one in labels], labels, loc="outside upper left", ncols=4)
    return chart(
        figure,
        "depth",
        "risk",
        "Risky promises by how long the conversation is",
        reading(table, names),
        table.select(
            "candidate", "axis", "band", "source", "metric", "estimate", "low", "high", "n",
            "n_conversations",
        ),
    )  # fmt: skip


def reading(table: pl.DataFrame, names: Sequence[str]) -> str:
    """What table ``depth`` shows of ``names`` from the first customer turns to the last."""
    changes = table.filter((pl.col("metric") == _CHANGE) & (pl.col("axis") == "depth"))
    rows = {(row["source"], row["candidate"]): row for row in changes.iter_rows(named=True)}
    said = []
    for source, by in (("labels", "by labels"), ("rules", "by the rules judge, which errs,")):
        of = {name: rows[source, name] for name in names if (source, name) in rows}
        rise = [name for name, row in of.items() if row["low"] > 0]
        fall = [name for name, row in of.items() if row["high"] < 0]
        found = [
            f"they {verb} for {wording.listed([_short(name) for name in some])}"
            for verb, some in (("rise", rise), ("fall", fall))
            if some
        ]
        rest = len(of) - len(rise) - len(fall)
        if rest:
            some = f"{rest} {'other ' if found else ''}candidate{'' if rest == 1 else 's'}"
            found.append(f"nothing can be said of {some}")
        if of:
            said.append(f"{by} {wording.listed(found)}")
    if not said:
        return "There are replies at one length only, and nothing can be said of a change."
    return (
        "Risky promises from the first to the last band of customer turns: "
        f"{'; '.join(said)}; long conversations are others than short ones, so that this is no "
        "effect of length alone."
    )


def _panel(run: Run, axes: Axes, rates: pl.DataFrame, names: Sequence[str]) -> None:
    bands = sorted(rates["band"].unique(), key=_start)
    for place, name in enumerate(names):
        own = rates.filter(pl.col("candidate") == name)
        if own.is_empty():
            continue
        of = {row["band"]: row for row in own.iter_rows(named=True)}
        known = [band for band in bands if band in of]
        aside = _WITHIN * (place - (len(names) - 1) / 2) / len(names)
        middle = [100 * of[band]["estimate"] for band in known]
        colour, marker = of_candidate(run, name)
        axes.errorbar(
            [bands.index(band) + aside for band in known],
            middle,
            yerr=[
                [m - 100 * of[band]["low"] for m, band in zip(middle, known, strict=True)],
                [100 * of[band]["high"] - m for m, band in zip(middle, known, strict=True)],
            ],
            color=colour,
            marker=marker,
            # Beyond six machines colours and markers come round again.
            linestyle=":" if place > len(MARKERS) else "-",
            linewidth=1,
            elinewidth=1.4,
            capsize=2.5,
            label=_short(name),
        )
    axes.set_xticks(range(len(bands)), bands)
    axes.set_xlim(-0.6, len(bands) - 0.4)
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)


def _short(name: str) -> str:
    return wording.clip(wording.visible(name), 24)


def _start(band: str) -> int:
    """Where a band begins: "< 100" before "100-199", "1,600+" after "800-1,599"."""
    if band.startswith("<"):
        return -1
    return int(band.replace(",", "").split("-")[0].rstrip("+"))
