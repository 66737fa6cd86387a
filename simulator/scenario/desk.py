"""``[demand]``, ``[contact_center]`` and ``[simulation]``: customers, people, and their day."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.scenario.values import (
    DAY_S,
    Channel,
    Fraction,
    LocalTime,
    Model,
    Multiple,
    Name,
    Number,
    Seconds,
    Seed,
    assumed,
    fault,
    limits,
)

_MOST_AGENTS = 5000
_Reading = Annotated[Number, limits(0.1, 1000, unit="characters a second")]


def _seconds(starts: time, ends: time) -> float:
    day = datetime(2000, 1, 1)
    return (datetime.combine(day, ends) - datetime.combine(day, starts)).total_seconds()


class Peak(Model):
    """Extra arrivals: ``factor`` times the usual between two local times."""

    starts: LocalTime
    ends: LocalTime
    factor: Multiple

    @model_validator(mode="after")
    def _order(self) -> Peak:
        if self.starts >= self.ends:
            raise fault(
                "starts must be before ends (local time of the simulated day)",
                at=("ends",),
                found=str(self.ends),
            )
        return self


class Demand(Model):
    """``[demand]``: how many contacts arrive, and what customers do besides waiting."""

    day: Literal["weekday", "weekend", "any"] = "weekday"
    scale: Multiple = 1.0
    peaks: tuple[Peak, ...] = ()
    bot_quit_hazard: Fraction = assumed(
        0.02, "assumption: chance at each bot reply that the customer leaves", 0, 0.1
    )
    bot_reply_s: Seconds = assumed(3, "assumption: a bot's reply with its network time", 1, 10)
    customer_reply_s: Seconds = assumed(
        40, "assumption: a customer's time to the next message", 15, 120
    )
    recontact_unresolved_rate: Fraction = assumed(
        0.35, "assumption: unresolved customers who come back the same day", 0.1, 0.6
    )
    recontact_abandoned_rate: Fraction = assumed(
        0.5, "assumption: abandoning customers who try again the same day", 0.2, 0.8
    )
    recontact_delay_s: Seconds = assumed(
        2400, "assumption: mean of an exponential delay", 600, 7200
    )
    max_attempts: Annotated[int, limits(1, 10)] = 3


class Shift(Model):
    """``agents`` people at work between two local times, with one break in the middle."""

    agents: Annotated[int, limits(1, _MOST_AGENTS)]
    starts: LocalTime
    ends: LocalTime
    break_min: Annotated[int, limits(0, 240, unit="minutes")] = 0

    @model_validator(mode="after")
    def _order(self) -> Shift:
        if self.starts >= self.ends:
            raise fault(
                "starts must be before ends (a night shift is two shifts)",
                at=("ends",),
                found=str(self.ends),
            )
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
    staffing: Annotated[float, limits(0, 100, above=True)] = Field(
        default=1.0, description="multiplies the agents of every shift"
    )
    target_wait_s: Annotated[float, limits(0, 7 * DAY_S, unit="seconds; 7 days at most")] = Field(
        default=60, description="T of service level (T)"
    )
    patience_mean_s: Annotated[
        Number, limits(0, 7 * DAY_S, above=True, unit="seconds; 7 days at most")
    ] = assumed(
        600,
        "assumption: mean of an exponential patience; 312 s was the median of a bank's callers",
        120,
        1800,
    )
    wrap_up_s: Seconds = assumed(
        45, "assumption: after-contact work inside the handle time", 15, 120
    )
    reading_chars_per_s: _Reading = assumed(
        23.8,
        "238 words/min silent reading (Brysbaert 2019, J. Mem. Lang. 109) at 6 characters a word",
        15,
        35,
    )
    reading_cjk_chars_per_s: _Reading = assumed(
        4.3, "assumption: some 260 Chinese characters a minute", 3, 6
    )
    handle_time_basis: Literal["work", "elapsed"] = "work"

    @model_validator(mode="after")
    def _teams(self) -> ContactCenter:
        names = [team.name for team in self.teams]
        planned = any(team.shifts for team in self.teams)
        for index, team in enumerate(self.teams):
            at = ("teams", index, "name")
            if team.name in names[:index]:
                raise fault("expected a name that no other team has", at=at, found=team.name)
            if team.name == "all":
                raise fault(
                    "expected another name: all stands for every team together", at=at, found="all"
                )
            if planned and not team.shifts:
                raise fault(
                    f"team {team.name} has no shifts, though others have; give it shifts = "
                    "[{ agents = 5, starts = 09:00:00, ends = 17:00:00 }], or take out those of "
                    "all teams to use the history's schedule",
                    at=("teams", index, "shifts"),
                    found=[],
                )
            for place, shift in enumerate(team.shifts):
                self._shift(shift, ("teams", index, "shifts", place))
        return self

    def _shift(self, shift: Shift, at: tuple[str | int, ...]) -> None:
        if shift.agents * self.staffing > _MOST_AGENTS:
            raise fault(
                f"expected at most {_MOST_AGENTS:,} agents a shift, "
                f"found {shift.agents} x staffing {self.staffing:g}",
                at=(*at, "agents"),
                found=shift.agents,
            )
        minutes = _seconds(shift.starts, shift.ends) / 60
        if shift.break_min >= minutes:
            raise fault(
                f"expected less than the {minutes:g} min of the shift from "
                f"{shift.starts:%H:%M} to {shift.ends:%H:%M}; shorten the break",
                at=(*at, "break_min"),
                found=shift.break_min,
            )


class Outage(Model):
    """The bot is down between two local times of the simulated day."""

    starts: LocalTime
    ends: LocalTime

    @model_validator(mode="after")
    def _order(self) -> Outage:
        if self.starts >= self.ends:
            raise fault(
                "starts must be before ends (local time of the simulated day)",
                at=("ends",),
                found=str(self.ends),
            )
        if _seconds(self.starts, self.ends) < 60:
            raise fault(
                f"expected an outage of at least a minute, from {self.starts}",
                at=("ends",),
                found=str(self.ends),
            )
        return self


class Simulation(Model):
    """``[simulation]``: replications, and what goes wrong in them."""

    seed: Seed = 1
    days: Annotated[int, limits(1, 1000)] = Field(
        default=10, description="bootstrap draws of the input day"
    )
    replications: Annotated[int, limits(1, 1000)] = Field(
        default=2, description="seeds for each drawn day"
    )
    processes: Annotated[int, limits(1, 256)] = 2
    outages: tuple[Outage, ...] = ()
