"""The scenario: one TOML file that says what to replay, through whom, and into which desk.

Everything but ``[history]`` and one candidate has a default. What a default stands for, and where
it comes from, is in the ``Assumed`` values below; every report lists the ones that a run used.
Loading lives in :mod:`simulator.scenario_file`.
"""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w][\w .-]*$")]
Action = Literal["answer", "clarify", "escalate", "refuse", "soothe"]
Risk = Literal["low", "medium", "high"]
Channel = Literal["chat", "email", "voice"]


class Model(BaseModel):
    """A part of a scenario: unknown keys are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Assumed(Model):
    """A number that the log does not hold, with its range and where it comes from."""

    value: float
    low: float | None = None
    high: float | None = None
    source: str = "set in the scenario, no source given"

    @model_validator(mode="after")
    def _ordered(self) -> Assumed:
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        if not low <= self.value <= high:
            raise ValueError(f"low <= value <= high expected, found {low}, {self.value}, {high}")
        return self


def _assumed(value: Any) -> Any:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return {"value": value} if plain else value


def _within(low: float, high: float) -> Any:
    def inside(assumed: Assumed) -> Assumed:
        for number in (assumed.value, assumed.low, assumed.high):
            if number is not None and not low <= number <= high:
                raise ValueError(f"expected {low} <= x <= {high}, found {number}")
        return assumed

    return AfterValidator(inside)


Number = Annotated[Assumed, BeforeValidator(_assumed), _within(0, 1e12)]
Fraction = Annotated[Assumed, BeforeValidator(_assumed), _within(0, 1)]


def _n(value: float, source: str, low: float | None = None, high: float | None = None) -> Assumed:
    return Assumed(value=value, low=low, high=high, source=source)


class Assume(Model):
    """``[history.assume]``: what the log lacks. Used only where the log has null."""

    contacts_per_day: Number | None = Field(
        default=None, description="volume of a working day; default: the log's own per day"
    )
    arrival_profile: tuple[NotNegative, ...] = Field(
        default=(0, 0, 0, 0, 0, 0, 0, 1, 3, 6, 8, 8, 7, 7, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0),
        min_length=24,
        max_length=24,
        description="relative volume by hour of the day, from midnight",
    )
    handle_time_chat_s: Number = _n(600, "assumption: 10 min a chat of several turns", 360, 900)
    handle_time_email_s: Number = _n(480, "assumption: 8 min a message thread", 240, 900)
    handle_time_voice_s: Number = _n(360, "assumption: 6 min a call", 240, 600)
    handle_time_log_sd: Number = _n(
        0.7, "assumption; 0.92 measured on the calls of a bank (Brown et al. 2005)", 0.4, 1.0
    )
    resolved_rate: Fraction = _n(0.74, "assumption: first-contact resolution", 0.6, 0.85)
    complained_rate: Fraction = _n(0.02, "assumption", 0.005, 0.05)


class SampleConfig(Model):
    """``[history.sample]``: size of the built-in synthetic operation."""

    days: int = Field(default=14, ge=1, le=366)
    contacts_per_day: int = Field(default=2000, ge=10, le=200_000)
    conversations: int = Field(default=2000, ge=5, description="how many of them have turns")
    seed: int = Field(default=11, ge=0)


class History(Model):
    """``[history]``: where the past conversations are."""

    source: Path | None = None
    format: Literal["sample", "jsonl", "csv", "parquet", "tau2", "twitter-cdp", "stc3"]
    timezone: str = "UTC"
    channel: Channel = Field(default="chat", description="for formats that do not say")
    language: str | None = Field(default=None, description="BCP 47, for formats that do not say")
    redact: bool = True
    schedule: Path | None = Field(default=None, description="CSV or Parquet of the schedule table")
    sample: SampleConfig = SampleConfig()
    assume: Assume = Assume()

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("expected an IANA time zone such as Asia/Taipei or UTC")
        return name

    @model_validator(mode="after")
    def _source(self) -> History:
        if self.format != "sample" and self.source is None:
            raise ValueError(f"source is missing: format {self.format} reads a file")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that decides days, shifts and business hours."""
        return ZoneInfo(self.timezone)


class Tables(Model):
    """``[knowledge]`` and ``[commitments]``: a CSV, JSONL or Parquet file of that table."""

    source: Path


class Candidate(Model):
    """``[candidates.NAME]``: somebody who might answer."""

    kind: Literal["human", "always_escalate", "faq_rag", "guarded", "recorded"]
    source: Path | None = Field(default=None, description="recorded: the file of replies")
    sees_policy: bool = Field(
        default=True, description="guarded: false leaves it without the promise policy"
    )
    min_score: Share = Field(default=0.12, description="faq_rag, guarded: weakest hit they use")

    @model_validator(mode="after")
    def _fits(self) -> Candidate:
        if (self.kind == "recorded") != (self.source is not None):
            raise ValueError("source belongs to kind recorded, which needs it")
        if not self.sees_policy and self.kind != "guarded":
            raise ValueError("sees_policy belongs to kind guarded")
        return self


class Replay(Model):
    """``[replay]``: how much of the history is put before the candidates."""

    sample: int | None = Field(
        default=None, ge=1, description="conversations to replay, stratified; default: all"
    )
    part: int = Field(default=500, ge=1, description="decision points written at a time")


