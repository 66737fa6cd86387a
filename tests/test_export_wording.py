"""Customers' and agents' words as they are compared, lent and kept back."""

from __future__ import annotations

import pytest

from simulator.boundary.questions import groups, is_courtesy, normal
from simulator.boundary.wording import claims, named, repeats
from tests.test_export_cases import HANDED, found, said, talk


@pytest.mark.parametrize(
    "text",
    [
        "I have cancelled the order for you.",
        "I have transferred the refund just now.",
        "I can see your order here.",
        "Thank you, I have it in front of me.",
        "Your refund has been issued.",
        "已為您取消訂單。",
        "好的，訂單的資料在我這裡。",
        "您的订单已取消。",
    ],
)
def test_claims_about_the_very_case_are_no_example(text):
    assert claims(text)
    reply = said(f"{text} A specialist will call.", "escalate")
    assert not found({**HANDED, "replies": {"human": reply}})


@pytest.mark.parametrize(
    "text",
    [
        "I am handing this over to our case team with everything you have written.",
        "您写的内容已一并转给专项小组。",
        "Once your order has been cancelled, the refund begins.",
        "I can see why you are upset.",
        "可以在「我的訂單」修改地址。",
    ],
)
def test_a_hand_over_and_a_general_answer_claim_nothing(text):
    assert not claims(text)


def test_what_only_their_own_customer_told_is_not_borrowed():
    assert repeats("好的，您是用貨到付款付款的。")
    assert repeats("I see that you paid by card.")
    assert not repeats("May I ask whether you paid by card?")
    wrong = talk("bad", "It gave me a shock.", said("Unplug it."), risk="high", needs_human=True)
    told = said("You paid by card. A specialist will look at this.", "escalate")
    assert not [
        one
        for one in found({**HANDED, "replies": {"human": told}}, wrong)
        if one["conversation_id"] == "bad"
    ]


def test_questions_that_are_the_same():
    assert normal("Hello! Where is order SD831452?") == normal("where is order AB1")
    numbers = groups(
        [
            "Where is my order SD1?",
            "Hi, where is my order XY99?",
            "My parcel has arrived, thank you for the quick help with it today",
            "My parcel has not arrived, thank you for the quick help with it",
            "退款要等多久？",
            "您好，退款要等多久",
        ]
    )
    assert numbers[0] == numbers[1]
    assert numbers[2] != numbers[3]
    assert numbers[4] == numbers[5]
    assert len({numbers[0], numbers[2], numbers[4]}) == 3


def test_courtesies():
    assert is_courtesy("Good to know. Have a nice day!")
    assert is_courtesy("了解，這樣清楚了，謝謝。")
    assert not is_courtesy("Thanks, but it is still not here.")
    assert not is_courtesy("I was burned.")


def test_what_a_reply_names():
    assert named("I see. The Orbit 3 is in Taipei.") == {"orbit", "3", "taipei"}
    assert named("了解，您說的是 Orbit。") == {"orbit"}
    assert named("Please wait for us.") == frozenset()
