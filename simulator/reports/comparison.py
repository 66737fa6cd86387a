"""A comparison as a reader meets it: what it found, first in words, and its files.

It says which candidate is worse than what it was set against, in what and on whose word, what is
better, and what nobody can say yet. Simulated days at the desk never decide; they are described.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from simulator.reports import comparison_words as words
from simulator.reports import spreadsheets, wording
from simulator.store import write_bytes

# What is worth asking of every reply, and only people can answer.
ASKED_OF_LABELS = (
    "risky_promise",
    "high_risk_left_to_people",
    "missed_escalation",
    "needless_escalation",
    "over_answer",
)
TABLES = ("differences", "disagreements", "decision_matrix", "desk_differences")
_SYNTHETIC = "synthetic"
_NAMED = 3


@dataclass(frozen=True)
class Compared:
    """What was compared, and what came of it.

    Attributes:
        title: what the page is about: the run's name, or those of both runs.
        pairs: (ours, theirs), as the tables name them.
        shown: the short name of each, for headings and columns.
        yardstick: what ours are set against, in a word: the baseline's name, or "before".
        across_runs: whether candidates are set against themselves before, at the same points.
        tolerance, confidence: as asked for; shares.
        top: how many slices and points are shown at once.
        stages: of the rollout, up the ladder.
        labelled_by: how many points each labeller labelled, the most first; ``synthetic`` are
            labels drawn from the truth of a generated history.
        remarks: what a reader must know, in whole sentences.
        chosen: how the yardstick was come by, where nobody named it; a sentence.
    """

    title: str
    pairs: tuple[tuple[str, str], ...]
    shown: Mapping[str, str]
    yardstick: str
    across_runs: bool
    tolerance: float
    confidence: float
    top: int
    currency: str
    synthetic: bool
    stages: tuple[str, ...]
    labelled_by: Mapping[str, int]
    differences: pl.DataFrame
    decision_matrix: pl.DataFrame
    disagreements: pl.DataFrame
    desk_differences: pl.DataFrame
    remarks: tuple[str, ...]
    chosen: str = ""

    @cached_property
    def where(self) -> str:
        """What is paired, in words."""
        if self.differences["unit"].is_in(["point"]).any():
            return "at the same points"
        return "in the conversations that both held, not turn by turn"

    @cached_property
    def overall(self) -> list[dict[str, Any]]:
        """Differences over everything, in the order in which metrics are shown."""
        order = {name: place for place, name in enumerate(words.METRICS)}
        source = {name: place for place, name in enumerate(words.FOUND_BY)}
        rows = self.differences.filter(pl.col("by") == "all").to_dicts()
        return sorted(
            rows, key=lambda row: (order.get(row["metric"], 99), source.get(row["source"], 9))
        )

    @cached_property
    def slices(self) -> list[dict[str, Any]]:
        """Differences by slice, those that got worse first, without tokens and seconds."""
        rows = self.differences.filter(
            (pl.col("by") != "all") & ~pl.col("metric").is_in(list(words.MEASURED))
        )
        return rows.to_dicts()

    @cached_property
    def of_a_reply(self) -> list[dict[str, Any]]:
        """What a reply of the bot takes at the highest stage that both reached, central case."""
        rows = self.desk_differences.filter(
            pl.col("metric").is_in(list(words.OF_A_REPLY)) & (pl.col("bound") == "central")
        ).to_dicts()
        last = {(row["ours"], row["theirs"], row["metric"]): row for row in sorted(
            rows, key=lambda row: self.stages.index(row["stage"])
        )}  # fmt: skip
        return [
            found
            for metric in words.OF_A_REPLY
            for pair in self.pairs
            if (found := last.get((*pair, metric))) and found["of_ours"] is not None
        ]

    @property
    def regressed(self) -> bool:
        """Whether any overall difference that decides is worse beyond the tolerance."""
        return any(row["worse"] for pair in self.pairs for row in surest(self, pair))

    def of_pair(self, pair: tuple[str, str]) -> list[dict[str, Any]]:
        """Overall differences of one pair."""
        return [row for row in self.overall if (row["ours"], row["theirs"]) == pair]


@dataclass(frozen=True)
class Verdict:
    """A pair in words. Each list holds rows of ``differences`` over everything.

    ``missing``: metrics that labels alone can give, and that they do not.
    """

    pair: tuple[str, str]
    worse: list[dict[str, Any]]
    slightly: list[dict[str, Any]]
    better: list[dict[str, Any]]
    open: list[dict[str, Any]]
    missing: list[str]


def verdicts(one: Compared) -> list[Verdict]:
    """What each pair comes to; those with something worse first."""
    found = []
    for pair in one.pairs:
        rows = one.of_pair(pair)
        decisive = surest(one, pair)
        by = {name: [r for r in decisive if words.finding(r, one.tolerance) == name]
              for name in ("worse", "slightly worse", "better", "open")}  # fmt: skip
        # Replies that are alike need no label to be so.
        labelled = {row["metric"] for row in rows if row["source"] == "labels"}
        points = any(row["unit"] == "point" for row in rows) or bool(labelled)
        missing = [name for name in ASKED_OF_LABELS if points and name not in labelled]
        found.append(
            Verdict(
                pair,
                by["worse"],
                by["slightly worse"],
                by["better"],
                [row for row in by["open"] if words.known(row["metric"]).kind == "rate"],
                missing,
            )
        )
    return sorted(found, key=lambda verdict: -len(verdict.worse))


def surest(one: Compared, pair: tuple[str, str]) -> list[dict[str, Any]]:
    """Overall differences of a pair that decide: one a metric, no measured ones.

    The rules judge's does where labels settle nothing; where they do, it may only err. What is
    said of replies is not said once more of conversations.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in one.of_pair(pair):
        name = str(row["metric"]).removesuffix("_conversation")
        if row["metric"] in words.MEASURED:
            continue
        kept = found.get(name)
        if kept is None or (_settles(one, row), _rank(row)) > (_settles(one, kept), _rank(kept)):
            found[name] = row
    return list(found.values())


