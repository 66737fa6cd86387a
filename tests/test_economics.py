"""Money by hand: each figure recomputed from its parts, and the value at which the case breaks."""

import pytest

from simulator.economics import breakdown, costs, promise_counts, volumes
from simulator.scenario import Assist, Gate, Money
from simulator.tables import build

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


@pytest.fixture
def priced():
    human = {"human_hours_per_day": 30, "offered_per_day": 100, "abandonment_rate": 0.05}
    bot = {"human_hours_per_day": 12, "offered_per_day": 40, "abandonment_rate": 0.1}
    kpis = build(
        "kpis",
        kpi("human_only", "human", "central", **human, complaint_rate=0.02)
        + kpi("auto", "bot", "best", **bot, complaint_rate=0.01, quit_rate=0.25)
        + kpi(
            "auto",
            "bot",
            "worst",
            human_hours_per_day=45,
            offered_per_day=110,
            abandonment_rate=0.1,
            complaint_rate=0.3,
            quit_rate=0.25,
        ),
    )
    usual = {"arrivals_per_day": 100.0, "automatic_per_day": 80.0, "bot_replies_per_day": 160.0}
    days = build(
        "volumes",
        [
            day(
                "human_only",
                "human",
                "central",
                arrivals_per_day=100.0,
                automatic_per_day=0.0,
                bot_replies_per_day=0.0,
                promises_per_day=3.0,
            ),
            *(day("auto", "bot", b, **usual, promises_per_day=8.0) for b in ("best", "worst")),
        ],
    )
    return kpis, days


def value(frame, metric, bound, stage="auto"):
    return frame.filter(metric=metric, bound=bound, stage=stage)["estimate"].item()


def test_each_part_is_its_volume_times_its_price(priced):
    found = costs(*priced, MONEY, "human_only")
    hour = 21 / (0.75 * 0.7)
    assert value(found, "labour_money", "best") == pytest.approx(12 * hour)
    assert value(found, "bot_money", "best") == pytest.approx(160 * 0.5)
    assert value(found, "promise_money", "best") == pytest.approx(8 * 10)
    assert value(found, "complaint_money", "best") == pytest.approx(100 * 0.01 * 20)
    # Who leaves the queue, and who leaves the bot.
    assert value(found, "abandonment_money", "best") == pytest.approx((4 + 80 * 0.25) * 2)
    total = 12 * hour + 80 + 80 + 20 + 48
    base = 30 * hour + 3 * 10 + 100 * 0.02 * 20 + 5 * 2
    assert value(found, "total_money", "best") == pytest.approx(total)
    assert value(found, "saving_money", "best") == pytest.approx(base - total)
    assert value(found, "saving_hours", "best") == pytest.approx(18)
    assert value(found, "saving_money", "central", "human_only") == 0


def test_at_the_break_even_rate_the_saving_is_gone(priced):
    kpis, days = priced
    rate = value(costs(kpis, days, MONEY, "human_only"), "break_even_risky_promise_rate", "best")
    at_break_even = days.with_columns(
        promises_per_day=days["promises_per_day"].zip_with(
            days["stage"] != "auto", days["automatic_per_day"] * rate
        )
    )
    found = costs(kpis, at_break_even, MONEY, "human_only")
    assert value(found, "saving_money", "best") == pytest.approx(0, abs=1e-9)


def test_without_a_policy_the_rest_is_still_priced_and_says_so(priced):
    kpis, days = priced
    blind = days.with_columns(promises_per_day=None).cast({"promises_per_day": float})
    found = costs(kpis, blind, MONEY, "human_only")
    assert value(found, "promise_money", "best") is None
    assert value(found, "total_money", "best") == pytest.approx(12 * 40 + 80 + 20 + 48)
    assert "no policy" in found["method"][0]


def test_the_breakdown_value_is_where_the_line_crosses(priced):
    kpis, days = priced
    priced_costs = costs(kpis, days, MONEY, "human_only")
    best, worst = (value(priced_costs, "saving_money", bound) for bound in ("best", "worst"))
    assert best > 0 > worst
    found = breakdown(kpis, priced_costs, ())
    share = value(found, "breakdown_contained_share", "central")
    assert worst + share * (best - worst) == pytest.approx(0)
    stricter = breakdown(kpis, priced_costs, (Gate(metric="complaint_rate", limit=0.02),))
    # 30 % at worst and 1 % at best: 2 % is reached when 28 in 29 are contained.
    assert value(stricter, "breakdown_contained_share", "central") == pytest.approx(28 / 29)
    never = breakdown(kpis, priced_costs, (Gate(metric="complaint_rate", limit=0.005),))
    assert value(never, "breakdown_contained_share", "central") is None
    assert "complaint_rate" in never["method"][0]


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
        ([point(0, "assist", "rejected")], "assist", None, (False,), (True,), 1),
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
        Assist(agent_misses_risky_draft=0.3),
    )
    assert found["n_promises"].item() == (None if expected is None else pytest.approx(expected))


def test_an_outage_takes_the_words_from_the_bot():
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
    ]
    promises = promise_counts(
        build("decisions", [point(0, "auto")]),
        settled("agreed"),
        build("verdicts", [verdict("bot", 0, True)]),
        Assist(),
    )
    of = build("replayed", [{"conversation_id": "c", "weight": 1.0}]).select("conversation_id")
    found = volumes(
        build("arrivals", rows), promises, of.with_columns(segment=of["conversation_id"]), 1
    ).row(0, named=True)
    assert (found["arrivals_per_day"], found["automatic_per_day"]) == (2, 1)
    assert (found["promises_per_day"], found["bot_replies_per_day"]) == (1, 1)
