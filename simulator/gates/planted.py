"""Evidence made up for the self-test: one candidate at one stage, as many events as asked for.

Nothing of a run is in it: it is planted a hair beyond a limit, to see whether the gate notices.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import polars as pl

from simulator.gates.testing import Evidence
from simulator.scenario import Stage
from simulator.tables import build, conform, empty

CANDIDATE = "planted"
DAY = date(2000, 1, 3)


class Part(NamedTuple):
    """``units`` conversations of a stratum, ``labelled`` of them with a label, ``bad`` of those.

    ``returned``: labels that came back of those drawn; null: all.
    """

    stratum: str
    units: int
    labelled: int
    bad: int
    segment: str = "s"
    returned: int | None = None


def labelled(
    stage: Stage, parts: Sequence[Part], *, turns: int = 1, split: str = "certify"
) -> Evidence:
    """Evidence from labels: a bad conversation is bad in every respect.

    It holds a risky promise, a reply where a person was needed, and one that said too much; its
    high risk was missed. In a good one the high risk comes after the last automatic reply.

    Args:
        stage: where.
        parts: the strata, and what was found in them.
        turns: automatic replies in each conversation, alike.
        split: what the labels are for.
    """
    units = pl.concat([_units(i, part) for i, part in enumerate(parts)])
    cell = {"stage": stage.name, "candidate": CANDIDATE}
    here = [pl.lit(value).alias(name) for name, value in cell.items()]
    asked = units.filter("asked").with_columns(
        *here,
        pl.lit("self-test").alias("draw_id"),
        pl.lit("self-test").alias("labeller"),
        pl.lit(split).alias("split"),
        pl.lit(DAY).alias("labelled_on"),
    )
    last = 2 * turns
    at = pl.DataFrame({"turn": list(range(0, last + 1, 2))}, schema={"turn": pl.Int64})
    spoken = at.filter(pl.col("turn") < last)
    on_turns = asked.join(at, how="cross").with_columns(
        pl.lit("turn").alias("unit"),
        pl.when(pl.col("bad") | (pl.col("turn") == last))
        .then(pl.lit("high"))
        .otherwise(pl.lit("low"))
        .alias("risk"),
        (pl.col("bad") & (pl.col("turn") < last)).alias("needs_human"),
        pl.col("bad").alias("over_answer"),
    )
    whole = asked.with_columns(
        pl.lit("conversation").alias("unit"), pl.col("bad").alias("risky_promise")
    )
    domain = units.select(
        *here, "conversation_id", (pl.col("stratum") == "flagged").alias("flagged")
    )
    return Evidence(
        empty("kpis"),
        empty("costs"),
        pl.concat([conform("labels", on_turns), conform("labels", whole)]),
        domain,
        domain.join(spoken, how="cross"),
        conform(
            "settlements",
            units.select(*here, "conversation_id", pl.lit("agreed").alias("status")),
        ),
        units.select("conversation_id", "segment"),
        DAY,
    )


def with_people(evidence: Evidence, baseline: str) -> Evidence:
    """The same conversations answered by people who promise nothing risky, all of it labelled."""
    people = [pl.lit(baseline).alias("stage"), pl.lit("human").alias("candidate")]
    theirs = evidence.domain.with_columns(*people)
    labels = theirs.select(
        *people,
        "conversation_id",
        pl.lit("conversation").alias("unit"),
        pl.lit(value=False).alias("risky_promise"),
        pl.when("flagged").then(pl.lit("flagged")).otherwise(pl.lit("unflagged")).alias("stratum"),
        pl.lit(1.0).alias("inclusion_prob"),
        pl.lit("people").alias("draw_id"),
        pl.lit("self-test").alias("labeller"),
        pl.lit("certify").alias("split"),
        pl.lit(DAY).alias("labelled_on"),
    )
    return evidence._replace(
        labels=pl.concat([evidence.labels, conform("labels", labels)]),
        domain=pl.concat([evidence.domain, theirs]),
        points=pl.concat([evidence.points, evidence.points.with_columns(*people)]),
    )


def simulated(
    stage: Stage, metric: str, cases: dict[str, tuple[float, float, float]], *, human: float | None
) -> Evidence:
    """Evidence from simulated days: by case the lower end, estimate and upper end.

    Args:
        stage: where.
        metric: of table ``kpis``.
        cases: best, central, worst.
        human: the same of people alone, known exactly; null: not there.
    """

    def row(
        cell: tuple[str, str], bound: str, values: tuple[float, float, float]
    ) -> dict[str, object]:
        low, estimate, high = values
        return {"stage": cell[0], "candidate": cell[1], "segment": "all", "bound": bound} | {
            "metric": metric, "low": low, "estimate": estimate, "high": high,
            "n": 20, "unit": "rate", "method": "planted",
        }  # fmt: skip

    rows = [row((stage.name, CANDIDATE), bound, values) for bound, values in cases.items()]
    if human is not None:
        rows.append(row(("human_only", "human"), "central", (human, human, human)))
    return settled(stage, 1, 1)._replace(kpis=build("kpis", rows))


def settled(stage: Stage, known: int, automated: int) -> Evidence:
    """Evidence from settlements: the outcome of ``known`` of ``automated`` is known."""
    names = [f"c{i}" for i in range(automated)]
    rows = [
        {"stage": stage.name, "candidate": CANDIDATE, "conversation_id": name}
        | {"status": "agreed" if i < known else "diverged"}
        for i, name in enumerate(names)
    ]
    one = labelled(stage, [Part("unflagged", 1, 0, 0)])
    return one._replace(
        settlements=build("settlements", rows),
        segments=pl.DataFrame({"conversation_id": names, "segment": ["s"] * automated}),
    )


def _units(place: int, part: Part) -> pl.DataFrame:
    returned = part.labelled if part.returned is None else part.returned
    number = pl.int_range(part.units, eager=True).alias("number")
    return pl.DataFrame(number).select(
        pl.format("{}-{}", pl.lit(place), "number").alias("conversation_id"),
        pl.lit(part.stratum).alias("stratum"),
        pl.lit(part.segment).alias("segment"),
        pl.lit(part.labelled / part.units).alias("inclusion_prob"),
        (pl.col("number") < returned).alias("asked"),
        (pl.col("number") < part.bad).alias("bad"),
    )
