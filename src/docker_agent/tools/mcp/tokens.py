"""What signing in to MCP servers left behind: one file that only we can read. Source: runtime.md
§10.5."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from docker_agent.env.directories import private
from docker_agent.errors import ConfigError
from docker_agent.messages import JSON, UNREADABLE

FILE = "mcp-tokens.json"


class Grant(msgspec.Struct, frozen=True):
    """One server's. `tokens`, `client` and `metadata` are OAuth's own documents; `expires` is when
    the access token ends, in seconds since 1970 (0: unknown)."""

    tokens: Mapping[str, JSON] | None = None
    client: Mapping[str, JSON] | None = None
    metadata: Mapping[str, JSON] | None = None
    expires: float = 0.0


class Tokens:
    """The grants of all servers, by their address. Every change is written at once; other
    processes may change the file too."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE

    def get(self, url: str) -> Grant:
        """What there is for a server; an empty grant when nothing is.

        Raises `ConfigError` for a file that cannot be read.
        """
        return self._read().get(url, Grant())

    def put(self, url: str, grant: Grant) -> None:
        """Keep a grant in place of the old one. Raises `ConfigError` when it cannot be kept."""
        with self._alone():
            self._write({**self._read(), url: grant})

    def forget(self, url: str) -> bool:
        """Remove a grant; false when there was none."""
        with self._alone():
            grants = self._read()
            if url not in grants:
                return False
            del grants[url]
            self._write(grants)
        return True

    def urls(self) -> list[str]:
        """The servers that there are tokens for."""
        return [url for url, grant in self._read().items() if grant.tokens]

    def _read(self) -> dict[str, Grant]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, Grant])
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise ConfigError(f"{self.path}: cannot be read: {exc.strerror}") from exc
        except UNREADABLE as exc:
            raise ConfigError(
                f"{self.path}: is no file of tokens; remove it and sign in again"
            ) from exc

    def _write(self, grants: Mapping[str, Grant]) -> None:
        try:
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=FILE)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(grants))
            Path(name).replace(self.path)
        except OSError as exc:
            raise ConfigError(f"{self.path}: cannot be written: {exc.strerror}") from exc

    @contextmanager
    def _alone(self) -> Generator[None]:
        """While nobody else changes the file."""
        lock = private(self.path.parent) / f"{FILE}.lock"
        try:
            with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as exc:
            raise ConfigError(f"{lock}: {exc.strerror}") from exc
