"""What the reports say of language models: who they are, what they took, and what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from simulator import pipeline, tables
from simulator.reports import Run, ask_again, summary_text, wording, write
from simulator.reports.models import asked, known_as, left_out
from simulator.reports.prices import sentences
from simulator.scenario import Scenario
from simulator.scenario_file import load
from simulator.store import RunFolder
from tests.conftest import ROOT
from tests.fault_server import FaultServer
from tests.report_run import finished
from tests.test_reports import Page

MODEL = {"backend": "transformers", "folder": "/models/tiny-chat", "adapter": "/models/polite-lora"}
SERVED = {"backend": "openai_http", "name": "big-chat", "temperature": 0.7, "seed": 3}
CANDIDATES = {
    "human": {"kind": "human"},
    "always_escalate": {"kind": "always_escalate"},
    "faq_rag": {"kind": "prompted", "prompt": "/p/naive.toml", "model": MODEL, "price": "gpu"},
    "guarded": {
        "kind": "prompted",
        "prompt": "/p/decision.toml",
        "model": SERVED | {"server": {"url": "http://127.0.0.1:8000/v1"}},
        "price": "tokens",
    },
    "tape": {"kind": "recorded", "source": "/tape.parquet"},
}
PRICES = {
    "gpu": {"as_of": "2026-01-01", "source": "offer", "gpu_hour": 3.6, "n_gpus": 2},
    "tokens": {
        "as_of": "2025-06-01",
        "source": "list",
        "input_per_million": 2,
        "output_per_million": 8,
    },
}


def row(candidate: str, **values: object) -> dict[str, object]:
    counts = {"n_points": 5_000, "n_asked": 4_000, "n_errors": 0, "n_cut_off": 0, "n_shortened": 0}
    return {"candidate": candidate, "failures": []} | counts | values


ACCOUNT = [
    row("always_escalate", took_s=0.2),
    row(
        "faq_rag",
        took_s=1_600.0,
        n_errors=3,
        n_cut_off=12,
        n_shortened=1,
        prompt_tokens=123_456_789,
        cached_prompt_tokens=45_678_901,
        completion_tokens=987_654,
        failures=[{"failure": "timeout", "n": 7}, {"failure": "rate_limited", "n": 1}],
    ),
    row("guarded", took_s=None),
    row("tape", took_s=0.5, prompt_tokens=70, cached_prompt_tokens=None, completion_tokens=9),
]


def silent(turn: int, error: str) -> dict[str, object]:
    return {
        "candidate": "faq_rag",
        "conversation_id": "silent",
        "turn": turn,
        "key": f"s{turn}",
        "error": error,
    }


def of_models(*errors: str, **manifest: object) -> Run:
    run = finished()
    settings = run.scenario.model_dump(mode="json")
    settings["candidates"], settings["money"]["prices"] = CANDIDATES, PRICES
    shadow = run.tables["shadow"]
    more = tables.build("shadow", [silent(n, error) for n, error in enumerate(errors)])
    return replace(
        run,
        scenario=Scenario.model_validate(settings),
        manifest={**run.manifest, **manifest},
        tables={
            **run.tables,
            "replay_account": tables.build("replay_account", ACCOUNT),
            "shadow": pl.concat([shadow.filter(pl.col("error").is_null()), more]),
        },
    )


def said(run: Run) -> str:
    text = summary_text(run)
    assert max(map(wording.width, text.splitlines())) <= 100
    return " ".join(text.split())


def page_of(run: Run, folder: Path) -> Page:
    write(run, folder)
    return Page((folder / "report.html").read_text("utf-8"))


def test_only_models_have_an_account_and_it_is_that_of_the_table(tmp_path: Path) -> None:
    run = of_models("timeout", "timeout", "no_reply")
    found = {one.candidate: one for one in asked(run)}
    assert list(found) == ["faq_rag", "guarded", "tape"]
    assert found["faq_rag"].per_second == 2.5
    # Not timed is unknown; what was recorded elsewhere took no time here.
    assert (found["guarded"].rate, found["tape"].rate) == (wording.UNKNOWN, "–")
    assert found["faq_rag"].errors == {"no_reply": 1, "timeout": 2}
    assert found["faq_rag"].remarks == [
        "12 replies cut off at the longest length",
        "1 turn with the oldest messages left out of a prompt that was too long",
        "3 turns without a reply (no reply 1, timeout 2)",
        "8 failed attempts (timeout 7, rate limited 1)",
    ]
    text = said(run)
    assert "| faq_rag | 5,000 | 4,000 | 2.5 | 123.5M | 45.7M | 987,654 |" in text
    assert "12 replies cut off" in text
    # Of whom nothing is to be said, nothing is said.
    assert "**tape**" not in text
    numbers = {source: value for source, value, _ in page_of(run, tmp_path).numbers}
    of_table = run.tables["replay_account"].filter(candidate="faq_rag").row(0, named=True)
    for column in ("n_points", "prompt_tokens", "cached_prompt_tokens", "n_errors", "n_cut_off"):
        assert float(numbers[f"replay_account/faq_rag/{column}"]) == of_table[column]


def test_models_are_named_with_all_that_their_words_hang_on(tmp_path: Path) -> None:
    facts = {"tape": {"model": "tiny <b>chat</b>", "revision": "abc", "recorded_at": ""}}
    run = of_models(candidates=facts)
    assert known_as(run) == {
        "faq_rag": "tiny-chat with adapter polite-lora by transformers, prompt naive.toml, greedy, "
        "at most 200 tokens a reply",
        "guarded": "big-chat by openai_http, prompt decision.toml, temperature 0.7, top_p 1, "
        "seed 3, at most 200 tokens a reply",
        "tape": "recorded: model tiny <b>chat</b>, revision abc",
    }
    assert "tiny-chat with adapter polite-lora by transformers" in said(run)
    assert "tiny <b>chat</b>" in page_of(run, tmp_path).text


def test_a_run_of_rules_alone_says_nothing_of_models(tmp_path: Path) -> None:
    run = finished()
    assert (asked(run), known_as(run), ask_again(run), left_out(run), sentences(run)) == (
        [],
        {},
        None,
        [],
        [],
    )
    assert "Models asked" not in said(run)
    assert "Models asked" not in page_of(run, tmp_path).text


def test_what_may_pass_is_to_be_asked_for_again(tmp_path: Path) -> None:
    run = of_models("timeout", "connection", "timeout", "no_reply", "too_long")
    words = (
        "3 turns have no reply for something that may pass (connection 1, timeout 2): run the "
        "same command again to ask for these 3 once more."
    )
    assert ask_again(run) == words
    assert words in said(run)
    assert words in page_of(run, tmp_path).text
    assert ask_again(of_models("no_reply", "undecided")) is None
    assert "1 turn has no reply" in (ask_again(of_models("bad_body")) or "")


def test_cards_say_their_day_their_measure_and_that_they_are_stale() -> None:
    made = {"created_at": "2026-01-05T09:30:00+00:00"}
    gpu, tokens = sentences(of_models(**made))
    assert gpu == (
        "faq_rag is priced by the card gpu of 2026-01-01 (offer): USD 3.6 a GPU hour, 2 GPUs, at "
        "work 50 % of the time paid for; a reply took 0.4 s in the replay."
    )
    assert tokens.endswith("The card is stale: 218 days old when this run was made; look up "
                           "today's prices.")  # fmt: skip
    # 180 days old on 2025-11-28: not yet.
    assert "stale" not in sentences(of_models(created_at="2025-11-28T00:00:00+00:00"))[1]
    assert "stale" in sentences(of_models(created_at="2025-11-29T00:00:00+00:00"))[1]
    unmeasured = replace(of_models(**made), tables={})
    assert "measured no throughput, so a reply costs the flat 0.01" in sentences(unmeasured)[0]


LOG = [
    {
        "conversation_id": f"c{i}",
        "intent": "delivery",
        "handle_time_s": 300,
        "started_at": (datetime(2026, 3, 2, 13, tzinfo=UTC) + timedelta(days=i)).isoformat(),
        "messages": [
            {"role": "user", "content": f"Where is my parcel {i}?"},
            {"role": "assistant", "content": "It is on its way."},
        ],
    }
    for i in range(6)
]
RUN = """
name = "gaps"
[history]
source = "log.jsonl"
format = "jsonl"
[commitments]
source = "policy.csv"
[candidates.human]
kind = "human"
[candidates.bot]
kind = {bot}
[simulation]
days = 2
replications = 1
processes = 1
"""


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose recording lacks the replies to two of six conversations."""
    place = tmp_path_factory.mktemp("gaps")
    (place / "log.jsonl").write_text("\n".join(map(json.dumps, LOG)), "utf-8")
    rules = "rule_id,kind,allowed,speaker\nr1,refund,never,auto\n"
    (place / "policy.csv").write_text(rules, "utf-8")
    (place / "s.toml").write_text(RUN.format(bot='"always_escalate"'), "utf-8")
    points = pipeline.run(load(place / "s.toml"), place / "out").table("decision_points")
    points.filter(~pl.col("conversation_id").is_in(["c1", "c4"])).select(
        "conversation_id",
        "turn",
        "context_hash",
        reply=pl.lit("It is on its way."),
        action=pl.lit("answer"),
        score=pl.lit(0.9),
    ).write_parquet(place / "replies.parquet")
    recorded = '"recorded"\nsource = "replies.parquet"'
    (place / "s.toml").write_text(RUN.format(bot=recorded), "utf-8")
    return pipeline.as_report_run(pipeline.run(load(place / "s.toml"), place / "out"))


