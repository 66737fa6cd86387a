"""The JSON Schema (2020-12) of a scenario: what an editor offers, explains and underlines.

Made from the models themselves, so that it says what ``check`` says of single keys: their kind,
limits, defaults, and the source of an assumed number. What holds between keys (a team without
shifts, a gate named twice) only ``check`` knows.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from simulator.scenario import Scenario

FILE = "scenario.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Local times stand in TOML without a zone, which the format "time" would ask for.
_CLOCK = {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"}
# By the end of a key: what its number counts.
_UNITS = {
    "_chars_per_s": "characters a second",
    "_s": "seconds",
    "_h": "hours",
    "_min": "minutes",
    "_rate": "a share, 0 to 1",
    "_share": "a share, 0 to 1",
    "_money": "in money.currency",
    "_per_million": "in money.currency, a million tokens",
    "_hour": "in money.currency, an hour",
}

# Of keys whose models say nothing about them. By table, then key.
_MEANINGS = {
    "Scenario": {
        "name": "name of the run: its folder is outputs/NAME",
        "history": "where the past conversations are",
        "knowledge": "articles that candidates may answer from",
        "commitments": "what may be promised, by whom, on which condition; without it no promise "
        "can be judged",
        "candidates": "who might answer, by name; [candidates.human] are your own people",
        "gates": "what must hold before a stage goes live",
        "overrides": "gates that somebody takes it upon themselves to pass",
        "proposal": "what `shadowdesk gate` answers for by default",
        "what_if": "one thing changed after the replay, shown beside the run",
    },
    "History": {
        "source": "file or folder of the log, relative to this file",
        "format": "how the log is written",
        "timezone": "IANA time zone of days, shifts and time stamps without a zone",
        "redact": "replace e-mail addresses and phone numbers by pseudonyms",
    },
    "SampleConfig": {
        "first_day": "the first day of contacts",
        "days": "how many days of contacts",
        "contacts_per_day": "on a working day",
        "seed": "another seed is another operation",
    },
    "Tables": {"source": "CSV, JSONL or Parquet, relative to this file"},
    "Candidate": {"kind": "who or what answers"},
    "LanguageModel": {
        "backend": "what runs the model",
        "dtype": "of the weights",
        "temperature": "0: the likeliest word each time",
        "top_p": "share of the likeliest words to draw from",
        "seed": "of what is drawn",
        "server": "openai_http: where it is",
    },
    "Server": {"requests_per_minute": "most of them; default: any"},
    "LlmJudge": {"model": "the language model that is asked"},
    "Stage": {
        "name": "what reports call it",
        "auto_when": "where the bot answers by itself; default: nowhere",
        "otherwise": "who answers the rest: people, or people with the bot's draft",
    },
    "AutoWhen": {
        "max_risk": "the highest risk of a question that the bot may answer",
        "intents": "only these; default: all",
        "languages": "only these; default: all",
        "channels": "only these; default: all",
        "min_score": "the bot's own score must reach it; default: any",
    },
    "Rollout": {
        "stages": "the ladder, from the baseline up",
        "segment_by": "what cuts the conversations into segments",
    },
    "Demand": {
        "scale": "multiplies all arrivals",
        "peaks": "times with more arrivals than usual",
        "max_attempts": "how often a customer comes in all",
    },
    "Peak": {
        "starts": "local time",
        "ends": "local time",
        "factor": "arrivals over the usual ones",
    },
    "Team": {
        "name": "as in the schedule",
        "skills": "which it takes; empty: any",
        "languages": "which it takes; empty: any",
        "channels": "which it takes; empty: any",
        "overflow": "what it takes besides, of contacts that have waited",
        "chats_at_once": "how many chats one agent has at once at most",
    },
    "Overflow": {
        "after_s": "once a contact has waited so long",
        "skills": "empty: any",
        "languages": "empty: any",
        "channels": "empty: any",
    },
    "Shift": {
        "agents": "people at work",
        "starts": "local time",
        "ends": "local time",
        "break_min": "of each agent, spread over the middle of the shift",
        "days": "weekdays of the shift",
    },
    "Opening": {
        "opens": "local time",
        "closes": "local time",
        "days": "weekdays of these hours",
        "channels": "channels of these hours",
    },
    "OutsideHours": {
        "voice": "a call outside opening hours",
        "chat": "a chat outside opening hours",
        "email": "an e-mail outside opening hours",
    },
    "QueueLimit": {"voice": "calls that may wait; default: any", "chat": "chats; default: any"},
    "ContactCenter": {
        "handle_time_basis": "whether the log's handle times are work, or time that passed with "
        "several chats at once",
        "outside": "what becomes of contacts outside opening hours",
    },
    "Simulation": {
        "seed": "another seed is another draw of customers",
        "processes": "simulate with so many processes",
        "outages": "times at which the bot is down",
        "engine": "compiled is fast; simpy is to read along, and gives the same",
    },
    "Outage": {"starts": "local time", "ends": "local time, a minute later at least"},
    "Staffing": {
        "earliest_start": "no shift begins before",
        "latest_start": "no shift begins after",
    },
    "Money": {"currency": "ISO 4217; one for the whole run"},
    "PriceCard": {
        "as_of": "the day of these prices",
        "source": "where the prices are from",
        "input_per_million": "a million tokens read",
        "cached_input_per_million": "a million tokens that the engine had read before",
        "output_per_million": "a million tokens written",
        "gpu_hour": "one GPU for an hour, in place of prices by tokens",
        "n_gpus": "GPUs of the machine",
    },
    "Gate": {
        "metric": "what is limited; see `shadowdesk explain METRIC`",
        "limit": "the most allowed of harms, the least of the rest",
        "confidence": "of the bound that must keep the limit",
    },
    "Threshold": {"confidence": "with which the limit is kept"},
    "Evidence": {"threshold": "look for the score from which a bot may answer by itself"},
    "Override": {
        "metric": "the gate that is passed",
        "candidate": "for which candidate",
        "stage": "for which stage",
        "segment": "for which segment",
        "name": "who takes it upon themselves",
        "reason": "why",
    },
    "Proposal": {
        "candidate": "which bot",
        "stage": "which stage",
        "segment": "which segment; all: every conversation",
    },
    "WhatIf": {"name": "what reports call it"},
}


def scenario_schema() -> dict[str, Any]:
    """The schema of a whole scenario file, ready for JSON."""
    made = Scenario.model_json_schema(schema_generator=_Editor)
    tables = made.pop("$defs")
    for name, table in (("Scenario", made), *tables.items()):
        # Docstrings mark code as reStructuredText does; editors read Markdown.
        if "description" in table:
            table["description"] = table["description"].replace("``", "`")
        for key, about in table.get("properties", {}).items():
            _describe(name, key, about)
    made |= {"$schema": _DIALECT, "title": "A scenario of shadowdesk", "$defs": tables}
    made["properties"]["candidates"]["minProperties"] = 1
    return made


def schema_text() -> str:
    """The schema as the file :data:`FILE` holds it."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


