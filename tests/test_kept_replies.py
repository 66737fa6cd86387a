"""Stored replies: none is asked for twice, and none is used that is not what was stored."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from simulator.candidates import Materials, Reply, make
from simulator.errors import RunError
from simulator.judging.contexts import judge_contexts
from simulator.replay.decision_points import decision_points
from simulator.replay.kept import Kept, KeptReplies
from simulator.replay.runner import replay
from simulator.scenario import Candidate, LanguageModel, Server
from simulator.tables import build, empty
from tests.fault_server import FaultServer

DAY = datetime(2026, 3, 4, 10, tzinfo=UTC)
MATERIALS = Materials(empty("knowledge"), empty("commitments_policy"))
REPLY = Reply(
    action="answer",
    reply="三個工作天 😀",
    score=1 / 3,
    article_ids=("a", "b"),
    action_probs=(0.1, 0.2, 0.3, 0.4, 0.0),
    prompt_tokens=7,
    latency_s=0.1,
    n_dropped_turns=0,
    failures=("timeout", "timeout"),
)


@pytest.fixture
def server():
    with FaultServer() as one:
        yield one


@pytest.fixture
def run(tmp_path, server):
    """A replay of conversations (what their customers say), with a file of replies."""
    (tmp_path / "prompt.toml").write_text('system = "Be brief."', "utf-8")
    model = LanguageModel(
        backend="openai_http",
        name="a-model",
        server=Server(url=server.url, concurrency=2, retries=0, backoff_s=0),
    )
    config = Candidate(kind="prompted", prompt=tmp_path / "prompt.toml", model=model)

    def replayed(talks, path=tmp_path / "kept" / "bot.sqlite"):
        ids = [f"c{i}" for i in range(len(talks))]
        conversations = build(
            "conversations",
            [
                {"conversation_id": i, "channel": "chat", "language": "en", "started_at": DAY}
                for i in ids
            ],
        )
        turns = build(
            "turns",
            [
                {"conversation_id": i, "turn": 2 * n + k, "role": role, "text": text}
                for i, talk in zip(ids, talks, strict=True)
                for n, text in enumerate(talk)
                for k, role in enumerate(("customer", "agent"))
            ],
        )
        points = decision_points(turns, conversations)
        contexts = judge_contexts(points, turns, conversations)
        with closing(KeptReplies(path)) as kept:
            done: list[int] = []
            one = make(config, MATERIALS)
            found = replay(
                "bot", one, points, turns, conversations, contexts, kept, progress=done.append
            )
        assert sum(done) == points.height
        return found

    return replayed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "bot.sqlite"


TALKS = [["where is it", "and now"], ["how much", "why"], ["thanks"]]


def test_a_reply_comes_back_as_it_was(path):
    with closing(KeptReplies(path)) as kept:
        kept.put("k", Kept(REPLY, 0.25))
        kept.put("none", Kept(Reply(error="http_400"), 0.5))
    with closing(KeptReplies(path)) as kept:
        found = kept.get(["k", "none", "absent"])
    assert found == {"k": Kept(REPLY, 0.25), "none": Kept(Reply(error="http_400"), 0.5)}


def test_many_replies_are_found_at_once(path):
    keys = [f"k{i}" for i in range(1201)]
    with closing(KeptReplies(path)) as kept:
        for n, key in enumerate(keys):
            kept.put(key, Kept(Reply(reply=key), float(n)))
        assert {key: one.reply.reply for key, one in kept.get(keys).items()} == dict(
            zip(keys, keys, strict=True)
        )


def test_a_second_run_asks_nothing_and_gives_the_same(run, server):
    one = run(TALKS)
    assert len(server.bodies) == 5
    other = run(TALKS)
    assert len(server.bodies) == 5
    assert one.shadow.equals(other.shadow)
    assert one.account.equals(other.account)


def test_more_conversations_ask_for_the_new_ones_alone(run, server):
    run(TALKS)
    found = run([*TALKS, ["another"]])
    assert len(server.bodies) == 6
    assert found.account["n_asked"].item() == 6


def test_points_with_equal_prompts_are_asked_once(run, server):
    found = run([["where is it"], ["where is it"], ["where is it", "hm"]])
    assert len(server.bodies) == 2
    assert found.shadow.height == 4
    first = found.shadow.filter(found.shadow["turn"] == 0)
    assert first.select("key", "reply", "latency_s").n_unique() == 1
    account = found.account.row(0, named=True)
    assert (account["n_points"], account["n_asked"]) == (4, 2)
    # What was asked once was spent once.
    assert account["prompt_tokens"] == found.shadow.unique("key")["prompt_tokens"].sum()


@pytest.mark.parametrize(
    "change",
    [
        "reply = replace(reply, 'You wrote', 'You said')",
        "reply = substr(reply, 1, 40)",
        "reply = 'null'",
        "digest = 'x'",
        "key = 'another ' || key",
    ],
)
def test_a_row_that_was_changed_is_asked_again(run, server, path, change):
    one = run(TALKS)
    key = one.shadow.item(2, "key")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE replies SET {change} WHERE key = ?", [key])
        connection.commit()
    again = run(TALKS)
    assert len(server.bodies) == 6
    assert again.shadow.drop("latency_s").equals(one.shadow.drop("latency_s"))
    run(TALKS)
    assert len(server.bodies) == 6


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"", b"SQLite format 3\x00xx"])
def test_a_damaged_file_is_begun_anew(run, server, path, content):
    one = run(TALKS)
    path.write_bytes(content)
    again = run(TALKS)
    assert len(server.bodies) == 10
    assert again.shadow.drop("latency_s").equals(one.shadow.drop("latency_s"))
    run(TALKS)
    assert len(server.bodies) == 10


def test_a_file_damaged_within_is_no_traceback(run, server, path):
    talks = [[f"conversation {i} {'x' * 500}"] for i in range(60)]
    run(talks)
    raw = bytearray(path.read_bytes())
    assert len(raw) > 3 * 4096
    for start in range(4096 + 8, len(raw), 4096):
        raw[start : start + 2000] = b"\xa5" * min(2000, len(raw) - start)
    path.write_bytes(raw)
    with pytest.raises(RunError) as told:
        run(talks)
    assert str(told.value).startswith(f"{path}: cannot be used: ")


def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    # To the superuser no folder is read-only but those of the kernel.
    told_of((folder if os.geteuid() else Path("/proc/self")) / "bot.sqlite")


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "parts").write_text("a file")
    told_of(tmp_path / "parts" / "bot.sqlite")


def test_a_folder_in_place_of_the_file_is_told(tmp_path):
    (tmp_path / "bot.sqlite").mkdir()
    told_of(tmp_path / "bot.sqlite")


def test_a_disk_that_is_full_is_told(path):
    with closing(KeptReplies(path)) as kept:
        kept._connection.execute("PRAGMA max_page_count = 8")
        more = (kept.put(f"k{n}", Kept(Reply(reply="x" * 1000), 0.0)) for n in count())
        with pytest.raises(RunError, match=r"full.*--out DIR"):
            any(more)


def told_of(path):
    with pytest.raises(RunError) as told:
        KeptReplies(path)
    message = str(told.value)
    assert message.startswith(f"{path}: cannot be used: ")
    assert "--out DIR" in message
    assert "\n" not in message
