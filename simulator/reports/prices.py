"""What a reply of each candidate was priced by, where it has a price card."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from simulator.reports import wording
from simulator.reports.run import Run
from simulator.scenario import PriceCard

# Prices of models change within months.
_STALE_DAYS = 180


def sentences(run: Run) -> list[str]:
    """For each candidate with a price card: its prices, their day, and what they do not cover."""
    accounts = {row["candidate"]: row for row in run.table("replay_account").iter_rows(named=True)}
    found = []
    for name, card in run.scenario.cards().items():
        text = (
            f"{wording.visible(name)} is priced by the card {run.scenario.candidates[name].price} "
            f"of {card.as_of} ({wording.visible(card.source)}): "
            f"{_prices(run, name, card, accounts)}."
        )
        found.append(" ".join(filter(None, [text, _age(run, card), _flat(run, name, card)])))
    return found


def _prices(run: Run, name: str, card: PriceCard, accounts: Mapping[str, Mapping[str, Any]]) -> str:
    currency = run.scenario.money.currency
    if card.gpu_hour is None:
        of = {"input_per_million": "of prompt", "cached_input_per_million": "of cached prompt",
              "output_per_million": "of completion"}  # fmt: skip
        parts = [f"{card.numbers()[key].value:g} {words}" for key, words in of.items()]
        return f"{currency} {wording.listed(parts)} for a million tokens"
    gpus = "a GPU hour" if card.n_gpus == 1 else f"a GPU hour, {card.n_gpus} GPUs"
    text = (
        f"{currency} {card.gpu_hour.value:g} {gpus}, at work "
        f"{wording.percent(card.utilisation.value)} of the time paid for; "
    )
    row = accounts.get(name)
    if not row or not row["n_asked"] or not row["took_s"]:
        flat = run.scenario.money.bot_reply_money.value
        return f"{text}the replay measured no throughput, so a reply costs the flat {flat:g}"
    return f"{text}a reply took {row['took_s'] / row['n_asked']:.3g} s in the replay"


def _age(run: Run, card: PriceCard) -> str:
    made = _made(run)
    days = 0 if made is None else (made - card.as_of).days
    if days <= _STALE_DAYS:
        return ""
    return f"The card is stale: {days:,} days old when this run was made; look up today's prices."


def _made(run: Run) -> date | None:
    try:
        return datetime.fromisoformat(str(run.manifest.get("created_at"))).date()
    except ValueError:
        return None


def _flat(run: Run, name: str, card: PriceCard) -> str:
    """How many replies a day no token count is known of."""
    if card.gpu_hour is not None:
        return ""
    counted = run.table("volumes").filter(
        (pl.col("candidate") == name)
        & (pl.col("segment") == "all")
        & (pl.col("bound") == "central")
        & (pl.col("unpriced_bot_replies_per_day") > 0)
    )
    if counted.is_empty():
        return ""
    parts = [
        f"{wording.number('offered_per_day', row['unpriced_bot_replies_per_day'])} of "
        f"{wording.number('offered_per_day', row['bot_replies_per_day'])} a day at "
        f"{wording.stage_label(row['stage'])}"
        for row in counted.iter_rows(named=True)
    ]
    flat = run.scenario.money.bot_reply_money.value
    return f"Replies without token counts cost the flat {flat:g}: {wording.listed(parts)}."
