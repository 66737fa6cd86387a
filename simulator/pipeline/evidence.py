"""What labels say of a run, and how far its rollout may go."""

from __future__ import annotations

import polars as pl

from simulator import gates
from simulator.evidence.audited import with_left_out
from simulator.judging.audit import domain as audited
from simulator.judging.audit import read_labels
from simulator.judging.audit.draw import draw, draw_no_bot
from simulator.judging.audit.synthetic_labels import label_from_truth
from simulator.judging.promises.authority import Policy
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
    domain, points = audited.auto_domain(*decided), audited.auto_points(*decided)
    read = {
        name: read_labels.read(candidate.labels)
        for name, candidate in one.candidates.items()
        if candidate.labels
    }
    unread = ~pl.col("candidate").is_in(list(read))
    drawn = [
        _synthetic_labels(one, table, domain.filter(unread), settlements.filter(unread), streams)
    ]
    automatic = [stage.name for stage in rollout.stages if stage.auto_when is not None]
    offered = settlements.filter(pl.col("stage").is_in(automatic))
    for name, said in read.items():
        about = (table("shadow"), domain, points, offered, table("truth_contexts"))
        drawn.append(read_labels.labels_as_read(name, said, *about))
    labels = pl.concat(drawn)
    of = segments(table("conversations"), rollout.segment_by)
    own = of.filter(pl.col("segment") != "all")
    excluded = conform("excluded", audited.excluded_counts(*decided))
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
        "excluded": excluded,
        "gates": with_left_out(found, excluded),
        "recommendation": gates.recommend(found, rollout.stages),
    }


def _synthetic_labels(
    one: Scenario,
    table: TableOf,
    domain: pl.DataFrame,
    settlements: pl.DataFrame,
    streams: Streams,
) -> pl.DataFrame:
    """Labels drawn from the sample's truth; none for a real history."""
    contexts, rules = table("truth_contexts"), table("commitments_policy")
    if contexts.is_empty():
        return empty("labels")
    at_random = (streams, "synthetic")
    no_bot = draw_no_bot(settlements, domain, one.rollout.stages, _NO_BOT_LABELS, *at_random)
    return label_from_truth(
        pl.concat([draw(domain, _LABELS, *at_random), no_bot]),
        table("shadow"),
        table("decision_points"),
        table("decisions"),
        table("conversations"),
        table("truth_sentences"),
        contexts,
        None if rules.is_empty() else Policy(rules),
    )
