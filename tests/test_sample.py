"""The built-in synthetic operation: exact, property and analytic tests, kept apart by name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import schema, tables
from simulator.contact_center import simulate
from simulator.history import sample_demand, sample_outcomes, sample_staffing
from simulator.history.sample import Sample, _allocation, generate
from simulator.history.sample_wordings import (
    LANGUAGES,
    articles,
    content,
    mandated,
    phrases,
    sentence,
    wordings,
)
from simulator.scenario import SampleConfig
from simulator.sentences import sentences
from simulator.streams import Streams

TAIPEI = ZoneInfo("Asia/Taipei")
SMALL = SampleConfig(days=2, contacts_per_day=150, conversations=60, seed=5)
MAIL = SampleConfig(days=7, contacts_per_day=400, conversations=200, seed=5, email_share=0.3)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return generate(SampleConfig(), TAIPEI, simulate)


@pytest.fixture(scope="module")
def with_mail() -> Sample:
    return generate(MAIL, TAIPEI, simulate)


def _points(sample: Sample) -> Iterator[tuple[dict[str, Any], dict[str, Any], str]]:
    """Each decision point's truth, its conversation, and the customer's words up to it."""
    about = {row["conversation_id"]: row for row in sample.conversations.to_dicts()}
    said: dict[str, list[tuple[int, str]]] = {}
    for row in sample.turns.filter(pl.col("role") == "customer").iter_rows(named=True):
        said.setdefault(row["conversation_id"], []).append((row["turn"], row["text"]))
    for truth in sample.truth_contexts.iter_rows(named=True):
        words = [w for turn, w in said[truth["conversation_id"]] if turn <= truth["turn"]]
        yield truth, about[truth["conversation_id"]], "\n".join(words)


def test_exact_tables_keep_their_contracts(sample: Sample) -> None:
    for field in fields(sample):
        frame = tables.check(field.name, getattr(sample, field.name))
        assert frame.height > 0


def test_exact_same_config_same_tables() -> None:
    first, second = (generate(SMALL, TAIPEI, simulate) for _ in range(2))
    for field in fields(first):
        assert getattr(first, field.name).equals(getattr(second, field.name)), field.name
    other = generate(SMALL.model_copy(update={"seed": 6}), TAIPEI, simulate)
    assert not other.turns.equals(first.turns)


def test_exact_without_mail_the_sample_is_what_it_was_before_there_was_mail() -> None:
    """The digests are of the sample before e-mails could be asked for."""
    made = generate(SMALL.model_copy(update={"email_share": 0.0}), TAIPEI, simulate)
    digests = {
        name: hashlib.sha256(getattr(made, name).write_json().encode()).hexdigest()[:16]
        for name in ("conversations", "turns", "schedule", "truth_contexts")
    }
    assert digests == {
        "conversations": "f42cb2a0b821578c",
        "turns": "0515bf5a4c9d7c63",
        "schedule": "9aec73bd9b148964",
        "truth_contexts": "fe6522e2d4803e50",
    }


def test_exact_mails_neither_wait_in_line_nor_give_up(with_mail: Sample) -> None:
    log = with_mail.conversations
    assert set(log["channel"]) == {"chat", "email"}
    mails, chats = log.filter(channel="email"), log.filter(channel="chat")
    assert not mails["abandoned"].any()
    assert (
        mails.select("wait_s", "agent_id", "recontact_of").null_count().row(0)
        == (mails.height,) * 3
    )
    assert mails.select("handle_time_s", "resolved").null_count().row(0) == (0, 0)
    assert chats["abandoned"].any()
    assert log["conversation_id"].n_unique() == log.height
    turned = with_mail.turns["conversation_id"].unique().to_list()
    assert mails.filter(pl.col("conversation_id").is_in(turned))["weight"].null_count() == 0
    assert mails.filter(pl.col("conversation_id").is_in(turned)).height > 20


def test_exact_replies_to_mails_take_about_a_day(with_mail: Sample) -> None:
    written = with_mail.turns.join(with_mail.conversations, on="conversation_id")
    took = (
        written.group_by("conversation_id", "channel")
        .agg(
            span=(pl.col("sent_at").max() - pl.col("started_at").first()).dt.total_seconds(),
            n=(pl.col("role") == "agent").sum(),
        )
        .with_columns(reply_s=pl.col("span") / pl.col("n"))
    )
    mails, chats = took.filter(channel="email"), took.filter(channel="chat")
    assert mails["reply_s"].is_between(43_000, 130_000).all()
    assert (chats["reply_s"] < 3600).all()
    order = with_mail.turns.select(
        pl.col("sent_at").diff().over("conversation_id").dt.total_seconds()
    ).to_series()
    assert (order.drop_nulls() >= 0).all()


def test_exact_the_schedule_is_for_the_chats_alone() -> None:
    """As many agents for 300 chats beside 100 e-mails as for 300 chats, give or take chance."""
    hours = [
        made.schedule.select((pl.col("ends_at") - pl.col("starts_at")).dt.total_hours().sum())
        for made in (
            generate(
                SampleConfig(days=7, contacts_per_day=n, conversations=5, email_share=share),
                TAIPEI,
                simulate,
            )
            for n, share in ((400, 0.25), (300, 0.0))
        )
    ]
    assert hours[0].item() == pytest.approx(hours[1].item(), rel=0.03)


def test_exact_flat_articles_change_the_articles_alone() -> None:
    flat = generate(SMALL, TAIPEI, simulate)
    hedged = generate(SMALL, TAIPEI, simulate, flat_articles=False)
    for field in fields(flat):
        same = getattr(flat, field.name).equals(getattr(hedged, field.name))
        assert same == (field.name != "knowledge"), field.name


def test_exact_size(sample: Sample) -> None:
    log = sample.conversations
    days = log["started_at"].dt.convert_time_zone("Asia/Taipei").dt.date()
    assert (days.min(), days.max()) == (date(2026, 3, 2), date(2026, 3, 15))
    weekday = log.filter(days.dt.weekday() <= 5).height / 10
    assert 2000 <= weekday <= 2400
    assert 0.5 < log.filter(days.dt.weekday() > 5).height / 4 / weekday < 0.7
    assert sample.turns["conversation_id"].n_unique() == 2000
    assert log["weight"].is_not_null().sum() == 2000
    assert sample.schedule["agent_id"].n_unique() >= 40
    assert sample.knowledge.height >= 48
    assert sample.commitments_policy.height >= 25
    assert 7.5 * 60 < log["handle_time_s"].mean() < 10.5 * 60  # type: ignore[operator]


def test_exact_everything_is_there(sample: Sample) -> None:
    assert set(sample.conversations["language"]) == set(LANGUAGES)
    assert sample.conversations["intent"].n_unique() == 12
    assert set(sample.truth_contexts["risk"]) == set(schema.RISKS)
    assert set(sample.truth_contexts["question_kind"]) == set(schema.QUESTION_KINDS)
    assert set(sample.truth_contexts["emotion"]) == set(schema.EMOTIONS)
    assert set(sample.turns["action"].drop_nulls()) == set(schema.ACTIONS)
    assert set(sample.commitments_policy["allowed"]) == {"always", "conditional", "never"}
    n_points = sample.truth_contexts.group_by("conversation_id").len()["len"]
    assert set(n_points) == {1, 2, 3, 4, 5, 6}
    # Risk rises along some conversations, and some customers grow angrier.
    spans = sample.truth_contexts.group_by("conversation_id").agg(
        pl.col("risk").n_unique().alias("risks"), pl.col("emotion").n_unique().alias("moods")
    )
    assert (spans["risks"] > 1).sum() > 40
    assert (spans["moods"] > 1).sum() > 100
    # Customers sometimes write twice before anybody answers.
    runs = sample.turns.select(
        (pl.col("role") == "customer")
        & (pl.col("role").shift(-1).over("conversation_id") == "customer")
    ).to_series()
    assert runs.sum() > 200


def test_exact_dialogues_do_not_look_copied(sample: Sample) -> None:
    whole = sample.turns.group_by("conversation_id").agg(pl.col("text").str.join("\n"))
    assert whole["text"].n_unique() > 0.98 * whole.height


def test_exact_weights_count_the_answered_conversations(sample: Sample) -> None:
    answered = sample.conversations.filter(~pl.col("abandoned"))
    by = answered.group_by("intent", "language").agg(pl.len(), pl.col("weight").sum())
    assert by["weight"].to_list() == pytest.approx(by["len"].to_list())
    turned = set(sample.conversations.filter(pl.col("weight").is_not_null())["conversation_id"])
    assert turned == set(sample.turns["conversation_id"])


def test_exact_abandoned_contacts_have_no_service(sample: Sample) -> None:
    gone = sample.conversations.filter("abandoned")
    assert gone.height > 100
    assert gone["handle_time_s"].null_count() == gone.height
    assert gone["agent_id"].null_count() == gone.height
    assert not gone["resolved"].any()
    assert gone["csat"].null_count() == gone.height
    met = sample.conversations.filter(~pl.col("abandoned"))
    assert met.select("handle_time_s", "wait_s", "agent_id").null_count().row(0) == (0, 0, 0)
    assert set(met["agent_id"]) <= set(sample.schedule["agent_id"])


def test_exact_recontacts_point_to_an_earlier_unresolved_contact(sample: Sample) -> None:
    log = sample.conversations
    again = log.filter(pl.col("recontact_of").is_not_null()).join(
        log, left_on="recontact_of", right_on="conversation_id", suffix="_before"
    )
    assert again.height > 500
    assert (again["customer_id"] == again["customer_id_before"]).all()
    assert (again["started_at"] > again["started_at_before"]).all()
    assert not again["resolved_before"].any()


def test_exact_turns_agree_with_the_log(sample: Sample) -> None:
    escalated = set(sample.turns.filter(pl.col("action") == "escalate")["conversation_id"])
    log = sample.conversations.filter(pl.col("weight").is_not_null())
    assert escalated == set(log.filter("escalated")["conversation_id"])
    timed = sample.turns.with_columns(
        pl.col("sent_at").diff().over("conversation_id").dt.total_microseconds().alias("gap")
    )
    assert timed["gap"].drop_nulls().min() >= 0  # type: ignore[operator]
    ends = sample.turns.group_by("conversation_id").agg(pl.col("sent_at").max())
    spans = log.join(ends, on="conversation_id").select(
        (pl.col("sent_at") - pl.col("started_at")).dt.total_milliseconds() / 1000
        - pl.col("wait_s")
        - pl.col("handle_time_s")
    )
    # The wrap-up lies inside the handle time and after the last word.
    assert spans.to_series().to_list() == pytest.approx([-45.0] * log.height, abs=0.01)


def test_exact_truth_is_kept_for_every_decision_point(sample: Sample) -> None:
    last = sample.turns.with_columns(
        pl.col("role").shift(-1).over("conversation_id").alias("next")
    ).filter((pl.col("role") == "customer") & (pl.col("next") != "customer").fill_null(True))
    keys = ["conversation_id", "turn"]
    assert sample.truth_contexts.select(keys).sort(keys).equals(last.select(keys).sort(keys))


def test_exact_truth_rests_on_what_was_said_so_far(sample: Sample) -> None:
    high = {intent for intent, about in content("intents").items() if about["risk"] == "high"}
    lines = {
        name: {lang: [x.text for x in wordings(lang).said[name]] for lang in LANGUAGES}
        for name in ("reveals", "human", "thanks")
    }
    n_late = 0
    for truth, about, words in _points(sample):

        def heard(name: str, words: str = words, language: str = about["language"]) -> bool:
            return any(text in words for text in lines[name][language])

        risky = about["intent"] in high or heard("reveals")
        n_late += heard("reveals")
        assert (truth["risk"] == "high") == risky
        assert truth["needs_human"] == (risky or heard("human"))
        assert truth["info_sufficient"] == (not truth["missing_info"])
        needs = content("intents")[about["intent"]]["needs"]
        assert set(truth["missing_info"]) <= set(needs)
        if heard("thanks"):
            assert truth["missing_info"] == []
            continue
        if "order_number" in needs:
            told = re.search(r"SD\d{6}", words) is not None
            assert ("order_number" in truth["missing_info"]) != told
        slots = wordings(about["language"]).slots
        for item, slot in (("product", "product"), ("payment_method", "payment"), ("date", "date")):
            if item in needs and item not in truth["missing_info"]:
                assert any(value in words for value in slots[slot])
    assert n_late > 40


def test_exact_every_sentence_has_its_truth(sample: Sample) -> None:
    known = set(sample.truth_sentences["sentence"])
    texts = [
        *sample.turns.filter(pl.col("role") == "agent")["text"],
        *sample.knowledge["text"],
        *generate(SMALL, TAIPEI, simulate, flat_articles=False).knowledge["text"],
        *sample.commitments_policy["mandated_wording"].drop_nulls(),
    ]
    assert {one for text in texts for one in sentences(text)} <= known
    assert {text for _, text in phrases()} <= known


def test_exact_wordings_and_hedged_articles_promise_nothing_firmly() -> None:
    said = [one for article in articles() for one in article.hedged]
    said += [one for lang in LANGUAGES for text in mandated(lang).values() for one in text]
    said += [
        one for lang in LANGUAGES for x in wordings(lang).by_intent["hedged"].values() for one in x
    ]
    assert {one.firmness for one in said} == {"none", "hedged"}
    flat = [any(one.firmness == "firm" for one in article.flat) for article in articles()]
    assert 0.3 < np.mean(flat) < 0.5


def test_exact_languages_say_the_same() -> None:
    """Each topic and each list has its counterpart, with the same marks, in each language."""
    for topic in content("topics"):
        marks = [
            [(a.firmness, a.kind, a.value, a.unit) for a in article.flat]
            for article in articles()
            if article.topic == topic
        ]
        assert marks[0] == marks[1] == marks[2], topic
    for part in ("hedged", "flat", "kept", "clarify"):
        shapes = [
            {
                key: [one[1:] for one in lines]
                for key, lines in wordings(lang).by_intent[part].items()
            }
            for lang in LANGUAGES
        ]
        assert shapes[0] == shapes[1] == shapes[2], part


def test_exact_condition_of_a_refund_time_is_the_payment_method(sample: Sample) -> None:
    stated = dict(sample.truth_sentences.select("sentence", "states_condition_of").iter_rows())
    card = "For credit card payments, your refund will be with you within 7 working days."
    assert "refund-time:en" in stated[card]
    assert stated["Your refund will arrive within 3 working days."] == []
    # A question about the payment method does not state it.
    assert stated["Was it paid by card or in another way?"] == []


def test_exact_replaced_articles_meet_without_a_gap(sample: Sample) -> None:
    rows = {row["article_id"]: row for row in sample.knowledge.to_dicts()}
    for old, new in (("refund-time", "refund-time-new"), ("return-window", "return-window-new")):
        for language in LANGUAGES:
            ends = rows[f"{old}:{language}"]["valid_to"]
            assert ends is not None
            assert ends == rows[f"{new}:{language}"]["valid_from"]


@pytest.mark.parametrize(
    "raw",
    [
        "Two sentences. In one.",
        "No end mark",
        "It comes. @@ firm",
        "It comes. @@ sure refund",
        "It comes. @@ firm gift",
        "It comes. @@ firm refund 3",
        "It comes. @@ none refund",
    ],
)
def test_exact_bad_marks_are_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="not one marked sentence"):
        sentence(raw)


def test_exact_no_agent_works_twice_at_once_or_six_days(sample: Sample) -> None:
    stretches = sample.schedule.sort("agent_id", "starts_at").with_columns(
        (pl.col("starts_at") - pl.col("ends_at").shift(1).over("agent_id")).alias("pause")
    )
    assert stretches["pause"].drop_nulls().min().total_seconds() >= 1800  # type: ignore[union-attr]
    local = pl.col("starts_at").dt.convert_time_zone("Asia/Taipei").dt
    worked = sample.schedule.group_by("agent_id", local.week().alias("week")).agg(
        local.date().n_unique().alias("days")
    )
    assert worked["days"].max() <= 5  # type: ignore[operator]


def test_exact_a_day_of_the_clock_change() -> None:
    config = SampleConfig(days=7, contacts_per_day=60, conversations=5, seed=2)
    sample = generate(config, ZoneInfo("America/New_York"), simulate)
    assert sample.conversations["started_at"].is_sorted()
    assert sample.turns["conversation_id"].n_unique() == 5


@given(
    sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=40),
    share=st.floats(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_property_allocation_fills_the_total_within_the_strata(
    sizes: list[int], share: float
) -> None:
    total = int(sum(sizes) * share)
    n = _allocation(np.array(sizes), total)
    assert n.sum() == total
    assert (n >= (1 if total >= len(sizes) else 0)).all()
    assert (n <= np.array(sizes)).all()


@given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from([0.0, 0.3, 0.9]))
@settings(max_examples=8, deadline=None)
def test_property_small_samples_hold_together(seed: int, days: int, email_share: float) -> None:
    config = SampleConfig(
        days=days, contacts_per_day=12, conversations=5, seed=seed, email_share=email_share
    )
    sample = generate(config, TAIPEI, simulate)
    known = set(sample.truth_sentences["sentence"])
    for text in sample.turns.filter(pl.col("role") == "agent")["text"]:
        assert set(sentences(text)) <= known


def test_analytic_staffing_gives_the_stated_service() -> None:
    """Weekdays of three seeds: service level (60 s) and abandonment lie where the desk is meant."""
    for seed in (11, 23, 31):
        config = SampleConfig(days=5, seed=seed)
        streams, weekdays = Streams(seed), list(range(5))
        planned = sample_demand.plan(config, weekdays, streams)
        roster = sample_staffing.roster(config, weekdays, planned, streams)
        arrivals = sample_demand.arrivals(planned, streams)
        contacts = simulate(arrivals, roster, sample_staffing.teams())
        waited = (pl.col("started_ms") - pl.col("arrived_ms")) <= 60_000
        gave_up = (pl.col("abandoned_ms") - pl.col("arrived_ms")) > 60_000
        within, answered, late, abandoned = contacts.select(
            waited.sum(),
            pl.col("started_ms").count().alias("answered"),
            gave_up.sum().alias("late"),
            pl.col("abandoned_ms").count(),
        ).row(0)
        assert 0.75 <= within / (answered + late) <= 0.90, seed
        assert 0.02 <= abandoned / contacts.height <= 0.065, seed


def test_analytic_mails_have_their_share_and_come_at_night_and_at_weekends() -> None:
    """|z| < 4 for the share over four weeks; more of the mails outside the chats' hours."""
    config = SampleConfig(seed=3, email_share=0.3)
    planned = sample_demand.plan(config, [d % 7 for d in range(28)], Streams(3))
    mail = pl.col("channel") == "email"
    n = planned.height
    assert abs(planned.filter(mail).height - 0.3 * n) / (0.3 * 0.7 * n) ** 0.5 < 4
    mails, chats = planned.filter(mail), planned.filter(~mail)
    at_night = ~pl.col("arrives_ms").is_between(8 * 3_600_000, 22 * 3_600_000)
    at_weekend = pl.col("replication") % 7 >= 5
    assert chats.filter(at_night).height == 0
    for when, least in ((at_night, 0.1), (at_weekend, 0.23)):
        assert mails.filter(when).height / mails.height > least
    assert chats.filter(at_weekend).height / chats.height < 0.22
    # Intents, languages and work know nothing of the channel.
    for column in ("intent", "language", "n_points"):
        share = mails[column].value_counts(sort=True, normalize=True)
        other = chats[column].value_counts(sort=True, normalize=True)
        both = share.join(other, on=column, suffix="_chats")
        spread = (both["proportion_chats"] / mails.height).sqrt() * 4
        assert both.height == share.height == other.height
        assert ((both["proportion"] - both["proportion_chats"]).abs() < spread * 1.2).all(), column


