"""Audits of a small run from end to end: drawn, labelled from the sample's truth, loaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from simulator import pipeline
from simulator.cli import audits as cli
from simulator.errors import HistoryError, RunError
from simulator.judging.audit.sheet import NO_REPLY, unit_id
from simulator.pipeline import audits
from simulator.pipeline.audited import changed_since_drawn
from simulator.pipeline.audits import Asked
from simulator.scenario import Scenario
from simulator.store import RunFolder, write_table
from tests import audit_sheets
from tests.conftest import small_quickstart
from tests.test_interventions import SMALL

TODAY = date(2026, 3, 9)
ASKED = Asked(None, None, None, 60, 10, "certify", 0.0, simple=False)
_POINT = ["conversation_id", "turn"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("audited") / "run"
    return pipeline.run(small_quickstart(*SMALL), path)


@pytest.fixture
def folder(finished: RunFolder, tmp_path: Path) -> RunFolder:
    """A run of one's own to audit."""
    shutil.copytree(finished.path, tmp_path / "run")
    return RunFolder.open(tmp_path / "run")


def scenario(folder: RunFolder) -> Scenario:
    return pipeline.scenario_of(folder)


def draw(folder: RunFolder, out: Path, **asked: Any) -> audits.Drawn:
    return audits.draw(scenario(folder), folder, ASKED._replace(**asked), out)


def load(folder: RunFolder, path: Path, labeller: str = "ann") -> audits.Loaded:
    return audits.load(scenario(folder), folder, path, labeller, TODAY)


def fill(path: Path, answer: Callable[[dict[str, str]], Mapping[str, str]]) -> Path:
    done = path.with_name(f"{path.stem}-filled.csv")
    done.write_bytes(audit_sheets.filled(path.read_bytes(), answer))
    return done


def safe(row: dict[str, str]) -> dict[str, str]:
    said = {"risk": "low", "needs_human": "no"}
    return said if row["reply"] == NO_REPLY else {**said, "risky_promise": "no"}


def the_draw(folder: RunFolder, draw_id: str) -> pl.DataFrame:
    return pl.read_parquet(folder.path / "audits" / f"{draw_id}.parquet")


def truthful(folder: RunFolder, draw_id: str) -> Callable[[dict[str, str]], Mapping[str, str]]:
    """Answers as the sample's own labels have them, by conversation and turn."""
    drawn = the_draw(folder, draw_id)
    key = ["stage", "candidate", *_POINT]
    truth = synthetic(folder).filter(pl.col("unit") == "turn")
    rows = drawn.join(truth, on=key).iter_rows(named=True)
    found = {(unit_id(draw_id, row["conversation_id"]), str(row["point"])): row for row in rows}
    assert len(found) == drawn.height
    words = {True: "yes", False: "no", None: ""}

    def answer(row: dict[str, str]) -> dict[str, str]:
        true = found[row["unit"], row["point"]]
        flags = ("risky_promise", "needs_human", "info_sufficient")
        said = {flag: words[true[flag]] for flag in flags}
        return {**said, "risk": true["risk"], "commitment": true["commitment"] or ""}

    return answer


def synthetic(folder: RunFolder) -> pl.DataFrame:
    return folder.table("labels").filter(
        (pl.col("labeller") == "synthetic") & (pl.col("stratum") != "simple")
    )


def test_labels_say_what_the_synthetic_ones_say(folder: RunFolder, tmp_path: Path) -> None:
    drawn = draw(folder, tmp_path / "s.csv")
    by_stratum = {one.stratum: one for one in drawn.allocated}
    assert sum(one.new for one in drawn.allocated) == 70
    assert by_stratum["no_bot"].new == 10
    assert by_stratum["flagged"].new == by_stratum["flagged"].units > 0
    sheet = fill(tmp_path / "s.csv", truthful(folder, drawn.draw_id))
    found = load(folder, sheet)
    assert (found.n_conversations, found.n_drawn) == (70, 70)
    labels = audits.audited_labels(folder)
    assert labels.filter(pl.col("unit") == "conversation").height == 70
    assert set(labels["labelled_on"]) == {TODAY}
    asked = ["commitment", "risky_promise", "needs_human", "risk", "info_sufficient", "stratum"]
    key = ["stage", "candidate", "unit", *_POINT]
    both = labels.join(synthetic(folder), on=key, suffix="_true", nulls_equal=True)
    assert both.height == labels.height
    for column in asked:
        assert both[column].eq_missing(both[f"{column}_true"]).all(), column
    # A part of the 180 that the bot speaks in is drawn, and says so.
    sizes = labels.filter(pl.col("unit") == "conversation").group_by("stratum")
    for stratum, p, n in sizes.agg(pl.col("inclusion_prob").first(), pl.len()).iter_rows():
        assert p == by_stratum[stratum].new / by_stratum[stratum].units
        assert n == by_stratum[stratum].new
    accuracy = {(a.judge, a.stratum, a.measure) for a in found.accuracy}
    assert ("any judge", "all", "sensitivity") in accuracy


