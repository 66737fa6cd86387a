"""A model run by Hugging Face transformers in this process, on the GPU if there is one.

Asks wait in a queue; a batch is the oldest of them and those nearest to it in length, so that
little is spent on padding and none waits for ever. Prompts are padded on the left.

What answers depend on is the scenario alone. The sampling that a model folder recommends
(``generation_config.json``: temperature, top_k, repetition penalty and the like) is not used: only
its end-of-text tokens are. At temperature 0 the likeliest token is taken. Above it, each ask draws
from a generator seeded with its own ``seed``, so that what else is in the batch plays no part, but
for rounding: in float32 the same ask gets the same words in any batch; in 16 bits two tokens that
are all but equally likely may change places. A GPU draws other words than a CPU.

A choice is the likeliest of its tokens at any temperature; its probabilities are those of the model
at temperature 1, made to sum to 1 over the choices.

Source: the Gumbel-max trick, Maddison et al., "A* Sampling", 2014; top_p: Holtzman et al., "The
Curious Case of Neural Text Degeneration", 2020.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from simulator.backends import Ask, Backend, Completion
from simulator.backends.chats import Chats, Tokens
from simulator.errors import BackendError
from simulator.scenario import LanguageModel

_INSTALL = "pip install 'shadowdesk[hf]'"
# Batches worth of asks held at once, so that there are some of like length among them.
_BATCHES_IN_HAND = 8


class _Room(NamedTuple):
    """The most that a batch may have: asks, and tokens of padded prompts and replies together."""

    rows: int
    tokens: int


class _Queued(NamedTuple):
    """An ask in its turn."""

    ticket: int
    ask: Ask
    tokens: Tokens

    @property
    def sort(self) -> tuple[bool, int]:
        """Asks of one sort can be answered in one batch."""
        return bool(self.ask.choices), self.ask.max_tokens


def make(model: LanguageModel) -> Backend:
    """The model of ``folder``, loaded; weights are read from safetensors files alone.

    A model's own code is never run, and nothing is looked for on the network. ``dtype`` auto is
    that of the weights on a CPU, bfloat16 on a GPU.

    Raises:
        BackendError: a library is missing, or the folder has no model that can be loaded.
    """
    # Read when the library is imported; what is not in the folder is then an error at once.
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch, transformers = _library("torch"), _library("transformers")
    transformers.utils.logging.disable_progress_bar()
    assert model.folder is not None
    _expect(
        model.folder,
        ("config.json", "tokenizer_config.json", "*.safetensors"),
        "the folder of a model in Hugging Face's format",
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    auto = "bfloat16" if device == "cuda" else "auto"
    dtype = auto if model.dtype == "auto" else model.dtype
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            model.folder, local_files_only=True, trust_remote_code=False
        )
        network, notes = transformers.AutoModelForCausalLM.from_pretrained(
            model.folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except ImportError as error:
        raise _unfit(error) from error
    except Exception as error:  # there is no end to the ways in which a file can be wrong
        raise BackendError(
            f"{model.folder}: cannot be loaded as a language model: {error}; expected a complete "
            "model of an architecture that transformers knows (a model's own code is never run)"
        ) from error
    if notes["missing_keys"]:
        # transformers would fill them with noise and go on.
        missing = sorted(notes["missing_keys"])
        raise BackendError(
            f"{model.folder}: its weights lack {len(missing)} tensors, such as {missing[0]}; "
            "expected a complete language model: copy the folder again"
        )
    chats = Chats(tokenizer, _window(model, network.config.get_text_config()))
    network = _adapted(network, model.adapter).eval().to(device)
    return _Transformers(torch, transformers, network, tokenizer, chats, model)


class _Transformers:
    """See :class:`simulator.backends.Backend`.

    ``latency_s`` of a completion is the time of the batch that it was in: the wait for that batch
    says nothing of the model. No prompt is cached from one ask to the next.
    """

    def __init__(
        self,
        torch: Any,
        transformers: Any,
        network: Any,
        tokenizer: Any,
        chats: Chats,
        model: LanguageModel,
    ) -> None:
        self._torch, self._network, self._tokenizer = torch, network, tokenizer
        self._chats, self._model = chats, model
        self._stops = frozenset(chats.stops) | _ids(network.generation_config.eos_token_id)
        self._pad = tokenizer.pad_token_id or 0
        network.generation_config = transformers.GenerationConfig(
            do_sample=False,
            eos_token_id=sorted(self._stops) or None,
            pad_token_id=self._pad,
        )
        self._room = _room(torch, network)
        self.in_hand = _BATCHES_IN_HAND * self._room.rows
        self._queue: dict[int, _Queued] = {}
        self._refused: list[tuple[int, Completion]] = []

    def submit(self, ticket: int, ask: Ask) -> None:
        """Take an ask; ``ticket`` names it."""
        tokens = self._chats.tokens(ask)
        if isinstance(tokens, Completion):
            self._refused.append((ticket, tokens))
        else:
            self._queue[ticket] = _Queued(ticket, ask, tokens)

    def wait(self) -> list[tuple[int, Completion]]:
        """Run one batch.

        Raises:
            BackendError: the GPU has not enough memory for a single ask.
        """
        if self._refused:
            refused, self._refused = self._refused, []
            return refused
        while True:
            batch = self._batch()
            began = time.perf_counter()
            try:
                found = self._answers(batch)
            except self._torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise BackendError(
                        f"{self._model.folder}: the GPU's memory is too small for a prompt of "
                        f"{len(batch[0].tokens.prompt)} tokens and a reply of "
                        f"{batch[0].ask.max_tokens}; write a smaller context_tokens"
                    ) from error
                self._room = self._room._replace(tokens=_padded(batch) // 2)
            else:
                took = time.perf_counter() - began
                for one in batch:
                    del self._queue[one.ticket]
                return [
                    (one.ticket, completion._replace(latency_s=took))
                    for one, completion in zip(batch, found, strict=True)
                ]
            # Out here, where the error no longer holds on to what it could not fit.
            self._torch.cuda.empty_cache()

    def close(self) -> None:
        """Drop the model and the asks in hand."""
        self._queue.clear()
        self._refused.clear()
        self._network = None
        if self._torch.cuda.is_available():
            self._torch.cuda.empty_cache()

    def _batch(self) -> list[_Queued]:
        oldest = next(iter(self._queue.values()))
        length = len(oldest.tokens.prompt)
        near = sorted(
            (one for one in self._queue.values() if one.sort == oldest.sort),
            key=lambda one: abs(len(one.tokens.prompt) - length),
        )
        batch = [oldest]
        # The first of the nearest is the oldest itself.
        for one in near[1 : self._room.rows]:
            if _padded([*batch, one]) > self._room.tokens:
                break
            batch.append(one)
        return batch

    def _answers(self, batch: Sequence[_Queued]) -> list[Completion]:
        torch, device = self._torch, self._network.device
        longest = max(len(one.tokens.prompt) for one in batch)
        gaps = [longest - len(one.tokens.prompt) for one in batch]
        prompts = [
            [self._pad] * gap + one.tokens.prompt for gap, one in zip(gaps, batch, strict=True)
        ]
        mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
        chooses, max_tokens = batch[0].sort
        draws = self._model.temperature > 0 and not chooses
        with torch.inference_mode():
            made = self._network.generate(
                input_ids=torch.tensor(prompts, device=device),
                attention_mask=torch.tensor(mask, device=device),
                max_new_tokens=1 if chooses else max_tokens,
                logits_processor=[self._sampler(batch)] if draws else None,
                output_logits=chooses,
                return_dict_in_generate=True,
            )
            if chooses:
                last = made.logits[0].double().cpu()
                return [self._chosen(*pair) for pair in zip(batch, last, strict=True)]
            rows = made.sequences[:, longest:].tolist()
        return [self._said(*pair) for pair in zip(batch, rows, strict=True)]

    def _sampler(self, batch: Sequence[_Queued]) -> _Sampler:
        generators = [
            self._torch.Generator(self._network.device).manual_seed(one.ask.seed) for one in batch
        ]
        return _Sampler(self._torch, generators, self._model.temperature, self._model.top_p)

    def _chosen(self, one: _Queued, logits: Any) -> Completion:
        probs = logits[list(one.tokens.choices)].softmax(-1).tolist()
        return Completion(
            text=one.ask.choices[probs.index(max(probs))],
            probs=tuple(probs),
            prompt_tokens=len(one.tokens.prompt),
            cached_prompt_tokens=0,
            completion_tokens=1,
        )

    def _said(self, one: _Queued, row: list[int]) -> Completion:
        end = next((n for n, token in enumerate(row) if token in self._stops), None)
        words = self._tokenizer.decode(
            row[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return Completion(
            # A character of several tokens may have been cut in two.
            text=words.rstrip("\N{REPLACEMENT CHARACTER}") if end is None else words,
            prompt_tokens=len(one.tokens.prompt),
            cached_prompt_tokens=0,
            # With the token that ends it, as engines count.
            completion_tokens=len(row) if end is None else end + 1,
            finish_reason="length" if end is None else "stop",
        )


class _Sampler:
    """A logits processor after which the highest score is a draw: one generator a row."""

    def __init__(
        self, torch: Any, generators: Sequence[Any], temperature: float, top_p: float
    ) -> None:
        self._torch, self._generators = torch, generators
        self._temperature, self._top_p = temperature, top_p

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores of shape (rows, vocabulary), filtered by top_p and with Gumbel noise."""
        scores = scores.float() / self._temperature
        if self._top_p < 1:
            ordered, order = scores.sort(descending=True, stable=True)
            probs = ordered.softmax(-1)
            beyond = probs.cumsum(-1) - probs >= self._top_p
            scores = scores.masked_fill(
                self._torch.zeros_like(beyond).scatter(-1, order, beyond), -self._torch.inf
            )
        noise = self._torch.stack(
            [
                self._torch.empty_like(row).exponential_(generator=generator)
                for row, generator in zip(scores, self._generators, strict=True)
            ]
        )
        return scores - noise.clamp_min(self._torch.finfo(noise.dtype).tiny).log()


