"""What an operator decides about the server, as one value."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from docker_agent.permissions import SafetyMode
from docker_agent.runtime.request import MAX_TURNS
from docker_agent.server.activity import Mode
from docker_agent.server.rate import Rate

DEFAULT_LISTEN = "127.0.0.1:8083"
DEFAULT_MAX_REQUEST_SIZE = 1024 * 1024
"""Bytes of a decoded request body (`--max-request-size`)."""

DEFAULT_REQUEST_TIMEOUT = 300.0
DEFAULT_KEEP_ALIVE = 10.0
"""Seconds of silence in a stream before a keep-alive (clients.md 15)."""

DEFAULT_CONVERSATION_TTL = 1800.0
"""Seconds a conversation is kept without use (`--conversation-ttl`)."""

DEFAULT_SHUTDOWN_TIMEOUT = 10.0
"""Seconds running requests get to finish after SIGTERM or SIGINT (`--shutdown-timeout`)."""


class Waits(msgspec.Struct, frozen=True):
    """How long a slow client is waited for, in seconds: for the head of a request (and its first
    byte), for its body, for the end of a body whose answer it has already, and for its next request
    once it has taken the answer to the last one."""

    head: float = 30.0
    body: float = 60.0
    discard: float = 30.0
    idle: float = 75.0


DEFAULT_WAITS = Waits()


class ServerSettings(msgspec.Struct, frozen=True):
    """Times are seconds, sizes bytes.

    `hosts` are the `Host` names a browser may have asked for, lower case, without ports; None: any.
    `entry` pins one agent. `keep_alive` 0 sends none. Conversations are kept only when
    `conversations_max` is positive. `aliases` are further names of agents; with `strict_models` any
    other unknown name is an error. `client_tools` None offers all of a client's tools, else those
    named. With `finish_alone` a run ends although its client has left. `max_concurrency` 0 sets no
    bound on runs at a time, `rate` None none on the requests of one caller. `tell_cost` puts the
    dollars of a whole reply into a header.
    """

    hosts: frozenset[str] | None = None
    entry: str | None = None
    safety: SafetyMode = "autonomous"
    max_request_size: int = DEFAULT_MAX_REQUEST_SIZE
    request_timeout: float = DEFAULT_REQUEST_TIMEOUT
    max_turns: int = MAX_TURNS
    keep_alive: float = DEFAULT_KEEP_ALIVE
    conversations_max: int = 0
    conversation_ttl: float = DEFAULT_CONVERSATION_TTL
    strict_models: bool = False
    aliases: Mapping[str, str] = {}
    client_tools: frozenset[str] | None = None
    finish_alone: bool = False
    max_concurrency: int = 0
    rate: Rate | None = None
    tool_events: Mode = "off"
    tell_cost: bool = False
    waits: Waits = DEFAULT_WAITS
