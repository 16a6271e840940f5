"""One HTTP/1.1 connection to a provider: a request goes out, its answer is read as it comes.

httptools parses; nothing is copied that need not be. A slow reader stops the reading of the socket.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from typing import cast

import httptools

from docker_agent.models.errors import HttpError

BUFFERED = 64 * 1024
"""Bytes of an answer that wait for the reader before the socket is read no further."""

MAX_HEAD = 128 * 1024
"""Bytes of status line and headers."""

_BODILESS = frozenset({204, 304})


class Connection(asyncio.BufferedProtocol):
    """A connection that carries one exchange at a time.

    All connections of a client read into the same `buffer`, which is emptied before anybody else
    can read: a read is never larger, and an idle connection holds none of it.

    `reusable` tells whether another exchange may follow; `answered` whether a byte of this one's
    answer has come; `idle_since` is the loop's time at the end of the last one.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_buffered",
        "_complete",
        "_error",
        "_head_size",
        "_headers_done",
        "_idle_timeout",
        "_inflate",
        "_last_data",
        "_loop",
        "_on_lost",
        "_parser",
        "_paused",
        "_timer",
        "_transport",
        "_until_close",
        "_waiter",
        "answered",
        "headers",
        "idle_since",
        "reusable",
        "status",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        buffer: memoryview,
        idle_timeout: float,
        on_lost: Callable[[Connection], None],
    ) -> None:
        self._loop = loop
        self._buffer = buffer
        self._idle_timeout = idle_timeout
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._parser = httptools.HttpResponseParser(self)
        self.idle_since = 0.0
        self._begin()
        self._complete = True

    def _begin(self) -> None:
        self._body: list[bytes] = []
        self._buffered = 0
        self._complete = False
        self._headers_done = False
        self._until_close = True
        self._head_size = 0
        self._error: HttpError | None = None
        self._inflate: Callable[[bytes], bytes] | None = None
        self._last_data = self._loop.time()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.answered = False
        self.reusable = False

    @property
    def is_open(self) -> bool:
        """Whether the peer is still there, as far as we know."""
        return self._transport is not None and not self._transport.is_closing()

    async def send(self, head: bytes, body: bytes) -> None:
        """Send a request and wait for the head of its answer. Raises `HttpError`."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise HttpError("the connection was closed", transient=True)
        self._begin()
        if self._timer is None:
            self._timer = self._loop.call_later(self._idle_timeout, self._tick)
        transport.write(head + body)
        while not self._headers_done:
            await self._wait()

    async def read(self) -> bytes:
        """All of the body that has come since the last read; empty at its end. Raises
        `HttpError`."""
        while not self._body:
            if self._complete:
                return b""
            await self._wait()
        body = self._body
        data = body[0] if len(body) == 1 else b"".join(body)
        self._body = []
        self._buffered = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def at_end(self) -> bool:
        """Whether the whole answer was read."""
        return self._complete and not self._body

    def rest(self) -> None:
        """Nothing is under way now. The timer finds that out by itself: to stop it and start
        another one would cost every exchange more."""
        self.idle_since = self._loop.time()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Drop the connection; the peer notices at once."""
        self._stop_timer()
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None
        if self._error is not None and not self._body:
            raise self._error

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, error: HttpError) -> None:
        if self._error is None:
            self._error = error
        self.reusable = False
        self._wake()

    def _tick(self) -> None:
        if self._complete:
            self._timer = None
            return
        silent = self._loop.time() - self._last_data
        if silent < self._idle_timeout or self._paused:
            wait = max(self._idle_timeout - silent, 1.0)
            self._timer = self._loop.call_later(wait, self._tick)
            return
        self._timer = None
        self._fail(HttpError("no data received from upstream", transient=False, stalled=True))
        self.close()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's in all but inheritance.
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._complete:
            self.close()
            return
        self._last_data = self._loop.time()
        self.answered = True
        if not self._headers_done:
            self._head_size += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except httptools.HttpParserUpgrade:
            self._fail(HttpError("it switched protocols", transient=False))
        except (httptools.HttpParserError, zlib.error):
            self._fail(HttpError("it does not speak HTTP properly", transient=False))
        if not self._headers_done and self._head_size > MAX_HEAD:
            self._fail(HttpError("its headers are too large", transient=False))
        if self._buffered > BUFFERED and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if self._body or self._complete or self._headers_done or self._error:
            self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._stop_timer()
        if not self._complete:
            if self._headers_done and self._until_close and exc is None:
                self._complete = True
                self._wake()
            else:
                broke = "the connection broke before the answer was complete"
                self._fail(HttpError(broke, transient=True))
        self.reusable = False
        self._on_lost(self)

    # httptools

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("there is one answer to a question")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self.headers = {}
            return
        headers = self.headers
        self._until_close = (
            "content-length" not in headers
            and "chunked" not in headers.get("transfer-encoding", "").lower()
            and self.status not in _BODILESS
        )
        self._inflate = _inflater(headers)
        self._headers_done = True

    def on_body(self, body: bytes) -> None:
        if self._inflate is not None:
            body = self._inflate(body)
        if body:
            self._body.append(body)
            self._buffered += len(body)

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self._complete = True
            self.reusable = bool(self._parser.should_keep_alive()) and not self._until_close


def _inflater(headers: Mapping[str, str]) -> Callable[[bytes], bytes] | None:
    """We ask for plain bodies; some proxies compress all the same."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(47).decompress
    return None