def test_each_rate_says_what_it_is_without(gaps: Run, tmp_path: Path) -> None:
    assert left_out(gaps) == [
        f"{stage}, bot: 2 of 6 automatic turns, 2 conversations"
        for stage in ("Low-risk auto", "Wider auto")
    ]
    text = said(gaps)
    assert "Turns without a reply are in no rate of risky promises." in text
    assert "- Wider auto, bot: 2 of 6 automatic turns, 2 conversations" in text
    page = page_of(gaps, tmp_path)
    assert "Wider auto, bot: 2 of 6 automatic turns, 2 conversations" in page.text
    methods = dict(
        gaps.table("kpis")
        .filter(stage="wider_auto", candidate="bot", segment="all", bound="central")
        .select("metric", "method")
        .iter_rows()
    )
    for metric in ("settled_share", "handoff_share", "diverged_share", "escalation_rate"):
        assert methods[metric].endswith("; 2 of them handed over as a reply is missing")
    assert "handed over" not in methods["auto_share"]
    assert "; 2 left out: nothing was said" in methods["risky_promise_rate_judged"]
    # A recording that lacks replies is not mended by running it again.
    assert ask_again(gaps) is None


SERVED_RUN = """"prompted"
prompt = "prompt.toml"
price = "rented"
[candidates.bot.model]
backend = "openai_http"
name = "a-model"
[candidates.bot.model.server]
url = "URL"
retries = 1
backoff_s = 0.01
give_up_after = 100
[money.prices.rented]
as_of = 2026-03-01
source = "offer of a provider"
gpu_hour = 36
n_gpus = 2
utilisation = 0.25
"""


