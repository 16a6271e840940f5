"""One HTTP request and its answer: what the stops of a request hand on to each other."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, cast

import msgspec
from starlette.types import Message, Receive, Scope, Send

from docker_agent.errors import RequestError
from docker_agent.runtime.agent import Teams
from docker_agent.server.conversations.place import Places
from docker_agent.server.cors import Cors
from docker_agent.server.errors import HttpError, from_request_error
from docker_agent.server.keys import Keys, shown_caller
from docker_agent.server.rate import RateLimit
from docker_agent.server.record import Ended, Record, Watcher
from docker_agent.server.running import Running
from docker_agent.server.settings import ServerSettings
from docker_agent.server.tally import OTHER, Tally

LIVE = "docker_agent.live"
"""Where the server's protocol leaves a `Live` in the scope's state."""

Headers = Sequence[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")
NO_CONTENT = 204
"""The one status whose answer has neither body nor length."""

_MAX_REQUEST_ID = 128

LEFT = 499
"""The status of a request whose client left before there was one, in log and metrics."""

CLIENT_LEFT = ("client", "client_left")


class Services(msgspec.Struct, frozen=True):
    """What all requests of one application share."""

    teams: Teams
    settings: ServerSettings
    keys: Keys
    cors: Cors
    places: Places
    running: Running
    rate: RateLimit
    tally: Tally
    watchers: tuple[Watcher, ...]


class Flow(Protocol):
    """Whether a connection takes more."""

    write_paused: bool


class Live(Protocol):
    """A request under way, as our own server knows it (`Cycle`). What is here already, and what
    the connection takes at once, needs neither a message nor a time limit: those cost more than
    the waiting they are for."""

    body: bytearray
    more_body: bool
    flow: Flow

    def begin(self, status: int, headers: Headers) -> None:
        """Take the head of the answer."""
        ...

    def push(self, body: bytes, *, more: bool = True) -> None:
        """Write a piece of the body, or all that is left of it."""
        ...

    def when_gone(self, tell: Callable[[], None] | None) -> None:
        """Call `tell` should the client leave before the answer is complete."""
        ...

    def abort(self) -> None:
        """Drop the connection."""
        ...


class Exchange:
    """A request with its headers read once, and the only way to answer it.

    `path` is what is asked for, as our own routes write it. `finished` is true from the moment the
    last write begins: a disconnect seen after that is no news. `unread` is true while there may be
    more of the body.
    """

    __slots__ = (
        "_live",
        "_receive",
        "_send",
        "caller",
        "cors",
        "endpoint",
        "error",
        "finished",
        "head_sent",
        "headers",
        "path",
        "record",
        "request_id",
        "scope",
        "services",
        "settings",
        "started",
        "status",
        "unread",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, services: Services) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        state = cast(dict[str, Any], scope.get("state") or {})
        self._live: Live | None = state.pop(LIVE, None)
        self.services = services
        self.settings = services.settings
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = _request_id(self.headers.get(b"x-request-id"))
        self.caller = ""
        self.cors: Headers = services.cors.headers(self.headers)
        self.started = time.monotonic()
        self.finished = False
        self.head_sent = False
        self.endpoint = OTHER
        self.status = LEFT
        self.unread = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        self.path = ""
        self.error: tuple[str, str] | None = None
        self.record: Record | None = None

    @property
    def method(self) -> str:
        """The request's method."""
        return self.scope["method"]

    def header(self, name: bytes) -> str:
        """A request header, name in lower case; empty when absent."""
        return self.headers.get(name, b"").decode("latin-1")

    async def receive(self) -> Message:
        """The next ASGI message."""
        message = await self._receive()
        self.unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    @property
    def whole(self) -> bool:
        """Whether the body is known to have arrived."""
        return self._live is not None and not self._live.more_body

    def take_body(self) -> bytes:
        """A body that is `whole`, once."""
        assert self._live is not None
        body, self._live.body = bytes(self._live.body), bytearray()
        self.unread = False
        return body

    def when_left(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Call `tell` should the client leave before the answer is complete; returns what ends the
        watch."""
        live = self._live
        if live is not None:
            live.when_gone(tell)
            return partial(live.when_gone, None)
        return self._watch(tell)

    def _watch(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Servers other than ours tell only somebody who waits."""

        async def left() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass

        def over(done: asyncio.Task[None]) -> None:
            if not done.cancelled():
                tell()

        def stop() -> None:
            watcher.remove_done_callback(over)
            watcher.cancel()

        watcher = asyncio.create_task(left())
        watcher.add_done_callback(over)
        return stop

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head, with the headers that every answer has."""
        self.head_sent = True
        self.status = status
        own: list[tuple[bytes, bytes]] = [
            (b"x-request-id", self.request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            *self.cors,
            *headers,
        ]
        if self._live is not None:
            self._live.begin(status, own)
        else:
            await self._send({"type": "http.response.start", "status": status, "headers": own})

    def push(self, body: bytes, *, more: bool = True) -> bool:
        """Send a piece of the body at once; false when nobody knows whether the connection takes
        more, and one must wait."""
        live = self._live
        if live is None or live.flow.write_paused:
            return False
        live.push(body, more=more)
        return True

    async def write(self, body: bytes, *, more: bool) -> None:
        """Send a piece of the body; waits while the client is slow to take it.

        The last piece is waited for no longer than a request may take; then the client is cut off.
        """
        self.finished = self.finished or not more
        if self.push(body, more=more):
            return
        message = {"type": "http.response.body", "body": body, "more_body": more}
        if more:
            await self._send(message)
            return
        try:
            async with asyncio.timeout(self.settings.request_timeout):
                await self._send(message)
        except TimeoutError:
            self.abort()

    async def respond(self, status: int, body: bytes, headers: Headers = (_JSON,)) -> None:
        """Send a whole answer; `HEAD` gets its head alone."""
        if status != NO_CONTENT:
            headers = (*headers, (b"content-length", str(len(body)).encode()))
        await self.start(status, headers)
        body = b"" if self.method == "HEAD" else body
        if self.unread and self._ends_connection:
            await self.write(body, more=True)
            await self._discard()
            body = b""
        await self.write(body, more=False)

    @property
    def _ends_connection(self) -> bool:
        asked = self.header(b"connection").lower()
        return "close" in asked or self.scope.get("http_version") == "1.0"

    async def _discard(self) -> None:
        """Take the rest of a body nobody wants. A connection that ends while its client still
        sends is reset, and the client never sees the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.waits.discard):
                while self.unread:
                    await self.receive()

    async def fail(self, error: RequestError | HttpError) -> None:
        """Send an error as the whole answer."""
        found = error if isinstance(error, HttpError) else from_request_error(error)
        self.failed(found)
        await self.respond(found.status, found.encoded(), (_JSON, *found.headers))

    def failed(self, error: HttpError) -> None:
        """Remember what went wrong, for those who count and log."""
        self.error = (error.body.error.type, error.body.error.code or "")

    def left_early(self) -> None:
        """The client has gone before its answer was complete."""
        self.finished = True
        self.error = CLIENT_LEFT

    def ended(self) -> Ended:
        """The request as it went."""
        return Ended(
            request_id=self.request_id,
            caller=shown_caller(self.caller),
            method=self.method,
            path=self.scope["path"],
            endpoint=self.endpoint,
            status=self.status,
            error=self.error,
            started=self.started,
            seconds=time.monotonic() - self.started,
            headers=self.headers,
            run=self.record,
        )

    def abort(self) -> None:
        """Drop the connection at once, with whatever the client has not taken."""
        if self._live is not None:
            self._live.abort()


def _request_id(given: bytes | None) -> str:
    if given and len(given) <= _MAX_REQUEST_ID and given.isascii():
        text = given.decode()
        if text.isprintable() and " " not in text:
            return text
    return new_request_id()


def new_request_id() -> str:
    """An id that no other request has."""
    return f"req_{random.getrandbits(96):024x}"
