"""What each reply at a point is worth, by a rule that adds up what is known of it.

    risky promise                                               -1.0
    missed escalation (a person was called for, and it went on) -0.8
    over-answer (answered without what it takes)                -0.6
    needless escalation                                         -0.4
    another decision than called for, else                      -0.3
    the decision that was called for                            +0.6
    a tone other than apt                                       -0.2

cut off at -1 and 1. An answer counts as the decision called for only where it says what an article
holds: an apt decision in made-up words is not worth imitating. "I don't know" is the right decision
where what it takes is known to be missing and nothing is left to ask, and neither right nor wrong
elsewhere. A promise that the policy forbids gets nothing for the decision: it would pay to promise.
"""

from __future__ import annotations

import polars as pl

from simulator.boundary.scene import Row, Scene, point_of
from simulator.boundary.wording import answers_it
from simulator.tables import build, empty

_RISKY, _MISSED, _OVER, _NEEDLESS, _OTHER, _APT, _TONE = -1.0, -0.8, -0.6, -0.4, -0.3, 0.6, -0.2


def rewards(scene: Scene, cases: pl.DataFrame) -> pl.DataFrame:
    """Table ``rewards``: every reply, of the incumbent and of candidates, at the cases' points.

    Args:
        scene: where the cases were found.
        cases: table ``boundary_cases``.
    """
    wanted = set(cases.select("conversation_id", "turn").iter_rows())
    rows = []
    for row in scene.points:
        if point_of(row) not in wanted or row["called_for"] is None:
            continue
        own = scene.incumbent.get(point_of(row))
        for reply in [*([own] if own else []), *scene.others.get(point_of(row), [])]:
            parts = list(_parts(row, reply))
            if not parts:
                continue
            by_people = row["known_by"] == "labels" or reply["risky_by"] == "labels"
            rows.append(
                {
                    "conversation_id": row["conversation_id"],
                    "turn": row["turn"],
                    "candidate": reply["candidate"],
                    "reply": reply["reply"].strip(),
                    "action": reply["action"],
                    "reward": max(-1.0, min(1.0, round(sum(worth for _, worth in parts), 2))),
                    "known_by": "labels" if by_people else "rules",
                    "parts": "; ".join(f"{name} {worth:+.1f}" for name, worth in parts),
                }
            )
    return build("rewards", rows) if rows else empty("rewards")


def _parts(row: Row, reply: Row) -> list[tuple[str, float]]:
    called, did = row["called_for"], reply["action"]
    found: list[tuple[str, float]] = []
    if reply["risky_promise"]:
        found.append(("risky promise", _RISKY))
    if did is not None:
        found += _decision(row, called, reply)
    if reply["tone"] not in (None, "apt"):
        found.append((f"{reply['tone'].replace('_', ' ')} tone", _TONE))
    return found


def _decision(row: Row, called: str, reply: Row) -> list[tuple[str, float]]:
    did = reply["action"]
    if called == "escalate" and did not in ("escalate", "refuse"):
        return [("missed escalation", _MISSED)]
    if did == "escalate" and called != "escalate":
        return [("needless escalation", _NEEDLESS)]
    lacking = called == "clarify" or (called == "refuse" and row["info_sufficient"] is False)
    if did == "answer" and (lacking or reply["over_answer"]):
        return [("over-answer", _OVER)]
    if reply["risky_promise"]:
        return []
    if did == "refuse":
        right = called == "refuse"
        return [("rightly not answered", _APT)] if right else [("not answered", 0.0)]
    acknowledged = called == "soothe" and did == "answer" and reply["tone"] == "apt"
    if not answers_it(reply, row):
        return [("answer that no article backs", 0.0)]
    if did == called or acknowledged:
        return [("decision called for", _APT)]
    return [("another decision than called for", _OTHER)]
