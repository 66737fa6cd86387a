"""Sentences of the report: the same in both languages, number by number, and what they say."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import polars as pl
import pytest

from simulator import pipeline, tables
from simulator.reports import (
    answer,
    load_reading,
    models,
    phrases,
    prices,
    readings,
    segment_answers,
    staffed,
    support,
    validity,
    wording,
)
from simulator.reports.language import heard, known, speaking
from simulator.reports.run import Run
from simulator.scenario import LanguageModel, Scenario
from simulator.scenario_file import load
from tests.report_run import backtest, finished, of_a_week, overridden
from tests.test_report_models import of_models
from tests.test_reports import with_cells, without

MODULES = (
    *(answer, load_reading, models, phrases, prices, readings, segment_answers, staffed),
    *(support, validity),
)
CHINESE = "zh-Hant"
SCENARIO = """
name = "sentences"
[history]
format = "sample"
timezone = "Asia/Taipei"
[history.sample]
days = 7
contacts_per_day = 120
conversations = 120
[candidates.human]
kind = "human"
[candidates.guarded]
kind = "guarded"
[candidates.faq_rag]
kind = "faq_rag"
[simulation]
days = 3
replications = 1
processes = 1
[proposal]
candidate = "guarded"
stage = "low_risk_auto"
"""

Said = dict[str, list[str]]


def _load(run: Run, candidate: str) -> str:
    rows = run.tables["intervals"].filter(
        (pl.col("team") == "all")
        & (pl.col("segment") == "all")
        & pl.col("candidate").is_in(["human", candidate])
    )
    own = rows.filter((pl.col("candidate") == candidate) & (pl.col("stage") != run.baseline))
    return load_reading.load(run, candidate, own, rows)


def _overrides(run: Run) -> Iterator[str]:
    for row in run.table("gates").filter(pl.col("overridden_by").is_not_null()).to_dicts():
        yield answer.override(row)


def _told(run: Run) -> Iterator[tuple[str, str | None]]:
    """Each public function that makes sentences of a run, and each sentence that it makes."""
    best = answer.leader(run)
    for whole in (
        *(answer.headline, answer.proposal, models.ask_again, readings.cost, readings.risk),
        *(readings.saving, readings.single_days, readings.waits, staffed.missing, staffed.target),
        *(support.emotion, validity.incumbent, validity.judge_quality, validity.reading),
        *(validity.sentence, validity.settled, validity.warning),
    ):
        yield whole.__name__, whole(run)
    for of_best in (readings.breakdown, readings.money_spread, readings.settlement):
        yield of_best.__name__, of_best(run, best)
    yield "paid_saving", staffed.paid_saving(run, best)
    yield "reading", staffed.reading(run, staffed.drawn_cell(run))
    for listed in (models.left_out, prices.sentences, validity.checks, validity.remarks):
        yield from ((listed.__name__, one) for one in listed(run))
    yield from (("override", one) for one in _overrides(run))
    yield from (("known_as", one) for one in models.known_as(run).values())
    for asked in models.asked(run):
        yield from (("remarks of the asked", one) for one in asked.remarks)
    for one in answer.advice(run):
        yield "why_not_further", answer.why_not_further(run, one)
        yield "sentence", phrases.sentence(one.next_step)
        yield "by_override", answer.by_override(one)
        yield "from_score", answer.from_score(run, one)
        yield from (("missing", lacking) for lacking in segment_answers.missing(run, one))
        if one.segment == "all":
            yield "load", _load(run, one.candidate)
    cells = support.shown_cells(run)
    yield "where", support.where(cells)
    yield from (("remarks", one) for one in support.remarks(run, cells))
    yield from (("limit_word", one.limit_word) for one in validity.criteria(run))
    for cell in run.cells:
        yield "at", phrases.at(cell)
        yield "named", phrases.named(cell[1])
        yield "together", phrases.together(phrases.at(cell), None, "", phrases.at(cell))


# Public functions whose text is no sentence: keys, names of stages, heads and lists of labels.
NO_SENTENCES = {
    *("head", "missed", "segments", "shown_metrics", "verdict"),
}


def told(run: Run, language: str = "en") -> Said:
    found: Said = {}
    with speaking(language):
        for name, text in _told(run):
            if text:
                found.setdefault(name, []).append(text)
    return found


def test_every_function_that_makes_sentences_is_told() -> None:
    texts = ("str", "str | None", "list[str]", "tuple[str, ...]", "dict[str, str]")
    makers = {
        name
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and inspect.signature(function).return_annotation in texts
    }
    assert len(makers) > 25
    assert makers - NO_SENTENCES <= {name for run in built() for name in told(run)}


CARDS = {
    "shared": {"as_of": "2025-01-01", "source": "list", "input_per_million": 2,
               "output_per_million": 8},
}  # fmt: skip


def priced_alike() -> Run:
    """Two candidates with one card, and a day's replies without token counts of each."""
    run = finished()
    settings = run.scenario.model_dump(mode="json")
    settings["money"]["prices"] = CARDS
    for name in ("faq_rag", "guarded"):
        settings["candidates"][name] = {"kind": "recorded", "source": "/r.parquet",
                                        "price": "shared"}  # fmt: skip
    volumes = [
        {"stage": "low_risk_auto", "candidate": name, "bound": "central", "segment": "all",
         "arrivals_per_day": 100.0, "automatic_per_day": 50.0, "bot_replies_per_day": 70.0,
         "unpriced_bot_replies_per_day": 7.0}
        for name in ("faq_rag", "guarded")
    ]  # fmt: skip
    facts = {"model": "tiny", "revision": "abc", "settings": "at 1", "recorded_at": "2026-01-01"}
    files = {"faq_rag": facts, "guarded": facts | {"settings": "at 2"}}
    return replace(
        run,
        scenario=Scenario.model_validate(settings),
        manifest={**run.manifest, "candidates": files},
        tables={**run.tables, "volumes": tables.build("volumes", volumes)},
    )


