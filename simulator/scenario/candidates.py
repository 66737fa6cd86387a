"""``[candidates]``, what they are given, and how much is replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from simulator.scenario.values import Model, Share


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
