"""How much there is to price: contacts, bot replies, risky promises."""

from __future__ import annotations

import polars as pl

from simulator.scenario import Assist
from simulator.tables import conform

_CELL = ("stage", "candidate", "conversation_id")
_GROUP = ("stage", "candidate", "bound", "segment")
_POINT = ("candidate", "conversation_id", "turn")
_TOKENS = ("prompt", "cached", "completion")


def volumes(
    arrivals: pl.DataFrame, promises: pl.DataFrame, segment_of: pl.DataFrame, n_replications: int
) -> pl.DataFrame:
    """The table ``volumes`` of one cell and bound.

    A conversation that an outage took from the bot is worked by people; what the bot had already
    said to it is not counted.

    Args:
        arrivals: table ``arrivals`` of the cell, after outages.
        promises: :func:`promise_counts`.
        segment_of: ``conversation_id, segment``.
        n_replications: simulated days.
    """
    hit = (pl.col("cause") == "outage") & pl.col("arrives_ms").is_not_null()
    bot = pl.col("automatic") & ~hit
    # Who quits and comes back is not lost: the desk will see.
    quits = pl.col("bot_quits_at").is_not_null() & ~hit & (pl.col("cause") != "hand_back")
    # Who comes back from the bot hears a person as well.
    comes_back = pl.col("cause").is_in(["hand_back", "recontact"])
    said = (
        pl.when(hit)
        .then("n_human_promises")
        .when(comes_back)
        .then(pl.col("n_promises") + pl.col("n_human_promises"))
        .otherwise("n_promises")
    )

    def known(counted: pl.Expr) -> pl.Expr:
        return pl.when(counted.is_not_null().any()).then(counted.sum() / n_replications)

    return conform(
        "volumes",
        arrivals.join(promises, on=_CELL, how="left", maintain_order="left")
        .join(segment_of, on="conversation_id", how="inner", maintain_order="left")
        .group_by(_GROUP, maintain_order=True)
        .agg(
            (pl.len() / n_replications).alias("arrivals_per_day"),
            (bot.sum() / n_replications).alias("automatic_per_day"),
            (pl.col("n_bot_replies").filter(~hit).sum() / n_replications).alias(
                "bot_replies_per_day"
            ),
            *(
                known(pl.col(f"n_{kind}_tokens").filter(~hit)).alias(f"bot_{kind}_tokens_per_day")
                for kind in _TOKENS
            ),
            (pl.col("n_unpriced").filter(~hit).sum() / n_replications).alias(
                "unpriced_bot_replies_per_day"
            ),
            (quits.sum() / n_replications).alias("quits_per_day"),
            known(said).alias("promises_per_day"),
            known(pl.col("n_bot_promises").filter(~hit)).alias("bot_promises_per_day"),
        ),
    )


def promise_counts(
    decisions: pl.DataFrame,
    settlements: pl.DataFrame,
    verdicts: pl.DataFrame,
    shadow: pl.DataFrame,
    assist: Assist,
) -> pl.DataFrame:
    """Expected risky promises that reach the customer, bot replies and tokens, by conversation.

    An automatic reply counts as the judge reads it. In assist, a risky draft that is used slips
    through with ``agent_misses_risky_draft``, and never makes the reply safer than the agent's own
    was; a draft that is thrown away leaves the agent's own reply. What people say counts too: they
    are the baseline, and they over-promise as well. Points after a divergence count as the bot's,
    points from a hand-over on as the human's.

    A reply has been asked for wherever the bot may speak, drafts that are thrown away included, and
    its tokens are those of table ``shadow``. One whose prompt or completion is not counted there
    has none (``n_unpriced``); cached tokens that are not known count as not cached.

    Returns:
        ``stage, candidate, conversation_id, automatic, n_promises`` (whoever made them),
        ``n_human_promises`` (had people alone answered), ``n_bot_promises`` (of automatic replies),
        ``n_bot_replies``, of these ``n_unpriced``, and ``n_prompt_tokens, n_cached_tokens,
        n_completion_tokens`` of the others; promises null where nothing could be judged, tokens
        where none are known.
    """
    read = verdicts.select("candidate", "conversation_id", "turn", "risky_promise")
    own = read.filter(pl.col("candidate") == "human").select(
        "conversation_id", "turn", pl.col("risky_promise").alias("human_risky")
    )
    mine, theirs = pl.col("risky_promise").cast(pl.Float64), pl.col("human_risky").cast(pl.Float64)
    missed = assist.agent_misses_risky_draft.value
    handed = (pl.col("status") == "handoff") & (pl.col("turn") >= pl.col("at_turn"))
    auto = (pl.col("mode") == "auto") & ~handed.fill_null(False)
    used = (pl.col("mode") == "assist") & pl.col("draft").is_in(["accepted", "edited"])
    sent = (
        pl.when(auto)
        .then(mine)
        .when(used)
        .then(pl.max_horizontal(mine * missed, theirs))
        .otherwise(theirs)
    )

    # The hand-over's own reply was written as well.
    asked = pl.col("mode").is_in(["auto", "assist"])
    prompt, completion = pl.col("prompt_tokens"), pl.col("completion_tokens")
    counted = prompt.is_not_null() & completion.is_not_null()
    cached = pl.min_horizontal(pl.col("cached_prompt_tokens").fill_null(0), prompt)
    tokens = zip(_TOKENS, (prompt, cached, completion), strict=True)

    def known(counts: pl.Expr) -> pl.Expr:
        return pl.when(counts.is_not_null().any()).then(counts.sum())

    return (
        decisions.join(read, on=_POINT, how="left", maintain_order="left")
        .join(
            shadow.select(
                *_POINT, "prompt_tokens", "cached_prompt_tokens", "completion_tokens", "error"
            ),
            on=_POINT,
            how="left",
            maintain_order="left",
        )
        .join(own, on=("conversation_id", "turn"), how="left", maintain_order="left")
        .join(settlements.drop("cause"), on=_CELL, how="left", maintain_order="left")
        .group_by(_CELL, maintain_order=True)
        .agg(
            (pl.col("mode") == "auto").any().alias("automatic"),
            known(sent).alias("n_promises"),
            known(theirs).alias("n_human_promises"),
            known(mine.filter(auto)).alias("n_bot_promises"),
            asked.sum().alias("n_bot_replies"),
            (asked & ~counted & pl.col("error").is_null()).sum().alias("n_unpriced"),
            *(
                known(part.filter(asked & counted)).alias(f"n_{kind}_tokens")
                for kind, part in tokens
            ),
        )
    )