def shadowdesk(scenario: Path) -> str:
    out = ["--out", str(scenario.parent / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "run", str(scenario), *out],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout


def test_replies_that_a_server_owes_are_asked_for_by_the_same_command(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, LOG)), "utf-8")
    (tmp_path / "policy.csv").write_text("rule_id,kind,allowed,speaker\nr,refund,never,auto\n")
    (tmp_path / "prompt.toml").write_text('system = "Answer."\nask = "Write."\n', "utf-8")
    with FaultServer(fault=lambda prompt, nth: "500" if "parcel 3" in prompt else None) as server:
        text = RUN.format(bot=SERVED_RUN.replace("URL", server.url))
        (tmp_path / "s.toml").write_text(text, "utf-8")
        said_first = " ".join(shadowdesk(tmp_path / "s.toml").split())
        again = "1 turn has no reply for something that may pass (server error 1): run the same"
        # In the summary, and where the eye is when the run is over.
        assert said_first.count(again) == 2
        assert "2 failed attempts (server error 2)" in said_first
        assert "- Wider auto, bot: 1 of 6 automatic turns, 1 conversation" in said_first
        asked_first = len(server.bodies)
        server.fault = lambda prompt, nth: None
        said_then = " ".join(shadowdesk(tmp_path / "s.toml").split())
    assert "run the same command again" not in said_then
    assert len(server.bodies) == asked_first + 1
    # Money by the hour is that of the seconds that the replay took.
    folder = RunFolder(tmp_path / "out")
    account = folder.table("replay_account").row(0, named=True)
    each = account["took_s"] / account["n_asked"] / 3600 * 2 * 36 / 0.25
    where = ["stage", "bound", "segment"]
    paid = folder.table("costs").filter(metric="bot_money", candidate="bot")
    days = folder.table("volumes").filter(candidate="bot")
    both = days.join(paid, on=where, maintain_order="left")
    assert both["estimate"].to_list() == pytest.approx(
        (both["bot_replies_per_day"] * each).to_list()
    )
