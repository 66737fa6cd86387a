"""Agents whose conversations went their own way are paired by conversation, never by turn."""

from __future__ import annotations

import gzip
import json

import numpy as np
import polars as pl
import pytest

from simulator import pipeline, tables
from simulator.comparison.sides import Side
from simulator.comparison.trajectories import by_conversation
from simulator.evidence.paired import mcnemar
from simulator.scenario_file import load
from tests.conftest import ROOT

AGENTS = ("gpt-4o", "claude-sonnet-4-5")
SCENARIO = f"""
name = "agent"

[history]
source = "${{SHADOWDESK_LOG}}"
format = "tau2"
timezone = "UTC"
channel = "chat"

[history.assume]
contacts_per_day = {{ value = 100, source = "a small desk" }}
handle_time_chat_s = {{ value = 540, source = "chat of several turns" }}

[knowledge]
source = "{ROOT / "tests/real/airline_knowledge.csv"}"

[commitments]
source = "{ROOT / "tests/real/airline_commitments.csv"}"

[candidates.human]
kind = "human"
"""


def side(name, outcomes, *, risky=(), own=True, turns=2, intent=None, labels=()):
    """A candidate that held the conversations of ``outcomes`` (id to resolved)."""
    points, shadow, verdicts = [], [], []
    for conversation in outcomes:
        for n_th in range(turns):
            at = {"conversation_id": conversation, "turn": 2 * n_th}
            said = f"{name} in {conversation} {n_th}"
            points.append(
                at
                | {"n_th": n_th, "text": f"customer of {conversation}", "reply": said}
                | {"context_hash": conversation if n_th == 0 else said}
            )
            reply = said if own else f"other {said}"
            shadow.append(at | {"candidate": name, "reply": reply, "key": "k"})
            bad = conversation in risky and n_th == 1
            verdicts.append(
                at
                | {"judge": "rules", "candidate": name, "action": "answer", "tone": "apt"}
                | {"risky_promise": bad, "compliance_breach": False, "over_answer": False}
            )
    conversations = [
        {"conversation_id": c, "channel": "chat", "language": "en", "resolved": resolved}
        | {"intent": None if intent is None else intent(c), "complained": False}
        for c, resolved in outcomes.items()
    ]
    labelled = [
        {"candidate": name, "conversation_id": c, "stage": "s", "unit": "conversation"}
        | {"draw_id": "d", "labeller": who, "stratum": "all", "risky_promise": found}
        for c, who, found in labels
    ]
    return Side(
        name,
        name,
        tables.build("shadow", shadow),
        tables.build("verdicts", verdicts),
        tables.empty("contexts"),
        tables.build("labels", labelled),
        tables.build("decision_points", points),
        tables.build("conversations", conversations),
    )


def compared(ours, theirs, **settings):
    return by_conversation(ours, theirs, rng=np.random.default_rng(7), **settings)


def row(found, metric, source="logged", by="all", value="all"):
    here = found.differences.filter(
        (pl.col("metric") == metric)
        & (pl.col("source") == source)
        & (pl.col("by") == by)
        & (pl.col("slice") == value)
    )
    assert here.height == 1
    return here.row(0, named=True)


def names(n):
    return [f"c{i:03}" for i in range(n)]


def test_yes_or_no_is_mcnemar_by_hand():
    ours = side("a", {c: i >= 14 for i, c in enumerate(names(40))})
    theirs = side("b", {c: i < 37 for i, c in enumerate(names(40))})
    found = row(compared(ours, theirs), "resolved")
    # 14 are resolved by theirs alone, 3 by ours alone.
    assert found["difference"] == pytest.approx(-11 / 40)
    assert found["p_value"] == pytest.approx(mcnemar(3, 14))
    assert found["low"] < -11 / 40 < found["high"] < 0
    assert found["worse"] is True
    assert (found["n"], found["n_conversations"], found["n_excluded"]) == (40, 40, 0)


def test_one_risky_reply_makes_the_conversation_risky():
    ours = side("a", dict.fromkeys(names(20), True), risky=names(20)[:12])
    theirs = side("b", dict.fromkeys(names(20), True))
    found = row(compared(ours, theirs), "risky_promise_conversation", "rules")
    assert (found["of_ours"], found["of_theirs"]) == (0.6, 0.0)
    assert found["different"]
    assert found["worse"]
    swapped = row(compared(theirs, ours), "risky_promise_conversation", "rules")
    assert swapped["worse"] is False
    assert swapped["difference"] == -found["difference"]


def test_what_is_within_the_tolerance_is_not_worse():
    ours = side("a", {c: i >= 14 for i, c in enumerate(names(40))})
    theirs = side("b", dict.fromkeys(names(40), True))
    assert row(compared(ours, theirs, tolerance=0.01), "resolved")["worse"] is True
    assert row(compared(ours, theirs, tolerance=0.4), "resolved")["worse"] is False


