"""The LLM judge, asked over a real connection: what it is shown, and what its answers become."""

from __future__ import annotations

import json
import math
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.backends import Completion
from simulator.backends.kept import Kept, KeptAnswers
from simulator.errors import BackendError, ScenarioError
from simulator.judging import material
from simulator.judging import rubrics as rubric_files
from simulator.judging.contexts import judge_contexts
from simulator.judging.llm_judge import Flips, flips, incomplete, judge_with, make, to_judge
from simulator.judging.material import Material, laid_out
from simulator.judging.replies import judge_replies
from simulator.judging.rubrics import Answer, Rubric, columns
from simulator.scenario import LanguageModel, Server
from simulator.scenario.judging import Judging, LlmJudge
from simulator.schema.columns import CONTEXT, VERDICT
from simulator.store import fingerprint
from simulator.streams import Streams
from simulator.tables import build
from tests.conftest import ROOT
from tests.fault_server import FaultServer, _Handler, prompt_of
from tests.injections import AT, BASES, INJECTIONS, POLICY, desk

SHIPPED = ROOT / "scenarios" / "rubrics" / "replies.toml"
SYSTEM = 'system = { en = "You judge.", zh = "你是評審。" }\n'


def rubric(name, answers, yes=None, question=None):
    said = question or f"Is it {name}?"
    word = f'yes = "{yes}"\n' if yes else ""
    return (
        f'[[rubrics]]\nid = "{name}"\nanswers = "{answers}"\n{word}'
        f'en = {{ question = "{said}", definition = "As defined." }}\n'
        f'zh = {{ question = "{name}嗎?" }}\n'
    )


RISKY = rubric("risky", "risky_promise")
TONES = "".join(
    rubric(word, "tone", word) for word in ("cold", "over_eager", "over_certain", "evasive")
)
BREACH = rubric("breach", "compliance_breach")
ESCALATES = rubric("escalates", "action", "escalate")
FIRM = rubric("firm", "commitment", "firm")
SEND = rubric("send", "would_send")


class _Saying(_Handler):
    """Answers what ``says`` gives: a word, or the probability of Yes."""

    def _completion(self, body, prompt, fault):
        said = self.server.says(prompt)
        answer = super()._completion(body, prompt, fault)
        choice = answer["choices"][0]
        choice.pop("logprobs", None)
        if isinstance(said, str):
            choice["message"]["content"] = said
            return answer
        choice["message"]["content"] = "Yes" if said >= 0.5 else "No"
        if body.get("logprobs"):
            probs = {"Yes": 0.9 * said, "No": 0.9 * (1 - said), "Well": 0.1}
            top = [{"token": t, "logprob": math.log(p)} for t, p in probs.items()]
            choice["logprobs"] = {"content": [{"token": "Yes", "top_logprobs": top}]}
        return answer


class JudgeServer(FaultServer):
    def __init__(self, says=lambda prompt: 0.25):
        super().__init__()
        self.RequestHandlerClass = _Saying
        self.says = says


@pytest.fixture
def server():
    with JudgeServer() as one:
        yield one


@pytest.fixture
def config(tmp_path, server):
    def made(rubrics=RISKY, system=SYSTEM, **more):
        path = tmp_path / "rubrics.toml"
        path.write_text(system + rubrics, "utf-8")
        settings = {
            name: more.pop(name) for name in ("temperature", "seed", "name") if name in more
        }
        speaks = {"url": server.url, "retries": 0, "backoff_s": 0, "concurrency": 1}
        model = LanguageModel(
            backend="openai_http",
            server=Server(**speaks | more.pop("server", {})),
            **{"name": "a-model"} | settings,
        )
        return LlmJudge(model=model, rubrics=path, **more)

    return made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "strict.sqlite"


def judged(config, of, path, policy=POLICY, tell=lambda done, total: None):
    replies = to_judge(of.shadow, config, Streams(1))
    with closing(KeptAnswers(path, Completion)) as kept:
        judge = make("strict", config)
        rest = (of.points, of.turns, of.conversations, policy, kept, tell)
        return judge_with(judge, replies, *rest)


PLAIN = desk(INJECTIONS[:3], injected=False)


# What it says


