"""A scripted server on a free port, in a thread of its own with its own event loop: blocking tests
and tests that are coroutines use it alike."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol, TypeVar

from tests.scripted.gate import PATIENCE

BACKLOG = 512
"""Connections that may wait to be taken; a full queue costs its clients a second."""

Server = TypeVar("Server")


class Talk(Protocol):
    """One connection."""

    async def talk(self) -> None:
        """Requests and replies until somebody hangs up."""
        ...


Connect = Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter, int], Talk]
"""Makes a connection of a server; they are numbered."""


@contextmanager
def running(
    name: str, make: Callable[[int], Server], connect: Connect[Server]
) -> Generator[Server]:
    """The server that `make` makes for a port, until the block is left."""
    started: list[Server] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with _listening(make, connect) as server:
            started.append(server)
            ready.set()
            await stop.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name=name)
    thread.start()
    try:
        if not ready.wait(PATIENCE):
            raise RuntimeError(f"the scripted server {name} did not start")
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)


@asynccontextmanager
async def _listening(
    make: Callable[[int], Server], connect: Connect[Server]
) -> AsyncGenerator[Server]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    found = make(listener.getsockname()[1])
    numbers = itertools.count()
    talks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(connect(found, reader, writer, next(numbers)).talk())
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    server = await asyncio.start_server(connected, sock=listener, backlog=BACKLOG)
    try:
        yield found
    finally:
        server.close()
        for talk in list(talks):
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
