#!/bin/sh
# Pins every requirement with its hashes, for all platforms and Python 3.11 to 3.14; names no download address.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
compile() {
    name=$1
    shift
    "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --output-file "requirements/$name.txt" "$@"
}
compile run --extra local
compile test --extra bedrock --extra local --extra redis --extra otel --extra rag --extra vertex --group test
compile check --extra bedrock --extra local --extra redis --extra otel --extra rag --extra vertex --group check
echo uv | "$uv" pip compile - --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-emit-index-url --no-annotate --output-file requirements/uv.txt
UV=$uv scripts/lock_e2e.sh