def _settles(one: Compared, row: Mapping[str, Any]) -> bool:
    return words.finding(row, one.tolerance) not in ("open", "alike", "–")


def _rank(row: Mapping[str, Any]) -> tuple[bool, bool]:
    return row["source"] == "labels", not str(row["metric"]).endswith("_conversation")


def unjudged(one: Compared) -> list[str]:
    """What nothing at all is known of, in words: neither by labels nor by a judge."""
    known = {(row["ours"], row["theirs"], row["metric"]) for row in one.overall}
    return [
        words.known(name).label.lower()
        for name in ASKED_OF_LABELS
        if one.differences["unit"].is_in(["point"]).any()
        and any((*pair, name) not in known for pair in one.pairs)
    ]


def headline(one: Compared) -> str:
    """The answer in one sentence, or two: what could not be judged is no good news."""
    beyond = f"beyond the tolerance of {words.points(one.tolerance)}"
    bad = [one.shown[v.pair[0]] for v in verdicts(one) if v.worse]
    if bad:
        verb = "is" if len(bad) == 1 else "are"
        return f"{wording.listed(bad)} {verb} worse than {one.yardstick} in something, {beyond}."
    unknown = unjudged(one)
    but = f" Nobody can say anything of {wording.listed(unknown)}." if unknown else ""
    if one.across_runs:
        return f"Nothing is shown to have got worse {beyond}.{but}"
    return f"Nothing is shown to be worse than {one.yardstick} {beyond}.{but}"


def sentences(one: Compared, verdict: Verdict) -> list[str]:
    """What a pair comes to, a sentence a finding.

    What labels say is not said once more by the rules judge, nor of conversations what is said of
    replies; the tables have all of it.
    """
    said = []
    if verdict.worse:
        said.append(f"Worse in {_with_values(verdict.worse)}.")
    else:
        said.append("Not shown to be worse in anything, beyond the tolerance.")
    if verdict.slightly:
        said.append(
            "Worse by more than chance, but not shown to be beyond the tolerance, in "
            f"{_with_values(verdict.slightly)}."
        )
    if verdict.better:
        said.append(f"Better in {_with_values(verdict.better)}.")
    if verdict.open:
        names = wording.listed([words.inside(row) for row in verdict.open])
        said.append(f"Not settled either way: {names}.")
    if verdict.missing:
        names = wording.listed([words.known(name).label.lower() for name in verdict.missing])
        said.append(f"For want of labels that hold for both, no label speaks of {names}.")
    return said


def _with_values(rows: Sequence[Mapping[str, Any]]) -> str:
    """Each with its numbers; whose word it is stands once for all that it holds for."""
    told = []
    for source, spoken in words.FOUND_BY.items():
        mine = [row for row in rows if row["source"] == source]
        if mine:
            named = [
                f"{words.known(row['metric']).label.lower()} "
                f"({words.value(row['metric'], row['of_ours'])} against "
                f"{words.value(row['metric'], row['of_theirs'])}{words.share_of(row)})"
                for row in mine
            ]
            told.append(f"{wording.listed(named)}, {spoken}")
    return "; ".join(told)


def _whose(one: Compared, shown: Callable[[str], str]) -> str:
    """The labels there are and whose they are, in words: people's apart from a generated truth."""
    people = [(name, n) for name, n in one.labelled_by.items() if name != _SYNTHETIC]
    told = []
    if people:
        named = [f"“{shown(wording.clip(name, 60))}” ({n:,} points)" for name, n in people[:_NAMED]]
        others = len(people) - _NAMED
        told.append(f"labels by {wording.listed(named)}{f' and {others} more' * (others > 0)}")
    if _SYNTHETIC in one.labelled_by:
        told.append(
            "labels drawn from the truth of generated conversations, which no real log has "
            f"({one.labelled_by[_SYNTHETIC]:,} points)"
        )
    return ", and ".join(told)


