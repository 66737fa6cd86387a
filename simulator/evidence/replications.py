"""How far a mean over simulated days can be off, with its two causes apart.

Simulated days come in two levels: an outer draw of the input (which day of the log), and inner
replications of that day (what chance does with it). One-way analysis of variance tells the two
variances apart; leaving the outer one out makes intervals that are far too short.

Source: Searle, Casella, McCulloch, "Variance Components" (1992), chapter 3 (unbalanced one-way
layout); Barton, Nelson, Xie, "Quantifying input uncertainty via simulation confidence intervals",
INFORMS J. Computing 26 (2014) 74-87, for why both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class TwoLevel:
    """Uncertainty of the mean of replications.

    Attributes:
        half_width: of the 95 % interval; null with fewer than two replications.
        input_sd: between draws, on the scale of one day; null where it cannot be told apart.
        simulation_sd: within a draw, on the scale of one day; null where it cannot.
        method: what the interval is made of, in words.
    """

    half_width: float | None
    input_sd: float | None
    simulation_sd: float | None
    method: str


def two_level(values: NDArray[np.float64], draws: NDArray[np.int64]) -> TwoLevel:
    """The uncertainty of ``values.mean()``.

    Args:
        values: one for each replication.
        draws: the input day of each replication, of the same length.
    """
    n = len(values)
    if n < 2:
        return TwoLevel(None, None, None, "one replication: no interval")
    _, group, sizes = np.unique(draws, return_inverse=True, return_counts=True)
    n_draws = len(sizes)
    means = np.bincount(group, values) / sizes
    within = float(((values - means[group]) ** 2).sum())
    if n_draws == 1:
        sd = float(np.sqrt(within / (n - 1)))
        return TwoLevel(
            _t(n - 1) * sd / np.sqrt(n),
            None,
            sd,
            f"95 % interval of the mean of {n} replications of one input day: simulation sd "
            f"{sd:.3g}, no input variance",
        )
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (n_draws - 1)
    if n == n_draws:
        sd = float(np.sqrt(between))
        return TwoLevel(
            _t(n - 1) * sd / np.sqrt(n),
            None,
            None,
            f"95 % interval of the mean of {n} input days, one replication each: sd {sd:.3g}, "
            "input and simulation together",
        )
    simulation = within / (n - n_draws)
    size = (n - float((sizes**2).sum()) / n) / (n_draws - 1)
    input_ = max(0.0, (between - simulation) / size)
    variance = input_ * float((sizes**2).sum()) / n**2 + simulation / n
    return TwoLevel(
        _t(n_draws - 1) * float(np.sqrt(variance)),
        float(np.sqrt(input_)),
        float(np.sqrt(simulation)),
        f"two-level bootstrap, 95 % interval ({n_draws} input days, {n} replications): input sd "
        f"{np.sqrt(input_):.3g}, simulation sd {np.sqrt(simulation):.3g}",
    )


def _t(freedom: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
