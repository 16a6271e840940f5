"""Break the product in the listed ways, one line at a time; each must turn a test red.

usage: mutate.py [words that the line or the file must hold] Works on a copy, so the tree stays as
it is. A breakage that no test notices is a promise nobody keeps.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 120.0
"""Seconds one run of the named tests may take; a hang counts as red."""


def survives(mutation: Mutation, copy: Path) -> bool:
    """Whether the named tests stay green although the line is broken."""
    file = copy / "src/docker_agent" / mutation.file
    text = file.read_text()
    if text.count(mutation.line) != 1:
        found = text.count(mutation.line)
        raise SystemExit(f"{mutation.file}: the line stands {found} times: {mutation.line!r}")
    file.write_text(text.replace(mutation.line, mutation.broken))
    try:
        return run_tests(mutation.tests, copy)
    finally:
        file.write_text(text)


def run_tests(tests: str, copy: Path) -> bool:
    """Whether the tests are green."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split()]
    environment = {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        raise SystemExit(f"the tests could not run:\n{done.stdout.decode()}")
    return done.returncode == 0


def main() -> None:
    """Print one line per breakage; status 1 when one survived."""
    wanted = sys.argv[1:]
    chosen = [m for m in MUTATIONS if all(word in m.file + m.line for word in wanted)]
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")
        shutil.copytree(ROOT, copy, ignore=ignored)
        for number, mutation in enumerate(chosen, start=1):
            survived = survives(mutation, copy)
            survivors += survived
            verdict = "SURVIVED" if survived else "red"
            line = mutation.line.strip().splitlines()[0]
            sys.stdout.write(f"{number:2} {verdict:8} {mutation.file}: {line}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - survivors} of {len(chosen)} breakages turned a test red\n")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
