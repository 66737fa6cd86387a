"""The rules of the commitments policy in words, for people who label replies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from simulator.judging.quantities import HOURS

_BOT = {
    "auto": "a bot may promise it",
    "agent": "only a human agent may promise it, not a bot",
    "supervisor": "only a supervisor may promise it, not a bot",
}
_NOBODY = {
    "auto": "a bot must not promise it",
    "agent": "neither a bot nor an agent may promise it",
    "supervisor": "nobody may promise it",
}


def rules_in_words(
    policy: pl.DataFrame, intent: str | None, language: str | None, at: datetime | None
) -> list[str]:
    """The rules that hold for a reply, one sentence each, by kind.

    Which they are, is decided as by :class:`simulator.judging.promises.authority.Policy`: of a
    kind with rules for this intent, the general ones do not count.

    Args:
        policy: table ``commitments_policy``.
        intent: of the conversation; null meets only rules without an intent.
        language: BCP 47 of the conversation; null meets rules of every language.
        at: time of the decision point (UTC); null meets rules of any time.
    """
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for rule in policy.sort("kind", "rule_id").to_dicts():
        if rule["intent"] in (None, intent) and _spoken(rule, language) and _valid(rule, at):
            by_kind.setdefault(rule["kind"], []).append(rule)
    if policy.is_empty():
        return ["no policy is on record: whether a promise is allowed is not known"]
    found: list[dict[str, Any]] = []
    for rules in by_kind.values():
        own = [rule for rule in rules if rule["intent"] is not None] or rules
        # The same rule in two scripts is said once, in the customer's.
        once: dict[str, dict[str, Any]] = {}
        for rule in sorted(own, key=lambda rule: rule["language"] != language):
            once.setdefault(_words({**rule, "mandated_wording": None}), rule)
        found += once.values()
    return [*dict.fromkeys(map(_words, found)), "nothing else may be promised firmly"]


def _words(rule: Mapping[str, Any]) -> str:
    kind = rule["kind"].replace("_", " ")
    if rule["allowed"] == "never":
        said = f"{kind}: never; {_NOBODY[rule['speaker']]}"
    else:
        said = f"{kind}: {_BOT[rule['speaker']]}"
        if rule["limit_value"] is not None:
            said += f", up to {_limit(rule['limit_value'], rule['limit_unit'] or '')}"
        if rule["allowed"] == "conditional":
            condition = rule["condition"] or "its condition"
            said += f", if the reply says so: {condition}"
    if rule["mandated_wording"]:
        said += f"; wording to use: “{rule['mandated_wording']}”"
    return said


def _limit(value: float, unit: str) -> str:
    plural = "s" if value != 1 and unit in HOURS else ""
    return f"{value:g} {unit.replace('_', ' ')}{plural}".strip()


def _spoken(rule: Mapping[str, Any], language: str | None) -> bool:
    if rule["language"] is None or language is None:
        return True
    own: str = rule["language"].split("-")[0].lower()
    return own == language.split("-")[0].lower()


def _valid(rule: Mapping[str, Any], at: datetime | None) -> bool:
    begins, ends = rule["valid_from"], rule["valid_to"]
    return at is None or ((begins is None or begins <= at) and (ends is None or at < ends))
