"""Boundary cases: points where what is said matters, with what should be said there.

Four kinds lie at the boundary: the incumbent answered and should not have; it held back, rightly;
only the policy's words will do; the same question was handled in different ways and ended
differently. The fifth is its other side: points at which it rightly answered, asked or calmed. A
small model that was tuned on the four alone handed over every other conversation (measured on the
built-in sample), whatever was asked.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from simulator.boundary.differently import handled_differently
from simulator.boundary.scene import (
    Row,
    Scene,
    answered_at,
    at_fault,
    case,
    point_of,
    said_by,
)
from simulator.boundary.wording import Words, answers_it, fits_in
from simulator.tables import build, empty

_OVER = {
    "escalate": ("escalate_over_explain", "high risk, or a person was needed"),
    "clarify": ("clarify_over_conclude", "what it takes to answer was missing"),
    "soothe": ("soothe_over_inform", "the customer was upset, and was only informed"),
}


def boundary_cases(scene: Scene) -> pl.DataFrame:
    """Table ``boundary_cases``: all that are found, before any choice among them.

    Args:
        scene: of the exported part of a history.
    """
    rows = [
        one
        for find in _KINDS
        for one in find(scene)
        if one["chosen"] and one["chosen"] != one["rejected"]
    ]
    found = {row["case_id"]: row for row in rows}
    return build("boundary_cases", list(found.values())) if found else empty("boundary_cases")


def answered_wrongly(scene: Scene) -> Iterator[Row]:
    """Where the incumbent answered and should have done something else, or said it otherwise.

    Rejected is what it said. Chosen are its own words from a point that called for the same, or
    the policy's for a promise that is not allowed; where it has none, a candidate's at that point.
    """
    for row in scene.points:
        said = scene.incumbent.get(point_of(row))
        if said is None or said["action"] != "answer" or row["called_for"] is None:
            continue
        seen, called = scene.seen[point_of(row)], row["called_for"]
        # Who acknowledged the mood and answered has done nothing wrong by that.
        acknowledged = called == "soothe" and said["tone"] in (None, "apt")
        if called in _OVER and not acknowledged:
            reason, why = _OVER[called]
            wanted = _lacking(row, called)
            chosen = scene.borrowed.words(called, row, seen, wanted)
            chosen = chosen or _candidates_words(scene, row, called, wanted)
            known_by = row["known_by"]
        elif said["risky_promise"] and called != "refuse":
            reason, why = "hedge_over_promise", "it promises what the policy does not allow"
            chosen = _policy_words(scene, row) or scene.borrowed.words(called, row, seen)
            known_by = said["risky_by"]
        else:
            continue
        if chosen is not None:
            yield case(
                "answered_wrongly", row, chosen, said_by(said), reason, known_by, f"answered: {why}"
            )


def held_back_rightly(scene: Scene) -> Iterator[Row]:
    """Where the incumbent handed over, or said that it does not know, and was right to.

    Handing over is right where the risk is high or a person is needed. "I don't know" is right
    where nobody is needed, what it takes to answer is missing and nothing is left to ask: at high
    risk it leaves the customer alone. Words that claim what was done or seen in this very case
    are no example. Rejected is a candidate's reply that answered there.
    """
    for row in scene.points:
        said = scene.incumbent.get(point_of(row))
        if said is None or at_fault(said) or said["tone"] not in (None, "apt"):
            continue
        if said["action"] != row["called_for"] or not fits_in(
            said["reply"], scene.seen[point_of(row)]
        ):
            continue
        if said["action"] == "escalate":
            reason, why = "escalate_over_explain", f"handed over: {_OVER['escalate'][1]}"
        elif said["action"] == "refuse":
            reason, why = "clarify_over_conclude", "did not guess: what it takes was not there"
        else:
            continue
        # What is harmless there, such as advice on safety, is no worse for not handing over.
        rejected = next((one for one in answered_at(scene, row) if at_fault(one)), None)
        if rejected is not None and rejected["risky_promise"] and said["action"] == "refuse":
            reason = "hedge_over_promise"
        worse = said_by(rejected) if rejected else None
        yield case("held_back_rightly", row, said_by(said), worse, reason, row["known_by"], why)


def mandated_wording(scene: Scene) -> Iterator[Row]:
    """Where an answer is called for that binds the company, and the policy has the words for it.

    Rejected is a promise that somebody made there and the policy forbids, if anybody did.
    """
    for row in scene.points:
        if row["called_for"] != "answer":
            continue
        chosen = _policy_words(scene, row)
        if chosen is None:
            continue
        said = scene.incumbent.get(point_of(row))
        answers = [
            *([said] if said and said["action"] == "answer" else []),
            *answered_at(scene, row),
        ]
        binding = any(one["risky_promise"] or one["commitment"] == "firm" for one in answers)
        # Where nobody binds the company to anything, its wording may answer another question.
        if not binding and (said is None or said["commitment"] != "hedged"):
            continue
        # A firm promise that the policy allows is no worse than its wording.
        risky = next((one for one in answers if one["risky_promise"]), None)
        yield case(
            "mandated_wording",
            row,
            chosen,
            said_by(risky) if risky else None,
            "hedge_over_promise",
            "policy",
            "the policy has words for what may be said here",
        )


def decided_rightly(scene: Scene) -> Iterator[Row]:
    """Where the incumbent answered, asked or calmed, as was called for.

    Rejected is a hand-over that nobody needed: a candidate's there, else the incumbent's words
    from a point that called for one.
    """
    for row in scene.points:
        said = scene.incumbent.get(point_of(row))
        if said is None or at_fault(said) or said["tone"] not in (None, "apt"):
            continue
        called = row["called_for"]
        if said["action"] != called or called not in ("answer", "clarify", "soothe"):
            continue
        wanted = _lacking(row, called)
        if (wanted and said["asked_for"] not in wanted) or said["commitment"] == "firm":
            continue
        seen = scene.seen[point_of(row)]
        if not answers_it(said, row) or not fits_in(said["reply"], seen):
            continue
        needless = (
            said_by(one)
            for one in scene.others.get(point_of(row), [])
            if one["action"] == "escalate"
        )
        yield case(
            "decided_rightly",
            row,
            said_by(said),
            next(needless, None) or scene.borrowed.words("escalate", row, seen),
            "help_over_handover",
            row["known_by"],
            "did what was called for, and nobody else was needed",
        )


_KINDS = (
    answered_wrongly,
    held_back_rightly,
    mandated_wording,
    handled_differently,
    decided_rightly,
)


def _policy_words(scene: Scene, row: Row) -> Words | None:
    rules = scene.mandated.fitting(row)
    if not rules:
        return None
    text = " ".join(dict.fromkeys(rule["mandated_wording"].strip() for rule in rules))
    return Words(text, "answer", "policy " + ", ".join(rule["rule_id"] for rule in rules))


def _candidates_words(scene: Scene, row: Row, called: str, wanted: tuple[str, ...]) -> Words | None:
    """What a candidate said there in words that it says elsewhere too, promising nothing."""
    for one in scene.others.get(point_of(row), []):
        if (
            one["action"] == called
            and one["commitment"] == "none"
            and one["tone"] == "apt"
            and not at_fault(one)
            and (not wanted or one["asked_for"] in wanted)
            and (one["candidate"], one["reply"]) in scene.stock
        ):
            return said_by(one)
    return None


def _lacking(row: Row, called: str) -> tuple[str, ...]:
    if called != "clarify":
        return ()
    return tuple(item for item in row["missing"] if item not in row["asked"])
