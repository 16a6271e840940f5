#!/bin/sh
# Pins the clients of `make e2e`, each in an environment of its own; called by lock.sh.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
client() {
    name=$1
    shift
    printf '%s\n' "$@" | "$uv" pip compile - --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-emit-index-url --no-annotate $overrides --output-file "requirements/e2e-$name.txt"
}
overrides=
client openai openai==3.54.0
client langchain langchain-openai==1.7.3
client litellm litellm==1.106.2 mcp # it imports mcp whenever tools are given
client pydantic-ai "pydantic-ai-slim[openai]==2.68.0"
client openai-agents openai-agents==0.24.0
client llm llm==0.36
client aider aider-chat==0.86.2
client schemathesis schemathesis==4.32.5

# Open WebUI without what only local embeddings, speech and other databases need: 0.8 GB, not 7.5.
heavy=$(mktemp)
trap 'rm -f "$heavy"' EXIT
for name in torch sentence-transformers transformers accelerate faster-whisper ctranslate2 onnxruntime \
    opencv-python-headless rapidocr-onnxruntime unstructured playwright colbert-ai kubernetes pymilvus pyarrow; do
    echo "$name ; sys_platform == 'never'"
done >"$heavy"
overrides="--override $heavy"
client open-webui open-webui==0.12.4
.venv/bin/python - <<'PYTHON'
import pathlib, re
file = pathlib.Path("requirements/e2e-open-webui.txt")
pins = re.split(r"\n(?=\S)", file.read_text())
kept = [pin.rstrip("\n") for pin in pins if "sys_platform == 'never'" not in pin.split("\n")[0]]
file.write_text("\n".join(kept) + "\n")
PYTHON

# `npm ci` checks the hashes; addresses of a registry do not belong into a lock file.
cd tests/e2e/node
npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund >/dev/null
