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

# write the reports of a run again
report RUN="outputs/quickstart":
    .venv/bin/shadowdesk report {{RUN}}

# all that continuous integration checks
ci:
    bash .ci/run
