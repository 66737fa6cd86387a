"""What a report is made from, and how it looks a number up.

Each number that a report shows is a :class:`Figure`: the value, its text, and where it stands in
which table, so that a reader (or a test) can go back to the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import polars as pl

from simulator import schema, tables
from simulator.reports import wording
from simulator.scenario import Scenario

# What only a bot can have: null without one, and then it is not unknown but does not apply.
OF_BOT = ("contained_rate", "quit_rate", "break_even_risky_promise_rate")
STATUS_ORDER = {"fail": 0, "insufficient": 1, "overridden": 2, "pass": 3}


@dataclass(frozen=True)
class Figure:
    """A number as shown. ``source``: table / stage / candidate / segment / bound / metric / column.

    ``value`` is None where it is unknown; ``text`` then says so. Parts of ``source`` are
    percent-encoded.
    """

    value: float | None
    text: str
    source: str


@dataclass(frozen=True)
class Bounds:
    """One metric of a cell in its bounds. ``single``: it does not differ by bound.

    ``sampling`` is the interval of the central estimate, ``predicted`` the range that holds 90 %
    of simulated days (of weeks, where a week is simulated); None where unknown.
    """

    metric: str
    best: float | None = None
    central: float | None = None
    worst: float | None = None
    single: bool = False
    figures: Mapping[str, Figure] | None = None
    sampling: tuple[Figure, Figure] | None = None
    predicted: tuple[Figure, Figure] | None = None

    @property
    def known(self) -> list[float]:
        """The values that are known, in the order best, central, worst."""
        return [v for v in (self.best, self.central, self.worst) if v is not None]


@dataclass(frozen=True)
class Run:
    """A finished run: its scenario, its manifest, its tables.

    ``manifest`` may hold ``created_at`` (text), ``command``, ``seed``, ``versions`` and
    ``timings_s`` (mappings), ``synthetic`` (bool), ``account`` (lines: what was read, what was
    put aside). ``tables`` may lack a table: the part of the report that needs it says so.
    ``redact`` takes personal data out of what candidates wrote, given its language; without it
    their replies are shown as they are.
    """

    scenario: Scenario
    manifest: Mapping[str, Any]
    tables: Mapping[str, pl.DataFrame]
    redact: Callable[[str, str | None], str] | None = None

    def table(self, name: str) -> pl.DataFrame:
        """Table ``name``, or an empty one with its columns."""
        return self.tables[name] if name in self.tables else tables.empty(name)

    @property
    def synthetic(self) -> bool:
        """Whether the history was generated rather than logged."""
        return bool(self.manifest.get("synthetic", self.scenario.history.format == "sample"))

    @cached_property
    def stages(self) -> list[str]:
        """Stages in the order of the ladder; those that only tables know come last."""
        return self._ordered("stage", [stage.name for stage in self.scenario.rollout.stages])

    @cached_property
    def candidates(self) -> list[str]:
        """Candidates in the scenario's order; those that only tables know come last."""
        return self._ordered("candidate", list(self.scenario.candidates))

    def _ordered(self, column: str, names: list[str]) -> list[str]:
        seen = {
            value for table in ("kpis", "costs", "gates") for value in self.table(table)[column]
        }
        return [*names, *sorted(seen - set(names))]

    @cached_property
    def cells(self) -> list[tuple[str, str]]:
        """(stage, candidate) pairs that have a number, up the ladder."""
        seen = {
            pair
            for table in ("kpis", "costs", "gates")
            for pair in self.table(table).select("stage", "candidate").iter_rows()
        }
        return [(s, c) for s in self.stages for c in self.candidates if (s, c) in seen]

    @cached_property
    def n_days(self) -> int:
        """Days of one replication: 7 where a week is simulated, from a Monday."""
        found = self.table("horizon")["n_days"]
        return int(found[0]) if len(found) else 1

    @property
    def period(self) -> str:
        """What one replication simulates: ``day`` or ``week``."""
        return "day" if self.n_days == 1 else "week"

    @property
    def baseline(self) -> str:
        """The first stage: people alone."""
        return self.scenario.rollout.stages[0].name

    @cached_property
    def _index(self) -> dict[tuple[str, ...], dict[str, Any]]:
        return {
            (
                name,
                *(str(row[c]) for c in ("stage", "candidate", "segment", "bound", "metric")),
            ): row
            for name in ("kpis", "costs", "staffing_hours")
            for row in self.table(name).iter_rows(named=True)
        }

    @cached_property
    def _gates(self) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
        found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        for row in self.table("gates").iter_rows(named=True):
            found.setdefault((row["stage"], row["candidate"], row["segment"]), []).append(row)
        return found

    def bounds(
        self, table: str, stage: str, candidate: str, metric: str, segment: str = "all"
    ) -> Bounds:
        """``metric`` of ``table`` (``kpis``, ``costs``, ``staffing_hours``) in its three bounds.

        A metric that stands there in one bound only (a baseline; a share that no assumption
        touches) is single: the same in every bound. One that does not apply here has no figures.
        """
        if not self._applies(metric, stage, candidate, segment):
            return Bounds(metric, single=True)
        rows = {
            bound: self._index[key]
            for bound in schema.BOUNDS
            if (key := (table, stage, candidate, segment, bound, metric)) in self._index
        }
        figures = {bound: figure(table, row, "estimate") for bound, row in rows.items()}
        middle = rows.get("central") or next(iter(rows.values()), None)
        only = next(iter(rows.values()))["estimate"] if len(rows) == 1 else None
        values = {
            bound: only if len(rows) == 1 else rows[bound]["estimate"] if bound in rows else None
            for bound in schema.BOUNDS
        }
        return Bounds(
            metric,
            **values,
            single=len(rows) <= 1,
            figures=figures,
            sampling=_pair(table, middle, "low", "high"),
            predicted=_pair(table, middle, "predicted_low", "predicted_high"),
        )

    def automatic(self, stage: str, candidate: str, segment: str = "all") -> bool:
        """Whether a bot answers anybody there."""
        rules = {one.name: one.auto_when for one in self.scenario.rollout.stages}
        if stage in rules and rules[stage] is None:
            return False
        return self._central("auto_share", stage, candidate, segment) != 0

    def _applies(self, metric: str, stage: str, candidate: str, segment: str) -> bool:
        if metric == "breakdown_contained_share":
            diverged = self._central("diverged_share", stage, candidate, segment)
            return self.automatic(stage, candidate, segment) and diverged != 0
        return metric not in OF_BOT or self.automatic(stage, candidate, segment)

    def _central(self, metric: str, stage: str, candidate: str, segment: str) -> float | None:
        row = self._index.get(("kpis", stage, candidate, segment, "central", metric))
        return None if row is None else row["estimate"]

    def gates(self, stage: str, candidate: str, segment: str = "all") -> list[dict[str, Any]]:
        """Gate rows of a cell, the ones that hold it back first."""
        rows = self._gates.get((stage, candidate, segment), [])
        return sorted(rows, key=lambda row: STATUS_ORDER[standing(row)])

    def row(self, table: str, stage: str, candidate: str, metric: str) -> dict[str, Any] | None:
        """The row of the central number of ``metric``, over all conversations."""
        keys = ((table, stage, candidate, "all", b, metric) for b in ("central", "best", "worst"))
        return next((self._index[key] for key in keys if key in self._index), None)

    def method(self, table: str, stage: str, candidate: str, metric: str) -> str | None:
        """How the central number of ``metric`` was come by."""
        row = self.row(table, stage, candidate, metric)
        return None if row is None else str(row["method"])


def standing(gate: Mapping[str, Any]) -> str:
    """What a row of table ``gates`` comes to: its status, or "overridden" where somebody lets it

    be although it does not pass. An override is never a pass.
    """
    overridden = gate["overridden_by"] is not None and gate["status"] != "pass"
    return "overridden" if overridden else str(gate["status"])


def figure(table: str, row: Mapping[str, Any], column: str, metric: str | None = None) -> Figure:
    """``column`` of a row of a tidy table, as a figure."""
    value = row[column]
    parts = (table, *(str(row[c]) for c in ("stage", "candidate", "segment", "bound", "metric")))
    return Figure(
        value,
        wording.number(metric or row["metric"], value),
        "/".join(quote(part, safe="") for part in (*parts, column)),
    )


def _pair(
    table: str, row: Mapping[str, Any] | None, low: str, high: str
) -> tuple[Figure, Figure] | None:
    """Two columns of a row as figures; None where either is unknown or no such column."""
    if row is None or row.get(low) is None or row.get(high) is None:
        return None
    return figure(table, row, low), figure(table, row, high)
