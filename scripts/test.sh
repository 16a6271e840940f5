#!/bin/sh
# Runs the whole suite. usage: test.sh [pytest arguments]
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh test
exec .venv/bin/python -m pytest "$@"
