"""One request on a connection of our own server: its body, its answer as bytes, and whether the
client is still there.

uvicorn's own is made for any application. Ours asks for less: it writes the head of an answer
together with what follows, looks at all header values at once, and hears of a client that leaves
without a task that waits for it (docs/explanation/the-road-of-a-token.md).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header value may hold: it would end the header, or hide what follows."""

_BODILESS = frozenset({204, 304})


class Cycle(RequestResponseCycle):
    """A request and its answer. The head of the answer waits for the first piece of its body, since
    every write costs a call of the kernel."""

    _head = b""
    _until_close = False
    _tell: Callable[[], None] | None = None

    async def send(self, message: Mapping[str, Any]) -> None:
        """An ASGI `Send`."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if message["type"] == "http.response.start":
            self.begin(message["status"], message.get("headers", ()))
        else:
            self.push(message.get("body", b""), more=message.get("more_body", False))

    def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Take the head of the answer; header names are in lower case. Raises `RuntimeError` for
        values that HTTP cannot carry, and when there is a head already."""
        if self.response_started:
            raise RuntimeError("an answer has one head")
        if _UNSAFE.search(b"\t".join([value for _, value in headers])):
            raise RuntimeError("a header holds what HTTP cannot carry")
        self.response_started = True
        self.waiting_for_100_continue = False
        head = [STATUS_LINE[status]]
        sized = closes = False
        for name, value in (*self.default_headers, *headers):
            if name == b"content-length":
                self.expected_content_length = int(value)
                sized = True
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
                closes = True
            head += (name, b": ", value, b"\r\n")
        if not (self.keep_alive or closes):
            head.append(b"connection: close\r\n")
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            self.expected_content_length = 0
        elif not sized and self.scope["http_version"] == "1.0":
            self._until_close = True  # RFC 9112 §6.1: such a client knows no chunks
        elif not sized:
            self.chunked_encoding = True
            head.append(b"transfer-encoding: chunked\r\n")
        head.append(b"\r\n")
        self._head = b"".join(head)

    def push(self, body: bytes, *, more: bool = True) -> None:
        """Write a piece of the body, now; nothing, when the client has left. Raises `RuntimeError`
        for a body that is not as long as its head says."""
        if self.disconnected:
            return
        if self.response_complete or not self.response_started:
            raise RuntimeError("a body belongs between the head and the end of an answer")
        head, self._head = self._head, b""
        if self.chunked_encoding:
            size = b"%x\r\n" % len(body) if body else b""
            ends = (b"\r\n" if body else b"") + (b"" if more else b"0\r\n\r\n")
            data = b"".join((head, size, body, ends))
        elif self._until_close:
            data = head + body
        else:
            if self.scope["method"] == "HEAD":
                body = b""
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("the body is not as long as its head says")
            data = head + body
        if data:
            self.transport.write(data)
        if not more:
            self._complete()

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def abort(self) -> None:
        """Drop the connection at once, with whatever the client has not taken."""
        self.transport.abort()

    def when_gone(self, tell: Callable[[], None] | None) -> None:
        """Call `tell` should the client leave before the answer is complete; None: nobody."""
        self._tell = tell
        if tell is not None:
            self.flow.resume_reading()
            if self.disconnected:
                asyncio.get_running_loop().call_soon(self.gone)

    def gone(self) -> None:
        """The connection is lost."""
        if self.response_complete:
            return
        self.disconnected = True
        self.message_event.set()
        if self._tell is not None:
            self._tell()
