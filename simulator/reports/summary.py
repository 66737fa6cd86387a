"""``summary.md``: what the terminal prints, in 100 columns, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulator.reports import answer, models, prices, readings, staffed, validity, wording
from simulator.reports.lined import table
from simulator.reports.run import Bounds, Figure, Run

COLUMNS = 100
# What the names may take of a row, so that the numbers beside them always fit.
STAGE_COLUMNS, CANDIDATE_COLUMNS, RANGE_COLUMNS, MONEY_COLUMNS, GATE_COLUMNS = 14, 15, 13, 28, 33
HOURS_COLUMNS = 19


@dataclass(frozen=True)
class SummaryRow:
    """One candidate at one stage, over all conversations.

    ``risky_promise_rate`` and ``risky_promise_bound`` (the upper limit of its interval) come from
    the gate, that is from labels; both None where there is no gate or no label. ``gate`` is pass,
    fail, insufficient or None (nothing to test); ``binding`` names the metrics that made it so;
    ``tested``: a gate on risky promises stands there, whatever it found. ``diverged_share`` (of
    the automatic conversations) and ``must_end_well`` (of the diverged ones) have no figures where
    nothing is automatic; ``missed`` names the limits that are missed even if all end well.
    ``paid_saving_money`` has no figures where the cell was not re-staffed.
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
                    _range(row.escalated_per_day),
                    _range(row.asa_s),
                    _range(row.service_level, " %"),
                    _range(row.abandonment_rate, " %"),
                ]
                for row in rows
            ],
        ),
        "",
    ]
    spread = readings.single_days(run)
    if spread:
        lines += [*wording.wrap(wording.markdown(spread), COLUMNS), ""]
    lines += ["## Promises and gates", ""]
    lines += _gated(rows)
    lines += _left_out(run)
    lines += [
        "",
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
            [[*_names(row), _three(row.total_money), _three(row.saving_money)] for row in rows],
        ),
        "",
        *_paid(rows),
        *_prices(run),
        *_staffing(run),
        *_models(run),
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
        apart = answer.segments_apart(run, one.candidate)
        if apart:
            places = [
                f"{wording.stage_label(stage)} for {wording.markdown(wording.listed(names))}"
                for stage, names in apart
            ]
            text += f" By segment: {'; '.join(places)}."
        bullets += _bullet(text)
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
    found = [line for one in models.left_out(run) for line in _bullet(wording.markdown(one))]
    return ["", *wording.wrap(f"{models.LEFT_OUT}:", COLUMNS), "", *found] if found else []


def _bullet(text: str) -> list[str]:
    return wording.wrap(f"- {text}", COLUMNS, indent="  ")


def _prices(run: Run) -> list[str]:
    found = prices.sentences(run)
    return (
        [*(line for one in found for line in _bullet(wording.markdown(one))), ""] if found else []
    )


def _models(run: Run) -> list[str]:
    """What was put to the language models, and what came back."""
    asked, known_as = models.asked(run), models.known_as(run)
    if not asked and not known_as:
        return []
    columns = ("n_points", "n_asked", "prompt_tokens", "cached_prompt_tokens", "completion_tokens")
    rows = []
    for one in asked:
        points, prompts, *tokens = (_count(one.counts[column]) for column in columns)
        rows.append([_name(one.candidate, CANDIDATE_COLUMNS), points, prompts, one.rate, *tokens])
    heads = ["Candidate", "Turns", "Prompts", "Replies/s", "Prompt tokens", "Cached", "Completion"]
    lines = ["## Models asked", ""]
    if rows:
        words = (
            "Turns that were put to a model, the distinct prompts they came to (the same one is "
            "asked once), and the tokens of these; cached ones are part of the prompt tokens."
        )
        lines += [*wording.wrap(words, COLUMNS), "", *table(heads, rows, names=1), ""]
    said = {name: [words] for name, words in known_as.items()}
    for one in asked:
        said.setdefault(one.candidate, []).extend(one.remarks)
    for name, parts in said.items():
        if parts:
            words = f"**{wording.markdown(name)}**: {wording.markdown('; '.join(parts))}."
            lines += _bullet(words)
    return [*lines, ""]


