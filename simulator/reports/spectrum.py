"""The spectrum of questions, from knowledge to strategy, and what each candidate does along it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from matplotlib.figure import Figure as Drawing

from simulator.reports import wording
from simulator.reports.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    WIDTH,
    Chart,
    chart,
    height,
)
from simulator.reports.language import noted, say, say_n
from simulator.reports.phrases import named
from simulator.reports.run import Figure, Run

TABLE = "spectrum"
KINDS = {
    "knowledge": noted("Knowledge question"),
    "mixed": noted("Mixed question"),
    "strategy": noted("Strategy question"),
}
# From doing most by itself to doing least: label, colour, hatch and colour of the words on it.
ACTIONS = {
    "answer_share": (noted("Answers"), BLUE, "", "white"),
    "clarify_share": (noted("Clarifies"), SKY, "//", INK),
    "soothe_share": (noted("Soothes"), GREEN, "..", INK),
    "refuse_share": (noted("Refuses"), ORANGE, "xx", INK),
    "escalate_share": (noted("Escalates"), PURPLE, "\\\\", INK),
}
RATES = {
    ("rules", "risky_promise_rate"): noted("Risky promises, by the rules judge"),
    ("labels", "risky_promise_rate"): noted("Risky promises, by labels"),
    ("rules", "over_answer_rate"): noted("Over-answers, by the rules judge"),
}
# A narrower part of a bar has no room for its number.
_ROOM = 11.0


@dataclass(frozen=True)
class Share:
    """A row of table ``spectrum`` as shown."""

    estimate: Figure
    low: Figure
    high: Figure
    n: Figure


@dataclass(frozen=True)
class Row:
    """What one candidate does with one kind of question; what is not known is not there."""

    candidate: str
    kind: str
    actions: Mapping[str, Share]
    rates: Mapping[tuple[str, str], Share]

    @property
    def decided(self) -> Figure | None:
        """Of how many decisions the action is known."""
        return next((share.n for share in self.actions.values()), None)


def section(run: Run) -> dict[str, Any] | None:
    """What the page's section on the spectrum shows; None where the run does not know."""
    found = rows(run)
    if not found:
        return None
    return {
        "rows": {
            name: [row for row in found if row.candidate == name]
            for name in run.candidates
            if any(row.candidate == name for row in found)
        },
        "kinds": KINDS,
        "actions": {metric: label for metric, (label, *_) in ACTIONS.items()},
        "rates": {
            rate: label for rate, label in RATES.items() if any(rate in row.rates for row in found)
        },
    }


def rows(run: Run) -> list[Row]:
    """Candidates in the scenario's order, each from knowledge to strategy."""
    by: dict[tuple[str, str], dict[tuple[str, str], Share]] = {}
    for row in run.table(TABLE).iter_rows(named=True):
        place = by.setdefault((row["candidate"], row["question_kind"]), {})
        place[row["source"], row["metric"]] = Share(
            *(_figure(row, column) for column in ("estimate", "low", "high", "n"))
        )
    return [
        Row(
            name,
            kind,
            {metric: here["rules", metric] for metric in ACTIONS if ("rules", metric) in here},
            {rate: here[rate] for rate in RATES if rate in here},
        )
        for name in run.candidates
        for kind in KINDS
        if (here := by.get((name, kind)))
    ]


def spectrum_chart(run: Run) -> Chart | None:
    """What each candidate does, a panel for each kind of question; null without any."""
    found = [row for row in rows(run) if row.actions]
    names = [name for name in run.candidates if any(row.candidate == name for row in found)]
    if not names:
        return None
    drawing = Drawing(figsize=(WIDTH, height(len(names)) + 0.4), layout="constrained")
    panels = drawing.subplots(1, len(KINDS), sharey=True)
    for axes, (kind, title) in zip(panels, KINDS.items(), strict=True):
        here = {row.candidate: row.actions for row in found if row.kind == kind}
        for place, name in enumerate(names):
            if name not in here:
                axes.annotate(say("none"), (2, place), color=GREY, va="center", fontstyle="normal")
        left = dict.fromkeys(here, 0.0)
        for metric, (label, colour, hatch, ink) in ACTIONS.items():
            parts = {name: 100 * (one[metric].estimate.value or 0) for name, one in here.items()}
            axes.barh(
                [names.index(name) for name in parts], list(parts.values()),
                left=list(left.values()), height=0.68, color=colour, hatch=hatch,
                edgecolor="white", linewidth=0.6, label=say(label),
            )  # fmt: skip
            for name, part in parts.items():
                if part >= _ROOM:
                    axes.text(
                        left[name] + part / 2, names.index(name), f"{part:.0f}", color=ink,
                        ha="center", va="center", fontsize=9,
                        bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.2},
                    )  # fmt: skip
                left[name] += part
        axes.set_title(say(title))
        axes.set_xlim(0, 100)
        axes.set_xlabel(say("% of decisions"))
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0, pad=7)
    panels[0].set_yticks(range(len(names)), [_short(name) for name in names])
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    shown = next(handles for axes in panels if (handles := axes.get_legend_handles_labels())[0])
    drawing.legend(*shown, loc="outside upper left", ncols=len(ACTIONS))
    return chart(
        drawing,
        TABLE,
        TABLE,
        say("What each candidate does, from knowledge to strategy questions"),
        reading(found, names),
        run.table(TABLE).select(
            "candidate", "question_kind", "source", "metric", "estimate", "low", "high", "n",
            "n_conversations",
        ),
    )  # fmt: skip


