"""The main job on real conversations: every one goes in, every message is accounted for."""

from __future__ import annotations

import os

import polars as pl
import pytest

from simulator import pipeline
from simulator.scenario_file import load
from tests.conftest import ROOT

AIRLINE = (
    f"knowledge.source={ROOT / 'tests/real/airline_knowledge.csv'}",
    f"commitments.source={ROOT / 'tests/real/airline_commitments.csv'}",
)
LOGS = {
    "tau2": ("tau2-airline/claude-sonnet-4-5.json.gz", 50, AIRLINE),
    "twitter-cdp": ("twitter-support/conversations.json.gz", 525, ()),
    "stc3": ("weibo-helpdesk/conversations.json.gz", 1816, ("history.language=zh-Hans",)),
}


@pytest.fixture(scope="module", params=LOGS)
def run(request, real_data, tmp_path_factory):
    """A run of the shipped scenario for real logs, its source from the environment."""
    source, n, overrides = LOGS[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "SHADOWDESK_LOG", str(real_data / source))
        scenario = load(
            ROOT / "scenarios/real_log.toml", (f"history.format={request.param}", *overrides)
        )
    return n, pipeline.run(scenario, tmp_path_factory.mktemp("real") / request.param)


def test_every_conversation_and_message_is_accounted_for(run):
    n, folder = run
    account = "\n".join(folder.manifest["account"])
    assert f"{n:,}" in account or str(n) in account
    aside = (folder.path / "quarantine.jsonl").read_text("utf-8").splitlines()
    conversations, turns = folder.table("conversations"), folder.table("turns")
    assert conversations.height == n
    assert turns["conversation_id"].n_unique() == n
    print(account, len(aside))


def test_what_the_log_lacks_is_supplied_and_listed(run):
    _, folder = run
    conversations = folder.table("conversations")
    assert conversations["handle_time_s"].null_count() == 0
    assumed = folder.table("assumed")
    report = (folder.path / "report.html").read_text("utf-8")
    for name in ("handle_time_chat_s", "complained_rate", "arrivals", "roster"):
        assert name in assumed["name"].to_list()
        assert name in report
    assert assumed.filter(pl.col("source") == "").is_empty()


def test_the_whole_job_was_done(run):
    _, folder = run
    points = folder.table("decision_points").height
    shadow = folder.table("shadow")
    assert shadow.group_by("candidate").len()["len"].to_list() == [points] * 3
    assert folder.table("verdicts").height == shadow.height
    assert folder.manifest["finished"]
    for name in ("summary.md", "report.html", "intervals.csv", "run.duckdb"):
        assert (folder.path / name).stat().st_size > 0
    kpis = folder.table("kpis").filter(metric="service_level", segment="all")
    assert kpis["estimate"].is_not_null().all()


def test_without_labels_no_risk_gate_passes(run):
    _, folder = run
    gates = folder.table("gates").filter(metric="risky_promise_rate")
    assert gates.height > 0
    assert set(gates["status"]) == {"insufficient"}


def test_no_marker_of_a_harness_is_a_decision_point(run):
    _, folder = run
    text = folder.table("turns")["text"].drop_nulls()
    assert not text.str.contains("###(STOP|TRANSFER)###").any()
