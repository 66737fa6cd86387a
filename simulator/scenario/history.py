"""``[history]``: where the past is, and what stands in for what it lacks."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from simulator.scenario.values import (
    Channel,
    Day,
    Fraction,
    Language,
    Model,
    Number,
    Seconds,
    Seed,
    Source,
    assumed,
    fault,
    limits,
)


class Assume(Model):
    """``[history.assume]``: what the log lacks. Used only where the log has null."""

    contacts_per_day: Annotated[Number, limits(0, 1_000_000, above=True)] | None = Field(
        default=None, description="volume of a working day; default: the log's own per day"
    )
    arrival_profile: tuple[Annotated[float, limits(0, 1_000_000_000)], ...] = Field(
        default=(0, 0, 0, 0, 0, 0, 0, 1, 3, 6, 8, 8, 7, 7, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0),
        description="relative volume by hour of the day, from midnight",
    )
    handle_time_chat_s: Seconds = assumed(
        600, "assumption: 10 min a chat of several turns", 360, 900
    )
    handle_time_email_s: Seconds = assumed(480, "assumption: 8 min a message thread", 240, 900)
    handle_time_voice_s: Seconds = assumed(360, "assumption: 6 min a call", 240, 600)
    handle_time_log_sd: Annotated[Number, limits(0, 3)] = assumed(
        0.7, "assumption; 0.92 measured on the calls of a bank (Brown et al. 2005)", 0.4, 1.0
    )
    resolved_rate: Fraction = assumed(0.74, "assumption: first-contact resolution", 0.6, 0.85)
    complained_rate: Fraction = assumed(0.02, "assumption", 0.005, 0.05)

    @field_validator("arrival_profile")
    @classmethod
    def _day(cls, profile: tuple[float, ...]) -> tuple[float, ...]:
        if len(profile) != 24:
            raise fault(f"expected 24 numbers, one an hour from midnight; found {len(profile)}")
        if math.fsum(profile) <= 0:
            raise fault("expected at least one hour above 0")
        return profile


class SampleConfig(Model):
    """``[history.sample]``: size of the built-in synthetic operation."""

    first_day: Day = date(2026, 3, 2)
    days: Annotated[int, limits(1, 366)] = 14
    contacts_per_day: Annotated[int, limits(10, 200_000)] = 2000
    conversations: Annotated[int, limits(5, 1_000_000)] = Field(
        default=2000, description="how many of them have turns"
    )
    email_share: Annotated[float, limits(0, 0.9)] = Field(
        default=0.0, description="of the contacts; e-mails come at night and at weekends too"
    )
    seed: Seed = 11


class History(Model):
    """``[history]``: where the past conversations are."""

    source: Source | None = None
    format: Literal[
        "sample", "jsonl", "csv", "parquet", "tau2", "twitter-cdp", "stc3", "bank-calls"
    ]
    timezone: str = "UTC"
    channel: Channel = Field(default="chat", description="for formats that do not say")
    language: Language | None = Field(
        default=None, description="BCP 47, for formats that do not say"
    )
    redact: bool = True
    schedule: Source | None = Field(
        default=None, description="CSV or Parquet of the schedule table"
    )
    sample: SampleConfig = SampleConfig()
    assume: Assume = Assume()

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        if name not in available_timezones() or not _known_to_polars(name):
            raise fault("expected an IANA time zone such as Asia/Taipei or UTC")
        return name

    @model_validator(mode="after")
    def _source(self) -> History:
        if self.format != "sample" and self.source is None:
            raise fault(
                f"source is missing: format {self.format} reads a file; add source = ...",
                at=("format",),
                found=self.format,
            )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that decides days, shifts and business hours."""
        return ZoneInfo(self.timezone)


def _known_to_polars(zone: str) -> bool:
    # The tables are cut into days by polars, which has a list of its own, without "localtime".
    # Imported here, since the command line's help loads scenarios' models but no polars.
    import polars as pl

    try:
        pl.Series([datetime(2026, 1, 1)]).dt.replace_time_zone(zone)
    except pl.exceptions.PolarsError:
        return False
    return True
