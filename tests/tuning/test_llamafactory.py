"""LLaMA-Factory trains on what is exported, file for file, with the settings that ship."""

from __future__ import annotations

import json

import pytest

from tests.boundary_export import exported
from tests.conftest import ROOT

SETTINGS = ROOT / "scenarios" / "tuning"
# Few rows again and again: what falls is not the luck of the batch.
SAME_ROWS = ("max_samples=8", "logging_steps=1", "warmup_ratio=0.0")


def losses(folder):
    lines = (folder / "trainer_log.jsonl").read_text().splitlines()
    return [row["loss"] for line in lines if "loss" in (row := json.loads(line))]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("exported"), "llamafactory")


@pytest.fixture(scope="module")
def sft(data, model, tuning, tmp_path_factory):
    """The adapter of the first step, of few steps."""
    out = tmp_path_factory.mktemp("sft")
    tuning(
        "llamafactory-cli",
        "train",
        SETTINGS / "sft.yaml",
        f"model_name_or_path={model}",
        f"dataset_dir={data}",
        f"output_dir={out}",
        *SAME_ROWS,
        "num_train_epochs=5",
    )
    return out


def test_the_loss_of_supervised_fine_tuning_falls(sft):
    found = losses(sft)
    assert len(found) == 5
    assert found[-1] < 0.85 * found[0]


def test_preferences_are_learnt_upon_the_first_step(sft, data, model, tuning, tmp_path):
    tuning(
        "llamafactory-cli",
        "export",
        SETTINGS / "merge.yaml",
        f"model_name_or_path={model}",
        f"adapter_name_or_path={sft}",
        f"export_dir={tmp_path / 'merged'}",
    )
    tuning(
        "llamafactory-cli",
        "train",
        SETTINGS / "dpo.yaml",
        f"model_name_or_path={tmp_path / 'merged'}",
        f"dataset_dir={data}",
        f"output_dir={tmp_path / 'dpo'}",
        *SAME_ROWS,
        "max_samples=4",
        "num_train_epochs=3",
        "learning_rate=2.0e-4",
    )
    found = losses(tmp_path / "dpo")
    assert len(found) == 3
    assert found[-1] < 0.8 * found[0]
    assert (tmp_path / "dpo" / "adapter_model.safetensors").is_file()


def test_every_named_dataset_is_read(data, tuning, model):
    # KTO and the reward model are not trained here: that their rows are taken is enough.
    info = json.loads((data / "dataset_info.json").read_text())
    script = """
import sys
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer

folder, model, stage, name = sys.argv[1:]
kept = dict(model_name_or_path=model, dataset_dir=folder, dataset=name, stage=stage,
            template="smollm2", output_dir=folder + "-out", finetuning_type="lora", do_train=True,
            use_cpu=True, report_to="none", overwrite_cache=True, cutoff_len=1024)
if stage == "rm":
    kept["stage"] = "rm"
model_args, data_args, training_args, finetuning_args, _ = get_train_args(kept)
loaded = load_tokenizer(model_args)
template = get_template_and_fix_tokenizer(loaded["tokenizer"], data_args)
found = get_dataset(template, model_args, data_args, training_args, stage=stage, **loaded)
print("rows", len(found["train_dataset"]))
"""
    stages = {"sft": "sft", "dpo": "rm", "kto": "kto"}
    for name, entry in info.items():
        rows = json.loads((data / entry["file_name"]).read_text())
        said = tuning("python", "-c", script, data, model, stages[name.split("_")[0]], name)
        assert f"rows {len(rows)}" in said, name
