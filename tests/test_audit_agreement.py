"""Agreement of labellers, and of the judge with them, against numbers worked out by hand."""

from __future__ import annotations

from itertools import count

import polars as pl
import pytest

from simulator import tables
from simulator.evidence.intervals import clopper_pearson
from simulator.evidence.rates import Stratum, ratio_lower, ratio_upper
from simulator.judging.audit.agreement import Kappa, accuracy, kappas

ROW = {"stage": "wide", "candidate": "bot", "draw_id": "d", "split": "certify", "unit": "turn"}
ROW |= {"stratum": "unflagged", "inclusion_prob": 1.0}


def rated(pairs: dict[tuple[str, str], int], *, turns: int = 1) -> pl.DataFrame:
    """Labels of ann and bob: how often they gave which pair of answers on ``risk``."""
    number, rows = count(), []
    for (ann, bob), n in pairs.items():
        for _ in range(n):
            name = f"c{next(number)}"
            for turn in range(turns):
                key = {**ROW, "conversation_id": name, "turn": turn}
                rows.append({**key, "labeller": "ann", "risk": ann})
                rows.append({**key, "labeller": "bob", "risk": bob})
    return tables.build("labels", rows)


# 50 conversations, observed .7, by chance .5 * .6 + .5 * .4 = .5, so kappa .4. The variance of
# Fleiss, Cohen and Everitt: (.04624 + .06348 + .10188 - .01) / (50 * .25) = .016128; times 50 / 49
# as variances of cluster totals are.
BOOK = {("low", "low"): 20, ("low", "high"): 5, ("high", "low"): 10, ("high", "high"): 15}
HALF = 1.959964 * (0.016128 * 50 / 49) ** 0.5


def only(found: list[Kappa]) -> Kappa:
    (one,) = found
    return one


def test_exact_kappa() -> None:
    found = only(kappas(rated(BOOK)))
    assert found.question == "risk"
    assert found.labellers == ("ann", "bob")
    assert (found.agreed, found.n, found.n_conversations) == (35, 50, 50)
    assert found.kappa == pytest.approx(0.4)
    assert found.low == pytest.approx(0.4 - HALF, abs=1e-6)
    assert found.high == pytest.approx(0.4 + HALF, abs=1e-6)


def test_exact_more_replies_of_the_same_conversations_narrow_nothing() -> None:
    once, thrice = (only(kappas(rated(BOOK, turns=turns))) for turns in (1, 3))
    assert thrice.n == 3 * once.n
    assert thrice[2:5] == pytest.approx(once[2:5])


def test_exact_who_is_first_does_not_matter() -> None:
    flipped = {(bob, ann): n for (ann, bob), n in BOOK.items()}
    assert only(kappas(rated(flipped)))[2:5] == pytest.approx(only(kappas(rated(BOOK)))[2:5])


def test_exact_full_agreement_is_not_certainty() -> None:
    found = only(kappas(rated({("low", "low"): 10, ("high", "high"): 10})))
    assert (found.kappa, found.high) == (1.0, 1.0)
    least = clopper_pearson(20, 20, 0.95, "lower").low
    assert least is not None
    assert found.low == pytest.approx((least - 0.5) / 0.5)


def test_exact_where_kappa_says_nothing() -> None:
    found = only(kappas(rated({("low", "low"): 10})))
    assert (found.kappa, found.low, found.agreed, found.n) == (None, None, 10, 10)
    alone = only(kappas(rated({("low", "high"): 1})))
    assert (alone.kappa, alone.low) == (0.0, None)
    one = rated(BOOK).filter(pl.col("labeller") == "ann")
    assert kappas(one) == []


def test_exact_only_what_both_answered_counts() -> None:
    labels = rated(BOOK)
    bob_left_open = pl.col("conversation_id").is_in(["c0", "c1"]) & (pl.col("labeller") == "bob")
    some = labels.with_columns(pl.when(~bob_left_open).then("risk").alias("risk"))
    assert only(kappas(some)).n == 48


UNITS = pl.DataFrame(
    {
        "conversation_id": [f"f{i}" for i in range(10)] + [f"u{i}" for i in range(90)],
        "stratum": ["flagged"] * 10 + ["unflagged"] * 90,
    }
)


