"""Finding processes by what their environment or command line holds, for tests that count them."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

ENDED = 2.0
"""Seconds after which nothing of an ended run may be left."""


def carrying(mark: str) -> list[str]:
    """The command lines of processes that hold this text, there or in their environment."""
    found: list[str] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                if mark.encode() in line + (folder / "environ").read_bytes():
                    found.append(line.decode("utf-8", "replace"))
    return found


def wait_gone(mark: str, seconds: float = ENDED) -> None:
    """Wait until no process carries `mark`; fails the test when some do after `seconds`."""
    until = time.monotonic() + seconds
    while left := carrying(mark):
        assert time.monotonic() < until, left
        time.sleep(0.02)


def wait_there(mark: str, count: int, seconds: float = 20.0) -> None:
    """Wait until so many processes carry `mark`."""
    until = time.monotonic() + seconds
    while len(there := carrying(mark)) < count:
        assert time.monotonic() < until, there
        time.sleep(0.02)
