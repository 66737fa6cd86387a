"""One conversation through the stages, by hand: decisions, settlement, work and arrivals.

Handle time 600 s of which 60 s wrap-up; the agent writes 30, 60 and 30 characters, so the work is
135, 270 and 135 s. Candidate X promises "3 days" where the agent hedged; candidate H hedges as the
agent did, and hands over when the customer is furious.
"""

import polars as pl
import pytest

from simulator.replay.decision_points import decision_points
from simulator.rollout.demand import arrivals, scripts
from simulator.rollout.settle import matches, settle
from simulator.rollout.stages import decide
from simulator.rollout.work import human_work, reading_s
from simulator.scenario import LADDER, Assist, ContactCenter, Demand, Rollout
from simulator.tables import build

DESK = ContactCenter(wrap_up_s=60)
SAID = (
    ("customer", "refund?", None),
    ("agent", "How did you pay for it please?".ljust(30, "."), "clarify"),
    ("customer", "Visa", None),
    ("agent", "Usually it takes 3-7 days once the bank has it".ljust(60, "."), "answer"),
    ("customer", "THIS IS A SCANDAL", None),
    ("agent", "Let me pass you to my manager".ljust(30, "."), "escalate"),
)
HEDGED = {"kind": "refund", "value": 7.0, "unit": "day", "firmness": "hedged", "span": "3-7 days"}
FIRM = {"kind": "refund", "value": 3.0, "unit": "day", "firmness": "firm", "span": "3 days"}


@pytest.fixture(scope="module")
def tables():
    conversations = build(
        "conversations",
        [{"conversation_id": "c", "channel": "chat", "handle_time_s": 600.0, "resolved": True}],
    )
    turns = build(
        "turns",
        [
            {"conversation_id": "c", "turn": i, "role": role, "text": text, "action": action}
            for i, (role, text, action) in enumerate(SAID)
        ],
    )
    points = decision_points(turns, conversations)
    contexts = build(
        "contexts",
        [
            {"judge": "hand", "conversation_id": "c", "turn": turn, "risk": risk}
            for turn, risk in ((0, "low"), (2, "low"), (4, "high"))
        ],
    )
    # candidate, turn, action, reply, commitments, article, asked for
    rows = [
        ("human", 0, "clarify", "q", [], None, "payment_method"),
        ("human", 2, "answer", "a", [HEDGED], "refunds", None),
        ("human", 4, "escalate", "e", [], None, None),
        ("X", 0, "clarify", "q", [], None, "payment_method"),
        ("X", 2, "answer", "3 days", [FIRM], "refunds", None),
        ("X", 4, "escalate", None, None, None, None),
        ("H", 0, "clarify", "q", [], None, "payment_method"),
        ("H", 2, "answer", "3-7", [HEDGED], "refunds", None),
        ("H", 4, "escalate", None, None, None, None),
    ]
    shadow = build(
        "shadow",
        [
            {
                "candidate": c,
                "conversation_id": "c",
                "turn": t,
                "action": a,
                "reply": r,
                "key": f"{c}{t}",
            }
            for c, t, a, r, *_ in rows
        ],
    )
    verdicts = build(
        "verdicts",
        [
            {
                "judge": "hand",
                "candidate": c,
                "conversation_id": "c",
                "turn": t,
                "action": a,
                "commitments": commitments,
                "cited_article": article,
                "asked_for": asked,
                "unscored": None if r else "no_reply",
            }
            for c, t, a, r, commitments, article, asked in rows
        ],
    )
    found = matches(shadow, verdicts, 0.0)
    decisions = decide(points, conversations, contexts, shadow, found, LADDER)
    return {
        "points": points,
        "conversations": conversations,
        "shadow": shadow,
        "contexts": contexts,
        "found": found,
        "decisions": decisions,
        "settlements": settle(decisions, found),
        "work": human_work(points, conversations, DESK),
    }


@pytest.mark.parametrize(
    ("stage", "candidate", "modes"),
    [
        ("human_only", "human", ["human", "human", "human"]),
        ("assist", "X", ["assist", "assist", "assist"]),
        ("low_risk_auto", "X", ["auto", "auto", "human"]),
        ("wider_auto", "X", ["auto", "auto", "auto"]),
        ("low_risk_auto", "H", ["auto", "auto", "human"]),
        ("wider_auto", "H", ["auto", "auto", "auto"]),
    ],
)
def test_modes(tables, stage, candidate, modes):
    rows = tables["decisions"].filter(stage=stage, candidate=candidate).sort("turn")
    assert rows["mode"].to_list() == modes


