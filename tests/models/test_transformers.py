"""The transformers backend with a real small model on the CPU, in float32."""

from __future__ import annotations

import random

import pytest

from simulator.backends import TOO_LONG, Ask, Completion, Message
from simulator.errors import BackendError
from tests.models.asking import LETTERS, SAID, answers, chooses, logits_of, writes

SHORT = (Message("system", ""), Message("user", "Tell me something."))


# What is asked and answered


def test_a_batch_of_mixed_lengths_answers_as_one_by_one(loaded):
    backend = loaded()
    asks = [ask for text in SAID for ask in (writes(text), chooses(text))]
    together = answers(backend, asks)
    for ask, found in zip(asks, together, strict=True):
        (alone,) = answers(backend, [ask])
        assert found.text == alone.text
        assert found._replace(latency_s=None, probs=None) == alone._replace(
            latency_s=None, probs=None
        )
        assert (found.probs is None) == (not ask.choices)
        if found.probs:
            assert found.probs == pytest.approx(alone.probs, abs=1e-4)
    assert len({found.text for found in together}) >= len(SAID)


def test_a_choice_is_that_of_a_plain_forward_pass(loaded):
    backend = loaded()
    asks = [chooses(text) for text in SAID]
    for ask, found in zip(asks, answers(backend, asks), strict=True):
        tokens = backend._chats.tokens(ask)
        expected = logits_of(backend, ask)[-1, list(tokens.choices)].double().softmax(-1).tolist()
        assert sum(found.probs) == pytest.approx(1, abs=1e-9)
        assert found.probs == pytest.approx(expected, abs=1e-4)
        assert found.text == LETTERS[expected.index(max(expected))]
        assert (found.prompt_tokens, found.completion_tokens) == (len(tokens.prompt), 1)


def test_greedy_text_is_the_likeliest_token_each_time(loaded, tokenizer):
    import torch

    backend = loaded()
    ask = writes(SAID[1])
    row = backend._chats.tokens(ask).prompt
    said = []
    for _ in range(6):
        with torch.inference_mode():
            said.append(int(backend._network(torch.tensor([row + said])).logits[0, -1].argmax()))
    (found,) = answers(backend, [ask])
    assert found.text == tokenizer.decode(said)
    assert (found.finish_reason, found.completion_tokens) == ("length", 6)
    assert found.cached_prompt_tokens == 0


def test_a_reply_that_ends_of_itself_is_whole_and_counts_its_end(loaded, tokenizer):
    backend = loaded()
    ask = Ask((Message("user", "What is the capital of France? One word."),), 30)
    (found,) = answers(backend, [ask])
    assert found.finish_reason == "stop"
    assert "Paris" in found.text
    assert "<|" not in found.text
    assert found.completion_tokens == len(tokenizer.encode(found.text)) + 1
    # In the company of one that goes on for longer.
    other = writes("Tell me a long story about a lamp.", 30)
    assert answers(backend, [other, ask])[1].text == found.text


def test_a_character_that_was_cut_in_two_is_left_out(loaded, tokenizer):
    backend = loaded()
    ask = Ask((Message("user", "請用繁體中文回答:我的退款什麼時候到?"),), 1)
    found = answers(backend, [ask._replace(max_tokens=n) for n in range(1, 8)])
    whole = found[-1].text
    ids = tokenizer.encode(whole)
    assert any(
        tokenizer.decode(ids[:n]).endswith("\N{REPLACEMENT CHARACTER}")
        for n in range(1, len(ids) + 1)
    )
    assert not any("\N{REPLACEMENT CHARACTER}" in one.text for one in found)
    assert all(whole.startswith(one.text) for one in found)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in whole)


def test_the_window_is_the_smaller_of_the_two_to_the_token(loaded, variant):
    n = len(loaded()._chats.tokens(writes(SAID[3])).prompt)
    for settings in (
        {"context_tokens": n + 10},
        {"folder": variant(config={"max_position_embeddings": n + 10}), "context_tokens": 9999},
    ):
        backend = loaded(**settings)
        fits, refused = answers(backend, [writes(SAID[3], 10), writes(SAID[3], 11)])
        assert fits.text
        assert refused == Completion(error=TOO_LONG, prompt_tokens=n, limit_tokens=n - 1)


def test_what_the_folder_recommends_for_sampling_is_not_used(loaded, variant):
    leaky = {"do_sample": True, "temperature": 9.0, "top_k": 3, "repetition_penalty": 9.0}
    other = loaded(folder=variant(generation_config=leaky))
    asks = [writes(text, 12) for text in SAID[:2]]
    expected = [found.text for found in answers(loaded(), asks)]
    assert [found.text for found in answers(other, asks)] == expected


# Sampling


