"""Scenario files: the minimal one, and every fault said so that it can be mended."""

import pytest

from simulator.errors import ScenarioError
from simulator.scenario_file import load

MINIMAL = """
name = "first-look"

[history]
source = "chats.jsonl"
format = "jsonl"
timezone = "Asia/Taipei"

[candidates.human]
kind = "human"
"""


@pytest.fixture
def write(tmp_path):
    def write(text, *overrides):
        path = tmp_path / "pilot.toml"
        path.write_text(text, "utf-8")
        return load(path, overrides)

    return write


def test_the_minimal_scenario_is_complete(write, tmp_path):
    scenario = write(MINIMAL)
    assert scenario.history.source == tmp_path.resolve() / "chats.jsonl"
    assert [stage.name for stage in scenario.rollout.stages] == [
        "human_only",
        "assist",
        "low_risk_auto",
        "wider_auto",
    ]


def test_every_default_number_has_a_source(write):
    from simulator.pipeline import assumptions

    rows = assumptions(write(MINIMAL))
    assert len(rows) > 15
    assert all(row["source"] and "no source given" not in row["source"] for row in rows)


@pytest.mark.parametrize(
    ("addition", "says"),
    [
        (
            "[money]\nshrinkge = 0.3",
            "pilot.toml: money.shrinkge: unknown key; did you mean shrinkage?",
        ),
        (
            "[money]\nshrinkage = 30",
            "pilot.toml: money.shrinkage = 30; expected 0 <= x <= 0.99; write 0.3",
        ),
        (
            "[money]\nwage_per_hour = -3",
            "pilot.toml: money.wage_per_hour = -3; expected 0 <= x <= 1,000,000,000",
        ),
        (
            "[[contact_center.teams]]\nname = 'a'\nskils = ['x']",
            "pilot.toml: contact_center.teams[0].skils: unknown key; did you mean skills?",
        ),
        (
            "[demand]\nday = 'wekday'",
            "pilot.toml: demand.day = 'wekday'; expected 'weekday', 'weekend', 'any' or 'week'; "
            "did you mean weekday?",
        ),
        ("[rollout]\nvalue_tolerance = 40", "rollout.value_tolerance = 40; expected 0 <= x <= 1;"),
        ("[candidates.bot]\nkind = 'faq_rag'\nmin_scor = 1", "did you mean min_score?"),
        (
            "[candidates.bot]\nkind = 'recorded'",
            "candidates.bot.kind = 'recorded'; source is missing: kind recorded",
        ),
        (
            "[proposal]\ncandidate = 'nobody'\nstage = 'assist'",
            "pilot.toml: proposal.candidate = 'nobody'; ",
        ),
        (
            "[candidates.tuned]\nkind = 'recorded'\nsource = 'x.csv'\ntrained_until = 2026-03-02",
            "candidates.tuned.trained_until = '2026-03-02'; it would be replayed on conversations "
            "that it was tuned on; expected replay.since = 2026-03-02 or later",
        ),
        (
            "[candidates.tuned]\nkind = 'recorded'\nsource = 'x.csv'\ntrained_until = 2026-03-02"
            "\n[replay]\nsince = 2026-03-01",
            "expected replay.since = 2026-03-02 or later",
        ),
        ("[replay]\nsince = 'May'", "replay.since = 'May'; expected a date such as 2026-03-01"),
        ("[simulation]\nseed = 'x'", "pilot.toml: simulation.seed = 'x'"),
        (
            "[[simulation.outages]]\nstarts = '12:00'\nends = '11:00'",
            "starts must be before ends",
        ),
    ],
)
def test_a_fault_says_where_what_and_how_to_mend(write, addition, says):
    with pytest.raises(ScenarioError) as error:
        write(MINIMAL + addition)
    assert says in str(error.value)


def test_all_faults_are_said_at_once(write):
    with pytest.raises(ScenarioError) as error:
        write(MINIMAL + "[money]\nshrinkge = 1\n[simulation]\nseed = -1")
    assert len(str(error.value).splitlines()) == 2


def test_a_missing_source_says_which_key(write):
    with pytest.raises(ScenarioError, match="source is missing: format jsonl reads a file"):
        write('name = "x"\n[history]\nformat = "jsonl"\n[candidates.human]\nkind = "human"')


def test_not_toml_not_utf8_not_there(write, tmp_path):
    with pytest.raises(ScenarioError, match="not TOML"):
        write("name = ")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(ScenarioError, match="not UTF-8 at byte 8"):
        load(tmp_path / "latin.toml")
    with pytest.raises(ScenarioError, match="no such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ScenarioError, match="is a folder"):
        load(tmp_path)


def test_set_changes_only_what_it_names(write):
    plain, changed = write(MINIMAL), write(MINIMAL, "simulation.seed=5", "demand.day=weekend")
    assert changed.simulation.seed == 5
    assert changed.demand.day == "weekend"
    assert plain.model_dump(exclude={"simulation", "demand"}) == changed.model_dump(
        exclude={"simulation", "demand"}
    )
    assert plain.simulation.model_dump(exclude={"seed"}) == changed.simulation.model_dump(
        exclude={"seed"}
    )


@pytest.mark.parametrize("override", ["simulation", "=3", "name.x=3"])
def test_a_set_that_cannot_be_read_says_so(write, override):
    with pytest.raises(ScenarioError, match="--set"):
        write(MINIMAL, override)


def test_a_path_may_come_from_the_environment(write, monkeypatch):
    text = MINIMAL.replace("chats.jsonl", "${SHADOWDESK_TEST_LOG}")
    monkeypatch.delenv("SHADOWDESK_TEST_LOG", raising=False)
    with pytest.raises(ScenarioError, match="the environment has no SHADOWDESK_TEST_LOG"):
        write(text)
    monkeypatch.setenv("SHADOWDESK_TEST_LOG", "/somewhere/log.jsonl")
    assert str(write(text).history.source) == "/somewhere/log.jsonl"
