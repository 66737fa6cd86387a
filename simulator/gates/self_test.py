"""Whether the gates that a scenario sets would notice being weakened, one weakening at a time.

For each gate evidence is planted on which only a weakened gate would pass: a bound that drops the
weights, takes turns for independent, believes the judge, loosens the limit, and so on. The gate as
it is must refuse what the weakened one passes. Last, it must pass evidence that is clean: a gate
that refuses everything is none.

Why as a command: what is installed decides, not what was tested somewhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.stats import norm

from simulator.gates import planted
from simulator.gates.planted import DAY, Part
from simulator.gates.testing import FROM_LABELS, Age, Evidence, evaluate
from simulator.scenario import AutoWhen, Gate, Stage

_UNITS = 20_000
_SEGMENTS = 8
# The indicator of people alone in the planted world.
_HUMAN = 0.5

Judged = Callable[[Evidence], bool]


class Weakening(NamedTuple):
    """One way to weaken one gate: whether the gate as it is sees through it, and in words."""

    metric: str
    weakening: str
    caught: bool
    said: str


class _Trial(NamedTuple):
    """Evidence to try, what would pass weakened, and what passes as it is."""

    weakening: str
    tries: Iterable[Evidence]
    weakened: Judged
    as_it_is: Judged


def self_test(gates: Sequence[Gate], stages: Sequence[Stage]) -> list[Weakening]:
    """Every weakening of every gate.

    Args:
        gates: of the scenario.
        stages: its ladder. A gate that is tested at none of it has no weakening.
    """
    found = []
    for gate in gates:
        if not any(gate.at(stage) for stage in stages[1:]):
            continue
        # The planted world has one automatic stage and segments of its own.
        plain = gate.model_copy(update={"stages": "all", "segments": None})
        for trial in _Tested(plain).trials():
            caught = any(trial.weakened(one) and not trial.as_it_is(one) for one in trial.tries)
            said = trial.weakening
            if not caught:
                said += ": no planted evidence was refused that a gate weakened so would pass"
            found.append(Weakening(gate.metric, trial.weakening, caught, said))
    return found


class _Tested:
    """One gate in the planted world."""

    stage = Stage(name="auto", auto_when=AutoWhen())
    ladder = (Stage(name="human_only"), stage)

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def passes(self, segment: str = "all", age: Age | None = None) -> Judged:
        """Whether the gate as it is lets the planted candidate pass."""

        def judged(evidence: Evidence) -> bool:
            rows = evaluate(evidence, [self.gate], self.ladder, age)
            rows = rows.filter(pl.col("segment") == segment)
            return rows.height > 0 and bool((rows["status"] == "pass").all())

        return judged

    def trials(self) -> Iterator[_Trial]:
        """The weakenings, and last whether clean evidence passes."""
        metric = self.gate.metric
        if metric in FROM_LABELS:
            yield from self._of_labels()
            clean = [self.plant(Part("unflagged", _UNITS, _UNITS, 0))]
        elif metric == "settled_share":
            yield from self._of_settled()
            clean = [planted.settled(self.stage, 1000, 1000)]
        else:
            yield from self._of_days()
            limit, step = self.edge()
            clean = [self.days(limit + step, limit + step, limit + step)]
        passes = self.passes()
        yield _Trial("everything refused", clean, passes, lambda one: not passes(one))

    def with_limit(self, limit: float) -> Judged:
        """As :meth:`passes`, with another limit."""
        return _Tested(self.gate.model_copy(update={"limit": limit})).passes()

    def looser(self) -> Judged:
        """As :meth:`passes`, with a limit that is worth half as much."""
        gate = self.gate
        if gate.metric == "saving_money":
            return self.with_limit(gate.limit - 1)
        return self.with_limit((gate.limit + 1) / 2 if gate.upper else gate.limit / 2)

    # On labels

    def plant(self, *parts: Part, turns: int = 1, split: str = "certify") -> Evidence:
        evidence = planted.labelled(self.stage, parts, turns=turns, split=split)
        if self.gate.metric == "risky_promise_excess":
            return planted.with_people(evidence, self.ladder[0].name)
        return evidence

    def harm(self) -> float:
        """The share of bad conversations that the limit allows."""
        return self.gate.limit if self.gate.upper else 1 - self.gate.limit

    def beyond(self) -> Evidence:
        """Everything labelled, and more of it bad than the limit allows."""
        bad = math.floor(self.harm() * _UNITS) + 2
        return self.plant(Part("unflagged", _UNITS, _UNITS, min(bad, _UNITS)))

    def few(self, units: int, claims: int = 1) -> int:
        """The most labels, none of them bad, that do not certify a stratum of ``units``.

        Reckoned here, and not by what is tested: the chance that none is drawn where just too
        many are bad is still above the level.
        """
        level = (1 - self.gate.confidence) / claims
        # Two bounds are joined.
        if self.gate.metric in ("interception_rate", "risky_promise_excess"):
            level /= 2
        bad = min(math.floor(self.harm() * units) + 2, units)
        none_drawn = np.cumprod(1 - bad / (units - np.arange(units - bad)))
        return int((none_drawn > level).sum())

    def short(self, turns: int = 1) -> list[Evidence]:
        """One label fewer than it takes."""
        return [self.plant(Part("unflagged", _UNITS, self.few(_UNITS), 0), turns=turns)]

    def _of_labels(self) -> Iterator[_Trial]:
        passes = self.passes()
        all_bad = [self.plant(Part("unflagged", _UNITS, 4000, 4000))]
        clean = [self.plant(Part("unflagged", _UNITS, _UNITS, 0))]
        yield _Trial("limit loosened", [self.beyond()], self.looser(), passes)
        yield _Trial("comparison turned round", all_bad, lambda e: passes(_good(e)), passes)
        if self.harm() > 0:
            yield from self._of_samples()
        yield _Trial("Wald in place of the exact bound", self.short(), self._wald, passes)
        yield _Trial(
            "the judge believed in place of labels", all_bad, lambda e: passes(_judged(e)), passes
        )
        chose = [self.plant(Part("unflagged", _UNITS, _UNITS, 0), split="choose")]
        yield _Trial(
            "labels that chose used to certify", chose, lambda e: passes(_certify(e)), passes
        )
        old = Age(DAY.replace(year=DAY.year + 9), 365)
        yield _Trial("stale evidence accepted", clean, passes, self.passes(age=old))

    def _of_samples(self) -> Iterator[_Trial]:
        """What matters only where less than everything labelled may do."""
        passes, first = self.passes(), self.passes("s0")
        lost = [self.plant(Part("unflagged", _UNITS, _UNITS, 0, returned=_UNITS // 2))]
        yield _Trial("labels that are missing left out", lost, lambda e: passes(_kept(e)), passes)
        unequal = (
            self.plant(Part("flagged", _UNITS, 40, k), Part("unflagged", _UNITS, n, 0))
            for k, n in product((20, 4, 1, 36), (20_000, 5000))
        )
        yield _Trial("weights of strata dropped", unequal, lambda e: passes(_pooled(e)), passes)
        yield _Trial(
            "turns taken for independent",
            self.short(turns=3),
            lambda e: passes(_by_turn(e)),
            passes,
        )
        each = _UNITS // _SEGMENTS
        n = self.few(each, _SEGMENTS)
        apart = [self.plant(*(Part("unflagged", each, n, 0, f"s{i}") for i in range(_SEGMENTS)))]
        yield _Trial(
            "Holm over segments skipped",
            apart,
            lambda e: first(e._replace(segments=e.segments.filter(pl.col("segment") == "s0"))),
            first,
        )

    def _wald(self, evidence: Evidence) -> bool:
        said = evidence.labels.filter(pl.col("unit") == "conversation")["risky_promise"]
        if said.is_empty():
            return False
        n, rate = said.len(), float(said.cast(pl.Float64).mean() or 0.0)  # type: ignore[arg-type]
        spread = float(norm.ppf(self.gate.confidence)) * (rate * (1 - rate) / n) ** 0.5
        if self.gate.upper:
            return bool(rate + spread <= self.gate.limit)
        return bool(1 - rate - spread >= self.gate.limit)

    # On settlements and simulated days

    def _of_settled(self) -> Iterator[_Trial]:
        passes = self.passes()
        counts = [planted.settled(self.stage, k, 1000) for k in range(0, 1001, 25)]
        yield _Trial("limit loosened", counts, self.looser(), passes)
        yield _Trial("comparison turned round", counts, lambda e: passes(_swapped(e)), passes)

    def days(self, best: float, central: float, worst: float, spread: float = 0.0) -> Evidence:
        metric = self.gate.metric.replace("complaint_excess", "complaint_rate")
        cases = {"best": best, "central": central, "worst": worst}
        ends = {name: (v - spread, v, v + spread) for name, v in cases.items()}
        human = None if metric == self.gate.metric else _HUMAN
        return planted.simulated(self.stage, metric, ends, human=human)

    def edge(self) -> tuple[float, float]:
        """The limit as the simulated days have it, and the step from it to the good side."""
        step = 0.5 if self.gate.metric == "saving_money" else 0.01
        limit = self.gate.limit + (_HUMAN if self.gate.metric == "complaint_excess" else 0.0)
        return limit, -step if self.gate.upper else step

    def _of_days(self) -> Iterator[_Trial]:
        passes = self.passes()
        limit, step = self.edge()
        good, bad = limit + step, limit - step
        beyond = [self.days(bad, bad, bad)]
        yield _Trial("limit loosened", beyond, self.looser(), passes)
        yield _Trial(
            "comparison turned round", beyond, lambda e: passes(_mirrored(e, limit)), passes
        )
        yield _Trial(
            "central case in place of the worst",
            [self.days(good, good, bad)],
            lambda e: passes(_case(e, "central")),
            passes,
        )
        yield _Trial(
            "sampling uncertainty left out",
            [self.days(good, good, good, spread=3 * abs(step))],
            lambda e: passes(_exact(e)),
            passes,
        )


def _good(evidence: Evidence) -> Evidence:
    """Bad and good exchanged."""
    labels = evidence.labels.with_columns(
        ~pl.col("risky_promise"),
        ~pl.col("needs_human"),
        ~pl.col("over_answer"),
        pl.when(pl.col("turn") > 0).then(pl.lit("high")).otherwise(pl.lit("low")).alias("risk"),
    )
    quiet = pl.when(pl.col("turn") > 0).then(None).otherwise("needs_human").alias("needs_human")
    return evidence._replace(labels=labels.with_columns(quiet.fill_null(value=False)))


def _pooled(evidence: Evidence) -> Evidence:
    """All in one stratum, as though drawn from it alike."""
    share = evidence.labels["conversation_id"].n_unique() / evidence.domain.height
    return evidence._replace(
        domain=evidence.domain.with_columns(pl.lit(value=False).alias("flagged")),
        labels=evidence.labels.with_columns(
            pl.lit("unflagged").alias("stratum"), pl.lit(share).alias("inclusion_prob")
        ),
    )


def _by_turn(evidence: Evidence) -> Evidence:
    """Each turn as a conversation of its own."""
    name = pl.format("{}/{}", "conversation_id", "turn").alias("conversation_id")
    turns = evidence.points["turn"].unique()
    everywhere = {"turn": turns}
    points = evidence.points.with_columns(name)

    def spread(frame: pl.DataFrame) -> pl.DataFrame:
        each = frame.join(pl.DataFrame(everywhere), how="cross")
        return each.with_columns(name).drop("turn")

    whole = evidence.labels.filter(pl.col("unit") == "conversation").drop("turn")
    first = evidence.labels.filter(pl.col("unit") == "turn").join(
        pl.DataFrame(everywhere), on="turn", how="semi"
    )
    last = evidence.labels.filter(pl.col("turn") > turns.max())
    late = last.drop("turn").join(pl.DataFrame(everywhere), how="cross")
    late = late.with_columns(name, pl.lit(last["turn"].max(), pl.Int64).alias("turn"))
    labels = [
        spread(whole).with_columns(pl.lit(None, pl.Int64).alias("turn")),
        first.with_columns(name),
        late,
    ]
    return evidence._replace(
        labels=pl.concat([frame.select(evidence.labels.columns) for frame in labels]),
        domain=spread(evidence.domain),
        points=points,
        settlements=spread(evidence.settlements).select(evidence.settlements.columns),
        segments=spread(evidence.segments),
    )


def _judged(evidence: Evidence) -> Evidence:
    """The judge's verdict in place of every label: it flagged nothing, and saw no high risk."""
    return evidence._replace(labels=_good(evidence).labels)


