"""``comparison.html``: one page without a script, a font or a request."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote

import polars as pl
from markupsafe import Markup

from simulator.reports import comparison, comparison_chart, spreadsheets, wording
from simulator.reports import comparison_words as words
from simulator.reports.comparison import Compared
from simulator.reports.examples import LONGEST
from simulator.reports.html import environment
from simulator.reports.run import Figure
from simulator.schema import ACTIONS
from simulator.schema.comparison import NO_DECISION

_LONG = 900


@dataclass(frozen=True)
class Row:
    """A difference as the page shows it. ``between``: its interval, empty where none is known."""

    name: str
    own: Figure
    base: Figure
    difference: Figure
    between: str
    finding: str
    n: int | None
    n_conversations: int | None


@dataclass(frozen=True)
class Reply:
    """Words of a reply. ``before + marked + after`` is the reply, ``marked`` the evidence in it.

    ``evidence`` stands by itself where it is no part of the reply; ``cut`` characters are left out.
    """

    who: str
    action: str | None
    before: str
    marked: str
    after: str
    evidence: str
    cut: int
    long: bool


def page(one: Compared) -> str:
    """The comparison as one HTML document. Every number in it carries its place in the tables."""
    drawn = comparison_chart.differences(one)
    groups = _groups(one, one.overall)
    return environment().get_template("comparison.html").render(
        one=one,
        headline=comparison.headline(one),
        basis=comparison.basis(one),
        tolerance=words.points(one.tolerance),
        verdicts=[
            {
                "name": one.shown[verdict.pair[0]],
                "state": "fail" if verdict.worse else "insufficient" if verdict.open or
                verdict.missing else "pass",
                "says": comparison.sentences(one, verdict),
            }
            for verdict in comparison.verdicts(one)
        ],
        decided=[group for group in groups if group["metric"] not in words.MEASURED],
        measured=[group for group in groups if group["metric"] in words.MEASURED],
        of_a_reply=[
            (row["stage"], words.known(row["metric"]).label, _row(one, row, "desk_differences"))
            for row in one.of_a_reply
        ],
        charts=[] if drawn is None else [(drawn, Markup(drawn.svg), _link(drawn.data))],
        matrices=_matrices(one),
        agreement=[
            (one.shown.get(name, name), words.value("as_called_for", alike / n), n)
            for name, alike, n in comparison.agreement(one, "incumbent")
            if n
        ],
        slices=[
            (title, [_slice(one, row) for row in rows[: 2 * one.top]], len(rows))
            for title, rows in (
                ("Got worse", comparison.got_worse(one)),
                ("Got better", comparison.got_better(one)),
            )
            if rows
        ],
        slices_say=comparison.show_slices(one),
        desk=_desk(one),
        disagreements=_disagreements(one),
        methods=_methods(one),
    )  # fmt: skip


def _link(data: pl.DataFrame) -> str:
    encoded = base64.b64encode(spreadsheets.csv(data).encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{encoded}"


def _figure(table: str, row: Mapping[str, Any], column: str, text: str) -> Figure:
    names = ("ours", "theirs", "unit", "by", "slice", "stage", "bound", "metric", "source")
    where = [str(row[name]) for name in names if name in row and row[name] is not None]
    return Figure(
        row[column], text, "/".join(quote(part, safe="") for part in (table, *where, column))
    )


def _row(one: Compared, row: Mapping[str, Any], table: str = "differences") -> Row:
    metric = row["metric"]
    middle, between = words.parts(metric, row)
    return Row(
        one.shown[row["ours"]],
        _figure(table, row, "of_ours", words.value(metric, row["of_ours"])),
        _figure(table, row, "of_theirs", words.value(metric, row["of_theirs"])),
        _figure(table, row, "difference", middle),
        between,
        words.finding(row, one.tolerance) if table == "differences" else "",
        row["n"],
        row.get("n_conversations"),
    )


def _slice(one: Compared, row: Mapping[str, Any]) -> tuple[str, str, Row]:
    return words.place(row), words.label(row), _row(one, row)


def _groups(one: Compared, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Differences by metric and whose word it is."""
    way = {"lower": "less is better", "higher": "more is better", None: "neither way is better"}
    found = []
    for _, part in groupby(rows, key=lambda row: (row["metric"], row["source"])):
        mine = list(part)
        metric = mine[0]["metric"]
        found.append(
            {
                "metric": metric,
                "label": words.label(mine[0]),
                "meaning": words.meaning(mine[0]),
                "way": f"{words.unit(metric)}; {way[mine[0]['better']]}",
                "rows": [_row(one, row) for row in mine],
            }
        )
    return found


