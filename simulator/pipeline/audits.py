"""Audits of a run: drawing conversations for people to label, and loading what they said."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from simulator.errors import RunError
from simulator.evidence.audited import NO_BOT, SIMPLE
from simulator.evidence.rates import Stratum
from simulator.judging.audit import filled, sheet
from simulator.judging.audit.agreement import Accuracy, Kappa, accuracy, kappas
from simulator.judging.audit.draw import STRATA, rounds, shares
from simulator.judging.audit.kept import (
    audited_labels,
    audits_digest,
    draws,
    has_audits,
    keep_draw,
    keep_labels,
)
from simulator.judging.audit.plan import Plan, plan
from simulator.judging.audit.points import as_drawn, by_segment, stratum_drawn
from simulator.pipeline.audited import points_now
from simulator.rollout.outcomes import segments
from simulator.scenario import Gate, Scenario
from simulator.store import RunFolder, fingerprint, write_bytes
from simulator.streams import Streams

__all__ = [
    "Asked",
    "Drawn",
    "Loaded",
    "audited_labels",
    "audits_digest",
    "draw",
    "has_audits",
    "load",
]

SECOND = "-second"
_POINT = ["conversation_id", "turn"]
_NAME = re.compile(r"\w[\w.-]{0,39}")


class Asked(NamedTuple):
    """What to draw: a cell (the parts that are null come from ``[proposal]``) and how many.

    ``labels`` conversations that the bot spoke in, ``no_bot`` ones that it did not; ``doubles`` is
    the share that a second person labels too; ``simple`` draws from the domain as a whole instead
    of by verdict.
    """

    candidate: str | None
    stage: str | None
    segment: str | None
    labels: int
    no_bot: int
    split: Literal["certify", "choose"]
    doubles: float
    simple: bool


class Allocated(NamedTuple):
    """A stratum: ``units`` conversations, ``before`` drawn earlier, ``new`` drawn now."""

    stratum: str
    units: int
    before: int
    new: int


class Drawn(NamedTuple):
    """A draw as it was made; ``plan`` is null where its labels certify nothing."""

    draw_id: str
    cell: tuple[str, str, str]
    round: int
    allocated: tuple[Allocated, ...]
    plan: Plan | None
    n_rows: int
    files: tuple[Path, ...]


class Loaded(NamedTuple):
    """What a sheet held, what it still lacks, and what the labels of its cell now show."""

    draw_id: str
    cell: tuple[str, str]
    n_conversations: int
    n_drawn: int
    n_rows: int
    unanswered: dict[str, int]
    doubtful: tuple[str, ...]
    without_labels: tuple[str, ...]
    kappas: tuple[Kappa, ...]
    accuracy: tuple[Accuracy, ...]


def draw(one: Scenario, folder: RunFolder, asked: Asked, out: Path) -> Drawn:
    """Draw conversations of one cell, and write their sheet and its page.

    A further draw of a cell goes on in the random order of the ones before it.

    Args:
        one: the scenario of the run.
        folder: a finished run.
        asked: what to draw.
        out: the sheet, ending in ``.csv``; the page lies beside it, and with ``doubles`` a second
            sheet and page (``-second``).

    Raises:
        RunError: nothing can be drawn as asked, or a file is in the way.
    """
    streams = Streams(one.simulation.seed)
    stage, candidate, segment = cell = _cell(folder, one, asked)
    _possible(asked, out)
    points = points_now(folder, stage, candidate, simple=asked.simple)
    units = points.select("conversation_id", "stratum").unique()
    of = segments(folder.table("conversations"), one.rollout.segment_by)
    here = units.join(of.filter(pl.col("segment") == segment), on="conversation_id", how="semi")
    earlier = _earlier(folder, cell, asked)
    _unchanged(folder, earlier, points)
    taken = set(earlier["conversation_id"])
    sizes = dict(here.group_by("stratum").len().iter_rows())
    free = here.filter(~pl.col("conversation_id").is_in(list(taken)))
    left = dict(free.group_by("stratum").len().iter_rows())
    names = (SIMPLE,) if asked.simple else STRATA
    wanted = shares({name: left.get(name, 0) for name in names}, asked.labels)
    if asked.no_bot:
        wanted[NO_BOT] = min(asked.no_bot, left.get(NO_BOT, 0))
    if not sum(wanted.values()):
        raise RunError(
            f"{folder.path}: {candidate} at {stage}, segment {segment}: nothing is left to draw; "
            f"of {sum(sizes.get(name, 0) for name in names)} conversations with an automatic reply "
            f"and {sizes.get(NO_BOT, 0)} without, {sum(sizes.values()) - sum(left.values())} are "
            "drawn already; ask for another cell"
        )
    order = SIMPLE if asked.simple else asked.split
    chosen = rounds(here, taken, wanted, streams, order)
    same = earlier.filter(segment=segment, split=asked.split)
    number = 1 + max(same["round"], default=0)
    draw_id = "d" + fingerprint(cell, order, number, chosen, streams.seed)[:8]
    table = as_drawn(
        chosen, points, (draw_id, *cell, asked.split), asked.simple, number, asked.doubles, streams
    )
    files = _write_sheets(folder, table, points, draw_id, out, streams)
    # Last: until it is there, nothing was drawn.
    keep_draw(folder, table)
    allocated = tuple(
        Allocated(name, sizes.get(name, 0), sizes.get(name, 0) - left.get(name, 0), new)
        for name, new in wanted.items()
    )
    planned = None
    if asked.labels and not asked.simple:
        known = _known(folder, here, earlier)
        new = chosen.filter(pl.col("stratum") != NO_BOT)
        planned = plan(
            known, dict(new["stratum"].value_counts().rows()), _gate(one, stage, segment)
        )
    return Drawn(draw_id, cell, number, allocated, planned, table.height, files)


def load(one: Scenario, folder: RunFolder, path: Path, labeller: str, on: date) -> Loaded:
    """Check a filled sheet and keep its labels; those of the same labeller are replaced.

    Args:
        one: the scenario of the run.
        folder: a finished run.
        path: the sheet.
        labeller: who filled it.
        on: the day.

    Raises:
        HistoryError: the sheet cannot be used as it is.
        RunError: the run has no such draw, or the name will not do.
    """
    if not _NAME.fullmatch(labeller) or labeller.lower() in ("synthetic", "unknown"):
        raise RunError(
            f"--labeller {labeller!r}: expected up to 40 letters, digits, dots, hyphens or "
            "underscores, such as ann, and not synthetic or unknown"
        )
    found = filled.read_filled(path)
    every_draw = draws(folder)
    draw_id = found.sheet.removesuffix(SECOND)
    drawn = every_draw.filter(pl.col("draw_id") == draw_id)
    if found.sheet.endswith(SECOND):
        drawn = drawn.filter("double")
    if drawn.is_empty():
        there = every_draw["draw_id"].unique().sort().to_list()
        raise RunError(
            f"{path}: sheet = {found.sheet[:60]!r} is of no draw of {folder.path}; expected one of "
            f"{', '.join(there) or 'none: nothing was drawn yet'}; load it into the run that it "
            "was drawn from"
        )
    stage, candidate = drawn["stage"][0], drawn["candidate"][0]
    points = points_now(folder, stage, candidate, simple=False)
    now = points.select(*_POINT, pl.col("digest").alias("digest_now"))
    drawn = drawn.join(now, on=_POINT, how="left").sort("conversation_id", "turn")
    filled.check_filled(path, found, drawn)
    labels = filled.to_labels(found, drawn.with_columns(stratum_drawn()), labeller, on)
    keep_labels(folder, found.sheet, labeller, labels)
    every = audited_labels(folder).filter(
        (pl.col("stage") == stage) & (pl.col("candidate") == candidate)
    )
    verdict = points.select("conversation_id", "stratum").unique()
    of = segments(folder.table("conversations"), one.rollout.segment_by)
    units = by_segment(verdict, of, every_draw.filter(stage=stage, candidate=candidate), "all")
    placed = every.drop("stratum").join(units, on="conversation_id")
    labelled = set(audited_labels(folder)["draw_id"])
    return Loaded(
        draw_id,
        (stage, candidate),
        labels["conversation_id"].n_unique(),
        drawn["conversation_id"].n_unique(),
        drawn.height,
        filled.unanswered(found, drawn),
        tuple(filled.doubtful(found)),
        tuple(name for name in every_draw["draw_id"].unique().sort() if name not in labelled),
        tuple(kappas(every)),
        tuple(accuracy(placed, folder.table("verdicts"), units)),
    )


def _cell(folder: RunFolder, one: Scenario, asked: Asked) -> tuple[str, str, str]:
    proposal = one.proposal
    bots = sorted(one.candidates)
    automatic = [stage.name for stage in one.rollout.stages if stage.auto_when is not None]
    if asked.candidate == "human":
        # What our own agents promise, for gates that set a bot against them.
        automatic = [one.rollout.stages[0].name]
    of = segments(folder.table("conversations"), one.rollout.segment_by)
    own = of["segment"].unique().drop_nulls().sort().to_list()
    choices: dict[str, tuple[str | None, list[str]]] = {
        "stage": (asked.stage or (proposal.stage if proposal else None), automatic),
        "candidate": (asked.candidate or (proposal.candidate if proposal else None), bots),
        "segment": (asked.segment or (proposal.segment if proposal else "all"), own),
    }
    found = []
    for name, (value, allowed) in choices.items():
        listed = ", ".join(allowed) or "none: the scenario has none whose replies go out unread"
        if value is None:
            raise RunError(
                f"{folder.path}: the scenario has no [proposal]; name a {name} with --{name}: "
                f"{listed}"
            )
        if value not in allowed:
            raise RunError(f"--{name} {value}: expected one of {listed}")
        found.append(value)
    return found[0], found[1], found[2]


def _gate(one: Scenario, stage: str, segment: str) -> Gate | None:
    """The strictest gate on risky promises that is tested there."""
    rungs = [rung for rung in one.rollout.stages if rung.name == stage]
    found = [
        gate
        for gate in one.gates
        if gate.metric == "risky_promise_rate"
        and (gate.segments is None or segment in gate.segments)
        and any(gate.at(rung) for rung in rungs)
    ]
    return min(found, key=lambda gate: gate.limit, default=None)


def _possible(asked: Asked, out: Path) -> None:
    if asked.labels < 0 or asked.no_bot < 0 or asked.labels + asked.no_bot < 1:
        raise RunError(
            f"--labels {asked.labels} --no-bot {asked.no_bot}: expected at least one conversation"
        )
    if not 0 <= asked.doubles <= 1:
        raise RunError(f"--doubles {asked.doubles:g}: expected a share from 0 to 1, such as 0.2")
    if asked.simple and asked.no_bot:
        raise RunError(
            "--simple --no-bot: a simple random sample is one of automatic replies; draw the "
            "conversations without one by a draw without --simple"
        )
    if asked.split == "choose" and not asked.simple:
        raise RunError(
            "--split choose: a threshold is chosen on a simple random sample; add --simple"
        )
    if out.suffix.lower() != ".csv":
        raise RunError(f"--out {out}: expected a name that ends in .csv, such as sheet.csv")


def _write_sheets(
    folder: RunFolder,
    table: pl.DataFrame,
    points: pl.DataFrame,
    draw_id: str,
    out: Path,
    streams: Streams,
) -> tuple[Path, ...]:
    content: dict[Path, bytes] = {}
    shown = points.select(*_POINT, "point", "at", "reply")
    turns, conversations = folder.table("turns"), folder.table("conversations")
    policy = folder.table("commitments_policy")
    for suffix, part in (("", table), (SECOND, table.filter("double"))):
        if part.is_empty():
            continue
        name = draw_id + suffix
        drawn = shown.join(part.select(_POINT), on=_POINT, how="semi")
        lines = sheet.rows(name, drawn, turns, conversations, policy, streams)
        file = out.with_name(f"{out.stem}{suffix}.csv")
        content[file] = sheet.to_csv(name, lines)
        content[file.with_suffix(".html")] = sheet.to_html(name, lines, f"{file.stem}-filled.csv")
    for file, data in content.items():
        if file.exists() and not (file.is_file() and file.read_bytes() == data):
            raise RunError(
                f"{file}: is there already, perhaps with labels in it; name another sheet with "
                "--out"
            )
    for file, data in content.items():
        write_bytes(file, data)
    return tuple(content)


def _unchanged(folder: RunFolder, earlier: pl.DataFrame, points: pl.DataFrame) -> None:
    now = points.select(*_POINT, "stratum", "digest")
    both = earlier.join(now, on=_POINT, how="left", suffix="_now")
    changed = both.filter(
        pl.col("digest").ne_missing(pl.col("digest_now"))
        | pl.col("stratum").ne_missing(pl.col("stratum_now"))
    )
    if changed.height:
        names = changed["draw_id"].unique().sort().to_list()
        raise RunError(
            f"{folder.path / 'audits'}: {changed['conversation_id'].n_unique()} conversations of "
            f"{', '.join(names)} have other replies or verdicts since they were drawn; expected "
            f"draws of the run as it is; move the files {', '.join(f'{n}.*' for n in names)} away "
            "and draw anew"
        )


def _known(folder: RunFolder, here: pl.DataFrame, earlier: pl.DataFrame) -> dict[str, Stratum]:
    """What earlier rounds have drawn and found, by stratum; unknown counts as risky."""
    ids = earlier["draw_id"].unique().to_list()
    risky = (
        audited_labels(folder)
        .filter((pl.col("unit") == "conversation") & pl.col("draw_id").is_in(ids))
        .filter(pl.col("risky_promise").fill_null(True))
    )
    spoken = here.filter(pl.col("stratum") != NO_BOT)
    drawn = pl.col("conversation_id").is_in(earlier["conversation_id"].unique().to_list())
    bad = pl.col("conversation_id").is_in(risky["conversation_id"].unique().to_list())
    counted = spoken.group_by("stratum").agg(pl.len(), drawn.sum().alias("n"), bad.sum().alias("k"))
    return {name: Stratum(*map(int, numbers)) for name, *numbers in counted.sort("stratum").rows()}


def _earlier(folder: RunFolder, cell: tuple[str, str, str], asked: Asked) -> pl.DataFrame:
    """The draws that this one goes on from.

    Those of the other split are in for a threshold: whoever chose it must not certify it. Those of
    a segment alone are not in for all, or the segment would be too thin in what is drawn of all.
    """
    stage, candidate, segment = cell
    same = draws(folder).filter(
        pl.col("segment").is_in(["all", segment]),
        stage=stage,
        candidate=candidate,
        simple=asked.simple,
    )
    return same if asked.simple else same.filter(split=asked.split)
