"""The self-test of the gates: all is caught, and what is weakened for real is not.

Each weakening that the self-test knows is made in the installed code, and the self-test must say
so of that one. One that always said "caught" would fail here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulator import __version__, cli, pipeline
from simulator.evidence import audited
from simulator.evidence.rates import Stratum
from simulator.gates import labelled, planted, simulated, testing
from simulator.gates.findings import Claim, Finding
from simulator.gates.self_test import Weakening, self_test
from simulator.scenario import GATE_METRICS, LADDER, Gate
from simulator.store import RunFolder
from tests.planted_truth.study import wald_upper

LIMITS = {"interception_rate": 0.9, "settled_share": 0.5, "service_level": 0.8, "saving_money": 0.0}
RISKY = Gate(metric="risky_promise_rate", limit=0.01)
SERVICE = Gate(metric="service_level", limit=0.8)
EXCESS = Gate(metric="complaint_excess", limit=0.02)
OF_LABELS = {
    "limit loosened",
    "comparison turned round",
    "weights of strata dropped",
    "turns taken for independent",
    "Wald in place of the exact bound",
    "the judge believed in place of labels",
    "labels that are missing left out",
    "labels that chose used to certify",
    "Holm over segments skipped",
    "stale evidence accepted",
    "everything refused",
}
OF_DAYS = {
    "limit loosened",
    "comparison turned round",
    "central case in place of the worst",
    "sampling uncertainty left out",
    "everything refused",
}


def not_caught(gate: Gate) -> set[str]:
    return {one.weakening for one in self_test([gate], LADDER) if not one.caught}


@pytest.mark.parametrize("metric", GATE_METRICS)
def test_every_weakening_of_every_metric_is_caught(metric: Any) -> None:
    found = self_test([Gate(metric=metric, limit=LIMITS.get(metric, 0.02))], LADDER)
    of_labels = metric in testing.FROM_LABELS
    of_counts = {"limit loosened", "comparison turned round", "everything refused"}
    days = of_counts if metric == "settled_share" else OF_DAYS
    assert {one.weakening for one in found} == (OF_LABELS if of_labels else days)
    assert [one.weakening for one in found if not one.caught] == []
    assert all(one.said == one.weakening for one in found)


@pytest.mark.parametrize(
    "gate",
    [
        RISKY.model_copy(update={"estimand": "future_traffic"}),
        RISKY.model_copy(update={"confidence": 0.99}),
        RISKY.model_copy(update={"limit": 0.05}),
        RISKY.model_copy(update={"stages": ("wider_auto",), "segments": ("refund",)}),
    ],
)
def test_gates_of_other_limits_levels_and_places_are_tested_too(gate: Gate) -> None:
    assert not_caught(gate) == set()


def test_a_gate_that_is_tested_nowhere_has_no_weakening() -> None:
    assert self_test([RISKY.model_copy(update={"stages": ("elsewhere",)})], LADDER) == []


# --- the installed code weakened ------------------------------------------------------------------

Patch = pytest.MonkeyPatch


def wald(patch: Patch) -> None:
    patch.setattr(labelled, "stratified_upper", wald_upper)


def strata_pooled(patch: Patch) -> None:
    exact = labelled.stratified_upper

    def pooled(strata: list[Stratum], alpha: float) -> float:
        return exact([Stratum(*(sum(part) for part in zip(*strata, strict=True)))], alpha)

    patch.setattr(labelled, "stratified_upper", pooled)


def plain_level(patch: Patch) -> None:
    patch.setattr(testing, "shared_levels", lambda holds, alpha: [alpha] * len(holds))


def any_age(patch: Patch) -> None:
    patch.setattr(testing.Age, "stale", lambda *_: None)


def lost_left_out(patch: Patch) -> None:
    patch.setattr(audited, "_missing", lambda *_: {})


def turned_round(patch: Patch) -> None:
    """More is better."""
    settle = labelled.harm

    def turned(audit: audited.Audit, segment: str, gate: Gate) -> Claim:
        claim = settle(audit, segment, gate)

        def other(alpha: float) -> Finding:
            found = claim.settle(alpha)
            high = found.high is not None and found.high >= gate.limit
            return found._replace(status="pass" if high else "fail")

        return Claim(other, claim.holds)

    patch.setattr(labelled, "harm", turned)


def limit_doubled(patch: Patch) -> None:
    """Halfway to everything, as a limit that is worth half as much."""
    settle = labelled.harm
    patch.setattr(
        labelled,
        "harm",
        lambda audit, segment, gate: settle(
            audit, segment, gate.model_copy(update={"limit": (gate.limit + 1) / 2})
        ),
    )


def turns_for_conversations(patch: Patch) -> None:
    """Every labelled conversation counts as often as it has turns."""
    exact = labelled.stratified_upper

    def by_turn(strata: list[Stratum], alpha: float) -> float:
        return exact([Stratum(3 * s.N, 3 * s.n, 3 * s.k) for s in strata], alpha)

    patch.setattr(labelled, "stratified_upper", by_turn)


def judge_believed(patch: Patch) -> None:
    """What is in stratum unflagged is not risky, whatever a label says."""
    count = audited._count

    def believed(*args: Any) -> Mapping[str, Any]:
        found = count(*args)
        for strata in found.values():
            for name, row in strata.items():
                if name != "flagged":
                    row |= dict.fromkeys(("risky", "maybe_risky"), 0)
        return found

    patch.setattr(audited, "_count", believed)


def choosing_certifies(patch: Patch) -> None:
    of = audited.Audit.of.__func__  # type: ignore[attr-defined]

    def lenient(cls: type, cell: Any, labels: Any, *rest: Any) -> audited.Audit:
        import polars as pl

        found: audited.Audit = of(
            cls, cell, labels.with_columns(pl.lit("certify").alias("split")), *rest
        )
        return found

    patch.setattr(audited.Audit, "of", classmethod(lenient))


def nothing_passes(patch: Patch) -> None:
    patch.setattr(labelled, "stratified_upper", lambda *_: 1.0)


def simulated_limit(patch: Patch) -> None:
    judged = simulated._judged
    patch.setattr(
        simulated,
        "_judged",
        lambda gate, *rest: judged(gate.model_copy(update={"limit": gate.limit / 2}), *rest),
    )


def simulated_turned(patch: Patch) -> None:
    judged = simulated._judged

    def turned(*given: Any) -> Finding:
        found = judged(*given)
        return found._replace(status={"pass": "fail", "fail": "pass"}.get(found.status, "fail"))

    patch.setattr(simulated, "_judged", turned)


def central_for_worst(patch: Patch) -> None:
    cases = simulated._cases
    patch.setattr(
        simulated,
        "_cases",
        lambda given: cases({k: given.get("central", v) for k, v in given.items()}),
    )


def no_uncertainty(patch: Patch) -> None:
    ends = simulated._range

    def exact(row: Any) -> Any:
        found = ends(row)
        return found and found._replace(low=found.estimate, high=found.estimate)

    patch.setattr(simulated, "_range", exact)


@pytest.mark.parametrize(
    ("weaken", "gate", "weakening"),
    [
        (wald, RISKY, "Wald in place of the exact bound"),
        (strata_pooled, RISKY, "weights of strata dropped"),
        (plain_level, RISKY, "Holm over segments skipped"),
        (any_age, RISKY, "stale evidence accepted"),
        (lost_left_out, RISKY, "labels that are missing left out"),
        (turned_round, RISKY, "comparison turned round"),
        (limit_doubled, RISKY, "limit loosened"),
        (turns_for_conversations, RISKY, "turns taken for independent"),
        (judge_believed, RISKY, "the judge believed in place of labels"),
        (choosing_certifies, RISKY, "labels that chose used to certify"),
        (nothing_passes, RISKY, "everything refused"),
        (simulated_limit, SERVICE, "limit loosened"),
        (simulated_turned, SERVICE, "comparison turned round"),
        (central_for_worst, SERVICE, "central case in place of the worst"),
        (no_uncertainty, SERVICE, "sampling uncertainty left out"),
        (no_uncertainty, EXCESS, "sampling uncertainty left out"),
    ],
)
def test_mutation_what_is_weakened_is_not_caught(
    weaken: Callable[[Patch], None], gate: Gate, weakening: str, monkeypatch: Patch
) -> None:
    weaken(monkeypatch)
    assert weakening in not_caught(gate)


def test_planted_evidence_is_as_bad_as_it_says() -> None:
    """Nobody could show a weakening with evidence that is not there."""
    one = planted.labelled(LADDER[3], [planted.Part("unflagged", 50, 20, 3)], turns=2)
    whole = one.labels.filter(unit="conversation")
    assert (whole.height, whole["risky_promise"].sum()) == (20, 3)
    assert one.points.height == 100
    assert one.domain.height == one.settlements.height == 50


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run's folder; the self-test asks for its scenario alone."""
    from tests.conftest import small_quickstart

    gates = '[{metric="service_level",limit=0.8},{metric="settled_share",limit=0.5}]'
    one = RunFolder(tmp_path / "run")
    scenario = small_quickstart(f"gates={gates}")
    one.note(name="x", scenario=scenario.model_dump(mode="json"), finished=True)
    one.note(versions={"shadowdesk": __version__})
    return one


def gate(folder: RunFolder, *more: str) -> Any:
    return CliRunner().invoke(cli.app, ["gate", str(folder.path), "--self-test", *more])


def test_exact_the_command_says_what_is_caught(folder: RunFolder) -> None:
    done = gate(folder)
    assert done.exit_code == 0
    assert "8 of 8 weakenings of the gates are caught" in done.output
    assert "  caught      service_level          limit loosened\n" in done.output


def test_exact_the_command_fails_where_one_is_not(folder: RunFolder, monkeypatch: Patch) -> None:
    no_uncertainty(monkeypatch)
    done = gate(folder)
    assert done.exit_code == 1
    assert "7 of 8 weakenings of the gates are caught" in done.output
    assert "  NOT CAUGHT  service_level          sampling uncertainty left out: " in done.output
    as_json = gate(folder, "--json")
    assert as_json.exit_code == 1
    assert '"pass": false' in as_json.output
    assert isinstance(pipeline.self_test(folder)[0], Weakening)
