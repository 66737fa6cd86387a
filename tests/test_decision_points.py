"""Decision points, what is replayed, and what is supplied where the log is silent."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.candidates import Said, context_hash
from simulator.errors import HistoryError
from simulator.history.assume import fill
from simulator.replay.decision_points import decision_points
from simulator.replay.sampling import sampled
from simulator.rollout.work import human_work, overlap_share
from simulator.scenario import Assume, ContactCenter
from simulator.streams import Streams
from simulator.tables import build

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def points_of(*said, actions=None, started_at=AT):
    turns = build(
        "turns",
        [
            {
                "conversation_id": "c",
                "turn": turn,
                "role": role,
                "text": text,
                "action": (actions or {}).get(turn),
            }
            for turn, role, text in said
        ],
    )
    conversations = build(
        "conversations", [{"conversation_id": "c", "channel": "chat", "started_at": started_at}]
    )
    return decision_points(turns, conversations).to_dicts()


def test_the_last_of_consecutive_customer_turns_decides():
    found = points_of(
        (0, "customer", "Hi"),
        (1, "customer", "where is it?"),
        (2, "agent", "One moment."),
        (3, "agent", "It is on its way."),
        (4, "customer", "Thanks"),
    )
    assert [(p["turn"], p["n_th"], p["text"], p["reply"]) for p in found] == [
        (1, 0, "Hi\nwhere is it?", "One moment.\nIt is on its way."),
        (4, 1, "Thanks", None),
    ]
    assert found[0]["reply_last_turn"] == 3
    assert found[0]["at"] == AT


def test_a_conversation_that_the_agent_begins_starts_deciding_at_the_customer():
    found = points_of((0, "agent", "Welcome!"), (1, "customer", "Hi"), (2, "agent", "Yes?"))
    assert [(p["turn"], p["reply"]) for p in found] == [(1, "Yes?")]


def test_tools_and_wordless_calls_are_no_replies_but_a_logged_escalation_is_an_action():
    found = points_of(
        (0, "customer", "a person please"),
        (1, "agent", None),
        (2, "tool", "{}"),
        (3, "customer", "hello?"),
        (4, "agent", None),
        actions={4: "escalate"},
    )
    assert [(p["turn"], p["reply"], p["reply_action"]) for p in found] == [(3, None, "escalate")]


def test_gaps_in_turn_numbers_do_no_harm():
    found = points_of((0, "customer", "a"), (4, "agent", "b"), (9, "customer", "c"))
    assert [p["turn"] for p in found] == [0, 9]


SAID = st.lists(
    st.tuples(st.sampled_from(["customer", "agent", "tool", "system"]), st.text(min_size=1)),
    max_size=8,
)


@given(SAID)
def test_property_the_hash_is_of_all_that_was_said_up_to_there(said):
    texts = [(i, role, text) for i, (role, text) in enumerate(said)]
    if not texts:
        return
    for point in points_of(*texts):
        seen = [Said(role, text) for turn, role, text in texts if turn <= point["turn"]]
        assert point["context_hash"] == context_hash(seen)


def conversations_of(n, **columns):
    return build(
        "conversations",
        [
            {
                "conversation_id": f"c{i:04d}",
                "channel": "chat",
                "intent": ["refund", "delivery", None][i % 3],
                **{name: values[i] for name, values in columns.items()},
            }
            for i in range(n)
        ],
    )


def a_point(conversation):
    return {"conversation_id": conversation, "turn": 0, "n_th": 0, "context_hash": "x"}


@pytest.mark.parametrize("size", [1, 10, 100, 299])
def test_a_replay_sample_keeps_the_strata_and_its_weights_stand_for_all(size):
    conversations = conversations_of(300)
    points = build("decision_points", [a_point(c) for c in conversations["conversation_id"]])
    kept, weighted = sampled(points, conversations, size, Streams(1))
    there = weighted.filter(pl.col("weight").is_not_null())
    assert set(there["conversation_id"]) == set(kept["conversation_id"])
    assert abs(there.height - size) <= 3
    by_stratum = there.group_by("intent").agg(pl.col("weight").sum())
    assert dict(by_stratum.iter_rows()) == pytest.approx(
        {"refund": 100.0, "delivery": 100.0, None: 100.0}
    )


def test_a_larger_sample_holds_the_smaller_and_none_means_all():
    conversations = conversations_of(90)
    points = build("decision_points", [a_point(c) for c in conversations["conversation_id"]])
    small, large, whole = (
        set(sampled(points, conversations, size, Streams(1))[0]["conversation_id"])
        for size in (12, 30, None)
    )
    assert small < large < whole
    assert len(whole) == 90


def test_what_the_log_has_is_kept_and_what_it_lacks_is_supplied_and_counted():
    n = 4000
    known = [600.0 if i < 10 else None for i in range(n)]
    gone = [i >= n - 10 for i in range(n)]
    logged = conversations_of(n, handle_time_s=known, abandoned=gone)
    filled, assumed = fill(logged, Assume(), Streams(1))
    assert filled["handle_time_s"][:10].to_list() == [600.0] * 10
    assert filled.filter("abandoned")["handle_time_s"].null_count() == 10
    assert filled.filter(~pl.col("abandoned"))["complained"].null_count() == 0
    counts = dict(assumed.select("name", "n").iter_rows())
    assert counts["handle_time_chat_s"] == n - 20
    assert counts["complained_rate"] == n - 10
    drawn = filled["handle_time_s"][10 : n - 10].to_numpy()
    # Lognormal with mean 600 and log sd 0.7: the mean of n draws within four standard errors.
    se = 600 * np.sqrt((np.exp(0.49) - 1) / drawn.size)
    assert abs(drawn.mean() - 600) < 4 * se
    assert abs(np.log(drawn).std() - 0.7) < 4 * 0.7 / np.sqrt(2 * drawn.size)
    complete, nothing = fill(filled.filter(~pl.col("abandoned")), Assume(), Streams(1))
    assert nothing.is_empty()
    assert complete.equals(filled.filter(~pl.col("abandoned")))


def test_work_without_words_is_shared_equally_and_the_wrap_up_is_clamped():
    points = build(
        "decision_points",
        [
            {**a_point(c), "turn": t, "n_th": n, "text": "x"}
            for c in ("c0000", "c0001")
            for n, t in enumerate((0, 2, 4))
        ],
    )
    work = human_work(
        points, conversations_of(2, handle_time_s=[360.0, 30.0]), ContactCenter(wrap_up_s=60)
    )
    first, second = work["work_s"][:3].to_list(), work["work_s"][3:].to_list()
    assert first == pytest.approx([100.0] * 3)
    assert second == pytest.approx([0.0] * 3)
    assert work["remaining_s"].to_list() == pytest.approx([360, 260, 160, 30, 30, 30])


def test_chinese_is_read_by_the_character():
    desk = ContactCenter(reading_chars_per_s=20, reading_cjk_chars_per_s=4)
    rows = [
        {**a_point("c0000"), "text": "a" * 20, "reply": "退款八天"},
        {**a_point("c0000"), "turn": 2, "n_th": 1, "text": "b"},
    ]
    work = human_work(
        build("decision_points", rows), conversations_of(1, handle_time_s=[99.0]), desk
    )
    assert work["reading_s"].to_list() == pytest.approx([0, 2.0])


def test_elapsed_times_of_chats_at_once_count_once():
    # Agent a: 0-100 and 50-150, busy 150 of 200. Agent b: 0-100 and 20-40, busy 100 of 120.
    spans = [("a", 0, 100), ("a", 50, 100), ("b", 0, 100), ("b", 20, 20)]
    stamps = [datetime.fromtimestamp(AT.timestamp() + begins, UTC) for _, begins, _ in spans]
    log = conversations_of(
        4,
        agent_id=[agent for agent, *_ in spans],
        started_at=stamps,
        handle_time_s=[float(length) for *_, length in spans],
    )
    assert overlap_share(log) == pytest.approx(250 / 320)
    assert overlap_share(log.with_columns(agent_id=pl.lit(None, pl.String))) == 1.0


def started(conversations):
    first = datetime(2026, 3, 2, tzinfo=UTC)
    days = [first + timedelta(days=i % 10) for i in range(conversations.height)]
    return conversations.with_columns(pl.Series("started_at", days, pl.Datetime("us", "UTC")))


@pytest.mark.parametrize("size", [None, 30])
def test_a_replay_since_a_day_leaves_out_what_began_before_and_still_stands_for_all(size):
    conversations = started(conversations_of(300))
    points = build("decision_points", [a_point(c) for c in conversations["conversation_id"]])
    since = datetime(2026, 3, 8, tzinfo=UTC)
    kept, weighted = sampled(points, conversations, size, Streams(1), since)
    there = weighted.filter(pl.col("weight").is_not_null())
    assert set(there["conversation_id"]) == set(kept["conversation_id"])
    assert there["started_at"].min() >= since
    assert there.height == (120 if size is None else 30)
    by_stratum = there.group_by("intent").agg(pl.col("weight").sum())
    assert dict(by_stratum.iter_rows()) == pytest.approx(
        {"refund": 100.0, "delivery": 100.0, None: 100.0}
    )


def test_a_replay_since_a_day_without_conversations_is_refused():
    conversations = started(conversations_of(30))
    points = build("decision_points", [a_point(c) for c in conversations["conversation_id"]])
    with pytest.raises(HistoryError, match="the last began at 2026-03-11 00:00 UTC"):
        sampled(points, conversations, None, Streams(1), datetime(2026, 4, 1, tzinfo=UTC))
    with pytest.raises(HistoryError, match="no conversation has a started_at"):
        sampled(points, conversations_of(30), None, Streams(1), datetime(2026, 3, 3, tzinfo=UTC))
