"""What a back-test comes to: pass, fail or insufficient, and the sentence that reports carry."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from simulator import tables

LEAST_CORRELATION = 0.9
MOST_BIAS = 0.25
LEAST_COVERAGE = 0.8
_LEAST_DAYS = 5
# Beyond this share of days without a known wait there is too little to go by.
_MOST_UNSCORED = 0.25
_COVERED = {
    "wait_s": "coverage_wait",
    "abandonment_rate": "coverage_abandonment",
    "service_level": "coverage_service_level",
}
_UNTESTED = "The queue model has not been tested against the operation's own history."


def insufficient(lack: str, n_days: int) -> pl.DataFrame:
    """Table ``backtest`` where there is nothing to test; ``lack`` says why, without a full stop."""
    sentence = f"The queue model could not be tested against the operation's own history: {lack}."
    return tables.build(
        "backtest",
        [
            {
                "metric": "verdict",
                "status": "insufficient",
                "n": n_days,
                "reason": sentence,
                "method": "none: nothing was simulated",
            }
        ],
    )


def judged(days: pl.DataFrame, presence: str) -> pl.DataFrame:
    """Table ``backtest`` from the days.

    Args:
        days: table ``backtest_days``.
        presence: how it is known who was at work, in words.
    """
    held_out = days.filter(pl.col("half") == "held_out")
    waits = held_out.filter(pl.col("metric") == "wait_s")
    scored = waits.filter("scored")
    aside = waits.filter(~pl.col("scored"))
    n = scored.height
    if n < _LEAST_DAYS or aside.height > _MOST_UNSCORED * waits.height:
        why = aside["reason"].drop_nulls().to_list()
        return insufficient(
            f"of {waits.height} held-out days {aside.height} cannot be scored"
            + (f", such as {aside['day'][0]} ({why[0]})" if why else ""),
            waits.height,
        )
    method = (
        "held-out days at the log's own arrival times, work and patience from the first half; "
        + presence
    )
    correlation, bias = _correlation(scored), _bias(scored)
    rows: list[dict[str, Any]] = [
        {
            "metric": "correlation",
            "status": _status(correlation is not None and correlation >= LEAST_CORRELATION),
            "estimate": correlation,
            "limit": LEAST_CORRELATION,
            "unit": "Pearson",
            "reason": "predicted and observed daily mean waits; expected at least "
            f"{LEAST_CORRELATION}" + ("" if correlation is not None else "; the waits do not vary"),
        },
        {
            "metric": "level_bias",
            "status": _status(abs(bias) <= MOST_BIAS),
            "estimate": bias,
            "limit": MOST_BIAS,
            "unit": "share",
            "reason": "mean predicted over mean observed daily wait, less 1; expected within "
            f"{MOST_BIAS}",
        },
    ]
    for metric, name in _COVERED.items():
        inside = held_out.filter("scored", pl.col("metric") == metric)["inside"].drop_nulls()
        share = float(inside.to_numpy().mean()) if inside.len() else None
        rows.append(
            {
                "metric": name,
                "status": _status(share is not None and share >= LEAST_COVERAGE),
                "estimate": share,
                "limit": LEAST_COVERAGE,
                "unit": "share",
                "reason": "days inside their 90 % prediction interval; expected at least "
                f"{LEAST_COVERAGE}",
            }
        )
    passed = all(row["status"] == "pass" for row in rows)
    unlike = scored.filter(pl.col("reason").is_not_null())
    alike = scored.filter(pl.col("reason").is_null())
    sentence = _sentence(passed, rows, n, unlike, _correlation(alike), presence)
    if unlike.height:
        rows += [
            {
                "metric": f"{name}_usual_days",
                "status": "told",
                "estimate": value,
                "n": alike.height,
                "unit": unit,
                "reason": "without the days that are unlike any of the first half; no limit",
            }
            for name, value, unit in (
                ("correlation", _correlation(alike), "Pearson"),
                ("level_bias", _bias(alike), "share"),
            )
        ]
    rows.append({"metric": "verdict", "status": _status(passed), "reason": sentence})
    return tables.build("backtest", [{"n": n, "method": method, **row} for row in rows])


def verdict_sentence(backtest: pl.DataFrame) -> str:
    """The verdict in plain words, for a report; says so where there was no back-test.

    Args:
        backtest: table ``backtest``; may be empty.
    """
    found = backtest.filter(pl.col("metric") == "verdict")["reason"].to_list()
    return str(found[0]) if found else _UNTESTED


def _status(kept: bool) -> str:
    return "pass" if kept else "fail"


def _correlation(waits: pl.DataFrame) -> float | None:
    observed, predicted = waits["observed"].to_numpy(), waits["predicted"].to_numpy()
    if observed.size < 2 or min(observed.std(), predicted.std()) == 0:
        return None
    return float(np.corrcoef(observed, predicted)[0, 1])


def _bias(waits: pl.DataFrame) -> float:
    return float(waits["predicted"].to_numpy().mean() / waits["observed"].to_numpy().mean() - 1)


def _sentence(
    passed: bool,
    rows: list[dict[str, Any]],
    n: int,
    unlike: pl.DataFrame,
    usual: float | None,
    presence: str,
) -> str:
    value = {row["metric"]: row["estimate"] for row in rows}
    correlation, bias = value["correlation"], value["level_bias"]
    said = "unknown" if correlation is None else f"{correlation:.2f}"
    covered = ", ".join(
        "none" if value[name] is None else f"{100 * value[name]:.0f} %"
        for name in _COVERED.values()
    )
    text = (
        f"The queue model {'passes' if passed else 'FAILS'} its back-test on {n} days that it had "
        f"not seen: predicted and observed daily mean waits correlate {said} (at least "
        f"{LEAST_CORRELATION:.2f} wanted), predicted waits are {100 * abs(bias):.0f} % "
        f"{'longer' if bias >= 0 else 'shorter'} (at most {100 * MOST_BIAS:.0f} %), and the "
        f"90 % intervals held {covered} of the days' waits, abandonment and service level (at "
        f"least {100 * LEAST_COVERAGE:.0f} % each)."
    )
    if unlike.height:
        first = unlike.row(0, named=True)
        others = f" and {unlike.height - 1} more" if unlike.height > 1 else ""
        text += f" Unlike any day of the first half: {first['day']} ({first['reason']}){others}"
        text += "." if usual is None else f"; without it the waits correlate {usual:.2f}."
    text += f" {presence[0].upper()}{presence[1:]}."
    return text