def _count(figure: Figure) -> str:
    """A count, in millions where it is long."""
    if figure.value is None or figure.value < 10_000_000:
        return figure.text
    return f"{figure.value / 1e6:,.1f}M"


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
    cells = [[*_names(row), _three(row.saving_money), _three(row.paid_saving_money)]
             for row in paid]  # fmt: skip
    return [*wording.wrap(words, COLUMNS), "", *table(heads, cells), ""]


def _staffing(run: Run) -> list[str]:
    """Paid agent-hours a day of each cell that was re-staffed; how to get them where none was."""
    cells = staffed.cells(run)
    if not cells:
        return ["## Staffing", "", *wording.wrap(staffed.missing(run), COLUMNS), ""]
    words = (
        f"Paid agent-hours a day of the fewest agents in whole shifts ({staffed.target(run)}): "
        "best / central / worst, and the sampling interval of the hours saved in the central case."
    )
    rows = []
    for cell in cells:
        paid, saved = staffed.hours(run, cell)
        between = "–"
        if saved.sampling:
            between = " to ".join(_bare(figure.text) for figure in saved.sampling)
        rows.append(
            [
                _name(cell[0], STAGE_COLUMNS),
                _name(cell[1], CANDIDATE_COLUMNS),
                *(_three(bounds, HOURS_COLUMNS) for bounds in (paid, saved)),
                between,
            ]
        )
    heads = ["Stage", "Candidate", "Paid hours", "Hours saved", "Interval"]
    return ["## Staffing", "", *wording.wrap(words, COLUMNS), "", *table(heads, rows), ""]


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
        *table(heads, [[*_names(row), _range(row.diverged_share, " %"), _needed(row)]
                        for row in open_rows]),
        "",
    ]  # fmt: skip


def _needed(row: SummaryRow) -> str:
    if row.must_end_well.central is None and row.missed:
        return f"not even all: {row.missed[0]}"
    return wording.number("breakdown_contained_share", row.must_end_well.central)


def _names(row: SummaryRow) -> list[str]:
    return [_name(row.stage, STAGE_COLUMNS), _name(row.candidate, CANDIDATE_COLUMNS)]


def _name(name: str, columns: int) -> str:
    return wording.clip(wording.markdown(name), columns).rstrip("\\")


def _range(bounds: Bounds, unit: str = "") -> str:
    """Central, and worst in brackets where it differs; shortened where it would not fit."""

    def written(write: Callable[[str, float | None], str]) -> str:
        middle, worst = (
            _bare(write(bounds.metric, value)) for value in (bounds.central, bounds.worst)
        )
        return (middle if bounds.single or middle == worst else f"{middle} ({worst})") + unit

    if not bounds.known:
        return wording.UNKNOWN if bounds.figures else "–"
    full = written(wording.number)
    return full if wording.width(full) <= RANGE_COLUMNS else written(wording.short)


def _bare(text: str) -> str:
    return (
        "–"
        if text == wording.UNKNOWN
        else text.removesuffix(" %").removesuffix(" s").removesuffix(" h")
    )


def _three(bounds: Bounds, columns: int = MONEY_COLUMNS) -> str:
    if not bounds.known:
        return wording.UNKNOWN if bounds.figures else "–"
    if bounds.single:
        return _bare(wording.number(bounds.metric, bounds.central))
    values = (bounds.best, bounds.central, bounds.worst)
    full = " / ".join(_bare(wording.number(bounds.metric, value)) for value in values)
    if wording.width(full) <= columns:
        return full
    return " / ".join(wording.short(bounds.metric, value) for value in values)


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
