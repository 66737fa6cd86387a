"""``shadowdesk compare`` as a user calls it: its answer, its exit codes, its files, bad input."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import replace

import polars as pl
import pytest

from simulator import pipeline
from simulator.pipeline import comparing
from simulator.reports import comparison, wording
from simulator.reports import comparison_words as words
from simulator.reports.comparison_page import page
from simulator.reports.comparison_text import text
from simulator.scenario_file import load
from simulator.store import RunFolder
from tests.conftest import ROOT, small_quickstart
from tests.test_cli import assert_one_clear_message, shadowdesk

SMALL = (
    "history.sample.conversations=300",
    "history.sample.contacts_per_day=400",
    "history.sample.days=8",
    "simulation.days=3",
    "simulation.replications=1",
    "simulation.processes=1",
)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two runs of one history: ``bot`` is the guarded candidate before, the FAQ robot after."""
    place = tmp_path_factory.mktemp("compared")
    small = small_quickstart(*SMALL)
    kinds = small.candidates
    for name, bot in (("before", kinds["guarded"]), ("after", kinds["faq_rag"])):
        candidates = {
            "human": kinds["human"],
            "always_escalate": kinds["always_escalate"],
            "bot": bot,
        }
        scenario = small.model_copy(update={"candidates": candidates, "proposal": None})
        pipeline.run(scenario, place / name)
    return place


@pytest.fixture(scope="module")
def alone(runs, tmp_path_factory):
    """One run compared in the terminal, and the folder of its files."""
    out = tmp_path_factory.mktemp("alone")
    done = shadowdesk("compare", "before", "--baseline", "bot", "--out", out, cwd=runs)
    return done, out


def asked(**changes):
    whole = {"baseline": None, "candidates": (), "by": (), "tolerance": 0.01, "top": 10}
    return comparing.Asked(**(whole | changes))


def test_a_worse_candidate_gives_1_and_is_named_first(alone):
    done, _ = alone
    assert done.returncode == 1, done.stderr
    first = done.stdout.split("\n\n")[1].replace("\n", " ")
    assert first.startswith("**")
    assert "always_escalate" in first
    assert "worse than bot" in first
    answer = done.stdout[: done.stdout.index("## ")]
    told = re.search(r"\*\*always_escalate\*\*: Worse in (.*?)\.\s", answer, re.DOTALL)
    assert "needless escalation" in told[1].replace("\n", " ")


def test_it_fits_a_terminal_of_100_columns(alone):
    done, _ = alone
    wide = [line for line in done.stdout.splitlines() if wording.width(line) > 100]
    # The path of the page is the user's own, and must be whole to be opened.
    assert [line for line in wide if not line.startswith("Page: ")] == []


def test_what_is_told_covers_decisions_slices_tone_desk_and_turns(alone):
    done, _ = alone
    heads = re.findall(r"^## (.*)$", done.stdout, re.MULTILINE)
    assert heads == [
        "Decisions, promises and tone",
        "What was called for, and what was done",
        "Slices",
        "Tokens, latency and cost a reply",
        "Load on the desk",
        "Where they disagree most",
        "What to keep in mind",
    ]
    assert "Customer: " in done.stdout
    assert "Tone not apt (rules)" in done.stdout


def test_the_json_is_the_csv(runs, alone, tmp_path):
    terminal, out = alone
    done = shadowdesk(
        "compare", "before", "--baseline", "bot", "--out", tmp_path, "--json", cwd=runs
    )
    found = json.loads(done.stdout)
    assert done.returncode == terminal.returncode == 1
    assert found["pass"] is False
    for table in comparison.TABLES:
        written = (tmp_path / f"{table}.csv").read_text("utf-8")
        assert written == (out / f"{table}.csv").read_text("utf-8")
        rows = list(csv.DictReader(written.splitlines(keepends=True)))
        assert len(rows) == len(found[table]) > 0
        for row, said in zip(rows, found[table], strict=True):
            assert list(row) == list(said)
            assert [cell_of(value) for value in said.values()] == [
                cell_of(as_number(text, said[name])) for name, text in row.items()
            ]
    assert (tmp_path / "comparison.html").stat().st_size > 10_000


