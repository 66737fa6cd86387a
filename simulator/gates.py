"""Gates: may a candidate be let onto a stage, for a segment? Pass, fail, or not known yet.

Why like this
-------------
* Rates of what the bot said are certified by labels of people alone, never by the judge that
  also routes, feeds or stratifies: with a judge of sensitivity .5 a raw judge rate is half the
  truth. No label, no bound, no pass.
* Whatever is not known counts against the candidate in the bound that could pass it, and for it
  in the bound that could fail it: null labels, drawn conversations whose label is not there
  (seen from ``inclusion_prob``), strata without labels.
* What the bot said is asked of the conversations it spoke in; whether high risk was left to people
  in time, of all replayed ones: those that no bot spoke in are the ones caught earliest.
* What replay cannot know (did the customer come back?) is a range from best to worst case. It
  may block a stage; by itself it promotes none (:func:`recommend`).
* Each segment is tested by itself at the gate's own confidence, unadjusted for their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from simulator import tables
from simulator.errors import ScenarioError
from simulator.evidence.audited import NO_BOT, Audit, with_segments
from simulator.evidence.rates import (
    labels_needed,
    ratio_estimate,
    ratio_labels_needed,
    ratio_lower,
    ratio_upper,
    stratified_estimate,
    stratified_lower,
    stratified_upper,
)
from simulator.scenario import GATE_METRICS, Gate, Stage

# The others have a lower limit.
_UPPER_LIMIT = frozenset({"risky_promise_rate", "complaint_rate"})
_WITHOUT_BOT = frozenset({"service_level", "saving_money"})
_SHARES = ("rate", "ratio", "share of conversations")
_CELL = ["stage", "candidate"]
_WORDS = {
    "risky_promise_rate": "risky-promise rate",
    "interception_rate": "high-risk interception",
    "settled_share": "settled share",
    "complaint_rate": "complaint rate",
    "service_level": "service level",
    "saving_money": "saving against human-only",
}


class _Finding(NamedTuple):
    """What one gate found; the columns of table ``gates`` that differ by metric."""

    status: str
    reason: str
    unit: str
    method: str
    n: int = 0
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    labels_needed: int | None = None
    bound: str | None = None


def evaluate(
    kpis: pl.DataFrame,
    costs: pl.DataFrame,
    labels: pl.DataFrame,
    domain: pl.DataFrame,
    points: pl.DataFrame,
    settlements: pl.DataFrame,
    segments: pl.DataFrame,
    gates: Sequence[Gate],
    stages: Sequence[Stage],
) -> pl.DataFrame:
    """Every gate for every stage after the baseline, candidate and segment.

    Args:
        kpis: table ``kpis``; metrics ``service_level`` and ``complaint_rate`` are read.
        costs: table ``costs``; metric ``saving_money`` is read.
        labels: table ``labels``; only split "certify" counts. Unit "conversation" carries
            ``risky_promise``, unit "turn" the contexts.
        domain: conversations of the auto domain: ``stage, candidate, conversation_id, flagged``.
        points: the decision points of it: ``stage, candidate, conversation_id, turn``.
        settlements: table ``settlements``; its stages and candidates are the ones tested.
        segments: ``conversation_id, segment``; segment "all" is added.
        gates: the limits. A stage without an automatic part has only ``service_level`` and
            ``saving_money``.
        stages: the ladder, baseline first.

    Returns:
        Table ``gates`` in the order of the ladder. ``low`` and ``high`` are one-sided bounds at
        the gate's confidence each. ``n`` is labelled conversations for ``risky_promise_rate``,
        those with a high-risk point for ``interception_rate``, automated conversations for
        ``settled_share``, and otherwise what the kpi says.

    Raises:
        ScenarioError: two gates for one metric.
    """
    metrics = [gate.metric for gate in gates]
    if len(set(metrics)) < len(metrics):
        raise ScenarioError(f"gates: metric stands twice in {metrics}; keep one limit for each")
    names = ["all", *sorted(set(segments["segment"].drop_nulls()) - {"all"})]
    cells = set(settlements.select(_CELL).unique().iter_rows())
    numbers = _by_cell(pl.concat([kpis, costs], how="diagonal"))
    settled = _settled(settlements, segments)
    rows: list[dict[str, Any]] = []
    for stage in stages[1:]:
        for candidate in sorted(one for name, one in cells if name == stage.name):
            cell = (stage.name, candidate)
            spoken = Audit.of(cell, labels, domain, points, segments)
            audit = Audit.of(cell, labels, domain, points, segments, settlements)
            for segment in names:
                for gate in gates:
                    if stage.auto_when is None and gate.metric not in _WITHOUT_BOT:
                        continue
                    if gate.metric == "risky_promise_rate":
                        found = _risky_promises(spoken, segment, gate)
                    elif gate.metric == "interception_rate":
                        found = _interception(audit, segment, gate)
                    elif gate.metric == "settled_share":
                        found = _settled_share(settled.get((*cell, segment), (0, 0)), gate)
                    else:
                        found = _simulated(numbers.get((*cell, segment, gate.metric), {}), gate)
                    rows.append(
                        {"stage": stage.name, "candidate": candidate, "segment": segment}
                        | {"metric": gate.metric, "limit": gate.limit}
                        | found._asdict()
                    )
    return tables.build("gates", rows)


def recommend(gates: pl.DataFrame, stages: Sequence[Stage]) -> pl.DataFrame:
    """The furthest stage that each candidate may reach in each segment, and what stops it there.

    A stage is reached if the one before it is and all its gates pass; an automatic one needs a
    passing ``risky_promise_rate`` besides: outcomes from replay may block, never promote.

    Args:
        gates: table ``gates``.
        stages: the ladder, baseline first.

    Returns:
        Table ``recommendation``; ``binding_gate`` is the metric that stops the next stage, null
        at the top of the ladder or where no gate was tested. The candidate human, who is the
        baseline, has no row.
    """
    found: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for row in gates.filter(pl.col("candidate") != "human").iter_rows(named=True):
        by_stage = found.setdefault((row["candidate"], row["segment"]), {})
        by_stage.setdefault(row["stage"], []).append(row)
    rows = []
    for (candidate, segment), by_stage in sorted(found.items()):
        reached, binding, next_step = stages[0].name, None, "The ladder ends here."
        for stage in stages[1:]:
            tested = by_stage.get(stage.name, [])
            metrics = {row["metric"] for row in tested}
            blocking = sorted((row for row in tested if row["status"] != "pass"), key=_urgency)
            if blocking:
                binding, next_step = blocking[0]["metric"], _next_step(stage.name, blocking)
                break
            if not tested:
                next_step = f"To reach {stage.name}: no gate was tested there; set [[gates]]."
                break
            if stage.auto_when is not None and "risky_promise_rate" not in metrics:
                binding = "risky_promise_rate"
                next_step = (
                    f"To reach {stage.name}: add a gate on risky_promise_rate; without labels "
                    "of what the bot said, no automatic stage is recommended."
                )
                break
            reached = stage.name
        rows.append(
            {"candidate": candidate, "segment": segment, "stage": reached}
            | {"binding_gate": binding, "next_step": next_step}
        )
    return tables.build("recommendation", rows)


def _risky_promises(audit: Audit, segment: str, gate: Gate) -> _Finding:
    method = (
        f"exact bound over strata of the judge's verdict, one-sided {_percent(gate.confidence)}; "
        "conversations; this history, as replayed; per segment, unadjusted"
    )
    against = list(audit.strata(segment, "maybe_risky", absent=True).values())
    alpha = 1 - gate.confidence
    if reason := audit.unusable(segment):
        more = labels_needed(against, gate.limit, alpha) if against and not audit.fault else None
        return _Finding("insufficient", reason, "rate", method, labels_needed=more)
    certain = list(audit.strata(segment, "risky", absent=False).values())
    high, low = stratified_upper(against, alpha), stratified_lower(certain, alpha)
    n = sum(s.n for s in against)
    k, unknown = sum(s.k for s in certain), sum(s.k for s in against) - sum(s.k for s in certain)
    text = f"{k} of {n} audited conversations held a risky promise"
    if unknown == n:
        text = f"of none of {n} audited conversations is it known whether a risky promise was made"
        more = labels_needed(against, gate.limit, alpha)
        return _Finding("insufficient", text, "rate", method, labels_needed=more)
    if unknown:
        text += f" and {unknown} more count as risky because their label is unknown or missing"
    if bare := [s.N for s in against if s.N and not s.n]:
        text += f"; {sum(bare)} in a stratum without labels count as risky"
    status = "pass" if high <= gate.limit else "fail" if low > gate.limit else "insufficient"
    side, end = ("lower", low) if status == "fail" else ("upper", high)
    text += (
        f"; {side} {_percent(gate.confidence)} bound {_percent(end)} against a limit of at most "
        f"{_percent(gate.limit)}; this history"
    )
    more = labels_needed(against, gate.limit, alpha) if status == "insufficient" else None
    estimate = stratified_estimate(against)
    return _Finding(status, text, "rate", method, n, estimate, low, high, more)


def _interception(audit: Audit, segment: str, gate: Gate) -> _Finding:
    method = (
        "share left to people before any automatic reply to it, among conversations with a "
        "high-risk point, over all replayed conversations of the stage; exact stratified bounds of "
        "the caught and of the missed, Bonferroni over the two, "
        f"one-sided {_percent(gate.confidence)}; this history, as replayed; per segment, unadjusted"
    )
    if reason := audit.unusable(segment):
        return _Finding("insufficient", reason, "rate", method)
    caught, missed = audit.total(segment, "caught"), audit.total(segment, "missed")
    n = caught + missed
    if not n:
        reason = (
            f"none of {audit.total(segment, 'n')} audited conversations is known to hold a "
            "high-risk point: nothing shows whether they are caught"
        )
        return _Finding("insufficient", reason, "rate", method)
    alpha = 1 - gate.confidence
    known = audit.strata(segment, "caught", absent=False)
    possible = audit.strata(segment, "maybe_caught", absent=True)
    good = list(known.values())
    bad = list(audit.strata(segment, "maybe_missed", absent=True).values())
    missed_at_least = list(audit.strata(segment, "missed", absent=False).values())
    low = ratio_lower(good, bad, alpha)
    high = ratio_upper(list(possible.values()), missed_at_least, alpha)
    estimate = ratio_estimate(good, missed_at_least)
    if low is not None and low >= gate.limit:
        status = "pass"
    elif high is not None and high < gate.limit:
        status = "fail"
    else:
        status = "insufficient"
    side, end = ("upper", high) if status == "fail" else ("lower", low)
    text = f"{caught} of {n} audited conversations with a high-risk point were caught"
    if estimate is not None:
        text += f", an estimated {_percent(estimate)} of all"
    unknown = sum(s.k for s in bad) - missed
    if unknown:
        text += f"; {unknown} more count as missed because their label is unknown or missing"
    if NO_BOT in known:
        silent = known[NO_BOT]
        unknown = possible[NO_BOT].k - silent.k if silent.n else silent.N
        if unknown:
            text += f"; {unknown} unlabelled ones that no bot spoke in do not count as caught"
    text += (
        f"; {side} {_percent(gate.confidence)} bound {_percent(end)} against a limit of at least "
        f"{_percent(gate.limit)}; this history"
    )
    more = ratio_labels_needed(good, bad, gate.limit, alpha) if status == "insufficient" else None
    return _Finding(status, text, "rate", method, n, estimate, low, high, more)


def _settled_share(counted: tuple[int, int], gate: Gate) -> _Finding:
    method = "count over the replayed history; agreed or handoff, over automated; no sampling"
    settled, automated = counted
    if not automated:
        return _Finding("insufficient", "no conversation was automated", "rate", method)
    share = settled / automated
    reason = (
        f"{settled} of {automated} automated conversations have an outcome that replay knows "
        f"({_percent(share)}), against a limit of at least {_percent(gate.limit)}"
    )
    status = "pass" if share >= gate.limit else "fail"
    return _Finding(status, reason, "rate", method, automated, share, share, share)


def _simulated(by_bound: Mapping[str, Mapping[str, Any]], gate: Gate) -> _Finding:
    """A number of the simulation or of the money: passes by its worst case only."""
    what = _WORDS[gate.metric]
    # A cell with a single bound has nothing that replay cannot know.
    only = next(iter(by_bound.values())) if len(by_bound) == 1 else None
    worst, best = by_bound.get("worst", only), by_bound.get("best", only)
    best = worst if best is None else best
    upper = gate.metric in _UPPER_LIMIT
    bad_end, good_end = ("high", "low") if upper else ("low", "high")
    against, favour = _end(worst, bad_end), _end(best, good_end)
    if worst is None or against is None or favour is None:
        reason = f"the {what} of the worst case is not known for this segment"
        return _Finding("insufficient", reason, "rate", "none")
    holds = against <= gate.limit if upper else against >= gate.limit
    may_hold = favour <= gate.limit if upper else favour >= gate.limit
    status = "pass" if holds else "insufficient" if may_hold else "fail"
    unit = worst["unit"]
    case, other = (" in the worst case", "in the best") if only is None else ("", "at best")
    shown = f"{what} {_shown(against, unit)}{case}"
    unbounded = worst["low"] is None or worst["high"] is None
    if unbounded:
        shown += " (its sampling uncertainty is not known)"
    # Complaints only block, and are bounded by their worst case; for the rest, no bound, no pass.
    if unbounded and status == "pass" and gate.metric != "complaint_rate":
        status = "insufficient"
    if status != "pass" and favour != against:
        shown += f", {_shown(favour, unit)} {other}"
    shown += f", against a limit of at {'most' if upper else 'least'} {_shown(gate.limit, unit)}"
    if gate.metric == "complaint_rate" and status == "pass":
        shown += "; does not block (an outcome from replay promotes no stage)"
    if status == "insufficient" and unbounded:
        shown += "; without an interval nothing passes: simulate more days"
    elif status == "insufficient":
        shown += "; replay cannot tell which" if only is None else "; its interval spans the limit"
    row = (worst["n"], worst["estimate"], worst["low"], worst["high"], None, worst["bound"])
    return _Finding(status, shown, unit, worst["method"], *row)


def _end(row: Mapping[str, Any] | None, end: str) -> float | None:
    if row is None:
        return None
    found: float | None = row["estimate"] if row[end] is None else row[end]
    return found


def _by_cell(
    numbers: pl.DataFrame,
) -> dict[tuple[str, str, str, str], dict[str, dict[str, Any]]]:
    found: dict[tuple[str, str, str, str], dict[str, dict[str, Any]]] = {}
    for row in numbers.filter(pl.col("metric").is_in(list(_WORDS))).iter_rows(named=True):
        place = (row["stage"], row["candidate"], row["segment"], row["metric"])
        found.setdefault(place, {})[row["bound"]] = row
    return found


def _settled(
    settlements: pl.DataFrame, segments: pl.DataFrame
) -> dict[tuple[str, str, str], tuple[int, int]]:
    automated = settlements.filter(pl.col("status").is_in(["agreed", "handoff", "diverged"]))
    counted = (
        with_segments(automated, segments)
        .group_by(*_CELL, "segment")
        .agg((pl.col("status") != "diverged").sum().alias("settled"), pl.len().alias("automated"))
    )
    return {(row[0], row[1], row[2]): (row[3], row[4]) for row in counted.iter_rows()}


def _urgency(row: Mapping[str, Any]) -> tuple[bool, int]:
    return row["status"] != "fail", GATE_METRICS.index(row["metric"])


def _next_step(stage: str, blocking: Sequence[Mapping[str, Any]]) -> str:
    first = blocking[0]
    metric, unit = first["metric"], first["unit"]
    name = _named(metric)
    side, end_at, way = (
        ("upper", "high", "fall") if metric in _UPPER_LIMIT else ("lower", "low", "rise")
    )
    end = _end(first, end_at)
    text = f"To reach {stage}: "
    if first["status"] == "insufficient" and first["labels_needed"]:
        text += f"label some {first['labels_needed']} more conversations for {name}"
    elif end is None:
        text += f"{name} must be known first"
    else:
        bound = "" if first["low"] == first["high"] else f"the {side} bound of "
        case = " in the worst case" if first["bound"] == "worst" else ""
        gap = abs(end - first["limit"])
        by = _points(gap) if unit in _SHARES else _shown(gap, unit)
        text += f"{bound}{name}{case} must {way} by {by}, to {_shown(first['limit'], unit)}"
    if others := [_named(row["metric"]) for row in blocking[1:]]:
        listed = " and ".join(filter(None, [", ".join(others[:-1]), others[-1]]))
        text += f"; {listed} {'stands' if len(others) == 1 else 'stand'} in the way too"
    return text + "."


def _named(metric: str) -> str:
    return _WORDS[metric] if metric == "interception_rate" else f"the {_WORDS[metric]}"


def _points(share: float) -> str:
    number = f"{100 * share:.3g}"
    return f"{number} point" if number == "1" else f"{number} points"


def _shown(value: float, unit: str) -> str:
    if unit in _SHARES:
        return _percent(value)
    # Cents say nothing of a large sum.
    decimals = 0 if abs(value) >= 100 or value == round(value) else 2
    number = f"{abs(value):,.{decimals}f}"
    return f"{'−' if value < 0 else ''}{number} {unit}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.3g} %"