class AutoWhen(Model):
    """Which decision points a stage hands to the bot. All that is set must hold."""

    max_risk: Risk = "high"
    intents: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    channels: tuple[Channel, ...] | None = None
    min_score: Share | None = None


class Stage(Model):
    """One rung of the ladder. Without ``auto_when`` nothing is automatic."""

    name: Name
    auto_when: AutoWhen | None = None
    otherwise: Literal["human", "assist"] = "human"


LADDER = (
    Stage(name="human_only"),
    Stage(name="assist", otherwise="assist"),
    Stage(name="low_risk_auto", auto_when=AutoWhen(max_risk="low")),
    Stage(name="wider_auto", auto_when=AutoWhen(max_risk="high")),
)


class Rollout(Model):
    """``[rollout]``: the ladder, and what replay cannot know."""

    stages: tuple[Stage, ...] = LADDER
    segment_by: tuple[Literal["intent", "language", "channel", "skill"], ...] = ("intent",)
    diverged_contained: Fraction = _n(
        0.5, "assumption: replay cannot know; the worst and best bounds span it", 0, 1
    )
    hand_back_delay_s: Number = _n(3600, "assumption: a customer the bot failed comes back", 0)
    value_tolerance: Share = Field(
        default=0.0, description="relative difference at which two promised values are the same"
    )

    @model_validator(mode="after")
    def _ladder(self) -> Rollout:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"stage names must differ, found {names}")
        first = self.stages[0] if self.stages else None
        if first is None or first.auto_when is not None or first.otherwise != "human":
            raise ValueError("the first stage is the baseline: no auto_when, otherwise = human")
        return self


class Assist(Model):
    """``[assist]``: what a draft saves the agent, and what slips through."""

    draft_saves_rate: Fraction = _n(
        0.14,
        "share of a turn's work that an accepted draft saves; 14 % more issues an hour "
        "(Brynjolfsson, Li, Raymond 2025, QJE 140:889-942)",
        0,
        0.35,
    )
    edited_saves_rate: Fraction = _n(0.07, "assumption: half of an accepted draft", 0, 0.2)
    agent_misses_risky_draft: Fraction = _n(
        0.3, "assumption: share of risky drafts that an agent sends as they are", 0.05, 0.6
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
    bot_quit_hazard: Fraction = _n(
        0.02, "assumption: chance at each bot reply that the customer leaves", 0, 0.1
    )
    bot_reply_s: Number = _n(3, "assumption: a bot's reply with its network time", 1, 10)
    customer_reply_s: Number = _n(40, "assumption: a customer's time to the next message", 15, 120)
    recontact_unresolved_rate: Fraction = _n(
        0.35, "assumption: unresolved customers who come back the same day", 0.1, 0.6
    )
    recontact_abandoned_rate: Fraction = _n(
        0.5, "assumption: abandoning customers who try again the same day", 0.2, 0.8
    )
    recontact_delay_s: Number = _n(2400, "assumption: mean of an exponential delay", 600, 7200)
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
    patience_mean_s: Number = _n(
        600,
        "assumption: mean of an exponential patience; a bank's calls had a median of 312 s",
        120,
    )
    wrap_up_s: Number = _n(45, "assumption: after-contact work inside the handle time", 15, 120)
    reading_chars_per_s: Number = _n(
        23.8,
        "238 words/min silent reading (Brysbaert 2019, J. Mem. Lang. 109) at 6 characters a word",
        15,
        35,
    )
    reading_cjk_chars_per_s: Number = _n(
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


class Money(Model):
    """``[money]``: prices. One currency a run."""

    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    wage_per_hour: Number = _n(
        20.59, "median of US customer service representatives, May 2024 (BLS OEWS)", 15, 30
    )
    target_occupancy: Fraction = _n(0.80, "assumption", 0.7, 0.88)
    shrinkage: Fraction = _n(0.30, "assumption: leave, training, breaks", 0.2, 0.4)
    bot_reply_money: Number = _n(0.01, "assumption: hosting and tokens of one reply", 0.001, 0.05)
    risky_promise_money: Number = _n(
        6, "assumption: one unauthorised firm promise in ten is claimed, at 60 of loss", 1, 60
    )
    complaint_money: Number = _n(25, "assumption: handling and goodwill", 10, 80)
    abandonment_money: Number = _n(3, "assumption: lost goodwill", 0, 15)

    @model_validator(mode="after")
    def _divisor(self) -> Money:
        if self.target_occupancy.value <= 0 or self.shrinkage.value >= 1:
            raise ValueError("target_occupancy must be above 0 and shrinkage below 1")
        return self


GATE_METRICS = (
    "risky_promise_rate",
    "interception_rate",
    "settled_share",
    "complaint_rate",
    "service_level",
    "saving_money",
)


class Gate(Model):
    """``[[gates]]``: one limit. Rates of harm have an upper limit, the others a lower one."""

    metric: Literal[
        "risky_promise_rate",
        "interception_rate",
        "settled_share",
        "complaint_rate",
        "service_level",
        "saving_money",
    ]
    limit: float
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


GATES = (
    Gate(metric="risky_promise_rate", limit=0.01),
    Gate(metric="interception_rate", limit=0.90),
    Gate(metric="service_level", limit=0.80),
    Gate(metric="saving_money", limit=0.0),
)


class Proposal(Model):
    """``[proposal]``: what ``shadowdesk gate`` answers for by default."""

    candidate: str
    stage: str
    segment: str = "all"


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