def cell_of(value):
    """A value as both files say it; text that a spreadsheet would run bears an apostrophe."""
    if isinstance(value, str):
        return value if not value.startswith(tuple("=+-@\t\r")) else "'" + value
    return value


def as_number(text, like):
    if text == "":
        return None if like is None else text
    if isinstance(like, bool):
        return {"true": True, "false": False}[text]
    return float(text) if isinstance(like, float) else int(text) if isinstance(like, int) else text


def test_a_run_against_itself_shows_no_difference(runs, tmp_path):
    done = shadowdesk("compare", "after", "after", "--out", tmp_path, "--json", cwd=runs)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["pass"] is True
    assert {row["difference"] for row in found["differences"]} == {0.0}
    assert not any(row["different"] or row["worse"] for row in found["differences"])
    assert {row["difference"] for row in found["desk_differences"]} <= {0.0, None}
    assert found["disagreements"] == []
    # The log is the same log: its agents are not set against themselves.
    assert {row["ours"] for row in found["differences"]} == {
        "always_escalate (after, after)",
        "bot (after, after)",
    }


def test_what_got_worse_from_one_run_to_the_next(runs, tmp_path):
    done = shadowdesk("compare", "before", "after", "--out", tmp_path, cwd=runs)
    assert done.returncode == 1, done.stderr
    first = done.stdout.split("\n\n")[1].replace("\n", " ")
    assert "bot is worse than before" in first
    assert "always_escalate" not in first
    rows = pl.read_csv(tmp_path / "differences.csv").filter(by="all")
    bot = rows.filter(ours="bot (after)", theirs="bot (before)")
    assert bot.filter(metric="risky_promise", source="rules")["worse"].to_list() == [True]
    same = rows.filter(ours="always_escalate (after)")
    assert same.height > 0
    assert same["difference"].unique().to_list() == [0.0]


def test_the_tolerance_decides(runs, tmp_path):
    bot = ("--candidate", "bot", "--tolerance", "0.999", "--out", tmp_path)
    done = shadowdesk("compare", "before", "after", *bot, cwd=runs)
    assert done.returncode == 0, done.stdout[:500] + done.stderr


def test_only_what_is_asked_for(runs, tmp_path):
    before = RunFolder.open(runs / "before")
    found = comparing.compare(
        before, None, asked(baseline="human", candidates=("bot",), by=("language",), top=2)
    )
    assert found.pairs == (("bot", "human"),)
    assert set(found.differences["by"]) == {"all", "language"}
    assert found.disagreements.height == 2
    everything = comparing.compare(before, None, asked())
    # Without a proposal the people are what candidates are set against.
    assert everything.yardstick == "human"
    assert [ours for ours, _ in everything.pairs] == ["always_escalate", "bot"]


def test_numbers_in_the_terminal_are_those_of_the_tables(runs, alone):
    done, out = alone
    rows = pl.read_csv(out / "differences.csv").filter(
        by="all", ours="human", metric="risky_promise", source="rules"
    )
    row = rows.to_dicts()[0]
    shadow = RunFolder.open(runs / "before").table("verdicts")
    mine = shadow.filter(candidate="human", judge="rules")["risky_promise"].mean()
    assert row["of_ours"] == pytest.approx(mine)
    block = done.stdout[done.stdout.index("| Risky promises (rules)") :].splitlines()
    line = next(line for line in block if line.startswith("| - human"))
    assert words.value("risky_promise", mine) in line


def test_the_same_seed_says_the_same(runs):
    before = RunFolder.open(runs / "before")
    once, twice = (comparing.compare(before, None, asked(top=3)) for _ in range(2))
    assert once.differences.equals(twice.differences)
    assert once.disagreements.equals(twice.disagreements)


