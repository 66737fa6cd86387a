"""Labels read from a file: a random sample of conversations, about exactly the words replayed."""

import numpy as np
import polars as pl
import pytest

from simulator.errors import HistoryError
from simulator.evidence.audited import Audit, with_left_out
from simulator.judging.audit.read_labels import labels_as_read, read, reply_digest
from simulator.tables import build, empty

HEAD = "conversation_id,turn,reply_digest,commitment,risky_promise,labeller\n"


def written(tmp_path, *rows):
    path = tmp_path / "labels.csv"
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["a,0,x,firm,maybe,p"], "risky_promise = 'maybe' .conversation a.; expected one of true"),
        (["a,0,x,solid,true,p"], "commitment = 'solid'"),
        (["a,0,x,,true,p"], "commitment = None"),
        (["a,one,x,firm,true,p"], "turn; expected whole numbers"),
        (["a,-1,x,firm,true,p"], "turn; expected whole numbers"),
        (["a,0,x,firm,true,p", "a,0,x,none,false,p"], "conversation a, turn 0 stands there twice"),
    ],
)
def test_exact_a_file_of_labels_that_cannot_be_used_is_refused(tmp_path, rows, says):
    with pytest.raises(HistoryError, match=says):
        read(written(tmp_path, *rows))


def test_exact_a_missing_file_or_column_is_named(tmp_path):
    with pytest.raises(HistoryError, match="no such file of labels"):
        read(tmp_path / "none.csv")
    path = tmp_path / "labels.csv"
    path.write_text("conversation_id,turn\na,0\n")
    with pytest.raises(HistoryError, match="'reply_digest', 'commitment'"):
        read(path)


def history(n, auto, flagged):
    """One reply in each of ``n`` conversations, of which some are automatic and some flagged."""
    names = [f"c{i}" for i in range(n)]
    cell = {"stage": "wide", "candidate": "bot"}
    shadow = build(
        "shadow",
        [
            {"candidate": "bot", "conversation_id": c, "turn": 0, "reply": f"says {c}", "key": c}
            for c in names
        ],
    )
    domain = pl.DataFrame(
        [
            {**cell, "conversation_id": c, "flagged": i in flagged, "n_points": 1}
            for i, c in enumerate(names)
            if i in auto
        ]
    )
    points = domain.with_columns(pl.lit(0, pl.Int64).alias("turn"))
    settlements = build(
        "settlements", [{**cell, "conversation_id": c, "status": "agreed"} for c in names]
    )
    return shadow, domain, points, settlements, empty("truth_contexts")


def said(names, risky=()):
    return pl.DataFrame(
        {
            "conversation_id": names,
            "turn": [0] * len(names),
            "reply_digest": [reply_digest(f"says {c}") for c in names],
            "commitment": ["firm" if c in risky else "none" for c in names],
            "risky_promise": [c in risky for c in names],
            "labeller": ["p"] * len(names),
        }
    )


def test_exact_strata_and_their_chances():
    tables = history(10, auto=range(6), flagged={0, 1})
    labels = labels_as_read("bot", said(["c0", "c2", "c3", "c8"], risky=["c0"]), *tables)
    whole = labels.filter(pl.col("unit") == "conversation").sort("conversation_id")
    columns = ("conversation_id", "stratum", "inclusion_prob", "risky_promise", "labeller")
    assert whole.select(columns).rows() == [
        ("c0", "flagged", 1 / 2, True, "p"),
        ("c2", "unflagged", 2 / 4, False, "p"),
        ("c3", "unflagged", 2 / 4, False, "p"),
        # Nothing of the bot's was said there: neither risky nor safe.
        ("c8", "no_bot", 1 / 4, None, "p"),
    ]
    audit = Audit.of(
        ("wide", "bot"),
        labels,
        tables[1],
        tables[2],
        pl.DataFrame(schema={"conversation_id": pl.String, "segment": pl.String}),
        tables[3],
    )
    assert audit.fault is None
    assert not any(audit.missing.values())
    assert {s: (x.N, x.n, x.k) for s, x in audit.strata("all", "risky", absent=True).items()} == {
        "flagged": (2, 1, 1),
        "unflagged": (4, 2, 0),
        "no_bot": (4, 1, 0),
    }


def test_exact_labels_of_other_words_are_refused():
    tables = history(4, auto=range(4), flagged=set())
    stale = said(["c1"]).with_columns(pl.lit("00000000").alias("reply_digest"))
    with pytest.raises(HistoryError, match=r"1 labels are about other replies .* turn 0"):
        labels_as_read("bot", stale, *tables)


def test_exact_a_conversation_labelled_in_part_is_refused():
    shadow, *rest = history(4, auto=range(4), flagged=set())
    more = build(
        "shadow",
        [{"candidate": "bot", "conversation_id": "c1", "turn": 2, "reply": "more", "key": "k"}],
    )
    with pytest.raises(HistoryError, match=r"1 conversations are labelled in part .such as c1"):
        labels_as_read("bot", said(["c1", "c2"]), pl.concat([shadow, more]), *rest)


def test_analytic_the_estimate_is_unbiased_whatever_the_judge_flags():
    # 200 conversations, 20 risky, of which the judge flags 12 and 30 safe ones; 50 are read.
    risky = {f"c{i}" for i in range(20)}
    tables = history(200, auto=range(200), flagged={*range(12), *range(100, 130)})
    generator = np.random.default_rng()
    estimates = []
    for _ in range(400):
        names = [f"c{i}" for i in generator.choice(200, 50, replace=False)]
        labels = labels_as_read("bot", said(names, risky), *tables)
        whole = labels.filter(pl.col("unit") == "conversation")
        weights = 1 / whole["inclusion_prob"].to_numpy()
        estimates.append((weights * whole["risky_promise"].to_numpy()).sum() / 200)
    error = (np.mean(estimates) - 0.1) / (np.std(estimates, ddof=1) / 20)
    assert abs(error) < 4


def test_exact_a_gate_says_how_many_turns_it_leaves_out():
    rows = [
        {"stage": "wide", "candidate": c, "segment": "all", "metric": m, "method": "exact"}
        for c in ("bot", "other")
        for m in ("risky_promise_rate", "saving_money")
    ]
    excluded = build(
        "excluded",
        [
            {"stage": "wide", "candidate": c, "n_points": 9, "n_no_reply": n}
            | {"n_in_domain": 9 - n, "n_after_handoff": 0, "n_escalations": 0}
            for c, n in (("bot", 3), ("other", 0))
        ],
    )
    found = with_left_out(pl.DataFrame(rows), excluded)
    left_out = "exact; 3 automatic turns without a reply left out"
    assert found["method"].to_list() == [left_out, "exact", "exact", "exact"]
