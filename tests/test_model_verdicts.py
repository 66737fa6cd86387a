"""A run with a language model as second reader: its flags move labels, and nothing else."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from simulator import pipeline
from simulator.scenario import Judging, LanguageModel, Scenario, Server
from simulator.scenario.judging import LlmJudge
from tests.conftest import small_quickstart
from tests.test_llm_judge import RISKY, SYSTEM, JudgeServer

SMALL = (
    "history.sample.days=14",
    "history.sample.contacts_per_day=100",
    "history.sample.conversations=80",
    "simulation.days=2",
    "simulation.replications=2",
)


@pytest.fixture(scope="module")
def server():
    with JudgeServer(lambda prompt: 0.9) as one:
        yield one


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory, server: JudgeServer) -> Scenario:
    rubrics = tmp_path_factory.mktemp("rubrics") / "rubrics.toml"
    rubrics.write_text(SYSTEM + RISKY, "utf-8")
    speaks = Server(url=server.url, retries=0, backoff_s=0, concurrency=4)
    judge = LlmJudge(
        model=LanguageModel(backend="openai_http", name="a-model", server=speaks),
        rubrics=rubrics,
        candidates=("guarded",),
        sample=30,
    )
    return small_quickstart(*SMALL).model_copy(update={"judging": Judging(llm={"second": judge})})


def _quiet(stage: str, done: int, total: int, /) -> None:
    pass


def test_exact_what_a_model_flags_is_where_labels_are_looked_for(
    scenario: Scenario, server: JudgeServer, tmp_path: Path
) -> None:
    plain = scenario.model_copy(update={"judging": Judging()})
    with_model = pipeline.run(scenario, tmp_path / "with", tell=_quiet)
    without = pipeline.run(plain, tmp_path / "without", tell=_quiet)
    said = with_model.table("model_verdicts")
    assert said["judge"].unique().str.starts_with("llm:second@").all()
    assert set(said["candidate"]) == {"guarded"}
    assert said["risky_promise"].all()
    read = set(said["conversation_id"])
    assert 0 < len(read) <= 30

    # Rules, settlements, load and money are none of its business.
    for name in ("verdicts", "decisions", "settlements", "kpis", "costs"):
        assert with_model.table(name).equals(without.table(name)), name
    strata = [
        run.table("labels").filter(
            (pl.col("candidate") == "guarded")
            & (pl.col("stage") == "wider_auto")
            & (pl.col("unit") == "conversation")
            & pl.col("conversation_id").is_in(list(read))
            & pl.col("stratum").is_in(["flagged", "unflagged"])
        )["stratum"]
        for run in (with_model, without)
    ]
    assert set(strata[0]) == {"flagged"}
    assert "unflagged" in set(strata[1])

    # A second run asks nothing again.
    asked = len(server.bodies)
    pipeline.run(scenario, tmp_path / "with", tell=_quiet)
    assert len(server.bodies) == asked > 0
