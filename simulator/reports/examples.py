"""The worst replies of a run: what stood before them, what was said, and why it was flagged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from simulator.reports import wording
from simulator.reports.language import noted, say, say_n
from simulator.reports.run import Run

PER_CANDIDATE = 12
# Longer replies than any channel sends are cut, and say so; the run's tables hold them whole.
LONGEST = 12_000
# So are messages before the reply, and of a long conversation the first ones are left out.
_LONGEST_BEFORE, _LINES_BEFORE = 3_000, 6
_POINT = ["conversation_id", "turn"]

FLAGS = {
    "compliance_breach": noted("Compliance breach"),
    "risky_promise": noted("Risky promise"),
    "over_answer": noted("Over-answer"),
}
_EMOTIONS = {"upset": noted("Customer is upset"), "angry": noted("Customer is angry")}
_KINDS = {
    "refund": noted("refund"),
    "compensation": noted("compensation"),
    "delivery_time": noted("delivery time"),
    "price": noted("price"),
    "waiver": noted("waiver"),
    "account": noted("account"),
    "legal": noted("legal"),
    "callback": noted("callback"),
    "repair": noted("repair"),
    "action": noted("action"),
    "other": noted("other"),
}
# One of them, and several.
_UNITS = {
    "minute": (noted("{value} minute"), noted("{value} minutes")),
    "hour": (noted("{value} hour"), noted("{value} hours")),
    "day": (noted("{value} day"), noted("{value} days")),
    "working_day": (noted("{value} working day"), noted("{value} working days")),
    "week": (noted("{value} week"), noted("{value} weeks")),
    "month": (noted("{value} month"), noted("{value} months")),
    "money": (noted("{currency} {value}"), noted("{currency} {value}")),
    "percent": (noted("{value} %"), noted("{value} %")),
}
_BROKEN = {
    "never": noted("No promise of this kind ({kind}) is allowed here."),
    "speaker": noted("Only {speaker} may make a promise of this kind ({kind})."),
    "above_limit": noted("Beyond the limit of {limit}."),
    "amount_unsaid": noted("Without an amount that could be held against the limit of {limit}."),
    "condition_unsaid": noted("The condition is left unsaid."),
    "not_listed": noted(
        "The policy has no rule that lets this speaker make a promise of this kind ({kind})."
    ),
}
_ALLOWED = {
    "always": noted("{kind}: allowed"),
    "conditional": noted("{kind}: allowed on a condition"),
    "never": noted("{kind}: never allowed"),
}
# Whom a rule speaks of: leave is for those above too, and what is forbidden is so to those below.
_MAY = {
    "auto": noted("to a bot and to people"),
    "agent": noted("to agents and supervisors"),
    "supervisor": noted("to supervisors only"),
}
_MAY_NOT = {
    "auto": noted("to a bot"),
    "agent": noted("to agents and bots"),
    "supervisor": noted("to anybody"),
}
_SPEAKERS = {
    "auto": noted("a bot"),
    "agent": noted("an agent"),
    "supervisor": noted("a supervisor"),
}


@dataclass(frozen=True)
class Line:
    """One message before the reply: who said it, and what; ``cut`` characters are left out."""

    who: str
    text: str
    cut: int


@dataclass(frozen=True)
class Rule:
    """What a promise breaks. ``rule`` is null where the policy has no rule about it.

    ``condition`` and ``wording`` are the policy's own words; null where it has none.
    """

    said: str
    why: str
    rule_id: str | None
    rule: str | None
    condition: str | None
    wording: str | None


@dataclass(frozen=True)
class Example:
    """A flagged reply. ``parts`` in a row are the reply; those that are true are the evidence.

    ``place`` counts those of the candidate from 0, the gravest first. ``flags``: which verdicts, as
    a reader meets them. ``left_out``: messages before those of ``context``. ``cut``: characters
    after those of ``parts``. ``alike``: how many more flagged replies of this candidate say the
    same.
    """

    place: int
    candidate: str
    conversation_id: str
    turn: int
    intent: str | None
    language: str | None
    sent: str
    flags: list[str]
    why: list[str]
    left_out: int
    context: list[Line]
    parts: list[tuple[str, bool]]
    cut: int
    rules: list[Rule]
    alike: int


def examples(run: Run, redact: Callable[[str, str | None], str] | None = None) -> list[Example]:
    """The worst flagged replies of each candidate, at most ``PER_CANDIDATE`` each.

    A reply is flagged where a judge found a risky promise, a compliance breach or an over-answer.
    Breaches and risky promises at high-risk points come first, then those that a customer would
    have read (automatic in some stage); of equally grave ones, one of each intent and kind of
    promise before the second of any; then by conversation: the same run always shows the same. One
    conversation shows once a candidate, and so do replies that differ in numbers, spaces and
    punctuation only, or whose evidence is the same sentence.

    Args:
        run: the run.
        redact: takes e-mail addresses and phone numbers out of a text in a language; an import has
            done so with the log, but not with what candidates say. None leaves texts as they are.
    """
    ranked = _ranked(run)
    chosen = [
        (place, row)
        for candidate in run.candidates
        for place, row in enumerate(
            ranked.filter(pl.col("candidate") == candidate)
            .head(PER_CANDIDATE)
            .iter_rows(named=True)
        )
    ]
    wanted = [row["conversation_id"] for _, row in chosen]
    told: dict[str, list[dict[str, Any]]] = {}
    history = run.table("decision_points").filter(pl.col("conversation_id").is_in(wanted))
    for point in history.sort(_POINT).iter_rows(named=True):
        told.setdefault(point["conversation_id"], []).append(point)
    policy = {row["rule_id"]: row for row in run.table("commitments_policy").iter_rows(named=True)}
    return [
        _example(run, place, row, told.get(row["conversation_id"], []), policy, redact or _as_it_is)
        for place, row in chosen
    ]


def _as_it_is(text: str, _: str | None) -> str:
    return text


def _ranked(run: Run) -> pl.DataFrame:
    """Flagged replies, the gravest first, each conversation and each wording once a candidate."""
    flagged = run.table("verdicts").filter(
        pl.any_horizontal(pl.col(flag).fill_null(False) for flag in FLAGS)
    )
    auto = (
        run.table("decisions")
        .filter((pl.col("mode") == "auto") & (pl.col("reach") != "after_handoff"))
        .group_by("candidate", *_POINT)
        .agg(pl.col("stage").unique().alias("stages"))
    )
    risk = run.table("contexts").select(*_POINT, "risk", "emotion").unique(_POINT, keep="first")
    grave = (
        4 * pl.col("compliance_breach").fill_null(False).cast(pl.Int64)
        + 4 * pl.col("risky_promise").fill_null(False).cast(pl.Int64)
        + 2 * pl.col("stages").is_not_null().cast(pl.Int64)
        + (pl.col("risk") == "high").fill_null(False).cast(pl.Int64)
    )
    order = [*_POINT, "judge"]
    said = (
        flagged.join(
            run.table("shadow").select("candidate", *_POINT, "reply"),
            on=["candidate", *_POINT],
            how="inner",
        )
        .filter(pl.col("reply").is_not_null() & (pl.col("reply") != ""))
        .join(auto, on=["candidate", *_POINT], how="left")
        .join(risk, on=_POINT, how="left")
        .join(
            run.table("conversations").select("conversation_id", "intent", "language"),
            on="conversation_id",
            how="left",
        )
        .with_columns(
            grave.alias("weight"),
            _plain(pl.col("reply")).alias("plain"),
            _plain(pl.coalesce("evidence", "reply")).alias("sentence"),
            pl.col("broken_rules").list.first().struct.field("kind").alias("promised"),
        )
        .sort("weight", *order, descending=[True, *(False for _ in order)])
        .with_columns(
            (pl.len().over("candidate", "sentence") - 1).alias("alike"),
        )
    )
    for once in ("plain", "sentence", "conversation_id"):
        said = said.unique(["candidate", once], keep="first", maintain_order=True)
    turn_of = pl.int_range(pl.len()).over("candidate", "weight", "intent", "promised", *FLAGS)
    return said.with_columns(turn_of.alias("turn_of")).sort(
        "weight", "turn_of", *order, descending=[True, False, *(False for _ in order)]
    )


def _plain(text: pl.Expr) -> pl.Expr:
    """``text`` without what differs between near-identical replies."""
    return text.str.to_lowercase().str.replace_all(r"\d+", "0").str.replace_all(r"[\s\pP]+", " ")


def _example(
    run: Run,
    place: int,
    row: Mapping[str, Any],
    points: Sequence[Mapping[str, Any]],
    policy: Mapping[str, Mapping[str, Any]],
    redact: Callable[[str, str | None], str],
) -> Example:
    language = row["language"]
    context: list[Line] = []
    for point in points:
        if point["turn"] > row["turn"]:
            break
        if point["text"]:
            context.append(_line(say("Customer"), point["text"]))
        if point["turn"] < row["turn"] and point["reply"]:
            context.append(_line(say("Agent, as logged"), point["reply"]))
    broken = row["broken_rules"] or []
    spans = [one["span"] for one in broken] or [row["evidence"] or ""]
    reply = redact(row["reply"], language)
    stages = [wording.stage_label(s) for s in run.stages if s in (row["stages"] or [])]
    if stages:
        sent = say("would be sent automatically at {stages}", stages=wording.listed(stages))
    elif row["candidate"] == "human":
        sent = say("sent by a person, as logged")
    else:
        sent = say("a draft only: no stage sends it automatically")
    rules = [_rule(run, one, policy, redact(one["span"], language)) for one in broken]
    return Example(
        place,
        row["candidate"],
        row["conversation_id"],
        row["turn"],
        row["intent"],
        language,
        sent,
        [say(label) for flag, label in FLAGS.items() if row[flag]],
        _why(run, row),
        max(0, len(context) - _LINES_BEFORE),
        context[-_LINES_BEFORE:],
        _marked(reply[:LONGEST], [one for span in spans for one in (span, redact(span, language))]),
        max(0, len(reply) - LONGEST),
        list(dict.fromkeys(rules)),
        row["alike"],
    )


def _line(who: str, text: str) -> Line:
    return Line(who, text[:_LONGEST_BEFORE], max(0, len(text) - _LONGEST_BEFORE))


def _marked(reply: str, spans: Sequence[str]) -> list[tuple[str, bool]]:
    """``reply`` in parts, true where one of ``spans`` stands (the first time that it does)."""
    found = sorted((at, at + len(one)) for one in spans if one and (at := reply.find(one)) >= 0)
    parts, last = [], 0
    for start, end in found:
        if end > last:
            parts += [(reply[last:start], False), (reply[max(start, last) : end], True)]
            last = end
    return [(text, marked) for text, marked in [*parts, (reply[last:], False)] if text]


def _why(run: Run, row: Mapping[str, Any]) -> list[str]:
    """The flags in words; a risky promise with what was promised."""
    why = []
    if row["risky_promise"]:
        broken = {one["span"] for one in row["broken_rules"] or []}
        firm = [c for c in row["commitments"] or [] if c["firmness"] == "firm"]
        firm = [c for c in firm if c["span"] in broken] or firm
        promised = list(dict.fromkeys(_promised(run, c) for c in firm))
        if promised:
            why.append(
                say(
                    "Firm promise that the policy does not authorise ({promised})",
                    promised=wording.listed(promised),
                )
            )
        else:
            why.append(say("Firm promise that the policy does not authorise"))
    if row["compliance_breach"]:
        why.append(say("Compliance breach: liability, privacy, legal or medical advice"))
    if row["over_answer"]:
        why.append(say("Complete answer where none should have been given"))
    if row["risk"] == "high":
        why.append(say("High-risk point"))
    if row["emotion"] in _EMOTIONS:
        feels = _EMOTIONS[row["emotion"]]
        why.append(say(feels))
    return why


def _promised(run: Run, commitment: Mapping[str, Any]) -> str:
    kind = _kind(commitment["kind"])
    if commitment["value"] is None:
        return kind
    amount = _amount(run, commitment["value"], commitment["unit"])
    return say("{kind}: {amount}", kind=kind, amount=amount)


def _kind(kind: str) -> str:
    return say(_KINDS[kind]) if kind in _KINDS else wording.visible(kind).replace("_", " ")


def _amount(run: Run, value: float, unit: str | None) -> str:
    """A quantity with its unit; an amount of money in the run's currency where it names none."""
    number, plain = f"{value:,.6g}", re.sub(r"[\s_]+", "_", (unit or "").strip().lower())
    words = _UNITS.get(plain) or _UNITS.get(plain.removesuffix("s"))
    if words is None:
        return f"{wording.visible(unit or '')} {number}".lstrip()
    currency = run.scenario.money.currency
    return say_n(*words, value, value=number, currency=currency)


def _rule(
    run: Run, broken: Mapping[str, Any], policy: Mapping[str, Mapping[str, Any]], said: str
) -> Rule:
    kind = _kind(broken["kind"])
    row = policy.get(broken["rule_id"])
    reason = _BROKEN["not_listed" if row is None else broken["why"]]
    if row is None:
        return Rule(said, say(reason, kind=kind), None, None, None, None)
    allowed, never = _ALLOWED[row["allowed"]], row["allowed"] == "never"
    speaker, whom = _SPEAKERS[row["speaker"]], (_MAY_NOT if never else _MAY)[row["speaker"]]
    limit = row["limit_value"]
    upto = "" if limit is None else _amount(run, limit, row["limit_unit"])
    why = say(reason, kind=kind, limit=upto, speaker=say(speaker))
    parts = [say(allowed, kind=kind), say(whom)]
    if upto and not never:
        parts.append(say("up to {limit}", limit=upto))
    if row["intent"]:
        parts.append(say("where the intent is {intent}", intent=wording.visible(row["intent"])))
    return Rule(
        said,
        why,
        broken["rule_id"],
        say("; ").join(parts),
        row["condition"],
        row["mandated_wording"],
    )