def silent_alike() -> Run:
    """A run with turns without a reply: as many with two candidates, more with a third."""
    rows = [
        {"stage": "low_risk_auto", "candidate": name, "n_points": 900, "n_in_domain": 880,
         "n_after_handoff": 0, "n_no_reply": n, "n_escalations": 0}
        for name, n in (("always_escalate", 7), ("faq_rag", 7), ("guarded", 9))
    ]  # fmt: skip
    run = finished()
    return replace(run, tables={**run.tables, "excluded": tables.build("excluded", rows)})


def scored() -> Run:
    """A run in which labels certify a score for one candidate and none for another."""
    row = {"segment": "all", "risk_limit": 0.01, "confidence": 0.95, "method": "Learn-then-Test"}
    why = (
        "no score is certified: 3 of 344 labelled conversations accepted from 0.25 on, where the "
        "tests began, held a risky promise; 16822 more labels might certify 0.25"
    )
    found = [
        {**row, "candidate": "guarded", "stage": "wider_auto", "threshold": 0.85,
         "reason": "0 of 4", "accepted_share": 0.62},
        {**row, "candidate": "faq_rag", "stage": "low_risk_auto", "reason": why},
        {**row, "candidate": "faq_rag", "stage": "wider_auto", "reason": "another"},
    ]  # fmt: skip
    run = finished()
    return replace(run, tables={**run.tables, "thresholds": tables.build("thresholds", found)})


