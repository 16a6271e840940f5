"""What has changed below a folder since the last look, as editors tell language servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from docker_agent.tools.lsp.languages import FileTypes
from docker_agent.tools.lsp.limits import MAX_LOOKED_AT, MAX_WATCHED

CREATED, CHANGED, DELETED = 1, 2, 3
"""What happened to a file, as the protocol has it."""

_PASSED_OVER = frozenset(
    (".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", "target", ".tox")
)
"""Folders that hold nobody's own work."""


class Watched:
    """The files of a server below its folder, the first `MAX_WATCHED` of them. Its methods ask the
    disk: call them in a thread, one at a time."""

    def __init__(self, root: Path, types: FileTypes) -> None:
        self._root = root
        self._types = types
        self._known: dict[str, int] | None = None

    def changes(self) -> list[tuple[str, int]]:
        """Paths and what happened to them since the last call; the first one tells nothing."""
        known, now = self._known, dict(self._found())
        self._known = now
        if known is None:
            return []
        return [
            *((path, CREATED) for path in now if path not in known),
            *((path, CHANGED) for path, at in now.items() if known.get(path, at) != at),
            *((path, DELETED) for path in known if path not in now),
        ]

    def _found(self) -> Iterator[tuple[str, int]]:
        looked_at = found = 0
        folders = [str(self._root)]
        while folders and looked_at < MAX_LOOKED_AT:
            for entry in _entries(folders.pop()):
                looked_at += 1
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in _PASSED_OVER:
                        folders.append(entry.path)
                elif self._types.has(entry.name) and found < MAX_WATCHED:
                    found += 1
                    with suppress(OSError):
                        yield entry.path, entry.stat(follow_symlinks=False).st_mtime_ns


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
