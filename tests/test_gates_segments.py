"""Gates on labels in several segments at once: Holm, and what it keeps to its level."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulator.evidence.audited import Audit
from simulator.evidence.multiplicity import holm, p_value
from simulator.evidence.rates import Stratum, stratified_upper
from simulator.gates import evaluate, testing
from simulator.gates.findings import shared_levels
from simulator.gates.labelled import harm
from simulator.gates.planted import Part, labelled
from simulator.scenario import AutoWhen, Gate, Stage

ALPHA = 1 - 0.95
RISKY = Gate(metric="risky_promise_rate", limit=0.01)
AUTO = Stage(name="auto", auto_when=AutoWhen())
TWO_RUNGS = (Stage(name="human_only"), AUTO)

Levels = Callable[[Sequence[Callable[[float], bool]], float], list[float]]


def judged(parts: Sequence[Part]) -> dict[str, dict[str, Any]]:
    """Gates by segment, the parts of a stratum having been drawn as one."""
    evidence = labelled(AUTO, parts)
    shares = {
        name: sum(p.labelled for p in parts if p.stratum == name)
        / sum(p.units for p in parts if p.stratum == name)
        for name in {p.stratum for p in parts}
    }
    share = pl.col("stratum").replace_strict(shares, return_dtype=pl.Float64)
    drawn = evidence.labels.with_columns(share.alias("inclusion_prob"))
    rows = evaluate(evidence._replace(labels=drawn), [RISKY], TWO_RUNGS)
    return {row["segment"]: row for row in rows.iter_rows(named=True)}


def near(p: float, levels: Sequence[float]) -> bool:
    """Whether p is so close to a level that its rounding could decide."""
    return any(abs(math.log(p / level)) < 1e-3 for level in levels)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12))
def test_property_sharing_the_level_decides_as_holm(p_values: list[float]) -> None:
    levels = shared_levels([lambda a, p=p: p <= a for p in p_values], ALPHA)  # type: ignore[misc]
    for p, level, one in zip(p_values, levels, holm(p_values, ALPHA), strict=True):
        assert (p <= level) == one.rejected
        assert one.rejected or level == one.level
        assert ALPHA / len(p_values) <= level <= ALPHA


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(50, 500), st.integers(0, 3), st.integers(0, 2)),
        min_size=2,
        max_size=5,
    )
)
def test_property_segments_are_decided_as_by_holm_on_p_values(
    drawn: list[tuple[int, int, int]],
) -> None:
    """Whatever the labels: n unflagged and 20 flagged ones a segment, some of them risky."""
    strata = [[Stratum(20, 20, f), Stratum(500, n, k)] for n, k, f in drawn]
    parts = [
        Part(name, s.N, s.n, s.k, f"s{i}")
        for i, both in enumerate(strata)
        for name, s in zip(("flagged", "unflagged"), both, strict=True)
    ]
    p_values = [p_value(lambda a, s=s: stratified_upper(s, a) <= 0.01) for s in strata]  # type: ignore[misc]
    assume(not any(near(p, [ALPHA / m for m in range(1, 6)]) for p in p_values))
    rows = judged(parts)
    for i, one in enumerate(holm(p_values, ALPHA)):
        row = rows[f"s{i}"]
        assert (row["status"] == "pass") == one.rejected
        assert one.rejected or row["confidence"] == pytest.approx(1 - one.level)
        assert row["high"] == stratified_upper(strata[i], 1 - row["confidence"])


def test_exact_all_conversations_are_a_claim_of_their_own() -> None:
    parts = [Part("unflagged", 2000, 400, k, f"s{i}") for i, k in enumerate((0, 0, 3, 9))]
    rows = judged(parts)
    whole = stratified_upper([Stratum(8000, 1600, 12)], ALPHA)
    assert (rows["all"]["high"], rows["all"]["confidence"]) == (whole, 0.95)
    assert "Holm" not in rows["all"]["method"]
    one = judged([part._replace(segment="s0") for part in parts])
    assert one["all"]["high"] == whole
    # Where there is only one segment, it shares with nobody.
    assert (one["s0"]["confidence"], one["s0"]["high"]) == (0.95, whole)


def test_exact_a_segment_without_labels_is_counted_and_one_without_a_bot_is_not() -> None:
    parts = [Part("unflagged", 600, 500, 0, "a"), Part("unflagged", 600, 500, 3, "b")]
    evidence = labelled(AUTO, parts)
    nobody = pl.DataFrame({"conversation_id": ["x"], "segment": ["c"]})
    silent = evidence._replace(segments=pl.concat([evidence.segments, nobody]))
    rows = evaluate(silent, [RISKY], TWO_RUNGS)
    assert rows.filter(segment="c")["status"].to_list() == ["insufficient"]
    assert "Holm over 2 segments" in rows.filter(segment="b")["method"][0]
    assert "Holm" not in rows.filter(segment="c")["method"][0]
    unlabelled = judged([*parts, Part("unflagged", 600, 0, 0, "c")])
    assert "Holm over 3 segments" in unlabelled["b"]["method"]
    assert unlabelled["c"]["status"] == "insufficient"


# --- the chance that any of eight passes wrongly --------------------------------------------------

SEGMENTS, UNITS, RISKY_ONES, LABELS, RUNS = 8, 1000, 11, 600, 4000


@cache
def holds(k: int) -> Callable[[float], bool]:
    """The gate's own claim in a segment with k risky ones of 600 labelled of 1,000."""
    row = {"N": UNITS, "n": LABELS, "risky": k, "maybe_risky": k}
    audit = Audit({"s": {"unflagged": row}}, {}, None, "", None)
    return cache(harm(audit, "s", RISKY).holds)


def any_passes(levels: Levels) -> float:
    """The share of 4,000 drawn worlds in which a segment passes; all are at 1.1 %."""
    rng = np.random.default_rng(23)
    wrong = 0
    for ks in rng.hypergeometric(RISKY_ONES, UNITS - RISKY_ONES, LABELS, (RUNS, SEGMENTS)):
        claims = [holds(int(k)) for k in ks]
        wrong += any(h(level) for h, level in zip(claims, levels(claims, ALPHA), strict=True))
    return wrong / RUNS


def rarely_any(levels: Levels) -> None:
    error = math.sqrt(ALPHA * (1 - ALPHA) / RUNS)
    assert (any_passes(levels) - ALPHA) / error < 4


def holm_skipped(claims: Sequence[Callable[[float], bool]], alpha: float) -> list[float]:
    return [alpha] * len(claims)


def test_analytic_any_wrong_pass_among_eight_is_as_rare_as_one() -> None:
    rarely_any(shared_levels)


def test_mutation_without_holm_some_segment_passes_too_often() -> None:
    with pytest.raises(AssertionError):
        rarely_any(holm_skipped)


def test_mutation_evaluate_takes_its_levels_from_holm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight segments, each of which passes at 5 % and not at a share of it."""
    parts = [Part("unflagged", UNITS, LABELS, 3, f"s{i}") for i in range(SEGMENTS)]
    own = [f"s{i}" for i in range(SEGMENTS)]
    assert holds(3)(ALPHA)
    assert {judged(parts)[s]["status"] for s in own} == {"insufficient"}
    monkeypatch.setattr(testing, "shared_levels", holm_skipped)
    assert {judged(parts)[s]["status"] for s in own} == {"pass"}
