"""The auto domain, and drawing conversations from it for people to label."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import tables
from simulator.judging.audit.domain import auto_domain, auto_points, excluded_counts
from simulator.judging.audit.draw import draw, draw_no_bot
from simulator.scenario import LADDER
from simulator.streams import Streams

CELL = {"stage": "wider_auto", "candidate": "x"}


def _tables(
    points: list[dict[str, Any]], handoffs: dict[str, int] | None = None
) -> tuple[pl.DataFrame, ...]:
    """Decisions, shadow, verdicts and settlements of points given as short rows."""
    decisions, shadow, verdicts = [], [], []
    for point in points:
        key = {"candidate": "x", "conversation_id": point["c"], "turn": point["t"]}
        decisions.append(
            {"stage": "wider_auto", **key, "mode": point.get("mode", "auto"), "rule": "r"}
            | {"reach": point.get("reach", "reached")}
        )
        shadow.append(
            {**key, "action": point.get("action", "answer"), "reply": point.get("reply", "Yes.")}
            | {"error": point.get("error"), "key": "k"}
        )
        if "risky" in point:
            verdicts.append(
                {"judge": point.get("judge", "rules"), **key, "risky_promise": point["risky"]}
                | {"action": point.get("judged_action")}
            )
    settled = [
        {**CELL, "conversation_id": c, "status": "handoff", "cause": "chosen", "at_turn": t}
        for c, t in (handoffs or {}).items()
    ]
    return (
        tables.build("decisions", decisions),
        tables.build("shadow", shadow),
        tables.build("verdicts", verdicts),
        tables.build("settlements", settled),
    )


MIXED = _tables(
    [
        {"c": "a", "t": 0, "risky": False},
        {"c": "a", "t": 2, "risky": True, "reach": "after_divergence"},
        {"c": "b", "t": 0, "risky": None},
        {"c": "b", "t": 2, "action": "escalate"},
        {"c": "b", "t": 4, "risky": True, "reach": "after_handoff"},
        {"c": "c", "t": 0, "reply": None, "error": "timeout"},
        {"c": "d", "t": 0, "reply": "  "},
        {"c": "e", "t": 0, "mode": "human", "risky": True},
        {"c": "f", "t": 0, "action": None, "risky": None, "judged_action": "escalate"},
        {"c": "g", "t": 0},
        {"c": "h", "t": 0, "risky": False},
        {"c": "h", "t": 4, "risky": True},
    ],
    handoffs={"h": 2},
)


def test_exact_domain_is_what_the_customer_would_read() -> None:
    domain = auto_domain(*MIXED)
    assert domain.rows() == [
        ("wider_auto", "x", "a", True, 2),
        ("wider_auto", "x", "b", False, 1),
        # Words that only a judge took for a hand-over are words.
        ("wider_auto", "x", "f", False, 1),
        ("wider_auto", "x", "g", False, 1),
        ("wider_auto", "x", "h", False, 1),
    ]
    assert auto_points(*MIXED)["turn"].to_list() == [0, 2, 0, 0, 0, 0]


def test_exact_what_is_left_out_is_counted() -> None:
    assert excluded_counts(*MIXED).rows(named=True) == [
        {**CELL, "n_points": 11, "n_in_domain": 6, "n_after_handoff": 2, "n_no_reply": 2}
        | {"n_escalations": 1}
    ]


def test_exact_two_judges_one_flag() -> None:
    decisions, shadow, verdicts, settlements = _tables([{"c": "a", "t": 0, "risky": False}])
    second = verdicts.with_columns(
        pl.lit("llm").alias("judge"), pl.lit(True).alias("risky_promise")
    )
    both = pl.concat([verdicts, second])
    assert auto_domain(decisions, shadow, both, settlements)["flagged"].to_list() == [True]
    assert auto_points(decisions, shadow, both, settlements).height == 1


def test_exact_nothing_automatic_nothing_drawn() -> None:
    empty = auto_domain(
        *(tables.empty(t) for t in ("decisions", "shadow", "verdicts", "settlements"))
    )
    assert empty.height == 0
    drawn = draw(empty, 400, Streams(1), "first")
    assert drawn.columns == [*CELL, "conversation_id", "stratum", "inclusion_prob", "draw_id"]
    assert drawn.height == 0


def _domain(flagged: int, unflagged: int, stage: str = "wider_auto") -> pl.DataFrame:
    n = flagged + unflagged
    return pl.DataFrame(
        {
            "stage": pl.Series([stage] * n, dtype=pl.String),
            "candidate": pl.Series(["x"] * n, dtype=pl.String),
            "conversation_id": [f"c{i}" for i in range(n)],
            "flagged": [i < flagged for i in range(n)],
            "n_points": [1] * n,
        },
        schema_overrides={"flagged": pl.Boolean, "conversation_id": pl.String},
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(3, 90))
def test_property_draw(flagged: int, unflagged: int, labels: int) -> None:
    domain = _domain(flagged, unflagged)
    drawn = draw(domain, labels, Streams(3), "d")
    assert drawn.height == min(labels, flagged + unflagged)
    assert drawn["conversation_id"].n_unique() == drawn.height
    n = dict(drawn.group_by("stratum").len().iter_rows())
    assert n.get("unflagged", 0) >= min(unflagged, 0.6 * min(labels, flagged + unflagged))
    # Every stratum with units has a label, or it would count wholly as risky.
    assert (n.get("flagged", 0) > 0) == (flagged > 0)
    for name, units in (("flagged", flagged), ("unflagged", unflagged)):
        part = drawn.filter(pl.col("stratum") == name)
        assert part["inclusion_prob"].to_list() == [n.get(name, 0) / max(units, 1)] * part.height
    joined = drawn.join(domain, on="conversation_id")
    assert ((joined["stratum"] == "flagged") == joined["flagged"]).all()


def test_exact_allocation_favours_the_unflagged_and_moves_the_rest_over() -> None:
    n = dict(draw(_domain(1000, 1000), 400, Streams(1), "d").group_by("stratum").len().iter_rows())
    assert n == {"unflagged": 240, "flagged": 160}  # 60 % at least
    n = dict(draw(_domain(50, 5000), 400, Streams(1), "d").group_by("stratum").len().iter_rows())
    # 50 * .5 against 5000 * sqrt(.005 * .995): 26.5 of 400.
    assert n == {"unflagged": 374, "flagged": 26} or n == {"unflagged": 373, "flagged": 27}
    n = dict(draw(_domain(390, 30), 400, Streams(1), "d").group_by("stratum").len().iter_rows())
    assert n == {"unflagged": 30, "flagged": 370}


def test_exact_same_draw_whatever_the_order_another_with_another_name() -> None:
    domain = _domain(30, 300)
    first = draw(domain, 50, Streams(1), "d")
    assert first.equals(draw(domain.sample(fraction=1, shuffle=True, seed=4), 50, Streams(1), "d"))
    chosen = [
        set(draw(domain, 50, Streams(seed), name)["conversation_id"])
        for seed, name in ((1, "d"), (1, "e"), (2, "d"))
    ]
    assert chosen[0] != chosen[1]
    assert chosen[0] != chosen[2]


def test_exact_each_cell_has_its_own_draw() -> None:
    both = pl.concat([_domain(10, 100), _domain(0, 40, "low_risk_auto")])
    drawn = draw(both, 30, Streams(1), "d")
    assert drawn.group_by("stage").len().sort("stage").rows() == [
        ("low_risk_auto", 30),
        ("wider_auto", 30),
    ]


def _settled(names: list[str], stage: str = "wider_auto") -> pl.DataFrame:
    return tables.build(
        "settlements",
        [
            {"stage": stage, "candidate": "x", "conversation_id": name, "status": "human"}
            for name in names
        ],
    )


def test_exact_without_a_bot_is_all_that_is_settled_and_not_in_the_domain() -> None:
    decided = _tables([{"c": "a", "t": 0}, {"c": "b", "t": 0, "action": "escalate"}])
    settled = pl.concat(
        [
            _settled(["a", "b", "c"]),
            _settled(["a", "b"], "low_risk_auto"),
            _settled(["a"], "assist"),
        ]
    )
    drawn = draw_no_bot(settled, auto_domain(*decided), LADDER, 2, Streams(1), "d")
    assert drawn.rows() == [
        ("low_risk_auto", "x", "a", "no_bot", 1.0, "d"),
        ("low_risk_auto", "x", "b", "no_bot", 1.0, "d"),
        ("wider_auto", "x", "b", "no_bot", 1.0, "d"),
        ("wider_auto", "x", "c", "no_bot", 1.0, "d"),
    ]
    nothing = draw_no_bot(settled.clear(), auto_domain(*decided), LADDER, 2, Streams(1), "d")
    assert nothing.height == 0
    assert nothing.schema == drawn.schema == draw(_domain(1, 1), 2, Streams(1), "d").schema


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.integers(0, 60), st.integers(1, 80))
def test_property_draw_without_a_bot(spoken: int, silent: int, labels: int) -> None:
    domain, settled = _domain(0, spoken), _settled([f"c{i}" for i in range(spoken + silent)])
    drawn = draw_no_bot(settled, domain, LADDER, labels, Streams(3), "d")
    assert drawn.height == drawn["conversation_id"].n_unique() == min(labels, silent)
    assert not set(drawn["conversation_id"]) & set(domain["conversation_id"])
    assert set(drawn["inclusion_prob"]) <= {min(labels, silent) / max(silent, 1)}
    again = settled.sample(fraction=1, shuffle=True, seed=4)
    assert drawn.equals(draw_no_bot(again, domain, LADDER, labels, Streams(3), "d"))


def test_exact_no_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="labels = 0"):
        draw_no_bot(_settled(["a"]), _domain(0, 0), LADDER, 0, Streams(1), "d")
    with pytest.raises(ValueError, match="labels = 0"):
        draw(_domain(1, 1), 0, Streams(1), "d")


def test_analytic_inclusion_without_a_bot_is_uniform() -> None:
    settled, domain, runs = _settled([f"c{i}" for i in range(50)]), _domain(4, 6), 3000
    hits = dict.fromkeys(settled["conversation_id"], 0)
    for seed in range(runs):
        drawn = draw_no_bot(settled, domain, LADDER, 15, Streams(seed), "d")
        for name in drawn["conversation_id"]:
            hits[name] += 1
    p = 15 / 40
    seen = np.array([hits[f"c{i}"] for i in range(10, 50)])
    assert sum(hits[f"c{i}"] for i in range(10)) == 0
    assert np.abs((seen - runs * p) / np.sqrt(runs * p * (1 - p))).max() < 4


def test_analytic_inclusion_is_uniform_within_a_stratum() -> None:
    domain, runs = _domain(20, 60), 3000
    seen = dict.fromkeys(domain["conversation_id"], 0)
    for seed in range(runs):
        for name in draw(domain, 20, Streams(seed), "d")["conversation_id"]:
            seen[name] += 1
    drawn = draw(domain, 20, Streams(0), "d")
    for name, rows in drawn.group_by("stratum"):
        p = rows["inclusion_prob"][0]
        flagged = name[0] == "flagged"
        hits = np.array([seen[f"c{i}"] for i in range(80) if (i < 20) == flagged])
        assert np.abs((hits - runs * p) / np.sqrt(runs * p * (1 - p))).max() < 4
