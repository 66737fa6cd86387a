"""The same question, handled in different ways: what ended well beside what did not.

Outcomes are observed, not caused: who asks the same need not be the same customer, and agents are
given different ones. So a better outcome alone makes no pair: what is chosen must also be what the
point called for, and be without fault.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from simulator.boundary.questions import groups, stands_alone
from simulator.boundary.scene import Row, Scene, at_fault, case, point_of, said_by
from simulator.boundary.wording import answers_it, fits_in, repeats
from simulator.streams import stable_hash

_REASONS = {
    "clarify": "clarify_over_conclude",
    "escalate": "escalate_over_explain",
    "soothe": "soothe_over_inform",
}
# Of the better ones, so many are looked at for each that ended badly.
_MOST = 50


def handled_differently(scene: Scene) -> Iterator[Row]:
    """Pairs of two conversations by outcome, and of one point by tone."""
    yield from _by_outcome(scene)
    yield from _by_tone(scene)


def _by_outcome(scene: Scene) -> Iterator[Row]:
    asked: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in scene.points:
        alone = stands_alone(row["text"] or "", row["n_th"] == 0) and not row["courtesy"]
        if alone and point_of(row) in scene.incumbent:
            asked[row["intent"], row["language"], row["n_th"]].append(row)
    for rows in asked.values():
        same: dict[int, list[Row]] = defaultdict(list)
        for number, row in zip(groups([row["text"] or "" for row in rows]), rows, strict=True):
            same[number].append(row)
        for alike in same.values():
            well = [row for row in alike if ended(row) is True and not row["dev"]]
            badly = [row for row in alike if ended(row) is False]
            for worse in badly:
                found = _better(scene, worse, well)
                if found is not None:
                    yield found


def ended(row: Row) -> bool | None:
    """Whether a conversation ended well: resolved, no complaint, nobody came back, no low mark.

    Badly where one of these is known to be otherwise; null where too little is known. Whoever came
    back after the cut had not done so yet.
    """
    signs = (
        row["resolved"] is False,
        row["complained"] is True,
        row["came_back"],
        row["csat"] is not None and row["csat"] <= 2,
    )
    if any(signs):
        return False
    return True if row["resolved"] else None


def _better(scene: Scene, worse: Row, well: list[Row]) -> Row | None:
    """The pair for a point that ended badly, if one of those that ended well is fit for it."""
    bad = scene.incumbent[point_of(worse)]
    seen = scene.seen[point_of(worse)]
    order = sorted(
        well, key=lambda row: int(stable_hash([f"{point_of(row)}\x1f{point_of(worse)}"])[0])
    )
    for better in order[:_MOST]:
        good = scene.incumbent[point_of(better)]
        reason = _reason(worse, bad, good)
        if reason is None or better["conversation_id"] == worse["conversation_id"]:
            continue
        if not fits_in(good["reply"], seen) or repeats(good["reply"]):
            continue
        why = f"asked the same, {_outcome(better)} there and {_outcome(worse)} here; associated"
        return case(
            "handled_differently",
            worse,
            said_by(good),
            said_by(bad),
            reason,
            "outcomes",
            f"{why}, not caused",
        )
    return None


def _outcome(row: Row) -> str:
    if row["complained"]:
        return "a complaint"
    if row["came_back"]:
        return "the customer came back"
    if row["resolved"] is False:
        return "not resolved"
    return "a low mark" if row["csat"] is not None and row["csat"] <= 2 else "resolved"


def _reason(row: Row, bad: Row, good: Row) -> str | None:
    """Why the one reply is better at the point of the other; null: no reason, or not better."""
    if good["action"] != row["called_for"] or at_fault(good) or good["tone"] not in (None, "apt"):
        return None
    if not answers_it(good, row):
        return None
    if good["action"] == "clarify" and good["asked_for"] not in row["missing"]:
        return None
    if bad["action"] != good["action"]:
        if good["action"] == "soothe" and bad["action"] != "answer":
            return None
        return _REASONS.get(good["action"])
    if bad["risky_promise"] and good["commitment"] in ("none", "hedged"):
        return "hedge_over_promise"
    return "tone" if _off(row, bad) else None


def _off(row: Row, reply: Row) -> bool:
    # Cold is what says nothing to words of upset; a mood from before is not said anew.
    return reply["tone"] not in (None, "apt") and (reply["tone"] != "cold" or row["heated"])


def _by_tone(scene: Scene) -> Iterator[Row]:
    for row in scene.points:
        said = scene.incumbent.get(point_of(row))
        if (
            said is None
            or said["tone"] != "apt"
            or said["action"] != row["called_for"]
            or at_fault(said)
            or not answers_it(said, row)
        ):
            continue
        off = [
            one
            for one in scene.others.get(point_of(row), [])
            if one["action"] == said["action"] and _off(row, one)
        ]
        if off:
            one = off[int(stable_hash([repr(point_of(row))])[0]) % len(off)]
            yield case(
                "handled_differently",
                row,
                said_by(said),
                said_by(one),
                "tone",
                "rules",
                f"the same decision, and {one['tone'].replace('_', ' ')} words for it",
            )
