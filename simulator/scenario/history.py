"""``[history]``: where the past is, and what stands in for what it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from simulator.scenario.values import Channel, Fraction, Model, NotNegative, Number, assumed


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
    handle_time_chat_s: Number = assumed(
        600, "assumption: 10 min a chat of several turns", 360, 900
    )
    handle_time_email_s: Number = assumed(480, "assumption: 8 min a message thread", 240, 900)
    handle_time_voice_s: Number = assumed(360, "assumption: 6 min a call", 240, 600)
    handle_time_log_sd: Number = assumed(
        0.7, "assumption; 0.92 measured on the calls of a bank (Brown et al. 2005)", 0.4, 1.0
    )
    resolved_rate: Fraction = assumed(0.74, "assumption: first-contact resolution", 0.6, 0.85)
    complained_rate: Fraction = assumed(0.02, "assumption", 0.005, 0.05)


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
