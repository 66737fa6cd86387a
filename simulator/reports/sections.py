"""What the sections of the page show: rows of figures, taken from the tables of a run."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from simulator.reports import answer, support, wording
from simulator.reports.language import say
from simulator.reports.run import Figure, Run, figure, standing

WAITS = ("offered_per_day", "escalated_per_day", "asa_s", "wait_p90_s", "service_level",
         "abandonment_rate", "occupancy", "unserved_per_day")  # fmt: skip
# Shown only where they occur.
AT_TIMES = ("turned_away_per_day", "deadline_met_rate", "email_time_to_answer_h",
            "email_backlog_end", "backlog_end")  # fmt: skip
DAILY = ("offered_per_day", "asa_s", "wait_p50_s", "wait_p90_s", "wait_p99_s", "service_level",
         "abandonment_rate")  # fmt: skip
OUTCOMES = ("auto_share", "settled_share", "handoff_share", "diverged_share", "contained_rate",
            "quit_rate", "complaint_rate")  # fmt: skip
MONEY = ("total_money", "saving_money", "saving_hours", "break_even_risky_promise_rate",
         "breakdown_contained_share", "paid_saving_money")  # fmt: skip
PARTS = ("labour_money", "bot_money", "promise_money", "complaint_money", "abandonment_money")


def cell(run: Run, stage: str, candidate: str) -> dict[str, Any]:
    """One candidate at one stage: its gates, and every metric in its bounds."""
    gate, binding = answer.cell_gate(run, stage, candidate)
    return {
        "stage": stage,
        "candidate": candidate,
        "gate": gate,
        "binding": binding,
        "risk": next(
            (
                (figure("gates", row, "estimate"), figure("gates", row, "high"))
                for row in run.gates(stage, candidate)
                if row["metric"] == "risky_promise_rate"
            ),
            None,
        ),
        **{
            metric: run.bounds("kpis", stage, candidate, metric)
            for metric in (*WAITS, *AT_TIMES, *DAILY, *OUTCOMES)
        },
        **{metric: run.bounds("costs", stage, candidate, metric) for metric in (*MONEY, *PARTS)},
        "missed": answer.missed(run, stage, candidate),
        "flagged": run.bounds("kpis", stage, candidate, "risky_promise_rate_judged"),
    }


def at_times(run: Run) -> list[str]:
    """Those of :data:`AT_TIMES` that some cell has: a count above 0, a rate or a time that is
    known. A backlog is told of contacts that have a deadline, and of e-mail's own where known."""
    found = []
    for metric in AT_TIMES:
        known = [value for cell in run.cells for value in run.bounds("kpis", *cell, metric).known]
        if any(known) or (known and wording.METRICS[metric].kind != "count"):
            found.append(metric)
    if "deadline_met_rate" not in found or "email_backlog_end" in found:
        found = [metric for metric in found if metric != "backlog_end"]
    return found


def ladders(run: Run, best: answer.Advice | None) -> list[dict[str, Any]]:
    """The ladder of each candidate, that of ``best`` first.

    ``open``: it is the one that the headline names, or the one that the scenario proposes; where
    there are only a few, all of them are.
    """
    advised = sorted(answer.advice(run, segment="all"), key=lambda one: one != best)
    asked = run.scenario.proposal
    named = {best.candidate if best else None, asked.candidate if asked else None}
    return [
        {**_ladder(run, one), "open": len(advised) <= 3 or one.candidate in named}
        for one in advised
    ]


def _ladder(run: Run, one: answer.Advice) -> dict[str, Any]:
    """The stages of one candidate: reached or not, and the gate where it stops."""
    reached = run.stages.index(one.stage) if one.stage in run.stages else 0
    return {
        "advice": one,
        "why": answer.why_not_further(run, one),
        "by_override": answer.by_override(one),
        "from_score": answer.from_score(run, one),
        "apart": answer.segments_apart(run, one.candidate),
        "rungs": [
            {
                "stage": stage,
                "state": "start" if place == 0 else "cleared" if place <= reached else "held",
                "gate": answer.cell_gate(run, stage, one.candidate)[0],
                "here": place == reached,
            }
            for place, stage in enumerate(run.stages)
        ],
    }


def gates(run: Run) -> list[dict[str, Any]]:
    """Every gate over all conversations, with its figures."""
    return [gate_row(row) for stage, candidate in run.cells for row in run.gates(stage, candidate)]


