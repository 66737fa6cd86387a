"""Which points each metric is about, and when what was done there was well done."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl


class Metric(NamedTuple):
    """How a metric counts points, and how it says what it leaves out.

    ``concerned`` and ``well`` are of a point, null where the label is unknown; ``aside`` counts
    points that are set aside. ``harm``: the share
    is that of the bad. ``known``: which conversations are concerned is known without a label.
    """

    concerned: pl.Expr
    well: pl.Expr
    harm: bool
    known: bool
    apart: str
    aside: pl.Expr | None = None
    set_aside: str = ""


def _metrics() -> dict[str, Metric]:
    replied, handed, action = pl.col("replied"), pl.col("handed"), pl.col("action")
    needs_human, informed = pl.col("needs_human"), pl.col("info_sufficient")
    called_for = needs_human | (pl.col("risk") == "high") | ~informed
    soothes = (action == "soothe").fill_null(False)
    refuses = replied & (action == "refuse").fill_null(False)
    acted = replied | handed
    over = pl.coalesce(
        "over_answer", (action == "answer") & ((pl.col("risk") == "high") | ~informed)
    )
    sounds = pl.coalesce("tone", "judged_tone")
    calm_enough = pl.when(sounds.is_in(["apt", "cold"])).then(sounds == "apt")
    silent = "that no bot spoke in"
    return {
        "high_risk_interception": Metric(
            pl.col("high"),
            # Evaluated by conversation: the last reply in it, null where there is none.
            (pl.col("turn") > pl.col("turn").filter("replied").max()).fill_null(True),
            False,
            False,
            "without a high-risk point",
        ),
        "missed_escalation": Metric(
            needs_human, ~replied, True, False, "without a point that needs a person"
        ),
        "needless_escalation": Metric(
            handed,
            called_for,
            True,
            True,
            "not handed over by choice",
            pl.col("late"),
            "escalations after a divergence",
        ),
        "clarify_when_uninformed": Metric(
            (acted & ~(replied & soothes)) & ~informed,
            handed | action.is_in(["clarify", "refuse"]),
            False,
            False,
            "in which it did not act on too little information",
            replied & soothes & ~informed.fill_null(False),
            "replies that only soothe",
        ),
        "soothe_before_inform": Metric(
            acted & pl.col("emotion").is_in(["upset", "angry"]),
            handed | soothes | calm_enough,
            False,
            False,
            "in which it did not act on an upset customer",
        ),
        "appropriate_dont_know": Metric(
            refuses, called_for, False, True, "without a reply that refuses"
        ),
        "over_answer": Metric(replied, ~over, True, True, silent),
        "tone_apt": Metric(replied, pl.col("tone") == "apt", False, True, silent),
        "would_send_as_is": Metric(replied, pl.col("would_send") == "as_is", False, True, silent),
    }


METRICS = _metrics()
