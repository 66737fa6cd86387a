"""What sentences are put together from: names, cells, and sentences of tables."""

from __future__ import annotations

from simulator.reports import wording
from simulator.reports.language import heard, say


def named(name: str) -> str:
    """A name from the data as it stands in a sentence."""
    return say("{name}", name=wording.visible(name))


def at(cell: tuple[str, str]) -> str:
    """A (stage, candidate) pair as it stands in a sentence."""
    return say(
        "{candidate} at {stage}",
        candidate=wording.visible(cell[1]),
        stage=wording.stage_label(cell[0]),
    )


def together(*sentences: str | None) -> str:
    """Sentences one after another; those that are None or empty are left out."""
    text = ""
    for one in filter(None, sentences):
        text = say("{first} {then}", first=text, then=one) if text else one
    return text


def sentence(text: str) -> str:
    """A sentence of a table in the language spoken now, its control characters visible, closed by

    a full stop.
    """
    text = wording.visible(heard(text)).strip()
    return text if text.endswith((*".!?。！？",)) else say("{sentence}.", sentence=text)