def gate_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of table ``gates`` with its figures; ``needed`` are the labels that it still asks."""
    return {
        **row,
        "figures": {
            column: _figure(row, column)
            for column in ("estimate", "low", "high", "limit", "confidence")
        },
        "needed": _count(row, "labels_needed"),
        "override": answer.override(row) if standing(row) == "overridden" else None,
        "speaks_of": say(wording.ESTIMANDS.get(row["estimand"], row["estimand"])),
    }


def _figure(row: dict[str, Any], column: str) -> Figure:
    """A column of a gate; confidence is a share, whatever the gate is about."""
    found = figure("gates", row, column)
    if column != "confidence" or found.value is None:
        return found
    return Figure(found.value, wording.percent(found.value), found.source)


def _count(row: dict[str, Any], column: str) -> Figure | None:
    if row[column] is None:
        return None
    found = figure("gates", row, column)
    return Figure(found.value, f"{row[column]:,}", found.source)


def thresholds(run: Run) -> list[dict[str, Any]]:
    """The score that labels certify for each candidate that has one, over all conversations.

    ``threshold`` is None where none could be certified; ``reason`` says what was tried.
    """
    order = {cell: place for place, cell in enumerate(run.cells)}
    rows = [row for row in run.table("thresholds").iter_rows(named=True) if row["segment"] == "all"]
    return [
        {
            **row,
            "figures": {
                name: _threshold(row, name)
                for name in (
                    *("threshold", "risk_limit", "confidence", "accepted_share"),
                    *("n_accepted", "n_risky", "labels_needed"),
                )
            },
        }
        for row in sorted(rows, key=lambda row: order.get((row["stage"], row["candidate"]), 99))
    ]


def _threshold(row: dict[str, Any], column: str) -> Figure | None:
    value = row[column]
    if value is None:
        return None
    if column == "threshold":
        text = f"{value:g}"
    else:
        text = wording.percent(value) if isinstance(value, float) else f"{value:,}"
    keys = ("thresholds", row["stage"], row["candidate"], row["segment"], column)
    return Figure(value, text, "/".join(quote(key, safe="") for key in keys))


def segments(run: Run) -> list[dict[str, Any]]:
    """Per segment, the advice for each candidate; segments in alphabetical order."""
    everything = [one for one in answer.advice(run) if one.segment != "all"]
    return [
        {"segment": segment, "advice": [one for one in everything if one.segment == segment]}
        for segment in sorted({one.segment for one in everything})
    ]


def labelled(run: Run) -> dict[str, Any]:
    """What labels say of conversations: all cells; by segment, the cells that are asked for."""
    cells, shown = support.all_cells(run), support.shown_cells(run)
    found = {cell: support.measured(run, cell) for cell in cells}
    by_segment = [
        (segment, cell, measured)
        for segment in support.segments(run)
        for cell in shown
        if (measured := support.measured(run, cell, segment))
    ]
    metrics = support.shown_metrics(run, cells)
    names = ("stage", "candidate")
    return {
        "metrics": [(m, support.head(m)) for m in metrics],
        "methods": [
            (support.head(m), next(one[m].method for one in found.values() if m in one))
            for m in metrics
        ],
        "rows": [
            {**dict(zip(names, cell, strict=True)), "measured": one}
            for cell, one in found.items()
            if one
        ],
        "segments": [
            {"segment": segment, **dict(zip(names, cell, strict=True)), "measured": one}
            for segment, cell, one in by_segment
        ],
        "remarks": support.remarks(run, cells),
        "complaints": [
            {
                **dict(zip(names, cell, strict=True)),
                "bounds": run.bounds("kpis", *cell, "complaint_rate"),
            }
            for cell in run.cells
        ],
    }


def methods(run: Run, best: answer.Advice | None) -> list[dict[str, Any]]:
    """How the numbers were come by, for the baseline and the leader, and how far days differ."""
    cells = [cell for cell in run.cells if cell[0] == run.baseline][:1]
    if best is not None and (best.stage, best.candidate) in run.cells:
        cells += [cell for cell in [(best.stage, best.candidate)] if cell not in cells]
    return [
        {
            "metric": metric,
            "stage": cell[0],
            "candidate": cell[1],
            "method": row["method"],
            "spread": [
                figure(table, row, column)
                for column in ("input_sd", "simulation_sd")
                if row.get(column) is not None
            ],
        }
        for cell in cells
        for table, metrics in (
            ("kpis", (*WAITS, *OUTCOMES)),
            ("costs", ("saving_money", "paid_saving_money")),
        )
        for metric in metrics
        if (row := run.row(table, *cell, metric)) and row["method"]
    ]
