"""From which score on may a reply go out unread? Learn-then-Test in a fixed sequence.

A candidate's replies carry a score; at a threshold s the conversations with an automatic reply of
score >= s are *accepted*, and one is *risky* where any such reply is. Thresholds are tested from
strict to loose, each "the risk among the accepted is above the limit" by the exact binomial
p-value; the first that cannot be rejected at ``delta`` ends the sequence. The chance that any
threshold certified has a risk above the limit is at most ``delta``, however many there are: a
false one would have to be the first false one in the order, and that is a single test.

Why not conformal risk control: it bounds risk over all turns, and a threshold that lets nothing
through would pass; here the risk is that among what the bot would say.

Two conditions that no function can see to: the labelled conversations are a simple random sample
(strata with chances of their own to be drawn are not; see :func:`fixed_sequence` for those), and
the sequence was fixed without them. So one split of the labels chooses and another certifies.

Source: Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then test", Ann. Appl. Stat. 19 (2025)
1641-1662 (arXiv:2110.01052), fixed sequence testing in section 2.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
from scipy.stats import binom

ENOUGH_TO_START = 1000


class Tried(NamedTuple):
    """One threshold: ``n`` labelled conversations accepted, ``k`` of them risky.

    ``p_value`` is of "the risk among the accepted is above the limit"; ``certified`` says that it
    and all stricter ones that were tested are at most delta. A threshold before the start of the
    sequence is not ``tested``, nor is one after the first that failed.
    """

    threshold: float
    n: int
    k: int
    p_value: float
    tested: bool
    certified: bool


class Threshold(NamedTuple):
    """What Learn-then-Test certifies.

    Attributes:
        threshold: the loosest one certified; null where none is.
        n: labelled conversations accepted there; null where none is certified, as the next two.
        k: risky ones among them.
        p_value: of that threshold.
        start: where the sequence began.
        tried: every threshold of the grid, strict to loose.
        next_threshold: the one that the sequence stopped at; null where all were certified.
        labels_needed: further labels among the conversations accepted at ``next_threshold`` until
            it would be certified, risk as observed; null where no number would do.
    """

    threshold: float | None
    n: int | None
    k: int | None
    p_value: float | None
    start: float
    tried: tuple[Tried, ...]
    next_threshold: float | None
    labels_needed: int | None


def learn_then_test(
    certify: pl.DataFrame,
    choose: pl.DataFrame,
    grid: Sequence[float],
    risk_limit: float,
    delta: float,
) -> Threshold:
    """The loosest score threshold whose risk is certified to be at most ``risk_limit``.

    Args:
        certify: ``conversation_id, score, risky``, the automatic replies of each conversation
            labelled in split "certify", a simple random sample. A null score is never accepted;
            a null risky counts as risky.
        choose: the same of split "choose": they alone say where the sequence starts.
        grid: thresholds, in any order.
        risk_limit: highest share of risky conversations among the accepted, in (0, 1).
        delta: chance allowed that a threshold is certified wrongly, in (0, 1).

    Raises:
        ValueError: a conversation stands in both splits; an empty grid; a limit out of range.
    """
    _check(grid, risk_limit, delta)
    reused = set(certify["conversation_id"]) & set(choose["conversation_id"])
    if reused:
        raise ValueError(
            f"{len(reused)} conversations stand in both splits (such as {min(reused)!r}); labels "
            "that chose the start cannot certify it too: give each conversation one split"
        )
    order = _strict_to_loose(grid)
    start = choose_start(
        choose, order, risk_limit, delta, n_certify=certify["conversation_id"].n_unique()
    )
    counts = accepted(certify, order)
    p_values = [float(binom.cdf(k, n, risk_limit)) for n, k in counts]
    begin = order.index(start)
    passed = begin + fixed_sequence(p_values[begin:], delta)
    tried = tuple(
        Tried(s, n, k, p, tested=begin <= i <= passed, certified=begin <= i < passed)
        for i, (s, (n, k), p) in enumerate(zip(order, counts, p_values, strict=True))
    )
    best = tried[passed - 1] if passed > begin else None
    following = tried[passed] if passed < len(tried) else None
    return Threshold(
        best.threshold if best else None,
        best.n if best else None,
        best.k if best else None,
        best.p_value if best else None,
        start,
        tried,
        following.threshold if following else None,
        labels_until(following.n, following.k, risk_limit, delta) if following else None,
    )


def choose_start(
    choose: pl.DataFrame,
    grid: Sequence[float],
    risk_limit: float,
    delta: float,
    n_certify: int,
) -> float:
    """Where the sequence of thresholds starts; it goes on to all looser ones of the grid.

    The strictest threshold at which 1,000 of the certifying conversations can be expected to be
    accepted, going by the share accepted among ``choose``. Where there are not that many at any,
    the one most likely to be certified with what there are, at the risk that ``choose`` shows
    (half an event added, so that none in ten is not none in a thousand); of equals the strictest.

    Args:
        choose: as for :func:`learn_then_test`; empty: the loosest threshold, which has the most
            labels.
        grid: thresholds, in any order.
        risk_limit: highest share of risky ones among the accepted.
        delta: level of the test.
        n_certify: labelled conversations of the other split, nothing else of which is looked at.

    Raises:
        ValueError: as :func:`learn_then_test`.
    """
    _check(grid, risk_limit, delta)
    order = _strict_to_loose(grid)
    drawn = choose["conversation_id"].n_unique()
    if not drawn:
        return order[-1]
    chances = []
    for s, (n, k) in zip(order, accepted(choose, order), strict=True):
        expected = n * n_certify // drawn
        if expected >= ENOUGH_TO_START:
            return s
        # The most events with which this threshold would be certified; -1: not even with none.
        most = int(binom.ppf(delta, expected, risk_limit)) + 1
        while most >= 0 and binom.cdf(most, expected, risk_limit) > delta:
            most -= 1
        chances.append(float(binom.cdf(most, expected, (k + 0.5) / (n + 1))))
    return order[chances.index(max(chances))] if max(chances) > 0 else order[-1]


def accepted(replies: pl.DataFrame, thresholds: Sequence[float]) -> list[tuple[int, int]]:
    """By threshold: conversations with an accepted reply, and those with a risky one among them.

    Args:
        replies: ``conversation_id, score, risky``; nulls as for :func:`learn_then_test`.
    """
    known = replies.filter(pl.col("score").is_not_null() & ~pl.col("score").is_nan())
    best = known.group_by("conversation_id").agg(
        pl.col("score").max().alias("best"),
        pl.col("score").filter(pl.col("risky").fill_null(True)).max().alias("worst"),
    )
    return [
        (
            int((best["best"] >= s).sum()),
            int((best["worst"] >= s).fill_null(False).sum()),
        )
        for s in thresholds
    ]


def fixed_sequence(p_values: Sequence[float], delta: float) -> int:
    """How many hypotheses fall, tested in the order given and each at ``delta``, to the first
    that stands.

    For p-values of any source: labels drawn by stratum have them through
    :func:`simulator.evidence.multiplicity.p_value` of a stratified bound.
    """
    for place, p in enumerate(p_values):
        if not p <= delta:
            return place
    return len(p_values)


def labels_until(n: int, k: int, risk_limit: float, delta: float) -> int | None:
    """Further labels until ``BinomCDF(k; n, risk_limit) <= delta``, the risk staying at k / n.

    Events are rounded up, as everywhere in a plan. Null where k / n is not below the limit.
    """
    if binom.cdf(k, n, risk_limit) <= delta and n:
        return 0
    if n and k / n >= risk_limit:
        return None

    def does(m: int) -> bool:
        events = -(-k * m // n) if n else 0
        return bool(binom.cdf(events, m, risk_limit) <= delta)

    most = max(n, 1)
    while not does(most):
        most *= 2
    # Not monotone to the label (an event more sets it back), but above half of ``most`` nearly so.
    short, enough = n, most
    while enough - short > 1:
        middle = (short + enough) // 2
        if does(middle):
            enough = middle
        else:
            short = middle
    return enough - n


def _strict_to_loose(grid: Sequence[float]) -> list[float]:
    return sorted(set(grid), reverse=True)


def _check(grid: Sequence[float], risk_limit: float, delta: float) -> None:
    if not grid or any(not math.isfinite(s) for s in grid):
        raise ValueError(f"grid = {list(grid)}; expected one threshold or more, all finite")
    if not 0 < risk_limit < 1 or not 0 < delta < 1:
        raise ValueError(f"risk_limit={risk_limit}, delta={delta}: expected both in (0, 1)")
