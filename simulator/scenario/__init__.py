"""The scenario: one TOML file that says what to replay, through whom, and into which desk.

Everything but ``[history]`` and one candidate has a default. What a default stands for, and where
it comes from, is in the ``Assumed`` values below; every report lists the ones that a run used.
Loading lives in :mod:`simulator.scenario_file`.
"""

from __future__ import annotations

from datetime import UTC, datetime, time

from pydantic import ValidationError, field_validator, model_validator

from simulator.scenario.candidates import Candidate, LanguageModel, Replay, Server, Tables
from simulator.scenario.desk import (
    WEEK,
    ContactCenter,
    Demand,
    Opening,
    Outage,
    Overflow,
    Peak,
    Shift,
    Simulation,
    Team,
)
from simulator.scenario.gates import (
    GATE_METRICS,
    GATES,
    Evidence,
    Gate,
    Override,
    Proposal,
    Threshold,
)
from simulator.scenario.history import Assume, History, SampleConfig
from simulator.scenario.judging import Judging
from simulator.scenario.money import Money, PriceCard
from simulator.scenario.rollout import LADDER, Assist, AutoWhen, Rollout, Stage
from simulator.scenario.staffing import Staffing
from simulator.scenario.values import Action, Assumed, Channel, Model, Name, Risk, fault
from simulator.scenario.what_if import WhatIf, changed

__all__ = [
    "GATES",
    "GATE_METRICS",
    "LADDER",
    "WEEK",
    "Action",
    "Assist",
    "Assume",
    "Assumed",
    "AutoWhen",
    "Candidate",
    "Channel",
    "ContactCenter",
    "Demand",
    "Evidence",
    "Gate",
    "History",
    "Judging",
    "LanguageModel",
    "Model",
    "Money",
    "Name",
    "Opening",
    "Outage",
    "Overflow",
    "Override",
    "Peak",
    "PriceCard",
    "Proposal",
    "Replay",
    "Risk",
    "Rollout",
    "SampleConfig",
    "Scenario",
    "Server",
    "Shift",
    "Simulation",
    "Staffing",
    "Stage",
    "Tables",
    "Team",
    "Threshold",
    "WhatIf",
]


