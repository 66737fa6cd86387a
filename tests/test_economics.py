"""Money by hand: each figure recomputed from its parts, and the value at which the case breaks."""

import polars as pl
import pytest

from simulator.economics import breakdown, costs, promise_counts, volumes
from simulator.scenario import Assist, Gate, Money
from simulator.tables import build, empty

MONEY = Money(
    wage_per_hour=21,
    target_occupancy=0.75,
    shrinkage=0.3,
    bot_reply_money=0.5,
    risky_promise_money=10,
    complaint_money=20,
    abandonment_money=2,
)


def kpi(stage, candidate, bound, **values):
    return [
        {
            "stage": stage,
            "candidate": candidate,
            "segment": "all",
            "bound": bound,
            "metric": metric,
            "estimate": float(value),
            "n": 1,
            "unit": "x",
            "method": "by hand",
        }
        for metric, value in values.items()
    ]


def day(stage, candidate, bound, **values):
    return {"stage": stage, "candidate": candidate, "bound": bound, "segment": "all", **values}


DRAWS = [0, 1, 2]


def hours(stage, candidate, bound, *needed):
    return [
        day(stage, candidate, bound, replication=i, needed_hours=float(h))
        for i, h in enumerate(needed)
    ]


@pytest.fixture
def priced():
    human = {"abandoned_per_day": 5, "complaint_rate": 0.02}
    bot = {"abandoned_per_day": 4}
    back = {"abandoned_per_day": 11}
    kpis = build(
        "kpis",
        kpi("human_only", "human", "central", **human)
        + kpi("auto", "bot", "best", **bot, complaint_rate=0.01)
        + kpi("auto", "bot", "central", **bot, complaint_rate=0.02)
        + kpi("auto", "bot", "worst", **back, complaint_rate=0.3),
    )
    alone = {"automatic_per_day": 0.0, "bot_replies_per_day": 0.0, "quits_per_day": 0.0}
    with_bot = {"automatic_per_day": 80.0, "bot_replies_per_day": 160.0, "quits_per_day": 20.0}
    said = {"promises_per_day": 8.0, "bot_promises_per_day": 5.0}
    days = build(
        "volumes",
        [
            day("human_only", "human", "central", arrivals_per_day=100.0, **alone)
            | {"promises_per_day": 3.0},
            *(
                day("auto", "bot", bound, arrivals_per_day=100.0, **with_bot, **said)
                for bound in ("best", "central", "worst")
            ),
        ],
    )
    needed = build(
        "desk_hours",
        hours("human_only", "human", "central", 28, 30, 32)
        + hours("auto", "bot", "best", 11, 12, 13)
        + hours("auto", "bot", "central", 32, 34, 36)
        + hours("auto", "bot", "worst", 44, 45, 46),
    )
    return kpis, days, needed


def found_costs(priced):
    return costs(*priced, DRAWS, None, MONEY, "human_only")


def value(frame, metric, bound, stage="auto"):
    return frame.filter(metric=metric, bound=bound, stage=stage)["estimate"].item()


def test_each_part_is_its_volume_times_its_price(priced):
    found = found_costs(priced)
    hour = 21 / (0.75 * 0.7)
    assert value(found, "labour_money", "best") == pytest.approx(12 * hour)
    assert value(found, "bot_money", "best") == pytest.approx(160 * 0.5)
    assert value(found, "promise_money", "best") == pytest.approx(8 * 10)
    assert value(found, "complaint_money", "best") == pytest.approx(100 * 0.01 * 20)
    # Who leaves the queue, and who leaves the bot.
    assert value(found, "abandonment_money", "best") == pytest.approx((4 + 20) * 2)
    total = 12 * hour + 80 + 80 + 20 + 48
    base = 30 * hour + 3 * 10 + 100 * 0.02 * 20 + 5 * 2
    assert value(found, "total_money", "best") == pytest.approx(total)
    assert value(found, "saving_money", "best") == pytest.approx(base - total)
    assert value(found, "saving_hours", "best") == pytest.approx(18)
    assert value(found, "saving_money", "central", "human_only") == 0


