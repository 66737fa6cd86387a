"""The chart of risky promises by how long a conversation is, and the sentence that reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from simulator.reports import wording
from simulator.reports.drawing import INK, WIDTH, Chart, chart, of_candidate
from simulator.reports.language import noted, say, say_n
from simulator.reports.run import Run

_RATE, _CHANGE = "risky_promise_rate", "risky_promise_rate_change"
_SOURCES = {"labels": noted("Labels"), "rules": noted("Rules judge, which errs: a description")}
_AXES = {"depth": noted("customer turn"), "characters": noted("characters up to the reply")}
# How far apart the two sources stand within a band, so that neither error bar hides the other.
_APART = 0.13


def risk_by_depth(run: Run) -> Chart | None:
    """Risky promises by customer turn and by characters, a row a candidate; null without any.

    Why a row each: nine candidates in one panel hide one another. All rows have one scale. From
    table ``depth``; bars are intervals of 95 %. The scale is a square root's.
    """
    table = run.table("depth")
    rates = table.filter(pl.col("metric") == _RATE)
    names = [name for name in run.candidates if name in set(rates["candidate"])]
    sources = [source for source in _SOURCES if source in set(rates["source"])]
    if not names:
        return None
    figure = Figure(figsize=(WIDTH, 1.3 + 1.05 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), len(_AXES), sharex="col", sharey=True, squeeze=False)
    for row, name in zip(panels, names, strict=True):
        for panel, axis in zip(row, _AXES, strict=True):
            here = rates.filter(pl.col("axis") == axis)
            bands = sorted(here["band"].unique(), key=_start)
            own = here.filter(pl.col("candidate") == name)
            for place, source in enumerate(sources):
                _draw(run, panel, own.filter(pl.col("source") == source), bands, place)
            panel.set_xticks(range(len(bands)), bands)
            panel.set_xlim(-0.6, len(bands) - 0.4)
            panel.grid(axis="x", visible=False)
        row[0].set_title(_short(name))
    for panel, axis in zip(panels[-1], _AXES, strict=True):
        panel.set_xlabel(say(_AXES[axis]))
    # Rates are small and their intervals wide: a square root lets both be seen.
    panels[0, 0].set_yscale("function", functions=(_root, np.square))
    panels[0, 0].set_ylim(0, 100 * float(rates["high"].max() or 0.01))  # type: ignore[arg-type]
    panels[0, 0].yaxis.set_major_locator(FixedLocator([0, 5, 20, 50, 100]))
    figure.supylabel(say("% of replies with a risky promise"), fontsize=10)
    kinds = [_of_source(source, INK, "o") for source in sources]
    handles = [Line2D([], [], **kind) for kind in kinds]
    words = [say(_SOURCES[source]) for source in sources]
    figure.legend(handles, words, loc="outside upper left", ncols=2)
    return chart(
        figure,
        "depth",
        "risk",
        say("Risky promises by how long the conversation is"),
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
    for source, whose in (
        ("labels", noted("by labels {findings}")),
        ("rules", noted("by the rules judge, which errs, {findings}")),
    ):
        of = {name: rows[source, name] for name in names if (source, name) in rows}
        rise = [_short(name) for name, row in of.items() if row["low"] > 0]
        fall = [_short(name) for name, row in of.items() if row["high"] < 0]
        found = []
        if rise:
            found.append(say("they rise for {names}", names=wording.listed(rise)))
        if fall:
            found.append(say("they fall for {names}", names=wording.listed(fall)))
        rest = len(of) - len(rise) - len(fall)
        if rest and found:
            found.append(
                say_n(
                    "nothing can be said of {n} other candidate",
                    "nothing can be said of {n} other candidates",
                    rest,
                    n=rest,
                )
            )
        elif rest:
            found.append(
                say_n(
                    "nothing can be said of {n} candidate",
                    "nothing can be said of {n} candidates",
                    rest,
                    n=rest,
                )
            )
        if of:
            said.append(say(whose, findings=wording.listed(found)))
    if not said:
        return say("There are replies at one length only, and nothing can be said of a change.")
    return say(
        "Risky promises from the first to the last band of customer turns: {findings}; long "
        "conversations are others than short ones, so that this is no effect of length alone.",
        findings=say("; ").join(said),
    )


def _root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(values, 0.0))


def _draw(run: Run, axes: Axes, rates: pl.DataFrame, bands: Sequence[str], place: int) -> None:
    """One candidate's rates by one source; ``place``: the source's, from the left of a band."""
    of = {row["band"]: row for row in rates.iter_rows(named=True)}
    known = [band for band in bands if band in of]
    if not known:
        return
    middle = [100 * of[band]["estimate"] for band in known]
    colour, marker = of_candidate(run, rates["candidate"][0])
    axes.errorbar(
        [bands.index(band) + (2 * place - 1) * _APART for band in known],
        middle,
        yerr=[
            [m - 100 * of[band]["low"] for m, band in zip(middle, known, strict=True)],
            [100 * of[band]["high"] - m for m, band in zip(middle, known, strict=True)],
        ],
        elinewidth=1.4,
        capsize=2.5,
        clip_on=False,
        **_of_source(rates["source"][0], colour, marker),
    )


def _of_source(source: str, colour: str, marker: str) -> dict[str, Any]:
    """Labels are drawn solid, what the judge reads hollow."""
    hollow = source == "rules"
    return {
        "color": colour,
        "marker": marker,
        "markerfacecolor": "white" if hollow else colour,
        "linestyle": ":" if hollow else "-",
        "linewidth": 1,
    }


def _short(name: str) -> str:
    return wording.clip(wording.visible(name), 24)


def _start(band: str) -> int:
    """Where a band begins: "< 100" before "100-199", "1,600+" after "800-1,599"."""
    if band.startswith("<"):
        return -1
    return int(band.replace(",", "").split("-")[0].rstrip("+"))
