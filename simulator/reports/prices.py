"""What a reply of each candidate was priced by, where it has a price card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from simulator.reports import wording
from simulator.reports.language import noted, say, say_n
from simulator.reports.phrases import at, named, together
from simulator.reports.run import Run
from simulator.scenario import PriceCard

# Prices of models change within months.
_STALE_DAYS = 180


def sentences(run: Run) -> list[str]:
    """For each price card: who is priced by it, its prices, their day, and what they do not cover.

    What a reply costs by the hour of a GPU hangs on the candidate too: each has its sentence.
    """
    accounts = {row["candidate"]: row for row in run.table("replay_account").iter_rows(named=True)}
    cards = run.scenario.cards()
    sharing: dict[tuple[str | None, str], list[str]] = {}
    for name, card in cards.items():
        own = name if card.gpu_hour is not None else ""
        sharing.setdefault((run.scenario.candidates[name].price, own), []).append(name)
    found = []
    for (price, _), names in sharing.items():
        card = cards[names[0]]
        text = say_n(
            "{candidates} is priced by the card {card} of {day} ({source}): {prices}.",
            "{candidates} are priced by the card {card} of {day} ({source}): {prices}.",
            len(names),
            candidates=wording.listed([named(name) for name in names]),
            card=price,
            day=card.as_of,
            source=wording.visible(card.source),
            prices=_prices(run, names[0], card, accounts),
        )
        found.append(together(text, _age(run, card), _flat(run, names, card)))
    return found


def _prices(run: Run, name: str, card: PriceCard, accounts: Mapping[str, Mapping[str, Any]]) -> str:
    currency = run.scenario.money.currency
    if card.gpu_hour is None:
        of = {"input_per_million": noted("{price} of prompt"),
              "cached_input_per_million": noted("{price} of cached prompt"),
              "output_per_million": noted("{price} of completion")}  # fmt: skip
        parts = [say(text, price=f"{card.numbers()[key].value:g}") for key, text in of.items()]
        return say(
            "{currency} {prices} for a million tokens",
            currency=currency,
            prices=wording.listed(parts),
        )
    text = say_n(
        "{currency} {price} a GPU hour, at work {share} of the time paid for",
        "{currency} {price} a GPU hour, {n} GPUs, at work {share} of the time paid for",
        card.n_gpus,
        currency=currency,
        price=f"{card.gpu_hour.value:g}",
        n=card.n_gpus,
        share=wording.percent(card.utilisation.value),
    )
    row = accounts.get(name)
    if not row or not row["n_asked"] or not row["took_s"]:
        return say(
            "{claim}; the replay measured no throughput, so a reply costs the flat {flat}",
            claim=text,
            flat=f"{run.scenario.money.bot_reply_money.value:g}",
        )
    return say(
        "{claim}; a reply took {took} s in the replay",
        claim=text,
        took=f"{row['took_s'] / row['n_asked']:.3g}",
    )


def _age(run: Run, card: PriceCard) -> str:
    made = _made(run)
    days = 0 if made is None else (made - card.as_of).days
    if days <= _STALE_DAYS:
        return ""
    return say(
        "The card is stale: {n} days old when this run was made; look up today's prices.",
        n=f"{days:,}",
    )


def _made(run: Run) -> date | None:
    try:
        return datetime.fromisoformat(str(run.manifest.get("created_at"))).date()
    except ValueError:
        return None


def _flat(run: Run, names: Sequence[str], card: PriceCard) -> str:
    """How many replies a day no token count is known of."""
    if card.gpu_hour is not None:
        return ""
    counted = run.table("volumes").filter(
        pl.col("candidate").is_in(names)
        & (pl.col("segment") == "all")
        & (pl.col("bound") == "central")
        & (pl.col("unpriced_bot_replies_per_day") > 0)
    )
    if counted.is_empty():
        return ""
    parts = [
        say(
            "{n} of {total} a day at {stage}",
            n=wording.number("offered_per_day", row["unpriced_bot_replies_per_day"]),
            total=wording.number("offered_per_day", row["bot_replies_per_day"]),
            stage=wording.stage_label(row["stage"]),
        )
        if len(names) == 1
        else say(
            "{n} of {total} a day with {where}",
            n=wording.number("offered_per_day", row["unpriced_bot_replies_per_day"]),
            total=wording.number("offered_per_day", row["bot_replies_per_day"]),
            where=at((row["stage"], row["candidate"])),
        )
        for row in counted.iter_rows(named=True)
    ]
    return say(
        "Replies without token counts cost the flat {flat}: {parts}.",
        flat=f"{run.scenario.money.bot_reply_money.value:g}",
        parts=wording.listed(parts),
    )
