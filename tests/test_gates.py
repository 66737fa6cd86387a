"""Gates and the recommendation that follows from them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import gates as gate_stage
from simulator import tables
from simulator.evidence.rates import Stratum, stratified_lower, stratified_upper
from simulator.gates import recommend
from simulator.scenario import GATE_METRICS, LADDER, Gate, Override

CELL = {"stage": "wider_auto", "candidate": "x"}
_KEY = {"stage": pl.String, "candidate": pl.String, "conversation_id": pl.String}
DOMAIN = {**_KEY, "flagged": pl.Boolean}
POINTS = {**_KEY, "turn": pl.Int64}
RISKY = Gate(metric="risky_promise_rate", limit=0.01)
CATCHES = Gate(metric="interception_rate", limit=0.90)


class World:
    """Replayed conversations with labels, one row a conversation, to be bent by a test.

    Conversations f0.. are flagged, u0.. unflagged, s0.. without an automatic reply; the first ones
    of each are labelled, and the first of those risky (s: high risk).
    """

    typical_day: date | None = None
    age: gate_stage.Age | None = None
    overrides: tuple[Override, ...] = ()

    def __init__(
        self,
        flagged: tuple[int, int, int],
        unflagged: tuple[int, int, int],
        no_bot: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        for stratum, (N, n, k) in (
            ("flagged", flagged),
            ("unflagged", unflagged),
            ("no_bot", no_bot),
        ):
            silent = stratum == "no_bot"
            for i in range(N):
                high = ("high" if silent and i < k else "low", False)
                self.rows.append(
                    {"id": f"{'s' if silent else stratum[0]}{i}", "stratum": stratum}
                    | {"labelled": i < n, "risky": None if silent else i < k, "prob": n / N}
                    | {"segment": "refund", "last": -1 if silent else 2}
                    | {"status": "human" if silent else "agreed"}
                    | {"contexts": {0: high, 2: ("low", False)}}
                )

    def evaluate(
        self,
        *gates: Gate,
        bend: Callable[[pl.DataFrame], pl.DataFrame] = lambda labels: labels,
        kpis: pl.DataFrame | None = None,
    ) -> dict[tuple[str, str], dict[str, Any]]:
        return self.judged(self.evidence(bend, kpis), *gates)

    def judged(
        self, evidence: gate_stage.Evidence, *gates: Gate
    ) -> dict[tuple[str, str], dict[str, Any]]:
        found = gate_stage.evaluate(evidence, gates, LADDER, self.age, self.overrides)
        return {(r["segment"], r["metric"]): r for r in found.iter_rows(named=True)}

    def evidence(
        self,
        bend: Callable[[pl.DataFrame], pl.DataFrame] = lambda labels: labels,
        kpis: pl.DataFrame | None = None,
    ) -> gate_stage.Evidence:
        domain = pl.DataFrame(
            [
                {**CELL, "conversation_id": r["id"], "flagged": r["stratum"] == "flagged"}
                for r in self.rows
                if r["stratum"] != "no_bot"
            ],
            schema=DOMAIN,
        )
        points = pl.DataFrame(
            [
                {**CELL, "conversation_id": r["id"], "turn": turn}
                for r in self.rows
                for turn in range(0, r["last"] + 1, 2)
            ],
            schema=POINTS,
        )
        labels: list[dict[str, Any]] = []
        for r in self.rows:
            if not r["labelled"]:
                continue
            drawn = {**CELL, "conversation_id": r["id"], "draw_id": "d", "labeller": "ann"}
            drawn |= {"stratum": r["stratum"], "inclusion_prob": r["prob"], "split": "certify"}
            labels.append({**drawn, "unit": "conversation", "risky_promise": r["risky"]})
            for turn, (risk, needs_human) in r["contexts"].items():
                labels.append(
                    {**drawn, "unit": "turn", "turn": turn, "risk": risk}
                    | {"needs_human": needs_human}
                )
        settled = [{**CELL, "conversation_id": r["id"], "status": r["status"]} for r in self.rows]
        return gate_stage.Evidence(
            kpis=tables.empty("kpis") if kpis is None else kpis,
            costs=tables.empty("costs"),
            labels=bend(tables.build("labels", labels)),
            domain=domain,
            points=points,
            settlements=tables.build("settlements", settled),
            segments=pl.DataFrame(
                [{"conversation_id": r["id"], "segment": r["segment"]} for r in self.rows]
            ),
            typical_day=self.typical_day,
        )

    def risky(self, **more: Any) -> dict[str, Any]:
        return self.evaluate(RISKY, **more)["all", "risky_promise_rate"]

    def catches(self, **more: Any) -> dict[str, Any]:
        return self.evaluate(CATCHES, **more)["all", "interception_rate"]


def test_exact_clean_labels_pass() -> None:
    found = World((40, 40, 0), (1000, 400, 0)).risky()
    strata = [Stratum(40, 40, 0), Stratum(1000, 400, 0)]
    assert found["status"] == "pass"
    assert found["estimate"] == 0
    assert found["high"] == stratified_upper(strata, 1 - 0.95)
    assert (found["n"], found["labels_needed"], found["limit"]) == (440, None, 0.01)
    assert found["reason"].startswith("0 of 440 audited conversations held a risky promise; upper")
    assert "against a limit of at most 1 %; this history" in found["reason"]


def test_exact_the_weights_decide() -> None:
    # 20 of 40 labelled flagged are risky: a rare stratum or a common one, the same labels.
    rare = World((40, 40, 20), (4000, 360, 0)).risky()
    common = World((1500, 40, 20), (2500, 360, 0)).risky()
    assert rare["estimate"] == pytest.approx(20 / 4040)
    assert common["estimate"] == pytest.approx(1500 / 4000 / 2)
    assert (rare["status"], common["status"]) == ("insufficient", "fail")
    assert common["low"] == stratified_lower([Stratum(1500, 40, 20), Stratum(2500, 360, 0)], 0.05)
    assert "; lower 95 % bound" in common["reason"]


def test_exact_the_judge_is_not_believed() -> None:
    # The judge flags next to nobody, people find 30 of 300; it flags all, people find none.
    blind = World((1, 1, 0), (3000, 300, 30)).risky()
    assert blind["status"] == "fail"
    strict = World((1000, 400, 0), (10, 10, 0)).risky()
    assert strict["status"] == "pass"


def test_exact_no_labels_is_insufficient_and_says_how_many() -> None:
    world = World((40, 40, 0), (1000, 400, 0))
    found = world.risky(bend=lambda labels: labels.clear())
    assert found["status"] == "insufficient"
    assert (found["estimate"], found["low"], found["high"], found["n"]) == (None, None, None, 0)
    assert "no labels" in found["reason"]
    assert 200 < found["labels_needed"] < 400


@pytest.mark.parametrize("column", ["split", "unit"])
def test_exact_labels_that_chose_or_are_per_turn_do_not_certify(column: str) -> None:
    other = {"split": "choose", "unit": "turn"}[column]
    found = World((40, 40, 0), (1000, 400, 0)).risky(
        bend=lambda labels: labels.with_columns(pl.lit(other).alias(column))
    )
    assert found["status"] == "insufficient"
    assert found["n"] == 0


def test_exact_unknown_labels_count_as_risky_for_the_pass_and_not_for_the_fail() -> None:
    world = World((40, 40, 0), (1000, 400, 0))
    for row in world.rows[40:100]:
        row["risky"] = None
    found = world.risky()
    assert found["high"] == stratified_upper([Stratum(40, 40, 0), Stratum(1000, 400, 60)], 0.05)
    assert found["low"] == 0
    assert found["status"] == "insufficient"
    assert "60 more count as risky" in found["reason"]


def test_exact_dropped_rows_count_as_risky() -> None:
    # Somebody returns the sheet without the conversations that they could not decide.
    world = World((40, 40, 0), (1000, 400, 0))
    gone = [f"u{i}" for i in range(60)]
    found = world.risky(bend=lambda labels: labels.filter(~pl.col("conversation_id").is_in(gone)))
    assert found["high"] == stratified_upper([Stratum(40, 40, 0), Stratum(1000, 400, 60)], 0.05)
    assert (found["status"], found["n"]) == ("insufficient", 380)


def test_exact_a_stratum_without_labels_counts_wholly() -> None:
    found = World((30, 0, 0), (1000, 400, 0)).risky()
    assert found["high"] >= 30 / 1030
    assert found["estimate"] is None
    assert found["status"] == "insufficient"
    assert "30 in a stratum without labels count as risky" in found["reason"]


def test_exact_a_second_labeller_who_saw_it_outweighs() -> None:
    world = World((40, 40, 0), (1000, 400, 0))

    def second(labels: pl.DataFrame) -> pl.DataFrame:
        other = (
            labels.filter(pl.col("unit") == "conversation")
            .head(40)
            .with_columns(pl.lit("bob").alias("labeller"), pl.lit(True).alias("risky_promise"))
        )
        return pl.concat([labels, other])

    found = world.risky(bend=second)
    assert found["n"] == 440
    assert found["estimate"] == pytest.approx(40 / 1040)


def test_exact_stale_or_unplanned_labels_are_refused() -> None:
    world = World((40, 40, 0), (1000, 400, 0))
    moved = world.risky(bend=lambda labels: labels.with_columns(pl.lit("flagged").alias("stratum")))
    assert moved["status"] == "insufficient"
    assert "400 labelled conversations are no longer where they were drawn" in moved["reason"]
    unplanned = world.risky(
        bend=lambda labels: labels.with_columns(pl.lit(None, pl.Float64).alias("inclusion_prob"))
    )
    assert unplanned["status"] == "insufficient"
    assert "not a random draw" in unplanned["reason"]


def test_exact_segments_are_tested_by_themselves() -> None:
    world = World((40, 40, 0), (2000, 800, 0))
    for i, row in enumerate(world.rows):
        row["segment"] = "legal" if i % 20 == 0 else "refund"
        row["risky"] = row["segment"] == "legal"
    found = world.evaluate(RISKY)
    assert {segment for segment, _ in found} == {"all", "legal", "refund"}
    assert found["refund", "risky_promise_rate"]["status"] == "pass"
    assert found["legal", "risky_promise_rate"]["status"] == "fail"
    assert found["refund", "risky_promise_rate"]["high"] == stratified_upper(
        [Stratum(38, 38, 0), Stratum(1900, 760, 0)], (1 - 0.95) / 2
    )
    # The one that passed leaves its part of the level to the other.
    levels = {s: found[s, "risky_promise_rate"]["confidence"] for s in ("refund", "legal", "all")}
    assert levels == {"refund": 0.975, "legal": 0.95, "all": 0.95}
    assert found["legal", "risky_promise_rate"]["method"].endswith("; Holm over 2 segments")


def test_exact_limit_and_confidence_bind() -> None:
    world = World((40, 40, 0), (1000, 400, 0))
    high = world.risky()["high"]
    for limit, status in ((high, "pass"), (high - 1e-6, "insufficient")):
        gate = Gate(metric="risky_promise_rate", limit=limit)
        assert world.evaluate(gate)["all", "risky_promise_rate"]["status"] == status
    surer = Gate(metric="risky_promise_rate", limit=0.01, confidence=0.999)
    assert world.evaluate(surer)["all", "risky_promise_rate"]["high"] > high


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 60), st.integers(1, 60))
def test_property_gate_is_the_bound_of_its_strata(k1: int, k2: int, n1: int, n2: int) -> None:
    strata = [Stratum(80, n1, min(k1, n1)), Stratum(90, n2, min(k2, n2))]
    found = World(tuple(strata[0]), tuple(strata[1])).risky()
    assert found["high"] == stratified_upper(strata, 1 - 0.95)
    assert found["low"] == stratified_lower(strata, 1 - 0.95)
    expected = (
        "pass" if found["high"] <= 0.01 else "fail" if found["low"] > 0.01 else "insufficient"
    )
    assert found["status"] == expected


def test_exact_settled_share_is_a_count() -> None:
    world = World((1, 1, 0), (9, 9, 0))
    for i, row in enumerate(world.rows):
        row["status"] = ("agreed", "handoff", "diverged", "diverged", "human")[i % 5]
    for limit, status in ((0.5, "pass"), (0.51, "fail")):
        gate = Gate(metric="settled_share", limit=limit)
        found = world.evaluate(gate)["all", "settled_share"]
        assert (found["status"], found["estimate"], found["n"]) == (status, 0.5, 8)
        assert "4 of 8" in found["reason"]


def _numbers(metric: str, unit: str = "rate", **bounds: tuple[float | None, ...]) -> pl.DataFrame:
    return tables.build(
        "kpis",
        [
            {**CELL, "segment": "all", "bound": bound, "metric": metric, "n": 20, "unit": unit}
            | {"method": "m", "estimate": values[1], "low": values[0], "high": values[2]}
            for bound, values in bounds.items()
        ],
    )


@pytest.mark.parametrize(
    ("metric", "limit", "worst", "best", "status"),
    [
        ("service_level", 0.8, (0.81, 0.85, 0.9), (0.9, 0.92, 0.95), "pass"),
        ("service_level", 0.8, (0.79, 0.85, 0.9), (0.9, 0.92, 0.95), "insufficient"),
        ("service_level", 0.8, (0.5, 0.55, 0.6), (0.7, 0.75, 0.79), "fail"),
        # No bound, no pass.
        ("service_level", 0.8, (None, 0.85, None), (None, 0.9, None), "insufficient"),
        ("service_level", 0.8, (None, 0.6, None), (None, 0.7, None), "fail"),
        ("complaint_rate", 0.05, (0.02, 0.03, 0.05), (0.01, 0.01, 0.02), "pass"),
        ("complaint_rate", 0.05, (0.02, 0.03, 0.06), (0.01, 0.01, 0.02), "insufficient"),
        ("complaint_rate", 0.05, (0.1, 0.2, 0.3), (0.06, 0.07, 0.08), "fail"),
        ("saving_money", 0.0, (1.0, 2.0, 3.0), (5.0, 6.0, 7.0), "pass"),
        ("saving_money", 0.0, (-1.0, 2.0, 3.0), (5.0, 6.0, 7.0), "insufficient"),
        ("saving_money", 0.0, (-9.0, -8.0, -7.0), (-3.0, -2.0, -1.0), "fail"),
    ],
)
def test_exact_simulated_numbers_pass_by_their_worst_case(
    metric: Any, limit: float, worst: Any, best: Any, status: str
) -> None:
    world = World((1, 1, 0), (9, 9, 0))
    numbers = _numbers(metric, best=best, worst=worst)
    found = world.evaluate(Gate(metric=metric, limit=limit), kpis=numbers)["all", metric]
    assert (found["status"], found["bound"]) == (status, "worst")
    assert (found["low"], found["estimate"], found["high"]) == worst


def test_exact_a_single_bound_stands_for_all_and_none_for_nothing() -> None:
    world, gate = World((1, 1, 0), (9, 9, 0)), Gate(metric="service_level", limit=0.8)
    only = world.evaluate(gate, kpis=_numbers("service_level", central=(0.5, 0.6, 0.7)))
    assert only["all", "service_level"]["status"] == "fail"
    assert only["refund", "service_level"]["status"] == "insufficient"
    both = _numbers("service_level", central=(0.9, 0.9, 0.9), best=(0.9, 0.9, 0.9))
    assert world.evaluate(gate, kpis=both)["all", "service_level"]["status"] == "insufficient"


def test_exact_stages_without_a_bot_have_three_gates() -> None:
    settlements = tables.build(
        "settlements",
        [
            {"stage": "assist", "candidate": "x", "conversation_id": "a", "status": "assist"},
            {
                "stage": "human_only",
                "candidate": "human",
                "conversation_id": "a",
                "status": "human",
            },
        ],
    )
    every = [Gate(metric=m, limit=0.5) for m in GATE_METRICS]  # type: ignore[arg-type]
    evidence = gate_stage.Evidence(
        kpis=tables.empty("kpis"),
        costs=tables.empty("costs"),
        labels=tables.empty("labels"),
        domain=pl.DataFrame(schema=DOMAIN),
        points=pl.DataFrame(schema=POINTS),
        settlements=settlements,
        segments=pl.DataFrame({"conversation_id": ["a"], "segment": ["refund"]}),
    )
    found = gate_stage.evaluate(evidence, every, LADDER)
    # The baseline is what the others are held against, and is not gated.
    assert found["stage"].unique().to_list() == ["assist"]
    assert set(found["metric"]) == {"service_level", "service_level_loss", "saving_money"}
    assert set(found["status"]) == {"insufficient"}


@pytest.mark.parametrize(
    ("estimate", "reason"),
    [
        (-1020.55, "−1,021 USD a day"),
        (-20.5, "−20.50 USD a day"),
        (99.994, "99.99 USD a day"),
        (100.2, "100 USD a day"),
    ],
)
def test_exact_money_is_written_for_people(estimate: float, reason: str) -> None:
    gate = Gate(metric="saving_money", limit=0.0)
    numbers = _numbers("saving_money", "USD a day", central=(None, estimate, None))
    found = World((1, 1, 0), (9, 9, 0)).evaluate(gate, kpis=numbers)["all", "saving_money"]
    assert f"human-only {reason} (its sampling uncertainty is not known)" in found["reason"]
    assert ", against a limit of at least 0 USD a day" in found["reason"]
    assert "worst" not in found["reason"]


def test_exact_nothing_automatic_is_insufficient() -> None:
    world = World((1, 1, 0), (9, 9, 0))
    world.rows[0]["segment"] = "other"
    segments_only = world.evaluate(RISKY)
    assert segments_only["other", "risky_promise_rate"]["n"] == 1
    world.rows[0] |= {"status": "human"}
    found = world.evaluate(Gate(metric="settled_share", limit=0.1))["other", "settled_share"]
    assert (found["status"], found["reason"]) == ("insufficient", "no conversation was automated")


def _gates(**statuses: dict[str, str]) -> pl.DataFrame:
    return tables.build(
        "gates",
        [
            {"stage": stage, "candidate": "x", "segment": "all", "metric": metric, "n": 9}
            | {"status": status, "limit": 0.01, "reason": "because", "unit": "rate"}
            | {"method": "m", "low": 0.02, "high": 0.03, "estimate": 0.025}
            | {"estimand": "this_history"}
            | {"labels_needed": 120 if status == "insufficient" else None}
            for stage, metrics in statuses.items()
            for metric, status in metrics.items()
        ],
    )


GOOD = {"risky_promise_rate": "pass", "service_level": "pass"}


@pytest.mark.parametrize(
    ("low_risk", "wider", "stage", "binding", "next_step"),
    [
        (GOOD, GOOD, "wider_auto", None, "The ladder ends here."),
        (
            GOOD,
            GOOD | {"risky_promise_rate": "insufficient"},
            "low_risk_auto",
            "risky_promise_rate",
            "To reach wider_auto: label some 120 more conversations for the risky-promise rate.",
        ),
        (
            GOOD | {"risky_promise_rate": "fail"},
            GOOD,
            "assist",
            "risky_promise_rate",
            "To reach low_risk_auto: the upper bound of the risky-promise rate must fall by "
            "2 points, to 1 %.",
        ),
        (
            {"risky_promise_rate": "insufficient", "saving_money": "fail"},
            GOOD,
            "assist",
            "saving_money",
            # Within its limit, and yet it does not pass: something about it is not known.
            "To reach low_risk_auto: the saving against human-only must be shown to hold "
            "(because); the risky-promise rate stands in the way too.",
        ),
        (
            {"complaint_rate": "pass", "service_level": "pass"},
            GOOD,
            "assist",
            "risky_promise_rate",
            "To reach low_risk_auto: add a gate on risky_promise_rate; without labels of what the "
            "bot said, no automatic stage is recommended.",
        ),
    ],
)
def test_exact_recommendation_stops_at_the_first_gate_that_does_not_pass(
    low_risk: dict[str, str], wider: dict[str, str], stage: str, binding: str | None, next_step: str
) -> None:
    assist = {"service_level": "pass"}
    found = recommend(_gates(assist=assist, low_risk_auto=low_risk, wider_auto=wider), LADDER)
    assert found.rows() == [("x", "all", stage, binding, next_step, None, None)]


@pytest.mark.parametrize(
    ("row", "next_step"),
    [
        (
            {"metric": "interception_rate", "low": 0.78, "limit": 0.9},
            "the lower bound of high-risk interception must rise by 12 points, to 90 %.",
        ),
        (
            {"metric": "saving_money", "unit": "USD a day", "estimate": -27552.3, "limit": 0.0}
            | {"low": None, "high": None, "bound": "worst"},
            "the saving against human-only in the worst case must rise by 27,552 USD a day, "
            "to 0 USD a day.",
        ),
        (
            {"metric": "complaint_rate", "high": 0.0525, "limit": 0.05, "bound": "worst"},
            "the upper bound of the complaint rate in the worst case must fall by 0.25 points, "
            "to 5 %.",
        ),
        (
            {"metric": "settled_share", "estimate": 0.2, "low": 0.2, "high": 0.2, "limit": 0.5},
            "the settled share must rise by 30 points, to 50 %.",
        ),
        (
            {"metric": "interception_rate", "status": "insufficient"}
            | {"low": None, "estimate": None, "high": None},
            "high-risk interception must be known first.",
        ),
    ],
)
def test_exact_next_step_is_a_short_sentence(row: dict[str, Any], next_step: str) -> None:
    given = {**CELL, "stage": "assist", "segment": "all", "n": 9, "status": "fail"}
    given |= {"limit": 0.5, "reason": "because", "unit": "rate", "method": "m", "high": 0.9}
    given |= {"estimand": "this_history"}
    found = recommend(tables.build("gates", [given | row]), LADDER)
    assert found["next_step"].to_list() == [f"To reach assist: {next_step}"]


def test_exact_what_else_stands_in_the_way_is_named() -> None:
    fails = dict.fromkeys(("risky_promise_rate", "interception_rate", "settled_share"), "fail")
    found = recommend(_gates(assist=fails), LADDER)["next_step"][0]
    assert found.endswith(
        "to 1 %; high-risk interception and the settled share stand in the way too."
    )


def test_exact_recommendation_needs_every_rung_and_skips_the_baseline() -> None:
    found = recommend(_gates(wider_auto=GOOD), LADDER)
    assert found["stage"].to_list() == ["human_only"]
    assert "no gate was tested there" in found["next_step"][0]
    human = _gates(human_only=GOOD).with_columns(pl.lit("human").alias("candidate"))
    assert recommend(human, LADDER).height == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["pass", "fail", "insufficient"]), min_size=3, max_size=3))
def test_property_nothing_beyond_a_gate_that_does_not_pass(statuses: list[str]) -> None:
    rungs = ["assist", "low_risk_auto", "wider_auto"]
    rows = {
        stage: {"risky_promise_rate": status} for stage, status in zip(rungs, statuses, strict=True)
    }
    passed = next((i for i, status in enumerate(statuses) if status != "pass"), 3)
    assert recommend(_gates(**rows), LADDER)["stage"][0] == ["human_only", *rungs][passed]
