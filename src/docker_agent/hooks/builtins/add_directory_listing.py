"""Tells the model what is in its working directory."""

from __future__ import annotations

import os
from pathlib import Path

import anyio.to_thread

from docker_agent.hooks.port import NO_VERDICT, Hook, HookInput, Verdict

MAX_ENTRIES = 100
"""Names that are told (runtime.md §12.6)."""


def add_directory_listing(working_dir: Path) -> Hook:
    """A hook with the names in the working directory, directories with a `/`; hidden ones are left
    out."""

    async def tell_listing(given: HookInput) -> Verdict:
        names = await anyio.to_thread.run_sync(_names, working_dir, abandon_on_cancel=True)
        if not names:
            return NO_VERDICT
        more = f"\n… and {len(names) - MAX_ENTRIES} more" if len(names) > MAX_ENTRIES else ""
        return Verdict("Working directory:\n" + "\n".join(names[:MAX_ENTRIES]) + more)

    return tell_listing


def _names(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as found:
            entries = [(entry.name, entry.is_dir()) for entry in found]
    except OSError:
        return []
    shown = sorted((name, folder) for name, folder in entries if not name.startswith("."))
    return [
        name.encode("utf-8", "replace").decode().replace("\n", "?") + ("/" if folder else "")
        for name, folder in shown
    ]
