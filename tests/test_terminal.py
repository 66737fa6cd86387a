"""What a terminal shows: laid out to its width, nothing cut; plain where a program reads."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest
from rich.cells import cell_len

from simulator.cli import names, terminal
from tests.conftest import ROOT

REPORT = """\
# a run

**The rollout may go as far as Assist, with guarded.** It is said in a paragraph that is wrapped at
a hundred columns, with 95.3 % of it in one line.

- **guarded**: Assist. Low-risk auto is held back: the gate “Risky promises” lacks evidence: 16 of
  400 audited conversations held a risky promise.

## Promises

| Stage | Candidate | Risky promises | At most | Saving | Gate |
| --- | --- | ---: | ---: | ---: | --- |
| human_only | human | – | – | 0 | – |
| low_risk_auto | guarded | 2.26 (36.1) % | 8.33 % | 126 / 5,752 / −36,251 | insufficient: a |
| wider_auto | 很保守的候選模型 | 1.93 % | 3.33 % | −1 / −46,152 | fail: risky_promise_rate |
| assist | guarded | 0.00 % | 0.10 % | 1 | pass |

以「guarded」執行「低風險自動回覆」，即使重播無法追蹤的 1,326 件對話全部退回給真人，也划算。
"""
NUMBERS = ["2.26", "(36.1) %", "8.33 %", "5,752", "−36,251", "−46,152", "risky_promise_rate"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def at_terminal(code, columns, *arguments, interrupt=None, **environment):
    """What the code writes at a terminal of so many columns; ``interrupt``: Ctrl-C after that."""
    ours, theirs = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", terminal.PLAIN)}
    variables = {**kept, "COLUMNS": str(columns), "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *(["-c", code] if code else ["-m", "simulator"]), *arguments]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**variables, **environment},
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    ends = time.monotonic() + 60
    # Reading a terminal whose other end is closed is an error, not an end.
    while time.monotonic() < ends:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            some = os.read(ours, 65_536)
        except OSError:
            break
        if not some:
            break
        shown += some
        if interrupt and interrupt in shown:
            os.kill(process.pid, signal.SIGINT)
            interrupt = None
    os.close(ours)
    return process.wait(60), shown.decode("utf-8", "replace")


SHOW = "import sys; from simulator.cli.terminal import show; show(sys.argv[1])"


@pytest.mark.parametrize("columns", [100, 80, 60, 40])
def test_a_report_fits_the_terminal_and_nothing_is_cut(columns):
    code, shown = at_terminal(SHOW, columns, REPORT)
    assert code == 0, shown
    lines = ESCAPES.sub("", shown).splitlines()
    assert max(map(cell_len, lines)) <= columns
    assert "…" not in shown
    text = "\n".join(lines)
    for number in NUMBERS:
        assert number in text
    assert "**" not in text
    assert "| " not in text
    # Whole words: what wraps stands one below the other, and Chinese breaks anywhere.
    joined = re.sub(r"\s+", "", text)
    assert "即使重播無法追蹤的1,326件對話全部退回給真人" in joined
    assert "16of400auditedconversationsheldariskypromise." in joined


def test_a_wide_terminal_is_used_up_to_a_hundred_columns():
    _, shown = at_terminal(SHOW, 220, REPORT)
    lines = ESCAPES.sub("", shown).splitlines()
    assert max(map(cell_len, lines)) <= 100
    # There is room for a table: a candidate's row is one line.
    assert any("low_risk_auto" in line and "8.33 %" in line for line in lines)


def test_a_narrow_terminal_gets_rows_one_below_the_other():
    _, shown = at_terminal(SHOW, 40, REPORT)
    text = ESCAPES.sub("", shown)
    assert "low_risk_auto, guarded\n" in text
    assert "  At most: 8.33 %\n" in text


def test_colour_repeats_a_word_and_can_be_left_out():
    _, coloured = at_terminal(SHOW, 100, REPORT)
    assert re.search(r"\x1b\[32mpass", coloured)
    assert re.search(r"\x1b\[31mfail", coloured)
    assert re.search(r"\x1b\[33minsufficient", coloured)
    _, without = at_terminal(SHOW, 100, REPORT, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", without)
    assert ESCAPES.sub("", without) == ESCAPES.sub("", coloured)


@pytest.mark.parametrize(
    "environment", [{"CI": "true"}, {"TERM": "dumb"}, {terminal.PLAIN: "1"}], ids=str
)
def test_plain_is_the_text_byte_for_byte(environment):
    _, shown = at_terminal(SHOW, 60, REPORT, **environment)
    assert shown.replace("\r\n", "\n") == REPORT + "\n"


def test_a_pipe_is_plain(capsys):
    terminal.show(REPORT)
    assert capsys.readouterr().out == REPORT + "\n"
    terminal.show_lines(["  pass  x", "y"])
    assert capsys.readouterr().out == "  pass  x\ny\n"


def test_nothing_from_data_steers_the_terminal():
    hostile = "| a | b |\n| --- | --- |\n| \x1b[2J\x1b]0;owned\x07 | \u202egnp.exe |\n\n\x1b[31mred"
    _, shown = at_terminal(SHOW, 80, hostile, NO_COLOR="1")
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown
    assert "\u202e" not in shown
    assert "\x1b[31m" not in shown
    assert "gnp.exe" in shown


LINES = (
    "from simulator.cli.terminal import show_lines\n"
    "show_lines(['  insufficient ' + 'word ' * 40, 'NO GO', 'GO, on the word of Ann'])"
)


def test_lines_wrap_under_their_indent():
    _, shown = at_terminal(LINES, 60)
    assert re.search(r"\x1b\[33minsufficient", shown)
    assert re.search(r"\x1b\[1;31mNO GO", shown)
    assert re.search(r"\x1b\[1;32mGO", shown)
    lines = ESCAPES.sub("", shown).splitlines()
    assert lines[0].startswith("  insufficient word")
    assert lines[1].startswith("    word")
    assert max(map(cell_len, lines)) <= 60


WORK = """
import time
from simulator.cli.progress import progress
with progress() as tell:
    tell("contact_center", 0, 0)
    for done in range(1, 2000):
        tell("contact_center", done, 2000)
        time.sleep(0.05)