def test_a_draw_hangs_on_the_ask_alone(loaded):
    backend = loaded(temperature=1.0, top_p=0.95)
    asks = [writes(SAID[i % 3], seed=i) for i in range(6)]
    together = [found.text for found in answers(backend, asks)]
    backward = [found.text for found in answers(backend, asks[::-1])][::-1]
    alone = [answers(backend, [ask])[0].text for ask in asks]
    assert together == backward == alone
    # Each of the three prompts was asked with two seeds.
    assert len(set(together)) == len(asks)
    # A choice is not drawn.
    assert (
        answers(backend, [chooses(SAID[0])])[0].text
        == max(zip(answers(loaded(), [chooses(SAID[0])])[0].probs, LETTERS, strict=True))[1]
    )


def test_analytic_first_tokens_are_drawn_as_the_model_says(loaded, tokenizer):
    backend = loaded(temperature=0.7)
    start, n = random.randrange(2**30), 640
    print(f"seeds from {start}")
    ask = Ask(SHORT, 1)
    probs = (logits_of(backend, ask)[-1].double() / 0.7).softmax(-1)
    found = answers(backend, [ask._replace(seed=start + i) for i in range(n)])
    drawn = [one.text for one in found]
    likely = probs.argsort(descending=True)[:200].tolist()
    likely = [token for token in likely if 20 <= float(probs[token]) * n <= n - 20]
    assert len(likely) >= 3
    for token in likely:
        p, k = float(probs[token]), drawn.count(tokenizer.decode([token]))
        assert abs(k - n * p) / (n * p * (1 - p)) ** 0.5 < 4, tokenizer.decode([token])


def test_analytic_top_p_draws_from_the_nucleus_in_proportion(loaded):
    import torch

    from simulator.backends.transformers import _Sampler

    logits = logits_of(loaded(), Ask(SHORT, 1))[-1]
    start, n = random.randrange(2**30), 600
    print(f"seeds from {start}")
    for temperature, top_p in ((0.7, 0.9), (1.0, 0.6)):
        probs = (logits.double() / temperature).softmax(-1)
        ordered = probs.argsort(descending=True).tolist()
        nucleus, mass = [], 0.0
        while mass < top_p:
            nucleus.append(ordered[len(nucleus)])
            mass += float(probs[nucleus[-1]])
        counts = dict.fromkeys(nucleus, 0)
        for first in range(0, n, 100):
            seeds = range(start + first, start + first + 100)
            generators = [torch.Generator().manual_seed(seed) for seed in seeds]
            sample = _Sampler(torch, generators, temperature, top_p)
            for token in sample(None, logits.expand(100, -1)).argmax(-1).tolist():
                counts[token] += 1  # KeyError: drawn from without the nucleus
        frequent = [token for token in nucleus if n * float(probs[token]) / mass >= 20]
        assert len(frequent) >= 2
        for token in frequent:
            p = float(probs[token]) / mass
            assert abs(counts[token] - n * p) < 4 * (n * p * (1 - p)) ** 0.5 + 1e-9


def test_temperature_and_top_p_act(loaded):
    asks = [writes(SAID[0], 5, seed=i) for i in range(12)]
    (greedy,) = {found.text for found in answers(loaded(), asks)}
    kinds = {
        name: len({found.text for found in answers(loaded(**settings), asks)})
        for name, settings in {
            "cold": {"temperature": 0.01},
            "warm": {"temperature": 0.7},
            "hot": {"temperature": 2.0},
            "narrow": {"temperature": 2.0, "top_p": 1e-6},
        }.items()
    }
    assert greedy
    assert kinds["cold"] == kinds["narrow"] == 1 < kinds["warm"] <= kinds["hot"] == len(asks)


# Batches


def test_every_ask_is_answered_and_the_oldest_is_in_the_next_batch(loaded):
    backend = loaded()
    lengths = [random.Random(4).randrange(1, 12) for _ in range(48)]
    for ticket, length in enumerate(lengths):
        ask = writes("lamp " * length, 1) if ticket % 7 == 3 else chooses("lamp " * length)
        backend.submit(ticket, ask)
    left = set(range(len(lengths)))
    while left:
        batch = {ticket for ticket, _ in backend.wait()}
        assert min(left) in batch
        assert batch <= left
        assert len({ticket % 7 == 3 for ticket in batch}) == 1
        left -= batch


def test_a_batch_that_does_not_fit_into_memory_is_halved(loaded):
    import torch

    backend = loaded()
    asks = [writes(text, 4) for text in (*SAID, *SAID)]
    expected = [found.text for found in answers(backend, asks)]
    room, sizes = backend._room, []

    def cramped(rows):
        def before(_, args, keywords):
            sizes.append(len(keywords["input_ids"]))
            if sizes[-1] > rows:
                raise torch.OutOfMemoryError("out of memory")

        return backend._network.register_forward_pre_hook(before, with_kwargs=True)

    try:
        hook = cramped(3)
        assert [found.text for found in answers(backend, asks)] == expected
        assert sizes[0] == len(asks)
        hook.remove()
        hook = cramped(0)
        with pytest.raises(BackendError, match=r"memory is too small .* a smaller context_tokens"):
            answers(backend, asks[:1])
    finally:
        hook.remove()
        backend._queue.clear()
        backend._room = room
