"""What a support organisation counts: how well each candidate treats the customer, from labels.

Why like this
-------------
* What a reply should have been is asked of labels (of people, or of the sample's truth), never of
  what the incumbent did: an agent's habit of escalating is no yardstick for a bot's.
* The conversation is the unit. It counts as done well if every point concerned was, and as done
  badly if one was not; so turns of one conversation are never taken for independent.
* What is not labelled may be either: it widens the interval, and stays out of the estimate. Two
  labellers who disagree leave a label unknown.

The metrics, each a share of conversations. *Acted*: replied automatically, or handed over by its
own choice before any divergence.

``high_risk_interception``
    Of those with a high-risk point, left to people before any automatic reply to it; counted as
    the gate ``interception_rate`` counts.
``missed_escalation``
    Of those with a point that needs a person: the bot replied at one. A harm.
``needless_escalation``
    Of those handed over by choice: at that point no person was needed, risk was not high, and the
    information sufficed. A harm.
``clarify_when_uninformed``
    Of those in which it acted at a point without sufficient information: it asked, refused or
    handed over at all of these. Replies that only soothe are set aside.
``soothe_before_inform``
    Of those in which it acted on an upset or angry customer: each time it soothed, handed over,
    or sounded apt. Cold is not; another tone shows neither. The label's tone, or else that of the
    rules judge where it too took the customer for upset: then apt holds a word of regret or
    understanding, or is long.
``appropriate_dont_know``
    Of those with a reply that refuses: each refusal was called for (too little information, high
    risk, or a person needed). It has no mirror: asking or handing over is better than refusing at
    such a point, and ``clarify_when_uninformed`` and ``missed_escalation`` count that.
``over_answer``
    Of those it spoke in: a complete answer where risk was high or information lacking. A harm.
``tone_apt``, ``would_send_as_is``
    Of those it spoke in: every reply sounds apt, would be sent as it stands. By labels alone.
``complaint_rate``
    As simulated, best, central and worst, at every stage.
``emotion_change``, ``calmed``, ``upset_further``
    Of the incumbent, as only the log's next customer turn answers its own reply; by the rules
    judge, per point: level (calm 0, upset 1, angry 2) at the next point less that here; of upset
    or angry points, the next is calmer; of calm or upset ones, the next is worse. With
    ``_after_ACTION``: only points at which the incumbent took that action.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from simulator import tables
from simulator.quality.depth import by_depth
from simulator.quality.incumbent import emotions
from simulator.quality.labelled import by_labels
from simulator.quality.observed import CELL, Observed
from simulator.quality.spectrum import by_question_kind
from simulator.scenario import Stage

__all__ = ["Observed", "by_depth", "by_question_kind", "measure"]


def measure(seen: Observed, stages: Sequence[Stage]) -> pl.DataFrame:
    """Table ``support_metrics``: the metrics above by stage, candidate and segment, and for all.

    Args:
        seen: what is measured.
        stages: the ladder, baseline first. What labels say is measured at automatic stages.

    Returns:
        A metric that concerns no conversation has no row. ``n``: conversations of which it is
        known (points for the incumbent's); without any, estimate and interval are null.
        ``excluded``: what is left out, and how many. In the order of ladder, candidate, segment.
    """
    order = [stage.name for stage in stages]
    rows = [*_complaints(seen.kpis), *emotions(seen, order[0])]
    automatic = [stage.name for stage in stages if stage.auto_when is not None]
    bots = seen.settlements.filter(pl.col("stage").is_in(automatic))
    if bots.height:
        rows += by_labels(seen, bots)
    places = {name: i for i, name in enumerate(order)}
    rows.sort(
        key=lambda row: (
            places.get(row["stage"], len(places)),
            row["candidate"],
            row["segment"] != "all",
            row["segment"],
        )
    )
    return tables.build("support_metrics", rows)


def _complaints(kpis: pl.DataFrame) -> Iterator[dict[str, Any]]:
    columns = (*CELL, "segment", "bound", "metric", "estimate", "low", "high", "n", "unit")
    for row in kpis.filter(pl.col("metric") == "complaint_rate").iter_rows(named=True):
        yield {column: row[column] for column in columns} | {
            "method": row["method"],
            "estimand": "simulated_days",
            "excluded": "nothing; what replay cannot know lies between best and worst",
        }
