"""Re-staffing a run: its customers drawn anew, the fewest agents, shifts, paid hours."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl

from simulator.contact_center.staffing.sample import Demand
from simulator.contact_center.staffing.search import required_agents
from simulator.contact_center.staffing.tables import Cell, Restaffed, paid_hours, restaffed
from simulator.errors import RunError
from simulator.pipeline.customers import Drawn, Script, TableOf, drawn, offered, script_of
from simulator.scenario import Scenario, Staffing
from simulator.schema import BOUNDS
from simulator.store import Parts, fingerprint
from simulator.streams import Streams, stable_hash

TABLES = ("staffing", "staffing_shifts", "staffing_hours")
_DAYS = 20
_INTERVAL_S = 1800
_KEPT_BATCHES = 24
_MOST_CONTACTS, _MOST_DAYS = 600_000, 320


class Kept(NamedTuple):
    """Cells that are staffed already; ``fingerprint`` of all that they depend on but the cell."""

    parts: Parts
    fingerprint: str

    def get(self, cell: Cell) -> Restaffed | None:
        """What was found for a cell, or null."""
        frames = [self.parts.get(self._key(cell, name)) for name in Restaffed._fields]
        staffing, shifts, work_h = frames
        if staffing is None or shifts is None or work_h is None:
            return None
        return Restaffed(staffing, shifts, work_h["work_h"].to_numpy())

    def put(self, cell: Cell, found: Restaffed) -> None:
        """Keep what was found for a cell."""
        work_h = pl.DataFrame({"work_h": found.work_h})
        for name, frame in zip(
            Restaffed._fields, (found.staffing, found.shifts, work_h), strict=True
        ):
            self.parts.put(self._key(cell, name), frame)

    def _key(self, cell: Cell, name: str) -> str:
        return f"{fingerprint(self.fingerprint, cell)}-{name}"


class _Batches:
    """The customers of a run in batches of :data:`_DAYS` days, each day a draw of its own."""

    def __init__(self, scenario: Scenario, table: TableOf) -> None:
        # A staffing has no agents on warm-up days, which would leave over all that came.
        days = {"days": _DAYS, "replications": 1, "warm_up_days": 0}
        simulation = scenario.simulation.model_copy(update=days)
        self.scenario = scenario.model_copy(update={"simulation": simulation})
        self.table = table
        self.script: Script = script_of(self.scenario, table)
        # Cells share their customers, as far as memory allows.
        self.batch = lru_cache(_KEPT_BATCHES)(self._batch)

    def _batch(self, number: int) -> Drawn:
        seed = f"staffing {self.scenario.simulation.seed} {number}"
        streams = Streams(int(stable_hash([seed])[0]))
        return drawn(self.scenario, self.table, self.script, streams)

    @property
    def per_day(self) -> int:
        """Contacts of a day, those of bots included."""
        return self.batch(0).people.height // _DAYS

    def demand(self, cell: pl.DataFrame, bound: str) -> Demand:
        """What the search needs to know of one cell and bound."""
        one, first = self.scenario, self.batch(0)
        starts, ends = (first.who.roster[c].to_numpy() for c in ("starts_ms", "ends_ms"))
        length = _INTERVAL_S * 1000
        begins = np.arange(self.script.horizon.n_days * 86_400 // _INTERVAL_S) * length
        return Demand(
            draw=lambda number: offered(one, self.script, self.batch(number), cell, bound),
            replications=_DAYS,
            teams=first.who.teams,
            # Open is when the run's own desk ever has somebody.
            open=[bool(((starts < at + length) & (ends > at)).any()) for at in begins.tolist()],
            interval_s=_INTERVAL_S,
            max_chats={team.name: team.chats_at_once for team in one.contact_center.teams},
            gain=_mean_gain(first.who.roster),
            max_attempts=one.demand.max_attempts,
            chat_speed=one.contact_center.chat_speed,
            hours=first.hours,
            queue_limit=one.contact_center.queue_limit.model_dump(exclude_none=True),
            threads=one.simulation.processes,
        )


def _mean_gain(roster: pl.DataFrame) -> dict[str, float]:
    """By team, the gain of whoever is there, each by the time that he is."""
    there = pl.col("ends_ms") - pl.col("starts_ms")
    means = roster.group_by("team").agg(
        ((pl.col("gain").fill_null(1.0) * there).sum() / there.sum()).alias("gain")
    )
    return dict(means.iter_rows())


def staffed(
    scenario: Scenario,
    table: TableOf,
    rules: Staffing,
    candidate: str | None,
    stage: str | None,
    kept: Kept,
    tell: Callable[[int, int], None],
) -> dict[str, pl.DataFrame]:
    """Staff every cell of a run, or those asked for besides the baseline.

    Args:
        scenario: of the run.
        table: gives a table of the run by name.
        rules: target and shifts.
        candidate: only this one; the baseline is staffed in any case, to compare with.
        stage: only this one.
        kept: cells that were staffed before.
        tell: told of cells done and cells in all.

    Returns:
        Tables ``staffing``, ``staffing_shifts`` and ``staffing_hours``.

    Raises:
        RunError: the run has no such candidate or stage, or simulates a week.
        ScenarioError: the target cannot be met.
    """
    if scenario.demand.day == "week":
        raise RunError(
            'demand.day = "week": expected a run of one day to staff; run the scenario once more '
            "with --set demand.day=weekday --set simulation.warm_up_days=0 --out ANOTHER"
        )
    people = _Batches(scenario, table)
    script = people.script.rows
    baseline = scenario.rollout.stages[0].name
    for key, asked in (("candidate", candidate), ("stage", stage)):
        allowed = script[key].unique().sort().to_list()
        if asked is not None and asked not in allowed:
            raise RunError(f"--{key} {asked}: expected one of {', '.join(allowed)}")
    cells = [
        (cell, bound)
        for cell in script.partition_by("stage", "candidate", maintain_order=True)
        if cell["stage"][0] == baseline
        or (candidate in (None, cell["candidate"][0]) and stage in (None, cell["stage"][0]))
        for bound in (BOUNDS if cell["automated"].any() else ("central",))
    ]
    if (candidate or stage) and not any(cell["stage"][0] != baseline for cell, _ in cells):
        there = sorted(set(script.select("stage", "candidate").rows()))
        raise RunError(
            f"--candidate {candidate or 'any'} --stage {stage or 'any'}: no such pair besides the "
            f"baseline; expected one of {', '.join(f'{c} at {s}' for s, c in there)}"
        )
    found: dict[tuple[str, str, str], Restaffed] = {}
    for done, (cell, bound) in enumerate(cells):
        tell(done, len(cells))
        name = (cell["stage"][0], cell["candidate"][0], bound)
        before = kept.get(name)
        if before is not None:
            found[name] = before
            continue
        demand = people.demand(cell, bound)
        # A small desk would need years for as many contacts, and each day takes time.
        most = min(_MOST_CONTACTS, _MOST_DAYS * people.per_day)
        answer = required_agents(demand, rules, most_contacts=most)
        found[name] = restaffed(name, answer, rules, scenario.money.shrinkage.value, _INTERVAL_S)
        kept.put(name, found[name])
    tables = {
        "staffing": pl.concat([one.staffing for one in found.values()]),
        "staffing_shifts": pl.concat([one.shifts for one in found.values()]),
    }
    tables["staffing_hours"] = paid_hours(
        tables["staffing_shifts"],
        {name: one.work_h for name, one in found.items()},
        baseline,
        people.batch(0).arrivals.n_logged,
    )
    return tables
