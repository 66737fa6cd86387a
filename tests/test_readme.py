"""The README as it stands: its commands run, its files are read, its queries answer.

How a block says what it is: the word after its fence is its kind. A file's name is the last thing
before it (`` `chats.csv`: ``); a block of TOML without a name is a fragment, to be put into a
scenario of one's own. A second word says why commands are not run here: ``install`` (continuous
integration does), ``slow`` (run with the slow tests), ``needs-model``, ``needs-just``; their
options and paths are checked all the same.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from simulator.judging.audit.sheet import NO_REPLY
from tests.audit_sheets import filled
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`(?P<name>[\w.-]+)`:$")
KINDS = {
    "sh": {"", "slow", "install", "needs-model", "needs-just"},
    "toml": {""},
    "csv": {""},
    "json": {""},
    "sql": {""},
    "python": {""},
    "text": {""},
}
# Gates that fail, lack evidence or find a regression are answers, too.
ANSWERS = ("gate", "compare", "backtest")
# What continuous integration takes from this page.
INSTALL = r"pip install (\.|'\.\[test\]') && (shadowdesk quickstart|pytest\b.*)"


class Block(NamedTuple):
    """A block: its kind, its second word, the file that it is (or none), its text and place."""

    kind: str
    mark: str
    name: str
    text: str
    line: int


def _blocks(readme: str) -> list[Block]:
    found = []
    for match in FENCE.finditer(readme):
        kind, _, mark = match["info"].partition(" ")
        named = NAMED.search(readme[: match.start()].rstrip())
        name = named["name"] if named and kind in ("toml", "csv", "json") else ""
        line = readme.count("\n", 0, match.start()) + 1
        found.append(Block(kind, mark, name, match["text"], line))
    return found


BLOCKS = _blocks(README)
FILES = {block.name: block.text for block in BLOCKS if block.name}
# What an unnamed fragment is put into.
OWN = 'name = "own"\n\n' + FILES["from-csv.toml"].split("\n", 1)[1]


def _of(kind: str, *marks: str, named: bool = False) -> list[object]:
    """The blocks of a kind, as parameters that say where they stand."""
    return [
        pytest.param(block, id=f"line {block.line}")
        for block in BLOCKS
        if block.kind == kind and block.mark in (marks or ("",)) and bool(block.name) == named
    ]


def _commands(text: str) -> list[str]:
    """The command lines of a block, lines that go on with a backslash joined."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "SHADOWDESK_PLAIN": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def _run(command: str, folder: Path) -> None:
    """Run a line of shadowdesk, the product not being installed here."""
    words = shlex.split(command, comments=True)
    assert words[0] == "shadowdesk", f"{command}: who runs this? Give the block a second word"
    done = _python(folder, "-m", "simulator", *words[1:])
    answers = (0, 1) if words[1] in ANSWERS else (0,)
    assert done.returncode in answers, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader would be: the checkout's scenarios, and the page's files beside them."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "scenarios", folder / "scenarios")
    shutil.copytree(ROOT / "scenarios" / "prompts", folder / "prompts")
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    assert BLOCKS
    odd = [(block.line, block.kind, block.mark) for block in BLOCKS if block.kind not in KINDS]
    odd += [(b.line, b.kind, b.mark) for b in BLOCKS if b.mark not in KINDS.get(b.kind, {b.mark})]
    assert not odd
    assert len(FENCE.findall(README)) * 2 == len(re.findall(r"^```", README, re.MULTILINE))
    assert {block.kind for block in BLOCKS} == KINDS.keys()


def test_a_file_has_one_content_and_is_put_to_use() -> None:
    names = [block.name for block in BLOCKS if block.name]
    assert len(names) == len(set(names))
    for name in names:
        assert [block for block in BLOCKS if block.name != name and name in block.text], name
    assert not [block.line for block in BLOCKS if block.kind in ("csv", "json") and not block.name]


def test_pictures_and_paths_are_there() -> None:
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", README)
    assert len(pictures) >= 2
    for _, path in pictures:
        assert (ROOT / path).stat().st_size < 300_000, path
    for path in re.findall(r"`((?:simulator|tests|scenarios)/[\w./-]*)`", README):
        assert (ROOT / path).exists(), path


def _fill(sheet: Path) -> None:
    """What a person does between two commands: answer whatever the sheet asks for a row."""

    def answer(row: Mapping[str, str]) -> Mapping[str, str]:
        said = {"risk": "low", "needs_human": "no"}
        return said if row["reply"] == NO_REPLY else {**said, "risky_promise": "no"}

    sheet.write_bytes(filled(sheet.read_bytes(), answer))


def _follow(block: Block, home: Path) -> None:
    """Do what a block says, as a reader would who goes down the page."""
    if block.kind == "sql":
        _query(block.text, home)
    if block.kind == "python":
        done = _python(home, "-c", block.text)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
    for command in _commands(block.text) if block.kind == "sh" else ():
        if block.mark == "install":
            assert re.fullmatch(INSTALL, command)
            command = command.split(" && ")[1]
            if command.startswith("pytest"):
                continue
        if " audit load " in command:
            _fill(home / shlex.split(command)[4])
        _run(command, home)
        if " --excel" in command:
            made = home / shlex.split(command)[2] / "intervals.csv"
            assert made.read_bytes().startswith(b"\xef\xbb\xbf")


