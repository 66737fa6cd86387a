"""How often a reply holds a risky promise, by how long the conversation is by then.

Two measures of length: the customer's turn (1 for the first at which a candidate decides), and the
characters said by anyone up to it. A Chinese character says more than a Latin letter, so that the
bands of a log in several languages hold a mix that changes from band to band.

What the rules judge reads is a description: it reads every reply, but errs, and may err more often
in some bands than in others. Labels decide, as far as they reach. They were drawn with unequal
probabilities, so each counts for 1 / ``inclusion_prob``.

Why these intervals
    Turns of one conversation go together, weights are unequal, and many bands hold no event, where
    a bootstrap has no width. Korn and Graubard's interval is Clopper and Pearson's at an effective
    size, and has a width always. That size is the one at which a simple sample would be as
    uncertain as this one by its conversations; at most, and without an event, it is Kish's, where
    each conversation counts once: few events say too little of how replies go together.

Sources: Korn and Graubard, Survey Methodology 24 (1998) 193-201; Kish, "Survey Sampling" (1965),
section 11.7; Zou and Donner, Statistics in Medicine 27 (2008) 1693-1702, for differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl
from scipy.stats import beta

from simulator import tables
from simulator.evidence.audited import SIMPLE, with_draw
from simulator.quality.observed import CONFIDENCE, JUDGE

RATE = "risky_promise_rate"
CHANGE = "risky_promise_rate_change"
SAME = "risky_promise_rate_change_same_conversations"
DEPTHS = ("1", "2", "3", "4", "5+")
CHARACTERS = ("< 100", "100-199", "200-399", "400-799", "800-1,599", "1,600+")
AXES = {"depth": DEPTHS, "characters": CHARACTERS}
_POINT = ["conversation_id", "turn"]


class _Share(NamedTuple):
    """A weighted share; ``size`` is effective, ``pull`` how each conversation moves it."""

    estimate: float
    size: float
    n: int
    pull: dict[str, float]

    @classmethod
    def of(cls, points: pl.DataFrame) -> _Share:
        total = float(points["weight"].sum())
        estimate = float((points["weight"] * points["risky"]).sum()) / total
        by = points.group_by("conversation_id", maintain_order=True).agg(
            pl.col("weight").sum(),
            (pl.col("weight") * (pl.col("risky") - estimate)).sum().alias("residual"),
        )
        pull = {name: residual / total for name, _, residual in by.iter_rows()}
        size = total**2 / float((by["weight"] ** 2).sum())
        if by.height > 1:
            variance = by.height / (by.height - 1) * sum(p * p for p in pull.values())
            if variance > 0:
                size = min(size, estimate * (1 - estimate) / variance)
        return cls(estimate, size, points.height, pull)

    def ends(self, confidence: float) -> tuple[float, float]:
        """Clopper and Pearson's interval at the effective size."""
        alpha, bad = (1 - confidence) / 2, self.estimate * self.size
        good = self.size - bad
        low = float(beta.ppf(alpha, bad, good + 1)) if bad > 0 else 0.0
        return low, float(beta.ppf(1 - alpha, bad + 1, good)) if good > 0 else 1.0


def by_depth(
    verdicts: pl.DataFrame,
    labels: pl.DataFrame,
    decision_points: pl.DataFrame,
    turns: pl.DataFrame,
) -> pl.DataFrame:
    """Table ``depth``: shares of replies by band, and how they change from the first to the last.

    Args:
        verdicts: table ``verdicts``; judge "rules" is read.
        labels: table ``labels``; split "certify", what was drawn by the judge's verdict from the
            whole cell. Several stages may label the same replies: for each candidate the stage
            with the most labelled replies is taken, the first by name where two have as many. What
            two labellers see differently is not known.
        decision_points: table ``decision_points``.
        turns: table ``turns``: the characters before a reply are those of all turns up to it.

    Returns:
        A row for each candidate, axis, source and band with a known reply, two-sided 95 %. Then
        the last band less the first, where there are two: of all replies, and of those in
        conversations with replies in both (the longest conversations may be about other things
        than the short ones). These intervals hold together for all candidates of an axis and
        source (Bonferroni). ``n`` counts replies, those of both bands for a change. Replayed
        conversations count alike, however many of the log they stand for.
    """
    heard = turns.sort(_POINT).select(
        *_POINT,
        pl.col("text").str.len_chars().fill_null(0).cum_sum().over("conversation_id").alias("n"),
    )
    points = decision_points.join(heard, on=_POINT, how="left").select(
        *_POINT,
        pl.col("n_th").clip(0, len(DEPTHS) - 1).cast(pl.Int64).alias("depth"),
        # Doubled from 100 on.
        sum((pl.col("n") >= 100 * 2**i).cast(pl.Int64) for i in range(len(CHARACTERS) - 1)).alias(
            "characters"
        ),
    )
    rows: list[dict[str, Any]] = []
    for source, replies in (("labels", _labelled(labels)), ("rules", _judged(verdicts))):
        known = replies.join(points, on=_POINT).sort("candidate", *_POINT)
        parts = known.partition_by("candidate", as_dict=True, maintain_order=True)
        together = 1 - (1 - CONFIDENCE) / max(1, len(parts))
        for (candidate,), part in parts.items():
            for axis in AXES:
                place = {"candidate": candidate, "axis": axis, "source": source}
                found = _bands(part, axis, together)
                rows += [
                    place | row | {"method": part["method"][0] + row["method"]} for row in found
                ]
    return tables.build("depth", rows)


