"""How long a day of 48 half-hours and three teams takes to staff, to the last shift.

    python -m tests.benchmarks.staffing

Three skills of 60 to 90 contacts an hour at the peak, a team for each; once apart, and once with
the third taking the other two's contacts after they have waited for 30 seconds.
"""

from __future__ import annotations

import time

import numpy as np
import polars as pl

from simulator import tables
from simulator.contact_center.staffing.sample import Demand
from simulator.contact_center.staffing.search import required_agents
from simulator.contact_center.staffing.tables import restaffed
from simulator.scenario import Staffing
from tests.test_staffing import HALF_HOUR, HUMPS, poisson, team

RATES = {"a": 90 * HUMPS, "b": 60 * np.roll(HUMPS, 4), "c": 75 * np.roll(HUMPS, -3)}


def day(batch: int) -> pl.DataFrame:
    """20 days of customers."""
    return poisson([7, batch], 20, RATES, HALF_HOUR, 300, 300)


def main() -> None:
    """Print seconds, and the least certain half-hour on fresh seeds."""
    apart = [team("A", "a"), team("B", "b"), team("C", "c")]
    helps = {**team("C", "a", "b", rank=1), "after_ms": 30_000}
    rules = Staffing()
    # The engine is compiled before any time counts.
    required_agents(
        Demand(day, 20, tables.build("teams", apart), [True] * 48), rules, most_contacts=1
    )
    for name, teams in (("three teams apart", apart), ("with overflow", [*apart, helps])):
        began = time.perf_counter()
        demand = Demand(day, 20, tables.build("teams", teams), [True] * 48)
        found = required_agents(demand, rules)
        searched = time.perf_counter() - began
        shifts = restaffed(("human_only", "human", "central"), found, rules, 0.3)
        took = time.perf_counter() - began
        print(
            f"{name:<20} search {searched:5.1f} s, with shifts {took:5.1f} s (below 60 wanted); "
            f"{found.required.sum()} agent-half-hours, "
            f"{shifts.shifts['paid_hours'].sum():.0f} paid hours; "
            f"least service level on {found.replications} fresh days "
            f"{np.nanmin(found.check.service):.1%}"
        )


if __name__ == "__main__":
    main()