def test_the_interval_of_the_saving_is_that_of_the_same_days_with_and_without(priced):
    found = found_costs(priced)
    row = found.filter(metric="saving_hours", bound="best", stage="auto").row(0, named=True)
    # 17, 18 and 19 hours saved on the three days: sd 1, t = 4.303 with two degrees of freedom.
    half = 4.302653 / 3**0.5
    assert (row["low"], row["high"]) == pytest.approx((18 - half, 18 + half))
    money = found.filter(metric="saving_money", bound="best", stage="auto").row(0, named=True)
    assert money["high"] - money["estimate"] == pytest.approx(half * 40)
    one_day = costs(*priced[:2], priced[2].filter(replication=0), [0], None, MONEY, "human_only")
    assert one_day.filter(metric="saving_money")["low"].null_count() == 4


def test_losing_customers_is_not_cheaper(priced):
    kpis, days, needed = priced
    lost = kpis.with_columns(
        estimate=kpis["estimate"].zip_with(
            kpis["metric"] != "abandoned_per_day", kpis["estimate"] * 0 + 90.0
        )
    )
    assert value(
        costs(lost, days, needed, DRAWS, None, MONEY, "human_only"), "total_money", "best"
    ) > (value(found_costs(priced), "total_money", "best"))


def test_a_cell_without_a_visit_needs_no_hours(priced):
    kpis, days, needed = priced
    idle = needed.filter(~((needed["stage"] == "auto") & (needed["bound"] == "best")))
    found = costs(kpis, days, idle, DRAWS, None, MONEY, "human_only")
    assert value(found, "labour_money", "best") == 0
    assert value(found, "saving_hours", "best") == pytest.approx(30)


def test_at_the_break_even_rate_the_saving_is_gone(priced):
    kpis, days, needed = priced
    rate = value(found_costs(priced), "break_even_risky_promise_rate", "best")
    # The bot's promises move; what people still promise stays.
    auto = days["stage"] == "auto"
    bots = days["automatic_per_day"] * rate
    everyone = days["promises_per_day"] - 5.0 + bots
    at_break_even = days.with_columns(
        promises_per_day=everyone.zip_with(auto, days["promises_per_day"]),
        bot_promises_per_day=bots.zip_with(auto, days["bot_promises_per_day"]),
    )
    found = costs(kpis, at_break_even, needed, DRAWS, None, MONEY, "human_only")
    assert value(found, "saving_money", "best") == pytest.approx(0, abs=1e-9)
    assert value(found_costs(priced), "break_even_risky_promise_rate", "worst") == 0


def test_without_a_policy_the_rest_is_still_priced_and_says_so(priced):
    kpis, days, needed = priced
    blind = days.with_columns(
        promises_per_day=pl.lit(None, pl.Float64), bot_promises_per_day=pl.lit(None, pl.Float64)
    )
    found = costs(kpis, blind, needed, DRAWS, None, MONEY, "human_only")
    assert value(found, "promise_money", "best") is None
    assert value(found, "total_money", "best") == pytest.approx(12 * 40 + 80 + 20 + 48)
    assert "no policy" in found["method"][0]


def test_the_breakdown_value_is_where_the_line_crosses(priced):
    kpis = priced[0]
    priced_costs = found_costs(priced)
    central = value(priced_costs, "saving_money", "central")
    # All contained: the best case, with the complaints that the log has.
    best = value(priced_costs, "saving_money", "best") - 100 * (0.02 - 0.01) * 20
    assert best > 0 > central
    share = value(breakdown(kpis, priced_costs, (), 0.5), "breakdown_contained_share", "central")
    assert central + (share - 0.5) / 0.5 * (best - central) == pytest.approx(0)
    assert 0.5 < share < 1
    never = breakdown(kpis, priced_costs, (Gate(metric="complaint_rate", limit=0.005),), 0.5)
    assert value(never, "breakdown_contained_share", "central") is None
    assert "complaint_rate" in never["method"][0]
    assert breakdown(kpis, priced_costs, (), 1.0).equals(empty("costs"))


def test_what_must_end_well_for_the_service_is_read_off_the_worst_case():
    """Lost: -.1 if all are contained, 0 if half are, .06 if none is; .03 is halfway from there."""
    rows = [
        {"stage": "auto", "candidate": "x", "segment": "all", "bound": bound, "metric": metric}
        | {"estimate": estimate, "n": 10, "unit": "u", "method": "m"}
        for metric, estimates in (
            ("service_level_loss", {"best": -0.1, "central": 0.0, "worst": 0.06}),
            ("saving_money", {"best": 9.0, "central": 9.0, "worst": -9.0}),
        )
        for bound, estimate in estimates.items()
    ]
    kpis = build("kpis", [row for row in rows if row["metric"] != "saving_money"])
    costs = build("costs", [row for row in rows if row["metric"] == "saving_money"])
    gate = Gate(metric="service_level_loss", limit=0.03)
    found = breakdown(kpis, costs, (gate,), 0.5)
    assert value(found, "breakdown_contained_share", "central") == pytest.approx(0.25)
    assert value(breakdown(kpis, costs, (), 0.5), "breakdown_contained_share", "central") == 0


