"""How far gates let a bot go in one planted history, against how far it may truly go.

The gates as they are, for this history and for the traffic that it was drawn from; and gates
weakened on purpose, which must go too far more often than stated, or the study shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import polars as pl
import pytest
from scipy.stats import norm

from simulator.evidence.rates import Stratum
from simulator.gates import Evidence, evaluate, labelled, recommend
from simulator.scenario import LADDER, Gate
from simulator.tables import conform
from tests.planted_truth.histories import LEAST_CAUGHT, MOST_RISKY, STAGES, Rates, history

_ORDER = [stage.name for stage in LADDER]
_RISKY = Gate(metric="risky_promise_rate", limit=MOST_RISKY)
_COMING = _RISKY.model_copy(update={"estimand": "future_traffic"})
_LOSS = Gate(metric="service_level_loss", limit=0.02)
# What more labels would do decides nothing, and takes most of the time.
_PLANS = ("labels_needed", "future_labels_needed", "ratio_labels_needed")

Truth = Mapping[tuple[str, str], Rates]


class Outcome(NamedTuple):
    """One history under one way of deciding.

    Attributes:
        possible: some automatic stage is truly unsafe for all conversations, so that a
            recommendation can be wrong.
        beyond: the stage recommended for all conversations is beyond the truly safe one.
        beyond_in_segment: it is in at least one segment.
        reached: for all conversations it is the truly safe one.
        worth: the truly safe one is automatic.
    """

    possible: bool
    beyond: bool
    beyond_in_segment: bool
    reached: bool
    worth: bool


def outcomes(seed: int) -> dict[str, Outcome]:
    """What each way of deciding makes of history ``seed``."""
    one, coming = history(seed, pinned=True), history(seed, pinned=False)
    with pytest.MonkeyPatch.context() as patch:
        for plan in _PLANS:
            patch.setattr(labelled, plan, lambda *_: None)
        found = {
            "this history": _against(one.here, _with_interception(one.evidence)),
            "future traffic": _against(coming.population, _go(coming.evidence, [_COMING, _LOSS])),
        }
        risky_only = {place: Rates(rates.risky, None) for place, rates in one.here.items()}
        for name, weakened in _WEAKENED.items():
            with weakened(one.evidence) as evidence:
                found[name] = _against(risky_only, _go(evidence, [_RISKY, _LOSS]))
    return found


def _go(evidence: Evidence, gates: Sequence[Gate]) -> dict[str, str]:
    found = recommend(evaluate(evidence, gates, LADDER), LADDER)
    return dict(found.select("segment", "stage").iter_rows())


def _with_interception(evidence: Evidence) -> dict[str, str]:
    """Recommendations of all gates.

    A stage that the gate on promises refuses is not reached whatever interception says, and its
    bounds over three strata take seconds: it is tested where it can matter.
    """
    without = _go(evidence, [_RISKY, _LOSS])
    reached = tuple(STAGES[: max(0, _ORDER.index(without["all"]) - 1)])
    if not reached:
        return without
    catches = Gate(
        metric="interception_rate", limit=LEAST_CAUGHT, stages=reached, segments=("all",)
    )
    return _go(evidence, [_RISKY, _LOSS, catches])


def _against(truth: Truth, recommended: Mapping[str, str]) -> Outcome:
    beyond = {}
    for segment, stage in recommended.items():
        rates = truth
        if segment != "all":
            # Interception is tested for all conversations together.
            rates = {place: Rates(one.risky, None) for place, one in truth.items()}
        beyond[segment] = _ORDER.index(stage) - _ORDER.index(_truly_safe(rates, segment))
    safe = _truly_safe(truth, "all")
    return Outcome(
        possible=safe != STAGES[-1],
        beyond=beyond["all"] > 0,
        beyond_in_segment=any(b > 0 for segment, b in beyond.items() if segment != "all"),
        reached=beyond["all"] == 0,
        worth=safe in STAGES,
    )


def _truly_safe(truth: Truth, segment: str) -> str:
    """The furthest stage up to which all rates are within the limits."""
    reached = _ORDER[_ORDER.index(STAGES[0]) - 1]
    for stage in STAGES:
        if not truth[segment, stage].safe:
            break
        reached = stage
    return reached


@contextmanager
def _judge_believed(evidence: Evidence) -> Iterator[Evidence]:
    """What the judge flagged is what is risky, and it read everything."""
    said = evidence.domain.with_columns(
        pl.col("flagged").alias("risky_promise"),
        pl.lit("conversation").alias("unit"),
        pl.lit("judge").alias("draw_id"),
        pl.lit("judge").alias("labeller"),
        pl.when("flagged").then(pl.lit("flagged")).otherwise(pl.lit("unflagged")).alias("stratum"),
        pl.lit(1.0).alias("inclusion_prob"),
        pl.lit("certify").alias("split"),
    )
    yield evidence._replace(labels=conform("labels", said))


@contextmanager
def _wald_bound(evidence: Evidence) -> Iterator[Evidence]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelled, "stratified_upper", wald_upper)
        yield evidence


_WEAKENED: dict[str, Callable[[Evidence], object]] = {
    "judge believed": _judge_believed,
    "Wald": _wald_bound,
}


def wald_upper(strata: Sequence[Stratum], alpha: float) -> float:
    """The normal approximation; no event, no spread."""
    total = sum(s.N for s in strata)
    known = [s for s in strata if s.n]
    rate = sum(s.N * s.k / s.n for s in known) / total
    variance = sum((s.N / total) ** 2 * (s.k / s.n) * (1 - s.k / s.n) / s.n for s in known)
    return rate + float(norm.ppf(1 - alpha)) * float(variance) ** 0.5
