"""Every gate for every stage after the baseline, candidate and segment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from simulator import tables
from simulator.errors import ScenarioError
from simulator.evidence.audited import OF_REPLIES, Audit
from simulator.gates import labelled, simulated
from simulator.gates.findings import Claim, Finding, shared_levels
from simulator.scenario import Gate, Override, Stage

# Whom a stage without an automatic part concerns: nobody reads the bot's words there.
_WITHOUT_BOT = frozenset({"service_level", "service_level_loss", "saving_money"})
# Settled by labels alone, and therefore under Holm.
FROM_LABELS = frozenset(OF_REPLIES)
_CELL = ["stage", "candidate"]
_UNEQUAL = (
    "the replayed conversations stand for unequal parts of the log: future traffic is not of their "
    "mix; bound this history, or replay conversations of equal weight"
)


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
        typical_day: day that half of the replayed conversations are older than; null where the
            log has no times.
        weights: ``conversation_id, weight``, what each replayed conversation stands for; null:
            all for as much.
    """

    kpis: pl.DataFrame
    costs: pl.DataFrame
    labels: pl.DataFrame
    domain: pl.DataFrame
    points: pl.DataFrame
    settlements: pl.DataFrame
    segments: pl.DataFrame
    typical_day: date | None = None
    weights: pl.DataFrame | None = None


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
    for index, gate in enumerate(gates):
        if unknown := sorted(set(gate.segments or ()) - set(segments)):
            raise ScenarioError(
                f"gates[{index}].segments = {unknown[0]!r}; the history has no such segment; "
                f"expected some of {', '.join(segments)}"
            )
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
            tested: dict[tuple[int, str], Finding] = {}
            # Several gates of one metric, for some segments each, are one family for Holm.
            for metric in dict.fromkeys(gate.metric for gate in here):
                same = [(i, gate) for i, gate in enumerate(here) if gate.metric == metric]
                tested |= _findings(found, cell, same, segments, age)
            for segment in segments:
                for index, gate in enumerate(here):
                    if (index, segment) not in tested:
                        continue
                    row = {"stage": stage.name, "candidate": candidate, "segment": segment}
                    row |= {"metric": gate.metric, "limit": gate.limit}
                    row |= tested[index, segment]._asdict()
                    rows.append(row | _override(row, overrides, age))
    return tables.build("gates", rows)


class _Found:
    """Counts of the evidence, each made once."""

    def __init__(self, evidence: Evidence, baseline: str) -> None:
        self.evidence, self.baseline = evidence, baseline
        self.numbers = simulated.by_cell(pl.concat([evidence.kpis, evidence.costs], how="diagonal"))
        self.settled = simulated.settled_counts(
            evidence.settlements, evidence.segments, evidence.weights
        )
        weights = evidence.weights
        self.unequal = weights is not None and weights["weight"].n_unique() > 1
        self._audits: dict[tuple[str, str, str], Audit] = {}

    def audit(self, cell: tuple[str, str], about: str) -> Audit:
        """The audit of a cell: about what was "spoken", "replayed", or said by people "alone"."""
        if (*cell, about) not in self._audits:
            self._audits[*cell, about] = self._audit(cell, about)
        return self._audits[*cell, about]

    def _audit(self, cell: tuple[str, str], about: str) -> Audit:
        one = self.evidence
        if about == "alone":
            return self._alone(cell)
        settlements = one.settlements if about == "replayed" else None
        return Audit.of(cell, one.labels, one.domain, one.points, one.segments, settlements)

    def _alone(self, cell: tuple[str, str]) -> Audit:
        """What people said at the very points at which the candidate would have answered."""
        one, people = self.evidence, (self.baseline, "human")
        human = (pl.col("stage") == people[0]) & (pl.col("candidate") == people[1])
        mine = (pl.col("stage") == cell[0]) & (pl.col("candidate") == cell[1])
        spoken = one.points.filter(mine).select("conversation_id", "turn")
        points = one.points.filter(human).join(spoken, on=["conversation_id", "turn"], how="semi")
        same = one.domain.filter(mine).select("conversation_id")
        there = [same, points.select("conversation_id").unique()]
        labels, domain = one.labels.filter(human), one.domain.filter(human)
        for conversations in there:
            domain = domain.join(conversations, on="conversation_id", how="semi")
        # Of the whole conversation, what was said at these points: unknown where one is unknown.
        risky = (
            points.join(
                labels.filter(pl.col("unit") == "turn").select(
                    "conversation_id", "turn", "labeller", pl.col("risky_promise").alias("said")
                ),
                on=["conversation_id", "turn"],
                how="left",
            )
            .group_by("conversation_id", "labeller")
            .agg(pl.col("said").any(ignore_nulls=False).alias("here"))
            # A promise that only one of two readers sees must not make our agents look worse.
            .group_by("conversation_id")
            .agg(pl.when(pl.col("here").n_unique() == 1).then(pl.col("here").first()).alias("here"))
        )
        whole = (
            labels.filter(pl.col("unit") == "conversation")
            .join(domain, on="conversation_id", how="semi")
            .join(risky, on="conversation_id", how="left")
            .with_columns(pl.col("here").alias("risky_promise"))
            .select(labels.columns)
        )
        part = Audit.of(people, whole, domain, points, one.segments)
        # How many of a draw fell into this part is chance: what is missing shows in the whole.
        drawn = Audit.of(people, labels, one.domain, one.points, one.segments)
        return part._replace(missing=drawn.missing, fault=drawn.fault)


