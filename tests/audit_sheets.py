"""Sheets for the tests: a drawn sample of a few points, and filling in what a CSV asks."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from simulator import tables
from simulator.judging.audit import sheet
from simulator.judging.audit.read_labels import reply_digest
from simulator.streams import Streams

NAME = "d0123abcd"
AT = datetime(2026, 3, 2, tzinfo=UTC)
POLICY = tables.build(
    "commitments_policy",
    [
        {"rule_id": "1", "kind": "refund", "allowed": "conditional", "speaker": "auto"}
        | {"limit_value": 7.0, "limit_unit": "working_day", "condition": "the card is named"},
        {"rule_id": "2", "kind": "waiver", "allowed": "never", "speaker": "agent"},
    ],
)


def drawn(points: list[tuple[str, int, int, str | None]]) -> pl.DataFrame:
    """Points given as (conversation, turn, point, reply), as a draw of stratum "unflagged"."""
    return pl.DataFrame(
        [
            {
                "draw_id": NAME,
                "stage": "wide",
                "candidate": "moonbeam",
                "split": "certify",
                "conversation_id": conversation,
                "turn": turn,
                "point": point,
                "at": AT,
                "reply": reply,
                "replied": reply is not None,
                "digest": reply_digest(reply),
                "digest_now": reply_digest(reply),
                "stratum": "unflagged",
                "inclusion_prob": 0.5,
            }
            for conversation, turn, point, reply in points
        ],
        schema_overrides={"reply": pl.String, "conversation_id": pl.String},
    )


def rows(points: pl.DataFrame, said: Mapping[tuple[str, int], str]) -> list[sheet.Row]:
    """The sheet's rows; ``said``: what the customer says, by conversation and turn."""
    turns = tables.build(
        "turns",
        [
            {"conversation_id": name, "turn": turn, "role": "customer", "text": text}
            for (name, turn), text in said.items()
        ],
    )
    names = points["conversation_id"].unique().to_list()
    conversations = tables.build(
        "conversations",
        [{"conversation_id": n, "channel": "chat", "language": "en"} for n in names],
    )
    return sheet.rows(NAME, points, turns, conversations, POLICY, Streams(1))


def filled(content: bytes, answer: Callable[[dict[str, str]], Mapping[str, str]]) -> bytes:
    """The sheet with the answers that ``answer`` gives for each row."""
    source = io.StringIO(content.decode("utf-8-sig"), newline="")
    reader = csv.DictReader(source)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(reader.fieldnames or ()), lineterminator="\r\n")
    writer.writeheader()
    for row in reader:
        writer.writerow({**row, **answer(row)})
    return out.getvalue().encode("utf-8-sig")


def parsed(path: Path) -> list[dict[str, Any]]:
    """The rows of a sheet as a spreadsheet program would show them."""
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
