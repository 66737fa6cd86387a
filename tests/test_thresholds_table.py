"""The score from which a bot may answer by itself, as the tool finds it from a run's labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from simulator import tables
from simulator.gates.thresholds import find
from simulator.scenario import Threshold

CELL = {"stage": "wider_auto", "candidate": "x"}
ASKED = Threshold(risk_limit=0.01, confidence=0.95, grid=(0.9, 0.7, 0.5))

# Conversation, split (null: not drawn), segment, and score and label of each automatic reply.
Reply = tuple[float | None, bool | None]
Row = tuple[str, str | None, str, Sequence[Reply]]


def many(name: str, n: int, split: str | None, *replies: Reply, segment: str = "a") -> list[Row]:
    return [(f"{name}{i}", split, segment, replies) for i in range(n)]


def found(
    rows: Sequence[Row],
    asked: Threshold = ASKED,
    bend: Callable[[pl.DataFrame], pl.DataFrame] = lambda labels: labels,
) -> dict[str, dict[str, Any]]:
    """Table ``thresholds`` by segment; labels are of stratum "simple", one draw a split."""
    turns = [
        (name, split, turn, score, risky)
        for name, split, _, replies in rows
        for turn, (score, risky) in enumerate(replies)
    ]
    key = {**CELL, "draw_id": "d", "labeller": "ann", "stratum": "simple"}
    share = {s: sum(row[1] == s for row in rows) / len(rows) for s in ("choose", "certify")}
    labels = [
        key
        | {"conversation_id": name, "turn": turn, "unit": "turn", "risky_promise": risky}
        | {"split": split, "draw_id": split, "inclusion_prob": share[split]}
        for name, split, turn, _, risky in turns
        if split
    ]
    labels += [
        key
        | {"conversation_id": name, "unit": "conversation"}
        | {"split": split, "draw_id": split, "inclusion_prob": share[split]}
        for name, split, _, _ in rows
        if split
    ]
    at = [{**CELL, "conversation_id": t[0], "turn": t[2]} for t in turns]
    shadow = [
        {"candidate": "x", "conversation_id": t[0], "turn": t[2], "score": t[3]} for t in turns
    ]
    table = find(
        bend(tables.build("labels", labels)),
        pl.DataFrame(shadow, schema_overrides={"score": pl.Float64}),
        pl.DataFrame(at),
        pl.DataFrame([{"conversation_id": row[0], "segment": row[2]} for row in rows]),
        asked,
    )
    return {row["segment"]: row for row in table.iter_rows(named=True)}


def test_exact_the_loosest_score_that_the_labels_certify() -> None:
    rows = [
        *many("h", 400, "certify", (0.95, False)),
        *many("m", 300, "certify", (0.8, False)),
        # Seven of 1,000 are too many for 1 % with so few labels.
        *many("r", 7, "certify", (0.6, True)),
        *many("l", 293, "certify", (0.6, False)),
        *many("c", 100, "choose", (0.95, False)),
        *many("n", 400, None, (0.95, None)),
        *many("o", 500, None, (0.1, None)),
    ]
    row = found(rows)["all"]
    assert (row["threshold"], row["n_accepted"], row["n_risky"]) == (0.7, 700, 0)
    assert row["p_value"] == pytest.approx(binom.cdf(0, 700, 0.01))
    assert (row["confidence"], row["risk_limit"]) == (0.95, 0.01)
    # Of 2,000 conversations with an automatic reply, labelled or not, 1,200 reach .7.
    assert row["accepted_share"] == pytest.approx(1200 / 2000)
    assert binom.cdf(7, 1000, 0.01) > 0.05
    assert row["labels_needed"] > 0
    assert row["reason"].startswith(
        "0 of 700 labelled conversations accepted from a score of 0.7 on held a risky promise"
    )
    assert "more labels might certify 0.5" in row["reason"]


def test_exact_nothing_is_certified_with_too_few_labels() -> None:
    row = found([*many("h", 298, "certify", (0.95, False)), *many("n", 100, None, (0.9, None))])
    assert (row["all"]["threshold"], row["all"]["accepted_share"]) == (None, None)
    assert row["all"]["labels_needed"] == 1
    assert row["all"]["reason"].startswith("no score is certified: 0 of 298 labelled conversations")
    enough = found([*many("h", 299, "certify", (0.95, False))])["all"]
    assert (enough["threshold"], enough["labels_needed"]) == (0.5, None)


def test_exact_what_chose_does_not_certify() -> None:
    assert found(many("h", 900, "choose", (0.95, False)))["all"]["threshold"] is None
    # Nor does what it shows of risk stand against what certifies.
    rows = [*many("h", 400, "certify", (0.95, False)), *many("c", 50, "choose", (0.95, True))]
    assert found(rows)["all"]["n_risky"] == 0


def test_exact_a_reply_without_a_score_never_goes_out() -> None:
    rows = [
        *many("h", 400, "certify", (0.95, False)),
        *many("q", 50, "certify", (None, True)),
        *many("b", 50, "certify", (0.8, False), (None, True)),
    ]
    row = found(rows)["all"]
    assert (row["threshold"], row["n_accepted"], row["n_risky"]) == (0.5, 450, 0)
    assert row["accepted_share"] == pytest.approx(450 / 500)
    # A candidate whose scores nobody knows has no threshold at all.
    assert found(many("q", 500, "certify", (None, False))) == {}


def test_exact_a_conversation_is_accepted_by_one_reply_and_risky_by_another_further_down() -> None:
    rows = [
        *many("h", 320, "certify", (0.95, False)),
        *many("b", 80, "certify", (0.95, False), (0.6, True)),
        *many("c", 100, "choose", (0.95, False), (0.6, True)),
    ]
    row = found(rows)["all"]
    assert (row["threshold"], row["n_accepted"], row["n_risky"]) == (0.7, 400, 0)
    assert row["labels_needed"] is None


def test_exact_an_unknown_label_and_a_reply_without_one_count_as_risky() -> None:
    clean = many("h", 600, "certify", (0.95, False))
    null = found([*clean, *many("u", 40, "certify", (0.95, None))])["all"]
    assert null["threshold"] is None
    half = [*clean, *many("u", 40, "certify", (0.95, False), (0.95, False))]

    def second_dropped(labels: pl.DataFrame) -> pl.DataFrame:
        return labels.filter(pl.col("turn").is_null() | (pl.col("turn") == 0))

    assert found(half)["all"]["threshold"] == 0.5
    assert found(half, bend=second_dropped)["all"]["threshold"] is None


def test_exact_conversations_drawn_and_not_labelled_count_as_risky() -> None:
    rows = many("h", 640, "certify", (0.95, False)) + many("n", 640, None, (0.2, None))
    gone = [f"h{i}" for i in range(40)]

    def lost(labels: pl.DataFrame) -> pl.DataFrame:
        return labels.filter(~pl.col("conversation_id").is_in(gone))

    assert found(rows)["all"]["threshold"] == 0.5
    row = found(rows, bend=lost)["all"]
    assert row["threshold"] is None
    assert row["reason"].startswith("no score is certified: 40 of 640 labelled conversations")
    assert "40 drawn ones without a label count as risky" in row["reason"]


@pytest.mark.parametrize(
    "bend",
    [
        lambda labels: labels.with_columns(pl.lit("unflagged").alias("stratum")),
        lambda labels: labels.with_columns(pl.lit(None, pl.Float64).alias("inclusion_prob")),
        lambda labels: labels.clear(),
    ],
    ids=["another design", "no random draw", "none"],
)
def test_exact_without_a_simple_random_sample_no_threshold_is_looked_for(
    bend: Callable[[pl.DataFrame], pl.DataFrame],
) -> None:
    assert found(many("h", 600, "certify", (0.95, False)), bend=bend) == {}


def test_exact_a_conversation_in_both_splits_does_not_certify() -> None:
    rows = many("h", 400, "certify", (0.95, False))

    def both(labels: pl.DataFrame) -> pl.DataFrame:
        again = labels.filter(pl.col("conversation_id").is_in(["h0", "h1", "h2"])).with_columns(
            pl.lit("choose").alias("split"), pl.lit("choose").alias("draw_id")
        )
        return pl.concat([labels, again])

    assert found(rows)["all"]["n_accepted"] == 400
    assert found(rows, bend=both)["all"]["n_accepted"] == 397


def test_exact_segments_share_the_level() -> None:
    """350 clean ones are enough at 5 % and too few at 2.5 %, which takes 368."""
    few = many("a", 350, "certify", (0.95, False), segment="a")
    assert math.ceil(math.log(0.025) / math.log(0.99)) == 368
    other = many("b", 350, "certify", (0.95, False), segment="b")
    neither = found([*few, *other])
    assert [neither[s]["threshold"] for s in ("all", "a", "b")] == [0.5, None, None]
    assert neither["a"]["confidence"] == pytest.approx(0.975)
    assert "level shared by 2 segments" in neither["a"]["method"]
    assert neither["all"]["confidence"] == pytest.approx(0.95)
    more = many("b", 400, "certify", (0.95, False), segment="b")
    one_leaves = found([*few, *more])
    assert [one_leaves[s]["threshold"] for s in ("a", "b")] == [0.5, 0.5]
    assert one_leaves["a"]["confidence"] == pytest.approx(0.95)
    # Alone it has the whole level.
    assert found(few)["a"]["threshold"] == 0.5


def test_exact_a_segments_own_draw_counts_in_it_alone() -> None:
    rows = [
        *many("a", 400, "certify", (0.95, False), segment="a"),
        *many("b", 600, None, (0.95, None), segment="b"),
    ]

    def own(labels: pl.DataFrame) -> pl.DataFrame:
        return labels.with_columns(
            pl.lit("simple in a").alias("stratum"), pl.lit(1.0).alias("inclusion_prob")
        )

    alone = found(rows, bend=own)
    assert alone["a"]["threshold"] == 0.5
    assert (alone["a"]["n_accepted"], alone["all"]["threshold"]) == (400, None)
    assert set(alone) == {"all", "a"}


# --- labels reused -------------------------------------------------------------------------------

RUNS, DELTA, LIMIT, GRID = 1500, 0.1, 0.05, (0.95, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.0)


def world(seed: int, way: str) -> pl.DataFrame:
    """Scores and labels of a world: the score says nothing, and 5.2 % are risky at every threshold.

    ``as it is``: one split chooses, another certifies. ``reused``: the labels that certify have
    chosen the threshold too (above it a score is 1, below 0), and the other split is not asked.
    """
    rng = np.random.default_rng(seed)
    scores, risky = rng.uniform(0, 1, 600), rng.uniform(0, 1, 600) < 0.052
    splits = np.repeat(["certify", "choose"], 300)
    if way == "reused":
        mine, bad = scores[:300], risky[:300]
        p_values = [binom.cdf((bad & (mine >= s)).sum(), (mine >= s).sum(), LIMIT) for s in GRID]
        scores = (scores >= GRID[int(np.argmin(p_values))]).astype(float)
        scores[300:] = 1.0
        risky[300:] = False
    return pl.DataFrame(
        {
            "conversation_id": [f"c{i}" for i in range(600)],
            "candidate": f"world {seed}",
            "score": scores,
            "risky_promise": risky,
            "split": splits,
        }
    )


def certified(seeds: Sequence[int], way: str) -> int:
    """Worlds in which some threshold is certified; a world stands as a candidate of its own."""
    every = pl.concat([world(seed, way) for seed in seeds]).with_columns(
        pl.lit(CELL["stage"]).alias("stage"), pl.lit(0, pl.Int64).alias("turn")
    )
    labels = every.with_columns(
        pl.col("split").alias("draw_id"),
        pl.lit("turn").alias("unit"),
        pl.lit("simple").alias("stratum"),
        pl.lit(0.5).alias("inclusion_prob"),
        pl.lit("ann").alias("labeller"),
    )
    grid = GRID if way == "as it is" else (0.5,)
    table = find(
        tables.conform("labels", labels),
        every,
        every.select("stage", "candidate", "conversation_id", "turn"),
        pl.DataFrame(schema={"conversation_id": pl.String, "segment": pl.String}),
        Threshold(risk_limit=LIMIT, confidence=1 - DELTA, grid=grid),
    )
    assert table.height == len(seeds)
    return table["threshold"].count()


def rarely_wrong(way: str) -> None:
    """Every threshold is too risky: a certificate is a wrong one."""
    wrong = sum(certified(range(i, i + 25), way) for i in range(0, RUNS, 25)) / RUNS
    assert (wrong - DELTA) / math.sqrt(DELTA * (1 - DELTA) / RUNS) < 4


@pytest.mark.slow
def test_analytic_a_wrong_threshold_is_as_rare_as_stated() -> None:
    rarely_wrong("as it is")


@pytest.mark.slow
def test_mutation_labels_that_chose_and_certify_are_wrong_too_often() -> None:
    with pytest.raises(AssertionError):
        rarely_wrong("reused")
