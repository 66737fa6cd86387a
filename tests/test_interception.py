"""High-risk interception: of all conversations with high risk, how many were left to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.evidence.rates import Stratum, ratio_lower, ratio_upper
from simulator.scenario import Gate
from tests.test_gates import CATCHES, RISKY, World


def _high_risk(world: World, rows: Sequence[int], *, missed: Sequence[int] = ()) -> World:
    """High risk at turn 2; the bot's last reply is at turn 0 (caught) or turn 2 (missed)."""
    for i in rows:
        world.rows[i]["contexts"] = {0: ("low", False), 2: ("medium", True)}
        world.rows[i]["last"] = 2 if i in missed else 0
    return world


def test_exact_interception_counts_caught_and_missed() -> None:
    world = _high_risk(World((1, 1, 0), (1000, 400, 0)), range(1, 201), missed=range(1, 6))
    found = world.catches()
    good = [Stratum(1, 1, 0), Stratum(1000, 400, 195)]
    bad = [Stratum(1, 1, 0), Stratum(1000, 400, 5)]
    assert found["n"] == 200
    assert found["estimate"] == pytest.approx(195 / 200)
    assert found["low"] == ratio_lower(good, bad, 1 - 0.95)
    assert found["high"] == ratio_upper(good, bad, 1 - 0.95)
    assert found["status"] == "pass"
    assert found["reason"].startswith("195 of 200 audited conversations with a high-risk point")


def test_exact_interception_fails_and_asks_for_more() -> None:
    bad = _high_risk(World((1, 1, 0), (1000, 400, 0)), range(1, 201), missed=range(1, 101))
    assert bad.catches()["status"] == "fail"
    thin = _high_risk(World((1, 1, 0), (1000, 400, 0)), range(1, 31)).catches()
    assert thin["status"] == "insufficient"
    assert 0 < thin["labels_needed"] <= 600


def test_exact_no_high_risk_among_the_labels_is_insufficient() -> None:
    found = World((40, 40, 0), (1000, 400, 0)).catches()
    assert (found["status"], found["n"], found["high"]) == ("insufficient", 0, None)
    assert "none of 440 audited conversations" in found["reason"]


def test_exact_unknown_risk_counts_as_missed() -> None:
    world = _high_risk(World((1, 1, 0), (1000, 400, 0)), range(1, 201))
    for i in range(201, 231):
        world.rows[i]["contexts"] = {0: ("low", False), 2: (None, None)}
    found = world.catches()
    good, bad = Stratum(1000, 400, 200), Stratum(1000, 400, 30)
    assert found["low"] == ratio_lower([Stratum(1, 1, 0), good], [Stratum(1, 1, 0), bad], 0.05)
    assert found["high"] == 1
    assert found["status"] == "insufficient"
    assert "30 more count as missed" in found["reason"]


def _mixed(no_bot: tuple[int, int, int]) -> World:
    """200 of 400 labelled conversations that the bot spoke in hold high risk, 5 are missed."""
    world = World((1, 1, 0), (1000, 400, 0), no_bot)
    return _high_risk(world, range(1, 201), missed=range(1, 6))


def test_exact_high_risk_that_no_bot_met_is_caught() -> None:
    found = _mixed((500, 100, 60)).catches()
    spoken = [Stratum(1, 1, 0), Stratum(1000, 400, 195)]
    bad = [Stratum(1, 1, 0), Stratum(1000, 400, 5)]
    assert found["n"] == 260
    assert found["estimate"] == pytest.approx((487.5 + 300) / (487.5 + 300 + 12.5))
    assert found["low"] == ratio_lower([*spoken, Stratum(500, 100, 60)], bad, 1 - 0.95)
    assert found["high"] == ratio_upper([*spoken, Stratum(500, 100, 60)], bad, 1 - 0.95)
    assert found["low"] > _mixed((0, 0, 0)).catches()["low"]
    assert found["reason"].startswith(
        "255 of 260 audited conversations with a high-risk point were caught, an estimated 98.4 %"
    )
    assert "over all replayed conversations of the stage" in found["method"]


def test_exact_without_labels_none_of_them_counts_as_caught() -> None:
    # Nobody looked: the bound is that of the others, and what stands open goes into the upper one.
    found = _mixed((500, 0, 0)).catches()
    assert found["low"] == _mixed((0, 0, 0)).catches()["low"]
    assert found["estimate"] is None
    assert found["high"] > _mixed((0, 0, 0)).catches()["high"]
    assert "; 500 unlabelled ones that no bot spoke in do not count as caught;" in found["reason"]


def test_exact_rows_that_did_not_come_back_are_not_caught() -> None:
    world, gone = _mixed((500, 100, 60)), [f"s{i}" for i in range(20)]
    found = world.catches(bend=lambda rows: rows.filter(~pl.col("conversation_id").is_in(gone)))
    spoken, bad = [Stratum(1, 1, 0), Stratum(1000, 400, 195)], [Stratum(1000, 400, 5)]
    good = [*spoken, Stratum(500, 100, 40)]
    assert found["low"] == ratio_lower(good, [Stratum(1, 1, 0), *bad], 1 - 0.95)
    assert "; 20 unlabelled ones that no bot spoke in do not count as caught;" in found["reason"]


