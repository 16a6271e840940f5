#!/bin/sh
# Serves examples/hello.yaml with the embedded model: no key, no account. usage: serve.sh [flags of `serve chat`]
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh run
.venv/bin/docker-agent models pull smollm2
cat >&2 <<'TEXT'

Once it listens, ask it something from another terminal:

  curl http://127.0.0.1:8083/v1/chat/completions \
    -H 'Content-Type: application/json' \
    -d '{"model": "root", "messages": [{"role": "user", "content": "Hello!"}]}'

Add "stream": true to see the answer grow. Ctrl-C stops the server.

TEXT
exec .venv/bin/docker-agent serve chat examples/hello.yaml "$@"
