"""Progress: how far, how fast, how long yet."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from simulator.cli.progress import how_far, progress, spent


def test_a_replay_tells_its_pace_and_the_time_left():
    # 40 replies in the last 10 seconds; 60 are left.
    assert how_far("replay", 140, 200, 40, 10.0) == " (140 of 200, 4 replies/s, about 15 s left)"
    assert how_far("replay", 140, 200, 0, 10.0) == " (140 of 200)"
    # Any other long stage tells the time left; without a number of steps there is none to tell.
    assert how_far("contact_center", 3, 9, 1, 10.0) == " (3 of 9, about 1 min 0 s left)"
    assert how_far("contact_center", 3, 0, 1, 10.0) == " (3)"


def test_time_is_said_in_what_fits_it():
    assert [spent(s) for s in (0.4, 59, 61, 3599, 7500)] == [
        "0 s",
        "59 s",
        "1 min 1 s",
        "59 min 59 s",
        "2 h 5 min",
    ]


def test_plain_lines_do_not_come_with_every_step(capsys):
    with progress() as tell:
        tell("replay", 0, 0)
        for done in range(1, 200):
            tell("replay", done, 200)
        tell("verdicts", 0, 0)
    lines = capsys.readouterr().err.splitlines()
    assert lines.pop() == "took 0 s"
    assert [line.split("s  ")[1] for line in lines] == [
        "replaying through the candidates",
        "judging the replies",
    ]


STEPS = """
import time
from simulator.cli.progress import progress
with progress() as tell:
    tell("replay", 0, 0)
    for done in range(1, 21):
        tell("replay", done, 40)
        time.sleep(0.05)
"""


def test_the_bar_at_a_terminal_tells_the_pace():
    ours, theirs = pty.openpty()
    width = {"COLUMNS": "120", "TERM": "xterm"}
    # In CI the lines are plain, at a terminal too.
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    with subprocess.Popen(
        [sys.executable, "-c", STEPS], stderr=theirs, env={**kept, **width}
    ) as process:
        os.close(theirs)
        shown = b""
        # Reading a terminal whose other end is closed is an error, not an end.
        while True:
            try:
                some = os.read(ours, 4096)
            except OSError:
                break
            if not some:
                break
            shown += some
    os.close(ours)
    assert process.returncode == 0
    assert b"replies/s" in shown
    assert b"s left" in shown
