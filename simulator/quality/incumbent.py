"""What became of the customer's emotion after the incumbent's own replies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from scipy.stats import t

from simulator.evidence.audited import with_segments
from simulator.evidence.intervals import wilson
from simulator.evidence.paired import clustered_error
from simulator.quality.observed import CONFIDENCE, JUDGE, POINT, TURN, Observed
from simulator.schema import ACTIONS, EMOTIONS


def emotions(seen: Observed, baseline: str) -> Iterator[dict[str, Any]]:
    """What happened to the customer's emotion after the incumbent's own replies."""
    human = pl.col("candidate") == "human"
    judge = pl.col("judge") == JUDGE
    emotions = {name: level for level, name in enumerate(EMOTIONS)}
    level = pl.col("emotion").replace_strict(emotions, default=None, return_dtype=pl.Int64)
    acted = (
        seen.shadow.filter(human)
        .select(*POINT, "action")
        .join(
            seen.verdicts.filter(human & judge).select(*POINT, pl.col("action").alias("judged")),
            on=POINT,
            how="left",
        )
        .select(*POINT, pl.coalesce("action", "judged").alias("action"))
    )
    points = (
        seen.decisions.filter(human & (pl.col("stage") == baseline))
        .select(TURN)
        .join(acted, on=POINT, how="left")
        .join(
            seen.contexts.filter(judge).select("conversation_id", "turn", level.alias("level")),
            on=["conversation_id", "turn"],
            how="left",
        )
        .sort("conversation_id", "turn")
        .with_columns(
            pl.col("level").shift(-1).over("conversation_id").alias("next"),
            pl.col("turn").shift(-1).over("conversation_id").is_null().alias("last"),
        )
        .with_columns((pl.col("next") - pl.col("level")).alias("change"))
    )
    if points.is_empty():
        return
    for part in with_segments(points, seen.segments).partition_by("segment"):
        yield from _emotions(part, "", baseline)
        if part["segment"][0] != "all":
            continue
        for action in ACTIONS:
            yield from _emotions(
                part.filter(pl.col("action") == action), f"_after_{action}", baseline
            )


def _emotions(points: pl.DataFrame, suffix: str, baseline: str) -> Iterator[dict[str, Any]]:
    known = points.filter(pl.col("change").is_not_null())
    last = points["last"].sum()
    unknown = points.height - last - known.height
    change = pl.col("change")
    for name, of, value, elsewhere in (
        ("emotion_change", pl.lit(True), change, ""),
        ("calmed", pl.col("level") > 0, (change < 0), "points with a calm customer"),
        ("upset_further", pl.col("level") < 2, (change > 0), "points with an angry customer"),
    ):
        rows = known.filter(of).select("conversation_id", value.cast(pl.Float64).alias("value"))
        if rows.is_empty():
            continue
        parts = (
            (last, "last points of their conversation, which nothing follows"),
            (unknown, "points with an emotion that is not known, here or next"),
            (known.height - rows.height, elsewhere),
        )
        share = name != "emotion_change"
        yield {
            "stage": baseline,
            "candidate": "human",
            "segment": points["segment"][0],
            "metric": name + suffix,
            **_of_points(rows, share=share),
            "n": rows.height,
            "unit": "share of points" if share else "levels",
            "method": "emotion by the rules judge; two-sided "
            f"{100 * CONFIDENCE:.3g} %, clustered by conversation "
            + ("(Wilson, effective n)" if share else "(CR1, t)"),
            "estimand": "this_history",
            "excluded": "; ".join(f"{k:,} {what}" for k, what in parts if k) or "nothing",
        }


def _of_points(rows: pl.DataFrame, *, share: bool) -> Mapping[str, float | None]:
    """Mean and interval. Ends are null where conversations do not show how much they differ."""
    mean = float(rows["value"].mean())  # type: ignore[arg-type]
    error = clustered_error(rows["value"], rows["conversation_id"])
    clusters = rows["conversation_id"].n_unique()
    if error is None:
        return {"estimate": mean, "low": None, "high": None}
    if share:
        # Points of one conversation count for less than as many of several.
        n = round(mean * (1 - mean) / error**2) if error else clusters
        n = max(1, min(n, rows.height))
        one = wilson(round(mean * n), n, CONFIDENCE)
        return {"estimate": mean, "low": min(one.low, mean), "high": max(one.high, mean)}  # type: ignore[type-var]
    if error == 0:
        return {"estimate": mean, "low": None, "high": None}
    half = float(t.ppf(1 - (1 - CONFIDENCE) / 2, clusters - 1)) * error
    return {"estimate": mean, "low": max(-2.0, mean - half), "high": min(2.0, mean + half)}
