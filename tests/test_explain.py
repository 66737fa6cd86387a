"""``shadowdesk explain``: in 100 columns, by any name, light, and an answer for programs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from simulator.cli import explanations
from simulator.reports.definitions import find, names
from simulator.reports.wording import width
from tests.conftest import ROOT


def shadowdesk(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulator", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", names())
def test_every_name_is_told_in_100_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    explanations.explain(name)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(width, lines)) <= 100
    found = find(name)
    assert lines[0] == f"{name}: {found.label}"
    text = " ".join(" ".join(lines).split())
    for told in (found.meaning, found.how, found.source, *found.keys, *found.computed_by):
        assert told in text
    for more in (found.gate, *found.caveats):
        assert more is None or more in text


def test_without_a_name_all_are_listed_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    explanations.explain(None)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(width, lines)) <= 100
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(listed) == sorted(names())
    assert len(set(listed)) == len(listed)


def test_case_hyphens_and_labels_do_not_matter(capsys: pytest.CaptureFixture[str]) -> None:
    told = set()
    for asked in ("asa", "ASA", "Mean wait", "mean_wait", "ASA_S", " asa-s "):
        explanations.explain(asked)
        told.add(capsys.readouterr().out)
    assert len(told) == 1


def test_programs_get_one_object() -> None:
    done = shadowdesk("explain", "containment", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["name"] == "contained_rate"
    assert "kpis.estimate" in found["held_in"]
    everything = json.loads(shadowdesk("explain", "--json").stdout)["names"]
    assert sorted(one["name"] for ones in everything.values() for one in ones) == sorted(names())


def test_an_unknown_name_is_the_users_to_mend() -> None:
    done = shadowdesk("explain", "servise_level")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean service_level" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    strange = shadowdesk("explain", "\u202e\x1b[31mx")
    assert strange.returncode == 2
    assert not {"\u202e", "\x1b"} & set(strange.stderr)


def test_it_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from simulator.cli import explanations\n"
        "explanations.explain('ASA')\n"
        "heavy = {'matplotlib', 'torch', 'duckdb', 'numba', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_shell_completes_names() -> None:
    assert explanations._named("service") == ["service_level", "service_level_loss"]
    assert explanations._named("zzz") == []
