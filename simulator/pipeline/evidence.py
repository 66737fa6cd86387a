"""What labels say of a run, and how far its rollout may go."""

from __future__ import annotations

from datetime import date

import polars as pl

from simulator import gates, quality
from simulator.evidence.audited import with_left_out
from simulator.gates import thresholds
from simulator.history.load import content
from simulator.judging.audit import domain as audited
from simulator.judging.audit import read_labels
from simulator.judging.audit.domain import with_people
from simulator.judging.audit.draw import draw, draw_no_bot, draw_simple
from simulator.judging.audit.synthetic_labels import label_from_truth
from simulator.judging.promises.authority import Policy
from simulator.pipeline.customers import TableOf
from simulator.rollout.outcomes import segments
from simulator.scenario import Scenario
from simulator.streams import Streams
from simulator.tables import conform, empty

# What is drawn from the sample's truth, in place of people.
_LABELS = 400
_NO_BOT_LABELS = 200
_SIMPLE_LABELS = 600
_CELL = ["stage", "candidate"]

INPUTS = (
    "decisions",
    "shadow",
    "verdicts",
    "model_verdicts",
    "settlements",
    "replayed",
    "decision_points",
    "conversations",
    "contexts",
    "kpis",
    "costs",
    "commitments_policy",
    "truth_sentences",
    "truth_contexts",
    "turns",
)
OUTPUTS = (
    "labels",
    "excluded",
    "gates",
    "thresholds",
    "recommendation",
    "support_metrics",
    "depth",
    "spectrum",
)


def settings_of(one: Scenario, today: date) -> list[object]:
    """What the tables hang on besides their inputs."""
    # Without anything that ages, the day changes nothing.
    dated = one.overrides or one.evidence.max_age_days is not None
    return [
        one.rollout.model_dump(mode="json"),
        [g.model_dump(mode="json") for g in one.gates],
        [o.model_dump(mode="json") for o in one.overrides],
        one.evidence.model_dump(mode="json"),
        str(today) if dated and one.evidence.as_of is None else None,
        {name: content(bot.labels) for name, bot in one.candidates.items() if bot.labels},
    ]


def tested(
    one: Scenario, table: TableOf, streams: Streams, by_people: pl.DataFrame, today: date
) -> dict[str, pl.DataFrame]:
    """The tables of :data:`OUTPUTS`: labels, gates, how far the rollout may go, what supports it.

    Args:
        one: the scenario.
        table: gives a table of the run by name.
        streams: random numbers, for the draw of labels.
        by_people: table ``labels``, those of the run's audits.
        today: the day that counts where the scenario names none.
    """
    rollout = one.rollout
    decisions, shadow, verdicts, settlements = (
        table(name) for name in ("decisions", "shadow", "verdicts", "settlements")
    )
    # Any judge that flags a reply moves its conversation to where labels are looked for.
    verdicts = pl.concat([verdicts, table("model_verdicts")])
    excluded = audited.excluded_counts(decisions, shadow, verdicts, settlements)
    if any(gate.metric == "risky_promise_excess" for gate in one.gates):
        decisions = with_people(decisions, rollout.stages[0].name)
    decided = (decisions, shadow, verdicts, settlements)
    domain, points = audited.auto_domain(*decided), audited.auto_points(*decided)
    typical = _typical_day(table("conversations"), settlements)
    others = pl.concat(_other_labels(one, table, decisions, domain, points, streams, typical))
    # Where people have labelled a cell, what stands in for them is not asked.
    said = by_people.select(_CELL).unique()
    labels = pl.concat([by_people, others.join(said, on=_CELL, how="anti")])
    of = segments(table("conversations"), rollout.segment_by)
    own = of.filter(pl.col("segment") != "all")
    evidence = gates.Evidence(
        table("kpis"),
        table("costs"),
        labels,
        domain,
        points,
        settlements,
        own,
        typical,
        table("replayed"),
    )
    age = gates.Age(one.evidence.as_of or today, one.evidence.max_age_days)
    found = gates.evaluate(evidence, one.gates, rollout.stages, age, one.overrides)
    certified = thresholds.find(labels, shadow, points, own, one.evidence.threshold, age, typical)
    seen = quality.Observed(
        labels=labels,
        domain=domain,
        points=points,
        shadow=shadow,
        verdicts=table("verdicts"),
        contexts=table("contexts"),
        decisions=table("decisions"),
        settlements=settlements,
        kpis=table("kpis"),
        segments=own,
    )
    return {
        "labels": labels,
        "excluded": conform("excluded", excluded),
        "gates": with_left_out(found, excluded),
        "thresholds": certified,
        "recommendation": gates.recommend(found, rollout.stages, certified),
        "support_metrics": quality.measure(seen, rollout.stages),
        "depth": quality.by_depth(
            table("verdicts"), labels, table("decision_points"), table("turns")
        ),
        "spectrum": quality.by_question_kind(table("verdicts"), labels, table("contexts")),
    }


