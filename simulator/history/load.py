"""The history that a scenario names: imported or generated, with what it lacks supplied."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from simulator.errors import HistoryError
from simulator.history import assume
from simulator.history.commitments_policy import load_policy
from simulator.history.importers import read_history
from simulator.history.knowledge import load_knowledge
from simulator.history.sample import generate
from simulator.history.schedule import load_schedule
from simulator.scenario import Scenario
from simulator.streams import Streams
from simulator.tables import empty

RunDesk = Callable[[pl.DataFrame, pl.DataFrame, pl.DataFrame], pl.DataFrame]

TABLES = (
    "conversations",
    "turns",
    "schedule",
    "teams",
    "knowledge",
    "commitments_policy",
    "truth_sentences",
    "truth_contexts",
    "assumed_log",
)


class Loaded(NamedTuple):
    """``tables``: those named in ``TABLES``, empty where there is nothing. ``account``: lines that
    say what came in and what was put aside. ``quarantine``: the rows put aside."""

    tables: dict[str, pl.DataFrame]
    account: list[str]
    quarantine: list[dict[str, Any]]


def load(scenario: Scenario, run_desk: RunDesk, streams: Streams) -> Loaded:
    """Read or generate the history of ``scenario``.

    Args:
        scenario: ``[history]``, ``[knowledge]`` and ``[commitments]``; the latter two replace what
            a generated sample brings.
        run_desk: simulates the sample's desk (see :mod:`simulator.history.sample`).
        streams: random numbers for what the log lacks.

    Raises:
        HistoryError: a source cannot be read, or no conversation in it has a customer's turn.
    """
    history = scenario.history
    tables = {name: empty(name) for name in TABLES}
    quarantine: list[dict[str, Any]] = []
    if history.format == "sample":
        made = generate(history.sample, history.zone, run_desk)
        tables.update({name: getattr(made, name) for name in TABLES if name != "assumed_log"})
        account = [
            f"{made.conversations.height} synthetic conversations over {history.sample.days} days, "
            f"{made.turns['conversation_id'].n_unique()} of them with turns"
        ]
    else:
        imported = read_history(history)
        tables["conversations"], tables["turns"] = imported.conversations, imported.turns
        account, quarantine = imported.account.lines(), imported.quarantine
    if not (tables["turns"]["role"] == "customer").any():
        raise HistoryError(
            f"{history.source}: no conversation has a turn of a customer; there is nothing to "
            "replay; check the roles (customer or user, agent or assistant)"
        )
    if history.schedule is not None:
        tables["schedule"] = load_schedule(history.schedule, history.zone)
    if scenario.knowledge is not None:
        tables["knowledge"] = load_knowledge(scenario.knowledge.source, history.zone)
    if scenario.commitments is not None:
        tables["commitments_policy"] = load_policy(scenario.commitments.source, history.zone)
    tables["conversations"], tables["assumed_log"] = assume.fill(
        tables["conversations"], history.assume, streams
    )
    return Loaded(tables, account, quarantine)


def content(path: Path, format_: str | None = None) -> str:
    """Digest of a file, or of the files of a folder, by name and content; ``missing`` for none.

    With a format of two tables, either table stands for both.
    """
    digest = hashlib.blake2b(digest_size=16)
    tables = ("conversations", "turns")
    of_two = format_ in ("csv", "parquet") and path.name.split(".")[0] in tables
    if of_two and path.is_file():
        paths = sorted(p for p in path.parent.iterdir() if p.name.split(".")[0] in tables)
    else:
        paths = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    for one in paths:
        try:
            digest.update(one.name.encode() + b"\x00" + one.read_bytes())
        except OSError:
            return "missing"
    return digest.hexdigest()
