"""What an operator decides about the server, as one value."""

from __future__ import annotations

import msgspec

from docker_agent.permissions import SafetyMode
from docker_agent.runtime.request import MAX_TURNS

DEFAULT_LISTEN = "127.0.0.1:8083"
DEFAULT_MAX_REQUEST_SIZE = 1024 * 1024
"""Bytes of a decoded request body (`--max-request-size`)."""

DEFAULT_REQUEST_TIMEOUT = 300.0
DEFAULT_KEEP_ALIVE = 10.0
"""Seconds of silence in a stream before a keep-alive (clients.md 15)."""


class ServerSettings(msgspec.Struct, frozen=True):
    """Times are seconds, sizes bytes.

    `api_keys` are the bearer tokens that are let in; none: everybody is. `hosts` are the `Host`
    names a browser may have asked for, lower case, without ports; None: any. `entry` pins one
    agent. `keep_alive` 0 sends none.
    """

    api_keys: tuple[str, ...] = ()
    hosts: frozenset[str] | None = None
    entry: str | None = None
    safety: SafetyMode = "autonomous"
    max_request_size: int = DEFAULT_MAX_REQUEST_SIZE
    request_timeout: float = DEFAULT_REQUEST_TIMEOUT
    max_turns: int = MAX_TURNS
    keep_alive: float = DEFAULT_KEEP_ALIVE
