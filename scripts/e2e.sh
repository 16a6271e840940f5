#!/bin/sh
# Real clients, a real browser, and abuse, against the real server. usage: e2e.sh [pytest arguments]
# Each client lives in an environment of its own under $E2E_HOME (.e2e), made once from pinned, hashed requirements.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh check
E2E_HOME=${E2E_HOME:-$PWD/.e2e}
export E2E_HOME
mkdir -p "$E2E_HOME/artefacts"

environment() { # NAME: a Python environment from requirements/e2e-NAME.txt
    wanted=$(cksum <"requirements/e2e-$1.txt")
    stamp="$E2E_HOME/$1/.installed"
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
    .venv/bin/uv venv --quiet --clear --python .venv/bin/python "$E2E_HOME/$1"
    # Every package is pinned, so that nothing has to be resolved.
    if VIRTUAL_ENV="$E2E_HOME/$1" .venv/bin/uv pip install --quiet --no-deps --require-hashes -r "requirements/e2e-$1.txt"; then
        printf '%s' "$wanted" >"$stamp"
    else
        rm -rf "${E2E_HOME:?}/$1"
        echo "e2e: $1 cannot be installed here; its tests are skipped" >&2
    fi
}

node_clients() {
    if ! command -v npm >/dev/null; then
        echo "e2e: npm is not here; the tests of Node's clients are skipped" >&2
        return
    fi
    wanted=$(cat tests/e2e/node/*.json | cksum)
    [ -f "$E2E_HOME/node/.installed" ] && [ "$(cat "$E2E_HOME/node/.installed")" = "$wanted" ] && return
    rm -rf "$E2E_HOME/node"
    mkdir -p "$E2E_HOME/node"
    cp tests/e2e/node/*.json "$E2E_HOME/node"
    if (cd "$E2E_HOME/node" && npm ci --no-audit --no-fund --loglevel=error >/dev/null); then
        printf '%s' "$wanted" >"$E2E_HOME/node/.installed"
    else
        rm -rf "${E2E_HOME:?}/node"
        echo "e2e: Node's clients cannot be installed here; their tests are skipped" >&2
    fi
}

# What comes from the system's packages, when it is missing and may be installed.
system_programs() {
    missing=
    for pair in chromium=chromium nginx=nginx-light curl=curl git=git; do
        command -v "${pair%=*}" >/dev/null || missing="$missing ${pair#*=}"
    done
    [ -z "$missing" ] && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086 # a list of names
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1 && return
    fi
    echo "e2e:$missing cannot be installed here; the tests that need it are skipped" >&2
}

system_programs &
node_clients &
for name in openai langchain litellm pydantic-ai openai-agents llm aider schemathesis open-webui; do
    environment "$name"
done
.venv/bin/docker-agent models pull smollm2 || echo "e2e: without weights the tests of the embedded model are skipped" >&2
wait
exec .venv/bin/python -m pytest tests/e2e --numprocesses 2 --dist loadfile --timeout 300 "$@"
