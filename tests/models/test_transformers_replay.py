"""The prompted candidate over a real small model: replayed, killed, resumed, off the network."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress

import polars as pl
import pytest

from simulator.candidates import Materials, make
from simulator.replay.decision_points import decision_points
from simulator.replay.kept import KeptReplies
from simulator.replay.runner import replay
from simulator.scenario import Candidate
from simulator.store import RunFolder
from simulator.tables import build, empty
from tests.conftest import ROOT
from tests.models.asking import LETTERS, QUESTION, SYSTEM

SAMPLE = (
    "history.sample.conversations=15",
    "history.sample.contacts_per_day=100",
    "history.sample.days=7",
    "simulation.days=2",
    "simulation.replications=1",
    "simulation.processes=1",
)
CONVERSATIONS = [
    ("en", ["Hello", "Hello, how can I help?", "Where is my order 17?"]),
    ("en", ["Where is my parcel? " * 6, "On its way. " * 6, "And my refund? " * 6]),
    ("zh-Hant", ["我的退款什麼時候到?"]),
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory, model):
    """Three conversations, replayed through a prompted candidate."""
    folder = tmp_path_factory.mktemp("desk")
    prompts = {"naive": "", "decides": decide()}
    for name, more in prompts.items():
        text = f'system = "{SYSTEM.content} Write in {{language}}."\n{more}'
        (folder / f"{name}.toml").write_text(text, "utf-8")
    talked = build(
        "conversations",
        [
            {"conversation_id": f"c{i}", "channel": "chat", "language": language}
            for i, (language, _) in enumerate(CONVERSATIONS)
        ],
    )
    turns = build(
        "turns",
        [
            {
                "conversation_id": f"c{i}",
                "turn": turn,
                "role": ("customer", "agent")[turn % 2],
                "text": text,
            }
            for i, (_, said) in enumerate(CONVERSATIONS)
            for turn, text in enumerate(said)
        ],
    )
    points = decision_points(turns, talked)
    materials = Materials(empty("knowledge"), empty("commitments_policy"))

    def run(path, prompt="naive", change=lambda answerer: answerer, **settings):
        bot = Candidate(
            kind="prompted",
            prompt=folder / f"{prompt}.toml",
            model=model(**({"max_tokens": 8} | settings)),
        )
        with closing(KeptReplies(path)) as kept:
            return replay(
                "small",
                change(make(bot, materials)),
                points,
                turns,
                talked,
                empty("contexts"),
                kept,
            )

    return run


def decide() -> str:
    actions = ("answer", "clarify", "escalate", "refuse", "soothe")
    labels = "\n".join(
        f'{action} = "{letter}"' for action, letter in zip(actions, LETTERS, strict=True)
    )
    then = "\n".join(f'{action} = "Now {action}."' for action in actions)
    return f'[decide]\nask = "{QUESTION}"\n[decide.labels]\n{labels}\n[decide.then]\n{then}\n'


def test_a_second_replay_loads_no_model_and_asks_nothing(desk, tmp_path):
    first = desk(tmp_path / "kept", "decides")
    assert first.shadow.height == 5
    assert first.shadow["error"].null_count() == 5
    assert first.shadow["action"].null_count() == 0
    sums = first.shadow["action_probs"].map_elements(
        lambda probs: sum(probs.values()), return_dtype=pl.Float64
    )
    assert sums.to_list() == pytest.approx([1] * 5)

    def refuse(*_):
        raise AssertionError("asked again")

    again = desk(
        tmp_path / "kept",
        "decides",
        lambda answerer: answerer._replace(ready=refuse, answer=refuse),
    )
    assert again.shadow.equals(first.shadow)
    assert again.account.equals(first.account)


def test_replies_that_are_cut_off_are_counted(desk, tmp_path):
    found = desk(tmp_path / "kept", max_tokens=3)
    assert found.shadow["finish_reason"].to_list() == ["length"] * 5
    account = found.account.to_dicts()[0]
    assert account["n_cut_off"] == account["n_asked"] == 5
    assert account["completion_tokens"] == 15
    assert account["cached_prompt_tokens"] == 0
    assert account["prompt_tokens"] == found.shadow["prompt_tokens"].sum()


def test_a_chat_longer_than_the_window_loses_its_oldest_turns_and_is_counted(desk, tmp_path):
    found = desk(tmp_path / "kept", context_tokens=100)
    dropped = dict(found.shadow.select("turn", "n_dropped_turns").rows())
    long = found.shadow.filter(conversation_id="c1", turn=2).to_dicts()[0]
    assert long["n_dropped_turns"] > 0
    assert long["reply"]
    assert long["prompt_tokens"] <= 100 - 8
    assert dropped[0] == 0
    assert found.account["n_shortened"].to_list() == [1]


def test_a_template_without_a_system_role_gets_the_system_text_all_the_same(
    desk, variant, tmp_path, tokenizer
):
    found = desk(tmp_path / "kept", folder=variant("no_system"))
    assert found.shadow["error"].null_count() == 5
    assert found.shadow["reply"].null_count() == 0
    asked = found.shadow.filter(conversation_id="c2").to_dicts()[0]
    text = (
        f"<|im_start|>user\n{SYSTEM.content} Write in Traditional Chinese.\n\n"
        f"{CONVERSATIONS[2][1][0]}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert asked["prompt_tokens"] == len(tokenizer.encode(text))


def test_an_empty_reply_is_no_reply(desk, variant, tmp_path, tokenizer):
    # Everything that the model would begin with ends its text.
    ends = list(range(tokenizer.vocab_size))
    found = desk(tmp_path / "kept", folder=variant(generation_config={"eos_token_id": ends}))
    assert found.shadow["error"].to_list() == ["no_reply"] * 5
    assert found.shadow["reply"].null_count() == 5
    assert found.shadow["completion_tokens"].to_list() == [1] * 5
    assert found.account["n_errors"].to_list() == [5]


# The command line

GUARD = """
import os, socket, sys

def watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if args[0].family == socket.AF_UNIX:
            return
    elif not event.startswith(("socket.getaddrinfo", "socket.gethostby", "socket.getnameinfo")):
        return
    with open(os.environ["SOCKET_ATTEMPTS"], "a") as file:
        file.write(f"{event} {args}\\n")
    raise OSError("no network")

sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def command(small_model, tmp_path_factory):
    """Start a command of the product without a network; attempts at one are recorded."""
    folder = tmp_path_factory.mktemp("command")
    # Read by every Python that is started here, children of children too.
    (folder / "sitecustomize.py").write_text(GUARD, "utf-8")
    (folder / "brief.toml").write_text(f'system = "{SYSTEM.content}"', "utf-8")
    (folder / "small.toml").write_text(
        f"""
        name = "small"
        [history]
        format = "sample"
        [candidates.small]
        kind = "prompted"
        prompt = "brief.toml"
        [candidates.small.model]
        backend = "transformers"
        folder = {json.dumps(str(small_model))}
        dtype = "float32"
        max_tokens = 4
        """,
        "utf-8",
    )
    attempts = folder / "attempts"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "SOCKET_ATTEMPTS": str(attempts),
    }
    # Ours to set, not the user's.
    environment.pop("HF_HUB_OFFLINE", None)

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        return process

    def run(out):
        settings = [part for setting in SAMPLE for part in ("--set", setting)]
        return start("-m", "simulator", "run", "small.toml", "--out", str(out), *settings)

    return start, run, attempts


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory):
    """The folder of a run that was left alone."""
    _, run, _ = command
    out = tmp_path_factory.mktemp("whole") / "run"
    process = run(out)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()
    return out


def test_a_local_run_makes_no_network_connection(command, undisturbed):
    start, _, attempts = command
    assert RunFolder(undisturbed).table("shadow").filter(candidate="small")["reply"].count() > 32
    assert not attempts.exists(), attempts.read_text("utf-8")
    # The guard would have seen one.
    tried = start("-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9/')")
    assert b"no network" in tried.communicate(timeout=60)[1]
    assert "127.0.0.1" in attempts.read_text("utf-8")
    attempts.unlink()


def test_killed_in_mid_replay_and_run_again_the_table_is_the_same(command, undisturbed, tmp_path):
    _, run, _ = command
    out = tmp_path / "run"
    kept = out / "parts" / "replay" / "small.sqlite"

    def stored() -> set[str]:
        with (
            suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(f"file:{kept}?mode=ro", uri=True)) as connection,
        ):
            return {key for (key,) in connection.execute("SELECT key FROM replies")}
        return set()

    process = run(out)
    while not stored() and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = stored()
    whole = RunFolder(undisturbed).table("shadow")
    assert 0 < len(before) < whole.filter(candidate="small").height
    process = run(out)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()
    resumed = RunFolder(out).table("shadow")
    assert resumed.drop("latency_s").equals(whole.drop("latency_s"))
    # What was answered before the kill was not asked again.
    early = resumed.filter(pl.col("key").is_in(before), candidate="small")["latency_s"]
    late = resumed.filter(~pl.col("key").is_in(before), candidate="small")["latency_s"]
    assert not set(early) & set(late)
