"""What the replay stage costs beside a bare engine, one prompt at a time, and in a shuffled order.

    python -m tests.benchmarks.replay MODEL_FOLDER [--points N] [--device-note TEXT]

Ratios of one run, over the first N decision points (default 200) of the built-in sample, each
asked in free text with the same words, sampling and engine settings on both sides:

(a) the replay stage with a vLLM candidate / bare ``LLM.chat`` over the very same chats. Taken in
    turns, three times; the least ratio of a pair and the median are printed. The stage's engine
    start is told apart.
(b) transformers ``generate``, one prompt at a time, over every k-th chat and extrapolated by the
    number of chats / the replay stage.
(c) prompt tokens computed (prompt - cached, as the engine counts them) in conversation order / in
    a shuffled order, with a cache that holds a small part of the chats' tokens.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from simulator import backends
from simulator.backends import Ask
from simulator.candidates import Answerer, Materials, make
from simulator.judging.contexts import judge_contexts
from simulator.pipeline import make_sample
from simulator.replay.decision_points import decision_points
from simulator.replay.kept import KeptReplies
from simulator.replay.runner import replay
from simulator.scenario import Candidate, LanguageModel
from simulator.scenario_file import load
from tests.conftest import ROOT

MAX_TOKENS = 48
ROUNDS = 3
# vLLM on a CPU keeps prefixes in blocks of 128 tokens unless told otherwise.
ENGINE = {"enforce_eager": True, "kv_cache_memory_bytes": 1 << 30, "block_size": 32}
ONE_BY_ONE = 6


class Recorded:
    """A backend that passes asks on, and keeps them."""

    def __init__(self, backend: backends.Backend) -> None:
        self.backend, self.asks, self.in_hand = backend, list[Ask](), backend.in_hand

    def submit(self, ticket: int, ask: Ask) -> None:
        self.asks.append(ask)
        self.backend.submit(ticket, ask)

    def wait(self) -> list[tuple[int, backends.Completion]]:
        return self.backend.wait()

    def close(self) -> None:
        self.backend.close()


def language_model(folder: Path, **engine: Any) -> LanguageModel:
    return LanguageModel(
        backend="vllm",
        folder=folder,
        dtype="float32",
        context_tokens=2048,
        max_tokens=MAX_TOKENS,
        engine=ENGINE | engine,
    )


def history(n: int) -> tuple[Any, ...]:
    """Materials and tables of the first ``n`` decision points."""
    one = load(ROOT / "scenarios" / "quickstart.toml").history
    sample = make_sample(one.sample, one.zone)
    points = decision_points(sample.turns, sample.conversations).head(n)
    contexts = judge_contexts(points, sample.turns, sample.conversations)
    materials = Materials(sample.knowledge, sample.commitments_policy)
    return materials, points, sample.turns, sample.conversations, contexts


class Stage:
    """The replay stage over a history, its engine started once."""

    def __init__(self, folder: Path, tables: tuple[Any, ...]) -> None:
        materials, *self.tables = tables
        self.candidate = Candidate(
            kind="prompted",
            prompt=ROOT / "scenarios" / "prompts" / "cautious.toml",
            model=language_model(folder),
        )
        self.materials = materials
        began = time.perf_counter()
        self.backend = Recorded(backends.make(self.candidate.model))
        self.start_s = time.perf_counter() - began

    def run(self) -> float:
        """Seconds for all points, nothing kept from before."""
        self.backend.asks.clear()
        # The engine that is there is handed over in place of a new one.
        made, backends.make = backends.make, lambda model: self.backend
        try:
            answerer: Answerer = make(self.candidate, self.materials)._replace(close=lambda: None)
            with (
                tempfile.TemporaryDirectory() as folder,
                closing(KeptReplies(Path(folder) / "model.sqlite")) as kept,
            ):
                began = time.perf_counter()
                replay("model", answerer, *self.tables, kept)
                return time.perf_counter() - began
        finally:
            backends.make = made


def bare(llm: Any, asks: Sequence[Ask]) -> float:
    """Seconds of ``LLM.chat`` over the chats of ``asks``."""
    from vllm import SamplingParams

    chats = [[message._asdict() for message in ask.messages] for ask in asks]
    began = time.perf_counter()
    found = llm.chat(chats, SamplingParams(temperature=0, max_tokens=MAX_TOKENS), use_tqdm=False)
    took = time.perf_counter() - began
    assert len(found) == len(asks)
    return took


def one_by_one(folder: Path, asks: Sequence[Ask]) -> float:
    """Seconds of transformers ``generate`` over each chat by itself."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    took = 0.0
    for number, ask in enumerate([asks[0], *asks]):
        began = time.perf_counter()
        inputs = tokenizer.apply_chat_template(
            [message._asdict() for message in ask.messages],
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)
        # The first is to warm up.
        took += (time.perf_counter() - began) * (number > 0)
    return took