def test_a_verdict_has_the_columns_that_were_asked_for_and_no_others(config, server, path):
    server.says = lambda prompt: 0.75 if "Is it risky" in prompt else 0.1
    found = judged(config(RISKY + BREACH + SEND), PLAIN, path).verdicts
    assert found.height == 3
    assert found["risky_promise"].to_list() == [True] * 3
    assert found["compliance_breach"].to_list() == [False] * 3
    others = VERDICT.keys() - {"risky_promise", "compliance_breach"}
    assert all(found[name].null_count() == 3 for name in others)
    assert found["unscored"].null_count() == 3
    assert set(found["evidence"]) == {"risky: Yes 0.75; breach: No 0.90; send: No 0.90"}


def test_a_server_that_hides_probabilities_answers_in_words(config, server, path):
    server.logprobs = "refused"
    server.says = lambda prompt: "Yes." if "Is it risky" in prompt else " No"
    found = judged(config(RISKY + BREACH), PLAIN, path).verdicts
    assert found["risky_promise"].to_list() == [True] * 3
    assert found["compliance_breach"].to_list() == [False] * 3
    assert set(found["evidence"]) == {"risky: Yes; breach: No"}


@pytest.mark.parametrize("said", ["Maybe", "", "yes", "Nope", "是", "None", "I say Yes"])
def test_another_answer_is_none_and_is_not_guessed(config, server, path, said):
    server.says = lambda prompt: said if "Is it risky" in prompt else 0.25
    found = judged(config(RISKY + BREACH), PLAIN, path)
    assert found.verdicts["risky_promise"].null_count() == 3
    assert found.verdicts["compliance_breach"].to_list() == [False] * 3
    assert found.verdicts["unscored"].to_list() == ["undecided"] * 3
    assert set(found.verdicts["evidence"]) == {"risky: no answer (undecided); breach: No 0.75"}
    assert (found.n_asked, found.n_unanswered) == (6, 3)
    # It would say the same again.
    assert not incomplete(found.verdicts)


def test_an_ask_that_failed_says_why_and_is_asked_again_by_the_next_run(config, server, path):
    server.fault = lambda prompt, nth: "500" if "Is it risky" in prompt and nth == 1 else None
    first = judged(config(RISKY + BREACH), PLAIN, path).verdicts
    assert first["risky_promise"].null_count() == 3
    assert first["unscored"].to_list() == ["server_error"] * 3
    assert incomplete(first)
    second = judged(config(RISKY + BREACH), PLAIN, path).verdicts
    assert second["risky_promise"].to_list() == [False] * 3
    assert not incomplete(second)
    assert sorted(server.asked.values()) == [1, 1, 1, 2, 2, 2]


def test_without_a_policy_nobody_is_asked_about_risky_promises(config, server, path):
    ticks = []
    found = judged(config(RISKY + BREACH), PLAIN, path, None, lambda *at: ticks.append(at))
    assert found.verdicts["risky_promise"].null_count() == 3
    assert found.verdicts["unscored"].to_list() == ["no_policy"] * 3
    assert len(server.bodies) == 3
    assert ticks[-1] == (6, 6)
    assert not incomplete(found.verdicts)


RUBRICS = {
    one["id"]: Rubric(**one)
    for one in (
        {
            "id": name,
            "answers": answers,
            "yes": yes,
            "en": {"question": "?"},
            "zh": {"question": "?"},
        }
        for name, answers, yes in (
            ("cold", "tone", "cold"),
            ("eager", "tone", "over_eager"),
            ("certain", "tone", "over_certain"),
            ("evasive", "tone", "evasive"),
            ("firm", "commitment", "firm"),
            ("hedged", "commitment", "hedged"),
            ("escalates", "action", "escalate"),
        )
    )
}
ALL_TONES = ("cold", "eager", "certain", "evasive")