def test_agents_whose_conversations_went_their_own_way(real_data, tmp_path):
    """Two recorded agents at the same tasks: by conversation, and the reason is told."""
    for agent in ("claude-sonnet-4-5", "gpt-4o"):
        with pytest.MonkeyPatch.context() as patch:
            log = real_data / f"tau2-airline/{agent}.json.gz"
            patch.setitem(os.environ, "SHADOWDESK_LOG", str(log))
            real = ("history.format=tau2", "simulation.days=2", "simulation.replications=1")
            pipeline.run(load(ROOT / "scenarios/real_log.toml", real), tmp_path / agent)
    done = shadowdesk("compare", "claude-sonnet-4-5", "gpt-4o", cwd=tmp_path)
    told = " ".join(done.stdout.split())
    assert "compared by conversation, not turn by turn" in told
    assert "their conversations went their own way" in told
    rows = pl.read_csv(tmp_path / "claude-sonnet-4-5/compare/differences.csv")
    assert set(rows["unit"]) == {"conversation"}
    assert set(rows["ours"]) == {"human (gpt-4o)"}
    solved = {}
    for agent in ("claude-sonnet-4-5", "gpt-4o"):
        conversations = RunFolder.open(tmp_path / agent).table("conversations")
        solved[agent] = conversations["resolved"].mean()
    row = rows.filter(by="all", metric="resolved").row(0, named=True)
    assert row["of_ours"] == pytest.approx(solved["gpt-4o"])
    assert row["of_theirs"] == pytest.approx(solved["claude-sonnet-4-5"])
    assert done.returncode == int(any(rows.filter(by="all")["worse"].drop_nulls()))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere",), ("nowhere", "no run there")),
        (("before", "--baseline", "nobody"), ("--baseline nobody", "human, always_escalate, bot")),
        (("before", "--candidate", "x"), ("--candidate x", "always_escalate, bot")),
        (("before", "--by", "colour"), ("--by colour", "intent, question_kind")),
        (("before", "--tolerance", "2"), ("--tolerance 2", "0.01")),
        (("before", "--tolerance", "-0.1"), ("--tolerance -0.1", "0.01")),
        (("before", "--tolerance", "nan"), ("--tolerance nan",)),
        (("before", "--top", "0"), ("--top 0", "at least 1")),
        (("before", "after", "--baseline", "bot"), ("--baseline bot", "leave")),
        (("before", "after", "--candidate", "faq"), ("--candidate faq", "bot")),
    ],
)
def test_bad_input_gives_2_and_says_what_is_allowed(runs, arguments, says):
    done = shadowdesk("compare", *arguments, cwd=runs)
    assert_one_clear_message(done, *says)


def test_a_run_without_bots_has_nothing_to_compare(runs, tmp_path):
    copied(runs / "before", tmp_path / "alone", lambda s: s["candidates"].pop("bot"))
    copied(
        tmp_path / "alone", tmp_path / "people", lambda s: s["candidates"].pop("always_escalate")
    )
    done = shadowdesk("compare", "people", cwd=tmp_path)
    assert_one_clear_message(done, "people", "nothing to set it against")


def test_another_history_cannot_be_compared(runs, tmp_path):
    copied(runs / "after", tmp_path / "other", lambda s: s["history"]["sample"].update(seed=99))
    done = shadowdesk("compare", runs / "before", "other", cwd=tmp_path)
    assert_one_clear_message(done, "other", "another history", "same log")


def test_runs_without_a_candidate_in_common(runs, tmp_path):
    def rename(scenario):
        one = scenario["candidates"].pop("bot")
        scenario["candidates"] = {"new_bot": one}

    copied(runs / "after", tmp_path / "other", rename)
    done = shadowdesk("compare", runs / "before", "other", cwd=tmp_path)
    assert_one_clear_message(done, "no candidate", "new_bot")


