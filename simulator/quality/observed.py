"""What the metrics are measured on."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

CONFIDENCE = 0.95
# The judge whose reading of actions, tones and emotions stands in where nothing else is stated.
JUDGE = "rules"
CELL = ("stage", "candidate")
CONVERSATION = (*CELL, "conversation_id")
TURN = (*CONVERSATION, "turn")
POINT = ("candidate", "conversation_id", "turn")


class Observed(NamedTuple):
    """What is measured.

    Attributes:
        labels: table ``labels``; only split "certify" counts.
        domain: conversations of the auto domain: ``stage, candidate, conversation_id, flagged``.
        points: the decision points of it: ``stage, candidate, conversation_id, turn``.
        shadow: table ``shadow``; an action that is null there is taken from ``verdicts``.
        verdicts: table ``verdicts``.
        contexts: table ``contexts``.
        decisions: table ``decisions``.
        settlements: table ``settlements``.
        kpis: table ``kpis``; metric ``complaint_rate`` is read.
        segments: ``conversation_id, segment``; segment "all" is added.
    """

    labels: pl.DataFrame
    domain: pl.DataFrame
    points: pl.DataFrame
    shadow: pl.DataFrame
    verdicts: pl.DataFrame
    contexts: pl.DataFrame
    decisions: pl.DataFrame
    settlements: pl.DataFrame
    kpis: pl.DataFrame
    segments: pl.DataFrame
