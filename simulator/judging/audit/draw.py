"""Which conversations of an audit people are asked to label: stratified simple random samples.

Why the verdicts only choose strata: a judge that misses half of the risky replies would halve
any rate read off it. It decides where labels are looked for; what counts is the label.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import polars as pl

from simulator.evidence.audited import NO_BOT, SIMPLE, outside
from simulator.evidence.rates import allocate
from simulator.scenario import Stage
from simulator.streams import Streams, stable_hash

STRATA = ("flagged", "unflagged")

_CELL = ["stage", "candidate"]

# Before labels nobody knows the judge's precision: among the flagged a half is the guess that
# asks for most labels. Among the unflagged the floor of `allocate` (0.5 %) stands in.
_GUESS = (0.5, 0.0)
# Auditing only what was flagged certifies nothing.
_LEAST = (0.0, 0.6)


def draw(domain: pl.DataFrame, labels: int, streams: Streams, draw_id: str) -> pl.DataFrame:
    """A stratified simple random sample of conversations for people to label.

    Per stage and candidate, strata flagged and unflagged; labels in proportion to
    N_h sqrt(p_h q_h), at least 60 % of them to the unflagged, none above N_h (the rest goes to
    the other stratum). Stages and candidates share their random numbers, so that they are
    audited on the same conversations as far as their domains overlap.

    Args:
        domain: what :func:`simulator.judging.audit.domain.auto_domain` gives.
        labels: conversations a stage and candidate, at least 1.
        streams: the random numbers.
        draw_id: names the draw; another name is another sample.

    Returns:
        ``stage, candidate, conversation_id, stratum, inclusion_prob`` (n_h / N_h), ``draw_id``.

    Raises:
        ValueError: ``labels`` below 1.
    """
    _at_least_one(labels)
    domain = domain.sort(*_CELL, "conversation_id")
    chosen = [_sample(part, labels, streams, draw_id) for part in domain.partition_by(_CELL)] or [
        _sample(domain, labels, streams, draw_id)
    ]
    return pl.concat(chosen).sort(*_CELL, "conversation_id")


def draw_no_bot(
    settlements: pl.DataFrame,
    domain: pl.DataFrame,
    stages: Sequence[Stage],
    labels: int,
    streams: Streams,
    draw_id: str,
) -> pl.DataFrame:
    """A simple random sample of the conversations outside the auto domain, per cell.

    Args:
        settlements: table ``settlements``.
        domain: what :func:`simulator.judging.audit.domain.auto_domain` gives.
        stages: the ladder; only stages with an automatic part are drawn from.
        labels: conversations a stage and candidate, at least 1 (fewer where there are fewer).
        streams, draw_id: as :func:`draw`.

    Returns:
        The columns of :func:`draw`, stratum "no_bot".

    Raises:
        ValueError: ``labels`` below 1.
    """
    _at_least_one(labels)
    automatic = [stage.name for stage in stages if stage.auto_when is not None]
    rest = outside(domain, settlements.filter(pl.col("stage").is_in(automatic)))
    rest = rest.sort(*_CELL, "conversation_id")
    chosen = [
        _at_random(part, labels, NO_BOT, streams, draw_id)
        for part in (rest.partition_by(_CELL) or [rest])
    ]
    return pl.concat(chosen).sort(*_CELL, "conversation_id")


def draw_simple(domain: pl.DataFrame, labels: int, streams: Streams, draw_id: str) -> pl.DataFrame:
    """A simple random sample of the auto domain, whatever a judge said, per cell.

    Args, returns, raises: as :func:`draw`; stratum "simple".
    """
    _at_least_one(labels)
    domain = domain.sort(*_CELL, "conversation_id")
    chosen = [
        _at_random(part, labels, SIMPLE, streams, draw_id)
        for part in (domain.partition_by(_CELL) or [domain])
    ]
    return pl.concat(chosen).sort(*_CELL, "conversation_id")


def rounds(
    units: pl.DataFrame,
    taken: Collection[str],
    labels: Mapping[str, int],
    streams: Streams,
    order: str,
) -> pl.DataFrame:
    """The next conversations of each stratum in a random order that every round shares.

    Each round goes on where the ones before it stopped, so that what was drawn so far is a simple
    random sample of each stratum after every round.

    Args:
        units: ``conversation_id, stratum``, one row a conversation.
        taken: the conversations of earlier rounds.
        labels: how many more by stratum; fewer where fewer are left.
        streams: the random numbers.
        order: names the random order; another name is an independent sample.

    Returns:
        ``conversation_id, stratum, inclusion_prob``: the share of the stratum that this round
        takes; over all rounds they add up to the share that was drawn.
    """
    parts = []
    for stratum, wanted in labels.items():
        part = units.filter(pl.col("stratum") == stratum).sort("conversation_id")
        names = stable_hash(part["conversation_id"])
        in_order = part[np.argsort(streams.uniform(names, f"audit.{order}"), kind="stable")]
        new = in_order.filter(~pl.col("conversation_id").is_in(list(taken))).head(wanted)
        share = new.height / max(part.height, 1)
        parts.append(new.with_columns(pl.lit(share).alias("inclusion_prob")))
    columns = ("conversation_id", "stratum", "inclusion_prob")
    return pl.concat([part.select(columns) for part in parts]).sort("conversation_id")


def shares(units: Mapping[str, int], labels: int) -> dict[str, int]:
    """``labels`` spread over the strata that are asked for, as :func:`draw` spreads them.

    Args:
        units: conversations that may still be drawn, by stratum: flagged and unflagged, or simple.
        labels: how many in all.
    """
    if set(units) == {SIMPLE}:
        return {SIMPLE: min(labels, units[SIMPLE])}
    left = [units.get(name, 0) for name in STRATA]
    return dict(zip(STRATA, allocate(left, _GUESS, labels, _LEAST), strict=True))


def _at_least_one(labels: int) -> None:
    if labels < 1:
        raise ValueError(f"labels = {labels}; expected at least 1")


def _sample(part: pl.DataFrame, labels: int, streams: Streams, draw_id: str) -> pl.DataFrame:
    strata = [part.filter(pl.col("flagged")), part.filter(~pl.col("flagged"))]
    units = [stratum.height for stratum in strata]
    shares = allocate(units, _GUESS, labels, _LEAST)
    return pl.concat(
        _at_random(stratum, n, name, streams, draw_id)
        for name, stratum, n in zip(STRATA, strata, shares, strict=True)
    )


def _at_random(
    stratum: pl.DataFrame, labels: int, name: str, streams: Streams, draw_id: str
) -> pl.DataFrame:
    names = stable_hash(stratum["conversation_id"])
    n = min(labels, stratum.height)
    order = np.argsort(streams.uniform(names, f"audit.{draw_id}"), kind="stable")[:n]
    return stratum[order].select(
        *_CELL,
        "conversation_id",
        pl.lit(name).alias("stratum"),
        pl.lit(n / max(stratum.height, 1)).alias("inclusion_prob"),
        pl.lit(draw_id).alias("draw_id"),
    )
