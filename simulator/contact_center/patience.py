"""How long customers wait before they leave: assumed, or as the history shows.

Whoever was answered is known only to have been willing to wait as long as they did, so their
patience is right-censored at their wait; leaving them out would make customers look far less
patient than they are. Every distribution takes the same uniforms, the smaller the longer the
patience, so that runs with different ones have the same patient and impatient customers.

Source: Kaplan and Meier, "Nonparametric estimation from incomplete observations", JASA 53 (1958),
457-481; for call centres Brown et al., JASA 100 (2005), 36-50.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from simulator.scenario import ContactCenter

# A curve of its own only for a channel with so many who left.
_ABANDONMENTS = 50
# Some thirty years. A Weibull variable of small shape can exceed what 64 bits hold in microseconds.
_LONGEST_MS = 1e12


@dataclass(frozen=True)
class Curve:
    """A survival curve of patience by Kaplan-Meier, with an exponential tail.

    Attributes:
        at_s: the observed waits, ascending.
        survival: the share willing to wait longer than each.
        tail_mean_s: exposure over abandonments, the mean of what follows the last of ``at_s``.
        n_abandoned: how many left.
        n_served: how many were answered first.
    """

    at_s: NDArray[np.float64]
    survival: NDArray[np.float64]
    tail_mean_s: float
    n_abandoned: int
    n_served: int

    def quantile_s(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds that a share of ``u`` are willing to outwait: the least t with S(t) <= u."""
        place = np.searchsorted(-self.survival, -u)
        last = float(self.survival[-1])
        # Nothing is left for a tail where the longest wait ended in leaving.
        beyond = -np.log(np.minimum(u / last, 1.0)) * self.tail_mean_s if last > 0 else 0.0 * u
        inside = place < self.at_s.size
        known = self.at_s[np.minimum(place, self.at_s.size - 1)]
        return np.where(inside, known, self.at_s[-1] + beyond)


@dataclass(frozen=True)
class Patience:
    """A distribution of patience, by channel where the history allows it.

    Called with uniforms and the channel of each, it gives patience in whole ms; NaN for e-mail,
    with which nobody waits in line.

    Attributes:
        method: in words, with the reason where the history gives no curve.
        mean_s: mean of a Weibull patience.
        shape: its shape; 1 is exponential.
        curves: by channel; ``all`` stands for those without one of their own. Empty: Weibull.
    """

    method: str
    mean_s: float
    shape: float = 1.0
    curves: Mapping[str, Curve] = field(default_factory=dict)

    def __call__(self, u: NDArray[np.float64], channels: pl.Series) -> NDArray[np.float64]:
        """Patience in ms for uniforms in (0, 1) and as many channels."""
        if self.curves:
            seconds = self.curves["all"].quantile_s(u)
            for channel, curve in self.curves.items():
                here = (channels == channel).to_numpy()
                seconds[here] = curve.quantile_s(u[here])
        else:
            scale = self.mean_s / math.gamma(1 + 1 / self.shape)
            seconds = scale * (-np.log(u)) ** (1 / self.shape)
        found = np.minimum(np.rint(seconds * 1000), _LONGEST_MS)
        return np.where((channels == "email").to_numpy(), np.nan, found)


def patience_of(conversations: pl.DataFrame, desk: ContactCenter) -> Patience:
    """The patience that the scenario asks for.

    ``kaplan_meier`` reads ``wait_s`` and ``abandoned`` of calls and chats where both are known: by
    channel with at least 50 abandonments, pooled for the others. Beyond the longest wait it is
    exponential with the overall hazard (abandonments over all time waited). Without an abandonment,
    or where nobody waited, it is exponential with the mean of the scenario.

    Args:
        conversations: table ``conversations``, the whole log.
        desk: which distribution, its mean and shape.
    """
    mean_s = desk.patience_mean_s.value
    if desk.patience == "weibull":
        shape = desk.patience_shape.value
        return Patience(f"Weibull, mean {mean_s:g} s, shape {shape:g}", mean_s, shape)
    exponential = f"exponential, mean {mean_s:g} s"
    if desk.patience == "exponential":
        return Patience(exponential, mean_s)
    waits = conversations.filter(
        (pl.col("channel") != "email") & (pl.col("wait_s") >= 0) & pl.col("abandoned").is_not_null()
    ).select("channel", "wait_s", "abandoned")
    left = waits.filter("abandoned")
    if left.is_empty() or not waits["wait_s"].sum():
        lacks = "abandonment" if left.is_empty() else "wait above 0"
        return Patience(
            f"{exponential}: the log has no {lacks} of a caller or chatter with a known wait, so "
            "that Kaplan-Meier has nothing to go by",
            mean_s,
        )
    own = (
        left.group_by("channel").len().filter(pl.col("len") >= _ABANDONMENTS)["channel"].sort()
    ).to_list()
    curves = {"all": _curve(waits)}
    curves |= {channel: _curve(waits.filter(channel=channel)) for channel in own}
    said = "; ".join(
        f"{'all calls and chats' if name == 'all' else name}: {curve.n_abandoned:,} left, "
        f"{curve.n_served:,} answered (censored at their wait), beyond {curve.at_s[-1]:,.0f} s "
        f"exponential with mean {curve.tail_mean_s:,.0f} s"
        for name, curve in curves.items()
        if name != "all" or len(curves) == 1 or waits.filter(~pl.col("channel").is_in(own)).height
    )
    return Patience(f"Kaplan-Meier from the log; {said}", mean_s, 1.0, curves)


def _curve(waits: pl.DataFrame) -> Curve:
    left = waits.filter("abandoned")["wait_s"].to_numpy()
    served = waits.filter(~pl.col("abandoned"))["wait_s"].to_numpy()
    found = stats.ecdf(stats.CensoredData(uncensored=left, right=served)).sf
    return Curve(
        found.quantiles,
        found.probabilities,
        float(waits["wait_s"].sum()) / left.size,
        left.size,
        served.size,
    )