def labelled(*rows: tuple[str, int, bool | None, bool | None, str]) -> Run:
    """A run with labels and verdicts of its own: candidate, turn, label, verdict, labeller."""
    run = finished()
    at = [{"candidate": name, "conversation_id": "c1", "turn": turn} for name, turn, *_ in rows]
    labels = [
        {**place, "risky_promise": label, "stage": "wider_auto", "unit": "turn", "draw_id": "d",
         "labeller": who, "stratum": "bot"}
        for place, (_, _, label, _, who) in zip(at, rows, strict=True)
        if label is not None
    ]  # fmt: skip
    verdicts = {
        (name, turn): {**place, "judge": "rules", "risky_promise": verdict}
        for place, (name, turn, _, verdict, _) in zip(at, rows, strict=True)
    }
    return replace(
        run,
        tables={
            **run.tables,
            "labels": tables.build("labels", labels),
            "verdicts": tables.build("verdicts", list(verdicts.values())),
        },
    )


READ = (
    ("guarded", 0, True, True, "ann"),
    ("guarded", 2, True, False, "ann"),
    ("guarded", 4, False, True, "ann"),
    ("guarded", 6, False, False, "ann"),
    # The same label twice is one reply; on another two labels differ; a third has no verdict.
    ("guarded", 6, False, False, "bo"),
    ("guarded", 8, True, True, "ann"),
    ("guarded", 8, False, True, "bo"),
    ("guarded", 10, True, None, "ann"),
    ("human", 0, None, True, ""),
    ("human", 2, None, False, ""),
)


def loss() -> Run:
    return with_cells(finished(), "costs", pl.col("metric") == "saving_money", estimate=-12.0)


@cache
def built() -> list[Run]:
    """Runs between which every branch of the sentences is taken."""
    run, let = finished(), overridden(finished())
    outage = {"outages": [{"starts": "10:00:00", "ends": "11:00:00"}]}
    unsaid = with_cells(let, "gates", pl.col("overridden_by").is_not_null(), override_reason=None)
    metric, made = pl.col("metric"), {"created_at": "2026-01-05T09:30:00+00:00"}
    needed, even = metric == "breakdown_contained_share", metric == "break_even_risky_promise_rate"
    missed = "not even: complaint_rate"
    down = finished(simulation=outage)
    return [
        *(run, let, unsaid, down, of_a_week(down), priced_alike(), silent_alike(), scored()),
        *(labelled(*READ), loss(), of_models("timeout", "connection", **made)),
        of_models("timeout", **made),
        with_cells(run, "recommendation", pl.lit(value=True), stage="human_only"),
        replace(run, tables={**run.tables, "backtest": backtest("fail", 0.41)}),
        # Nothing is known of anything.
        *(without(run, n) for n in ("kpis", "costs", "gates", "staffing", "backtest")),
        without(run, "recommendation", "intervals"),
        with_cells(run, "costs", metric == "promise_money", estimate=None),
        with_cells(run, "costs", pl.col("bound") == "worst", estimate=-5.0),
        *(with_cells(run, "costs", needed, estimate=x, method=missed) for x in (0.0, None)),
        *(with_cells(run, "costs", even, estimate=x) for x in (1.3, 0.0)),
        *(
            with_cells(run, "support_metrics", metric == "emotion_change", estimate=x, low=None)
            for x in (-0.1, 0.0)
        ),
    ]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small real run, from history to reports."""
    folder = tmp_path_factory.mktemp("sentences")
    (folder / "s.toml").write_text(SCENARIO, "utf-8")
    return pipeline.as_report_run(pipeline.run(load(folder / "s.toml"), folder / "out"))


NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
# Two letters or more that are not an abbreviation in capitals (a currency, GPU) nor a unit.
WORD = re.compile(r"[A-Za-z][A-Za-z'’]+")
SPOKEN_OF = (("gates", "reason"), ("recommendation", "next_step"), ("thresholds", "reason"),
             ("backtest", "reason"), ("checks", "result"), ("gates", "override_reason"),
             ("gates", "overridden_by"))  # fmt: skip
# What engineers call by its name in any language.
PROPER = {"SimPy"}


def names_of(run: Run) -> set[str]:
    """Names and codes that a run's data hold: they stand in any language as they are."""
    found = {
        str(value)
        for frame in run.tables.values()
        for column in ("stage", "candidate", "segment", "team")
        if column in frame.columns
        for value in frame[column].unique().drop_nulls()
    }
    found |= {*run.scenario.candidates, *LanguageModel.model_fields}
    for name, card in run.scenario.money.prices.items():
        found |= {name, card.source}
    for one in run.scenario.candidates.values():
        if one.model is not None and one.prompt is not None:
            model = one.model
            folders = [path.name for path in (model.folder, model.adapter) if path is not None]
            found |= {str(model.name), model.backend, model.dtype, one.prompt.name, *folders}
    for facts in (run.manifest.get("candidates") or {}).values():
        found |= {str(fact) for fact in facts.values()}
    return found


