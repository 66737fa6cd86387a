"""Definitions: complete, true to the code and the tables that they name, sayable in Chinese."""

from __future__ import annotations

import importlib
import re
import typing
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from simulator import schema
from simulator.reports import Run, comparison_words, definitions
from simulator.reports.definitions import UnknownNameError, find, for_page, names
from simulator.reports.language import speaking
from simulator.reports.metrics import METRICS
from simulator.scenario import GATE_METRICS, Scenario
from tests.report_run import finished

ALL = names()
TERMS = (
    *("agreed", "handed off", "diverged", "best", "central", "worst", "answer", "clarify"),
    *("escalate", "refuse", "soothe", "knowledge", "mixed", "strategy", "Human only", "Assist"),
    *("Low-risk auto", "Wider auto", "escalation", "handoff", "containment", "shrinkage", "AHT"),
    *("ASA", "service level", "occupancy", "breakdown value", "break-even", "labels needed"),
    *("confidence interval", "prediction interval", "settled share", "this_history"),
    *("future_traffic", "simulated_days", "insufficient", "overridden", "Learn-then-Test"),
)
# The module, and what it or a class of it defines.
_PATH = re.compile(r"[a-z_]+(\.[A-Za-z_]+)+")


@pytest.fixture(scope="module")
def run() -> Run:
    return finished()


def test_every_metric_that_reports_show_is_defined(run: Run) -> None:
    shown = {*METRICS, *GATE_METRICS, *comparison_words.METRICS, *comparison_words.DESK}
    assert shown <= set(ALL)
    held = {
        (table, metric)
        for table in ("kpis", "costs", "gates", "support_metrics", "intervals", "depth", "backtest")
        for metric in run.table(table)["metric"].unique()
    }
    assert held
    for table, metric in held:
        places = [place.split()[0] for place in find(metric).held_in]
        assert table in {place.partition(".")[0] for place in places}, (table, metric)


@pytest.mark.parametrize("term", TERMS)
def test_terms_are_found_by_what_people_call_them(term: str) -> None:
    found = find(term)
    assert found.meaning
    assert find(term.upper().replace(" ", "_").replace("-", " ")) == found


def test_labels_of_reports_lead_to_the_metric() -> None:
    for name, metric in METRICS.items():
        # Some labels stand for two metrics, of which the first is told.
        assert find(metric.label).label == metric.label, name
        assert find(name).name == name


def test_no_two_definitions_claim_the_same_alias() -> None:
    ways = {name: {definitions._plain(one) for one in (name, *find(name).aliases)} for name in ALL}
    claims = Counter(way for own in ways.values() for way in own)
    assert [way for way, n in claims.items() if n > 1] == []


def test_every_definition_says_all_that_it_should() -> None:
    for name in ALL:
        one = find(name)
        assert one.group in definitions.GROUPS
        for text in (one.label, one.meaning, one.how, one.source):
            assert text.strip(), name
        assert one.held_in, name
        assert one.computed_by, name
        # A source has a year, or is ours, the user's or the model's own.
        assert re.search(r"\b(1[89]|20)\d\d\b|own|price card", one.source), (name, one.source)
    for metric in GATE_METRICS:
        assert find(metric).gate, metric
        assert any(place.startswith("gates.") for place in find(metric).held_in), metric
    for name in set(ALL) - set(GATE_METRICS):
        assert find(name).gate is None


@pytest.mark.parametrize("name", ALL)
def test_the_columns_that_hold_it_exist(name: str) -> None:
    for held in find(name).held_in:
        table, _, column = held.split()[0].partition(".")
        assert column in schema.TABLES[table].columns, held


@pytest.mark.parametrize("name", ALL)
def test_the_code_that_computes_it_exists(name: str) -> None:
    for path in find(name).computed_by:
        assert _PATH.fullmatch(path), path
        try:
            importlib.import_module(path)
        except ModuleNotFoundError:
            module, _, attribute = path.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute), path


def test_the_keys_of_the_scenario_exist() -> None:
    for name in ALL:
        for key in find(name).keys:
            assert list(_at(Scenario, key.split("."))), (name, key)


def _at(model: type[BaseModel], parts: list[str]) -> Iterator[str]:
    """The key, once for each model that has it, through lists, names and alternatives."""
    field = model.model_fields.get(parts[0])
    if field is None:
        return
    if not parts[1:]:
        yield parts[0]
        return
    for part in _models(field.annotation):
        yield from _at(part, parts[1:])


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field may hold."""
    parts = typing.get_args(annotation)
    if not parts and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in parts:
        yield from _models(part)


def test_keys_that_do_not_exist_are_noticed() -> None:
    assert not list(_at(Scenario, ["contact_center", "target_wait"]))
    assert not list(_at(Scenario, ["rollout", "stages", "auto_when", "min_scores"]))


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean service_level\b.*explain. lists all"):
        find("sevice level")
    with pytest.raises(UnknownNameError) as raised:
        find("zzzz" * 40)
    assert "did you mean" not in str(raised.value)
    assert "…" in str(raised.value)
    with pytest.raises(UnknownNameError):
        find("")


def test_metrics_of_some_points_are_those_of_all() -> None:
    assert find("calmed_after_soothe") == find("calmed")
    same = "risky_promise_rate_change_same_conversations"
    assert find(same) == find("risky_promise_rate_change")


def test_the_page_has_what_its_run_holds_in_either_language(run: Run) -> None:
    english = for_page(run)
    told = [one.name for one in english]
    assert len(told) == len(set(told))
    assert {"asa_s", "saving_money", "diverged", "gate", "insufficient"} <= set(told)
    assert "email_backlog_end" not in told
    with speaking("zh-Hant"):
        chinese = for_page(run)
    assert [one.name for one in chinese] == told
    for ours, theirs in zip(english, chinese, strict=True):
        for text in (theirs.label, theirs.meaning):
            assert re.search("[一-鿿]", text) or "Pearson" in text, (ours.name, text)
        # Not one of them is told in English still.
        assert theirs.meaning != ours.meaning or "Pearson" in ours.meaning


def test_numbers_in_definitions_are_those_of_the_code() -> None:
    from simulator.contact_center.backtest import verdict
    from simulator.evidence import replications

    assert f"at least {verdict.LEAST_CORRELATION:g}" in find("correlation").how
    assert f"within {verdict.MOST_BIAS:g}" in find("level_bias").how
    assert f"at least {verdict.LEAST_COVERAGE:g}" in find("coverage_wait").how
    assert f"fewer than {verdict._LEAST_DAYS} days" in find("backtest").how
    assert f"{replications.CONFIDENCE * 100:g} of 100" in find("confidence_interval").how
    assert f"{replications.PREDICTION * 100:g} % of single days" in find("prediction_interval").how