def _judged(verdicts: pl.DataFrame) -> pl.DataFrame:
    return verdicts.filter(
        (pl.col("judge") == JUDGE) & pl.col("risky_promise").is_not_null()
    ).select(
        "candidate",
        *_POINT,
        pl.col("risky_promise").cast(pl.Float64).alias("risky"),
        pl.lit(1.0).alias("weight"),
        pl.lit("as the rules judge reads every reply, and it errs: a description; ").alias(
            "method"
        ),
    )


def _labelled(labels: pl.DataFrame) -> pl.DataFrame:
    drawn = with_draw(
        labels.filter(
            (pl.col("unit") == "turn")
            & (pl.col("split") == "certify")
            & (pl.col("stratum") != SIMPLE)
            & (pl.col("inclusion_prob") > 0)
        )
    ).filter(pl.col("drawn_in") == "all")
    said = pl.col("risky_promise").drop_nulls()
    replies = (
        drawn.group_by("stage", "candidate", *_POINT)
        .agg(
            pl.when(said.n_unique() == 1).then(said.first()).cast(pl.Float64).alias("risky"),
            (1 / pl.col("inclusion_prob").max()).alias("weight"),
        )
        .drop_nulls("risky")
    )
    most = (
        replies.group_by("candidate", "stage")
        .len()
        .sort("candidate", -pl.col("len").cast(pl.Int64), "stage")
        .unique("candidate", keep="first", maintain_order=True)
        .select("candidate", "stage")
    )
    said_so = pl.format("labels of stage {}, by 1 / inclusion probability; ", "stage")
    return replies.join(most, on=["candidate", "stage"]).select(
        "candidate", *_POINT, "risky", "weight", said_so.alias("method")
    )


def _bands(part: pl.DataFrame, axis: str, together: float) -> Iterator[dict[str, Any]]:
    bands = {
        place: _Share.of(part.filter(pl.col(axis) == place)) for place in part[axis].unique().sort()
    }
    for place, share in bands.items():
        low, high = share.ends(CONFIDENCE)
        yield {
            "band": AXES[axis][place],
            "metric": RATE,
            "estimate": share.estimate,
            "low": low,
            "high": high,
            "n": share.n,
            "n_conversations": len(share.pull),
            "method": "Clopper-Pearson at the effective number of conversations "
            f"({share.size:.3g}), two-sided {CONFIDENCE:.4g}",
        }
    if len(bands) < 2:
        return
    first, last = min(bands), max(bands)
    name = f"{AXES[axis][first]} to {AXES[axis][last]}"
    yield {"band": name, "metric": CHANGE} | _change(bands[first], bands[last], together)
    ends = part.filter(pl.col(axis).is_in([first, last]))
    same = ends.filter(pl.col(axis).n_unique().over("conversation_id") == 2)
    if same.height:
        at_first, at_last = (_Share.of(same.filter(pl.col(axis) == at)) for at in (first, last))
        yield {"band": name, "metric": SAME} | _change(at_first, at_last, together)


def _change(first: _Share, last: _Share, confidence: float) -> dict[str, Any]:
    """Last less first, from the interval of each and how the two go together."""
    difference = last.estimate - first.estimate
    (low, high), (low_last, high_last) = first.ends(confidence), last.ends(confidence)
    both = sum(p * last.pull.get(name, 0.0) for name, p in first.pull.items())
    spread = math.sqrt(
        sum(p * p for p in first.pull.values()) * sum(p * p for p in last.pull.values())
    )
    going_together = both / spread if spread > 0 else 0.0

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a + b * b - 2 * going_together * a * b))

    down = reach(last.estimate - low_last, high - first.estimate)
    up = reach(high_last - last.estimate, first.estimate - low)
    return {
        "estimate": difference,
        "low": max(-1.0, difference - down),
        "high": min(1.0, difference + up),
        "n": first.n + last.n,
        "n_conversations": len(first.pull | last.pull),
        "method": "difference from the intervals of both (MOVER), clustered by conversation, "
        f"two-sided {confidence:.4g}, with those of the other candidates {CONFIDENCE:.4g}",
    }