def test_analytic_mix_of_languages_and_intents() -> None:
    """|z| < 4 for each share over some 30,000 first contacts."""
    planned = sample_demand.plan(SampleConfig(seed=3), [d % 7 for d in range(14)], Streams(3))
    shares = {name: about["share"] for name, about in content("intents").items()}
    assert sum(shares.values()) == pytest.approx(1)
    for column, expected in (("intent", shares), ("language", content("desk")["mix"])):
        for name, share in expected.items():
            found = (planned[column] == name).sum()
            z = (found - planned.height * share) / (planned.height * share * (1 - share)) ** 0.5
            assert abs(z) < 4, name


def test_analytic_slips_and_waits_cost_something() -> None:
    """Too much promised, late escalation and long waits cost complaints, resolution and CSAT."""
    config, streams, weekdays = SampleConfig(seed=7), Streams(7), [d % 7 for d in range(14)]
    planned = sample_demand.plan(config, weekdays, streams)
    roster = sample_staffing.roster(config, weekdays, planned, streams)
    contacts = simulate(sample_demand.arrivals(planned, streams), roster, sample_staffing.teams())

    def midnight(day: int) -> Any:
        return pl.Series([date(2026, 3, 2)]).cast(schema.STAMP)[0]

    log = sample_outcomes.visits(planned, contacts, roster, midnight, streams)
    over = pl.col("over").list.len() > 0
    answered = log.filter(~pl.col("abandoned")).with_columns(over.alias("slipped"))
    late = (pl.col("needed_at") < pl.col("n_points")) & (
        pl.col("escalates_at") > pl.col("needed_at")
    )
    long = pl.col("wait_s") > 120

    def rise(condition: pl.Expr, outcome: str) -> float:
        parts = (answered.filter(c)[outcome] for c in (condition, ~condition))
        yes, no = (part.drop_nulls().cast(float).to_numpy() for part in parts)
        spread = yes.var(ddof=1) / len(yes) + no.var(ddof=1) / len(no)
        return float((yes.mean() - no.mean()) / spread**0.5)

    assert rise(over, "complained") > 4
    assert rise(late, "complained") > 4
    assert rise(late, "resolved") < -4
    assert rise(long, "csat") < -4
    # Newcomers promise too much more often than old hands.
    assert rise(pl.col("tenure_months") < 6, "slipped") > 4
    n_slips = int(answered["over"].list.len().sum())
    assert 0.04 < n_slips / int(answered["n_points"].sum()) < 0.06
