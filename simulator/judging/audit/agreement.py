"""How far people agree with each other, and the judge with people.

None of it is a bound that a gate may use: it says how good the labels are, and where the judge
errs. Replies of one conversation are not independent, so every interval counts conversations.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import polars as pl
from scipy.stats import norm

from simulator.evidence.intervals import Interval, clopper_pearson, wilson
from simulator.evidence.rates import Stratum, ratio_estimate, ratio_lower, ratio_upper
from simulator.judging.audit.questions import QUESTIONS

_UNIT = ["draw_id", "conversation_id", "turn"]
_CONFIDENCE = 0.95


class Kappa(NamedTuple):
    """Cohen's kappa of two labellers on one question.

    ``kappa`` is null where both gave one and the same word throughout: nothing shows then whether
    they can tell words apart. ``low`` and ``high`` 95 %, null with a single conversation;
    ``agreed`` of ``n`` replies, in ``n_conversations``.
    """

    question: str
    labellers: tuple[str, str]
    kappa: float | None
    low: float | None
    high: float | None
    agreed: int
    n: int
    n_conversations: int


class Accuracy(NamedTuple):
    """Sensitivity or specificity of a judge against labels, of ``n`` replies or conversations.

    ``estimate`` and interval are null where there is nothing to estimate them from.
    """

    judge: str
    stratum: str
    measure: str
    unit: str
    estimate: float | None
    interval: Interval
    n: int


def kappas(labels: pl.DataFrame) -> list[Kappa]:
    """Kappa of each question and pair of labellers who answered it for the same replies.

    Args:
        labels: table ``labels``.
    """
    turns = labels.filter(pl.col("unit") == "turn")
    found = []
    for question in QUESTIONS:
        answers = turns.filter(pl.col(question.column).is_not_null()).select(
            *_UNIT, "labeller", pl.col(question.column).cast(pl.String).alias("answer")
        )
        names = answers["labeller"].unique().sort().to_list()
        by_name = answers.partition_by("labeller", as_dict=True, include_key=False)
        for one, other in combinations(names, 2):
            both = by_name[one,].join(by_name[other,], on=_UNIT, suffix="_other")
            if both.height:
                found.append(_kappa(question.column, (one, other), both))
    return found


def _kappa(question: str, labellers: tuple[str, str], both: pl.DataFrame) -> Kappa:
    """Source: Cohen, Educ. Psychol. Meas. 20 (1960) 37-46; its variance as the mean square of the

    first-order term of each reply (equal to Fleiss, Cohen and Everitt, Psychol. Bull. 72 (1969)
    323-327, without clusters), added up by conversation first. Where all agree that variance is
    0, and the lower end comes from the Clopper-Pearson bound of the agreement instead.
    """
    n, agreed = both.height, int((both["answer"] == both["answer_other"]).sum())
    groups = both["conversation_id"].n_unique()
    p, q = (
        dict(both[column].value_counts(normalize=True).iter_rows())
        for column in ("answer", "answer_other")
    )
    chance = sum(share * q.get(word, 0.0) for word, share in p.items())
    if chance >= 1 - 1e-12:
        return Kappa(question, labellers, None, None, None, agreed, n, groups)
    observed = agreed / n
    kappa = (observed - chance) / (1 - chance)
    if groups < 2:
        return Kappa(question, labellers, kappa, None, None, agreed, n, groups)
    if agreed == n:
        least = clopper_pearson(groups, groups, _CONFIDENCE, "lower").low or 0.0
        low = (least - chance) / (1 - chance)
        return Kappa(question, labellers, kappa, low, 1.0, agreed, n, groups)
    same = (pl.col("answer") == pl.col("answer_other")).cast(pl.Float64) - observed
    by_chance = (
        pl.col("answer").replace_strict(q, default=0.0, return_dtype=pl.Float64)
        + pl.col("answer_other").replace_strict(p, default=0.0, return_dtype=pl.Float64)
        - 2 * chance
    )
    term = same / (1 - chance) - (1 - observed) / (1 - chance) ** 2 * by_chance
    sums = both.group_by("conversation_id").agg(term.sum().alias("term"))["term"]
    spread = math.sqrt(groups / (groups - 1) * float((sums**2).sum())) / n
    half = float(norm.ppf((1 + _CONFIDENCE) / 2)) * spread
    low, high = max(-1.0, kappa - half), min(1.0, kappa + half)
    return Kappa(question, labellers, kappa, low, high, agreed, n, groups)


def accuracy(labels: pl.DataFrame, verdicts: pl.DataFrame, units: pl.DataFrame) -> list[Accuracy]:
    """Sensitivity and specificity for risky promises: of each judge by stratum, and overall.

    By stratum they count replies, judged and labelled. Overall, replies are weighted by what
    their stratum stands for; and *any judge* is set against people conversation by conversation,
    with the exact stratified bounds (two-sided 95 %). Of two labellers, one who saw a risky
    promise outweighs one who did not.

    Args:
        labels: table ``labels`` of one cell (stage, candidate), in strata of ``units``.
        verdicts: table ``verdicts``.
        units: ``conversation_id, stratum`` of all that could have been drawn.
    """
    sizes = dict(units.group_by("stratum").len().iter_rows())
    judged = verdicts.select(
        "judge", "candidate", *_UNIT[1:], pl.col("risky_promise").alias("flag")
    )
    risky = (
        labels.filter((pl.col("unit") == "turn") & pl.col("risky_promise").is_not_null())
        .group_by("candidate", "stratum", "conversation_id", "turn")
        .agg(pl.col("risky_promise").any())
    )
    labelled = dict(risky.group_by("stratum").agg(pl.col("conversation_id").n_unique()).iter_rows())
    both = risky.join(judged, on=["candidate", *_UNIT[1:]]).drop_nulls("flag")
    found = []
    for judge in both["judge"].unique().sort():
        mine = both.filter(pl.col("judge") == judge)
        for measure, bad in (("sensitivity", True), ("specificity", False)):
            right = mine.filter(pl.col("risky_promise") == bad).with_columns(
                (pl.col("flag") == bad).alias("right")
            )
            total = weighted = 0.0
            for stratum in sorted(labelled):
                part = right.filter(pl.col("stratum") == stratum)
                estimate, interval = _share(part)
                found.append(
                    Accuracy(judge, stratum, measure, "replies", estimate, interval, part.height)
                )
                stands_for = sizes.get(stratum, 0) / labelled[stratum]
                total += stands_for * part.height
                weighted += stands_for * int(part["right"].sum())
            estimate = weighted / total if total else None
            none = Interval(None, None, right.height, "weighted by stratum; no interval")
            found.append(Accuracy(judge, "all", measure, "replies", estimate, none, right.height))
    return found + _by_conversation(labels, sizes)


def _share(part: pl.DataFrame) -> tuple[float | None, Interval]:
    """Share of replies judged rightly, Wilson with the number of replies less their clustering."""
    if part.is_empty():
        return None, wilson(0, 0, _CONFIDENCE)
    by = part.group_by("conversation_id").agg(pl.col("right").sum().alias("x"), pl.len().alias("m"))
    n, share = part.height, int(part["right"].sum()) / part.height
    groups = by.height
    effective = groups
    if 0 < share < 1 and groups > 1:
        squares = float(((by["x"] - share * by["m"]) ** 2).sum())
        variance = groups / (groups - 1) * squares / n**2
        effective = max(1, min(n, math.floor(share * (1 - share) / variance))) if variance else n
    return share, wilson(round(share * effective), effective, _CONFIDENCE)


def _by_conversation(labels: pl.DataFrame, sizes: dict[str, int]) -> list[Accuracy]:
    """Flagged by any judge (that is the stratum) against what people say, exact over strata."""
    whole = (
        labels.filter((pl.col("unit") == "conversation") & pl.col("risky_promise").is_not_null())
        .group_by("stratum", "conversation_id")
        .agg(pl.col("risky_promise").any())
    )
    counts = {
        stratum: (part.height, int(part["risky_promise"].sum()))
        for (stratum,), part in whole.partition_by("stratum", as_dict=True).items()
    }
    said = {name: (units, *counts.get(name, (0, 0))) for name, units in sizes.items()}
    flagged = [s for name, s in said.items() if name.startswith("flagged")]
    unflagged = [s for name, s in said.items() if name.startswith("unflagged")]
    found = []
    for measure, right, wrong, bad in (
        ("sensitivity", flagged, unflagged, True),
        ("specificity", unflagged, flagged, False),
    ):
        good, missed = (
            [Stratum(units, n, k if bad else n - k) for units, n, k in strata if units]
            for strata in (right, wrong)
        )
        n = sum(s.k for s in (*good, *missed))
        if not sum(s.n for s in (*good, *missed)):
            continue
        alpha = (1 - _CONFIDENCE) / 2
        if good:
            estimate = ratio_estimate(good, missed)
            low, high = ratio_lower(good, missed, alpha), ratio_upper(good, missed, alpha)
        else:
            # No conversation that the judge could have got right.
            estimate = low = high = 0.0 if n else None
        method = "exact over strata, two-sided 95 %; this history"
        interval = Interval(low, high, n, method)
        found.append(Accuracy("any judge", "all", measure, "conversations", estimate, interval, n))
    return found
