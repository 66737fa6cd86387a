"""Whether the policy lets a speaker make the commitments that a reply makes.

How rules are chosen for one firm commitment, in this order:

1. rules of its kind that are valid at that time, for any or this intent, for any or this language
   (``zh`` and ``zh-Hant`` are the same language here);
2. where one of them names the intent, those without an intent are left out;
3. a ``never`` rule forbids it to its speaker and to all below (auto < agent < supervisor), and
   wins over everything that is equally specific;
4. of the other rules, those count whose speaker is this one or stands below;
5. where some of these limit the quantity promised (a time, an amount, a percentage), the others
   are left out: a general leave does not lift a limit;
6. one rule that allows it is enough: within its limit, its condition stated where it has one.

Times are compared in hours; a working day is 7/5 of a day, a month 30 days. An amount of money
that is not said may be any amount, so it is beyond every limit of money or percentage; a time that
is not said binds to no time, so it is within every limit of time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import polars as pl

from simulator.errors import TableError
from simulator.judging.promises.commitments import Commitment
from simulator.judging.quantities import HOURS

# How a commitment may break the policy: a rule forbids it; only somebody above this speaker may
# make it; it is beyond the limit, or without an amount that could be held against the limit; the
# condition is left unsaid; no rule is about its kind.
NEVER, SPEAKER, ABOVE_LIMIT = "never", "speaker", "above_limit"
AMOUNT_UNSAID, CONDITION_UNSAID, NOT_LISTED = "amount_unsaid", "condition_unsaid", "not_listed"

_RANK = {"auto": 0, "agent": 1, "supervisor": 2}
_UNITS = {
    **{f"{unit}s": unit for unit in HOURS},
    "business_day": "working_day",
    "business_days": "working_day",
    "min": "minute",
    "h": "hour",
    "%": "percent",
    "percentage": "percent",
}


class Broken(NamedTuple):
    """A firm commitment that the policy does not allow, and what stands against it.

    ``span`` is its exact clause in the reply, ``why`` one of the words above. ``rule_id``: the rule
    that is broken; null where none is about its kind. Where several would each allow it, the one
    that comes nearest: first one of which only the condition is unsaid, then the widest limit.
    """

    kind: str
    span: str
    why: str
    rule_id: str | None


class _Rule(NamedTuple):
    rule_id: str
    kind: str
    intent: str | None
    language: str | None
    allowed: str
    limit: float | None
    dimension: str | None
    patterns: tuple[re.Pattern[str], ...]
    rank: int
    valid_from: datetime | None
    valid_to: datetime | None


class Policy:
    """The rules of what may be promised.

    Args:
        rules: the table ``commitments_policy``.

    Raises:
        TableError: a ``condition_patterns`` entry is no regular expression, or a ``limit_unit``
            is none of minute, hour, day, working_day, week, month, money, percent or an ISO
            currency.
    """

    def __init__(self, rules: pl.DataFrame) -> None:
        self._rules = [_rule(row) for row in rules.sort("rule_id").to_dicts()]
        self._of_kind: dict[str, list[_Rule]] = {}
        for rule in self._rules:
            self._of_kind.setdefault(rule.kind, []).append(rule)
        self._with_patterns = [rule for rule in self._rules if rule.patterns]
        self._matches = lru_cache(maxsize=16384)(self._all_stated)

    def stated(self, text: str, language: str | None, at: datetime | None) -> set[str]:
        """Ids of the rules whose condition ``text`` states.

        Args:
            text: the reply.
            language: BCP 47 of the conversation; null searches the rules of every language.
            at: time of the decision point (UTC); null searches rules of any time.

        Returns:
            Rules any of whose ``condition_patterns`` is found, in any case of letters. A rule
            without patterns is never stated.
        """
        return {
            rule.rule_id
            for rule in self._matches(text)
            if _spoken(rule.language, language) and _valid(rule, at)
        }

    def _all_stated(self, text: str) -> tuple[_Rule, ...]:
        return tuple(
            rule
            for rule in self._with_patterns
            if any(pattern.search(text) for pattern in rule.patterns)
        )

    def authorised(
        self,
        commitments: Sequence[Commitment],
        stated: Collection[str],
        *,
        intent: str | None,
        language: str | None,
        at: datetime | None,
        speaker: str,
    ) -> bool:
        """Whether every firm commitment is allowed; true where there is none.

        Args:
            commitments: what a reply commits to; hedged ones need no leave.
            stated: ids of the rules whose condition the reply states (:meth:`stated`).
            intent: of the conversation; null meets only rules without an intent.
            language: BCP 47 of the conversation; null meets rules of every language.
            at: time of the decision point (UTC); null meets rules of any time.
            speaker: auto, agent or supervisor.
        """
        about = (stated, intent, language, at, _RANK[speaker])
        return all(
            self._broken(one, *about) is None for one in commitments if one.firmness == "firm"
        )

    def broken(
        self,
        commitments: Sequence[Commitment],
        stated: Collection[str],
        *,
        intent: str | None,
        language: str | None,
        at: datetime | None,
        speaker: str,
    ) -> list[Broken]:
        """The firm commitments that are not allowed, each with why; none where all are.

        Arguments are those of :meth:`authorised`.
        """
        about = (stated, intent, language, at, _RANK[speaker])
        found = (self._broken(one, *about) for one in commitments if one.firmness == "firm")
        return [one for one in found if one is not None]

    def _broken(
        self,
        one: Commitment,
        stated: Collection[str],
        intent: str | None,
        language: str | None,
        at: datetime | None,
        rank: int,
    ) -> Broken | None:
        rules = [
            rule
            for rule in self._of_kind.get(one.kind, ())
            if rule.intent in (None, intent)
            and _spoken(rule.language, language)
            and _valid(rule, at)
        ]
        if not rules:
            return Broken(one.kind, one.span, NOT_LISTED, None)
        if any(rule.intent is not None for rule in rules):
            rules = [rule for rule in rules if rule.intent is not None]
        never = [rule for rule in rules if rule.allowed == "never" and rank <= rule.rank]
        if never:
            return _against(one, NEVER, never, language)
        allowing = [rule for rule in rules if rule.allowed != "never" and rule.rank <= rank]
        dimension = None if one.value is None else _dimension(one.unit)
        limiting = [r for r in allowing if r.limit is not None and r.dimension == dimension]
        within = [rule for rule in limiting or allowing if _within(one, dimension, rule)]
        if any(rule.allowed == "always" or rule.rule_id in stated for rule in within):
            return None
        if within:
            return _against(one, CONDITION_UNSAID, within, language)
        if allowing:
            widest = sorted(limiting or allowing, key=lambda rule: -(rule.limit or 0.0))
            widest = [rule for rule in widest if rule.limit == widest[0].limit]
            return _against(one, ABOVE_LIMIT if limiting else AMOUNT_UNSAID, widest, language)
        above = sorted((r for r in rules if r.allowed != "never"), key=lambda rule: rule.rank)
        if not above:
            # What is forbidden to those below only is not allowed to anybody by that.
            return Broken(one.kind, one.span, NOT_LISTED, None)
        return _against(one, SPEAKER, [r for r in above if r.rank == above[0].rank], language)


def _against(one: Commitment, why: str, rules: Sequence[_Rule], language: str | None) -> Broken:
    """``one`` as broken by the first of ``rules``, by one in the very language where there is."""
    rule = min(rules, key=lambda rule: rule.language not in (None, language))
    return Broken(one.kind, one.span, why, rule.rule_id)


def _rule(row: dict[str, object]) -> _Rule:
    patterns = []
    for pattern in row["condition_patterns"] or ():  # type: ignore[attr-defined]
        try:
            patterns.append(re.compile(pattern, re.IGNORECASE))
        except re.error as error:
            raise TableError(
                f"table commitments_policy: rule {row['rule_id']}: condition_patterns holds "
                f"{pattern!r}; expected a regular expression ({error}); "
                "write a backslash before a bracket or sign that is meant as such"
            ) from error
    unit = row["limit_unit"]
    dimension = _dimension(None if unit is None else str(unit))
    limit = row["limit_value"]
    if limit is not None and dimension is None:
        raise TableError(
            f"table commitments_policy: rule {row['rule_id']}: limit_unit = {unit!r}; expected "
            f"one of {[*HOURS, 'money', 'percent']} or an ISO currency, since limit_value is set"
        )
    if isinstance(limit, float) and dimension == "time":
        limit *= HOURS[_unit(str(unit))]
    return _Rule(
        str(row["rule_id"]),
        str(row["kind"]),
        row["intent"],  # type: ignore[arg-type]
        row["language"],  # type: ignore[arg-type]
        str(row["allowed"]),
        limit,  # type: ignore[arg-type]
        dimension,
        tuple(patterns),
        _RANK[str(row["speaker"])],
        row["valid_from"],  # type: ignore[arg-type]
        row["valid_to"],  # type: ignore[arg-type]
    )


def _unit(unit: str) -> str:
    plain = unit.strip().lower().replace(" ", "_")
    return _UNITS.get(plain, plain)


def _dimension(unit: str | None) -> str | None:
    if unit is None:
        return None
    plain = _unit(unit)
    if plain in HOURS:
        return "time"
    if plain in ("money", "percent"):
        return plain
    return "money" if re.fullmatch(r"[A-Z]{3}", unit.strip()) else None


def _within(one: Commitment, dimension: str | None, rule: _Rule) -> bool:
    if rule.limit is None:
        return True
    if one.value is None or dimension != rule.dimension:
        return rule.dimension == "time"
    value = one.value * HOURS[_unit(str(one.unit))] if dimension == "time" else one.value
    return value <= rule.limit * (1 + 1e-9)


def _spoken(rule: str | None, language: str | None) -> bool:
    if rule is None or language is None:
        return True
    return rule.split("-")[0].lower() == language.split("-")[0].lower()


def _valid(rule: _Rule, at: datetime | None) -> bool:
    if at is None:
        return True
    begins, ends = rule.valid_from, rule.valid_to
    return (begins is None or begins <= at) and (ends is None or at < ends)
