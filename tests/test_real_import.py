"""The real logs come in whole, every message accounted for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from simulator.history.commitments_policy import load_policy
from simulator.history.importers import read_history
from simulator.history.knowledge import load_knowledge
from simulator.scenario import History

REAL = Path(__file__).parent / "real"


def raw(path: Path) -> Any:
    return json.loads(gzip.decompress(path.read_bytes()))


@pytest.mark.parametrize(
    ("agent", "messages", "transferred"),
    [
        ("claude-sonnet-4-5", 1188, 18),
        ("gpt-4o", 1068, 6),
        ("gpt-5.4", 1274, 24),
        ("gpt-oss-120b", 2041, None),
    ],
)
def test_exact_tau2(real_data: Path, agent: str, messages: int, transferred: int | None) -> None:
    path = real_data / "tau2-airline" / f"{agent}.json.gz"
    found = read_history(History(source=path, format="tau2"))
    simulations = raw(path)["simulations"]
    assert found.account.conversations_out == len(simulations) == 50
    assert found.account.messages_in == messages == sum(len(s["messages"]) for s in simulations)
    assert found.turns.height + found.account.messages_quarantined == messages
    assert not found.turns["text"].str.contains("###(?:STOP|TRANSFER|OUT-OF-SCOPE)###").any()
    good = sum(s["reward_info"]["reward"] >= 1 for s in simulations)
    assert found.conversations["resolved"].sum() == good
    escalations = (found.turns["action"] == "escalate").sum()
    assert escalations >= (found.conversations["escalated"].sum() or 0) > 0
    if transferred is not None:
        assert escalations == transferred
    assert found.conversations["started_at"].null_count() == 0
    assert found.conversations["handle_time_s"].null_count() == 50


def test_exact_twitter(real_data: Path) -> None:
    path = real_data / "twitter-support" / "conversations.json.gz"
    found = read_history(History(source=path, format="twitter-cdp"))
    document = raw(path)
    expected = sum(int(one["dialogHeader"]["messageCount"]) for one in document)
    assert (found.account.conversations_out, found.account.messages_in) == (525, expected)
    assert found.turns.height + found.account.messages_quarantined == expected
    last = found.turns.group_by("conversation_id", maintain_order=True).last()
    assert last["role"].unique().to_list() == ["agent"]
    assert found.conversations["skill"].n_unique() == 24
    # Only the last messages, which have no stamp of their own, may lack one.
    assert found.turns["sent_at"].null_count() == last["sent_at"].null_count() == 33


def test_exact_weibo(real_data: Path) -> None:
    path = real_data / "weibo-helpdesk" / "conversations.json.gz"
    found = read_history(History(source=path, format="stc3"))
    said = [text for one in raw(path) for turn in one["turns"] for text in turn["utterances"]]
    assert (found.account.conversations_out, found.account.messages_in) == (1816, len(said))
    assert found.turns.height == sum(bool(text.strip()) for text in said)
    assert {row["reason"].split(":")[0] for row in found.quarantine} == {"blank message"}
    assert found.conversations["csat"].null_count() == 1816


def test_exact_bank_knowledge(real_data: Path) -> None:
    knowledge = load_knowledge(real_data / "tau2-banking-knowledge" / "documents.json.gz")
    assert knowledge.height == 698
    assert knowledge["article_id"].n_unique() == 698


def test_exact_airline_tables_load() -> None:
    knowledge = load_knowledge(REAL / "airline_knowledge.csv")
    policy = load_policy(REAL / "airline_commitments.csv")
    assert knowledge.height >= 10
    assert policy.height >= 12
    assert set(policy["speaker"]) == {"auto"}
    limits = dict(
        policy.filter(policy["limit_value"].is_not_null())["rule_id", "limit_value"].rows()
    )
    assert limits == {"refund-time": 7, "certificate-cancelled": 500, "certificate-delayed": 250}
    assert {"refund", "compensation", "delivery_time", "price", "waiver", "action"} <= set(
        policy["kind"]
    )
