"""Runs a command-line client for a driver: what it writes, piece by piece, and how it ends."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from wire import piece


class CommandFailed(Exception):
    """The client said that something went wrong."""


def run(
    command: list[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> str:
    """All of stdout; each piece is told as it comes. Raises `CommandFailed` with stderr."""
    with subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        said = b""
        while part := os.read(child.stdout.fileno(), 1 << 16):
            said += part
            piece(part.decode(errors="replace"))
        errors = child.stderr.read().decode(errors="replace")
    text = said.decode()
    if child.returncode:
        raise CommandFailed(f"status {child.returncode}: {text}{errors}")
    return text
