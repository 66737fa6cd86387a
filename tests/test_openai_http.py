"""Any server, with every fault: handled, counted, resumable, and no reply is ever made up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from simulator import backends, pipeline
from simulator.backends import NO_SYSTEM_ROLE, TOO_LONG, Ask, Completion, Message
from simulator.backends.openai_answers import refusal
from simulator.backends.openai_http import _retry_after_s
from simulator.errors import BackendError
from simulator.scenario import LanguageModel, Server
from simulator.scenario_file import load
from simulator.store import RunFolder
from tests.conftest import ROOT
from tests.fault_server import LABELS, FaultServer, digest, probs_of, prompt_of, reply_to

PASSING = [
    ("hang_up", "connection"),
    ("not_http", "bad_body"),
    ("garbage", "bad_body"),
    ("half", "bad_body"),
    ("reset", "bad_body"),
    ("huge", "bad_body"),
    ("shape", "bad_body"),
    ("error_as_200", "bad_body"),
    ("500", "server_error"),
    ("503", "server_error"),
    ("408", "server_error"),
    ("409", "server_error"),
    ("425", "server_error"),
    ("429", "rate_limited"),
    ("silent", "timeout"),
    ("trickle", "timeout"),
]


@pytest.fixture
def server():
    with FaultServer() as one:
        yield one


def model(url, *, max_tokens=50, **settings):
    fast = {"timeout_s": 20, "retries": 2, "backoff_s": 0.01, "concurrency": 4}
    return LanguageModel(
        backend="openai_http",
        name="a-model",
        max_tokens=max_tokens,
        temperature=0.5,
        top_p=0.9,
        server=Server(url=url, **fast | settings),
    )


def ask(text="hello", **more):
    return Ask((Message("user", text),), **{"max_tokens": 50, "seed": 7} | more)


def choose(text="hello"):
    return ask(text, max_tokens=1, choices=tuple(LABELS))


def answers(one, asks):
    """Completions in the order of the asks, asked as the candidate asks."""
    backend = backends.make(one)
    try:
        found: dict[int, Completion] = {}
        waiting = list(enumerate(asks))[::-1]
        while len(found) < len(asks):
            while waiting and len(asks) - len(waiting) - len(found) < backend.in_hand:
                backend.submit(*waiting.pop())
            found |= dict(backend.wait())
        return [found[i] for i in range(len(asks))]
    finally:
        backend.close()


def answer(server, one, **settings):
    return answers(model(server.url, **settings), [one])[0]


def always(name):
    return lambda prompt, nth: name


def first(name, times=1):
    return lambda prompt, nth: name if nth <= times else None


def test_text_is_asked_for_and_read(server):
    messages = (Message("system", "be brief"), Message("user", "退款多久？"))
    found = answer(server, Ask(messages, 50, seed=7))
    assert server.bodies == [
        {
            "model": "a-model",
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "退款多久？"},
            ],
            "max_tokens": 50,
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": 7,
        }
    ]
    prompt = prompt_of(server.bodies[0])
    assert found.text == reply_to(prompt)
    assert "退款多久？" in found.text
    assert found.prompt_tokens == len(prompt)
    assert found.cached_prompt_tokens == len(prompt) // 2
    assert found.completion_tokens == len(found.text)
    assert found.latency_s > 0
    assert (found.finish_reason, found.error, found.failures) == ("stop", None, ())


@pytest.mark.parametrize(("fault", "kind"), PASSING)
def test_what_passes_is_tried_again_and_counted(server, fault, kind):
    server.fault = first(fault)
    found = answer(server, ask(), timeout_s=2 if kind == "timeout" else 20)
    assert found.text == reply_to("user: hello")
    assert found.error is None
    assert found.failures == (kind,)


@pytest.mark.parametrize(("fault", "kind"), PASSING)
def test_what_does_not_pass_is_an_error_without_words(server, fault, kind):
    server.fault = always(fault)
    found = answer(server, ask(), retries=1, timeout_s=0.5 if kind == "timeout" else 20)
    assert found == Completion(error=kind, failures=(kind, kind))
    assert server.asked == {"user: hello": 2}


def test_failures_are_told_in_order(server):
    kinds = ["garbage", "429", "500", None]
    server.fault = lambda prompt, nth: kinds[nth - 1]
    found = answer(server, ask(), retries=3)
    assert found.failures == ("bad_body", "rate_limited", "server_error")
    assert found.error is None


@pytest.mark.parametrize("status", ["301", "400", "413", "418", "422", "451"])
def test_a_refusal_is_not_tried_again(server, status):
    server.fault = always(status)
    found = answer(server, ask())
    assert found == Completion(error=f"http_{status}", failures=(f"http_{status}",))
    assert server.asked == {"user: hello": 1}


@pytest.mark.parametrize("status", ["401", "403", "404"])
def test_a_wrong_key_or_name_stops_the_run(server, status):
    server.fault = always(status)
    with pytest.raises(BackendError, match=f"'a-model' .status {status}") as told:
        answer(server, ask())
    assert server.url in str(told.value)
    assert server.asked == {"user: hello": 1}


@pytest.mark.parametrize(("fault", "text"), [("empty", ""), ("null", None)])
def test_an_empty_answer_stays_empty(server, fault, text):
    server.fault = always(fault)
    found = answer(server, ask())
    assert (found.text, found.error, found.failures) == (text, None, ())


def test_a_cut_off_answer_says_so(server):
    server.fault = always("length")
    assert answer(server, ask()).finish_reason == "length"


def test_half_a_surrogate_pair_can_be_stored(server):
    server.fault = always("surrogate")
    assert answer(server, ask()).text == "half a pair: ?"


# The wordings as the projects have them in their sources, or as their users quote them.
TOO_LONG_WORDS = [
    # vLLM 0.32
    (
        "This model's maximum context length is 1024 tokens. However, your prompt contains 1500 "
        "input tokens, which exceeds this limit even without any output tokens. Please reduce the "
        "length of the input prompt. (parameter=input_tokens, value=1500)",
        1500,
        1024,
    ),
    (
        "This model's maximum context length is 1024 tokens. However, your prompt contains at "
        "least 1025 input tokens, which exceeds this limit even without any output tokens.",
        None,
        1024,
    ),
    (
        "This model's maximum context length is 1024 tokens. However, your prompt contains 90000 "
        "characters (more than 8192 characters, which is the upper bound for 1024 input tokens).",
        None,
        1024,
    ),
    ("Input length (1500) exceeds model's maximum context length (1024).", 1500, 1024),
    # vLLM before 0.11
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 200. This model's maximum context "
        "length is 1024 tokens and your request has 900 input tokens (200 > 1024 - 900).",
        900,
        1024,
    ),
    # OpenAI and DeepSeek
    (
        "This model's maximum context length is 4097 tokens. However, you requested 4120 tokens "
        "(3120 in the messages, 1000 in the completion). Please reduce the length of the messages.",
        3120,
        4097,
    ),
    (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in "
        "8227 tokens. Please reduce the length of the messages.",
        8227,
        8192,
    ),
    # SGLang
    (
        "The input (1500 tokens) is longer than the model's context length (1024 tokens).",
        1500,
        1024,
    ),
    # TGI
    (
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 200 "
        "`max_new_tokens`",
        4000,
        4096,
    ),
    ("prompt is too long: 210000 tokens > 200000 maximum", 210000, 200000),
    ("context_length_exceeded", None, None),
]


@pytest.mark.parametrize(("words", "prompt_tokens", "window"), TOO_LONG_WORDS)
def test_a_prompt_that_is_too_long_is_told_apart(server, words, prompt_tokens, window):
    server.fault = always(f"400 {words}")
    found = answer(server, ask())
    assert found.error == TOO_LONG
    assert found.prompt_tokens == prompt_tokens
    # What is left for the prompt once the reply has its room.
    assert found.limit_tokens == (window and window - 50)
    assert found.text is None


def test_a_window_that_the_scenario_names_is_kept_to(server):
    prompt = "user: hello"
    window = len(prompt) + 50
    for context_tokens, error in ((64, None), (window, None), (window - 1, TOO_LONG)):
        one = model(server.url).model_copy(update={"context_tokens": context_tokens})
        (found,) = answers(one, [ask()])
        assert found.error == error
    # No words of a reply that had too little room.
    assert (found.text, found.prompt_tokens, found.limit_tokens) == (None, 11, 10)


def test_llama_cpp_counts_in_fields_of_its_own():
    error = {
        "code": 500,
        "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 1407,
        "n_ctx": 256,
    }
    refused = refusal(json.dumps({"error": error}).encode())
    assert (refused.prompt_tokens, refused.window) == (1407, 256)
    assert refused.completion(500, ask()).error == TOO_LONG


@pytest.mark.parametrize(
    "says",
    [
        "400 System role not supported",
        "400 Only user and assistant roles are supported!",
        "422 Conversation roles must alternate user/assistant/user/assistant/...",
        # llama.cpp
        "500 Only user, assistant and tool roles are supported, got system.",
    ],
)
def test_a_template_without_a_system_role_is_told_apart(server, says):
    server.fault = always(says)
    system = (Message("system", "be brief"), Message("user", "hello"))
    with_it, without = answers(model(server.url), [Ask(system, 50), ask()])
    assert with_it.error == NO_SYSTEM_ROLE
    # Where there is none, it is not the system message that is refused.
    assert without.error == f"http_{says[:3]}"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"null", b'{"error": null}', b"[" * 9999])
def test_any_body_of_an_error_can_be_read(body):
    assert refusal(body).completion(400, ask()) == Completion(error="http_400")


def test_choices_come_with_their_probabilities(server):
    found = answer(server, choose())
    (body,) = server.bodies
    assert (body["max_tokens"], body["temperature"]) == (1, 0)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 20)
    given = probs_of("user: hello")
    # "A" and " A" are one label, and what is no label is left out.
    assert found.probs == pytest.approx([p / sum(given) for p in given])
    assert found.text == LABELS[given.index(max(given))]
    # That one token ends after one token is no cut-off.
    assert found.finish_reason is None


def test_a_label_that_is_not_among_the_likeliest_has_probability_0(server):
    server.fault = always("without_e")
    given = probs_of("user: hello")[:4]
    assert answer(server, choose()).probs == pytest.approx([*(p / sum(given) for p in given), 0.0])


@pytest.mark.parametrize(
    ("says", "label"),
    [("A", "A"), (" B", "B"), ("C.", "C"), ("As", None), ("I", None), ("", None), ("a", None)],
)
def test_a_hidden_probability_is_null_and_the_label_is_read_or_not_known(server, says, label):
    server.logprobs = False
    server.fault = always(f"says {says}")
    found = answer(server, choose())
    assert (found.text, found.probs, found.error) == (label, None, None)


def test_no_label_among_the_likeliest_tokens_decides_nothing(server):
    server.fault = always("other_tokens")
    found = answer(server, choose())
    assert (found.text, found.probs, found.error) == (None, None, None)


def test_a_server_that_refuses_logprobs_is_asked_without_from_then_on(server):
    server.logprobs = "refused"
    one, two = answers(model(server.url, concurrency=1), [choose("one"), choose("two")])
    assert one.text in LABELS
    assert one.probs is two.probs is None
    assert (one.failures, two.failures) == (("http_400",), ())
    assert ["logprobs" in body for body in server.bodies] == [True, False, False]


def test_a_server_may_want_the_newer_name_of_max_tokens(server):
    server.max_tokens = False
    found = answer(server, ask())
    assert found.text == reply_to("user: hello")
    assert server.bodies[-1]["max_completion_tokens"] == 50
    assert "max_tokens" not in server.bodies[-1]


def test_no_more_requests_at_once_than_allowed(server):
    server.pause_s = 0.02
    found = answers(model(server.url, concurrency=3), [ask(f"ask {i}") for i in range(30)])
    assert [one.text for one in found] == [reply_to(f"user: ask {i}") for i in range(30)]
    assert server.most_at_once == 3


def test_more_asks_than_in_hand_wait_for_their_turn(server):
    server.pause_s = 0.02
    backend = backends.make(model(server.url, concurrency=2))
    for i in range(10):
        backend.submit(i, ask(f"ask {i}"))
    found: dict[int, Completion] = {}
    while len(found) < 10:
        found |= dict(backend.wait())
    backend.close()
    assert server.most_at_once == 2


def test_requests_are_spread_over_the_minute(server):
    began = time.monotonic()
    answers(model(server.url, requests_per_minute=600), [ask(f"ask {i}") for i in range(5)])
    # A sleep is never too short: the nth request leaves n tenths of a second after the first.
    assert all(at - began >= 0.1 * n - 0.005 for n, at in enumerate(server.at))
    backend = backends.make(model(server.url, requests_per_minute=1))
    for i in range(3):
        backend.submit(i, ask(f"more {i}"))
    assert len(backend.wait()) == 1
    backend.close()
    assert len(server.bodies) == 6


def test_a_retry_waits_for_what_the_server_asks_for(server):
    server.fault = first("429")
    server.retry_after = "1"
    assert answer(server, ask()).failures == ("rate_limited",)
    one, two = server.at
    assert two - one >= 0.95


def test_retry_after_in_all_its_forms():
    assert _retry_after_s(None) == _retry_after_s("soon") == _retry_after_s("nan") == 0
    assert _retry_after_s("-5") == 0
    assert _retry_after_s("2.5") == 2.5
    assert _retry_after_s("86400") == 120
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert 50 < _retry_after_s(format_datetime(later, usegmt=True)) <= 60
    assert _retry_after_s(format_datetime(later - timedelta(days=1), usegmt=True)) == 0


def test_a_server_that_only_fails_ends_the_run(server):
    server.fault = lambda prompt, nth: "500" if "bad" in prompt else None
    backend = backends.make(model(server.url, concurrency=1, retries=0, give_up_after=3))
    asks = [ask("good"), *(ask(f"bad {i}") for i in range(9))]
    for ticket, one in enumerate(asks):
        backend.submit(ticket, one)
    found: dict[int, Completion] = {}
    with pytest.raises(BackendError) as told:  # noqa: PT012
        while True:
            found |= dict(backend.wait())
    # Once it is over it stays over.
    with pytest.raises(BackendError):
        backend.wait()
    backend.close()
    assert found[0].text == reply_to("user: good")
    assert {one.error for i, one in found.items() if i} == {"server_error"}
    message = str(told.value)
    assert message.startswith(f"{server.url}: 3 requests in a row failed")
    assert "server_error (500: fault 500" in message
    assert "kept" in message
    assert "same command" in message


def test_a_success_between_keeps_the_run_going(server):
    server.fault = lambda prompt, nth: None if prompt.endswith("0") else "503"
    one = model(server.url, concurrency=1, retries=0, give_up_after=3)
    found = answers(one, [ask(f"ask {i % 3}") for i in range(30)])
    assert [one.error for one in found] == [None, "server_error", "server_error"] * 10


def test_a_server_that_refuses_from_the_first_ends_the_run_with_its_words(server):
    server.fault = always("400 temperature must be 1 for this model")
    with pytest.raises(BackendError, match=r"http_400 .400: temperature must be 1"):
        answers(model(server.url, concurrency=1, give_up_after=3), [ask(f"{i}") for i in range(9)])
    # A few among answers are about what was asked.
    server.fault = lambda prompt, nth: None if "good" in prompt else "400 not this one"
    asks = [ask("good" if i % 3 == 0 else f"{i}") for i in range(9)]
    found = answers(model(server.url, concurrency=1, give_up_after=3), asks)
    assert [one.error for one in found] == [None, "http_400", "http_400"] * 3
    # So many in a row are not, whatever was answered before.
    asks = [ask("good"), *(ask(f"{i}") for i in range(9))]
    with pytest.raises(BackendError, match="3 requests in a row failed"):
        answers(model(server.url, concurrency=1, give_up_after=3), asks)


def test_a_server_that_wants_to_be_paid_ends_the_run(server):
    server.fault = lambda prompt, nth: None if "good" in prompt else "402 Insufficient credits"
    with pytest.raises(BackendError, match=r"wants to be paid first.* Insufficient credits"):
        answers(model(server.url, concurrency=1), [ask("good"), ask("more"), ask("good")])


def test_nobody_at_the_port():
    with FaultServer() as gone:
        url = gone.url
    assert answers(model(url), [ask()])[0].failures == ("connection",) * 3
    with pytest.raises(BackendError, match=r"connection .ConnectError"):
        answers(model(url, give_up_after=1), [ask()])


KEY = "sk-very-secret-0123456789"


def test_the_key_is_sent_and_never_told(server, monkeypatch):
    monkeypatch.setenv("A_KEY", f"{KEY}\n")
    server.key = KEY
    assert answer(server, ask(), key_variable="A_KEY").text == reply_to("user: hello")
    told = []
    # The server repeats the key in each of these.
    for fault in ("400", "403", "404", "500", "429"):
        server.fault = always(fault)
        with pytest.raises(BackendError) as error:
            answer(server, ask(), key_variable="A_KEY", retries=0, give_up_after=1)
        told.append(str(error.value))
    server.fault, server.key = always(None), "another"
    with pytest.raises(BackendError, match="does not accept the key") as error:
        answer(server, ask(), key_variable="A_KEY")
    told.append(str(error.value))
    assert "[key]" in told[0]
    assert not any(KEY in one or KEY[:12] in one for one in told)


@pytest.mark.parametrize("value", ["", "  ", "two words", "sk-\u2013-dash", "a\nb"])
def test_a_key_that_is_none_is_told_without_showing_it(monkeypatch, value):
    monkeypatch.setenv("A_KEY", value)
    with pytest.raises(BackendError, match="A_KEY") as error:
        backends.make(model("http://127.0.0.1:9/v1", key_variable="A_KEY"))
    assert not value.strip() or value not in str(error.value)


def test_a_key_that_is_not_there(monkeypatch):
    monkeypatch.delenv("A_KEY", raising=False)
    with pytest.raises(BackendError, match="export A_KEY="):
        backends.make(model("http://127.0.0.1:9/v1", key_variable="A_KEY"))


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://[::1/v1",
        "http://user:hunter2@127.0.0.1:9/v1",
        "http://127.0.0.1:9/v1?key=hunter2",
        "http://127.0.0.1:9/v1#hunter2",
    ],
)
def test_a_url_that_is_none_or_holds_more_is_refused(url):
    # The scenario may refuse it before: here it stands for one that did not.
    server = Server.model_construct(url=url, key_variable=None, concurrency=1)
    one = model("http://127.0.0.1:9/v1").model_copy(update={"server": server})
    with pytest.raises(BackendError) as told:
        backends.make(one)
    assert "hunter2" not in str(told.value)


def test_a_missing_library_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(BackendError, match=r"pip install 'shadowdesk\[http\]'"):
        backends.make(model("http://127.0.0.1:9/v1"))


def test_closing_cancels_and_leaves_no_thread(server):
    server.fault = always("silent")
    backend = backends.make(model(server.url, timeout_s=300))
    for i in range(8):
        backend.submit(i, ask(f"ask {i}"))
    while server.under_way < 4:
        time.sleep(0.01)
    backend.close()
    backend.close()
    assert not [one for one in threading.enumerate() if one.name == "openai_http"]


# Runs.

PROMPT = """
system = "You answer for a shop. {policy}"
ask = "Articles: {articles}"
"""
SCENARIO = """
name = "served"
[history]
source = "log.jsonl"
format = "jsonl"
[candidates.human]
kind = "human"
[candidates.bot]
kind = "prompted"
prompt = "prompt.toml"
[candidates.bot.model]
backend = "openai_http"
name = "a-model"
max_tokens = 50
[candidates.bot.model.server]
url = "URL"
concurrency = 4
retries = 1
backoff_s = 0.05
give_up_after = 3
timeout_s = 60
[simulation]
days = 2
replications = 1
processes = 1
"""
START = datetime(2026, 3, 2, 13, tzinfo=UTC)


def place(tmp_path, url, more=""):
    """A scenario of 12 conversations with 3 points each; two of them say the same."""
    rows = []
    for i in range(12):
        words = ["where is parcel", "are you sure about", "thank you for"]
        said = [f"{one} {min(i, 10)}" if i != 3 else f"{one} 包裹 三" for one in words]
        messages = []
        for text in said:
            messages.append({"role": "user", "content": text})
            messages.append({"role": "assistant", "content": f"Let me see: {text}"})
        rows.append(
            {
                "conversation_id": f"c{i:02}",
                "started_at": (START + timedelta(hours=i)).isoformat(),
                "handle_time_s": 300,
                "messages": messages,
            }
        )
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (tmp_path / "prompt.toml").write_text(PROMPT, "utf-8")
    text = SCENARIO.replace("URL", url) + more
    (tmp_path / "scenario.toml").write_text(text, "utf-8")
    return tmp_path / "scenario.toml"


def shadow(out):
    return RunFolder(out).table("shadow").drop("latency_s", "cached_prompt_tokens")


def begin(scenario, out):
    return subprocess.Popen(
        [sys.executable, "-m", "simulator", "run", str(scenario), "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


class Served:
    """A server in a process of its own, that can be killed and started again at its port."""

    def __init__(self, log):
        self.log, self.port, self.process = log, 0, None

    def start(self, *options):
        own = [str(self.port), f"--log={self.log}", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fault_server", *own],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def asked(self):
        """Digests of the prompts, as they came."""
        return self.log.read_text().split() if self.log.exists() else []

    def await_requests(self, n, process):
        deadline = time.monotonic() + 120
        while len(self.asked()) < n:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with FaultServer() as one:
        pipeline.run(load(place(folder, one.url)), folder / "run")
        # Two of the 12 conversations say the same, and are asked once.
        assert len(one.bodies) == len(one.asked) == 33
    found = shadow(folder / "run")
    assert found.filter(candidate="bot").height == 36
    assert found["error"].is_null().all()
    return found


@pytest.fixture
def served(tmp_path):
    one = Served(tmp_path / "asked.log")
    yield one
    if one.process is not None and one.process.poll() is None:
        one.kill()


def test_a_server_killed_in_mid_run_costs_no_reply(tmp_path, undisturbed, served):
    # After 14 answers it keeps still, so that it is in mid-run for certain when it is killed.
    served.start("--silent-after", "14")
    scenario = place(tmp_path, served.url)
    process = begin(scenario, tmp_path / "run")
    served.await_requests(18, process)
    served.kill()
    _, told = process.communicate(timeout=120)
    assert process.returncode == 2, told
    assert "Traceback" not in told
    (message,) = [line for line in told.splitlines() if "requests in a row failed" in line]
    assert message.startswith(served.url)
    assert told.splitlines()[-1] == message
    before = Counter(served.asked())
    assert sum(before.values()) == 18

    served.start()
    process = begin(scenario, tmp_path / "run")
    _, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    assert shadow(tmp_path / "run").equals(undisturbed)
    again = Counter(served.asked()) - before
    # The four that were under way are asked again, and no other.
    assert len(before & again) == 4
    assert sum(again.values()) == 33 - 14


def test_a_run_killed_itself_goes_on_where_it_was(tmp_path, undisturbed, served):
    served.start("--silent-after", "14")
    scenario = place(tmp_path, served.url)
    process = begin(scenario, tmp_path / "run")
    served.await_requests(18, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = Counter(served.asked())
    served.kill()

    served.start()
    process = begin(scenario, tmp_path / "run")
    _, told = process.communicate(timeout=240)
    assert process.returncode == 0, told
    assert shadow(tmp_path / "run").equals(undisturbed)
    # At most what was under way: no reply that was stored is asked for again.
    again = Counter(served.asked()) - before
    assert len(before & again) <= 4
    assert max(again.values()) == 1


def test_ctrl_c_is_answered_while_the_server_is_not(tmp_path, served):
    served.start("--silent-after", "0")
    process = begin(place(tmp_path, served.url), tmp_path / "run")
    served.await_requests(4, process)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert told.splitlines()[-1].startswith("interrupted; run the same command again")


def test_errors_are_rows_and_asked_again_by_the_next_run(tmp_path, server, undisturbed):
    def fault(prompt, nth):
        if "parcel 5" in prompt:
            return "500"
        return "400 it offends us" if "parcel 7" in prompt else None

    server.fault = fault
    # Three chats on one and the same parcel come in a row.
    more = ("candidates.bot.model.server.give_up_after=7",)
    scenario = load(place(tmp_path, server.url), more)
    folder = pipeline.run(scenario, tmp_path / "run")
    found = folder.table("shadow").filter(candidate="bot")
    errors = dict(found.filter(found["error"].is_not_null())["error"].value_counts().iter_rows())
    assert errors == {"server_error": 3, "http_400": 3}
    assert found.filter(found["error"].is_not_null())["reply"].is_null().all()
    account = folder.table("replay_account").row(0, named=True)
    assert account["n_errors"] == 6
    failures = {one["failure"]: one["n"] for one in account["failures"]}
    assert failures == {"server_error": 6, "http_400": 3}

    before = Counter(server.asked)
    server.fault = always(None)
    folder = pipeline.run(scenario, tmp_path / "run")
    again = Counter(server.asked) - before
    assert sum(again.values()) == 6
    assert all("parcel 5" in prompt or "parcel 7" in prompt for prompt in again)
    assert shadow(tmp_path / "run").equals(undisturbed)
    # Nothing is left to ask.
    pipeline.run(scenario, tmp_path / "run")
    assert Counter(server.asked) == before + again


def test_an_edited_prompt_is_asked_anew_and_the_old_one_not(tmp_path, server):
    scenario = place(tmp_path, server.url)
    prompt = load(scenario).candidates["bot"].prompt
    words = prompt.read_text("utf-8")
    first = shadow(pipeline.run(load(scenario), tmp_path / "run").path)
    n = len(server.asked)
    prompt.write_text(words.replace('system = "', 'system = "Be brief. '), "utf-8")
    other = shadow(pipeline.run(load(scenario), tmp_path / "run").path)
    assert len(server.asked) == 2 * n
    assert not set(first.filter(candidate="bot")["key"]) & set(other.filter(candidate="bot")["key"])
    # Back to the words that were asked before: their replies are still there.
    prompt.write_text(words, "utf-8")
    assert shadow(pipeline.run(load(scenario), tmp_path / "run").path).equals(first)
    assert len(server.asked) == 2 * n


def test_every_fault_at_once_gives_the_undisturbed_table(tmp_path, server, undisturbed):
    faults = ["hang_up", "garbage", "half", "shape", "500", "429", None, None, None, None]

    def fault(prompt, nth):
        return faults[int(digest(prompt), 16) % len(faults)] if nth == 1 else None

    server.fault = fault
    folder = pipeline.run(load(place(tmp_path, server.url)), tmp_path / "run")
    assert shadow(tmp_path / "run").equals(undisturbed)
    account = folder.table("replay_account").row(0, named=True)
    sent = Counter(map(prompt_of, server.bodies))
    kinds = dict(PASSING)
    expected = Counter(
        kinds[one] for p in sent if (one := faults[int(digest(p), 16) % len(faults)])
    )
    assert {one["failure"]: one["n"] for one in account["failures"]} == expected
    assert len(expected) >= 3


def test_the_key_is_in_no_file_of_the_run(tmp_path, server, monkeypatch):
    monkeypatch.setenv("A_KEY", KEY)
    server.key = KEY
    # One point of one conversation: several could fail in a row, and end the run.
    server.fault = lambda prompt, nth: "500" if "thank you for 5" in prompt else None
    place(tmp_path, server.url)
    scenario = tmp_path / "scenario.toml"
    text = scenario.read_text().replace(
        "concurrency = 4", 'concurrency = 4\nkey_variable = "A_KEY"'
    )
    scenario.write_text(text)
    pipeline.run(load(scenario), tmp_path / "run")
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
