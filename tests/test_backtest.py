"""Inferred presence and the back-test: exact, property, and on the sample and the real month."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from simulator import tables
from simulator.cli import app
from simulator.contact_center import simulate
from simulator.contact_center.backtest.halves import Backtest, backtest
from simulator.contact_center.backtest.presence import RING_S, infer_presence
from simulator.contact_center.backtest.verdict import judged, verdict_sentence
from simulator.errors import HistoryError
from simulator.history.importers import read_history
from simulator.history.sample import Sample, generate
from simulator.scenario import ContactCenter, History, SampleConfig
from simulator.streams import Streams, stable_hash

UTC_ZONE = ZoneInfo("UTC")
TAIPEI = ZoneInfo("Asia/Taipei")
ISRAEL = ZoneInfo("Asia/Jerusalem")
NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)


def _log(*calls: tuple[float, float, float | None, str | None]) -> pl.DataFrame:
    """Calls as (seconds after nine, wait, handle time or None if given up, agent)."""
    return tables.build(
        "conversations",
        [
            {
                "conversation_id": f"c{place}",
                "channel": "voice",
                "started_at": NINE + timedelta(seconds=at),
                "wait_s": float(wait),
                "abandoned": work is None,
                "handle_time_s": None if work is None else float(work),
                "agent_id": agent,
            }
            for place, (at, wait, work, agent) in enumerate(calls)
        ],
    )


def _stretches(log: pl.DataFrame, gap_s: float) -> list[tuple[str, float, float]]:
    return [
        (
            row["agent_id"],
            (row["starts_at"] - NINE).total_seconds(),
            (row["ends_at"] - NINE).total_seconds(),
        )
        for row in infer_presence(log, gap_s).schedule.iter_rows(named=True)
    ]


def test_exact_silence_while_nobody_waits_is_presence() -> None:
    log = _log((0, 0, 100, "ann"), (1000, 0, 100, "ann"))
    assert _stretches(log, 10) == [("ann", 0, 1100)]
    assert not infer_presence(log, 10).turnaround_s.size


def test_exact_silent_while_somebody_waited_is_away_until_nobody_waits() -> None:
    # Bob's caller waits from 200 to 500; ann is silent all that while and back by 500.
    log = _log((0, 0, 100, "ann"), (200, 300, 50, "bob"), (900, 0, 100, "ann"))
    assert _stretches(log, 60) == [("ann", 0, 100), ("ann", 500, 1000), ("bob", 500, 550)]
    assert _stretches(log, 300) == [("ann", 0, 1000), ("bob", 500, 550)]


def test_exact_the_next_contact_after_a_short_silence_is_a_turnaround() -> None:
    # Somebody has waited since 50, and ann takes 20 s after her service to pick up.
    log = _log((0, 0, 100, "ann"), (50, 70, 30, "ann"))
    found = infer_presence(log, 60)
    assert found.turnaround_s.tolist() == [20]
    assert _stretches(log, 60) == [("ann", 0, 150)]
    assert _stretches(log, 10) == [("ann", 0, 100), ("ann", 120, 150)]


def test_exact_the_first_seconds_of_a_wait_say_nothing() -> None:
    log = _log((0, 0, 100, "ann"), (200, RING_S, 50, "bob"), (900, 0, 100, "ann"))
    assert _stretches(log, 0) == [("ann", 0, 1000), ("bob", 200 + RING_S, 250 + RING_S)]


def test_exact_an_hour_of_silence_is_absence_even_if_nobody_waits() -> None:
    log = _log((0, 0, 100, "ann"), (3701, 0, 100, "ann"))
    assert _stretches(log, 60) == [("ann", 0, 100), ("ann", 3701, 3801)]
    assert _stretches(_log((0, 0, 100, "ann"), (3700, 0, 100, "ann")), 60) == [("ann", 0, 3800)]


def test_exact_overlapping_services_are_one_and_nobody_gives_nothing() -> None:
    log = _log((0, 0, 500, "ann"), (100, 0, 50, "ann"), (600, 0, 10, "ann"))
    assert _stretches(log, 0) == [("ann", 0, 610)]
    assert infer_presence(_log((0, 10, None, None)), 60).schedule.is_empty()
    assert infer_presence(log.clear(), 60).schedule.is_empty()
    assert "inferred" in infer_presence(log, 60).method


CALLS = st.lists(
    st.tuples(
        st.integers(0, 20_000),
        st.integers(0, 900),
        st.one_of(st.none(), st.integers(0, 900)),
        st.sampled_from(["ann", "bob", "cid"]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(CALLS, st.integers(0, 600))
def test_property_every_service_begins_in_presence(calls: Any, gap_s: int) -> None:
    """And so does a desk with that presence exist; stretches of one agent do not overlap."""
    calls = [(at, w, work, who if work is not None else None) for at, w, work, who in calls]
    found = _stretches(_log(*calls), gap_s)
    for at, wait, work, agent in calls:
        if work is not None:
            begins = at + wait
            assert any(a == agent and lo <= begins <= hi + 1e-6 for a, lo, hi in found)
    for name in {agent for agent, _, _ in found}:
        own = sorted((lo, hi) for agent, lo, hi in found if agent == name)
        assert all(a[1] <= b[0] + 1e-6 for a, b in pairwise(own))


@settings(max_examples=40, deadline=None)
@given(CALLS, st.integers(0, 300), st.integers(0, 300))
def test_property_a_wider_gap_never_takes_presence_away(calls: Any, one: int, more: int) -> None:
    calls = [(at, w, work, who if work is not None else None) for at, w, work, who in calls]

    def hours(gap_s: float) -> float:
        return sum(hi - lo for _, lo, hi in _stretches(_log(*calls), gap_s))

    assert hours(one + more) >= hours(one) - 0.01 * len(calls)


def test_exact_too_few_days_and_no_waits_are_insufficient() -> None:
    found = _tested(_log((0, 5, 100, "ann")))
    assert found.backtest.select("metric", "status").rows() == [("verdict", "insufficient")]
    assert "expected at least 10" in verdict_sentence(found.backtest)
    assert found.backtest_days.is_empty()
    calm = _log(*((86_400 * day, 0, 100, "ann") for day in range(12)))
    assert "no wait above 0" in verdict_sentence(_tested(calm).backtest)
    assert "has not been tested" in verdict_sentence(tables.empty("backtest"))


def _tested(log: pl.DataFrame) -> Backtest:
    return backtest(log, None, ContactCenter(), UTC_ZONE, Streams(1))


def _days(observed: list[float], predicted: list[float], inside: list[bool]) -> pl.DataFrame:
    rows = [
        {
            "day": NINE.date() + timedelta(days=place),
            "half": "held_out",
            "metric": metric,
            "n_contacts": 100,
            "observed": seen,
            "predicted": said,
            "low": said - 1,
            "high": said + 1,
            "inside": held,
            "scored": True,
        }
        for metric in ("wait_s", "abandonment_rate", "service_level")
        for place, (seen, said, held) in enumerate(zip(observed, predicted, inside, strict=True))
    ]
    return tables.build("backtest_days", rows)


@pytest.mark.parametrize(
    ("factor", "flip", "n_inside", "fails"),
    [
        (1.25, False, 8, set()),
        (1.26, False, 8, {"level_bias"}),
        (0.74, False, 8, {"level_bias"}),
        (1.0, True, 8, {"correlation"}),
        (
            1.0,
            False,
            7,
            {"coverage_wait", "coverage_abandonment", "coverage_service_level"},
        ),
    ],
)
def test_exact_each_limit_decides(
    factor: float, flip: bool, n_inside: int, fails: set[str]
) -> None:
    observed = [10.0, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    predicted = [factor * one for one in (reversed(observed) if flip else observed)]
    found = judged(_days(observed, predicted, [k < n_inside for k in range(10)]), "presence known")
    failed = set(found.filter(status="fail")["metric"]) - {"verdict"}
    assert failed == fails
    assert found.filter(metric="verdict")["status"][0] == ("fail" if fails else "pass")
    assert ("FAILS" in verdict_sentence(found)) == bool(fails)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return generate(SampleConfig(conversations=20), TAIPEI, simulate)


def _on(sample: Sample, schedule: pl.DataFrame, **more: Any) -> Backtest:
    return backtest(
        sample.conversations,
        schedule,
        ContactCenter(),
        TAIPEI,
        Streams(1),
        replications=40,
        **more,
    )


def test_analytic_the_sample_passes_with_its_own_schedule(sample: Sample) -> None:
    found = _on(sample, sample.schedule, teams=sample.teams)
    status = dict(found.backtest.select("metric", "status").iter_rows())
    assert status["verdict"] == "pass", verdict_sentence(found.backtest)
    assert found.backtest_days.filter(half="held_out")["low"].null_count() == 0
    # Its log does not know how long they waited who gave up.
    assert "answered contacts" in verdict_sentence(found.backtest)
    # What the teams take can be seen from what they took.
    assert _on(sample, sample.schedule).backtest_days.equals(found.backtest_days)


def test_analytic_a_schedule_an_hour_late_fails(sample: Sample) -> None:
    late = sample.schedule.with_columns(pl.col("starts_at", "ends_at") + pl.duration(hours=1))
    found = _on(sample, late, teams=sample.teams).backtest
    status = dict(found.select("metric", "status").iter_rows())
    assert (status["verdict"], status["level_bias"]) == ("fail", "fail")


@pytest.mark.parametrize("seed", [1, 2])
def test_analytic_a_fifth_of_the_agents_hidden_fails(sample: Sample, seed: int) -> None:
    agents = sample.schedule["agent_id"].unique().sort()
    order = np.argsort(Streams(seed).uniform(stable_hash(agents), "hidden"))
    hidden = agents.gather(order[: round(0.2 * len(agents))]).to_list()
    seen = sample.schedule.filter(~pl.col("agent_id").is_in(hidden))
    found = _on(sample, seen, teams=sample.teams).backtest
    assert found.filter(metric="verdict")["status"][0] == "fail"
    assert float(found.filter(metric="level_bias")["estimate"][0]) > 0.25


def test_exact_the_same_twice_and_an_unusual_day_counts_and_is_named(sample: Sample) -> None:
    days = sample.conversations["started_at"].dt.convert_time_zone("Asia/Taipei").dt.date()
    last = days.max()
    at = sample.conversations.filter(days == last)["started_at"].min()
    assert isinstance(at, datetime)
    burst = tables.build(
        "conversations",
        [
            {
                "conversation_id": f"burst {k}",
                "channel": "chat",
                "language": "en",
                "skill": "general",
                "started_at": at + timedelta(hours=2, seconds=k),
                "abandoned": True,
            }
            for k in range(600)
        ],
    )
    crowded = pl.concat([sample.conversations, burst])
    one, two = (
        backtest(crowded, sample.schedule, ContactCenter(), TAIPEI, Streams(1), replications=20)
        for _ in range(2)
    )
    assert one.backtest_days.equals(two.backtest_days)
    assert one.backtest_days["scored"].all()
    named = one.backtest_days.filter(pl.col("reason").is_not_null())
    assert named["day"].unique().to_list() == [last]
    assert "within a quarter of an hour" in named["reason"][0]
    assert f"Unlike any day of the first half: {last}" in verdict_sentence(one.backtest)
    usual = one.backtest.filter(metric="correlation_usual_days")
    assert usual["n"][0] == one.backtest.filter(metric="correlation")["n"][0] - 1


@pytest.fixture(scope="module")
def bank(real_data: Path) -> Backtest:
    path = real_data / "bank-calls" / "january-1999.tsv.gz"
    history = History(source=path, format="bank-calls", timezone="Asia/Jerusalem", redact=False)
    log = read_history(history).conversations
    return backtest(log, None, ContactCenter(), ISRAEL, Streams(1), replications=100)


def test_analytic_the_bank_is_predicted_from_the_first_half_of_its_month(bank: Backtest) -> None:
    """All criteria but one hold on all days; the correlation holds but for one incident.

    On 18 January 119 calls came within a quarter of an hour, at most 84 in the first half. Most of
    them hung up within seconds (the median is some 16 s, where patience is minutes on other days),
    which no model that learnt its patience before that day can know: it predicts twice the waits
    that were seen. So the verdict is a failure, and says why.
    """
    value = dict(bank.backtest.select("metric", "estimate").iter_rows())
    assert abs(value["level_bias"]) <= 0.25
    for name in ("coverage_wait", "coverage_abandonment", "coverage_service_level"):
        assert value[name] >= 0.8
    assert value["correlation_usual_days"] >= 0.9
    assert 0.7 <= value["correlation"] < 0.9
    assert bank.backtest_days["scored"].all()
    named = bank.backtest_days.filter(pl.col("reason").is_not_null())
    assert [str(day) for day in named["day"].unique()] == ["1999-01-18"]
    sentence = verdict_sentence(bank.backtest)
    assert "FAILS" in sentence
    assert "inferred" in sentence
    assert "1999-01-18" in sentence


def test_exact_a_log_without_a_format_is_not_taken_for_the_sample(tmp_path: Path) -> None:
    path = tmp_path / "conversations.csv"
    path.write_text("anything")
    with pytest.raises(HistoryError, match="reads no file"):
        CliRunner().invoke(app, ["backtest", str(path)], catch_exceptions=False)


def test_exact_command_line(tmp_path: Path) -> None:
    log = _log((0, 5, 100, "ann"))
    path = tmp_path / "conversations.csv"
    log.with_columns(pl.col("started_at").dt.to_string("iso:strict")).write_csv(path)
    done = CliRunner().invoke(app, ["backtest", str(path), "--format", "csv", "--json"])
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["verdict"] == "insufficient"
