"""How a candidate sounds over a whole conversation, each reply of which may be right by itself."""

from __future__ import annotations

import polars as pl

from simulator import tables
from simulator.judging import attitude
from simulator.judging.quantities import fold
from simulator.sentences import sentences

# Apologies without any action after which a customer has been put off, not helped.
_EMPTY_APOLOGIES = 3
# Letters from which a sentence said twice is no mere courtesy; a Chinese character counts as three.
_LONG = 45
_KEY = ["judge", "candidate", "conversation_id"]
_FLAGS = ["over_answer", "compliance_breach", "risky_promise"]
_FAULTS = ("over_certain", "evasive", "cold", "over_eager")


def judge_conversations(
    shadow: pl.DataFrame, verdicts: pl.DataFrame, contexts: pl.DataFrame
) -> pl.DataFrame:
    """The verdict on each candidate's replies to a conversation, taken together.

    The tone of the whole is the first of these that holds:

    - ``over_certain``: two replies are over-certain, or one that answers a customer who has become
      more upset than before: certainty rises as trust falls;
    - ``evasive``: three replies apologise and neither answer, ask, hand over nor commit; or a reply
      asks again for what the candidate has asked before and the customer has given since; or one
      long sentence stands in two replies;
    - ``cold``: the customer was upset at some point, and no reply to such a point has a word of
      regret or understanding (a hand-over counts as one);
    - a fault in at least half of the replies, in the order over_certain, evasive, cold, over_eager;
    - ``apt``.

    Args:
        shadow: table ``shadow``; gives the replies.
        verdicts: table ``verdicts`` of one or more judges on them.
        contexts: table ``contexts`` of one judge.

    Returns:
        Table ``conversation_verdicts``, one row a judge, candidate and conversation, sorted by
        these. ``n_replies`` counts replies with a verdict; without any, the tone is null.
        ``over_answer``, ``compliance_breach`` and ``risky_promise`` say whether any reply has it;
        null where none has and some are unknown. ``evidence`` is the exact span of the reply that
        decided the tone, null for apt.
    """
    at = ["conversation_id", "turn"]
    told = verdicts.join(
        shadow.select("candidate", *at, "reply"), on=["candidate", *at], how="left"
    ).join(contexts.select(*at, "emotion", "missing_info"), on=at, how="left")
    replies = told.filter(pl.col("tone").is_not_null() & pl.col("reply").is_not_null())
    replies = replies.sort(*_KEY, "turn")
    if replies.is_empty():
        said = verdicts.select(_KEY).unique().with_columns(pl.lit(0).alias("n_replies"))
        return tables.conform("conversation_verdicts", said.sort(_KEY))
    replies = replies.with_columns(
        attitude.regrets(replies["reply"]).alias("regrets"),
        attitude.tones(replies["reply"], replies["emotion"])["span"].alias("span"),
        pl.col("reply").str.slice(0, 80).alias("opening"),
    )
    marked = _marked(replies)
    whole = marked.group_by(_KEY, maintain_order=True).agg(
        pl.len().alias("n_replies"),
        *((pl.col("tone") == fault).sum().alias(f"n_{fault}") for fault in _FAULTS),
        *_decided(),
    )
    flags = verdicts.group_by(_KEY).agg(
        # Kleene: one reply that is known to have it is enough, one unknown leaves it open.
        pl.col(_FLAGS).filter(pl.col("tone").is_not_null()).any(ignore_nulls=False)
    )
    named = [pl.col(f"{fault}_by_{why}") for fault, why in _CASES]
    judged = whole.with_columns(
        pl.coalesce(
            *(
                pl.when(pl.col(f"{fault}_by_{why}").is_not_null()).then(pl.lit(fault))
                for fault, why in _CASES
            ),
            pl.lit("apt"),
        ).alias("tone"),
        pl.coalesce(named).alias("evidence"),
    )
    every = verdicts.select(_KEY).unique().join(flags, on=_KEY, how="left")
    return tables.conform(
        "conversation_verdicts",
        every.join(judged, on=_KEY, how="left")
        .with_columns(
            pl.col("n_replies", *(f"n_{fault}" for fault in _FAULTS)).fill_null(0),
            # Of no reply at all, nothing is known.
            *(pl.when(pl.col("n_replies") > 0).then(pl.col(flag)).alias(flag) for flag in _FLAGS),
        )
        .sort(_KEY),
    )


