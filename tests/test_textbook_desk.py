"""The desk against a textbook SimPy model of it (:mod:`tests.textbook_desk`), visit by visit.

Times are drawn so fine that no two events share an instant: where they do, the two models may
differ and the desk's own rules hold.
"""

from __future__ import annotations

import numpy as np
import pytest

from simulator import tables
from simulator.contact_center import simulate
from simulator.contact_center.desk.simulation import Engine
from simulator.schema import ORDINARY_PRIORITY
from tests.test_contact_center import able, call, presence
from tests.textbook_desk import Customer, serve

SECOND = 10**6  # of ms: so fine that ties do not happen


def customers(seed: int, n: int, n_agents: int, load: float) -> list[Customer]:
    """Poisson arrivals of three priorities, some of whom never leave and some of whom come back."""
    draw = np.random.default_rng(seed)
    at = np.cumsum(draw.exponential(300 * SECOND / (n_agents * load), n)).astype(int)
    return [
        Customer(
            arrives=int(at[i]),
            work=int(draw.exponential(300 * SECOND)),
            patience=[
                None if draw.random() < 0.1 else int(draw.exponential(200 * SECOND))
                for _ in range(3)
            ],
            priority=int(draw.integers(ORDINARY_PRIORITY - 2, ORDINARY_PRIORITY + 1)),
            comes_back=[
                (int(draw.exponential(400 * SECOND)), bool(draw.random() < 0.8)) for _ in range(2)
            ][: draw.integers(3)],
        )
        for i in range(n)
    ]


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
@pytest.mark.parametrize(
    ("seed", "n_agents", "load"), [(1, 1, 0.7), (2, 3, 1.0), (3, 10, 1.3), (4, 40, 1.05)]
)
def test_the_desk_is_the_textbook_model_where_that_reaches(
    engine: Engine, seed: int, n_agents: int, load: float
) -> None:
    arriving = customers(seed, 2000, n_agents, load)
    visits = serve(arriving, n_agents, priority_again=ORDINARY_PRIORITY)
    instants = [t for v in visits for t in (v.arrived, v.left)]
    # Who finds a free agent starts at the instant of arrival; no other two events meet.
    assert len(set(instants)) == len(instants)
    contacts = simulate(
        tables.build(
            "arrivals",
            [
                call(
                    str(i),
                    one.arrives,
                    one.work,
                    priority=one.priority,
                    patience_ms=list(one.patience),
                    # 1: only after abandoning; 2: either way.
                    recontacts=[1 if only else 2 for _, only in one.comes_back],
                    recontact_delay_ms=[delay for delay, _ in one.comes_back],
                )
                for i, one in enumerate(arriving)
            ],
        ),
        tables.build("roster", [presence(f"x{i}", 0, 10**13) for i in range(n_agents)]),
        tables.build("teams", [able()]),
        engine=engine,
    )
    found = {
        name: rest
        for name, *rest in contacts.select(
            "contact_id", "arrived_ms", "started_ms", "ended_ms", "abandoned_ms"
        ).rows()
    }
    assert found == {
        f"{v.customer}/{v.attempt}": (
            [v.arrived, None, None, v.left]
            if v.started is None
            else [v.arrived, v.started, v.left, None]
        )
        for v in visits
    }
    outcomes = dict(contacts["outcome"].value_counts().rows())
    assert min(outcomes["answered"], outcomes["abandoned"]) > 100
    assert contacts["attempt"].max() == 2
