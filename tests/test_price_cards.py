"""Price cards: money by the token and by the GPU hour, by hand and over a whole run."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import pipeline
from simulator.economics import costs, promise_counts, reply_prices, volumes
from simulator.economics.prices import bot_money
from simulator.errors import ScenarioError, ShadowdeskError
from simulator.reports import summary_text
from simulator.scenario import Assist, Money, PriceCard
from simulator.scenario_file import load, validate
from simulator.tables import build
from tests.test_hostile_scenarios import NEVER, ODD

TOKENS = {
    "as_of": "2026-03-01",
    "source": "price list of a provider",
    "input_per_million": 2,
    "cached_input_per_million": 0.5,
    "output_per_million": 8,
}
GPU = {"as_of": "2026-03-01", "source": "offer of a provider", "gpu_hour": 4.5}
MONEY = Money(bot_reply_money=0.25)


def account(**row):
    row = {"candidate": "bot", "n_points": 10, "n_asked": 8, "n_errors": 0} | row
    return build("replay_account", [row])


def day(candidate="bot", **values):
    where = {"stage": "auto", "candidate": candidate, "bound": "central", "segment": "all"}
    return where | {"arrivals_per_day": 100.0, "automatic_per_day": 80.0} | values


SPENT = {
    "bot_replies_per_day": 160.0,
    "unpriced_bot_replies_per_day": 10.0,
    "bot_prompt_tokens_per_day": 300_000.0,
    "bot_cached_tokens_per_day": 200_000.0,
    "bot_completion_tokens_per_day": 12_000.0,
}


def spent(card, took=None, **changes):
    """Money for the bot of a day with :data:`SPENT`."""
    of = account() if took is None else account(took_s=took)
    priced = reply_prices({"bot": PriceCard.model_validate(card)}, of, MONEY)
    return bot_money(build("volumes", [day(**SPENT | changes)]), priced, 0.25).item()


def test_tokens_are_priced_by_class_and_replies_without_counts_flat():
    expected = 100_000 * 2e-6 + 200_000 * 0.5e-6 + 12_000 * 8e-6 + 10 * 0.25
    assert spent(TOKENS) == pytest.approx(expected)


def test_cached_input_that_is_not_on_the_card_costs_what_input_does():
    card = {key: value for key, value in TOKENS.items() if key != "cached_input_per_million"}
    assert spent(card) == pytest.approx(300_000 * 2e-6 + 12_000 * 8e-6 + 10 * 0.25)


def test_a_reply_costs_its_share_of_the_hours_that_gpus_are_paid_for():
    # 8 prompts in 2 s on two GPUs at work for a quarter of the time: a quarter of a second each.
    card = GPU | {"n_gpus": 2, "utilisation": 0.25}
    assert spent(card, took=2.0) == pytest.approx(160 * 2 * 4.5 * (0.25 / 3600) / 0.25)
    assert spent(GPU, took=2.0) == pytest.approx(160 * 4.5 * (0.25 / 3600) / 0.5)


@pytest.mark.parametrize("took", [None, 0.0])
def test_where_nothing_was_measured_the_flat_price_stands(took):
    assert spent(GPU, took) == pytest.approx(160 * 0.25)


def test_a_candidate_without_a_card_keeps_the_flat_price():
    two = build("volumes", [day(**SPENT), day("rules", **SPENT)])
    priced = reply_prices({"bot": PriceCard.model_validate(TOKENS)}, account(), MONEY)
    assert bot_money(two, priced, 0.25).to_list() == pytest.approx([spent(TOKENS), 160 * 0.25])


def test_total_and_saving_carry_what_the_card_says():
    alone = day("human", bot_replies_per_day=0.0) | {"stage": "human_only"}
    days = build("volumes", [alone, day(**SPENT)])
    empty_days = (build("kpis", []), days, build("desk_hours", []), [0, 1], None, MONEY)
    priced = reply_prices({"bot": PriceCard.model_validate(TOKENS)}, account(), MONEY)
    by_card, flat = costs(*empty_days, "human_only", priced), costs(*empty_days, "human_only")
    where = {"stage": "auto", "bound": "central"}

    def money(found, metric):
        return found.filter(metric=metric, **where)["estimate"].item()

    assert money(by_card, "bot_money") == pytest.approx(spent(TOKENS))
    assert money(by_card, "total_money") == pytest.approx(spent(TOKENS))
    assert money(by_card, "saving_money") == pytest.approx(-spent(TOKENS))
    assert money(flat, "bot_money") == pytest.approx(160 * 0.25)
    methods = by_card.filter(metric="bot_money")
    said = dict(methods.select("candidate", "method").iter_rows())
    assert "price card of 2026-03-01, by tokens" in said["bot"]
    assert "card" not in said["human"]


AMOUNT = st.floats(0, 1e9)


@given(AMOUNT, AMOUNT, AMOUNT, st.floats(0.1, 10))
def test_property_money_is_linear_in_tokens(prompt, completion, unpriced, times):
    def of(factor):
        names = ("prompt_tokens", "cached_tokens", "completion_tokens")
        tokens = (prompt, prompt / 2, completion)
        amounts = {f"bot_{n}_per_day": t * factor for n, t in zip(names, tokens, strict=True)}
        return spent(TOKENS, unpriced_bot_replies_per_day=unpriced * factor, **amounts)

    assert of(times) == pytest.approx(times * of(1), rel=1e-9, abs=1e-9)


@given(AMOUNT, st.floats(0, 1), st.floats(0, 1))
def test_property_what_is_cached_never_costs_more(prompt, share, cheaper):
    card = TOKENS | {"cached_input_per_million": 2 * cheaper}
    tokens = {"bot_prompt_tokens_per_day": prompt}
    cached = spent(card, **tokens, bot_cached_tokens_per_day=prompt * share)
    assert cached <= spent(card, **tokens, bot_cached_tokens_per_day=0.0) * (1 + 1e-12)


def point(turn, mode, draft=None):
    row = {"stage": "s", "candidate": "bot", "conversation_id": "c", "turn": turn, "mode": mode}
    return row | {"rule": "r", "draft": draft, "reach": "reached"}


def reply(turn, prompt, cached, completion):
    row = {"candidate": "bot", "conversation_id": "c", "turn": turn, "key": f"k{turn}"}
    counts = {"prompt_tokens": prompt, "cached_prompt_tokens": cached}
    return row | counts | {"completion_tokens": completion}


def counted(points, replies):
    settled = {"stage": "s", "candidate": "bot", "conversation_id": "c", "status": "assist"}
    return promise_counts(
        build("decisions", points),
        build("settlements", [settled]),
        build("verdicts", []),
        build("shadow", replies),
        Assist(),
    )


def test_every_reply_asked_for_is_counted_with_its_tokens():
    points = [
        point(0, "assist", "accepted"),
        # A draft that is thrown away was written all the same.
        point(2, "assist", "rejected"),
        point(4, "auto"),
        point(6, "auto"),
        # Here people answer alone.
        point(8, "human"),
    ]
    replies = [
        reply(0, 100, 40, 10),
        reply(2, 200, None, 20),
        # More cached than there is cannot be.
        reply(4, 300, 999, 30),
        reply(6, 400, 0, None),
        reply(8, 10_000, 0, 10_000),
    ]
    row = counted(points, replies).row(0, named=True)
    assert (row["n_bot_replies"], row["n_unpriced"]) == (4, 1)
    tokens = [row[f"n_{kind}_tokens"] for kind in ("prompt", "cached", "completion")]
    assert tokens == [600, 340, 60]


def test_tokens_that_nobody_counted_are_unknown_and_not_none():
    row = counted([point(0, "auto")], [reply(0, None, None, None)]).row(0, named=True)
    assert (row["n_unpriced"], row["n_prompt_tokens"], row["n_completion_tokens"]) == (
        1,
        None,
        None,
    )


def test_what_an_outage_takes_from_the_bot_costs_no_tokens():
    arrival = {"stage": "s", "candidate": "bot", "bound": "best", "replication": 0, "copy": 0}
    arrival |= {"conversation_id": "c", "channel": "chat", "priority": 2, "work_ms": 1}
    arrival |= {"patience_ms": [], "recontacts": [], "recontact_delay_ms": []}
    rows = [
        arrival | {"arrival_id": "a", "cause": "new"},
        arrival | {"arrival_id": "b", "cause": "outage"},
        arrival | {"arrival_id": "c", "cause": "outage", "arrives_ms": 5},
    ]
    promises = counted([point(0, "auto"), point(2, "auto")], [reply(0, 100, 40, 10)])
    of = pl.DataFrame({"conversation_id": ["c"], "segment": ["all"]})
    found = volumes(build("arrivals", rows), promises, of, 4).row(0, named=True)
    assert found["bot_replies_per_day"] == 1
    assert found["unpriced_bot_replies_per_day"] == 0.5
    tokens = [found[f"bot_{kind}_tokens_per_day"] for kind in ("prompt", "cached", "completion")]
    assert tokens == [50, 20, 5]


def scenario(card=TOKENS, bot=None, **more):
    bot = bot or {"kind": "recorded", "source": "/replies.parquet", "price": "mini"}
    return validate(
        {
            "name": "priced",
            "history": {"source": "/log.jsonl", "format": "jsonl"},
            "candidates": {"human": {"kind": "human"}, "bot": bot},
            "money": {"prices": {"mini": card}},
        }
        | more,
        "s.toml",
    )


def without(card, *keys):
    return {key: value for key, value in card.items() if key not in keys}


@pytest.mark.parametrize(
    ("card", "says"),
    [
        (without(TOKENS, "as_of"), "money.prices.mini.as_of is missing"),
        (without(TOKENS, "source"), "money.prices.mini.source is missing"),
        (TOKENS | {"source": " "}, "money.prices.mini.source = ' '; expected where the prices"),
        (TOKENS | {"as_of": "soon"}, "as_of = 'soon'; expected a date such as 2026-03-01"),
        (TOKENS | {"as_of": 20260301}, "as_of = 20260301; expected a date"),
        (TOKENS | {"as_of": datetime(2026, 3, 1)}, "expected a date such as 2026-03-01"),
        (without(TOKENS, "output_per_million"), "money.prices.mini; output_per_million is missing"),
        (without(GPU, "gpu_hour"), "input_per_million is missing: a card has"),
        (TOKENS | {"gpu_hour": 3}, "mini.input_per_million = 2.0; a card is by tokens or by the"),
        (
            TOKENS | {"n_gpus": 2},
            "n_gpus = 2; a card is by tokens or by the hour; leave out n_gpus",
        ),
        (TOKENS | {"utilisation": 0.7}, "leave out utilisation or input_per_million"),
        (GPU | {"utilisation": 0}, "utilisation = 0; expected 0 < x <= 1"),
        (GPU | {"n_gpus": 0}, "n_gpus = 0; expected 1 <= x <= 10,000"),
        (TOKENS | {"input_per_million": -1}, "input_per_million = -1; expected 0 <= x"),
        (TOKENS | {"currency": "EUR"}, "money.prices.mini.currency: unknown key"),
        (GPU, "candidates.bot.price = 'mini'; a card by gpu_hour needs a throughput"),
    ],
)
def test_a_faulty_card_is_refused_with_the_fix(card, says):
    with pytest.raises(ScenarioError) as error:
        scenario(card)
    assert says in str(error.value)


KEYS = [f"money.prices.mini{'.' * bool(key)}{key}" for key in ("", *TOKENS, *GPU, "n_gpus")]


@pytest.mark.parametrize("key", [*KEYS, "money.prices", "money.prices.mini.utilisation"])
def test_no_value_on_a_card_gives_a_traceback(place, key):
    said = []
    for value in NEVER + ODD:
        try:
            load(place / "card.toml", (f"{key}={value}",))
        except ShadowdeskError as error:
            said.append(str(error))
    assert len(said) >= len(NEVER)
    assert not [one for one in said if "nput should" in one or "alue error" in one]


def test_an_unknown_card_is_refused_with_the_known_ones():
    bot = {"kind": "recorded", "source": "/replies.parquet", "price": "maxi"}
    with pytest.raises(ScenarioError, match="price = 'maxi'; expected one of 'mini'"):
        scenario(bot=bot)
    with pytest.raises(ScenarioError, match=r"no price card; add \[money.prices.maxi\]"):
        scenario(bot=bot, money={})


def test_a_scenario_with_cards_is_the_same_when_it_is_read_again():
    for card in (scenario(), scenario(GPU | {"utilisation": 0.7}, bot={"kind": "guarded"})):
        again = validate(json.loads(json.dumps(card.model_dump(mode="json"))), "manifest.json")
        assert again == card


def test_the_numbers_of_a_card_are_listed_with_source_and_date():
    card = TOKENS | {"output_per_million": {"value": 8, "low": 6, "high": 9, "source": "by post"}}
    rows = {row["name"]: row for row in pipeline.assumptions(scenario(card))}
    said = rows["prices.mini.input_per_million"]
    assert said["value"] == "2"
    assert said["source"] == "price card of 2026-03-01: price list of a provider"
    output = rows["prices.mini.output_per_million"]
    assert (output["value"], output["low"], output["high"]) == ("8", 6, 9)
    assert output["source"].startswith("by post; price card of 2026-03-01")
    # A card that nobody names was not assumed.
    unnamed = scenario(bot={"kind": "guarded"})
    assert not [n for n in (r["name"] for r in pipeline.assumptions(unnamed)) if "prices" in n]
    no_cached = rows_of(without(TOKENS, "cached_input_per_million"))
    assert no_cached["prices.mini.cached_input_per_million"]["value"] == "2"
    assert "as input" in no_cached["prices.mini.cached_input_per_million"]["source"]


def rows_of(card):
    return {row["name"]: row for row in pipeline.assumptions(scenario(card))}


LOG = [
    {
        "conversation_id": f"c{i}",
        "intent": "refund" if i % 2 else "delivery",
        "handle_time_s": 300,
        "started_at": (datetime(2026, 3, 2, 13, tzinfo=UTC) + timedelta(days=i)).isoformat(),
        "messages": [
            {"role": "user", "content": "Where is my parcel?"},
            {"role": "assistant", "content": "It is on its way."},
            {"role": "user", "content": "Thank you, when will it be here?"},
            {"role": "assistant", "content": "Usually within three days."},
        ],
    }
    for i in range(6)
]
RUN = """
name = "priced"
[history]
source = "log.jsonl"
format = "jsonl"
[candidates.human]
kind = "human"
[candidates.bot]
kind = "always_escalate"
[simulation]
days = 2
replications = 1
processes = 1
"""
# The same for each reply: so much is each worth by TOKENS.
EACH = (1000 - 400) * 2e-6 + 400 * 0.5e-6 + 50 * 8e-6


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A log, and the replies that some model gave to it; each second one without token counts."""
    place = tmp_path_factory.mktemp("priced")
    (place / "log.jsonl").write_text("\n".join(map(json.dumps, LOG)), "utf-8")
    (place / "s.toml").write_text(RUN, "utf-8")
    points = pipeline.run(load(place / "s.toml"), place / "first").table("decision_points")
    replies = points.sort("conversation_id", "turn").select(
        "conversation_id",
        "turn",
        "context_hash",
        pl.lit("It is on its way.").alias("reply"),
        pl.lit("answer").alias("action"),
        pl.lit(0.9).alias("score"),
        *(
            pl.when(pl.col("turn") == 0).then(n).alias(name)
            for name, n in (
                ("prompt_tokens", 1000),
                ("cached_prompt_tokens", 400),
                ("completion_tokens", 50),
            )
        ),
    )
    replies.write_parquet(place / "replies.parquet")
    (place / "card.toml").write_text(RUN + CARD, "utf-8")
    return place


