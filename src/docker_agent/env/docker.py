"""What Docker knows of its user, for the few variables that are Docker's own.

Source: agent-file.md §6.1, rows 2, 7 and 8.
"""

from __future__ import annotations

import http.client
import logging
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from docker_agent.env.programs import Program, found_program

log = logging.getLogger(__name__)

TOKEN, EMAIL, USERNAME = "DOCKER_TOKEN", "DOCKER_EMAIL", "DOCKER_USERNAME"

DESKTOP_TIMEOUT = 2.0
"""Seconds Docker Desktop may take."""

_MAX_ANSWER = 64 * 1024
"""Bytes."""

_SANDBOX = "SANDBOX_VM_ID"
_SANDBOX_FILE = "sandbox-tokens.json"
_SOCKETS = (
    Path(".docker") / "desktop" / "backend.sock",
    Path("Library") / "Containers" / "com.docker.docker" / "Data" / "backend.sock",
)
"""Below the home directory, on Linux and on macOS."""


class _SandboxTokens(msgspec.Struct, frozen=True):
    docker_token: str = ""


class _User(msgspec.Struct, frozen=True):
    id: str = ""
    email: str = ""


class SandboxToken:
    """The token that a sandbox is given in a file, which may be replaced while it runs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def found(cls, environ: Mapping[str, str], config: Path) -> SandboxToken | None:
        """The token's file, inside a sandbox."""
        return cls(config / _SANDBOX_FILE) if environ.get(_SANDBOX) else None

    def get(self, name: str) -> str | None:
        """The token, for `DOCKER_TOKEN`."""
        if name != TOKEN:
            return None
        try:
            tokens = msgspec.json.decode(self._path.read_bytes(), type=_SandboxTokens)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as exc:
            log.warning("%s cannot be read: %s", self._path, getattr(exc, "strerror", None) or exc)
            return None
        return tokens.docker_token or None


class CredentialHelper:
    """The program of the user's own settings that prints a Docker token."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        program, *arguments = command
        path = found_program(program, environ)
        if path is None:
            log.warning("the credential helper %s is no program on the PATH", program)
        self._program = Program(path, lambda _: arguments, environ) if path else None

    def get(self, name: str) -> str | None:
        """The token, for `DOCKER_TOKEN`."""
        return self._program.ask(name) if name == TOKEN and self._program is not None else None


class Desktop:
    """Docker Desktop, asked over its socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def found(cls, home: str | None) -> Desktop | None:
        """Docker Desktop, where it runs."""
        for place in _SOCKETS if home else ():
            path = Path(home or "") / place
            if path.is_socket():
                return cls(path)
        return None

    def get(self, name: str) -> str | None:
        """Token, mail address or name of who is signed in."""
        if name not in (TOKEN, EMAIL, USERNAME):
            return None
        try:
            if name == TOKEN:
                return msgspec.json.decode(self._ask("/registry/token"), type=str) or None
            user = msgspec.json.decode(self._ask("/registry/info"), type=_User)
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as exc:
            log.debug("Docker Desktop does not say %s: %s", name, exc)
            return None
        return (user.email if name == EMAIL else user.id) or None

    def _ask(self, path: str) -> bytes:
        connection = _UnixConnection(self._path)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.read(_MAX_ANSWER) if answer.status == 200 else b""
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DESKTOP_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DESKTOP_TIMEOUT)
        self.sock.connect(str(self._path))