def copied(run, to, change):
    """A run whose manifest tells of another scenario; its tables are as they were."""
    (to / "tables").mkdir(parents=True)
    for table in (run / "tables").iterdir():
        (to / "tables" / table.name).symlink_to(table)
    manifest = json.loads((run / "manifest.json").read_text("utf-8"))
    change(manifest["scenario"])
    (to / "manifest.json").write_text(json.dumps(manifest))


def test_a_folder_that_cannot_be_written(runs, tmp_path):
    (tmp_path / "taken").write_text("")
    done = shadowdesk("compare", "before", "--out", tmp_path / "taken" / "x", cwd=runs)
    assert_one_clear_message(done, "cannot be written")


def test_cells_that_a_spreadsheet_would_run_are_neutralised(runs, tmp_path):
    found = comparing.compare(RunFolder.open(runs / "before"), None, asked(top=1))
    said = pl.lit("=cmd|' /C calc'!A0").alias("said")
    changed = found.disagreements.with_columns(said)
    object.__setattr__(found, "disagreements", changed)
    comparison.write(found, tmp_path)
    rows = csv.DictReader((tmp_path / "disagreements.csv").open(encoding="utf-8"))
    assert {row["said"][:2] for row in rows} == {"'="}


@pytest.fixture(scope="module")
def found(runs):
    """``before`` compared with its people."""
    return comparing.compare(RunFolder.open(runs / "before"), None, asked(baseline="human"))


def with_rows(found, *changes):
    """``found`` with one overall difference of its first pair for each of ``changes``, no others.

    A change that names a slice is one of that slice.
    """
    overall = found.differences.filter(by="all", ours=found.pairs[0][0])
    first = overall.filter(metric="risky_promise", source="rules").to_dicts()[0]
    quiet = {"difference": 0.02, "low": 0.01, "high": 0.03, "of_ours": 0.4, "of_theirs": 0.38,
             "better": "lower", "different": False, "worse": False}  # fmt: skip
    rows = [first | quiet | change for change in changes]
    made = pl.DataFrame(rows, schema=found.differences.schema)
    return replace(found, pairs=found.pairs[:1], differences=made)


def said_of(found):
    (verdict,) = comparison.verdicts(found)
    return " ".join(comparison.sentences(found, verdict))


def test_labels_are_named_by_who_gave_them(runs, tmp_path):
    copied(runs / "before", tmp_path / "labelled", lambda s: None)
    labels = RunFolder.open(runs / "before").table("labels")
    turns = labels.filter(unit="turn")
    held = turns.select("conversation_id", "turn").unique(maintain_order=True)
    theirs = held.head(7)
    mine = turns.join(theirs, on=["conversation_id", "turn"], how="semi")
    changed = pl.concat(
        [
            turns.join(theirs, on=["conversation_id", "turn"], how="anti"),
            mine.with_columns(pl.lit("Ann *of* quality").alias("labeller")),
            # Drawn, and never answered: no label of anything.
            turns.head(1).with_columns(
                pl.lit("conversation").alias("unit"), pl.lit("nobody").alias("labeller")
            ),
        ]
    )
    path = tmp_path / "labelled/tables/labels.parquet"
    path.unlink()
    changed.write_parquet(path)
    one = comparing.compare(RunFolder.open(tmp_path / "labelled"), None, asked(by=("language",)))
    assert one.labelled_by == {"synthetic": held.height - 7, "Ann *of* quality": 7}
    said = comparison.basis(one)
    assert "labels by “Ann *of* quality” (7 points), and labels drawn from the truth" in said
    assert "Ann \\*of\\* quality" in text(one)


def test_without_labels_nothing_is_said_to_rest_on_one(found):
    unlabelled = found.differences.filter(pl.col("source") != "labels")
    none = replace(found, differences=unlabelled.with_columns(pl.lit(False).alias("worse")))
    assert comparison.basis(none).startswith("Nothing here rests on a label")
    assert not comparison.basis(found).startswith("Nothing here rests on a label")


