#!/bin/sh
# Format, lint, types, tests: what CI runs.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh check
.venv/bin/ruff format --check src tests benchmarks scripts
.venv/bin/ruff check src tests benchmarks scripts
.venv/bin/pyright
.venv/bin/python -m pytest --numprocesses auto --dist loadfile "$@"
