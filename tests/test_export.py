"""The export as a whole: what is held out stays out, files are what loaders read, nothing leaks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import pipeline
from simulator.boundary import formats
from simulator.boundary.formats import Rows, plain
from simulator.boundary.questions import normal
from simulator.errors import RunError, ScenarioError
from simulator.pipeline.exports import Asked, _history, _scenario, _split, export
from simulator.scenario import Candidate
from simulator.schema.comparison import CASE_KINDS
from simulator.store import RunFolder, write_table
from tests.conftest import ROOT, small_quickstart

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


def quiet(step, done, all_):
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
    held = pl.read_csv(folder / "held_out.csv")
    assert held.height
    assert set(held["run"]) == {run.manifest["name"]}
    assert not set(held["conversation_id"]) & early


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
    late = {
        normal(text)
        for text in points.filter((pl.col("started_at") >= cut) & (pl.col("n_th") == 0))["text"]
    }
    asked = {
        normal(row["messages"][1]["content"].split("\n\n(Help article")[0])
        for row in rows
        if len(row["messages"]) == 3
    }
    assert asked
    # As they are, and folded: another order number does not make another question.
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
    export(run, Asked("trl", out, PROMPT), quiet)
    with pytest.raises(RunError, match="holds an export for trl"):
        export(run, Asked("llamafactory", out, PROMPT), quiet)
    export(run, Asked("trl", out, PROMPT, per_kind=5), quiet)
    counts = json.loads((out / "manifest.json").read_text())["counts"]
    *boundary, other_side = [row["exported"] for row in counts]
    assert max(boundary) == 5
    assert 0 < other_side <= sum(boundary)
    with pytest.raises(RunError, match="not of an earlier export"):
        export(run, Asked("trl", run.path, PROMPT), quiet)


def test_a_prompt_has_one_example_and_no_reply_is_both_right_and_wrong(exported):
    folder = exported[0] / "trl"
    sft, dpo, kto = (
        [row for path in (folder / stage).glob("*.jsonl") for row in lines_of(path)]
        for stage in ("sft", "dpo", "kto")
    )
    prompts = [json.dumps(row["prompt"]) for row in sft]
    assert len(set(prompts)) == len(prompts)
    chosen = {(json.dumps(row["prompt"]), row["chosen"][0]["content"]) for row in dpo}
    rejected = {(json.dumps(row["prompt"]), row["rejected"][0]["content"]) for row in dpo}
    shown = {(json.dumps(row["prompt"]), row["completion"][0]["content"]) for row in sft}
    good, bad = (
        {
            (json.dumps(row["prompt"]), row["completion"][0]["content"])
            for row in kto
            if row["label"] is desirable
        }
        for desirable in (True, False)
    )
    assert good & (chosen | shown)
    assert not good & rejected
    assert not bad & (chosen | shown)
    assert not chosen & rejected


def test_the_account_counts_what_rests_on_the_rules_judge(exported):
    folder = exported[0] / "trl"
    where = {row["row_id"]: row for row in lines_of(folder / "provenance.jsonl") if "kind" in row}
    n = sum(row["known_by"] == "rules" for row in where.values())
    lines = exported[1]["trl"]
    (total,) = [line for line in lines if line.startswith("all ")]
    assert total.split()[-1] == f"{n:,}"
    assert any(line.startswith("Overlapping: ") for line in lines)


def test_what_another_run_replays_is_named_with_it(run, tmp_path):
    """Of the other run a part: the rest is exported, and the list to evaluate on is not empty."""
    other = tmp_path / "other"
    shutil.copytree(run.path, other)
    folder = RunFolder.open(other)
    replayed = folder.table("replayed").sort("conversation_id").head(20)
    write_table(folder.table_path("replayed"), replayed)
    manifest = json.loads((other / "manifest.json").read_text("utf-8")) | {"name": "evening"}
    (other / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    points = folder.table("decision_points").join(replayed, on="conversation_id", how="semi")
    write_table(folder.table_path("decision_points"), points)
    export(run, Asked("trl", tmp_path / "out", PROMPT, None, (other,)), quiet)
    held = pl.read_csv(tmp_path / "out" / "held_out.csv")
    named = held.filter(pl.col("run") == "evening")["conversation_id"]
    assert set(named) == set(replayed["conversation_id"])
    assert held.filter(pl.col("run") == run.manifest["name"]).height


def test_who_comes_back_after_the_cut_has_not_come_back_yet(run):
    conversations = run.table("conversations").sort("started_at")
    first, second = conversations["conversation_id"][:2]
    scenario = _scenario(run)
    parts = _split(run, scenario, Asked("trl", Path("out"), PROMPT), [])
    prompt = Candidate.model_construct(kind="prompted", prompt=PROMPT)
    late = conversations.filter(pl.col("started_at") >= parts.cut)["conversation_id"][0]
    soon = conversations["conversation_id"][5]
    back = (
        pl.when(pl.col("conversation_id") == soon)
        .then(pl.lit(first))
        .when(pl.col("conversation_id") == late)
        .then(pl.lit(second))
    )
    path = run.table_path("conversations")
    before = path.read_bytes()
    try:
        write_table(path, run.table("conversations").with_columns(back.alias("recontact_of")))
        history, _, _ = _history(run, parts, [], prompt)
    finally:
        path.write_bytes(before)
    assert history.came_back == {first}


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