def judged(turns: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """4 of 10 flagged conversations labelled, 3 of them risky; 9 of 90 unflagged, 1 risky."""
    rows, verdicts = [], []
    for stratum, name, n, risky in (("flagged", "f", 4, 3), ("unflagged", "u", 9, 1)):
        for i in range(n):
            key = {**ROW, "conversation_id": f"{name}{i}", "stratum": stratum, "labeller": "ann"}
            rows.append({**key, "unit": "conversation", "risky_promise": i < risky})
            for turn in range(turns):
                rows.append({**key, "turn": turn, "risky_promise": i < risky})
                verdicts.append(
                    {"judge": "rules", "candidate": "bot", "conversation_id": f"{name}{i}"}
                    | {"turn": turn, "risky_promise": stratum == "flagged"}
                )
    return tables.build("labels", rows), tables.build("verdicts", verdicts)


@pytest.mark.parametrize("turns", [1, 3])
def test_exact_sensitivity_and_specificity(turns: int) -> None:
    labels, verdicts = judged(turns)
    found = {(a.judge, a.stratum, a.measure): a for a in accuracy(labels, verdicts, UNITS)}
    flagged, unflagged = (
        {m: found["rules", s, m] for m in ("sensitivity", "specificity")}
        for s in ("flagged", "unflagged")
    )
    assert (flagged["sensitivity"].estimate, flagged["sensitivity"].n) == (1.0, 3 * turns)
    assert (flagged["specificity"].estimate, flagged["specificity"].n) == (0.0, turns)
    assert (unflagged["sensitivity"].estimate, unflagged["sensitivity"].n) == (0.0, turns)
    assert (unflagged["specificity"].estimate, unflagged["specificity"].n) == (1.0, 8 * turns)
    # Replies of one conversation tell no more than one of them.
    assert flagged["sensitivity"].interval.n == 3
    assert flagged["sensitivity"].interval.low == pytest.approx(0.43849, abs=1e-4)
    # 10 of 4 and 90 of 9: a flagged one stands for 2.5, an unflagged one for 10.
    overall = found["rules", "all", "sensitivity"]
    assert overall.estimate == pytest.approx(7.5 / 17.5)
    assert overall.n == 4 * turns
    assert found["rules", "all", "specificity"].estimate == pytest.approx(80 / 82.5)
    exact = found["any judge", "all", "sensitivity"]
    good, bad = [Stratum(10, 4, 3)], [Stratum(90, 9, 1)]
    assert exact.estimate == pytest.approx(7.5 / 17.5)
    assert exact.interval.low == ratio_lower(good, bad, 0.025)
    assert exact.interval.high == ratio_upper(good, bad, 0.025)
    assert (exact.n, exact.unit) == (4, "conversations")
    assert found["any judge", "all", "specificity"].estimate == pytest.approx(80 / 82.5)


def test_exact_unknown_is_in_no_count() -> None:
    labels, verdicts = judged()
    unknown = pl.col("conversation_id") == "f0"
    hidden = labels.with_columns(pl.when(~unknown).then("risky_promise").alias("risky_promise"))
    found = {(a.judge, a.stratum, a.measure): a for a in accuracy(hidden, verdicts, UNITS)}
    assert found["rules", "flagged", "sensitivity"].n == 2
    assert found["any judge", "all", "sensitivity"].n == 3
    unscored = verdicts.with_columns(pl.when(~unknown).then("risky_promise").alias("risky_promise"))
    found = {(a.judge, a.stratum, a.measure): a for a in accuracy(labels, unscored, UNITS)}
    assert found["rules", "flagged", "sensitivity"].n == 2


def test_exact_one_labeller_who_saw_it_outweighs_one_who_did_not() -> None:
    labels, verdicts = judged()
    second = labels.with_columns(
        pl.lit("bob").alias("labeller"), pl.lit(value=False).alias("risky_promise")
    )
    both = accuracy(pl.concat([labels, second]), verdicts, UNITS)
    assert both == accuracy(labels, verdicts, UNITS)


def test_exact_nothing_labelled_nothing_known() -> None:
    labels, verdicts = judged()
    assert accuracy(labels.clear(), verdicts, UNITS) == []