class Scenario(Model):
    """A whole scenario."""

    name: Name
    history: History
    knowledge: Tables | None = None
    commitments: Tables | None = None
    candidates: dict[Name, Candidate]
    replay: Replay = Replay()
    judging: Judging = Judging()
    rollout: Rollout = Rollout()
    assist: Assist = Assist()
    demand: Demand = Demand()
    contact_center: ContactCenter = ContactCenter()
    simulation: Simulation = Simulation()
    staffing: Staffing = Staffing()
    money: Money = Money()
    gates: tuple[Gate, ...] = GATES
    evidence: Evidence = Evidence()
    overrides: tuple[Override, ...] = ()
    proposal: Proposal | None = None
    what_if: tuple[WhatIf, ...] = ()

    def cards(self) -> dict[str, PriceCard]:
        """The price card of each candidate that has one, by the candidate's name."""
        prices = self.money.prices
        return {name: prices[one.price] for name, one in self.candidates.items() if one.price}

    def with_changed(self, one: WhatIf) -> Scenario:
        """This scenario as a what-if has it. Raises as validation does where it does not fit."""
        data = self.model_dump(mode="json", exclude={"what_if"})
        return type(self).model_validate(changed(data, one.set))

    @property
    def replayed_from(self) -> datetime | None:
        """When the first conversations begin that are replayed; null: all are."""
        if self.replay.since is None:
            return None
        return datetime.combine(self.replay.since, time(), self.history.zone).astimezone(UTC)

    @field_validator("candidates")
    @classmethod
    def _human(cls, candidates: dict[str, Candidate]) -> dict[str, Candidate]:
        if not candidates:
            raise fault('expected at least one, such as [candidates.human] with kind = "human"')
        for name, one in candidates.items():
            if (one.kind == "human") != (name == "human"):
                raise fault(
                    "the candidate of kind human, and no other, has the name human; expected "
                    '[candidates.human] with kind = "human"',
                    at=(name, "kind"),
                    found=one.kind,
                )
        return candidates

    @model_validator(mode="after")
    def _held_out(self) -> Scenario:
        since = self.replay.since
        for name, one in self.candidates.items():
            if one.trained_until and (since is None or since < one.trained_until):
                raise fault(
                    "it would be replayed on conversations that it was tuned on; expected "
                    f"replay.since = {one.trained_until} or later",
                    at=("candidates", name, "trained_until"),
                    found=str(one.trained_until),
                )
        return self

    @model_validator(mode="after")
    def _judged(self) -> Scenario:
        self.judging.check_candidates(self.candidates)
        return self

    @model_validator(mode="after")
    def _gated(self) -> Scenario:
        ladder = self.rollout.stages[1:]
        names = [stage.name for stage in ladder]
        for index, gate in enumerate(self.gates):
            unknown = [n for n in gate.stages if n not in names] if gate.named else []
            if unknown:
                raise fault(
                    f"expected names among {', '.join(map(repr, names))}, or 'all' or 'automatic'",
                    at=("gates", index, "stages"),
                    found=unknown[0],
                )
            for first, other in enumerate(self.gates[:index]):
                if any(gate.meets(other, stage) for stage in ladder):
                    raise fault(
                        f"the metric stands in gates[{first}] already; keep one limit for each "
                        "stage and segment",
                        at=("gates", index, "metric"),
                        found=gate.metric,
                    )
        return self

    @model_validator(mode="after")
    def _overridden(self) -> Scenario:
        for index, one in enumerate(self.overrides):
            self._known_cell(("overrides", index), one.candidate, one.stage)
        return self

    @model_validator(mode="after")
    def _priced(self) -> Scenario:
        cards = self.money.prices
        for name, one in self.candidates.items():
            at = ("candidates", name, "price")
            if one.price is not None and one.price not in cards:
                raise fault(
                    f"expected one of {', '.join(map(repr, cards))}"
                    if cards
                    else f"the scenario has no price card; add [money.prices.{one.price}]",
                    at=at,
                    found=one.price,
                )
            if one.kind == "recorded" and one.price and cards[one.price].gpu_hour is not None:
                raise fault(
                    "a card by gpu_hour needs a throughput measured in the replay, and recorded "
                    "replies were made elsewhere; name a card by tokens",
                    at=at,
                    found=one.price,
                )
        return self

    @model_validator(mode="after")
    def _proposed(self) -> Scenario:
        if self.proposal is not None:
            self._known_cell(("proposal",), self.proposal.candidate, self.proposal.stage)
        return self

    @model_validator(mode="after")
    def _asked(self) -> Scenario:
        for index, one in enumerate(self.what_if):
            if one.name in [other.name for other in self.what_if[:index]]:
                raise fault(
                    "expected each name once", at=("what_if", index, "name"), found=one.name
                )
            try:
                self.with_changed(one)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                key = ".".join(map(str, first["loc"]))
                raise fault(
                    f"the change does not fit: {key}: {first['msg']}", at=("what_if", index, "set")
                ) from None
            except (KeyError, TypeError) as error:
                raise fault(
                    f"the scenario has no table {error.args[0]}", at=("what_if", index, "set")
                ) from None
        return self

    def _known_cell(self, at: tuple[str | int, ...], candidate: str, stage: str) -> None:
        bots = [name for name, one in self.candidates.items() if one.kind != "human"]
        stages = [stage.name for stage in self.rollout.stages[1:]]
        for key, found, allowed in (("candidate", candidate, bots), ("stage", stage, stages)):
            if found not in allowed:
                raise fault(
                    f"expected one of {', '.join(map(repr, allowed))}"
                    if allowed
                    else f"the scenario has no {key} to propose besides the human baseline; add "
                    f"one, or take out [{at[0]}]",
                    at=(*at, key),
                    found=found,
                )