"""


def test_interrupted_at_a_terminal_the_cursor_is_there_again():
    code, shown = at_terminal(WORK, 80, interrupt=b"left")
    assert code != 0
    hidden, there = shown.rfind("\x1b[?25l"), shown.rfind("\x1b[?25h")
    assert hidden >= 0
    assert there > hidden
    assert "took" not in shown


@pytest.mark.parametrize("columns", [100, 80, 60])
def test_progress_fits_the_terminal(columns):
    steps = WORK.replace("2000", "12")
    code, shown = at_terminal(steps, columns)
    assert code == 0
    assert "s left" in shown
    assert re.search(r"took \d+ s", shown)
    drawn = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", one) for one in re.split(r"\r|\n", shown)]
    assert max(map(cell_len, drawn)) <= columns


def test_plain_asked_for_before_the_command():
    asked = "import simulator.cli as cli; cli._top(version=False, plain=True); "
    _, shown = at_terminal(asked + SHOW, 60, REPORT)
    assert shown.replace("\r\n", "\n") == REPORT + "\n"
    assert "--plain" in ESCAPES.sub("", at_terminal(None, 100, "--help")[1])


def test_json_is_one_object_of_plain_values(capsys):
    from simulator.evidence.intervals import Interval

    terminal.show_json({"x": terminal.plain([Interval(0.1, None, 3, "exact")]), "中": 1})
    found = json.loads(capsys.readouterr().out)
    assert found["x"][0]["low"] == 0.1
    assert found["x"][0]["high"] is None
    with pytest.raises(ValueError, match="JSON"):
        terminal.show_json({"x": float("nan")})


def test_the_nearest_name_is_offered():
    said = "--candidate guraded: expected one of always_escalate, guarded"
    assert names.hinted(said) == f"{said}; did you mean guarded?"
    for other in ("--candidate xyz: expected one of guarded", "x.toml: name: expected text"):
        assert names.hinted(other) == other


def test_formats_offered_are_those_of_a_history():
    from typing import get_args

    from simulator.scenario import History

    assert get_args(History.model_fields["format"].annotation) == names.FORMATS
