"""A comparison of candidates: from run folders to what the reports read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl

from simulator.comparison import SLICES, Comparison, Side, aligned
from simulator.comparison import compare as at_points
from simulator.comparison.desk import desk_differences
from simulator.comparison.trajectories import by_conversation
from simulator.contact_center.cells import draws_of
from simulator.errors import RunError
from simulator.pipeline.steps import Tell
from simulator.reports.comparison import Compared
from simulator.scenario import Scenario
from simulator.scenario_file import validate
from simulator.store import RunFolder
from simulator.streams import Streams, stable_hash
from simulator.tables import empty

CONFIDENCE = 0.95
_LOG = ("resolved", "complained")
# What decides which customers a simulated day has, and what awaits them at the desk.
_DAYS = (
    "history",
    "replay",
    "demand",
    "contact_center",
    "simulation",
    "rollout",
    "assist",
    "money",
)


class Asked(NamedTuple):
    """What to compare: names as the user gave them.

    ``baseline`` null: the candidate of ``[proposal]``, else human. ``candidates`` empty: all that
    can be compared. ``by`` empty: all slices. ``tolerance`` is a share; ``top``: how many slices
    and points to show.
    """

    baseline: str | None
    candidates: tuple[str, ...]
    by: tuple[str, ...]
    tolerance: float
    top: int


class _Pair(NamedTuple):
    ours: Side
    theirs: Side


class _Run:
    """A run whose tables are read once: sides that share a table hold the same object."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder, self.path = folder, folder.path
        self.scenario = validate(folder.manifest["scenario"], str(folder.path / "manifest.json"))
        self.table = cache(folder.table)


def compare(
    before: RunFolder,
    after: RunFolder | None,
    asked: Asked,
    *,
    tell: Tell = lambda stage, done, total: None,
) -> Compared:
    """Candidates of one run against its baseline, or of two runs against themselves before.

    Args:
        before: the run; of two, the one before.
        after: the run after, or null.
        asked: which candidates, slices and points.
        tell: told of progress, once it is known that there is something to do.

    Raises:
        RunError: a name, a slice or a number that is not allowed, or two runs that share
            no conversation.
        RunError: a run lacks a table.
    """
    _check(asked)
    then = _Run(before)
    now = then if after is None else _Run(after)
    scenario = then.scenario
    pairs = _in_one(then, asked) if after is None else _in_two(then, now, asked)
    tell("compare", 0, 0)
    apart = [aligned(*pair) for pair in pairs]
    found = _compared(pairs, apart, now, asked)
    itself = after is not None and not any(apart)
    desk, remarks = _desk(pairs, then, now, together=not any(apart))
    return Compared(
        title=(
            f"Comparison: {scenario.name}"
            if after is None
            else f"Comparison: {_short(after)} with {_short(before)}"
        ),
        pairs=tuple((ours.name, theirs.name) for ours, theirs in pairs),
        # In conversations that went their own way, what differs is who held them.
        shown={
            side.name: side.name if any(apart) else side.candidate
            for pair in pairs
            for side in pair
        },
        yardstick="before" if itself else _of_all(pairs),
        across_runs=itself,
        tolerance=asked.tolerance,
        confidence=CONFIDENCE,
        top=asked.top,
        currency=scenario.money.currency,
        synthetic=scenario.history.format == "sample",
        stages=tuple(stage.name for stage in scenario.rollout.stages),
        labelled_by=_labelled_by(pairs),
        differences=found.differences,
        decision_matrix=found.decision_matrix,
        disagreements=found.disagreements,
        desk_differences=desk,
        remarks=(*found.remarks, *remarks),
        chosen=_chosen(pairs, scenario, asked) if after is None else "",
    )


def _chosen(pairs: Sequence[_Pair], scenario: Scenario, asked: Asked) -> str:
    """How the baseline was come by, where nobody named it."""
    name = pairs[0].theirs.candidate
    if asked.baseline is not None or name == "human":
        return ""
    whose = "the scenario's proposal" if scenario.proposal else "the first of the scenario"
    return f"Set against {name}, {whose}; --baseline human sets all against your own agents."