def computed(folder: Path, asks: Sequence[Ask], cache_bytes: int) -> tuple[int, int]:
    """Prompt tokens computed, and in all, with a cache of that size."""
    backend = backends.make(language_model(folder, kv_cache_memory_bytes=cache_bytes))
    try:
        done = answered(backend, [ask._replace(max_tokens=1) for ask in asks])
    finally:
        backend.close()
    total = sum(one.prompt_tokens or 0 for one in done)
    return total - sum(one.cached_prompt_tokens or 0 for one in done), total


def answered(backend: backends.Backend, asks: Sequence[Ask]) -> list[backends.Completion]:
    """Completions as they come; the backend's hands are kept full, in order of the asks."""
    waiting, found, under_way = iter(enumerate(asks)), [], 0
    while len(found) < len(asks):
        while under_way < backend.in_hand and (more := next(waiting, None)):
            backend.submit(*more)
            under_way += 1
        done = [one for _, one in backend.wait()]
        under_way -= len(done)
        found += done
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--device-note", default="")
    given = parser.parse_args()
    if given.device_note:
        print(given.device_note)

    stage = Stage(given.folder, history(given.points))
    # Compiles, fills the cache of prefixes, and says what is asked.
    stage.run()
    asks = list(stage.backend.asks)
    # The bare side: the same engine, driven by vLLM's own loop.
    llm = stage.backend.backend._llm  # type: ignore[attr-defined]
    bare(llm, asks)
    pairs = []
    for _ in range(ROUNDS):
        pairs.append((stage.run(), bare(llm, asks)))
    stage.backend.close()
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    ours = statistics.median(one for one, _ in pairs)
    print(f"{len(asks)} chats of {given.points} points, up to {MAX_TOKENS} new tokens each")
    print(
        f"(a) replay stage {ours:.1f} s / LLM.chat "
        f"{statistics.median(one for _, one in pairs):.1f} s: "
        f"ratios {', '.join(f'{one:.3f}' for one in ratios)} (at most 1.10 wanted); "
        f"engine start {stage.start_s:.1f} s besides"
    )
    some = asks[:: max(1, len(asks) // ONE_BY_ONE)]
    slow = one_by_one(given.folder, some) * len(asks) / len(some)
    print(
        f"(b) generate one by one {slow:.0f} s ({len(some)} chats, extrapolated) / replay stage: "
        f"{slow / ours:.1f} (at least 5 wanted)"
    )
    # Two chats at full length are the least that an engine starts with.
    cache_bytes = 2 * 2048 * bytes_of_a_token(given.folder)
    ordered, total = computed(given.folder, asks, cache_bytes)
    mixed = random.Random(7).sample(asks, len(asks))
    shuffled, _ = computed(given.folder, mixed, cache_bytes)
    print(
        f"(c) computed of {total} prompt tokens: {ordered} in order / {shuffled} shuffled, cache "
        f"for 4096: {ordered / shuffled:.2f} (at most 0.60 wanted)"
    )


def bytes_of_a_token(folder: Path) -> int:
    """Of keys and values in float32."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    width = config["hidden_size"] // config["num_attention_heads"]
    return 2 * 4 * config["num_hidden_layers"] * config["num_key_value_heads"] * width


if __name__ == "__main__":
    main()
