"""``[candidates]``, what they are given, and how much is replayed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.scenario.values import Model, Share, Source, fault, limits


class Tables(Model):
    """``[knowledge]`` and ``[commitments]``: a CSV, JSONL or Parquet file of that table."""

    source: Source


class Candidate(Model):
    """``[candidates.NAME]``: somebody who might answer."""

    kind: Literal["human", "always_escalate", "faq_rag", "guarded", "recorded"]
    source: Source | None = Field(default=None, description="recorded: the file of replies")
    sees_policy: bool = Field(
        default=True, description="guarded: false leaves it without the promise policy"
    )
    min_score: Share = Field(default=0.12, description="faq_rag, guarded: weakest hit they use")

    @model_validator(mode="after")
    def _fits(self) -> Candidate:
        if self.kind == "recorded" and self.source is None:
            raise fault(
                "source is missing: kind recorded reads a file of replies; add source = ...",
                at=("kind",),
                found=self.kind,
            )
        if self.kind != "recorded" and self.source is not None:
            raise fault(
                f"source belongs to kind recorded, not to {self.kind}; leave it out",
                at=("source",),
                found=str(self.source),
            )
        if not self.sees_policy and self.kind != "guarded":
            raise fault(
                f"sees_policy belongs to kind guarded, not to {self.kind}; leave it out",
                at=("sees_policy",),
                found=False,
            )
        return self


class Replay(Model):
    """``[replay]``: how much of the history is put before the candidates."""

    sample: Annotated[int, limits(1, 100_000_000)] | None = Field(
        default=None, description="conversations to replay, stratified; default: all"
    )
    part: Annotated[int, limits(1, 1_000_000)] = Field(
        default=500, description="decision points written at a time"
    )
