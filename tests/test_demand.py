"""Arrivals: drawn once for all, from the log or from a profile, and the same for every policy."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from simulator.rollout.arrival_process import arrivals_of
from simulator.rollout.demand import customers
from simulator.scenario import Assume, ContactCenter, Demand, Peak, Simulation
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
    assert all(day.weekday() < 5 for day in found.days)
    for replication in range(10):
        rows = found.table.filter(replication=replication)
        day = found.days[replication // 2]
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
    assert found.days == [None] * 40


def test_without_time_stamps_the_whole_log_is_a_day():
    found = draw(log(days=1, per_day=30, started_at=None))
    assert "the whole log taken as one day" in found.method
    assert 20 < found.table.height / 10 < 40


def test_customers_are_the_same_whatever_else_is_drawn():
    conversations = log()
    found = draw(conversations).table
    desk = ContactCenter()
    all_of_them = customers(found, conversations, Demand(), desk, Streams(1))
    some = customers(found[::3], conversations, Demand(), desk, Streams(1))
    assert some.equals(all_of_them[::3])


def test_customers_wait_come_back_and_quit_as_stated():
    conversations = log(days=14, per_day=400)
    found = draw(conversations, simulation=Simulation(days=10, replications=1)).table
    demand = Demand(bot_quit_hazard=0.1)
    people = customers(found, conversations, demand, ContactCenter(), Streams(3))
    n = people.height
    patience = people["patience_ms"].list.first().to_numpy() / 1000
    assert abs(patience.mean() - 600) < 4 * 600 / np.sqrt(n)
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
    people = customers(
        draw(conversations).table, conversations, Demand(), ContactCenter(), Streams(1)
    )
    assert people["patience_ms"].explode().null_count() == people.height * 3
