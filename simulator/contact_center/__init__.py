"""The human desk: arrivals and a roster in, one row a visit and its indicators out.

``rules`` says what a desk does, once; ``simpy_engine`` runs those rules against a clock;
``schedule`` and ``outages`` prepare what goes in, ``kpis`` and ``intervals`` measure what comes
out, and ``erlang`` holds the closed forms that the model is checked against.
"""

from simulator.contact_center.closing import next_morning
from simulator.contact_center.erlang import SteadyState, erlang_a, erlang_b, erlang_c
from simulator.contact_center.intervals import desk_intervals
from simulator.contact_center.kpis import desk_kpis
from simulator.contact_center.outages import with_outages
from simulator.contact_center.schedule import (
    roster_from_schedule,
    roster_from_shifts,
    teams_of_schedule,
    teams_table,
)
from simulator.contact_center.simpy_engine import simulate

__all__ = [
    "SteadyState",
    "desk_intervals",
    "desk_kpis",
    "erlang_a",
    "erlang_b",
    "erlang_c",
    "next_morning",
    "roster_from_schedule",
    "roster_from_shifts",
    "simulate",
    "teams_of_schedule",
    "teams_table",
    "with_outages",
]
