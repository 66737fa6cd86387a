"""What each metric, gate and term means, how it is computed, where it stands, where it comes from.

One place for the command ``explain`` and for the page's notes on method. Names and meanings are
those of the reports (:mod:`simulator.reports.metrics`, :mod:`simulator.reports.terms`), in the
language that is spoken; how things are computed is told in English, in ``definitions.toml``.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from simulator.errors import ShadowdeskError
from simulator.reports import wording
from simulator.reports.language import translated
from simulator.reports.metrics import METRICS
from simulator.reports.terms import TERMS

if TYPE_CHECKING:
    from simulator.reports.run import Run

# In the order in which they are listed.
GROUPS = {
    "desk": "Waits and load",
    "outcomes": "How conversations end",
    "gates": "What gates bound",
    "labels": "What labels say of conversations",
    "money": "Money",
    "staffing": "Re-staffing",
    "backtest": "Back-test of the queue model",
    "rollout": "Rollout and replay",
    "judgement": "Decisions and words",
    "evidence": "Evidence",
    "comparison": "Comparison of candidates",
}
# Terms that a reader of the page meets, in the order in which it tells of them.
_ON_PAGE = (
    "candidate", "decision_point", "stage", "segment", "gate", "insufficient", "overridden",
    "label", "labels_needed", "estimand", "agreed", "handoff", "diverged", "bounds", "commitment",
    "risky_promise", "judge", "question_kind", "escalation", "shrinkage", "required_agents",
    "confidence_interval", "prediction_interval", "backtest",
)  # fmt: skip
# A metric of table support_metrics or depth that is another one, of some points alone.
_NARROWED = re.compile(r"_after_(answer|clarify|escalate|refuse|soothe)$|_same_conversations$")


class UnknownNameError(ShadowdeskError):
    """Nothing of this name is defined."""


@dataclass(frozen=True)
class Definition:
    """A metric, gate or term.

    Attributes:
        name: as tables have it.
        label: as reports have it, in the language spoken when it was asked for.
        meaning: in a line, in that language.
        group: a key of :data:`GROUPS`.
        aliases: what people call it besides.
        how: formula or procedure, with what is left out.
        gate: how the gate of this name decides; None where there is none.
        held_in: ``table.column``; a metric's rows have its name in column ``metric``.
        computed_by: import paths of modules, or of what they define.
        keys: of the scenario, that set or change it.
        source: book, paper or standard, or that it is shadowdesk's own.
        caveats: what to beware of.
    """

    name: str
    label: str
    meaning: str
    group: str
    aliases: tuple[str, ...]
    how: str
    gate: str | None
    held_in: tuple[str, ...]
    computed_by: tuple[str, ...]
    keys: tuple[str, ...]
    source: str
    caveats: tuple[str, ...]


def names() -> tuple[str, ...]:
    """Every name that is defined, group by group."""
    order = list(GROUPS)
    return tuple(sorted(_facts(), key=lambda name: order.index(_facts()[name]["group"])))


def find(name: str) -> Definition:
    """The definition of a name, a label or an alias, whatever its case, hyphens and underscores.

    Raises:
        UnknownNameError: nothing is called so; names the nearest.
    """
    asked = _plain(name)
    found = _called().get(asked) or _called().get(_plain(_NARROWED.sub("", name.strip().lower())))
    if found is None:
        near = difflib.get_close_matches(asked, _called(), n=3, cutoff=0.6)
        # One name may be near by several of its aliases.
        close = list(dict.fromkeys(_called()[one] for one in near))
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        raise UnknownNameError(
            f"explain {wording.clip(wording.visible(name), 60)}: no metric, gate or term is called "
            f"so{hint}; `shadowdesk explain` lists all names"
        )
    return _definition(found)


def for_page(run: Run) -> list[Definition]:
    """Terms, and the metrics that the tables of ``run`` hold, in the order of :func:`names`."""
    held = {
        metric
        for table in ("kpis", "costs", "gates", "support_metrics", "staffing_hours", "backtest")
        for metric in run.table(table)["metric"].unique()
    }
    shown = [name for name in names() if name in held and name in METRICS]
    return [_definition(name) for name in (*_ON_PAGE, *shown)]


def listed() -> Iterable[tuple[str, list[Definition]]]:
    """Each group's title, and its definitions."""
    for group, title in GROUPS.items():
        yield title, [_definition(name) for name in names() if _facts()[name]["group"] == group]


def _definition(name: str) -> Definition:
    facts = _facts()[name]
    label, meaning = _words(name)
    return Definition(
        name,
        translated(label),
        translated(meaning),
        facts["group"],
        tuple(facts["aliases"]),
        facts["how"],
        facts.get("gate"),
        tuple(facts["held_in"]),
        tuple(facts["computed_by"]),
        tuple(facts["keys"]),
        facts["source"],
        tuple(facts["caveats"]),
    )


def _words(name: str) -> tuple[str, str]:
    """Label and meaning, in English."""
    if name in TERMS:
        return TERMS[name]
    if name not in METRICS:
        # Comparisons have metrics of their own, which are English alone.
        from simulator.reports import comparison_words

        found = comparison_words.known(name)
        return found.label, found.meaning
    return METRICS[name].label, METRICS[name].meaning


@cache
def _facts() -> Mapping[str, dict[str, Any]]:
    text = resources.files(__package__).joinpath("definitions.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def _called() -> dict[str, str]:
    """The name of each way to call something. Names go first, then labels."""
    found: dict[str, str] = {}
    for ways in (
        lambda name: [name],
        lambda name: [_words(name)[0]],
        lambda name: _facts()[name]["aliases"],
    ):
        for name in names():
            for way in ways(name):
                found.setdefault(_plain(way), name)
    return found


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text.strip().lower()).replace("’", "'")
