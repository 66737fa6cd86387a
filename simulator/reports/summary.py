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
from simulator.reports.language import ENGLISH, noted, say, spoken
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
# With more candidates than these only those that the answer is about are told of at length.
_FEW = 3
_STATUS = {
    "pass": noted("pass"),
    "overridden": noted("overridden"),
    "fail": noted("fail"),
    "insufficient": noted("insufficient"),
}


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
                say(
                    "**Synthetic sample.** These conversations were generated. The numbers show "
                    "what the tool does; they say nothing about your operation."
                ),
                COLUMNS,
            ),
            "",
        ]
    lines += _recommendation(run)
    lines += ["## " + say("Load and waits"), ""]
    of_a_day = noted(
        "A day at the human desk: central case, with the worst case in brackets where replay "
        "cannot know how a conversation would have ended. Service level: answered within "
        "{target} s."
    )
    of_a_week = noted(
        "A mean day of the simulated week at the human desk: central case, with the worst case in "
        "brackets where replay cannot know how a conversation would have ended. Service level: "
        "answered within {target} s."
    )
    target = f"{run.scenario.contact_center.target_wait_s:g}"
    lines += wording.wrap(say(of_a_day if run.n_days == 1 else of_a_week, target=target), COLUMNS)
    lines += [
        "",
        *table(
            _heads(
                noted("Escalated/day"),
                noted("Mean wait, s"),
                noted("Service level"),
                noted("Abandoned"),
            ),
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
    lines += ["## " + say("Promises and gates"), ""]
    lines += _gated(rows)
    lines += _left_out(run)
    lines += ["", *summary_parts.labels(run)]
    lines += [
        "## " + say("Money, {currency} a day", currency=currency),
        "",
    ]
    left_out = answer.promises_left_out(run)
    words = say("Best / central / worst; the saving is against people alone.")
    if left_out:
        words += " " + say("Risky promises are left out: there is no policy to judge them by.")
    lines += wording.wrap(words, COLUMNS)
    lines += [
        "",
        *table(
            _heads(noted("Cost"), noted("Saving")),
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
        say(
            "“{unknown}”: the run could not know; it is never zero. “–”: does not apply here. "
            "Times are {zone} time. What was assumed, with sources, the charts and the worst "
            "replies: {page}.",
            unknown=say(wording.UNKNOWN),
            zone=run.scenario.history.timezone,
            page="`report.html`" if spoken() == ENGLISH else f"`report.{spoken()}.html`",
        ),
        COLUMNS,
    )
    return "\n".join(lines) + "\n"


def _recommendation(run: Run) -> list[str]:
    lines = ["## " + say("How far may the rollout go?"), ""]
    lines += wording.wrap(f"**{wording.markdown(answer.headline(run))}**", COLUMNS)
    warning = validity.warning(run)
    if warning:
        words = say("**Warning.** {warning} See Validity.", warning=warning)
        lines += ["", *wording.wrap(words, COLUMNS)]
    again = models.ask_again(run)
    if again:
        words = say("**Warning.** {again}", again=wording.markdown(again))
        lines += ["", *wording.wrap(words, COLUMNS)]
    best = answer.leader(run)
    said = (
        readings.money_spread(run, best),
        staffed.paid_saving(run, best),
        readings.breakdown(run, best),
        answer.proposal(run),
    )
    for text in filter(None, said):
        lines += ["", *wording.wrap(wording.markdown(text), COLUMNS)]
    everything = answer.advice(run, segment="all")
    if everything:
        lines += ["", *_how_far(everything)]
    # All of them would fill the first screen; the page has a ladder for each.
    asked = {best and best.candidate, run.scenario.proposal and run.scenario.proposal.candidate}
    told = [one for one in everything if len(everything) <= _FEW or one.candidate in asked]
    bullets = [line for one in told for line in bullet(_advice(run, one))]
    return [*lines, *([""] if bullets else []), *bullets, ""]


def _how_far(everything: Sequence[answer.Advice]) -> list[str]:
    """Each candidate in a line: how far it may go, and the gate that holds it there."""
    heads = [say("Candidate"), say("May go to"), say("Held by"), say("Verdict")]
    rows = [
        [
            clipped(one.candidate, CANDIDATE_COLUMNS),
            wording.clip(wording.stage_label(one.stage), STAGE_COLUMNS + 6),
            "–" if one.binding_gate is None else wording.metric_label(one.binding_gate),
            "–" if one.status is None else say(_STATUS[one.status]),
        ]
        for one in everything
    ]
    return table(heads, rows, names=4)


def _advice(run: Run, one: answer.Advice) -> str:
    """How far one candidate may go, why not further, and what to do next."""
    parts = [
        say(
            "**{candidate}**: {stage}. {why} Next step: {step}",
            candidate=wording.markdown(one.candidate),
            stage=wording.stage_label(one.stage),
            why=wording.markdown(answer.why_not_further(run, one)),
            step=wording.markdown(_step(run, one)),
        )
    ]
    more = filter(None, (answer.by_override(one), answer.from_score(run, one)))
    parts += [wording.markdown(text) for text in more]
    apart = answer.segments_apart(run, one.candidate)
    if apart:
        places = [
            say(
                "{stage} for {segments}",
                stage=wording.stage_label(stage),
                segments=wording.markdown(wording.listed(names)),
            )
            for stage, names in apart
        ]
        parts.append(say("By segment: {places}.", places=say("; ").join(places)))
    return " ".join(parts)


def _heads(*names: str) -> list[str]:
    """Heads of a table of stages and candidates; ``names``: of the columns after these two."""
    return [say("Stage"), say("Candidate"), *map(say, names)]


def _step(run: Run, one: answer.Advice) -> str:
    return wording.readable(answer.sentence(one.next_step), run.stages)


def _gated(rows: Sequence[SummaryRow]) -> list[str]:
    if all(row.gate is None for row in rows):
        return [say("No gate was put to this run: it has no candidate other than people.")]
    words = say(
        "Conversations with a risky promise, as estimated from labels, and the upper bound that "
        "the gate tests. Without labels there is no bound, and no evidence."
    )
    heads = _heads(noted("Risky promises"), noted("At most"), noted("Gate"))
    cells = [[*_names(row), *_promises(row)] for row in rows]
    return [*wording.wrap(words, COLUMNS), "", *table(heads, cells, words_last=True)]


def _left_out(run: Run) -> list[str]:
    """What the rates leave out for want of a reply."""
    found = [line for one in models.left_out(run) for line in bullet(wording.markdown(one))]
    return (
        ["", *wording.wrap(say("{what}:", what=say(models.LEFT_OUT)), COLUMNS), "", *found]
        if found
        else []
    )


def _prices(run: Run) -> list[str]:
    found = prices.sentences(run)
    return [*(line for one in found for line in bullet(wording.markdown(one))), ""] if found else []


def _paid(rows: Sequence[SummaryRow]) -> list[str]:
    """The paid saving beside the saving by work, where there is one."""
    paid = [row for row in rows if row.paid_saving_money.figures]
    if not paid:
        return []
    words = say(
        "The saving above reckons labour by the work, as if people were paid by the minute; the "
        "paid saving is that of the fewest agents in whole shifts, with and without the bot."
    )
    heads = _heads(noted("Saving by work"), noted("Paid saving"))
    cells = [[*_names(row), three(row.saving_money), three(row.paid_saving_money)]
             for row in paid]  # fmt: skip
    return [*wording.wrap(words, COLUMNS), "", *table(heads, cells), ""]


def _validity(run: Run) -> list[str]:
    lines = [
        "## " + say("Validity"),
        "",
        *wording.wrap(wording.markdown(validity.sentence(run)), COLUMNS),
    ]
    for line in (*validity.checks(run), *validity.remarks(run)):
        lines += ["", *wording.wrap(wording.markdown(line), COLUMNS)]
    return [*lines, ""]


def _unknowable(rows: Sequence[SummaryRow]) -> list[str]:
    """What replay cannot know of each automatic cell, and how much of it must be good news."""
    open_rows = [row for row in rows if row.must_end_well.figures]
    if not open_rows:
        return []
    words = say(
        "From the first reply that differs from the log, replay cannot know how a conversation "
        "would have ended (diverged, of those that the bot begins). So many of these must end well "
        "for the stage to pay and keep its limits, if the others come back to a person."
    )
    heads = _heads(noted("Diverged"), noted("Must end well"))
    return [
        "## " + say("What replay cannot know"),
        "",
        *wording.wrap(words, COLUMNS),
        "",
        *table(heads, [[*_names(row), spread(row.diverged_share, " %"), _needed(row)]
                        for row in open_rows]),
        "",
    ]  # fmt: skip


def _needed(row: SummaryRow) -> str:
    if row.must_end_well.central is None and row.missed:
        return say("not even all: {limit}", limit=row.missed[0])
    return wording.number("breakdown_contained_share", row.must_end_well.central)


def _names(row: SummaryRow) -> list[str]:
    return [clipped(row.stage, STAGE_COLUMNS), clipped(row.candidate, CANDIDATE_COLUMNS)]


def _promises(row: SummaryRow) -> list[str]:
    gate = "–" if row.gate is None else say(_STATUS[row.gate])
    if row.binding:
        gate = say("{verdict}: {metric}", verdict=gate, metric=row.binding[0])
    others = f" +{len(row.binding) - 1}"
    if len(row.binding) > 1 and wording.width(gate + others) <= GATE_COLUMNS:
        gate += others
    metric, bound = "risky_promise_rate", row.risky_promise_bound
    return [
        wording.number(metric, row.risky_promise_rate) if row.tested else "–",
        "–" if bound is None else wording.number(metric, bound),
        gate,
    ]
