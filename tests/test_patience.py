"""Patience: assumed or by Kaplan-Meier from the log, the same customers under each."""

import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.contact_center.patience import patience_of
from simulator.scenario import ContactCenter
from simulator.tables import build

KM = ContactCenter(patience="kaplan_meier")


def log(waits, abandoned, channel="chat"):
    channels = [channel] * len(waits) if isinstance(channel, str) else channel
    return pl.DataFrame(
        {
            "conversation_id": [f"c{i}" for i in range(len(waits))],
            "channel": channels,
            "wait_s": pl.Series(waits, dtype=pl.Float64),
            "abandoned": pl.Series(abandoned, dtype=pl.Boolean),
        }
    )


def ms(patience, uniforms, channel="chat"):
    return patience(np.array(uniforms), pl.Series([channel] * len(uniforms))).tolist()


# Exact


def test_a_curve_worked_by_hand():
    # Left after 10 and 30 s, answered after 20 and 40 s: S falls to 3/4 and then to 3/8.
    found = patience_of(log([10, 20, 30, 40], [True, False, True, False]), KM)
    assert ms(found, [0.8, 0.75]) == [10_000, 10_000]
    assert ms(found, [0.74, 0.5, 0.375]) == [30_000] * 3
    # 100 s waited for two who left: beyond 40 s, exponential with mean 50 s.
    assert ms(found, [0.3]) == [round((40 + 50 * np.log(0.375 / 0.3)) * 1000)]
    assert "2 left, 2 answered (censored at their wait), beyond 40 s" in found.method
    assert "exponential with mean 50 s" in found.method


def test_a_curve_that_falls_to_nothing_has_no_tail():
    found = patience_of(log([10, 20, 20], [True, True, True]), KM)
    assert ms(found, [0.5, 1e-12]) == [20_000, 20_000]


def test_who_was_answered_at_the_moment_another_left_had_still_been_at_risk():
    found = patience_of(log([10, 10], [True, False]), KM)
    assert found.curves["all"].survival.tolist() == [0.5]


@pytest.mark.parametrize(
    ("waits", "abandoned", "says"),
    [
        ([10, 20], [False, False], "no abandonment"),
        ([10, 20], [False, None], "no abandonment"),
        ([10, None], [False, True], "no abandonment"),
        ([0, 0], [False, True], "no wait above 0"),
        ([], [], "no abandonment"),
    ],
)
def test_a_log_that_cannot_tell_falls_back_and_says_why(waits, abandoned, says):
    found = patience_of(log(waits, abandoned), KM)
    assert found.method.startswith("exponential, mean 600 s: ")
    assert says in found.method
    assert ms(found, [0.3]) == ms(patience_of(log([], []), ContactCenter()), [0.3])


def test_a_channel_with_enough_who_left_has_its_own_curve_and_the_others_share_one():
    calls = log([5.0] * 50, [True] * 50, "voice")
    chats = log([100.0] * 49 + [1.0], [True] * 49 + [False], "chat")
    found = patience_of(pl.concat([calls, chats]), KM)
    assert set(found.curves) == {"all", "voice"}
    assert ms(found, [0.5], "voice") == [5_000]
    # 50 of the 100 at risk left after 5 s.
    assert ms(found, [0.51, 0.49], "chat") == [5_000, 100_000]
    assert "voice: 50 left" in found.method
    assert "all calls and chats: 99 left, 1 answered" in found.method
    one_less = patience_of(pl.concat([calls[1:], chats]), KM)
    assert set(one_less.curves) == {"all"}


def test_e_mails_neither_abandon_nor_count():
    mails = log([9e5] * 60, [True] * 60, "email")
    chats = log([10.0, 20.0], [True, False])
    found = patience_of(pl.concat([mails, chats]), KM)
    assert found.curves["all"].n_abandoned == 1
    for desk in (KM, ContactCenter(), ContactCenter(patience="weibull")):
        patience = patience_of(chats, desk)
        mixed = patience(np.array([0.5, 0.5]), pl.Series(["email", "voice"]))
        assert np.isnan(mixed[0])
        assert mixed[1] > 0


def test_the_shape_counts_for_a_weibull_patience_alone():
    desk = {"patience_mean_s": 300, "patience_shape": 0.5}
    u = [0.9, 0.1]
    exponential = patience_of(log([], []), ContactCenter(**desk))
    assert ms(exponential, u) == [round(-np.log(x) * 300_000) for x in u]
    weibull = patience_of(log([], []), ContactCenter(patience="weibull", **desk))
    # Gamma(1 + 1 / 0.5) = 2, so that the scale is half the mean.
    assert ms(weibull, u) == [round(150_000 * np.log(x) ** 2) for x in u]
    assert weibull.method == "Weibull, mean 300 s, shape 0.5"


