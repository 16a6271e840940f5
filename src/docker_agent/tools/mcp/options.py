"""What an `mcp` entry of an agent file may say, and the addresses it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from docker_agent.config.toolset import Lifecycle, Remote
from docker_agent.config.tree import Raw
from docker_agent.tools.program import program_label

TransportKind = Literal["auto", "streamable", "sse"]


class McpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of an `mcp` entry beside those that all toolsets share.

    One of `command`, `remote` and `ref` is set, which the file's check has seen to. `version` names
    a package that the reference program would install; here the command must be there.
    """

    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    working_dir: str = ""
    version: str = ""
    ref: str = ""
    remote: Remote | None = None
    config: Raw | None = None
    lifecycle: Lifecycle = Lifecycle()
    allow_private_ips: bool = False


class Address(msgspec.Struct, frozen=True):
    """Where a remote server is, and what goes along with each message. `socket` is a path when it
    is reached over one; `private` allows addresses that are not public."""

    url: str
    kind: TransportKind = "auto"
    headers: Mapping[str, str] = {}
    socket: str = ""
    private: bool = False


UNIX = "unix://"
SOCKET_URLS = ("http://localhost/mcp", "http://localhost/")
"""What is asked for over a socket, whose address has no room for a path: where servers usually
answer."""


def addresses_of(
    url: str, remote: Remote, headers: Mapping[str, str], *, private: bool
) -> tuple[Address, ...]:
    """The addresses to try for a remote server, in order. Raises `ConfigError` for what is none."""
    kind = transport_kind(remote)
    if url.startswith(UNIX):
        path = url.removeprefix(UNIX)
        if not path.startswith("/"):
            raise remote.error(f"{url!r} names no socket; write unix:///path/to/socket", "url")
        return tuple(Address(each, kind, headers, path, True) for each in SOCKET_URLS)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise remote.error("is no http or https address", "url")
    return (Address(url, kind, headers, private=private),)


def label_of(name: str, wanted: McpOptions) -> str:
    """What messages call a server: its name, or what tells it apart from others."""
    if name:
        return name
    if wanted.ref:
        return wanted.ref.removeprefix("docker:")
    if wanted.remote is not None:
        return _place(wanted.remote.url)
    return program_label(wanted)


def _place(url: str) -> str:
    """Where an address leads, without what may be secret in it: its path too."""
    if url.startswith(UNIX):
        return Path(url).name
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "remote"
    except ValueError:
        return "remote"


def transport_kind(remote: Remote) -> TransportKind:
    """The transport a file names; none named: both are tried."""
    match remote.transport_type:
        case "":
            return "auto"
        case "sse":
            return "sse"
        case _:
            return "streamable"
