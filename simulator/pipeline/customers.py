"""The customers of a run, drawn whenever somebody asks: for the desk as it is, and to staff it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from simulator.contact_center.outages import on_each_day, with_outages
from simulator.contact_center.patience import Patience, patience_of
from simulator.contact_center.roster.hours import hours_of, returns_when_open
from simulator.contact_center.roster.schedule import Horizon, horizon_of
from simulator.contact_center.roster.sizing import Presence, presence
from simulator.rollout.arrival_process import Arrivals, arrivals_of
from simulator.rollout.demand import arrivals, customers, scripts
from simulator.rollout.work import human_work
from simulator.scenario import Scenario
from simulator.streams import Streams
from simulator.tables import conform

TableOf = Callable[[str], pl.DataFrame]


class Script(NamedTuple):
    """What is settled before any customer is drawn.

    ``conversations`` with the weights of the replay; ``work`` and ``rows`` as
    :func:`simulator.rollout.work.human_work` and :func:`simulator.rollout.demand.scripts` give
    them.
    """

    conversations: pl.DataFrame
    work: pl.DataFrame
    rows: pl.DataFrame
    patience: Patience
    horizon: Horizon


class Drawn(NamedTuple):
    """Customers of some simulated days, who is there for them, and when the desk is open."""

    arrivals: Arrivals
    people: pl.DataFrame
    who: Presence
    hours: pl.DataFrame


def weighted(table: TableOf) -> pl.DataFrame:
    """Table ``conversations`` with the weights of this run's replay."""
    return conform(
        "conversations",
        table("conversations")
        .drop("weight")
        .join(table("replayed"), on="conversation_id", how="left", maintain_order="left"),
    )


def script_of(one: Scenario, table: TableOf) -> Script:
    """The script of a run.

    Args:
        one: the scenario.
        table: gives a table of the run by name.
    """
    conversations = weighted(table)
    work = human_work(table("decision_points"), conversations, one.contact_center)
    # In a replay the engine is kept full: how long an answer took there is no customer's wait.
    asked_here = [name for name, bot in one.candidates.items() if bot.kind == "prompted"]
    busy = pl.col("candidate").is_in(asked_here)
    shadow = table("shadow").with_columns(pl.when(~busy).then("latency_s").alias("latency_s"))
    rows = scripts(
        table("decisions"),
        table("settlements"),
        work,
        shadow,
        table("contexts"),
        one.demand,
        one.contact_center,
        one.assist,
    )
    patience = patience_of(conversations, one.contact_center)
    horizon = horizon_of(one.demand, one.simulation.warm_up_days)
    return Script(conversations, work, rows, patience, horizon)


def drawn(one: Scenario, table: TableOf, script: Script, streams: Streams) -> Drawn:
    """The customers of ``simulation.days`` draws times ``simulation.replications`` seeds."""
    simulation, center = one.simulation, one.contact_center
    found = arrivals_of(
        script.conversations,
        script.work,
        one.demand,
        simulation,
        one.history.assume,
        one.history.zone,
        streams,
    )
    people = customers(found.table, script.conversations, one.demand, script.patience, streams)
    alone = people.join(
        script.rows.filter(pl.col("candidate") == "human"),
        on="conversation_id",
        maintain_order="left",
    )
    who = presence(
        center,
        one.assist,
        table("schedule"),
        table("teams"),
        alone.with_columns((pl.col("human_s") * 1000).alias("work_ms")),
        [dates for dates in found.days for _ in range(simulation.replications)],
        script.horizon,
        one.history.zone,
        streams,
    )
    hours = hours_of(center, script.horizon, simulation.days * simulation.replications)
    return Drawn(found, people, who, hours)


def offered(
    one: Scenario, script: Script, customers: Drawn, cell: pl.DataFrame, bound: str
) -> pl.DataFrame:
    """Table ``arrivals`` of one cell and bound: outages applied, nobody returns to a closed desk.

    Args:
        one: the scenario.
        script: of the run.
        customers: :func:`drawn`.
        cell: the rows of the script of one stage and candidate.
        bound: best, central or worst.
    """
    outages = on_each_day(one.simulation.outages, script.horizon.n_days)
    rows = arrivals(customers.people, cell, bound, one.rollout, one.contact_center)
    return returns_when_open(with_outages(rows, outages), customers.who.roster, customers.hours)