class _Editor(GenerateJsonSchema):
    """Pydantic's own schema, with our kinds of value in it."""

    def function_after_schema(
        self, schema: core_schema.AfterValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """A number with its limits."""
        made = super().function_after_schema(schema)
        limits = _limits(schema["function"]["function"])
        if not limits or "anyOf" not in made:
            return {**made, **limits}
        # An assumed number: the limits are those of the number that stands alone, too.
        return {"anyOf": [{**made["anyOf"][0], **limits}, made["anyOf"][1]]}

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """An assumed number: a number, or a table with its range and source."""
        made = super().function_before_schema(schema)
        is_table = schema["schema"]["type"] in ("model", "function-after", "definition-ref")
        return {"anyOf": [{"type": "number"}, made]} if is_table else made

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:
        """Hours and minutes, with or without seconds."""
        return dict(_CLOCK)

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """TOML has no null: a key is there or left out."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Defaults that are worth reading: no null, and no table of further defaults."""
        made = super().default_schema(schema)
        found = made.get("default")
        if isinstance(found, dict) and "source" in found:
            # An assumed number: the value stands here, range and source in the description.
            made |= {"default": found["value"], "description": _sourced(found)}
        elif found is None or isinstance(found, dict):
            made.pop("default", None)
        else:
            made["default"] = _without_null(found)
        return made


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(one) for key, one in value.items() if one is not None}
    return [_without_null(one) for one in value] if isinstance(value, list | tuple) else value


def _limits(check: Any) -> dict[str, float]:
    """The bounds that a check made by :func:`simulator.scenario.values.limits` compares with."""
    inside = inspect.getclosurevars(check).nonlocals.get("_inside")
    if inside is None:
        return {}
    held = inspect.getclosurevars(inside).nonlocals
    return {
        "exclusiveMinimum" if held["above"] else "minimum": held["low"],
        "maximum": held["high"],
    }


def _sourced(number: dict[str, Any]) -> str:
    ends = [number["low"], number["high"]]
    span = "" if None in ends else f", {ends[0]:g} to {ends[1]:g}"
    return f"default {number['value']:g}{span}: {number['source']}"


def _describe(table: str, key: str, about: dict[str, Any]) -> None:
    # Titles made of keys say the key again.
    about.pop("title", None)
    # No format that validators know.
    if about.get("format") == "path":
        del about["format"]
    meaning = _MEANINGS.get(table, {}).get(key) or about.get("description")
    unit = next((said for end, said in _UNITS.items() if key.endswith(end)), None)
    if meaning and unit:
        meaning = f"{meaning} ({unit})"
    if meaning or unit:
        about["description"] = meaning or unit