def test_where_nothing_differs_the_interval_still_has_a_width():
    same = dict.fromkeys(names(12), True)
    found = compared(side("a", same), side("b", same))
    resolved = row(found, "resolved")
    assert (resolved["difference"], resolved["p_value"], resolved["different"]) == (0, 1, False)
    # Bonferroni over the two shares: 1 - (alpha / 4)^(1 / n).
    assert resolved["high"] == pytest.approx(1 - 0.0125 ** (1 / 12))
    assert resolved["low"] == -resolved["high"]
    length = row(found, "n_points")
    assert (length["low"], length["high"], length["better"], length["worse"]) == (None,) * 4
    assert found.disagreements.is_empty()


def test_trials_of_one_task_are_one_cluster():
    trials = [f"task-{t}-trial-{k}" for t in range(6) for k in range(20)]
    ours = side("a", {c: not c.startswith("task-1-") for c in trials})
    theirs = side("b", dict.fromkeys(trials, True))
    found = compared(ours, theirs)
    resolved = row(found, "resolved")
    assert resolved["n"] == 120
    # Twenty failures of one task are one task that failed: no p-value below 1.
    assert resolved["p_value"] == 1
    assert resolved["worse"] is False
    assert (resolved["low"], resolved["high"]) == (None, None)
    assert any("the 6 tasks" in one for one in found.remarks)


def test_outcomes_of_the_log_belong_to_who_held_the_conversation():
    logged = {c: i % 2 == 0 for i, c in enumerate(names(12))}
    found = compared(side("a", logged, own=False), side("b", logged))
    assert not set(found.differences["metric"]) & {"resolved", "complained", "n_points"}
    assert "risky_promise_conversation" in found.differences["metric"].to_list()
    assert any(one.startswith("What the log says") and "a did not" in one for one in found.remarks)


def test_an_assumed_outcome_is_left_out_and_said():
    logged = dict.fromkeys(names(12), True)
    found = compared(side("a", logged), side("b", logged), supplied=("complained",))
    assert "complained" not in found.differences["metric"].to_list()
    assert "resolved" in found.differences["metric"].to_list()
    assert any("complained" in one and "assumed" in one for one in found.remarks)


def test_shared_diverged_and_lone_conversations_are_counted():
    ours = side("a", dict.fromkeys(names(10), True), turns=3)
    theirs = side("b", dict.fromkeys([*names(8), "x"], True))
    found = compared(ours, theirs)
    said = " ".join(found.remarks)
    # The first customer turn was the same, the second was not.
    assert "of 8 conversations that both hold, 8 went their own way" in said
    assert "from customer turn 2.0 on" in said
    assert "2 conversations are in a alone" in said
    assert "1 conversations are in b alone" in said
    length = row(found, "n_points")
    assert (length["of_ours"], length["of_theirs"], length["n"]) == (3, 2, 8)


def test_no_conversation_in_common():
    found = compared(side("a", {"x": True}), side("b", {"y": True}))
    assert found.differences.is_empty()
    assert "nothing can be compared" in found.remarks[0]


def test_without_a_reply_nothing_is_known_to_be_safe():
    ours = side("a", dict.fromkeys(names(12), True), own=False)
    silent = pl.col("conversation_id") == "c003"
    unscored = pl.when(silent).then(pl.lit("no_reply")).otherwise("unscored").alias("unscored")
    none = [pl.when(~silent).then(c).alias(c) for c in ("risky_promise", "over_answer")]
    ours = ours._replace(verdicts=ours.verdicts.with_columns(unscored, *none))
    theirs = side("b", dict.fromkeys(names(12), True))
    found = row(compared(ours, theirs), "risky_promise_conversation", "rules")
    assert (found["n"], found["n_excluded"]) == (11, 1)


def test_labels_count_where_labellers_agree():
    said = [("c000", "x", True), ("c000", "y", True), ("c001", "x", True), ("c001", "y", False)]
    both = dict.fromkeys(names(3), True)
    ours = side("a", both, labels=[*said, ("c002", "x", False)])
    theirs = side("b", both, labels=[(c, "x", False) for c in names(3)])
    found = row(compared(ours, theirs), "risky_promise_conversation", "labels")
    assert (found["of_ours"], found["of_theirs"], found["n"], found["n_excluded"]) == (0.5, 0, 2, 1)


