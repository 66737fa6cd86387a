"""Two agents whose conversations went their own way, set side by side by conversation.

Agents of a benchmark work on the same tasks, but the customer of each answers that agent: after
the first reply that differs, the two conversations have nothing in common but what they are about.
A turn of one is no answer to anything said in the other, so nothing is paired by turn. What is
paired is the conversation, by its name: how it ended, how long it took, and whether anything was
said in it that should not have been.

Why clusters
    Several trials of one task fail or succeed together. Where names say that they are trials
    (``task-N-trial-K``, as the importer of tau2-bench writes them), the task is what is flipped,
    drawn and counted; else the conversation.

Why three kinds of interval
    With fewer than ten clusters that differ the percentile bootstrap is too short, and with none it
    has no width. Then, for yes or no in conversations that stand for themselves, exact bounds of
    the two shares that differ are joined; for all else Student's t by clusters from five that
    differ on, and below that none is given.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from simulator import tables
from simulator.comparison.sides import Comparison, Side
from simulator.evidence.intervals import Interval, clopper_pearson
from simulator.evidence.multiplicity import benjamini_hochberg, holm
from simulator.evidence.paired import bootstrap_interval, sign_flip

JUDGE = "rules"
_TRIAL = r"^(task-.*)-trial-\d+$"
_SLICES = ("intent", "language")
_SHOWN = 20
_FEW, _FEWER = 10, 5
_OUTCOMES = ("resolved", "escalated", "complained", "n_points")
_SAID = ("risky_promise", "compliance_breach", "over_answer")
_Reals = NDArray[np.float64]


class _Metric(NamedTuple):
    """``yes``, ``no``: how an outcome reads. ``weight``: of a conversation in which it differs."""

    name: str
    source: str
    better: str | None
    yes: str
    no: str
    weight: float


_METRICS = {
    "resolved": _Metric("resolved", "logged", "higher", "resolved", "not resolved", 2.0),
    "escalated": _Metric("escalated", "logged", None, "handed over", "not handed over", 1.0),
    "complained": _Metric("complained", "logged", "lower", "complained of", "no complaint", 2.0),
    "n_points": _Metric("n_points", "logged", None, "customer turns", "customer turns", 0.5),
    "risky_promise": _Metric(
        "risky_promise_conversation", "rules", "lower", "a risky promise", "no risky promise", 3.0
    ),
    "compliance_breach": _Metric(
        "compliance_breach_conversation", "rules", "lower",
        "a compliance breach", "no compliance breach", 3.0,
    ),
    "over_answer": _Metric(
        "over_answer_conversation", "rules", "lower", "an over-answer", "no over-answer", 1.0
    ),
    "labelled_risky_promise": _Metric(
        "risky_promise_conversation", "labels", "lower",
        "a risky promise by labels", "no risky promise by labels", 3.0,
    ),
}  # fmt: skip


def by_conversation(
    ours: Side,
    theirs: Side,
    *,
    tolerance: float = 0.01,
    confidence: float = 0.95,
    rng: np.random.Generator,
    supplied: Collection[str] = (),
) -> Comparison:
    """What differs between two candidates in conversations of the same name.

    Outcomes of the log (``resolved, escalated, complained``, and ``n_points``, customer turns) are
    a candidate's own only if the log's replies are, and are left out otherwise. Of replies, any in
    the conversation counts: a conversation is risky if one reply is. Points without a reply are
    passed over; a conversation without any reply, or with an unknown one and none that is bad, is
    not known. Labels are those of whole conversations or trajectories, where all agree.

    Args:
        ours, theirs: the candidates; two runs, or two candidates of one.
        tolerance: how much worse a share may be before it is called worse, in [0, 1).
        confidence: of intervals, and one less the level of the tests, in (0, 1).
        rng: what flips and draws come from.
        supplied: outcomes (columns of conversations) that a log lacked, so that they were drawn
            from an assumption; they say nothing of an agent, and are left out.

    Returns:
        ``differences`` of unit conversation, by all and, where there are several, by intent and
        language. Overall, ``p_adjusted`` is Holm's over all metrics, and ``worse`` is tested one by
        one against the tolerance, Holm again; in slices it is that of Benjamini and Hochberg over
        all of them. ``n_points`` and what has no good direction are never worse.
        ``decision_matrix`` is empty; ``disagreements`` are the conversations that differ most, in
        ``weight`` order: 3 for a risky promise (judged, labelled) or a breach that only one holds,
        2 for resolved and for complained, 1 for an over-answer or a handover, and up to .5 for
        their lengths. Both outcomes stand there in words, as evidence.

    Raises:
        ValueError: tolerance or confidence out of range.

    Sources: see :mod:`simulator.evidence.paired`; the exact test of yes or no is McNemar's.
    """
    if not 0 <= tolerance < 1 or not 0 < confidence < 1:
        raise ValueError(f"tolerance={tolerance}, confidence={confidence}; expected 0 <= t, c < 1")
    both = _outcomes(ours, supplied).join(
        _outcomes(theirs, supplied), on="conversation_id", suffix=":theirs"
    )
    both = both.sort("conversation_id").with_columns(
        pl.coalesce(pl.col("conversation_id").str.extract(_TRIAL, 1), "conversation_id").alias(
            "cluster"
        ),
        # What the two logs call differently belongs to no slice.
        *(
            pl.when(pl.col(by).eq_missing(pl.col(f"{by}:theirs"))).then(by).alias(by)
            for by in _SLICES
        ),
    )
    overall = _rows(both, "all", "all", confidence, tolerance, rng)
    slices = [
        row
        for by in _SLICES
        if both[by].n_unique() > 1
        for value in both[by].drop_nulls().unique().sort()
        for row in _rows(both.filter(pl.col(by) == value), by, value, confidence, None, rng)
    ]
    names = {"ours": ours.name, "theirs": theirs.name, "unit": "conversation"}
    rows = [*_decided(overall, 1 - confidence), *_explored(slices, 1 - confidence)]
    return Comparison(
        tables.build("differences", [names | row for row in rows]),
        tables.empty("decision_matrix"),
        _disagreements(ours, theirs, both),
        _remarks(ours, theirs, both, supplied),
    )


def _outcomes(side: Side, supplied: Collection[str]) -> pl.DataFrame:
    """One row a conversation that was replayed: what is known of it."""
    own = _held(side)
    of = pl.col("candidate") == side.candidate
    verdicts = side.verdicts.filter(of & (pl.col("judge") == JUDGE))
    said = (
        verdicts.filter((pl.col("unscored") != "no_reply").fill_null(True))
        .group_by("conversation_id")
        .agg(pl.col(_SAID).any(ignore_nulls=False))
    )
    labelled = (
        side.labels.filter(of & pl.col("unit").is_in(["conversation", "trajectory"]))
        .group_by("conversation_id")
        .agg(pl.col("risky_promise").drop_nulls().unique().alias("found"))
        .select(
            "conversation_id",
            pl.when(pl.col("found").list.len() == 1)
            .then(pl.col("found").list.first())
            .alias("labelled_risky_promise"),
        )
    )
    logged = side.conversations.select(
        "conversation_id",
        *_SLICES,
        *(
            pl.when(own and name not in supplied).then(name).alias(name)
            for name in ("resolved", "escalated", "complained")
        ),
    )
    points = side.decision_points.group_by("conversation_id").agg(
        pl.when(own).then(pl.len()).alias("n_points"),
        pl.col("text", "context_hash").sort_by("n_th"),
    )
    return (
        points.join(logged, on="conversation_id", how="left")
        .join(said, on="conversation_id", how="left")
        .join(labelled, on="conversation_id", how="left")
        .with_columns(pl.col(list(_METRICS)).cast(pl.Float64))
    )


def _held(side: Side) -> bool:
    """Whether the conversations are the candidate's own: it said what the log says was said."""
    replies = side.decision_points.join(
        side.shadow.filter(pl.col("candidate") == side.candidate),
        on=["conversation_id", "turn"],
        how="left",
        suffix=":shadow",
    )
    same = replies["reply"].eq_missing(replies["reply:shadow"]).all()
    return bool(same) and replies["reply"].is_not_null().any()


