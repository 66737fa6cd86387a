"""The rules of the desk against SimPy's clock: arrivals and a roster in, one row a visit out.

The readable reference engine. Everything random was drawn beforehand and stands in the arrivals,
so that equal tables give equal contacts, and two staffings or two candidates face the same
customers.

Why
    Callbacks on scheduled events instead of a generator process for each customer: the rules
    already say what happens, and a process would only hide the order at ties, which SimPy decides
    by an event's priority. The priority holds the kind of event and then the sequence number, so
    the order never depends on when an event was scheduled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
import simpy
from simpy.events import EventPriority

from simulator import tables
from simulator.contact_center import rules
from simulator.contact_center.plan import Plan, check_arrivals, check_roster, plan_of

_KIND = 1 << 40


def simulate(
    arrivals: pl.DataFrame,
    roster: pl.DataFrame,
    teams: pl.DataFrame,
    *,
    max_attempts: int = 3,
) -> pl.DataFrame:
    """Run every replication of one cell through the desk.

    Args:
        arrivals: table ``arrivals`` of one (stage, candidate, bound). Rows without ``arrives_ms``
            do not visit. The order of rows within a replication is the last tie-break.
        roster: table ``roster``; each replication meets the rows of its own number. The order of
            agents is that of their first rows.
        teams: table ``teams``. A contact that no team may take waits until it leaves.
        max_attempts: visits of one arrival at most, the first included.

    Returns:
        Table ``contacts`` by replication and time of arrival. A visit that comes back has cause
        ``recontact``, the work of the first, ordinary priority, and the patience of its attempt.

    Raises:
        TableError: a table breaks its contract, the arrivals are of several cells, a duration is
            negative, a stretch ends before it starts, an agent is in two teams at once, or the
            roster names a team that is not in ``teams``.
    """
    tables.check("arrivals", arrivals)
    tables.check("roster", roster)
    tables.check("teams", teams)
    check_arrivals(arrivals)
    check_roster(roster, teams)
    visits = arrivals.filter(pl.col("arrives_ms").is_not_null()).sort(
        "replication", maintain_order=True
    )
    if not visits.height:
        return tables.empty("contacts")
    plan = plan_of(visits, teams)
    names = teams["team"].to_list()
    rosters = {
        key[0]: part
        for key, part in roster.filter(pl.col("starts_ms") < pl.col("ends_ms"))
        .partition_by("replication", as_dict=True)
        .items()
    }
    log = _Log([], [], [], [], [], [], [], [])
    first = 0
    for key, count in visits.group_by("replication", maintain_order=True).len().iter_rows():
        presence = rosters.get(key, roster.clear())
        replication = Replication(plan, presence, names, first, first + count, max_attempts)
        replication.env.run()
        log.add(replication, presence["agent_id"].unique(maintain_order=True).to_list(), names)
        first += count
    return log.contacts(visits)


class _Event(simpy.Event):
    """Something that happens for sure, ``delay`` from now, in its place among its instant."""

    def __init__(
        self,
        env: simpy.Environment,
        delay: int,
        kind: int,
        subject: int,
        happen: Callable[[simpy.Event], None],
    ) -> None:
        # As simpy.Timeout does, which has no priority of its own.
        self.env = env
        self.callbacks = [happen]
        self._value = subject
        self._ok = True
        env.schedule(self, EventPriority(kind * _KIND + subject), delay)


class Replication:
    """One day at the desk: SimPy holds the clock and the future, the rules decide."""

    def __init__(
        self,
        plan: Plan,
        presence: pl.DataFrame,
        teams: list[str],
        first: int,
        last: int,
        max_attempts: int,
    ) -> None:
        self.plan = plan
        self.max_attempts = max_attempts
        number: dict[str, int] = {}
        place = {name: at for at, name in enumerate(teams)}
        stretches = [
            (number.setdefault(agent, len(number)), place[team])
            for agent, team in presence.select("agent_id", "team").iter_rows()
        ]
        self.desk = rules.Desk(
            [rules.Agent() for _ in number], stretches, plan.teams_of_line, plan.lines_of_team
        )
        self.desk.visits.extend(
            rules.Visit(row, 0, plan.line[row], plan.arrives[row], plan.work[row])
            for row in range(first, last)
        )
        starts, ends = presence["starts_ms"].to_list(), presence["ends_ms"].to_list()
        # Only the next arrival is in SimPy's heap, which stays as small as the desk.
        self._next = iter(
            sorted(range(last - first), key=lambda visit: plan.arrives[first + visit])
        )
        self.env = simpy.Environment(min([*starts, *plan.arrives[first:last]]))
        for stretch, (begins, stops) in enumerate(zip(starts, ends, strict=True)):
            self._at(begins, rules.PRESENCE_BEGINS, stretch, self._presence_begins)
            self._at(stops, rules.PRESENCE_ENDS, stretch, self._presence_ends)
        self._schedule_next_arrival()

    def _at(
        self, time: int, kind: int, subject: int, happen: Callable[[simpy.Event], None]
    ) -> None:
        _Event(self.env, time - int(self.env.now), kind, subject, happen)

    def _schedule_next_arrival(self) -> None:
        visit = next(self._next, None)
        if visit is not None:
            self._at(self.desk.visits[visit].arrived, rules.ARRIVAL, visit, self._first_arrival)

    def _first_arrival(self, event: simpy.Event) -> None:
        self._schedule_next_arrival()
        self._arrival(event)

    def _arrival(self, event: simpy.Event) -> None:
        subject: int = event._value
        if rules.step(self.desk, rules.ARRIVAL, subject, int(self.env.now)) == subject:
            self._start(subject)
            return
        visit = self.desk.visits[subject]
        patience = self.plan.patience[visit.row][visit.attempt]
        if patience is not None:
            _Event(self.env, patience, rules.PATIENCE_ENDS, subject, self._patience_ends)

    def _completion(self, event: simpy.Event) -> None:
        subject: int = event._value
        self._start(rules.step(self.desk, rules.COMPLETION, subject, int(self.env.now)))
        self._come_back(subject, abandoned=False)

    def _patience_ends(self, event: simpy.Event) -> None:
        subject: int = event._value
        # Most of those who waited have been served meanwhile.
        if self.desk.visits[subject].state == rules.WAITING:
            rules.step(self.desk, rules.PATIENCE_ENDS, subject, int(self.env.now))
            self._come_back(subject, abandoned=True)

    def _presence_begins(self, event: simpy.Event) -> None:
        stretch: int = event._value
        self._start(rules.step(self.desk, rules.PRESENCE_BEGINS, stretch, int(self.env.now)))

    def _presence_ends(self, event: simpy.Event) -> None:
        stretch: int = event._value
        rules.step(self.desk, rules.PRESENCE_ENDS, stretch, int(self.env.now))

    def _start(self, subject: int) -> None:
        if subject != rules.NOBODY:
            work = self.desk.visits[subject].work
            _Event(self.env, work, rules.COMPLETION, subject, self._completion)

    def _come_back(self, subject: int, abandoned: bool) -> None:
        visit = self.desk.visits[subject]
        plan, row, attempt = self.plan, visit.row, visit.attempt
        habits, delays = plan.habits[row], plan.delays[row]
        if attempt >= len(habits) or not rules.comes_back(habits[attempt], abandoned):
            return
        if attempt >= len(delays) or attempt + 1 >= min(self.max_attempts, len(plan.patience[row])):
            return
        again = int(self.env.now) + delays[attempt]
        line = plan.line_again[row]
        self.desk.visits.append(rules.Visit(row, attempt + 1, line, again, visit.work))
        self._at(again, rules.ARRIVAL, len(self.desk.visits) - 1, self._arrival)


@dataclass(frozen=True, slots=True)
class _Log:
    """What became of the visits, as columns."""

    row: list[int]
    attempt: list[int]
    team: list[str | None]
    agent: list[str | None]
    arrived: list[int]
    started: list[int | None]
    ended: list[int | None]
    abandoned: list[int | None]

    def add(self, replication: Replication, agents: Sequence[str], teams: Sequence[str]) -> None:
        for visit in replication.desk.visits:
            served = visit.agent != rules.NOBODY
            self.row.append(visit.row)
            self.attempt.append(visit.attempt)
            self.team.append(teams[visit.team] if served else None)
            self.agent.append(agents[visit.agent] if served else None)
            self.arrived.append(visit.arrived)
            self.started.append(visit.started)
            self.ended.append(visit.ended)
            self.abandoned.append(visit.abandoned)

    def contacts(self, visits: pl.DataFrame) -> pl.DataFrame:
        first = visits.select(
            "replication",
            "stage",
            "candidate",
            "bound",
            "arrival_id",
            "conversation_id",
            "cause",
            "work_ms",
        )[self.row]
        outcome = pl.DataFrame(
            {
                "attempt": self.attempt,
                "team": self.team,
                "agent": self.agent,
                "arrived_ms": self.arrived,
                "started_ms": self.started,
                "ended_ms": self.ended,
                "abandoned_ms": self.abandoned,
            },
            schema={
                "attempt": pl.Int64,
                "team": pl.String,
                "agent": pl.String,
                "arrived_ms": pl.Int64,
                "started_ms": pl.Int64,
                "ended_ms": pl.Int64,
                "abandoned_ms": pl.Int64,
            },
        )
        both = first.hstack(outcome).with_columns(
            contact_id=pl.format("{}/{}", "arrival_id", "attempt"),
            cause=pl.when(pl.col("attempt") > 0)
            .then(pl.lit("recontact"))
            .otherwise(pl.col("cause")),
        )
        return tables.conform(
            "contacts", both.sort("replication", "arrived_ms", maintain_order=True)
        )
