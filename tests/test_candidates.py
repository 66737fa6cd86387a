"""Candidates: none sees the future, and each does what its name says."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.candidates import Materials, Point, Said, context_hash, make
from simulator.errors import HistoryError
from simulator.judging.contexts import judge_contexts
from simulator.replay.decision_points import decision_points
from simulator.replay.runner import replay
from simulator.scenario import Candidate
from simulator.tables import build

DAY = datetime(2026, 3, 4, 10, tzinfo=UTC)
KNOWLEDGE = build(
    "knowledge",
    [
        {
            "article_id": "refund",
            "title": "When refunds arrive",
            "text": "Your refund will arrive within 3 working days.",
            "intent": "refund_timing",
            "language": "en",
        },
        {
            "article_id": "delivery",
            "title": "Delivery times",
            "text": "Parcels usually arrive in 2 to 4 days.",
            "intent": "delivery",
            "language": "en",
        },
        {
            "article_id": "退款",
            "title": "退款多久到帳",
            "text": "退款會在三個工作天內到帳。",
            "intent": "refund_timing",
            "language": "zh-Hant",
        },
        {
            "article_id": "new",
            "title": "When refunds arrive",
            "text": "From tomorrow on refunds arrive the same day.",
            "intent": "refund_timing",
            "language": "en",
            "valid_from": DAY + timedelta(days=1),
        },
    ],
)
POLICY = build(
    "commitments_policy",
    [
        {
            "rule_id": "r1",
            "kind": "refund",
            "intent": "refund_timing",
            "language": "en",
            "allowed": "conditional",
            "mandated_wording": "How long a refund takes depends on your bank.",
            "speaker": "auto",
        },
        {
            "rule_id": "later",
            "kind": "refund",
            "intent": "refund_timing",
            "language": "en",
            "allowed": "never",
            "mandated_wording": "Ask again tomorrow.",
            "speaker": "auto",
            "valid_from": DAY + timedelta(days=1),
        },
    ],
)
MATERIALS = Materials(KNOWLEDGE, POLICY)
BOTS = {
    "always_escalate": Candidate(kind="always_escalate"),
    "faq_rag": Candidate(kind="faq_rag"),
    "guarded": Candidate(kind="guarded"),
}
CALM = {
    "question_kind": "knowledge",
    "risk": "low",
    "risk_kinds": [],
    "needs_human": False,
    "info_sufficient": True,
    "missing_info": [],
    "emotion": "calm",
}


def point(text, context=None, language="en", at=DAY, before=()):
    said = (*before, Said("customer", text))
    return Point("c", len(said) - 1, said, "chat", language, at, context)


def answer_of(config, materials=MATERIALS):
    answerer = make(config, materials)

    def answer(points):
        return [reply for _, reply in sorted(answerer.answer(points))]

    return answer


def reply(kind, *args, **keywords):
    return answer_of(BOTS[kind])([point(*args, **keywords)])[0]


class Nowhere:
    """Keeps no replies: everything is asked anew."""

    def get(self, keys):
        return {}

    def put(self, key, kept):
        pass


def replayed(turns, kind):
    conversations = build(
        "conversations",
        [
            {"conversation_id": c, "channel": "chat", "language": "en", "started_at": DAY}
            for c in turns["conversation_id"].unique().sort()
        ],
    )
    points = decision_points(turns, conversations)
    contexts = judge_contexts(points, turns, conversations)
    answerer = make(BOTS[kind], MATERIALS)
    shadow = replay(kind, answerer, points, turns, conversations, contexts, Nowhere()).shadow
    columns = ("conversation_id", "turn", "action", "score", "reply", "article_ids", "key")
    return {row[:2]: row[2:] for row in shadow.select(columns).rows()}


TEXTS = st.sampled_from(
    [
        "When does my refund arrive?",
        "I will sue you",
        "where is my parcel",
        "Visa",
        "my order number is 12345678",
        "THIS IS A SCANDAL!!!",
        "退款什麼時候到",
        "thanks",
        "let me talk to a human",
        "Usually it takes a few days.",
    ]
)
DIALOGUES = st.lists(
    st.tuples(st.sampled_from(["customer", "agent", "tool"]), TEXTS), min_size=1, max_size=8
)


def turns_of(dialogue):
    return build(
        "turns",
        [
            {"conversation_id": "c", "turn": i, "role": role, "text": text}
            for i, (role, text) in enumerate(dialogue)
        ],
    )


@pytest.mark.parametrize("kind", BOTS)
@settings(max_examples=40, deadline=None)
@given(past=DIALOGUES, one=DIALOGUES, other=DIALOGUES)
def test_property_no_candidate_sees_the_future(kind, past, one, other):
    # The agent speaks first in either future, so that the last run of customer turns stays whole.
    futures = [[*past, ("agent", "I see."), *future] for future in (one, other)]
    first, second = (replayed(turns_of(dialogue), kind) for dialogue in futures)
    for place in {place for place in first if place[1] < len(past)}:
        assert first[place] == second[place]


@pytest.mark.parametrize("kind", ["faq_rag", "guarded"])
def test_knowledge_and_policy_of_tomorrow_are_not_seen(kind):
    question = "When does my refund arrive?"
    today, tomorrow = (reply(kind, question, CALM, at=at) for at in (DAY, DAY + timedelta(days=1)))
    without = Materials(
        KNOWLEDGE.filter(pl.col("valid_from").is_null()),
        POLICY.filter(pl.col("valid_from").is_null()),
    )
    assert answer_of(BOTS[kind], without)([point(question, CALM)])[0] == today
    assert tomorrow.reply != today.reply


def test_always_escalate_escalates():
    assert reply("always_escalate", "hello").action == "escalate"
    assert reply("always_escalate", "你好", language="zh-Hans").reply.startswith("这件事")


def test_faq_rag_answers_whatever_the_question():
    angry = {**CALM, "risk": "high", "needs_human": True, "emotion": "angry"}
    said = reply("faq_rag", "I will sue you if my refund does not arrive", angry)
    assert (said.action, said.article_ids) == ("answer", ("refund",))
    assert said.reply == "Your refund will arrive within 3 working days."
    assert reply("faq_rag", "我的退款多久到帳？", language="zh-Hant").article_ids == ("退款",)


def test_faq_rag_says_that_it_does_not_know_where_nothing_is_found():
    said = reply("faq_rag", "xyzzy")
    assert (said.action, said.score) == ("refuse", 0.0)


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({}, "answer"),
        ({"risk": "high"}, "escalate"),
        ({"needs_human": True}, "escalate"),
        ({"emotion": "angry"}, "soothe"),
        ({"info_sufficient": False, "missing_info": ["order_number"]}, "clarify"),
    ],
)
def test_guarded_decides_before_it_answers(change, action):
    assert reply("guarded", "When does my refund arrive?", {**CALM, **change}).action == action


def test_guarded_says_the_mandated_words_and_the_article_without_a_policy():
    question = "When does my refund arrive?"
    assert reply("guarded", question, CALM).reply == "How long a refund takes depends on your bank."
    blind = answer_of(BOTS["guarded"], Materials(KNOWLEDGE, POLICY.clear()))(
        [point(question, CALM)]
    )[0]
    assert blind.reply == "Your refund will arrive within 3 working days."


def test_guarded_asks_once_and_calms_once():
    uninformed = {**CALM, "info_sufficient": False, "missing_info": ["order_number"]}
    first = reply("guarded", "When does my refund arrive?", uninformed)
    before = (Said("customer", "When does my refund arrive?"), Said("agent", first.reply))
    assert reply("guarded", "no idea", uninformed, before=before).action == "answer"
    angry = {**CALM, "emotion": "angry"}
    soothed = (Said("agent", reply("guarded", "SCANDAL", angry).reply),)
    assert reply("guarded", "When does my refund arrive?", angry, before=soothed).action == "answer"


def test_guarded_without_a_context_hands_over():
    assert reply("guarded", "When does my refund arrive?").action == "escalate"


@pytest.fixture
def recording(tmp_path):
    def write(rows, name="replies.csv"):
        path = tmp_path / name
        frame = pl.DataFrame(rows)
        {".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet}[
            path.suffix
        ](path)
        return answer_of(Candidate(kind="recorded", source=path))

    return write


@pytest.mark.parametrize("name", ["replies.csv", "replies.jsonl", "replies.parquet"])
def test_recorded_replies_belong_to_exactly_their_turns(recording, name):
    asked = point("refund?")
    row = {
        "conversation_id": "c",
        "turn": 0,
        "reply": "Soon.",
        "context_hash": context_hash(asked.said),
        "completion_tokens": 2,
    }
    answer = recording([row], name)
    said = answer([asked])[0]
    assert (said.reply, said.completion_tokens, said.error) == ("Soon.", 2, None)
    assert answer([point("something else?")])[0].error == "context_mismatch"
    other = point("refund?")._replace(conversation_id="d")
    assert answer([other])[0].error == "not_recorded"


def test_a_recording_without_a_reply_is_an_error_not_a_reply(recording):
    asked = point("refund?")
    row = {"conversation_id": "c", "turn": 0, "reply": None, "context_hash": "x", "action": "fly"}
    hashed = {**row, "context_hash": context_hash(asked.said)}
    assert recording([hashed], "r.jsonl")([asked])[0].error == "unknown_action: fly"
    assert recording([{**hashed, "action": "answer"}], "r.jsonl")([asked])[0].error == "no_reply"


RECORDED = {"conversation_id": "c", "turn": 0, "reply": "Soon.", "context_hash": "x"}


@pytest.mark.parametrize("name", ["replies.csv", "replies.jsonl", "replies.parquet"])
def test_ids_of_a_recording_are_text(recording, name):
    asked = point("refund?")._replace(conversation_id="001")
    row = {**RECORDED, "conversation_id": "001", "context_hash": context_hash(asked.said)}
    answer = recording([{**row, "article_ids": "007 12"}], name)
    assert answer([asked])[0].article_ids == ("007", "12")
    assert answer([asked._replace(conversation_id="1")])[0].error == "not_recorded"


def test_numbers_as_article_ids_are_ids(recording):
    asked = point("refund?")
    row = {**RECORDED, "context_hash": context_hash(asked.said)}
    for name in ("r.csv", "r.jsonl", "r.parquet"):
        assert recording([{**row, "article_ids": 12}], name)([asked])[0].article_ids == ("12",)
    for name in ("r.jsonl", "r.parquet"):
        assert recording([{**row, "article_ids": [7, 8]}], name)([asked])[0].article_ids == (
            "7",
            "8",
        )


@pytest.mark.parametrize("blank", ["", "  ", "\n\t", None])
@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
def test_a_blank_recorded_reply_is_none(recording, blank, name):
    asked = point("refund?")
    row = {**RECORDED, "reply": blank, "context_hash": context_hash(asked.said)}
    assert recording([{**row, "action": "answer"}], name)([asked])[0].error == "no_reply"
    handed = recording([{**row, "action": "escalate"}], name)([asked])[0]
    assert (handed.action, handed.reply, handed.error) == ("escalate", None, None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"score": float("nan")}, "row 2: score = .*; expected a finite number"),
        ({"score": float("inf")}, "row 2: score = .*; expected a finite number"),
        ({"latency_s": -1.0}, "row 2: latency_s = .*; expected a finite number from 0"),
        ({"prompt_tokens": 1.5}, "row 2: prompt_tokens = .*; expected a whole number from 0"),
        ({"completion_tokens": -3}, "row 2: completion_tokens = "),
        ({"turn": -1}, "row 2: turn = "),
        ({"turn": None}, "row 2: turn = .*; expected a whole number from 0"),
        ({"conversation_id": None}, "row 2: conversation_id = None; expected text"),
        ({"turn": 5}, "row 2: turn = .*; expected one reply to a turn"),
    ],
)
@pytest.mark.parametrize("name", ["r.csv", "r.parquet"])
def test_a_recording_with_a_row_that_cannot_be_used_is_refused(recording, name, change, says):
    first = {
        "score": 0.5,
        "latency_s": 1.0,
        "prompt_tokens": 1.0,
        "completion_tokens": 2,
        "turn": 5,
    }
    second = {**RECORDED, **first, "turn": 6, **change}
    with pytest.raises(HistoryError, match=says):
        recording([{**RECORDED, **first}, second], name)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[1]", "line 2 is not an object"),
        ("{half", "line 2 is not JSON"),
        ("[" * 100_000, "cannot be read"),
        ('{"turn": ' + "9" * 5000 + "}", "line 2 is not JSON"),
        ('{"conversation_id": "d", "turn": true}', "row 2: turn = True"),
        ('{"conversation_id": "d", "turn": "one"}', "row 2: turn = 'one'"),
        ('{"conversation_id": {}, "turn": 1}', "row 2: conversation_id = {}; expected text"),
        ('{"conversation_id": "d", "turn": 1, "reply": 1.5}', "row 2: reply = 1.5; expected text"),
        ('{"conversation_id": "d", "turn": 1, "article_ids": [{}]}', "row 2: article_ids"),
        ('{"conversation_id": "d", "turn": 1, "score": NaN}', "row 2: score = nan"),
        ('{"conversation_id": "d", "turn": 1, "score": 1e999}', "row 2: score = inf"),
    ],
    ids=range(11),
)
def test_a_hostile_line_of_a_recording_is_refused(tmp_path, line, says):
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(RECORDED) + "\n" + line + "\n")
    with pytest.raises(HistoryError, match=says):
        answer_of(Candidate(kind="recorded", source=path))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\x00", b"a,b\n1,2,3\n", b"PAR1"])
@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
def test_a_recording_that_is_no_table_is_refused(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(HistoryError, match=name):
        answer_of(Candidate(kind="recorded", source=path))


def test_a_lone_surrogate_in_a_recorded_reply_is_replaced(tmp_path):
    asked = point("refund?")
    row = {**RECORDED, "reply": "So\ud800n.", "context_hash": context_hash(asked.said)}
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(row))
    assert answer_of(Candidate(kind="recorded", source=path))([asked])[0].reply == "So?n."
