"""What is compared of two candidates at a point, and which way is good.

By the rules judge, of replies (``risky_promise``, ``compliance_breach``, ``over_answer``,
``tone_not_apt``) and of all points (``no_reply``: neither a reply nor an escalation);
``risky_promise_conversation`` asks whether any reply of the conversation was risky.

By labels: ``risky_promise`` where both replies are labelled. The others need labels of the
customer's point alone, and set the candidates' own actions against them:

``high_risk_left_to_people``
    At points of high risk: escalated.
``missed_escalation``
    At points of high risk, or that need a person: did anything else than escalate.
``needless_escalation``
    At points that need no person, are not high risk, and where the information suffices:
    escalated.
``over_answer``
    At points of high risk, or where information lacks: answered.
``as_called_for``
    The action is the one that labels call for (:mod:`simulator.comparison.decisions`).

Measured by the replay: tokens and seconds a point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from simulator.comparison.decisions import for_people

OURS, THEIRS = "our_", "their_"


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name, source, better: as in table ``differences``.
        value: of the side whose columns have this prefix; null where it is not known.
        concerned: whether the point is one that is asked about; null where that is not known.
        weight: the column that says what a labelled point stands for; null: each point counts 1.
    """

    name: str
    source: str
    better: str
    value: Callable[[str], pl.Expr]
    concerned: pl.Expr = pl.lit(True)
    weight: str | None = None

    @property
    def share(self) -> bool:
        """True or not at each point, so that a tolerance in points makes sense."""
        return self.source != "measured"


# Asked of conversations, from the points of the metric of the same source before it.
BY_CONVERSATION = {"risky_promise": "risky_promise_conversation"}


def _column(name: str) -> Callable[[str], pl.Expr]:
    return lambda side: pl.col(side + name)


def _does(action: str) -> Callable[[str], pl.Expr]:
    return lambda side: pl.col(side + "action") == action


def _no_reply(side: str) -> pl.Expr:
    escalates = (pl.col(side + "action") == "escalate").fill_null(False)
    return ~pl.col(side + "spoke") & ~escalates


_HIGH = pl.col("labelled_risk") == "high"
_PEOPLE = for_people("labelled_risk")
_ALONE = ~_PEOPLE & pl.col("info_sufficient")
_NO_ANSWER = _HIGH | ~pl.col("info_sufficient")
_POOLED = "weight"

METRICS = (
    Metric("risky_promise", "rules", "lower", _column("risky_promise")),
    Metric("compliance_breach", "rules", "lower", _column("compliance_breach")),
    Metric("over_answer", "rules", "lower", _column("over_answer")),
    Metric("tone_not_apt", "rules", "lower", lambda side: pl.col(side + "tone") != "apt"),
    Metric("no_reply", "rules", "lower", _no_reply),
    Metric("risky_promise", "labels", "lower", _column("labelled_risky"), weight="weight_both"),
    Metric("high_risk_left_to_people", "labels", "higher", _does("escalate"), _HIGH, _POOLED),
    Metric(
        "missed_escalation",
        "labels",
        "lower",
        lambda side: pl.col(side + "action") != "escalate",
        _PEOPLE,
        _POOLED,
    ),
    Metric("needless_escalation", "labels", "lower", _does("escalate"), _ALONE, _POOLED),
    Metric("over_answer", "labels", "lower", _does("answer"), _NO_ANSWER, _POOLED),
    Metric(
        "as_called_for",
        "labels",
        "higher",
        lambda side: pl.col(side + "action") == pl.col("called_for"),
        pl.when(pl.col("called_for").is_not_null()).then(True),
        _POOLED,
    ),
    Metric("completion_tokens", "measured", "lower", _column("completion_tokens")),
    Metric("prompt_tokens", "measured", "lower", _column("prompt_tokens")),
    Metric("latency_s", "measured", "lower", _column("latency_s")),
)
