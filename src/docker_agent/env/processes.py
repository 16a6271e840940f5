"""The end of a child process and of everything it started."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import anyio
from anyio.abc import Process

_POLL_SECONDS = 0.02
"""Between two looks at a group that was told to end: nothing tells when the last of it is gone."""


async def end_group(process: Process, grace: float) -> None:
    """End whatever is left of a process's group: SIGTERM, and `grace` seconds later SIGKILL.

    The process must lead its own group. Cancellation does not cut this short.
    """
    with anyio.CancelScope(shield=True):
        if signal_group(process.pid, signal.SIGTERM):
            with anyio.move_on_after(grace):
                while signal_group(process.pid, 0):
                    reap_adopted(process)
                    await anyio.sleep(_POLL_SECONDS)
            signal_group(process.pid, signal.SIGKILL)
        with anyio.move_on_after(grace):
            await process.wait()


def reap_adopted(process: Process) -> None:
    """Let go of what the group left to us: the first process of a container inherits orphans."""
    if process.returncode is not None:
        with suppress(ChildProcessError):
            os.waitpid(-process.pid, os.WNOHANG)


def signal_group(leader: int, number: int) -> bool:
    """Whether there still was somebody in the group who could be told."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