def _typical_day(conversations: pl.DataFrame, settlements: pl.DataFrame) -> date | None:
    """The day that half of the replayed conversations are older than."""
    replayed = conversations.join(settlements, on="conversation_id", how="semi")
    middle = replayed["started_at"].sort().drop_nulls()
    return middle[len(middle) // 2].date() if len(middle) else None


def _other_labels(
    one: Scenario,
    table: TableOf,
    decisions: pl.DataFrame,
    domain: pl.DataFrame,
    points: pl.DataFrame,
    streams: Streams,
    typical: date | None,
) -> list[pl.DataFrame]:
    """Labels from files beside recorded replies, and those of the sample's truth."""
    settlements = table("settlements")
    read = {
        name: read_labels.read(candidate.labels)
        for name, candidate in one.candidates.items()
        if candidate.labels
    }
    unread = ~pl.col("candidate").is_in(list(read))
    synthetic = _synthetic_labels(
        one, table, decisions, domain.filter(unread), settlements.filter(unread), streams
    )
    drawn = [synthetic.with_columns(pl.lit(typical).alias("labelled_on"))]
    automatic = [stage.name for stage in one.rollout.stages if stage.auto_when is not None]
    offered = settlements.filter(pl.col("stage").is_in(automatic))
    for name, said in read.items():
        about = (table("shadow"), domain, points, offered, table("truth_contexts"))
        drawn.append(read_labels.labels_as_read(name, said, *about))
    return drawn


def _synthetic_labels(
    one: Scenario,
    table: TableOf,
    decisions: pl.DataFrame,
    domain: pl.DataFrame,
    settlements: pl.DataFrame,
    streams: Streams,
) -> pl.DataFrame:
    """Labels drawn from the sample's truth; none for a real history."""
    contexts, rules = table("truth_contexts"), table("commitments_policy")
    if contexts.is_empty():
        return empty("labels")
    at_random = (streams, "synthetic")
    drawn = [
        draw(domain, _LABELS, *at_random),
        draw_no_bot(settlements, domain, one.rollout.stages, _NO_BOT_LABELS, *at_random),
    ]
    if one.evidence.threshold is not None:
        drawn.append(draw_simple(domain, _SIMPLE_LABELS, streams, "threshold"))
    policy = None if rules.is_empty() else Policy(rules)
    about = (table("shadow"), table("decision_points"), decisions, table("conversations"))
    labels = label_from_truth(pl.concat(drawn), *about, table("truth_sentences"), contexts, policy)
    if one.evidence.threshold is None:
        return labels
    # The first of the same random order say where the tests begin; the others certify.
    chooses = draw_simple(domain, _SIMPLE_LABELS // 4, streams, "threshold").select(
        *_CELL, "conversation_id", "draw_id", pl.lit("choose").alias("chosen")
    )
    marked = labels.join(chooses, on=[*_CELL, "conversation_id", "draw_id"], how="left")
    split = pl.coalesce("chosen", "split").alias("split")
    return marked.with_columns(split).select(labels.columns)
