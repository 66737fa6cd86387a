"""What labels say of a run, and how far its rollout may go."""

from __future__ import annotations

import polars as pl

from simulator import gates
from simulator.judging import audit
from simulator.judging.authority import Policy
from simulator.judging.synthetic_labels import label_from_truth
from simulator.pipeline.customers import TableOf
from simulator.rollout.outcomes import segments
from simulator.scenario import Scenario
from simulator.streams import Streams
from simulator.tables import conform, empty

_LABELS = 400
_NO_BOT_LABELS = 200


def tested(one: Scenario, table: TableOf, streams: Streams) -> dict[str, pl.DataFrame]:
    """Tables ``labels``, ``excluded``, ``gates`` and ``recommendation``.

    Args:
        one: the scenario.
        table: gives a table of the run by name.
        streams: random numbers, for the draw of labels.
    """
    rollout = one.rollout
    settlements = table("settlements")
    decided = (table("decisions"), table("shadow"), table("verdicts"), settlements)
    domain, points = audit.auto_domain(*decided), audit.auto_points(*decided)
    labels = _synthetic_labels(one, table, domain, streams)
    of = segments(table("conversations"), rollout.segment_by)
    own = of.filter(pl.col("segment") != "all")
    found = gates.evaluate(
        table("kpis"),
        table("costs"),
        labels,
        domain,
        points,
        settlements,
        own,
        one.gates,
        rollout.stages,
    )
    return {
        "labels": labels,
        "excluded": conform("excluded", audit.excluded_counts(*decided)),
        "gates": found,
        "recommendation": gates.recommend(found, rollout.stages),
    }


def _synthetic_labels(
    one: Scenario, table: TableOf, domain: pl.DataFrame, streams: Streams
) -> pl.DataFrame:
    """Labels drawn from the sample's truth; none for a real history."""
    contexts, rules = table("truth_contexts"), table("commitments_policy")
    if contexts.is_empty():
        return empty("labels")
    draw = (streams, "synthetic")
    no_bot = audit.draw_no_bot(
        table("settlements"), domain, one.rollout.stages, _NO_BOT_LABELS, *draw
    )
    return label_from_truth(
        pl.concat([audit.draw(domain, _LABELS, *draw), no_bot]),
        table("shadow"),
        table("decision_points"),
        table("decisions"),
        table("conversations"),
        table("truth_sentences"),
        contexts,
        None if rules.is_empty() else Policy(rules),
    )
