"""The command as a user calls it: in a process of its own, with good input and with bad."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

MINIMAL = """
name = "first-look"

[history]
source = "chats.jsonl"
format = "jsonl"
timezone = "Asia/Taipei"

[candidates.human]
kind = "human"
"""
CHATS = [
    {
        "conversation_id": f"c{i}",
        "started_at": f"2026-03-0{i + 2}T1{i}:00:00+08:00",
        "messages": [
            {"role": "user", "content": "Where is my parcel?"},
            {"role": "assistant", "content": "It usually takes two to four days. Which order?"},
            {"role": "user", "content": f"Order 1000{i}"},
            {"role": "assistant", "content": "Thank you, it was sent yesterday."},
        ],
    }
    for i in range(5)
]


def shadowdesk(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "simulator", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def place(tmp_path):
    (tmp_path / "pilot.toml").write_text(MINIMAL)
    lines = [json.dumps(chat) for chat in CHATS]
    (tmp_path / "chats.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


WITH_BOT = MINIMAL + '[candidates.bot]\nkind = "always_escalate"\n'
RUN = "outputs/first-look"


@pytest.fixture(scope="module")
def done_place(tmp_path_factory):
    """A place with a finished run of a bot in it, for commands that read it."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "pilot.toml").write_text(WITH_BOT)
    lines = [json.dumps(chat) for chat in CHATS]
    (folder / "chats.jsonl").write_text("\n".join(lines) + "\n")
    done = shadowdesk("run", "pilot.toml", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def assert_one_clear_message(done, *says):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stdout == ""
    for word in says:
        assert word in done.stderr


def test_five_conversations_with_the_minimal_scenario(place):
    done = shadowdesk("run", "pilot.toml", cwd=place)
    assert done.returncode == 0, done.stderr
    out = place / "outputs" / "first-look"
    for name in ("manifest.json", "summary.md", "report.html", "run.duckdb", "intervals.csv"):
        assert (out / name).is_file()
    assert "human_only" in done.stdout
    assert str(out.relative_to(place) / "report.html") in done.stdout
    assert "handle_time_chat_s" in (out / "report.html").read_text()
    # Run again: nothing is left to do, and the same is said.
    again = shadowdesk("run", "pilot.toml", cwd=place)
    assert again.stdout == done.stdout


def test_help_loads_no_heavy_module(place):
    code = (
        "import sys\nsys.argv = ['shadowdesk', '--help']\n"
        "from simulator.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'vllm', 'transformers', 'polars', 'matplotlib', 'duckdb', 'scipy',"
        " 'numpy', 'simpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "quickstart" in done.stdout


def test_check_finds_every_fault_before_a_run(place):
    assert shadowdesk("check", "pilot.toml", cwd=place).returncode == 0
    text = MINIMAL.replace("chats", "cats") + '[knowledge]\nsource = "none.csv"\n'
    (place / "pilot.toml").write_text(text)
    done = shadowdesk("check", "pilot.toml", cwd=place)
    assert_one_clear_message(done, "history.source", "cats.jsonl", "knowledge.source", "none.csv")


@pytest.mark.parametrize(
    "name", ["quickstart", "peak_outage", "wide_auto_overpromise", "own_server"]
)
def test_shipped_scenarios_are_valid(place, name):
    path = ROOT / "scenarios" / f"{name}.toml"
    assert path.read_text().startswith("#:schema scenario.schema.json\n# ")
    assert shadowdesk("check", path, cwd=place).returncode == 0


def chats(place, text):
    (place / "chats.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())


def one(**changes):
    return json.dumps({**CHATS[0], **changes})


def messages(*contents, role="user"):
    return one(messages=[{"role": role, "content": content} for content in contents])


USER_ERRORS = {
    "missing file": (lambda p: (p / "chats.jsonl").unlink(), "no such file"),
    "not JSON": (lambda p: chats(p, "these are not\nconversations\n"), "chats.jsonl"),
    "empty history": (lambda p: chats(p, ""), "chats.jsonl"),
    "a directory": (
        lambda p: ((p / "chats.jsonl").unlink(), (p / "chats.jsonl").mkdir()),
        "chats.jsonl",
    ),
    "unknown key with a near miss": (
        lambda p: (p / "pilot.toml").write_text(MINIMAL + "[money]\nwage_per_our = 3\n"),
        "did you mean wage_per_hour?",
    ),
    "negative rate": (
        lambda p: (p / "pilot.toml").write_text(MINIMAL + "[rollout]\ndiverged_contained = -0.1"),
        "rollout.diverged_contained = -0.1",
    ),
    "wrong type": (
        lambda p: (p / "pilot.toml").write_text(MINIMAL + "[simulation]\ndays = 'ten'"),
        "simulation.days = 'ten'",
    ),
}


@pytest.mark.parametrize("fault", USER_ERRORS)
def test_a_user_error_is_one_clear_message_and_exit_code_2(place, fault):
    break_it, says = USER_ERRORS[fault]
    break_it(place)
    assert_one_clear_message(shadowdesk("run", "pilot.toml", cwd=place), says)


@pytest.mark.skipif(
    not Path("/proc/self").exists(),
    reason="needs /proc, which none may write",
)
def test_no_write_permission_is_a_user_error(place):
    done = shadowdesk("run", "pilot.toml", "--out", "/proc/self/out", cwd=place)
    assert_one_clear_message(done, "/proc/self/out", "cannot be written", "--out DIR")


GOOD = "\n".join(json.dumps(chat) for chat in CHATS[1:])
QUARANTINED = {
    "duplicate id": ("c1", GOOD + "\n" + json.dumps(CHATS[1])),
    "turns out of order": (
        "turn",
        GOOD
        + "\n"
        + one(
            messages=[
                {"role": "user", "content": "b", "turn": 1},
                {"role": "assistant", "content": "a", "turn": 0},
            ]
        ),
    ),
    "unknown role": ("pope", GOOD + "\n" + messages("hello", role="pope")),
    "5 MB message": ("too long", GOOD + "\n" + messages("x" * 5_000_000)),
    "not JSON line": ("JSON", GOOD + "\n{half"),
    "wrong type": ("messages", GOOD + "\n" + one(messages="none")),
    "negative handle time": ("handle_time_s", GOOD + "\n" + one(handle_time_s=-5)),
}
MENDED = {
    "time stamps without zone": GOOD + "\n" + one(started_at="2026-03-02T10:00:00"),
    "NUL bytes": GOOD + "\n" + messages("a\x00b"),
    "lone surrogates": GOOD + "\n" + messages("x").replace('"x"', '"\\ud800 x"'),
}


@pytest.mark.parametrize("fault", QUARANTINED)
def test_a_bad_row_is_put_aside_with_its_reason(place, fault):
    says, text = QUARANTINED[fault]
    chats(place, text)
    done = shadowdesk("run", "pilot.toml", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    aside = (place / "outputs/first-look/quarantine.jsonl").read_text().splitlines()
    reasons = [json.loads(line)["reason"] for line in aside]
    assert says in reasons[0]
    # Where nothing usable is left of a conversation, that is a row of its own.
    assert len(reasons) in (1, 2)


@pytest.mark.parametrize("fault", MENDED)
def test_what_can_be_mended_is_kept_and_counted(place, fault):
    chats(place, MENDED[fault])
    done = shadowdesk("import", "chats.jsonl", "--format", "jsonl", "--out", "in", cwd=place)
    assert done.returncode == 0, done.stderr
    assert (place / "in/quarantine.jsonl").read_text() == ""
    assert "5" in done.stdout
    # Out again as Parquet, and in again.
    again = shadowdesk("import", "in", "--format", "parquet", "--out", "two", cwd=place)
    assert again.returncode == 0, again.stderr


def test_gate_answers_by_exit_code(done_place):
    place, run = done_place[0], RUN
    assert_one_clear_message(shadowdesk("gate", run, cwd=place), "--candidate")
    asked = ("--candidate", "bot", "--stage", "wider_auto")
    done = shadowdesk("gate", run, *asked, cwd=place)
    assert done.returncode == 1
    assert "NO GO" in done.stdout
    answer = json.loads(shadowdesk("gate", run, *asked, "--json", cwd=place).stdout)
    assert answer["pass"] is False
    assert {row["status"] for row in answer["gates"]} & {"fail", "insufficient"}
    assert_one_clear_message(
        shadowdesk("gate", run, "--candidate", "bott", "--stage", "assist", cwd=place), "bot"
    )
    assert_one_clear_message(shadowdesk("gate", "nowhere", cwd=place), "no run there")
    assert shadowdesk("report", run, cwd=place).returncode == 0


def answer(*arguments, cwd, code=0):
    """The one JSON object that a command prints, and nothing else."""
    done = shadowdesk(*arguments, "--json", cwd=cwd)
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_json_where_a_program_reads_the_answer(done_place):
    place, run = done_place
    checked = answer("check", "pilot.toml", cwd=place)
    assert (checked["valid"], checked["faults"]) == (True, [])
    assert run["run"] == RUN
    assert (place / run["report"]).is_file()
    assert (place / run["summary"]).is_file()
    assert {row["candidate"] for row in run["recommendation"]} == {"bot"}
    assert answer("report", RUN, cwd=place) == run
    assert set(answer("compare", RUN, cwd=place)) >= {"differences"}
    imported = answer("import", "chats.jsonl", "--format", "jsonl", "--out", "in", cwd=place)
    assert (imported["conversations_in"], imported["conversations_out"]) == (5, 5)
    drawn = ("--candidate", "bot", "--stage", "wider_auto", "--labels", "2", "--out", "sheet.csv")
    refused = shadowdesk("audit", "draw", run["run"], *drawn, "--json", cwd=place)
    assert refused.returncode == 2
    assert refused.stdout == ""
    # In Chinese only the Chinese files are written, and they are the ones named.
    chinese = answer("report", run["run"], "--lang", "zh-Hant", cwd=place)
    assert chinese["report"].endswith("report.zh-Hant.html")
    assert (place / chinese["report"]).is_file()
    assert chinese["headline"] != run["headline"]
    # Excel takes UTF-8 by its mark; without asking there is none.
    table = place / RUN / "recommendation.csv"
    assert table.read_bytes()[:3] != b"\xef\xbb\xbf"
    answer("report", RUN, "--lang", "zh-Hant", "--excel", cwd=place)
    assert table.read_bytes()[:3] == b"\xef\xbb\xbf"
    assert b"\r\n" in table.read_bytes()


def test_faults_as_json_by_their_parts(place):
    text = MINIMAL.replace('format = "jsonl"', 'format = "jsnl"')
    (place / "pilot.toml").write_text(text + "[money]\nshrinkage = 30\nwage_per_our = 3\n")
    found = answer("check", "pilot.toml", cwd=place, code=2)
    assert found["valid"] is False
    by_key = {one["key"]: one for one in found["faults"]}
    assert by_key["money.shrinkage"] | {"message": ""} == {
        "file": "pilot.toml",
        "key": "money.shrinkage",
        "found": "30",
        "expected": "0 <= x <= 0.99",
        "fix": "write 0.3",
        "message": "",
    }
    assert by_key["money.wage_per_our"]["fix"] == "did you mean wage_per_hour?"
    assert by_key["history.format"]["found"] == "'jsnl'"
    assert by_key["history.format"]["fix"] == "did you mean jsonl?"


LACKING = """
[candidates.bot]
kind = "guarded"
[proposal]
candidate = "bot"
stage = "low_risk_auto"
segment = "refnd"
[[overrides]]
metric = "complaint_rate"
candidate = "bot"
stage = "assist"
name = "Ann"
reason = "a trial"
expires = 2020-01-01
"""


def test_check_says_what_a_run_would_lack_and_lets_it_be(place):
    rows = [json.loads(line) | {"intent": "refund"} for line in GOOD.splitlines()]
    chats(place, "\n".join(map(json.dumps, rows)))
    (place / "pilot.toml").write_text(MINIMAL + LACKING)
    done = shadowdesk("check", "pilot.toml", cwd=place)
    assert done.returncode == 0
    for says in (
        "no [commitments]",
        "no [knowledge]: bot",
        "overrides[0] passes complaint_rate, which no gate limits",
        "overrides[0] expired on 2020-01-01",
        "proposal.segment: the history has no segment 'refnd'; did you mean refund?",
    ):
        assert says in done.stderr
        assert says not in done.stdout
    # Whoever has all of it hears nothing.
    quiet = shadowdesk("check", ROOT / "scenarios/peak_outage.toml", cwd=place)
    assert quiet.stderr == ""


def test_a_mistyped_name_or_command_has_a_near_one(done_place):
    place, run = done_place[0], RUN
    near = {
        ("gate", run, "--candidate", "bott", "--stage", "assist"): "bot?",
        ("gate", run, "--candidate", "bot", "--stage", "asist"): "assist?",
        ("staff", run, "--candidate", "bott"): "bot?",
        ("compare", run, "--baseline", "humann"): "human?",
        ("import", "chats.jsonl", "--format", "jsonnl", "--out", "x"): "jsonl?",
    }
    for arguments, fix in near.items():
        assert_one_clear_message(shadowdesk(*arguments, cwd=place), f"did you mean {fix}")
    assert "Did you mean 'compare'?" in shadowdesk("comprae", cwd=place).stderr


def completed(words, cwd):
    """What the shell would offer after these words."""
    typed = "shadowdesk " + words
    done = shadowdesk(
        cwd=cwd,
        _SHADOWDESK_COMPLETE="complete_bash",
        COMP_WORDS=typed,
        COMP_CWORD=str(len(typed.split(" ")) - 1),
    )
    return done.stdout.split()


def test_completion_knows_the_names_of_a_run(done_place):
    place, run = done_place[0], RUN
    assert completed("gat", place) == ["gate"]
    assert completed("gate ", place) == [run]
    assert completed(f"gate {run} --candidate ", place) == ["human", "bot"]
    assert completed(f"gate {run} --stage low", place) == ["low_risk_auto"]
    assert "all" in completed(f"gate {run} --segment ", place)
    assert completed("import x --format zen", place) == ["zendesk"]
    assert completed("run pi", place) == ["pilot.toml"]
    assert completed("gate nowhere --candidate ", place) == []
    for shell in ("bash", "zsh", "fish"):
        shown = shadowdesk("--show-completion", shell, cwd=place)
        assert shown.returncode == 0
        assert "_SHADOWDESK_COMPLETE" in shown.stdout


def commands():
    from typer.main import get_command

    from simulator.cli import app

    for name, command in get_command(app).commands.items():
        parts = getattr(command, "commands", {"": command})
        yield from ((f"{name} {part}".split(), one) for part, one in parts.items())


def test_every_command_says_what_it_is_by_an_example():
    found = list(commands())
    assert len(found) > 15
    for words, command in found:
        assert f"Example: shadowdesk {' '.join(words)}".rstrip() in command.help, words
        options = {name for one in command.params for name in one.opts}
        # What `explain` prints are the fields of a definition.
        if words != ["explain", ""] and words != ["explain"]:
            assert ("--json" in options) == ("With --json:" in command.help), words
        assert all(one.help for one in command.params), words


def test_sample(place):
    done = shadowdesk(
        "sample",
        "--conversations=50",
        "--days=2",
        "--contacts-per-day=60",
        "--out=made",
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    assert (place / "made/conversations.parquet").is_file()
    assert (place / "made/truth/truth_contexts.parquet").is_file()
