"""The stages that a what-if goes through again: who handles each turn, what a day costs."""

from __future__ import annotations

import polars as pl

from simulator import economics
from simulator.contact_center.cells import draws_of
from simulator.pipeline.customers import TableOf
from simulator.rollout.settle import matches, settle
from simulator.rollout.stages import decide
from simulator.scenario import Scenario


def rolled_out(one: Scenario, table: TableOf) -> dict[str, pl.DataFrame]:
    """Tables ``decisions`` and ``settlements``.

    Args:
        one: the scenario.
        table: gives a table of the run by name.
    """
    names = ("decision_points", "conversations", "contexts", "shadow", "verdicts")
    points, conversations, contexts, shadow, verdicts = map(table, names)
    found = matches(shadow, verdicts, one.rollout.value_tolerance)
    decisions = decide(points, conversations, contexts, shadow, found, one.rollout.stages)
    return {"decisions": decisions, "settlements": settle(decisions, found)}


def priced(one: Scenario, table: TableOf) -> dict[str, pl.DataFrame]:
    """Table ``costs``: what a day costs, and what it takes for a stage to pay.

    Args:
        one: the scenario.
        table: gives a table of the run by name.
    """
    names = ("kpis", "volumes", "desk_hours", "horizon", "staffing_hours", "replay_account")
    kpis, volumes, hours, horizon, paid, account = map(table, names)
    baseline = one.rollout.stages[0].name
    draws = draws_of(one.simulation.days, one.simulation.replications)
    prices = economics.reply_prices(one.cards(), account, one.money)
    costs = economics.costs(
        kpis, volumes, hours, draws, horizon["n_logged"].item(), one.money, baseline, prices
    )
    broken = economics.breakdown(kpis, costs, one.gates, one.rollout.diverged_contained.value)
    after = economics.paid_costs(costs, paid, one.money, baseline)
    return {"costs": pl.concat([costs, after, broken])}
