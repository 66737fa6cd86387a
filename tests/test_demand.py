"""Arrivals: drawn once for all, from the log or from a profile, and the same for every policy."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from simulator.rollout.arrival_process import arrivals_of
from simulator.rollout.demand import (
    EMAIL_PRIORITY,
    FIRST_GROUP_PRIORITY,
    ORDINARY_PRIORITY,
    arrivals,
    customers,
    scripts,
)
from simulator.scenario import Assist, Assume, ContactCenter, Demand, Peak, Rollout, Simulation
from simulator.streams import Streams
from simulator.tables import build

TAIPEI = ZoneInfo("Asia/Taipei")
MONDAY = datetime(2026, 3, 2, tzinfo=TAIPEI)


def log(days=14, per_day=40, replayed_every=5, **constant):
    rows = []
    for day in range(days):
        for i in range(per_day):
            number = day * per_day + i
            rows.append(
                {
                    "conversation_id": f"c{number:05d}",
                    "channel": "chat",
                    "intent": ["refund", "delivery"][i % 2],
                    "language": "en",
                    "started_at": (
                        MONDAY + timedelta(days=day, hours=9, minutes=10 * i)
                    ).astimezone(UTC),
                    "resolved": i % 3 > 0,
                    "weight": 4.0 if number % replayed_every == 0 else None,
                    **constant,
                }
            )
    return build("conversations", rows)


def draw(conversations, demand=None, simulation=None, assume=None, seed=1):
    replayed = conversations.filter(pl.col("weight").is_not_null())
    return arrivals_of(
        conversations,
        replayed,
        demand or Demand(),
        simulation or Simulation(days=5, replications=2),
        assume or Assume(),
        TAIPEI,
        Streams(seed),
    )


def test_days_of_the_type_are_drawn_whole_and_at_local_times():
    found = draw(log())
    assert len(found.days) == 5
    assert all(day.weekday() < 5 for (day,) in found.days)
    assert (found.n_days, found.warm_up_days, found.first_weekday) == (1, 0, None)
    for replication in range(10):
        rows = found.table.filter(replication=replication)
        (day,) = found.days[replication // 2]
        first = (day - date(2026, 3, 2)).days * 40
        assert set(rows["arrival_id"]) == {f"c{first + i:05d}" for i in range(40)}
        assert rows["at_ms"].min() == 9 * 3_600_000
    assert "10 days of type weekday" in found.method


def test_a_replayed_arrival_is_its_own_draw_and_the_others_keep_their_stratum():
    conversations = log()
    found = draw(conversations).table
    weights = dict(conversations.select("conversation_id", "weight").iter_rows())
    intents = dict(conversations.select("conversation_id", "intent").iter_rows())
    for arrival, drawn in found.select("arrival_id", "conversation_id").iter_rows():
        assert weights[drawn] is not None
        assert intents[drawn] == intents[arrival]
        if weights[arrival] is not None:
            assert drawn == arrival


def test_draws_follow_the_weights():
    conversations = log(per_day=400, replayed_every=3)
    heavy = conversations["conversation_id"].str.contains("0.$").to_numpy()
    weight = np.where(conversations["weight"].is_null(), np.nan, np.where(heavy, 9.0, 1.0))
    conversations = conversations.with_columns(weight=pl.Series(weight).fill_nan(None))
    pool = conversations.filter(pl.col("weight").is_not_null())
    share = pool.filter(pl.col("conversation_id").str.contains("0.$"))["weight"].sum()
    share /= pool["weight"].sum()
    found = draw(conversations, simulation=Simulation(days=20, replications=1)).table
    others = found.filter(~pl.col("arrival_id").is_in(pool["conversation_id"].to_list()))
    hits = others["conversation_id"].str.contains("0.$")
    # By intent the shares are alike, since both intents hold as many heavy ones.
    assert abs(hits.mean() - share) < 4 * np.sqrt(share * (1 - share) / others.height) + 0.02


def test_an_empty_stratum_widens_and_is_counted():
    conversations = log().with_columns(
        language=pl.when(pl.col("weight").is_null()).then(pl.lit("fr")).otherwise("language")
    )
    found = draw(conversations)
    assert found.n_widened[2] == found.table.filter(language="fr").height
    assert found.table["conversation_id"].null_count() == 0


def test_recontacts_of_the_log_do_not_arrive_again_by_themselves():
    conversations = log().with_columns(
        recontact_of=pl.when(pl.col("conversation_id").str.ends_with("7")).then(pl.lit("c00000"))
    )
    assert not draw(conversations).table["arrival_id"].str.ends_with("7").any()


def test_scale_and_peaks_multiply_on_average_and_copies_are_contacts_of_their_own():
    plain = draw(log(per_day=200)).table.height
    half = draw(log(per_day=200), Demand(scale=0.5)).table
    assert abs(half.height / plain - 0.5) < 0.05
    peak = Peak(starts=time(12), ends=time(14), factor=3)
    busy = draw(log(per_day=200), Demand(peaks=(peak,))).table
    inside = pl.col("at_ms").is_between(12 * 3_600_000, 14 * 3_600_000, closed="left")
    before = draw(log(per_day=200)).table
    assert busy.filter(inside).height == 3 * before.filter(inside).height
    assert busy.filter(~inside).height == before.filter(~inside).height
    assert busy.select("replication", "arrival_id").is_duplicated().sum() == 0


@pytest.mark.parametrize(("days", "says"), [(1, "no input variance"), (3, "lower bound")])
def test_a_short_log_says_what_it_cannot_know(days, says):
    found = draw(log(days=days))
    assert says in found.method
    assert found.table.height > 0


def test_a_given_volume_follows_the_profile():
    shape = [0.0] * 24
    shape[10], shape[20] = 3.0, 1.0
    assume = Assume(contacts_per_day=300, arrival_profile=tuple(shape))
    found = draw(log(), assume=assume, simulation=Simulation(days=40, replications=1))
    counts = found.table.group_by("replication").len()["len"].to_numpy()
    assert abs(counts.mean() - 300) < 4 * np.sqrt(300 / 40)
    hours = found.table["at_ms"].to_numpy() // 3_600_000
    assert set(hours) == {10, 20}
    n = hours.size
    assert abs((hours == 10).mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / n)
    assert found.days == [(None,)] * 40


def test_without_time_stamps_the_whole_log_is_a_day():
    found = draw(log(days=1, per_day=30, started_at=None))
    assert "the whole log taken as one day" in found.method
    assert 20 < found.table.height / 10 < 40


def patience(u, channels):
    return np.where(channels == "email", np.nan, np.rint(-np.log(u) * 600_000))


def test_customers_are_the_same_whatever_else_is_drawn():
    conversations = log()
    found = draw(conversations).table
    all_of_them = customers(found, conversations, Demand(), patience, Streams(1))
    some = customers(found[::3], conversations, Demand(), patience, Streams(1))
    assert some.equals(all_of_them[::3])


def test_customers_wait_come_back_and_quit_as_stated():
    conversations = log(days=14, per_day=400)
    found = draw(conversations, simulation=Simulation(days=10, replications=1)).table
    demand = Demand(bot_quit_hazard=0.1)
    people = customers(found, conversations, demand, patience, Streams(3))
    n = people.height
    waits = people["patience_ms"].list.first().to_numpy() / 1000
    assert abs(waits.mean() - 600) < 4 * 600 / np.sqrt(n)
    # P(stays for k replies) = 0.9^k.
    stays = (people["quits_after"] >= 2).mean()
    assert abs(stays - 0.81) < 4 * np.sqrt(0.81 * 0.19 / n)
    back = people["recontacts"].list.first().to_numpy()
    of = dict(conversations.select("conversation_id", "resolved").iter_rows())
    resolved = np.array([of[name] for name in people["conversation_id"]])
    assert not (back[resolved] == 2).any()
    assert abs((back[~resolved] == 2).mean() - 0.35) < 4 * np.sqrt(0.35 * 0.65 / (~resolved).sum())
    assert abs((back >= 1).mean() - 0.5) < 4 * np.sqrt(0.25 / n)


def test_nobody_loses_patience_with_an_e_mail():
    conversations = log(channel="email")
    people = customers(draw(conversations).table, conversations, Demand(), patience, Streams(1))
    assert people["patience_ms"].explode().null_count() == people.height * 3


# Who is served first: a conversation of two turns, told by what a judge finds in each.


def visit(  # one row of the table arrivals
    emotions=("calm", "calm"),
    risks=("low", "low"),
    modes=("human", "human"),
    settled=("human", None, None),
    drafts=(None, None),
    channel="chat",
    desk=None,
    bound="central",
    recontacts=0,
):
    desk = desk or ContactCenter()
    point = [{"conversation_id": "c", "turn": turn} for turn in (0, 2)]
    cell = {"stage": "s", "candidate": "X"}
    status, cause, at_turn = settled
    script = scripts(
        build(
            "decisions",
            [
                {**cell, **point[i], "mode": modes[i], "rule": "stage", "reach": "reached"}
                | {"draft": drafts[i]}
                for i in (0, 1)
            ],
        ),
        build(
            "settlements",
            [
                {
                    **cell,
                    "conversation_id": "c",
                    "status": status,
                    "cause": cause,
                    "at_turn": at_turn,
                }
            ],
        ),
        pl.DataFrame(
            {
                "conversation_id": "c",
                "turn": [0, 2],
                "n_th": [0, 1],
                "work_s": [100.0, 200.0],
                "remaining_s": [345.0, 245.0],
                "reading_s": [0.0, 5.0],
                "total_s": 345.0,
                "reading_all_s": 10.0,
            }
        ),
        build(
            "shadow", [{"candidate": "X", **one, "reply": "x" * 238, "key": "k"} for one in point]
        ),
        build(
            "contexts",
            [
                {"judge": "hand", **point[i], "emotion": emotions[i], "risk": risks[i]}
                for i in (0, 1)
            ],
        ),
        Demand(),
        desk,
        Assist(),
    )
    people = pl.DataFrame(
        {
            "replication": [0],
            "arrival_id": ["a"],
            "conversation_id": ["c"],
            "copy": [0],
            "at_ms": [1_000_000],
            "channel": [channel],
            "language": ["en"],
            "skill": ["general"],
            "patience_ms": [[60_000] * 2],
            "recontacts": [[recontacts] * 2],
            "recontact_delay_ms": [[1] * 2],
            "u_contained": [0.9],
            "quits_after": [10**9],
        }
    )
    return arrivals(people, script, bound, Rollout(), desk).row(0, named=True)


BOT = {"modes": ("auto", "human"), "settled": ("handoff", "routed", 2)}


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ({}, None),
        # A contact that begins with a human is known by its first message, not by later ones.
        ({"emotions": ("angry", "calm")}, 0),
        ({"emotions": ("calm", "angry")}, None),
        ({"risks": ("high", "low")}, 1),
        ({"risks": ("medium", "high")}, None),
        ({"emotions": (None, None), "risks": (None, None)}, None),
        # One that the bot hands over, by the message that was handed over.
        (BOT, 2),
        ({**BOT, "emotions": ("angry", "calm")}, 2),
        ({**BOT, "emotions": ("calm", "angry")}, 0),
        ({**BOT, "risks": ("low", "high")}, 1),
        # The first group that it belongs to.
        ({**BOT, "emotions": ("calm", "angry"), "risks": ("low", "high")}, 0),
    ],
)
def test_groups_come_in_their_order_then_the_others(told, place):
    expected = ORDINARY_PRIORITY if place is None else FIRST_GROUP_PRIORITY + place
    assert visit(**told)["priority"] == expected
    # Customers whom the bot drops when it goes down have 0 and 1.
    assert expected > 1


def test_the_order_is_the_scenarios():
    told = {**BOT, "emotions": ("calm", "angry")}
    first = ContactCenter(priority=("handoff", "angry"))
    assert visit(**told, desk=first)["priority"] == FIRST_GROUP_PRIORITY
    twice = ContactCenter(priority=("high_risk", "high_risk", "high_risk", "angry"))
    assert visit(**told, desk=twice)["priority"] == FIRST_GROUP_PRIORITY + 1
    nobody = ContactCenter(priority=())
    assert visit(**told, desk=nobody)["priority"] == ORDINARY_PRIORITY


def test_who_comes_back_has_lost_the_place_of_honour_but_not_the_anger_that_the_bot_saw():
    bot = {"modes": ("auto", "auto"), "settled": ("agreed", None, None)}
    back = visit(**bot, emotions=("angry", "angry"), recontacts=2)
    assert (back["cause"], back["priority"]) == ("recontact", ORDINARY_PRIORITY)
    bot = {"modes": ("auto", "auto"), "settled": ("diverged", None, 2), "bound": "worst"}
    assert visit(**bot)["priority"] == ORDINARY_PRIORITY
    failed = visit(**bot, emotions=("calm", "angry"))
    assert (failed["cause"], failed["priority"]) == ("hand_back", FIRST_GROUP_PRIORITY)


def test_an_e_mail_comes_last_and_has_a_deadline():
    mail = visit(channel="email", emotions=("angry", "angry"))
    assert mail["priority"] == EMAIL_PRIORITY > ORDINARY_PRIORITY
    assert mail["deadline_ms"] == 24 * 3_600_000
    soon = visit(channel="email", desk=ContactCenter(email_deadline_h=0.5))
    assert soon["deadline_ms"] == 1_800_000
    assert visit()["deadline_ms"] is None


def test_drafts_cost_their_reading_and_save_what_the_agent_makes_of_them():
    helped = visit(
        modes=("assist", "assist"), drafts=("accepted", "edited"), settled=("assist", None, None)
    )
    # Two drafts of 238 characters at 23.8 a second; 14 % of 100 s and 7 % of 200 s.
    assert (helped["work_ms"], helped["saved_ms"]) == (345_000 + 20_000, 28_000)
    useless = visit(
        modes=("assist", "assist"), drafts=("rejected", None), settled=("assist", None, None)
    )
    assert (useless["work_ms"], useless["saved_ms"]) == (365_000, 0)
    # After a hand-over only the drafts that the human gets count.
    later = visit(
        modes=("auto", "assist"), drafts=(None, "accepted"), settled=("handoff", "routed", 2)
    )
    assert (later["cause"], later["work_ms"], later["saved_ms"]) == ("handoff", 260_000, 28_000)
    assert later["work_if_down_ms"] == [345_000, 250_000]
    assert visit()["saved_ms"] is None
    assert visit(**BOT)["saved_ms"] is None
    # Who comes back is worked from the start, without drafts.
    back = visit(
        modes=("auto", "assist"),
        drafts=(None, "accepted"),
        settled=("diverged", None, 0),
        bound="worst",
    )
    assert (back["work_ms"], back["saved_ms"]) == (355_000, None)
