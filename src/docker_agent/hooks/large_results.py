"""Where tool results lie that are too large for a model: one private folder per conversation,
bounded in all, gone with the conversation. They last as long as conversations do: where those
outlive the server, so do the results.

Source: runtime.md §5.6. What comes here has lost its secrets already.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from docker_agent.env.directories import private
from docker_agent.errors import ConfigError
from docker_agent.hooks.large import ending, is_large, shortened

log = logging.getLogger(__name__)

MAX_TOTAL = 256 * 1024 * 1024
"""Bytes of all folders together (runtime.md §5.6)."""

MAX_SHARE = 64 * 1024 * 1024
"""Bytes of one folder, so that one conversation cannot push out all others."""

IDLE_SECONDS = 30 * 60.0
"""How long a folder is kept without use, where nobody says how long conversations are."""

PREFIX = "docker-agent-tool-results-"

SALT = ".salt"
"""The file that a lasting place keeps, from which the names of its folders are made."""

LOCK = ".lock"
"""The file that a living server holds locked; a folder whose lock is free was left behind."""


@dataclass(slots=True)
class _Folder:
    path: Path
    used: float
    files: OrderedDict[Path, int] = field(default_factory=OrderedDict[Path, int])

    @property
    def size(self) -> int:
        return sum(self.files.values())


class LargeResults:
    """Folders below `root`, which is private and ours alone. An `owner` is a conversation, or a run
    that belongs to none; their folders have names that nobody can guess."""

    def __init__(
        self,
        root: Path,
        idle: float = IDLE_SECONDS,
        *,
        total: int = MAX_TOTAL,
        share: int = MAX_SHARE,
        now: Callable[[], float] = time.monotonic,
        lasting: bool = False,
    ) -> None:
        """A `lasting` place goes on with what an earlier server left in `root`; asks the disk."""
        self._root = root
        self._idle = idle
        self._lasting = lasting
        self._total = total
        self._share = share
        self._now = now
        self._salt = _lasting_salt(root) if lasting else secrets.token_bytes(16)
        self._folders = _left(root, now()) if lasting else OrderedDict[str, _Folder]()
        self._lock = anyio.Lock()
        self._held: int | None = None

    def directory(self, owner: str) -> str:
        """Where the results of `owner` lie, whether there are any yet or not."""
        name = hashlib.blake2b(owner.encode("utf-8", "replace"), key=self._salt, digest_size=16)
        return str(self._root / name.hexdigest())

    async def fit(self, owner: str, text: str, reader: str) -> str:
        """A result as a model may be shown it: itself, or a notice and its end while all of it goes
        to a file, which the tool `reader` reads. Without a reader, its head and end."""
        if not is_large(text):
            return text
        if not reader:
            return shortened(text)
        data = text.encode("utf-8", "replace")
        if len(data) > self._share:
            return shortened(text)
        try:
            async with self._lock:
                path = await self._keep(owner, data)
        except OSError as exc:
            log.warning("a large tool result could not be kept: %s", exc.strerror or exc)
            return shortened(text)
        return ending(text, str(path), reader)

    async def touch(self, owner: str) -> None:
        """`owner` goes on, so its results stay; those that nobody used for long go."""
        if not self._folders:
            return
        folder = self._folders.get(self.directory(owner))
        if folder is not None:
            self._used(folder)
            if self._lasting:
                await anyio.to_thread.run_sync(_stamp, folder.path)
        async with self._lock:
            await self._drop_idle()

    async def forget(self, owner: str) -> None:
        """`owner` is over, and with it its results."""
        async with self._lock:
            folder = self._folders.pop(self.directory(owner), None)
            if folder is not None:
                await _removed(folder.path)

    async def close(self) -> None:
        """Everything goes that does not last."""
        if not self._lasting:
            await _removed(self._root)
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _used(self, folder: _Folder) -> None:
        folder.used = self._now()
        self._folders.move_to_end(str(folder.path))

    async def _keep(self, owner: str, data: bytes) -> Path:
        await self._drop_idle()
        key = self.directory(owner)
        folder = self._folders.get(key)
        if folder is None:
            folder = self._folders[key] = _Folder(Path(key), self._now())
        self._used(folder)
        await self._make_room(folder, len(data))
        if self._held is None:
            self._held = await anyio.to_thread.run_sync(_hold, self._root)
        path = folder.path / f"tool-result-{secrets.token_hex(6)}.txt"
        await anyio.to_thread.run_sync(_write, path, data)
        folder.files[path] = len(data)
        return path

    async def _make_room(self, folder: _Folder, size: int) -> None:
        """The folder's own oldest files go first, then folders that were unused longest."""
        while folder.files and folder.size + size > self._share:
            path, _ = folder.files.popitem(last=False)
            await anyio.to_thread.run_sync(_unlink, path)
        while sum(one.size for one in self._folders.values()) + size > self._total:
            key = next((key for key, one in self._folders.items() if one is not folder), None)
            if key is None:
                break
            await _removed(self._folders.pop(key).path)

    async def _drop_idle(self) -> None:
        oldest = self._now() - self._idle
        for key in [key for key, folder in self._folders.items() if folder.used < oldest]:
            await _removed(self._folders.pop(key).path)


@asynccontextmanager
async def open_large_results(
    idle: float = IDLE_SECONDS, lasting: Path | None = None
) -> AsyncGenerator[LargeResults]:
    """A place for large results: the folder `lasting`, or one below the system's folder for
    temporary files, removed with the context. What servers of this account left there that were
    killed goes too. Raises `ConfigError` when `lasting` cannot be used."""
    parent = await anyio.to_thread.run_sync(_swept)
    if lasting is None:
        results = LargeResults(parent / f"{PREFIX}{secrets.token_hex(8)}", idle)
    else:
        results = await anyio.to_thread.run_sync(_opened, lasting, idle)
    try:
        yield results
    finally:
        with anyio.CancelScope(shield=True):
            await results.close()


def _swept() -> Path:
    """The system's folder for temporary files, without what was left behind in it."""
    parent = Path(os.path.realpath(tempfile.gettempdir()))
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
                continue
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)
    return parent


def _opened(root: Path, idle: float) -> LargeResults:
    try:
        return LargeResults(private(root), idle, lasting=True)
    except OSError as exc:
        raise ConfigError(f"{root}: large results cannot be kept there: {exc.strerror}") from exc


def _lasting_salt(root: Path) -> bytes:
    """The secret behind the names of a place's folders, made when it is new."""
    path = root / SALT
    with suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(16))
    return path.read_bytes()


def _left(root: Path, now: float) -> OrderedDict[str, _Folder]:
    """The folders that are there, longest unused first; their times say when they were used."""
    found: list[_Folder] = []
    for path in root.iterdir():
        if path.is_symlink() or not path.is_dir():
            continue
        files = sorted(path.iterdir(), key=lambda file: file.lstat().st_mtime)
        sizes = OrderedDict((file, file.lstat().st_size) for file in files)
        found.append(_Folder(path, now - max(0.0, time.time() - path.stat().st_mtime), sizes))
    found.sort(key=lambda folder: folder.used)
    return OrderedDict((str(folder.path), folder) for folder in found)


def _stamp(folder: Path) -> None:
    with suppress(OSError):
        os.utime(folder)


def _hold(root: Path) -> int:
    """Make the folder, and keep a lock in it for as long as this server lives."""
    root.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _write(path: Path, data: bytes) -> None:
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _removed(folder: Path) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
