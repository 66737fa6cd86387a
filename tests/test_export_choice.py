"""Which cases are exported, and what replies are worth."""

from __future__ import annotations

import polars as pl
import pytest

from simulator.boundary.account import kept
from simulator.boundary.cases import boundary_cases
from simulator.boundary.choose import choose
from simulator.boundary.rewards import rewards
from simulator.boundary.scene import scene_of
from simulator.tables import check
from tests.test_export_cases import ARTICLE, HANDED, RULE, history, label_of, said, talk


def test_rewards_add_up():
    bots = {
        "promises": said("You get $50.", commitment="firm", risky_promise=True),
        "hands over": said("A colleague will help.", "escalate"),
        "cold": said("Unplug it.", tone="cold"),
    }
    scene = scene_of(history({**HANDED, "replies": {**HANDED["replies"], **bots}}))
    valued = rewards(scene, boundary_cases(scene))
    check("rewards", valued)
    worth = dict(valued.select("candidate", "reward").iter_rows())
    assert worth == {"human": 0.6, "hands over": 0.6, "promises": -1.0, "cold": -1.0}
    parts = dict(valued.select("candidate", "parts").iter_rows())
    assert parts["cold"] == "missed escalation -0.8; cold tone -0.2"
    assert parts["promises"] == "risky promise -1.0; missed escalation -0.8"


@pytest.mark.parametrize(
    ("seen", "worth"),
    [
        ({"info_sufficient": None}, None),
        ({"info_sufficient": True}, 0.0),
        ({"info_sufficient": False, "missing_info": ["order_number"]}, 0.0),
        ({"emotion": "angry", "evidence": "Moon", "info_sufficient": False}, 0.0),
        ({"info_sufficient": False, "by_label": True}, 0.6),
    ],
)
def test_not_to_answer_is_worth_something_only_where_it_was_called_for(seen, worth):
    silent = {"bot": said("I do not know that.", "refuse")}
    by_label = seen.get("by_label", False)
    one = talk("c", "Moon?", said("Cheese."), bots=silent, **seen)
    labels = [label_of("c", risk="low", needs_human=False, info_sufficient=False)]
    scene = scene_of(history(one, labels=labels if by_label else ()))
    case = {"conversation_id": ["c"], "turn": [0]}
    valued = rewards(scene, pl.DataFrame(case, schema_overrides={"turn": pl.Int32}))
    found_worth = dict(valued.select("candidate", "reward").iter_rows()).get("bot")
    assert found_worth == worth


def test_a_prompt_has_one_example():
    """The policy's wording and the incumbent's own answer would be two for the same question."""
    text = "How long does a refund take?"
    hedged = said("About 3 days.", commitment="hedged", cited_article="times")
    one = history(talk("c", f"{text} 3?", hedged), knowledge=[ARTICLE], policy=[RULE])
    cases = boundary_cases(scene_of(one))
    assert sorted(cases["kind"]) == ["decided_rightly", "mandated_wording"]
    chosen = choose(cases, one.prompts, set(), 9, frozenset())
    assert (chosen.cases.height, len(chosen.examples)) == (1, 1)
    other = said("This needs a supervisor.", "escalate")
    twin = {**HANDED, "name": "twin", "replies": {"human": other}}
    two = history(HANDED, twin)
    assert (
        choose(boundary_cases(scene_of(two)), two.prompts, set(), 9, frozenset()).cases.height == 1
    )


def test_what_people_said_comes_first_under_the_cap():
    talks = [
        {**HANDED, "name": f"h{n}", "text": f"I was burned by thing {'x' * n}."} for n in range(9)
    ]
    labels = [
        label_of(name, risk="high", needs_human=True, info_sufficient=True) for name in ("h3", "h7")
    ]
    one = history(*talks, labels=labels)
    chosen = choose(boundary_cases(scene_of(one)), one.prompts, set(), 2, frozenset())
    assert set(chosen.cases["conversation_id"]) == {"h3", "h7"}
    # Not even where the others are of a larger stratum.
    apart = pl.when(pl.col("conversation_id").is_in(["h3", "h7"])).then(pl.lit("a"))
    intents = one.conversations.with_columns(apart.otherwise("intent").alias("intent"))
    cases = boundary_cases(scene_of(one._replace(conversations=intents)))
    again = choose(cases, one.prompts, set(), 2, frozenset())
    assert set(again.cases["conversation_id"]) == {"h3", "h7"}
    assert chosen.spare == {"escalate": 7, "refuse": 0}


def test_with_fewer_places_than_strata_the_largest_come_first():
    many = [
        {**HANDED, "name": f"h{n}", "text": f"I was burned by thing {'x' * n}."} for n in range(5)
    ]
    few = {**HANDED, "name": "few", "text": "It gave me a shock."}
    one = history(few, *many)
    other = one.conversations.with_columns(
        pl.when(pl.col("conversation_id") == "few")
        .then(pl.lit("a"))
        .otherwise("intent")
        .alias("intent")
    )
    one = one._replace(conversations=other)
    chosen = choose(boundary_cases(scene_of(one)), one.prompts, set(), 1, frozenset())
    assert chosen.cases["intent"].to_list() == ["refund"]


def test_kinds_are_capped_and_hand_overs_kept():
    talks = [
        {**HANDED, "name": f"h{n}", "text": f"I was burned by thing {'x' * n}."} for n in range(9)
    ]
    one = history(*talks)
    cases = boundary_cases(scene_of(one))
    chosen = choose(cases, one.prompts, set(), 4, frozenset())
    (row,) = chosen.counts.filter(pl.col("kind") == "held_back_rightly").to_dicts()
    assert row == {
        "kind": "held_back_rightly",
        "found": 9,
        "duplicates": 0,
        "overlapping": 0,
        "over_cap": 5,
        "exported": 4,
    }
    taken = {("h0", 0), ("h1", 0)}
    fewer = choose(cases, one.prompts, taken, 100, frozenset())
    assert set(fewer.cases["conversation_id"]) == {f"h{n}" for n in range(2, 9)}


def test_the_same_prompt_with_the_same_answer_stands_once():
    again = {**HANDED, "name": "twin", "text": "I was BURNED by it!"}
    one = history(HANDED, again)
    chosen = choose(boundary_cases(scene_of(one)), one.prompts, set(), 9, frozenset())
    assert chosen.cases.height == 1


def test_what_a_cap_left_out_is_not_said_to_be_missing():
    cases = pl.DataFrame({"chosen_action": ["answer"] * 20 + ["escalate"]})
    words = kept(cases, {"escalate": 3, "refuse": 0})
    assert "hand-overs 1, 5% of the rows (wanted 10%: 3 more are over the cap)" in words
    assert '"I don\'t know" 0, 0% of the rows (wanted 10%: there are no more)' in words
