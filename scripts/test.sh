#!/bin/sh
# Runs the whole suite, one worker per core, each file by one worker. usage: test.sh [pytest arguments]
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh test
exec .venv/bin/python -m pytest --numprocesses auto --dist loadfile "$@"
