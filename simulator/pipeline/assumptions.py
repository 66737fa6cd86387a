"""The numbers that the scenario, or a default, supplies: rows for the list of what was assumed."""

from __future__ import annotations

from simulator.history.assume import assumed_row
from simulator.scenario import Assumed, Scenario


def assumptions(scenario: Scenario) -> list[dict[str, object]]:
    """The rows of table ``assumed`` for the numbers that the scenario (or a default) supplies."""
    parts = (
        scenario.rollout,
        scenario.assist,
        scenario.demand,
        scenario.contact_center,
        scenario.money,
    )
    return [
        assumed_row(name, value)
        for part in parts
        for name, value in part
        if isinstance(value, Assumed)
    ] + [
        assumed_row(f"prices.{name}.{key}", number)
        for name in dict.fromkeys(one.price for one in scenario.candidates.values() if one.price)
        for key, number in scenario.money.prices[name].numbers().items()
    ]