def own_words(run: Run) -> re.Pattern[str]:
    """What may stand in English: names, codes, commands, and sentences of tables that nobody

    translated (the made-up ones of the built run; those of real runs have a test of their own).
    """
    unknown = {
        row
        for table, column in SPOKEN_OF
        for row in run.table(table)[column].unique().drop_nulls()
        if not known(row)
    }
    told = {wording.visible(heard(row)).strip().rstrip(".") for row in unknown}
    told |= {wording.readable(one, run.stages) for one in told}
    told |= {one[:1].upper() + one[1:] for one in told}
    found = sorted(filter(None, told | names_of(run)), key=len, reverse=True)
    alternatives = "|".join(map(re.escape, found))
    return re.compile(rf"`[^`]*`|(?<![A-Za-z_])(?:{alternatives})(?![A-Za-z_])")


def english_left(own: re.Pattern[str], text: str) -> list[str]:
    """Latin words of a Chinese sentence that are none of its run's own."""
    words = WORD.findall(own.sub(" ", text))
    return [word for word in words if not word.isupper() and word not in PROPER]


def both(run: Run) -> Iterator[tuple[str, str, str]]:
    """Each sentence of a run: the function's name, in English, in Chinese."""
    english, chinese = told(run), told(run, CHINESE)
    assert english.keys() == chinese.keys()
    for name, texts in english.items():
        assert len(texts) == len(chinese[name]), name
        yield from ((name, *pair) for pair in zip(texts, chinese[name], strict=True))


def test_chinese_sentences_hold_no_english_and_the_same_numbers() -> None:
    for run in built():
        _holds(run)


def test_sentences_of_a_real_run_in_chinese(real: Run) -> None:
    assert len(list(both(real))) > 60
    _holds(real)


def _holds(run: Run) -> None:
    with speaking(CHINESE):
        own = own_words(run)
    for name, english, chinese in both(run):
        assert not english_left(own, chinese), f"{name}: {chinese}"
        assert Counter(NUMBER.findall(english)) == Counter(NUMBER.findall(chinese)), name
        assert "。。" not in chinese
        assert "{" not in chinese


def test_a_word_left_in_english_is_found(real: Run) -> None:
    with speaking(CHINESE):
        own = own_words(real)
    said = "採用「guarded」時 the saving is gone，不是 unguarded"
    assert english_left(own, said) == ["the", "saving", "is", "gone", "unguarded"]
    assert english_left(own, "採用「guarded」，每天 USD 12、13 s；`shadowdesk staff RUN`") == []


def test_the_headline_says_what_the_stage_costs() -> None:
    run = finished()
    paying = (
        "The rollout may go as far as Low-risk auto, with guarded. That is for all conversations "
        "together; in 2 segments it may go further: delivery and invoice."
    )
    assert answer.headline(run) == paying
    all_lose = answer.headline(loss())
    assert all_lose.startswith(
        "The rollout may go as far as Low-risk auto, with guarded, but there it costs USD 12 a day "
        "more than people alone."
    )
    let = with_cells(overridden(run), "costs", pl.col("metric") == "saving_money", estimate=-12.0)
    assert answer.headline(let) == (
        "The rollout may go as far as Wider auto, with guarded, but only by override, and there it "
        "costs USD 12 a day more than people alone."
    )


