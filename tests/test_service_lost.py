"""The service level that a stage loses against people alone: from the same days, day by day."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from simulator import tables
from simulator.contact_center.measures.lost import service_level_lost
from simulator.evidence.replications import two_level

Day = tuple[int, int]


def hours(**cells: list[Day]) -> pl.DataFrame:
    """Table ``desk_hours``: by stage, what was answered in time and what counts, day by day."""
    return tables.build(
        "desk_hours",
        [
            {"stage": stage, "candidate": "human" if stage == "human_only" else "x"}
            | {"bound": "central", "segment": "all", "replication": i, "needed_hours": 1.0}
            | {"n_within": within, "n_reached": reached}
            for stage, days in cells.items()
            for i, (within, reached) in enumerate(days)
        ],
    )


def lost(table: pl.DataFrame, n: int, n_logged: int | None = None) -> list[dict[str, object]]:
    found = service_level_lost(table, "human_only", range(n), n_logged)
    return list(found.iter_rows(named=True))


def test_exact_a_small_example() -> None:
    """90 of 100 with people, 70 of 100 with the bot: 20 points are lost, and how surely."""
    alone, ours = [(40, 50), (50, 50)], [(30, 50), (40, 50)]
    (row,) = lost(hours(human_only=alone, wider_auto=ours), 2)
    assert row["metric"] == "service_level_loss"
    assert (row["stage"], row["candidate"], row["segment"]) == ("wider_auto", "x", "all")
    assert row["estimate"] == pytest.approx(0.2)
    assert (row["n"], row["unit"]) == (100, "ratio")
    # Ten fewer in time on each day: the two days do not differ in what is lost.
    assert (row["low"], row["high"]) == (pytest.approx(0.2), pytest.approx(0.2))
    assert str(row["method"]).startswith("difference of the same days; ")


def test_exact_sums_over_sums_and_its_linearisation() -> None:
    alone, ours = [(40, 50), (90, 100), (10, 20)], [(30, 40), (60, 100), (12, 30)]
    (row,) = lost(hours(human_only=alone, wider_auto=ours), 3)
    base, level = 140 / 170, 102 / 170
    assert row["estimate"] == pytest.approx(base - level)
    off_base = [(w - base * r) / (170 / 3) for w, r in alone]
    off = [(w - level * r) / (170 / 3) for w, r in ours]
    each = np.array([base - level + b - o for b, o in zip(off_base, off, strict=True)])
    half = two_level(each, np.arange(3)).half_width
    assert half is not None
    assert row["high"] == pytest.approx(base - level + half)
    assert row["low"] == pytest.approx(base - level - half)


def test_exact_a_gain_is_negative() -> None:
    (row,) = lost(hours(human_only=[(30, 50)] * 3, wider_auto=[(40, 50)] * 3), 3)
    assert row["estimate"] == pytest.approx(-0.2)


def test_analytic_days_that_agree_make_a_shorter_interval_than_two_of_their_own() -> None:
    """Days differ much, what is lost on a day does not: the difference is known, no level is."""
    rng = np.random.default_rng(5)
    reached = rng.integers(80, 120, 20)
    share = rng.uniform(0.5, 0.9, 20)
    alone = [(int(s * r), int(r)) for s, r in zip(share, reached, strict=True)]
    ours = [(int(s * r) - 4, int(r)) for s, r in zip(share, reached, strict=True)]
    (row,) = lost(hours(human_only=alone, wider_auto=ours), 20)
    paired = float(row["high"]) - float(row["low"])  # type: ignore[arg-type]

    def half_of(days: list[Day]) -> float:
        level = sum(w for w, _ in days) / sum(r for _, r in days)
        mean = float(np.mean([r for _, r in days]))
        found = two_level(np.array([(w - level * r) / mean for w, r in days]), np.arange(20))
        assert found.half_width is not None
        return found.half_width

    unpaired = 2 * (half_of(alone) ** 2 + half_of(ours) ** 2) ** 0.5
    assert paired < 0.2 * unpaired
    # Against other days it is as wide as the two levels make it.
    (shuffled,) = lost(hours(human_only=alone, wider_auto=ours[7:] + ours[:7]), 20)
    width = float(shuffled["high"]) - float(shuffled["low"])  # type: ignore[arg-type]
    assert width > 0.6 * unpaired


def test_analytic_the_interval_covers() -> None:
    """95 % of 1,000 desks of 12 days with a known loss of 10 points; |z| < 4."""
    rng = np.random.default_rng(8)
    runs, covered = 1000, 0
    for _ in range(runs):
        day = rng.uniform(0.6, 0.9, 12)
        alone = [(int(w), 200) for w in rng.binomial(200, day)]
        ours = [(int(w), 200) for w in rng.binomial(200, day - 0.1)]
        (row,) = lost(hours(human_only=alone, wider_auto=ours), 12)
        covered += float(row["low"]) <= 0.1 <= float(row["high"])  # type: ignore[arg-type]
    assert abs(covered / runs - 0.95) / (0.95 * 0.05 / runs) ** 0.5 < 4


def test_exact_logged_days_that_are_few_make_it_wider() -> None:
    alone, ours = [(40, 50), (45, 50), (50, 50)] * 4, [(30, 50), (40, 50), (48, 50)] * 4
    table = hours(human_only=alone, wider_auto=ours)
    (fitted,), (few,) = lost(table, 12), lost(table, 12, n_logged=3)
    assert few["high"] > fitted["high"]  # type: ignore[operator]
    assert few["estimate"] == fitted["estimate"]


def test_exact_without_visits_nothing_is_known() -> None:
    some, none = [(40, 50), (45, 50)], [(0, 0), (0, 0)]
    assert lost(hours(human_only=some, wider_auto=none), 2) == []
    assert lost(hours(human_only=none, wider_auto=some), 2) == []
    assert lost(hours(wider_auto=some), 2) == []
    assert lost(hours(human_only=some), 2) == []
    # One replication has an estimate, and no interval.
    (row,) = lost(hours(human_only=[(40, 50)], wider_auto=[(30, 50)]), 1)
    assert row["estimate"] == pytest.approx(0.2)
    assert (row["low"], row["high"]) == (None, None)


def test_exact_each_segment_is_held_against_its_own() -> None:
    one = hours(human_only=[(40, 50)] * 2, wider_auto=[(30, 50)] * 2)
    other = hours(human_only=[(20, 50)] * 2, wider_auto=[(25, 50)] * 2)
    both = pl.concat([one, other.with_columns(pl.lit("refund").alias("segment"))])
    rows = lost(both, 2)
    assert {row["segment"]: row["estimate"] for row in rows} == {
        "all": pytest.approx(0.2),
        "refund": pytest.approx(-0.1),
    }
