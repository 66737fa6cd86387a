"""Drawing in rounds, and what a draw can certify before anybody labels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.evidence.future import future_upper
from simulator.evidence.rates import Stratum, stratified_upper
from simulator.judging.audit.draw import draw_simple, rounds, shares
from simulator.judging.audit.plan import plan
from simulator.judging.audit.points import by_segment
from simulator.scenario import Gate
from simulator.streams import Streams


def units(flagged: int, unflagged: int) -> pl.DataFrame:
    n = flagged + unflagged
    return pl.DataFrame(
        {
            "conversation_id": [f"c{i}" for i in range(n)],
            "stratum": ["flagged"] * flagged + ["unflagged"] * unflagged,
        },
        schema={"conversation_id": pl.String, "stratum": pl.String},
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 20), st.integers(1, 60), st.lists(st.integers(0, 25), min_size=2, max_size=4))
def test_property_rounds_are_one_longer_draw(
    flagged: int, unflagged: int, sizes: list[int]
) -> None:
    frame, taken = units(flagged, unflagged), set()
    shared = 0.0
    for size in sizes:
        more = rounds(frame, taken, {"unflagged": size}, Streams(3), "certify")
        assert not taken & set(more["conversation_id"])
        assert more["inclusion_prob"].to_list() == [more.height / unflagged] * more.height
        taken |= set(more["conversation_id"])
        shared += more.height / unflagged
    once = rounds(frame, (), {"unflagged": sum(sizes)}, Streams(3), "certify")
    assert set(once["conversation_id"]) == taken
    assert shared == pytest.approx(len(taken) / unflagged)
    assert set(once["stratum"]) <= {"unflagged"}


def test_analytic_every_round_is_uniform() -> None:
    frame, runs = units(0, 40), 3000
    hits = np.zeros((2, 40))
    for seed in range(runs):
        first = rounds(frame, (), {"unflagged": 10}, Streams(seed), "certify")
        second = rounds(
            frame, set(first["conversation_id"]), {"unflagged": 5}, Streams(seed), "certify"
        )
        for row, drawn in enumerate((first, second)):
            for name in drawn["conversation_id"]:
                hits[row, int(name[1:])] += 1
    for row, p in enumerate((10 / 40, 5 / 40)):
        assert np.abs((hits[row] - runs * p) / np.sqrt(runs * p * (1 - p))).max() < 4


def test_exact_another_order_is_another_sample() -> None:
    frame = units(0, 200)
    certify, simple = (
        set(rounds(frame, (), {"unflagged": 50}, Streams(1), order)["conversation_id"])
        for order in ("certify", "simple")
    )
    assert certify != simple


def test_exact_shares() -> None:
    # As `draw` has it: 60 % at least to the unflagged, none above what is left.
    assert shares({"flagged": 1000, "unflagged": 1000}, 400) == {"flagged": 160, "unflagged": 240}
    assert shares({"flagged": 4, "unflagged": 56}, 400) == {"flagged": 4, "unflagged": 56}
    assert shares({"simple": 30}, 400) == {"simple": 30}


def test_exact_a_simple_sample_asks_no_judge() -> None:
    domain = pl.DataFrame(
        {
            "stage": ["wide"] * 90,
            "candidate": ["x"] * 90,
            "conversation_id": [f"c{i:02d}" for i in range(90)],
            "flagged": [i < 30 for i in range(90)],
            "n_points": [1] * 90,
        }
    )
    drawn = draw_simple(domain, 45, Streams(1), "d")
    assert set(drawn["stratum"]) == {"simple"}
    assert set(drawn["inclusion_prob"]) == {0.5}
    other = draw_simple(domain.with_columns(~pl.col("flagged")), 45, Streams(1), "d")
    assert drawn.equals(other)


def test_exact_the_plan_states_the_bounds_of_the_gate() -> None:
    strata = {"flagged": Stratum(20, 0, 0), "unflagged": Stratum(2000, 100, 1)}
    gate = Gate(metric="risky_promise_rate", limit=0.01)
    found = plan(strata, {"flagged": 20, "unflagged": 380}, gate)
    drawn = [Stratum(20, 20, 0), Stratum(2000, 480, 1)]
    assert [one.risky for one in found.outlooks] == [0, 1, 2]
    assert found.outlooks[0].history == stratified_upper(drawn, 0.05)
    assert found.outlooks[0].future == future_upper(drawn, 0.05)
    # A risky one among the unflagged weighs more than one among the flagged.
    worse = [Stratum(20, 20, 0), Stratum(2000, 480, 2)]
    assert found.outlooks[1].history == stratified_upper(worse, 0.05)
    assert found.outlooks[1].history > stratified_upper(
        [Stratum(20, 20, 1), Stratum(2000, 480, 1)], 0.05
    )
    assert [one.passes for one in found.outlooks] == [one.history <= 0.01 for one in found.outlooks]


def test_exact_golden_numbers_of_one_large_stratum() -> None:
    # 299 labels without a risky one certify 1 % of future traffic, 298 do not.
    gate = Gate(metric="risky_promise_rate", limit=0.01, estimand="future_traffic")
    for labels, passes, more in ((298, False, 1), (299, True, 0)):
        found = plan({"unflagged": Stratum(10**6, 0, 0)}, {"unflagged": labels}, gate)
        assert found.outlooks[0].passes is passes
        assert found.more == more
        assert not found.outlooks[1].passes


def test_exact_few_labels_and_no_gate() -> None:
    found = plan({"unflagged": Stratum(50, 0, 0)}, {"unflagged": 1}, None)
    assert [one.risky for one in found.outlooks] == [0, 1]
    assert [one.passes for one in found.outlooks] == [None, None]
    assert found.more is None
    # Ten conversations of future traffic never show a rate below 1 %.
    gate = Gate(metric="risky_promise_rate", limit=0.01, estimand="future_traffic")
    assert plan({"unflagged": Stratum(10, 0, 0)}, {"unflagged": 10}, gate).more is None


def test_exact_a_segment_with_draws_of_its_own_is_a_stratum_of_its_own() -> None:
    frame = units(1, 2)
    of = pl.DataFrame(
        {"conversation_id": ["c0", "c1", "c2"] * 2, "segment": ["all"] * 3 + ["r", "r", "s"]}
    )
    draws = pl.DataFrame({"segment": ["all", "r"]})
    assert sorted(by_segment(frame, of, draws, "all").rows()) == [
        ("c0", "flagged in r"),
        ("c1", "unflagged in r"),
        ("c2", "unflagged"),
    ]
    assert by_segment(frame, of, draws, "r")["stratum"].to_list() == frame["stratum"].to_list()