def test_the_headline_does_not_contradict_the_segments() -> None:
    run = finished()
    overall = pl.col("segment") == "all"

    def reaching(stage: str, where: pl.Expr) -> Run:
        return with_cells(run, "recommendation", where, stage=stage)

    stay = reaching("human_only", overall)
    further = answer.headline(reaching("human_only", overall | (pl.col("segment") != "delivery")))
    assert further == (
        "No candidate may answer customers yet: stay with people alone. That is for all "
        "conversations together; in 1 segment it may go further: delivery."
    )
    # Five segments are not named in a headline.
    assert answer.headline(stay).endswith("in 5 segments it may go further.")
    nowhere = answer.headline(reaching("human_only", pl.lit(value=True)))
    assert nowhere == "No candidate may answer customers yet: stay with people alone."


def at_a_loss(run: Run, segment: str) -> Run:
    """``run`` where each candidate costs money in ``segment`` at every stage."""
    costs = run.tables["costs"]
    rows = costs.filter((pl.col("metric") == "saving_money") & (pl.col("bound") == "central"))
    rows = rows.with_columns(pl.lit(segment).alias("segment"), pl.lit(-1.0).alias("estimate"))
    return replace(run, tables={**run.tables, "costs": pl.concat([costs, rows])})


def test_a_segment_that_loses_money_does_not_go_further() -> None:
    run = at_a_loss(finished(), "delivery")
    assert answer.headline(run).endswith("in 1 segment it may go further: invoice.")
    further = {one.advice.segment: one.further for one in segment_answers.segment_answers(run)}
    assert [segment for segment, is_further in further.items() if is_further] == ["invoice"]


def test_each_segment_has_its_answer_and_what_it_lacks() -> None:
    found = {one.advice.segment: one for one in segment_answers.segment_answers(finished())}
    assert next(iter(found)) == "all"
    assert list(found)[1:] == sorted(found.keys() - {"all"})
    top, held = found["delivery"], found["account_takeover"]
    assert (top.advice.stage, top.advice.candidate) == ("wider_auto", "guarded")
    assert (top.further, top.missing, top.labels_needed) == (True, (), None)
    assert top.why == "It is at the top of the ladder."
    assert (held.advice.stage, held.further, held.labels_needed) == ("low_risk_auto", False, 229)
    assert held.missing == ("Risky promises: label some 229 more conversations.",)
    assert segment_answers.segment_answers(without(finished(), "recommendation")) == []


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"labels_needed": 1}, "Risky promises: label 1 more conversation."),
        ({"labels_needed": None}, "Risky promises: the upper bound must fall from 1.56 % to 1 %."),
        ({"labels_needed": None, "low": 0.02, "high": 0.02},
         "Risky promises: must fall from 2 % to 1 %."),
        ({"labels_needed": None, "high": None, "estimate": None},
         "Risky promises: must be known first."),
        ({"labels_needed": None, "high": 0.004}, "Risky promises: must be shown to hold."),
        ({"metric": "saving_money", "low": -20.0, "limit": 0.0, "bound": "worst", "status": "fail"},
         "Saving in the worst case: the lower bound must rise from USD −20 to USD 0."),
        ({"metric": "settled_share", "low": 0.2, "high": 0.2, "limit": 0.5, "status": "fail"},
         "Settled: must rise from 20 % to 50 %."),
        ({"metric": "service_level_loss", "high": 0.069, "limit": 0.03, "status": "fail"},
         "Service level lost: the upper bound must fall from 6.90 % to 3 %."),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_from_the_gate(gate: dict[str, Any], said: str) -> None:
    here = (
        (pl.col("stage") == "wider_auto")
        & (pl.col("candidate") == "guarded")
        & (pl.col("segment") == "all")
        & (pl.col("metric") == "risky_promise_rate")
    )
    run = with_cells(finished(), "gates", here, **gate)
    [one] = answer.advice(run, "guarded", "all")
    assert segment_answers.missing(run, one) == (said,)