def _kept(evidence: Evidence) -> Evidence:
    """As though those labels alone had been drawn that came back."""
    cell = ["stage", "candidate"]
    came = evidence.labels.group_by(cell).agg(pl.col("conversation_id").n_unique().alias("came"))
    share = came.join(evidence.domain.group_by(cell).len(), on=cell).select(
        *cell, (pl.col("came") / pl.col("len")).alias("inclusion_prob")
    )
    labels = evidence.labels.drop("inclusion_prob").join(share, on=cell, how="left")
    return evidence._replace(labels=labels.select(evidence.labels.columns))


def _certify(evidence: Evidence) -> Evidence:
    return evidence._replace(labels=evidence.labels.with_columns(pl.lit("certify").alias("split")))


def _swapped(evidence: Evidence) -> Evidence:
    status = pl.col("status").replace({"agreed": "diverged", "diverged": "agreed"})
    return evidence._replace(settlements=evidence.settlements.with_columns(status))


def _case(evidence: Evidence, bound: str) -> Evidence:
    """The worst case as that other one."""
    of = ["stage", "candidate", "metric"]
    other = evidence.kpis.filter(pl.col("bound") == bound).drop("bound")
    worst = evidence.kpis.filter(pl.col("bound") == "worst").select(*of, "bound")
    rest = evidence.kpis.filter(pl.col("bound") != "worst")
    moved = worst.join(other, on=of).select(evidence.kpis.columns)
    return evidence._replace(kpis=pl.concat([rest, moved]))


def _exact(evidence: Evidence) -> Evidence:
    ends = [pl.col("estimate").alias(end) for end in ("low", "high")]
    return evidence._replace(kpis=evidence.kpis.with_columns(ends))


def _mirrored(evidence: Evidence, limit: float) -> Evidence:
    """What lies beyond the limit as far on its other side."""
    ours = pl.col("candidate") != "human"
    ends = {"low": "high", "estimate": "estimate", "high": "low"}
    turned = [
        pl.when(ours).then(2 * limit - pl.col(other)).otherwise(other).alias(name)
        for name, other in ends.items()
    ]
    return evidence._replace(kpis=evidence.kpis.with_columns(turned))
