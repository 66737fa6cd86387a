"""Emotion on real conversations that readers have rated, and on the order of its words."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata

from simulator.history.importers import read_history
from simulator.judging.contexts import judge_contexts
from simulator.judging.emotion import ANGRY, distress, level, mood
from simulator.replay.decision_points import decision_points
from simulator.scenario import History

LEVELS = {"calm": 0.0, "upset": 1.0, "angry": 2.0}


def area(scores: list[float], bad: list[bool]) -> float:
    """The area under the ROC curve: how often a bad one scores higher, ties counted half."""
    ranks, is_bad = rankdata(scores), np.array(bad)
    n_bad, n_good = is_bad.sum(), (~is_bad).sum()
    return float((ranks[is_bad].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * n_good))


@pytest.fixture(scope="module")
def rated(real_data: Path) -> pl.DataFrame:
    """A row a conversation: its customer's messages, levels of emotion, whether it went badly."""
    path = real_data / "weibo-helpdesk" / "conversations.json.gz"
    ratings = {
        str(one["id"]): float(np.mean([by["quality"]["S"] for by in one["annotations"]]))
        for one in json.loads(gzip.decompress(path.read_bytes()))
    }
    found = read_history(History(source=path, format="stc3"))
    points = decision_points(found.turns, found.conversations)
    judged = judge_contexts(points, found.turns, found.conversations)
    said = found.turns.filter(pl.col("role") == "customer").sort("conversation_id", "turn")
    levels = pl.col("emotion").replace_strict(LEVELS, return_dtype=pl.Float64)
    return (
        judged.group_by("conversation_id")
        .agg(levels.mean().alias("mean"), levels.max().alias("max"))
        .join(said.group_by("conversation_id", maintain_order=True).agg("text"), "conversation_id")
        .with_columns(
            pl.col("conversation_id")
            .replace_strict(ratings, return_dtype=pl.Float64)
            .le(-0.5)
            .alias("bad")
        )
        .sort("conversation_id")
    )


def test_depth_levels_tell_unsatisfied_customers(rated: pl.DataFrame) -> None:
    assert rated.height == 1816
    bad = rated["bad"].to_list()
    assert area(rated["mean"].to_list(), bad) >= 0.80
    assert area(rated["max"].to_list(), bad) >= 0.80


def test_depth_distress_tells_unsatisfied_customers(rated: pl.DataFrame) -> None:
    scores = [distress(texts) for texts in rated["text"]]
    assert area(scores, rated["bad"].to_list()) >= 0.85
    # The rules were written while reading the other half.
    unseen = [
        hashlib.blake2b(one.encode(), digest_size=4).digest()[0] % 2 == 1
        for one in rated["conversation_id"]
    ]
    kept = [score for score, here in zip(scores, unseen, strict=True) if here]
    assert area(kept, rated["bad"].filter(pl.Series(unseen)).to_list()) >= 0.80


@pytest.mark.parametrize(
    ("calmer", "angrier"),
    [
        (["Where is my parcel?"], ["Where is my parcel?", "STILL nothing, this is ridiculous!"]),
        (["This is ridiculous!", "Perfect, thank you!"], ["This is ridiculous!"]),
        (["网速很慢", "好的谢谢"], ["网速很慢", "你们到底管不管？投诉了多少次了"]),
        (["客服態度太差了"], ["客服態度太差了", "客服態度太差了"]),
    ],
)
def test_exact_distress_lasts_and_thanks_calm(calmer: list[str], angrier: list[str]) -> None:
    assert distress(calmer) < distress(angrier)


@pytest.mark.parametrize(
    "text",
    [
        "My update failed with error 42, what should I do?",
        "I have two accounts with you guys and one has stopped working since this morning.",
        "Sorry, I typed the wrong number twice.",
        "打开应用后提示网络错误，版本3.1",
        "請問怎麼設定兩步驗證？",
        "为什么4G手机显示3G？",
    ],
)
def test_exact_plain_trouble_is_calm(text: str) -> None:
    assert level(mood(text).score) == "calm"


def test_exact_nothing_said_is_no_distress() -> None:
    assert distress([]) == 0.0
    assert distress([""]) == 0.0
    assert distress(["垃圾公司，太过分了！！"]) >= ANGRY