def run_of(place, out, price=None):
    text = RUN.replace('"always_escalate"', '"recorded"\nsource = "replies.parquet"')
    if price:
        text = text.replace("[simulation]", f"price = 'mini'\n{price}\n[simulation]")
    (place / f"{out}.toml").write_text(text, "utf-8")
    return pipeline.run(load(place / f"{out}.toml"), place / out)


CARD = """
[money.prices.mini]
as_of = 2020-03-01
source = "price list of a provider"
input_per_million = 2
cached_input_per_million = 0.5
output_per_million = 8
"""


def test_end_to_end_recorded_tokens_end_up_in_the_saving(place):
    by_card, flat = run_of(place, "by_card", CARD), run_of(place, "flat")
    assert by_card.manifest["scenario"]["money"]["prices"]["mini"]["as_of"] == str(date(2020, 3, 1))
    days = by_card.table("volumes").filter(candidate="bot")
    assert days["bot_replies_per_day"].min() > 0
    unpriced = days["unpriced_bot_replies_per_day"]
    assert unpriced.to_list() == (days["bot_replies_per_day"] / 2).to_list()
    expected = (days["bot_replies_per_day"] - unpriced) * EACH + unpriced * 0.01
    keys = ["stage", "candidate", "bound", "segment"]

    def money(run, metric):
        return run.table("costs").filter(metric=metric, candidate="bot").select(*keys, "estimate")

    found = days.select(keys).join(money(by_card, "bot_money"), on=keys, maintain_order="left")
    assert found["estimate"].to_list() == pytest.approx(expected.to_list())
    both = money(by_card, "bot_money").join(money(flat, "bot_money"), on=keys, suffix="_flat")
    savings = money(by_card, "saving_money").join(
        money(flat, "saving_money"), on=keys, suffix="_flat"
    )
    less = (both["estimate_flat"] - both["estimate"]).to_list()
    more = (savings["estimate"] - savings["estimate_flat"]).to_list()
    assert more == pytest.approx(less)
    assert max(map(abs, less)) > 0
    names = by_card.table("assumed")["name"].to_list()
    assert "prices.mini.cached_input_per_million" in names
    text = " ".join(summary_text(pipeline.as_report_run(by_card)).split())
    assert "bot is priced by the card mini of 2020-03-01" in text
    assert "USD 2 of prompt, 0.5 of cached prompt and 8 of completion for a million" in text
    assert "The card is stale" in text
    assert "Replies without token counts cost the flat 0.01" in text
    assert "price card" not in summary_text(pipeline.as_report_run(flat))
    # Another price asks nobody again and draws no customer again.
    kept = [by_card.table_path(name) for name in ("shadow", "volumes")]
    before = [path.stat().st_mtime_ns for path in kept]
    dearer = run_of(
        place, "by_card", CARD.replace("output_per_million = 8", "output_per_million = 9")
    )
    assert [path.stat().st_mtime_ns for path in kept] == before
    rise = money(dearer, "bot_money")["estimate"] - found["estimate"]
    assert rise.to_list() == pytest.approx((days["bot_completion_tokens_per_day"] * 1e-6).to_list())
