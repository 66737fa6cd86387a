"""Gates on labels: what is a harm, what counts where a label is not known, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from simulator import tables
from simulator.errors import ScenarioError
from simulator.evidence.future import difference_upper, future_lower, future_upper
from simulator.evidence.rates import Stratum, stratified_upper
from simulator.gates import Evidence, recommend
from simulator.gates.labelled import harm
from simulator.scenario import LADDER, Gate
from tests.conftest import small_quickstart
from tests.test_gates import CELL, RISKY, World

MISSED = Gate(metric="missed_escalation_rate", limit=0.01)
OVER = Gate(metric="over_answer_rate", limit=0.01)
EXCESS = Gate(metric="risky_promise_excess", limit=0.02)
ALPHA = 1 - 0.95

Bend = Callable[[pl.DataFrame], pl.DataFrame]


def world() -> World:
    return World((40, 40, 0), (1000, 400, 0))


def found(one: World, gate: Gate, bend: Bend = lambda labels: labels) -> dict[str, Any]:
    return one.evaluate(gate, bend=bend)["all", gate.metric]


def bound(k: int) -> float:
    return stratified_upper([Stratum(40, 40, 0), Stratum(1000, 400, k)], ALPHA)


def at(turn: int, first: int, last: int) -> pl.Expr:
    """Rows of a turn of conversations u``first`` to u``last``."""
    number = pl.col("conversation_id").str.strip_prefix("u").cast(pl.Int64, strict=False)
    here = pl.col("conversation_id").str.starts_with("u") & number.is_between(first, last)
    return (pl.col("unit") == "turn") & (pl.col("turn") == turn) & here


def setting(column: str, value: object, rows: pl.Expr) -> Bend:
    def bend(labels: pl.DataFrame) -> pl.DataFrame:
        put = pl.lit(value, dtype=labels.schema[column])
        return labels.with_columns(pl.when(rows).then(put).otherwise(column).alias(column))

    return bend


def both(*bends: Bend) -> Bend:
    def bend(labels: pl.DataFrame) -> pl.DataFrame:
        for one in bends:
            labels = one(labels)
        return labels

    return bend


# --- missed escalations --------------------------------------------------------------------------


def test_exact_a_bot_that_answered_where_a_person_was_needed_missed_an_escalation() -> None:
    one = found(world(), MISSED, setting("needs_human", True, at(2, 0, 4)))
    assert (one["high"], one["n"], one["status"]) == (bound(5), 440, "insufficient")
    assert one["estimate"] == pytest.approx(1000 * 5 / 400 / 1040)
    assert one["reason"].startswith(
        "5 of 440 audited conversations held an automatic reply where a person was needed"
    )
    # Two such turns of one conversation are one conversation.
    again = setting("needs_human", True, at(0, 0, 4))
    twice = found(world(), MISSED, both(setting("needs_human", True, at(2, 0, 4)), again))
    assert twice == one


def test_exact_where_the_bot_did_not_speak_it_missed_nothing() -> None:
    silent = world()
    for row in silent.rows[40:90]:
        row["contexts"][4] = ("low", True)
    one = found(silent, MISSED)
    assert (one["high"], one["status"]) == (bound(0), "pass")


def test_exact_high_risk_by_itself_is_no_missed_escalation() -> None:
    one = found(world(), MISSED, setting("risk", "high", at(2, 0, 49)))
    assert (one["high"], one["status"]) == (bound(0), "pass")


@pytest.mark.parametrize(
    "bend",
    [
        setting("needs_human", None, at(2, 0, 29)),
        lambda labels: labels.filter(~at(2, 0, 29)),
        lambda labels: labels.filter(~at(2, 0, 29) & ~at(0, 0, 29)),
    ],
    ids=["null", "one reply has no row", "no reply has one"],
)
def test_exact_what_nobody_said_of_a_reply_counts_against_it(bend: Bend) -> None:
    one = found(world(), MISSED, bend)
    assert (one["high"], one["low"], one["status"]) == (bound(30), 0, "insufficient")
    assert "30 more count as missed because their label is unknown or missing" in one["reason"]
    assert found(world(), RISKY, bend)["status"] == "pass"


# --- over-answers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "k", "certain"),
    [
        ({"over_answer": True}, 30, True),
        ({"over_answer": False}, 0, True),
        # Derived: a complete answer at high risk, or without what it takes.
        ({"action": "answer", "risk": "high", "info_sufficient": True}, 30, True),
        ({"action": "answer", "risk": "low", "info_sufficient": False}, 30, True),
        ({"action": "answer", "risk": None, "info_sufficient": False}, 30, True),
        ({"action": "answer", "risk": "low", "info_sufficient": True}, 0, True),
        ({"action": "ask", "risk": "high", "info_sufficient": False}, 0, True),
        # The label's own word goes before what would follow from others.
        ({"over_answer": False, "action": "answer", "risk": "high"}, 0, True),
        ({"over_answer": True, "action": "ask"}, 30, True),
        # Not known.
        ({"action": None, "risk": "high", "info_sufficient": False}, 30, False),
        ({"action": "answer", "risk": "low", "info_sufficient": None}, 30, False),
        ({"action": "answer", "risk": None, "info_sufficient": True}, 30, False),
    ],
)
def test_exact_over_answers(said: dict[str, Any], k: int, certain: bool) -> None:
    everywhere = setting("over_answer", False, pl.col("unit") == "turn")
    none = setting("over_answer", None, at(2, 0, 29))
    bends = [setting(column, value, at(2, 0, 29)) for column, value in said.items()]
    one = found(world(), OVER, both(everywhere, none, *bends))
    assert one["high"] == bound(k)
    assert one["status"] == ("pass" if k == 0 else "fail" if certain else "insufficient")
    assert (one["low"] > 0) == (k > 0 and certain)


def test_exact_labels_that_do_not_say_it_at_all_are_no_zero() -> None:
    one = found(world(), OVER)
    assert (one["status"], one["estimate"], one["high"]) == ("insufficient", None, None)
    assert one["reason"].startswith("of none of 440 audited conversations is it known whether")


# --- above our own agents ------------------------------------------------------------------------


def with_people(
    one: World, flagged: tuple[int, int, int], unflagged: tuple[int, int, int]
) -> Evidence:
    """Our agents answered f and u conversations too; the first of those labelled were risky.

    ``(N, n, k)`` of each stratum; more than the world has are conversations of their own.
    """
    mine = one.evidence()
    people = {"stage": LADDER[0].name, "candidate": "human"}
    domain, points, labels = [], [], []
    for stratum, (N, n, k) in (("flagged", flagged), ("unflagged", unflagged)):
        for i in range(N):
            name = {**people, "conversation_id": f"{stratum[0]}{i}"}
            domain.append({**name, "flagged": stratum == "flagged"})
            points.append({**name, "turn": 0})
            if i < n:
                labels.append(
                    {**name, "unit": "conversation", "risky_promise": i < k, "stratum": stratum}
                    | {"draw_id": "p", "labeller": "ann", "split": "certify"}
                    | {"inclusion_prob": n / N}
                )
    return mine._replace(
        domain=pl.concat([mine.domain, pl.DataFrame(domain, schema=mine.domain.schema)]),
        points=pl.concat([mine.points, pl.DataFrame(points, schema=mine.points.schema)]),
        labels=pl.concat([mine.labels, tables.build("labels", labels)]),
    )


def with_turns(evidence: Evidence) -> Evidence:
    """What our agents said stands at turn 0, where the candidate would have answered too."""
    people = evidence.labels.filter(pl.col("candidate") == "human")
    turns = people.with_columns(pl.lit("turn").alias("unit"), pl.lit(0, pl.Int64).alias("turn"))
    return evidence._replace(labels=pl.concat([evidence.labels, turns]))


def test_exact_excess_is_one_bound_less_the_other() -> None:
    one = World((40, 40, 4), (1000, 400, 4))
    evidence = with_people(one, (40, 40, 20), (1000, 500, 30))
    row = one.judged(with_turns(evidence), EXCESS)["all", "risky_promise_excess"]
    ours = [Stratum(40, 40, 4), Stratum(1000, 400, 4)]
    theirs = [Stratum(40, 40, 20), Stratum(1000, 500, 30)]
    assert row["high"] == difference_upper(ours, theirs, ALPHA, "this history")
    assert row["low"] == -difference_upper(theirs, ours, ALPHA, "this history")
    assert row["estimate"] == pytest.approx((4 + 10 - 20 - 60) / 1040)
    assert (row["status"], row["n"]) == ("pass", 440)
    # The other way round it is worse than our agents.
    worse = World((40, 40, 20), (1000, 500, 100))
    turned = with_people(worse, (40, 40, 4), (1000, 400, 4))
    assert (
        worse.judged(with_turns(turned), EXCESS)["all", "risky_promise_excess"]["status"] == "fail"
    )


def test_exact_people_are_held_against_it_over_the_same_conversations() -> None:
    """What our agents promised where the candidate would not have spoken excuses nothing."""
    one = World((40, 40, 0), (1000, 400, 0))
    # Conversations f40.. and u1000.. are answered by people alone, and badly.
    here = with_people(one, (40, 40, 0), (1000, 1000, 0))
    row = one.judged(here, EXCESS)["all", "risky_promise_excess"]
    more = with_people(one, (240, 240, 0), (1000, 1000, 0))
    elsewhere = pl.col("conversation_id").is_in([f"f{i}" for i in range(40, 240)])
    more = more._replace(
        labels=more.labels.with_columns(
            pl.when(elsewhere).then(True).otherwise("risky_promise").alias("risky_promise")
        )
    )
    assert one.judged(more, EXCESS)["all", "risky_promise_excess"] == row


def test_exact_labels_of_people_that_fell_elsewhere_are_not_missing() -> None:
    """All 300 drawn of 1,000 came back; that more of them fell outside is chance, and no loss."""
    one = World((40, 40, 0), (500, 400, 0))
    evidence = with_people(one, (40, 40, 10), (1000, 300, 0))
    # Drawn: u0 to u99 of the candidate's 500, and 200 of the others.
    drawn = [f"u{i}" for i in range(100)] + [f"u{i}" for i in range(500, 700)]
    names = evidence.labels["conversation_id"]
    people = evidence.labels["candidate"] == "human"
    mine = evidence.labels.filter(~people | names.str.starts_with("f"))
    moved = evidence.labels.filter(people & names.str.starts_with("u")).with_columns(
        pl.Series("conversation_id", drawn)
    )
    row = one.judged(with_turns(evidence._replace(labels=pl.concat([mine, moved]))), EXCESS)[
        "all", "risky_promise_excess"
    ]
    ours = [Stratum(40, 40, 0), Stratum(500, 400, 0)]
    theirs = [Stratum(40, 40, 10), Stratum(500, 100, 0)]
    assert row["high"] == difference_upper(ours, theirs, ALPHA, "this history")
    assert row["low"] == -difference_upper(theirs, ours, ALPHA, "this history")


def test_exact_without_labels_of_people_excess_is_not_known() -> None:
    row = found(world(), EXCESS)
    assert (row["status"], row["high"]) == ("insufficient", None)
    assert row["reason"].startswith("of our own agents' replies to the same conversations: ")
    none = with_people(world(), (40, 0, 0), (1000, 0, 0))
    row = world().judged(none, EXCESS)["all", "risky_promise_excess"]
    assert "agents' replies to the same conversations: no labels" in row["reason"]


def test_exact_missing_labels_of_people_count_for_the_people() -> None:
    """Rows that did not come back cannot make our agents look worse than they are known to be."""
    one = world()
    evidence = with_people(one, (40, 40, 20), (1000, 500, 30))
    lost = (pl.col("candidate") == "human") & pl.col("conversation_id").is_in(
        [f"u{i}" for i in range(20)]
    )
    row = one.judged(with_turns(evidence._replace(labels=evidence.labels.filter(~lost))), EXCESS)[
        "all", "risky_promise_excess"
    ]
    ours = [Stratum(40, 40, 0), Stratum(1000, 400, 0)]
    theirs = [Stratum(40, 40, 20), Stratum(1000, 500, 10)]
    assert row["high"] == difference_upper(ours, theirs, ALPHA, "this history")


# --- future traffic ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "bend"),
    [
        (RISKY, setting("risky_promise", True, pl.col("conversation_id") == "u7")),
        (MISSED, setting("needs_human", True, at(0, 7, 7))),
        (
            OVER,
            both(
                setting("over_answer", False, pl.col("unit") == "turn"),
                setting("over_answer", True, at(0, 7, 7)),
            ),
        ),
    ],
    ids=lambda one: one.metric if isinstance(one, Gate) else "",
)  # fmt: skip
def test_exact_future_traffic_has_its_own_bound(gate: Gate, bend: Bend) -> None:
    coming = gate.model_copy(update={"estimand": "future_traffic"})
    strata = [Stratum(40, 40, 0), Stratum(1000, 400, 1)]
    one, other = found(world(), coming, bend), found(world(), gate, bend)
    assert one["high"] == future_upper(strata, ALPHA)
    assert one["low"] == future_lower(strata, ALPHA)
    assert one["high"] > other["high"] == stratified_upper(strata, ALPHA)
    assert (one["estimand"], other["estimand"]) == ("future_traffic", "this_history")
    assert one["reason"].endswith("; future traffic of the same mix")
    assert "shares of strata unknown" in one["method"]
    assert one["estimate"] == other["estimate"]


# --- where a gate is tested ----------------------------------------------------------------------


def test_exact_a_gate_is_tested_at_its_stages_alone() -> None:
    everywhere = {"all": True, "automatic": True, ("wider_auto",): True, ("assist",): False}
    for stages, tested in everywhere.items():
        gate = RISKY.model_copy(update={"stages": stages})
        assert bool(world().evaluate(gate)) == tested


def test_exact_automatic_leaves_assist_out() -> None:
    saving = Gate(metric="saving_money", limit=0.0, stages="automatic")
    assert [saving.at(stage) for stage in LADDER] == [False, False, True, True]
    only = saving.model_copy(update={"stages": ("assist",)})
    assert [only.at(stage) for stage in LADDER] == [False, True, False, False]


def test_exact_a_gate_is_tested_in_its_segments_alone() -> None:
    one = world()
    for i, row in enumerate(one.rows):
        row["segment"] = ("legal", "refund")[i % 2]
    gate = RISKY.model_copy(update={"segments": ("legal",)})
    rows = one.evaluate(gate)
    assert set(rows) == {("legal", "risky_promise_rate")}
    # Alone, it shares its level with nobody.
    row = rows["legal", "risky_promise_rate"]
    assert row["confidence"] == pytest.approx(0.95)
    assert "Holm" not in row["method"]
    assert row["high"] == stratified_upper([Stratum(20, 20, 0), Stratum(500, 200, 0)], ALPHA)
    # A segment that no gate on promises looks at is let onto no automatic stage.
    assert "all" not in {segment for segment, _ in rows}


def test_exact_without_a_gate_on_promises_no_automatic_stage_is_recommended() -> None:
    row = {
        "candidate": "x",
        "segment": "all",
        "status": "pass",
        "reason": "because",
        "unit": "rate",
    }
    row |= {"method": "m", "n": 9, "limit": 0.5, "estimand": "simulated_days"}
    rows = [row | {"stage": stage.name, "metric": "service_level_loss"} for stage in LADDER[1:]]
    promises = row | {"stage": "wider_auto", "metric": "risky_promise_rate"}
    found_ = recommend(tables.build("gates", [*rows, promises]), LADDER)
    assert found_["stage"].to_list() == ["assist"]
    assert "add a gate on risky_promise_rate" in found_["next_step"][0]


MEET = '{metric="risky_promise_rate",limit=0.01'


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ("", "", True),
        ("", ',stages="automatic"', True),
        (',stages="automatic"', ',stages=["wider_auto"]', True),
        (',stages=["low_risk_auto"]', ',stages=["wider_auto"]', False),
        (',stages="automatic"', ',stages=["assist"]', False),
        (',segments=["all"]', ',segments=["refund"]', False),
        (',segments=["all","refund"]', ',segments=["refund"]', True),
        (',segments=["refund"]', "", True),
        (',estimand="future_traffic"', "", True),
        (',stages=["low_risk_auto"],segments=["all"]', ',stages=["wider_auto"]', False),
    ],
)
def test_exact_gates_that_meet_are_refused(one: str, other: str, meets: bool) -> None:
    gates = f"gates=[{MEET}{one}}},{MEET}{other}}}]"
    if meets:
        with pytest.raises(
            ScenarioError, match=r"gates\[1\]\.metric.*stands in gates\[0\] already"
        ):
            small_quickstart(gates)
    else:
        assert len(small_quickstart(gates).gates) == 2


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        ('{metric="interception_rate",limit=0.9,estimand="future_traffic"}', "this history only"),
        ('{metric="risky_promise_rate",limit=0.01,stages=["asist"]}', "'assist'"),
        ('{metric="risky_promise_rate",limit=5}', "write 0.05"),
        ('{metric="risky_promise_excess",limit=-0.1}', "0 <= x <= 1"),
    ],
)
def test_exact_gates_that_cannot_be_are_refused(gate: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        small_quickstart(f"gates=[{gate}]")


# --- which labels count --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [("stratum", "simple"), ("stratum", "simple in refund"), ("split", "choose")],
)
@pytest.mark.parametrize("gate", [RISKY, MISSED, Gate(metric="interception_rate", limit=0.9)])
def test_exact_labels_of_other_designs_never_certify(gate: Gate, column: str, value: str) -> None:
    other = lambda labels: labels.with_columns(pl.lit(value).alias(column))  # noqa: E731
    for segment in ("all", "refund"):
        row = world().evaluate(gate, bend=other)[segment, gate.metric]
        assert (row["status"], row["n"], row["high"]) == ("insufficient", 0, None)
        assert "no labels" in row["reason"]


@pytest.mark.parametrize("stratum", ["simple", "simple in refund"])
def test_exact_labels_for_a_threshold_change_no_gate(stratum: str) -> None:
    """Drawn by another design, also where they stand beside labels that certify."""
    one, alone = world(), found(world(), RISKY)

    def beside(labels: pl.DataFrame) -> pl.DataFrame:
        simple = labels.head(300).with_columns(
            pl.lit(stratum).alias("stratum"),
            pl.lit("t").alias("draw_id"),
            pl.lit(True).alias("risky_promise"),
        )
        return pl.concat([labels, simple])

    assert found(one, RISKY, beside) == alone


def two_segments() -> World:
    """100 flagged and 2,000 unflagged, a quarter in legal; 40 and 400 labelled all over."""
    one = World((100, 40, 0), (2000, 400, 0))
    for i, row in enumerate(one.rows):
        row["segment"] = "legal" if i % 4 == 0 else "refund"
    return one


def own_draw(one: World, n: int, k: int, *, returned: int | None = None) -> Bend:
    """``n`` further unflagged conversations of legal, drawn for it alone; the first k risky."""
    free = [r for r in one.rows if r["segment"] == "legal" and r["stratum"] == "unflagged"]
    left = [r["id"] for r in free if not r["labelled"]]
    came = left[: n if returned is None else returned]

    def bend(labels: pl.DataFrame) -> pl.DataFrame:
        rows = [
            {**CELL, "conversation_id": name, "unit": "conversation", "risky_promise": i < k}
            | {"draw_id": "own", "labeller": "ann", "stratum": "unflagged in legal"}
            | {"inclusion_prob": n / len(free), "split": "certify"}
            for i, name in enumerate(came)
        ]
        return pl.concat([labels, tables.build("labels", rows)])

    return bend


def test_exact_a_segments_own_draw_counts_in_it_and_nowhere_else() -> None:
    one = two_segments()
    without, with_own = one.evaluate(RISKY), one.evaluate(RISKY, bend=own_draw(one, 200, 3))
    metric = "risky_promise_rate"
    assert with_own["all", metric] == without["all", metric]
    legal = with_own["legal", metric]
    assert legal["n"] == without["legal", metric]["n"] + 200 == 10 + 100 + 200
    strata = [Stratum(25, 10, 0), Stratum(500, 300, 3)]
    assert legal["high"] == stratified_upper(strata, 1 - legal["confidence"])
    for column in ("n", "estimate"):
        assert with_own["refund", metric][column] == without["refund", metric][column]


def test_exact_rows_missing_from_a_draw_count_where_it_was_drawn() -> None:
    one = two_segments()
    metric = "risky_promise_rate"
    lost = one.evaluate(RISKY, bend=own_draw(one, 200, 0, returned=170))
    assert "missing" not in lost["all", metric]["reason"]
    assert "missing" not in lost["refund", metric]["reason"]
    legal = lost["legal", metric]
    assert "30 more count as risky because their label is unknown or missing" in legal["reason"]
    strata = [Stratum(25, 10, 0), Stratum(500, 300, 30)]
    assert legal["high"] == stratified_upper(strata, 1 - legal["confidence"])


def test_exact_rows_missing_from_the_draw_of_all_count_in_every_segment() -> None:
    """Which segment they were of cannot be seen from the rows that came back."""
    one = two_segments()
    gone = [r["id"] for r in one.rows if r["stratum"] == "unflagged"][:12]
    lost = one.evaluate(
        RISKY, bend=lambda rows: rows.filter(~pl.col("conversation_id").is_in(gone))
    )
    for segment, n in (("all", 400), ("legal", 100), ("refund", 300)):
        row = lost[segment, "risky_promise_rate"]
        assert "12 more count as risky because their label is unknown or missing" in row["reason"]
        own = n - sum(r["id"] in gone and r["segment"] == segment for r in one.rows)
        drawn = Stratum(n * 5, n if segment == "all" else own + 12, 12)
        flagged = Stratum(n // 4, n // 10, 0)
        assert row["high"] == stratified_upper([flagged, drawn], 1 - row["confidence"])


def test_exact_each_of_two_draws_is_held_to_its_own_share() -> None:
    """A second round of 200 that lost 10 is not made up for by the first, which is whole."""
    one = World((40, 40, 0), (1000, 400, 0))

    def rounds(labels: pl.DataFrame) -> pl.DataFrame:
        second = (
            at(0, 0, 199)
            | at(2, 0, 199)
            | (
                (pl.col("unit") == "conversation")
                & pl.col("conversation_id").is_in([f"u{i}" for i in range(200)])
            )
        )
        unflagged = pl.col("stratum") == "unflagged"
        return labels.with_columns(
            pl.when(second).then(pl.lit("second")).otherwise("draw_id").alias("draw_id"),
            pl.when(unflagged).then(0.2).otherwise("inclusion_prob").alias("inclusion_prob"),
        )

    twice, once = found(one, RISKY, rounds), found(one, RISKY)
    assert "2 draws: stated for one look" in twice.pop("method")
    assert "draws" not in once.pop("method")
    assert twice == once
    gone = [f"u{i}" for i in range(10)]
    short = found(
        one, RISKY, both(rounds, lambda rows: rows.filter(~pl.col("conversation_id").is_in(gone)))
    )
    assert short["high"] == bound(10)
    assert "10 more count as risky" in short["reason"]


def test_exact_a_harm_is_certified_by_people_only() -> None:
    """Without a label the claim holds at no level, however close to one."""
    from simulator.evidence.audited import Audit

    one = world().evidence(bend=lambda labels: labels.clear())
    audit = Audit.of(
        (CELL["stage"], CELL["candidate"]), one.labels, one.domain, one.points, one.segments
    )
    assert not harm(audit, "all", RISKY.model_copy(update={"limit": 1.0})).holds(0.999)


def test_exact_what_people_said_elsewhere_excuses_nothing() -> None:
    """They promised at a turn at which the candidate never speaks."""
    one = World((40, 40, 4), (1000, 400, 4))
    evidence = with_people(one, (40, 40, 20), (1000, 500, 30))
    later = with_turns(evidence).labels.with_columns(
        pl.when((pl.col("candidate") == "human") & (pl.col("unit") == "turn"))
        .then(pl.lit(4, pl.Int64))
        .otherwise("turn")
        .alias("turn")
    )
    safe = evidence.labels.filter(pl.col("candidate") == "human").with_columns(
        pl.lit("turn").alias("unit"),
        pl.lit(0, pl.Int64).alias("turn"),
        pl.lit(value=False).alias("risky_promise"),
    )
    row = one.judged(evidence._replace(labels=pl.concat([later, safe])), EXCESS)[
        "all", "risky_promise_excess"
    ]
    ours = [Stratum(40, 40, 4), Stratum(1000, 400, 4)]
    theirs = [Stratum(40, 40, 0), Stratum(1000, 500, 0)]
    assert row["high"] == difference_upper(ours, theirs, ALPHA, "this history")
    assert row["status"] != "pass"


def test_exact_two_who_disagree_are_no_catch() -> None:
    """One of two labellers calls every silent conversation high risk."""
    one = World((1, 1, 0), (10, 10, 0), (500, 400, 400))

    def second(labels: pl.DataFrame) -> pl.DataFrame:
        other = labels.with_columns(
            pl.lit("bob").alias("labeller"),
            pl.when(pl.col("unit") == "turn").then(pl.lit("low")).alias("risk"),
        )
        return pl.concat([labels, other])

    gate = Gate(metric="interception_rate", limit=0.9)
    assert one.evaluate(gate)["all", gate.metric]["status"] == "pass"
    doubted = one.evaluate(gate, bend=second)["all", gate.metric]
    assert (doubted["status"], doubted["n"]) == ("insufficient", 0)


def test_exact_gates_of_one_metric_are_one_family() -> None:
    """A gate for each segment escapes Holm no more than one gate for all of them."""
    one = world()
    for i, row in enumerate(one.rows):
        row["segment"] = f"s{i % 4}"
    names = [f"s{i}" for i in range(4)]
    apart = one.evaluate(
        *(Gate(metric="risky_promise_rate", limit=0.01, segments=(name,)) for name in names)
    )
    together = one.evaluate(Gate(metric="risky_promise_rate", limit=0.01, segments=tuple(names)))
    assert apart == together
    assert together["s0", "risky_promise_rate"]["confidence"] > 0.95


def test_exact_a_segment_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"gates\[0\]\.segments = 'refnd'; the history has no"):
        world().evaluate(Gate(metric="interception_rate", limit=0.9, segments=("refnd",)))


def test_exact_unequal_weights_bound_no_future_traffic_and_weigh_what_is_settled() -> None:
    one = World((40, 40, 0), (1000, 400, 0))
    for row in one.rows[:40]:
        row["status"] = "diverged"
    ids = [row["id"] for row in one.rows]
    weights = pl.DataFrame({"conversation_id": ids, "weight": [25.0] * 40 + [1.0] * 1000})
    evidence = one.evidence()._replace(weights=weights)
    future = Gate(metric="risky_promise_rate", limit=0.05, estimand="future_traffic")
    settled = Gate(metric="settled_share", limit=0.6)
    found_ = one.judged(evidence, future, settled)
    assert found_["all", "risky_promise_rate"]["status"] == "insufficient"
    assert "unequal parts of the log" in found_["all", "risky_promise_rate"]["reason"]
    assert found_["all", "settled_share"]["estimate"] == pytest.approx(0.5)
    assert found_["all", "settled_share"]["status"] == "fail"
    equal = one.judged(one.evidence(), future, settled)
    assert {row["status"] for (s, _), row in equal.items() if s == "all"} == {"pass"}


def test_exact_a_promise_that_one_of_two_sees_is_not_held_against_people() -> None:
    one = World((40, 40, 4), (1000, 400, 4))
    evidence = with_turns(with_people(one, (40, 40, 20), (1000, 500, 30)))
    people = evidence.labels.filter(pl.col("candidate") == "human")
    second = people.with_columns(
        pl.lit("bob").alias("labeller"), pl.lit(value=False).alias("risky_promise")
    )
    both = evidence._replace(labels=pl.concat([evidence.labels, second]))
    row = one.judged(both, EXCESS)["all", "risky_promise_excess"]
    ours = [Stratum(40, 40, 4), Stratum(1000, 400, 4)]
    theirs = [Stratum(40, 40, 0), Stratum(1000, 500, 0)]
    assert row["high"] == difference_upper(ours, theirs, ALPHA, "this history")