def _of_all(pairs: Sequence[_Pair]) -> str:
    """What all of ours are set against, in a word."""
    names = {pair.theirs.name for pair in pairs}
    return names.pop() if len(names) == 1 else "the other run"


def _labelled_by(pairs: Sequence[_Pair]) -> Mapping[str, int]:
    """Whose labels there are of the points compared, and of how many; the most first."""
    # Whoever's reply was labelled, what is said of the customer's words holds for all.
    labels = {id(side.labels): side.labels for pair in pairs for side in pair}
    counted = (
        pl.concat(
            table.filter(pl.col("unit") == "turn").select("labeller", "conversation_id", "turn")
            for table in labels.values()
        )
        .unique()
        .group_by("labeller")
        .len("n")
        .sort(["n", "labeller"], descending=[True, False])
    )
    return dict(counted.iter_rows())


def _check(asked: Asked) -> None:
    if not 0 <= asked.tolerance < 1:
        raise RunError(
            f"--tolerance {asked.tolerance:g}: expected a share from 0 to below 1; write 0.01 for "
            "one percentage point"
        )
    if asked.top < 1:
        raise RunError(f"--top {asked.top}: expected at least 1")
    for name in asked.by:
        if name not in SLICES:
            raise RunError(f"--by {name}: expected one of {', '.join(SLICES)}")


def _in_one(run: _Run, asked: Asked) -> list[_Pair]:
    """Each candidate against the baseline of the same run."""
    scenario = run.scenario
    names = list(scenario.candidates)
    if len(names) < 2:
        raise RunError(
            f"{run.path}: has one candidate, {names[0]}, and nothing to set it against; add "
            "another to the scenario and run it again, or name a second run"
        )
    proposed = scenario.proposal.candidate if scenario.proposal else None
    baseline = asked.baseline or proposed or ("human" if "human" in names else names[0])
    _allowed("--baseline", [baseline], names)
    _allowed("--candidate", asked.candidates, [name for name in names if name != baseline])
    wanted = asked.candidates or tuple(name for name in names if name != baseline)
    theirs = _side(run, baseline, baseline)
    return [_Pair(_side(run, name, name), theirs) for name in dict.fromkeys(wanted)]


def _in_two(before: _Run, after: _Run, asked: Asked) -> list[_Pair]:
    """Each candidate that both runs have, against itself before."""
    if asked.baseline is not None:
        raise RunError(
            f"--baseline {asked.baseline}: with two runs each candidate is set against itself in "
            "the first; leave --baseline out"
        )
    then, now = before.scenario, after.scenario
    both = [name for name in now.candidates if name in then.candidates]
    if not both:
        raise RunError(
            f"{after.path}: has no candidate that {before.path} has too; there "
            f"{', '.join(then.candidates)}, here {', '.join(now.candidates)}; give the candidate "
            "the same name in both scenarios"
        )
    _allowed("--candidate", asked.candidates, both)
    _same_history(before, after)
    places = _short(before.folder), _short(after.folder)
    if places[0] == places[1]:
        places = f"{places[0]}, before", f"{places[1]}, after"
    pairs = [
        _Pair(
            _side(after, name, f"{name} ({places[1]})"),
            _side(before, name, f"{name} ({places[0]})"),
        )
        for name in dict.fromkeys(asked.candidates or both)
    ]
    if asked.candidates:
        return pairs
    # The agents of one log are the same by construction; of two logs they are what differs, and
    # bots were shown the conversations of either.
    held = aligned(*pairs[0]) is not None
    human = [now.candidates[pair.ours.candidate].kind == "human" for pair in pairs]
    return [pair for pair, own in zip(pairs, human, strict=True) if own == held] or pairs


def _same_history(before: _Run, after: _Run) -> None:
    """Refuse two runs that have no conversation in common."""
    then, now = before.scenario, after.scenario
    generated = [one.history.format == "sample" for one in (then, now)]
    # Generated conversations bear the same names in every sample.
    other = any(generated) and (not all(generated) or then.history.sample != now.history.sample)
    ids = [one.table("decision_points").select("conversation_id") for one in (before, after)]
    if other or ids[0].join(ids[1], on="conversation_id", how="semi").is_empty():
        raise RunError(
            f"{after.path}: replays another history than {before.path}: they share no "
            "conversation; run both scenarios on the same log, with the same names of "
            "conversations, and compare again"
        )