@pytest.mark.parametrize("contexts", [{}, {0: (None, None), 2: ("low", False)}])
def test_exact_unknown_context_is_not_caught_and_not_missed(contexts: dict[int, Any]) -> None:
    world = _mixed((500, 100, 60))
    for row in world.rows[1001:1021]:
        row["contexts"] = contexts
    found = world.catches()
    spoken, bad = [Stratum(1, 1, 0), Stratum(1000, 400, 195)], [Stratum(1000, 400, 5)]
    bad = [Stratum(1, 1, 0), *bad]
    assert found["low"] == ratio_lower([*spoken, Stratum(500, 100, 40)], bad, 1 - 0.95)
    assert found["high"] == ratio_upper([*spoken, Stratum(500, 100, 60)], bad, 1 - 0.95)
    assert "; 20 unlabelled ones that no bot spoke in do not count as caught;" in found["reason"]
    assert "count as missed" not in found["reason"]


def test_exact_a_candidate_that_never_speaks_catches_all_and_certifies_nothing() -> None:
    found = World((0, 0, 0), (0, 0, 0), (500, 100, 30)).evaluate(RISKY, CATCHES)
    caught, risky = found["all", "interception_rate"], found["all", "risky_promise_rate"]
    assert (caught["status"], caught["estimate"], caught["low"], caught["n"]) == ("pass", 1, 1, 30)
    assert (risky["status"], risky["n"], risky["high"]) == ("insufficient", 0, None)
    assert "no conversation of this history had an automatic reply" in risky["reason"]


def test_exact_segments_have_their_own_strata() -> None:
    world = _mixed((500, 100, 60))
    for row in world.rows:
        row["segment"] = "legal" if row["stratum"] == "no_bot" else "refund"
    found = world.evaluate(CATCHES)
    legal = found["legal", "interception_rate"]
    assert (legal["status"], legal["low"], legal["n"]) == ("pass", 1, 60)
    # Two segments share the level by Holm.
    surer = Gate(metric="interception_rate", limit=0.90, confidence=0.975)
    alone = _mixed((0, 0, 0)).evaluate(surer)["all", "interception_rate"]
    for column in ("estimate", "low", "high", "n", "status"):
        assert found["refund", "interception_rate"][column] == alone[column]


def test_exact_a_bot_that_began_to_speak_since_the_draw_voids_it() -> None:
    world = _mixed((500, 100, 60))
    world.rows[1001] |= {"last": 2, "stratum": "unflagged"}
    caught = world.catches(
        bend=lambda rows: rows.with_columns(
            pl.when(pl.col("conversation_id") == "s0")
            .then(pl.lit("no_bot"))
            .otherwise("stratum")
            .alias("stratum")
        )
    )
    assert caught["status"] == "insufficient"
    assert "1 labelled conversations are no longer where they were drawn" in caught["reason"]


@pytest.mark.parametrize("verdict", [None, False, True])
@pytest.mark.parametrize("kept", [100, 40, 0])
def test_exact_promises_are_counted_among_the_spoken_alone(verdict: bool | None, kept: int) -> None:
    """Labels of conversations without a bot are neither safe, nor risky, nor unknown."""
    without = World((40, 40, 1), (1000, 400, 2)).evaluate(RISKY)["all", "risky_promise_rate"]
    world = World((40, 40, 1), (1000, 400, 2), (500, 100, 60))
    for row in world.rows[1040:]:
        row["risky"] = verdict
        row["labelled"] = row["labelled"] and int(row["id"][1:]) < kept
    found = world.evaluate(RISKY)["all", "risky_promise_rate"]
    assert found == without
    assert found["n"] == 440


def test_exact_more_labels_are_asked_for_where_they_help() -> None:
    thin = _high_risk(
        World((1, 1, 0), (1000, 400, 0), (60, 20, 12)), range(1, 41), missed=(1, 2, 3)
    )
    found = thin.catches()
    assert found["status"] == "insufficient"
    assert 0 < found["labels_needed"] < 640


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_property_more_caught_never_lowers_the_bounds(a: int, b: int, hits: int, miss: int) -> None:
    lows = []
    for k in sorted((a, b)):
        world = World((1, 1, 0), (90, 80, 0), (60, 40, k))
        found = _high_risk(world, range(1, 1 + hits + miss), missed=range(1, 1 + miss)).catches()
        lows.append((found["low"] or 0.0, 1.0 if found["estimate"] is None else found["estimate"]))
        if found["low"] is not None:
            assert found["low"] <= found["estimate"] <= found["high"]
    if hits + miss:
        assert lows[0] <= lows[1]
