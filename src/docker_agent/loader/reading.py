"""Agent files read from wherever they are, and what was read, so that a change can be seen."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from pathlib import Path

from docker_agent.config.agent_file import AgentFile
from docker_agent.config.decode import looks_like_hcl, unwatched
from docker_agent.config.parse import inline_instruction_files, parse
from docker_agent.errors import ConfigError
from docker_agent.loader.source import Source
from docker_agent.registry.elsewhere import Elsewhere
from docker_agent.registry.http import RemoteError

log = logging.getLogger(__name__)

Stamp = tuple[int, int, int] | None
"""What changes when a file does: time of change, size, inode; None when there is no file."""


class Seen:
    """What the agent files of one server were when they were last read.

    What can be read only once (stdin, a pipe) is kept for the next loading.
    """

    def __init__(self) -> None:
        self._files: dict[Path, Stamp] = {}
        self._remotes: dict[Source, str] = {}
        self._flowed: dict[Source, bytes] = {}

    def begin(self) -> None:
        """A loading begins: what was read for the one before counts no more."""
        self._files.clear()
        self._remotes.clear()

    def file(self, path: Path) -> None:
        """A file on this machine is about to be read."""
        self._files[path] = stamp(path)

    def remote(self, source: Source, data: bytes) -> None:
        """A file from elsewhere was read."""
        self._remotes[source] = _digest(data)

    def flowing(self, source: Source) -> bytes:
        """The bytes of a source that flows, the same each time. Raises `ConfigError`."""
        if source not in self._flowed:
            self._flowed[source] = source.read()
        return self._flowed[source]

    @property
    def watchable(self) -> bool:
        """Whether any file on this machine was read."""
        return bool(self._files)

    def changed(self) -> list[Path]:
        """The files that are not what they were; each change is told once."""
        found = {path: stamp(path) for path in self._files}
        changed = [path for path, now in found.items() if now != self._files[path]]
        self._files.update(found)
        return changed

    async def moved(self, elsewhere: Elsewhere) -> list[Source]:
        """The sources elsewhere that have other bytes now; one that cannot be asked has not
        moved."""
        moved: list[Source] = []
        for source, before in list(self._remotes.items()):
            try:
                now = _digest(await fetch(source, elsewhere))
            except ConfigError as exc:
                log.warning("%s: %s", source.name, exc)
                continue
            if now != before:
                self._remotes[source] = now
                moved.append(source)
        return moved


async def fetch(source: Source, elsewhere: Elsewhere) -> bytes:
    """The bytes of a source elsewhere. Raises `ConfigError`."""
    data, _ = await _fetched(source, elsewhere)
    return data


async def _fetched(source: Source, elsewhere: Elsewhere) -> tuple[bytes, str]:
    """The bytes, and the digest of an image."""
    if source.url:
        return await elsewhere.fetch(source.url, from_elsewhere=source.named_elsewhere), ""
    assert source.image is not None
    try:
        pulled = await elsewhere.pull(source.image, from_elsewhere=source.named_elsewhere)
    except RemoteError as exc:
        raise ConfigError(f"{exc}{source.tried}") from exc
    return pulled.file, pulled.digest


async def read_source(source: Source, elsewhere: Elsewhere, seen: Seen) -> AgentFile:
    """The agent file behind a source, parsed and checked. Raises `ConfigError`."""
    if source.url or source.image is not None:
        data, digest = await _fetched(source, elsewhere)
        seen.remote(source, data)
        if source.image is not None and not source.image.digest:
            pinned = source.image.pinned(digest)
            log.info("%s is %s now; name that to keep it", source.name, pinned)
    elif source.flows:
        data = await asyncio.to_thread(seen.flowing, source)
    else:
        if source.path is not None:
            seen.file(source.path)
        data = source.read()
    return read_agent_file(data, source, seen)


def read_agent_file(data: bytes, source: Source, seen: Seen | None = None) -> AgentFile:
    """What the bytes of a source declare. Raises `ConfigError`."""
    if seen is not None and source.directory is not None:
        for name in _read_by_hcl(data, source.name):
            seen.file(source.directory / name)
    touched = seen.file if seen is not None else unwatched
    file = parse(data, source.name, source.directory, touched)
    if not file.agents:
        raise ConfigError(f"{source.name}: no agents are defined; add at least one under 'agents:'")
    if seen is not None and source.directory is not None:
        for agent in file.agents:
            named = agent.instruction_file
            for name in (named,) if isinstance(named, str) else named:
                seen.file(source.directory / name)
    return inline_instruction_files(file, source.directory)


_FILE_CALL = re.compile(r'\bfile\(\s*"([^"$]+)"')


def _read_by_hcl(data: bytes, name: str) -> list[str]:
    """The files that an HCL file puts into itself."""
    text = data.decode("utf-8", "replace")
    return _FILE_CALL.findall(text) if looks_like_hcl(name, text) else []


def stamp(path: Path) -> Stamp:
    """What tells whether a file has changed."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
