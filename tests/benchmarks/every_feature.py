"""Desks to measure with: one on which every feature is in use, and a week of four teams."""

from __future__ import annotations

import numpy as np
import polars as pl

from simulator import tables
from simulator.contact_center.desk.plan import Plan, Presence, plan_of, presence_of

TEAMS = ("billing", "orders", "returns", "letters")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def busy_desk(n: int, n_agents: int) -> tuple[Plan, Presence]:
    """Three channels, four teams with overflow and skills, priorities, hours, drafts, deadlines.

    Contacts come all day, with the load of as many agents: some three visits in ten wait. Agents
    have two chats at once, breaks, and differ in what drafts save them; customers come back.
    """
    n_days = max(1, round(n * 300_000 / 45 / DAY_MS))
    arrivals = _arrivals(0, n, n_days * DAY_MS)
    hours = tables.build(
        "hours",
        [
            {
                "replication": 0,
                "channel": channel,
                "opens_ms": day * DAY_MS + opens * HOUR_MS,
                "closes_ms": day * DAY_MS + closes * HOUR_MS,
                "outside": outside,
            }
            for day in range(n_days)
            for channel, opens, closes, outside in (
                ("voice", 1, 23, "turn_away"),
                ("chat", 2, 24, "next_opening"),
            )
        ],
    )
    teams = _teams()
    roster = _roster(0, n_agents, n_days, breaks=True)
    return plan_of(arrivals, teams, hours=hours), presence_of(roster, teams)[0]


def week(number: int, n: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Arrivals, roster and teams of a week of ``n`` contacts, as replication ``number``."""
    return _arrivals(number, n, 7 * DAY_MS), _roster(number, 60, 7, breaks=False), _teams()


def _arrivals(number: int, n: int, length_ms: int) -> pl.DataFrame:
    draw = np.random.default_rng(number)

    def times(mean_ms: float) -> pl.Series:
        return pl.Series(draw.exponential(mean_ms, 3 * n).astype(np.int64)).reshape((n, 3))

    skill = draw.integers(0, 3, n)
    channel = draw.choice(3, n, p=[0.5, 0.4, 0.1])
    frame = pl.DataFrame(
        {
            "arrives_ms": np.sort(draw.integers(0, length_ms, n)),
            "work_ms": draw.exponential(300_000, n).astype(np.int64) + 1,
            "priority": draw.integers(0, 4, n),
            "saved_ms": np.where(draw.random(n) < 0.3, 40_000, 0),
            "skill": pl.Series(TEAMS[:3]).gather(skill),
            "channel": pl.Series(["voice", "chat", "email"]).gather(channel),
            "patience_ms": times(200_000).arr.to_list(),
            "recontact_delay_ms": times(3 * HOUR_MS).arr.to_list(),
            "recontacts": pl.Series(draw.choice(3, 3 * n, p=[0.6, 0.3, 0.1]))
            .reshape((n, 3))
            .arr.to_list(),
        }
    ).with_columns(
        replication=pl.lit(number),
        stage=pl.lit("human_only"),
        candidate=pl.lit("human"),
        bound=pl.lit("central"),
        cause=pl.lit("new"),
        arrival_id=pl.int_range(pl.len()).cast(pl.String),
        conversation_id=pl.int_range(pl.len()).cast(pl.String),
        deadline_ms=pl.when(pl.col("channel") == "email").then(4 * HOUR_MS),
        # Nobody hangs up on a letter.
        patience_ms=pl.when(pl.col("channel") == "email")
        .then(pl.lit([None, None, None], pl.List(pl.Int64)))
        .otherwise("patience_ms"),
    )
    return tables.conform("arrivals", frame)


def _teams() -> pl.DataFrame:
    live = ["voice", "chat"]
    own = [
        {"team": team, "skills": [team], "languages": [], "channels": live, "rank": 0}
        for team in TEAMS[:3]
    ]
    # After half a minute any team of live contacts helps out, and letters wait for whoever can.
    help_out = [
        {
            "team": team,
            "skills": [],
            "languages": [],
            "channels": live,
            "rank": 1,
            "after_ms": 30_000,
        }
        for team in TEAMS[:3]
    ]
    letters = {"team": "letters", "skills": [], "languages": [], "channels": ["email"], "rank": 0}
    return tables.build("teams", [*own, letters, *help_out])


def _roster(number: int, n_agents: int, n_days: int, *, breaks: bool) -> pl.DataFrame:
    agent, day = np.arange(n_agents), np.arange(n_days)
    stretches = ((0, 9), (10, 24)) if breaks else ((0, 24),)
    rows = [
        (f"{who:03}", TEAMS[_team(who)], at * DAY_MS, until * DAY_MS, who)
        for who in agent
        for one in day
        for at, until in (
            (
                one + (begins + who % 3 * bool(begins)) / 24,
                one + (ends + who % 3 * (ends < 24)) / 24,
            )
            for begins, ends in stretches
        )
    ]
    frame = pl.DataFrame(
        rows,
        schema={
            "agent_id": pl.String,
            "team": pl.String,
            "starts_ms": pl.Float64,
            "ends_ms": pl.Float64,
            "who": pl.Int64,
        },
        orient="row",
    ).with_columns(
        pl.col("starts_ms", "ends_ms").round().cast(pl.Int64),
        replication=pl.lit(number),
        max_chats=pl.lit(2),
        gain=0.5 + pl.col("who") % 3 / 2,
    )
    return tables.conform("roster", frame)


def _team(who: int) -> int:
    """Nine agents in ten serve live contacts."""
    return 3 if who % 10 == 9 else who % 3
