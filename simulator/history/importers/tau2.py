"""Trajectories of tau2-bench: an agent model and a simulated user on tasks of a domain.

Each simulation is a conversation, named by task and trial. ``resolved`` is a task reward of 1 or
more; ``escalated`` and the action ``escalate`` come from the call ``transfer_to_human_agents``;
``agent_id`` is the agent's model. There is no handle time: a model's own speed says nothing about
a person's. Time stamps have no zone and are read as UTC.

The harness writes ``###STOP###``, ``###TRANSFER###`` and ``###OUT-OF-SCOPE###`` into messages of
the simulated user. A message that holds nothing else is set aside; otherwise the marker is cut.
Some agents wrap what they say into ``{"message": ...}`` or ``{"reply": ...}``; the user saw the
inner text, which is taken, and counted.

Source: github.com/sierra-research/tau2-bench (MIT).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from simulator.errors import HistoryError
from simulator.history.account import Imported
from simulator.history.importers.intake import Intake
from simulator.history.importers.source import json_document
from simulator.scenario import History

HAND_OVER = "transfer_to_human_agents"


def read(history: History) -> Imported:
    """The simulations of a tau2 results file.

    Raises:
        HistoryError: cannot be read, is no tau2 results file, or no simulation is usable.
    """
    path = Path(history.source or "")
    document, raw = json_document(path)
    simulations = document.get("simulations") if isinstance(document, dict) else None
    if not isinstance(simulations, list):
        raise HistoryError(f'{path}: has no list "simulations"; expected a tau2 results file')
    intake = Intake(history, path.name, [raw], zone=UTC)
    llm = _at(document, "info", "agent_info", "llm")
    for index, simulation in enumerate(simulations):
        place = {"index": index}
        messages = _at(simulation, "messages")
        if not isinstance(messages, list):
            intake.refuse(place, "simulation has no messages: expected a list", simulation)
            continue
        read_messages = [_message(one, intake.notes) for one in messages]
        reward = _at(simulation, "reward_info", "reward")
        scored = isinstance(reward, int | float) and not isinstance(reward, bool)
        fields = {
            "conversation_id": _name(simulation),
            "language": "en",
            "started_at": _at(simulation, "start_time"),
            "agent_id": llm,
            "resolved": reward >= 1 if scored else None,
            "escalated": any(
                isinstance(one, dict) and one["action"] == "escalate" for one in read_messages
            ),
        }
        intake.conversation(fields, read_messages, place)
    return intake.finish()


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _name(simulation: Mapping[str, Any]) -> str | None:
    task, trial = simulation.get("task_id"), simulation.get("trial")
    return None if task is None else f"task-{task}-trial-{0 if trial is None else trial}"


def _message(raw: Any, notes: Counter[str]) -> Any:
    if not isinstance(raw, dict):
        return raw
    calls, text = raw.get("tool_calls"), raw.get("content")
    names = [_at(call, "name") for call in calls] if isinstance(calls, list) else []
    if raw.get("role") == "assistant" and isinstance(text, str) and text.startswith("{"):
        inner = _enveloped(text)
        if inner is not None:
            notes["agent messages taken out of a JSON envelope"] += 1
            text = inner
    return {
        "role": raw.get("role"),
        "text": text,
        "tool_calls": calls,
        "sent_at": raw.get("timestamp"),
        "action": "escalate" if HAND_OVER in names else None,
    }


def _enveloped(text: str) -> str | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and len(value) == 1:
        (key, inner), *_ = value.items()
        if key in ("message", "reply") and isinstance(inner, str):
            return inner
    return None