def reading(found: Sequence[Row], names: Sequence[str]) -> str:
    """Who answers as much at the strategy end as at the knowledge end, and who hands over there.

    A change counts where the two intervals do not meet.
    """
    of = {(row.candidate, row.kind): row.actions for row in found if row.actions}
    both = {
        name: (of[name, "knowledge"], of[name, "strategy"])
        for name in names
        if (name, "knowledge") in of and (name, "strategy") in of
    }
    if not both:
        return say("No candidate met questions of both ends, and nothing can be said of a change.")
    answers = {
        name: (first["answer_share"], last["answer_share"]) for name, (first, last) in both.items()
    }
    never = [n for n, (a, b) in answers.items() if not a.estimate.value and not b.estimate.value]
    less = [n for n, (a, b) in answers.items() if _of(b.high) < _of(a.low)]
    more = [n for n, (a, b) in answers.items() if _of(b.low) > _of(a.high)]
    same = [n for n in answers if n not in (*never, *less, *more)]
    parts = []
    if less:
        most = min(less, key=lambda n: _of(answers[n][1].estimate) - _of(answers[n][0].estimate))
        parts.append(
            say_n(
                "{names} answers strategy questions less often ({first} to {last})",
                "{names} answer strategy questions less often, most of all {name} ({first} to "
                "{last})",
                len(less),
                names=_listed(less),
                name=_short(most),
                **_ends(answers[most]),
            )
        )
    for some, one, many in (
        (
            same,
            noted("{names} answers about as often at both ends ({first} and {last})"),
            noted(
                "{names} answer about as often at both ends (such as {name}: {first} and {last})"
            ),
        ),
        (
            more,
            noted("{names} answers more often ({first} to {last})"),
            noted("{names} answer more often, most of all {name} ({first} to {last})"),
        ),
    ):
        if some:
            most = max(some, key=lambda n: _of(answers[n][1].estimate))
            parts.append(
                say_n(
                    one,
                    many,
                    len(some),
                    names=_listed(some),
                    name=_short(most),
                    **_ends(answers[most]),
                )
            )
    if never:
        parts.append(
            say_n("{names} answers neither", "{names} answer neither", len(never),
                  names=_listed(never))
        )  # fmt: skip
    bots = [name for name in both if name != "human" and name not in never]
    if bots:
        most = max(bots, key=lambda n: _of(both[n][1]["escalate_share"].estimate))
        share = both[most][1]["escalate_share"].estimate
        if share.value:
            parts.append(
                say(
                    "of the candidates that answer, {name} hands over most at the strategy end "
                    "({share})",
                    name=_short(most),
                    share=share.text,
                )
            )
    text = parts[0]
    for part in parts[1:]:
        text = say("{first}; {then}", first=text, then=part)
    return say(
        "From knowledge to strategy questions, as the rules judge reads them: {parts}.", parts=text
    )


def _ends(pair: tuple[Share, Share]) -> dict[str, str]:
    return {"first": pair[0].estimate.text, "last": pair[1].estimate.text}


def _of(figure: Figure) -> float:
    return figure.value or 0.0


def _listed(names: Sequence[str]) -> str:
    return wording.listed([named(_short(name)) for name in names])


def _short(name: str) -> str:
    return wording.clip(wording.visible(name), 24)


def _figure(row: Mapping[str, Any], column: str) -> Figure:
    keys = ("candidate", "question_kind", "source", "metric")
    parts = (TABLE, *(str(row[key]) for key in keys), column)
    value = row[column]
    return Figure(
        value,
        f"{value:,}" if column == "n" else wording.percent(value),
        "/".join(quote(part, safe="") for part in parts),
    )
