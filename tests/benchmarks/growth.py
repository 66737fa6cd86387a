"""How the cost of redaction, of the bounds and of the paired test grows, in one run.

    python -m tests.benchmarks.growth

A ratio near 2 is linear. The texts are hostile: made so that a careless pattern would need time
in the square of their length.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import polars as pl

from simulator.evidence.future import future_upper
from simulator.evidence.inversion import Stratum
from simulator.evidence.paired import paired_difference
from simulator.evidence.rates import stratified_upper
from simulator.history.redact import Redactor

RUNS = 3


def seconds(work: Callable[[], object]) -> float:
    """The least of some runs: what the machine's other work did not add to."""
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def numbers(n: int) -> str:
    """A message of nothing but phone numbers."""
    return " ".join(f"09{i:08d}" for i in range(n))


TEXTS: dict[str, Callable[[int], str]] = {
    "letters, then @": lambda n: "a" * (20 * n) + "@",
    "a@a@a@...": lambda n: "a@" * (10 * n),
    "a@b.b.b...": lambda n: "a@" + "b." * (10 * n),
    "phone numbers": lambda n: numbers(n),
    "plain words": lambda n: "where is my parcel please " * n,
}


SHAPES = {
    "2 strata, 20/40 events": [Stratum(10**6, 2000, 20), Stratum(10**5, 400, 40)],
    "2 strata, coprime sizes": [Stratum(999_983, 2003, 20), Stratum(100_003, 397, 40)],
    "3 strata, 5/10/10 events": [
        Stratum(10**6, 2000, 5), Stratum(10**5, 400, 10), Stratum(10**4, 200, 10)
    ],
    "3 strata, 20/20/20 events": [
        Stratum(10**6, 2000, 20), Stratum(10**5, 400, 20), Stratum(10**4, 200, 20)
    ],
    "3 coprime, 10/10/10 events": [
        Stratum(999_983, 1009, 10), Stratum(300_007, 503, 10), Stratum(99_991, 401, 10)
    ],
    "3 coprime, 30/30/30 events": [
        Stratum(999_983, 1009, 30), Stratum(300_007, 503, 30), Stratum(99_991, 401, 30)
    ],
    "3 alike, 5/5/5 events": [Stratum(10**6, 1000, 5)] * 3,
}  # fmt: skip


def points(rows: int) -> pl.DataFrame:
    """Decision points of two candidates, some four to a conversation."""
    rng = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "conversation_id": rng.integers(0, rows // 4, rows),
            "ours": rng.uniform(0, 1, rows) < 0.1,
            "theirs": rng.uniform(0, 1, rows) < 0.1,
        }
    )


def main() -> None:
    """Print the ratios."""
    for name, text in TEXTS.items():
        small, large = (text(n) for n in (20_000, 40_000))
        one = seconds(lambda small=small: Redactor(b"k").text(small, "en"))
        two = seconds(lambda large=large: Redactor(b"k").text(large, "en"))
        print(
            f"redaction, {name:<18} {one:8.4f} s -> {two:8.4f} s   ratio {two / max(one, 1e-9):.2f}"
        )
    for units in (10**4, 10**5, 10**6):
        strata = [Stratum(units, 300, 1), Stratum(units // 10, 100, 30)]
        took = seconds(lambda strata=strata: stratified_upper(strata, 0.05))
        print(f"exact bound, {units:>9,} units {took:8.4f} s")
    for name, strata in SHAPES.items():
        here = seconds(lambda strata=strata: stratified_upper(strata, 0.05))
        future = seconds(lambda strata=strata: future_upper(strata, 0.05))
        print(f"{name:<28} this history {here:6.3f} s   future traffic {future:6.3f} s")
    for rows in (250_000, 500_000, 1_000_000):
        both = points(rows)
        took = seconds(lambda both=both: paired_difference(both, 0.95, np.random.default_rng(1)))
        print(f"paired difference, {rows:>9,} points {took:6.3f} s")


if __name__ == "__main__":
    main()
