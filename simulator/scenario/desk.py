"""``[demand]``, ``[contact_center]`` and ``[simulation]``: customers, people, and their day."""

from __future__ import annotations

from datetime import time
from typing import Literal

from pydantic import Field, field_validator, model_validator

from simulator.scenario.values import (
    Channel,
    Fraction,
    Model,
    Name,
    NotNegative,
    Number,
    Positive,
    assumed,
)


class Peak(Model):
    """Extra arrivals: ``factor`` times the usual between two local times."""

    starts: time
    ends: time
    factor: Positive

    @model_validator(mode="after")
    def _order(self) -> Peak:
        if self.starts >= self.ends:
            raise ValueError("starts must be before ends (local time of the simulated day)")
        return self


class Demand(Model):
    """``[demand]``: how many contacts arrive, and what customers do besides waiting."""

    day: Literal["weekday", "weekend", "any"] = "weekday"
    scale: Positive = 1.0
    peaks: tuple[Peak, ...] = ()
    bot_quit_hazard: Fraction = assumed(
        0.02, "assumption: chance at each bot reply that the customer leaves", 0, 0.1
    )
    bot_reply_s: Number = assumed(3, "assumption: a bot's reply with its network time", 1, 10)
    customer_reply_s: Number = assumed(
        40, "assumption: a customer's time to the next message", 15, 120
    )
    recontact_unresolved_rate: Fraction = assumed(
        0.35, "assumption: unresolved customers who come back the same day", 0.1, 0.6
    )
    recontact_abandoned_rate: Fraction = assumed(
        0.5, "assumption: abandoning customers who try again the same day", 0.2, 0.8
    )
    recontact_delay_s: Number = assumed(2400, "assumption: mean of an exponential delay", 600, 7200)
    max_attempts: int = Field(default=3, ge=1, le=10)


class Shift(Model):
    """``agents`` people at work between two local times, with one break in the middle."""

    agents: int = Field(ge=1, le=100_000)
    starts: time
    ends: time
    break_min: int = Field(default=0, ge=0, le=240)

    @model_validator(mode="after")
    def _order(self) -> Shift:
        if self.starts >= self.ends:
            raise ValueError("starts must be before ends (a night shift is two shifts)")
        return self


class Team(Model):
    """Who can take what. An empty list of skills, languages or channels means any."""

    name: Name
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ()
    shifts: tuple[Shift, ...] = Field(
        default=(), description="default: from the history's schedule"
    )


class ContactCenter(Model):
    """``[contact_center]``: the human desk."""

    teams: tuple[Team, ...] = Field(
        default=(), description="default: the teams of the history's schedule, or one team of all"
    )
    staffing: Positive = Field(default=1.0, description="multiplies the agents of every shift")
    target_wait_s: NotNegative = Field(default=60, description="T of service level (T)")
    patience_mean_s: Number = assumed(
        600,
        "assumption: mean of an exponential patience; 312 s was the median of a bank's callers",
        120,
        1800,
    )
    wrap_up_s: Number = assumed(
        45, "assumption: after-contact work inside the handle time", 15, 120
    )
    reading_chars_per_s: Number = assumed(
        23.8,
        "238 words/min silent reading (Brysbaert 2019, J. Mem. Lang. 109) at 6 characters a word",
        15,
        35,
    )
    reading_cjk_chars_per_s: Number = assumed(
        4.3, "assumption: some 260 Chinese characters a minute", 3, 6
    )
    handle_time_basis: Literal["work", "elapsed"] = "work"

    @field_validator("teams")
    @classmethod
    def _names(cls, teams: tuple[Team, ...]) -> tuple[Team, ...]:
        names = [team.name for team in teams]
        if len(set(names)) < len(names):
            raise ValueError(f"team names must differ, found {names}")
        return teams


class Outage(Model):
    """The bot is down between two local times of the simulated day."""

    starts: time
    ends: time

    @model_validator(mode="after")
    def _order(self) -> Outage:
        if self.starts >= self.ends:
            raise ValueError("starts must be before ends (local time of the simulated day)")
        return self


class Simulation(Model):
    """``[simulation]``: replications, and what goes wrong in them."""

    seed: int = Field(default=1, ge=0, lt=2**64)
    days: int = Field(default=10, ge=1, le=1000, description="bootstrap draws of the input day")
    replications: int = Field(default=2, ge=1, le=1000, description="seeds for each drawn day")
    processes: int = Field(default=2, ge=1, le=256)
    outages: tuple[Outage, ...] = ()
