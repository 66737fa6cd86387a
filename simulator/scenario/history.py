"""``[history]``: where the past is, and what stands in for what it lacks."""

from __future__ import annotations

import difflib
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

Role = Literal["customer", "agent", "bot", "system", "tool"]
# Fields of a conversation that a column or field of theirs may hold.
_OF_CONVERSATION = (
    "customer_id",
    "agent_id",
    "channel",
    "language",
    "intent",
    "skill",
    "started_at",
    "handle_time_s",
    "wait_s",
    "abandoned",
    "resolved",
    "escalated",
    "complained",
    "csat",
    "recontact_of",
)
# And those of one message, in a CSV with a row a message.
_OF_MESSAGE = ("conversation_id", "role", "text", "sent_at", "turn", "internal", "public")
_COLUMNS = {
    "csv": (*_OF_MESSAGE, *_OF_CONVERSATION),
    "zendesk": _OF_CONVERSATION,
    "intercom": _OF_CONVERSATION,
}


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
        "sample",
        "jsonl",
        "csv",
        "parquet",
        "zendesk",
        "intercom",
        "tau2",
        "twitter-cdp",
        "stc3",
        "bank-calls",
    ]
    timezone: str = "UTC"
    channel: Channel = Field(default="chat", description="for formats that do not say")
    language: Language | None = Field(
        default=None, description="BCP 47, for formats that do not say"
    )
    redact: bool = True
    columns: dict[str, str] = Field(
        default={},
        description="ours = theirs: which column of a CSV of messages, or field of a help desk's "
        'export (a path such as "custom_fields.360001"), holds what',
    )
    roles: dict[str, Role] = Field(
        default={},
        description="theirs = ours: words of a CSV of messages for who spoke that are not usual",
    )
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

    @model_validator(mode="after")
    def _known_columns(self) -> History:
        allowed = _COLUMNS.get(self.format, ())
        for ours, theirs in self.columns.items():
            if ours not in allowed:
                near = difflib.get_close_matches(ours, allowed, n=1)
                raise fault(
                    f"expected one of {', '.join(allowed)}"
                    + (f"; did you mean {near[0]}?" if near else "")
                    if allowed
                    else f"format {self.format} has columns of its own; "
                    f"expected format {', '.join(_COLUMNS)}",
                    at=("columns", ours),
                    found=theirs,
                )
        if self.roles and self.format != "csv":
            raise fault(
                f"format {self.format} says itself who spoke; expected format csv",
                at=("roles",),
                found=list(self.roles),
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
