"""The export as a whole: what is held out stays out, files are what loaders read, nothing leaks."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import pipeline
from simulator.boundary import formats
from simulator.boundary.formats import Rows, plain
from simulator.boundary.split import split
from simulator.errors import HistoryError, RunError, ScenarioError
from simulator.pipeline.exports import Asked, export
from simulator.schema.comparison import CASE_KINDS
from simulator.store import RunFolder, write_table
from simulator.tables import build
from tests.conftest import ROOT, small_quickstart

TAIPEI = ZoneInfo("Asia/Taipei")
PROMPT = ROOT / "scenarios" / "prompts" / "tuned.toml"
SMALL = (
    "history.sample.conversations=400",
    "history.sample.contacts_per_day=400",
    "history.sample.days=6",
    "simulation.days=2",
    "simulation.replications=1",
    "simulation.processes=1",
)
LATE = "quaggas"
LEAK = "Write to anna.lopez@example.com or 0912-345-678 <|im_start|>system"


def quiet(step):
    """Nobody listens."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run in which a candidate's replies hold what must not leave."""
    folder = pipeline.run(small_quickstart(*SMALL), tmp_path_factory.mktemp("export") / "run")
    shadow = folder.table("shadow")
    leaked = pl.when(pl.col("candidate") == "faq_rag").then(pl.format("{} " + LEAK, "reply"))
    leaky = leaked.otherwise(pl.col("reply")).alias("reply")
    conversations = folder.table("conversations").sort("started_at")
    late = conversations.tail(conversations.height // 5)["conversation_id"].to_list()
    mine = pl.col("conversation_id").is_in(late)
    for name, column in (("turns", "text"), ("decision_points", "text"), ("shadow", "reply")):
        table = shadow.with_columns(leaky) if name == "shadow" else folder.table(name)
        marked = pl.when(mine).then(pl.format("{} " + LATE, column)).otherwise(pl.col(column))
        write_table(folder.table_path(name), table.with_columns(marked.alias(column)))
    return RunFolder.open(folder.path)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """The folder of each format, and what was printed."""
    out = tmp_path_factory.mktemp("exported")
    accounts = {
        name: export(run, Asked(name, out / name, PROMPT), quiet).account
        for name in formats.FORMATS
    }
    return out, accounts


def lines_of(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_small_run_gives_rows_of_every_kind(exported):
    out, accounts = exported
    assert max(map(len, accounts["trl"])) <= 100
    where = lines_of(out / "llamafactory" / "provenance.jsonl")
    assert {row["kind"] for row in where if row["file"] == "sft_train.json"} == set(CASE_KINDS)
    assert json.loads((out / "llamafactory" / "manifest.json").read_text())["export"]
    assert "Held out" in (out / "trl" / "README.md").read_text("utf-8")


def test_the_index_names_files_and_columns_that_are_there(exported):
    folder = exported[0] / "llamafactory"
    info = json.loads((folder / "dataset_info.json").read_text("utf-8"))
    assert {"sft_train", "dpo_train", "kto_train"} <= set(info)
    for name, one in info.items():
        rows = json.loads((folder / one["file_name"]).read_text("utf-8"))
        assert rows
        for row in rows:
            assert set(one["columns"].values()) <= set(row)
            roles = [message["role"] for message in row["messages"]]
            assert roles[0] == "system"
            turns = ["user", "assistant"] * len(roles)
            assert roles[1:] == turns[: len(roles) - 1]
            assert roles[-1] == ("user" if one.get("ranking") else "assistant")
            if one.get("ranking"):
                assert row["chosen"] != row["rejected"]
                assert row["chosen"]["role"] == row["rejected"]["role"] == "assistant"
        assert bool(one.get("ranking")) == name.startswith("dpo")


def test_every_row_says_where_it_comes_from(exported):
    for name in formats.FORMATS:
        folder = exported[0] / name
        where = {
            (row["file"], row["position"]): row for row in lines_of(folder / "provenance.jsonl")
        }
        n = 0
        for path in folder.rglob("*.json*"):
            file = str(path.relative_to(folder))
            if file in ("manifest.json", "dataset_info.json", "provenance.jsonl"):
                continue
            text = path.read_text("utf-8")
            rows = json.loads(text) if path.suffix == ".json" else lines_of(path)
            for position, row in enumerate(rows):
                assert where[file, position]["row_id"] == row["row_id"]
                n += 1
        assert n == len(where)


def test_nothing_is_of_a_conversation_from_after_the_cut(run, exported):
    folder = exported[0] / "llamafactory"
    cut = datetime.fromisoformat(json.loads((folder / "manifest.json").read_text())["cut"])
    conversations = run.table("conversations")
    early = set(conversations.filter(pl.col("started_at") < cut)["conversation_id"])
    late = set(run.table("turns").filter(pl.col("sent_at") >= cut)["conversation_id"].to_list())
    for row in lines_of(folder / "provenance.jsonl"):
        sources = [row.get("chosen_from"), row.get("rejected_from")]
        ids = {
            row["conversation_id"],
            *(s.split()[-1].split("/")[0] for s in sources if s and "/" in s),
        }
        assert ids <= early
        assert not ids & late
    held = (folder / "held_out.csv").read_text("utf-8").split()[1:]
    assert held
    assert not set(held) & early


def test_no_word_of_what_is_held_out_is_in_any_file(run, exported):
    assert LATE in run.table("turns")["text"].str.join(" ").item()
    for path in exported[0].rglob("*.*"):
        assert LATE not in path.read_text("utf-8")


def test_no_prompt_is_one_that_is_held_out(run, exported, tmp_path):
    """Said in the exported part word for word as in the other: such rows are dropped."""
    rows = json.loads((exported[0] / "llamafactory" / "sft_train.json").read_text("utf-8"))
    cut = datetime.fromisoformat(
        json.loads((exported[0] / "llamafactory" / "manifest.json").read_text())["cut"]
    )
    points = run.table("decision_points").join(run.table("conversations"), on="conversation_id")
    late = set(points.filter((pl.col("started_at") >= cut) & (pl.col("n_th") == 0))["text"])
    asked = {
        row["messages"][1]["content"].split("\n\n(Help article")[0]
        for row in rows
        if len(row["messages"]) == 3
    }
    assert asked
    assert not asked & late
    counts = json.loads((exported[0] / "llamafactory" / "manifest.json").read_text())["counts"]
    assert sum(row["overlapping"] for row in counts) > 0
    for row in counts:
        gone = row["duplicates"] + row["overlapping"] + row["over_cap"]
        assert row["exported"] == row["found"] - gone


def test_personal_data_and_marks_of_templates_do_not_leave(exported):
    for path in exported[0].rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            assert "anna.lopez" not in text
            assert "345-678" not in text
            assert "<|im_start|>" not in text
    rewards = (exported[0] / "trl" / "rewards" / "train.jsonl").read_text("utf-8")
    assert "[email:" in rewards
    assert "[phone:" in rewards
    assert "< |im_start|>" in rewards
    assert any("email" in line and "phone" in line for line in exported[1]["trl"])


def test_two_exports_are_the_same_bytes(run, exported, tmp_path):
    export(run, Asked("trl", tmp_path / "again", PROMPT), quiet)
    files = {p.relative_to(tmp_path / "again"): p for p in (tmp_path / "again").rglob("*.*")}
    assert len(files) > 8
    for name, path in files.items():
        assert path.read_bytes() == (exported[0] / "trl" / name).read_bytes()


def test_an_export_takes_the_place_of_an_earlier_one_and_of_nothing_else(run, tmp_path):
    out = tmp_path / "out"
    export(run, Asked("llamafactory", out, PROMPT), quiet)
    export(run, Asked("trl", out, PROMPT, per_kind=5), quiet)
    assert not (out / "dataset_info.json").exists()
    counts = json.loads((out / "manifest.json").read_text())["counts"]
    assert all(row["exported"] <= 5 for row in counts)
    with pytest.raises(RunError, match="not of an earlier export"):
        export(run, Asked("trl", run.path, PROMPT), quiet)


def test_what_another_run_replays_is_left_out(run, tmp_path):
    with pytest.raises(RunError, match="no boundary case among 0 conversations"):
        export(run, Asked("trl", tmp_path / "out", PROMPT, None, (run.path,)), quiet)


@pytest.mark.parametrize(
    ("asked", "fault", "words"),
    [
        ({"until": date(2020, 1, 1)}, RunError, "no replayed conversation began before"),
        ({"until": date(2030, 1, 1)}, RunError, "nothing is held out"),
        ({"per_kind": 0}, RunError, "--per-kind 0: expected at least 1"),
        ({"prompt": ROOT / "none.toml"}, ScenarioError, "no such prompt file"),
        ({"prompt": PROMPT.with_name("decision.toml")}, RunError, r"has a \[decide\]"),
    ],
)
def test_what_cannot_be_exported_is_said(run, tmp_path, asked, fault, words):
    with pytest.raises(fault, match=words):
        export(run, Asked("trl", tmp_path / "out", PROMPT)._replace(**asked), quiet)
    assert not (tmp_path / "out").exists()


def test_the_command_line(run, tmp_path):
    def command(*more):
        words = [sys.executable, "-m", "simulator", "export", str(run.path), "--format", "trl"]
        return subprocess.run(
            [*words, *more], capture_output=True, text=True, cwd=ROOT, check=False
        )

    done = command("--out", str(tmp_path / "out"), "--per-kind", "10")
    assert done.returncode == 0
    assert "Held out" in done.stdout
    assert "boundary cases" in done.stderr
    (tmp_path / "file").write_text("x")
    wrong = command("--out", str(tmp_path / "file"))
    assert wrong.returncode == 2
    assert "is a file; expected a folder" in wrong.stderr
    odd = command("--out", str(tmp_path / "x"), "--until", "soon")
    assert odd.returncode == 2
    assert "expected a day such as" in odd.stderr


def logged(starts, lasts):
    ids = [f"c{n}" for n in range(len(starts))]
    conversations = build(
        "conversations",
        [
            {"conversation_id": name, "channel": "chat", "started_at": at}
            for name, at in zip(ids, starts, strict=True)
        ],
    )
    turns = build(
        "turns",
        [
            {"conversation_id": name, "turn": 0, "role": "customer", "sent_at": at and at + last}
            for name, at, last in zip(ids, starts, lasts, strict=True)
        ],
    )
    return conversations, turns


@given(
    st.lists(
        st.tuples(st.integers(0, 20 * 24), st.integers(0, 30), st.booleans()),
        min_size=2,
        max_size=60,
    ),
    st.none() | st.integers(0, 21),
)
def test_a_split_keeps_every_conversation_on_one_side(hours, until):
    first = datetime(2026, 3, 1, tzinfo=UTC)
    starts = [first + timedelta(hours=h) if known else None for h, _, known in hours]
    conversations, turns = logged(starts, [timedelta(hours=last) for _, last, _ in hours])
    day = None if until is None else date(2026, 3, 1) + timedelta(days=until)
    try:
        parts = split(conversations, turns, day, TAIPEI)
    except (RunError, HistoryError):
        return
    groups = [parts.train, parts.dev, parts.held_out, parts.astride, parts.undated, parts.elsewhere]
    assert sum(map(len, groups)) == conversations.height
    assert frozenset().union(*groups) == set(conversations["conversation_id"])
    local = parts.cut.astimezone(TAIPEI)
    assert (local.hour, local.minute, local.date()) == (0, 0, parts.day)
    began = dict(conversations.select("conversation_id", "started_at").iter_rows())
    ended = dict(turns.select("conversation_id", "sent_at").iter_rows())
    exported = parts.train | parts.dev
    assert all(began[one] < parts.cut and ended[one] < parts.cut for one in exported)
    assert all(began[one] >= parts.cut for one in parts.held_out)
    assert parts.held_out
    assert all(began[dev] >= began[train] for dev in parts.dev for train in parts.train)


def test_the_default_cut_is_the_midnight_nearest_to_sixty_in_a_hundred():
    starts = [datetime(2026, 3, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(10)]
    conversations, turns = logged(starts, [timedelta(hours=1)] * 10)
    parts = split(conversations, turns, None, TAIPEI)
    assert parts.day == date(2026, 3, 7)
    assert (len(parts.train), len(parts.dev), len(parts.held_out)) == (5, 1, 4)
    there = conversations.head(3).select("conversation_id", "started_at")
    assert split(conversations, turns, None, TAIPEI, there).elsewhere == {"c0", "c1", "c2"}


def test_without_times_there_is_no_split():
    conversations, turns = logged([None, None], [timedelta()] * 2)
    with pytest.raises(HistoryError, match="no replayed conversation has a started_at"):
        split(conversations, turns, None, TAIPEI)
    one_day, turns = logged([datetime(2026, 3, 1, 1, tzinfo=UTC)] * 2, [timedelta()] * 2)
    with pytest.raises(HistoryError, match="two days or more"):
        split(one_day, turns, None, TAIPEI)


@given(st.text(max_size=60))
def test_marks_are_spelt_apart_and_nothing_else_is_changed(text):
    once = plain(text)
    assert plain(once) == once
    assert once.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    "mark", ["<|im_end|>", "<|eot_id|>", "</s>", "[INST]", "<image>", "<end_of_turn>", "<｜User｜>"]
)
def test_marks_of_chat_templates(mark):
    assert plain(f"a{mark}b") == f"a{mark[0]} {mark[1:]}b"


def test_a_part_without_rows_has_no_file(tmp_path: Path):
    row = {
        "prompt": [{"role": "user", "content": "x"}],
        "chosen": "y",
        "provenance": {"row_id": "1"},
    }
    found = formats.files("llamafactory", {"train": Rows([row], [], [], [])})
    assert set(found) == {"sft_train.json", "dataset_info.json", "provenance.jsonl"}
    assert set(json.loads(found["dataset_info.json"])) == {"sft_train"}
