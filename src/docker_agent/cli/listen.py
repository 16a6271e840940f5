"""Addresses to listen on. Pure, but for the binding. Source: chat-server.md §1."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import msgspec

from docker_agent.errors import ConfigError
from docker_agent.server.auth import LOOPBACK_HOSTS

BACKLOG = 4096
_ENDPOINT = "OpenAI-compatible chat completions endpoint"
SEND_BUFFER = 128 * 1024
"""Bytes the kernel keeps for a client that has not read them. Left to itself it takes megabytes per
connection, and a stream behind a client that stopped reading would run on into them."""


class Listen(msgspec.Struct, frozen=True):
    """A host (empty: every address) and a port (0: any free one), or a unix socket's `path`."""

    host: str
    port: int
    path: str = ""

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return bool(self.path)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.is_unix or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def hosts(self) -> frozenset[str]:
        """The names a browser on this machine may call it by."""
        return LOOPBACK_HOSTS | {self.host.lower()}


def parse_listen(text: str) -> Listen:
    """`host:port`, `[::1]:port` or `:port`. Raises `ConfigError` (a usage error)."""
    if text.startswith("unix://"):
        path = text.removeprefix("unix://")
        if not path.startswith("/"):
            raise ConfigError(
                f"--listen {text!r}: a unix socket is named by its whole path, unix:///run/a.sock",
                usage=True,
            )
        return Listen("", 0, path)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ConfigError(
            f"--listen {text!r} is not an address; give host:port, for example 127.0.0.1:8083",
            usage=True,
        )
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(
            f"--listen {text!r}: an IPv6 address stands in brackets, like [::1]:8083", usage=True
        )
    return Listen(host, int(port))


def bind(listen: Listen) -> socket.socket:
    """A listening socket. Raises `ConfigError` when the address is taken or not ours."""
    if listen.is_unix:
        return _bind_unix(listen.path)
    host = listen.host or "0.0.0.0"
    shown = f"[{host}]:{listen.port}" if ":" in host else f"{host}:{listen.port}"
    try:
        found = socket.getaddrinfo(host, listen.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise ConfigError(f"--listen {shown}: {exc.strerror or exc}") from exc
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as exc:
        bound.close()
        raise ConfigError(
            f"--listen {shown}: {exc.strerror or exc}; choose another port, or 0 for any free one"
        ) from exc
    bound.setblocking(False)
    return bound


def _bind_unix(path: str) -> socket.socket:
    """A socket only its owner and group can use; one that nobody serves any more is replaced."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if Path(path).is_socket() and not _is_served(path):
            Path(path).unlink()
        bound.bind(path)
        Path(path).chmod(0o660)
        bound.listen(BACKLOG)
    except OSError as exc:
        bound.close()
        raise ConfigError(f"--listen unix://{path}: {exc.strerror or exc}") from exc
    bound.setblocking(False)
    return bound


def _is_served(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def banner(bound: socket.socket) -> str:
    """The two lines that tell where the server is. Source: seed.txt, exact."""
    if bound.family == socket.AF_UNIX:
        place = f"unix://{bound.getsockname()}"
        return f"Listening on {place}\n{_ENDPOINT}: {place}/v1/chat/completions\n"
    host, port = bound.getsockname()[:2]
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    reach = f"127.0.0.1:{port}" if host in ("0.0.0.0", "::") else shown
    return f"Listening on {shown}\n{_ENDPOINT}: http://{reach}/v1/chat/completions\n"
