"""A comparison as the terminal shows it: in 100 columns, as Markdown, the answer first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, groupby, zip_longest
from typing import Any

import polars as pl

from simulator.reports import comparison, wording
from simulator.reports import comparison_words as words
from simulator.reports.comparison import Compared
from simulator.reports.lined import COLUMNS, bullet, clipped, table
from simulator.schema import ACTIONS
from simulator.schema.comparison import NO_DECISION

NAME_COLUMNS, SLICE_COLUMNS, METRIC_COLUMNS = 15, 26, 30
CLIPPED_LINES = 2


def text(one: Compared) -> str:
    """The comparison, whole: what anybody reads before the page is opened."""
    lines = [f"# {wording.clip(wording.markdown(one.title), COLUMNS - 2)}", ""]
    for part in (
        _answer,
        _metrics,
        _matrices,
        _slices,
        _measured,
        _desk,
        _disagreements,
        _remarks,
    ):
        lines += part(one)
    return "\n".join(lines).rstrip() + "\n"


def _paragraph(words_: str) -> list[str]:
    return [*wording.wrap(words_, COLUMNS), ""]


def _answer(one: Compared) -> list[str]:
    lines = _paragraph(f"**{_escaped(comparison.headline(one))}**")
    lines += _at_a_glance(one)
    if one.chosen:
        lines += _paragraph(_escaped(one.chosen))
    if one.synthetic:
        lines += _paragraph(
            "**Synthetic sample.** These conversations were generated. The numbers show what the "
            "tool does; they say nothing about your operation."
        )
    lines += _paragraph(comparison.basis(one, _escaped))
    for verdict in comparison.verdicts(one):
        said = " ".join(comparison.sentences(one, verdict))
        lines += bullet(f"**{_escaped(one.shown[verdict.pair[0]])}**: {said}")
    return [*lines, ""]


# What a reader picks a candidate by, on one screen.
_GLANCE = (
    ("risky_promise", "Promises"),
    ("high_risk_left_to_people", "Caught"),
    ("needless_escalation", "Needless"),
    ("over_answer", "Over-answers"),
    ("as_called_for", "Right"),
)


def _at_a_glance(one: Compared) -> list[str]:
    """Own shares, a row a candidate; a mark where one is better or worse than its yardstick."""
    columns = [(head, rows) for metric, head in _GLANCE if (rows := _one_source(one, metric))]
    if not columns:
        return []
    cells = [
        [
            clipped(one.shown[pair[0]], NAME_COLUMNS),
            *(_marked(one, r.get(pair)) for _, r in columns),
        ]
        for pair in (verdict.pair for verdict in comparison.verdicts(one))
    ]
    if not one.across_runs and len({theirs for _, theirs in one.pairs}) == 1:
        # Where labels of replies decide, each pair has points of its own.
        own = [
            {words.value(row["metric"], row["of_theirs"]) for row in rows.values()}
            for _, rows in columns
        ]
        base = [share.pop() if len(share) == 1 else "varies" for share in own]
        cells.insert(0, [clipped(one.yardstick, NAME_COLUMNS), *base])
    signs = "+ better, − worse beyond the tolerance, (−) worse by more than chance; else not told "
    by = wording.listed(
        [
            f"{head} {words.FOUND_BY[row['source']]}{words.share_of(row)}"
            for head, row in ((head, next(iter(rows.values()))) for head, rows in columns)
        ]
    )
    drawn = table(["", *(head for head, _ in columns)], cells, names=1)
    return [*drawn, "", *_paragraph(f"{by}. {signs}apart.")]


def _one_source(one: Compared, metric: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Overall rows of a metric by pair, of the one source that knows most pairs."""
    found: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}
    for row in one.overall:
        if row["metric"] == metric:
            found.setdefault(row["source"], {})[row["ours"], row["theirs"]] = row
    return max(found.values(), key=len, default={})


