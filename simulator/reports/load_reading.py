"""The sentence under the load by half-hour."""

from __future__ import annotations

from datetime import time

import polars as pl

from simulator.reports import wording
from simulator.reports.language import noted, say, say_n
from simulator.reports.phrases import at as _at
from simulator.reports.phrases import together
from simulator.reports.run import Run
from simulator.scenario import Outage

HALF_HOUR_S, DAY_S = 1800, 86_400


def load(run: Run, candidate: str, own: pl.DataFrame, rows: pl.DataFrame) -> str:
    """The busiest half-hour of people alone, what the candidate's last stage makes of it, outages.

    ``rows``: intervals of the baseline and the candidate (team and segment ``all``, metrics
    ``offered`` and ``agents``); ``own``: those of the candidate above the baseline, if any.
    """
    above = [stage for stage in run.stages if own.filter(pl.col("stage") == stage).height]

    def offered(stage: str, who: str | None = None) -> dict[int, float]:
        found = rows.filter(
            (pl.col("stage") == stage)
            & (pl.col("metric") == "offered")
            & (pl.col("bound") == "central")
            & pl.col("estimate").is_not_null()
        )
        found = found if who is None else found.filter(pl.col("candidate") == who)
        return dict(found.select("interval_start_s", "estimate").iter_rows())

    base = offered(run.baseline)
    then = offered(above[-1], candidate) if above else {}
    if not base or (above and not then):
        return say("The load of a half-hour is unknown for one of the stages.")
    at = min(base, key=lambda second: (-base[second], second))
    when = wording.moment(at, run.n_days)
    agents = rows.filter(
        (pl.col("stage") == run.baseline)
        & (pl.col("metric") == "agents")
        & (pl.col("interval_start_s") == at)
    )["estimate"].to_list()
    known = agents and agents[0] is not None
    desk = (
        say_n(
            "{n} agent is logged in then.",
            "{n} agents are logged in then.",
            agents[0],
            n=_plain(agents[0]),
        )
        if known
        else say("How many agents are logged in then is unknown.")
    )
    if not above:
        alone = say(
            "In the busiest half-hour, {when}, {n} contacts reach the desk.",
            when=when,
            n=_plain(base[at]),
        )
        return together(alone, desk)
    where = _at((above[-1], candidate))
    text = say(
        "In the busiest half-hour of people alone, {when}, {n} contacts reach the desk; with "
        "{where} it is {then} (central case).",
        when=when,
        n=_plain(base[at]),
        where=where,
        then=_plain(then[at]) if at in then else say("an unknown number"),
    )
    hits = [_outage(run, outage, where, base, then) for outage in run.scenario.simulation.outages]
    return together(text, desk, *hits)


def _outage(
    run: Run, outage: Outage, where: str, base: dict[int, float], then: dict[int, float]
) -> str | None:
    """What the half-hours of an outage bring, with the bot and without; None where it is not hit.

    ``base`` and ``then``: contacts by the half-hour's start, of people alone and of ``where``.
    """
    spans = _spans(run, outage)
    hit = [s for s in then if any(s < ends and s + HALF_HOUR_S > from_ for from_, ends in spans)]
    if not hit:
        return None
    texts = {
        "day": noted(
            "In the outage, {starts} to {ends}, up to {most} a half-hour reach it with {where}; "
            "with people alone, {usual}."
        ),
        "week": noted(
            "In the outage, {starts} to {ends} each day, up to {most} a half-hour reach it with "
            "{where}; with people alone, {usual}."
        ),
    }
    return say(
        texts[run.period],
        starts=f"{outage.starts:%H:%M}",
        ends=f"{outage.ends:%H:%M}",
        most=_plain(max(then[s] for s in hit)),
        where=where,
        usual=_plain(max(base.get(s, 0.0) for s in hit)),
    )


def outages(run: Run) -> list[tuple[int, int]]:
    """The scenario's outages of the bot, on each simulated day: seconds after the first midnight,
    from and to."""
    return sorted(span for one in run.scenario.simulation.outages for span in _spans(run, one))


def _spans(run: Run, outage: Outage) -> list[tuple[int, int]]:
    starts, ends = _second(outage.starts), _second(outage.ends)
    return [(day * DAY_S + starts, day * DAY_S + ends) for day in range(run.n_days)]


def _second(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


def _plain(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")
