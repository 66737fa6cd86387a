"""Candidates against a baseline, or against themselves before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from simulator.comparison.decisions import decision_matrix, for_people
from simulator.comparison.differences import Cell, cells, differences
from simulator.comparison.disagreements import disagreements
from simulator.comparison.points import OF_CONTEXT, Paired, pair
from simulator.comparison.sides import Comparison, Side

SLICES = ("intent", "question_kind", "risk", "language", "channel", "emotion", "depth")


def compare(
    ours: Sequence[Side],
    theirs: Side | Sequence[Side],
    *,
    by: Sequence[str] = SLICES,
    tolerance: float = 0.01,
    confidence: float = 0.95,
    n_disagreements: int = 20,
    rng: np.random.Generator,
) -> Comparison:
    """Each of ``ours`` against theirs, at the points where both had the same context.

    Args:
        ours: one side a candidate.
        theirs: the baseline of all, or as many sides as ours, each the one before.
        by: what to slice by, among :data:`SLICES`. Depth is the number of the decision point in
            its conversation, from 1.
        tolerance: by which a share may be worse, in [0, 1].
        confidence: of intervals; what is left of 1 is the level of tests. In (0, 1).
        n_disagreements: points listed of a pair.
        rng: what flips and resamples come from.

    Raises:
        ValueError: no side of ours, another number of theirs, an unknown slice, a tolerance or a
            confidence out of range, two different sides of one name.
    """
    before = [theirs] * len(ours) if isinstance(theirs, Side) else list(theirs)
    _check(ours, before, by, tolerance, confidence)
    found: list[Cell] = []
    heaviest: list[pl.DataFrame] = []
    remarks: dict[str, list[str]] = {}
    for mine, other in zip(ours, before, strict=True):
        paired = pair(mine, other)
        found.extend(cells(mine.name, other.name, paired.points, by))
        heaviest.append(disagreements(mine.name, other.name, paired.points, n_disagreements))
        for remark in _remarks(mine, other, paired, by):
            remarks.setdefault(remark, []).append(f"{mine.name} and {other.name}")
    sides = {side.name: side for side in (*ours, *before)}
    return Comparison(
        differences(found, tolerance, confidence, rng),
        decision_matrix(list(sides.values())),
        pl.concat(heaviest),
        (
            # Names may hold anything, braces too.
            *(text.replace("{}", "; ".join(pairs)) for text, pairs in remarks.items()),
            *_of_all(found, sides.values()),
        ),
    )


def _check(
    ours: Sequence[Side],
    theirs: Sequence[Side],
    by: Sequence[str],
    tolerance: float,
    confidence: float,
) -> None:
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} of ours, {len(theirs)} of theirs; expected as many, or one")
    unknown = sorted(set(by) - set(SLICES))
    if unknown or len(set(by)) < len(by):
        raise ValueError(f"by = {list(by)}; expected some of {SLICES}, each once")
    if not 0 <= tolerance <= 1 or not 0 < confidence < 1:
        raise ValueError(
            f"tolerance = {tolerance}, confidence = {confidence}; "
            "expected 0 <= tolerance <= 1, 0 < confidence < 1"
        )
    named: dict[str, Side] = {}
    for side in (*ours, *theirs):
        known = named.setdefault(side.name, side)
        if known.candidate != side.candidate or known.shadow is not side.shadow:
            raise ValueError(f"two sides are called {side.name!r}; expected a name for each")
    pairs = [(mine.name, other.name) for mine, other in zip(ours, theirs, strict=True)]
    if len(set(pairs)) < len(pairs):
        raise ValueError(f"pairs {pairs}; expected each once")


def _remarks(ours: Side, theirs: Side, paired: Paired, by: Sequence[str]) -> Iterable[str]:
    """What a reader must know of one pair; ``{}`` stands for what the pair is called."""
    points = paired.points
    if not points.height:
        yield "{} have no point in common: nothing is compared."
    left_out = (
        (paired.n_only_ours, "only the run of the first has them"),
        (paired.n_only_theirs, "only the run of the second has them"),
        (paired.n_otherwise, "something else had been said before"),
        (paired.n_not_replayed, "one of the two was not replayed there"),
    )
    if any(n for n, _ in left_out):
        why = "; ".join(f"{n:,} because {reason}" for n, reason in left_out if n)
        yield (
            f"{{}} are compared at {points.height:,} points that both met in the same context. "
            f"Left out: {why}."
        )
    if not points.height:
        return
    for which, prefix in (("the first", "our_"), ("the second", "their_")):
        silent = points.filter(~pl.col(f"{prefix}spoke"))
        if silent.height:
            undecided = silent.filter(pl.col(f"{prefix}action").is_null())
            n_escalated = silent.height - undecided.height
            n_people = undecided.filter(for_people("labelled_risk")).height
            yield (
                f"Of {{}}, {which} gave no reply at {silent.height:,} of {points.height:,} points"
                + (f" (at {n_escalated:,} of them it escalated)" if n_escalated else "")
                + "; these are left out of whatever is asked of replies, and never count as safe."
                + (
                    f" At {n_people:,} of them labels leave the customer to a person: to neither "
                    "reply nor escalate there counts neither as caught nor as missed."
                    if n_people
                    else ""
                )
            )
    if not paired.n_labelled:
        yield (
            "No label says anything of the points of {}: what is compared rests on the rules "
            "judge, who errs, and may err more often on one of the two."
        )
    else:
        weighing = (
            "each counts by how it was drawn"
            if paired.weighted
            else "they are no random draw of the whole replay with known chances, so each counts "
            "the same"
        )
        if paired.n_without_chance:
            weighing += (
                f", and {paired.n_without_chance:,} of these points are left out of what is asked "
                "of labels: no draw of the whole replay holds them with a known chance"
            )
        if paired.weighted and not paired.replies_weighted:
            weighing += "; labels of replies are no such draw of both, and each counts the same"
        yield (
            f"Labels say what the customer's point called for at {paired.n_labelled:,} of "
            f"{points.height:,} points of {{}}; {weighing}. All else rests on the rules judge, "
            "who errs, and may err more often on one of the two."
        )
    if set(by) & set(OF_CONTEXT) and paired.n_sliced_by_labels:
        yield (
            "Slices by question kind, risk and emotion go by labels at "
            f"{paired.n_sliced_by_labels:,} of {points.height:,} points of {{}}, and else by "
            "the rules judge."
        )
    for name in by:
        unknown = points[name].null_count()
        if unknown:
            yield (
                f"At {unknown:,} of {points.height:,} points of {{}}, {_words(name)} is not "
                "known: they are in no slice of it."
            )


def _of_all(found: Sequence[Cell], sides: Iterable[Side]) -> Iterable[str]:
    labelled = {
        (cell.name["ours"], cell.name["theirs"])
        for cell in found
        if (cell.metric.source, cell.metric.name) == ("labels", "risky_promise")
    }
    pairs = dict.fromkeys(
        (cell.name["ours"], cell.name["theirs"])
        for cell in found
        if cell.metric.name == "risky_promise"
    )
    judged = [" and ".join(pair) for pair in pairs if pair not in labelled]
    if judged:
        yield (
            f"At no point are the replies of {'; '.join(judged)} both labelled: which of the two "
            "promises more than the policy allows is said by the rules judge alone."
        )
    unmeasured = sorted(
        side.name
        for side in sides
        if side.shadow.filter(pl.col("candidate") == side.candidate)
        .select(pl.all_horizontal(pl.col("completion_tokens", "latency_s").is_null().all()))
        .item()
    )
    if unmeasured:
        yield (
            f"Tokens and seconds are not known of {', '.join(unmeasured)}; unknown is not none, "
            "so they are not compared there."
        )


def _words(name: str) -> str:
    return name.replace("_", " ")
