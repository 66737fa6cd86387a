"""The JSON Schema of a scenario: current, true to the models, and of use to an editor."""

from __future__ import annotations

import datetime
import json
import tomllib

import pytest
from jsonschema import Draft202012Validator

from simulator.errors import ScenarioError
from simulator.scenario import Scenario
from simulator.scenario.json_schema import FILE, scenario_schema, schema_text
from simulator.scenario_file import validate
from tests.conftest import ROOT

SCENARIOS = sorted((ROOT / "scenarios").glob("*.toml"))
VALIDATOR = Draft202012Validator(scenario_schema())
BASE = """
name = "b"
[history]
source = "chats.jsonl"
format = "jsonl"
[candidates.human]
kind = "human"
"""


def as_editors_read(text):
    """TOML as a language server hands it to a validator: dates and times are text."""

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        if isinstance(value, list):
            return [plain(one) for one in value]
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        return value

    return plain(tomllib.loads(text))


def faults(text):
    return [error.json_path for error in VALIDATOR.iter_errors(as_editors_read(text))]


def test_it_is_a_schema_and_the_committed_file_is_current():
    Draft202012Validator.check_schema(scenario_schema())
    committed = json.loads((ROOT / "scenarios" / FILE).read_text("utf-8"))
    assert committed == json.loads(schema_text()), (
        "write it anew: shadowdesk schema --out scenarios/" + FILE
    )


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_shipped_scenario_names_it_and_keeps_it(path):
    text = path.read_text("utf-8")
    assert text.startswith(f"#:schema {FILE}\n# ")
    assert faults(text) == []


FAULTS = {
    "[money]\nwage_per_our = 3": "$.money",
    "[money]\nwage_per_hour = 'three'": "$.money.wage_per_hour",
    "[money]\nwage_per_hour = { low = 1 }": "$.money.wage_per_hour",
    "[money]\nwage_per_hour = { value = 1, sauce = 'x' }": "$.money.wage_per_hour",
    "[money]\nshrinkage = 30": "$.money.shrinkage",
    "[simulation]\ndays = 0": "$.simulation.days",
    "[simulation]\ndays = 'ten'": "$.simulation.days",
    "[contact_center]\nstaffing = 0": "$.contact_center.staffing",
    "[demand]\nday = 'sunday'": "$.demand.day",
    "[[demand.peaks]]\nstarts = '9'\nends = 17:00:00\nfactor = 2": "$.demand.peaks[0].starts",
    "[[gates]]\nmetric = 'risky_promise_rate'": "$.gates[0]",
    "[[gates]]\nmetric = 'risk'\nlimit = 1": "$.gates[0].metric",
    "[candidates.bot]\nkind = 'robot'": "$.candidates.bot.kind",
    "[candidates.bot]\nsees_policy = true": "$.candidates.bot",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_typical_fault_is_underlined_where_it_is(fault):
    assert faults(BASE) == []
    assert faults(BASE + fault) == [FAULTS[fault]]
    # And `check` agrees that it is one.
    with pytest.raises(ScenarioError):
        validate(tomllib.loads(BASE + fault), "b.toml")


@pytest.mark.parametrize(
    "good",
    [
        "[money]\nwage_per_hour = 20",
        "[money]\nwage_per_hour = { value = 20.5, low = 15, high = 30, source = 'payroll' }",
        "[replay]\nsince = 2026-03-02",
        "[[contact_center.opening]]\nopens = 09:00:00\ncloses = 17:30:00\ndays = ['mon']",
        "[[what_if]]\nname = 'x'\nset = { 'demand.scale' = 1.2 }",
    ],
)
def test_what_check_accepts_is_not_underlined(good):
    validate(tomllib.loads(BASE + good), "b.toml")
    assert faults(BASE + good) == []


def test_every_key_says_what_it_is():
    schema = scenario_schema()
    silent = [
        f"{name}.{key}"
        for name, table in (("Scenario", schema), *schema["$defs"].items())
        for key, about in table.get("properties", {}).items()
        if name != "Assumed" and "description" not in about and "$ref" not in about
    ]
    assert silent == []
    wait = schema["$defs"]["ContactCenter"]["properties"]["patience_mean_s"]
    assert wait["default"] == 600
    assert "seconds" in wait["description"]
    assert "312 s" in wait["description"]


def test_limits_are_those_of_the_models():
    """Each bound in the schema is refused just beyond, by the model itself."""
    days = scenario_schema()["$defs"]["Simulation"]["properties"]["days"]
    data = {**tomllib.loads(BASE), "simulation": {"days": days["maximum"]}}
    assert Scenario.model_validate(data).simulation.days == days["maximum"]
    data["simulation"]["days"] += 1
    with pytest.raises(ValueError, match="days"):
        Scenario.model_validate(data)


def test_nothing_is_null_which_toml_does_not_have():
    text = json.dumps(scenario_schema())
    assert ": null" not in text
    assert '"null"' not in text