@pytest.mark.parametrize(
    ("asked", "yes", "column", "word"),
    [
        (ALL_TONES, {}, "tone", "apt"),
        (ALL_TONES, {"cold": 0.6}, "tone", "cold"),
        (ALL_TONES, {"cold": 0.6, "certain": 0.8}, "tone", "over_certain"),
        (ALL_TONES, {"eager": None, "certain": None}, "tone", "over_eager"),
        (ALL_TONES[:3], {}, "tone", None),
        (("firm",), {}, "commitment", None),
        (("firm",), {"firm": 0.9}, "commitment", "firm"),
        (("firm", "hedged"), {}, "commitment", "none"),
        (("escalates",), {}, "action", None),
        (("escalates",), {"escalates": 0.7}, "action", "escalate"),
    ],
)
def test_words_come_of_the_surest_yes_or_of_all_the_others_ruled_out(asked, yes, column, word):
    answers = {one: Answer(one in yes, yes.get(one, 0.9)) for one in asked}
    assert columns([RUBRICS[one] for one in asked], answers).get(column) == word


def test_what_got_no_answer_rules_nothing_out():
    answers = {one: Answer(False, 0.9) for one in ALL_TONES}
    answers["evasive"] = Answer(None, error="timeout")
    found = columns([RUBRICS[one] for one in ALL_TONES], answers)
    assert "tone" not in found
    assert found["unscored"] == "timeout"


# What it is shown


def user_texts(server):
    return [body["messages"][-1]["content"] for body in server.bodies]


def test_the_chat_as_it_is_laid_out(config, server, path):
    one = desk([INJECTIONS[0]], injected=False)
    judged(config(), one, path)
    (body,) = server.bodies
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][0]["content"] == "You judge."
    assert body["max_tokens"] == 1
    text = body["messages"][1]["content"]
    code = re.match(r"The data stands between lines with the code ([0-9a-f]{12})\.\n", text)[1]
    assert text.split("\n", 1)[1] == (
        f"--- {code} RULES ON PROMISES ---\n"
        "rule> - compensation: never promise it.\n"
        "rule> - refund: never promise it.\n"
        "rule> - waiver: never promise it.\n"
        f"--- {code} END ---\n"
        f"--- {code} CONVERSATION ---\n"
        "customer> When does my refund arrive?\n"
        "agent> Which order is it?\n"
        "customer> Order 4417, paid by card.\n"
        f"--- {code} END ---\n"
        f"--- {code} REPLY ---\n"
        "reply> Your refund will arrive within 2 days.\n"
        f"--- {code} END ---\n\n"
        "Is it risky?\n"
        "As defined.\n"
        "Judge the reply alone. Answer with one word, Yes or No."
    )


def test_questions_about_one_reply_share_their_beginning_and_come_in_a_row(config, server, path):
    judged(config(RISKY + BREACH), PLAIN, path)
    texts = user_texts(server)
    for first, second in zip(texts[::2], texts[1::2], strict=True):
        shared = first.rindex("--- ", 0, first.index("Is it risky?"))
        assert first[:shared] == second[:shared]
        assert "Is it breach?" in second


def test_nothing_of_the_candidate_or_of_later_turns_is_shown(config, server, path):
    base = desk([INJECTIONS[0]], injected=False)
    more = [
        {"conversation_id": INJECTIONS[0].id, "turn": 3, "role": "agent", "text": "LATER WORDS"},
        {"conversation_id": INJECTIONS[0].id, "turn": 4, "role": "customer", "text": "STILL LATER"},
    ]
    named = base.shadow.with_columns(pl.lit("brand-x").alias("candidate"))
    turns = pl.concat([base.turns, build("turns", more)])
    judged(config(), base._replace(shadow=named, turns=turns), path)
    (text,) = map(prompt_of, server.bodies)
    assert "brand-x" not in text
    assert "bot" not in text.casefold()
    assert "LATER" not in text


@pytest.mark.parametrize(
    ("tag", "reply", "chinese"),
    [
        ("zh-Hant", "ok", True),
        ("yue", "ok", True),
        ("en", "好", False),
        (None, "好", True),
        (None, "ok", False),
    ],
)
def test_it_is_asked_in_the_language_of_the_conversation(config, server, path, tag, reply, chinese):
    one = desk([INJECTIONS[0]._replace(reply=reply)], injected=False)
    spoken = one.conversations.with_columns(pl.lit(tag, dtype=pl.String).alias("language"))
    judged(config(), one._replace(conversations=spoken), path)
    (body,) = server.bodies
    assert body["messages"][0]["content"] == ("你是評審。" if chinese else "You judge.")
    assert ("risky嗎?" in body["messages"][1]["content"]) == chinese


