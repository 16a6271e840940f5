"""One HTTP connection: uvicorn's protocol, with bounds on slow and long heads, and errors in our
shape."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from docker_agent.errors import Kind, RequestError
from docker_agent.server.errors import from_request_error
from docker_agent.server.exchange import ABORT, LIVE, new_request_id
from docker_agent.server.settings import Waits

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers that are waited for."""

MAX_FIELDS = 500
"""Headers and trailers of one request."""


_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


_CONTINUE = b"HTTP/1.1 100 "


class OneWrite:
    """A connection as one answer writes to it: the head waits for what comes right after it, since
    every write costs a call of the kernel."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Write; the head waits."""
        if self._head:
            data, self._head = self._head + data, b""
        elif self._head is None and not data.startswith(_CONTINUE):
            self._head = data
            return
        self._transport.write(data)

    def is_closing(self) -> bool:
        """Whether the connection is closed or about to be."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Write what waits, then close."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which also tells the application how to drop a connection that does not
    drain.

    One timer waits for the head of a request, or for the end of a body nobody reads any more; a
    head that comes in one piece never starts it.
    """

    def __init__(self, config: Config, server_state: ServerState, waits: Waits) -> None:
        super().__init__(config, server_state, {})
        self._waits = waits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, ABORT: transport.abort}
        self._answering = False
        self._head_size = 0
        self._late: asyncio.TimerHandle | None = self.loop.call_later(self._waits.head, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if b"pgrade:" in data and not self._in_body():
            data = _without_upgrade(data)
        super().data_received(data)
        if self._in_head():
            self._count_head(len(data))
        elif self._head_size:
            self._head_size = 0
        if self.headers and len(self.headers) > MAX_FIELDS:
            self._refuse_fields()

    def on_headers_complete(self) -> None:
        if self._late is not None:
            self._in_time()
        if len(self.headers) > MAX_FIELDS:
            self._refuse_fields()
            return
        self._answering = True
        super().on_headers_complete()
        self.scope.get("state", {})[LIVE] = self.cycle
        if self.scope["method"] != "HEAD":
            self.cycle.transport = cast(asyncio.Transport, OneWrite(self.transport))

    def on_response_complete(self) -> None:
        self._answering = bool(self.pipeline)
        super().on_response_complete()
        if self.cycle.more_body and self._late is None:
            self._late = self.loop.call_later(self._waits.discard, self._close)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered in the one error shape too."""
        self._refuse("invalid_request", msg, code="invalid_http")

    def _in_head(self) -> bool:
        """Whether a request has begun whose head is not whole: only a whole one has a method."""
        scope = cast(Mapping[str, object] | None, self.scope)
        return scope is not None and "method" not in scope

    def _in_body(self) -> bool:
        cycle = cast(RequestResponseCycle | None, self.cycle)
        return cycle is not None and cycle.more_body and not self._in_head()

    def _count_head(self, received: int) -> None:
        self._head_size += received
        if self._head_size > MAX_HEAD:
            self._refuse("headers_too_large", "The head of the request is too long.")
        elif self._head_size == received:
            self._in_time()
            self._late = self.loop.call_later(self._waits.head, self._head_is_late)

    def _head_is_late(self) -> None:
        text = f"The head of the request did not arrive within {self._waits.head:g} seconds."
        self._refuse("request_timeout", text)

    def _refuse_fields(self) -> None:
        self._refuse("headers_too_large", f"More than {MAX_FIELDS} headers are too many.")

    def _refuse(self, kind: Kind, text: str, code: str | None = None) -> None:
        """Answer what never becomes a request, unless another answer is under way; then hang up."""
        if self.transport.is_closing():
            return
        if not self._answering:
            error = from_request_error(RequestError(kind, text, code=code))
            body = error.encoded()
            head = (
                f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
                f"x-request-id: {new_request_id()}\r\nx-content-type-options: nosniff\r\n"
                "connection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        self.transport.close()


def _without_upgrade(data: bytes) -> bytes:
    """The head at the beginning of `data` without a wish for another protocol.

    We speak no other one, and the parser would take the body of such a request for it: Java's
    client asks for HTTP/2 with every POST.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) + end + rest
