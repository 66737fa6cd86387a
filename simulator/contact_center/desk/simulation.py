"""Arrivals and a roster in, one row a visit out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.contact_center.desk import simpy_engine, state
from simulator.contact_center.desk.plan import (
    CHAT_SPEED,
    NOBODY_THERE,
    Plan,
    Presence,
    plan_of,
    presence_of,
)
from simulator.contact_center.desk.state import NOBODY, PARTS, US

Engine = Literal["compiled", "simpy"]
_OUTCOME = {
    state.DONE: "answered",
    state.ABANDONED: "abandoned",
    state.TURNED_AWAY: "turned_away",
    state.WAITING: "unserved",
    # It was told to come at an opening that the simulated days do not have.
    state.DUE: "turned_away",
}
_EVENTS = {
    state.COMPLETION: "completion",
    state.PRESENCE_BEGINS: "presence begins",
    state.PRESENCE_ENDS: "presence ends",
    state.ARRIVAL: "arrival",
    state.MILESTONE: "overflow or deadline",
    state.PATIENCE_ENDS: "patience ends",
}


def simulate(
    arrivals: pl.DataFrame,
    roster: pl.DataFrame,
    teams: pl.DataFrame,
    *,
    hours: pl.DataFrame | None = None,
    max_attempts: int = 3,
    chat_speed: Sequence[float] = CHAT_SPEED,
    queue_limit: Mapping[str, int] | None = None,
    engine: Engine = "compiled",
) -> pl.DataFrame:
    """Run every replication of one cell through the desk.

    Everything random was drawn beforehand and stands in the arrivals, so that equal tables give
    equal contacts, and two staffings or two candidates face the same customers.

    Args:
        arrivals: table ``arrivals`` of one (stage, candidate, bound). Rows without ``arrives_ms``
            do not visit. The order of rows within a replication is the last tie-break.
        roster: table ``roster``; each replication meets the rows of its own number. The order of
            agents is that of their first rows.
        teams: table ``teams``. A contact that no team may take waits until it leaves.
        hours: table ``hours``; without it every channel is always open.
        max_attempts: visits of one arrival at most, the first included.
        chat_speed: an agent's total speed with 1, 2, ... chats at once.
        queue_limit: by channel, how many contacts may wait at once; another one is turned away.
        engine: compiled, or SimPy; they give the same.

    Returns:
        Table ``contacts`` by replication and time of arrival. A visit that comes back has cause
        ``recontact``, the work of the first, ordinary priority at most, and the patience of its
        attempt. Times are in whole ms, rounded down; inside they are microseconds.

    Raises:
        TableError: a table breaks its contract, the arrivals are of several cells, a duration is
            negative, a stretch ends before it starts, an agent is in two teams at once, or the
            roster names a team that is not in ``teams``.
    """
    plan = plan_of(
        arrivals,
        teams,
        hours=hours,
        max_attempts=max_attempts,
        chat_speed=chat_speed,
        queue_limit=queue_limit,
    )
    presence = presence_of(roster, teams)
    return pl.concat([tables.empty("contacts"), *days(plan, presence, teams, engine)])


def days(
    plan: Plan, presence: Mapping[int, Presence], teams: pl.DataFrame, engine: Engine = "compiled"
) -> Iterator[pl.DataFrame]:
    """The table ``contacts`` of each replication in turn, for those who keep only sums of it."""
    names = teams["team"].unique(maintain_order=True).to_list()
    for r, number in enumerate(plan.replications.tolist()):
        there = presence.get(number, NOBODY_THERE)
        yield contacts_of(plan, r, visits_by(engine)(plan, r, there), there, names)


def traced(
    arrivals: pl.DataFrame, roster: pl.DataFrame, teams: pl.DataFrame, **settings: Any
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tables ``contacts`` and ``trace`` of SimPy's run; arguments as :func:`simulate`."""
    plan = plan_of(arrivals, teams, **settings)
    presence = presence_of(roster, teams)
    contacts = days(plan, presence, teams, "simpy")
    return pl.concat([tables.empty("contacts"), *contacts]), trace_of(plan, presence)


def trace_of(plan: Plan, presence: Mapping[int, Presence]) -> pl.DataFrame:
    """The table ``trace`` of SimPy's run of a plan."""
    traces = [tables.empty("trace")]
    for r, number in enumerate(plan.replications.tolist()):
        there = presence.get(number, NOBODY_THERE)
        happened: list[simpy_engine.Happening] = []
        visits = simpy_engine.visits_of(plan, r, there, happened)
        traces.append(_trace(plan, r, visits, there, happened))
    return pl.concat(traces)