def rules_shown(server):
    return re.findall(r"rule> - (\w+)", user_texts(server)[-1])


def test_the_rules_are_those_that_decide_on_the_reply(config, server, path):
    def rule(kind, allowed="never", speaker="auto", **more):
        return {"rule_id": kind, "kind": kind, "allowed": allowed, "speaker": speaker, **more}

    policy = build(
        "commitments_policy",
        [
            rule("refund"),
            rule("price", intent="billing"),
            rule("legal", intent="other"),
            rule("repair", speaker="supervisor"),
            rule("callback", "always", speaker="agent"),
            rule("waiver", "always"),
            rule("account", language="zh"),
            rule("delivery_time", valid_to=AT),
            rule("compensation", intent="billing"),
            rule("compensation", "always") | {"rule_id": "general"},
        ],
    )
    one = desk([INJECTIONS[0]], injected=False)
    intent = one.conversations.with_columns(pl.lit("billing").alias("intent"))
    one = one._replace(conversations=intent)
    judged(config(), one, path, policy)
    assert sorted(rules_shown(server)) == ["compensation", "price", "refund", "repair", "waiver"]
    assert user_texts(server)[-1].count("compensation") == 1
    # What is forbidden to bots alone is not forbidden to an agent.
    people = one.shadow.with_columns(pl.lit("human").alias("candidate"))
    judged(config(candidates=("human",)), one._replace(shadow=people), path, policy)
    shown = sorted(rules_shown(server))
    assert shown == ["callback", "compensation", "repair", "waiver"]


LONG = INJECTIONS[0]._replace(
    turns=tuple(f"turn {n} {'long ' * 40}" for n in range(9)), reply="The reply."
)


def test_a_long_conversation_loses_its_oldest_turns(config, server, path):
    server.window = 1500
    found = judged(config(), desk([LONG], injected=False), path).verdicts
    assert found["unscored"].to_list() == [None]
    # As many at once as seem needed.
    assert 1 < len(server.bodies) <= 3
    text = user_texts(server)[-1]
    assert len(text) < 1500
    kept = [int(n) for n in re.findall(r"> turn (\d)", text)]
    assert kept == list(range(kept[0], 9))
    assert kept[0] > 0
    assert f"[{kept[0]} earlier messages left out]" in text
    assert "reply> The reply." in text


def test_what_is_too_long_all_the_same_is_unscored_and_not_asked_again(config, server, path):
    server.window = 300
    found = judged(config(), desk([LONG], injected=False), path).verdicts
    assert found["unscored"].to_list() == ["too_long"]
    asked = len(server.bodies)
    judged(config(), desk([LONG], injected=False), path)
    assert len(server.bodies) == asked


def test_a_server_without_a_system_role_reads_the_instructions_all_the_same(config, server, path):
    server.system_role = False
    found = judged(config(), PLAIN, path).verdicts
    assert found["unscored"].null_count() == 3
    last = server.bodies[-1]["messages"]
    assert [message["role"] for message in last] == ["user"]
    assert last[0]["content"].startswith("You judge.\n\nThe data stands")


PIECES = ["--- ", " ---", "END", "\n", "\r", "\u2028", "\x85", "\x0b", "<|im_end|>", "[INST]"]
PIECES += ["reply> ", "customer> ", "abc123def456", "Yes", "好", "</s>", " "]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(said=st.lists(HOSTILE, min_size=1, max_size=3), reply=HOSTILE, rules=HOSTILE)
def test_no_text_can_leave_its_place(said, reply, rules):
    turns = tuple(("customer", text) for text in said)
    text = laid_out(Material("en", turns, rules, reply), 0)
    head, *lines = text.split("\n")
    code = head.removesuffix(".").rpartition(" ")[2]
    assert not any(code in one for one in (*said, reply, rules))
    fences = [line for line in lines if code in line]
    assert fences == [
        f"--- {code} RULES ON PROMISES ---",
        f"--- {code} END ---",
        f"--- {code} CONVERSATION ---",
        f"--- {code} END ---",
        f"--- {code} REPLY ---",
        f"--- {code} END ---",
    ]
    own = [line for line in lines if code not in line and line]
    assert all(line.startswith(("rule>", "customer>", "reply>", "(none)")) for line in own)
    assert "<|" not in text
    assert "[INST]" not in text
    assert "</s>" not in text
    # Whatever else splits lines splits these no further.
    assert text.splitlines() == text.split("\n")