def test_the_sheet_tells_nothing_of_the_draw(folder: RunFolder, tmp_path: Path) -> None:
    drawn = draw(folder, tmp_path / "s.csv")
    stage, candidate, _ = drawn.cell
    hidden = [stage, candidate, "flagged", "no_bot", "stratum", "inclusion", "verdict"]
    hidden += the_draw(folder, drawn.draw_id)["conversation_id"].unique().to_list()
    for file in drawn.files:
        text = file.read_text("utf-8-sig")
        assert [word for word in hidden if word in text] == []
    rows = audit_sheets.parsed(tmp_path / "s.csv")
    assert len(rows) == drawn.n_rows == the_draw(folder, drawn.draw_id).height
    replies = folder.table("shadow").filter(pl.col("candidate") == candidate)["reply"]
    shown = [row["reply"] for row in rows if row["reply"] != NO_REPLY]
    assert shown
    assert set(shown) <= set(replies)


def test_drawing_again_goes_on_in_the_same_order(folder: RunFolder, tmp_path: Path) -> None:
    once = draw(folder, tmp_path / "once.csv", labels=80, no_bot=0)
    alone = set(the_draw(folder, once.draw_id)["conversation_id"])
    (folder.path / "audits" / f"{once.draw_id}.parquet").unlink()
    first = draw(folder, tmp_path / "1.csv", labels=50, no_bot=0)
    load(folder, fill(tmp_path / "1.csv", safe))
    second = draw(folder, tmp_path / "2.csv", labels=30, no_bot=0)
    parts = [set(the_draw(folder, one.draw_id)["conversation_id"]) for one in (first, second)]
    assert (first.round, second.round) == (1, 2)
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == alone
    unflagged = {one.stratum: one for one in second.allocated}["unflagged"]
    assert unflagged.before == {o.stratum: o for o in first.allocated}["unflagged"].new
    # More labels, all of them safe: a lower bound.
    assert second.plan is not None
    assert first.plan is not None
    assert second.plan.outlooks[0].history < first.plan.outlooks[0].history
    load(folder, fill(tmp_path / "2.csv", safe))
    assert audits.audited_labels(folder)["draw_id"].n_unique() == 2


def test_what_chooses_a_threshold_does_not_certify_it(folder: RunFolder, tmp_path: Path) -> None:
    chosen = draw(folder, tmp_path / "1.csv", split="choose", simple=True, no_bot=0)
    certified = draw(folder, tmp_path / "2.csv", split="certify", simple=True, no_bot=0)
    parts = [the_draw(folder, one.draw_id) for one in (chosen, certified)]
    assert not set(parts[0]["conversation_id"]) & set(parts[1]["conversation_id"])
    assert [set(part["split"]) for part in parts] == [{"choose"}, {"certify"}]
    assert {*parts[0]["stratum"], *parts[1]["stratum"]} == {"simple"}
    assert chosen.plan is None
    assert (chosen.round, certified.round) == (1, 1)
    load(folder, fill(tmp_path / "1.csv", safe))
    assert set(audits.audited_labels(folder)["split"]) == {"choose"}


