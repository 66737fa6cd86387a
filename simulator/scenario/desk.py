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

    day: Literal["weekday", "weekend", "any", "week"] = Field(
        default="weekday",
        description="what one replication simulates; week: seven days from a Monday",
    )
    arrivals: Literal["log", "fitted"] = Field(
        default="log",
        description="log: the days of the log as they were; fitted: a profile by weekday and "
        "interval with the over-dispersion of the log's days",
    )
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


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Shift(Model):
    """``agents`` people at work between two local times; their breaks are spread over its middle.

    On a simulated day of type weekday the shifts of Monday to Friday count, on one of type weekend
    those of Saturday and Sunday, on ``any`` all.
    """

    agents: Annotated[int, limits(1, _MOST_AGENTS)]
    starts: LocalTime
    ends: LocalTime
    break_min: Annotated[int, limits(0, 240, unit="minutes")] = 0
    days: tuple[Weekday, ...] = WEEK

    @model_validator(mode="after")
    def _order(self) -> Shift:
        if self.starts >= self.ends:
            raise fault(
                "starts must be before ends (a night shift is two shifts)",
                at=("ends",),
                found=str(self.ends),
            )
        return self


class Overflow(Model):
    """What a team takes besides its own once a contact has waited ``after_s``."""

    after_s: Annotated[float, limits(0, DAY_S, unit="seconds; a day at most")]
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ()


class Team(Model):
    """Who can take what. An empty list of skills, languages or channels means any."""

    name: Name
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ()
    preference: Annotated[int, limits(0, 9)] = Field(
        default=0, description="of the teams with somebody free, those with the lowest come first"
    )
    overflow: tuple[Overflow, ...] = ()
    chats_at_once: Annotated[int, limits(1, 6)] = 1
    shifts: tuple[Shift, ...] = Field(
        default=(), description="default: from the history's schedule"
    )


class Opening(Model):
    """When channels are open, local time."""

    opens: LocalTime
    closes: LocalTime
    days: tuple[Weekday, ...] = WEEK
    channels: tuple[Channel, ...] = ("chat", "email", "voice")

    @model_validator(mode="after")
    def _order(self) -> Opening:
        if self.opens >= self.closes:
            raise fault(
                "opens must be before closes (open over midnight is two openings)",
                at=("closes",),
                found=str(self.closes),
            )
        return self


Outside = Literal["wait", "turn_away", "next_opening"]


class OutsideHours(Model):
    """What becomes of a contact outside opening hours, by channel."""

    voice: Outside = "turn_away"
    chat: Outside = "turn_away"
    email: Outside = "wait"


class QueueLimit(Model):
    """How many contacts of a channel may wait at once; without a number any."""

    voice: Annotated[int, limits(0, 100_000)] | None = None
    chat: Annotated[int, limits(0, 100_000)] | None = None


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
    opening: tuple[Opening, ...] = Field(default=(), description="default: always open")
    outside: OutsideHours = OutsideHours()
    priority: tuple[Literal["angry", "high_risk", "handoff"], ...] = Field(
        default=("angry", "high_risk", "handoff"),
        description="who is served first, in this order; then the others, e-mail last",
    )
    absence_rate: Fraction = assumed(
        0.04, "assumption: share of planned agents who do not come on a day", 0, 0.1
    )
    chat_speed: tuple[Annotated[float, limits(0, 6, above=True)], ...] = Field(
        default=(1.0, 1.7, 2.3, 2.8, 3.2, 3.5),
        description="an agent's total speed with 1, 2, ... chats at once; assumption",
    )
    queue_limit: QueueLimit = Field(
        default=QueueLimit(),
        description="contacts that may wait at once, by channel; others are turned away",
    )
    email_deadline_h: Annotated[Number, limits(0, 240, above=True, unit="hours")] = assumed(
        24, "assumption: an e-mail should be answered within a day", 4, 72
    )
    patience: Literal["exponential", "weibull", "kaplan_meier"] = Field(
        default="exponential",
        description="kaplan_meier: from the waits and abandonments of the log",
    )
    patience_shape: Annotated[Number, limits(0.1, 10)] = assumed(
        1, "assumption: shape of a Weibull patience of the same mean; 1 is exponential", 0.6, 1.5
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
    def _speeds(self) -> ContactCenter:
        speeds = self.chat_speed
        if not speeds or speeds[0] != 1:
            raise fault(
                "expected 1 first: one chat is worked like a call",
                at=("chat_speed",),
                found=list(speeds),
            )
        for index, speed in enumerate(speeds):
            if speed < (index + 1) / 1000:
                raise fault(
                    f"expected at least {(index + 1) / 1000:g} for {index + 1} chats at once",
                    at=("chat_speed", index),
                    found=speed,
                )
        return self

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
            if team.chats_at_once > len(self.chat_speed):
                raise fault(
                    f"expected at most {len(self.chat_speed)}: contact_center.chat_speed says how "
                    "fast an agent is with so many chats; add to it",
                    at=("teams", index, "chats_at_once"),
                    found=team.chats_at_once,
                )
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
    warm_up_days: Annotated[int, limits(0, 14)] = Field(
        default=0, description="days simulated before those that count: what they leave over stays"
    )
    engine: Literal["compiled", "simpy"] = "compiled"
    trace: bool = Field(
        default=False, description="write the events of the first replication of each cell"
    )
