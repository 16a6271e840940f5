"""A small web on loopback, in the test's own loop: pages, redirects, and what hostile sites do."""

from __future__ import annotations

import asyncio
import gzip
import queue
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

PATIENCE = 10.0
"""Seconds a wait lasts at most."""

PULSE = 0.02
"""Seconds between two signs of life of a stream."""

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Heard:
    """One request: its method, its target as it stood on the first line, headers by lower-case
    name, body."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; without a type none is sent."""

    body: bytes | str = b""
    status: int = 200
    type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def encoded(self) -> bytes:
        """As it goes over the line."""
        body = self.body.encode() if isinstance(self.body, str) else self.body
        headers = {"content-length": str(len(body)), "connection": "close", **self.headers}
        if self.type:
            headers["content-type"] = self.type
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Word\r\n{lines}\r\n".encode() + body


Act = Callable[[Heard, asyncio.StreamWriter], Awaitable[None]]
"""Answers by hand."""


@dataclass(slots=True)
class Site:
    """One server. `pages` by path; what is not there is 404. `heard` is what was asked for."""

    port: int = 0
    pages: dict[str, Answer | Act] = field(default_factory=dict[str, Answer | Act])
    heard: list[Heard] = field(default_factory=list[Heard])
    _serving: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def asked(self, path: str) -> list[Heard]:
        """The requests for one path."""
        return [heard for heard in self.heard if heard.path == path]

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and hang up."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """Leave all clients."""
        for task in (serving := list(self._serving)):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, EOFError, TimeoutError):
                heard = await _request(reader)
                self.heard.append(heard)
                page = self.pages.get(heard.path, Answer("not here", 404))
                await (_send(writer, page) if isinstance(page, Answer) else page(heard, writer))
        finally:
            writer.close()


@asynccontextmanager
async def site(pages: Mapping[str, Answer | Act] | None = None) -> AsyncGenerator[Site]:
    """A server on a port of the system's choice, gone with the context."""
    found = Site(pages=dict(pages or {}))
    server = await asyncio.start_server(found.accept, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await found.close()


def computed(make: Callable[[Heard], Answer]) -> Act:
    """A page that depends on the request."""

    async def act(heard: Heard, writer: asyncio.StreamWriter) -> None:
        await _send(writer, make(heard))

    return act


def html(body: str, type: str = "text/html; charset=utf-8") -> Answer:
    """A web page."""
    return Answer(body, type=type)


def redirect(location: str, status: int = 302) -> Answer:
    """A redirect."""
    return Answer("moved", status, headers={"location": location})


def packed_zeros(size: int) -> Answer:
    """A small body that unpacks to `size` zeros."""
    return Answer(gzip.compress(b"0" * size), headers={"content-encoding": "gzip"})


async def silent(heard: Heard, writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()


async def endless(heard: Heard, writer: asyncio.StreamWriter) -> None:
    """Answers without an end, as fast as the client reads."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


class Stream:
    """A page that streams events: its own, then comments until the client has `gone`."""

    def __init__(self, *events: bytes) -> None:
        self._events = events
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        """Answers one request."""
        writer.write(STREAM_HEAD)
        self.begun.set()
        try:
            for event in self._events:
                writer.write(b"data: " + event + b"\n\n")
            while True:
                writer.write(b": still here\n\n")
                await writer.drain()
                await asyncio.sleep(PULSE)
        except ConnectionError:
            self.gone.set()


async def broken(heard: Heard, writer: asyncio.StreamWriter) -> None:
    """Hangs up in the middle of an answer."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")
    await writer.drain()


def everywhere(*hosts: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A name service in which all these hosts are this machine; there are no others."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        if host.removesuffix(".") not in hosts:
            raise OSError(f"no such host: {host}")
        return ["127.0.0.1"]

    return resolve


async def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    writer.write(answer.encoded())
    await writer.drain()


async def _request(reader: asyncio.StreamReader) -> Heard:
    async with asyncio.timeout(PATIENCE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): text for name, _, text in (one.partition(": ") for one in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = first.split(" ")
    return Heard(method, target, headers, body)


@contextmanager
def site_beside(pages: Mapping[str, Answer | Act]) -> Generator[Site]:
    """A site in a thread of its own, for tests that are no coroutines."""
    there: queue.SimpleQueue[tuple[Site, asyncio.AbstractEventLoop, asyncio.Event]]
    there = queue.SimpleQueue()

    async def live() -> None:
        done = asyncio.Event()
        async with site(pages) as found:
            there.put((found, asyncio.get_running_loop(), done))
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    found, loop, done = there.get(timeout=PATIENCE)
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(PATIENCE)