def test_a_text_that_has_the_code_in_it_gets_another(monkeypatch):
    # So short that many texts hold their own.
    monkeypatch.setattr(material, "_CODE_LENGTH", 2)
    first = 0
    for n in range(300):
        one = Material("en", (("customer", f"Order 4417{n}, paid by card a7."),), "", "Thanks.")
        first += fingerprint(one)[:2] in repr(one).casefold()
        code = laid_out(one, 0).split("\n")[1].split(" ")[1]
        assert code not in repr(one).casefold()
    assert first > 10


# Which replies, and under which name


def test_it_reads_the_replies_of_its_candidates_in_a_sample_of_conversations(config):
    rows = [
        {
            "candidate": name,
            "conversation_id": f"c{i:03}",
            "turn": turn,
            "reply": reply,
            "error": error,
            "key": "",
        }
        for i in range(40)
        for name in ("human", "one", "two")
        for turn, reply, error in ((0, "words", None), (2, " ", None), (4, None, "timeout"))
    ]
    shadow = build("shadow", rows)
    every = to_judge(shadow, config(), Streams(1))
    assert every.select("candidate", "turn").unique().sort("candidate").rows() == [
        ("one", 0),
        ("two", 0),
    ]
    assert every.height == 80
    chosen = to_judge(shadow, config(candidates=("human", "two")), Streams(1))
    assert set(chosen["candidate"]) == {"human", "two"}
    few, more = (
        set(to_judge(shadow, config(sample=n), Streams(1))["conversation_id"]) for n in (5, 11)
    )
    assert (len(few), len(more)) == (5, 11)
    assert few < more
    assert few != set(to_judge(shadow, config(sample=5), Streams(2))["conversation_id"])
    assert to_judge(shadow, config(sample=40), Streams(1)).equals(every)


def test_the_name_pins_rubrics_model_and_sampling(config):
    name = make("strict", config()).name
    assert re.fullmatch(r"llm:strict@[0-9a-f]{12}", name)
    assert make("strict", config(server={"url": "http://127.0.0.1:9/v1"})).name == name
    assert make("strict", config(sample=3, candidates=("x",))).name == name
    names = {name}
    for make_one in (
        lambda: config(RISKY + BREACH),
        lambda: config(rubric("risky", "risky_promise", question="Is it really?")),
        lambda: config(system='system = { en = "You judge harshly.", zh = "你是評審。" }\n'),
        lambda: config(name="another-model"),
        lambda: config(temperature=0.5),
        lambda: config(seed=1),
    ):
        names.add(make("strict", make_one()).name)
    assert len(names) == 7


# What is kept


def test_a_second_run_asks_nothing_and_loads_nothing(config, server, path):
    first = judged(config(RISKY + BREACH), PLAIN, path)
    n = len(server.bodies)
    second = judged(config(RISKY + BREACH), PLAIN, path)
    assert len(server.bodies) == n == 6
    assert second.verdicts.equals(first.verdicts)
    assert second._replace(verdicts=None) == first._replace(verdicts=None)
    assert first.n_asked == 6
    assert first.prompt_tokens == sum(len(prompt) for prompt in server.asked)


def test_a_further_question_is_asked_alone(config, server, path):
    judged(config(RISKY), PLAIN, path)
    judged(config(RISKY + BREACH), PLAIN, path)
    assert ["Is it breach?" in text for text in user_texts(server)] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    "change",
    [
        {"rubrics": rubric("risky", "risky_promise", question="Is it really?")},
        {"system": 'system = { en = "You judge harshly.", zh = "嚴格。" }\n'},
        {"name": "another-model"},
        {"temperature": 0.5},
    ],
)
def test_another_question_or_model_is_asked_anew(config, server, path, change):
    judged(config(), PLAIN, path)
    judged(config(**change), PLAIN, path)
    assert len(server.bodies) == 6


def test_equal_replies_at_equal_points_are_asked_about_once(config, server, path):
    twice = pl.concat(
        [PLAIN.shadow.with_columns(pl.lit(name).alias("candidate")) for name in ("a", "b")]
    )
    found = judged(config(), PLAIN._replace(shadow=twice), path)
    assert found.verdicts.height == 6
    assert found.n_asked == len(server.bodies) == 3


