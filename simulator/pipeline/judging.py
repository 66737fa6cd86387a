"""Verdicts of language models, where the scenario has such judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import polars as pl

from simulator.backends import Completion
from simulator.backends.kept import KeptAnswers
from simulator.judging import llm_judge
from simulator.judging.llm_judge import Judge
from simulator.pipeline.customers import TableOf
from simulator.store import RunFolder
from simulator.streams import Streams
from simulator.tables import empty


def judged_by_models(
    judges: Sequence[Judge],
    table: TableOf,
    folder: RunFolder,
    streams: Streams,
    tell: Callable[[int, int], None],
) -> pl.DataFrame:
    """Table ``model_verdicts``: what each judge says of the replies that it is to read.

    Args:
        judges: of :func:`simulator.judging.llm_judge.make`.
        table: gives a table of the run by name.
        folder: where answers are kept one by one.
        streams: random numbers, for the sample.
        tell: told of questions done and questions in all.
    """
    policy = table("commitments_policy")
    found = [empty("model_verdicts")]
    for judge in judges:
        name = judge.name.removeprefix("llm:").partition("@")[0]
        path = folder.path / "parts" / "judging" / f"{name}.sqlite"
        with closing(KeptAnswers(path, Completion)) as kept:
            judged = llm_judge.judge_with(
                judge,
                llm_judge.to_judge(table("shadow"), judge.config, streams),
                table("decision_points"),
                table("turns"),
                table("conversations"),
                None if policy.is_empty() else policy,
                kept,
                tell,
            )
        found.append(judged.verdicts)
    return pl.concat(found)