def _padded(batch: Sequence[_Queued]) -> int:
    return len(batch) * (max(len(one.tokens.prompt) for one in batch) + batch[0].ask.max_tokens)


def _room(torch: Any, network: Any) -> _Room:
    if network.device.type != "cuda":
        return _Room(32, 32_768)
    config = network.config.get_text_config()
    # Keys and values of every layer, as if no heads shared them: where they do, what is left over
    # is for the activations. Half of the memory, since growing a cache copies it.
    a_token = 2 * config.num_hidden_layers * config.hidden_size * network.dtype.itemsize
    return _Room(256, int(torch.cuda.mem_get_info()[0]) // 2 // a_token)


def _window(model: LanguageModel, config: Any) -> int:
    known = [model.context_tokens, getattr(config, "max_position_embeddings", None)]
    limits = [limit for limit in known if limit]
    if not limits:
        raise BackendError(
            f"{model.folder}: config.json says nothing of the model's window "
            "(max_position_embeddings); write context_tokens"
        )
    return min(limits)


def _adapted(network: Any, adapter: Path | None) -> Any:
    """The model with its adapter.

    Why: merged in float32, it costs nothing from then on. Weights of 16 bits would round most of
    what an adapter adds away, so there it stays beside them, as vLLM has it too.
    """
    if adapter is None:
        return network
    _expect(
        adapter,
        ("adapter_config.json", "adapter_model.safetensors"),
        "the folder of a LoRA adapter as peft saves it",
    )
    peft = _library("peft")
    try:
        kind = json.loads((adapter / "adapter_config.json").read_text("utf-8"))["peft_type"]
        if kind != "LORA":
            raise BackendError(f"{adapter}: is an adapter of type {kind}; expected LORA")
        adapted = peft.PeftModel.from_pretrained(network, adapter, local_files_only=True)
    except BackendError:
        raise
    except Exception as error:  # as above
        raise BackendError(
            f"{adapter}: cannot be loaded as a LoRA adapter: {error}; expected one that was "
            "trained on this model"
        ) from error
    if network.dtype.itemsize == 4:
        return adapted.merge_and_unload()
    return adapted.get_base_model()


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except Exception as error:  # versions that do not fit each other fail in many ways
        raise _unfit(error) from error


def _unfit(error: Exception) -> BackendError:
    return BackendError(
        f"backend transformers: {error}; expected torch, transformers and peft of versions that "
        f"fit each other: {_INSTALL}"
    )


def _expect(folder: Path, files: Sequence[str], what: str) -> None:
    for pattern in files:
        if not any(folder.glob(pattern)):
            raise BackendError(
                f"{folder}: has no {pattern}; expected {what}: {', '.join(files)}"
                if folder.is_dir()
                else f"{folder}: no such folder; expected {what}: {', '.join(files)}"
            )


def _ids(found: int | list[int] | None) -> frozenset[int]:
    if found is None:
        return frozenset()
    return frozenset([found] if isinstance(found, int) else found)
