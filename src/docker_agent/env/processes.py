"""Groups of processes: telling them, and taking in what they leave behind."""

from __future__ import annotations

import os
from contextlib import suppress

from anyio.abc import Process


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
