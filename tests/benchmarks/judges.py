"""How many turns a second the rules judges read: ``python -m tests.benchmarks.judges DATA``.

``DATA`` is the folder of real conversations (see ``tests/conftest.py``). Printed are turns a second
of wall time, and microseconds of processor time a turn, for

* replies, cold: every distinct agent's turn of the three data sets, through ``judge_replies``;
* contexts, cold: every customer's turn, through ``judge_contexts``;
* both, cold: all turns, the customers' through the one and the agents' through the other;
* log: 200,000 turns made by repeating those conversations, both ways too.

Each is measured in a process of its own that has judged nothing before, so that compiling the
patterns counts, while importing the package and reading the files do not.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from simulator import tables
from simulator.history.importers import read_history
from simulator.judging.contexts import judge_contexts
from simulator.judging.replies import judge_replies
from simulator.scenario import History

AT = datetime(2026, 5, 1, tzinfo=UTC)
LOG = 200_000
POLICY: list[dict[str, Any]] = [
    {"rule_id": "call", "kind": "callback", "allowed": "always", "speaker": "auto"},
    {
        "rule_id": "money",
        "kind": "refund",
        "allowed": "conditional",
        "limit_value": 5.0,
        "limit_unit": "working_day",
        "condition_patterns": ["visa"],
        "speaker": "auto",
    },
]


class Desk(NamedTuple):
    """What the judges are given; ``n_turns`` counts the customers' and the agents' turns."""

    turns: pl.DataFrame
    conversations: pl.DataFrame
    points: pl.DataFrame
    shadow: pl.DataFrame

    @property
    def n_turns(self) -> int:
        return self.points.height + self.shadow.height


def history(data: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tables ``turns`` and ``conversations`` of the three data sets."""
    sources = [(data / "tau2-airline" / "claude-sonnet-4-5.json.gz", "tau2")]
    sources += [
        (data / "tau2-airline" / f"{name}.json.gz", "tau2")
        for name in ("gpt-4o", "gpt-5.4", "gpt-oss-120b")
    ]
    sources += [
        (data / "twitter-support" / "conversations.json.gz", "twitter-cdp"),
        (data / "weibo-helpdesk" / "conversations.json.gz", "stc3"),
    ]
    turns, conversations = [], []
    for i, (path, name) in enumerate(sources):
        found = read_history(History(source=path, format=name))  # type: ignore[arg-type]
        names = pl.format("{}/{}", pl.lit(i), "conversation_id").alias("conversation_id")
        turns.append(found.turns.with_columns(names))
        conversations.append(found.conversations.with_columns(names))
    said = pl.concat(turns).filter(pl.col("text").str.strip_chars() != "")
    return said, pl.concat(conversations)


def desk(turns: pl.DataFrame, conversations: pl.DataFrame) -> Desk:
    """A point for each customer's turn, and a reply for each agent's, at its own place."""
    place = ["conversation_id", "turn"]
    points = turns.filter(pl.col("role") == "customer").select(
        *place, n_th=pl.lit(0), context_hash=pl.lit("h"), at=pl.lit(AT)
    )
    shadow = turns.filter(pl.col("role").is_in(["agent", "bot"])).select(
        *place, candidate=pl.lit("bot"), key=pl.lit("k"), reply="text"
    )
    return Desk(
        turns,
        conversations,
        tables.conform("decision_points", points),
        tables.conform("shadow", shadow),
    )


def repeated(given: Desk, n_turns: int) -> Desk:
    """The same conversations again and again, until there are ``n_turns``."""
    copies = -(-n_turns // given.n_turns)
    names = [
        pl.format("{}/{}", pl.lit(i), "conversation_id").alias("conversation_id")
        for i in range(copies)
    ]
    return desk(*(pl.concat(table.with_columns(name) for name in names) for table in given[:2]))


def replies(given: Desk) -> int:
    """Judge the replies; returns how many."""
    policy = tables.build("commitments_policy", POLICY)
    nothing = tables.empty("decision_points"), tables.empty("contexts")
    judge_replies(given.shadow, *nothing, given.conversations, policy, None)
    return given.shadow.height


def contexts(given: Desk) -> int:
    """Judge the customers' turns; returns how many."""
    judge_contexts(given.points, given.turns, given.conversations)
    return given.points.height


def both(given: Desk) -> int:
    """Judge every turn; returns how many."""
    return contexts(given) + replies(given)


CASES: dict[str, tuple[Callable[[Desk], int], bool]] = {
    "replies, distinct, cold": (replies, False),
    "contexts, cold": (contexts, False),
    "both, cold": (both, False),
    "replies, log": (replies, True),
    "contexts, log": (contexts, True),
    "both, log": (both, True),
}


def measured(data: Path, name: str) -> tuple[int, float, float]:
    """Turns, seconds of wall time and of processor time of one case."""
    judge, log = CASES[name]
    given = desk(*history(data))
    if name.startswith("replies, distinct"):
        given = given._replace(shadow=given.shadow.unique("reply", maintain_order=True))
    if log:
        given = repeated(given, LOG)
    wall, busy = time.perf_counter(), time.process_time()
    n = judge(given)
    return n, time.perf_counter() - wall, time.process_time() - busy


def main() -> None:
    """Print a line for each case."""
    data = Path(sys.argv[1])
    for name in CASES:
        with multiprocessing.get_context("spawn").Pool(1) as fresh:
            n, wall, busy = fresh.apply(measured, (data, name))
        print(
            f"{name}: {n:,} turns, {wall:.2f} s, {n / wall:,.0f} turns/s, "
            f"{busy / n * 1e6:.1f} us of processor time a turn"
        )


if __name__ == "__main__":
    main()