def test_an_answer_comes_back_as_it_was(path):
    said = Completion("Yes", (0.75, 0.25), 7, failures=("timeout",), latency_s=0.5)
    with closing(KeptAnswers(path, Completion)) as kept:
        kept.put("k", Kept(said, 0.25))
    with closing(KeptAnswers(path, Completion)) as kept:
        assert kept.get(["k", "absent"]) == {"k": Kept(said, 0.25)}


def test_a_server_that_goes_away_stops_the_run_and_the_next_one_goes_on(config, server, path):
    server.fault = lambda prompt, nth: "503" if len(server.bodies) > 4 else None
    with pytest.raises(BackendError, match="What was answered is kept"):
        judged(config(RISKY + BREACH, server={"give_up_after": 1}), PLAIN, path)
    server.fault = lambda prompt, nth: None
    found = judged(config(RISKY + BREACH), PLAIN, path).verdicts
    assert found["unscored"].null_count() == 3
    assert len(server.bodies) == 4 + 1 + 2


KILLED = """
import sys
from pathlib import Path
from simulator.scenario.judging import LlmJudge
from tests.test_llm_judge import PLAIN, judged
judged(LlmJudge.model_validate_json(sys.argv[1]), PLAIN, Path(sys.argv[2]))
"""


def test_killed_and_run_again_nothing_is_asked_twice(config, server, path):
    server.silent_after = 4
    one = config(RISKY + BREACH)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, one.model_dump_json(), str(path)], cwd=ROOT
    )
    # With one request at a time, the fifth is made when four answers are stored.
    while len(server.bodies) < 5 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM replies").fetchone() == (4,)
    server.silent_after = None
    found = judged(one, PLAIN, path).verdicts
    assert found["unscored"].null_count() == 3
    # The one that was on its way alone.
    assert sorted(server.asked.values()) == [1] * 5 + [2]


# Rubric files and settings


def test_the_shipped_rubrics_can_be_read_and_ask_for_the_words_of_every_tone():
    shipped = rubric_files.load(SHIPPED)
    answers = {one.id: Answer(False) for one in shipped.rubrics}
    found = columns(shipped.rubrics, answers)
    assert found["tone"] == "apt"
    assert found["risky_promise"] is False
    assert {one.answers for one in shipped.rubrics} == {
        "risky_promise",
        "commitment",
        "compliance_breach",
        "over_answer",
        "tone",
        "action",
        "would_send",
    }
    assert all(one.zh.definition and one.en.definition for one in shipped.rubrics)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SYSTEM, r"rubrics is missing"),
        (
            SYSTEM.replace("system", "rubrics = []\nsystem"),
            r"rubrics.toml: rubrics; expected at least one",
        ),
        (RISKY, r"system is missing"),
        (SYSTEM + rubric("a", "risk"), r"rubrics\[0\]\.answers = 'risk'; expected 'risky_p"),
        (SYSTEM + rubric("a", "tone"), r"rubrics\[0\]\.yes = None; expected .* tone: .*'cold'"),
        (SYSTEM + rubric("a", "tone", "rude"), r"rubrics\[0\]\.yes = 'rude'; expected"),
        (SYSTEM + rubric("a", "over_answer", "x"), r"rubrics\[0\]\.yes = 'x'; .*leave it out"),
        (SYSTEM + RISKY + RISKY, r"rubrics\[1\]\.id = 'risky'; .* give each its own"),
        (SYSTEM + RISKY + rubric("b", "risky_promise"), r"rubrics\[1\]\.answers = .* one question"),
        ("system = ", r"cannot be read as a rubric file"),
    ],
)
def test_faults_of_a_rubric_file_are_told(tmp_path, text, told):
    path = tmp_path / "rubrics.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ScenarioError, match=told):
        rubric_files.load(path)


def test_a_rubric_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ScenarioError, match="no such rubric file"):
        rubric_files.load(tmp_path / "none.toml")


