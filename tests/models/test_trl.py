"""TRL reads the other format: its loader takes every file, and DPO takes a step on the pairs."""

from __future__ import annotations

import math

from tests.boundary_export import exported


def test_trl_loads_every_file_and_takes_a_step(small_model, tmp_path):
    folder = exported(tmp_path, "trl")
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer
    from trl.data_utils import is_conversational

    found = {}
    for name in ("sft", "dpo", "kto", "rewards"):
        files = {part: folder / name / f"{part}.jsonl" for part in ("train", "dev")}
        found[name] = load_dataset(
            "json", data_files={part: str(path) for part, path in files.items()}
        )
        for part, path in files.items():
            assert len(found[name][part]) == len(path.read_text("utf-8").splitlines()) > 0
        assert is_conversational(found[name]["train"][0])
    trainer = DPOTrainer(
        AutoModelForCausalLM.from_pretrained(small_model, dtype="float32"),
        args=DPOConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=1,
            per_device_train_batch_size=2,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            max_length=1024,
        ),
        processing_class=AutoTokenizer.from_pretrained(small_model),
        train_dataset=found["dpo"]["train"].select(range(2)),
    )
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    # Before anything is learnt chosen and rejected are alike to it.
    assert len(losses) == 1
    assert abs(losses[0] - math.log(2)) < 1e-3
