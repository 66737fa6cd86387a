"""``report.html``: one page without a script, a font or a request, to decide from and to print."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup, escape

from simulator.reports import (
    answer,
    examples,
    language,
    models,
    prices,
    readings,
    spectrum,
    spreadsheets,
    staffed,
    support,
    validity,
    what_if,
    wording,
)
from simulator.reports.drawing import Chart
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


@cache
def environment() -> jinja2.Environment:
    """Templates with the filters that all pages share."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("simulator.reports"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        language.translated, language.translated_n, newstyle=True
    )
    environment.filters.update(
        visible=visible_markup,
        plain=wording.visible,
        stage=wording.stage_label,
        metric=wording.metric_label,
        percent=wording.percent,
        listed=wording.listed,
        sentence=answer.sentence,
        readable=wording.readable,
        code=_code,
    )
    return environment


def visible_markup(text: str) -> Markup:
    """``text`` escaped, its control and direction-changing characters shown as small tags."""
    parts = wording.UNSEEN.split(text.replace("\r\n", "\n"))
    found = wording.UNSEEN.findall(text.replace("\r\n", "\n"))
    shown = Markup("")
    for part, character in zip(parts, [*found, ""], strict=True):
        shown += escape(part)
        if character:
            shown += Markup('<span class="unseen">U+{}</span>').format(f"{ord(character):04X}")
    return shown


def _code(text: str) -> Markup:
    """``text`` escaped, with what stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>" if place % 2 else "{}").format(part)
        for place, part in enumerate(parts)
    )


def page(run: Run, charts: Sequence[Chart]) -> str:
    """The report as one HTML document. Every number in it carries its place in the tables.

    Numbers stand in ``<data value="..." data-from="table/stage/candidate/segment/bound/metric/
    column">``, so that a reader, a script or a test can go back to the source. Text that came
    from a log is escaped, and no template is built from data.
    """
    template = environment().get_template("report.html")
    best = answer.leader(run)
    left_out = answer.promises_left_out(run)
    ahead = best is not None and best.stage != run.baseline
    cells = [_cell(run, *cell) for cell in run.cells]
    return template.render(
        run=run,
        scenario=run.scenario,
        manifest=run.manifest,
        made=_made(run),
        currency=run.scenario.money.currency,
        headline=answer.headline(run),
        warning=validity.warning(run),
        ask_again=models.ask_again(run),
        models_asked=models.asked(run),
        known_as=models.known_as(run),
        left_out=models.left_out(run),
        left_out_words=models.LEFT_OUT,
        priced=prices.sentences(run),
        saving_sentence=readings.money_spread(run, best),
        paid_sentence=staffed.paid_saving(run, best),
        breakdown_sentence=readings.breakdown(run, best),
        risk_sentence=readings.risk(run),
        promises_left_out=left_out,
        automatic=any(run.automatic(*cell) for cell in run.cells),
        ahead=ahead,
        proposal=answer.proposal(run),
        best=best,
        # The one that the headline names comes first.
        ladders=[
            _ladder(run, one)
            for one in sorted(answer.advice(run, segment="all"), key=lambda one: one != best)
        ],
        cells=cells,
        heads={
            "waits": [*WAITS],
            "at_times": _at_times(run),
            "daily": [m for m in DAILY if any(cell[m].figures for cell in cells)],
            "outcomes": [*OUTCOMES],
            "money": MONEY,
            "parts": [m for m in PARTS if m != "promise_money" or not left_out],
        },
        metrics=wording.METRICS,
        gates=_gates(run),
        risks=_risks(run),
        segments=_segments(run),
        support=_support(run),
        staffed=[
            {
                "stage": stage,
                "candidate": candidate,
                "hours": staffed.hours(run, (stage, candidate)),
            }
            for stage, candidate in staffed.cells(run)
        ],
        staffing_target=staffed.target(run),
        not_staffed=staffed.missing(run),
        paid=any(cell["paid_saving_money"].figures for cell in cells),
        verdict=validity.verdict(run),
        verdict_sentence=validity.sentence(run),
        criteria=validity.criteria(run),
        checks=validity.checks(run),
        examples=examples.examples(run),
        spectrum=spectrum.section(run),
        what_if=what_if.section(run),
        charts=[(chart, Markup(chart.svg), _link(chart)) for chart in charts],
        assumed=run.table("assumed").sort("name").to_dicts(),
        methods=_methods(run, best),
        unknown=wording.UNKNOWN,
    )


def _made(run: Run) -> str:
    """When the run was made, to the minute; as the manifest has it where it is no ISO time."""
    text = str(run.manifest.get("created_at") or "")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at:%Y-%m-%d %H:%M} {at.tzname() or ''}".rstrip()


def _link(chart: Chart) -> str:
    data = base64.b64encode(spreadsheets.csv(chart.data).encode()).decode()
    return f"data:text/csv;charset=utf-8;base64,{data}"


def _cell(run: Run, stage: str, candidate: str) -> dict[str, Any]:
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


def _at_times(run: Run) -> list[str]:
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


def _gates(run: Run) -> list[dict[str, Any]]:
    """Every gate over all conversations, with its figures."""
    return [
        {
            **row,
            "figures": {
                column: _figure(row, column)
                for column in ("estimate", "low", "high", "limit", "confidence")
            },
            "needed": _count(row, "labels_needed"),
            "override": answer.override(row) if standing(row) == "overridden" else None,
            "speaks_of": wording.ESTIMANDS.get(row["estimand"], row["estimand"]),
        }
        for stage, candidate in run.cells
        for row in run.gates(stage, candidate)
    ]


def _figure(row: dict[str, Any], column: str) -> Figure:
    """A column of a gate; confidence is a share, whatever the gate is about."""
    found = figure("gates", row, column)
    if column != "confidence" or found.value is None:
        return found
    return Figure(found.value, wording.percent(found.value), found.source)


def _risks(run: Run) -> list[dict[str, Any]]:
    return [row for row in _gates(run) if row["metric"] == "risky_promise_rate"]


def _count(row: dict[str, Any], column: str) -> Figure | None:
    if row[column] is None:
        return None
    found = figure("gates", row, column)
    return Figure(found.value, f"{row[column]:,}", found.source)


def _segments(run: Run) -> list[dict[str, Any]]:
    """Per segment, the advice for each candidate; segments in alphabetical order."""
    everything = [one for one in answer.advice(run) if one.segment != "all"]
    return [
        {"segment": segment, "advice": [one for one in everything if one.segment == segment]}
        for segment in sorted({one.segment for one in everything})
    ]


def _support(run: Run) -> dict[str, Any]:
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


def _methods(run: Run, best: answer.Advice | None) -> list[dict[str, Any]]:
    """How the numbers were come by, for the baseline and the leader, and how far days differ."""
    cells = [cell for cell in run.cells if cell[0] == run.baseline][:1]
    if best is not None and (best.stage, best.candidate) in run.cells:
        cells += [cell for cell in [(best.stage, best.candidate)] if cell not in cells]
    return [
        {
            "metric": metric,
            "where": f"{wording.stage_label(cell[0])}, {cell[1]}",
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
