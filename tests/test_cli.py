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
    assert path.read_text().startswith("# ")
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


def test_gate_answers_by_exit_code(place):
    scenario = MINIMAL + '[candidates.bot]\nkind = "always_escalate"\n'
    (place / "pilot.toml").write_text(scenario)
    assert shadowdesk("run", "pilot.toml", cwd=place).returncode == 0
    run = "outputs/first-look"
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
