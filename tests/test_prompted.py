"""The prompted candidate, asked over a real connection: what it is shown, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from os.path import commonprefix
from pathlib import Path

import polars as pl
import pytest

from simulator.candidates import Materials, Point, Said, make
from simulator.errors import ScenarioError
from simulator.judging.contexts import judge_contexts
from simulator.replay.decision_points import decision_points
from simulator.replay.kept import KeptReplies
from simulator.replay.runner import replay
from simulator.scenario import Candidate, LanguageModel, Server
from simulator.schema import ACTIONS
from simulator.tables import build
from tests.fault_server import FaultServer, probs_of, prompt_of, reply_to

DAY = datetime(2026, 3, 4, 10, tzinfo=UTC)
DAY_AFTER = DAY + timedelta(days=1)
ARTICLE = "Your refund will arrive within 3 working days."
KNOWLEDGE = build(
    "knowledge",
    [
        {"article_id": "refund", "title": "When refunds arrive", "text": ARTICLE, "language": "en"},
        {
            "article_id": "new",
            "title": "When refunds arrive: the same day",
            "text": "When refunds arrive: from tomorrow on refunds arrive the same day.",
            "language": "en",
            "valid_from": DAY_AFTER,
        },
        {
            "article_id": "退款",
            "title": "退款多久到帳",
            "text": "退款會在三個工作天內到帳。",
            "language": "zh-Hant",
        },
    ],
)


def rule(rule_id, allowed="never", speaker="auto", **more):
    kind = {"kind": "refund", "language": "en", "mandated_wording": f"words of {rule_id}"}
    return {"rule_id": rule_id, "allowed": allowed, "speaker": speaker, **kind, **more}


POLICY = build(
    "commitments_policy",
    [
        rule("always", "always", limit_value=20.0, limit_unit="EUR"),
        rule("conditional", "conditional", condition="the parcel is lost", kind="delivery_time"),
        rule("never_of_agents", speaker="agent"),
        rule("allowed_to_agents", "always", speaker="agent"),
        rule("ended", valid_to=DAY),
        rule("to_come", valid_from=DAY_AFTER),
        rule("chinese", language="zh-Hant"),
        rule("any_language", language=None),
    ],
)
PLAIN = """
system = "You answer for a shop, in {language}.\\n{policy}"
ask = "Articles: {articles}"
"""
# Labels in another order than the actions.
DECIDE = (
    PLAIN
    + """
