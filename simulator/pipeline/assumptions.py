"""The numbers that the scenario, or a default, supplies: rows for the list of what was assumed."""

from __future__ import annotations

from simulator.history.assume import assumed_row
from simulator.scenario import Assumed, Scenario


def assumptions(scenario: Scenario) -> list[dict[str, object]]:
    """The rows of table ``assumed`` for what the scenario (or a default) supplies."""
    parts = (
        scenario.rollout,
        scenario.assist,
        scenario.demand,
        scenario.contact_center,
        scenario.money,
    )
    since = scenario.replay.since
    replayed: dict[str, object] = {
        "name": "replay.since",
        "value": str(since),
        "source": "the scenario: only what began then or later is replayed, and stands for all; "
        "what has no time is not",
    }
    return (
        ([replayed] if since else [])
        + [
            assumed_row(name, value)
            for part in parts
            for name, value in part
            if isinstance(value, Assumed)
        ]
        + [
            assumed_row(f"prices.{name}.{key}", number)
            for name in dict.fromkeys(
                one.price for one in scenario.candidates.values() if one.price
            )
            for key, number in scenario.money.prices[name].numbers().items()
        ]
    )
