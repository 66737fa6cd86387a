"""Tables of re-staffing: the fewest agents, the shifts that cover them, the hours they are paid."""

from __future__ import annotations

from simulator.schema.columns import BOUNDS, CELL, ESTIMATE, INT, REAL, TEXT, Table

TABLES = {
    # One row a team and interval in which the desk is open. `team` is the contact's first choice,
    # whoever answered. `required` is the fewest agents that meet the target, `scheduled` those that
    # the shifts bring (null: not covered by shifts). The rates are of `required`, on seeds that the
    # search has not seen, with 95 % intervals; intervals with few contacts are judged together
    # (`judged_with_s` is the start of the first of them) and share their rates. `n` visits.
    "staffing": Table(
        {
            **CELL,
            "bound": TEXT,
            "team": TEXT,
            "interval_start_s": INT,
            "offered_per_day": REAL,
            "required": INT,
            "scheduled": INT,
            "service_level": REAL,
            "service_level_low": REAL,
            "service_level_high": REAL,
            "abandonment_rate": REAL,
            "abandonment_low": REAL,
            "abandonment_high": REAL,
            "judged_with_s": INT,
            "n": INT,
        },
        ("stage", "candidate", "bound", "team", "interval_start_s", "required", "n"),
        ("stage", "candidate", "bound", "team", "interval_start_s"),
        {"bound": BOUNDS},
    ),
    # Times are seconds after local midnight of the simulated day; a shift over midnight ends after
    # 86,400. The break is null where there is none. `paid_hours` of all its agents, shrinkage
    # included.
    "staffing_shifts": Table(
        {
            **CELL,
            "bound": TEXT,
            "team": TEXT,
            "starts_s": INT,
            "ends_s": INT,
            "break_starts_s": INT,
            "break_ends_s": INT,
            "agents": INT,
            "paid_hours": REAL,
        },
        ("stage", "candidate", "bound", "team", "starts_s", "ends_s", "agents", "paid_hours"),
        ("stage", "candidate", "bound", "team", "starts_s", "ends_s", "break_starts_s"),
        {"bound": BOUNDS},
    ),
    # What a simulated day pays its agents, and what that saves against people alone.
    "staffing_hours": Table(
        {**CELL, **ESTIMATE},
        ("stage", "candidate", "segment", "bound", "metric", "n", "unit", "method"),
        ("stage", "candidate", "segment", "bound", "metric"),
        {"bound": BOUNDS},
    ),
}
