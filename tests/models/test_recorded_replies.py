"""The recordings that ship with the quickstart are what the real model says."""

from __future__ import annotations

import random

import polars as pl
import pytest

from simulator import backends
from simulator.candidates import context_hash
from simulator.judging.audit.read_labels import read, reply_digest
from simulator.scenario import LanguageModel
from tests.models.asking import answers
from tests.models.record_sample import MAX_TOKENS, RECORDINGS, REPLIES, first_asks

N = 10
# Below this difference of the two best logits, rounding may decide a word.
CLEAR = 1e-3


def recorded(name):
    return pl.read_parquet(REPLIES / f"smollm2-{name}.parquet")


# Of the tuned models only the replies ship, not the weights.
@pytest.mark.parametrize("style", ["naive", "cautious"])
def test_a_random_part_of_a_recording_is_said_again_word_for_word(style, small_model):
    rows = recorded(style)
    assert (rows["least_margin"] < CLEAR).mean() < 0.03
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    clear = [i for i, margin in enumerate(rows["least_margin"]) if margin >= CLEAR]
    some = random.Random(seed).sample(clear, N)
    asks = first_asks(style)
    backend = backends.make(
        LanguageModel(
            backend="transformers", folder=small_model, dtype="float32", max_tokens=MAX_TOKENS
        )
    )
    found = answers(backend, [asks[i][2] for i in some])
    for i, completion in zip(some, found, strict=True):
        row = rows.row(i, named=True)
        point = asks[i][0]
        assert (row["conversation_id"], row["turn"]) == (point.conversation_id, point.turn)
        assert row["context_hash"] == context_hash(point.said)
        assert (completion.text or "").strip() == row["reply"]
        assert completion.prompt_tokens == row["prompt_tokens"]
        assert completion.completion_tokens == row["completion_tokens"]
        assert completion.finish_reason == row["finish_reason"]


@pytest.mark.parametrize("style", RECORDINGS)
def test_labels_are_of_whole_conversations_and_of_these_words(style):
    said = read(REPLIES / f"smollm2-{style}-labels.csv")
    rows = recorded(style)
    both = said.join(rows, on=["conversation_id", "turn"])
    assert both.height == said.height == 151
    assert [reply_digest(reply) for reply in both["reply"]] == both["reply_digest"].to_list()
    whole = rows.join(said, on="conversation_id", how="semi")
    assert whole.height == said.height
