"""Samples of customers, and how a staffing does on them: what the search for agents is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center.desk.compiled_engine import visits_of
from simulator.contact_center.desk.plan import (
    CHAT_SPEED,
    NOBODY_THERE,
    Plan,
    Presence,
    plan_of,
    presence_of,
)
from simulator.contact_center.desk.state import DONE, DUE, NOBODY, TURNED_AWAY
from simulator.scenario.staffing import Staffing

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
_FOR_EVER = 1 << 60


@dataclass(frozen=True)
class Demand:
    """What is to be staffed.

    Attributes:
        draw: table ``arrivals`` of one (stage, candidate, bound) for batch 0, 1, ...: independent
            batches of ``replications`` days each, numbered from 0.
        replications: days in a batch; 20 or more, as standard errors come from them.
        teams: table ``teams``.
        open: whether the desk is open, by interval; others get no agents and are not judged.
        interval_s: length of an interval, seconds.
        max_chats: at once, by team; 1 where a team is not named.
        gain: of drafts, the mean of a team's agents; 1 where a team is not named.
        max_attempts: visits of one arrival.
        chat_speed: an agent's total speed with 1, 2, ... chats at once.
        hours: table ``hours`` of the replications; without it every channel is always open.
        queue_limit: contacts that may wait at once, by channel; others are turned away.
        threads: batches simulated at a time.
    """

    draw: Callable[[int], pl.DataFrame]
    replications: int
    teams: pl.DataFrame
    open: Sequence[bool]
    interval_s: int = 1800
    max_chats: Mapping[str, int] | None = None
    gain: Mapping[str, float] | None = None
    max_attempts: int = 3
    chat_speed: Sequence[float] = CHAT_SPEED
    hours: pl.DataFrame | None = None
    queue_limit: Mapping[str, int] | None = None
    threads: int = 2


def in_order(teams: pl.DataFrame) -> list[str]:
    """The teams of table ``teams``, in the order of their first rows."""
    return teams["team"].unique(maintain_order=True).to_list()


class Judged(NamedTuple):
    """How a staffing did, by judged group of cells; rates are sums over sums of replications.

    ``service`` and ``lost`` are NaN without contacts. ``misses``: contacts by team and interval
    that were not answered in time.
    """

    service: Reals
    service_se: Reals
    lost: Reals
    lost_se: Reals
    n: Ints
    misses: Ints


class Visits(NamedTuple):
    """One entry a visit; ``team`` -1: nobody may take it. Times are microseconds.

    ``mail``: it has a deadline, and may wait till then.
    """

    replication: Ints
    team: Ints
    arrived: Ints
    waited: Ints
    served: Ints
    limit: Ints
    answered: Flags
    mail: Flags


_NONE, _NEITHER = np.empty(0, np.int64), np.empty(0, np.bool_)
_NO_VISITS = Visits(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NEITHER, _NEITHER)


class Sample:
    """Batches of customers, and what a staffing does with them."""

    def __init__(self, demand: Demand, rules: Staffing, first_batch: int, n_batches: int) -> None:
        self.demand, self.rules = demand, rules
        self.next_batch = first_batch
        self.plans: list[Plan] = []
        self.n_teams, self.n_intervals = len(in_order(demand.teams)), len(demand.open)
        self.group: Ints = np.full((self.n_teams, self.n_intervals), -1)
        self.mail_group: Ints = np.full(self.n_teams, -1)
        self.grow(n_batches)

    def grow(self, n_batches: int) -> None:
        """Draw more customers."""
        for _ in range(n_batches):
            arrivals = self.demand.draw(self.next_batch)
            self.plans.append(
                plan_of(
                    arrivals,
                    self.demand.teams,
                    max_attempts=self.demand.max_attempts,
                    chat_speed=self.demand.chat_speed,
                    hours=self.demand.hours,
                    queue_limit=self.demand.queue_limit,
                )
            )
            self.next_batch += 1

    @property
    def n_groups(self) -> int:
        """How many groups of cells are judged."""
        return int(max(self.group.max(initial=-1), self.mail_group.max(initial=-1))) + 1

    @property
    def replications(self) -> int:
        """Days in all batches."""
        return self.demand.replications * len(self.plans)

    @property
    def n_contacts(self) -> int:
        """Arrivals in all batches."""
        return sum(len(plan.arrives) for plan in self.plans)

    def visits(self, agents: Ints) -> Visits:
        """Everybody's visit under so many agents by team and interval."""
        roster = roster_of(agents, self.demand)
        present = presence_of(roster, self.demand.teams).get(0, NOBODY_THERE)
        within_us = round(self.rules.within_s * 1_000_000)

        def of_batch(plan: Plan) -> list[Visits]:
            return list(_outcomes(plan, present, within_us))

        # The engine lets go of the interpreter while it works.
        with ThreadPoolExecutor(self.demand.threads) as pool:
            batches = list(pool.map(of_batch, self.plans))
        parts = [
            part._replace(replication=part.replication + at * self.demand.replications)
            for at, batch in enumerate(batches)
            for part in batch
        ] or [_NO_VISITS]
        return Visits(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def judge(self, agents: Ints) -> Judged:
        """The target's measures under so many agents."""
        visits = self.visits(agents)
        cell = self._cell(visits)
        group = np.append(self.group.ravel(), -1)[cell]
        # A mail counts with all of its team's, whenever it came: what matters is the day's work.
        within = visits.arrived < self.n_intervals * self.demand.interval_s * 1_000_000
        group = np.where(visits.mail & within, np.append(self.mail_group, -1)[visits.team], group)
        judged = group >= 0
        n_groups = self.n_groups
        place = (visits.replication * n_groups + group)[judged]

        def counted(which: Flags) -> Reals:
            shape = (self.replications, n_groups)
            return (
                np.bincount(place[which[judged]], minlength=shape[0] * shape[1])
                .reshape(shape)
                .astype(np.float64)
            )

        in_time = visits.answered & (visits.waited <= visits.limit)
        offered = counted(np.ones(len(group), dtype=bool))
        service = _ratio(
            counted(in_time), counted(visits.answered | (visits.waited > visits.limit))
        )
        lost = _ratio(counted(~visits.answered), offered)
        missed = judged & ~in_time & (cell >= 0)
        misses = np.bincount(cell[missed], minlength=self.group.size).reshape(self.group.shape)
        return Judged(*service, *lost, offered.sum(axis=0).astype(np.int64), misses)

    def counted(self, visits: Visits, mail: bool | None = None) -> Ints:
        """Visits by team (first choice) and interval, over all replications; all or of a kind."""
        cell = self._cell(visits)
        if mail is not None:
            cell = cell[visits.mail == mail]
        return np.bincount(cell[cell >= 0], minlength=self.group.size).reshape(self.group.shape)

    def _cell(self, visits: Visits) -> Ints:
        """Team and interval as one number; -1: outside both."""
        interval = visits.arrived // (self.demand.interval_s * 1_000_000)
        seen = (visits.team >= 0) & (interval >= 0) & (interval < self.n_intervals)
        return np.where(seen, visits.team * self.n_intervals + interval, -1)


def _outcomes(plan: Plan, presence: Presence, within_us: int) -> Iterator[Visits]:
    """What becomes of every visit, by replication: the one place that knows the engine."""
    for r, number in enumerate(plan.replications.tolist()):
        visits = visits_of(plan, r, presence)
        visits = visits[(visits["state"] != TURNED_AWAY) & (visits["state"] != DUE)]
        row = visits["row"] + int(plan.first[r])
        limit = plan.customers["allowance"][row]
        answered = visits["state"] == DONE
        until = np.where(answered, visits["started"], visits["left"])
        # Whoever was never served waited longer than any target.
        waited = np.where(until == NOBODY, _FOR_EVER, until - visits["arrived"])
        yield Visits(
            np.full(len(visits), number),
            plan.routing.offered_team[row],
            visits["arrived"],
            waited,
            np.where(answered, visits["ended"] - visits["started"], 0),
            np.where(limit == NOBODY, within_us, limit),
            answered,
            limit != NOBODY,
        )


def roster_of(agents: Ints, demand: Demand) -> pl.DataFrame:
    """Table ``roster`` of replication 0: so many agents by team (row) and interval (column).

    Agent i is there in each run of intervals with more than i agents, and before leaving ends the
    contact in hand. When the desk closes, and at the end of the simulated time, those at work stay
    for another interval, so that the queue is worked off.
    """
    length = demand.interval_s * 1000
    n = agents.shape[1]
    closing = np.asarray(demand.open) & ~np.append(np.asarray(demand.open)[1:], False)
    rows: list[tuple[str, str, int, int, int, float]] = []
    for team, name in enumerate(in_order(demand.teams)):
        chats = (demand.max_chats or {}).get(name, 1)
        gain = (demand.gain or {}).get(name, 1.0)
        for number in range(int(agents[team].max(initial=0))):
            there = np.concatenate([[False], agents[team] > number, [False]])
            begins = np.flatnonzero(there[1:] & ~there[:-1])
            ends = np.flatnonzero(there[:-1] & ~there[1:])
            for start, end in zip(begins.tolist(), ends.tolist(), strict=True):
                stays = end + 1 if closing[min(end, n) - 1] else end
                rows.append(
                    (f"{name}-{number + 1}", name, start * length, stays * length, chats, gain)
                )
    day = pl.DataFrame(
        rows,
        schema={
            "agent_id": pl.String,
            "team": pl.String,
            "starts_ms": pl.Int64,
            "ends_ms": pl.Int64,
            "max_chats": pl.Int64,
            "gain": pl.Float64,
        },
        orient="row",
    )
    return tables.conform("roster", day.with_columns(replication=pl.lit(0)))


def _ratio(top: Reals, bottom: Reals) -> tuple[Reals, Reals]:
    """Sum over sum by column, and its standard error from the linearised residuals of rows."""
    total = bottom.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = top.sum(axis=0) / total
        residual = (top - rate * bottom) * (len(bottom) / total)
        return rate, np.std(residual, axis=0, ddof=1) / np.sqrt(len(bottom))
