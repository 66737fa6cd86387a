"""Redaction: what must go, what must stay, and that it is stable and quick."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.history.importers import read_history
from simulator.history.redact import Redactor
from simulator.scenario import History

DONE = re.compile(r"\[(email|phone):[0-9a-f]{10}\]")


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("write to anna@example.com.", "en", "write to [email]."),
        ("<Ann.B+tag@mail.example.co.uk>", "en", "<[email]>"),
        ("邮箱anna@example.com谢谢", "zh-Hans", "邮箱[email]谢谢"),
        ("josé@example.com", "es", "[email]"),
        ("call (212) 736-5000 or 020 7946 0958", "en", "call [phone] or [phone]"),
        ("打0912-345-678給我", "zh-Hant", "打[phone]給我"),
        ("請打０９１２３４５６７８", "zh-Hant", "請打[phone]"),
        ("电话13812345678，下单手机号13812345679", "zh-Hans", "电话[phone]，下单手机号[phone]"),
        ("电话13812345678", None, "电话[phone]"),
        ("+886 912 345 678", "en", "[phone]"),
        ("ring 02 9374 4000", "en-AU", "ring [phone]"),
    ],
)
def test_exact_what_must_go(text: str, language: str | None, expected: str) -> None:
    assert DONE.sub(lambda m: f"[{m[1]}]", Redactor(b"k").text(text, language)) == expected


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ORD2127365000", "en"),
        ("order #2127365000 and order number: 2127365000", "en"),
        ("ORD-2127365000, invoice no. 2127365000, tracking 2127365000", "en"),
        ("訂單編號：0912345678", "zh-Hant"),
        ("订单号13812345678", "zh-Hans"),
        ("on 2024-03-11/12, back 2024-03-20", "en"),
        ("在20240515寄出", "zh-Hant"),
        ("order 12345678 of 2024-05-15 15:00:00", "en"),
        ("ip 92.107.89.1", "zh-Hant"),
        ("ip 181.51.216.201", "zh-Hans"),
        ("it cost USD$2127365000", "en"),
        # Pseudonyms of an earlier import, which may happen to hold digits only.
        ("[phone:8312345678] and [email:2127365000]", "en"),
        ("user@host and @brand at 5 o'clock", "en"),
        ("flight HAT170, 30 dollars, 4111 1111 1111 1111 1111", "en"),
    ],
)
def test_exact_what_must_stay(text: str, language: str) -> None:
    assert Redactor(b"k").text(text, language) == text


def test_exact_same_value_same_pseudonym_however_written() -> None:
    redactor = Redactor(b"k")
    phones = {
        redactor.text(one, "zh-Hant") for one in ("0912345678", "0912-345-678", "+886 912 345 678")
    }
    mails = {redactor.text(one, "en") for one in ("a.b@example.com", "A.B@EXAMPLE.com")}
    assert len(phones) == len(mails) == 1
    assert redactor.text("0912345679", "zh-Hant") not in phones
    assert redactor.counts == {"phone": 4, "email": 2}
    assert Redactor(b"other").text("a.b@example.com", "en") not in mails


def test_exact_json_stays_json() -> None:
    calls = [
        {
            "name": "find",
            "arguments": {
                "mail": "anna@example.com",
                "mobile": 2127365000,
                "order_id": "2127365000",
                "amount": 2127365000,
                "nested": '{"phone": 2127365000}',
            },
        }
    ]
    found = json.loads(Redactor(b"k").json_text(json.dumps(calls), "en"))
    arguments = found[0]["arguments"]
    assert DONE.fullmatch(arguments["mail"])
    assert DONE.fullmatch(arguments["mobile"])
    assert json.loads(arguments["nested"]) == {"phone": arguments["mobile"]}
    assert (arguments["order_id"], arguments["amount"]) == ("2127365000", 2127365000)
    plain = '{"a":  1}'
    assert Redactor(b"k").json_text(plain, "en") == plain


def history(tmp_path: Path, redact: bool) -> History:
    records = [
        {
            "conversation_id": "anna@example.com",
            "customer_id": "anna@example.com",
            "language": "en",
            "messages": [
                {"role": "user", "content": "I am anna@example.com"},
                {"role": "alien", "content": "anna@example.com 212-736-5000"},
                {"role": "agent", "tool_calls": [{"to": "anna@example.com"}]},
            ],
        },
        {"conversation_id": "c2", "recontact_of": "anna@example.com", "messages": []},
        {"conversation_id": "c3", "csat": "anna@example.com", "messages": []},
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return History(source=path, format="jsonl", redact=redact)


def test_exact_import_redacts_ids_texts_calls_and_quarantine(tmp_path: Path) -> None:
    found = read_history(history(tmp_path, redact=True))
    everything = [found.conversations.write_json(), found.turns.write_json()]
    everything += [json.dumps(found.quarantine), *found.account.lines()]
    assert not any("anna" in text or "736" in text for text in everything)
    one, two = found.conversations.to_dicts()
    # A customer, a conversation and a mention of the same address can still be told to be one.
    assert two["recontact_of"] == one["conversation_id"] == one["customer_id"]
    assert found.turns["text"][0] == f"I am {one['customer_id']}"
    assert found.turns["conversation_id"].unique().to_list() == [one["conversation_id"]]
    assert found.account.redacted == {"email": 5}
    assert read_history(history(tmp_path, redact=True)).turns.equals(found.turns)


def test_exact_redaction_can_be_turned_off(tmp_path: Path) -> None:
    found = read_history(history(tmp_path, redact=False))
    assert found.turns["text"][0] == "I am anna@example.com"
    assert found.account.redacted == {}


TEXTS = st.lists(
    st.sampled_from(
        ["anna@example.com", "212-736-5000", "13812345678", "order", "#", " ", "，", "ü", "@", "+1"]
    )
    | st.text(max_size=6),
    max_size=10,
).map("".join)


def test_exact_addresses_run_together_leave_nobody_behind() -> None:
    for text in ("anna@example.comüanna@example.com", "anna@example.comanna@example.com"):
        assert "anna" not in Redactor(b"k").text(text, "en")


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from(["en", "zh-Hans", "zh-Hant", None]))
def test_property_redacting_twice_changes_nothing(text: str, language: str | None) -> None:
    once = Redactor(b"k").text(text, language)
    again = Redactor(b"k")
    assert again.text(once, language) == once
    assert again.counts.total() == 0


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=("Nd",), exclude_characters="@＠")))
def test_property_text_without_digits_and_at_signs_is_untouched(text: str) -> None:
    assert Redactor(b"k").text(text, "en") == text


def test_exact_speed_without_digits() -> None:
    texts = ["Hello, I would like to know where my parcel is, please help me soon. " * 3] * 20_000
    redactor = Redactor(b"k")
    started = time.process_time()
    for text in texts:
        redactor.text(text, "en")
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize("text", ["a" * 10**6 + "@", "a@" * 500_000, "a@" + "b." * 499_999])
def test_exact_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    Redactor(b"k").text(text, "en")
    assert time.process_time() - started < 2.0
