"""Sentences that tables hold, from those that make them, in all their branches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from simulator import backends, tables
from simulator.contact_center.backtest import daily, halves, presence, verdict
from simulator.contact_center.patience import patience_of
from simulator.contact_center.roster.sizing import one_team
from simulator.economics import prices
from simulator.evidence import thresholds as certified
from simulator.evidence.audited import with_left_out
from simulator.evidence.replications import two_level
from simulator.gates import Evidence, evaluate, recommend, simulated, thresholds
from simulator.gates.testing import Age
from simulator.history import assume
from simulator.history.account import Account
from simulator.quality.metrics import METRICS
from simulator.rollout import logged_days, profile
from simulator.scenario import (
    GATE_METRICS,
    LADDER,
    Assume,
    Assumed,
    ContactCenter,
    Gate,
    PriceCard,
    Scenario,
    Threshold,
)
from tests.test_gates import CELL, RISKY, World
from tests.test_gates_labelled import (
    EXCESS,
    MISSED,
    OVER,
    Bend,
    at,
    both,
    setting,
    with_people,
    with_turns,
)

TODAY = date(2026, 3, 9)
CAUGHT = Gate(metric="interception_rate", limit=0.9)
FUTURE = RISKY.model_copy(update={"estimand": "future_traffic"})


def gates_on_labels() -> Iterator[str]:
    """Reasons and methods of gates on labels."""
    world = World((4, 4, 0), (60, 40, 0), (50, 20, 5))
    certain = setting("over_answer", False, pl.col("unit") == "turn")
    unknown = pl.col("unit") == "turn"
    bends: list[Bend] = [
        certain,
        setting("risky_promise", None, pl.col("unit") == "conversation"),
        setting("risky_promise", None, pl.col("conversation_id").is_in(["u3", "u4"])),
        both(certain, setting("needs_human", None, at(2, 0, 4))),
        both(setting("needs_human", None, unknown), setting("risk", None, unknown)),
        both(certain, setting("risk", "high", at(2, 0, 9))),
        both(certain, setting("needs_human", True, at(2, 0, 39))),
        setting("over_answer", True, at(2, 0, 39)),
        both(certain, setting("over_answer", None, at(2, 0, 4))),
        lambda labels: labels.with_columns(inclusion_prob=pl.lit(None, pl.Float64)),
        lambda labels: labels.with_columns(stratum=pl.lit("flagged")),
        lambda labels: labels.filter(pl.col("conversation_id") != "u7"),
        lambda labels: pl.concat([certain(labels), labels.with_columns(draw_id=pl.lit("e"))]),
    ]
    for bend in bends:
        yield from _gated(world.evidence(bend))
    late = World((4, 4, 3), (60, 40, 30), (50, 0, 0))
    late.rows[5]["contexts"][4] = ("high", True)
    for other in (
        late,
        World((4, 4, 0), (60, 0, 0)),
        World((4, 0, 0), (60, 0, 0)),
        World((0, 0, 0), (0, 0, 0), (50, 20, 5)),
    ):
        yield from _gated(other.evidence(certain))
    for people in ((60, 40, 0), (60, 40, 20)):
        yield from _gated(with_turns(with_people(world, (4, 4, 0), people)))
    halves_of_it = World((4, 4, 0), (60, 40, 0), (50, 20, 5))
    for place, row in enumerate(halves_of_it.rows):
        row["segment"] = f"s{place % 2}"
    found = halves_of_it.evidence(both(certain, setting("labelled_on", TODAY, pl.lit(value=True))))
    nobody = pl.DataFrame({"conversation_id": ["x"], "segment": ["s9"]})
    yield from _gated(found._replace(segments=pl.concat([found.segments, nobody])))
    weights = found.segments.select("conversation_id").with_row_index("weight")
    yield from _gated(found._replace(weights=weights), RISKY, FUTURE)
    for age, day in product((Age(TODAY, 30), Age(date(2030, 1, 1), 30)), (None, TODAY)):
        yield from _gated(found._replace(typical_day=day), RISKY, age=age)
    yield from filter(None, [Age(TODAY, 30).stale(date(2026, 1, 1)), Age(TODAY, 3).stale(None)])


def _gated(evidence: Evidence, *gates: Gate, age: Age | None = None) -> Iterator[str]:
    asked = gates or (RISKY, MISSED, OVER, CAUGHT, EXCESS, FUTURE)
    loose = [one.model_copy(update={"limit": 0.5}) for one in asked[:4]]
    left_out = pl.DataFrame({**CELL, "n_no_reply": 3})
    for gate in (*asked, *loose):
        found = with_left_out(evaluate(evidence, [gate], LADDER, age), left_out)
        for row in found.iter_rows(named=True):
            yield from (row["reason"], row["method"])


def gates_on_simulated_days() -> Iterator[str]:
    """Reasons of gates on numbers that best, central and worst case bound."""
    for metric, low, high, bounded, several in product(
        ("complaint_rate", "service_level", "service_level_loss", "saving_money"),
        (-4.0, 0.2),
        (0.3, 1234.5),
        (True, False),
        (True, False),
    ):
        unit = "USD a day" if metric == "saving_money" else "ratio"
        row = {"unit": unit, "method": "over all simulated arrivals", "n": 7, "bound": "worst"}
        ends = {"low": low, "high": high} if bounded else {"low": None, "high": None}
        known = {"estimate": (low + high) / 2, **row, **ends}
        cases = {"central": known}
        if several:
            cases = {name: {**known, "bound": name} for name in ("best", "central", "worst")}
            cases["best"] = {**cases["best"], "estimate": 0.9, "low": 0.85, "high": 0.95}
        for limit, of in product((-5.0, 0.0, 0.5, 2000.0), (cases, {})):
            gate = Gate.model_construct(metric=metric, limit=limit)
            yield simulated.indicator(of, gate).reason
            if metric == "complaint_rate":
                excess = Gate.model_construct(metric="complaint_excess", limit=limit)
                yield simulated.complaint_excess(of, cases, excess).reason
    for counted in (simulated.NOBODY, simulated.Settled(7, 1000, 0.007)):
        found = simulated.settled_share(counted, Gate(metric="settled_share", limit=0.5))
        yield from (found.reason, found.method)


def next_steps() -> Iterator[str]:
    """What to do next, whichever gate stands in the way, and why."""
    ways: list[dict[str, Any]] = [
        {"status": "insufficient", "labels_needed": 299},
        {"status": "insufficient", "reason": "stale: evidence of a day"},
        {"status": "insufficient"},
        {"status": "fail", "estimate": 0.5, "low": 0.5, "high": 0.5},
        {"status": "fail", "estimate": 0.5, "low": 0.4, "high": 0.6},
        {"status": "fail", "estimate": 0.5, "low": 0.4, "high": 0.6, "bound": "worst"},
        {"status": "insufficient", "estimate": 0.5, "low": 0.51, "high": 0.51, "bound": "worst"},
    ]
    for metric, way, limit in product(GATE_METRICS, ways, (0.49, 0.45, 2.0, -2.0)):
        for n in (0, 1, 3):
            others = [one for one in GATE_METRICS if one != metric][:n]
            # As though something were left to know about what holds.
            reason = "100 more count as missed because their label is unknown or missing; "
            reason += "upper 95 % bound 2.2 % against a limit of at most 1 %; this history"
            row = {"stage": "assist", "candidate": "bot", "segment": "all", "limit": limit}
            row |= {"unit": "USD a day" if metric == "saving_money" else "rate", "method": "m"}
            row |= {"estimand": "this_history", "n": 1, "reason": reason}
            blocked = [
                {**row, "metric": other, "status": "insufficient", "reason": "no labels"}
                for other in others
            ]
            yield _next_step([{**row, "metric": metric, **way}, *blocked])
    for stage in ("low_risk_auto", "wider_auto"):
        passed = {"candidate": "bot", "segment": "all", "metric": "saving_money", "limit": 0.0}
        passed |= {"unit": "USD a day", "method": "m", "estimand": "simulated_days", "n": 1}
        passed |= {"status": "pass", "reason": "saves"}
        failed = {**passed, "metric": "risky_promise_rate", "status": "fail", "unit": "rate"}
        failed |= {"estimate": 0.1, "low": 0.1, "high": 0.1}
        rows = [{**passed, "stage": "assist"}, {**passed, "stage": "low_risk_auto"}]
        yield _next_step(rows)
        yield _next_step([*rows[:1], {**failed, "stage": "low_risk_auto"}], stage)
        by = {"overridden_by": "A. Example; head", "override_reason": "why"}
        by |= {"override_expires": TODAY}
        let = [
            {**failed, "stage": one.name, **by} if one.auto_when else {**passed, "stage": one.name}
            for one in LADDER[1:]
        ]
        yield _next_step(let)
    yield _next_step([{**passed, "stage": "low_risk_auto"}])


def _next_step(rows: list[dict[str, Any]], scored: str | None = None) -> str:
    found = None
    if scored:
        row = {"stage": scored, "candidate": "bot", "segment": "all", "threshold": 0.75}
        row |= {"risk_limit": 0.01, "confidence": 0.95, "method": "m", "reason": "r"}
        found = tables.build("thresholds", [row])
    advice = recommend(tables.build("gates", rows), LADDER, found)
    return str(advice["next_step"][0])


def scores() -> Iterator[str]:
    """Reasons and methods of thresholds."""
    tried = (certified.Tried(0.9, 59, 3, 0.2, True, False),)
    for threshold, more, n_segments, lost in product((None, 0.9), (None, 0.5), (0, 4), (0, 12)):
        found = certified.Threshold(
            threshold, 59, 3, 0.01, 0.9, tried, more, None if more is None else 241
        )
        spoken = pl.DataFrame({"conversation_id": ["a", "b"], "score": [0.9, 0.95]}).with_columns(
            risky=pl.lit(value=False)
        )
        asked = Threshold(risk_limit=0.01)
        row = thresholds._row(found, spoken, asked, 0.05, n_segments, lost)
        yield from (row["reason"], row["method"])


def spreads() -> Iterator[str]:
    """How intervals of simulated days are made."""
    for values, draws, n_logged in (
        ([], [], 3),
        ([1.0], [0], 3),
        ([1.0, 2.0], [0, 0], None),
        ([1.0, 2.0], [0, 1], 10),
        ([1.0, 2.0], [0, 1], None),
        ([1.0, 2.0, 3.0, 2.0], [0, 0, 1, 1], 10),
        ([1.0, 2.0, 3.0, 2.0], [0, 0, 1, 1], None),
    ):
        yield two_level(np.array(values), np.array(draws, np.int64), n_logged).method


def sources() -> Iterator[str]:
    """Where the numbers come from that a scenario, or a default, supplies."""
    seen: list[Any] = [Scenario, Assume]
    for model in seen:
        for part in model.model_fields.values():
            value = part.get_default(call_default_factory=True)
            if isinstance(value, Assumed):
                yield value.source
            elif hasattr(type(value), "model_fields"):
                seen.append(type(value))
    yield Assumed(value=1).source
    card = {"as_of": TODAY, "source": "the vendor; its list", "output_per_million": {"value": 1}}
    by_token = PriceCard.model_validate(
        {**card, "input_per_million": {"value": 1, "source": "price list"}}
    )
    del card["output_per_million"]
    by_hour = PriceCard.model_validate({**card, "gpu_hour": {"value": 3}})
    for one, took_s in product((by_token, by_hour), (None, 1.5)):
        yield from (number.source for number in one.numbers().values())
        method = prices._priced(one, took_s, 1).method
        yield f"mean simulated day at the scenario's prices; {method}"
    yield str(assume.assumed_row("x", Assumed(value=1))["source"])
    counts = {"conversations_in": 1234, "conversations_out": 1234, "messages_in": 9}
    yield from Account(source="log", format="jsonl", **counts, messages_quarantined=9).lines()[1:3]


def arrivals() -> Iterator[str]:
    """Where arrivals come from."""
    for n, kind in product((1, 2, 20), ("any", "weekday", "weekend")):
        yield logged_days._of_days(n, kind)
    widened = {"mon": "5 of type weekday", "sun": "2 of type weekend"}
    for sizes, wide, thin in product(((2, 2), (2, 30), (30, 31)), ({}, widened), (False, True)):
        method = logged_days._of_weeks(sizes, wide, thin)
        yield f"{method}; 3 warm-up days before, made in the same way"
    for day in ("mon", "tue", "wed", "thu", "fri"):
        yield logged_days._of_weeks((30, 31), {day: "5 of type weekday"}, thin=False)
    yield logged_days._of_weeks((30, 31), {"sat": "2 of type weekend"}, thin=False)
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    for classes, day, interval, error in product(
        (days, ("any",), ("weekday", "weekend")), (0.0, 0.004), (0.0, 1e-5), (None, 0.002)
    ):
        yield profile._in_words(classes, 28, profile.Dispersion(day, interval, error))


def patience() -> Iterator[str]:
    """How long customers wait before they leave."""
    waits: dict[str, Any] = {"channel": ["voice"] * 90 + ["chat"] * 10}
    waits |= {
        "wait_s": [30.0 + i for i in range(100)],
        "abandoned": [i % 2 == 0 for i in range(100)],
    }
    log = pl.DataFrame(waits)
    for kind, conversations in product(
        ("exponential", "weibull", "kaplan_meier"),
        (
            log,
            log.filter(channel="voice"),
            log.filter(channel="chat"),
            log.with_columns(abandoned=False),
            log.with_columns(wait_s=0.0),
        ),
    ):
        desk = ContactCenter.model_validate({"patience": kind})
        yield patience_of(conversations, desk).method


def back_tests() -> Iterator[str]:
    """The verdict on the queue model, its criteria, and why there may be none."""
    schedule = pl.DataFrame({"agent_id": ["a"], "team": ["t"]})
    served = pl.DataFrame(
        {"agent_id": ["a"], "abandoned": [False], "skill": ["s"], "language": ["en"]}
    )
    own = halves._scheduled(schedule, None, served).method
    known = halves._scheduled(schedule, one_team(), served).method
    inferred = presence.infer_presence(tables.empty("conversations"), 300).method
    alike = "; unlike at the desk of the scenario chats are worked one at a time, the desk is "
    alike += "always open, any number may wait in the back-test; waits are those of answered "
    alike += "contacts, since the log does not know how long the others waited"
    ways = [known, own, known + alike]
    ways.append(f"{inferred}; that number makes the level of waits right in the first half")
    unlike = {2: "42 contacts within a quarter of an hour; at most 20 in the first half"}
    two = {**unlike, 3: unlike[2]}
    lost = dict.fromkeys(range(9), "nothing to compare: no known wait on this day")
    for way, reasons, factor, same, scored in product(
        ways, ({}, unlike, two), (0.5, 0.9, 1.1, 2.0), (False, True), (True, False)
    ):
        found = verdict.judged(_days(reasons if scored else lost, factor, same, scored), way)
        yield from found["reason"]
        yield from found["method"]
    contacts = pl.DataFrame(
        {"day": [date(2026, 3, d) for d in range(1, 15)]},
    ).with_columns(wait_s=pl.lit(5.0), abandoned=pl.lit(value=True), handle_time_s=pl.lit(9.0))
    for first, second in (
        (contacts.head(3), contacts.head(2)),
        (contacts.with_columns(wait_s=0.0), contacts),
        (contacts, contacts.with_columns(wait_s=0.0)),
        (contacts.with_columns(abandoned=pl.lit(None, pl.Boolean)), contacts),
        (contacts, contacts.with_columns(abandoned=pl.lit(None, pl.Boolean))),
        (contacts, contacts),
    ):
        lack = halves._lack(first, second)
        assert lack is not None
        yield from verdict.insufficient(lack, 7)["reason"]
    yield from verdict.insufficient("why", 7)["method"]


def _days(reasons: dict[int, str], factor: float, same: bool, scored: bool) -> pl.DataFrame:
    rows = []
    for metric, d in product(daily.METRICS, range(9)):
        row = {"day": date(2026, 3, 1 + d), "half": "held_out", "metric": metric, "n_contacts": 50}
        row |= {"observed": 10.0 if same else 10.0 + d, "scored": scored, "inside": d != 3}
        row |= {"predicted": factor * (10.0 + d), "reason": reasons.get(d)}
        rows.append(row if scored else {**row, "observed": None, "inside": None})
    return tables.build("backtest_days", rows)


def labelled_shares() -> Iterator[str]:
    """What the metrics on labels leave out."""
    for one in METRICS.values():
        for text in (
            f"1,310 replayed conversations {one.apart}",
            f"2 labelled conversations {one.apart}",
            one.set_aside and f"3 {one.set_aside}",
        ):
            yield text or "nothing"


def missing_replies() -> Iterator[str]:
    """Why replies are missing, as a report says it."""
    own = {"no_reply", "undecided", "not_recorded", "context_mismatch", "template_error"}
    own |= {"http_503", "unknown_action: transfer to Ana"}
    for kind in backends.PASSING | {backends.TOO_LONG, backends.NO_SYSTEM_ROLE} | own:
        yield kind.replace("_", " ")


# What needs a long run, or a rare log, to be made: the sentence, and the words that the code has.
RARE = {
    "risky_promise_rate at low_risk_auto, by Ann; head of support": ", by ",
    "Wilson 95 %, this history's mix, effective n = 12; 7 left out: nothing was said, or not all "
    "of it is judged": "; {} left out: nothing was said, or not all of it is judged",
    "Wilson 95 %, this history's mix, effective n = 12; 7 of them handed over as a reply is "
    "missing": "; {} of them handed over as a reply is missing",
    "no target given": "no target given",
    "shifts for the fewest agents, in proportion to work; one replication: no interval": (
        "shifts for the fewest agents, in proportion to work; "
    ),
    "mean simulated day at the scenario's prices; risky promises left out: no policy to judge them "
    "by": "; risky promises left out: no policy to judge them by",
    "not even if all are contained: complaint_rate, saving_money": (
        "not even if all are contained: {}"
    ),
    "4 drawn whose labels are missing (in the interval only)": (
        "drawn whose labels are missing (in the interval only)"
    ),
    "4 points with an emotion that is not known, here or next": (
        "points with an emotion that is not known, here or next"
    ),
    "strata without a replayed conversation, 2 columns dropped": (
        "strata without a replayed conversation, "
    ),
    "each such arrival drew a conversation of a wider stratum": (
        "each such arrival drew a conversation of a wider stratum"
    ),
    "assumed profile by hour of the day, Poisson with mean 300 a day": (
        "assumed profile by hour of the day, Poisson with mean "
    ),
    "assumed profile by hour of the day, Poisson with mean 300 a day (the whole log taken as one "
    "day), every day of the week alike; no profile was fitted, since the log has no time stamps; "
    "3 warm-up days before, made in the same way": " (the whole log taken as one day)",
    "assumed profile by hour of the day, Poisson with mean 300 a day, every day of the week alike; "
    "no profile was fitted, since a volume is given": ", every day of the week alike",
    "shifts of the scenario; 0.04 of their agents do not come on a day": (
        " of their agents do not come on a day"
    ),
    "assumed: one team that takes everything, sized by the hour (Erlang A) so that people alone "
    "would answer 80% within 60 s": (
        "assumed: one team that takes everything, sized by the hour (Erlang A) so that people "
        "alone would answer "
    ),
    "26920 synthetic conversations over 14 days, 2000 of them with turns": (
        " synthetic conversations over "
    ),
}