def test_the_longest_patience_fits_in_64_bits_of_microseconds():
    desk = ContactCenter(patience="weibull", patience_mean_s=7 * 86_400, patience_shape=0.1)
    assert ms(patience_of(log([], []), desk), [2.0**-53])[0] * 1000 < 2**63


# Properties


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=30),
    st.lists(st.floats(1e-15, 1, exclude_max=True), min_size=2, max_size=10),
    st.sampled_from(["exponential", "weibull", "kaplan_meier"]),
)
def test_the_smaller_the_uniform_the_longer_the_patience(seen, uniforms, kind):
    found = patience_of(
        log([wait for wait, _ in seen], [left for _, left in seen]), ContactCenter(patience=kind)
    )
    uniforms = sorted(uniforms)
    waits = ms(found, uniforms)
    assert waits == sorted(waits, reverse=True)
    assert all(wait >= 0 and wait == round(wait) for wait in waits)
    # Each is its own: who else is asked does not matter.
    assert ms(found, uniforms[:1]) == waits[:1]


# Analytic


def test_a_weibull_patience_has_the_mean_that_was_asked_for():
    rng = np.random.default_rng(5)
    channels = pl.Series(["chat"] * 500)
    for shape in (0.7, 1.0, 1.5):
        desk = ContactCenter(patience="weibull", patience_mean_s=200, patience_shape=shape)
        patience = patience_of(log([], []), desk)
        means = np.array([patience(rng.random(500), channels).mean() / 1000 for _ in range(400)])
        z = (means.mean() - 200) / (means.std(ddof=1) / np.sqrt(means.size))
        assert abs(z) < 4
        assert abs(means.mean() / 200 - 1) < 0.02


def test_censored_waits_give_back_the_patience_behind_them():
    # Patience of mean 300 s against offered waits of mean 150 s: two in three are answered, and
    # those who left had waited 100 s on average.
    rng = np.random.default_rng(6)
    at = np.array([50.0, 200.0, 400.0])
    shares = []
    for _ in range(400):
        willing, offered = rng.exponential(300, 500), rng.exponential(150, 500)
        seen = log(np.minimum(willing, offered), willing < offered)
        patience = patience_of(seen, KM)
        drawn = np.array(ms(patience, ((np.arange(1000) + 0.5) / 1000).tolist())) / 1000
        shares.append([(drawn > t).mean() for t in at])
    shares = np.array(shares)
    error = shares.std(axis=0, ddof=1) / np.sqrt(len(shares))
    truth = np.exp(-at / 300)
    # The uniforms stand a thousandth apart.
    assert (np.abs(shares.mean(axis=0) - truth) < 4 * error + 0.001).all()
    assert (np.abs(shares.mean(axis=0) / truth - 1) < 0.02).all()


def test_the_tail_beyond_the_longest_wait_keeps_the_overall_hazard():
    rng = np.random.default_rng(7)
    means = []
    for _ in range(400):
        willing = rng.exponential(300, 400)
        # Everybody still waiting is answered then.
        patience = patience_of(log(np.minimum(willing, 150.0), willing < 150), KM)
        u = rng.random(400)
        means.append(np.mean(ms(patience, u.tolist())) / 1000)
    means = np.array(means)
    # Some 157 of 400 leave: exposure over events is biased by a share of 1 / 157 at most.
    assert abs(means.mean() / 300 - 1) < 0.03


def test_the_callers_of_a_bank(real_data):
    raw = gzip.decompress((real_data / "bank-calls" / "january-1999.tsv.gz").read_bytes())
    calls = pl.read_csv(raw, separator="\t", infer_schema=False).select(pl.all().str.strip_chars())
    calls = calls.filter(pl.col("outcome").is_in(["AGENT", "HANG"])).select(
        pl.int_range(pl.len()).cast(pl.String).alias("conversation_id"),
        pl.lit("voice").alias("channel"),
        pl.col("q_time").cast(pl.Float64).alias("wait_s"),
        (pl.col("outcome") == "HANG").alias("abandoned"),
    )
    waited = calls.filter(pl.col("wait_s") > 0)
    found = patience_of(build("conversations", waited.to_dicts()), KM)
    # The median that the data's own description gives is 312 s.
    assert abs(ms(found, [0.5], "voice")[0] / 1000 - 312) < 5
    naive = waited.filter("abandoned")["wait_s"].median()
    assert naive < 200
    curve = found.curves["voice"]
    # By hand: the product over waits of 1 - left / at risk.
    waits = waited["wait_s"].to_numpy()
    left = waited["abandoned"].to_numpy()
    survival = 1.0
    for t in np.unique(waits[waits <= 60]):
        survival *= 1 - (left & (waits == t)).sum() / (waits >= t).sum()
    place = np.searchsorted(curve.at_s, 60, side="right") - 1
    assert curve.survival[place] == pytest.approx(survival)
    assert stats.expon(scale=curve.tail_mean_s).mean() == pytest.approx(waits.sum() / left.sum())
