"""The support metrics: what labels say of how customers are treated."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import quality, tables
from simulator.evidence.audited import Audit
from simulator.evidence.rates import Stratum, ratio_lower, ratio_upper, stratified_upper
from simulator.judging.audit import domain as audited
from simulator.judging.audit.draw import draw, draw_no_bot
from simulator.judging.audit.synthetic_labels import label_from_truth
from simulator.judging.promises.authority import Policy
from simulator.pipeline.steps import Steps
from simulator.rollout.outcomes import segments
from simulator.scenario import LADDER
from simulator.store import RunFolder
from simulator.streams import Streams
from tests.conftest import small_quickstart

CELL = {"stage": "wider_auto", "candidate": "x"}
LABEL = ("needs_human", "risk", "info_sufficient", "emotion", "over_answer", "tone", "would_send")
PLAIN = {"needs_human": False, "risk": "low", "info_sufficient": True, "emotion": "calm"}
Found = dict[tuple[str, str, str], dict[str, Any]]


def point(does: str = "answer", **said: Any) -> dict[str, Any]:
    """One decision point: the action of the candidate there and what the label says.

    ``does`` routed: a rule of the stage sends it to a person. ``bare``: no label row.
    """
    return {"does": does, **PLAIN, **said}


class World:
    """Conversations, each a list of points at turns 0, 2, ...; what happened follows from them."""

    def __init__(
        self,
        *conversations: list[dict[str, Any]],
        labelled: int | None = None,
        diverged: tuple[int, ...] = (),
        step: int = 2,
        copies: int = 1,
    ) -> None:
        self.labelled = len(conversations) if labelled is None else labelled
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: []
            for name in ("labels", "shadow", "verdicts", "contexts", "decisions", "settlements")
        }
        self.domain, self.points = [], []
        names = [f"c{i}" for i in range(len(conversations))]
        for i, (name, talk) in enumerate(zip(names, conversations, strict=True)):
            self._talk(name, [p for p in talk for _ in range(copies)], step, i in diverged)
        spoken = {row["conversation_id"] for row in self.domain}
        silent = [name not in spoken for name in names]
        for i, (name, talk) in enumerate(zip(names, conversations, strict=True)):
            stratum = "no_bot" if silent[i] else "unflagged"
            if i < self.labelled:
                share = sum(silent[j] == silent[i] for j in range(self.labelled)) / sum(
                    one == silent[i] for one in silent
                )
                self._label(name, [p for p in talk for _ in range(copies)], step, stratum, share)
        self.segments = pl.DataFrame({"conversation_id": names, "segment": ["refund"] * len(names)})

    def _talk(self, name: str, talk: list[dict[str, Any]], step: int, diverged: bool) -> None:
        key = {"candidate": "x", "conversation_id": name}
        at_turn = cause = None
        spoke = False
        for i, one in enumerate(talk):
            turn, does = i * step, one["does"]
            after = at_turn is not None and not diverged
            mode = "human" if does == "routed" or after else "auto"
            row = {**key, "turn": turn}
            self.tables["decisions"].append(
                {**CELL, **row, "mode": mode, "rule": "r"}
                | {"reach": "after_handoff" if after else "reached"}
            )
            action = one.get("states", None if does == "routed" else does)
            self.tables["shadow"].append({**row, "action": action, "reply": "Yes.", "key": "k"})
            self.tables["verdicts"].append(
                {**row, "judge": "rules", "action": does if does != "routed" else None}
                | {"tone": one.get("judged_tone")}
            )
            self.tables["contexts"].append(
                {"judge": "rules", "conversation_id": name, "turn": turn}
                | {"emotion": one.get("heard", one["emotion"])}
            )
            if after:
                continue
            if does in ("escalate", "routed"):
                if at_turn is None:
                    at_turn, cause = turn, "chosen" if does == "escalate" else "routed"
            else:
                spoke = True
                self.points.append({**CELL, "conversation_id": name, "turn": turn})
        status = "diverged" if diverged else "agreed" if at_turn is None else "handoff"
        self.tables["settlements"].append(
            {**CELL, "conversation_id": name, "status": status}
            | ({} if diverged else {"cause": cause, "at_turn": at_turn})
        )
        if spoke:
            self.domain.append({**CELL, "conversation_id": name, "flagged": False})

    def _label(
        self, name: str, talk: list[dict[str, Any]], step: int, stratum: str, share: float
    ) -> None:
        drawn = {**CELL, "conversation_id": name, "draw_id": "d", "labeller": "ann"}
        drawn |= {"stratum": stratum, "inclusion_prob": share, "split": "certify"}
        self.tables["labels"].append({**drawn, "unit": "conversation", "risky_promise": False})
        for i, one in enumerate(talk):
            if one.get("bare"):
                continue
            said = {column: one.get(column) for column in LABEL}
            self.tables["labels"].append({**drawn, **said, "unit": "turn", "turn": i * step})

    def observed(self) -> quality.Observed:
        schema = {"stage": pl.String, "candidate": pl.String, "conversation_id": pl.String}
        return quality.Observed(
            domain=pl.DataFrame(self.domain, schema={**schema, "flagged": pl.Boolean}),
            points=pl.DataFrame(self.points, schema={**schema, "turn": pl.Int64}),
            kpis=tables.empty("kpis"),
            segments=self.segments,
            **{name: tables.build(name, rows) for name, rows in self.tables.items()},
        )

    def measure(self) -> Found:
        return measured(self.observed())

    def all(self, metric: str) -> dict[str, Any]:
        return self.measure()["x", "all", metric]


def measured(seen: quality.Observed) -> Found:
    found = quality.measure(seen, LADDER)
    return {(r["candidate"], r["segment"], r["metric"]): r for r in found.iter_rows(named=True)}


def share(row: dict[str, Any]) -> tuple[float | None, int]:
    """Estimate and n; where everything is labelled and known, the interval is the estimate."""
    if row["estimate"] is not None:
        assert row["low"] == pytest.approx(row["estimate"])
        assert row["high"] == pytest.approx(row["estimate"])
    return row["estimate"], row["n"]


def test_exact_high_risk_is_caught_before_any_reply_to_it_or_after() -> None:
    world = World(
        [point(), point("escalate", needs_human=True)],
        [point("routed", risk="high")],
        [point(risk="high")],
        # A reply after it is too late as well.
        [point("routed", risk="high"), point()],
        [point()],
        diverged=(3,),
    )
    assert share(world.all("high_risk_interception")) == (0.5, 4)
    assert world.all("high_risk_interception")["excluded"] == (
        "1 labelled conversations without a high-risk point"
    )


def test_exact_escalation_is_missed_where_the_bot_replied_to_what_needs_a_person() -> None:
    world = World(
        [point(needs_human=True)],
        [point(), point("escalate", needs_human=True)],
        [point("routed", needs_human=True), point(needs_human=True)],
        # High risk alone asks for no person here, a reply before the need is no miss.
        [point(risk="high")],
        [point(), point("routed", needs_human=True)],
    )
    assert share(world.all("missed_escalation")) == (0.25, 4)


def test_exact_escalation_is_needless_where_the_label_shows_no_cause() -> None:
    world = World(
        [point("escalate")],
        [point("escalate", needs_human=True)],
        [point("escalate", risk="high")],
        [point("escalate", info_sufficient=False)],
        [point("routed")],
        [point(), point("escalate")],
        diverged=(5,),
    )
    row = world.all("needless_escalation")
    assert share(row) == (0.25, 4)
    assert row["excluded"] == (
        "2 replayed conversations not handed over by choice; 1 escalations after a divergence"
    )


def test_exact_too_little_information_is_asked_for_refused_or_handed_over() -> None:
    unsure = {"info_sufficient": False}
    world = World(
        [point("clarify", **unsure)],
        [point("refuse", **unsure)],
        [point("escalate", **unsure)],
        [point("answer", **unsure)],
        [point("clarify", **unsure), point("answer", **unsure)],
        [point("soothe", **unsure)],
        [point("routed", **unsure)],
        [point("answer")],
    )
    row = world.all("clarify_when_uninformed")
    assert share(row) == (pytest.approx(3 / 5), 5)
    assert "1 replies that only soothe" in row["excluded"]
    assert row["excluded"].startswith("3 labelled conversations in which it did not act")


def test_exact_upset_customers_are_soothed_handed_over_or_spoken_to_aptly() -> None:
    angry = {"emotion": "angry"}
    world = World(
        [point("soothe", **angry)],
        [point("escalate", emotion="upset")],
        [point(tone="apt", **angry)],
        [point(tone="cold", judged_tone="apt", **angry)],
        [point(judged_tone="cold", **angry)],
        [point(judged_tone="apt", **angry), point(judged_tone="cold")],
        [point(judged_tone="cold")],
    )
    assert share(world.all("soothe_before_inform")) == (pytest.approx(4 / 6), 6)


@pytest.mark.parametrize(
    "unclear",
    [
        {"tone": "over_eager"},
        {"judged_tone": "over_certain"},
        # A judge that took the customer for calm did not look for regret.
        {"judged_tone": "apt", "heard": "calm"},
        {},
    ],
)
def test_exact_what_shows_neither_stays_open(unclear: dict[str, Any]) -> None:
    world = World([point("soothe", emotion="upset")], [point(emotion="upset", **unclear)])
    row = world.all("soothe_before_inform")
    assert (row["estimate"], row["n"], row["low"], row["high"]) == (1, 1, 0.5, 1)
    assert "1 labelled, but not in this respect" in row["excluded"]


def test_exact_a_refusal_is_called_for_or_not() -> None:
    world = World(
        [point("refuse", info_sufficient=False)],
        [point("refuse", risk="high")],
        [point("refuse", needs_human=True), point("refuse")],
        [point("refuse")],
        [point()],
    )
    row = world.all("appropriate_dont_know")
    assert share(row) == (0.5, 4)
    assert row["excluded"] == "1 replayed conversations without a reply that refuses"


def test_exact_over_answer_is_the_labels_own_or_follows_from_it() -> None:
    world = World(
        [point(risk="high")],
        [point(info_sufficient=False)],
        [point(over_answer=True)],
        [point(risk="high", over_answer=False)],
        [point("clarify", info_sufficient=False)],
        [point("escalate", risk="high")],
    )
    assert share(world.all("over_answer")) == (pytest.approx(3 / 5), 5)


def test_exact_tone_and_would_send_come_from_labels_alone() -> None:
    world = World(
        [point(tone="apt", would_send="as_is")],
        [point(tone="apt", would_send="edit"), point(tone="cold", would_send="as_is")],
        [point("escalate")],
    )
    assert share(world.all("tone_apt")) == (0.5, 2)
    assert share(world.all("would_send_as_is")) == (0.5, 2)
    judged = World([point(judged_tone="apt")]).all("tone_apt")
    assert [judged[c] for c in ("estimate", "low", "high", "n")] == [None, None, None, 0]


def test_exact_free_text_does_what_the_judge_says() -> None:
    free = World([point("clarify", states=None, info_sufficient=False)])
    assert share(free.all("clarify_when_uninformed")) == (1, 1)


def test_exact_bounds_are_those_of_the_strata() -> None:
    needs = {"needs_human": True}
    talks = [[point(**needs)]] * 3 + [[point("escalate", **needs)]] * 9 + [[point()]] * 28
    rest = [[point()]] * 60 + [[point("escalate")]] * 20
    world = World(*talks, *rest, labelled=40)
    spoke, silent = (91, 31), (29, 9)
    bad = [Stratum(*spoke, 3)]
    good = [Stratum(*spoke, 0), Stratum(*silent, 9)]
    row = world.all("missed_escalation")
    estimate = (91 * 3 / 31) / (91 * 3 / 31 + 29)
    assert row["estimate"] == pytest.approx(estimate)
    assert row["low"] == pytest.approx(1 - ratio_upper(good, bad, 0.025))
    assert row["high"] == pytest.approx(1 - ratio_lower(good, bad, 0.025))
    over = World(*[[point(risk="high")]] * 2, *[[point()]] * 98, labelled=50).all("over_answer")
    assert over["high"] == pytest.approx(stratified_upper([Stratum(100, 50, 2)], 0.025))
    assert (over["estimate"], over["n"]) == (pytest.approx(0.04), 50)


def test_exact_labels_that_did_not_come_back_widen() -> None:
    talks = [[point(risk="high")]] * 2 + [[point()]] * 98
    whole = World(*talks, labelled=50)
    seen = whole.observed()
    gone = seen.labels.filter(~pl.col("conversation_id").is_in(["c48", "c49"]))
    fewer = measured(seen._replace(labels=gone))["x", "all", "over_answer"]
    row = whole.all("over_answer")
    assert fewer["low"] <= row["low"]
    assert fewer["high"] > row["high"]
    assert "2 drawn whose labels are missing" in fewer["excluded"]


def test_exact_a_missing_label_may_be_a_miss_only_where_a_bot_spoke() -> None:
    needs = {"needs_human": True}
    talks = [[point(**needs)]] * 3 + [[point("escalate", **needs)]] * 9 + [[point()]] * 28
    rest = [[point()]] * 60 + [[point("escalate")]] * 20
    seen = World(*talks, *rest, labelled=40).observed()
    # Two that no bot spoke in and one that it spoke in did not come back.
    gone = seen.labels.filter(~pl.col("conversation_id").is_in(["c3", "c4", "c39"]))
    row = measured(seen._replace(labels=gone))["x", "all", "missed_escalation"]
    good = [Stratum(91, 31, 0), Stratum(29, 9, 7)]
    assert row["high"] == pytest.approx(1 - ratio_lower(good, [Stratum(91, 31, 4)], 0.025))
    good = [Stratum(91, 31, 1), Stratum(29, 9, 9)]
    assert row["low"] == pytest.approx(1 - ratio_upper(good, [Stratum(91, 31, 3)], 0.025))


def test_exact_segments_are_measured_each_and_their_own_draw_counts_there_alone() -> None:
    world = World(*[[point(risk="high")]] * 6, *[[point()]] * 14, labelled=10)
    seen = world.observed()
    alike = world.measure()
    for column in ("estimate", "low", "high", "n"):
        assert (
            alike["x", "refund", "over_answer"][column] == alike["x", "all", "over_answer"][column]
        )
    own = seen.labels.with_columns(pl.lit("unflagged in refund").alias("stratum"))
    found = measured(seen._replace(labels=own))
    assert found["x", "refund", "over_answer"]["n"] == 10
    assert found["x", "all", "over_answer"]["n"] == 0
    assert found["x", "all", "over_answer"]["high"] is None


def test_exact_without_labels_nothing_is_claimed() -> None:
    found = World([point(risk="high")], [point("escalate")], labelled=0).measure()
    for row in found.values():
        if row["candidate"] == "x":
            assert (row["estimate"], row["low"], row["high"], row["n"]) == (None, None, None, 0)
            assert row["excluded"].startswith("no labels")


def test_exact_a_metric_that_concerns_nobody_has_no_row() -> None:
    found = World([point()], [point("routed")]).measure()
    assert ("x", "all", "appropriate_dont_know") not in found
    assert ("x", "all", "needless_escalation") not in found
    assert ("x", "all", "over_answer") in found


def test_exact_labellers_who_disagree_leave_it_open() -> None:
    seen = World([point(needs_human=True)], [point("escalate", needs_human=True)]).observed()
    second = seen.labels.with_columns(
        pl.lit("ben").alias("labeller"), pl.lit(False).alias("needs_human")
    )
    row = measured(seen._replace(labels=pl.concat([seen.labels, second])))[
        "x", "all", "missed_escalation"
    ]
    assert (row["n"], row["estimate"], row["low"], row["high"]) == (0, None, None, None)


def test_exact_interception_is_counted_as_the_gate_counts_it() -> None:
    world = World(
        [point(risk="high")],
        [point(), point("escalate", needs_human=True)],
        [point("routed", risk=None, needs_human=None)],
        [point(risk=None)],
        [point()],
    )
    seen = world.observed()
    audit = Audit.of(
        ("wider_auto", "x"), seen.labels, seen.domain, seen.points, seen.segments, seen.settlements
    )
    row = world.all("high_risk_interception")
    assert row["n"] == audit.total("all", "caught") + audit.total("all", "missed") == 2
    good = list(audit.strata("all", "caught", absent=False).values())
    bad = list(audit.strata("all", "maybe_missed", absent=True).values())
    assert row["low"] == pytest.approx(ratio_lower(good, bad, 0.025))


def test_exact_complaints_are_those_of_the_simulated_days() -> None:
    rows = [
        {**CELL, "segment": "all", "bound": bound, "metric": metric, "estimate": value}
        | {"low": value / 2, "high": value * 2, "n": 900, "unit": "share", "method": "days"}
        for bound, value in (("best", 0.01), ("central", 0.02), ("worst", 0.04))
        for metric in ("complaint_rate", "asa_s")
    ]
    seen = World([point()], labelled=0).observed()._replace(kpis=tables.build("kpis", rows))
    found = quality.measure(seen, LADDER).filter(pl.col("metric") == "complaint_rate")
    assert found["bound"].to_list() == ["best", "central", "worst"]
    assert found["estimate"].to_list() == [0.01, 0.02, 0.04]
    assert found["high"].to_list() == [0.02, 0.04, 0.08]
    assert set(found["estimand"]) == {"simulated_days"}


def incumbent(*talks: list[tuple[str | None, str]]) -> quality.Observed:
    """Conversations of (emotion, the incumbent's action)."""
    contexts, decisions, shadow = [], [], []
    for i, talk in enumerate(talks):
        for n, (emotion, action) in enumerate(talk):
            key = {"conversation_id": f"c{i}", "turn": 2 * n}
            contexts.append({"judge": "rules", **key, "emotion": emotion})
            human = {"candidate": "human", **key}
            decisions.append(
                {"stage": "human_only", **human, "mode": "human", "rule": "stage"}
                | {"reach": "reached"}
            )
            shadow.append({**human, "action": action, "reply": "Yes.", "key": "k"})
    seen = World().observed()
    names = [f"c{i}" for i in range(len(talks))]
    return seen._replace(
        contexts=tables.build("contexts", contexts),
        decisions=tables.build("decisions", decisions),
        shadow=tables.build("shadow", shadow),
        segments=pl.DataFrame({"conversation_id": names, "segment": ["refund"] * len(names)}),
    )


def test_exact_emotion_change_is_from_one_point_to_the_next() -> None:
    found = measured(
        incumbent(
            [("angry", "soothe"), ("calm", "answer"), ("upset", "answer")],
            [("upset", "answer"), ("angry", "answer")],
            [("calm", "answer"), (None, "answer"), ("calm", "answer")],
        )
    )
    change = found["human", "all", "emotion_change"]
    # Angry to calm -2, calm to upset +1; upset to angry +1.
    assert (change["estimate"], change["n"], change["unit"]) == (0.0, 3, "levels")
    # Residuals -1 and +1 by conversation: sqrt(2 * (1 + 1)) / 3, by t with one degree of freedom.
    assert change["low"] == -2.0
    assert change["high"] == 2.0
    assert change["excluded"] == (
        "3 last points of their conversation, which nothing follows; 2 points with an emotion that "
        "is not known, here or next"
    )
    assert "rules judge" in change["method"]
    calmed = found["human", "all", "calmed"]
    assert (calmed["estimate"], calmed["n"]) == (0.5, 2)
    further = found["human", "all", "upset_further"]
    assert (further["estimate"], further["n"]) == (1.0, 2)
    assert found["human", "all", "emotion_change_after_soothe"]["estimate"] == -2
    assert ("human", "refund", "emotion_change") in found
    assert ("human", "refund", "emotion_change_after_soothe") not in found


def test_exact_one_conversation_shows_no_spread() -> None:
    row = measured(incumbent([("calm", "answer"), ("upset", "answer"), ("calm", "answer")]))[
        "human", "all", "emotion_change"
    ]
    assert (row["estimate"], row["low"], row["high"]) == (0.0, None, None)


def test_exact_emotion_interval_is_clustered_by_conversation() -> None:
    up, flat = [("calm", "answer"), ("upset", "answer")], [("calm", "answer"), ("calm", "answer")]
    row = measured(incumbent(*[up] * 5, *[flat] * 15))["human", "all", "emotion_change"]
    # One point a conversation: sqrt(.25 * .75 / 19), t(.975; 19) = 2.093.
    half = 2.0930 * (0.25 * 0.75 / 19) ** 0.5
    assert row["estimate"] == 0.25
    assert row["high"] - row["estimate"] == pytest.approx(half, rel=1e-4)
    # The same conversation twice over is no second conversation.
    long = [("calm", "answer"), ("upset", "answer")] * 6
    whole = measured(incumbent(*[long] * 4))["human", "all", "upset_further"]
    assert whole["n"] > 20
    assert whole["high"] - whole["low"] > 0.3


ACTION = st.sampled_from(["answer", "clarify", "escalate", "refuse", "soothe", "routed"])
POINT = st.builds(
    point,
    ACTION,
    needs_human=st.booleans(),
    risk=st.sampled_from(["low", "high"]),
    info_sufficient=st.booleans(),
    emotion=st.sampled_from(["calm", "upset"]),
    tone=st.sampled_from(["apt", "cold"]),
    would_send=st.sampled_from(["as_is", "no"]),
)
TALKS = st.lists(st.lists(POINT, min_size=1, max_size=3), min_size=4, max_size=14)


@settings(max_examples=30, deadline=None)
@given(TALKS, st.data())
def test_property_unknown_labels_widen_and_never_narrow(talks: Any, data: st.DataObject) -> None:
    n = data.draw(st.integers(2, len(talks)))
    whole = World(*talks, labelled=n).measure()
    blind = [
        [one | dict.fromkeys(data.draw(st.sets(st.sampled_from(LABEL)))) for one in talk]
        for talk in talks
    ]
    for key, row in World(*blind, labelled=n).measure().items():
        before = whole[key]
        if key[0] != "x" or before["low"] is None or row["low"] is None:
            continue
        assert row["low"] <= before["low"] + 1e-9
        assert row["high"] >= before["high"] - 1e-9
        if row["estimate"] is not None:
            assert row["low"] - 1e-9 <= row["estimate"] <= row["high"] + 1e-9


@settings(max_examples=15, deadline=None)
@given(TALKS, st.integers(2, 4))
def test_property_duplicated_turns_shrink_no_interval(talks: Any, copies: int) -> None:
    n = max(1, len(talks) // 2)
    once = World(*talks, labelled=n).measure()
    often = World(*talks, labelled=n, copies=copies).measure()
    for key, row in once.items():
        for column in ("low", "high", "estimate", "n"):
            assert often[key][column] == row[column], key


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[quality.Observed, RunFolder]:
    """The quickstart's conversations after the rollout, every one labelled with the truth."""
    scenario = small_quickstart(
        "history.sample.conversations=400",
        "history.sample.contacts_per_day=400",
        "history.sample.days=8",
    )
    folder = RunFolder(tmp_path_factory.mktemp("quality") / "run")
    steps = Steps(scenario, folder, lambda stage, done, total: None)
    for step in (steps.history, steps.points, steps.contexts, steps.replay, steps.verdicts):
        step()
    steps.rollout()
    names = ("decisions", "shadow", "verdicts", "settlements")
    decided = tuple(folder.table(name) for name in names)
    of = segments(folder.table("conversations"), scenario.rollout.segment_by)
    seen = quality.Observed(
        labels=tables.empty("labels"),
        domain=audited.auto_domain(*decided),
        points=audited.auto_points(*decided),
        contexts=folder.table("contexts"),
        kpis=tables.empty("kpis"),
        segments=of.filter(pl.col("segment") != "all"),
        **dict(zip(names, decided, strict=True)),
    )
    return seen, folder


def labelled(sample: tuple[quality.Observed, RunFolder], n: int, name: str) -> quality.Observed:
    seen, folder = sample
    streams = Streams(7)
    drawn = pl.concat(
        [
            draw(seen.domain, n, streams, name),
            draw_no_bot(seen.settlements, seen.domain, LADDER, n, streams, name),
        ]
    )
    about = (folder.table(t) for t in ("decision_points", "decisions", "conversations"))
    labels = label_from_truth(
        drawn,
        seen.shadow,
        *about,
        folder.table("truth_sentences"),
        folder.table("truth_contexts"),
        Policy(folder.table("commitments_policy")),
    )
    return seen._replace(labels=labels)


def test_the_samples_whole_truth_lies_within_bounds(
    sample: tuple[quality.Observed, RunFolder],
) -> None:
    truth = measured(labelled(sample, 1000, "all of it"))
    certain = {
        key: row
        for key, row in truth.items()
        if key[0] != "human" and row["n"] and row["low"] == pytest.approx(row["high"])
    }
    for metric in ("missed_escalation", "needless_escalation", "over_answer"):
        assert any(key[2] == metric for key in certain)
    checked, outside = 0, 0
    for name in ("one", "two", "three"):
        drawn = measured(labelled(sample, 60, name))
        for key, row in certain.items():
            found = drawn[key]
            if found["low"] is not None:
                checked += 1
                outside += not found["low"] - 1e-9 <= row["estimate"] <= found["high"] + 1e-9
    # Bounds of 95 %; intervals of one draw err together, so their share alone is looked at.
    assert checked > 100
    assert outside <= 0.05 * checked


def test_interception_is_the_gates_own_count(
    sample: tuple[quality.Observed, RunFolder],
) -> None:
    seen = labelled(sample, 60, "gate")
    found = quality.measure(seen, LADDER).filter(pl.col("metric") == "high_risk_interception")
    cells = set(found.select("stage", "candidate").iter_rows())
    assert len(cells) > 4
    for cell in cells:
        audit = Audit.of(
            cell, seen.labels, seen.domain, seen.points, seen.segments, seen.settlements
        )
        mine = found.filter(pl.col("stage") == cell[0], pl.col("candidate") == cell[1])
        for segment, n in mine.select("segment", "n").iter_rows():
            assert n == audit.total(segment, "caught") + audit.total(segment, "missed")


def test_what_the_incumbent_did_changes_nothing_for_a_bot(
    sample: tuple[quality.Observed, RunFolder],
) -> None:
    seen = labelled(sample, 60, "habit")
    human = pl.col("candidate") == "human"
    habit = {
        name: getattr(seen, name).with_columns(
            pl.when(human).then(pl.lit("escalate")).otherwise("action").alias("action")
        )
        for name in ("shadow", "verdicts")
    }
    before, after = measured(seen), measured(seen._replace(**habit))
    assert {k: r for k, r in before.items() if k[0] != "human"} == {
        k: r for k, r in after.items() if k[0] != "human"
    }
    assert ("human", "all", "emotion_change_after_answer") in before
    assert ("human", "all", "emotion_change_after_answer") not in after
