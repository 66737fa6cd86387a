"""The language models of a run: who they are, what they were asked, and what did not come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import polars as pl

from simulator.backends import PASSING
from simulator.reports import wording
from simulator.reports.run import Figure, Run
from simulator.scenario import LanguageModel

COUNTS = (
    "n_points",
    "n_asked",
    "prompt_tokens",
    "cached_prompt_tokens",
    "completion_tokens",
    "n_cut_off",
    "n_shortened",
    "n_errors",
)


@dataclass(frozen=True)
class Asked:
    """A row of table ``replay_account`` as shown.

    ``here``: the model was asked in this run's replay; what is recorded was asked elsewhere, and
    then ``per_second`` (distinct prompts) does not apply. ``errors``: turns without a reply, by
    kind; ``failures``: attempts that failed, by kind, whether or not a later one came through.
    """

    candidate: str
    here: bool
    counts: Mapping[str, Figure]
    per_second: float | None
    errors: Mapping[str, int]
    failures: Mapping[str, int]

    @property
    def rate(self) -> str:
        """Replies a second as text."""
        if not self.here:
            return "–"
        return wording.UNKNOWN if self.per_second is None else f"{self.per_second:,.3g}"

    @property
    def remarks(self) -> list[str]:
        """What was not as it should be, one sentence each, and how often."""
        cut, shortened = self.counts["n_cut_off"].value, self.counts["n_shortened"].value
        found = []
        if cut:
            found.append(f"{_some(int(cut), 'reply', 'replies')} cut off at the longest length")
        if shortened:
            turns = _some(int(shortened), "turn", "turns")
            found.append(f"{turns} with the oldest messages left out of a prompt that was too long")
        if self.errors:
            turns = _some(sum(self.errors.values()), "turn", "turns")
            found.append(f"{turns} without a reply ({_kinds(self.errors)})")
        if self.failures:
            attempts = _some(sum(self.failures.values()), "failed attempt", "failed attempts")
            found.append(f"{attempts} ({_kinds(self.failures)})")
        return found


def asked(run: Run) -> list[Asked]:
    """The candidates that were asked as models, in the scenario's order."""
    rows = {row["candidate"]: row for row in run.table("replay_account").iter_rows(named=True)}
    errors = _errors(run)
    found = []
    for name in (name for name in run.candidates if name in rows):
        row = rows[name]
        here = name in run.scenario.candidates and run.scenario.candidates[name].kind == "prompted"
        if not here and row["prompt_tokens"] is None:
            continue
        timed = here and row["n_asked"] and row["took_s"]
        found.append(
            Asked(
                name,
                here,
                {column: _figure(row, column) for column in COUNTS},
                row["n_asked"] / row["took_s"] if timed else None,
                errors.get(name, {}),
                {one["failure"]: one["n"] for one in row["failures"] or []},
            )
        )
    return found


def known_as(run: Run) -> dict[str, str]:
    """What each model is, in words; of recorded replies, what their file says of it."""
    of_files: Mapping[str, Mapping[str, str]] = run.manifest.get("candidates") or {}
    found = {}
    for name, one in run.scenario.candidates.items():
        if one.model is not None and one.prompt is not None:
            found[name] = ", ".join(
                [_model(one.model), f"prompt {one.prompt.name}", *_settings(one.model)]
            )
        elif facts := {key: fact for key, fact in of_files.get(name, {}).items() if fact}:
            words = ", ".join(f"{key.replace('_', ' ')} {fact}" for key, fact in facts.items())
            found[name] = f"recorded: {words}"
    return found


def ask_again(run: Run) -> str | None:
    """That some replies are missing for something that may pass, and how to get them; or None."""
    missing = (
        run.table("shadow")
        .filter(pl.col("error").is_in(PASSING))
        .group_by("error")
        .len()
        .sort("error")
    )
    if missing.is_empty():
        return None
    n = int(missing["len"].sum())
    return (
        f"{_some(n, 'turn has', 'turns have')} no reply for something that may pass "
        f"({_kinds(dict(missing.iter_rows()))}): run the same command again to ask for "
        f"{'it' if n == 1 else f'these {n:,}'} once more."
    )


def left_out(run: Run) -> list[str]:
    """Of each cell with turns that got no reply, how many, and how many conversations have one."""
    ended = run.table("settlements").filter(pl.col("cause") == "error")
    handed = {
        (stage, candidate): n
        for stage, candidate, n in ended.group_by("stage", "candidate").len().iter_rows()
    }
    rows = {(row["stage"], row["candidate"]): row for row in run.table("excluded").to_dicts()}
    return [
        f"{wording.stage_label(cell[0])}, {wording.visible(cell[1])}: {row['n_no_reply']:,} of "
        f"{row['n_points']:,} automatic turns, "
        f"{_some(handed.get(cell, 0), 'conversation', 'conversations')}"
        for cell in sorted(rows, key=_up_the_ladder(run))
        if (row := rows[cell])["n_no_reply"]
    ]


LEFT_OUT = (
    "Turns without a reply are in no rate of risky promises. From such a turn on a person takes "
    "over: in the load, the settled share and high-risk interception the conversation counts as "
    "handed over. These are"
)


def _up_the_ladder(run: Run) -> Any:
    places = {cell: place for place, cell in enumerate(run.cells)}
    return lambda cell: (places.get(cell, len(places)), cell)


def _errors(run: Run) -> dict[str, dict[str, int]]:
    counted = (
        run.table("shadow")
        .filter(pl.col("error").is_not_null())
        .group_by("candidate", "error")
        .len()
        .sort("candidate", "error")
    )
    found: dict[str, dict[str, int]] = {}
    for candidate, error, n in counted.iter_rows():
        found.setdefault(candidate, {})[error] = n
    return found


def _figure(row: Mapping[str, Any], column: str) -> Figure:
    value = row[column]
    source = f"replay_account/{quote(row['candidate'], safe='')}/{column}"
    return Figure(value, wording.UNKNOWN if value is None else f"{value:,}", source)


def _some(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{wording.visible(kind).replace('_', ' ')} {n:,}" for kind, n in counts.items()
    )


def _model(model: LanguageModel) -> str:
    name = model.folder.name if model.folder is not None else model.name
    adapter = f" with adapter {model.adapter.name}" if model.adapter is not None else ""
    return f"{name}{adapter} by {model.backend}"


def _settings(model: LanguageModel) -> list[str]:
    sampled = f"temperature {model.temperature:g}, top_p {model.top_p:g}, seed {model.seed}"
    return [
        sampled if model.temperature else "greedy",
        f"at most {model.max_tokens:,} tokens a reply",
        *([model.dtype] if model.dtype != "auto" else []),
    ]