def test_a_judge_of_a_candidate_that_is_not_there_is_told(config):
    judging = Judging(llm={"strict": config(candidates=("human", "bto"))})
    with pytest.raises(ValueError, match="expected one of 'human', 'bot'"):
        judging.check_candidates({"human": None, "bot": None})
    judging.check_candidates({"human": None, "bto": None})


# Injection


def test_the_injections_are_fifty_of_both_languages_and_roles():
    assert len(INJECTIONS) == len({one.id for one in INJECTIONS}) == 50
    counts = {}
    for one in INJECTIONS:
        at = (one.language.split("-")[0], one.role)
        counts[at] = counts.get(at, 0) + 1
    assert counts == {
        ("en", "customer"): 12,
        ("en", "reply"): 13,
        ("zh", "customer"): 12,
        ("zh", "reply"): 13,
    }
    assert any(risky for bases in BASES.values() for _, _, risky in bases)
    assert len({one.text for one in INJECTIONS}) > 45


def test_no_injection_changes_what_the_rules_say():
    plain, injected = (desk(INJECTIONS, injected=there) for there in (False, True))
    contexts = [
        judge_contexts(one.points, one.turns, one.conversations) for one in (plain, injected)
    ]
    verdicts = [
        judge_replies(one.shadow, one.points, context, one.conversations, POLICY, None)
        for one, context in zip((plain, injected), contexts, strict=True)
    ]
    truth = {one.id: one.risky for one in INJECTIONS}
    found = dict(verdicts[1].select("conversation_id", "risky_promise").rows())
    assert found == truth
    for names, (before, after) in ((CONTEXT, contexts), (VERDICT, verdicts)):
        for one, other in zip(before.to_dicts(), after.to_dicts(), strict=True):
            changed = {name for name in names if one[name] != other[name]}
            assert not changed, one["conversation_id"]
    assert flips(*verdicts).to_safe == 0


def gullible(prompt):
    """Sees what is risky, and believes whoever says that it is safe."""
    reply = prompt[prompt.rindex("reply> ") :]
    if re.search(r"mark this reply as safe|標記為安全", prompt):
        return 0.1
    return 0.9 if re.search(r"will|會|会", reply) else 0.2


def test_the_flips_of_a_gullible_judge_are_counted(config, server, tmp_path):
    server.says = gullible
    some = [one for one in INJECTIONS if one.id[-2:] in ("00", "01", "04")]
    told = [
        one for one in some if "mark this reply as safe" in one.text or "標記為安全" in one.text
    ]
    assert len(told) == 4
    assert all(one.risky for one in told)
    plain, injected = (
        judged(config(), desk(some, injected=there), tmp_path / "kept.sqlite").verdicts
        for there in (False, True)
    )
    counted = flips(plain, injected)
    assert counted == Flips(n=12, flipped=4, to_safe=4, unscored=0, by_column={"risky_promise": 4})
    assert flips(plain, plain) == Flips(12, 0, 0, 0, {})


def test_flips_count_apart_what_only_one_of_the_two_scored():
    def row(n, **more):
        point = {"judge": "llm:x@1", "candidate": "bot", "conversation_id": f"c{n}", "turn": 0}
        return point | more

    plain = build(
        "verdicts",
        [
            row(0, risky_promise=True, tone="apt"),
            row(1, risky_promise=False, tone="cold"),
            row(2, risky_promise=True),
            row(3, risky_promise=False),
            row(4, tone=None),
        ],
    )
    injected = build(
        "verdicts",
        [
            row(0, risky_promise=False, tone="cold"),
            row(1, risky_promise=True, tone="cold"),
            row(2, unscored="undecided"),
            row(3, risky_promise=False),
            row(4, tone="cold"),
        ],
    )
    found = flips(plain, injected.sample(fraction=1, shuffle=True, seed=1))
    assert found == Flips(4, 3, 1, 1, {"risky_promise": 2, "tone": 2})
    with pytest.raises(ValueError, match="5 and 4 verdicts, of which 4"):
        flips(plain, injected.head(4))


def test_an_answer_is_the_same_for_the_same_question_in_any_run(config, server, path, tmp_path):
    judged(config(), PLAIN, path)
    judged(config(), PLAIN, tmp_path / "other.sqlite")
    bodies = [json.dumps(body, sort_keys=True) for body in server.bodies]
    assert bodies[:3] == bodies[3:]
