"""``summary.md``: what the terminal prints, in 100 columns, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.reports import (
    answer,
    models,
    prices,
    readings,
    staffed,
    summary_parts,
    validity,
    wording,
)
from simulator.reports.lined import (
    CANDIDATE_COLUMNS,
    COLUMNS,
    STAGE_COLUMNS,
    bullet,
    clipped,
    spread,
    table,
    three,
)
from simulator.reports.run import Bounds, Run

GATE_COLUMNS = 33


@dataclass(frozen=True)
class SummaryRow:
    """One candidate at one stage, over all conversations.

    ``risky_promise_rate`` and ``risky_promise_bound`` (the upper limit of its interval) come from
    the gate, that is from labels; both None where there is no gate or no label. ``gate`` is pass,
    overridden, fail, insufficient or None (nothing to test); ``binding`` names the metrics that
    made it so; ``tested``: a gate on risky promises stands there, whatever it found.
    ``diverged_share`` (of the automatic conversations) and ``must_end_well`` (of the diverged
    ones) have no figures where nothing is automatic; ``missed`` names the limits that are missed
    even if all end well. ``paid_saving_money`` has no figures where the cell was not re-staffed.
    """

    stage: str
    candidate: str
    escalated_per_day: Bounds
    asa_s: Bounds
    service_level: Bounds
    abandonment_rate: Bounds
    total_money: Bounds
    saving_money: Bounds
    risky_promise_rate: float | None
    risky_promise_bound: float | None
    gate: str | None
    binding: tuple[str, ...]
    tested: bool
    diverged_share: Bounds
    must_end_well: Bounds
    missed: tuple[str, ...]
    paid_saving_money: Bounds


def summary_rows(run: Run) -> list[SummaryRow]:
    """A row for each stage and candidate that has numbers, up the ladder."""
    rows = []
    for stage, candidate in run.cells:
        gate, binding = answer.cell_gate(run, stage, candidate)
        risk = next(
            (g for g in run.gates(stage, candidate) if g["metric"] == "risky_promise_rate"), None
        )
        rows.append(
            SummaryRow(
                stage,
                candidate,
                run.bounds("kpis", stage, candidate, "escalated_per_day"),
                run.bounds("kpis", stage, candidate, "asa_s"),
                run.bounds("kpis", stage, candidate, "service_level"),
                run.bounds("kpis", stage, candidate, "abandonment_rate"),
                run.bounds("costs", stage, candidate, "total_money"),
                run.bounds("costs", stage, candidate, "saving_money"),
                risk["estimate"] if risk else None,
                risk["high"] if risk else None,
                gate,
                tuple(binding),
                risk is not None,
                run.bounds("kpis", stage, candidate, "diverged_share"),
                run.bounds("costs", stage, candidate, "breakdown_contained_share"),
                tuple(answer.missed(run, stage, candidate)),
                run.bounds("costs", stage, candidate, "paid_saving_money"),
            )
        )
    return rows


def summary_text(run: Run) -> str:
    """The summary: the answer first, then load and waits, promises and gates, money."""
    currency = run.scenario.money.currency
    rows = summary_rows(run)
    lines = [f"# {wording.clip(wording.markdown(run.scenario.name), COLUMNS - 2)}", ""]
    if run.synthetic:
        lines += [
            *wording.wrap(
                "**Synthetic sample.** These conversations were generated. The numbers show what "
                "the tool does; they say nothing about your operation.",
                COLUMNS,
            ),
            "",
        ]
    lines += _recommendation(run)
    lines += ["## Load and waits", ""]
    lines += wording.wrap(
        f"{'A day' if run.n_days == 1 else 'A mean day of the simulated week'} at the human desk: "
        "central case, with the worst case in brackets where replay "
        "cannot know how a conversation would have ended. Service level: answered within "
        f"{run.scenario.contact_center.target_wait_s:g} s.",
        COLUMNS,
    )
    lines += [
        "",
        *table(
            ["Stage", "Candidate", "Escalated/day", "Mean wait, s", "Service level", "Abandoned"],
            [
                [
                    *_names(row),
                    spread(row.escalated_per_day),
                    spread(row.asa_s),
                    spread(row.service_level, " %"),
                    spread(row.abandonment_rate, " %"),
                ]
                for row in rows
            ],
        ),
        "",
    ]
    days = readings.single_days(run)
    if days:
        lines += [*wording.wrap(wording.markdown(days), COLUMNS), ""]
    lines += ["## Promises and gates", ""]
    lines += _gated(rows)
    lines += _left_out(run)
    lines += ["", *summary_parts.labels(run)]
    lines += [
        f"## Money, {currency} a day",
        "",
    ]
    left_out = answer.promises_left_out(run)
    lines += wording.wrap(
        "Best / central / worst; the saving is against people alone."
        + (" Risky promises are left out: there is no policy to judge them by." * left_out),
        COLUMNS,
    )
    lines += [
        "",
        *table(
            ["Stage", "Candidate", "Cost", "Saving"],
            [[*_names(row), three(row.total_money), three(row.saving_money)] for row in rows],
        ),
        "",
        *_paid(rows),
        *_prices(run),
        *summary_parts.staffing(run),
        *summary_parts.models_asked(run),
        *_unknowable(rows),
        *_validity(run),
    ]
    lines += wording.wrap(
        f"“{wording.UNKNOWN}”: the run could not know; it is never zero. “–”: does not apply here. "
        f"Times are {run.scenario.history.timezone} time. What was assumed, with sources, the "
        "charts and the worst replies: `report.html`.",
        COLUMNS,
    )
    return "\n".join(lines) + "\n"


def _recommendation(run: Run) -> list[str]:
    lines = ["## How far may the rollout go?", ""]
    lines += wording.wrap(f"**{wording.markdown(answer.headline(run))}**", COLUMNS)
    warning = validity.warning(run)
    if warning:
        lines += ["", *wording.wrap(f"**Warning.** {warning} See Validity.", COLUMNS)]
    again = models.ask_again(run)
    if again:
        lines += ["", *wording.wrap(f"**Warning.** {wording.markdown(again)}", COLUMNS)]
    best = answer.leader(run)
    said = (
        readings.money_spread(run, best),
        staffed.paid_saving(run, best),
        readings.breakdown(run, best),
        answer.proposal(run),
    )
    for text in filter(None, said):
        lines += ["", *wording.wrap(wording.markdown(text), COLUMNS)]
    bullets: list[str] = []
    for one in answer.advice(run, segment="all"):
        text = (
            f"**{wording.markdown(one.candidate)}**: {wording.stage_label(one.stage)}. "
            + wording.markdown(answer.why_not_further(run, one))
            + f" Next step: {wording.markdown(_step(run, one))}"
        )
        for more in filter(None, (answer.by_override(one), answer.from_score(run, one))):
            text += f" {wording.markdown(more)}"
        apart = answer.segments_apart(run, one.candidate)
        if apart:
            places = [
                f"{wording.stage_label(stage)} for {wording.markdown(wording.listed(names))}"
                for stage, names in apart
            ]
            text += f" By segment: {'; '.join(places)}."
        bullets += bullet(text)
    return [*lines, *([""] if bullets else []), *bullets, ""]


def _step(run: Run, one: answer.Advice) -> str:
    return wording.readable(answer.sentence(one.next_step), run.stages)


def _gated(rows: Sequence[SummaryRow]) -> list[str]:
    if all(row.gate is None for row in rows):
        return ["No gate was put to this run: it has no candidate other than people."]
    words = (
        "Conversations with a risky promise, as estimated from labels, and the upper bound that "
        "the gate tests. Without labels there is no bound, and no evidence."
    )
    heads = ["Stage", "Candidate", "Risky promises", "At most", "Gate"]
    cells = [[*_names(row), *_promises(row)] for row in rows]
    return [*wording.wrap(words, COLUMNS), "", *table(heads, cells, words_last=True)]


def _left_out(run: Run) -> list[str]:
    """What the rates leave out for want of a reply."""
    found = [line for one in models.left_out(run) for line in bullet(wording.markdown(one))]
    return ["", *wording.wrap(f"{models.LEFT_OUT}:", COLUMNS), "", *found] if found else []


def _prices(run: Run) -> list[str]:
    found = prices.sentences(run)
    return [*(line for one in found for line in bullet(wording.markdown(one))), ""] if found else []


def _paid(rows: Sequence[SummaryRow]) -> list[str]:
    """The paid saving beside the saving by work, where there is one."""
    paid = [row for row in rows if row.paid_saving_money.figures]
    if not paid:
        return []
    words = (
        "The saving above reckons labour by the work, as if people were paid by the minute; the "
        "paid saving is that of the fewest agents in whole shifts, with and without the bot."
    )
    heads = ["Stage", "Candidate", "Saving by work", "Paid saving"]
    cells = [[*_names(row), three(row.saving_money), three(row.paid_saving_money)]
             for row in paid]  # fmt: skip
    return [*wording.wrap(words, COLUMNS), "", *table(heads, cells), ""]


def _validity(run: Run) -> list[str]:
    lines = ["## Validity", "", *wording.wrap(wording.markdown(validity.sentence(run)), COLUMNS)]
    for line in validity.checks(run):
        lines += ["", *wording.wrap(wording.markdown(line), COLUMNS)]
    return [*lines, ""]


def _unknowable(rows: Sequence[SummaryRow]) -> list[str]:
    """What replay cannot know of each automatic cell, and how much of it must be good news."""
    open_rows = [row for row in rows if row.must_end_well.figures]
    if not open_rows:
        return []
    words = (
        "From the first reply that differs from the log, replay cannot know how a conversation "
        "would have ended (diverged, of those that the bot begins). So many of these must end well "
        "for the stage to pay and keep its limits, if the others come back to a person."
    )
    heads = ["Stage", "Candidate", "Diverged", "Must end well"]
    return [
        "## What replay cannot know",
        "",
        *wording.wrap(words, COLUMNS),
        "",
        *table(heads, [[*_names(row), spread(row.diverged_share, " %"), _needed(row)]
                        for row in open_rows]),
        "",
    ]  # fmt: skip


def _needed(row: SummaryRow) -> str:
    if row.must_end_well.central is None and row.missed:
        return f"not even all: {row.missed[0]}"
    return wording.number("breakdown_contained_share", row.must_end_well.central)


def _names(row: SummaryRow) -> list[str]:
    return [clipped(row.stage, STAGE_COLUMNS), clipped(row.candidate, CANDIDATE_COLUMNS)]


def _promises(row: SummaryRow) -> list[str]:
    gate = row.gate or "–"
    if row.binding:
        gate += f": {row.binding[0]}"
    others = f" +{len(row.binding) - 1}"
    if len(row.binding) > 1 and len(gate + others) <= GATE_COLUMNS:
        gate += others
    metric, bound = "risky_promise_rate", row.risky_promise_bound
    return [
        wording.number(metric, row.risky_promise_rate) if row.tested else "–",
        "–" if bound is None else wording.number(metric, bound),
        gate,
    ]
