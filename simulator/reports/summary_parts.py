"""Parts of ``summary.md`` that not every run has: models asked, staffing, what labels say."""

from __future__ import annotations

from simulator.reports import models, staffed, support, wording
from simulator.reports.language import ENGLISH, say, spoken
from simulator.reports.lined import (
    CANDIDATE_COLUMNS,
    COLUMNS,
    STAGE_COLUMNS,
    bare,
    bullet,
    clipped,
    table,
    three,
)
from simulator.reports.run import Figure, Run

HOURS_COLUMNS = 19
METRICS_A_TABLE, METRIC_COLUMNS = 3, 24


def models_asked(run: Run) -> list[str]:
    """What was put to the language models, and what came back."""
    asked, known_as = models.asked(run), models.known_as(run)
    if not asked and not known_as:
        return []
    columns = ("n_points", "n_asked", "prompt_tokens", "cached_prompt_tokens", "completion_tokens")
    rows = []
    for one in asked:
        points, prompts, *tokens = (_count(one.counts[column]) for column in columns)
        rows.append([clipped(one.candidate, CANDIDATE_COLUMNS), points, prompts, one.rate, *tokens])
    heads = [
        say("Candidate"), say("Turns"), say("Prompts"), say("Replies/s"), say("Prompt tokens"),
        say("Cached"), say("Completion"),
    ]  # fmt: skip
    lines = ["## " + say("Models asked"), ""]
    if rows:
        words = say(
            "Turns that were put to a model, the distinct prompts they came to (the same one is "
            "asked once), and the tokens of these; cached ones are part of the prompt tokens."
        )
        lines += [*wording.wrap(words, COLUMNS), "", *table(heads, rows, names=1), ""]
    said = {name: [words] for name, words in known_as.items()}
    for one in asked:
        said.setdefault(one.candidate, []).extend(one.remarks)
    for name, parts in said.items():
        if parts:
            remarks = wording.markdown(say("; ").join(parts))
            named = wording.markdown(name)
            lines += bullet(say("**{name}**: {remarks}.", name=named, remarks=remarks))
    return [*lines, ""]


def _count(figure: Figure) -> str:
    """A count, in millions where it is long."""
    if figure.value is None or figure.value < 10_000_000:
        return figure.text
    return f"{figure.value / 1e6:,.1f}M"


def staffing(run: Run) -> list[str]:
    """Paid agent-hours a day of each cell that was re-staffed; how to get them where none was."""
    cells = staffed.cells(run)
    if not cells:
        return ["## " + say("Staffing"), "", *wording.wrap(staffed.missing(run), COLUMNS), ""]
    words = say(
        "Paid agent-hours a day of the fewest agents in whole shifts ({target}): best / central / "
        "worst, and the sampling interval of the hours saved in the central case.",
        target=staffed.target(run),
    )
    rows = []
    for cell in cells:
        paid, saved = staffed.hours(run, cell)
        between = "–"
        if saved.sampling:
            low, high = (bare(figure.text) for figure in saved.sampling)
            between = say("{low} to {high}", low=low, high=high)
        rows.append(
            [
                clipped(cell[0], STAGE_COLUMNS),
                clipped(cell[1], CANDIDATE_COLUMNS),
                *(three(bounds, HOURS_COLUMNS) for bounds in (paid, saved)),
                between,
            ]
        )
    heads = [
        say("Stage"), say("Candidate"), say("Paid hours"), say("Hours saved"), say("Interval"),
    ]  # fmt: skip
    return ["## " + say("Staffing"), "", *wording.wrap(words, COLUMNS), "", *table(heads, rows), ""]


def labels(run: Run) -> list[str]:
    """What labels say of each candidate's conversations, at the stage that is asked for next."""
    cells = support.shown_cells(run)
    metrics = support.shown_metrics(run, cells)
    remarks = support.remarks(run, cells)
    if not metrics and not remarks:
        return []
    lines = ["## " + say("What the labels say of the conversations"), ""]
    if metrics:
        words = say(
            "Per cent of the conversations concerned, {where}: estimate, 95 % interval, and of how "
            "many labelled conversations it is known. †: a harm, the less the better. Definitions, "
            "other stages and segments: {page}.",
            where=support.where(cells),
            page="`report.html`" if spoken() == ENGLISH else f"`report.{spoken()}.html`",
        )
        lines += [*wording.wrap(words, COLUMNS), ""]
    for start in range(0, len(metrics), METRICS_A_TABLE):
        here = metrics[start : start + METRICS_A_TABLE]
        rows = []
        for cell in cells:
            found = support.measured(run, cell)
            told = [_measured(found.get(metric)) for metric in here]
            if any(text != "–" for text in told):
                rows.append([clipped(cell[1], CANDIDATE_COLUMNS), *told])
        heads = [say("Candidate"), *(support.head(metric) for metric in here)]
        lines += [*table(heads, rows, names=1), ""]
    for text in remarks:
        lines += [*wording.wrap(wording.markdown(text), COLUMNS), ""]
    return lines


def _measured(one: support.Measured | None) -> str:
    if one is None or one.low is None or one.high is None:
        return "–"
    found = [one.estimate, one.low, one.high]
    middle, low, high = (bare(figure.text) for figure in found)
    full = f"{middle} [{low}, {high}] {one.n.text}"
    if wording.width(full) <= METRIC_COLUMNS:
        return full
    middle, low, high = (_whole(figure) for figure in found)
    return f"{middle} [{low}, {high}] {one.n.text}"


def _whole(share: Figure) -> str:
    """A share in whole per cent; never a false zero or certainty."""
    if share.value is None:
        return "–"
    if 0 < share.value < 0.005:
        return "<1"
    return ">99" if 0.995 <= share.value < 1 else f"{100 * share.value:.0f}"