def basis(one: Compared, shown: Callable[[str], str] = wording.visible) -> str:
    """On whose word the answer rests; ``shown`` makes a labeller's name fit to be shown."""
    sources = {row["source"] for pair in one.pairs for row in surest(one, pair) if row["worse"]}
    people = _whose(one, shown)
    judge = (
        "the rules judge, which errs: have people label replies of both (`shadowdesk audit draw`) "
        "before anything hangs on it"
    )
    if sources >= {"labels", "rules"}:
        return f"What is called worse rests on {people}; some of it on {judge}."
    if "labels" in sources:
        return f"What is called worse rests on {people}."
    if "rules" in sources:
        return f"What is called worse rests on no label: it is the word of {judge}."
    if "logged" in sources:
        return "What is called worse rests on the outcomes in the log."
    if all(row["source"] != "labels" for row in one.overall):
        return f"Nothing here rests on a label: the differences are the word of {judge}."
    return f"Differences by labels rest on {people}; the others on {judge}."


def got_worse(one: Compared) -> list[dict[str, Any]]:
    """Slices that got worse, the surest first."""
    return [row for row in one.slices if row["worse"]]


def got_better(one: Compared) -> list[dict[str, Any]]:
    """Slices that got better, by more than chance."""
    return [row for row in one.slices if words.finding(row, one.tolerance) == "better"]


def worse_by_candidate(one: Compared) -> list[tuple[str, int]]:
    """(short name, slices that got worse), the most first; those without any left out."""
    counted = [
        (one.shown[pair[0]], sum((r["ours"], r["theirs"]) == pair for r in got_worse(one)))
        for pair in one.pairs
    ]
    return sorted([(name, n) for name, n in counted if n], key=lambda found: -found[1])


def n_silent(one: Compared) -> int:
    """How many slices show nothing either way."""
    return len(one.slices) - len(got_worse(one)) - len(got_better(one))


def show_slices(one: Compared) -> str:
    """How many slices there are, and what they show; one sentence."""
    worse, better, silent = len(got_worse(one)), len(got_better(one)), n_silent(one)
    said = (
        f"Of {len(one.slices):,} slices tested (a slice, a metric and a pair each), {worse:,} got "
        f"worse, {better:,} got better, and {silent:,} show nothing beyond chance."
    )
    whose = worse_by_candidate(one)
    if len(one.pairs) == 1 or not whose:
        return said
    names = wording.listed([f"{name} in {n:,}" for name, n in whose])
    return f"{said} Worse: {names}."


def decisions(one: Compared, against: str) -> pl.DataFrame:
    """Rows of ``decision_matrix`` against ``labels`` or ``incumbent``, it itself left out."""
    rows = one.decision_matrix.filter(pl.col("against") == against)
    if against == "incumbent":
        # It takes its own actions always.
        rows = rows.filter(~pl.col("candidate").str.contains(r"^human( \(.*\))?$"))
    return rows


def agreement(one: Compared, against: str) -> list[tuple[str, int, int]]:
    """(candidate, decisions alike, decisions known) against ``labels`` or ``incumbent``."""
    counted = (
        decisions(one, against)
        .group_by("candidate", maintain_order=True)
        .agg(
            pl.col("n").filter(pl.col("called_for") == pl.col("did")).sum().alias("alike"),
            pl.col("n").sum(),
        )
    )
    return list(counted.iter_rows())


def answer_json(one: Compared) -> dict[str, Any]:
    """Everything as JSON values: the answer, then the tables row by row."""
    found = verdicts(one)
    return {
        "title": one.title,
        "pass": not one.regressed,
        "tolerance": one.tolerance,
        "confidence": one.confidence,
        "answer": [headline(one), basis(one)],
        "pairs": [
            {
                "ours": verdict.pair[0],
                "theirs": verdict.pair[1],
                "says": sentences(one, verdict),
            }
            for verdict in found
        ],
        **{name: getattr(one, name).to_dicts() for name in TABLES},
        "remarks": list(one.remarks),
    }


def write(one: Compared, folder: Path) -> None:
    """Write ``comparison.html`` and the tables as CSV into ``folder``, each whole or not at all.

    Raises:
        RunError: the folder or a file cannot be written.
    """
    # Only a page needs jinja2 and matplotlib.
    from simulator.reports.comparison_page import page

    for name in TABLES:
        text = spreadsheets.csv(getattr(one, name))
        write_bytes(folder / f"{name}.csv", text.encode())
    write_bytes(folder / "comparison.html", page(one).encode("utf-8", "replace"))
