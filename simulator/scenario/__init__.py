"""The scenario: one TOML file that says what to replay, through whom, and into which desk.

Everything but ``[history]`` and one candidate has a default. What a default stands for, and where
it comes from, is in the ``Assumed`` values below; every report lists the ones that a run used.
Loading lives in :mod:`simulator.scenario_file`.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from simulator.scenario.candidates import Candidate, Replay, Tables
from simulator.scenario.desk import (
    ContactCenter,
    Demand,
    Outage,
    Peak,
    Shift,
    Simulation,
    Team,
)
from simulator.scenario.gates import GATE_METRICS, GATES, Gate, Proposal
from simulator.scenario.history import Assume, History, SampleConfig
from simulator.scenario.money import Money
from simulator.scenario.rollout import LADDER, Assist, AutoWhen, Rollout, Stage
from simulator.scenario.values import Action, Assumed, Channel, Model, Name, Risk

__all__ = [
    "GATES",
    "GATE_METRICS",
    "LADDER",
    "Action",
    "Assist",
    "Assume",
    "Assumed",
    "AutoWhen",
    "Candidate",
    "Channel",
    "ContactCenter",
    "Demand",
    "Gate",
    "History",
    "Model",
    "Money",
    "Name",
    "Outage",
    "Peak",
    "Proposal",
    "Replay",
    "Risk",
    "Rollout",
    "SampleConfig",
    "Scenario",
    "Shift",
    "Simulation",
    "Stage",
    "Tables",
    "Team",
]


class Scenario(Model):
    """A whole scenario."""

    name: Name
    history: History
    knowledge: Tables | None = None
    commitments: Tables | None = None
    candidates: dict[Name, Candidate] = Field(min_length=1)
    replay: Replay = Replay()
    rollout: Rollout = Rollout()
    assist: Assist = Assist()
    demand: Demand = Demand()
    contact_center: ContactCenter = ContactCenter()
    simulation: Simulation = Simulation()
    money: Money = Money()
    gates: tuple[Gate, ...] = GATES
    proposal: Proposal | None = None

    @model_validator(mode="after")
    def _whole(self) -> Scenario:
        humans = [name for name, one in self.candidates.items() if one.kind == "human"]
        if len(humans) > 1 or any(name != "human" for name in humans):
            raise ValueError("one candidate of kind human at most, and its name is human")
        if "human" in self.candidates and self.candidates["human"].kind != "human":
            raise ValueError("the name human belongs to kind human")
        if self.proposal is not None:
            stages = [stage.name for stage in self.rollout.stages]
            if self.proposal.candidate not in self.candidates:
                raise ValueError(
                    f"proposal.candidate = {self.proposal.candidate!r}; "
                    f"expected one of {list(self.candidates)}"
                )
            if self.proposal.stage not in stages:
                raise ValueError(
                    f"proposal.stage = {self.proposal.stage!r}; expected one of {stages}"
                )
        return self
