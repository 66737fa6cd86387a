"""Chinese helpdesk dialogues of NTCIR STC-3 (DCH, from Weibo).

Each utterance is a turn; ``helpdesk`` is the agent. There are no time stamps, intents or handle
times. The annotators' quality scores (A, S, E in -2..2) are not imported as ``csat``: they judge a
dialogue from outside and on another scale, so a mean of them beside customers' own 1-5 scores
would mean nothing.

Source: NTCIR-14 STC-3 (Zeng, Kato, Sakai 2019); annotations CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers.intake import Intake
from simulator.history.importers.source import json_document
from simulator.scenario import History

_ROLES = {"customer": "customer", "helpdesk": "agent"}


def read(history: History) -> Imported:
    """The dialogues of the data set's JSON list.

    Raises:
        HistoryError: cannot be read, is no such list, or no dialogue is usable.
    """
    path = Path(history.source or "")
    document, raw = json_document(path)
    if not isinstance(document, list):
        raise HistoryError(f"{path}: is no JSON list; expected a list of dialogues")
    intake = Intake(history, path.name, [raw])
    for index, dialogue in enumerate(document):
        place = {"index": index}
        turns = dialogue.get("turns") if isinstance(dialogue, dict) else None
        if not isinstance(turns, list):
            intake.refuse(place, "dialogue has no turns: expected a list", dialogue)
            continue
        fields = {"conversation_id": dialogue.get("id"), "language": "zh-Hans"}
        messages = [message for turn in turns for message in _messages(turn)]
        intake.conversation(fields, messages, place)
    return intake.finish()


def _messages(turn: Any) -> list[Any]:
    utterances = turn.get("utterances") if isinstance(turn, dict) else None
    if not isinstance(utterances, list):
        return [turn]
    sender = turn.get("sender")
    role = _ROLES.get(sender, sender) if isinstance(sender, str) else sender
    return [{"role": role, "text": text} for text in utterances]
