"""A small finished run for the report tests: four candidates, three bounds, segments, hostile text.

The numbers are made up but hang together (loads by hour, costs that add up, gates that differ).
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from simulator import schema, tables
from simulator.reports import Run
from simulator.scenario import Scenario

SEGMENTS = ("account_takeover", "delivery", "invoice", "refund_timing", "退款糾紛")
AUTO = ("low_risk_auto", "wider_auto")
# Share of contacts that stay with the bot: best, central, worst.
KEPT = {
    "always_escalate": dict.fromkeys(AUTO, (0.0, 0.0, 0.0)),
    "faq_rag": {"low_risk_auto": (0.30, 0.2, 0.08), "wider_auto": (0.72, 0.45, 0.10)},
    "guarded": {"low_risk_auto": (0.27, 0.22, 0.16), "wider_auto": (0.45, 0.36, 0.24)},
}
BREAK_EVEN = {"best": 1.301, "central": 0.712, "worst": 0.0}
# What must end well; nothing of always_escalate diverges.
LINEAR = "linear between the worst and the best case"
NEEDED: dict[tuple[str, str], tuple[float | None, str]] = {
    ("low_risk_auto", "always_escalate"): (0.0, LINEAR),
    ("wider_auto", "always_escalate"): (None, "not even if all are contained: saving_money"),
    ("low_risk_auto", "faq_rag"): (0.83, LINEAR),
    ("wider_auto", "faq_rag"): (
        None,
        "not even if all are contained: saving_money, service_level",
    ),
    ("low_risk_auto", "guarded"): (0.41, LINEAR),
    ("wider_auto", "guarded"): (0.62, LINEAR),
}
# What the run says of single days.
SPREAD = ("offered_per_day", "asa_s", "wait_p90_s", "service_level", "abandonment_rate")
STAFFED = (("human_only", "human"), ("low_risk_auto", "guarded"), ("wider_auto", "guarded"))
WAGE = 20.59
HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "Your refund is \u202egnihton\u202c and \u2067hidden\u2069 until \x1b[31mMonday\x00",
    "很長 " + "無空白" * 3333 + "END",
)


def cells() -> list[tuple[str, str]]:
    found = [("human_only", "human")]
    return found + [(s, c) for s in ("assist", *AUTO) for c in KEPT]


def _three(stage: str, candidate: str) -> dict[str, float]:
    kept = KEPT.get(candidate, {}).get(stage)
    if kept is None or candidate == "always_escalate":
        return {"central": 0.0}
    return dict(zip(schema.BOUNDS, kept, strict=True))


def _row(
    cell: tuple[str, str],
    bound: str,
    metric: str,
    estimate: float | None,
    unit: str,
    segment: str = "all",
) -> dict[str, Any]:
    known = estimate is not None
    return {
        "stage": cell[0],
        "candidate": cell[1],
        "segment": segment,
        "bound": bound,
        "metric": metric,
        "estimate": estimate,
        "low": estimate * 0.96 if known else None,
        "high": estimate * 1.05 if known else None,
        "n": 41_222,
        "unit": unit,
        "method": "two-level bootstrap: input sd 3.1, simulation sd 0.9",
    }


def _spread(estimate: float | None) -> dict[str, float | None]:
    """How far single days differ, as shares of the estimate."""
    shares = {"input_sd": 0.11, "simulation_sd": 0.07, "predicted_low": 0.75,
              "predicted_high": 1.22}  # fmt: skip
    return {name: None if estimate is None else estimate * x for name, x in shares.items()}


def _kpis() -> pl.DataFrame:
    rows = []
    for cell in cells():
        for bound, kept in _three(*cell).items():
            load = (1 - kept) * (1.04 if cell[0] == "assist" else 1.0)
            offered = 2113.4 * load
            wait = 96 * math.exp(4.5 * (load - 1))
            values: dict[str, tuple[float | None, str]] = {
                "offered_per_day": (offered, "contacts/day"),
                "escalated_per_day": (offered * 0.4 if cell[0] in AUTO else 0.0, "contacts/day"),
                "asa_s": (wait, "s"),
                "wait_p90_s": (wait * 2.9, "s"),
                "service_level": (1 / (1 + (wait / 150) ** 1.5), "share"),
                "abandonment_rate": (min(0.4, wait / 1400), "share"),
                "occupancy": (0.86 * load, "share"),
                "human_hours_per_day": (offered / 6, "h/day"),
                "unserved_per_day": (2.5 * load, "contacts/day"),
            }
            if cell[0] in AUTO:
                values |= {
                    "auto_share": (0.41 if cell[0] == "low_risk_auto" else 0.97, "share"),
                    "settled_share": (0.62 - kept / 3, "share"),
                    "handoff_share": (0.31, "share"),
                    "diverged_share": (
                        0.0 if cell[1] == "always_escalate" else 0.38 + kept / 3,
                        "share",
                    ),
                    "contained_rate": (kept, "share"),
                    "escalation_rate": (0.2, "share"),
                    "quit_rate": (0.021, "share"),
                    "risky_promise_rate_judged": (
                        0.083 if cell[1] == "faq_rag" else 0.004,
                        "share",
                    ),
                }
            # Nobody knows how many complain in the worst case of this candidate.
            lost = cell == ("wider_auto", "faq_rag") and bound == "worst"
            if cell == ("human_only", "human"):
                values |= {"wait_p50_s": (21.0, "s"), "wait_p99_s": (wait * 5.2, "s"),
                           "turned_away_per_day": (0.0, "contacts/day")}  # fmt: skip
            values["complaint_rate"] = (None if lost else 0.021 + 0.02 * (1 - load), "share")
            rows += [
                _row(cell, bound, m, value, unit) | _spread(value if m in SPREAD else None)
                for m, (value, unit) in values.items()
            ]
    return tables.build("kpis", rows)


def _costs() -> pl.DataFrame:
    rows = []
    for cell in cells():
        base = 2113.4 / 6 * 20.59 / 0.56
        for bound, kept in _three(*cell).items():
            promise = {"faq_rag": 4200.0, "guarded": 130.0}.get(cell[1], 0.0)
            parts = {
                "labour_money": base * (1 - kept) * (0.95 if cell[0] == "assist" else 1.0),
                "bot_money": 30.4 if cell[0] in AUTO else 0.0,
                "promise_money": promise if cell[0] == "wider_auto" else promise / 4,
                "complaint_money": 1109.5 * (1 + (bound == "worst")),
                "abandonment_money": 412.0 * (1 - kept),
            }
            total = sum(parts.values())
            rows += [_row(cell, bound, m, value, "USD/day") for m, value in parts.items()]
            rows.append(_row(cell, bound, "total_money", total, "USD/day"))
            if cell[0] == "human_only":
                continue
            saving = base + 1109.5 + 412.0 - total
            rows.append(_row(cell, bound, "saving_money", saving, "USD/day"))
            rows.append(_row(cell, bound, "saving_hours", 352.2 * kept, "h/day"))
            even = BREAK_EVEN[bound] if cell[0] in AUTO else None
            rows.append(
                _row(cell, bound, "break_even_risky_promise_rate", even, "promises/conversation")
            )
        for paid in _paid_hours().filter(stage=cell[0], candidate=cell[1]).iter_rows(named=True):
            if paid["metric"] == "paid_hours_saved_per_day":
                rows += [
                    paid | {"metric": "paid_saving_hours"},
                    paid | {"metric": "paid_saving_money", "unit": "USD a day"}
                    | {c: paid[c] * WAGE for c in ("estimate", "low", "high")},
                ]  # fmt: skip
        if cell in NEEDED:
            needed, method = NEEDED[cell]
            row = _row(cell, "central", "breakdown_contained_share", needed, "share of diverged")
            rows.append(row | {"low": None, "high": None, "method": method})
    return tables.build("costs", rows)


def _paid_hours() -> pl.DataFrame:
    """Table ``staffing_hours``: half of what the work needs is paid on top."""
    rows = []
    for cell in STAFFED:
        for bound, kept in _three(*cell).items():
            paid = 528.3 * (1 - kept)
            rows.append(_row(cell, bound, "paid_hours_per_day", paid, "h/day"))
            if cell[0] != "human_only":
                rows.append(_row(cell, bound, "paid_hours_saved_per_day", 528.3 - paid, "h/day"))
    return tables.build("staffing_hours", rows)


def _staffing() -> pl.DataFrame:
    """Two teams; the smaller one is closed from 12:00 to 13:00."""
    rows = []
    for cell in STAFFED:
        for bound, kept in _three(*cell).items():
            for team, size in (("=1+1", 40), ("second", 9)):
                for half in range(14, 46):
                    if team == "second" and half in (24, 25):
                        continue
                    need = math.ceil(size * (1 - kept) * (1 if 18 < half < 38 else 0.6))
                    rows.append(
                        {"stage": cell[0], "candidate": cell[1], "bound": bound, "team": team,
                         "interval_start_s": half * 1800, "required": need, "scheduled": need + 1,
                         "n": 800}
                    )  # fmt: skip
    return tables.build("staffing", rows)


def backtest(status: str = "pass", bias: float = -0.013) -> pl.DataFrame:
    """Table ``backtest`` with a verdict."""
    criteria = (
        ("correlation", "pass", 0.9465, 0.9),
        ("level_bias", status, bias, 0.25),
        ("coverage_wait", "pass", 6 / 7, 0.8),
        ("correlation_usual_days", "told", 0.961, None),
        ("verdict", status, None, None),
    )
    does = {"pass": "passes", "fail": "FAILS"}[status]
    reason = f"The queue model {does} its back-test on 7 days that it had not seen, <b>1%</b>."
    return tables.build(
        "backtest",
        [
            {"metric": metric, "status": said, "estimate": estimate, "limit": limit, "n": 7,
             "unit": "share", "reason": reason if metric == "verdict" else "expected",
             "method": "held-out days"}
            for metric, said, estimate, limit in criteria
        ],
    )  # fmt: skip


def backtest_days() -> pl.DataFrame:
    """Fourteen days; of the held-out ones the sixth is outside, and the last is not scored."""
    rows = []
    for place in range(14):
        held = place >= 7
        predicted = 20.0 + 3 * (place % 4)
        observed = None if place == 13 else predicted + (9.0 if place == 12 else 1.5)
        rows.append(
            {"day": date(2026, 3, 2) + timedelta(days=place), "metric": "wait_s",
             "half": "held_out" if held else "calibration", "n_contacts": 2100,
             "observed": observed, "predicted": predicted,
             "low": predicted - 5 if held else None, "high": predicted + 5 if held else None,
             "inside": place < 12 if held and observed is not None else None,
             "scored": observed is not None,
             "reason": None if observed is not None else "no wait is known"}
        )  # fmt: skip
    return tables.build("backtest_days", rows)


def horizon(n_days: int) -> pl.DataFrame:
    """Table ``horizon`` of a run of one day, or of a week."""
    row = {"day": "weekday" if n_days == 1 else "week", "n_days": n_days, "warm_up_days": 0,
           "n_draws": 10, "n_replications": 20, "n_logged": 10}  # fmt: skip
    return tables.build("horizon", [row])


def of_a_week(run: Run) -> Run:
    """``run`` with its half-hours on each of seven days, quieter at the weekend; not staffed."""
    days = [
        run.tables["intervals"].with_columns(
            pl.col("interval_start_s") + day * 86_400,
            pl.when(pl.col("metric") == "offered")
            .then(pl.col("estimate") * (0.5 if day > 4 else 1.1 if day == 1 else 1.0))
            .otherwise("estimate")
            .alias("estimate"),
        )
        for day in range(7)
    ]
    kept = {name: frame for name, frame in run.tables.items() if not name.startswith("staffing")}
    paid = pl.col("metric").str.starts_with("paid_")
    return replace(
        run,
        tables=kept
        | {
            "intervals": pl.concat(days),
            "horizon": horizon(7),
            "costs": kept["costs"].filter(~paid),
        },
    )


OVERRIDE = {
    "overridden_by": "Ann <i>Chen</i>",
    "override_reason": "The trial in the north went well.",
    "override_expires": date(2026, 12, 31),
}


def overridden(run: Run) -> Run:
    """``run`` where somebody lets guarded pass the gate that it does not, at the widest stage."""
    here = (
        (pl.col("stage") == "wider_auto")
        & (pl.col("candidate") == "guarded")
        & (pl.col("segment") == "all")
    )
    gates = run.tables["gates"].with_columns(
        pl.when(here & (pl.col("metric") == "risky_promise_rate"))
        .then(pl.lit(value))
        .otherwise(name)
        .alias(name)
        for name, value in OVERRIDE.items()
    )
    mine = (pl.col("candidate") == "guarded") & (pl.col("segment") == "all")
    reached = run.tables["recommendation"].with_columns(
        pl.when(mine).then(pl.lit("wider_auto")).otherwise("stage").alias("stage"),
        pl.when(~mine).then("binding_gate").alias("binding_gate"),
    )
    return replace(run, tables={**run.tables, "gates": gates, "recommendation": reached})


def _intervals() -> pl.DataFrame:
    rows = []
    for cell in cells():
        for bound, kept in _three(*cell).items():
            for half in range(14, 46):
                wave = (
                    40
                    + 55 * math.exp(-((half - 21) ** 2) / 18)
                    + 35 * math.exp(-((half - 30) ** 2) / 20)
                )
                offered = wave * (1 - kept)
                agents = 24.0 if half < 18 or half > 38 else 46.0
                values = {
                    "offered": offered,
                    "answered": offered * 0.94,
                    "abandoned": offered * 0.06,
                    "asa_s": offered,
                    "service_level": None if half == 14 else 0.83,
                    "occupancy": min(1.0, offered / agents / 2.2),
                    "agents": agents,
                }
                for metric, value in values.items():
                    for team in ("all", "=1+1"):
                        row = _row(cell, bound, metric, value, "per half-hour")
                        rows.append(row | {"interval_start_s": half * 1800, "team": team})
    return tables.build("intervals", rows)


def _gate(
    cell: tuple[str, str],
    segment: str,
    metric: str,
    status: str,
    limit: float,
    reason: str,
    estimate: float | None = None,
    low: float | None = None,
    high: float | None = None,
    labels_needed: int | None = None,
) -> dict[str, Any]:
    return {
        "stage": cell[0],
        "candidate": cell[1],
        "segment": segment,
        "bound": "worst" if metric in ("service_level", "saving_money") else None,
        "metric": metric,
        "estimate": estimate,
        "low": low,
        "high": high,
        "n": 400,
        "unit": "share",
        "method": "exact, stratified, this history",
        "status": status,
        "limit": limit,
        "labels_needed": labels_needed,
        "reason": reason,
        "confidence": 0.95 if metric == "risky_promise_rate" else None,
        "estimand": "this_history" if metric == "risky_promise_rate" else "simulated_days",
    }


def _gates() -> pl.DataFrame:
    rows = []
    for cell in cells()[1:]:
        for segment in ("all", *SEGMENTS):
            rows.append(
                _gate(cell, segment, "saving_money", "pass", 0.0, "saves", 2000.0, 310.25, 3000.0)
            )
            if cell[0] not in AUTO:
                continue
            if cell[1] == "faq_rag":
                why = "31 of 400 audited conversations held a risky promise; lower bound 5.6 %"
                rows.append(
                    _gate(
                        cell, segment, "risky_promise_rate", "fail", 0.01, why, 0.079, 0.056, 0.11
                    )
                )
            elif cell[1] == "guarded" and cell[0] == "wider_auto":
                why = "2 of 400 audited conversations held a risky promise; upper bound 1.56 %"
                rows.append(
                    _gate(cell, segment, "risky_promise_rate", "insufficient", 0.01, why,
                          0.005, 0.0009, 0.0156, 229)
                )  # fmt: skip
            elif cell[1] == "guarded":
                why = "0 of 400 audited conversations held a risky promise; upper bound 0.75 %"
                rows.append(
                    _gate(cell, segment, "risky_promise_rate", "pass", 0.01, why, 0.0, 0.0, 0.0075)
                )
            else:
                rows.append(
                    _gate(cell, segment, "risky_promise_rate", "insufficient", 0.01, "no labels")
                )
    return tables.build("gates", rows)


# Estimate, low, high and n of what labels say; all of it at the automatic stages.
SAID: dict[str, dict[str, tuple[float | None, float | None, float | None, int]]] = {
    "always_escalate": {
        "high_risk_interception": (1.0, 1.0, 1.0, 31),
        "needless_escalation": (0.437, 0.391, 0.483, 160),
        "tone_apt": (None, None, None, 0),
    },
    "faq_rag": {
        "high_risk_interception": (0.0, 0.0, 0.074, 62),
        "missed_escalation": (None, 0.921, 1.0, 62),
        "over_answer": (0.00005, 0.00001, 0.0003, 12_345),
        "tone_apt": (None, None, None, 0),
    },
    "guarded": {
        "high_risk_interception": (0.984, 0.906, 0.9999, 221),
        "missed_escalation": (0.0163, 0.0027, 0.094, 221),
        "clarify_when_uninformed": (0.654, 0.573, 0.726, 354),
        "over_answer": (0.217, 0.182, 0.257, 400),
        "tone_apt": (None, None, None, 0),
    },
}


def _support() -> pl.DataFrame:
    """Table ``support_metrics``; nobody was asked about tone."""
    rows = []
    for stage in AUTO:
        for candidate, said in SAID.items():
            for metric, (estimate, low, high, n) in said.items():
                for segment in ("all", "invoice"):
                    rows.append(
                        {"stage": stage, "candidate": candidate, "segment": segment,
                         "metric": metric, "estimate": estimate, "low": low, "high": high, "n": n,
                         "unit": "share of conversations", "method": "exact bounds, two-sided 95 %",
                         "estimand": "this_history",
                         "excluded": f"{400 - min(n, 400)} labelled <b>conversations</b> left out"}
                    )  # fmt: skip
    emotions = {
        "emotion_change": (0.0552, 0.0412, 0.0692, 3135, "levels"),
        "calmed": (0.477, 0.427, 0.528, 461, "share of points"),
        "upset_further": (0.112, 0.101, 0.124, 3042, "share of points"),
    }
    for metric, (estimate, low, high, n, unit) in emotions.items():
        rows.append(
            {"stage": "human_only", "candidate": "human", "segment": "all", "metric": metric,
             "estimate": estimate, "low": low, "high": high, "n": n, "unit": unit,
             "method": "by the rules judge", "estimand": "this_history", "excluded": "last points"}
        )  # fmt: skip
    return tables.build("support_metrics", rows)


def _recommendation() -> pl.DataFrame:
    reach = {
        "always_escalate": ("assist", "Label conversations: no label is on record"),
        "faq_rag": ("assist", "Stop the flat promises; the lower bound is 4.6 points over"),
        "guarded": (
            "low_risk_auto",
            "To reach wider_auto: label 229 more for the assist-only rate",
        ),
    }
    rows = []
    for candidate, (stage, step) in reach.items():
        for segment in ("all", *SEGMENTS):
            further = candidate == "guarded" and segment in ("delivery", "invoice")
            rows.append(
                {
                    "candidate": candidate,
                    "segment": segment,
                    "stage": "wider_auto" if further else stage,
                    "binding_gate": None if further else "risky_promise_rate",
                    "next_step": "Nothing: top of the ladder." if further else step,
                }
            )
    return tables.build("recommendation", rows)


def _talk() -> dict[str, pl.DataFrame]:
    """Conversations with hostile replies, one of them long, one Chinese."""
    conversations, points, contexts, shadow, verdicts, decisions = [], [], [], [], [], []
    replies = [
        *HOSTILE,
        "您好，我們保證三天內退款到您的信用卡，請放心。",
        "We guarantee that your parcel arrives on Friday. Anything else?",
    ]
    evidence = [
        None,
        None,
        "Your refund is \u202egnihton",
        None,
        "我們保證三天內退款",
        "We guarantee",
    ]
    for i, (reply, span) in enumerate(zip(replies, evidence, strict=True)):
        identity = f"c{i}"
        chinese = i in (3, 4)
        conversations.append(
            {"conversation_id": identity, "channel": "chat", "intent": SEGMENTS[i % 5],
             "language": "zh-Hant" if chinese else "en", "weight": 1.0}
        )  # fmt: skip
        for n, turn in enumerate((0, 2)):
            points.append(
                {"conversation_id": identity, "turn": turn, "n_th": n, "context_hash": f"{i}{n}",
                 "text": "我的退款什麼時候到？" if chinese else f"Where is it? <b>{HOSTILE[0]}</b>",
                 "reply": "請問您用什麼方式付款？" if chinese else "How did you pay & when?"}
            )  # fmt: skip
            contexts.append(
                {"judge": "rules", "conversation_id": identity, "turn": turn,
                 "risk": "high" if i % 2 else "low", "emotion": "angry" if i % 3 else "calm"}
            )  # fmt: skip
        for candidate in ("faq_rag", "guarded") if i > 1 else ("faq_rag",):
            at = {"candidate": candidate, "conversation_id": identity, "turn": 2}
            shadow.append({**at, "reply": reply, "key": "k"})
            verdicts.append(
                {**at, "judge": "rules", "commitment": "firm", "risky_promise": True,
                 "compliance_breach": i == 5, "evidence": span,
                 "commitments": [{"kind": "refund", "value": 3.0, "unit": "day",
                                  "firmness": "firm", "span": span}]}
            )  # fmt: skip
            decisions.append(
                {
                    **at,
                    "stage": "wider_auto",
                    "mode": "auto",
                    "rule": "auto_when",
                    "reach": "reached",
                }
            )
    built = {
        "conversations": conversations, "decision_points": points, "contexts": contexts,
        "shadow": shadow, "verdicts": verdicts, "decisions": decisions,
    }  # fmt: skip
    return {name: tables.build(name, rows) for name, rows in built.items()}


def _settlements() -> pl.DataFrame:
    rows = []
    for cell in cells():
        for i in range(400):
            if cell[0] == "human_only":
                status = "human"
            elif cell[0] == "assist":
                status = "assist"
            elif cell[1] == "always_escalate" or i % 5 < 2:
                status = "handoff"
            else:
                status = "diverged" if i % 5 < (4 if cell[1] == "faq_rag" else 3) else "agreed"
            rows.append(
                {"stage": cell[0], "candidate": cell[1], "conversation_id": f"s{i}",
                 "status": status, "cause": "chosen" if status == "handoff" else None}
            )  # fmt: skip
    return tables.build("settlements", rows)


def finished(**scenario: Any) -> Run:
    """The run. Keywords change the scenario."""
    settings: dict[str, Any] = {
        "name": "quickstart 客服試行",
        "history": {"format": "sample", "timezone": "Asia/Taipei"},
        "candidates": {
            "human": {"kind": "human"},
            "always_escalate": {"kind": "always_escalate"},
            "faq_rag": {"kind": "faq_rag"},
            "guarded": {"kind": "guarded"},
        },
        "proposal": {"candidate": "guarded", "stage": "wider_auto"},
    }
    manifest = {
        "created_at": "2026-01-05 09:30 UTC",
        "synthetic": True,
        "seed": 1,
        "versions": {"shadowdesk": "0.1.0", "python": "3.11"},
        "timings_s": {"history": 3.2, "replay": 8.04, "contact_center": 17.5},
        "account": ["2,000 conversations read, 11,204 messages; 0 put aside"],
        "command": "shadowdesk quickstart --out outputs/quickstart",
    }
    assumed = tables.build(
        "assumed",
        [
            {"name": "demand.bot_quit_hazard", "value": "0.02", "low": 0.0, "high": 0.1,
             "source": "assumption: chance at each bot reply that the customer leaves"},
            {"name": "contact_center.wrap_up_s", "value": "45", "low": 15.0, "high": 120.0,
             "source": "assumption: after-contact work inside the handle time", "n": 2000},
        ],
    )  # fmt: skip
    return Run(
        Scenario.model_validate(settings | scenario),
        manifest,
        {
            **_talk(),
            "kpis": _kpis(),
            "costs": _costs(),
            "intervals": _intervals(),
            "gates": _gates(),
            "recommendation": _recommendation(),
            "support_metrics": _support(),
            "settlements": _settlements(),
            "assumed": assumed,
            "staffing": _staffing(),
            "staffing_hours": _paid_hours(),
            "backtest": backtest(),
            "backtest_days": backtest_days(),
            "horizon": horizon(1),
            "checks": tables.build(
                "checks",
                [{"name": "engines", "result": "two engines give the same contacts", "n": 2333}],
            ),
        },
    )
