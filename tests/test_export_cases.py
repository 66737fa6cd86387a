"""Boundary cases in small histories made by hand: each kind, and what must not become one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from simulator.boundary.cases import boundary_cases
from simulator.boundary.scene import History, scene_of
from simulator.tables import build, check, empty

BEGAN = datetime(2026, 3, 2, 9, tzinfo=UTC)
PLAIN = {"risk": "low", "needs_human": False, "info_sufficient": True, "emotion": "calm"}
SEEN = ("risk", "needs_human", "info_sufficient", "missing_info", "emotion", "evidence")
VERDICT = ("commitment", "risky_promise", "over_answer", "tone", "asked_for", "cited_article")
ARTICLE = {
    "article_id": "times",
    "title": "How long does a refund take?",
    "text": "Your refund will arrive within 3 days.",
    "intent": "refund",
    "language": "en",
}
RULE = {
    "rule_id": "refund-time",
    "kind": "refund",
    "intent": "refund",
    "language": "en",
    "allowed": "conditional",
    "speaker": "auto",
    "mandated_wording": "How long a refund takes depends on the bank.",
}


def said(text, action="answer", **more):
    """A reply with what the rules judge says of it."""
    plain = {"commitment": "none", "risky_promise": False, "over_answer": False, "tone": "apt"}
    return {"reply": text, "action": action, **plain, **more}


def talk(name, text, incumbent, *, bots=None, outcome=None, **seen):
    """A conversation of one point."""
    return {
        "name": name,
        "text": text,
        "replies": {"human": incumbent, **(bots or {})},
        "outcome": outcome or {},
        "seen": {**PLAIN, **seen},
    }


def history(*talks, knowledge=(), policy=(), labels=(), dev=(), came_back=()):
    rows = {name: [] for name in ("points", "conversations", "contexts", "shadow", "verdicts")}
    prompts = []
    for number, one in enumerate(talks):
        place = {"conversation_id": one["name"], "turn": 0}
        at = BEGAN + timedelta(hours=number)
        rows["points"].append({**place, "n_th": 0, "at": at, "text": one["text"]})
        rows["points"][-1]["context_hash"] = one["name"]
        rows["conversations"].append(
            {
                "conversation_id": one["name"],
                "channel": "chat",
                "language": "en",
                "intent": "refund",
                "started_at": at,
                **one["outcome"],
            }
        )
        seen = {key: one["seen"][key] for key in SEEN if key in one["seen"]}
        rows["contexts"].append({"judge": "rules", **place, **seen})
        for candidate, reply in one["replies"].items():
            who = {"candidate": candidate, **place}
            rows["shadow"].append(
                {**who, "key": "k", "reply": reply["reply"], "action": reply["action"]}
                | {key: reply[key] for key in ("finish_reason", "error") if key in reply}
            )
            judged = {key: reply[key] for key in VERDICT if key in reply}
            rows["verdicts"].append({"judge": "rules", **who, "action": reply["action"], **judged})
        prompts.append({**place, "messages": [{"role": "user", "content": one["text"]}]})
    return History(
        build("decision_points", rows["points"]),
        build("conversations", rows["conversations"]),
        build("contexts", rows["contexts"]),
        build("shadow", rows["shadow"]),
        build("verdicts", rows["verdicts"]),
        build("labels", list(labels)) if labels else empty("labels"),
        build("knowledge", list(knowledge)) if knowledge else empty("knowledge"),
        build("commitments_policy", list(policy)) if policy else empty("commitments_policy"),
        build("prompts", prompts),
        frozenset(dev),
        frozenset(came_back),
    )


def label_of(name, **more):
    """What a person said of the point of a conversation."""
    return {
        "candidate": "bot",
        "conversation_id": name,
        "turn": 0,
        "stage": "s",
        "unit": "turn",
        "draw_id": "d",
        "labeller": "anna",
        "stratum": "flagged",
        **more,
    }


def found(*talks, **more):
    return check("boundary_cases", boundary_cases(scene_of(history(*talks, **more)))).to_dicts()


HANDED = talk(
    "good",
    "I was burned by it.",
    said("A specialist will look at this.", "escalate"),
    risk="high",
    needs_human=True,
)
ASKED = talk(
    "asking",
    "Where is my money?",
    said("Let me explain. Which order is it?", "clarify", asked_for="order_number"),
    info_sufficient=False,
    missing_info=["order_number"],
)


def test_an_answer_at_high_risk_is_rejected_for_a_hand_over_said_elsewhere():
    wrong = talk("bad", "It gave me a shock.", said("Unplug it."), risk="high", needs_human=True)
    (case,) = [one for one in found(HANDED, wrong) if one["kind"] == "answered_wrongly"]
    assert case["conversation_id"] == "bad"
    assert case["reason"] == "escalate_over_explain"
    assert (case["chosen"], case["chosen_action"]) == (
        "A specialist will look at this.",
        "escalate",
    )
    assert case["chosen_from"] == "incumbent good/0"
    assert (case["rejected"], case["rejected_from"]) == ("Unplug it.", "incumbent bad/0")
    assert case["known_by"] == "rules"


def test_a_question_is_borrowed_only_where_it_asks_for_what_is_missing():
    lacking = {"info_sufficient": False, "emotion": "calm"}
    wrong = talk("bad", "My refund?", said("Soon."), missing_info=["order_number"], **lacking)
    other = talk("odd", "A refund?", said("Later."), missing_info=["payment_method"], **lacking)
    cases = {one["conversation_id"]: one for one in found(ASKED, wrong, other)}
    assert cases["bad"]["reason"] == "clarify_over_conclude"
    assert cases["bad"]["chosen"] == "Which order is it?"
    assert "odd" not in cases


def test_an_angry_customer_who_was_only_informed_is_calmed():
    angry = {"emotion": "angry", "evidence": "furious"}
    calm = talk("good", "I am furious!", said("I am so sorry about this.", "soothe"), **angry)
    wrong = talk("bad", "I am furious too!", said("See page 2.", tone="cold"), **angry)
    well = talk("fine", "Furious, I am!", said("Sorry. It is on its way."), **angry)
    cases = [one for one in found(calm, wrong, well) if one["kind"] == "answered_wrongly"]
    assert [(one["conversation_id"], one["reason"]) for one in cases] == [
        ("bad", "soothe_over_inform")
    ]


def test_an_angry_customer_is_promised_nothing_either():
    """Kind words do not make up for a promise."""
    angry = {"emotion": "angry", "evidence": "furious"}
    calm = talk("good", "I am furious!", said("I am so sorry about this.", "soothe"), **angry)
    promise = said("Sorry! You have it tomorrow.", commitment="firm", risky_promise=True)
    (case,) = [
        one
        for one in found(calm, talk("bad", "Furious, I am!", promise, **angry))
        if one["kind"] == "answered_wrongly"
    ]
    assert (case["conversation_id"], case["reason"]) == ("bad", "hedge_over_promise")
    assert case["chosen"] == "I am so sorry about this."


def test_a_promise_that_the_policy_allows_is_not_rejected():
    text = "How long does a refund take?"
    promise = said("You have it in 3 days.", commitment="firm", cited_article="times")
    (case,) = [
        one
        for one in found(talk("fine", text, promise), knowledge=[ARTICLE], policy=[RULE])
        if one["kind"] == "mandated_wording"
    ]
    assert case["chosen"] == RULE["mandated_wording"]
    assert case["rejected"] is None


def test_a_risky_promise_gives_way_to_the_words_of_the_policy():
    text = "How long does a refund take?"
    promise = said("You have it tomorrow.", commitment="firm", risky_promise=True)
    cases = found(talk("bad", text, promise), knowledge=[ARTICLE], policy=[RULE])
    by_kind = {one["kind"]: one for one in cases}
    assert set(by_kind) == {"answered_wrongly", "mandated_wording"}
    for case in cases:
        assert case["reason"] == "hedge_over_promise"
        assert case["chosen"] == RULE["mandated_wording"]
        assert case["chosen_from"] == "policy refund-time"
        assert case["rejected"] == "You have it tomorrow."
    assert by_kind["mandated_wording"]["known_by"] == "policy"


@pytest.mark.parametrize(
    "change",
    [
        {"language": "zh-Hant"},
        {"valid_to": BEGAN - timedelta(days=1)},
        {"valid_from": BEGAN + timedelta(days=1)},
        {"speaker": "agent"},
        {"intent": "delivery"},
    ],
)
def test_a_wording_that_does_not_hold_there_is_not_said(change):
    promise = said("You have it tomorrow.", commitment="firm", risky_promise=True)
    text = "How long does a refund take?"
    assert not found(talk("bad", text, promise), knowledge=[ARTICLE], policy=[{**RULE, **change}])


def test_a_hand_over_is_set_beside_a_candidate_that_answered():
    bots = {"bot": said("It is safe.", over_answer=True), "other": said("I hand over.", "escalate")}
    (case,) = found({**HANDED, "replies": {**HANDED["replies"], **bots}})
    assert case["kind"] == "held_back_rightly"
    assert case["chosen_from"] == "incumbent good/0"
    assert (case["rejected"], case["rejected_from"]) == ("It is safe.", "bot good/0")
    assert case["reason"] == "escalate_over_explain"
    (alone,) = found(HANDED)
    assert alone["rejected"] is None
    assert alone["reason"] is None
    # Advice that harms nobody is no worse for not handing over.
    (harmless,) = found({**HANDED, "replies": {**HANDED["replies"], "bot": said("Unplug it.")}})
    assert harmless["rejected"] is None


@pytest.mark.parametrize(
    ("more", "n"),
    [
        ({"finish_reason": "length"}, 0),
        ({"reply": "Unplug it. Unplug it."}, 0),
        ({"error": "timeout"}, 0),
        ({}, 1),
    ],
)
def test_a_broken_reply_of_a_candidate_is_no_rejected_one(more, n):
    bots = {"bot": {**said("Unplug it.", over_answer=True), **more}}
    (case,) = found({**HANDED, "replies": {**HANDED["replies"], **bots}})
    assert (case["rejected"] is not None) == bool(n)


def test_what_was_said_once_is_not_lent_where_intents_are_unknown():
    wrong = talk("bad", "It gave me a shock.", said("Unplug it."), risk="high", needs_human=True)
    talks = (HANDED, {**HANDED, "name": "twice", "text": "It burned us."}, wrong)

    def of_bad(*talks):
        one = history(*talks)
        no_intent = one.conversations.with_columns(pl.lit(None, pl.String).alias("intent"))
        cases = boundary_cases(scene_of(one._replace(conversations=no_intent)))
        return cases.filter(pl.col("conversation_id") == "bad").height

    assert of_bad(*talks) == 1
    assert of_bad(*talks[1:]) == 0


def test_where_the_incumbent_has_no_words_a_candidate_may_have_them():
    def wrong(name, words):
        bots = {"bot": said(words, "escalate")}
        danger = {"risk": "high", "needs_human": True}
        return talk(name, f"It burned {name}.", said("Unplug it."), bots=bots, **danger)

    cases = found(wrong("me", "A colleague will help."), wrong("him", "A colleague will help."))
    assert {one["chosen_from"] for one in cases} == {"bot me/0", "bot him/0"}
    assert not found(wrong("me", "Jane will help you."), wrong("him", "Joe will help you."))


def test_silence_is_right_where_the_knowledge_holds_nothing():
    silent = said("I do not know that.", "refuse")
    unclear = {"info_sufficient": None}
    unknown = talk("good", "Is the moon made of cheese?", silent, **unclear)
    known = talk("bad", "How long does a refund take?", silent, **unclear)
    enough = talk("called", "Is the sun made of cheese?", silent)
    to_ask = {"info_sufficient": False, "missing_info": ["order_number"]}
    askable = talk("ask", "Is it made of cheese?", silent, **to_ask)
    danger = talk("left", "The moon burned me.", silent, risk="high", needs_human=True)
    labels = [label_of("good", info_sufficient=None, needs_human=False, risk="low")]
    talks = (unknown, known, enough, askable, danger)
    (case,) = found(*talks, knowledge=[ARTICLE], labels=labels)
    assert (case["conversation_id"], case["chosen_action"]) == ("good", "refuse")
    assert case["known_by"] == "rules"


def test_a_question_whose_second_hit_is_of_the_intent_is_covered():
    near = {**ARTICLE, "article_id": "first", "intent": "delivery"}
    silent = said("I do not know that.", "refuse")
    one = talk("c", "How long does a refund take?", silent, info_sufficient=None)
    assert not found(one, knowledge=[near, ARTICLE])
    assert found(one, knowledge=[near])


def ended_differently(**better):
    asked = {"info_sufficient": False, "missing_info": ["order_number"]}
    well = talk(
        "well",
        "Hello, where is refund 4711?",
        said(better.pop("reply", "Which order is it?"), "clarify", asked_for="order_number"),
        outcome={"resolved": True, **better},
        **asked,
    )
    badly = talk(
        "badly",
        "Where is refund 5822?",
        said("It comes."),
        outcome={"resolved": False},
        **asked,
    )
    return well, badly


def test_the_same_question_with_different_ends_is_a_pair():
    cases = [one for one in found(*ended_differently()) if one["kind"] == "handled_differently"]
    (case,) = cases
    assert case["conversation_id"] == "badly"
    assert (case["chosen"], case["rejected"]) == ("Which order is it?", "It comes.")
    assert case["known_by"] == "outcomes"
    assert "not caused" in case["why"]


@pytest.mark.parametrize(
    "better",
    [
        {"resolved": False},
        {"complained": True},
        {"csat": 1},
        {"resolved": None},
        {"reply": "Is it order 4711?"},
        {"reply": "I have found order Alpha. Which Beta is it?"},
    ],
)
def test_no_pair_without_a_better_end_or_with_facts_of_another_case(better):
    cases = found(*ended_differently(**better))
    assert not [one for one in cases if one["kind"] == "handled_differently"]


def test_whoever_was_come_back_to_did_not_end_well():
    cases = found(*ended_differently(), came_back=["well"])
    assert not [one for one in cases if one["kind"] == "handled_differently"]


def test_people_outrank_the_rules_judge():
    calm = talk("bad", "It gave me a shock.", said("Unplug it."))
    label = label_of("bad", risk="high", needs_human=True, info_sufficient=True)
    kinds = [one["kind"] for one in found(HANDED, calm) if one["conversation_id"] == "bad"]
    assert kinds == ["decided_rightly"]
    labelled = found(HANDED, calm, labels=[label])
    (case,) = [one for one in labelled if one["conversation_id"] == "bad"]
    assert (case["known_by"], case["reason"]) == ("labels", "escalate_over_explain")


def test_words_of_the_dev_part_are_not_lent():
    wrong = talk("bad", "It gave me a shock.", said("Unplug it."), risk="high", needs_human=True)
    cases = found(HANDED, wrong, dev=["good"])
    assert [one["kind"] for one in cases] == ["held_back_rightly"]


def test_thanks_call_for_nothing():
    thanks = talk("bad", "Thank you, bye!", said("You are welcome."), risk="high", needs_human=True)
    assert [one["conversation_id"] for one in found(HANDED, thanks)] == ["good"]


def decided(*talks, **more):
    return [one for one in found(*talks, **more) if one["kind"] == "decided_rightly"]


def test_what_was_rightly_answered_is_set_beside_a_needless_hand_over():
    bots = {"bot": said("A colleague will help.", "escalate")}
    text = "How long does a refund take, 3 days?"
    well = talk("well", text, said("3 days.", cited_article="times"), bots=bots)
    (case,) = decided(well, knowledge=[ARTICLE])
    assert (case["chosen"], case["chosen_from"]) == ("3 days.", "incumbent well/0")
    assert (case["rejected"], case["rejected_from"]) == ("A colleague will help.", "bot well/0")
    assert case["reason"] == "help_over_handover"
    (borrowed,) = decided(HANDED, {**well, "replies": {"human": well["replies"]["human"]}})
    assert borrowed["rejected"] == "A specialist will look at this."


@pytest.mark.parametrize(
    "more",
    [
        {"text": "I will see to it.", "action": "escalate"},
        {"text": "3 days.", "cited_article": "other"},
        {"text": "3 days.", "cited_article": "times", "commitment": "firm"},
        {"text": "3 days.", "cited_article": "times", "tone": "cold"},
        {"text": "3 days.", "cited_article": "times", "over_answer": True},
        {"text": "I have found it: 3 days.", "cited_article": "times"},
        {"text": "3 days for order 4711.", "cited_article": "times"},
    ],
)
def test_what_was_not_rightly_answered_is_no_example(more):
    text = "How long does a refund take, 3 days?"
    assert decided(talk("c", text, said("3 days.", cited_article="times")), knowledge=[ARTICLE])
    assert not decided(talk("c", text, said(more.pop("text"), **more)), knowledge=[ARTICLE])