def test_tokens_are_counted_among_no_slices(found):
    of_slice = {"by": "language", "slice": "en", "different": True, "worse": True}
    tokens = {"metric": "prompt_tokens", "source": "measured"}
    one = with_rows(
        found,
        {"by": "language", "slice": "en"},
        of_slice,
        of_slice | {"worse": False, "difference": -0.1},
        of_slice | tokens,
        of_slice | tokens | {"worse": False, "difference": -300.0},
    )
    assert comparison.show_slices(one).startswith("Of 3 slices")
    assert "1 got worse, 1 got better, and 1 show nothing" in comparison.show_slices(one)
    assert "Prompt tokens" not in text(one)


def test_tokens_have_no_tolerance(found):
    tokens = {"metric": "prompt_tokens", "source": "measured", "of_ours": 1166.0,
              "of_theirs": 243.0, "difference": 923.0, "different": True}  # fmt: skip
    one = with_rows(found, tokens)
    assert "tokens" not in said_of(one)
    assert not one.regressed
    assert "1,166" in text(one)


@pytest.mark.parametrize(
    ("by_labels", "regressed", "says"),
    [
        ({"different": True, "difference": -0.1}, False, "Better in over-answers"),
        ({"low": -0.03, "high": 0.005}, False, "Not shown to be worse in anything"),
        # Labels that settle nothing leave it to the judge.
        ({"low": -0.3, "high": 0.3}, True, "Worse in over-answers"),
        ({"different": True, "worse": True}, True, "Worse in over-answers"),
    ],
)
def test_labels_decide_before_the_rules_judge(found, by_labels, regressed, says):
    labels = {"metric": "over_answer", "source": "labels"} | by_labels
    rules = {"metric": "over_answer", "different": True, "worse": True}
    one = with_rows(found, labels, rules)
    assert one.regressed is regressed
    assert said_of(one).startswith(says) or f" {says}" in said_of(one)
    assert said_of(one).count("over-answers (") <= 1


def test_a_share_of_some_points_says_of_which(found):
    answers = {"metric": "over_answer", "different": True, "worse": True}
    by_labels, by_rules = (
        with_rows(found, answers | {"source": "labels"}),
        with_rows(found, answers),
    )
    assert "(40.0 % against 38.0 % of the points not to be answered), by labels" in said_of(
        by_labels
    )
    assert "(40.0 % against 38.0 %), by the rules judge" in said_of(by_rules)
    both = page(with_rows(found, answers, answers | {"source": "labels"}))
    assert "lacking: the share of the points not to be answered" in both
    assert "lacking: the share of all replies" in both


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["replay"].update(since="2026-03-03"),
        lambda s: s["history"].update(timezone="Europe/London"),
        lambda s: s["assist"]["edited_saves_rate"].update(value=0.05),
    ],
)
def test_a_desk_of_other_customers_or_drafts_is_not_compared(runs, tmp_path, change):
    copied(runs / "before", tmp_path / "other", change)
    before, other = RunFolder.open(runs / "before"), RunFolder.open(tmp_path / "other")
    one = comparing.compare(before, other, asked(by=("language",), top=1))
    assert one.desk_differences.is_empty()
    assert "The desk is not compared" in " ".join(one.remarks)


def test_the_agent_is_not_set_beside_itself(found):
    named = [name for name, _, _ in comparison.agreement(found, "incumbent")]
    assert named == ["always_escalate", "bot"]
    assert "human" in found.decision_matrix.filter(against="incumbent")["candidate"]
    habit = (
        page(found).partition("Against what the agent of the log did")[2].partition("</details>")
    )
    assert habit[0].count("<table class") == 2