def test_a_segment_is_drawn_from_alone_and_marked(folder: RunFolder, tmp_path: Path) -> None:
    drawn = draw(folder, tmp_path / "s.csv", segment="warranty_repair", labels=5, no_bot=0)
    names = the_draw(folder, drawn.draw_id)["conversation_id"].unique().to_list()
    intents = folder.table("conversations").filter(pl.col("conversation_id").is_in(names))
    assert set(intents["intent"]) == {"warranty_repair"}
    load(folder, fill(tmp_path / "s.csv", safe))
    more = draw(folder, tmp_path / "t.csv", segment="warranty_repair", labels=2, no_bot=0)
    assert more.round == 2
    assert not set(names) & set(the_draw(folder, more.draw_id)["conversation_id"])
    # What is drawn of all is what would have been drawn of all.
    whole = draw(folder, tmp_path / "u.csv", labels=150, no_bot=0)
    assert whole.round == 1
    drawn_of_all = set(the_draw(folder, whole.draw_id)["conversation_id"])
    assert drawn_of_all & set(names)
    shutil.rmtree(folder.path / "audits")
    again = draw(folder, tmp_path / "v.csv", labels=150, no_bot=0)
    assert set(the_draw(folder, again.draw_id)["conversation_id"]) == drawn_of_all
    shutil.rmtree(folder.path / "audits")


def test_labels_of_a_segment_have_strata_of_their_own(folder: RunFolder, tmp_path: Path) -> None:
    draw(folder, tmp_path / "s.csv", segment="warranty_repair", labels=5, no_bot=0)
    load(folder, fill(tmp_path / "s.csv", safe))
    strata = set(audits.audited_labels(folder)["stratum"])
    assert strata <= {"flagged in warranty_repair", "unflagged in warranty_repair"}


def test_two_labellers(folder: RunFolder, tmp_path: Path) -> None:
    drawn = draw(folder, tmp_path / "s.csv", doubles=0.2, no_bot=0)
    second = tmp_path / "s-second.csv"
    double = the_draw(folder, drawn.draw_id).filter("double")
    assert double["conversation_id"].n_unique() == 12
    assert len(audit_sheets.parsed(second)) == double.height
    units = ({row["unit"] for row in audit_sheets.parsed(p)} for p in (tmp_path / "s.csv", second))
    assert not set.intersection(*units)
    assert load(folder, fill(tmp_path / "s.csv", safe)).kappas == ()
    before = audits.audits_digest(folder)

    def stern(row: dict[str, str]) -> dict[str, str]:
        return {**safe(row), "risk": "high" if row["point"] == "1" else "low"}

    found = load(folder, fill(second, stern), "bob")
    assert audits.audits_digest(folder) != before
    risk = {one.question: one for one in found.kappas}["risk"]
    assert risk.n == double.height
    assert risk.n_conversations == 12
    assert risk.agreed == double.filter(pl.col("point") > 1).height
    # One always said low, so they agree as often as chance would have it.
    assert risk.kappa == pytest.approx(0.0)
    labels = audits.audited_labels(folder)
    assert dict(
        labels.filter(pl.col("unit") == "conversation")["labeller"].value_counts().rows()
    ) == {
        "ann": 60,
        "bob": 12,
    }
    # The same sheet of the same labeller once more takes the place of the first.
    load(folder, fill(second, safe), "bob")
    again = audits.audited_labels(folder)
    assert again.height == labels.height
    assert set(again.filter(pl.col("labeller") == "bob")["risk"]) == {"low", None}


