"""Which of the cases are exported: no two alike, kinds balanced, hand-overs and silence kept."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import polars as pl

from simulator.boundary.questions import normal
from simulator.schema.comparison import CASE_KINDS
from simulator.streams import stable_hash

# Of all exported rows, at least that share each, where there are so many.
KEPT = {"escalate": 0.1, "refuse": 0.1}
_Point = tuple[str, int]
_Row = dict[str, Any]
_Messages = list[dict[str, str]]


class Chosen(NamedTuple):
    """``cases``: rows of table boundary_cases, in order. ``counts``: a row a kind of what became

    of those found: ``kind, found, duplicates, overlapping, over_cap, exported``. ``examples``: ids
    of the cases whose chosen words are the example of their prompt; a prompt has one, whatever
    pairs there are. ``spare``: by action in :data:`KEPT`, how many the cap left out.
    """

    cases: pl.DataFrame
    counts: pl.DataFrame
    examples: frozenset[str]
    spare: Mapping[str, int]


def choose(
    cases: pl.DataFrame,
    prompts: pl.DataFrame,
    overlapping: Set[_Point],
    per_kind: int,
    dev: frozenset[str],
) -> Chosen:
    """The cases to export.

    Args:
        cases: table ``boundary_cases``.
        prompts: table ``prompts``, of the cases' points.
        overlapping: points at which the same is said or asked as at one that is held out; a case
            there would train on what is evaluated.
        per_kind: most cases of a kind at the boundary; of the other side there are at most as
            many as of all of these.
        dev: ids of the conversations of the dev part; one that asks what the training part asks
            is left out as a duplicate.
    """
    asked = messages_of(prompts)
    rare = Counter(cases["kind"].to_list())
    rows = sorted(cases.to_dicts(), key=lambda row: _worth(row, dev, rare))
    apart = [row for row in rows if _point(row) not in overlapping]
    unlike = _unlike(apart, asked, dev)
    kept = []
    *boundary, other_side = CASE_KINDS
    for kind in boundary:
        kept += _capped([row for row in unlike if row["kind"] == kind], per_kind)
    # One for each that lies at the boundary, and no more pairs against handing over than for it:
    # preferences follow what is rejected most, and a model forgot to hand over at all (measured).
    others = _capped([row for row in unlike if row["kind"] == other_side], len(kept))
    n_for = sum(row["chosen_action"] == "escalate" and row["rejected"] is not None for row in kept)
    unpaired = {row["case_id"] for row in sorted(others, key=_hash)[n_for:]}
    examples = _examples([*kept, *others], asked, dev, rare)
    kept += [row for row in others if row["case_id"] in examples or row["case_id"] not in unpaired]
    found, free, left, out = (
        Counter(row["kind"] for row in part) for part in (rows, apart, unlike, kept)
    )
    counts = [
        {
            "kind": kind,
            "found": found[kind],
            "duplicates": free[kind] - left[kind],
            "overlapping": found[kind] - free[kind],
            "over_cap": left[kind] - out[kind],
            "exported": out[kind],
        }
        for kind in CASE_KINDS
    ]
    names = {row["case_id"] for row in kept}
    spare = Counter(row["chosen_action"] for row in unlike if row["case_id"] not in names)
    single = pl.col("case_id").is_in(sorted(unpaired))
    return Chosen(
        cases.filter(pl.col("case_id").is_in(sorted(names)))
        .with_columns(
            pl.when(~single).then(name).alias(name)
            for name in ("reason", "rejected", "rejected_action", "rejected_from")
        )
        .sort("conversation_id", "turn", "kind", "case_id"),
        pl.DataFrame(counts),
        frozenset(examples & names),
        {action: spare[action] for action in KEPT},
    )


def folded(said: Iterable[str]) -> str:
    """All that was said, folded: two conversations that differ in a number alone are the same."""
    return "\x1e".join(map(normal, said))


def _point(row: Mapping[str, Any]) -> _Point:
    return row["conversation_id"], row["turn"]


def _worth(row: _Row, dev: frozenset[str], rare: Mapping[str, int]) -> tuple[object, ...]:
    """What is kept of two alike: of the training part, with a pair, of a rare kind."""
    return (
        row["conversation_id"] in dev,
        row["rejected"] is None,
        rare[row["kind"]],
        CASE_KINDS.index(row["kind"]),
        row["known_by"] != "labels",
        row["case_id"],
    )


def _unlike(
    rows: Sequence[_Row], asked: Mapping[_Point, _Messages], dev: frozenset[str]
) -> list[_Row]:
    """Without those that repeat a prompt without a pair or with one for the same reason.

    Nor a question with its pair; nor what rejects at a prompt what another case chooses there.
    """
    taken, pairs, kept = set[tuple[str, str | None]](), set[tuple[str, ...]](), []
    right, wrong = set[tuple[str, str]](), set[tuple[str, str]]()
    prompts = set[str]()
    in_training = {repr(asked[_point(row)]) for row in rows if row["conversation_id"] not in dev}
    for row in rows:
        messages = asked[_point(row)]
        if row["conversation_id"] in dev and repr(messages) in in_training:
            continue
        spoken = [one["content"] for one in messages if one["role"] != "system"]
        prompt = folded(spoken)
        pair = (normal(spoken[-1]), row["chosen"], row["rejected"] or "")
        again = prompt in prompts if row["rejected"] is None else (prompt, row["reason"]) in taken
        chosen, rejected = (prompt, row["chosen"]), (prompt, row["rejected"] or "")
        if again or pair in pairs or chosen in wrong or rejected in right:
            continue
        prompts.add(prompt)
        taken.add((prompt, row["reason"]))
        pairs.add(pair)
        right.add(chosen)
        wrong.add(rejected)
        kept.append(row)
    return kept


def _examples(
    rows: Sequence[_Row],
    asked: Mapping[_Point, _Messages],
    dev: frozenset[str],
    rare: Mapping[str, int],
) -> set[str]:
    """The case of each prompt whose chosen words stand as its example."""
    first: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: _worth(row, dev, rare)):
        spoken = (one["content"] for one in asked[_point(row)] if one["role"] != "system")
        first.setdefault(folded(spoken), row["case_id"])
    return set(first.values())


def _capped(rows: list[_Row], most: int) -> list[_Row]:
    """At most so many, spread over intent, language and reason, in turns.

    What the rules judge alone says comes last: it errs.
    """
    if len(rows) <= most:
        return rows
    strata: dict[tuple[object, ...], list[_Row]] = defaultdict(list)
    # Pairs first: they teach more than a row without one.
    order = sorted(rows, key=lambda r: (r["known_by"] == "rules", r["rejected"] is None, _hash(r)))
    for row in order:
        strata[row["intent"], row["language"], row["reason"], row["chosen_action"]].append(row)
    # The larger first: with fewer places than strata, names must not decide.
    names = sorted(strata, key=lambda name: (-len(strata[name]), repr(name)))
    deep = max(map(len, strata.values()))
    turns = [strata[name][n] for n in range(deep) for name in names if n < len(strata[name])]
    turns.sort(key=lambda row: row["known_by"] == "rules")
    reserved: list[_Row] = []
    for action, share in KEPT.items():
        # The share is of all kinds together: each keeps enough for all, if it has so many.
        enough = min(most // 3, math.ceil(share * most * len(CASE_KINDS)))
        reserved += [row for row in turns if row["chosen_action"] == action][:enough]
    first = {row["case_id"] for row in reserved}
    return [*reserved, *(row for row in turns if row["case_id"] not in first)][:most]


def _hash(row: _Row) -> int:
    return int(stable_hash([row["case_id"]])[0])


def messages_of(prompts: pl.DataFrame) -> dict[_Point, _Messages]:
    """What is asked at each point of table ``prompts``."""
    return {(c, t): messages for c, t, messages in prompts.iter_rows()}
