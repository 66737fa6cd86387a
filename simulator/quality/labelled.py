"""What labels say of each cell, metric by metric."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import polars as pl

from simulator.evidence.audited import NO_BOT, Audit, outside, with_segments
from simulator.evidence.rates import (
    Stratum,
    ratio_estimate,
    stratified_upper,
)
from simulator.quality.metrics import METRICS, Metric
from simulator.quality.observed import CELL, CONFIDENCE, CONVERSATION, JUDGE, POINT, TURN, Observed

_SIDE = (1 - CONFIDENCE) / 2
_LABELS = ("needs_human", "risk", "info_sufficient", "emotion", "over_answer", "tone", "would_send")
# Beyond that many cells the exact bound over strata together takes a while, and there are hundreds.
_MAX_CELLS = 2_000
_COUNTS = ("N", "n", "good", "maybe_good", "bad", "maybe_bad", "apart", "aside")


def by_labels(seen: Observed, settlements: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of table ``support_metrics`` for the cells of ``settlements``, those of a bot.

    Exact bounds as of the gates: what is unknown counts against the end that it could spoil.
    """
    here = settlements.select(CELL).unique()
    domain = seen.domain.join(here, on=CELL, how="semi")
    flagged = pl.when("flagged").then(pl.lit("flagged")).otherwise(pl.lit("unflagged"))
    units = pl.concat(
        [
            domain.select(*CONVERSATION, flagged.alias("stratum")),
            outside(domain, settlements).with_columns(pl.lit(NO_BOT).alias("stratum")),
        ]
    )
    # A segment's own draw is named after it; what was drawn at random within it counts there alone.
    units = units.join(
        seen.segments.filter(pl.col("segment") != "all"), on="conversation_id", how="left"
    )
    certify = seen.labels.filter(pl.col("split") == "certify").rename({"stratum": "drawn_as"})
    certify = (
        certify.join(units, on=CONVERSATION)
        .with_columns(
            (pl.col("drawn_as") == pl.col("stratum")).alias("in_all"),
            (pl.col("drawn_as") == pl.format("{} in {}", "stratum", "segment"))
            .fill_null(False)
            .alias("in_own"),
        )
        .filter(pl.col("in_all") | pl.col("in_own"))
    )
    labelled = (
        certify.filter(pl.col("unit") == "conversation")
        .group_by(CONVERSATION)
        .agg(pl.col("in_all", "in_own").any())
    )
    units = (
        units.drop("segment")
        .join(labelled, on=CONVERSATION, how="left")
        .with_columns(pl.col("in_all", "in_own").fill_null(False))
    )
    found = _counted(_turns(seen, settlements, certify), units, seen.segments)
    for cell, by_segment in sorted(found.items()):
        own = seen.labels.filter((pl.col("stage") == cell[0]) & (pl.col("candidate") == cell[1]))
        audit = Audit.of(cell, own, domain, seen.points, seen.segments, settlements)
        replayed = {s: sum(row["N"] for row in by.values()) for s, by in audit.counts.items()}
        for segment, by_metric in by_segment.items():
            place = dict(zip((*CELL, "segment"), (*cell, segment), strict=True))
            for name, counts in by_metric.items():
                mine = audit._replace(counts={segment: counts})
                yield (
                    place
                    | {"metric": name}
                    | _share(mine, segment, METRICS[name], replayed[segment])
                )