@pytest.mark.parametrize(
    ("stage", "candidate", "status", "cause", "at_turn"),
    [
        ("human_only", "human", "human", None, None),
        ("assist", "X", "assist", None, None),
        ("low_risk_auto", "X", "diverged", None, 2),
        ("wider_auto", "X", "diverged", None, 2),
        ("low_risk_auto", "H", "handoff", "routed", 4),
        ("wider_auto", "H", "handoff", "chosen", 4),
    ],
)
def test_settlements(tables, stage, candidate, status, cause, at_turn):
    row = tables["settlements"].filter(stage=stage, candidate=candidate).row(0, named=True)
    assert (row["status"], row["cause"], row["at_turn"]) == (status, cause, at_turn)


def test_reach_tells_what_the_customer_would_not_have_lived(tables):
    rows = tables["decisions"].filter(stage="wider_auto", candidate="X").sort("turn")
    assert rows["reach"].to_list() == ["reached", "reached", "after_divergence"]


def test_the_baseline_has_one_candidate_and_no_other_stage_has_it(tables):
    cells = tables["decisions"].select("stage", "candidate").unique().rows()
    assert ("human_only", "human") in cells
    assert len([c for c in cells if c[1] == "human" or c[0] == "human_only"]) == 1


def test_work_is_split_by_characters(tables):
    work = tables["work"].sort("turn")
    assert work["work_s"].to_list() == pytest.approx([135, 270, 135])
    assert work["remaining_s"].to_list() == pytest.approx([600, 465, 195])
    assert work["reading_s"][0] == 0


def read(texts):
    frame = pl.DataFrame({"text": texts})
    return frame.select(reading_s("text", DESK).sum()).item()


@pytest.fixture(scope="module")
def script(tables):
    return scripts(
        tables["decisions"],
        tables["settlements"],
        tables["work"],
        tables["shadow"],
        tables["contexts"],
        Demand(),
        DESK,
        Assist(),
    )


def visits(script, stage, candidate, bound, u_contained=0.9):
    drawn = pl.DataFrame(
        {
            "replication": [0],
            "arrival_id": ["a"],
            "conversation_id": ["c"],
            "copy": [0],
            "at_ms": [1_000_000],
            "channel": ["chat"],
            "language": ["en"],
            "skill": ["general"],
            "patience_ms": [[60_000] * 3],
            "recontacts": [[0, 0, 0]],
            "recontact_delay_ms": [[1] * 3],
            "u_contained": [u_contained],
            "quits_after": [10**9],
        }
    )
    cell = script.filter(stage=stage, candidate=candidate)
    return arrivals(drawn, cell, bound, Rollout(), DESK).row(0, named=True)


def test_people_alone_cost_the_handle_time(script):
    row = visits(script, "human_only", "human", "central")
    assert (row["cause"], row["arrives_ms"], row["work_ms"]) == ("new", 1_000_000, 600_000)


def test_assist_saves_on_drafts_and_costs_their_reading(script):
    row = visits(script, "assist", "H", "central")
    # All three drafts decide as the agent did; the last has no words, so it saves nothing.
    assert row["cause"] == "assist"
    assert row["work_ms"] == pytest.approx((600 + read(["q", "3-7"])) * 1000, abs=1)
    assert row["saved_ms"] == pytest.approx(0.14 * (135 + 270) * 1000, abs=1)


def test_divergence_is_a_bound(script):
    assert visits(script, "low_risk_auto", "X", "best")["arrives_ms"] is None
    worst = visits(script, "low_risk_auto", "X", "worst")
    assert worst["cause"] == "hand_back"
    assert worst["work_ms"] == pytest.approx((600 + read([t for _, t, _ in SAID])) * 1000, abs=1)
    assert worst["arrives_ms"] == 1_000_000 + 3_000 + 43_000 + 3_600_000
    assert visits(script, "low_risk_auto", "X", "central", 0.4)["arrives_ms"] is None
    assert visits(script, "low_risk_auto", "X", "central", 0.6)["cause"] == "hand_back"


@pytest.mark.parametrize("bound", ["best", "central", "worst"])
@pytest.mark.parametrize(("stage", "bot_ms"), [("low_risk_auto", 40_000), ("wider_auto", 43_000)])
def test_a_handover_leaves_the_rest_the_reading_and_the_wrap_up(script, stage, bot_ms, bound):
    row = visits(script, stage, "H", bound)
    left = 135 + 60 + read([text for _, text, _ in SAID[:4]])
    assert row["cause"] == "handoff"
    assert row["work_ms"] == pytest.approx(left * 1000, abs=1)
    assert row["arrives_ms"] == 1_000_000 + 3_000 + 43_000 + bot_ms
    # Both were with the bot when an outage would have found them, with this much left for people.
    assert row["work_if_down_ms"][0] == 600_000
    assert len(row["bot_turn_ms"]) == 3
