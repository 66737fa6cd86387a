"""``[judging]``: judges besides the rules, which cost nothing and always read every reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from simulator.scenario.candidates import Candidate, LanguageModel
from simulator.scenario.values import Model, Name, Source, fault, limits


class LlmJudge(Model):
    """``[judging.llm.NAME]``: a language model that is asked about replies."""

    model: LanguageModel
    rubrics: Source = Field(description="its questions, such as rubrics/replies.toml")
    candidates: tuple[Name, ...] | None = Field(
        default=None, description="whose replies; default: those of all but human"
    )
    sample: Annotated[int, limits(1, 100_000_000)] | None = Field(
        default=None, description="conversations, at random; default: all that were replayed"
    )


class Judging(Model):
    """``[judging]``. What such a judge says is no bound: labels of people are."""

    llm: dict[Name, LlmJudge] = Field(default={}, description="language models that judge replies")

    def check_candidates(self, candidates: Mapping[str, Candidate]) -> None:
        """Raise a fault where a judge is to read a candidate that the scenario does not have."""
        for judge, config in self.llm.items():
            for number, name in enumerate(config.candidates or ()):
                if name not in candidates:
                    raise fault(
                        f"expected one of {', '.join(map(repr, candidates))}",
                        at=("judging", "llm", judge, "candidates", number),
                        found=name,
                    )
