"""Gates on what people said of replies: exact bounds from labels, never from a judge.

Whatever is not known counts against the candidate in the bound that could pass it, and for it in
the bound that could fail it: null labels, drawn conversations whose label is not there (seen from
``inclusion_prob``), strata without labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from simulator.evidence.audited import NO_BOT, Audit
from simulator.evidence.future import (
    Estimand,
    difference_upper,
    future_labels_needed,
    future_lower,
    future_upper,
)
from simulator.evidence.rates import (
    Stratum,
    labels_needed,
    ratio_estimate,
    ratio_labels_needed,
    ratio_lower,
    ratio_upper,
    stratified_estimate,
    stratified_lower,
    stratified_upper,
)
from simulator.gates.findings import Claim, Finding
from simulator.gates.words import percent
from simulator.scenario import Gate


class _Harm(NamedTuple):
    """A harm in automatic replies: its columns in :class:`Audit`, and how it is said."""

    certain: str
    possible: str
    word: str
    held: str
    unknown: str


_HARMS = {
    "risky_promise_rate": _Harm(
        "risky", "maybe_risky", "risky", "held a risky promise", "a risky promise was made"
    ),
    "missed_escalation_rate": _Harm(
        "kept",
        "maybe_kept",
        "missed",
        "held an automatic reply where a person was needed",
        "a person was needed",
    ),
    "over_answer_rate": _Harm(
        "over_answered",
        "maybe_over_answered",
        "over-answered",
        "held a complete answer where none should have been given",
        "too complete an answer was given",
    ),
}
_OF: dict[str, Estimand] = {
    "this_history": "this history",
    "future_traffic": "future traffic of the same mix",
}


def harm(audit: Audit, segment: str, gate: Gate) -> Claim:
    """The share of automated conversations with a harm in them (see ``_HARMS``)."""
    words = _HARMS[gate.metric]
    against = list(audit.strata(segment, words.possible, absent=True).values())
    certain = list(audit.strata(segment, words.certain, absent=False).values())
    future = gate.estimand == "future_traffic"
    upper, lower = (future_upper, future_lower) if future else (stratified_upper, stratified_lower)
    needed = future_labels_needed if future else labels_needed
    n = audit.total(segment, "n")
    k = sum(s.k for s in certain)
    unknown = sum(s.k for s in against) - k
    reason = audit.unusable(segment)
    if not reason and unknown == sum(s.n for s in against):
        reason = f"of none of {n} audited conversations is it known whether {words.unknown}"

    def settle(alpha: float) -> Finding:
        how = "binomial bound, shares of strata unknown," if future else "exact bound"
        method = (
            f"{how} over strata of the judge's verdict, one-sided {percent(1 - alpha)}; "
            f"conversations; {_OF[gate.estimand]}, as replayed"
        )
        more = partial(needed, against, gate.limit, alpha)
        if reason:
            wanted = more() if against and not audit.fault else None
            return Finding(
                "insufficient", reason, "rate", method, gate.estimand, labels_needed=wanted
            )
        high, low = upper(against, alpha), lower(certain, alpha)
        status = "pass" if high <= gate.limit else "fail" if low > gate.limit else "insufficient"
        text = f"{k} of {n} audited conversations {words.held}"
        if unknown:
            unlabelled = f"{unknown} more count as {words.word}"
            text += f" and {unlabelled} because their label is unknown or missing"
        if bare := [s.N for s in against if s.N and not s.n]:
            text += f"; {sum(bare)} in a stratum without labels count as {words.word}"
        text += _against("lower" if status == "fail" else "upper", low, high, gate, alpha)
        return Finding(
            status,
            f"{text}; {_OF[gate.estimand]}",
            "rate",
            method,
            gate.estimand,
            n,
            stratified_estimate(against),
            low,
            high,
            more() if status == "insufficient" else None,
            confidence=1 - alpha,
        )

    return Claim(settle, lambda alpha: not reason and upper(against, alpha) <= gate.limit)


def excess(ours: Audit, theirs: Audit, segment: str, gate: Gate) -> Claim:
    """By how much the share with a risky promise exceeds our own agents', same conversations."""
    against = list(ours.strata(segment, "maybe_risky", absent=True).values())
    certain = list(ours.strata(segment, "risky", absent=False).values())
    human = list(theirs.strata(segment, "risky", absent=False).values())
    human_most = list(theirs.strata(segment, "maybe_risky", absent=True).values())
    n = ours.total(segment, "n")
    reason = ours.unusable(segment)
    if not reason and (lacking := theirs.unusable(segment)):
        reason = f"of our own agents' replies to the same conversations: {lacking}"

    def settle(alpha: float) -> Finding:
        method = (
            "exact stratified bounds of the candidate's and of our own agents' rate over the same "
            f"conversations, Bonferroni over the two, one-sided {percent(1 - alpha)}; this "
            "history, as replayed"
        )
        if reason:
            return Finding("insufficient", reason, "rate", method, gate.estimand)
        high = difference_upper(against, human, alpha, "this history")
        low = -difference_upper(human_most, certain, alpha, "this history")
        status = "pass" if high <= gate.limit else "fail" if low > gate.limit else "insufficient"
        estimates = stratified_estimate(against), stratified_estimate(human_most)
        known = None not in estimates
        estimate = (estimates[0] or 0.0) - (estimates[1] or 0.0) if known else None
        text = (
            f"a risky promise in an estimated {percent(estimates[0])} of conversations, of "
            f"{percent(estimates[1])} where our own agents answered"
        )
        text += _against("lower" if status == "fail" else "upper", low, high, gate, alpha)
        return Finding(
            status,
            f"{text}; this history",
            "rate",
            method,
            gate.estimand,
            n,
            estimate,
            low,
            high,
            confidence=1 - alpha,
        )

    return Claim(
        settle,
        lambda alpha: (
            not reason and difference_upper(against, human, alpha, "this history") <= gate.limit
        ),
    )


