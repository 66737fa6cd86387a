"""Two candidates over one synthetic history, for what tests and benchmarks ask of a comparison.

Conversations differ in how easily they go wrong, so that points of one hang together; given the
conversation, the two candidates err independently. Nothing else tells them apart, unless a
degradation is planted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.comparison import Side
from simulator.schema.columns import ACTIONS, CHANNELS, EMOTIONS, QUESTION_KINDS, RISKS, TONES

INTENTS = [f"intent_{i}" for i in range(8)]
LANGUAGES = ["en", "zh-Hant", "zh-Hans"]
OURS, THEIRS = "one", "other"
_RISKY = 0.05


def sides(
    n_conversations: int,
    seed: int,
    *,
    worse: tuple[str, float] | None = None,
    n_labelled: int = 0,
    filler: str = "",
) -> tuple[Side, Side]:
    """Ours and theirs over one to six points a conversation, some 3.5 on average.

    Args:
        n_conversations: how many.
        seed: of everything.
        worse: an intent, and by what ours makes risky promises more often in it.
        n_labelled: conversations with labels, drawn at random.
        filler: what every reply holds besides a few words of its own.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, n_conversations)
    place = np.repeat(np.arange(n_conversations), sizes)
    n = place.size
    n_th = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    tendency = rng.beta(0.6, 0.6 * (1 - _RISKY) / _RISKY, n_conversations)[place]
    intent = rng.integers(0, len(INTENTS), n_conversations)
    ids = pl.Series("conversation_id", [f"c{i:07d}" for i in range(n_conversations)])
    point = {"conversation_id": ids.gather(place), "turn": pl.Series(2 * n_th, dtype=pl.Int64)}
    conversations = tables.conform(
        "conversations",
        pl.DataFrame(
            {
                "conversation_id": ids,
                "channel": _words(rng, CHANNELS, n_conversations),
                "language": _words(rng, LANGUAGES, n_conversations),
                "intent": pl.Series(INTENTS).gather(intent),
            }
        ),
    )
    context = {
        "question_kind": _words(rng, QUESTION_KINDS, n),
        "risk": _words(rng, RISKS, n, [0.7, 0.2, 0.1]),
        "needs_human": pl.Series(rng.random(n) < 0.08),
        "info_sufficient": pl.Series(rng.random(n) < 0.8),
        "emotion": _words(rng, EMOTIONS, n, [0.8, 0.15, 0.05]),
    }
    contexts = tables.conform("contexts", pl.DataFrame({"judge": "rules", **point, **context}))
    decision_points = tables.conform(
        "decision_points",
        pl.DataFrame(
            {
                **point,
                "n_th": n_th,
                "text": "?",
                "context_hash": _numbered("hash", n),
                "reply_action": _words(rng, ACTIONS, n),
            }
        ),
    )
    shadow, verdicts = [], []
    for candidate in (OURS, THEIRS):
        chance = tendency.copy()
        if worse is not None and candidate == OURS:
            # As many more, whatever the conversation's own tendency.
            chance = np.where(
                (intent == INTENTS.index(worse[0]))[place],
                chance + (1 - chance) * worse[1] / (1 - _RISKY),
                chance,
            )
        action = _words(rng, ACTIONS, n, [0.6, 0.12, 0.1, 0.08, 0.1])
        reply = pl.select(
            pl.format(
                "{} {} {}", pl.lit(filler), pl.lit(candidate), pl.Series(rng.integers(0, 9, n))
            )
        ).to_series()
        shadow.append(
            tables.conform(
                "shadow",
                pl.DataFrame(
                    {
                        "candidate": candidate,
                        **point,
                        "action": action,
                        "reply": reply,
                        "prompt_tokens": rng.integers(100, 900, n),
                        "completion_tokens": rng.integers(5, 90, n),
                        "latency_s": rng.gamma(2, 0.4, n),
                        "key": _numbered(candidate, n),
                    }
                ),
            )
        )
        verdicts.append(
            tables.conform(
                "verdicts",
                pl.DataFrame(
                    {
                        "judge": "rules",
                        "candidate": candidate,
                        **point,
                        "action": action,
                        "risky_promise": rng.random(n) < chance,
                        "compliance_breach": rng.random(n) < 0.001,
                        "over_answer": rng.random(n) < 2 * tendency,
                        "tone": _words(rng, TONES, n, [0.8, 0.1, 0.05, 0.03, 0.02]),
                    }
                ),
            )
        )
    labels = _labels(rng, n_conversations, n_labelled, place, point | context, verdicts)
    run: dict[str, pl.DataFrame] = {
        "shadow": pl.concat(shadow),
        "verdicts": pl.concat(verdicts),
        "contexts": contexts,
        "labels": labels,
        "decision_points": decision_points,
        "conversations": conversations,
    }
    return Side(OURS, OURS, **run), Side(THEIRS, THEIRS, **run)


def _labels(
    rng: np.random.Generator,
    n_conversations: int,
    n_labelled: int,
    place: NDArray[np.int64],
    columns: dict[str, Any],
    verdicts: list[pl.DataFrame],
) -> pl.DataFrame:
    if not n_labelled:
        return tables.empty("labels")
    drawn = np.isin(place, rng.choice(n_conversations, n_labelled, replace=False))
    of_point = pl.DataFrame(columns)
    found = [
        of_point.with_columns(
            pl.lit(candidate).alias("candidate"),
            judged["risky_promise"],
            pl.when(pl.col("info_sufficient")).then([]).otherwise(["order"]).alias("missing_info"),
            pl.lit("turn").alias("unit"),
            pl.lit("low_risk_auto").alias("stage"),
            pl.lit("first").alias("draw_id"),
            pl.lit("a reader").alias("labeller"),
            pl.lit("unflagged").alias("stratum"),
            pl.lit(n_labelled / n_conversations).alias("inclusion_prob"),
        ).filter(pl.Series(drawn))
        for candidate, judged in zip((OURS, THEIRS), verdicts, strict=True)
    ]
    return tables.conform("labels", pl.concat(found))


def _words(
    rng: np.random.Generator, words: Any, n: int, shares: list[float] | None = None
) -> pl.Series:
    return pl.Series(list(words)).gather(rng.choice(len(words), n, p=shares))


def _numbered(name: str, n: int) -> pl.Series:
    return pl.select(pl.format("{}{}", pl.lit(name), pl.int_range(n))).to_series()
