"""Labels set against what they were drawn from: what they show by segment and stratum.

What the bot said is a question about the auto domain (strata flagged and unflagged). Whether high
risk was left to people is one about every replayed conversation: those that no bot spoke in
(stratum no_bot) are the ones caught earliest, and without them the share looks far too low.

A sample that is simple random within a stratum is simple random within each segment of the
stratum too, given how many of it fell there; so a segment needs no draw of its own, though a rare
one may have one besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import polars as pl

from simulator.evidence.rates import Stratum

NO_BOT = "no_bot"
# A simple random sample of the domain, for a score threshold: another design, for other questions.
SIMPLE = "simple"
# A segment's own draw stands beside that of the whole cell as "flagged in SEGMENT".
_OF_SEGMENT = r"^(\w+) in (.*)$"
_OF_REPLIES = ("kept", "maybe_kept", "over_answered", "maybe_over_answered")
_CELL = ("stage", "candidate")
# Gates on what was said: a turn without a reply is in none of them.
OF_REPLIES = (
    "risky_promise_rate",
    "risky_promise_excess",
    "interception_rate",
    "missed_escalation_rate",
    "over_answer_rate",
)


class Audit(NamedTuple):
    """The labels of one stage and candidate, counted by segment and stratum.

    ``counts``: by segment, by stratum (no_bot last), the columns of ``_count``. ``fault``: why the
    labels cannot be used at all. ``nobody``: what it means that a segment has no conversation.
    ``missing``: drawn but without a label, by the segment whose draw it was ("all": the cell's) and
    stratum. ``oldest``: the day of the oldest label; null where it is not known. ``n_draws``: how
    often was drawn.
    """

    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    missing: Mapping[tuple[str, str], int]
    fault: str | None
    nobody: str
    oldest: date | None
    n_draws: int = 1

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
        certify = with_draw(labels.filter(here & (pl.col("split") == "certify"))).filter(
            pl.col("stratum") != SIMPLE
        )
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
        of_cell = certify.filter(pl.col("drawn_in") == "all")
        mine = points.filter(here)
        counts = _count(units, of_cell, mine, segments)
        # Within its segment, a segment's own draw and what fell there of the cell's are one sample:
        # the one was drawn from what the other had left.
        for segment in set(certify["drawn_in"]) - {"all"}:
            both = certify.filter(pl.col("drawn_in").is_in(["all", segment]))
            counts[segment] = _count(units, both, mine, segments).get(segment, {})
        dated = certify["labelled_on"]
        oldest = None if dated.null_count() else dated.min()
        missing = {} if fault else _missing(drawn, units, segments)
        n_draws = of_cell["draw_id"].n_unique()
        return cls(counts, missing, fault, nobody, oldest, n_draws)  # type: ignore[arg-type]

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
            lacking = sum(self.missing.get((place, stratum), 0) for place in {"all", segment})
            missing = min(lacking, row["N"] - row["n"])
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


def with_draw(labels: pl.DataFrame) -> pl.DataFrame:
    """``labels`` with ``drawn_in``: "all", or the segment whose own draw it was.

    Strata are then called as in a draw of all.
    """
    return labels.with_columns(
        pl.col("stratum").str.extract(_OF_SEGMENT, 2).fill_null("all").alias("drawn_in"),
        pl.col("stratum").str.replace(_OF_SEGMENT, "$1").alias("stratum"),
    )


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
    of_replies = pl.col("metric").is_in(list(OF_REPLIES))
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


def _missing(
    drawn: pl.DataFrame, units: pl.DataFrame, segments: pl.DataFrame
) -> dict[tuple[str, str], int]:
    """Conversations drawn, going by ``inclusion_prob``, that have no row."""
    counted = with_segments(units, segments).group_by("segment", "stratum").len()
    sizes = {(row[0], row[1]): row[2] for row in counted.iter_rows()}
    by_draw = drawn.group_by("draw_id", "drawn_in", "stratum").agg(
        pl.col("inclusion_prob").max(), pl.col("conversation_id").n_unique().alias("rows")
    )
    missing: dict[tuple[str, str], int] = {}
    for row in by_draw.iter_rows(named=True):
        place = (row["drawn_in"], row["stratum"])
        lacks = round(row["inclusion_prob"] * sizes.get(place, 0)) - row["rows"]
        missing[place] = missing.get(place, 0) + max(0, lacks)
    return missing


def _count(
    units: pl.DataFrame, certify: pl.DataFrame, points: pl.DataFrame, segments: pl.DataFrame
) -> dict[str, dict[str, dict[str, int]]]:
    """Conversations by segment and stratum: all ``N``, labelled ``n``, and how these turned out.

    Of the labelled ``risky``, ``maybe_risky`` (risky or unknown); ``kept`` and ``maybe_kept`` (the
    bot answered where a human was needed), ``over_answered`` and ``maybe_over_answered``; and for
    the ones with a high-risk point ``caught``, ``maybe_caught``, ``missed``, ``maybe_missed``.
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
    # High risk for certain is what all its labellers call so; what one does, or nobody, may be.
    contexts = (
        certify.filter(pl.col("unit") == "turn")
        .group_by("conversation_id", "turn")
        .agg(
            high.fill_null(False).all().alias("high"),
            high.fill_null(True).any().alias("maybe"),
        )
        .group_by("conversation_id")
        .agg(
            pl.col("turn").filter("high").min().alias("first_high"),
            pl.col("turn").filter("maybe").min().alias("first_maybe"),
            pl.lit(True).alias("has_context"),
        )
    )
    # Without a reply there is no last one, and no point is late.
    last = points.group_by("conversation_id").agg(pl.col("turn").max().alias("last_reply"))
    spoken = _of_replies(certify, points)
    labelled = pl.col("labelled").fill_null(False)
    blind = pl.col("has_context").is_null()
    late = (pl.col("last_reply") >= pl.col("first_high")).fill_null(False)
    # Nor is anything known of an automatic reply to a point without a label of its own.
    unseen = pl.col("maybe_kept").fill_null(False)
    maybe_late = (pl.col("last_reply") >= pl.col("first_maybe")).fill_null(False) | blind | unseen
    is_high = pl.col("first_high").is_not_null()
    maybe_high = pl.col("first_maybe").is_not_null() | blind | unseen
    flags = {
        "N": pl.lit(True),
        "n": labelled,
        "risky": labelled & pl.col("risky"),
        "maybe_risky": labelled & pl.col("maybe_risky"),
        **{
            name: labelled & (pl.col(name).fill_null(True) if "maybe" in name else pl.col(name))
            for name in _OF_REPLIES
        },
        "caught": labelled & is_high & ~maybe_late,
        "maybe_caught": labelled & maybe_high & ~(is_high & late),
        "missed": labelled & is_high & late,
        "maybe_missed": labelled & maybe_high & maybe_late,
    }
    each = (
        units.join(verdict, on="conversation_id", how="left")
        .join(contexts, on="conversation_id", how="left")
        .join(last, on="conversation_id", how="left")
        .join(spoken, on="conversation_id", how="left")
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


def _of_replies(certify: pl.DataFrame, points: pl.DataFrame) -> pl.DataFrame:
    """By conversation, whether some automatic reply kept what needed a human, or said too much.

    A reply that nobody labelled, or not in this respect, may have.
    """
    key = ["conversation_id", "turn"]
    said_too_much = (pl.col("action") == "answer") & (
        (pl.col("risk") == "high") | ~pl.col("info_sufficient")
    )
    labels = certify.filter(pl.col("unit") == "turn").select(
        *key,
        "needs_human",
        pl.coalesce("over_answer", said_too_much).alias("over_answer"),
    )
    each = points.select(key).unique().join(labels, on=key, how="left")
    return each.group_by("conversation_id").agg(
        (pl.col("needs_human") == True).any().alias("kept"),  # noqa: E712
        pl.col("needs_human").fill_null(True).any().alias("maybe_kept"),
        (pl.col("over_answer") == True).any().alias("over_answered"),  # noqa: E712
        pl.col("over_answer").fill_null(True).any().alias("maybe_over_answered"),
    )