def _marked(one: Compared, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    marks = {"better": " +", "worse": " −", "slightly worse": " (−)"}
    mark = marks.get(words.finding(row, one.tolerance), "")
    return f"{words.value(row['metric'], row['of_ours'])}{mark}"


def _escaped(words_: str) -> str:
    return wording.markdown(words_)


def _metrics(one: Compared) -> list[str]:
    asked = [row for row in one.overall if row["metric"] not in words.MEASURED]
    if not asked:
        return []
    seen = {row["metric"] for row in asked if row["of_ours"] or row["of_theirs"]}
    shown = [row for row in asked if row["metric"] in seen]
    never = dict.fromkeys(words.known(r["metric"]).label for r in asked if r["metric"] not in seen)
    beside = "itself before" if one.across_runs else one.yardstick
    unlike = {row["source"] for row in shown if row["metric"] == "over_answer"} > {"labels"}
    lead = (
        f"Each candidate beside {_escaped(beside)}, {one.where}: the difference with its "
        f"{100 * one.confidence:g} % interval, in percentage points. *Worse*: by more than the "
        f"tolerance of {100 * one.tolerance:g}, and than chance. *A bit worse*: by more than "
        "chance. *No worse*: the interval ends within the tolerance. *Alike*: no difference was "
        "seen, in too few to rule one out. *Open*: none of these is shown."
        + (f" Not shown, since nobody had any: {wording.listed(list(never))}." if never else "")
        + (
            " Over-answers by labels are shares of the points where risk is high or information "
            "is lacking; by the rules judge, of all replies."
            if unlike
            else ""
        )
    )
    return ["## Decisions, promises and tone", "", *_paragraph(lead), *_differences(one, shown)]


def _differences(one: Compared, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = ["", "n", "Own", "Before" if one.across_runs else "Base", "Difference", "Finding"]
    cells: list[list[str]] = []
    for _, group in groupby(rows, key=lambda row: (row["metric"], row["source"])):
        mine = list(group)
        metric, better = mine[0]["metric"], mine[0]["better"]
        way = {"lower": "; less is better", "higher": "; more is better"}.get(better or "", "")
        name = f"{words.known(metric).label} ({words.SHORT.get(mine[0]['source'], '?')})"
        cells.append([name, "", "", "", f"{words.unit(metric)}{way}", ""])
        for row in mine:
            middle, between = words.parts(metric, row)
            cells.append(
                [
                    f"- {clipped(one.shown[row['ours']], NAME_COLUMNS)}",
                    f"{row['n']:,}",
                    words.value(metric, row["of_ours"]),
                    words.value(metric, row["of_theirs"]),
                    f"{middle} ({between})" if between else middle,
                    words.finding(row, one.tolerance).replace("slightly", "a bit"),
                ]
            )
    return [*_fitted(heads, cells, words_last=True), ""]


def _fitted(
    heads: Sequence[str], cells: Sequence[list[str]], *, names: int = 1, words_last: bool = False
) -> list[str]:
    """A table of which the first column gives way, where the numbers would not fit."""
    sizes = [max(3, *(wording.width(row[i]) for row in [heads, *cells])) for i in range(len(heads))]
    room = COLUMNS - 4 - sum(size + 3 for size in sizes[1:])
    fitted = [[wording.clip(row[0], max(room, 3)).rstrip("\\"), *row[1:]] for row in cells]
    return table(heads, fitted, names=names, words_last=words_last)


def _matrices(one: Compared) -> list[str]:
    rows = one.decision_matrix.filter(pl.col("against") == "labels")
    lines = ["## What was called for, and what was done", ""]
    if rows.is_empty():
        lines += _paragraph(
            "No label says what a point called for, so nobody can set decisions against it."
        )
    else:
        lines += _paragraph(
            "Labelled points, counted as they are; the shares above weigh them by how they were "
            "drawn. A row: what the labels call for; a column: what the candidate did."
        )
        did = [*ACTIONS, *([NO_DECISION] if rows["did"].is_in([NO_DECISION]).any() else [])]
        cells = []
        for (candidate,), part in rows.group_by("candidate", maintain_order=True):
            counts = {(c, d): n for c, d, n in part.select("called_for", "did", "n").iter_rows()}
            for called in ACTIONS:
                numbers = [counts.get((called, done), 0) for done in did]
                if any(numbers):
                    name = clipped(one.shown.get(str(candidate), str(candidate)), NAME_COLUMNS + 8)
                    cells.append([name, called, *(f"{n:,}" if n else "·" for n in numbers)])
        lines += [*table(["Candidate", "Called for", *did], cells), ""]
    alike = [
        f"{_escaped(one.shown.get(name, name))} {words.value('as_called_for', same / n)} of {n:,}"
        for name, same, n in comparison.agreement(one, "incumbent")
        if n
    ]
    if alike:
        lines += _paragraph(
            "As a description only, since an agent's habit is no yardstick: the same action as the "
            f"agent of the log was taken by {wording.listed(alike)} points."
        )
    return lines


def _slices(one: Compared) -> list[str]:
    if not one.slices:
        return []
    lines = ["## Slices", "", *_paragraph(_escaped(comparison.show_slices(one)))]
    shown = (("Got worse", comparison.got_worse(one)), ("Got better", comparison.got_better(one)))
    for title, rows in shown:
        if not rows:
            continue
        heads = [title, "In", "Candidate", "Difference, points"]
        cells = [
            [
                clipped(
                    str(row["slice"]) if row["by"] == "intent" else words.place(row), SLICE_COLUMNS
                ),
                wording.clip(
                    f"{words.known(row['metric']).label} ({words.SHORT[row['source']]})",
                    METRIC_COLUMNS,
                ),
                clipped(one.shown[row["ours"]], NAME_COLUMNS),
                _with_interval(row),
            ]
            for row in rows[: one.top]
        ]
        lines += [*_fitted(heads, cells, names=3), ""]
        if len(rows) > one.top:
            lines += _paragraph(
                f"And {len(rows) - one.top:,} more: `differences.csv` has them all."
            )
    return lines


def _with_interval(row: Mapping[str, Any]) -> str:
    middle, between = words.parts(row["metric"], row)
    return f"{middle} ({between})" if between else middle


def _measured(one: Compared) -> list[str]:
    rows = [row for row in one.overall if row["metric"] in words.MEASURED]
    lines = ["## Tokens, latency and cost a reply", ""]
    if not rows and not one.of_a_reply:
        words_ = "Tokens, seconds and money a reply are not known of both sides of any pair."
        return [*lines, *_paragraph(words_)]
    if rows:
        lines += _differences(one, rows)
    if one.of_a_reply:
        lines += _paragraph(
            f"Of the replies that the stage would have had, central case; money in {one.currency}."
        )
        heads = ["", "Candidate", "Stage", "Own", "Before" if one.across_runs else "Base",
                 "Difference"]  # fmt: skip
        cells = [
            [
                words.known(row["metric"]).label,
                clipped(one.shown[row["ours"]], NAME_COLUMNS),
                clipped(wording.stage_label(row["stage"]), NAME_COLUMNS),
                words.value(row["metric"], row["of_ours"]),
                words.value(row["metric"], row["of_theirs"]),
                _with_interval(row),
            ]
            for row in one.of_a_reply
        ]
        lines += [*table(heads, cells, names=3), ""]
    return lines


def _desk(one: Compared) -> list[str]:
    central = one.desk_differences.filter(pl.col("bound") == "central")
    lines = ["## Load on the desk", ""]
    if central.is_empty():
        return [
            *lines,
            *_paragraph("No stage was simulated with both sides of a pair: nothing to compare."),
        ]
    metrics = [m for m in words.DESK_HEADS if central["metric"].is_in([m]).any()]
    lines += _paragraph(
        "A simulated day, the same for both; central case. It describes what a difference means "
        "for people at the desk, and decides nothing. More metrics and bounds: "
        "`desk_differences.csv`."
    )
    found = {
        (row["stage"], row["ours"], row["theirs"], row["metric"]): row
        for row in central.iter_rows(named=True)
    }
    cells = []
    for stage in one.stages:
        for pair in one.pairs:
            rows = [found.get((stage, *pair, metric)) for metric in metrics]
            if any(rows):
                cells.append(
                    [
                        clipped(wording.stage_label(stage), 13),
                        clipped(one.shown[pair[0]], NAME_COLUMNS),
                        *("–" if row is None else _with_interval(row) for row in rows),
                    ]
                )
    heads = ["Stage", "Candidate", *(words.DESK_HEADS[m].format(one.currency) for m in metrics)]
    drawn = table(heads, cells)
    if wording.width(drawn[0]) > COLUMNS:
        # The differences of a large desk, without their intervals.
        drawn = table(heads, [[cell.partition(" (")[0] for cell in row] for row in cells])
    return [*lines, *drawn, ""]


def _disagreements(one: Compared) -> list[str]:
    if one.disagreements.is_empty():
        return ["## Where they disagree most", "", *_paragraph("Nowhere: no point is on record.")]
    parts = [
        one.disagreements.filter((pl.col("ours") == ours) & (pl.col("theirs") == theirs))
        .sort("place")
        .to_dicts()
        for ours, theirs in one.pairs
    ]
    # The worst of each pair in turn, so that one pair does not fill the page.
    worst = [row for row in chain.from_iterable(zip_longest(*parts)) if row is not None]
    lines = [
        "## Where they disagree most",
        "",
        *_paragraph("Clipped to fit; `comparison.html` has the words whole."),
    ]
    for row in worst[: one.top]:
        about = [f"conversation {row['conversation_id']}"]
        about += [] if row["turn"] is None else [f"turn {row['turn']}"]
        about += [str(row[name]) for name in ("intent", "language") if row[name]]
        lines += bullet(f"**{_escaped(row['why'])}** ({_escaped(', '.join(about))})")
        theirs = "before" if one.across_runs else one.yardstick
        for who, action, said in (
            ("Customer", None, row["said"]),
            (one.shown[row["ours"]], row["our_action"], row["our_reply"] or row["our_evidence"]),
            (theirs, row["their_action"], row["their_reply"] or row["their_evidence"]),
        ):
            if said or action:
                lines += _quoted(who, action, said)
    return [*lines, ""]


def _quoted(who: str, action: str | None, said: str | None) -> list[str]:
    name = f"  {clipped(who, NAME_COLUMNS + 10)}{f' ({action})' if action else ''}: "
    # No more is wrapped than can be shown: a reply may be a megabyte.
    room = (COLUMNS - 4) * CLIPPED_LINES - wording.width(name)
    shown = wording.clip(_escaped((said or "no reply")[: 2 * COLUMNS * CLIPPED_LINES]), room)
    lines = wording.wrap(name.lstrip() + shown.rstrip("\\"), COLUMNS - 2, indent="  ")
    return [f"  {line}" for line in lines]


def _remarks(one: Compared) -> list[str]:
    if not one.remarks:
        return []
    lines = ["## What to keep in mind", ""]
    for remark in one.remarks:
        lines += bullet(_escaped(remark))
    return [*lines, ""]
