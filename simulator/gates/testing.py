"""Every gate for every stage after the baseline, candidate and segment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from simulator import tables
from simulator.evidence.audited import Audit
from simulator.gates import labelled, simulated
from simulator.gates.findings import Claim, Finding, shared_levels
from simulator.scenario import Gate, Override, Stage

# Whom a stage without an automatic part concerns: nobody reads the bot's words there.
_WITHOUT_BOT = frozenset({"service_level", "service_level_loss", "saving_money"})
# Settled by labels alone, and therefore under Holm.
FROM_LABELS = frozenset(
    {
        "risky_promise_rate",
        "risky_promise_excess",
        "interception_rate",
        "missed_escalation_rate",
        "over_answer_rate",
    }
)
_CELL = ["stage", "candidate"]


class Evidence(NamedTuple):
    """What gates are tested on.

    Attributes:
        kpis: table ``kpis``; metrics ``service_level`` and ``complaint_rate`` are read.
        costs: table ``costs``; metric ``saving_money`` is read.
        labels: table ``labels``; only split "certify" counts. Unit "conversation" carries
            ``risky_promise``, unit "turn" the contexts. Those of candidate human, drawn from all
            its replies at the first stage, are what excess is set against.
        domain: conversations of the auto domain: ``stage, candidate, conversation_id, flagged``;
            and of candidate human at the first stage, all that it replied in.
        points: the decision points of it: ``stage, candidate, conversation_id, turn``.
        settlements: table ``settlements``; its stages and candidates are the ones tested.
        segments: ``conversation_id, segment``; segment "all" is added.
        newest: day of the newest replayed conversation; null where the log has no times.
    """

    kpis: pl.DataFrame
    costs: pl.DataFrame
    labels: pl.DataFrame
    domain: pl.DataFrame
    points: pl.DataFrame
    settlements: pl.DataFrame
    segments: pl.DataFrame
    newest: date | None = None


class Age(NamedTuple):
    """How old evidence may be on the day that counts; ``most`` in days, null: any age."""

    as_of: date
    most: int | None = None

    def stale(self, *days: date | None) -> str | None:
        """Why evidence of these days is too old, or null."""
        if self.most is None:
            return None
        if None in days:
            return "it is not known how old the evidence is, and a greatest age is set"
        oldest = min(day for day in days if day is not None)
        age = (self.as_of - oldest).days
        if age <= self.most:
            return None
        return f"stale: evidence of {oldest}, {age} days old on {self.as_of}; at most {self.most}"


def evaluate(
    evidence: Evidence,
    gates: Sequence[Gate],
    stages: Sequence[Stage],
    age: Age | None = None,
    overrides: Sequence[Override] = (),
) -> pl.DataFrame:
    """Every gate for every stage after the baseline, candidate and segment.

    Args:
        evidence: what they are tested on.
        gates: the limits. A stage without an automatic part has only ``service_level``,
            ``service_level_loss`` and ``saving_money``.
        stages: the ladder, baseline first.
        age: how old evidence may be.
        overrides: gates that somebody lets pass; kept beside the status, which stays.

    Returns:
        Table ``gates`` in the order of the ladder. ``low`` and ``high`` are one-sided bounds at
        ``confidence`` each, where that stands (labels). ``n`` is labelled conversations for rates
        of replies, those with a high-risk point for ``interception_rate``, automated conversations
        for ``settled_share``, and otherwise what the kpi says.
    """
    segments = ["all", *sorted(set(evidence.segments["segment"].drop_nulls()) - {"all"})]
    cells = set(evidence.settlements.select(_CELL).unique().iter_rows())
    baseline = stages[0].name
    rows: list[dict[str, Any]] = []
    found = _Found(evidence, baseline)
    for stage in stages[1:]:
        here = [gate for gate in gates if gate.at(stage)]
        if stage.auto_when is None:
            here = [gate for gate in here if gate.metric in _WITHOUT_BOT]
        for candidate in sorted(one for name, one in cells if name == stage.name):
            cell = (stage.name, candidate)
            tested = [(gate, _findings(found, cell, gate, segments, age)) for gate in here]
            for segment in segments:
                for gate, by_segment in tested:
                    if segment not in by_segment:
                        continue
                    row = {"stage": stage.name, "candidate": candidate, "segment": segment}
                    row |= {"metric": gate.metric, "limit": gate.limit}
                    rows.append(
                        row | by_segment[segment]._asdict() | _override(row, overrides, age)
                    )
    return tables.build("gates", rows)


class _Found:
    """Counts of the evidence, each made once."""

    def __init__(self, evidence: Evidence, baseline: str) -> None:
        self.evidence, self.baseline = evidence, baseline
        self.numbers = simulated.by_cell(pl.concat([evidence.kpis, evidence.costs], how="diagonal"))
        self.settled = simulated.settled_counts(evidence.settlements, evidence.segments)
        self._audits: dict[tuple[str, str, str], Audit] = {}

    def audit(self, cell: tuple[str, str], about: str) -> Audit:
        """The audit of a cell: about what was "spoken", "replayed", or said by people "alone"."""
        if (*cell, about) not in self._audits:
            self._audits[*cell, about] = self._audit(cell, about)
        return self._audits[*cell, about]

    def _audit(self, cell: tuple[str, str], about: str) -> Audit:
        one = self.evidence
        if about == "alone":
            # People's replies to the conversations that the candidate would have answered.
            same = one.domain.filter(
                (pl.col("stage") == cell[0]) & (pl.col("candidate") == cell[1])
            )
            labels, domain, points = (
                table.join(same, on="conversation_id", how="semi")
                for table in (one.labels, one.domain, one.points)
            )
            people = (self.baseline, "human")
            part = Audit.of(people, labels, domain, points, one.segments)
            # How many of a draw fell into this part is chance: what is missing shows in the whole.
            whole = Audit.of(people, one.labels, one.domain, one.points, one.segments)
            return part._replace(missing=whole.missing, fault=whole.fault)
        settlements = one.settlements if about == "replayed" else None
        return Audit.of(cell, one.labels, one.domain, one.points, one.segments, settlements)


def _findings(
    found: _Found, cell: tuple[str, str], gate: Gate, segments: Sequence[str], age: Age | None
) -> dict[str, Finding]:
    """By segment. Claims on labels share the level by Holm, except that of all conversations."""
    asked = [s for s in segments if gate.segments is None or s in gate.segments]
    newest = found.evidence.newest
    if gate.metric not in FROM_LABELS:
        return {
            segment: _aged(_simulated(found, (*cell, segment), gate), age, newest)
            for segment in asked
        }
    # A segment that the bot has no part in is no claim, and takes nothing from the others.
    spoken = found.audit(cell, "spoken")
    about = found.audit(cell, "replayed") if gate.metric == "interception_rate" else spoken
    claims = {segment: _claim(found, cell, segment, gate) for segment in asked}
    family = [s for s in asked if s != "all" and about.total(s, "N")]
    alpha = 1 - gate.confidence
    levels = dict.fromkeys(asked, alpha)
    levels |= zip(family, shared_levels([claims[s].holds for s in family], alpha), strict=True)
    how = f"; Holm over {len(family)} segments" if len(family) > 1 else ""
    days = [newest, about.oldest]
    if gate.metric == "risky_promise_excess":
        days.append(found.audit(cell, "alone").oldest)
    result = {}
    for segment, claim in claims.items():
        one = claim.settle(levels[segment])
        if how and segment in family:
            one = one._replace(method=one.method + how)
        # Without labels there is no age either; that they are lacking is what matters.
        result[segment] = _aged(one, age, *days) if one.n else one
    return result


def _claim(found: _Found, cell: tuple[str, str], segment: str, gate: Gate) -> Claim:
    if gate.metric == "interception_rate":
        return labelled.interception(found.audit(cell, "replayed"), segment, gate)
    spoken = found.audit(cell, "spoken")
    if gate.metric == "risky_promise_excess":
        return labelled.excess(spoken, found.audit(cell, "alone"), segment, gate)
    return labelled.harm(spoken, segment, gate)


def _simulated(found: _Found, place: tuple[str, str, str], gate: Gate) -> Finding:
    if gate.metric == "settled_share":
        return simulated.settled_share(found.settled.get(place, (0, 0)), gate)
    numbers = found.numbers
    if gate.metric == "complaint_excess":
        human = (found.baseline, "human", place[2], "complaint_rate")
        ours = numbers.get((*place, "complaint_rate"), {})
        return simulated.complaint_excess(ours, numbers.get(human, {}), gate)
    return simulated.indicator(numbers.get((*place, gate.metric), {}), gate)


def _aged(found: Finding, age: Age | None, *days: date | None) -> Finding:
    stale = age.stale(*days) if age else None
    if stale is None or found.status == "fail":
        return found
    return found._replace(status="insufficient", reason=f"{stale}; {found.reason}")


def _override(
    row: dict[str, Any], overrides: Sequence[Override], age: Age | None
) -> dict[str, Any]:
    for one in overrides:
        same = all(
            getattr(one, key) == row[key] for key in ("stage", "candidate", "segment", "metric")
        )
        if same and age is not None and age.as_of <= one.expires:
            return {
                "overridden_by": one.name,
                "override_reason": one.reason,
                "override_expires": one.expires,
            }
    return {}