def test_what_binds_is_named_first() -> None:
    here = (pl.col("stage") == "wider_auto") & (pl.col("metric") == "saving_money")
    run = with_cells(finished(), "gates", here, status="fail", low=-3.0)
    [one] = answer.advice(run, "guarded", "all")
    found = segment_answers.missing(run, one)
    assert [text.split(":")[0] for text in found] == ["Risky promises", "Saving in the worst case"]


def test_a_score_that_is_not_certified_says_why_and_what_might() -> None:
    run = scored()
    said = {one.candidate: answer.from_score(run, one) for one in answer.advice(run, segment="all")}
    assert said["always_escalate"] is None
    assert (said["guarded"] or "").startswith("At Wider auto it may answer by itself from a score")
    # Of two stages without a score, the first.
    assert said["faq_rag"] == (
        "By score at Low-risk auto: no score is certified: 3 of 344 labelled conversations "
        "accepted from 0.25 on, where the tests began, held a risky promise; 16822 more labels "
        "might certify 0.25."
    )


def test_the_judge_is_set_against_labels() -> None:
    run = labelled(*READ)
    assert (validity.judge_quality(run) or "").startswith(
        "Of 4 labelled replies the rules judge reads 50 % as the labels do on risky promises: it "
        "misses 1 of the 2 that labels find, and flags 1 that they do not"
    )
    assert validity.judge_quality(finished()) is None
    assert validity.judge_quality(labelled(READ[-1])) is None


def test_the_incumbent_is_told_by_the_same_measures() -> None:
    said = validity.incumbent(labelled(*READ)) or ""
    assert "flags a risky promise in 1 of their 2 replies in the log (50 %)" in said
    assert "Of the replies of guarded at the same points it flags 3 of 5 (60 %)." in said
    assert said.endswith("With people alone, 2.10 % of conversations end in a complaint.")
    assert validity.incumbent(without(finished(), "kpis", "verdicts", "costs", "gates")) is None


def test_the_settled_share_is_that_of_the_leaders_next_automatic_stage() -> None:
    run = finished()
    here = (pl.col("stage") == "low_risk_auto") & (pl.col("candidate") == "guarded")
    share = with_cells(run, "kpis", here & (pl.col("metric") == "settled_share"), estimate=0.123)
    assert (validity.settled(share) or "").startswith(
        "With guarded at Low-risk auto, replay settles how 12.3 % of the conversations"
    )
    assert validity.settled(without(run, "kpis")) is None


def test_what_candidates_share_is_said_once() -> None:
    run = priced_alike()
    [said] = prices.sentences(run)
    assert said.startswith("faq_rag and guarded are priced by the card shared of 2025-01-01 (list)")
    assert said.endswith(
        "Replies without token counts cost the flat 0.01: 7 of 70 a day with faq_rag at Low-risk "
        "auto and 7 of 70 a day with guarded at Low-risk auto."
    )
    assert models.known_as(run) == {
        "faq_rag": "recorded: model tiny, revision abc, settings at 1, recorded at 2026-01-01",
        "guarded": "recorded as faq_rag, but settings at 2",
    }
    assert models.left_out(silent_alike()) == [
        "Low-risk auto, always_escalate and faq_rag: 7 of 900 automatic turns each, 0 "
        "conversations each",
        "Low-risk auto, guarded: 9 of 900 automatic turns, 0 conversations",
    ]


def test_names_from_the_data_are_never_templates() -> None:
    odd = "{claim} {0} %s"
    run = with_cells(finished(), "recommendation", pl.col("candidate") == "guarded", candidate=odd)
    for table in ("costs", "kpis", "gates"):
        run = with_cells(run, table, pl.col("candidate") == "guarded", candidate=odd)
    for language in ("en", CHINESE):
        with speaking(language):
            assert odd in answer.headline(run)
            assert odd in readings.saving(run)
            assert odd in (validity.settled(run) or "")
