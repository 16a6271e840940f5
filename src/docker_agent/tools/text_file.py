"""Text that a tool takes from a file which a model names, or puts into one: only below one folder,
with the guards of the filesystem tools."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import anyio.to_thread

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.filesystem.handles import check_regular, explained, open_file, parent_of
from docker_agent.tools.filesystem.places import Boundary, Place


class TextFolder:
    """The files below `folder`, but not those that are `closed`: what the tool itself keeps
    there."""

    def __init__(self, folder: Path, closed: Sequence[Path] = ()) -> None:
        self._folder = folder
        self._closed = tuple(str(path) for path in closed)

    async def read(self, path: str, limit: int) -> str:
        """The text of a file of at most `limit` bytes. Raises `ToolError`."""
        return await anyio.to_thread.run_sync(self._read, path, limit)

    async def write(self, path: str, text: str) -> str:
        """Put a file with this text in the place of what is there; its real path. Raises
        `ToolError`."""
        return await anyio.to_thread.run_sync(self._write, path, text)

    def _locate(self, path: str) -> Place:
        try:
            boundary = Boundary((), (), self._folder, lambda text: text)
        except ConfigError as exc:
            raise ToolError(f"{path}: not found") from exc
        boundary.denied = self._closed
        return boundary.locate(path)

    def _read(self, path: str, limit: int) -> str:
        place = self._locate(path)
        with explained(place), os.fdopen(open_file(place), "rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise ToolError(f"{path}: the file is larger than {limit} bytes")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise ToolError(f"{path}: is no UTF-8 text") from exc

    def _write(self, path: str, text: str) -> str:
        place = self._locate(path)
        temporary = f".{secrets.token_hex(8)}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with parent_of(place, make=True) as (parent, name), explained(place):
            with suppress(FileNotFoundError):
                check_regular(place, os.stat(name, dir_fd=parent, follow_symlinks=False))
            handle = os.open(temporary, flags, 0o600, dir_fd=parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(text.encode("utf-8", "replace"))
                os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=parent)
                raise
        return place.real
