"""A server of bare bytes, in the test's own loop, for what no well-behaved server would do."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel

PATIENCE = 10.0
"""Seconds a wait lasts at most."""
DATA = Path(__file__).parent.parent / "data"
CERTIFICATE = DATA / "certificate.pem"
"""For `model.test`, `localhost` and 127.0.0.1; made for tests alone, so its key lies beside it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its first line, its headers by lower-case name, its body."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True, eq=False)
class Line:
    """One connection that a client made; `number` counts them."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> Request:
        """The next whole request. Raises `EOFError` when the client has left."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): text for name, _, text in (one.partition(": ") for one in lines)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Request(first, headers, body)

    async def send(self, *pieces: bytes) -> None:
        """Write; the client can read each piece before the next leaves."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            for _ in range(3):
                await anyio.lowlevel.checkpoint()

    async def left(self) -> None:
        """Wait until the client has hung up; fails the test when it does not."""
        with anyio.fail_after(PATIENCE):
            try:
                while await self.reader.read(1 << 16):
                    pass
            except ConnectionError:
                return

    def reset(self) -> None:
        """Hang up with RST."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Talk = Callable[[Line], Awaitable[None]]


@dataclass(slots=True)
class Peer:
    """The running server."""

    port: int
    scheme: str = "http"
    host: str = "127.0.0.1"
    lines: list[Line] = field(default_factory=list[Line])

    @property
    def url(self) -> str:
        """Where to post to."""
        return f"{self.scheme}://{self.host}:{self.port}/v1"


@asynccontextmanager
async def peer(talk: Talk, *, tls: bool = False, host: str = "127.0.0.1") -> AsyncGenerator[Peer]:
    """A server that speaks with each connection as `talk` says, then hangs up.

    What `talk` raises fails the test at the end, but for a client that left.
    """
    served: set[asyncio.Task[None]] = set()
    faults: list[Exception] = []
    listener = socket.create_server((host, 0), backlog=512)
    found = Peer(listener.getsockname()[1], "https" if tls else "http", host)

    async def serve(line: Line) -> None:
        try:
            await talk(line)
        except (EOFError, ConnectionError, ssl.SSLError):
            pass
        except Exception as exc:  # noqa: BLE001 - raised below
            faults.append(exc)
        finally:
            line.writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = Line(len(found.lines), reader, writer)
        found.lines.append(line)
        task = asyncio.create_task(serve(line))
        served.add(task)
        task.add_done_callback(served.discard)

    context = server_context() if tls else None
    server = await asyncio.start_server(connected, sock=listener, ssl=context, backlog=512)
    try:
        yield found
    finally:
        server.close()
        for task in list(served):
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)
        for line in found.lines:
            line.writer.transport.abort()
        await anyio.lowlevel.checkpoint()
    if faults:
        raise faults[0]


def server_context() -> ssl.SSLContext:
    """TLS with the test certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, DATA / "certificate-key.pem")
    return context


def answer(body: bytes = b"ok", *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer of known length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def saying(*answers: bytes) -> Talk:
    """A talk that gives one of `answers` to each request of a connection, then hangs up."""

    async def talk(line: Line) -> None:
        for one in answers:
            await line.request()
            await line.send(one)

    return talk


def always(given: bytes) -> Talk:
    """A talk that gives the same answer to every request."""

    async def talk(line: Line) -> None:
        while True:
            await line.request()
            await line.send(given)

    return talk
