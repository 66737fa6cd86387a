"""Demand meets the human desk: settlements and customers in, contacts and indicators out."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from simulator import economics
from simulator.contact_center import next_morning, with_outages
from simulator.contact_center.cells import Desk, Parts, draws_of, run_cells
from simulator.contact_center.sizing import presence
from simulator.rollout.arrival_process import Arrivals, after_midnight_ms, arrivals_of
from simulator.rollout.demand import arrivals, customers, scripts
from simulator.rollout.outcomes import arrival_kpis, segments, settled_kpis
from simulator.rollout.work import human_work
from simulator.scenario import Scenario
from simulator.schema import BOUNDS
from simulator.streams import Streams
from simulator.tables import build


def simulated(
    one: Scenario,
    table: Callable[[str], pl.DataFrame],
    conversations: pl.DataFrame,
    streams: Streams,
    code: str,
    parts: Parts,
    tell: Callable[[int, int], None],
) -> dict[str, pl.DataFrame]:
    """The tables that the contact-centre stage gives.

    Args:
        one: the scenario.
        table: gives a table of the run by name.
        conversations: table ``conversations`` with the weights of the replay.
        streams: random numbers.
        code: digest of the product's code.
        parts: where finished cells are kept.
        tell: told of cells done and cells in all.
    """
    decisions, settlements = table("decisions"), table("settlements")
    shadow, verdicts = table("shadow"), table("verdicts")
    work = human_work(table("decision_points"), conversations, one.contact_center)
    drawn = arrivals_of(
        conversations,
        work,
        one.demand,
        one.simulation,
        one.history.assume,
        one.history.zone,
        streams,
    )
    people = customers(drawn.table, conversations, one.demand, one.contact_center, streams)
    script = scripts(
        decisions, settlements, work, shadow, one.demand, one.contact_center, one.assist
    )
    offered = people.join(
        script.filter(pl.col("candidate") == "human"), on="conversation_id", maintain_order="left"
    )
    who = presence(
        one.contact_center,
        table("schedule"),
        table("teams"),
        offered.with_columns((pl.col("human_s") * 1000).alias("work_ms")),
        [day for day in drawn.days for _ in range(one.simulation.replications)],
        one.history.zone,
    )
    segment_of = segments(conversations, one.rollout.segment_by)
    promises = economics.promise_counts(decisions, settlements, verdicts, one.assist)
    outages = [
        (after_midnight_ms(outage.starts), after_midnight_ms(outage.ends))
        for outage in one.simulation.outages
    ]
    n_replications = one.simulation.days * one.simulation.replications
    cells, kpis, volumes = [], [], []
    for cell in script.partition_by("stage", "candidate", maintain_order=True):
        settled = settlements.join(cell, on=("stage", "candidate"), how="semi")
        # Without a bot there is nothing that replay cannot know.
        for bound in BOUNDS if cell["automated"].any() else ("central",):
            offered = with_outages(arrivals(people, cell, bound, one.rollout), outages)
            offered = next_morning(offered, who.roster)
            cells.append(offered)
            kpis.append(arrival_kpis(offered, settled, conversations, segment_of))
            volumes.append(economics.volumes(offered, promises, segment_of, n_replications))
    desk = Desk(
        who.roster,
        who.teams,
        conversations,
        one.rollout.segment_by,
        tuple(draws_of(one.simulation.days, one.simulation.replications)),
        one.contact_center.target_wait_s,
        one.demand.max_attempts,
        code,
    )
    results = run_cells(
        cells,
        desk,
        one.simulation.processes,
        parts,
        _counter(tell, len(cells)),
    )
    kpis.append(settled_kpis(decisions, settlements, verdicts, conversations, segment_of))
    return {
        "contacts": results.contacts,
        "kpis": pl.concat([results.kpis, *kpis]),
        "intervals": results.intervals,
        "desk_hours": results.desk_hours,
        "roster": who.roster,
        "volumes": pl.concat(volumes),
        "assumed_desk": _assumed_desk(drawn, who.source),
    }


def _counter(tell: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    done = 0

    def more(n: int) -> None:
        nonlocal done
        done += n
        tell(done, total)

    return more


def _assumed_desk(drawn: Arrivals, presence_source: str) -> pl.DataFrame:
    """Where arrivals and presence come from, in the form of the other assumptions."""
    rows: list[dict[str, object]] = [
        {"name": "arrivals", "value": "see source", "source": drawn.method},
        {"name": "roster", "value": "see source", "source": presence_source},
    ]
    rows += [
        {
            "name": f"strata without a replayed conversation, {dropped} columns dropped",
            "value": str(n),
            "source": "each such arrival drew a conversation of a wider stratum",
            "n": n,
        }
        for dropped, n in drawn.n_widened.items()
        if dropped
    ]
    return build("assumed_desk", rows)
