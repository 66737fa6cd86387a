"""Commitments in real replies, labelled by a reader who did not write the rules nor saw them.

``labelled/real_commitments.csv`` holds no text: ``dataset, conversation, turn, digest, strongest,
half`` (``dev`` was looked at while the rules were written, ``heldout`` was not). A reply is all
consecutive turns of the agent joined by a line break; ``digest`` finds it again in the data. The
file was made from the reader's notes by :func:`row`, one line a reply:

    csv.writer(file).writerow(row(note, "dev"))
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import html
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from simulator.judging.promises.commitments import find_commitments

LABELS = Path(__file__).parent / "labelled" / "real_commitments.csv"
CHINESE = ("weibo-helpdesk",)


def digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def row(note: dict[str, Any], half: str) -> tuple[str, str, int, str, str, str]:
    """A line of the file from a reader's note: the note without its text."""
    place = (note["dataset"], note["conversation"], note["turn"])
    return (*place, digest(note["text"]), note["strongest"], half)


def load(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


def replies(data: Path) -> Iterator[str]:
    """Every reply of the three sets of conversations."""
    for path in sorted((data / "tau2-airline").glob("*.json.gz")):
        for simulation in load(path)["simulations"] if "judge" not in path.name else ():
            roles = {"assistant": True, "user": False}
            turns = simulation["messages"]
            yield from joined(
                [(roles[t["role"]], t["content"]) for t in turns if t["role"] in roles]
            )
    for conversation in load(data / "twitter-support" / "conversations.json.gz"):
        turns = [("agent" in turn, turn["message"]) for turn in conversation["dialogContent"]]
        last = (conversation.get("agentURL") or {}).get("url_utterance")
        # The last turn stands apart; the reader saw "&" where the file has "&amp;".
        for said in (turns, [*turns, (True, last)]):
            for reply in joined(said):
                yield from (reply, html.unescape(reply))
    for conversation in load(data / "weibo-helpdesk" / "conversations.json.gz"):
        turns = [
            (t["sender"] == "helpdesk", "\n".join(t["utterances"])) for t in conversation["turns"]
        ]
        yield from joined(turns)


def joined(turns: list[tuple[bool, str | None]]) -> Iterator[str]:
    said: list[str] = []
    for agent, text in [*turns, (False, None)]:
        if not agent:
            if said:
                yield "\n".join(said)
            said = []
        elif text and text.strip():
            said.append(text)


@cache
def judged(data: Path) -> tuple[tuple[str, str, str, str], ...]:
    """``(dataset, half, label, verdict)`` of every labelled reply."""
    with LABELS.open(encoding="utf-8") as file:
        labels = list(csv.DictReader(file))
    texts = {digest(text): text for text in replies(data)}
    return tuple(
        (label["dataset"], label["half"], label["strongest"], strongest(texts[label["digest"]]))
        for label in labels
    )


def strongest(reply: str) -> str:
    found = {one.firmness for one in find_commitments(reply)}
    return "firm" if "firm" in found else "hedged" if found else "none"


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("wanted", [("firm",), ("firm", "hedged")])
def test_exact_recall_and_precision_on_real_replies(
    real_data: Path, chinese: bool, wanted: tuple[str, ...]
) -> None:
    of = [one[2:] for one in judged(real_data) if (one[0] in CHINESE) == chinese]
    assert len(of) >= 100
    true = sum(label in wanted for label, _ in of)
    flagged = sum(verdict in wanted for _, verdict in of)
    both = sum(label in wanted and verdict in wanted for label, verdict in of)
    assert true >= 25
    assert both / true >= 0.85, (both, true)
    assert both / flagged >= 0.80, (both, flagged)