def _findings(
    found: _Found,
    cell: tuple[str, str],
    gates: Sequence[tuple[int, Gate]],
    segments: Sequence[str],
    age: Age | None,
) -> dict[tuple[int, str], Finding]:
    """By gate and segment, of gates of one metric.

    Claims on labels share the level by Holm, except that of all conversations.
    """
    asked = [
        (index, gate, segment)
        for index, gate in gates
        for segment in segments
        if gate.segments is None or segment in gate.segments
    ]
    day = found.evidence.typical_day
    metric = gates[0][1].metric
    if metric not in FROM_LABELS:
        return {
            (index, segment): _aged(_simulated(found, (*cell, segment), gate), age, day)
            for index, gate, segment in asked
        }
    about = found.audit(cell, "replayed" if metric == "interception_rate" else "spoken")
    claims = [_claim(found, cell, segment, gate) for _, gate, segment in asked]
    # A segment that the bot has no part in is no claim, and takes nothing from the others.
    family = [i for i, (*_, s) in enumerate(asked) if s != "all" and about.total(s, "N")]
    alphas = [1 - gate.confidence for _, gate, _ in asked]
    most = max(alphas, default=1.0)
    # Gates that want to be surer take a smaller part of each share.
    shares = shared_levels([_scaled(claims[i].holds, alphas[i] / most) for i in family], most)
    levels = alphas.copy()
    for place, share in zip(family, shares, strict=True):
        levels[place] = share * alphas[place] / most
    days = [day, about.oldest]
    if metric == "risky_promise_excess":
        days.append(found.audit(cell, "alone").oldest)
    result = {}
    for place, ((index, _, segment), claim) in enumerate(zip(asked, claims, strict=True)):
        one = claim.settle(levels[place])
        if len(family) > 1 and place in family:
            one = one._replace(method=f"{one.method}; Holm over {len(family)} segments")
        if about.n_draws > 1:
            looks = (
                f"{about.n_draws} draws: stated for one look, after {about.n_draws} it may be "
                "wrong so many times as often"
            )
            one = one._replace(method=f"{one.method}; {looks}")
        # Without labels there is no age either; that they are lacking is what matters.
        result[index, segment] = _aged(one, age, *days) if one.n else one
    return result


def _scaled(holds: Callable[[float], bool], part: float) -> Callable[[float], bool]:
    return lambda level: holds(level * part)


def _claim(found: _Found, cell: tuple[str, str], segment: str, gate: Gate) -> Claim:
    if gate.metric == "interception_rate":
        return labelled.interception(found.audit(cell, "replayed"), segment, gate)
    spoken = found.audit(cell, "spoken")
    if gate.estimand == "future_traffic" and found.unequal:
        spoken = spoken._replace(fault=_UNEQUAL)
    if gate.metric == "risky_promise_excess":
        return labelled.excess(spoken, found.audit(cell, "alone"), segment, gate)
    return labelled.harm(spoken, segment, gate)


def _simulated(found: _Found, place: tuple[str, str, str], gate: Gate) -> Finding:
    if gate.metric == "settled_share":
        return simulated.settled_share(found.settled.get(place, simulated.NOBODY), gate)
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
