"""How many turns a second the rules judge reads: ``python -m tests.benchmarks.judges DATA``.

``DATA`` is the folder of real conversations (see ``tests/conftest.py``). Printed for each judge:
the distinct texts read cold, in a fresh process, and a log of 200,000 turns made of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from simulator import tables
from simulator.judging.replies import judge_replies
from tests.test_commitments_real import replies

AT = datetime(2026, 5, 1, tzinfo=UTC)
EMOTIONS = ("calm", "upset", "angry")
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


def reply_rates(data: Path) -> Iterator[tuple[str, int, float]]:
    """``(what, replies, replies a second)`` of :func:`judge_replies`, wall time."""
    texts = list(dict.fromkeys(replies(data)))
    policy = tables.build("commitments_policy", POLICY)
    for what, n in (("distinct, cold", len(texts)), ("log", 200_000)):
        given = _log([texts[i % len(texts)] for i in range(n)])
        start = time.perf_counter()
        judge_replies(*given, policy, None)
        yield what, n, n / (time.perf_counter() - start)


def _log(texts: list[str]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    ids = pl.DataFrame({"conversation_id": [f"c{i}" for i in range(len(texts))]})
    emotions = [EMOTIONS[i % len(EMOTIONS)] for i in range(len(texts))]
    points = ids.with_columns(turn=pl.lit(0))
    return (
        tables.conform(
            "shadow",
            points.with_columns(
                pl.Series("reply", texts), candidate=pl.lit("bot"), key="conversation_id"
            ),
        ),
        tables.conform(
            "decision_points",
            points.with_columns(n_th=pl.lit(0), context_hash=pl.lit("h"), at=pl.lit(AT)),
        ),
        tables.conform(
            "contexts",
            points.with_columns(
                pl.Series("emotion", emotions),
                judge=pl.lit("rules"),
                risk=pl.lit("low"),
                info_sufficient=pl.lit(True),
            ),
        ),
        tables.conform("conversations", ids.with_columns(channel=pl.lit("chat"))),
    )


def main() -> None:
    """Print a line for each judge and table."""
    for what, n, rate in reply_rates(Path(sys.argv[1])):
        print(f"replies, {what}: {n:,} turns, {rate:,.0f} turns/s")


if __name__ == "__main__":
    main()
