"""The numbers come out of the model: change a cause, and its effect changes, and nothing else."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import polars as pl
import pytest

from simulator import pipeline
from simulator.store import write_table
from tests.conftest import small_quickstart

SMALL = (
    "history.sample.conversations=300",
    "history.sample.contacts_per_day=400",
    "history.sample.days=8",
    "simulation.days=4",
    "simulation.replications=1",
    "simulation.processes=1",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs of the quickstart at a smaller size, by what was set; each is made once."""
    made = {}

    def run(*overrides):
        if overrides not in made:
            scenario = small_quickstart(*SMALL, *overrides)
            made[overrides] = pipeline.run(scenario, tmp_path_factory.mktemp("run") / "out")
        return made[overrides]

    return run


def kpi(folder, metric, stage, candidate, bound="central", table="kpis"):
    rows = folder.table(table).filter(
        metric=metric, stage=stage, candidate=candidate, bound=bound, segment="all"
    )
    assert rows.height == 1
    return rows["estimate"][0]


def labelled_risk(folder, stage, candidate):
    """Share of audited conversations with a risky promise, by the truth and not by the judge."""
    rows = folder.table("labels").filter(stage=stage, candidate=candidate, unit="conversation")
    rows = rows.filter(pl.col("stratum") != "no_bot")
    weight = 1 / pl.col("inclusion_prob")
    risky = pl.col("risky_promise").fill_null(False)
    return rows.select((weight * risky).sum() / weight.sum()).item()


def test_emptying_the_policy_that_guarded_sees_raises_its_risky_promises(run):
    blind = run("candidates.guarded.sees_policy=false")
    for measure in (
        lambda folder: labelled_risk(folder, "wider_auto", "guarded"),
        lambda folder: kpi(folder, "risky_promise_rate_judged", "wider_auto", "guarded"),
    ):
        assert measure(blind) > measure(run()) + 0.05


def test_hedging_the_flat_articles_lowers_those_of_faq_rag(run, tmp_path):
    config = small_quickstart(*SMALL).history.sample
    hedged = pipeline.make_sample(config, ZoneInfo("Asia/Taipei"), flat_articles=False)
    write_table(tmp_path / "hedged.parquet", hedged.knowledge)
    careful = run(f"knowledge.source={tmp_path / 'hedged.parquet'}")
    for measure in (
        lambda folder: labelled_risk(folder, "wider_auto", "faq_rag"),
        lambda folder: kpi(folder, "risky_promise_rate_judged", "wider_auto", "faq_rag"),
    ):
        assert measure(careful) < measure(run()) - 0.05


def test_doubling_the_agents_lowers_waits(run):
    double = run("contact_center.staffing=2.0")
    for stage, candidate in (("human_only", "human"), ("low_risk_auto", "always_escalate")):
        assert kpi(double, "asa_s", stage, candidate) < 0.5 * kpi(run(), "asa_s", stage, candidate)
    occupancy = kpi(run(), "occupancy", "human_only", "human")
    assert kpi(double, "occupancy", "human_only", "human") < 0.7 * occupancy


def test_escalating_everything_saves_nothing_and_promises_nothing(run):
    stage, candidate = "wider_auto", "always_escalate"
    hours = kpi(run(), "human_hours_per_day", "human_only", "human")
    assert kpi(run(), "human_hours_per_day", stage, candidate) == pytest.approx(hours, rel=0.02)
    assert kpi(run(), "escalation_rate", stage, candidate) == 1.0
    assert kpi(run(), "settled_share", stage, candidate) == 1.0
    assert kpi(run(), "contained_rate", stage, candidate) == 0.0
    assert labelled_nothing(run(), stage, candidate)
    decisions = run().table("decisions").filter(stage=stage, candidate=candidate, mode="auto")
    replies = decisions.join(
        run().table("verdicts"), on=("candidate", "conversation_id", "turn"), how="inner"
    )
    assert replies.height > 0
    assert not replies["risky_promise"].any()
    labour = kpi(run(), "labour_money", "human_only", "human", table="costs")
    saving = labour - kpi(run(), "labour_money", stage, candidate, table="costs")
    assert abs(saving) < 0.02 * labour


def labelled_nothing(folder, stage, candidate):
    """Its automatic turns are all escalations: there is no reply to audit."""
    rows = folder.table("labels").filter(stage=stage, candidate=candidate)
    return set(rows["stratum"]) == {"no_bot"} and rows["risky_promise"].is_null().all()


def test_an_outage_moves_its_automatic_traffic_to_the_queue_in_that_very_interval(run):
    down = run('simulation.outages=[{starts="12:00:00",ends="13:00:00"}]')

    def offered(folder, bound):
        rows = folder.table("intervals").filter(
            metric="offered", stage="wider_auto", candidate="faq_rag", bound=bound, team="all"
        )
        return dict(rows.select("interval_start_s", "estimate").iter_rows())

    before, after = offered(run(), "best"), offered(down, "best")
    noon, end = 12 * 3600, 13 * 3600
    assert after[noon] > before.get(noon, 0) + 1
    # Up to noon nothing has changed; the hour's extra visits are those that the outage caused.
    assert {t: n for t, n in after.items() if t < noon} == {
        t: n for t, n in before.items() if t < noon
    }
    contacts = down.table("contacts").filter(cause="outage")
    assert contacts["arrived_ms"].is_between(noon * 1000, end * 1000, closed="left").all()
    assert set(contacts["stage"].unique()) == {"low_risk_auto", "wider_auto"}


def test_set_changes_only_what_it_names(run):
    other = run("money.wage_per_hour=30")
    for table in ("shadow", "verdicts", "decisions", "settlements", "contacts", "kpis", "labels"):
        assert other.table(table).equals(run().table(table)), table
    assert not other.table("costs").equals(run().table("costs"))


def test_the_same_scenario_and_seed_give_identical_tables(run, tmp_path):
    scenario = small_quickstart(*SMALL)
    again = pipeline.run(scenario, tmp_path / "again")
    names = sorted(p.stem for p in (run().path / "tables").iterdir())
    assert names == sorted(p.stem for p in (again.path / "tables").iterdir())
    for name in names:
        # The seconds that a replay took are the one thing that no seed decides.
        one, other = (of.table(name).drop("took_s", strict=False) for of in (again, run()))
        assert one.equals(other), name


def test_bounds_are_ordered(run):
    for candidate in ("faq_rag", "guarded"):
        for stage in ("low_risk_auto", "wider_auto"):
            hours = [
                kpi(run(), "human_hours_per_day", stage, candidate, bound)
                for bound in ("best", "central", "worst")
            ]
            assert hours == sorted(hours)
            contained = [
                kpi(run(), "contained_rate", stage, candidate, bound)
                for bound in ("best", "central", "worst")
            ]
            assert contained == sorted(contained, reverse=True)