def _allowed(option: str, names: Sequence[str], allowed: Sequence[str]) -> None:
    for name in names:
        if name not in allowed:
            raise RunError(f"{option} {name}: expected one of {', '.join(allowed)}")


def _short(folder: RunFolder) -> str:
    return folder.path.resolve().name or str(folder.path)


def _side(run: _Run, candidate: str, name: str) -> Side:
    # Of the incumbent too: what it did is what decisions are set beside.
    of = pl.col("candidate").is_in([candidate, "human"])
    return Side(
        name=name,
        candidate=candidate,
        shadow=run.table("shadow").filter(of),
        verdicts=run.table("verdicts").filter(of),
        contexts=run.table("contexts"),
        labels=run.table("labels"),
        decision_points=run.table("decision_points"),
        conversations=run.table("conversations"),
    )


def _compared(
    pairs: Sequence[_Pair], apart: Sequence[str | None], run: _Run, asked: Asked
) -> Comparison:
    """What differs, point by point unless ``apart`` says why a pair cannot be."""
    streams = Streams(run.scenario.simulation.seed)
    rng = np.random.default_rng(
        streams.uniform(stable_hash(["comparison"]), "comparison").view(np.uint64)
    )
    alike = [pair for pair, why in zip(pairs, apart, strict=True) if why is None]
    parts: list[Comparison] = []
    if alike:
        parts.append(
            at_points(
                [pair.ours for pair in alike],
                [pair.theirs for pair in alike],
                by=asked.by or SLICES,
                tolerance=asked.tolerance,
                confidence=CONFIDENCE,
                n_disagreements=asked.top,
                rng=rng,
            )
        )
    supplied = run.table("assumed_log")["name"].str.strip_suffix("_rate")
    for pair, why in zip(pairs, apart, strict=True):
        if why is not None:
            found = by_conversation(
                *pair,
                tolerance=asked.tolerance,
                confidence=CONFIDENCE,
                rng=rng,
                supplied=[name for name in _LOG if supplied.is_in([name]).any()],
            )
            parts.append(found._replace(remarks=(why, *found.remarks)))
    return Comparison(
        pl.concat([part.differences for part in parts]),
        pl.concat([part.decision_matrix for part in parts]),
        pl.concat([part.disagreements for part in parts]),
        tuple(dict.fromkeys(remark for part in parts for remark in part.remarks)),
    )


def _desk(
    pairs: Sequence[_Pair], before: _Run, now: _Run, *, together: bool
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Table ``desk_differences``, where both sides faced the same simulated days."""
    scenario, then = now.scenario, before.scenario
    if any(getattr(scenario, part) != getattr(then, part) for part in _DAYS) or not together:
        return empty("desk_differences"), (
            "The desk is not compared: the two runs simulated other days, other customers or "
            "another desk.",
        )
    tables = {
        name: pl.concat(
            _renamed(run.table(name), side)
            for side, run in {
                side.name: (side, run)
                for ours, theirs in pairs
                for side, run in ((ours, now), (theirs, before))
            }.values()
        )
        for name in ("kpis", "costs", "desk_hours", "volumes")
    }
    simulation, horizon = scenario.simulation, now.table("horizon")
    return (
        pl.concat(
            desk_differences(
                ours.name,
                theirs.name,
                tables["kpis"],
                tables["costs"],
                tables["desk_hours"],
                draws_of(simulation.days, simulation.replications),
                horizon["n_logged"].item(),
                n_days=horizon["n_days"].item(),
                volumes=tables["volumes"],
            )
            for ours, theirs in pairs
        ),
        (),
    )


def _renamed(table: pl.DataFrame, side: Side) -> pl.DataFrame:
    mine = table.filter(pl.col("candidate") == side.candidate)
    return mine.with_columns(pl.lit(side.name).alias("candidate"))