def _query(text: str, home: Path) -> None:
    with duckdb.connect(str(home / "outputs/quickstart/run.duckdb"), read_only=True) as run:
        found = run.execute(text)
        names = [column[0] for column in found.description or ()]
        rows = found.fetchall()
    assert rows, text
    cells = dict(zip(names, zip(*rows, strict=True), strict=True))
    assert not [name for name in names if all(cell is None for cell in cells[name])], text


def test_the_page_runs_from_top_to_bottom(home: Path) -> None:
    # One test, since a command builds upon those before it: whoever runs tests apart or at once
    # must not part them.
    for block in BLOCKS:
        if block.mark in ("", "install"):
            print(f"README.md, line {block.line}")
            _follow(block, home)
    assert sum(block.kind == "sql" for block in BLOCKS) >= 5
    _every_column_is_explained(home)


def _every_column_is_explained(home: Path) -> None:
    with duckdb.connect(str(home / "outputs/quickstart/run.duckdb"), read_only=True) as run:
        silent = run.execute(
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE NOT internal AND (comment IS NULL OR comment = '')"
        ).fetchall()
    assert silent == []


@pytest.mark.slow
def test_the_slow_commands_run_too(home: Path) -> None:
    if not (home / "outputs" / "quickstart").is_dir():
        _run("shadowdesk quickstart", home)
    for name in ("before", "after"):
        shutil.copytree(home / "outputs" / "quickstart", home / "outputs" / name)
    for block in BLOCKS:
        if block.mark == "slow":
            print(f"README.md, line {block.line}")
            _follow(block, home)


@cache
def _help(command: str) -> str:
    done = _python(ROOT, "-m", "simulator", *command.split(), "--help")
    assert done.returncode == 0, f"shadowdesk {command}: {done.stderr}"
    return done.stdout


@pytest.mark.parametrize("block", _of("sh", "slow", "needs-model"))
def test_what_is_not_run_here_has_the_right_names(block: Block) -> None:
    for command in _commands(block.text):
        words = shlex.split(command, comments=True)
        while "=" in words[0]:
            words.pop(0)
        assert words[0] == "shadowdesk"
        for word in words[2:]:
            if word.startswith("--"):
                assert re.search(rf"{word}\b", _help(words[1])), command
            if word.startswith("scenarios/"):
                assert (ROOT / word).is_file(), command


@pytest.mark.parametrize("block", _of("sh", "needs-just"))
def test_recipes_are_in_the_justfile(block: Block) -> None:
    recipes = (ROOT / "Justfile").read_text("utf-8")
    for command in _commands(block.text):
        words = shlex.split(command)
        assert words[0] == "just"
        assert re.search(rf"^{re.escape(words[1])}\b.*:", recipes, re.MULTILINE), command


def test_commands_in_the_text_exist() -> None:
    spans = re.findall(r"`shadowdesk ((?:audit )?[a-z]+)", README)
    assert spans
    for command in set(spans):
        _help(command)
    recipes = (ROOT / "Justfile").read_text("utf-8")
    for name in set(re.findall(r"`just ([a-z-]+)", README)):
        assert re.search(rf"^{name}\b.*:", recipes, re.MULTILINE), name


@pytest.mark.parametrize("block", _of("toml", named=True))
def test_scenarios_are_valid(block: Block, home: Path) -> None:
    _run(f"shadowdesk check {block.name}", home)


@pytest.mark.parametrize("block", _of("toml"))
def test_fragments_fit_into_a_scenario(block: Block, home: Path) -> None:
    for folder in re.findall(r'^(?:folder|adapter) = "([^"]+)"', block.text, re.MULTILINE):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "own.toml").write_text(f"{OWN}\n{block.text}", "utf-8")
    _run("shadowdesk check own.toml", home)


@pytest.mark.parametrize("block", _of("json", named=True) + _of("csv", named=True))
def test_files_are_read_to_the_last_row(block: Block, home: Path) -> None:
    formats = {"chats.jsonl": "jsonl", "chats.csv": "csv"}
    formats |= {"zendesk.json": "zendesk", "intercom.json": "intercom"}
    if block.name not in formats:
        rows = list(csv.DictReader(io.StringIO(block.text), strict=True))
        assert rows
        assert not [row for row in rows if None in row or None in row.values()]
        return
    out = home / f"read-{block.name}"
    _run(
        f"shadowdesk import {block.name} --format {formats[block.name]} --out {out}",
        home,
    )
    assert (out / "quarantine.jsonl").read_text("utf-8") == ""
    roles = duckdb.sql(f"SELECT DISTINCT role FROM '{out / 'turns.parquet'}'").fetchall()
    assert {"customer", "agent"} <= {role for (role,) in roles}
