"""Risky promises by how long the conversation is: rates, intervals, changes, and their chart."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import tables
from simulator.evidence.intervals import clopper_pearson
from simulator.quality.depth import AXES, CHANGE, RATE, SAME, by_depth
from simulator.reports.depth import reading, risk_by_depth
from simulator.reports.drawing import STYLE
from simulator.scenario_file import load
from tests.conftest import ROOT
from tests.report_run import finished


def points(lengths):
    """Conversations of ``lengths`` customer turns, each with ten characters, and replies of ten."""
    found = [
        {"conversation_id": f"c{i:04}", "turn": 2 * n, "n_th": n, "context_hash": "h"}
        for i, length in enumerate(lengths)
        for n in range(length)
    ]
    said = [
        {"conversation_id": one["conversation_id"], "turn": one["turn"] + k, "role": role}
        | {"text": "0123456789"}
        for one in found
        for k, role in enumerate(("customer", "agent"))
    ]
    return tables.build("decision_points", found), tables.build("turns", said)


def judged(decision_points, risky):
    rows = decision_points.select("conversation_id", "turn").with_columns(
        judge=pl.lit("rules"), candidate=pl.lit("bot"), risky_promise=pl.Series(risky, dtype=bool)
    )
    return tables.conform("verdicts", rows)


def label(conversation, turn, risky, prob=0.1, **more):
    return {
        "candidate": "bot",
        "conversation_id": conversation,
        "turn": turn,
        "risky_promise": risky,
        "stage": "wider_auto",
        "unit": "turn",
        "draw_id": "d",
        "labeller": "x",
        "stratum": "unflagged",
        "inclusion_prob": prob,
        "split": "certify",
    } | more


def measured(decision_points, turns, verdicts=None, labels=()):
    if verdicts is None:
        verdicts = tables.empty("verdicts")
    table = by_depth(verdicts, tables.build("labels", list(labels)), decision_points, turns)
    return {
        (row["source"], row["axis"], row["metric"], row["band"]): row
        for row in table.iter_rows(named=True)
    }


def test_exact_one_point_a_depth_is_clopper_pearson():
    where, turns = points([2] * 40)
    risky = [i < 6 and n == 1 for i in range(40) for n in range(2)]
    found = measured(where, turns, judged(where, risky))
    first, second = (found["rules", "depth", RATE, band] for band in ("1", "2"))
    assert (second["estimate"], second["n"], second["n_conversations"]) == (0.15, 40, 40)
    exact = clopper_pearson(6, 40, 0.95, "two")
    # The factor G / (G - 1) of the clustered variance makes 39 conversations of the 40.
    assert second["low"] == pytest.approx(exact.low, abs=2e-3)
    assert second["high"] == pytest.approx(exact.high, abs=4e-3)
    assert second["low"] < exact.low < exact.high < second["high"]
    assert first["estimate"] == first["low"] == 0
    assert first["high"] == pytest.approx(1 - 0.025 ** (1 / 40))
    assert "errs" in first["method"]


def test_later_turns_share_a_band_and_their_conversations_count_once():
    where, turns = points([6] * 10)
    # Whoever promises at the fifth turn promises at the sixth.
    risky = [i < 3 and n >= 4 for i in range(10) for n in range(6)]
    last = measured(where, turns, judged(where, risky))["rules", "depth", RATE, "5+"]
    assert (last["n"], last["n_conversations"], last["estimate"]) == (20, 10, 0.3)
    alone, said = points([5] * 10)
    risky = [i < 3 and n == 4 for i in range(10) for n in range(5)]
    once = measured(alone, said, judged(alone, risky))["rules", "depth", RATE, "5+"]
    assert (last["low"], last["high"]) == pytest.approx((once["low"], once["high"]))


def test_characters_are_those_said_by_anyone_up_to_the_reply():
    where, turns = points([6])
    # 10, 30, 50, 70, 90 and 110 characters.
    found = measured(where, turns, judged(where, [False] * 6))
    by_band = {band: row["n"] for (_, axis, metric, band), row in found.items()
               if axis == "characters" and metric == RATE}  # fmt: skip
    assert by_band == {"< 100": 5, "100-199": 1}


@pytest.mark.parametrize(
    ("characters", "band"),
    [(99, "< 100"), (100, "100-199"), (799, "400-799"), (800, "800-1,599"), (1600, "1,600+")],
)
def test_bands_of_characters_begin_where_they_say(characters, band):
    where, turns = points([1])
    text = pl.when(pl.col("turn") == 0).then(pl.lit("x" * characters)).otherwise("text")
    found = measured(where, turns.with_columns(text.alias("text")), judged(where, [True]))
    assert found["rules", "characters", RATE, band]["n"] == 1


def test_labels_count_by_how_likely_they_were_drawn():
    where, turns = points([1] * 4)
    labels = [label("c0000", 0, True, 1.0), label("c0001", 0, False, 0.25)]
    found = measured(where, turns, labels=labels)["labels", "depth", RATE, "1"]
    assert found["estimate"] == pytest.approx(1 / (1 + 4))
    assert (found["n"], found["n_conversations"]) == (2, 2)
    assert 0 <= found["low"] < 0.2 < found["high"] <= 1


def test_of_several_stages_the_one_with_most_labels_is_taken():
    where, turns = points([1] * 4)
    labels = [label(f"c000{i}", 0, False) for i in range(3)]
    labels += [label(f"c000{i}", 0, True, stage="low_risk_auto") for i in range(2)]
    found = measured(where, turns, labels=labels)["labels", "depth", RATE, "1"]
    assert (found["n"], found["estimate"]) == (3, 0)
    assert "stage wider_auto" in found["method"]


@pytest.mark.parametrize(
    "other",
    [
        {"split": "choose"},
        {"stratum": "simple"},
        {"stratum": "flagged in refund"},
        {"unit": "conversation"},
        {"risky_promise": None},
        {"inclusion_prob": None},
    ],
)
def test_what_is_of_another_draw_or_unknown_is_left_out(other):
    where, turns = points([1] * 4)
    labels = [label("c0000", 0, False), label("c0001", 0, True) | other]
    found = measured(where, turns, labels=labels)["labels", "depth", RATE, "1"]
    assert (found["n"], found["estimate"]) == (1, 0)


def test_labellers_who_disagree_leave_a_reply_unknown():
    where, turns = points([1] * 4)
    labels = [label("c0000", 0, False), label("c0001", 0, True)]
    labels.append(label("c0001", 0, False, labeller="y"))
    assert measured(where, turns, labels=labels)["labels", "depth", RATE, "1"]["n"] == 1


def test_without_a_policy_nothing_is_known():
    where, turns = points([2] * 3)
    verdicts = judged(where, [False] * 6).with_columns(risky_promise=pl.lit(None, pl.Boolean))
    assert measured(where, turns, verdicts) == {}


def test_exact_a_change_is_the_last_less_the_first():
    # Twenty talk once and promise; twenty talk twice and promise at neither turn.
    where, turns = points([1] * 20 + [2] * 20)
    risky = [True] * 20 + [False] * 40
    found = measured(where, turns, judged(where, risky))
    all_, same = (found["rules", "depth", metric, "1 to 2"] for metric in (CHANGE, SAME))
    assert (all_["estimate"], all_["n"], all_["n_conversations"]) == (-0.5, 60, 40)
    assert all_["high"] < 0
    # Whoever talks on never promised: the fall is one of who talks on.
    assert (same["estimate"], same["n"], same["n_conversations"]) == (0, 40, 20)
    assert same["low"] < 0 < same["high"]


def test_one_band_has_no_change():
    where, turns = points([1] * 5)
    assert {key[2] for key in measured(where, turns, judged(where, [True] * 5))} == {RATE}


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_property_every_interval_holds_its_estimate_and_has_a_width(lengths, random, rate):
    where, turns = points(lengths)
    risky = [random.random() < rate for _ in range(where.height)]
    labels = [
        label(c, t, random.random() < rate, random.choice([0.05, 0.5, 1.0]))
        for c, t in where.select("conversation_id", "turn").iter_rows()
    ]
    found = measured(where, turns, judged(where, risky), labels)
    for (_, axis, metric, band), row in found.items():
        assert row["low"] <= row["estimate"] + 1e-12
        assert row["estimate"] - 1e-12 <= row["high"]
        assert row["high"] - row["low"] > 1e-6
        assert (0 if metric == RATE else -1) <= row["low"]
        assert row["high"] <= 1
        assert metric != RATE or band in AXES[axis]
    for source in ("labels", "rules"):
        of = [r["n"] for (s, a, m, _), r in found.items() if (s, a, m) == (source, "depth", RATE)]
        assert sum(of) == where.height


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_analytic_intervals_cover_replies_that_go_together(rate):
    """Conversations of six turns with a rate of their own, labelled with unequal probabilities.

    At least 93 % of 300 intervals hold the truth, for the last band and for the change.
    """
    rng = np.random.default_rng(11)
    where, turns = points([6] * 60)
    names = where["conversation_id"].unique(maintain_order=True).to_list()
    held, no_change, runs = 0, 0, 300
    for _ in range(runs):
        own = rng.beta(rate * 3, (1 - rate) * 3, 60)
        prob = rng.choice([0.05, 0.2], 60)
        risky = rng.random((60, 6)) < own[:, None]
        labels = [
            label(name, 2 * n, bool(risky[i, n]), float(prob[i]))
            for i, name in enumerate(names)
            for n in (0, 4, 5)
        ]
        found = measured(where, turns, labels=labels)
        last = found["labels", "depth", RATE, "5+"]
        change = found["labels", "depth", CHANGE, "1 to 5+"]
        held += last["low"] <= rate <= last["high"]
        no_change += change["low"] <= 0 <= change["high"]
    assert held >= 0.93 * runs
    assert no_change >= 0.93 * runs


def drawn_run():
    run = finished()
    names = [name for name in run.candidates if name != "human"][:2]
    rows = [
        {"candidate": name, "axis": axis, "band": band, "source": source, "metric": RATE}
        | {"estimate": 0.1, "low": 0.05, "high": 0.2, "n": 9, "n_conversations": 9, "method": "m"}
        for name in names
        for axis, bands in (("depth", ("1", "2", "5+")), ("characters", ("< 100", "1,600+")))
        for band in bands
        for source in ("labels", "rules")
    ]
    changes = [
        {"candidate": name, "axis": "depth", "band": "1 to 5+", "source": "labels"}
        | {"metric": CHANGE, "estimate": (low + high) / 2, "low": low, "high": high}
        | {"n": 9, "n_conversations": 9, "method": "m"}
        for name, (low, high) in zip(names, ((0.1, 0.3), (-0.1, 0.1)), strict=True)
    ]
    return names, replace(
        run, tables={**run.tables, "depth": tables.build("depth", rows + changes)}
    )


def test_the_chart_shows_every_source_and_axis():
    names, run = drawn_run()
    with mpl.rc_context(STYLE):
        found = risk_by_depth(run)
    assert found is not None
    for text in (*names, "Labels", "a description", "customer turn", "&lt; 100", "1,600+"):
        assert text in found.svg
    assert found.data.height == run.table("depth").height
    assert risk_by_depth(replace(run, tables={})) is None


def test_the_reading_says_what_rises_and_what_cannot_be_said():
    names, run = drawn_run()
    text = reading(run.table("depth"), names)
    assert f"by labels they rise for {names[0]} and nothing can be said of 1 other" in text
    assert "fall" not in text
    assert text.count(". ") == 0
    swapped = run.table("depth").with_columns(low=-pl.col("high"), high=-pl.col("low"))
    assert f"they fall for {names[0]}" in reading(swapped, names)
    assert "one length only" in reading(tables.empty("depth"), names)


def test_the_scenario_asks_models_at_every_turn_and_says_what_it_cannot_show():
    path = ROOT / "scenarios" / "long_context.toml"
    scenario = load(path, ())
    assert {"human", "faq_rag", "guarded", "small_naive", "small_cautious"} <= set(
        scenario.candidates
    )
    header = path.read_text("utf-8").split("name =")[0]
    assert "cannot show" in header
    assert "synthetic" in header


def test_a_planted_rise_is_found():
    rng = np.random.default_rng(2)
    where, turns = points([5] * 300)
    rate = np.where(where["n_th"].to_numpy() == 4, 0.15, 0.03)
    found = measured(where, turns, judged(where, list(rng.random(where.height) < rate)))
    for metric in (CHANGE, SAME):
        row = found["rules", "depth", metric, "1 to 5+"]
        assert 0 < row["low"] < 0.12 < row["high"]