def visits_by(engine: Engine) -> Callable[[Plan, int, Presence], NDArray[Any]]:
    """What gives the visits of one replication of a plan."""
    if engine == "simpy":
        return simpy_engine.visits_of
    # Imported here: what only reads tables needs no compiler.
    from simulator.contact_center.desk import compiled_engine

    return compiled_engine.visits_of


def contacts_of(
    plan: Plan, r: int, visits: NDArray[Any], presence: Presence, teams: Sequence[str]
) -> pl.DataFrame:
    """The table ``contacts`` of the visits of the ``r``-th replication of a plan."""
    visits = visits[np.argsort(visits["arrived"], kind="stable")]
    row = visits["row"] + int(plan.first[r])
    served = visits["state"] == state.DONE
    left = np.where(visits["state"] == state.ABANDONED, visits["left"], NOBODY)
    allowance = plan.customers["allowance"][row]
    put_off = np.where(visits["came"] == NOBODY, 0, visits["arrived"] - visits["came"])
    gain = np.full(len(visits), 1000, np.int64)
    gain[served] = presence.gain[visits["agent"][served]]
    work = plan.customers["work"][row] - plan.customers["saved"][row] * gain // 1000
    outcome = pl.DataFrame(
        {
            "attempt": visits["attempt"],
            "offered_team": _named(plan.routing.offered_team[row], teams),
            "team": _named(visits["team"], teams),
            "agent": _named(visits["agent"], presence.agent_ids),
            "outcome": pl.Series(visits["state"]).replace_strict(_OUTCOME, return_dtype=pl.String),
            "arrived_ms": visits["arrived"] // US,
            "started_ms": _ms(visits["started"], served),
            "ended_ms": _ms(visits["ended"], served),
            "abandoned_ms": _ms(left, left != NOBODY),
            "deadline_ms": _ms(allowance - put_off, allowance != NOBODY),
            "work_ms": np.maximum(0, work) // US,
            "handled_ms": _ms(visits["handled"] // PARTS, served),
        }
    )
    first = plan.visits.select(
        "replication",
        "stage",
        "candidate",
        "bound",
        "arrival_id",
        "conversation_id",
        "cause",
        "channel",
    )[row]
    again = pl.col("attempt") > 0
    both = first.hstack(outcome).with_columns(
        contact_id=pl.format("{}/{}", "arrival_id", "attempt"),
        cause=pl.when(again).then(pl.lit("recontact")).otherwise("cause"),
    )
    return tables.conform("contacts", both)


def _named(numbers: NDArray[np.int64], names: Sequence[str]) -> pl.Series:
    of = pl.Series([*names, None], dtype=pl.String)
    return of.gather(np.where(numbers == NOBODY, len(names), numbers))


def _ms(us: NDArray[np.int64], known: NDArray[np.bool_]) -> pl.Series:
    column = pl.DataFrame({"ms": us // US, "known": known})
    return column.select(pl.when("known").then("ms")).to_series()


def _trace(
    plan: Plan,
    r: int,
    visits: NDArray[Any],
    presence: Presence,
    happened: list[simpy_engine.Happening],
) -> pl.DataFrame:
    kinds = np.array([one.kind for one in happened], dtype=np.int64)
    subject = np.array([one.subject for one in happened], dtype=np.int64)
    of_agent = np.isin(kinds, (state.PRESENCE_BEGINS, state.PRESENCE_ENDS))
    row = visits["row"][np.where(of_agent, 0, subject)] + int(plan.first[r])
    cell = plan.visits.select("stage", "candidate", "bound", "replication", "arrival_id")[row]
    attempt = pl.Series("attempt", visits["attempt"][np.where(of_agent, 0, subject)])
    agents = np.array([one.agent for one in happened], dtype=np.int64)
    return tables.conform(
        "trace",
        cell.with_columns(attempt, pl.Series("of_agent", of_agent)).select(
            "stage",
            "candidate",
            "bound",
            "replication",
            pl.Series("at_us", [one.at for one in happened], dtype=pl.Int64),
            pl.Series("event", [_EVENTS[int(kind)] for kind in kinds], dtype=pl.String),
            pl.when(~pl.col("of_agent"))
            .then(pl.format("{}/{}", "arrival_id", "attempt"))
            .alias("contact_id"),
            _named(agents, presence.agent_ids).alias("agent"),
            pl.Series("n_waiting", [one.n_waiting for one in happened], dtype=pl.Int64),
        ),
    )