[decide]
ask = "Which one? A: clarify, B: escalate, C: answer, D: soothe, E: refuse."
labels = { answer = "C", clarify = "A", escalate = "B", refuse = "E", soothe = "D" }
[decide.then]
answer = "Write the answer."
clarify = "Write your question."
escalate = "Write that a colleague takes over."
refuse = "Write why not."
soothe = "Write that you are sorry."
"""
)


@pytest.fixture
def server():
    with FaultServer() as one:
        yield one


class Bot:
    """A candidate over ``server``; ``answers``: its replies to points, in their order."""

    def __init__(self, folder, server, prompt=PLAIN, policy=POLICY, knowledge=KNOWLEDGE, **model):
        (folder / "prompt.toml").write_text(prompt, "utf-8")
        self.answerer = make(
            Candidate(
                kind="prompted",
                prompt=folder / "prompt.toml",
                model=LanguageModel(
                    backend="openai_http",
                    name="a-model",
                    server=Server(url=server.url, retries=0, backoff_s=0, concurrency=1),
                    **{"max_tokens": 40} | model,
                ),
            ),
            Materials(knowledge, policy),
        )

    def answers(self, *points):
        self.answerer.ready()
        try:
            return [reply for _, reply in sorted(self.answerer.answer(points))]
        finally:
            self.answerer.close()


@pytest.fixture
def bot(tmp_path, server):
    return lambda *args, **more: Bot(tmp_path, server, *args, **more)


def said(*texts):
    """Turns: pairs of role and text, or texts of customer and agent in turn."""
    roles = ("customer", "agent") * len(texts)
    return tuple(
        Said(role, one) if isinstance(one, str) else Said(*one)
        for role, one in zip(roles, texts, strict=False)
    )


def point(*texts, language="en", at=DAY):
    turns = said(*texts)
    return Point("c1", len(turns) - 1, turns, "chat", language, at, None)


def roles(body):
    return [one["role"] for one in body["messages"]]


def texts(body):
    return [one["content"] for one in body["messages"]]


def test_the_chat_as_it_is_laid_out(bot, server):
    (reply,) = bot().answers(point("Hi", "Hello!", "When does my refund arrive?"))
    (body,) = server.bodies
    assert roles(body) == ["system", "user", "assistant", "user"]
    system, *turns, last = texts(body)
    assert system.startswith("You answer for a shop, in English.")
    assert turns == ["Hi", "Hello!"]
    # The article stands behind the last words, where it spoils no shared beginning.
    assert last == f"When does my refund arrive?\n\nArticles: {ARTICLE}"
    assert reply.reply == reply_to(prompt_of(body))
    assert reply.article_ids == ("refund",)
    assert (reply.action, reply.score, reply.action_probs, reply.error) == (None, None, None, None)
    assert (reply.n_dropped_turns, reply.finish_reason) == (0, "stop")
    assert reply.prompt_tokens == len(prompt_of(body))
    assert reply.cached_prompt_tokens == len(prompt_of(body)) // 2
    assert reply.completion_tokens == len(reply.reply)


def test_the_points_of_a_conversation_share_their_beginning(bot, server):
    talk = ["When does my refund arrive?", "Soon.", "How soon?", "Let me see.", "Well?"]
    points = [point(*talk[: n + 1]) for n in (0, 2, 4)]
    for prompt in (PLAIN, DECIDE):
        server.bodies.clear()
        bot(prompt).answers(*points)
        asked = [b for b in server.bodies if prompt == PLAIN or b["max_tokens"] == 1]
        assert len(asked) == 3
        for before, after, words in zip(asked, asked[1:], talk[::2], strict=False):
            shared = commonprefix([prompt_of(before), prompt_of(after)])  # noqa: RUF071
            assert shared.endswith(f"user: {words}\n")
            # What the first has beyond it is what stands behind the last words, and no turn.
            beyond = prompt_of(before)[len(shared) :].strip()
            assert beyond.startswith("Articles: ")


def test_only_the_rules_in_force_are_shown(bot, server):
    bot().answers(point("Hi"), point("Hi", language="zh-Hant"), point("Hi", at=DAY_AFTER))
    english, chinese, later = (texts(body)[0] for body in server.bodies)
    names = [one for one in POLICY["rule_id"] if f'"words of {one}"' in english]
    assert names == ["always", "conditional", "never_of_agents", "any_language"]
    assert "refund: may be promised, at most 20 EUR." in english
    assert "delivery time: only under a condition: the parcel is lost." in english
    assert "refund: never promise it." in english
    assert [one for one in POLICY["rule_id"] if f'"words of {one}"' in chinese] == [
        "chinese",
        "any_language",
    ]
    assert "in Traditional Chinese." in chinese
    assert "words of to_come" in later


def test_without_the_policy_there_is_none_in_the_prompt(bot, server):
    bot(policy=POLICY.clear()).answers(point("Hi"))
    assert texts(server.bodies[0])[0] == "You answer for a shop, in English."


def test_a_prompt_without_a_system_text_has_no_system_message(bot, server):
    bot('system = ""').answers(point("Hi"))
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "Hi"}]


def test_nothing_found_is_said_so(bot, server):
    (reply,) = bot(knowledge=KNOWLEDGE.clear()).answers(point("Hi"))
    assert texts(server.bodies[0])[-1] == "Hi\n\nArticles: (no article found)"
    assert reply.article_ids == ()


def replayed(bot, folder, future):
    """The replay of a conversation whose later part is ``future``."""
    start = {"conversation_id": "c1", "channel": "chat", "language": "en", "started_at": DAY}
    conversations = build("conversations", [start])
    talk = ["When does my refund arrive?", "Soon.", "How soon?", *future]
    turns = build(
        "turns",
        [
            {
                "conversation_id": "c1",
                "turn": n,
                "role": ("customer", "agent")[n % 2],
                "text": text,
                "sent_at": DAY + timedelta(minutes=n),
            }
            for n, text in enumerate(talk)
        ],
    )
    points = decision_points(turns, conversations)
    contexts = judge_contexts(points, turns, conversations)
    kept = KeptReplies(folder / "kept.sqlite")
    found = replay("bot", bot.answerer, points, turns, conversations, contexts, kept)
    kept.close()
    return found


def test_nothing_of_the_future_is_shown_or_changes_what_is(bot, server, tmp_path):
    one = replayed(bot(), tmp_path, ["SECRET answer", "SECRET question"]).shadow
    for body in server.bodies[:2]:
        assert "SECRET" not in prompt_of(body)
        # Of the day after, too.
        assert "the same day" not in prompt_of(body)
    assert "SECRET" in prompt_of(server.bodies[2])
    # Another future: the points before it are the same ones, and are not asked again.
    other = replayed(bot(), tmp_path, ["something else", "quite"]).shadow
    assert one.head(2).equals(other.head(2))
    assert len(server.bodies) == 4
    assert one.item(2, "key") != other.item(2, "key")


def test_an_edited_prompt_or_another_sampling_is_asked_again(bot, server, tmp_path):
    def asked(*args, **more):
        before = len(server.bodies)
        replayed(bot(*args, **more), tmp_path, [])
        return len(server.bodies) - before

    assert asked() == 2
    assert asked() == 0
    assert asked(PLAIN.replace("a shop", "a bank")) == 2
    assert asked(temperature=0.7) == 2
    assert asked(seed=1) == 2
    # A rule that no prompt shows changes nothing.
    assert asked(policy=POLICY.filter(pl.col("rule_id") != "ended")) == 0
    assert asked(policy=POLICY.filter(pl.col("rule_id") != "always")) == 2


def test_the_seed_belongs_to_the_prompt(bot, server):
    one, two = point("Hi"), point("Ho")
    bot().answers(one, two)
    bot().answers(two, one)
    bot(seed=1).answers(one)
    seeds = {}
    for body in server.bodies[:4]:
        assert seeds.setdefault(prompt_of(body), body["seed"]) == body["seed"]
    first, second = seeds.values()
    assert len({first, second, server.bodies[4]["seed"]}) == 3


LONG = [f"{'question' if n % 2 == 0 else 'answer'} {n} {'x' * 80}" for n in range(9)]


def test_the_oldest_turns_of_a_long_chat_are_dropped_and_counted(bot, server):
    server.window = 700
    (reply,) = bot().answers(point(*LONG))
    body = server.bodies[-1]
    system, first, *_, last = texts(body)
    left = [text for text in LONG if any(text in message for message in texts(body))]
    assert 1 < len(left) < len(LONG)
    assert left == LONG[-len(left) :]
    assert reply.n_dropped_turns == len(LONG) - len(left)
    assert first.startswith(f"[{reply.n_dropped_turns} earlier messages left out]")
    assert system.startswith("You answer")
    assert last.startswith(LONG[-1])
    assert reply.reply == reply_to(prompt_of(body))
    assert reply.error is None
    # Only what was answered was spent.
    assert reply.prompt_tokens == len(prompt_of(body)) <= 700


def test_roles_take_turns_whatever_was_dropped(bot, server):
    for window in range(500, 1200, 60):
        server.window = window
        bot().answers(point(*LONG))
        found = roles(server.bodies[-1])
        assert found[0] == "system"
        assert found[1::2] == ["user"] * len(found[1::2])
        assert found[2::2] == ["assistant"] * len(found[2::2])
        assert found[-1] == "user"


def test_a_server_that_does_not_count_is_asked_again_with_less(bot, server):
    def fault(prompt, nth):
        return "400 context_length_exceeded" if len(prompt) > 700 else None

    server.fault = fault
    (reply,) = bot().answers(point(*LONG))
    assert reply.error is None
    assert 0 < reply.n_dropped_turns < len(LONG) - 1


def test_last_words_that_are_too_long_by_themselves_are_an_error(bot, server):
    server.window = 300
    (reply,) = bot().answers(point("Hi", "Hello", "word " * 100))
    assert (reply.error, reply.reply, reply.n_dropped_turns) == ("too_long", None, 2)


def test_several_turns_in_one_message_are_counted_each(bot, server):
    server.window = 500
    talk = [("customer", f"part {n} {'x' * 60}") for n in range(4)]
    (reply,) = bot().answers(point(*talk, ("agent", "Hello"), ("customer", "And?")))
    # As many as need be, and no more: the last of them stays.
    assert reply.n_dropped_turns == 3
    assert texts(server.bodies[-1])[1].startswith("[3 earlier messages left out]\n\npart 3")


def test_one_dropped_turn_is_one_message(bot, server):
    server.window = 600
    (reply,) = bot().answers(point("x" * 500, "Hello", "And?"))
    assert reply.n_dropped_turns == 1
    assert texts(server.bodies[-1])[1] == "[1 earlier message left out]"


def test_the_oldest_of_many_turns_of_the_customer_in_a_row_are_dropped(bot, server):
    server.window = 600
    mails = [("customer", f"mail {n} {'x' * 300}") for n in range(5)]
    (reply,) = bot().answers(point(*mails, ("customer", "And?")))
    assert (reply.error, reply.n_dropped_turns) == (None, 5)
    assert texts(server.bodies[-1])[1].startswith("[5 earlier messages left out]")
    assert "And?" in texts(server.bodies[-1])[1]


def test_without_a_system_role_its_text_goes_before_the_first_words(bot, server):
    server.system_role = False
    (reply,) = bot().answers(point("Hi", "Hello!", "When does my refund arrive?"))
    refused, body = server.bodies
    assert roles(refused)[0] == "system"
    assert roles(body) == ["user", "assistant", "user"]
    assert texts(body)[0] == f"{texts(refused)[0]}\n\nHi"
    assert reply.reply == reply_to(prompt_of(body))
    assert reply.error is None


def test_no_system_role_and_too_long_at_once(bot, server):
    server.system_role, server.window = False, 700
    (reply,) = bot().answers(point(*LONG))
    first = texts(server.bodies[-1])[0]
    assert first.startswith("You answer for a shop")
    assert f"[{reply.n_dropped_turns} earlier messages left out]" in first
    assert reply.error is None


def test_a_conversation_that_the_agent_opens(bot, server):
    bot('system = ""').answers(point(("agent", "How can I help?"), ("customer", "Refund")))
    (body,) = server.bodies
    assert roles(body) == ["user", "assistant", "user"]
    assert texts(body) == ["[The agent opens the conversation.]", "How can I help?", "Refund"]


def test_turns_of_tools_and_the_desk_are_not_the_customers_words(bot, server):
    talk = [("customer", "Refund"), ("tool", '{"paid": 3}'), ("system", "queue 2"), ("bot", "Hm")]
    bot('system = ""').answers(point(*talk, ("customer", "So?")))
    (body,) = server.bodies
    assert roles(body) == ["user", "assistant", "user"]
    assert texts(body)[0] == 'Refund\n[tool: {"paid": 3}]\n[system: queue 2]'
    assert texts(body)[1] == "Hm"


def test_braces_in_what_is_filled_in_stay_as_they_are(bot, server):
    bot(policy=build("commitments_policy", [rule("a", mandated_wording="{articles} {x}")])).answers(
        point("what is {policy}?")
    )
    (body,) = server.bodies
    assert "{articles} {x}" in texts(body)[0]
    assert "what is {policy}?" in texts(body)[-1]


def test_chinese_comes_back_as_it_was_sent(bot, server, tmp_path):
    words = "退款多久會到？我等很久了😀"
    (reply,) = bot('system = "用{language}回答"').answers(point(words, language="zh-Hant"))
    assert texts(server.bodies[0]) == ["用Traditional Chinese回答", words]
    assert words in reply.reply
    (reply,) = bot().answers(point("退款多久會到", language="zh-Hant"))
    assert reply.article_ids == ("退款",)
    assert "退款會在三個工作天內到帳。" in texts(server.bodies[1])[-1]


@pytest.mark.parametrize("fault", ["empty", "null", "says  \n"])
def test_an_empty_reply_is_none(bot, server, fault):
    server.fault = lambda *_: fault
    (reply,) = bot().answers(point("Hi"))
    assert (reply.reply, reply.error) == (None, "no_reply")
    assert reply.prompt_tokens > 0


def test_a_cut_off_reply_is_kept_and_says_so(bot, server):
    server.fault = lambda *_: "length"
    (reply,) = bot().answers(point("Hi"))
    assert reply.reply
    assert (reply.finish_reason, reply.error) == ("length", None)


def test_a_fault_is_counted_where_it_came(bot, server):
    server.fault = lambda prompt, nth: "500"
    (reply,) = bot().answers(point("Hi"))
    assert (reply.reply, reply.error, reply.failures) == (None, "server_error", ("server_error",))
    assert (reply.prompt_tokens, reply.latency_s, reply.finish_reason) == (None, None, None)


LABEL_OF = {"answer": "C", "clarify": "A", "escalate": "B", "refuse": "E", "soothe": "D"}


@pytest.mark.parametrize("action", ACTIONS)
def test_it_decides_first_and_then_writes(bot, server, action):
    server.prefers = LABEL_OF[action]
    (reply,) = bot(DECIDE).answers(point("Hi", "Hello!", "When does my refund arrive?"))
    choice, words = server.bodies
    assert choice["max_tokens"] == 1
    assert texts(choice)[-1] == (
        f"When does my refund arrive?\n\nArticles: {ARTICLE}\n\n"
        "Which one? A: clarify, B: escalate, C: answer, D: soothe, E: refuse."
    )
    assert words["messages"][:-2] == choice["messages"]
    assert words["messages"][-2] == {"role": "assistant", "content": LABEL_OF[action]}
    assert words["messages"][-1]["content"].startswith("Write ")
    assert words["max_tokens"] == 40
    assert reply.action == action
    assert reply.reply == reply_to(prompt_of(words))
    expected = [0.8 if one == action else 0.02 for one in ACTIONS]
    assert reply.action_probs == pytest.approx([p / sum(expected) for p in expected])
    assert reply.score == max(reply.action_probs)
    # Both asks were spent.
    assert reply.prompt_tokens == len(prompt_of(choice)) + len(prompt_of(words))
    assert reply.finish_reason == "stop"


def test_probabilities_stand_in_the_order_of_the_actions(bot, server):
    (reply,) = bot(DECIDE).answers(point("Hi"))
    given = dict(zip("ABCDE", probs_of(prompt_of(server.bodies[0])), strict=True))
    ordered = [given[LABEL_OF[action]] for action in ACTIONS]
    assert reply.action_probs == pytest.approx([p / sum(ordered) for p in ordered])
    assert reply.action == ACTIONS[ordered.index(max(ordered))]


def test_a_server_that_hides_probabilities_gives_an_action_without_a_score(bot, server):
    server.logprobs = False
    (reply,) = bot(DECIDE).answers(point("Hi"))
    assert reply.action in ACTIONS
    assert (reply.action_probs, reply.score, reply.error) == (None, None, None)
    assert reply.reply


def test_what_chooses_no_label_is_undecided_and_nothing_is_made_up(bot, server):
    server.fault = lambda *_: "other_tokens"
    (reply,) = bot(DECIDE).answers(point("Hi"))
    assert (reply.error, reply.action, reply.reply, reply.score) == ("undecided", None, None, None)
    # That its one token ended after one token is no cut-off reply.
    assert reply.finish_reason is None
    assert len(server.bodies) == 1


def test_a_decision_whose_words_fail_is_no_reply(bot, server):
    server.fault = lambda prompt, nth: "503" if "Write " in prompt else None
    (reply,) = bot(DECIDE).answers(point("Hi"))
    assert (reply.error, reply.action, reply.reply, reply.score) == (
        "server_error",
        None,
        None,
        None,
    )


def test_a_decision_in_a_long_chat_drops_turns_too(bot, server):
    server.window, server.prefers = 700, "C"
    (reply,) = bot(DECIDE).answers(point(*LONG))
    assert reply.action == "answer"
    assert reply.n_dropped_turns > 0
    assert f"[{reply.n_dropped_turns} earlier messages left out]" in texts(server.bodies[-1])[1]


THEN = "\n".join(f'{one} = "."' for one in ACTIONS)
LABELS = ", ".join(f'{one} = "{label}"' for one, label in LABEL_OF.items())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("system = ", "cannot be read as a prompt file (TOML)"),
        (b"\xff\xfe", "cannot be read as a prompt file (TOML)"),
        ("", "system"),
        ("system = 3", "prompt.toml: system = 3"),
        ('system = "a"\nmore = "b"', "prompt.toml: more"),
        (
            'system = "{articles}"',
            "prompt.toml: system = '{articles}'; expected no other {...} than {policy} and",
        ),
        (
            'system = ""\nask = "{policy}"',
            "prompt.toml: ask = '{policy}'; expected no other {...} than {articles} and",
        ),
        (
            f'system = ""\n[decide]\nask = ""\nlabels = {{ answer = "A" }}\n[decide.then]\n{THEN}',
            "decide.labels",
        ),
        (
            f'system = ""\n[decide]\nask = ""\nlabels = {{ {LABELS}, smile = "F" }}\n'
            f"[decide.then]\n{THEN}",
            "decide.labels",
        ),
        (
            'system = ""\n[decide]\nask = ""\n'
            f"labels = {{ {LABELS.replace('A', 'B')} }}\n[decide.then]\n{THEN}",
            "expected five different labels",
        ),
        (
            'system = ""\n[decide]\nask = ""\n'
            f"labels = {{ {LABELS.replace('A', '')} }}\n[decide.then]\n{THEN}",
            "expected five different labels",
        ),
        (
            f'system = ""\n[decide]\nask = ""\nlabels = {{ {LABELS} }}\n'
            '[decide.then]\nanswer = "."',
            "expected one for each of answer, clarify, escalate, refuse, soothe",
        ),
        (f'system = ""\n[decide]\nlabels = {{ {LABELS} }}\n[decide.then]\n{THEN}', "decide.ask"),
    ],
)
def test_faults_of_a_prompt_file(tmp_path, server, text, message):
    if isinstance(text, bytes):
        (tmp_path / "prompt.toml").write_bytes(text)
        text = None
    with pytest.raises(ScenarioError) as told:
        config(tmp_path, server, text)
    assert message in str(told.value)


def config(folder, server, text):
    if text is not None:
        return Bot(folder, server, text)
    one = LanguageModel(backend="openai_http", name="m", server=Server(url=server.url))
    path = Path(folder / "prompt.toml")
    return make(Candidate(kind="prompted", prompt=path, model=one), Materials(KNOWLEDGE, POLICY))


def test_a_prompt_file_that_is_not_there_or_is_a_folder(tmp_path, server):
    with pytest.raises(ScenarioError, match=r"prompt.toml: no such prompt file"):
        config(tmp_path, server, None)
    (tmp_path / "prompt.toml").mkdir()
    with pytest.raises(ScenarioError, match="cannot be read as a prompt file"):
        config(tmp_path, server, None)
