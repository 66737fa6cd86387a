"""Running many cells (stage, candidate, bound) through the desk, on several threads.

Cells that offer the desk the very same visits are run once. Each result is kept as it comes, so
that a killed run goes on with the cells that are missing.

Why
    Threads and not processes: the compiled engine and polars both let go of the interpreter while
    they work, and nothing has to be sent about. A replication's contacts are reduced to sums as
    they come, so that memory does not grow with replications except where contacts are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple, Protocol, get_args

import polars as pl

from simulator.contact_center.desk.plan import NOBODY_THERE, Plan, Presence, plan_of
from simulator.contact_center.desk.simulation import Engine, contacts_of, trace_of, visits_by
from simulator.contact_center.measures.intervals import Target, intervals_of
from simulator.contact_center.measures.kpis import hours_of, kpis_of
from simulator.contact_center.measures.sums import desk_sums, together
from simulator.contact_center.measures.yardstick import Yardstick
from simulator.errors import EngineError
from simulator.store import fingerprint
from simulator.tables import build, conform, empty

_CELL = ("stage", "candidate", "bound")
# Visits counted at once; and visits of a cell that table `contacts` keeps, whole replications, the
# first in any case. Indicators are of all.
_AT_ONCE = 50_000
_MOST_KEPT = 200_000


@dataclass(frozen=True)
class Desk:
    """What all cells of a run share.

    Attributes:
        roster, teams, hours: tables.
        presence: the roster as an engine takes it.
        by: what is counted, and against what.
        draws: the draw of the input that each replication belongs to.
        n_logged: days of the log that were drawn from; null where they are not known.
        target: what ``required_agents`` are asked to meet.
        max_attempts: visits of one arrival.
        chat_speed: an agent's total speed with 1, 2, ... chats.
        queue_limit: contacts that may wait at once, by channel.
        engine: compiled or simpy.
        code: digest of the code that a kept result must come from.
    """

    roster: pl.DataFrame
    teams: pl.DataFrame
    hours: pl.DataFrame
    presence: dict[int, Presence]
    by: Yardstick
    draws: tuple[int, ...]
    n_logged: int | None
    target: Target
    max_attempts: int
    chat_speed: tuple[float, ...]
    queue_limit: Mapping[str, int]
    engine: Engine
    code: str


class Results(NamedTuple):
    """Tables ``contacts``, ``kpis``, ``intervals`` and ``desk_hours`` of all cells.

    ``contacts`` keeps the first replications of each cell, up to 200,000 visits.
    """

    contacts: pl.DataFrame
    kpis: pl.DataFrame
    intervals: pl.DataFrame
    desk_hours: pl.DataFrame


class Parts(Protocol):
    """Where results are kept between runs (see :class:`simulator.store.Parts`)."""

    def get(self, key: str) -> pl.DataFrame | None:
        """A part, or null."""

    def put(self, key: str, frame: pl.DataFrame) -> None:
        """Keep a part."""


def run_cells(
    cells: Iterable[pl.DataFrame],
    desk: Desk,
    threads: int,
    parts: Parts,
    progress: Callable[[int], None] = lambda n: None,
) -> Results:
    """Simulate every cell.

    Args:
        cells: tables ``arrivals``, one a cell, outages applied.
        desk: what they share.
        threads: cells at a time.
        parts: where finished cells are kept.
        progress: told how many more cells are done.
    """
    names: dict[str, list[tuple[str, str, str]]] = {}
    results: dict[str, Results] = {}
    waiting: dict[str, pl.DataFrame] = {}
    common = fingerprint(
        desk.roster,
        desk.teams,
        desk.hours,
        desk.by.segment_of,
        [desk.by.segments, desk.by.teams, desk.by.target_wait_s, desk.by.n_days],
        [desk.draws, desk.n_logged, desk.target, desk.max_attempts, desk.chat_speed],
        desk.queue_limit,
        [desk.engine, desk.code],
    )
    for cell in cells:
        if cell.is_empty():
            continue
        visits = cell.filter(pl.col("arrives_ms").is_not_null())
        key = fingerprint(common, visits.drop(_CELL))
        names.setdefault(key, []).append(cell.select(_CELL).row(0))
        if key in results or key in waiting:
            progress(1)
            continue
        stored = [parts.get(f"{key}-{table}") for table in Results._fields]
        found = [frame for frame in stored if frame is not None]
        if len(found) == len(stored):
            results[key] = Results(*found)
            progress(1)
        else:
            waiting[key] = visits
    # Closed here, not by the garbage collector, which would print a second interrupt's traceback.
    with closing(_finished(waiting, desk, threads)) as finished:
        for key, result in finished:
            for table, frame in zip(Results._fields, result, strict=True):
                parts.put(f"{key}-{table}", frame)
            results[key] = result
            progress(1)
    return Results(
        *(
            conform(
                table,
                pl.concat(
                    [empty(table)]
                    + [
                        getattr(results[key], table).with_columns(
                            pl.lit(value).alias(column)
                            for column, value in zip(_CELL, name, strict=True)
                        )
                        for key, owners in names.items()
                        for name in owners
                    ]
                ),
            )
            for table in Results._fields
        )
    )


def _finished(
    waiting: dict[str, pl.DataFrame], desk: Desk, threads: int
) -> Generator[tuple[str, Results], None, None]:
    with ThreadPoolExecutor(threads) as pool:
        running: dict[Future[Results], str] = {
            pool.submit(_one, visits, desk): key for key, visits in waiting.items()
        }
        try:
            while running:
                # Not `as_completed`, which answers an interrupt with a traceback of its own.
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        except BaseException:
            # Interrupted: what has not begun is not waited for.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def engines_agree(cell: pl.DataFrame, desk: Desk) -> pl.DataFrame:
    """Run the first replication of a cell in both engines.

    Returns:
        A row of table ``checks``.

    Raises:
        EngineError: their contacts are not the same.
    """
    first = _first_replication(cell)
    names = desk.by.teams
    logs = []
    for engine in get_args(Engine):
        plan = _plan(first, desk)
        there = [desk.presence.get(number, NOBODY_THERE) for number in plan.replications.tolist()]
        logs.append(
            [
                contacts_of(plan, r, visits_by(engine)(plan, r, one), one, names)
                for r, one in enumerate(there)
            ]
        )
    one, other = (pl.concat([empty("contacts"), *log]) for log in logs)
    if not one.equals(other):
        raise EngineError(
            "the compiled desk and the SimPy desk do not give the same contacts: a fault of "
            'shadowdesk. Please report it with this scenario; simulation.engine = "simpy" runs the '
            "slower one"
        )
    said = "compiled and SimPy engines give the same contacts, row by row (first replication)"
    return build("checks", [{"name": "engines", "result": said, "n": one.height}])


def traces(cells: Iterable[pl.DataFrame], desk: Desk) -> pl.DataFrame:
    """Table ``trace`` of the first replication of each cell."""
    found = [empty("trace")]
    for cell in cells:
        plan = _plan(_first_replication(cell), desk)
        found.append(trace_of(plan, desk.presence))
    return pl.concat(found)


def _first_replication(cell: pl.DataFrame) -> pl.DataFrame:
    return cell.filter(pl.col("replication") == pl.col("replication").min())


def _plan(visits: pl.DataFrame, desk: Desk) -> Plan:
    return plan_of(
        visits,
        desk.teams,
        hours=desk.hours,
        max_attempts=desk.max_attempts,
        chat_speed=desk.chat_speed,
        queue_limit=desk.queue_limit,
    )


def _one(visits: pl.DataFrame, desk: Desk) -> Results:
    plan = _plan(visits, desk)
    run = visits_by(desk.engine)
    kept, sums = [empty("contacts")], []
    n_kept = 0
    # A call of `desk_sums` takes some ms whatever it is given: small replications go together.
    logs: list[pl.DataFrame] = []
    numbers: list[int] = []
    for r, number in enumerate(plan.replications.tolist()):
        there = desk.presence.get(number, NOBODY_THERE)
        log = contacts_of(plan, r, run(plan, r, there), there, desk.by.teams)
        logs.append(log)
        numbers.append(number)
        if r == len(kept) - 1 and (r == 0 or n_kept + log.height <= _MOST_KEPT):
            kept.append(log)
            n_kept += log.height
        if sum(map(len, logs)) >= _AT_ONCE:
            sums.append(desk_sums(pl.concat(logs), desk.roster, desk.by, numbers))
            logs, numbers = [], []
    # A replication without visits is a day all the same: its agents were there.
    numbers += sorted({*range(desk.by.n_replications)} - {*plan.replications.tolist()})
    if numbers:
        rest = pl.concat([empty("contacts"), *logs])
        sums.append(desk_sums(rest, desk.roster, desk.by, numbers))
    whole = together(sums, desk.by)
    del sums, logs
    cell = visits.select(_CELL).row(0) if visits.height else ("", "", "")
    return Results(
        pl.concat(kept),
        kpis_of(whole, desk.by, cell, desk.draws, desk.n_logged),
        intervals_of(whole, desk.by, cell, desk.draws, desk.n_logged, desk.target),
        hours_of(whole, desk.by, cell),
    )


def draws_of(days: int, replications: int) -> Sequence[int]:
    """The input day of each replication: ``replications`` seeds for each of ``days`` draws."""
    return [day for day in range(days) for _ in range(replications)]
