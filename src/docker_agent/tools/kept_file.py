"""Small files that tools keep between conversations: one for each caller, replaced as a whole, and
changed by one server at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from docker_agent.disk import write_whole
from docker_agent.env.directories import private
from docker_agent.errors import ConfigError, ToolError

MAX_BYTES = 10 * 1024 * 1024
"""Bytes of one file."""

MAX_CALLERS = 10_000
"""Callers that have files of their own in one folder."""

LOCK_SECONDS = 5.0
"""How long a file is waited for that another call or another server changes."""

_LOCK_POLL = 0.02


def digest(text: str) -> str:
    """A name for a file that says nothing of the text it stands for."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def of_caller(path: Path, caller: str, callers: Path) -> Path:
    """The caller's own file: `path` for callers without key and `user`, for others one in the
    folder `callers`."""
    return callers / f"{digest(caller)}{path.suffix}" if caller else path


async def read_kept(path: Path) -> bytes | None:
    """What the file holds; None when there is none. Raises `ToolError` when it cannot be read."""
    return await anyio.to_thread.run_sync(_read, path)


@asynccontextmanager
async def changing(path: Path, most: int = 0) -> AsyncGenerator[None]:
    """Alone with the file: other calls and other servers wait. Its folder is made if need be;
    `most` files with their locks may lie there (0: any number).

    Raises `ToolError` when another has it for too long, or nothing can be kept there. Source:
    runtime.md §9.15.
    """
    handle = await anyio.to_thread.run_sync(_lock_of, path, most)
    try:
        with anyio.move_on_after(LOCK_SECONDS) as limit:
            # Nothing tells when a lock is free.
            while not await anyio.to_thread.run_sync(_locked, handle):  # noqa: ASYNC110
                await anyio.sleep(_LOCK_POLL)
        if limit.cancelled_caught:
            raise ToolError(f"{path.name} is being changed by somebody else; try again")
        yield
    finally:
        os.close(handle)


async def write_kept(path: Path, data: bytes) -> None:
    """Put a file in the place of `path`, at once and readable by nobody else. Raises
    `ToolError`."""
    if len(data) > MAX_BYTES:
        size = MAX_BYTES // (1024 * 1024)
        raise ToolError(f"there is no room for more in {path.name}: it may hold {size} MiB")
    await anyio.to_thread.run_sync(_write, path, data)


def _read(path: Path) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise _unusable(path, exc) from exc
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ToolError(f"{path.name} is no regular file")
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as exc:
            raise _unusable(path, exc) from exc
    if len(data) > MAX_BYTES:
        raise ToolError(f"{path.name} is larger than {MAX_BYTES // (1024 * 1024)} MiB")
    return data


def _lock_of(path: Path, most: int) -> int:
    try:
        private(path.parent)
        if most and not path.exists():
            with os.scandir(path.parent) as found:
                if sum(1 for _ in found) >= 2 * most:
                    raise ToolError("there is no room for more files; too many are kept already")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path.with_name(path.name + ".lock"), flags, 0o600)
    except ConfigError as exc:
        raise ToolError(str(exc)) from exc
    except OSError as exc:
        raise _unusable(path, exc) from exc


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(path: Path, data: bytes) -> None:
    try:
        write_whole(path, data, durable=True)
    except OSError as exc:
        raise _unusable(path, exc) from exc


def _unusable(path: Path, exc: OSError) -> ToolError:
    return ToolError(f"{path.name} cannot be used: {exc.strerror or exc}")