def _rows(
    both: pl.DataFrame,
    by: str,
    value: str,
    confidence: float,
    tolerance: float | None,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """A row for each metric that is known of a pair; p-values still one by one."""
    found = []
    for column, metric in _METRICS.items():
        known = both.select(
            "cluster", ours=pl.col(column), theirs=pl.col(f"{column}:theirs")
        ).drop_nulls()
        if known.is_empty():
            continue
        difference = known["ours"] - known["theirs"]
        summed = (
            known.with_columns(difference.alias("total"))
            .group_by("cluster", maintain_order=True)
            .agg(pl.col("total").sum(), pl.len().alias("count"))
        )
        totals, counts = summed["total"].to_numpy(), summed["count"].cast(pl.Float64).to_numpy()
        share = column != "n_points"
        interval = _interval(totals, counts, share, confidence, rng)
        alone = share and bool((counts == 1).all())
        test = "exact McNemar" if alone else "sign-flip of whole clusters"
        found.append(
            {"by": by, "slice": value, "metric": metric.name, "source": metric.source}
            | {"better": metric.better, "of_ours": known["ours"].mean()}
            | {"of_theirs": known["theirs"].mean(), "difference": difference.mean()}
            | {"low": interval.low, "high": interval.high, "p_value": sign_flip(totals, rng)}
            | {"n": known.height, "n_conversations": known.height}
            | {"n_excluded": both.height - known.height}
            | {"method": f"{test}; {interval.method}; {totals.size:,} clusters"}
        )
        if tolerance is not None and share and metric.better is not None:
            bad = totals if metric.better == "lower" else -totals
            found[-1]["p_worse"] = _beyond(bad - tolerance * counts, rng)
    return found


def _beyond(totals: _Reals, rng: np.random.Generator) -> float:
    """The one-sided p-value of a sum of ``totals`` that is above 0.

    Flips of all signs at once are as likely, so that it is half the two-sided one above 0.
    """
    return (sign_flip(totals, rng) or 1.0) / 2 if totals.sum() > 0 else 1.0


def _interval(
    totals: _Reals, counts: _Reals, share: bool, confidence: float, rng: np.random.Generator
) -> Interval:
    n, differ = totals.size, int((totals != 0).sum())
    if differ >= _FEW:
        return bootstrap_interval(totals, counts, confidence, rng)
    if share and bool((counts == 1).all()):
        # Half of the error to each of the two shares: together they hold for certain.
        more, fewer = (
            clopper_pearson(int(k), n, (1 + confidence) / 2, "two")
            for k in ((totals > 0).sum(), (totals < 0).sum())
        )
        method = f"Clopper-Pearson of both shares that differ, two-sided {confidence:.4g}"
        return Interval(more.low - fewer.high, more.high - fewer.low, n, method)  # type: ignore[operator]
    if differ < _FEWER:
        return Interval(None, None, n, f"no interval: {differ} clusters differ")
    middle = float(totals.sum() / counts.sum())
    residuals = totals - middle * counts
    error = math.sqrt(n / (n - 1) * float(residuals @ residuals)) / float(counts.sum())
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * error
    if not half:
        return Interval(None, None, n, "no interval: all clusters differ alike")
    method = f"Student's t by clusters, two-sided {confidence:.4g}"
    return Interval(middle - half, middle + half, n, method)


def _decided(rows: list[dict[str, Any]], alpha: float) -> list[dict[str, Any]]:
    """Overall rows: Holm over all differences, and over all that may be worse."""
    worse = [row for row in rows if "p_worse" in row]
    for row, tested in zip(worse, holm([row["p_worse"] for row in worse], alpha), strict=True):
        row["worse"] = tested.rejected
    for row, tested in zip(rows, holm([row["p_value"] for row in rows], alpha), strict=True):
        row |= {"p_adjusted": tested.adjusted, "different": tested.rejected}
    return [{key: value for key, value in row.items() if key != "p_worse"} for row in rows]


def _explored(rows: list[dict[str, Any]], alpha: float) -> list[dict[str, Any]]:
    """Slices: Benjamini-Hochberg over all; those that got worse first, then the better ones."""

    def place(row: dict[str, Any]) -> tuple[int, float, float]:
        got = 2 if not row["different"] or row["better"] is None else 0 if row["worse"] else 1
        return got, row["p_adjusted"], -abs(row["difference"])

    for row, p in zip(rows, benjamini_hochberg([row["p_value"] for row in rows]), strict=True):
        row |= {"p_adjusted": p, "different": p is not None and p <= alpha}
        if row["better"] is not None:
            rose = row["difference"] > 0
            row["worse"] = row["different"] and rose == (row["better"] == "lower")
    return sorted(rows, key=place)


def _disagreements(ours: Side, theirs: Side, both: pl.DataFrame) -> pl.DataFrame:
    """The conversations that differ most, both outcomes in words."""
    rows: list[dict[str, Any]] = []
    for one in both.iter_rows(named=True):
        pairs = [(m, one[c], one[f"{c}:theirs"]) for c, m in _METRICS.items()]
        known = [(m, a, b) for m, a, b in pairs if a is not None and b is not None and a != b]
        if known:
            weight = sum(m.weight * abs(a - b) / max(1.0, a, b) for m, a, b in known)
            rows.append(
                {"ours": ours.name, "theirs": theirs.name, "weight": weight}
                | {"conversation_id": one["conversation_id"], "said": one["text"][0]}
                | {by: one[by] for by in _SLICES}
                | {"why": "; ".join(f"{_words(m, a)} / {_words(m, b)}" for m, a, b in known)}
                | {"our_evidence": _outcome([(m, a) for m, a, _ in pairs])}
                | {"their_evidence": _outcome([(m, b) for m, _, b in pairs])}
            )
    rows.sort(key=lambda row: (-row["weight"], row["conversation_id"]))
    return tables.build(
        "disagreements", [row | {"place": i} for i, row in enumerate(rows[:_SHOWN], start=1)]
    )


def _words(metric: _Metric, value: float) -> str:
    if metric.name == "n_points":
        return f"{value:.0f} {metric.yes if value != 1 else 'customer turn'}"
    return metric.yes if value else metric.no


def _outcome(found: list[tuple[_Metric, float | None]]) -> str | None:
    return "; ".join(_words(metric, v) for metric, v in found if v is not None) or None


def _remarks(
    ours: Side, theirs: Side, both: pl.DataFrame, supplied: Collection[str]
) -> tuple[str, ...]:
    # The first customer turn, from 1 on, up to which not all was the same: its words count too.
    parted = [
        next((i for i, (a, b) in enumerate(pairs, start=1) if a != b), None)
        for pairs in (
            zip_longest(row["context_hash"], row["context_hash:theirs"])
            for row in both.iter_rows(named=True)
        )
    ]
    at = [turn for turn in parted if turn is not None]
    found = [
        f"{ours.name} and {theirs.name} are compared by conversation, not turn by turn: "
        + _parting(both.height, at)
    ]
    for side in (ours, theirs):
        alone = side.decision_points["conversation_id"].unique()
        only = alone.len() - both.height
        if only:
            found.append(f"{only:,} conversations are in {side.name} alone and are left out.")
        if not _held(side):
            found.append(
                f"What the log says of outcomes is left out: {side.name} did not hold these "
                "conversations itself, it was shown those of another agent."
            )
    clusters = both["cluster"].n_unique()
    if clusters < both.height:
        found.append(
            f"Trials of one task are not independent: the {clusters:,} tasks are what is flipped "
            "and drawn, not the conversations."
        )
    left_out = sorted(set(supplied) & set(_OUTCOMES))
    if left_out:
        found.append(
            f"Left out, because a log lacks it and a number was assumed: {', '.join(left_out)}."
        )
    if both["risky_promise"].is_not_null().any():
        found.append("What replies hold is found by the rules judge, which errs; people decide.")
    return tuple(found)


def _parting(shared: int, at: list[int]) -> str:
    if not shared:
        return "no conversation is in both, and nothing can be compared."
    if not at:
        return f"in all {shared:,} that both hold the customer said the same throughout."
    return (
        f"of {shared:,} conversations that both hold, {len(at):,} went their own way, on average "
        f"from customer turn {sum(at) / len(at):.1f} on (the earliest from {min(at)}). What a "
        "customer says after that answers one of the two only, so that there is no pair of turns."
    )
