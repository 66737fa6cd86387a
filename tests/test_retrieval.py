"""Retrieval: the right article, in the right language, valid at the time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from simulator.retrieval import Retriever, tokens
from simulator.sentences import is_cjk, sentences
from simulator.tables import build

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def articles(*rows):
    names = ("article_id", "title", "text", "language", "valid_from", "valid_to")
    return build("knowledge", [dict(zip(names, row, strict=False)) for row in rows])


SHOP = articles(
    ("refund", "When refunds arrive", "Refunds arrive within 3 to 7 days.", "en"),
    ("parcel", "Where is my parcel", "Parcels are shipped within 2 days.", "en"),
    ("退款", "退款多久到帳", "退款約三到七個工作天到帳。", "zh-Hant"),
    ("發票", "如何開立發票", "發票會寄到您的電子信箱。", "zh-Hant"),
)


def test_it_finds_the_article_of_the_question():
    retriever = Retriever(SHOP)
    assert retriever.top("when do I get my refund?", "en", NOW)[0].article_id == "refund"
    assert retriever.top("has my parcel been shipped", "en-GB", NOW)[0].article_id == "parcel"
    assert retriever.top("請問我的退款什麼時候會到帳？", "zh-Hant", NOW)[0].article_id == "退款"


def test_it_searches_the_language_that_is_nearest():
    retriever = Retriever(SHOP)
    # No Simplified articles: those of the same primary language are searched.
    assert {h.article_id for h in retriever.top("退款", "zh-Hans", NOW, 4)} <= {"退款", "發票"}
    assert retriever.top("refund", "de", NOW)[0].article_id == "refund"


def test_nothing_known_finds_nothing():
    retriever = Retriever(SHOP)
    assert retriever.top("xyzzy", "en", NOW) == []
    assert retriever.top("", "en", NOW) == []
    assert retriever.top(None, "en", NOW) == []
    assert Retriever(SHOP.clear()).top("refund", "en", NOW) == []


def test_validity_begins_at_and_ends_before():
    hour = timedelta(hours=1)
    retriever = Retriever(
        articles(
            ("old", "Refunds", "Refunds take a week.", "en", None, NOW),
            ("new", "Refunds", "Refunds take a day.", "en", NOW, NOW + hour),
        )
    )
    at = {
        moment: [hit.article_id for hit in retriever.top("refunds", "en", moment, 5)]
        for moment in (NOW - hour, NOW, NOW + hour)
    }
    assert at == {NOW - hour: ["old"], NOW: ["new"], NOW + hour: []}


@given(st.text(alphabet="退款多久到帳refund parcel when", min_size=1, max_size=40))
def test_property_scores_are_shares_and_in_order(text):
    hits = Retriever(SHOP).top(text, None, NOW, 4)
    scores = [hit.score for hit in hits]
    assert all(0 < score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)


def test_a_future_article_changes_no_score_of_today():
    later = articles(
        *SHOP.select("article_id", "title", "text", "language").rows(),
        ("more", "Refunds and parcels", "Refunds and parcels.", "en", NOW + timedelta(days=1)),
    )
    question = "refund for my parcel"
    assert Retriever(later).top(question, "en", NOW, 4) == Retriever(SHOP).top(
        question, "en", NOW, 4
    )


def test_tokens_and_sentences():
    assert tokens("The refunds arrived, shipping 2x") == ["refund", "arriv", "shipp", "2x"]
    assert tokens("退款到帳") == ["退款", "款到", "到帳"]
    text = "It takes 3.5 days. Is that fine?  See a.com, e.g. here. 好的。謝謝！"
    assert sentences(text) == [
        "It takes 3.5 days.",
        "Is that fine?",
        "See a.com, e.g. here.",
        "好的。",
        "謝謝！",
    ]
    assert sentences(None) == sentences(" \n ") == []
    assert is_cjk("退款到帳 ok")
    assert not is_cjk("refund 退")


@given(st.text())
def test_property_splitting_loses_nothing_but_space(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
