#!/bin/sh
# Runs the whole suite, each file by one worker. One worker more than there are cores, as half the
# time of a test is waiting for processes and clocks. usage: test.sh [pytest arguments]
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh test
cores=$(getconf _NPROCESSORS_ONLN || echo 1)
exec .venv/bin/python -m pytest --numprocesses $((cores + 1)) --dist loadfile "$@"