def test_what_nobody_looked_at_is_missing_not_unknown(folder: RunFolder, tmp_path: Path) -> None:
    drawn = draw(folder, tmp_path / "s.csv", no_bot=0)
    half = {row["unit"] for row in audit_sheets.parsed(tmp_path / "s.csv")[: drawn.n_rows // 2]}
    found = load(
        folder, fill(tmp_path / "s.csv", lambda row: safe(row) if row["unit"] in half else {})
    )
    assert found.n_conversations == len(half) < found.n_drawn == 60
    assert found.unanswered["needs_human"] > 0
    whole = audits.audited_labels(folder).filter(pl.col("unit") == "conversation")
    assert whole.height == len(half)
    assert whole["risky_promise"].null_count() == 0


def changed_replies(folder: RunFolder) -> None:
    other = pl.concat_str(pl.col("reply"), pl.lit(" Really."))
    write_table(
        folder.table_path("shadow"), folder.table("shadow").with_columns(other.alias("reply"))
    )


def test_replies_that_changed_since_the_draw(folder: RunFolder, tmp_path: Path) -> None:
    drawn = draw(folder, tmp_path / "s.csv")
    assert changed_since_drawn(folder).is_empty()
    changed_replies(folder)
    replied = the_draw(folder, drawn.draw_id).filter("replied")["conversation_id"].n_unique()
    assert changed_since_drawn(folder).height == replied
    with pytest.raises(HistoryError, match=r"row \d+: the reply has changed since the draw"):
        load(folder, fill(tmp_path / "s.csv", safe))
    with pytest.raises(RunError, match="other replies or verdicts since they were drawn"):
        draw(folder, tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            {"candidate": "gpt"},
            "--candidate gpt: expected one of always_escalate, faq_rag, guarded",
        ),
        ({"stage": "assist"}, "--stage assist: expected one of low_risk_auto, wider_auto"),
        ({"segment": "moon"}, "--segment moon: expected one of account_takeover"),
        ({"labels": 0, "no_bot": 0}, "expected at least one conversation"),
        ({"labels": -1}, "expected at least one conversation"),
        ({"doubles": 20.0}, "--doubles 20: expected a share from 0 to 1"),
        ({"simple": True}, "--simple --no-bot"),
        ({"split": "choose"}, "--split choose: a threshold is chosen on a simple random sample"),
        ({"candidate": "always_escalate", "no_bot": 0}, "nothing is left to draw; of 0"),
    ],
)
def test_what_cannot_be_drawn(
    folder: RunFolder, tmp_path: Path, asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(RunError, match=says):
        draw(folder, tmp_path / "s.csv", **asked)
    assert not (folder.path / "audits").exists()
    assert not list(tmp_path.glob("s*"))


def test_files_in_the_way_and_names_that_will_not_do(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "s.html").write_text("labels")
    with pytest.raises(RunError, match=r"s.html: is there already, perhaps with labels"):
        draw(folder, tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
    with pytest.raises(RunError, match=r"expected a name that ends in .csv"):
        draw(folder, tmp_path / "s.xlsx")
    draw(folder, tmp_path / "t.csv")
    sheet = fill(tmp_path / "t.csv", safe)
    for name in ("", "../ann", "a/b", ".ann", "synthetic", "x" * 41):
        with pytest.raises(RunError, match="expected up to 40 letters"):
            load(folder, sheet, name)
    sheet.write_text(sheet.read_text("utf-8").replace("\nd", "\nx"), "utf-8")
    with pytest.raises(RunError, match=r"is of no draw of .*; expected one of d[0-9a-f]{8}"):
        load(folder, sheet)
    assert not audits.has_audits(folder)


def test_a_damaged_file_of_labels_is_named(folder: RunFolder, tmp_path: Path) -> None:
    drawn = draw(folder, tmp_path / "s.csv")
    load(folder, fill(tmp_path / "s.csv", safe), "李雷")
    assert audits.has_audits(folder)
    path = folder.path / "audits" / f"{drawn.draw_id}.李雷.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RunError, match=r"李雷.parquet: cannot be read"):
        audits.audited_labels(folder)


def test_a_draw_that_was_cut_short_is_made_again(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(audits, "keep_draw", killed)
        with pytest.raises(KeyboardInterrupt):
            draw(folder, tmp_path / "s.csv")
    before = (tmp_path / "s.csv").read_bytes()
    drawn = draw(folder, tmp_path / "s.csv")
    assert drawn.round == 1
    assert (tmp_path / "s.csv").read_bytes() == before


def test_the_commands_say_what_they_do(folder: RunFolder, tmp_path: Path) -> None:
    runner = CliRunner()
    out = tmp_path / "s.csv"
    asked = ["draw", str(folder.path), "--labels", "60", "--out", str(out)]
    said = runner.invoke(cli.app, asked, catch_exceptions=False).output
    assert "guarded at low_risk_auto, segment all, to certify" in said
    assert "if none of them is risky, the upper bound is" in said
    assert "This draw cannot pass it: the fewest labels that could are" in said
    assert "interception needs some (--no-bot M)" in said
    loading = ["load", str(folder.path), str(fill(out, safe)), "--labeller", "ann"]
    said = runner.invoke(cli.app, loading, catch_exceptions=False).output
    assert "labels of ann for 60 of 60 conversations" in said
    assert "Still open" in said
    assert "info_sufficient" in said
    assert f"shadowdesk gate {folder.path}" in said
    asked[-1] = str(tmp_path / "t.csv")
    said = runner.invoke(cli.app, asked, catch_exceptions=False).output
    assert "Round 2 of this cell" in said
