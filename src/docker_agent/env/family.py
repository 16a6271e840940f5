"""Who belongs to a command that was started for an agent, wherever it went: its group, and whoever
left that for a session of its own.

Linux alone: a process is known by a mark in its environment, or by a pipe that it has inherited.
Whoever drops both has escaped; nothing short of a container would hold it.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread
from anyio.abc import Process

from docker_agent.env.processes import reap_adopted, signal_group

MARK = "DOCKER_AGENT_CALL"
"""The variable that marks the processes of one call."""

LAST_LOOKS = 10
"""Times that whoever is still there after SIGKILL is looked for again: some fork meanwhile."""

STATUS_SECONDS = 3.0
"""How long the exit status is awaited of what was killed."""

_POLL_SECONDS = 0.02
"""Between two looks at a family that was told to end: nothing tells when the last of it is gone."""

_PROC = Path("/proc")

_FEW = 20_000
"""Numbers that are tried one by one; of more, those are that are in use."""


class Family:
    """The processes of one command. `token` goes into its environment under `MARK`; `pipe` is a
    descriptor that it inherits."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self._ours, self.pipe = os.pipe()
        self._leader = 0
        self._tie: tuple[int, int] | None = None
        self._link = f"pipe:[{os.fstat(self.pipe).st_ino}]"

    def tied(self) -> int:
        """A descriptor to read from, which ends when this server does."""
        self._tie = os.pipe()
        return self._tie[0]

    def begin(self, leader: int) -> None:
        """`leader` has started; it and its group are of this family."""
        self._leader = leader
        os.close(self.pipe)
        self.pipe = -1

    def close(self) -> None:
        """Let go of the pipes."""
        os.close(self._ours)
        if self.pipe >= 0:
            os.close(self.pipe)
        for end in self._tie or ():
            os.close(end)

    def signal(self, number: int, *, everywhere: bool = True) -> bool:
        """Send a signal (0: none) to all of the family; whether there was anybody.

        Reads some of /proc when it looks `everywhere`, so call it in a thread then.
        """
        found = signal_group(self._leader, number)
        if found and everywhere:
            found = self._lives()
        for process in self._strays() if everywhere else ():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)
                found = True
            with suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)
        return found

    def _lives(self) -> bool:
        """Whether anybody of its group does more than wait to be taken note of: the first process
        of a container may take its time over orphans."""
        if not _PROC.is_dir():
            return True
        for process in (self._leader, *_younger(self._leader)):
            with suppress(OSError):
                if os.getpgid(process) == self._leader and _state(process) not in "ZX":
                    return True
        return False

    def _strays(self) -> Iterator[int]:
        """Those of the family that are not in its group."""
        mark = f"{MARK}={self.token}".encode()
        # Threads have numbers too, ours among them; whoever left a session never comes into ours.
        others = (self._leader, os.getpgid(0))
        for process in _younger(self._leader):
            with suppress(OSError):
                if os.getpgid(process) in others:
                    continue
                folder = _PROC / str(process)
                if mark in (folder / "environ").read_bytes() or self._has_pipe(folder):
                    yield process

    def _has_pipe(self, folder: Path) -> bool:
        for entry in (folder / "fd").iterdir():
            with suppress(OSError):
                if str(entry.readlink()) == self._link:
                    return True
        return False


def _state(process: int) -> str:
    """`R`, `S` and the like; `Z` for one that has ended."""
    return (_PROC / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]


async def end_family(process: Process, family: Family, patience: float) -> None:
    """End whatever is left of a command: SIGTERM, and `patience` seconds later SIGKILL.

    Cancellation does not cut this short.
    """
    with anyio.CancelScope(shield=True):
        if await _signal(family, signal.SIGTERM):
            with anyio.move_on_after(patience):
                while await _signal(family, 0):
                    reap_adopted(process)
                    await anyio.sleep(_POLL_SECONDS)
            for _ in range(LAST_LOOKS):
                if not await _signal(family, signal.SIGKILL):
                    break
                await anyio.sleep(_POLL_SECONDS)
        with anyio.move_on_after(STATUS_SECONDS):
            await process.wait()


async def _signal(family: Family, number: int) -> bool:
    return await anyio.to_thread.run_sync(family.signal, number)


def _younger(leader: int) -> Iterator[int]:
    """Numbers of processes that may have started after `leader`; none where there is no /proc."""
    try:
        newest = int((_PROC / "loadavg").read_text().split()[-1])
        if 0 <= newest - leader <= _FEW:
            yield from range(leader + 1, newest + 1)
            return
        # There are many, or they have begun anew.
        names = [entry.name for entry in _PROC.iterdir()]
    except (OSError, ValueError):
        return
    own = os.getpid()
    yield from (int(name) for name in names if name.isdigit() and int(name) not in (own, leader))
