"""Rubric files: the yes/no questions that an LLM judge is asked, kept beside the scenario.

A rubric file is TOML::

    [system]                     # what the judge is, and that all it is shown is data
    en = '''...'''
    zh = '''...'''

    [[rubrics]]
    id = "cold"                  # names the answer in `evidence` of the verdict
    answers = "tone"             # the column that it answers
    yes = "cold"                 # what Yes means there; only where the column holds a word
    [rubrics.en]
    question = "Is the reply cold?"
    definition = '''...'''       # a few lines
    [rubrics.zh]
    ...

Why one question at a time: asked for everything at once, models let one finding colour the others,
and an answer that is not of the shape asked for loses them all.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import model_validator

from simulator.errors import ScenarioError
from simulator.scenario import Model, Name
from simulator.scenario.values import fault
from simulator.scenario_file import validate_part
from simulator.schema import TABLES

CHOICES = ("Yes", "No")
# Columns that hold one of a few words; the others hold true or false.
_WORDS = {column: TABLES["verdicts"].allowed[column] for column in ("action", "commitment", "tone")}
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")

Language = Literal["en", "zh"]


class Wording(Model):
    """A question in one language."""

    question: str
    definition: str = ""


class System(Model):
    """``[system]``: what stands before everything else, in each language."""

    en: str
    zh: str


class Rubric(Model):
    """``[[rubrics]]``: one question."""

    id: Name
    answers: Literal[
        "risky_promise",
        "commitment",
        "compliance_breach",
        "over_answer",
        "tone",
        "action",
        "would_send",
    ]
    yes: str | None = None
    en: Wording
    zh: Wording

    @model_validator(mode="after")
    def _means_something(self) -> Rubric:
        allowed = _WORDS.get(self.answers)
        if allowed and self.yes not in allowed:
            raise fault(
                f"expected what Yes means in column {self.answers}: one of "
                f"{', '.join(map(repr, allowed))}",
                at=("yes",),
                found=self.yes,
            )
        if not allowed and self.yes is not None:
            raise fault(
                f"column {self.answers} holds true or false; leave it out",
                at=("yes",),
                found=self.yes,
            )
        return self


class Rubrics(Model):
    """A rubric file."""

    system: System
    rubrics: tuple[Rubric, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Rubrics:
        if not self.rubrics:
            raise fault("expected at least one [[rubrics]]", at=("rubrics",))
        ids: list[str] = []
        meanings: list[tuple[str, str | None]] = []
        for number, one in enumerate(self.rubrics):
            if one.id in ids:
                raise fault(
                    f"rubrics[{ids.index(one.id)}] has that id already; give each its own",
                    at=("rubrics", number, "id"),
                    found=one.id,
                )
            if (one.answers, one.yes) in meanings:
                raise fault(
                    f"rubrics[{meanings.index((one.answers, one.yes))}] asks for the same; keep "
                    "one question for each",
                    at=("rubrics", number, "answers"),
                    found=one.answers,
                )
            ids.append(one.id)
            meanings.append((one.answers, one.yes))
        return self


class Answer(NamedTuple):
    """What came of one question.

    ``yes``: null where there is no answer, and ``error`` says why. ``prob``: of the answer that was
    given; null where the server hides it.
    """

    yes: bool | None
    prob: float | None = None
    error: str | None = None


def load(path: Path) -> Rubrics:
    """The rubric file at ``path``.

    Raises:
        ScenarioError: it is missing or has a fault; says where, what is allowed, the fix.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such rubric file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ScenarioError(f"{path}: cannot be read as a rubric file (TOML): {error}") from None
    return validate_part(Rubrics, data, path.name)


def language_of(tag: str | None, text: str) -> Language:
    """In which language to ask: that of the conversation (BCP 47), or else of ``text``."""
    if tag is None:
        return "zh" if _HAN.search(text) else "en"
    return "zh" if tag.split("-")[0].lower() in ("zh", "yue") else "en"


def columns(rubrics: Sequence[Rubric], answers: Mapping[str, Answer]) -> dict[str, Any]:
    """The columns of a verdict that the answers (by rubric) fill.

    Of the words of a column the surest Yes counts, the earlier rubric where sureness is hidden or
    equal. Where each is answered No and all words of the column but one were asked about, it is
    that one; else null. ``evidence`` has every answer in words, as in ``cold: No 0.87``, where the
    number is the probability of the answer given; ``unscored`` the reasons of those that are
    missing.
    """
    found: dict[str, Any] = {}
    for column, words in _WORDS.items():
        asked = [(one, answers[one.id]) for one in rubrics if one.answers == column]
        said = [(one.yes, answer.prob or 0.0) for one, answer in asked if answer.yes]
        rest = set(words) - {one.yes for one, _ in asked}
        if said:
            found[column] = max(said, key=lambda pair: pair[1])[0]
        elif len(rest) == 1 and all(answer.yes is False for _, answer in asked):
            found[column] = rest.pop()
    for one in rubrics:
        if one.answers not in _WORDS and one.answers != "would_send":
            found[one.answers] = answers[one.id].yes
    missing = sorted({answer.error for answer in answers.values() if answer.error})
    return {
        **found,
        "evidence": "; ".join(f"{one.id}: {_in_words(answers[one.id])}" for one in rubrics),
        "unscored": ", ".join(missing) or None,
    }


def _in_words(answer: Answer) -> str:
    if answer.yes is None:
        return f"no answer ({answer.error})"
    said = CHOICES[0] if answer.yes else CHOICES[1]
    return said if answer.prob is None else f"{said} {answer.prob:.2f}"
