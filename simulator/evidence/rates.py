"""Exact bounds of a rate in a finite history, from labels drawn by stratum.

The history holds N_h units in stratum h, of which an unknown K_h are bad; n_h of them were drawn
without replacement and labelled, and k_h turned out bad. The estimate is
``T = sum W_h k_h / n_h`` with ``W_h = N_h / N``. The upper bound on ``theta = sum K_h / N`` at
level ``alpha`` inverts the exact test on T::

    U = sup { theta : max over (K_1 + ... + K_H = theta N) of P(T <= t_obs) > alpha }

with k_h hypergeometric. It speaks of *this history*; what other weeks bring is another question.

A stratum with units and no label counts wholly as bad in an upper bound, wholly as good in a lower
one. Where T has more than ``MAX_CELLS`` cells (four strata and more with many events), the strata
are bounded one by one at alpha / H and added up (Bonferroni): conservative.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from simulator.evidence.inversion import MAX_CELLS, Stratum, Tail

__all__ = [
    "Stratum",
    "allocate",
    "fewest_labels",
    "labels_needed",
    "ratio_estimate",
    "ratio_labels_needed",
    "ratio_lower",
    "ratio_upper",
    "stratified_estimate",
    "stratified_lower",
    "stratified_upper",
]


def stratified_upper(strata: Sequence[Stratum], alpha: float) -> float:
    """The exact upper bound of the share of bad units in this history, at level ``alpha``.

    Args:
        strata: the strata, at least one unit in all.
        alpha: probability allowed that the bound lies below the truth, in (0, 1).

    Returns:
        A multiple of 1/N in [0, 1]; 1 where nothing is labelled.

    Raises:
        ValueError: counts that cannot be, no units, or alpha out of range.
    """
    return _most_bad(strata, alpha) / _units(strata)


def stratified_lower(strata: Sequence[Stratum], alpha: float) -> float:
    """The exact lower bound: one less the upper bound of the share of good units.

    Args, errors: as :func:`stratified_upper`; 0 where nothing is labelled.
    """
    total = _units(strata)
    return (total - _most_bad(flipped(strata), alpha)) / total


def stratified_estimate(strata: Sequence[Stratum]) -> float | None:
    """T, the share of bad units weighted by stratum; null where a stratum has no label."""
    total = _units(strata)
    if any(s.N and not s.n for s in strata):
        return None
    return sum(s.N * s.k / s.n for s in strata if s.N) / total


def ratio_lower(good: Sequence[Stratum], bad: Sequence[Stratum], alpha: float) -> float | None:
    """A lower bound of good / (good + bad), a share within a part of the labelled strata.

    How large that part (good + bad) is in the history is not known either, so a lower bound of
    the good is joined to an upper bound of the bad, at alpha / 2 each (Bonferroni): conservative.

    Args:
        good: strata with k = labelled units that are good.
        bad: the same strata with k = labelled units that are bad; strata that cannot hold any
            are left out.
        alpha: one-sided level.

    Returns:
        Null where the part may be empty.
    """
    return _share(_least_bad(good, alpha / 2), _most_bad(bad, alpha / 2) if bad else 0)


def ratio_upper(good: Sequence[Stratum], bad: Sequence[Stratum], alpha: float) -> float | None:
    """The upper bound that goes with :func:`ratio_lower`."""
    return _share(_most_bad(good, alpha / 2), _least_bad(bad, alpha / 2) if bad else 0)


def ratio_estimate(good: Sequence[Stratum], bad: Sequence[Stratum]) -> float | None:
    """good / (good + bad), each weighted by stratum; null where a stratum has no label."""
    if any(s.N and not s.n for s in (*good, *bad)):
        return None
    totals = [sum(s.N * s.k / s.n for s in strata if s.N) for strata in (good, bad)]
    return _share(*totals)


def labels_needed(strata: Sequence[Stratum], limit: float, alpha: float) -> int | None:
    """Further labels until the upper bound is within ``limit``, if the rates stay as observed.

    The new labels are spread in proportion to N_h sqrt(p_h q_h) (p_h as observed, at least
    0.5 %); a stratum without labels is taken to be free of bad units. A planning number: what
    the new labels show may be better or worse.

    Returns:
        0 where the bound is within the limit already; null where labelling all units would not
        do.
    """
    total = _units(strata)
    allowed = math.floor(limit * total + 1e-9)
    return fewest_labels(
        strata, lambda more: _most_bad(grown(strata, more), alpha, enough=allowed) <= allowed
    )


def ratio_labels_needed(
    good: Sequence[Stratum], bad: Sequence[Stratum], limit: float, alpha: float
) -> int | None:
    """Further labels until :func:`ratio_lower` reaches ``limit``, rates as observed.

    Args:
        good, bad, limit, alpha: as :func:`ratio_lower`; strata that ``bad`` leaves out stand at
            the end of ``good``. A stratum of it without labels is taken to hold nothing good.

    Returns:
        As :func:`labels_needed`.
    """

    def does(more: Sequence[int]) -> bool:
        # The same as `ratio_lower(...) >= limit`, but the search may stop once that is clear.
        missed = _most_bad(grown(bad, more), alpha / 2) if bad else 0
        strata = flipped(grown(good, more))
        wanted = math.ceil(limit * missed / (1 - limit) - 1e-9) if limit < 1 else _units(strata)
        allowed = _units(strata) - max(1, wanted)
        return allowed >= 0 and _most_bad(strata, alpha / 2, enough=allowed) <= allowed

    return fewest_labels([*bad, *good[len(bad) :]], does)


def fewest_labels(strata: Sequence[Stratum], does: Callable[[Sequence[int]], bool]) -> int | None:
    """The fewest further labels with ``does(further labels by stratum)``, by bisection."""
    free = sum(s.N - s.n for s in strata)
    if does([0] * len(strata)):
        return 0
    if not free or not does([s.N - s.n for s in strata]):
        return None
    short, enough = 0, min(free, 64)
    while enough < free and not does(_spread(strata, enough)):
        short, enough = enough, min(free, 2 * enough)
    # Within 2 % is precise enough for a plan, and to the label where the number is small.
    while enough - short > max(1, enough // 50):
        middle = (short + enough) // 2
        if does(_spread(strata, middle)):
            enough = middle
        else:
            short = middle
    return enough


def allocate(
    units: Sequence[int], rates: Sequence[float], labels: int, least: Sequence[float]
) -> list[int]:
    """Labels by stratum: proportional to N sqrt(p q), p in [0.5 %, 99.5 %], none above N.

    Args:
        units: N by stratum.
        rates: p by stratum, the share of bad units as far as it can be guessed.
        labels: how many in all; what one stratum cannot take goes to the others.
        least: the share of ``labels`` that a stratum gets at least (as far as it has units). A
            stratum with units gets one label at least where there are enough to go round.

    Returns:
        Labels by stratum, min(labels, sum of units) in all.

    Source: Neyman, J. R. Stat. Soc. 97 (1934) 558-625.
    """
    capped = [min(max(p, 0.005), 0.995) for p in rates]
    pull = [n * math.sqrt(p * (1 - p)) for n, p in zip(units, capped, strict=True)]
    labels = min(labels, sum(units))
    floors = [
        min(n, max(math.ceil(share * labels), 1)) for n, share in zip(units, least, strict=True)
    ]
    if sum(floors) > labels:
        floors = [min(n, math.ceil(s * labels)) for n, s in zip(units, least, strict=True)]
    given = floors
    while (left := labels - sum(given)) > 0:
        # What each stratum still lacks of its fair share; full ones ask for nothing.
        total = sum(p for p, n, g in zip(pull, units, given, strict=True) if g < n)
        want = [
            max(0.0, labels * p / total - g) if g < n else 0.0
            for p, n, g in zip(pull, units, given, strict=True)
        ]
        scale = left / max(sum(want), left)
        step = [
            min(n - g, math.floor(scale * w)) for n, g, w in zip(units, given, want, strict=True)
        ]
        if not any(step):
            largest = max(range(len(units)), key=lambda h: (units[h] > given[h], want[h]))
            step[largest] = 1
        given = [g + s for g, s in zip(given, step, strict=True)]
    return given


def flipped(strata: Sequence[Stratum]) -> list[Stratum]:
    """The same strata with the good units counted as bad, for bounds from the other side."""
    return [Stratum(s.N, s.n, s.n - s.k) for s in strata]


def check(strata: Sequence[Stratum], alpha: float) -> None:
    """Raise ValueError unless the counts can be, there is a unit, and 0 < alpha < 1."""
    _units(strata)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha}; expected 0 < alpha < 1")


def _units(strata: Sequence[Stratum]) -> int:
    for s in strata:
        if not 0 <= s.k <= s.n <= s.N:
            raise ValueError(f"{s}: expected 0 <= k <= n <= N")
    total = sum(s.N for s in strata)
    if total == 0:
        raise ValueError("no units: there is no rate to bound")
    return total


def _share(good: float, bad: float) -> float | None:
    return good / (good + bad) if good + bad > 0 else None


def _least_bad(strata: Sequence[Stratum], alpha: float) -> int:
    return _units(strata) - _most_bad(flipped(strata), alpha)


def _spread(strata: Sequence[Stratum], labels: int) -> list[int]:
    free = [s.N - s.n for s in strata]
    rates = [s.k / s.n if s.n else 0.0 for s in strata]
    return allocate(free, rates, labels, [0.0] * len(strata))


def grown(strata: Sequence[Stratum], more: Sequence[int]) -> list[Stratum]:
    """The strata after ``more`` labels each, if the rates stay as observed."""
    # Rounded up: a plan that counts on a third of an event is a plan that falls short.
    return [
        Stratum(s.N, s.n + m, min(s.n + m, s.k + -(-s.k * m // s.n)) if s.n else 0)
        for s, m in zip(strata, more, strict=False)
    ]


def _most_bad(strata: Sequence[Stratum], alpha: float, enough: int | None = None) -> int:
    """N times the upper bound. Stops early with some total above ``enough`` if there is one."""
    check(strata, alpha)
    unlabelled = sum(s.N for s in strata if s.n == 0)
    labelled = [s for s in strata if s.n]
    if not labelled:
        return unlabelled
    test = Tail(labelled)
    if test.n_cells > MAX_CELLS:
        each = alpha / len(labelled)
        return unlabelled + sum(Tail([s]).search(each, None) for s in labelled)
    return unlabelled + test.search(alpha, None if enough is None else enough - unlabelled)
