"""``[[what_if]]``: one thing changed after the replay, to be shown beside the run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from simulator.scenario.values import Model, fault

# What a what-if may change: what happens after candidates were asked and judged. Seeds and the
# number of days stay, so that both face the same customers.
CHANGEABLE = (
    "rollout",
    "assist",
    "demand",
    "contact_center",
    "money",
    "simulation.outages",
)


class WhatIf(Model):
    """A change to a run, in the keys that ``--set`` takes."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    set: Annotated[dict[str, Any], Field(min_length=1)] = Field(
        description="keys of the scenario and their values, such as {'demand.scale' = 1.2}"
    )

    @field_validator("set")
    @classmethod
    def _after_the_replay(cls, changes: dict[str, Any]) -> dict[str, Any]:
        for key in changes:
            if not any(key == part or key.startswith(f"{part}.") for part in CHANGEABLE):
                raise fault(
                    f"expected keys under {', '.join(CHANGEABLE)}: a what-if keeps the history, "
                    "the candidates and their replies; make another run for the rest",
                    at=(key,),
                    found=changes[key],
                )
        return changes


def put(data: dict[str, Any], key: str, value: Any) -> None:
    """Put ``value`` at ``key``, such as ``contact_center.teams[0].name``, into nested tables.

    Raises:
        KeyError: there is no such table or row; its argument is the part of the key.
        TypeError: something on the way is a value; its argument is the key up to there.
    """
    here: Any = data
    *parents, last = key.strip().split(".")
    for parent in parents:
        index = re.fullmatch(r"(\w+)\[(\d+)\]", parent)
        try:
            here = here[index[1]][int(index[2])] if index else here.setdefault(parent, {})
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            raise KeyError(parent) from None
    if not isinstance(here, dict):
        raise TypeError(".".join(parents))
    here[last] = value


def changed(data: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``data`` with ``changes`` put into it. Raises as :func:`put`."""
    for key, value in changes.items():
        put(data, key, value)
    return data