def point(turn, mode, draft=None, stage="s"):
    return {
        "stage": stage,
        "candidate": "bot",
        "conversation_id": "c",
        "turn": turn,
        "mode": mode,
        "rule": "auto",
        "draft": draft,
        "reach": "reached",
    }


def verdict(candidate, turn, risky):
    return {
        "judge": "hand",
        "candidate": candidate,
        "conversation_id": "c",
        "turn": turn,
        "risky_promise": risky,
    }


def settled(status, at_turn=None):
    row = {"stage": "s", "candidate": "bot", "conversation_id": "c", "status": status}
    return build("settlements", [{**row, "at_turn": at_turn}])


@pytest.mark.parametrize(
    ("points", "status", "at_turn", "bot", "human", "expected"),
    [
        ([point(0, "auto"), point(2, "auto")], "agreed", None, (True, False), (True, True), 1),
        # What comes after a divergence is still the bot's word; after a hand-over, the human's.
        ([point(0, "auto"), point(2, "auto")], "diverged", 0, (True, True), (False, False), 2),
        ([point(0, "auto"), point(2, "auto")], "handoff", 2, (False, False), (False, True), 1),
        ([point(0, "auto"), point(2, "human")], "handoff", 2, (False, True), (False, False), 0),
        ([point(0, "assist", "accepted")], "assist", None, (True,), (False,), 0.3),
        # A draft that says what the agent said is no safer than the agent was.
        ([point(0, "assist", "accepted")], "assist", None, (False,), (True,), 1),
        ([point(0, "assist", "rejected")], "assist", None, (True,), (False,), 0),
        ([point(0, "assist", "rejected")], "assist", None, (None,), (True,), 1),
        ([point(0, "auto")], "agreed", None, (None,), (None,), None),
    ],
)
def test_whose_words_reach_the_customer(points, status, at_turn, bot, human, expected):
    rows = [verdict("bot", p["turn"], r) for p, r in zip(points, bot, strict=True)]
    rows += [verdict("human", p["turn"], r) for p, r in zip(points, human, strict=True)]
    found = promise_counts(
        build("decisions", points),
        settled(status, at_turn),
        build("verdicts", rows),
        empty("shadow"),
        Assist(agent_misses_risky_draft=0.3),
    )
    assert found["n_promises"].item() == (None if expected is None else pytest.approx(expected))


def test_whose_words_an_outage_and_a_return_leave():
    arrival = {
        "stage": "s",
        "candidate": "bot",
        "bound": "best",
        "replication": 0,
        "conversation_id": "c",
        "copy": 0,
        "channel": "chat",
        "priority": 2,
        "work_ms": 1,
        "patience_ms": [],
        "recontacts": [],
        "recontact_delay_ms": [],
    }
    rows = [
        {**arrival, "arrival_id": "a", "cause": "outage"},
        {**arrival, "arrival_id": "b", "cause": "outage", "arrives_ms": 5},
        {**arrival, "arrival_id": "c", "cause": "hand_back", "arrives_ms": 5, "bot_quits_at": 1},
    ]
    promises = promise_counts(
        build("decisions", [point(0, "auto")]),
        settled("agreed"),
        build("verdicts", [verdict("bot", 0, True), verdict("human", 0, True)]),
        empty("shadow"),
        Assist(),
    )
    of = build("replayed", [{"conversation_id": "c", "weight": 1.0}]).select("conversation_id")
    found = volumes(
        build("arrivals", rows), promises, of.with_columns(segment=of["conversation_id"]), 1
    ).row(0, named=True)
    assert (found["arrivals_per_day"], found["automatic_per_day"]) == (3, 2)
    # One from the bot, one from the person instead of it, and both where the customer comes back.
    assert (found["promises_per_day"], found["bot_promises_per_day"]) == (4, 2)
    assert (found["bot_replies_per_day"], found["quits_per_day"]) == (2, 0)