def _turns(seen: Observed, settlements: pl.DataFrame, certify: pl.DataFrame) -> pl.DataFrame:
    """Every decision point of the cells: what the bot did there, and what labels say of it."""
    agreed = (
        certify.filter(pl.col("unit") == "turn")
        .group_by(TURN)
        .agg(
            *(
                pl.when(pl.col(name).drop_nulls().n_unique() == 1)
                .then(pl.col(name).drop_nulls().first())
                .alias(name)
                for name in _LABELS
            ),
            # As for the gate, one labeller who saw high risk outweighs one who did not.
            ((pl.col("risk") == "high") | pl.col("needs_human"))
            .any(ignore_nulls=False)
            .alias("high"),
        )
    )
    verdicts = seen.verdicts.filter(pl.col("judge") == JUDGE).select(
        *POINT, pl.col("action").alias("judged"), pl.col("tone").alias("judged_tone")
    )
    heard = seen.contexts.filter(pl.col("judge") == JUDGE).select(
        "conversation_id",
        "turn",
        pl.col("emotion").is_in(["upset", "angry"]).fill_null(False).alias("heard_upset"),
    )
    handoff = (pl.col("status") == "handoff") & (pl.col("cause") == "chosen")
    chosen = settlements.select(
        *CONVERSATION, "status", pl.when(handoff).then("at_turn").alias("at_turn")
    )
    escalates = pl.coalesce("action", "judged").eq("escalate").fill_null(False)
    return (
        seen.decisions.select(*TURN, "mode", "reach")
        .join(chosen, on=CONVERSATION, how="inner")
        .join(
            seen.points.select(*TURN, pl.lit(True).alias("replied")).unique(), on=TURN, how="left"
        )
        .join(seen.shadow.select(*POINT, "action"), on=POINT, how="left")
        .join(verdicts, on=POINT, how="left")
        .join(heard, on=["conversation_id", "turn"], how="left")
        .join(agreed, on=TURN, how="left")
        .with_columns(
            pl.col("replied").fill_null(False),
            (pl.col("turn") == pl.col("at_turn")).fill_null(False).alias("handed"),
            pl.coalesce("action", "judged").alias("action"),
            pl.when("heard_upset").then("judged_tone").alias("judged_tone"),
            (escalates & (pl.col("mode") == "auto") & (pl.col("status") == "diverged")).alias(
                "late"
            ),
        )
    )


_Counts = dict[str, dict[str, int]]


def _counted(
    turns: pl.DataFrame, units: pl.DataFrame, segments: pl.DataFrame
) -> dict[tuple[str, str], dict[str, dict[str, _Counts]]]:
    """By cell, segment, metric and stratum: the counts that :func:`_share` reads.

    ``N`` conversations that may be concerned, ``n`` of them labelled; of these ``good``, ``bad``,
    ``maybe_good``, ``maybe_bad`` and ``apart`` (not concerned); ``aside`` of all.
    """
    each = []
    for name, one in METRICS.items():
        concerned, well = one.concerned, one.well
        of_conversation = turns.group_by(CONVERSATION).agg(
            concerned.fill_null(False).any().alias("is"),
            concerned.fill_null(True).any().alias("may_be"),
            (concerned & ~well).fill_null(False).any().alias("bad"),
            (concerned.fill_null(True) & ~well.fill_null(False)).any().alias("maybe_bad"),
            (pl.lit(0) if one.aside is None else one.aside.sum()).cast(pl.Int64).alias("aside"),
        )
        member = pl.col("is") if one.known else pl.lit(True)
        each.append(
            units.join(of_conversation, on=CONVERSATION, how="left").select(
                *CONVERSATION,
                "stratum",
                "in_all",
                "in_own",
                pl.lit(name).alias("metric"),
                member.alias("N"),
                member.alias("n"),
                (pl.col("is") & ~pl.col("maybe_bad")).alias("good"),
                (pl.col("may_be") & ~pl.col("bad")).alias("maybe_good"),
                "bad",
                "maybe_bad",
                (member & ~pl.col("may_be")).alias("apart"),
                "aside",
            )
        )
    labelled = pl.col("in_all") | (pl.col("in_own") & (pl.col("segment") != "all"))
    of_labelled = [name for name in _COUNTS if name not in ("N", "aside")]
    metrics = {name: place for place, name in enumerate(METRICS)}
    summed = (
        with_segments(pl.concat(each), segments)
        .with_columns((pl.col(of_labelled) & labelled).fill_null(False))
        .group_by(*CELL, "segment", "metric", "stratum")
        .agg(pl.col(_COUNTS).cast(pl.Int64).sum())
        .sort(pl.col("metric").replace_strict(metrics, return_dtype=pl.Int64), "stratum")
    )
    found: dict[tuple[str, str], dict[str, dict[str, _Counts]]] = {}
    for row in summed.iter_rows(named=True):
        counts = {name: int(row[name]) for name in _COUNTS}
        cell = found.setdefault((row["stage"], row["candidate"]), {})
        cell.setdefault(row["segment"], {}).setdefault(row["metric"], {})[row["stratum"]] = counts
    # A conversation that cannot be concerned belongs to no rate.
    for cell_found in found.values():
        for by_metric in cell_found.values():
            for name in [m for m, by in by_metric.items() if not any(c["N"] for c in by.values())]:
                del by_metric[name]
    return found


