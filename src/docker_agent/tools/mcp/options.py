"""What an `mcp` entry of an agent file may say, and what it comes to: a program or an address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from docker_agent.config.expand import Lookup, expand_shell
from docker_agent.config.toolset import Lifecycle, Remote
from docker_agent.config.tree import Raw
from docker_agent.errors import ConfigError

TransportKind = Literal["auto", "streamable", "sse"]

_RUNNERS = frozenset(
    ("npx", "uvx", "uv", "bunx", "bun", "pnpm", "node", "deno", "python", "python3", "docker")
)
"""Commands whose first argument says more than they do themselves."""


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


class Program(msgspec.Struct, frozen=True):
    """What to start: `argv`, where, with which whole environment. `hint` is said when the command
    is not there."""

    argv: tuple[str, ...]
    directory: Path
    environ: Mapping[str, str]
    hint: str = "install it, or give its path"


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


def program_of(
    options: Raw, wanted: McpOptions, working_dir: Path, environ: Mapping[str, str], env: Lookup
) -> Program:
    """The program of a `command` entry, its arguments and folder expanded.

    Raises `ConfigError` for variables that are not set. Source: runtime.md §8.6, §10.2.
    """
    declared = options.get("args")
    places = list(declared.elements()) if declared is not None else []
    arguments = [expanded(text, at, env) for text, at in zip(wanted.args, places, strict=True)]
    folder = expand_shell(wanted.working_dir, env, "empty")
    try:
        directory = working_dir / Path(folder).expanduser()
    except RuntimeError as exc:
        raise options.key_error("working_dir", str(exc)) from exc
    return Program((wanted.command, *arguments), directory, environ)


def expanded(text: str, at: Raw, env: Lookup) -> str:
    """A value with its variables; one that is not set is an error at its line."""
    try:
        return expand_shell(text, env)
    except ConfigError as exc:
        raise at.error(str(exc)) from exc


def label_of(name: str, wanted: McpOptions) -> str:
    """What messages call a server: its name, or what tells it apart from others."""
    if name:
        return name
    if wanted.ref:
        return wanted.ref.removeprefix("docker:")
    if wanted.remote is not None:
        return _place(wanted.remote.url)
    command = Path(wanted.command).name
    if command not in _RUNNERS:
        return command
    plain = [each for each in wanted.args if each and not each.startswith("-")]
    return f"{command} {plain[0]}" if plain else command


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
