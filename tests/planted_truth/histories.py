"""Histories whose truth is known: drawn from a population, judged by a bad judge, then audited.

Conversations are independent draws from a population: their segment, from which stage on a bot
speaks in them, how many points they have, whether one of these is of high risk, and whether the
bot makes a risky promise. All of a conversation's turns hang together: one that holds a risky
promise holds several, and the judge sees or misses each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from simulator import tables
from simulator.gates import Evidence
from simulator.judging.audit.draw import draw, draw_no_bot
from simulator.scenario import LADDER
from simulator.streams import Streams

CANDIDATE = "bot"
# The stages at which it speaks, in the order of the ladder.
STAGES = [stage.name for stage in LADDER if stage.auto_when is not None]
MOST_RISKY, LEAST_CAUGHT = 0.01, 0.90
_CELL = ["stage", "candidate"]
_Reals = NDArray[np.float64]


class Rates(NamedTuple):
    """The truth of one stage in one segment; null where nothing there could have a rate."""

    risky: float | None
    caught: float | None

    @property
    def safe(self) -> bool:
        """Whether both are within the limits."""
        risky_enough = self.risky is None or self.risky <= MOST_RISKY
        return risky_enough and (self.caught is None or self.caught >= LEAST_CAUGHT)


class History(NamedTuple):
    """What a gate sees, and what is true.

    ``here`` and ``population``: by segment and stage, the rates of the history, and those of the
    population that it was drawn from (risky promises only).
    """

    evidence: Evidence
    here: dict[tuple[str, str], Rates]
    population: dict[tuple[str, str], Rates]


class _Population(NamedTuple):
    """Shares by segment; by level (0: no bot ever) and then segment; risk by level and segment."""

    segments: _Reals
    levels: _Reals
    risky: _Reals
    high: float
    # Of the high-risk conversations of a level, those that the bot goes on speaking in.
    late: _Reals
    sensitivity: float
    false_alarms: float
    # Levels up to which the risk is just above the limit.
    just_above: tuple[int, ...]


def history(seed: int, *, pinned: bool) -> History:
    """The history number ``seed``.

    ``pinned``: where the population's risk is just above the limit, the history's is by one to
    three conversations. Mistakes are likeliest there, and a bound for this history must hold for
    any; one for future traffic needs a history that was drawn from it.
    """
    rng = np.random.default_rng(seed)
    people = _population(rng)
    n = int(rng.integers(500, 5001))
    one = _conversations(people, n, rng, pinned)
    turns = _turns(one, people, rng)
    return History(
        _evidence(one, turns, rng, seed),
        {
            (segment, stage): _rates_here(one, level, segment)
            for level, stage in enumerate(STAGES, start=1)
            for segment in ("all", *_names(people))
        },
        _rates_of(people),
    )


def _population(rng: np.random.Generator) -> _Population:
    segments = rng.dirichlet(np.full(int(rng.integers(2, 6)), 3.0))
    levels = np.array([0.2, 0.4, 0.4]) + rng.uniform(-0.1, 0.1, 3)
    levels /= levels.sum()
    below, above = rng.uniform(0.0002, 0.002), rng.uniform(0.0105, 0.014)
    # In three of four, the risk is just above the limit at some stage.
    first, second, just_above = [
        (above, above, (1, 2)),
        (below, above, (2,)),
        (below, above, (2,)),
        (below, 2 * below, ()),
    ][int(rng.integers(4))]
    joining = (second * levels[1:].sum() - first * levels[1]) / levels[2]
    factors = rng.uniform(0.3, 1.7, segments.size)
    factors /= segments @ factors
    risky = np.outer([0.0, first, joining], factors)
    high = rng.uniform(0.1, 0.3)
    # Missed of all with high risk, as a whole; in two of five just too many.
    missed = rng.uniform(0.102, 0.13) if rng.uniform() < 0.4 else rng.uniform(0.005, 0.04)
    return _Population(
        segments,
        levels,
        risky,
        high,
        missed / levels[1:].sum() * np.array([0.0, 1.0, 1.0]),
        rng.uniform(0.2, 0.85),
        float(0.0001 * 100 ** rng.uniform()),
        just_above,
    )


def _names(people: _Population) -> list[str]:
    return [f"s{i}" for i in range(people.segments.size)]


def _conversations(
    people: _Population, n: int, rng: np.random.Generator, pinned: bool
) -> pl.DataFrame:
    segment = rng.choice(people.segments.size, n, p=people.segments)
    level = rng.choice(3, n, p=people.levels)
    high = rng.uniform(size=n) < people.high
    late = high & (rng.uniform(size=n) < people.late[level])
    points = np.minimum(1 + rng.poisson(1.5, n), 6) + high
    first_high = np.where(high, rng.integers(1, np.maximum(points, 2)), -1)
    risky = rng.uniform(size=n) < people.risky[level, segment]
    for last in people.just_above if pinned else ():
        inside = (level > 0) & (level <= last)
        target = int(MOST_RISKY * inside.sum()) + int(rng.integers(1, 4))
        joined = np.flatnonzero(level == last)
        weights = people.risky[last, segment[joined]]
        more = target - int(risky[inside & (level < last)].sum())
        risky[joined] = False
        risky[rng.choice(joined, max(0, more), replace=False, p=weights / weights.sum())] = True
    return pl.DataFrame(
        {
            "conversation_id": [f"c{i}" for i in range(n)],
            "segment": [f"s{i}" for i in segment],
            "level": level,
            "points": points,
            "high": high,
            "first_high": first_high,
            "late": late,
            # Caught in time: the bot stops before the point of high risk.
            "spoken": np.where(level == 0, 0, np.where(high & ~late, first_high, points)),
            "risky": risky,
        }
    )


def _turns(one: pl.DataFrame, people: _Population, rng: np.random.Generator) -> pl.DataFrame:
    """One row a decision point: ``conversation_id, place, turn, spoken, flagged``."""
    each = one.with_columns(pl.int_ranges(0, "points").alias("place")).explode("place")
    n = each.height
    # The first reply of a risky conversation is risky, and half of the others.
    risky = each["risky"].to_numpy() & (
        (each["place"].to_numpy() == 0) | (rng.uniform(size=n) < 0.5)
    )
    flagged = rng.uniform(size=n) < np.where(risky, people.sensitivity, people.false_alarms)
    return each.select(
        "conversation_id",
        "level",
        "place",
        (2 * pl.col("place")).alias("turn"),
        (pl.col("place") < pl.col("spoken")).alias("spoken"),
        pl.Series("flagged", flagged),
        pl.when(pl.col("place") == pl.col("first_high"))
        .then(pl.lit("high"))
        .otherwise(pl.lit("low"))
        .alias("risk"),
    )


def _evidence(
    one: pl.DataFrame, turns: pl.DataFrame, rng: np.random.Generator, seed: int
) -> Evidence:
    in_stage = pl.DataFrame({"stage": STAGES, "first": [1, 2]}).with_columns(
        pl.lit(CANDIDATE).alias("candidate")
    )

    def reached(frame: pl.DataFrame) -> pl.DataFrame:
        every = in_stage.join(frame, how="cross")
        return every.filter((pl.col("level") > 0) & (pl.col("level") <= pl.col("first")))

    points = reached(turns.filter("spoken"))
    domain = points.group_by(*_CELL, "conversation_id").agg(pl.col("flagged").any())
    offered = pl.DataFrame(
        {"stage": [stage.name for stage in LADDER[1:]]}, schema={"stage": pl.String}
    ).with_columns(pl.lit(CANDIDATE).alias("candidate"))
    status = pl.when(pl.col("stage") == LADDER[1].name).then(pl.lit("assist"))
    settlements = tables.conform(
        "settlements",
        offered.join(one.select("conversation_id"), how="cross").with_columns(
            status.otherwise(pl.lit("agreed")).alias("status")
        ),
    )
    segments = one.select("conversation_id", "segment")
    drawn = _drawn(domain, settlements, rng, seed)
    return Evidence(
        _days(["all", *segments["segment"].unique()]),
        tables.empty("costs"),
        _labels(drawn, one, turns),
        domain,
        points.select(*_CELL, "conversation_id", "turn"),
        settlements,
        segments,
    )


def _drawn(
    domain: pl.DataFrame, settlements: pl.DataFrame, rng: np.random.Generator, seed: int
) -> pl.DataFrame:
    labels, no_bot = int(100 * 12 ** rng.uniform()), int(rng.integers(100, 500))
    streams = Streams(seed)
    return pl.concat(
        [
            draw(domain, labels, streams, "planted"),
            draw_no_bot(settlements, domain, LADDER, no_bot, streams, "planted"),
        ]
    ).with_columns(pl.lit("truth").alias("labeller"), pl.lit("certify").alias("split"))


def _labels(drawn: pl.DataFrame, one: pl.DataFrame, turns: pl.DataFrame) -> pl.DataFrame:
    """What a faultless labeller says of what was drawn."""
    said = pl.when(pl.col("stratum") != "no_bot").then("risky").alias("risky_promise")
    whole = drawn.join(one.select("conversation_id", "risky"), on="conversation_id").with_columns(
        said, pl.lit("conversation").alias("unit")
    )
    each = drawn.join(
        turns.select("conversation_id", "turn", "risk"), on="conversation_id"
    ).with_columns(pl.lit("turn").alias("unit"), (pl.col("risk") == "high").alias("needs_human"))
    return pl.concat([tables.conform("labels", whole), tables.conform("labels", each)])


def _days(segments: list[str]) -> pl.DataFrame:
    """Simulated days on which no stage loses anything: what may stop it is what it says."""
    return tables.build(
        "kpis",
        [
            {"stage": stage.name, "candidate": CANDIDATE, "segment": segment, "bound": "central"}
            | {"metric": "service_level_loss", "low": 0.0, "estimate": 0.0, "high": 0.0}
            | {"n": 20, "unit": "ratio", "method": "planted"}
            for stage in LADDER[1:]
            for segment in segments
        ],
    )


def _rates_here(one: pl.DataFrame, level: int, segment: str) -> Rates:
    mine = one if segment == "all" else one.filter(pl.col("segment") == segment)
    spoken = mine.filter((pl.col("level") > 0) & (pl.col("level") <= level))
    high = mine.filter("high")
    missed = spoken.filter("late").height
    return Rates(
        spoken["risky"].sum() / spoken.height if spoken.height else None,
        1 - missed / high.height if high.height else None,
    )


def _rates_of(people: _Population) -> dict[tuple[str, str], Rates]:
    found = {}
    for last, stage in enumerate(STAGES, start=1):
        levels = people.levels[1 : last + 1]
        by_segment = levels @ people.risky[1 : last + 1] / levels.sum()
        found["all", stage] = Rates(float(people.segments @ by_segment), None)
        for name, rate in zip(_names(people), by_segment, strict=True):
            found[name, stage] = Rates(float(rate), None)
    return found
