"""A first scenario for a history: what its log says, what is assumed, and what is missing.

Every number in it stands with a comment that says where it is from. The file is complete: it can
be checked and run as it is.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from simulator.errors import HistoryError
from simulator.history import observed
from simulator.history.account import Imported
from simulator.history.commitments_policy import load_policy
from simulator.history.draft_desk import assumptions, desk
from simulator.history.draft_text import comment, quoted, said, shares, short
from simulator.history.importers import read_history
from simulator.history.importers.guess import guess
from simulator.history.knowledge import load_knowledge
from simulator.history.schedule import load_schedule
from simulator.history.starters import FILES as STARTERS
from simulator.history.starters import is_example
from simulator.scenario import History
from simulator.scenario.json_schema import FILE as SCHEMA
from simulator.scenario_file import validate_part

# What more conversations than this would add to a first look is time.
_SAMPLE = 2000
# A segment needs some conversations before a rate of it means anything.
_FEWEST_IN_SEGMENT = 20
_MOST_SEGMENTS = 30
_OFFSET = re.compile(rb"\d\d:\d\d(?::\d\d(?:\.\d+)?)?([+-]\d\d):?(\d\d)\b")

_WITHOUT = {
    "knowledge": "articles that bots may answer from; without them they find nothing to say",
    "commitments": "what may be promised; without it no promise can be judged",
}
_TABLES = {"knowledge": "knowledge", "commitments": "commitments_policy"}


class Asked(NamedTuple):
    """What the user said. Null: to be found out, or left at its default."""

    source: Path
    file: Path
    name: str
    format: str | None = None
    timezone: str | None = None


class Draft(NamedTuple):
    """``text`` of the scenario file; ``account`` of the import; ``missing``: key and what it would
    supply; ``wired``: knowledge and commitments, where the user has them."""

    text: str
    account: list[str]
    missing: list[tuple[str, str]]
    wired: frozenset[str]


def draft(asked: Asked) -> Draft:
    """Read the history and write the scenario's text.

    ``promises.csv`` and ``articles.csv`` beside the file are wired in where they hold more than
    the examples they were made with, and so is a ``schedule.csv`` or ``.parquet``.

    Raises:
        HistoryError: the source cannot be read, or nothing in it is usable.
        ScenarioError: an unknown format or time zone.
    """
    found = guess(asked.source) if asked.format is None else None
    columns = dict(found.columns) if found else {}
    format_ = found.format if found else str(asked.format)
    timezone, why = _zone(asked, format_)
    told = {"source": str(asked.source.absolute()), "format": format_, "timezone": timezone}
    shown = f"new {asked.source}"
    history = validate_part(History, {**told, "columns": columns}, shown)
    imported = read_history(history)
    if not (imported.turns["role"] == "customer").any():
        raise HistoryError(
            f"{asked.source}: read as {format_}, no conversation has a turn of a customer; there "
            "is nothing to replay; "
            + (
                "what calls hold is for `shadowdesk backtest`"
                if format_ == "bank-calls"
                else "name the format with --format, or check who spoke"
            )
        )
    writer = _Writer(asked, history, why, imported)
    return Draft(writer.text(), imported.account.lines(), writer.missing, frozenset(writer.wired))


def _zone(asked: Asked, format_: str) -> tuple[str, str]:
    """The time zone, and how it is known."""
    if asked.timezone:
        return asked.timezone, "as you said"
    if format_ == "bank-calls":
        return "Asia/Jerusalem", "the format's own: the calls of a bank in Israel"
    offsets = Counter(_OFFSET.findall(_beginning(asked.source)))
    hours = {int(hour) for hour, minutes in offsets if minutes == b"00"}
    if len(hours) == 1 and len(offsets) == 1 and (offset := hours.pop()):
        # The names of fixed offsets count the other way round (POSIX).
        return f"Etc/GMT{-offset:+d}", (
            f"guessed: the log's time stamps are {offset:+03d}:00; a place's own name, such as "
            "Asia/Taipei, knows summer time too"
        )
    return "UTC", "assumed: set yours, such as Asia/Taipei; it decides days and opening hours"


def _beginning(source: Path) -> bytes:
    path = source
    if source.is_dir():
        path = next((one for one in sorted(source.iterdir()) if one.is_file()), source)
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as opened:
            return opened.read(65_536)
    except (OSError, EOFError):
        return b""


class _Writer:
    """The scenario's parts, each as lines; what is missing is noted on the way."""

    def __init__(self, asked: Asked, history: History, zone_why: str, imported: Imported) -> None:
        self.asked, self.history, self.zone_why = asked, history, zone_why
        self.log, self.turns = imported.conversations, imported.turns
        self.dated = observed.local(self.log, history.zone)
        self.volume = observed.volume(self.dated)
        self.missing: list[tuple[str, str]] = []
        self.wired: set[str] = set()

    def text(self) -> str:
        asked = self.asked
        parts = [
            self._head(),
            self._history(),
            assumptions(self.log, self.volume, self._lacks),
            self._candidates(),
            self._materials(),
            self._replay(),
            self._rollout(),
            self._demand(),
            desk(self.log, self.dated, _schedule(asked) is not None, self._lacks),
            self._decide(),
        ]
        lines = [line for part in parts if part for line in [*part, ""]]
        return "\n".join(lines + self._missing()) + "\n"

    def _head(self) -> list[str]:
        n_turns = self.turns.height
        lines = [
            f"#:schema {SCHEMA}",
            *comment(
                f"A first scenario for {self.asked.source.name}, written by shadowdesk from the "
                "log itself. What a number is from stands beside it: counted in the log, or "
                "assumed. Change what you know better."
            ),
            "#",
            *comment(f"{self.log.height:,} conversations, {n_turns:,} messages."),
        ]
        if self.volume:
            one = self.volume
            usual = [
                f"{count:,.0f} contacts on a median {name}"
                for name, count in (("weekday", one.weekday), ("day of a weekend", one.weekend))
                if count is not None
            ]
            lines += comment(f"From {one.first} to {one.last}; {', '.join(usual)}.")
        for column, what in (
            ("intent", "Intents"),
            ("language", "Languages"),
            ("channel", "Channels"),
        ):
            most = shares(self.log[column])
            lines += comment(f"{what}: {most}." if most else f"{what}: the log names none.")
        return [*lines, "", f"name = {quoted(self.asked.name)}"]

    def _history(self) -> list[str]:
        one = self.history
        lines = [
            "[history]",
            f"source = {quoted(_beside(self.asked.source, self.asked.file))}",
            f'format = "{one.format}"' + ("" if self.asked.format else "  # told by its content"),
            *said(f'timezone = "{one.timezone}"', self.zone_why),
        ]
        if "assumed" in self.zone_why or "guessed" in self.zone_why:
            self._lacks("history.timezone", "the time zone of your desk")
        if schedule := _schedule(self.asked):
            lines += self._scheduled(schedule)
        else:
            self._lacks(
                "history.schedule",
                "who was at work when (CSV: agent_id, team, starts_at, ends_at)",
            )
        if self.log["language"].null_count() == self.log.height:
            self._lacks("history.language", "the language, where it is one: en, zh-Hant, ...")
        if one.columns:
            lines += ["", "# Which of its columns is what; ours = theirs.", "[history.columns]"]
            lines += [f"{ours} = {quoted(theirs)}" for ours, theirs in one.columns.items()]
        return lines

    def _scheduled(self, path: Path) -> list[str]:
        teams = (
            load_schedule(path, self.history.zone)
            .group_by("team")
            .agg(pl.col("agent_id").n_unique().alias("n"))
        )
        there = [f"{short(team)} ({n:,})" for team, n in teams.sort("team").iter_rows()]
        key = f"schedule = {quoted(_beside(path, self.asked.file))}"
        return [*comment(f"Teams and people in it: {', '.join(there)}."), key]

    def _candidates(self) -> list[str]:
        lines = [
            "# Who might answer. human: your own people, the baseline.",
            "[candidates.human]",
            'kind = "human"',
            "",
            "# Decides first, and answers only what is low in risk and well founded.",
            "[candidates.guarded]",
            'kind = "guarded"',
            "",
            "# Hands everything over: what a bot that never answers would do to the desk.",
            "[candidates.always_escalate]",
            'kind = "always_escalate"',
        ]
        if _material(self.asked, "knowledge", self.history) is not None:
            lines += [
                "",
                "# Answers with the nearest article, whatever the question.",
                "[candidates.faq_rag]",
                'kind = "faq_rag"',
            ]
        return lines

    def _materials(self) -> list[str]:
        lines: list[str] = []
        for table, why in _WITHOUT.items():
            found = _material(self.asked, table, self.history)
            lines += [""] if lines else []
            if found is not None:
                path, rows = found
                source = quoted(_beside(path, self.asked.file))
                lines += [f"[{table}]", f"source = {source}  # {rows:,} rows"]
                self.wired.add(table)
                continue
            self._lacks(f"{table}.source", why)
            name = STARTERS[table]
            lines += comment(
                f"{why[0].upper()}{why[1:]}. {name} beside this file has examples: put your own in "
                "their place, then take away the # from the next two lines."
            )
            lines += [f"# [{table}]", f'# source = "{name}"']
        return lines

    def _replay(self) -> list[str]:
        n = self.turns.filter(role="customer")["conversation_id"].n_unique()
        if n <= _SAMPLE + _SAMPLE // 2:
            return []
        return [
            "[replay]",
            *said(
                f"sample = {_SAMPLE}",
                f"assumed: enough for a first look, of {n:,} conversations with a customer's "
                "words; load and volumes still follow the whole log",
            ),
        ]

    def _rollout(self) -> list[str]:
        for column in ("intent", "skill", "language", "channel"):
            counts = self.log[column].drop_nulls().value_counts()
            big = counts.filter(pl.col("count") >= _FEWEST_IN_SEGMENT).height
            if 2 <= big and counts.height <= _MOST_SEGMENTS:
                return [
                    "[rollout]",
                    *said(
                        f'segment_by = ["{column}"]',
                        f"{counts.height} in the log, {big} of them with {_FEWEST_IN_SEGMENT} "
                        "conversations or more; each gets an answer of its own",
                    ),
                ]
        if self.log["intent"].null_count() == self.log.height:
            self._lacks("intent", "what each conversation is about, for segments")
        return []

    def _demand(self) -> list[str]:
        one = self.volume
        if one is None or one.weekday or not one.weekend:
            return []
        return [
            "[demand]",
            *said('day = "any"', "the log has next to nothing from Monday to Friday"),
        ]

    def _decide(self) -> list[str]:
        self._lacks("money.wage_per_hour", "what an hour of an agent costs you")
        return [
            "# Prices: all assumed until you set them, and listed in the report.",
            "# [money]",
            '# currency = "USD"',
            "# wage_per_hour = { value = 20.59, low = 15, high = 30, source = "
            '"US median, May 2024 (BLS)" }',
            "",
            "# What must hold before a stage goes live. The limits are assumed: set your own.",
            "[[gates]]",
            'metric = "risky_promise_rate"  # of the conversations that the bot answers in',
            "limit = 0.01",
            "",
            "[[gates]]",
            'metric = "interception_rate"  # of high risk, left to people in time',
            "limit = 0.90",
            "",
            "[[gates]]",
            'metric = "service_level_loss"  # against people alone',
            "limit = 0.03",
            "",
            "[[gates]]",
            'metric = "saving_money"  # against people alone, a day',
            "limit = 0",
            'stages = "automatic"',
            "",
            "# What `shadowdesk gate` answers for.",
            "[proposal]",
            'candidate = "guarded"',
            'stage = "low_risk_auto"',
        ]

    def _lacks(self, key: str, what: str) -> None:
        # A column of the log, which some formats let the scenario name.
        if "." not in key:
            named = self.history.format in ("csv", "zendesk", "intercom")
            key = f"history.columns.{key}" if named else f"column {key} of the log"
        self.missing.append((key, what))

    def _missing(self) -> list[str]:
        lines = ["# What the log does not say, and the key that would:"]
        for key, what in self.missing:
            lines += comment(f"  {key}: {what}", hang=4)
        return lines


def _beside(path: Path, file: Path) -> str:
    """``path`` as the scenario ``file`` names it: relative where it lies below, else absolute."""
    whole, folder = path.absolute(), file.absolute().parent
    try:
        return whole.relative_to(folder).as_posix()
    except ValueError:
        return str(whole)


def _schedule(asked: Asked) -> Path | None:
    return _lying(asked, "schedule")


def _lying(asked: Asked, stem: str) -> Path | None:
    """The table of that name with the log, which is what ``sample`` and many exports write."""
    folder = asked.source if asked.source.is_dir() else asked.source.parent
    paths = (folder / f"{stem}.{kind}" for kind in ("csv", "parquet", "jsonl"))
    return next((path for path in paths if path.is_file()), None)


def _material(asked: Asked, table: str, history: History) -> tuple[Path, int] | None:
    """The user's knowledge or policy, beside the scenario or with the log, and its rows."""
    own = asked.file.absolute().parent / STARTERS[table]
    ready = own.is_file() and not is_example(own)
    path = own if ready else _lying(asked, _TABLES[table])
    if path is None:
        return None
    read: Any = load_policy if table == "commitments" else load_knowledge
    return path, int(read(path, history.zone).height)
