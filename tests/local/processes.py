"""Watching processes from outside: which engines run, what they may see, and when they end."""

from __future__ import annotations

import os
import select
from collections.abc import Container
from pathlib import Path

from docker_agent.models import engine

LIMIT = 30.0
"""Seconds a process has to end on a busy machine."""


def engines_of(parent: int, but: Container[int] = ()) -> list[int]:
    """The engines that are children of a process, newest last, without those in `but`: other
    tests of this process may keep one running."""
    running = (int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _is(entry, parent))
    return sorted(process for process in running if process not in but)


def _is(process: Path, parent: int) -> bool:
    try:
        command = (process / "cmdline").read_bytes()
        status = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return engine.__name__.encode() in command and int(status[1]) == parent


def environment_of(process: int) -> dict[str, str]:
    """What a process was given as its environment."""
    lines = Path(f"/proc/{process}/environ").read_text().split("\0")
    return dict(line.split("=", 1) for line in lines if line)


def command_of(process: int) -> str:
    """Its command line."""
    return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")


class Watch:
    """Holds on to a process, however it ends and whoever gets its number next."""

    def __init__(self, process: int) -> None:
        self._handle = os.pidfd_open(process)

    def ended(self) -> bool:
        """Whether it ends within the limit."""
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(LIMIT * 1000))

    def close(self) -> None:
        """Let go."""
        os.close(self._handle)