def test_a_reply_of_unknown_cost_has_no_row(found):
    cost = found.desk_differences.filter(metric="reply_money", bound="central")
    assert cost["of_ours"].is_not_null().any()
    unknown = found.desk_differences.with_columns(pl.lit(None, pl.Float64).alias("of_ours"))
    assert len(found.of_a_reply) > 0
    assert replace(found, desk_differences=unknown).of_a_reply == []


def test_sides_of_a_run_share_its_tables(runs):
    pairs = comparing._in_one(comparing._Run(RunFolder.open(runs / "before")), asked())
    assert len(pairs) == 2
    for name in ("contexts", "labels", "decision_points", "conversations"):
        assert len({id(getattr(side, name)) for pair in pairs for side in pair}) == 1


def test_the_first_screen_holds_each_candidate_with_its_marks(alone):
    done, out = alone
    screen = done.stdout.splitlines()[:24]
    rows = {line.split("|")[1].strip(): line for line in screen if line.startswith("|")}
    assert {"bot", "human", "always_escalate"} <= set(rows)
    needless = pl.read_csv(out / "differences.csv").filter(
        by="all", ours="always_escalate", metric="needless_escalation", source="labels"
    )
    assert needless["worse"].to_list() == [True]
    share = words.value("needless_escalation", needless["of_ours"].item())
    assert f"{share} −" in rows["always_escalate"]


def test_a_base_of_other_points_for_each_is_not_one_number(found):
    shares = pl.when(pl.col("ours") == "bot").then(0.25).otherwise(0.5)
    row = next(line for line in text(found).splitlines() if line.startswith("| human"))
    other = replace(found, differences=found.differences.with_columns(shares.alias("of_theirs")))
    varied = next(line for line in text(other).splitlines() if line.startswith("| human"))
    assert "varies" in varied
    assert "varies" not in row


def test_what_nobody_ever_did_is_named_and_has_no_rows(found):
    silent = found.differences.filter(metric="no_reply", by="all")
    assert silent.height == 2
    assert silent["of_ours"].to_list() == silent["of_theirs"].to_list() == [0.0, 0.0]
    told = " ".join(text(found).split())
    assert re.search(r"Not shown, since nobody had any: [^.]*No reply", told)
    assert "| No reply (rules)" not in text(found)


@pytest.mark.parametrize(
    ("difference", "low", "high", "better", "says"),
    [
        (0.031, 0.012, 0.05, "lower", "+3.1 points (1.2 to 5.0)"),
        (-0.031, -0.05, -0.012, "lower", "−3.1 points (−5.0 to −1.2)"),
        (0.0, None, None, "lower", "0.0 points"),
        (0.0004, None, None, "lower", "+0.04 points"),
    ],
)
def test_a_difference_in_points(difference, low, high, better, says):
    row = {"difference": difference, "low": low, "high": high, "better": better}
    assert words.difference("risky_promise", row) == says


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"worse": True, "different": True}, "worse"),
        ({"different": True}, "slightly worse"),
        ({"different": True, "difference": -0.02}, "better"),
        ({"different": True, "better": "higher"}, "better"),
        ({"different": True, "better": None}, "different"),
        ({"low": -0.02, "high": 0.009}, "no worse"),
        ({"low": -0.02, "high": 0.02}, "open"),
        ({"low": -0.009, "high": 0.02, "better": "higher"}, "no worse"),
        ({"low": None, "high": None}, "open"),
        ({"low": None, "high": None, "difference": 0.0}, "alike"),
        ({"difference": None}, "–"),
    ],
)
def test_what_a_difference_comes_to(change, says):
    row = {"metric": "risky_promise", "difference": 0.02, "low": 0.01, "high": 0.03,
           "better": "lower", "different": False, "worse": False}  # fmt: skip
    assert words.finding(row | change, 0.01) == says


def test_shares_are_never_a_false_zero_or_certainty():
    shown = [words.value("risky_promise", share) for share in (0, 0.0004, 0.089, 0.9996, 1, None)]
    assert shown == ["0 %", "0.04 %", "8.9 %", ">99.9 %", "100 %", "–"]
