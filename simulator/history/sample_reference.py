"""The synthetic operation's knowledge base, its commitments policy, and the truth of sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import polars as pl

from simulator import tables
from simulator.history.sample_wordings import (
    LANGUAGES,
    Sentence,
    articles,
    content,
    mandated,
    phrases,
    wordings,
)

Midnight = Callable[[int], datetime]


def knowledge(midnight: Midnight, *, flat: bool) -> pl.DataFrame:
    """The table ``knowledge``.

    Args:
        midnight: the start of a day of the sample, by its number.
        flat: state as a firm promise what the articles state flatly; else their hedged form.
    """
    return tables.build(
        "knowledge",
        [
            {
                "article_id": article.article_id,
                "title": article.title,
                "text": wordings(article.language).joined(
                    [one.text for one in (article.flat if flat else article.hedged)]
                ),
                "intent": article.intent,
                "language": article.language,
                "valid_from": _day(midnight, article.from_day),
                "valid_to": _day(midnight, article.to_day),
            }
            for article in articles()
        ],
    )


def commitments_policy(midnight: Midnight) -> pl.DataFrame:
    """The table ``commitments_policy``; a rule with a mandated wording has a row a language."""
    rules = content("policy")["rule"]
    patterns = {rule["id"]: rule.get("patterns", {}) for rule in rules}
    rows: list[dict[str, Any]] = []
    for rule in rules:
        limit = rule.get("limit", (None, None))
        stated = patterns[rule.get("same_patterns_as", rule["id"])]
        row = {
            "kind": rule["kind"],
            "intent": rule.get("intent"),
            "allowed": rule["allowed"],
            "limit_value": None if limit[0] is None else float(limit[0]),
            "limit_unit": limit[1],
            "condition": rule.get("condition"),
            "speaker": rule.get("speaker", "auto"),
            "valid_from": _day(midnight, rule.get("from_day")),
        }
        if "wording" in rule:
            rows += [
                {
                    **row,
                    "rule_id": f"{rule['id']}:{language}",
                    "language": language,
                    "condition_patterns": stated.get(language),
                    "mandated_wording": wordings(language).joined(
                        [one.text for one in mandated(language)[rule["id"]]]
                    ),
                }
                for language in LANGUAGES
            ]
        else:
            every = [pattern for lines in stated.values() for pattern in lines]
            rows.append({**row, "rule_id": rule["id"], "condition_patterns": every or None})
    return tables.build("commitments_policy", rows)


def truth_sentences(spoken: Iterable[tuple[str, Sentence]], policy: pl.DataFrame) -> pl.DataFrame:
    """The table ``truth_sentences``: every sentence that the synthetic company may say.

    Articles in both forms, mandated wordings, fixed phrases of the rule-based candidates, and
    what was ``spoken`` by agents (language and sentence, slots filled). A condition counts as
    stated where one of its rule's patterns matches, since that is what the policy defines; a
    question states nothing.

    Raises:
        ValueError: one sentence stands there with two truths.
    """
    found: dict[str, tuple[str, Sentence]] = {}

    def add(language: str, one: Sentence) -> None:
        known = found.setdefault(one.text, (language, one))
        if known[1] != one:
            raise ValueError(f"two truths for one sentence: {known[1]} and {one}")

    for article in articles():
        for one in (*article.flat, *article.hedged):
            add(article.language, one)
    for language in LANGUAGES:
        for wording in mandated(language).values():
            for one in wording:
                add(language, one)
        said = wordings(language)
        for lines in (
            *said.agent.values(),
            *(x for t in said.by_intent.values() for x in t.values()),
        ):
            for one in lines:
                if "{" not in one.text:
                    add(language, one)
    for language, one in spoken:
        add(language, one)
    for language, text in phrases():
        found.setdefault(text, (language, Sentence(text)))

    conditions = [
        (row["rule_id"], row["language"], re.compile("|".join(row["condition_patterns"])))
        for row in policy.filter(pl.col("condition_patterns").is_not_null())
        .with_columns(
            # One flag at the head of an alternative holds for all of it.
            pl.col("condition_patterns").list.eval(
                pl.format("(?i:{})", pl.element().str.replace("^\\(\\?i\\)", ""))
            )
        )
        .iter_rows(named=True)
    ]
    return tables.build(
        "truth_sentences",
        [
            {
                "sentence": text,
                "language": language,
                "kind": one.kind,
                "value": one.value,
                "unit": one.unit,
                "firmness": one.firmness,
                "states_condition_of": [
                    rule
                    for rule, spoken_in, stated in conditions
                    if spoken_in in (None, language)
                    and text[-1] not in "?？"
                    and stated.search(text)
                ],
            }
            for text, (language, one) in found.items()
        ],
    )


def _day(midnight: Midnight, day: int | None) -> datetime | None:
    return None if day is None else midnight(day)