def _matrices(one: Compared) -> list[dict[str, Any]]:
    """The tables of decisions, those against labels first."""
    found = []
    for against in ("labels", "incumbent"):
        rows = comparison.decisions(one, against)
        for (candidate,), part in rows.group_by("candidate", maintain_order=True):
            counts = {(c, d): n for c, d, n in part.select("called_for", "did", "n").iter_rows()}
            did = [*ACTIONS, *([NO_DECISION] if part["did"].is_in([NO_DECISION]).any() else [])]
            found.append(
                {
                    "against": against,
                    "name": one.shown.get(str(candidate), str(candidate)),
                    "did": did,
                    "rows": [
                        (called, [counts.get((called, done), 0) for done in did])
                        for called in ACTIONS
                        if any(counts.get((called, done)) for done in did)
                    ],
                }
            )
    return found


def _desk(one: Compared) -> list[dict[str, Any]]:
    """By stage and pair, each metric of the central case with the worst and best cases."""
    rows = one.desk_differences.filter(~pl.col("metric").is_in(list(words.OF_A_REPLY))).to_dicts()
    metrics = [m for m in words.DESK if any(row["metric"] == m for row in rows)]
    found = {(r["stage"], r["ours"], r["theirs"], r["metric"], r["bound"]): r for r in rows}
    cells = []
    for stage in one.stages:
        for pair in one.pairs:
            central = [found.get((stage, *pair, metric, "central")) for metric in metrics]
            if any(central):
                cells.append(
                    {
                        "stage": stage,
                        "name": one.shown[pair[0]],
                        "cells": [r and _row(one, r, "desk_differences") for r in central],
                    }
                )
    heads = [f"{words.known(metric).label}, {_counted(one, metric)}" for metric in metrics]
    return [{"heads": heads, "rows": cells}] if cells else []


def _counted(one: Compared, metric: str) -> str:
    unit = words.unit(metric)
    return f"{one.currency} a day" if unit == "money" else unit


def _disagreements(one: Compared) -> list[dict[str, Any]]:
    found = []
    for pair in one.pairs:
        rows = one.disagreements.filter(
            (pl.col("ours") == pair[0]) & (pl.col("theirs") == pair[1])
        ).sort("place")
        if rows.is_empty():
            continue
        points = [
            {
                "row": row,
                "language": row["language"] or "",
                "replies": [
                    _reply(one.shown[pair[0]], row, "our"),
                    _reply(one.yardstick, row, "their"),
                ],
            }
            for row in rows.head(one.top).iter_rows(named=True)
        ]
        found.append({"name": one.shown[pair[0]], "theirs": one.yardstick, "points": points})
    return found


def _reply(who: str, row: Mapping[str, Any], side: str) -> Reply:
    whole, evidence = row[f"{side}_reply"] or "", row[f"{side}_evidence"] or ""
    reply = whole[:LONGEST]
    start = reply.find(evidence) if evidence else -1
    end = start + len(evidence) if start >= 0 else 0
    start_at = max(start, 0)
    return Reply(
        who,
        row[f"{side}_action"],
        reply[:start_at],
        reply[start_at:end],
        reply[end:],
        evidence if start < 0 else "",
        len(whole) - len(reply),
        len(reply) > _LONG,
    )


def _methods(one: Compared) -> list[tuple[str, str]]:
    """How each overall number was come by, each way once."""
    ways: dict[str, list[str]] = {}
    for row in one.overall:
        ways.setdefault(row["method"], []).append(words.label(row))
    return [(wording.listed(list(dict.fromkeys(names))), way) for way, names in ways.items()]
