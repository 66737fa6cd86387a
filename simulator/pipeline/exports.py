"""Boundary data of a run, written as files to tune a model with."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from simulator.boundary import formats
from simulator.boundary.account import Account, lines, readme
from simulator.boundary.cases import boundary_cases
from simulator.boundary.choose import Chosen, choose, folded, messages_of
from simulator.boundary.formats import Rows, plain
from simulator.boundary.questions import normal
from simulator.boundary.rewards import rewards
from simulator.boundary.scene import History, scene_of
from simulator.boundary.split import Split, split
from simulator.candidates import Materials
from simulator.candidates.prompted import asked as chat_of
from simulator.candidates.prompts import load
from simulator.errors import RunError
from simulator.history.redact import Redactor
from simulator.pipeline.steps import Tell
from simulator.replay.runner import points_seen
from simulator.scenario import Candidate, Scenario
from simulator.scenario_file import validate
from simulator.store import RunFolder, fingerprint, write_bytes
from simulator.tables import build, empty

_POINT = ["conversation_id", "turn"]
# Replies that are worth about nothing teach neither yes nor no.
_CLEAR = 0.1
_TABLES = ("decision_points", "conversations", "contexts", "shadow", "verdicts", "labels")


class Asked(NamedTuple):
    """What to export; see ``shadowdesk export --help``."""

    form: str
    out: Path
    prompt: Path
    until: date | None = None
    held_out: tuple[Path, ...] = ()
    per_kind: int = 300


class _Read(NamedTuple):
    """``prompts``: the table. By point: ``whole``, all that was said up to there, and ``last``, the

    customer's words there; both folded.
    """

    prompts: pl.DataFrame
    whole: dict[tuple[str, int], str]
    last: dict[tuple[str, int], str]


class Exported(NamedTuple):
    """``account``: lines to print. ``files``: what was written, relative to the folder."""

    account: list[str]
    files: tuple[str, ...]


def export(folder: RunFolder, asked: Asked, tell: Tell) -> Exported:
    """Write boundary cases of a run into ``asked.out``.

    Raises:
        RunError: nothing to go by (no labels, no contexts), nothing found, the cut leaves nothing
            on one side, the folder holds something else or cannot be written to.
        HistoryError: no conversation has a start.
        ScenarioError: the prompt file has a fault.
    """
    _possible(folder, asked)
    scenario = _scenario(folder)
    others = [RunFolder.open(path) for path in asked.held_out]
    parts = _split(folder, scenario, asked, others)
    tell("prompts", 0, 0)
    prompt = Candidate.model_construct(kind="prompted", prompt=asked.prompt)
    history, overlapping, sharing = _history(folder, parts, others, prompt)
    tell("cases", 0, 0)
    scene = scene_of(history)
    cases = boundary_cases(scene)
    if cases.is_empty():
        raise RunError(
            f"{folder.path}: no boundary case among {len(parts.train | parts.dev):,} conversations "
            f"before {parts.day}; expected some where the incumbent answered what it should not "
            "have, or held back; give more history, or a later day with --until"
        )
    chosen = choose(cases, history.prompts, overlapping, asked.per_kind, parts.dev)
    if chosen.cases.is_empty():
        raise RunError(
            f"{folder.path}: all {cases.height:,} boundary cases have a prompt that is held out "
            "too; nothing is left to train on; give more history, or another run with --held-out"
        )
    tell("files", 0, 0)
    valued = rewards(scene, chosen.cases)
    redactor = Redactor(_key(folder), scenario.history.timezone)
    rows = _rows(chosen, valued, history, parts, redactor, folder.manifest["name"])
    files = formats.files(asked.form, rows)
    account = Account(
        folder.manifest["name"],
        scenario.name,
        bool(folder.manifest.get("synthetic")),
        scenario.history.timezone,
        tuple(one.manifest["name"] for one in others),
        asked.form,
        asked.prompt.name,
        parts,
        chosen.counts,
        chosen.spare,
        len(sharing & set(chosen.cases.select(_POINT).iter_rows())),
        chosen.cases,
        rows,
        redactor.counts,
        folder.manifest["versions"],
    )
    files["held_out.csv"] = _held_out(folder, parts, others, redactor)
    files["README.md"] = readme(account, files).encode()
    _write(asked.out, files, account)
    return Exported(lines(account), tuple(files))


def _scenario(folder: RunFolder) -> Scenario:
    return validate(folder.manifest["scenario"], str(folder.path / "manifest.json"))


def _possible(folder: RunFolder, asked: Asked) -> None:
    if asked.per_kind < 1:
        raise RunError(f"--per-kind {asked.per_kind}: expected at least 1 case of each kind")
    if folder.table("contexts").is_empty() and folder.table("labels").is_empty():
        raise RunError(
            f"{folder.path}: neither labels nor contexts say what any decision point called for; "
            "expected one of them; run the scenario again"
        )
    if load(asked.prompt).decide is not None:
        raise RunError(
            f"{asked.prompt}: has a [decide], and what is exported are replies; expected a prompt "
            "that asks for the reply itself, such as scenarios/prompts/tuned.toml"
        )
    out = asked.out
    if out.exists() and not out.is_dir():
        raise RunError(f"--out {out}: is a file; expected a folder")
    earlier = _manifest(out)
    if earlier is not None and earlier["export"] != asked.form:
        raise RunError(
            f"--out {out}: holds an export for {earlier['export']}, whose files would go; name "
            "another folder, or take that one away"
        )
    if out.is_dir() and any(out.iterdir()) and earlier is None:
        raise RunError(
            f"--out {out}: holds files that are not of an earlier export; expected an empty or "
            "new folder; name another one"
        )


def _manifest(out: Path) -> dict[str, Any] | None:
    """The manifest of an export that lies in a folder already; null where none does."""
    try:
        found = json.loads((out / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "export" in found else None


def _earlier(out: Path) -> list[str]:
    """The files of an export that lies in a folder already."""
    files = (_manifest(out) or {}).get("files")
    return [str(name) for name in files] if isinstance(files, dict) else []


def _split(
    folder: RunFolder, scenario: Scenario, asked: Asked, others: Iterable[RunFolder]
) -> Split:
    replayed = folder.table("replayed").select("conversation_id")
    conversations = folder.table("conversations").join(replayed, on="conversation_id", how="semi")
    turns = folder.table("turns").join(replayed, on="conversation_id", how="semi")
    elsewhere = [
        one.table("conversations")
        .join(one.table("replayed").select("conversation_id"), on="conversation_id", how="semi")
        .select("conversation_id", "started_at")
        for one in others
    ]
    there = pl.concat(elsewhere) if elsewhere else None
    return split(conversations, turns, asked.until, scenario.history.zone, there)


def _held_out(
    folder: RunFolder, parts: Split, others: Iterable[RunFolder], redactor: Redactor
) -> bytes:
    """Ids with the run that replays them: those after the cut, and all of the runs named."""
    places = {(redactor.identifier(one), folder.manifest["name"]) for one in parts.held_out}
    for run in others:
        ids = run.table("replayed")["conversation_id"].to_list()
        places |= {(redactor.identifier(one), run.manifest["name"]) for one in ids}
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("conversation_id", "run"), *sorted(places)])
    return text.getvalue().encode()


def _history(
    folder: RunFolder, parts: Split, others: Iterable[RunFolder], prompt: Candidate
) -> tuple[History, set[tuple[str, int]], set[tuple[str, int]]]:
    """The exported part, and its points at which the same was said as at a held-out one.

    First by all that was said up to there, then by the customer's last words alone.
    """
    exported = pl.Series(sorted(parts.train | parts.dev), dtype=pl.String).implode()
    whole = {name: folder.table(name) for name in _TABLES}
    mine = {
        name: frame.filter(pl.col("conversation_id").is_in(exported))
        for name, frame in whole.items()
    }
    later = pl.Series(sorted(parts.held_out | parts.astride), dtype=pl.String).implode()
    held = [
        (folder, whole["decision_points"].filter(pl.col("conversation_id").is_in(later))),
        *((one, one.table("decision_points")) for one in others),
    ]
    points = mine["decision_points"]
    mine_read = _read(folder, points, prompt)
    held_read = [_read(run, part, None) for run, part in held]
    said = {text for one in held_read for text in one.whole.values()}
    last = {text for one in held_read for text in one.last.values()}
    # What happened after the cut must not decide which reply was the better one.
    known = whole["conversations"].filter(pl.col("started_at") < parts.cut)
    back = known["recontact_of"].drop_nulls().to_list()
    history = History(
        points,
        mine["conversations"],
        mine["contexts"],
        mine["shadow"],
        mine["verdicts"],
        mine["labels"],
        folder.table("knowledge"),
        folder.table("commitments_policy"),
        mine_read.prompts,
        parts.dev,
        frozenset(back),
    )
    return (
        history,
        {place for place, text in mine_read.whole.items() if text in said},
        {place for place, text in mine_read.last.items() if text in last},
    )


def _read(folder: RunFolder, points: pl.DataFrame, prompt: Candidate | None) -> _Read:
    """What was said at the points, and what the candidate would be asked there, if there is one."""
    materials = Materials(folder.table("knowledge"), folder.table("commitments_policy"))
    chat = chat_of(prompt, materials) if prompt else None
    tables = (folder.table(name) for name in ("turns", "conversations", "contexts"))
    found = _Read(empty("prompts"), {}, {})
    rows = []
    for chunk in points_seen(points, *tables):
        for point in chunk:
            place = point.conversation_id, point.turn
            found.whole[place] = folded(f"{one.role} {normal(one.text)}" for one in point.said)
            found.last[place] = normal(point.said[-1].text)
            if chat:
                messages = [message._asdict() for message in chat(point)]
                rows.append(dict(zip(_POINT, place, strict=True)) | {"messages": messages})
    return found._replace(prompts=build("prompts", rows)) if rows else found


def _rows(
    chosen: Chosen,
    valued: pl.DataFrame,
    history: History,
    parts: Split,
    redactor: Redactor,
    run: str,
) -> dict[str, Rows]:
    """The rows of each part, in order of conversations, redacted."""
    languages = dict(history.conversations.select("conversation_id", "language").iter_rows())
    asked = messages_of(history.prompts)

    def clean(text: str, conversation: str) -> str:
        return plain(redactor.text(text, languages[conversation]))

    prompts = {
        point: [{**one, "content": clean(one["content"], point[0])} for one in asked[point]]
        for point in dict.fromkeys(chosen.cases.select(_POINT).iter_rows())
    }
    found = {part: Rows([], [], [], []) for part in formats.PARTS}
    for row in chosen.cases.iter_rows(named=True):
        place = row["conversation_id"], row["turn"]
        out = found["dev" if place[0] in parts.dev else "train"]
        provenance = {
            "row_id": row["case_id"],
            "run": run,
            **{
                name: row[name]
                for name in ("kind", "reason", "language", "intent", "known_by", "why")
            },
            "conversation_id": redactor.identifier(place[0]),
            "turn": place[1],
            "chosen_from": _whose(row["chosen_from"], redactor),
            "rejected_from": row["rejected_from"] and _whose(row["rejected_from"], redactor),
        }
        one = {
            "prompt": prompts[place],
            "chosen": clean(row["chosen"], place[0]),
            "provenance": provenance,
        }
        if row["case_id"] in chosen.examples:
            out.sft.append(one)
        if row["rejected"] is not None:
            out.dpo.append({**one, "rejected": clean(row["rejected"], place[0])})
    _valued(found, valued, prompts, clean, parts, redactor, run)
    return {part: rows for part, rows in found.items() if rows.sft}


def _valued(
    found: dict[str, Rows],
    valued: pl.DataFrame,
    prompts: dict[tuple[str, int], Any],
    clean: Callable[[str, str], str],
    parts: Split,
    redactor: Redactor,
    run: str,
) -> None:
    same = Counter[tuple[str, str]]()
    pairs = [row for rows in found.values() for row in rows.dpo]
    examples = [row for rows in found.values() for row in rows.sft]
    wrong = {(repr(row["prompt"]), row["rejected"]) for row in pairs}
    right = {(repr(row["prompt"]), row["chosen"]) for row in [*pairs, *examples]}
    for row in valued.sort(*_POINT, "candidate").iter_rows(named=True):
        place = row["conversation_id"], row["turn"]
        out = found["dev" if place[0] in parts.dev else "train"]
        said = clean(row["reply"], place[0])
        which = repr(prompts[place]), said
        same[which] += 1
        if same[which] > 1:
            continue
        one = {
            "prompt": prompts[place],
            "completion": said,
            "provenance": {
                "row_id": fingerprint(*place, row["candidate"])[:16],
                "run": run,
                "conversation_id": redactor.identifier(place[0]),
                "turn": place[1],
                "candidate": row["candidate"],
                "known_by": row["known_by"],
                "why": row["parts"],
            },
        }
        out.rewards.append({**one, "reward": row["reward"], "parts": row["parts"]})
        # What the pairs and examples say of a reply is not contradicted.
        label = row["reward"] > 0
        if abs(row["reward"]) > _CLEAR and which not in (wrong if label else right):
            out.kto.append({**one, "label": label})


def _whose(source: str, redactor: Redactor) -> str:
    who, _, place = source.rpartition(" ")
    conversation, slash, turn = place.rpartition("/")
    return f"{who} {redactor.identifier(conversation)}/{turn}" if slash else source


def _key(folder: RunFolder) -> bytes:
    digest = folder.outputs_of("conversations", "turns", "shadow")
    return digest.encode()[:64]


def _write(out: Path, files: dict[str, bytes], account: Account) -> None:
    manifest = {
        "export": account.form,
        "run": account.run,
        "scenario": account.scenario,
        "cut": account.split.cut.isoformat(),
        "held_out_runs": account.held_out_runs,
        "prompt": account.prompt,
        "counts": account.counts.to_dicts(),
        "versions": account.versions,
        "files": {path: fingerprint(content) for path, content in sorted(files.items())},
    }
    # What only the earlier one had would look like a part of this one.
    for name in _earlier(out):
        if name not in files and ".." not in Path(name).parts and not Path(name).is_absolute():
            with suppress(OSError):
                (out / name).unlink()
    for path, content in files.items():
        write_bytes(out / path, content)
    text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
    write_bytes(out / "manifest.json", text.encode())
