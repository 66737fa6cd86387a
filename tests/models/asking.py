"""Asks for tests of the backends, and their answers in order."""

from __future__ import annotations

from pathlib import Path

from simulator.backends import Ask, Backend, Completion, Message

SYSTEM = Message("system", "You answer customers of an online shop in one short sentence.")
SAID = (
    "Hello!",
    "Where is my order? It should have been here on Monday, and nobody tells me anything.",
    "我的退款什麼時候到?",
    "My lamp is broken. " * 8,
)
LETTERS = ("A", "B", "C", "D", "E")
QUESTION = "Reply with one letter: A, B, C, D or E."


def writes(text: str, max_tokens: int = 6, seed: int = 0) -> Ask:
    return Ask((SYSTEM, Message("user", text)), max_tokens, seed=seed)


def chooses(text: str) -> Ask:
    return Ask((SYSTEM, Message("user", f"{text}\n{QUESTION}")), 1, LETTERS)


def answers(backend: Backend, asks: list[Ask]) -> list[Completion]:
    """Completions in order of the asks, all of them in hand at once; each is answered once."""
    for ticket, ask in enumerate(asks):
        backend.submit(ticket, ask)
    found: dict[int, Completion] = {}
    while len(found) < len(asks):
        more = backend.wait()
        assert more
        assert not found.keys() & {ticket for ticket, _ in more}
        found |= dict(more)
    return [found[ticket] for ticket in range(len(asks))]


def logits_of(backend, ask: Ask):
    """Of every position, by one plain forward pass without padding."""
    import torch

    prompt = backend._chats.tokens(ask).prompt
    with torch.inference_mode():
        return backend._network(torch.tensor([prompt])).logits[0]


def adapter(model: Path, folder: Path, seed: int = 1) -> Path:
    """A LoRA adapter of random weights for ``model``, in ``folder``."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    config = LoraConfig(
        r=4,
        lora_alpha=16,
        target_modules=["q_proj", "v_proj"],
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    get_peft_model(base, config).save_pretrained(folder)
    return folder
