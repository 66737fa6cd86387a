"""The worst replies on the page: which are shown, what is marked, which rule stands beside them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from simulator import tables
from simulator.errors import TableError
from simulator.history.redact import Redactor
from simulator.judging.promises.authority import Policy
from simulator.judging.promises.commitments import Commitment
from simulator.judging.replies import judge_replies
from simulator.reports import Run, examples
from simulator.reports.html import page
from simulator.reports.language import speaking
from tests.report_pages import chromium, opened
from tests.report_run import HOSTILE, finished

RULES: list[dict[str, Any]] = [
    {"rule_id": "time", "kind": "refund", "allowed": "conditional", "speaker": "auto",
     "limit_value": 7.0, "limit_unit": "working_day", "condition": "the payment method is named",
     "condition_patterns": ["credit card"], "mandated_wording": "Usually 3 to 7 working days."},
    {"rule_id": "time-zh", "kind": "refund", "language": "zh-Hant", "allowed": "conditional",
     "speaker": "auto", "limit_value": 7.0, "limit_unit": "working_day", "condition": "付款方式",
     "condition_patterns": ["信用卡"]},
    {"rule_id": "goodwill", "kind": "compensation", "allowed": "always", "speaker": "agent",
     "limit_value": 10.0, "limit_unit": "money"},
    {"rule_id": "no-fee", "kind": "waiver", "allowed": "never", "speaker": "auto"},
    {"rule_id": "call", "kind": "callback", "allowed": "always", "speaker": "auto",
     "limit_value": 24.0, "limit_unit": "hour"},
    {"rule_id": "price", "kind": "price", "allowed": "always", "speaker": "auto",
     "limit_value": 5.0, "limit_unit": "percent"},
    {"rule_id": "price-high", "kind": "price", "allowed": "always", "speaker": "auto",
     "limit_value": 9.0, "limit_unit": "percent"},
]  # fmt: skip


def broken(kind: str, value: float | None = None, unit: str | None = None, **about: Any) -> Any:
    policy = Policy(tables.build("commitments_policy", RULES))
    place = {"intent": None, "language": "en", "at": None, "speaker": "auto", "stated": ()} | about
    made = [Commitment(kind, value, unit, "firm", "words")]
    stated = place.pop("stated")
    found = policy.broken(made, stated, **place)
    assert policy.authorised(made, stated, **place) is (found == [])
    return (found[0].why, found[0].rule_id) if found else None


def test_exact_each_way_to_break_the_policy_names_its_rule() -> None:
    assert broken("refund", 3.0, "day") == ("condition_unsaid", "time")
    assert broken("refund", 3.0, "day", stated=("time",)) is None
    assert broken("refund", 3.0, "month", stated=("time",)) == ("above_limit", "time")
    assert broken("waiver") == ("never", "no-fee")
    # What only a bot may not do, nothing lets an agent do either.
    assert broken("waiver", speaker="agent") == ("not_listed", None)
    assert broken("compensation", 5.0, "money") == ("speaker", "goodwill")
    assert broken("compensation", 5.0, "money", speaker="agent") is None
    assert broken("compensation", 15.0, "money", speaker="agent") == ("above_limit", "goodwill")
    assert broken("compensation", speaker="agent") == ("amount_unsaid", "goodwill")
    assert broken("legal") == ("not_listed", None)
    assert broken("callback", 2.0, "day") == ("above_limit", "call")
    assert broken("callback") is None
    # Of several the one that comes nearest; of these the one in the customer's language.
    assert broken("price", 12.0, "percent") == ("above_limit", "price-high")
    assert broken("refund", 3.0, "day", language="zh-Hant") == ("condition_unsaid", "time")


def test_a_rule_of_the_very_language_is_named_before_one_of_a_like_language() -> None:
    alike = [RULES[1] | {"rule_id": "a-hans", "language": "zh-Hans"}, RULES[1]]
    policy = Policy(tables.build("commitments_policy", alike))
    made = [Commitment("refund", 3.0, "day", "firm", "words")]
    about: dict[str, Any] = {"intent": None, "at": None, "speaker": "auto"}
    for language, rule in (("zh-Hant", "time-zh"), ("zh-Hans", "a-hans")):
        assert policy.broken(made, (), language=language, **about)[0].rule_id == rule


def judged(replies: dict[str, str], **more: Any) -> Run:
    """A run of candidate faq_rag (and human) with ``replies`` by conversation, judged by rules."""
    names = more.pop("candidates", ("faq_rag",))
    conversations = tables.build(
        "conversations",
        [{"conversation_id": c, "channel": "chat", "intent": f"intent {i % 3}", "language":
          "zh-Hant" if re.search("[一-鿿]", text) else "en", "weight": 1.0}
         for i, (c, text) in enumerate(replies.items())],
    )  # fmt: skip
    points = tables.build(
        "decision_points",
        [{"conversation_id": c, "turn": 0, "n_th": 0, "context_hash": c, "text": "Where is it?"}
         for c in replies],
    )  # fmt: skip
    contexts = tables.build(
        "contexts",
        [{"judge": "rules", "conversation_id": c, "turn": 0, "risk": "low", "emotion": "calm",
          "info_sufficient": True} for c in replies],
    )  # fmt: skip
    shadow = tables.build(
        "shadow",
        [{"candidate": name, "conversation_id": c, "turn": 0, "reply": text, "key": "k"}
         for name in names for c, text in replies.items()],
    )  # fmt: skip
    policy = tables.build("commitments_policy", RULES)
    verdicts = judge_replies(shadow, points, contexts, conversations, policy, None)
    whole = finished()
    return replace(
        whole,
        tables={
            **whole.tables, "conversations": conversations, "decision_points": points,
            "contexts": contexts, "shadow": shadow, "verdicts": verdicts,
            "commitments_policy": policy, "decisions": tables.empty("decisions"),
        },
    )  # fmt: skip


PROMISE = "Thank you. Your refund will arrive within 3 days."


def test_the_verdict_holds_the_rule_and_only_of_risky_promises() -> None:
    run = judged({"a": PROMISE, "b": "Your refund may take 3 to 7 days.", "c": "Which order?"})
    rows = run.tables["verdicts"].rows_by_key("conversation_id", named=True, unique=True)
    assert rows["a"]["broken_rules"] == [
        {"kind": "refund", "span": "Your refund will arrive within 3 days.",
         "why": "condition_unsaid", "rule_id": "time"}
    ]  # fmt: skip
    assert rows["a"]["risky_promise"]
    for name in ("b", "c"):
        assert rows[name]["broken_rules"] is None
        assert rows[name]["risky_promise"] is False


def test_without_a_policy_no_rule_is_broken() -> None:
    run = judged({"a": PROMISE})
    about = [run.tables[name] for name in ("shadow", "decision_points", "contexts")]
    verdicts = judge_replies(*about, run.tables["conversations"], None, None)
    assert verdicts["broken_rules"].to_list() == [None]
    assert verdicts["risky_promise"].to_list() == [None]


def test_the_rule_stands_beside_the_evidence_in_both_languages() -> None:
    run = judged({"a": PROMISE})
    [one] = examples.examples(run)
    assert [text for text, marked in one.parts if marked] == [
        "Your refund will arrive within 3 days."
    ]
    assert "".join(text for text, _ in one.parts) == PROMISE
    [rule] = one.rules
    assert rule.why == "The condition is left unsaid."
    assert (
        rule.rule == "refund: allowed on a condition; to a bot and to people; up to 7 working days"
    )
    assert (rule.rule_id, rule.condition) == ("time", "the payment method is named")
    assert rule.wording == "Usually 3 to 7 working days."
    assert one.why == ["Firm promise that the policy does not authorise (refund: 3 days)"]
    html = page(run, [])
    for said in (
        "<code>time</code>",
        "Usually 3 to 7 working days.",
        "the payment method is named",
    ):
        assert said in html
    with speaking("zh-Hant"):
        [one] = examples.examples(run)
        chinese = page(run, [])
    assert one.rules[0].why == "未說明條件。"
    assert one.rules[0].rule == "退款：有條件允許；機器人與真人皆可；上限 7 個工作天"
    assert "未獲授權" in chinese
    assert "the payment method is named" in chinese


def test_only_what_is_not_authorised_is_marked() -> None:
    text = "We will call you back within 2 hours. We will waive the cancellation fee."
    [one] = examples.examples(judged({"a": text}))
    assert [part for part, marked in one.parts if marked] == ["We will waive the cancellation fee."]
    assert one.rules[0].why == "No promise of this kind (waiver) is allowed here."
    assert one.rules[0].rule == "waiver: never allowed; to a bot"


def test_near_identical_replies_show_once_and_are_counted() -> None:
    same = {
        f"c{i:02}": f"Thank you.  Your refund will arrive within {i} days!" for i in range(2, 9)
    }
    other = {"z": "We will waive the cancellation fee."}
    found = examples.examples(judged(same | other))
    assert sorted((one.conversation_id, one.alike) for one in found) == [("c02", 6), ("z", 0)]


NOUNS = (
    "bicycle lamp kettle jacket sofa mirror printer camera carpet violin helmet tent saddle "
    "blender stapler toaster"
).split()


def test_at_most_twelve_a_candidate_and_four_open_each_intent_in_turn() -> None:
    many = {
        f"c{i:02}": f"Your refund for the {noun} will arrive within 3 days."
        for i, noun in enumerate(NOUNS)
    }
    run = judged(many, candidates=("faq_rag", "guarded"))
    found = examples.examples(run)
    assert [one.candidate for one in found] == ["faq_rag"] * 12 + ["guarded"] * 12
    assert [one.place for one in found] == [*range(12)] * 2
    assert {one.intent for one in found[:3]} == {"intent 0", "intent 1", "intent 2"}
    html = page(run, [])
    assert html.count('<article class="example"') == 24
    folded = "".join(re.findall(r"<details><summary>8 more of.*?</details>", html, re.DOTALL))
    assert folded.count('<article class="example"') == 16
    # The same run always shows the same.
    assert examples.examples(run) == found


def test_what_a_candidate_gives_away_is_redacted_and_the_evidence_still_marked() -> None:
    text = (
        "Write to anna.lopez@example.com. Your refund will arrive within 3 days, call 0912-345-678."
    )
    run = judged({"a": text})
    clean = Redactor(b"key", "Asia/Taipei").text
    [one] = examples.examples(run, clean)
    reply = "".join(part for part, _ in one.parts)
    assert "anna.lopez" not in reply
    assert "0912" not in reply
    assert "[email:" in reply
    assert "".join(part for part, marked in one.parts if marked).startswith("Your refund will")
    assert "0912" not in one.rules[0].said


def test_long_replies_and_long_conversations_are_cut_and_say_so() -> None:
    long = PROMISE + " And so on." * 2_000
    run = judged({"a": long})
    points = [
        {"conversation_id": "a", "turn": 2 * i, "n_th": i, "context_hash": str(i),
         "text": f"message {i} " + "x" * (5_000 if i == 9 else 1), "reply": f"answer {i}"}
        for i in range(12)
    ]  # fmt: skip
    moved = run.tables["verdicts"].with_columns(pl.lit(22).alias("turn"))
    replies = run.tables["shadow"].with_columns(pl.lit(22).alias("turn"))
    later = {"decision_points": tables.build("decision_points", points), "shadow": replies}
    run = replace(run, tables={**run.tables, **later, "verdicts": moved})
    [one] = examples.examples(run)
    assert (one.cut, one.left_out) == (len(long) - examples.LONGEST, 23 - 6)
    assert one.context[-1].text.startswith("message 11")
    assert [line.cut > 0 for line in one.context] == [False, True, False, False, False, False]
    html = page(run, [])
    assert f"{one.cut:,} further characters are left out here" in html
    assert "The first 17 messages of the conversation are left out here." in html


def test_nothing_flagged_is_said() -> None:
    run = judged({"a": "Which order is it?"})
    assert examples.examples(run) == []
    assert "No reply of this run was flagged." in page(run, [])


def test_a_policy_that_cannot_be_used_is_refused_before_any_example() -> None:
    with pytest.raises(TableError, match="limit_unit"):
        Policy(tables.build("commitments_policy", [RULES[0] | {"limit_unit": "furlong"}]))


def test_examples_filter_by_candidate_intent_and_verdict_in_a_browser(tmp_path: Any) -> None:
    replies = {
        f"c{i:02}": f"Your refund for the {noun} will arrive within 3 days."
        for i, noun in enumerate(NOUNS)
    } | {f"h{i}": f"{text} We will waive the cancellation fee." for i, text in enumerate(HOSTILE)}
    run = judged(replies, candidates=("faq_rag", "guarded"))
    high = run.tables["contexts"].with_columns(
        pl.when(pl.col("conversation_id").str.starts_with("h"))
        .then(pl.lit("high"))
        .otherwise("risk")
        .alias("risk")
    )
    run = replace(run, tables={**run.tables, "contexts": high})
    file = tmp_path / "report.html"
    file.write_text(page(run, []), encoding="utf-8")
    with chromium() as browser, opened(browser, file, 768) as shown:
        box = shown.locator("#examples [data-filters]")
        every = box.locator(".example")
        assert every.count() == 24
        assert sum(one.is_visible() for one in every.all()) == 8
        candidate, intent = box.locator("select").nth(0), box.locator("select").nth(1)
        candidate.select_option("guarded")
        assert sum(one.is_visible() for one in every.all()) == 12
        assert "12" in box.locator("[role=status]").inner_text()
        intent.select_option("intent 1")
        left = [one for one in every.all() if one.is_visible()]
        assert left
        assert all(one.get_attribute("data-filter-intent") == "intent 1" for one in left)
        assert all(one.get_attribute("data-filter-candidate") == "guarded" for one in left)
        candidate.select_option("")
        intent.select_option("")
        assert sum(one.is_visible() for one in every.all()) == 8
        assert shown.title() != "owned"
        assert HOSTILE[0] in box.inner_text()
        assert shown.locator("#examples img, #examples script").count() == 0
