"""Horizons of a week, warm-up days, and the fitted profile with its over-dispersion."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from simulator.errors import ScenarioError
from simulator.rollout import profile
from simulator.rollout.arrival_process import arrivals_of
from simulator.rollout.logged_days import calendar_of
from simulator.scenario import WEEK, Assume, Demand, Peak, Simulation
from simulator.streams import Streams
from simulator.tables import build

TAIPEI = ZoneInfo("Asia/Taipei")
MONDAY = datetime(2026, 3, 2, tzinfo=TAIPEI)
DAY = 86_400_000
HOUR = 3_600_000


def log(days=28, per_day=lambda weekday: 10 + weekday, first=0):
    """Day d of the week has ``per_day(d)`` contacts from nine on, ten minutes apart."""
    rows = []
    for day in range(first, first + days):
        for i in range(per_day(day % 7)):
            at = MONDAY + timedelta(days=day, hours=9, minutes=10 * i)
            rows.append(
                {
                    "conversation_id": f"c{day:03d}-{i:03d}",
                    "channel": "chat" if i % 2 else "voice",
                    "intent": "early" if i < 12 else "late",
                    "started_at": at.astimezone(UTC),
                    "weight": 1.0,
                }
            )
    return build("conversations", rows)


def draw(conversations, demand, assume=None, seed=1, **simulation):
    return arrivals_of(
        conversations,
        conversations.select("conversation_id"),
        demand,
        Simulation(**{"days": 6, "replications": 2, **simulation}),
        assume or Assume(),
        TAIPEI,
        Streams(seed),
    )


def a_week(**more):
    return Demand(day="week", **more)


# Exact: the days of the log


def test_a_week_has_days_of_the_very_weekdays():
    found = draw(log(), a_week())
    assert (found.n_days, found.warm_up_days, found.first_weekday) == (7, 0, 0)
    assert len(found.days) == 6
    for number, days in enumerate(found.days):
        assert [day.weekday() for day in days] == list(range(7))
        rows = found.table.filter(replication=2 * number)
        for position, day in enumerate(days):
            on = rows.filter(pl.col("at_ms") // DAY == position)
            start = (day - MONDAY.date()).days
            assert set(on["arrival_id"]) == {f"c{start:03d}-{i:03d}" for i in range(10 + position)}
            assert on["at_ms"].min() == position * DAY + 9 * HOUR
    # Days of one draw come from several weeks.
    assert len({day.isocalendar().week for day in found.days[0]}) > 1
    assert "each weekday drawn with replacement from 4 days" in found.method
    assert "lower bound" in found.method


def test_fewer_than_two_of_a_weekday_are_made_up_from_their_type():
    found = draw(log(days=8), a_week(), days=40)
    assert {days[0].weekday() for days in found.days} == {0}
    assert {days[1].weekday() for days in found.days} == {0, 1, 2, 3, 4}
    assert {days[5].weekday() for days in found.days} == {5, 6}
    # Eight days are few: their contacts are drawn with replacement as well.
    week = found.table.filter(pl.col("replication") == 0)
    assert week["conversation_id"].n_unique() < week.height
    assert "fewer than two of a weekday in the log: tue from the 6 of type weekday" in found.method
    # A day that serves twice in a week brings contacts of their own.
    assert not found.table.select("replication", "arrival_id").is_duplicated().any()


def test_a_log_without_a_weekend_cannot_make_a_week():
    with pytest.raises(ScenarioError, match=r"2026-03-02 to 2026-03-06, has no day of type weeke"):
        draw(log(days=5), a_week())


def test_a_weekend_without_contacts_is_quiet_and_not_missing():
    found = draw(log(per_day=lambda weekday: 10 if weekday < 5 else 0, days=26), a_week())
    assert found.table.filter(pl.col("at_ms") >= 5 * DAY).is_empty()
    assert found.table.height == 12 * 50


@pytest.mark.parametrize("day", ["weekday", "week"])
def test_warm_up_days_lie_before_time_0_and_change_nothing_after_it(day):
    plain = draw(log(), Demand(day=day))
    warm = draw(log(), Demand(day=day), warm_up_days=3)
    assert warm.warm_up_days == 3
    assert warm.table.filter(pl.col("at_ms") >= 0).equals(plain.table)
    assert [days[3:] for days in warm.days] == plain.days
    before = warm.table.filter(pl.col("at_ms") < 0)
    assert set(before["at_ms"] // DAY) == {-3, -2, -1}
    types = {tuple(date.weekday() for date in days[:3]) for days in warm.days}
    if day == "week":
        assert types == {(4, 5, 6)}
    else:
        assert {weekday for one in types for weekday in one} <= {0, 1, 2, 3, 4}
    assert not warm.table.select("replication", "arrival_id").is_duplicated().any()
    assert "3 warm-up days" in warm.method


def test_peaks_come_on_every_day_and_stay_within_their_hours():
    peak = Peak(starts=time(10), ends=time(11), factor=3)
    before = draw(log(), a_week(), warm_up_days=1).table
    busy = draw(log(), a_week(peaks=(peak,)), warm_up_days=1).table
    inside = (pl.col("at_ms") % DAY).is_between(10 * HOUR, 11 * HOUR, closed="left")
    count = (pl.col("at_ms") // DAY).alias("day")
    was = before.filter(inside).group_by("replication", count).len().sort("replication", "day")
    now = busy.filter(inside).group_by("replication", count).len().sort("replication", "day")
    assert (now["len"] == 3 * was["len"]).all()
    assert busy.filter(~inside).height == before.filter(~inside).height


def test_a_larger_scale_keeps_contacts_on_their_day():
    found = draw(log(), a_week(scale=2.5)).table
    per_day = found.group_by(pl.col("at_ms") // DAY).len().sort("at_ms")["len"].to_numpy() / 12
    assert (np.abs(per_day / (10 + np.arange(7)) - 2.5) <= 0.5).all()


def test_an_assumed_profile_fills_a_week_too():
    found = draw(log(), a_week(), Assume(contacts_per_day=50), warm_up_days=2)
    assert found.days == [(None,) * 9] * 6
    assert set(found.table["at_ms"] // DAY) == set(range(-2, 7))
    assert "every day of the week alike" in found.method
    assert not found.table.select("replication", "arrival_id").is_duplicated().any()


# Exact: the fitted profile


def of(conversations):
    dated = conversations.with_columns(
        pl.col("started_at").dt.convert_time_zone("Asia/Taipei").alias("local")
    )
    return profile.fitted(dated, calendar_of(dated))


def test_an_assumed_profile_scales_as_poisson_does():
    """Mean and variance of a day are both the scaled volume: |z| < 4 over 400 days."""
    mean, n = 100 * 7.5, 400
    found = draw(log(), Demand(scale=7.5), Assume(contacts_per_day=100), days=n, replications=1)
    counts = np.bincount(found.table["draw"].to_numpy(), minlength=n)
    assert abs(counts.mean() - mean) < 4 * np.sqrt(mean / n)
    assert abs(counts.var(ddof=1) / mean - 1) < 4 * np.sqrt(2 / n)
    assert "mean 750 a day" in found.method


def test_rates_are_means_by_half_hour_of_each_weekday():
    found = of(log())
    assert found.classes == WEEK
    assert found.n_days == (4,) * 7
    rates = found.rates
    assert rates.sum(axis=1).tolist() == list(range(10, 17))
    assert rates[0, 18:22].tolist() == [3, 3, 3, 1]
    table = found.table()
    assert table.height == 7 * 48
    monday = table.filter(day_class="mon", interval_start_s=9 * 3600)
    assert monday["arrivals_per_hour"].item() == 6


def test_weekdays_with_fewer_than_three_of_each_share_the_profile_of_their_type():
    # 20 days from a Monday: two Sundays, three of the others.
    found = of(log(days=20))
    assert found.classes == ("mon", "tue", "wed", "thu", "fri", "weekend")
    assert found.n_days == (3, 3, 3, 3, 3, 5)
    assert found.rates[5].sum() == pytest.approx((3 * 15 + 2 * 16) / 5)
    assert found.class_of == (0, 1, 2, 3, 4, 5, 5)
    assert of(log(days=5)).class_of == (0, 0, 0, 0, 0, None, None)


def test_days_that_never_differ_are_poisson_and_one_day_cannot_tell():
    assert "Poisson: no over-dispersion found" in of(log()).method
    assert of(log()).dispersion[:2] == (0, 0)
    assert "too few days" in of(log(days=1)).method


def test_a_fitted_contact_is_like_one_of_its_half_hour():
    found = draw(log(), a_week(arrivals="fitted"), days=30)
    assert found.profile is not None
    rows = found.table
    late = pl.col("at_ms") % DAY >= 11 * HOUR
    assert set(rows.filter(~late)["intent"]) == {"early"}
    assert set(rows.filter(late)["intent"]) == {"late"}
    assert (rows["at_ms"] % DAY).is_between(9 * HOUR, 12 * HOUR).all()
    assert [day.weekday() for day in found.days[0]] == list(range(7))
    assert "fitted to 28 days" in found.method
    # Each draws a replayed conversation of its stratum.
    intents = dict(log().select("conversation_id", "intent").iter_rows())
    assert all(intents[c] == i for c, i in rows.select("conversation_id", "intent").iter_rows())


def test_a_fitted_weekday_stands_for_the_day_that_was_drawn():
    found = draw(log(days=70), Demand(arrivals="fitted"), days=400, replications=1)
    totals = np.bincount(found.table["draw"].to_numpy(), minlength=400)
    weekdays = np.array([days[0].weekday() for days in found.days])
    for weekday in range(5):
        here = totals[weekdays == weekday]
        mean = 10 + weekday
        assert abs(here.mean() - mean) < 4 * np.sqrt(mean / here.size)


def test_more_volume_keeps_the_customers_there_are():
    less = draw(log(), a_week(arrivals="fitted"), days=50).table
    more = draw(log(), a_week(arrivals="fitted", scale=1.5), days=50).table
    # This log is Poisson at most: 91 contacts a week, and half as many again.
    mean = 1.5 * 91 * 50
    assert abs(more.height / 2 - mean) < 4 * np.sqrt(mean)
    assert set(less["arrival_id"]) < set(more["arrival_id"])
    assert less.join(more, on=less.columns, how="anti", nulls_equal=True).is_empty()
    again = draw(log(), a_week(arrivals="fitted"), days=50, warm_up_days=2).table
    assert again.filter(pl.col("at_ms") >= 0).equals(less)


def test_nothing_is_fitted_to_a_log_without_time_stamps():
    bare = log(days=1).with_columns(
        pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("started_at")
    )
    found = draw(bare, Demand(arrivals="fitted"))
    assert found.profile is None
    assert "no profile was fitted, since the log has no time stamps" in found.method


# Analytic: over-dispersion

SHAPE = np.maximum(0, np.sin(np.arange(48) / 48 * 2 * np.pi - 1.2)) * 20


def counts(rng, n_days, day, interval, weights=(1.0, 0.5)):
    """Counts of a log, alternating between two kinds of day; factors of the given variances."""
    kind = np.arange(n_days) % 2
    busy = rng.gamma(1 / day, day, (n_days, 1)) if day else np.ones((n_days, 1))
    moody = rng.gamma(1 / interval, interval, (n_days, 48)) if interval else 1.0
    return rng.poisson(SHAPE * np.array(weights)[kind][:, None] * busy * moody), kind


@pytest.mark.parametrize(("day", "interval"), [(0.04, 0.02), (0.25, 0.1), (0.1, 0.3)])
def test_the_fit_gives_back_the_shapes_of_a_log(day, interval):
    rng = np.random.default_rng(17)
    found = [profile.dispersion(*counts(rng, 80, day, interval)) for _ in range(400)]
    table = np.array(found, dtype=float)
    mean, sd = table.mean(axis=0), table.std(axis=0, ddof=1)
    for at, truth in enumerate((day, interval)):
        assert abs(mean[at] - truth) < 4 * sd[at] / np.sqrt(400)
        assert abs(mean[at] / truth - 1) < 0.06
    # The stated standard error is that of the estimate, and the truth lies within two of it.
    assert abs(mean[2] / sd[0] - 1) < 0.2
    assert (np.abs(table[:, 0] - day) < 2 * table[:, 2]).mean() > 0.85


def test_without_over_dispersion_next_to_none_is_found():
    rng = np.random.default_rng(18)
    found = [profile.dispersion(*counts(rng, 80, 0, 0)) for _ in range(200)]
    # A total's variance is that of Poisson to within some three per cent.
    assert np.mean([one.day for one in found]) * SHAPE.sum() < 0.2
    assert 0.2 < np.mean([one.day == 0 for one in found]) < 0.9
    only_days = [profile.dispersion(*counts(rng, 80, 0.09, 0)) for _ in range(200)]
    assert np.mean([one.interval for one in only_days]) < 0.002
    assert abs(np.mean([one.day for one in only_days]) / 0.09 - 1) < 0.06


def known(day, interval):
    """A profile of known rates and variances for every day of the week."""
    return profile.Profile(
        ("weekday", "weekend"),
        (0, 0, 0, 0, 0, 1, 1),
        np.array([SHAPE, SHAPE / 2]),
        (50, 20),
        profile.Dispersion(day, interval, None),
        pl.DataFrame(),
        np.zeros(97, dtype=np.int64),
        "known",
    )


@pytest.mark.parametrize(("day", "interval"), [(0.0, 0.0), (0.04, 0.0), (0.04, 0.1)])
def test_generated_counts_have_the_mean_and_variance_of_the_model(day, interval):
    one, n, scale = known(day, interval), 3000, 1.5
    made = np.array(
        [profile.day_counts(one, 2, 2, draw, scale, Streams(21)) for draw in range(n)], dtype=float
    )
    rates = SHAPE * scale
    within = interval * (1 + day)
    total = made.sum(axis=1)
    mean = rates.sum()
    variance = mean + mean**2 * day + (rates**2).sum() * within
    assert abs(total.mean() - mean) < 4 * np.sqrt(variance / n)
    assert abs(total.mean() / mean - 1) < 0.02
    # The error of a variance, from the fourth moment seen.
    squares = (total - mean) ** 2
    assert abs(squares.mean() - variance) < 4 * squares.std() / np.sqrt(n)
    assert abs(squares.mean() / variance - 1) < 0.12
    busiest = int(rates.argmax())
    squares = (made[:, busiest] - rates[busiest]) ** 2
    variance = rates[busiest] + rates[busiest] ** 2 * (day + within)
    assert abs(squares.mean() - variance) < 4 * squares.std() / np.sqrt(n)
    half = np.array(
        [profile.day_counts(one, 6, 2, d, scale, Streams(21)).sum() for d in range(400)]
    )
    assert abs(half.mean() / mean - 0.5) < 4 * half.std() / np.sqrt(400) / mean


def test_fitting_what_was_generated_recovers_the_shapes_within_their_error():
    one = known(0.05, 0.08)
    found = []
    for log_number in range(40):
        streams = Streams(log_number)
        made = np.array(
            [profile.day_counts(one, d % 7, d % 7, d // 7, 1.0, streams) for d in range(84)]
        )
        kind = np.array([one.class_of[d % 7] for d in range(84)])
        found.append(profile.dispersion(made, kind))
    table = np.array(found, dtype=float)
    error = table.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert abs(table[:, 0].mean() - 0.05) < 4 * error[0]
    assert abs(table[:, 1].mean() - 0.08) < 4 * error[1]
    assert (np.abs(table[:, 0] - 0.05) < 2 * table[:, 2]).mean() > 0.75


def test_from_a_log_to_its_replications_mean_and_variance_come_back():
    rng = np.random.default_rng(30)
    ratios = []
    for number in range(20):
        made, _ = counts(rng, 84, 0.06, 0.0, weights=(0.5, 0.5))
        rows = [
            {
                "conversation_id": f"c{day}-{i}-{k}",
                "channel": "chat",
                "started_at": (
                    MONDAY
                    + timedelta(days=day, minutes=30 * i, seconds=int(1799 * (k + 1) / (n + 1)))
                ).astimezone(UTC),
            }
            for day in range(84)
            for i, n in enumerate(made[day].tolist())
            for k in range(n)
        ]
        found = of(build("conversations", rows))
        totals = np.array(
            [
                profile.day_counts(found, 1, 0, draw, 1.0, Streams(number)).sum()
                for draw in range(150)
            ],
            dtype=float,
        )
        mean = SHAPE.sum() / 2
        ratios.append([totals.mean() / mean, totals.var(ddof=1) / (mean + 0.06 * mean**2)])
    ratios = np.array(ratios)
    error = ratios.std(axis=0, ddof=1) / np.sqrt(len(ratios))
    assert (np.abs(ratios.mean(axis=0) - 1) < 4 * error).all()
    assert (np.abs(ratios.mean(axis=0) - 1) < (0.06, 0.25)).all()
