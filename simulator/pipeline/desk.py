"""Demand meets the human desk: settlements and customers in, contacts and indicators out."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from simulator import economics
from simulator.contact_center.cells import (
    Desk,
    Parts,
    draws_of,
    engines_agree,
    run_cells,
    traces,
)
from simulator.contact_center.desk.plan import presence_of
from simulator.contact_center.measures.intervals import Target
from simulator.contact_center.measures.lost import service_level_lost
from simulator.contact_center.measures.yardstick import yardstick
from simulator.pipeline.customers import Drawn, Script, TableOf, drawn, offered, script_of
from simulator.rollout.outcomes import arrival_kpis, segments, settled_kpis
from simulator.scenario import Scenario
from simulator.schema import BOUNDS
from simulator.streams import Streams
from simulator.tables import build, empty


def simulated(
    one: Scenario,
    table: TableOf,
    streams: Streams,
    code: str,
    parts: Parts,
    tell: Callable[[int, int], None],
) -> dict[str, pl.DataFrame]:
    """The tables that the contact-centre stage gives.

    Args:
        one: the scenario.
        table: gives a table of the run by name.
        streams: random numbers.
        code: digest of the product's code.
        parts: where finished cells are kept.
        tell: told of cells done and cells in all.
    """
    decisions, settlements, verdicts = (
        table(name) for name in ("decisions", "settlements", "verdicts")
    )
    script = script_of(one, table)
    customers = drawn(one, table, script, streams)
    conversations, horizon = script.conversations, script.horizon
    segment_of = segments(conversations, one.rollout.segment_by)
    promises = economics.promise_counts(
        decisions, settlements, verdicts, table("shadow"), one.assist
    )
    days = one.simulation.days * one.simulation.replications * horizon.n_days
    cells, kpis, volumes = [], [], []
    for cell in script.rows.partition_by("stage", "candidate", maintain_order=True):
        settled = settlements.join(cell, on=("stage", "candidate"), how="semi")
        # Without a bot there is nothing that replay cannot know.
        for bound in BOUNDS if cell["automated"].any() else ("central",):
            cells.append(offered(one, script, customers, cell, bound))
            counted = cells[-1].filter(pl.coalesce("bot_start_ms", "arrives_ms") >= 0)
            kpis.append(arrival_kpis(counted, settled, conversations, segment_of))
            volumes.append(economics.volumes(counted, promises, segment_of, days))
    desk = _desk(one, script, customers, code)
    results = run_cells(
        cells,
        desk,
        one.simulation.processes,
        parts,
        _counter(tell, len(cells)),
    )
    kpis.append(settled_kpis(decisions, settlements, verdicts, conversations, segment_of))
    baseline, n_logged = one.rollout.stages[0].name, customers.arrivals.n_logged
    kpis.append(service_level_lost(results.desk_hours, baseline, desk.draws, n_logged))
    return {
        "contacts": results.contacts,
        "kpis": pl.concat([results.kpis, *kpis]),
        "intervals": results.intervals,
        "desk_hours": results.desk_hours,
        "roster": customers.who.roster,
        "hours": customers.hours,
        "horizon": _horizon(one, script, customers),
        "volumes": pl.concat(volumes),
        "checks": engines_agree(cells[0], desk),
        "trace": traces(cells, desk) if one.simulation.trace else empty("trace"),
        "assumed_desk": _assumed_desk(script, customers),
    }


def _desk(one: Scenario, script: Script, customers: Drawn, code: str) -> Desk:
    simulation, center, who = one.simulation, one.contact_center, customers.who
    return Desk(
        roster=who.roster,
        teams=who.teams,
        hours=customers.hours,
        presence=presence_of(who.roster, who.teams),
        by=yardstick(
            script.conversations,
            one.rollout.segment_by,
            who.teams["team"],
            center.target_wait_s,
            simulation.days * simulation.replications,
            script.horizon.n_days,
        ),
        draws=tuple(draws_of(simulation.days, simulation.replications)),
        n_logged=customers.arrivals.n_logged,
        target=Target(one.staffing.target_share, center.patience_mean_s.value),
        max_attempts=one.demand.max_attempts,
        chat_speed=center.chat_speed,
        queue_limit=center.queue_limit.model_dump(exclude_none=True),
        engine=simulation.engine,
        code=code,
    )


def _horizon(one: Scenario, script: Script, customers: Drawn) -> pl.DataFrame:
    simulation = one.simulation
    row = {
        "day": one.demand.day,
        "n_days": script.horizon.n_days,
        "warm_up_days": script.horizon.warm_up_days,
        "n_draws": simulation.days,
        "n_replications": simulation.days * simulation.replications,
        "n_logged": customers.arrivals.n_logged,
    }
    return build("horizon", [row])


def _counter(tell: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    done = 0

    def more(n: int) -> None:
        nonlocal done
        done += n
        tell(done, total)

    return more


def _assumed_desk(script: Script, customers: Drawn) -> pl.DataFrame:
    """Where arrivals, presence and patience come from, in the form of the other assumptions."""
    found = customers.arrivals
    sources = {
        "arrivals": found.method,
        "roster": customers.who.source,
        "patience": script.patience.method,
    }
    rows: list[dict[str, object]] = [
        {"name": name, "value": "see source", "source": source} for name, source in sources.items()
    ]
    rows += [
        {
            "name": f"strata without a replayed conversation, {dropped} columns dropped",
            "value": str(n),
            "source": "each such arrival drew a conversation of a wider stratum",
            "n": n,
        }
        for dropped, n in found.n_widened.items()
        if dropped
    ]
    return build("assumed_desk", rows)
