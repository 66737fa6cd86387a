"""Every branch of what a policy lets a speaker promise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import tables
from simulator.errors import TableError
from simulator.judging.promises.authority import Policy
from simulator.judging.promises.commitments import Commitment

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)


def policy(*rules: dict[str, Any]) -> Policy:
    rows = [
        {"rule_id": f"r{i}", "kind": "refund", "allowed": "always", "speaker": "auto", **rule}
        for i, rule in enumerate(rules)
    ]
    return Policy(tables.build("commitments_policy", rows))


def firm(kind: str = "refund", value: float | None = None, unit: str | None = None) -> Commitment:
    return Commitment(kind, value, unit, "firm", "words")


def allowed(rules: Policy, *made: Commitment, stated: tuple[str, ...] = (), **place: Any) -> bool:
    about = {"intent": "returns", "language": "en", "at": MAY, "speaker": "auto", **place}
    return rules.authorised(made, stated, **about)


def test_exact_nothing_firm_is_authorised() -> None:
    assert allowed(policy())
    assert allowed(policy({"allowed": "never"}), firm()._replace(firmness="hedged"))


def test_exact_kind_not_listed_is_not_authorised() -> None:
    assert not allowed(policy(), firm())
    assert not allowed(policy({"kind": "callback"}), firm())


def test_exact_always_and_never() -> None:
    assert allowed(policy({}), firm())
    assert not allowed(policy({"allowed": "never"}), firm())


def test_exact_every_commitment_must_be_allowed() -> None:
    rules = policy({}, {"kind": "price", "allowed": "never"})
    assert allowed(rules, firm(), firm())
    assert not allowed(rules, firm(), firm("price"))


def test_exact_condition_must_be_stated() -> None:
    rules = policy({"allowed": "conditional", "condition_patterns": ["unopened"]})
    assert not allowed(rules, firm())
    assert allowed(rules, firm(), stated=("r0",))


def test_exact_limit_in_the_same_unit() -> None:
    rules = policy({"limit_value": 5.0, "limit_unit": "day"})
    assert allowed(rules, firm(value=5, unit="day"))
    assert not allowed(rules, firm(value=6, unit="day"))


@pytest.mark.parametrize(
    ("limit", "unit", "value", "said", "fits"),
    [
        (5, "working_day", 7, "day", True),
        (5, "working_day", 8, "day", False),
        (1, "day", 24, "hour", True),
        (1, "day", 25, "hour", False),
        (2, "week", 14, "day", True),
        (1, "month", 31, "day", False),
        (90, "minute", 1.5, "hour", True),
        (1, "business days", 33.6, "hour", True),
        (50, "money", 50, "money", True),
        (50, "USD", 50.01, "money", False),
        (10, "percent", 20, "percent", False),
    ],
)
def test_exact_limits_convert_units(
    limit: float, unit: str, value: float, said: str, fits: bool
) -> None:
    rules = policy({"limit_value": float(limit), "limit_unit": unit})
    assert allowed(rules, firm(value=value, unit=said)) == fits


def test_exact_open_amount_is_beyond_a_limit_of_money_but_open_time_is_not() -> None:
    assert not allowed(policy({"limit_value": 50.0, "limit_unit": "money"}), firm())
    assert allowed(policy({"limit_value": 5.0, "limit_unit": "day"}), firm())
    # A time does not say how much money.
    amount = policy({"limit_value": 50.0, "limit_unit": "money"})
    assert not allowed(amount, firm(value=3, unit="day"))


def test_exact_a_general_leave_does_not_lift_a_limit() -> None:
    rules = policy({}, {"limit_value": 50.0, "limit_unit": "money"})
    assert allowed(rules, firm(value=50, unit="money"))
    assert not allowed(rules, firm(value=51, unit="money"))


def test_exact_rule_of_the_intent_wins_over_the_general() -> None:
    rules = policy({"allowed": "never"}, {"intent": "returns"})
    assert allowed(rules, firm())
    assert not allowed(rules, firm(), intent="delivery")
    assert not allowed(rules, firm(), intent=None)
    rules = policy({}, {"intent": "returns", "allowed": "never"})
    assert not allowed(rules, firm())
    assert allowed(rules, firm(), intent="delivery")


def test_exact_never_wins_among_equally_specific() -> None:
    assert not allowed(policy({}, {"allowed": "never"}), firm())


def test_exact_never_binds_its_speaker_and_those_below() -> None:
    rules = policy({"allowed": "never"}, {"speaker": "agent"})
    assert not allowed(rules, firm(), speaker="auto")
    assert allowed(rules, firm(), speaker="agent")
    rules = policy({"allowed": "never", "speaker": "supervisor"}, {})
    assert not allowed(rules, firm(), speaker="supervisor")


@pytest.mark.parametrize("speaker", ["auto", "agent", "supervisor"])
def test_exact_rule_authorises_its_speaker_and_those_above(speaker: str) -> None:
    order = ("auto", "agent", "supervisor")
    for named in order:
        fits = order.index(speaker) >= order.index(named)
        assert allowed(policy({"speaker": named}), firm(), speaker=speaker) == fits


def test_exact_language_by_primary_tag() -> None:
    rules = policy({"language": "zh-Hant"})
    assert allowed(rules, firm(), language="zh-Hans")
    assert not allowed(rules, firm(), language="en")
    assert allowed(rules, firm(), language=None)


def test_exact_validity_at_the_time_of_the_point() -> None:
    rules = policy({"valid_from": MARCH, "valid_to": MAY})
    assert allowed(rules, firm(), at=MARCH)
    assert not allowed(rules, firm(), at=MAY)
    assert not allowed(policy({"valid_from": JULY}), firm(), at=MAY)
    assert allowed(rules, firm(), at=None)


def test_exact_stated_conditions() -> None:
    rules = policy(
        {"condition_patterns": ["if .*unopened", "未拆封"]},
        {"condition_patterns": ["visa"], "language": "en"},
        {"condition_patterns": ["visa"], "valid_from": JULY},
        {"condition": "no pattern says it"},
    )
    assert rules.stated("We refund you IF it is unopened; Visa too.", "en", MAY) == {"r0", "r1"}
    assert rules.stated("Visa", "en", None) == {"r1", "r2"}
    assert rules.stated("未拆封 visa", "zh-Hant", MAY) == {"r0"}
    assert rules.stated("nothing", "en", MAY) == set()


def test_exact_faults_of_a_policy_say_where_and_what_is_allowed() -> None:
    with pytest.raises(TableError, match=r"rule r0.*'\('.*regular expression"):
        policy({"condition_patterns": ["("]})
    with pytest.raises(TableError, match=r"rule r0.*limit_unit = 'parsecs'.*working_day"):
        policy({"limit_value": 1.0, "limit_unit": "parsecs"})


@given(
    st.floats(min_value=0.01, max_value=1e4),
    st.floats(min_value=0.01, max_value=1e4),
    st.sampled_from(["hour", "day", "working_day", "week", "money", "percent"]),
)
def test_property_a_smaller_promise_is_never_less_allowed(a: float, b: float, unit: str) -> None:
    rules = policy({"limit_value": 20.0, "limit_unit": unit})
    small, large = sorted((a, b))
    if allowed(rules, firm(value=large, unit=unit)):
        assert allowed(rules, firm(value=small, unit=unit))
