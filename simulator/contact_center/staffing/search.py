"""The fewest agents, by team and interval, with which the simulated desk meets its target.

A *cell* is a team and an interval. What is judged is the contacts that arrived in it with that team
as their first choice, whoever answered: service level and the share lost (abandoned, or never
served). Intervals with fewer than :data:`groups.FEW` contacts a day are judged together with their
neighbours. Contacts with a deadline (e-mail) may wait, so that a team's are judged together over
the whole day: in time is begun by the deadline, lost is not begun when the day is over.
A staffing *meets* the target where both estimates, pooled over the replications, do.

The search, all of it against the same customers (common random numbers):

1. Start: a run with more agents than needed gives each cell's offered load in time, with what was
   carried over and came back (the modified offered load of Jennings, Mandelbaum, Massey, Whitt,
   "Server staffing to meet time-varying demand", Management Science 42 (1996) 1383-1394); Erlang A
   says how many agents that load needs.
2. Raise: where the target is missed, agents are added to the first missing interval of each run of
   missing ones, since what it leaves over is carried into the next.
3. Remove: agents are taken from cells far apart in time at once, those with the most slack first,
   in steps that are halved when a removal fails, until no single one can go. For a team that is
   nobody's first choice, one of its agents is also tried for one each of two other teams.
4. Refine: the number of replications is doubled and what was not clear (by :data:`CLEAR` standard
   errors, down to :data:`RESOLUTION`) is decided again, until all is clear or the budget is spent.
5. Check, on replications that the search has not seen. Where its estimate misses, agents are
   added, and another unseen sample of the same size is judged; where that one misses by more than
   chance explains (two standard errors), again, three times at most. The figures and intervals are
   of the last sample, which nothing was repaired on.

Source of steps 2 to 4: Atlason, Epelman, Henderson, "Optimizing call center staffing using
simulation and analytic center cutting-plane methods", Management Science 54 (2008) 295-309, and
Cezik and L'Ecuyer, "Staffing multiskill call centers via linear programming and simulation", same
issue, 310-323, who both start from sample averages under common random numbers. Theirs add cuts to
an integer programme; ours is their local search, which does not claim a global optimum: no single
agent can be taken from any interval, and that is all that is claimed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.contact_center.desk.plan import Plan
from simulator.contact_center.desk.state import NOBODY
from simulator.contact_center.erlang import fewest_agents
from simulator.contact_center.staffing.groups import groups_of
from simulator.contact_center.staffing.sample import (
    Demand,
    Flags,
    Ints,
    Judged,
    Reals,
    Sample,
    in_order,
)
from simulator.errors import ScenarioError
from simulator.scenario.staffing import Staffing

CLEAR = 3.5
RESOLUTION = 0.0012
_MOST_AGENTS = 5000
# Removals tried at once lie so far apart that a failure has few of them before it.
_APART_S = 5400
_TRIES = 3
_REPAIRS = 3
_CHANCE = 2.0


class Staffed(NamedTuple):
    """The answer of :func:`required_agents`; arrays by team and interval.

    Attributes:
        teams: names, in the order of the rows.
        required: fewest agents.
        offered_per_day: contacts a day, as measured in the last check.
        group: number of the judged group of each cell; -1 where the desk is closed.
        check: the last check, on unseen replications, by group.
        replications: days in the check.
        work_h: hours of work that each day of batch 0 brings.
    """

    teams: list[str]
    required: Ints
    offered_per_day: Reals
    group: Ints
    check: Judged
    replications: int
    work_h: Reals


def required_agents(
    demand: Demand,
    rules: Staffing,
    *,
    start: Ints | None = None,
    most_contacts: int = 600_000,
) -> Staffed:
    """The fewest agents by team and interval (see the top of this module).

    Args:
        demand: customers, teams and intervals.
        rules: the target.
        start: agents by team and interval to begin with; default: of Erlang A.
        most_contacts: the sample is not doubled beyond so many arrivals.

    Raises:
        ScenarioError: a cell misses the target with 5,000 agents.
        TableError: a table breaks its contract.
    """
    sample = Sample(demand, rules, 0, 1)
    is_open = np.asarray(demand.open, dtype=bool)
    per_day, mail_per_day, load, handle_s = _offered(sample)
    group, mail_group = groups_of(per_day, mail_per_day, is_open)
    sample.group, sample.mail_group = group, mail_group
    if start is None:
        start = _erlang_start(load, handle_s, sample)
    least = np.where(is_open, np.maximum(start, rules.fewest_agents), 0)
    search = _Search(sample, least, per_day + mail_per_day)
    search.raise_()
    search.remove()
    while 2 * sample.n_contacts <= most_contacts and search.reopen():
        sample.grow(len(sample.plans))
        search.raise_()
        search.remove()

    next_batch = sample.next_batch
    for repair in range(_REPAIRS + 1):
        fresh = Sample(demand, rules, next_batch, len(sample.plans))
        fresh.group, fresh.mail_group, next_batch = group, mail_group, fresh.next_batch
        check = fresh.judge(search.agents)
        # At first every miss; later those alone that chance does not explain.
        allowance = 0.0 if repair == 0 else _CHANCE
        if repair == _REPAIRS or not _verdict(check, rules, allowance).failing.any():
            break
        search.sample = fresh
        search.raise_(allowance)
    offered = fresh.counted(fresh.visits(search.agents)) / fresh.replications
    return Staffed(
        in_order(demand.teams),
        search.agents,
        offered,
        group,
        check,
        fresh.replications,
        _work_h(sample.plans[0], demand.replications),
    )


class _Verdict(NamedTuple):
    """By group: the smaller margin, whether it misses the target, and whether that is clear."""

    margin: Reals
    failing: Flags
    clear: Flags


def _verdict(judged: Judged, rules: Staffing, allowance: float = 0.0) -> _Verdict:
    """``allowance``: standard errors by which a rate may miss the target."""
    service = judged.service - rules.target_share + allowance * judged.service_se
    lost = rules.max_abandonment - judged.lost + allowance * judged.lost_se
    service, lost = np.nan_to_num(service, nan=np.inf), np.nan_to_num(lost, nan=np.inf)
    clear = [
        (np.abs(margin) >= CLEAR * error) | ~(error > RESOLUTION)
        for margin, error in ((service, judged.service_se), (lost, judged.lost_se))
    ]
    failing = (service < 0) | (lost < 0)
    missed = ((service < 0) & clear[0]) | ((lost < 0) & clear[1])
    return _Verdict(
        np.minimum(service, lost), failing, np.where(failing, missed, clear[0] & clear[1])
    )


class _Search:
    """A staffing on its way to the fewest agents.

    A *move* is a kind (which teams lose or win an agent, ``kinds``) at an interval. ``closed``
    moves have failed with one agent; ``proven`` says whether that was statistically clear.
    """

    def __init__(self, sample: Sample, agents: Ints, per_day: Reals) -> None:
        self.sample, self.agents = sample, agents
        self.rules = sample.rules
        n_teams = len(agents)
        kinds = list(-np.eye(n_teams, dtype=np.int64))
        for spare in np.flatnonzero(per_day.sum(axis=1) == 0).tolist():
            others = [team for team in range(n_teams) if team != spare]
            for at, one in enumerate(others):
                for other in others[at + 1 :]:
                    kind = np.zeros(n_teams, dtype=np.int64)
                    kind[[one, other]] = -1
                    kind[spare] = 1
                    kinds.append(kind)
        self.kinds: Ints = np.array(kinds)
        is_open = np.asarray(sample.demand.open, dtype=bool)
        self.closed: Flags = np.tile(~is_open, (len(kinds), 1))
        self.proven: Flags = np.ones_like(self.closed)
        self.tries: Ints = np.zeros(self.closed.shape, dtype=np.int64)
        self.step: Ints = np.array(
            [np.maximum(1, agents[kind < 0].min(axis=0) // 8) for kind in self.kinds]
        )
        # Of each judged group its team and its cells in time.
        self.team = np.empty(sample.n_groups, dtype=np.int64)
        self.cells: list[Ints] = []
        for group in range(sample.n_groups):
            of_mail = np.flatnonzero(sample.mail_group == group)
            teams, cells = np.nonzero(sample.group == group)
            self.team[group] = of_mail[0] if of_mail.size else teams[0]
            self.cells.append(np.flatnonzero(is_open) if of_mail.size else cells)
        self.last = np.array([cells[-1] for cells in self.cells], dtype=np.int64)
        self.verdict: _Verdict

    def reopen(self) -> bool:
        """Open what was not clear; whether there was anything."""
        unclear = self.closed & ~self.proven
        self.closed[unclear] = False
        self.tries[:] = 0
        return bool(unclear.any()) or not bool(self.verdict.clear.all())

    def raise_(self, allowance: float = 0.0) -> None:
        """Add agents until no group misses the target."""
        while True:
            judged = self.sample.judge(self.agents)
            self.verdict = verdict = _verdict(judged, self.rules, allowance)
            if not verdict.failing.any():
                return
            same_run = np.zeros_like(verdict.failing)
            same_run[1:] = verdict.failing[:-1] & (self.team[1:] == self.team[:-1])
            severe = verdict.margin < -0.2
            for group in np.flatnonzero(verdict.failing & (~same_run | severe)):
                team = self.team[group]
                mine = self.cells[group]
                if group == self.sample.mail_group[team]:
                    # A mail can be worked at any time: where there are fewest to do it.
                    at = mine[self.agents[team, mine].argmin()]
                else:
                    at = mine[judged.misses[team, mine].argmax()]
                share = 0.1 if verdict.margin[group] < -0.1 else 0.0
                self.agents[team, at] += max(1, round(share * float(self.agents[team, at])))
                if self.agents[team, at] > _MOST_AGENTS:
                    self._hopeless(team, at)

    def _hopeless(self, team: int, interval: int) -> None:
        rules, starts = self.rules, interval * self.sample.demand.interval_s
        name = in_order(self.sample.demand.teams)[team]
        raise ScenarioError(
            f"staffing: team {name!r} from {starts // 3600:02d}:{starts // 60 % 60:02d} misses "
            f"target_share = {rules.target_share:g} within_s = {rules.within_s:g}, max_abandonment "
            f"= {rules.max_abandonment:g} even with {_MOST_AGENTS:,} agents; expected a target "
            "that can be met; lower target_share, or raise within_s or max_abandonment"
        )

    def remove(self) -> None:
        """Take agents away until no move is left that keeps every group at its target."""
        while moves := self._choose():
            tried = list(moves)
            blamed: dict[int, tuple[int, int]] = {}
            clear: dict[int, bool] = {}
            while moves:
                agents = self.agents + self._change(moves)
                verdict = _verdict(self.sample.judge(agents), self.rules)
                failing = np.flatnonzero(verdict.failing).tolist()
                if not failing:
                    self.agents, self.verdict = agents, verdict
                    break
                for group in failing:
                    # What is left over is carried on in time: the nearest move before is to blame.
                    before = [move for move in moves if move[1] <= self.last[group]] or moves
                    blamed[group] = max(before, key=lambda move: move[1])
                    clear.setdefault(group, bool(verdict.clear[group]))
                moves = [move for move in moves if move not in blamed.values()]
            for move in tried:
                if move in moves:
                    continue
                guilty = [group for group, culprit in blamed.items() if culprit == move]
                self.tries[move] += 1
                if guilty and self.step[move] > 1:
                    self.step[move] //= 2
                elif guilty or self.tries[move] >= _TRIES:
                    self.closed[move] = True
                    self.proven[move] = any(clear[group] for group in guilty)

    def _choose(self) -> list[tuple[int, int]]:
        """Open moves, those with the most slack first, apart in time."""
        loses = np.maximum(-self.kinds, 0)
        floor = self.rules.fewest_agents
        # How often a move could be made before one of its teams is down to the least.
        room = np.array([(self.agents[kind > 0] - floor).min(axis=0) for kind in loses])
        self.proven[~self.closed & (room < 1)] = True
        self.closed |= room < 1
        self.step = np.clip(self.step, 1, np.maximum(room, 1))
        margin = np.append(self.verdict.margin, np.inf)[self.sample.group]
        slack = np.array([margin[kind > 0].min(axis=0) for kind in loses])
        apart = -(-_APART_S // self.sample.demand.interval_s)
        chosen: list[tuple[int, int]] = []
        taken = np.zeros(slack.shape[1], dtype=bool)
        for flat in np.argsort(-slack, axis=None, kind="stable"):
            kind, at = divmod(int(flat), slack.shape[1])
            if not self.closed[kind, at] and not taken[at]:
                chosen.append((kind, at))
                taken[max(0, at - apart + 1) : at + apart] = True
        return chosen

    def _change(self, moves: list[tuple[int, int]]) -> Ints:
        change = np.zeros_like(self.agents)
        for kind, at in moves:
            change[:, at] += self.step[kind, at] * self.kinds[kind]
        return change


def _offered(sample: Sample) -> tuple[Reals, Reals, Reals, Reals]:
    """Where nobody waits: live contacts and mails a day and load (erlangs) by cell, mean work."""
    demand, n = sample.demand, sample.n_intervals
    interval_us = demand.interval_s * 1_000_000
    first = sample.plans[0]
    at = (first.arrives // interval_us).clip(0, n - 1)
    work = np.bincount(at, weights=first.customers["work"], minlength=n)
    busy = work / (demand.replications * interval_us)
    around = np.maximum(busy, np.maximum(np.append(busy[1:], 0), np.append(0, busy[:-1])))
    ample = np.ceil(1.5 * around + 6 * np.sqrt(around) + 6)
    # Nobody needs more agents than contacts.
    most = min(_MOST_AGENTS, int(np.diff(first.first).max(initial=1)))
    ample = np.minimum(ample, most).astype(np.int64)
    is_open = np.asarray(demand.open, dtype=bool)
    visits = sample.visits(np.tile(np.where(is_open, ample, 0), (sample.n_teams, 1)))

    mine = visits.team >= 0
    team, begins = visits.team[mine], (visits.arrived + visits.waited)[mine]
    ends = begins + visits.served[mine]
    per_day, mails = (sample.counted(visits, of) / sample.replications for of in (False, True))
    load = np.zeros(per_day.shape)
    for interval in range(n):
        within = np.minimum(ends, (interval + 1) * interval_us) - np.maximum(
            begins, interval * interval_us
        )
        load[:, interval] = np.bincount(team, np.maximum(within, 0), minlength=sample.n_teams)
    served = np.bincount(team, visits.served[mine], minlength=sample.n_teams)
    count = np.bincount(team, minlength=sample.n_teams)
    handle_s = np.maximum(1.0, served / np.maximum(count, 1) / 1e6)
    return per_day, mails, load / (sample.replications * interval_us), handle_s


def _erlang_start(load: Reals, handle_s: Reals, sample: Sample) -> Ints:
    rules, demand = sample.rules, sample.demand
    patience = sample.plans[0].trials["patience"][:: demand.max_attempts]
    leaves = patience[patience != NOBODY]
    # Patience of 0 would be an Erlang B desk; a second is near enough to begin with.
    patience_s = max(1.0, float(leaves.mean()) / 1e6) if leaves.size else None
    target = (patience_s, rules.within_s, rules.target_share, rules.max_abandonment)
    start: Ints = np.zeros(load.shape, dtype=np.int64)
    for team in np.flatnonzero(load.sum(axis=1) > 0).tolist():
        start[team] = [
            fewest_agents(3600 * erlangs / handle_s[team], handle_s[team], *target)
            for erlangs in load[team].tolist()
        ]
    return start


def _work_h(plan: Plan, replications: int) -> Reals:
    day = np.repeat(plan.replications, np.diff(plan.first))
    return np.bincount(day, plan.customers["work"], minlength=replications) / 3.6e9
