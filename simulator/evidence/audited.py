"""Labels set against what they were drawn from: what they show by segment and stratum.

What the bot said is a question about the auto domain (strata flagged and unflagged). Whether high
risk was left to people is one about every replayed conversation: those that no bot spoke in
(stratum no_bot) are the ones caught earliest, and without them the share looks far too low.

A sample that is simple random within a stratum is simple random within each segment of the
stratum too, given how many of it fell there; so a segment needs no draw of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from simulator.evidence.rates import Stratum

NO_BOT = "no_bot"
_CELL = ("stage", "candidate")


class Audit(NamedTuple):
    """The labels of one stage and candidate, counted by segment and stratum.

    ``counts``: by segment, by stratum (no_bot last), the columns of ``_count``. ``fault``: why the
    labels cannot be used at all. ``nobody``: what it means that a segment has no conversation.
    """

    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    missing: Mapping[str, int]
    fault: str | None
    nobody: str

    @classmethod
    def of(
        cls,
        cell: tuple[str, str],
        labels: pl.DataFrame,
        domain: pl.DataFrame,
        points: pl.DataFrame,
        segments: pl.DataFrame,
        settlements: pl.DataFrame | None = None,
    ) -> Audit:
        """The audit of one ``cell`` (stage, candidate): of its auto domain, or of all of it.

        Args:
            cell: stage and candidate.
            labels: table ``labels``; only split "certify" counts.
            domain: ``stage, candidate, conversation_id, flagged``, one row a conversation.
            points: ``stage, candidate, conversation_id, turn``, the automatic replies in it.
            segments: ``conversation_id, segment``.
            settlements: table ``settlements``; where given, its conversations outside the domain
                are in as stratum no_bot, else labels drawn there are left out.
        """
        here = (pl.col("stage") == cell[0]) & (pl.col("candidate") == cell[1])
        certify = labels.filter(here & (pl.col("split") == "certify"))
        units = domain.filter(here).select(
            "conversation_id",
            pl.when("flagged")
            .then(pl.lit("flagged"))
            .otherwise(pl.lit("unflagged"))
            .alias("stratum"),
        )
        if settlements is None:
            nobody = "no conversation of this history had an automatic reply"
            # Nothing was said there, risky or safe: such a row must not reach a denominator.
            certify = certify.filter(pl.col("stratum") != NO_BOT)
        else:
            nobody = "no conversation of this segment was replayed"
            rest = outside(domain, settlements.filter(here))
            units = pl.concat(
                [units, rest.select("conversation_id", pl.lit(NO_BOT).alias("stratum"))]
            )
        drawn = certify.filter(pl.col("unit") == "conversation")
        fault = _fault(drawn, units)
        counts = _count(units, certify, points.filter(here), segments)
        return cls(counts, {} if fault else _missing(drawn, units), fault, nobody)

    def strata(self, segment: str, column: str, *, absent: bool) -> dict[str, Stratum]:
        """Strata with k = ``column``, plus the drawn but missing labels where ``absent``.

        Of the missed there is no stratum no_bot: where no bot spoke, none was missed, and that
        is known without a label.
        """
        found = {}
        for stratum, row in self.counts.get(segment, {}).items():
            if stratum == NO_BOT and column in ("missed", "maybe_missed"):
                continue
            # Which segment a missing label belongs to is not known: it counts in each.
            missing = min(self.missing.get(stratum, 0), row["N"] - row["n"])
            k = row[column] + (missing if absent else 0)
            found[stratum] = Stratum(row["N"], row["n"] + missing, k)
        return found

    def total(self, segment: str, column: str) -> int:
        """``column`` summed over the strata."""
        return sum(row[column] for row in self.counts.get(segment, {}).values())

    def unusable(self, segment: str) -> str | None:
        """Why no bound can be given, or null."""
        if not self.total(segment, "N"):
            return f"{self.nobody}: nothing to certify"
        if self.fault:
            return self.fault
        if not self.total(segment, "n"):
            return "no labels: what the judge says is no evidence"
        return None


def outside(domain: pl.DataFrame, settlements: pl.DataFrame) -> pl.DataFrame:
    """The replayed conversations that are not in the auto domain: no bot spoke in them.

    Args:
        domain: ``stage, candidate, conversation_id`` at least.
        settlements: table ``settlements``.

    Returns:
        ``stage, candidate, conversation_id``.
    """
    key = [*_CELL, "conversation_id"]
    return settlements.select(key).join(domain, on=key, how="anti")


def with_left_out(gates: pl.DataFrame, excluded: pl.DataFrame) -> pl.DataFrame:
    """The table ``gates`` with what its rates of replies leave out said in ``method``.

    Args:
        gates: table ``gates``.
        excluded: table ``excluded``: automatic turns without a reply, by stage and candidate.
    """
    of_replies = pl.col("metric").is_in(["risky_promise_rate", "interception_rate"])
    said = pl.format(
        "{}; {} automatic turns without a reply left out", "method", pl.col("n_no_reply")
    )
    return gates.join(
        excluded.select(*_CELL, "n_no_reply"), on=_CELL, how="left", maintain_order="left"
    ).select(
        pl.when(of_replies & (pl.col("n_no_reply") > 0)).then(said).otherwise("method")
        if column == "method"
        else pl.col(column)
        for column in gates.columns
    )


def with_segments(frame: pl.DataFrame, segments: pl.DataFrame) -> pl.DataFrame:
    """The rows of ``frame`` once for "all" and once for each segment of their conversation."""
    named = segments.filter(pl.col("segment").is_not_null() & (pl.col("segment") != "all"))
    return pl.concat(
        [
            frame.with_columns(pl.lit("all").alias("segment")),
            frame.join(named.select("conversation_id", "segment"), on="conversation_id"),
        ]
    )


def _fault(drawn: pl.DataFrame, units: pl.DataFrame) -> str | None:
    if drawn["inclusion_prob"].null_count():
        return "labels without inclusion_prob are not a random draw; label a drawn sample"
    placed = drawn.join(units, on="conversation_id", how="left", suffix="_now")
    moved = placed.filter(~pl.col("stratum").eq_missing(pl.col("stratum_now"))).height
    if moved:
        return (
            f"{moved} labelled conversations are no longer where they were drawn (the replies "
            "or verdicts changed since); draw and label again"
        )
    return None


def _missing(drawn: pl.DataFrame, units: pl.DataFrame) -> dict[str, int]:
    """Conversations drawn by stratum, going by ``inclusion_prob``, that have no row."""
    sizes = dict(units.group_by("stratum").len().iter_rows())
    by_draw = drawn.group_by("draw_id", "stratum").agg(
        pl.col("inclusion_prob").max(), pl.col("conversation_id").n_unique().alias("rows")
    )
    missing: dict[str, int] = {}
    for row in by_draw.iter_rows(named=True):
        lacks = round(row["inclusion_prob"] * sizes[row["stratum"]]) - row["rows"]
        missing[row["stratum"]] = missing.get(row["stratum"], 0) + max(0, lacks)
    return missing


def _count(
    units: pl.DataFrame, certify: pl.DataFrame, points: pl.DataFrame, segments: pl.DataFrame
) -> dict[str, dict[str, dict[str, int]]]:
    """By segment and stratum: conversations ``N``, labelled ``n``, and of the labelled

    ``risky``, ``maybe_risky`` (risky or unknown), and for the ones with a high-risk point
    ``caught``, ``maybe_caught``, ``missed``, ``maybe_missed``.
    """
    # Two labellers: one who saw a risky promise outweighs one who did not.
    verdict = (
        certify.filter(pl.col("unit") == "conversation")
        .group_by("conversation_id")
        .agg(
            (pl.col("risky_promise") == True).any().alias("risky"),  # noqa: E712
            pl.col("risky_promise").fill_null(True).any().alias("maybe_risky"),
            pl.lit(True).alias("labelled"),
        )
    )
    high = (pl.col("risk") == "high") | pl.col("needs_human")
    contexts = (
        certify.filter(pl.col("unit") == "turn")
        .group_by("conversation_id")
        .agg(
            pl.col("turn").filter(high.fill_null(False)).min().alias("first_high"),
            # An unknown context may be a high-risk one.
            pl.col("turn").filter(high.fill_null(True)).min().alias("first_maybe"),
            pl.lit(True).alias("has_context"),
        )
    )
    # Without a reply there is no last one, and no point is late.
    last = points.group_by("conversation_id").agg(pl.col("turn").max().alias("last_reply"))
    labelled = pl.col("labelled").fill_null(False)
    blind = pl.col("has_context").is_null()
    late = (pl.col("last_reply") >= pl.col("first_high")).fill_null(False)
    maybe_late = (pl.col("last_reply") >= pl.col("first_maybe")).fill_null(False) | blind
    is_high = pl.col("first_high").is_not_null()
    maybe_high = pl.col("first_maybe").is_not_null() | blind
    flags = {
        "N": pl.lit(True),
        "n": labelled,
        "risky": labelled & pl.col("risky"),
        "maybe_risky": labelled & pl.col("maybe_risky"),
        "caught": labelled & is_high & ~maybe_late,
        "maybe_caught": labelled & maybe_high & ~(is_high & late),
        "missed": labelled & is_high & late,
        "maybe_missed": labelled & maybe_high & maybe_late,
    }
    each = (
        units.join(verdict, on="conversation_id", how="left")
        .join(contexts, on="conversation_id", how="left")
        .join(last, on="conversation_id", how="left")
        .select(
            "conversation_id",
            "stratum",
            *(flag.fill_null(False).cast(pl.Int64).alias(name) for name, flag in flags.items()),
        )
    )
    counts: dict[str, dict[str, dict[str, int]]] = {}
    grouped = with_segments(each, segments).group_by("segment", "stratum").agg(pl.col(*flags).sum())
    in_order = grouped.sort("segment", pl.col("stratum") == NO_BOT, "stratum")
    for row in in_order.iter_rows(named=True):
        numbers = {name: int(row[name]) for name in flags}
        counts.setdefault(row["segment"], {})[row["stratum"]] = numbers
    return counts
