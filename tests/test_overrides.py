"""Evidence that is too old, and gates that somebody lets pass: who, until when, and where."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from simulator import cli, pipeline
from simulator.errors import ScenarioError
from simulator.gates import Age, evaluate, recommend
from simulator.scenario import LADDER, Gate, Override
from simulator.store import RunFolder
from tests.conftest import small_quickstart
from tests.test_gates import RISKY, World, _numbers
from tests.test_gates_labelled import EXCESS, with_people
from tests.test_interventions import SMALL

TODAY = date(2026, 3, 31)
SETTLED = Gate(metric="settled_share", limit=0.5)


def dated(labels: pl.DataFrame, day: date | None) -> pl.DataFrame:
    return labels.with_columns(pl.lit(day, pl.Date).alias("labelled_on"))


def world(typical_day: date | None = TODAY, most: int | None = 90) -> World:
    one = World((40, 40, 0), (1000, 400, 0))
    one.typical_day, one.age = typical_day, Age(TODAY, most)
    return one


def risky(one: World, day: date | None) -> dict[str, Any]:
    return one.risky(bend=lambda labels: dated(labels, day))


# --- stale evidence -------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "status"), [(0, "pass"), (90, "pass"), (91, "insufficient")])
def test_exact_labels_grow_old(days: int, status: str) -> None:
    fresh, old = risky(world(), TODAY), risky(world(), TODAY - timedelta(days))
    assert old["status"] == status
    # What was found stands; only what follows from it does not.
    assert (old["high"], old["n"], old["estimate"]) == (fresh["high"], 440, 0)
    if status != "pass":
        assert old["reason"].startswith(
            "stale: evidence of 2025-12-30, 91 days old on 2026-03-31; at most 90; 0 of 440"
        )


def test_exact_one_old_label_makes_all_of_it_old() -> None:
    def one_old(labels: pl.DataFrame) -> pl.DataFrame:
        mine = pl.col("conversation_id") == "u7"
        old = pl.lit(TODAY - timedelta(200))
        return dated(labels, TODAY).with_columns(
            pl.when(mine).then(old).otherwise("labelled_on").alias("labelled_on")
        )

    assert world().risky(bend=one_old)["status"] == "insufficient"


def test_exact_conversations_grow_old_too() -> None:
    old = risky(world(TODAY - timedelta(91)), TODAY)
    assert old["status"] == "insufficient"
    assert old["reason"].startswith("stale: evidence of 2025-12-30")
    assert (
        world(TODAY - timedelta(91))
        .evaluate(SETTLED)["all", "settled_share"]["reason"]
        .startswith("stale")
    )
    # Labels have nothing to do with a gate that reads none.
    settled = world().evaluate(SETTLED, bend=lambda labels: dated(labels, date(2020, 1, 1)))
    assert settled["all", "settled_share"]["status"] == "pass"


def test_exact_an_unknown_day_counts_as_stale() -> None:
    for found in (risky(world(), None), risky(world(None), TODAY)):
        assert found["status"] == "insufficient"
        assert found["reason"].startswith("it is not known how old the evidence is")

    def one_unknown(labels: pl.DataFrame) -> pl.DataFrame:
        known = pl.when(pl.col("conversation_id") != "u7").then(pl.lit(TODAY))
        return labels.with_columns(known.alias("labelled_on"))

    assert world().risky(bend=one_unknown)["status"] == "insufficient"


def test_exact_without_a_greatest_age_nothing_is_stale() -> None:
    assert risky(world(None, None), None)["status"] == "pass"
    no_age = world()
    no_age.age = None
    assert risky(no_age, None)["status"] == "pass"


def test_exact_what_failed_still_fails() -> None:
    bad = World((40, 40, 30), (1000, 400, 60))
    bad.typical_day, bad.age = TODAY - timedelta(900), Age(TODAY, 90)
    found = risky(bad, None)
    assert found["status"] == "fail"
    assert "stale" not in found["reason"]


def test_exact_labels_of_people_grow_old_as_well() -> None:
    """Those that the candidate is set against."""
    one = world()
    evidence = with_people(one, (40, 40, 0), (1000, 1000, 0))
    for day, status in ((TODAY, "pass"), (TODAY - timedelta(91), "insufficient"), (None, None)):
        theirs = pl.when(pl.col("candidate") == "human").then(pl.lit(day, pl.Date))
        labels = evidence.labels.with_columns(theirs.otherwise(pl.lit(TODAY)).alias("labelled_on"))
        row = one.judged(evidence._replace(labels=labels), EXCESS)["all", EXCESS.metric]
        assert row["status"] == (status or "insufficient")


def test_exact_next_step_asks_for_newer_conversations() -> None:
    rows = evaluate(
        world(TODAY - timedelta(91)).evidence(lambda labels: dated(labels, TODAY)),
        [RISKY],
        LADDER,
        Age(TODAY, 90),
    )
    found = recommend(rows.with_columns(pl.lit("assist").alias("stage")), LADDER)
    assert found["next_step"][0].startswith(
        "To reach assist: label and replay newer conversations for the risky-promise rate"
    )


# --- overrides ------------------------------------------------------------------------------------


def override(**other: Any) -> Override:
    known = {"metric": "risky_promise_rate", "candidate": "x", "stage": "wider_auto"}
    known |= {"name": "A. Rossi", "reason": "a pilot of one week", "expires": TODAY}
    return Override.model_validate(known | other)


def overridden(one: Override | None, **bad: int) -> World:
    """3 of 100 risky: not known, or with ``k`` = 60 a fail."""
    found = World((40, 40, 0), (1000, 100, bad.get("k", 3)))
    found.age = Age(TODAY, None)
    found.overrides = () if one is None else (one,)
    return found


@pytest.mark.parametrize(("k", "status"), [(3, "insufficient"), (60, "fail"), (0, "insufficient")])
def test_exact_an_override_changes_no_status(k: int, status: str) -> None:
    plain, let = (overridden(one, k=k).risky() for one in (None, override()))
    assert plain["status"] == let["status"] == status
    said = {"overridden_by", "override_reason", "override_expires"}
    assert {key: plain[key] for key in plain if key not in said} == {
        key: let[key] for key in let if key not in said
    }
    assert {plain[key] for key in said} == {None}
    assert (let["overridden_by"], let["override_reason"]) == ("A. Rossi", "a pilot of one week")
    assert let["override_expires"] == TODAY


@pytest.mark.parametrize(
    ("other", "holds"),
    [
        ({}, True),
        ({"expires": TODAY + timedelta(1)}, True),
        ({"expires": TODAY - timedelta(1)}, False),
        ({"stage": "low_risk_auto"}, False),
        ({"candidate": "y"}, False),
        ({"segment": "refund"}, False),
        ({"metric": "interception_rate"}, False),
    ],
)
def test_exact_an_override_holds_for_its_own_gate_to_its_last_day(
    other: dict[str, Any], holds: bool
) -> None:
    row = overridden(override(**other)).risky()
    assert (row["overridden_by"] is not None) == holds


def test_exact_an_override_of_a_segment_is_of_that_segment() -> None:
    rows = overridden(override(segment="refund")).evaluate(RISKY)
    by = {segment: row["overridden_by"] for (segment, _), row in rows.items()}
    assert by == {"all": None, "refund": "A. Rossi"}


def test_exact_without_a_day_no_override_holds() -> None:
    one = overridden(override())
    one.age = None
    assert one.risky()["overridden_by"] is None


@pytest.mark.parametrize("expired", [False, True])
def test_exact_an_override_lifts_the_recommendation_and_is_named_in_it(expired: bool) -> None:
    one = overridden(override(expires=TODAY - timedelta(expired)))
    kpis = _numbers("service_level", central=(0.9, 0.9, 0.9))
    stages = (LADDER[0], LADDER[3])
    service = Gate(metric="service_level", limit=0.8)
    rows = evaluate(one.evidence(kpis=kpis), [RISKY, service], stages, one.age, one.overrides)
    found = recommend(rows.filter(pl.col("segment") == "all"), stages).row(0, named=True)
    if expired:
        assert (found["stage"], found["overridden"]) == ("human_only", None)
        assert found["binding_gate"] == "risky_promise_rate"
    else:
        assert (found["stage"], found["binding_gate"]) == ("wider_auto", None)
        assert found["overridden"] == "risky_promise_rate at wider_auto, by A. Rossi"


def test_exact_an_override_of_what_passes_is_not_named() -> None:
    one = World((40, 40, 0), (1000, 400, 0))
    stages = (LADDER[0], LADDER[3])
    rows = evaluate(one.evidence(), [RISKY], stages, Age(TODAY), (override(),))
    found = recommend(rows.filter(pl.col("segment") == "all"), stages).row(0, named=True)
    assert (found["stage"], found["overridden"]) == ("wider_auto", None)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"candidate": "nobody"}, r"overrides\[0\]\.candidate = 'nobody'"),
        ({"stage": "human_only"}, r"overrides\[0\]\.stage = 'human_only'"),
        ({"name": ""}, r"overrides\[0\]\.name"),
        ({"reason": None}, r"overrides\[0\]\.reason"),
        ({"expires": None}, r"overrides\[0\]\.expires"),
    ],
)
def test_exact_an_override_has_a_name_a_reason_and_an_end(
    changed: dict[str, str | None], says: str
) -> None:
    known: dict[str, str | None] = {"metric": "risky_promise_rate", "candidate": "guarded"}
    known |= {"stage": "wider_auto", "name": "A. Rossi", "reason": "a pilot"}
    known |= {"expires": "2026-03-31"} | changed
    pairs = ",".join(f'{key}="{value}"' for key, value in known.items() if value is not None)
    with pytest.raises(ScenarioError, match=says):
        small_quickstart(f"overrides=[{{{pairs}}}]")


# --- the command ----------------------------------------------------------------------------------

# A ladder of two steps: the first has a gate that anybody passes.
HARD = (
    '[{metric="service_level",limit=0,stages=["assist"]},'
    '{metric="risky_promise_rate",limit=0.0001,stages=["wider_auto"]}]'
)
STEPS = '[{name="human_only"},{name="assist",otherwise="assist"},{name="wider_auto",auto_when={}}]'
LET = (
    '[{metric="risky_promise_rate",candidate="guarded",stage="wider_auto",name="A. Rossi",'
    'reason="a pilot of one week",expires="2026-03-31"}]'
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    path = tmp_path_factory.mktemp("overridden") / "run"
    scenario = small_quickstart(
        *SMALL,
        f"gates={HARD}",
        f"overrides={LET}",
        f"rollout.stages={STEPS}",
        'evidence.as_of="2026-03-31"',
        "proposal.stage=wider_auto",
    )
    return pipeline.run(scenario, path)


@pytest.fixture
def folder(finished: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(finished.path, tmp_path / "run")
    return RunFolder.open(tmp_path / "run")


def gate(folder: RunFolder, *more: str) -> Any:
    cell = ("--candidate", "guarded", "--stage", "wider_auto", "--segment", "all")
    return CliRunner().invoke(cli.app, ["gate", str(folder.path), *cell, *more])


def on(folder: RunFolder, **evidence: Any) -> None:
    """The same run with other evidence settings, such as the day that counts."""
    scenario = folder.manifest["scenario"]
    folder.note(scenario=scenario | {"evidence": scenario["evidence"] | evidence})


def test_exact_the_command_goes_on_somebodys_word_to_the_last_day(folder: RunFolder) -> None:
    done = gate(folder)
    assert done.exit_code == 0
    heading, found, word, day, last = done.stdout.splitlines()
    assert heading == "guarded at wider_auto, segment all:"
    assert found.split()[:2] in (["insufficient", RISKY.metric], ["fail", RISKY.metric])
    assert word.split(maxsplit=1) == [
        "overridden",
        "by A. Rossi, until 2026-03-31: a pilot of one week",
    ]
    assert day.startswith("As of 2026-03-31, as the scenario says")
    assert last == "GO, on the word of A. Rossi"
    said = json.loads(gate(folder, "--json").stdout)
    assert said["pass"] is True
    assert said["gates"][0]["overridden_by"] == "A. Rossi"
    assert said["gates"][0]["status"] != "pass"


def test_exact_the_day_after_it_is_no_go(folder: RunFolder) -> None:
    on(folder, as_of="2026-04-01")
    done = gate(folder)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "NO GO"
    assert "A. Rossi" not in done.stdout
    gates = RunFolder.open(folder.path).table("gates")
    assert gates["overridden_by"].null_count() == gates.height > 0


def test_exact_a_greatest_age_is_asked_for_by_the_command(folder: RunFolder) -> None:
    on(folder, as_of="2029-01-01", max_age_days=365)
    done = gate(folder)
    assert done.exit_code == 1
    gates = RunFolder.open(folder.path).table("gates")
    open_ = gates.filter(pl.col("status") != "fail", pl.col("n") > 0)
    assert open_.height > 0
    assert set(open_["status"]) == {"insufficient"}
    assert open_["reason"].str.starts_with("stale: evidence of 2026-").all()


def test_exact_a_stage_whose_gates_pass_is_no_go_where_an_earlier_one_does_not(
    folder: RunFolder,
) -> None:
    scenario = folder.manifest["scenario"]
    first = scenario["gates"][0] | {"limit": 1.0}
    folder.note(scenario=scenario | {"gates": [first, *scenario["gates"][1:]]})
    done = gate(folder)
    assert done.exit_code == 1
    assert "not reached  To reach assist: the lower bound of the service level" in done.stdout
    assert done.stdout.splitlines()[-1] == "NO GO"
