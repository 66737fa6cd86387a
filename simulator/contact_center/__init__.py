"""The human desk: arrivals and a roster in, one row a visit and its indicators out.

``roster`` says who is at work and when the desk is open; ``desk`` what happens there: its rules
once, and the two engines that run them; ``measures`` what a planner reads off it. ``staffing``
looks for the fewest agents, and ``backtest`` tests the model against the operation's own days.
``erlang`` holds the closed forms that all of it is checked against, ``patience`` how long customers
wait, ``outages`` what a bot that is down does, and ``cells`` runs many stages and candidates.
"""

from simulator.contact_center.desk.simulation import simulate
from simulator.contact_center.erlang import SteadyState, erlang_a, erlang_b, erlang_c
from simulator.contact_center.measures.intervals import desk_intervals
from simulator.contact_center.measures.kpis import desk_kpis
from simulator.contact_center.outages import with_outages
from simulator.contact_center.roster.schedule import (
    roster_from_schedule,
    roster_from_shifts,
    teams_of_schedule,
    teams_table,
)

__all__ = [
    "SteadyState",
    "desk_intervals",
    "desk_kpis",
    "erlang_a",
    "erlang_b",
    "erlang_c",
    "roster_from_schedule",
    "roster_from_shifts",
    "simulate",
    "teams_of_schedule",
    "teams_table",
    "with_outages",
]