def _share(audit: Audit, segment: str, metric: Metric, replayed: int) -> dict[str, Any]:
    """Estimate, interval and what is left out, from an audit that counts by this metric."""

    def strata(column: str, *, absent: bool) -> tuple[Stratum, ...]:
        # Where no bot spoke it did nothing badly, and that is known without a label.
        never = not metric.known and column in ("bad", "maybe_bad")
        found = audit.strata(segment, column, absent=absent)
        return tuple(s for name, s in found.items() if s.N and not (never and name == NO_BOT))

    good, bad = strata("good", absent=False), strata("bad", absent=False)
    n = audit.total(segment, "good") + audit.total(segment, "bad")
    estimate = low = high = None
    fault = audit.unusable(segment)
    if n and not fault:
        estimate = ratio_estimate(good, bad)
        maybe_good, maybe_bad = strata("maybe_good", absent=True), strata("maybe_bad", absent=True)
        low, high = _interval(metric.known, good, maybe_good, bad, maybe_bad)
        if metric.harm:
            low, high = (None if end is None else 1 - end for end in (high, low))
            estimate = None if estimate is None else 1 - estimate
    how = "" if metric.known else " of the good and of the bad, Bonferroni over the two"
    return {
        "estimate": estimate,
        "low": low,
        "high": high,
        "n": n,
        "unit": "share of conversations",
        "method": "exact bounds over strata of the judge's verdict (each by itself where large)"
        f"{how}, two-sided {100 * CONFIDENCE:.3g} %; conversations, of which labels say it; what a "
        "reply without a stated action does, by the rules judge; estimate among those known",
        "estimand": "this_history",
        "excluded": fault or _left_out(audit, segment, metric, replayed),
    }


def _left_out(audit: Audit, segment: str, metric: Metric, replayed: int) -> str:
    n, apart = audit.total(segment, "n"), audit.total(segment, "apart")
    known = audit.total(segment, "good") + audit.total(segment, "bad")
    missing = sum(s.n for s in audit.strata(segment, "good", absent=False).values()) - n
    parts = (
        (replayed - audit.total(segment, "N"), f"replayed conversations {metric.apart}"),
        (apart, f"labelled conversations {metric.apart}"),
        (n - apart - known, "labelled, but not in this respect (in the interval only)"),
        (missing, "drawn whose labels are missing (in the interval only)"),
        (audit.total(segment, "aside"), metric.set_aside),
    )
    return "; ".join(f"{count:,} {what}" for count, what in parts if count) or "nothing"


def _interval(
    known: bool,
    good: tuple[Stratum, ...],
    maybe_good: tuple[Stratum, ...],
    bad: tuple[Stratum, ...],
    maybe_bad: tuple[Stratum, ...],
) -> tuple[float | None, float | None]:
    """The two-sided interval of good / (good + bad); an end is null where there may be none."""
    if known:
        units = sum(s.N for s in good)
        return _least(good, _SIDE) / units, _most(maybe_good, _SIDE) / units
    low = _part(_least(good, _SIDE / 2), _most(maybe_bad, _SIDE / 2))
    return low, _part(_most(maybe_good, _SIDE / 2), _least(bad, _SIDE / 2))


def _part(good: float, bad: float) -> float | None:
    return good / (good + bad) if good + bad > 0 else None


@lru_cache(maxsize=8192)
def _most(strata: tuple[Stratum, ...], alpha: float) -> float:
    """How many units with k there are at most; strata share ``alpha`` where they are large."""
    if not strata:
        return 0.0
    smaller = sorted(strata, key=lambda s: s.N)[:-1]
    together = math.prod(s.n + 1 for s in smaller) <= _MAX_CELLS
    parts = [strata] if together else [(s,) for s in strata]
    return sum(
        sum(s.N for s in part) * stratified_upper(part, alpha / len(parts)) for part in parts
    )


def _least(strata: tuple[Stratum, ...], alpha: float) -> float:
    others = tuple(Stratum(s.N, s.n, s.n - s.k) for s in strata)
    return sum(s.N for s in strata) - _most(others, alpha)
