"""Two candidates compared over many points, in a process of its own: seconds and peak memory.

    python -m tests.benchmarks.comparison [shadow rows, default 1,000,000]

All slices and metrics, labels of 3,000 conversations, the 20 heaviest disagreements. Peak memory
is that of the process, with the tables in it.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np

from simulator.comparison import compare
from tests.compare_sides import sides

FILLER = "Thank you for your patience; your order left our warehouse on Monday and is on its way."


def main() -> None:
    """Print the figures."""
    rows = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 1_000_000
    ours, theirs = sides(rows // 7, 1, n_labelled=min(3_000, rows // 70), filler=FILLER)
    held = _peak()
    began, worked = time.perf_counter(), time.process_time()
    found = compare([ours], theirs, rng=np.random.default_rng(1))
    took, cpu = time.perf_counter() - began, time.process_time() - worked
    print(
        f"{ours.shadow.height:,} shadow rows, {ours.decision_points.height:,} points, "
        f"{ours.conversations.height:,} conversations: {found.differences.height} rows of "
        f"differences in {took:.1f} s ({cpu:.1f} s of processors), peak {_peak():.2f} GB "
        f"({held:.2f} GB when the tables had been made)"
    )


def _peak() -> float:
    """GB; the kernel counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
