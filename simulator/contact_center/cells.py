"""Running many cells (stage, candidate, bound) through the desk, on several processes.

Cells that offer the desk the very same visits are run once. Each result is kept as it comes, so
that a killed run goes on with the cells that are missing.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import NamedTuple, Protocol

import polars as pl

from simulator.contact_center.intervals import desk_intervals
from simulator.contact_center.kpis import desk_hours, desk_kpis
from simulator.contact_center.simpy_engine import simulate
from simulator.store import fingerprint
from simulator.tables import conform, empty

_CELL = ("stage", "candidate", "bound")


@dataclass(frozen=True)
class Desk:
    """What all cells of a run share.

    ``roster``, ``teams``: tables. ``conversations``: table, for the segments. ``segment_by``:
    columns of it. ``draws``: the input day of each replication. ``target_wait_s``: of the service
    level. ``max_attempts``: visits of one arrival. ``code``: digest of the code that a kept result
    must come from.
    """

    roster: pl.DataFrame
    teams: pl.DataFrame
    conversations: pl.DataFrame
    segment_by: tuple[str, ...]
    draws: tuple[int, ...]
    target_wait_s: float
    max_attempts: int
    code: str


class Results(NamedTuple):
    """Tables ``contacts``, ``kpis``, ``intervals`` and ``desk_hours`` of all cells."""

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
    processes: int,
    parts: Parts,
    progress: Callable[[int], None] = lambda n: None,
) -> Results:
    """Simulate every cell.

    Args:
        cells: tables ``arrivals``, one a cell, outages applied.
        desk: what they share.
        processes: worker processes; 1 works in this one.
        parts: where finished cells are kept.
        progress: told how many more cells are done.
    """
    names: dict[str, list[tuple[str, str, str]]] = {}
    results: dict[str, Results] = {}
    waiting: dict[str, pl.DataFrame] = {}
    common = fingerprint(
        desk.roster,
        desk.teams,
        desk.conversations.select("conversation_id", *desk.segment_by),
        desk.draws,
        desk.target_wait_s,
        desk.max_attempts,
        desk.code,
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
    for key, result in _finished(waiting, desk, processes):
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
    waiting: dict[str, pl.DataFrame], desk: Desk, processes: int
) -> Iterator[tuple[str, Results]]:
    if processes == 1 or len(waiting) < 2:
        for key, visits in waiting.items():
            yield key, _one(visits, desk)
        return
    # Spawned, because polars' threads do not survive a fork.
    with ProcessPoolExecutor(
        min(processes, len(waiting)), get_context("spawn"), _begin, (desk,)
    ) as pool:
        with _deaf_to_interrupts():
            running: dict[Future[Results], str] = {
                pool.submit(_in_worker, visits): key for key, visits in waiting.items()
            }
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        except BaseException:
            # Interrupted: what has not begun is not waited for.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes begun here ignore Ctrl-C, which reaches the whole group: the parent answers it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Blocked, not ignored: one that comes meanwhile is answered right after.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_desk: Desk | None = None


def _begin(desk: Desk) -> None:
    global _desk
    _desk = desk
    # A parent that was killed cannot tell its workers; without this they would wait for ever.
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _in_worker(visits: pl.DataFrame) -> Results:
    assert _desk is not None
    return _one(visits, _desk)


def _one(visits: pl.DataFrame, desk: Desk) -> Results:
    contacts = simulate(visits, desk.roster, desk.teams, max_attempts=desk.max_attempts)
    return Results(
        contacts,
        desk_kpis(
            contacts,
            desk.roster,
            desk.conversations,
            desk.segment_by,
            desk.target_wait_s,
            desk.draws,
        ),
        desk_intervals(contacts, desk.roster, desk.target_wait_s),
        desk_hours(contacts, desk.conversations, desk.segment_by, len(desk.draws)),
    )


def draws_of(days: int, replications: int) -> Sequence[int]:
    """The input day of each replication: ``replications`` seeds for each of ``days`` draws."""
    return [day for day in range(days) for _ in range(replications)]
