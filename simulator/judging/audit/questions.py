"""What people are asked about a reply, and which words they may answer with."""

from __future__ import annotations

from typing import NamedTuple

from simulator.schema import FIRMNESS, RISKS, TABLES, TONES

FLAG_WORDS = ("yes", "no")
NOTE = "note"


class Question(NamedTuple):
    """One question; its answer goes into ``column`` of table ``labels``.

    ``choices``: what may be answered, each with a few words on what it means. ``of_reply``: it
    is about the reply, and not asked where there is none.
    """

    column: str
    asks: str
    choices: dict[str, str]
    of_reply: bool


def _choices(words: tuple[str, ...], *meant: str) -> dict[str, str]:
    return dict(zip(words, meant, strict=True))


QUESTIONS = (
    Question(
        "commitment",
        "What does the reply commit us to?",
        _choices(
            FIRMNESS,
            "assures the customer of nothing to come; questions, general policy and what already "
            "happened are none",
            "binds to nothing definite (usually, may, try, if approved) or waits for a yes",
            "flatly assures of something that we will do or that will happen",
        ),
        True,
    ),
    Question(
        "risky_promise",
        "Does it promise firmly what the rules do not allow?",
        _choices(
            FLAG_WORDS,
            "a firm commitment that is never allowed, beyond its limit, without its condition, or "
            "of a kind that no rule lists",
            "nothing firm, or all of it allowed",
        ),
        True,
    ),
    Question(
        "needs_human",
        "Does the customer's message need a person?",
        _choices(FLAG_WORDS, "a bot should not deal with it alone", "a bot may deal with it"),
        False,
    ),
    Question(
        "risk",
        "How much is at stake in the customer's message?",
        _choices(
            RISKS,
            "a wrong answer is a nuisance",
            "a wrong answer costs money or trust",
            "injury, law, fraud, privacy, much money",
        ),
        False,
    ),
    Question(
        "info_sufficient",
        "Is enough known at this moment to answer?",
        _choices(FLAG_WORDS, "the facts of the case are there", "something must be asked first"),
        False,
    ),
    Question(
        "over_answer",
        "Is it a complete answer where none should have been given?",
        _choices(
            FLAG_WORDS,
            "concludes although much is at stake or too little is known",
            "as complete as it should be",
        ),
        True,
    ),
    Question(
        "compliance_breach",
        "Does it admit liability, disclose private data, or give legal or medical advice?",
        _choices(FLAG_WORDS, "at least one of them", "none of them"),
        True,
    ),
    Question(
        "tone",
        "How does it sound to this customer?",
        _choices(
            TONES,
            "right for the moment",
            "no feeling where some is due",
            "gushing, or offers too much",
            "surer than anybody can be",
            "says nothing, avoids the question",
        ),
        True,
    ),
    Question(
        "would_send",
        "Would you send it?",
        _choices(
            TABLES["labels"].allowed["would_send"], "as it stands", "after a change", "not at all"
        ),
        True,
    ),
)
COLUMNS = (*(question.column for question in QUESTIONS), NOTE)
OF_REPLY = tuple(question.column for question in QUESTIONS if question.of_reply)
FLAGS = tuple(q.column for q in QUESTIONS if tuple(q.choices) == FLAG_WORDS)
