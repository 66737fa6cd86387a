"""What a reply of each candidate costs: by its tokens, by the hour of its machine, or flat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from simulator.scenario import Money, PriceCard

_MILLION = 1_000_000


class ReplyPrice(NamedTuple):
    """Money for a reply, and for each of its tokens by class.

    ``unpriced``: for a reply whose tokens are not known; ``prompt`` is for a prompt token that was
    not cached.
    """

    reply: float = 0.0
    unpriced: float = 0.0
    prompt: float = 0.0
    cached: float = 0.0
    completion: float = 0.0


class Priced(NamedTuple):
    """How the replies of a candidate are priced. ``method`` says it in the table ``costs``."""

    price: ReplyPrice
    method: str


def reply_prices(
    cards: Mapping[str, PriceCard], account: pl.DataFrame, money: Money
) -> dict[str, Priced]:
    """How each candidate with a price card is priced.

    A card by ``gpu_hour`` costs the time that a reply took all GPUs together in the replay
    (``took_s / n_asked``), for as many GPUs, over the utilisation. Where the replay measured
    nothing the price is the flat one.

    Args:
        cards: by the candidate's name.
        account: table ``replay_account``.
        money: the flat price, ``bot_reply_money``.
    """
    flat = money.bot_reply_money.value
    took = seconds_a_reply(account)
    return {name: _priced(card, took.get(name), flat) for name, card in cards.items()}


def seconds_a_reply(account: pl.DataFrame) -> dict[str, float]:
    """Seconds that a reply took in the replay, by candidate; without those not measured.

    Args:
        account: table ``replay_account``.
    """
    measured = account.filter((pl.col("n_asked") > 0) & (pl.col("took_s") > 0))
    return dict(measured.select("candidate", pl.col("took_s") / pl.col("n_asked")).iter_rows())


def _priced(card: PriceCard, took_s: float | None, flat: float) -> Priced:
    of = f"price card of {card.as_of}"
    if card.gpu_hour is not None:
        if took_s is None:
            return Priced(ReplyPrice(reply=flat), "flat price: the replay measured no throughput")
        hours = took_s / 3600 / card.utilisation.value
        reply = hours * card.n_gpus * card.gpu_hour.value
        return Priced(ReplyPrice(reply=reply), f"{of}, by the GPU hour at {took_s:.3g} s a reply")
    assert card.input_per_million is not None
    assert card.output_per_million is not None
    cached = card.cached_input_per_million or card.input_per_million
    price = ReplyPrice(
        unpriced=flat,
        prompt=card.input_per_million.value / _MILLION,
        cached=cached.value / _MILLION,
        completion=card.output_per_million.value / _MILLION,
    )
    return Priced(price, f"{of}, by tokens; replies without token counts at the flat price")


def bot_money(volumes: pl.DataFrame, priced: Mapping[str, Priced], flat: float) -> pl.Series:
    """What the bot's replies cost a day, for each row of table ``volumes``.

    Args:
        volumes: table ``volumes``.
        priced: :func:`reply_prices`; other candidates have the flat price.
        flat: money for a reply of a candidate without a card.
    """
    candidates = volumes["candidate"].unique().to_list()
    prices = pl.DataFrame(
        [
            {"candidate": name, **(priced[name].price if name in priced else ReplyPrice(flat))
             ._asdict()}
            for name in candidates
        ],
        schema={"candidate": pl.String, **dict.fromkeys(ReplyPrice._fields, pl.Float64)},
    )  # fmt: skip
    prompt, cached, completion = (
        pl.col(f"bot_{kind}_tokens_per_day").fill_null(0.0)
        for kind in ("prompt", "cached", "completion")
    )
    return (
        volumes.join(prices, on="candidate", how="left", maintain_order="left")
        .select(
            pl.col("bot_replies_per_day") * pl.col("reply")
            + pl.col("unpriced_bot_replies_per_day").fill_null(0.0) * pl.col("unpriced")
            + (prompt - cached) * pl.col("prompt")
            + cached * pl.col("cached")
            + completion * pl.col("completion")
        )
        .to_series()
    )