def test_the_slice_that_got_worse_comes_first():
    def intent(conversation):
        return "refund" if conversation < "c030" else "delivery"

    everyone = dict.fromkeys(names(90), True)
    ours = side("a", everyone | dict.fromkeys(names(20), False), intent=intent)
    found = compared(ours, side("b", everyone, intent=intent))
    slices = found.differences.filter(pl.col("by") != "all")
    assert set(slices["by"]) == {"intent"}
    first = slices.row(0, named=True)
    assert (first["slice"], first["metric"], first["worse"]) == ("refund", "resolved", True)
    assert first["difference"] == pytest.approx(-20 / 30)
    assert not row(found, "resolved", by="intent", value="delivery")["different"]


def test_conversations_that_differ_most_stand_in_words():
    same = dict.fromkeys(names(4), True)
    ours = side("a", same | {"c001": False, "c002": False}, risky=["c002"])
    first, second = compared(ours, side("b", same)).disagreements.iter_rows(named=True)
    assert (first["conversation_id"], first["weight"], first["place"]) == ("c002", 5.0, 1)
    assert first["why"] == "not resolved / resolved; a risky promise / no risky promise"
    assert "2 customer turns" in first["our_evidence"]
    assert (second["conversation_id"], second["said"]) == ("c001", "customer of c001")


@pytest.mark.parametrize("seed", range(3))
def test_one_agent_under_two_names_is_rarely_called_worse(seed):
    rng = np.random.default_rng(seed)
    called = 0
    for _ in range(40):
        outcomes = [dict(zip(names(60), rng.random(60) < 0.7, strict=True)) for _ in range(2)]
        risky = [[c for c in names(60) if rng.random() < 0.3] for _ in range(2)]
        ours, theirs = (
            side(who, {c: bool(v) for c, v in resolved.items()}, risky=bad, turns=2)
            for who, resolved, bad in zip("ab", outcomes, risky, strict=True)
        )
        found = by_conversation(ours, theirs, rng=rng).differences
        called += bool(found["different"].any() or found["worse"].fill_null(False).any())
    # At most 5 % by design; 8 or more of 40 then happen once in 1,000 times.
    assert called < 8


@pytest.mark.parametrize("setting", [{"tolerance": 1.0}, {"confidence": 1.0}])
def test_impossible_settings_are_refused(setting):
    one = side("a", {"x": True})
    with pytest.raises(ValueError, match="expected 0 <= t"):
        compared(one, one, **setting)


@pytest.fixture(scope="module")
def agents(real_data, tmp_path_factory):
    """Each agent's run of its own conversations on the same fifty tasks."""
    folder = tmp_path_factory.mktemp("agents")
    path = folder / "agent.toml"
    path.write_text(SCENARIO, "utf-8")
    found = []
    for agent in AGENTS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SHADOWDESK_LOG", str(real_data / f"tau2-airline/{agent}.json.gz"))
            run = pipeline.run(load(path, ()), folder / agent)
        read = ("shadow", "verdicts", "contexts", "labels", "decision_points", "conversations")
        found.append((Side(agent, "human", *(run.table(t) for t in read)), run.table("assumed")))
    return found


def test_two_real_agents_are_compared_by_conversation(agents, real_data):
    (ours, assumed), (theirs, _) = agents
    supplied = assumed["name"].str.extract(r"^(complained|resolved)_rate$").drop_nulls().to_list()
    assert supplied == ["complained"]
    found = compared(ours, theirs, supplied=supplied)
    rewards = {}
    for agent in AGENTS:
        with gzip.open(real_data / f"tau2-airline/{agent}.json.gz") as file:
            simulations = json.load(file)["simulations"]
        rewards[agent] = {s["task_id"]: s["reward_info"]["reward"] >= 1 for s in simulations}
    a, b = (rewards[agent] for agent in AGENTS)
    only_ours = sum(a[task] and not b[task] for task in a)
    only_theirs = sum(b[task] and not a[task] for task in a)
    resolved = row(found, "resolved")
    assert resolved["n"] == len(a) == len(b) == 50
    assert resolved["of_ours"] == pytest.approx(sum(a.values()) / 50)
    assert resolved["of_theirs"] == pytest.approx(sum(b.values()) / 50)
    assert resolved["p_value"] == pytest.approx(mcnemar(only_ours, only_theirs))
    assert found.differences["unit"].unique().to_list() == ["conversation"]
    assert row(found, "risky_promise_conversation", "rules")["n"] > 40
    assert "complained" not in found.differences["metric"].to_list()


def test_real_agents_part_and_it_is_said_why(agents):
    (ours, _), (theirs, _) = agents
    on = ["conversation_id", "turn"]
    both = ours.decision_points.join(theirs.decision_points, on=on, suffix="_theirs")
    unequal = both.filter(pl.col("context_hash") != pl.col("context_hash_theirs"))
    assert unequal.height > 0.9 * both.height
    said = compared(ours, theirs).remarks[0]
    assert "by conversation, not turn by turn" in said
    assert "of 50 conversations that both hold, 50 went their own way" in said
