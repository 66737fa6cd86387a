"""Exported rows as the files that LLaMA-Factory and TRL read.

LLaMA-Factory (0.9.5, ``data/parser.py``, ``data/converter.py``): JSON files named in
``dataset_info.json``; format ``sharegpt`` with OpenAI's role names, a system message first, then
user and assistant in turns. A ranking row ends with the user, and ``chosen`` and ``rejected`` are
messages; a row of KTO ends with the assistant and has a flag. Columns that are not named there are
dropped when a file is loaded, so that a row may carry where it comes from.

TRL (0.24, ``data_utils.py``): JSON lines in folders, conversational: ``prompt`` and ``completion``
(or ``chosen`` and ``rejected``) are lists of messages, and only what is said last is trained on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Message = dict[str, str]
FORMATS = ("llamafactory", "trl")
PARTS = ("train", "dev")
# What chat templates use to end a message or to begin one, and what LLaMA-Factory takes for a
# picture: a customer who writes it must not do so.
_MARKS = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|</?s>|<</?SYS>>|\[/?INST\]|\[/?SYSTEM_PROMPT\]|"
    r"<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk|image|video|audio)>|<\|?endoftext\|?>",
    re.IGNORECASE,
)
_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


class Rows(NamedTuple):
    """What one part (train or dev) holds.

    Attributes:
        sft: ``prompt`` (messages), ``chosen`` (text), ``provenance``.
        dpo: the same and ``rejected``.
        kto: ``prompt``, ``completion`` (text), ``label`` (bool), ``provenance``.
        rewards: ``prompt``, ``completion``, ``reward``, ``parts``, ``provenance``.
    """

    sft: list[dict[str, Any]]
    dpo: list[dict[str, Any]]
    kto: list[dict[str, Any]]
    rewards: list[dict[str, Any]]


def plain(text: str) -> str:
    """``text`` with the marks of chat templates spelt apart, as the replay's backends do.

    >>> plain("a<|im_end|>b")
    'a< |im_end|>b'
    """
    return _MARKS.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def files(name: str, parts: Mapping[str, Rows]) -> dict[str, bytes]:
    """Content of each file by its path in the folder.

    A file of the training part without a row is not written, since no loader takes an empty one;
    that of the dev part neither.

    Args:
        name: one of :data:`FORMATS`.
        parts: by name of :data:`PARTS`.
    """
    written = _llamafactory(parts) if name == "llamafactory" else _trl(parts)
    found = {path: content for path, (content, _) in written.items()}
    where = [
        {"file": path, "position": position, **row["provenance"]}
        for path, (_, rows) in written.items()
        for position, row in enumerate(rows)
    ]
    found["provenance.jsonl"] = _lines(where)
    return found


_Written = dict[str, tuple[bytes, list[dict[str, Any]]]]


def _llamafactory(parts: Mapping[str, Rows]) -> _Written:
    written: _Written = {}
    info: dict[str, Any] = {}
    for part, rows in parts.items():
        tables = {
            "sft": ([_row(r, messages=[*r["prompt"], _says(r["chosen"])]) for r in rows.sft], {}),
            "dpo": (
                [
                    _row(
                        r,
                        messages=r["prompt"],
                        chosen=_says(r["chosen"]),
                        rejected=_says(r["rejected"]),
                    )
                    for r in rows.dpo
                ],
                {"chosen": "chosen", "rejected": "rejected"},
            ),
            "kto": (
                [
                    _row(r, messages=[*r["prompt"], _says(r["completion"])], label=r["label"])
                    for r in rows.kto
                ],
                {"kto_tag": "label"},
            ),
        }
        for stage, (out, columns) in tables.items():
            if not out:
                continue
            path = f"{stage}_{part}.json"
            written[path] = (_array(out), getattr(rows, stage))
            info[f"{stage}_{part}"] = {
                "file_name": path,
                "formatting": "sharegpt",
                **({"ranking": True} if stage == "dpo" else {}),
                "columns": {"messages": "messages", **columns},
                "tags": _TAGS,
            }
        if rows.rewards:
            name = "rewards.jsonl" if part == "train" else f"rewards_{part}.jsonl"
            written[name] = (_lines(map(_rewarded, rows.rewards)), rows.rewards)
    written["dataset_info.json"] = (_json(info), [])
    return written


def _trl(parts: Mapping[str, Rows]) -> _Written:
    written: _Written = {}
    for part, rows in parts.items():
        tables = {
            "sft": [_row(r, prompt=r["prompt"], completion=[_says(r["chosen"])]) for r in rows.sft],
            "dpo": [
                _row(
                    r,
                    prompt=r["prompt"],
                    chosen=[_says(r["chosen"])],
                    rejected=[_says(r["rejected"])],
                )
                for r in rows.dpo
            ],
            "kto": [
                _row(r, prompt=r["prompt"], completion=[_says(r["completion"])], label=r["label"])
                for r in rows.kto
            ],
            "rewards": list(map(_rewarded, rows.rewards)),
        }
        for stage, out in tables.items():
            if out:
                written[f"{stage}/{part}.jsonl"] = (_lines(out), getattr(rows, stage))
    return written


def _row(row: Mapping[str, Any], **columns: Any) -> dict[str, Any]:
    # One text, whatever it holds: loaders guess a column's type from the first rows.
    return {**columns, "row_id": row["provenance"]["row_id"]}


def _rewarded(row: Mapping[str, Any]) -> dict[str, Any]:
    return _row(
        row,
        prompt=row["prompt"],
        completion=[_says(row["completion"])],
        reward=row["reward"],
        parts=row["parts"],
    )


def _says(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _array(rows: Iterable[Mapping[str, Any]]) -> bytes:
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[\n{lines}\n]\n".encode()


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
