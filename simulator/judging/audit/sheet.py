"""The labelling sheet: a CSV for spreadsheet programs, and a local HTML page that fills it.

It shows the conversation up to each decision point, the reply there and the rules that hold; and
nothing that could steer who labels: not what a judge said, why the conversation was drawn, how
likely that was, or whose reply it is. Conversations stand in random order.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import jinja2
import polars as pl
from markupsafe import Markup

from simulator.judging.audit.questions import COLUMNS, NOTE, QUESTIONS
from simulator.judging.audit.rules import rules_in_words
from simulator.streams import Streams, stable_hash

KEY = ("sheet", "unit", "point")
SHOWN = ("conversation", "reply", "rules")
HEADER = (*KEY, *SHOWN, *COLUMNS)
NO_REPLY = "(no reply to judge here: only the customer's message)"

_WHO = {"customer": "Customer", "agent": "Agent", "bot": "Bot"}
# A spreadsheet cell takes 32,767 characters.
_MOST_CHARACTERS = 20_000
# What a spreadsheet program would run; quotes before it stay told apart from ours.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


class Row(NamedTuple):
    """A decision point on the sheet.

    ``unit`` stands for the conversation, ``point`` counts its decision points from 1; ``said``:
    who said what up to there; ``reply`` is null where only the customer's message is judged.
    """

    unit: str
    point: int
    said: tuple[tuple[str, str], ...]
    reply: str | None
    rules: tuple[str, ...]


def unit_id(sheet: str, conversation: str) -> str:
    """What a conversation is called on a sheet: says nothing of it."""
    name = f"{sheet}\x1f{conversation}".encode("utf-8", "replace")
    # A letter first: spreadsheet programs read some hexadecimal digits as numbers.
    return f"u{hashlib.blake2b(name, digest_size=5).hexdigest()}"


def rows(
    sheet: str,
    drawn: pl.DataFrame,
    turns: pl.DataFrame,
    conversations: pl.DataFrame,
    policy: pl.DataFrame,
    streams: Streams,
) -> list[Row]:
    """The rows of a sheet, conversations in random order.

    Args:
        sheet: its name.
        drawn: ``conversation_id, turn, point, at, reply``, a row a decision point; ``reply`` null
            where none is judged.
        turns: table ``turns``.
        conversations: table ``conversations``.
        policy: table ``commitments_policy``.
        streams: random numbers, for the order.
    """
    names = drawn["conversation_id"].unique().sort()
    place = streams.uniform(stable_hash(names), f"audit.sheet.{sheet}")
    order = pl.DataFrame({"conversation_id": names, "place": place})
    told: dict[str, list[tuple[int, str, str]]] = {}
    heard = turns.filter(
        pl.col("conversation_id").is_in(names.to_list())
        & pl.col("role").is_in(list(_WHO))
        & pl.col("text").is_not_null()
    ).sort("conversation_id", "turn")
    for name, turn, role, text in heard.select(
        "conversation_id", "turn", "role", "text"
    ).iter_rows():
        told.setdefault(name, []).append((turn, _WHO[role], text))
    about = conversations.select("conversation_id", "intent", "language")
    found = []
    for row in (
        drawn.join(order, on="conversation_id")
        .join(about, on="conversation_id", how="left")
        .sort("place", "point")
        .iter_rows(named=True)
    ):
        said = [(w, text) for turn, w, text in told[row["conversation_id"]] if turn <= row["turn"]]
        rules = rules_in_words(policy, row["intent"], row["language"], row["at"])
        unit = unit_id(sheet, row["conversation_id"])
        found.append(Row(unit, row["point"], _recent(said), row["reply"], tuple(rules)))
    return found


def to_csv(sheet: str, shown: Sequence[Row]) -> bytes:
    """The sheet as CSV, its answers empty: UTF-8 with a byte order mark, every cell quoted."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in shown:
        said = "\n".join(f"{who}: {text}" for who, text in row.said)
        reply = NO_REPLY if row.reply is None else row.reply
        cells = (sheet, row.unit, str(row.point), said, reply, "\n".join(row.rules))
        writer.writerow([*map(guarded, cells), *("" for _ in COLUMNS)])
    return out.getvalue().encode("utf-8-sig", "replace")


def to_html(sheet: str, shown: Sequence[Row], file_name: str) -> bytes:
    """The sheet as a page that works from a file, without a request.

    Args:
        sheet: its name.
        shown: its rows.
        file_name: under which the page saves the filled CSV.
    """
    asked = [
        {
            "column": one.column,
            "asks": one.asks,
            "choices": list(one.choices.items()),
            "of_reply": one.of_reply,
        }
        for one in QUESTIONS
    ]
    data = {
        "sheet": sheet,
        "file": file_name,
        "header": HEADER,
        "note": NOTE,
        "no_reply": NO_REPLY,
        "questions": asked,
        "rows": [row._asdict() for row in shown],
    }
    # Within <script>, only "<" could end it; JSON may write any character by its number.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    files = resources.files("simulator.judging.audit")
    script, style, page = (
        (files / f"sheet.{kind}").read_text("utf-8") for kind in ("js", "css", "html")
    )
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        page
    )
    html = template.render(
        data=Markup(text),
        script=Markup(script),
        style=Markup(style),
        script_hash=_hash(script),
        style_hash=_hash(style),
        questions=QUESTIONS,
    )
    return html.encode("utf-8", "replace")


def guarded(cell: str) -> str:
    """``cell`` as no spreadsheet program takes it for a formula; undone by :func:`unguarded`."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """What :func:`guarded` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _recent(said: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    kept: list[tuple[str, str]] = []
    length = 0
    for who, text in reversed(said):
        length += len(text)
        if kept and length > _MOST_CHARACTERS:
            left_out = len(said) - len(kept)
            kept.append(("…", f"{left_out} earlier messages left out"))
            break
        kept.append((who, text))
    return tuple(reversed(kept))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
