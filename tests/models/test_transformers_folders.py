"""Models and adapters that the transformers backend loads, and those that it refuses."""

from __future__ import annotations

import json
import pickle
import sys

import pytest

from simulator import backends
from simulator.errors import BackendError
from tests.models.asking import SAID, adapter, answers, chooses


@pytest.fixture(scope="module")
def adapters(small_model, tmp_path_factory):
    """Two LoRA adapters of random weights."""
    folder = tmp_path_factory.mktemp("adapter")
    return [adapter(small_model, folder / str(seed), seed) for seed in (1, 2)]


def far(one, other):
    """The largest difference of two lists of probabilities."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def test_an_adapter_changes_the_answers_and_the_identity(loaded, model, adapters, small_model):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    asks = [chooses(text) for text in SAID[:3]]
    plain = [found.probs for found in answers(loaded(), asks)]
    merged = [found.probs for found in answers(loaded(adapter=adapters[0]), asks)]
    other = [found.probs for found in answers(loaded(adapter=adapters[1]), asks)]
    assert max(map(far, plain, merged)) > 0.01
    assert max(map(far, merged, other)) > 0.01
    base = AutoModelForCausalLM.from_pretrained(small_model, dtype=torch.float32)
    beside = PeftModel.from_pretrained(base, adapters[0])
    for ask, found in zip(asks, merged, strict=True):
        tokens = loaded()._chats.tokens(ask)
        with torch.inference_mode():
            logits = beside(torch.tensor([tokens.prompt])).logits[0, -1, list(tokens.choices)]
        assert found == pytest.approx(logits.double().softmax(-1).tolist(), abs=1e-4)
    settings = (model(), model(adapter=adapters[0]), model(adapter=adapters[1]))
    assert len({json.dumps(backends.identity(one)) for one in settings}) == 3


def test_in_16_bits_an_adapter_stays_beside_the_weights(loaded, adapters):
    asks = [chooses(text) for text in SAID[:3]]
    exact = answers(loaded(adapter=adapters[0]), asks)
    short = loaded(adapter=adapters[0], dtype="bfloat16")
    assert str(short._network.dtype) == "torch.bfloat16"
    assert any("lora_" in name for name, _ in short._network.named_modules())
    for one, two, bare in zip(exact, answers(short, asks), answers(loaded(), asks), strict=True):
        assert far(one.probs, two.probs) < far(bare.probs, two.probs) / 2
        assert far(one.probs, two.probs) < 0.05


@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_a_library_that_is_missing_is_named_with_what_to_install(model, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendError, match=rf"{name}.*pip install 'shadowdesk\[hf\]'"):
        backends.make(model())


def test_a_model_without_a_chat_template_is_refused(model, variant):
    with pytest.raises(BackendError, match="expected a model tuned for chat"):
        backends.make(model(folder=variant("no_template")))


def test_a_folder_without_a_model_is_refused(model, tmp_path, small_model):
    with pytest.raises(BackendError, match=r"nowhere: no such folder; expected .*config\.json"):
        backends.make(model(folder=tmp_path / "nowhere"))
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).symlink_to(small_model / name)
    # Pickled weights are code that somebody else wrote.
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(BackendError, match=r"has no \*\.safetensors; expected"):
        backends.make(model(folder=tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BackendError, match="cannot be loaded as a language model"):
        backends.make(model(folder=tmp_path))


def test_weights_that_lack_a_tensor_are_not_made_up(model, variant):
    from safetensors.torch import load_file, save_file

    folder = variant()
    path = folder / "model.safetensors"
    tensors = load_file(path)
    path.unlink()
    del tensors["model.layers.7.mlp.up_proj.weight"]
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(BackendError, match=r"lack 1 tensors, such as model\.layers\.7\.mlp"):
        backends.make(model(folder=folder))


def test_code_that_comes_with_a_model_is_never_run(model, variant, tmp_path):
    auto = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    folder = variant(config={"model_type": "own", "auto_map": auto})
    trace = tmp_path / "run"
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w')\n", "utf-8")
    with pytest.raises(BackendError, match="a model's own code is never run"):
        backends.make(model(folder=folder))
    assert not trace.exists()


def test_an_adapter_that_does_not_fit_is_refused(model, adapters, tmp_path):
    with pytest.raises(BackendError, match=r"expected the folder of a LoRA adapter"):
        backends.make(model(adapter=tmp_path))
    (tmp_path / "adapter_model.safetensors").symlink_to(adapters[0] / "adapter_model.safetensors")
    config = json.loads((adapters[0] / "adapter_config.json").read_text("utf-8"))
    for change, found in (
        ({"peft_type": "PROMPT_TUNING"}, "type PROMPT_TUNING; expected LORA"),
        ({"target_modules": ["no_such_layer"]}, "expected one that was trained on this model"),
    ):
        (tmp_path / "adapter_config.json").write_text(json.dumps(config | change), "utf-8")
        with pytest.raises(BackendError, match=found):
            backends.make(model(adapter=tmp_path))
