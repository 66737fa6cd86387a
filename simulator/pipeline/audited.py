"""Whether labels are still about the words that the run now holds."""

from __future__ import annotations

import polars as pl

from simulator.judging.audit.domain import with_people
from simulator.judging.audit.kept import audited_labels, draws
from simulator.judging.audit.points import audit_points, stratum_drawn
from simulator.store import RunFolder
from simulator.tables import conform

_POINT = ["conversation_id", "turn"]
# No stratum of any run: the gates say that these are no longer where they were drawn.
_CHANGED = "changed"


def current_labels(folder: RunFolder) -> pl.DataFrame:
    """Table ``labels`` of the run's audits, as the gates may read them.

    Labels of other replies than now have no stratum. Whatever a draw holds that nobody answered,
    while somebody answered the rest or a later draw, is there as unknown: leaving conversations out
    chooses among them, even where a whole stratum or sheet is left out.
    """
    labels = audited_labels(folder)
    if labels.is_empty():
        return labels
    both = pl.concat([labels, _unanswered(draws(folder), labels)])
    changed = changed_since_drawn(folder).with_columns(pl.lit(_CHANGED).alias("now"))
    key = ["draw_id", "conversation_id"]
    marked = both.join(changed.select(*key, "now"), on=key, how="left", maintain_order="left")
    stratum = pl.coalesce("now", "stratum").alias("stratum")
    return marked.with_columns(stratum).select(labels.columns)


def _unanswered(drawn: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    key = ["draw_id", "conversation_id"]
    of = ["stage", "candidate", "segment", "split", "simple"]
    answered = labels.group_by("draw_id").agg(pl.col("labelled_on").min())
    last = (
        drawn.join(answered, on="draw_id")
        .group_by(of)
        .agg(pl.col("round").max().alias("last"), pl.col("labelled_on").min())
    )
    lacking = (
        drawn.join(last, on=of)
        .filter(pl.col("round") <= pl.col("last"))
        .join(labels, on=key, how="anti")
        .unique(key, maintain_order=True)
        .with_columns(
            pl.lit("conversation").alias("unit"),
            pl.lit("nobody").alias("labeller"),
            stratum_drawn(),
        )
        .drop("turn")
    )
    return conform("labels", lacking)


def changed_since_drawn(folder: RunFolder) -> pl.DataFrame:
    """``draw_id, conversation_id``: drawn conversations with another reply now, at some point."""
    changed = [pl.DataFrame(schema={"draw_id": pl.String, "conversation_id": pl.String})]
    for (stage, candidate), part in (
        draws(folder).partition_by("stage", "candidate", as_dict=True, maintain_order=True).items()
    ):
        now = points_now(folder, str(stage), str(candidate), simple=False)
        both = part.join(now.select(*_POINT, pl.col("digest").alias("now")), on=_POINT, how="left")
        differs = both.filter(pl.col("digest").ne_missing(pl.col("now")))
        changed.append(differs.select("draw_id", "conversation_id").unique())
    return pl.concat(changed).sort("draw_id", "conversation_id")


def points_now(folder: RunFolder, stage: str, candidate: str, *, simple: bool) -> pl.DataFrame:
    """What an audit of the cell is about, as the run now is.

    See :func:`simulator.judging.audit.points.audit_points`.
    """
    mine = pl.col("candidate") == candidate
    here = mine & (pl.col("stage") == stage)
    verdicts = pl.concat([folder.table("verdicts"), folder.table("model_verdicts")])
    decisions = folder.table("decisions").filter(here)
    if candidate == "human":
        decisions = with_people(decisions, stage)
    return audit_points(
        folder.table("decision_points"),
        decisions,
        folder.table("shadow").filter(mine),
        verdicts.filter(mine),
        folder.table("settlements").filter(here),
        simple=simple,
    )
