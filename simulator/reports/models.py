"""The language models of a run: who they are, what they were asked, and what did not come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import polars as pl

from simulator.backends import PASSING
from simulator.reports import wording
from simulator.reports.language import heard, noted, say, say_n
from simulator.reports.phrases import named
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
        return say(wording.UNKNOWN) if self.per_second is None else f"{self.per_second:,.3g}"

    @property
    def remarks(self) -> list[str]:
        """What was not as it should be, one sentence each, and how often."""
        cut, shortened = self.counts["n_cut_off"].value, self.counts["n_shortened"].value
        found = []
        if cut:
            found.append(
                say_n(
                    "{n} reply cut off at the longest length",
                    "{n} replies cut off at the longest length",
                    cut,
                    n=f"{int(cut):,}",
                )
            )
        if shortened:
            found.append(
                say_n(
                    "{n} turn with the oldest messages left out of a prompt that was too long",
                    "{n} turns with the oldest messages left out of a prompt that was too long",
                    shortened,
                    n=f"{int(shortened):,}",
                )
            )
        if self.errors:
            n = sum(self.errors.values())
            found.append(
                say_n(
                    "{n} turn without a reply ({kinds})",
                    "{n} turns without a reply ({kinds})",
                    n,
                    n=f"{n:,}",
                    kinds=_kinds(self.errors),
                )
            )
        if self.failures:
            n = sum(self.failures.values())
            found.append(
                say_n(
                    "{n} failed attempt ({kinds})",
                    "{n} failed attempts ({kinds})",
                    n,
                    n=f"{n:,}",
                    kinds=_kinds(self.failures),
                )
            )
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
    """What each model is, in words; of recorded replies, what their file says of it.

    Of one that was recorded much like an earlier one, only what differs is said.
    """
    of_files: Mapping[str, Mapping[str, str]] = run.manifest.get("candidates") or {}
    recorded: dict[str, dict[str, str]] = {}
    found = {}
    for name, one in run.scenario.candidates.items():
        if one.model is not None and one.prompt is not None:
            prompt = say("prompt {prompt}", prompt=one.prompt.name)
            found[name] = say(_COMMA).join([_model(one.model), prompt, *_settings(one.model)])
        elif facts := {key: fact for key, fact in of_files.get(name, {}).items() if fact}:
            found[name] = _recorded(facts, recorded)
            recorded[name] = facts
    return found


# What the files of recorded replies say of them.
_FACTS = {
    "model": noted("model {fact}"),
    "revision": noted("revision {fact}"),
    "settings": noted("settings {fact}"),
    "recorded_at": noted("recorded at {fact}"),
}
_COMMA = noted(", ")


def _recorded(facts: Mapping[str, str], earlier: Mapping[str, Mapping[str, str]]) -> str:
    """``facts`` of recorded replies in words, set against those of ``earlier`` where most agree."""

    def alike(name: str) -> int:
        return len(facts.items() & earlier[name].items())

    like = max((name for name in earlier if earlier[name].keys() == facts.keys()),
               key=alike, default=None)  # fmt: skip
    if like is None or alike(like) < 2:
        return say("recorded: {facts}", facts=_worded(facts))
    other = {key: fact for key, fact in facts.items() if earlier[like][key] != fact}
    if not other:
        return say("recorded as {other}", other=wording.visible(like))
    return say(
        "recorded as {other}, but {facts}", other=wording.visible(like), facts=_worded(other)
    )


def _worded(facts: Mapping[str, str]) -> str:
    words = [
        say(_FACTS[key], fact=fact) if key in _FACTS else f"{key.replace('_', ' ')} {fact}"
        for key, fact in facts.items()
    ]
    return say(_COMMA).join(words)


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
    return say_n(
        "{n} turn has no reply for something that may pass ({kinds}): run the same command again "
        "to ask for it once more.",
        "{n} turns have no reply for something that may pass ({kinds}): run the same command again "
        "to ask for these {n} once more.",
        n,
        n=f"{n:,}",
        kinds=_kinds(dict(missing.iter_rows())),
    )


def left_out(run: Run) -> list[str]:
    """Of each cell with turns that got no reply, how many, and how many conversations have one.

    Candidates with the same numbers at a stage stand in one line.
    """
    ended = run.table("settlements").filter(pl.col("cause") == "error")
    handed = {
        (stage, candidate): n
        for stage, candidate, n in ended.group_by("stage", "candidate").len().iter_rows()
    }
    rows = {(row["stage"], row["candidate"]): row for row in run.table("excluded").to_dicts()}
    alike: dict[tuple[str, int, int, int], list[str]] = {}
    for cell in sorted(rows, key=_up_the_ladder(run)):
        if (row := rows[cell])["n_no_reply"]:
            numbers = (cell[0], row["n_no_reply"], row["n_points"], handed.get(cell, 0))
            alike.setdefault(numbers, []).append(cell[1])
    found = []
    for (stage, n, total, ends), candidates in alike.items():
        each = {
            False: (
                noted("{stage}, {candidates}: {n} of {total} automatic turns, {ends} conversation"),
                noted(
                    "{stage}, {candidates}: {n} of {total} automatic turns, {ends} conversations"
                ),
            ),
            True: (
                noted(
                    "{stage}, {candidates}: {n} of {total} automatic turns each, {ends} "
                    "conversation each"
                ),
                noted(
                    "{stage}, {candidates}: {n} of {total} automatic turns each, {ends} "
                    "conversations each"
                ),
            ),
        }[len(candidates) > 1]
        found.append(
            say_n(
                *each,
                ends,
                stage=wording.stage_label(stage),
                candidates=wording.listed([named(name) for name in candidates]),
                n=f"{n:,}",
                total=f"{total:,}",
                ends=f"{ends:,}",
            )
        )
    return found


LEFT_OUT = noted(
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
    return Figure(value, say(wording.UNKNOWN) if value is None else f"{value:,}", source)


def _kinds(counts: Mapping[str, int]) -> str:
    parts = [
        f"{heard(wording.visible(kind).replace('_', ' '))} {n:,}" for kind, n in counts.items()
    ]
    return say(_COMMA).join(parts)


def _model(model: LanguageModel) -> str:
    name = model.folder.name if model.folder is not None else str(model.name)
    if model.adapter is None:
        return say("{model} by {backend}", model=name, backend=model.backend)
    return say(
        "{model} with adapter {adapter} by {backend}",
        model=name,
        adapter=model.adapter.name,
        backend=model.backend,
    )


def _settings(model: LanguageModel) -> list[str]:
    sampled = say(
        "temperature {temperature}, top_p {top_p}, seed {seed}",
        temperature=f"{model.temperature:g}",
        top_p=f"{model.top_p:g}",
        seed=model.seed,
    )
    return [
        sampled if model.temperature else say("greedy"),
        say("at most {n} tokens a reply", n=f"{model.max_tokens:,}"),
        *([model.dtype] if model.dtype != "auto" else []),
    ]