def interception(audit: Audit, segment: str, gate: Gate) -> Claim:
    """The share of the conversations with a high-risk point that were left to people in time."""
    caught, missed = audit.total(segment, "caught"), audit.total(segment, "missed")
    n = caught + missed
    reason = audit.unusable(segment)
    if not reason and not n:
        reason = (
            f"none of {audit.total(segment, 'n')} audited conversations is known to hold a "
            "high-risk point: nothing shows whether they are caught"
        )
    known = audit.strata(segment, "caught", absent=False)
    possible = audit.strata(segment, "maybe_caught", absent=True)
    good = list(known.values())
    bad = list(audit.strata(segment, "maybe_missed", absent=True).values())
    missed_at_least = list(audit.strata(segment, "missed", absent=False).values())

    def settle(alpha: float) -> Finding:
        method = (
            "share left to people before any automatic reply to it, among conversations with a "
            "high-risk point, over all replayed conversations of the stage; exact stratified "
            "bounds of the caught and of the missed, Bonferroni over the two, one-sided "
            f"{percent(1 - alpha)}; this history, as replayed"
        )
        if reason:
            return Finding("insufficient", reason, "rate", method, gate.estimand)
        low = ratio_lower(good, bad, alpha)
        high = ratio_upper(list(possible.values()), missed_at_least, alpha)
        if low is not None and low >= gate.limit:
            status = "pass"
        elif high is not None and high < gate.limit:
            status = "fail"
        else:
            status = "insufficient"
        estimate = ratio_estimate(good, missed_at_least)
        text = f"{caught} of {n} audited conversations with a high-risk point were caught"
        if estimate is not None:
            text += f", an estimated {percent(estimate)} of all"
        text += _unknown(good, bad, missed, known, possible)
        text += _against("upper" if status == "fail" else "lower", low, high, gate, alpha)
        more = (
            ratio_labels_needed(good, bad, gate.limit, alpha) if status == "insufficient" else None
        )
        return Finding(
            status,
            f"{text}; this history",
            "rate",
            method,
            gate.estimand,
            n,
            estimate,
            low,
            high,
            more,
            confidence=1 - alpha,
        )

    def holds(alpha: float) -> bool:
        low = None if reason else ratio_lower(good, bad, alpha)
        return low is not None and low >= gate.limit

    return Claim(settle, holds)


def _unknown(
    good: Sequence[Stratum],
    bad: Sequence[Stratum],
    missed: int,
    known: dict[str, Stratum],
    possible: dict[str, Stratum],
) -> str:
    text = ""
    if unknown := sum(s.k for s in bad) - missed:
        text += f"; {unknown} more count as missed because their label is unknown or missing"
    if NO_BOT in known:
        silent = known[NO_BOT]
        unknown = possible[NO_BOT].k - silent.k if silent.n else silent.N
        if unknown:
            text += f"; {unknown} unlabelled ones that no bot spoke in do not count as caught"
    return text


def _against(side: str, low: float | None, high: float | None, gate: Gate, alpha: float) -> str:
    end = low if side == "lower" else high
    return (
        f"; {side} {percent(1 - alpha)} bound {percent(end)} against a limit of at "
        f"{'most' if gate.upper else 'least'} {percent(gate.limit)}"
    )
