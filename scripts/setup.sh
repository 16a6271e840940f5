#!/bin/sh
# Makes .venv and installs pinned, hashed requirements into it. usage: setup.sh [run|test|check]
# Needs Python 3.11 or newer and the package registry, nothing else. Runs again only when something changed.
set -eu
cd "$(dirname "$0")/.."
set_name=${1:-run}
venv=.venv
stamp="$venv/.installed-$set_name"

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    echo "setup: Python 3.11 or newer is needed and none was found; install it, or name it: PYTHON=/path/to/python3 make setup" >&2
    exit 1
}

if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "setup: this Python cannot make virtual environments; install its venv package, for example: apt-get install python3-venv" >&2
        exit 1
    fi
    "$python" -m venv "$venv"
fi
wanted=$(cat "requirements/$set_name.txt" pyproject.toml scripts/setup.sh | cksum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0
echo "setup: installing requirements/$set_name.txt into $venv" >&2
[ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
VIRTUAL_ENV=$PWD/$venv
export VIRTUAL_ENV
if ! "$venv/bin/uv" pip install --quiet --require-hashes --compile-bytecode -r "requirements/$set_name.txt" ||
    ! "$venv/bin/uv" pip install --quiet --no-deps --editable .; then
    echo "setup: the package registry did not answer or a package does not fit this platform (see above); check the network or proxy and run it again" >&2
    exit 1
fi
rm -f "$venv"/.installed-*
printf '%s' "$wanted" >"$stamp"
