"""One HTTP connection: uvicorn's protocol, with bounds on slow and long heads, and errors in our
shape."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from docker_agent.errors import Kind, RequestError
from docker_agent.server.cycle import Cycle
from docker_agent.server.errors import from_request_error
from docker_agent.server.exchange import LIVE, new_request_id
from docker_agent.server.settings import Waits

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers that are waited for."""

MAX_FIELDS = 500
"""Headers and trailers of one request."""


_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which makes each request a `Cycle`.

    One timer waits for the head of a request, or for the end of a body nobody reads any more; a
    head that comes in one piece never starts it. Another one waits for the next request: it looks
    now and then how long that has been, which costs a request nothing.
    """

    def __init__(self, config: Config, server_state: ServerState, waits: Waits) -> None:
        super().__init__(config, server_state, {})
        # uvicorn knows applications of many kinds; ours was given to it as it is.
        self._app = cast("ASGI3Application", config.loaded_app)  # pyright: ignore[reportUnknownMemberType]
        self._waits = waits
        self._running: Cycle | None = None
        self._answering = False
        self._head_size = 0
        self._late: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._idle_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(self._waits.head, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        super().connection_lost(exc)
        if self._running is not None:
            self._running.gone()

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
        parser = self.parser
        assert parser is not None
        version = parser.get_http_version()
        keeps = version != "1.0" and parser.should_keep_alive()
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope = self.scope
        scope["method"] = parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before = cast(RequestResponseCycle | None, self.cycle)
        cycle = self.cycle = self._cycle(keeps=keeps)
        scope.get("state", {})[LIVE] = cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self._app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self._app))

    def _cycle(self, *, keeps: bool) -> Cycle:
        return Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keeps,
            on_response=self.on_response_complete,
        )

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cast(Cycle, cycle)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        self._answering = bool(self.pipeline)
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle_since = self.loop.time()
            if self._idle is None:
                self._idle = self.loop.call_later(self._waits.idle, self._look_idle)
        if self.cycle.more_body and self._late is None:
            self._late = self.loop.call_later(self._waits.discard, self._close)

    def _look_idle(self) -> None:
        """Close a connection that nobody has used for long, and drop it when even the last answer
        was not taken. A request that has begun since has limits of its own, and its end sets this
        timer again."""
        self._idle = None
        if self._answering or self._in_head():
            return
        left = self._idle_since + self._waits.idle - self.loop.time()
        if left > 0:
            self._idle = self.loop.call_later(left, self._look_idle)
        elif self.flow.write_paused:
            self.transport.abort()
        else:
            self.transport.close()

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