# In the order in which they decide.
_CASES = (
    ("over_certain", "trust"),
    ("evasive", "apologies"),
    ("evasive", "asking"),
    ("evasive", "repeating"),
    ("cold", "never"),
    *((fault, "share") for fault in _FAULTS),
)


def _marked(replies: pl.DataFrame) -> pl.DataFrame:
    """``replies`` with what each shows in the light of those before it."""
    level = pl.col("emotion").replace_strict(
        {"calm": 0, "upset": 1, "angry": 2}, default=0, return_dtype=pl.Int8
    )
    empty = (
        pl.col("regrets")
        & pl.col("action").is_in(["soothe", "refuse"])
        & (pl.col("commitment") == "none").fill_null(False)
    )
    given = pl.col("asked_for").is_in(pl.col("missing_info").fill_null([])).not_()
    asked = pl.col("asked_for").is_not_null()
    again = asked & (pl.int_range(pl.len()).over(*_KEY, "asked_for") > 0)
    soothed = pl.col("regrets") | (pl.col("action") == "escalate").fill_null(False)
    return (
        replies.with_columns(
            (level > level.shift(1).over(_KEY)).fill_null(False).alias("more_upset"),
            (level > 0).alias("upset"),
            soothed.alias("soothed"),
            empty.fill_null(False).alias("empty"),
            (again & given & pl.col("missing_info").is_not_null()).alias("asks_again"),
        )
        .with_columns(pl.col("empty").cum_sum().over(_KEY).alias("n_empty"))
        .join(_repeated(replies), on=[*_KEY, "turn"], how="left", maintain_order="left")
    )


def _repeated(replies: pl.DataFrame) -> pl.DataFrame:
    """The first long sentence of each reply that an earlier one of the conversation has too."""
    said = {reply: _long_sentences(reply) for reply in replies["reply"].unique()}
    spoken = replies.select(
        *_KEY,
        "turn",
        pl.col("reply").replace_strict(said, return_dtype=pl.List(pl.String)).alias("sentence"),
    ).explode("sentence")
    return (
        spoken.drop_nulls("sentence")
        .with_columns(
            pl.col("sentence").map_elements(fold, return_dtype=pl.String).alias("folded"),
        )
        .with_columns(pl.col("turn").min().over(*_KEY, "folded").alias("first_at"))
        .filter(pl.col("turn") > pl.col("first_at"))
        .group_by(*_KEY, "turn", maintain_order=True)
        .agg(pl.col("sentence").first().alias("repeated"))
    )


def _long_sentences(reply: str) -> list[str]:
    return [one for one in sentences(reply) if _letters(one) >= _LONG]


def _letters(text: str) -> int:
    return sum(3 if "\u3400" <= char <= "\u9fff" else char.isalnum() for char in text)


def _decided() -> list[pl.Expr]:
    """For each case the evidence where it holds, else null."""
    words = pl.coalesce("span", "opening")

    def where(shown: pl.Expr, evidence: pl.Expr = words) -> pl.Expr:
        return evidence.filter(shown).first()

    certain = pl.col("tone") == "over_certain"
    mistrusted = certain & pl.col("more_upset")
    upset, soothed = pl.col("upset"), pl.col("upset") & pl.col("soothed")
    shares = [
        pl.when((pl.col("tone") == fault).mean() >= 0.5)
        .then(where(pl.col("tone") == fault))
        .alias(f"{fault}_by_share")
        for fault in _FAULTS
    ]
    return [
        pl.when(mistrusted.any())
        .then(where(mistrusted))
        .when(certain.sum() >= 2)
        .then(where(certain))
        .alias("over_certain_by_trust"),
        where(pl.col("empty") & (pl.col("n_empty") >= _EMPTY_APOLOGIES), pl.col("opening")).alias(
            "evasive_by_apologies"
        ),
        where(pl.col("asks_again"), pl.col("opening")).alias("evasive_by_asking"),
        where(pl.col("repeated").is_not_null(), pl.col("repeated")).alias("evasive_by_repeating"),
        pl.when(upset.any() & ~soothed.any())
        .then(where(upset, pl.col("opening")))
        .alias("cold_by_never"),
        *shares,
    ]
