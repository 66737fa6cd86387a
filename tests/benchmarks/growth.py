"""How the cost of redaction and of the exact bound grows when their input doubles, in one run.

    python -m tests.benchmarks.growth

A ratio near 2 is linear. The texts are hostile: made so that a careless pattern would need time
in the square of their length.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from simulator.evidence.inversion import Stratum
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


if __name__ == "__main__":
    main()
