"""An ASGI application on a socket, with uvicorn: limits, shutdown, and a way to drop a
connection."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import socket
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp

from docker_agent.server.accept import Acceptor
from docker_agent.server.protocol import Protocol
from docker_agent.server.settings import DEFAULT_SHUTDOWN_TIMEOUT, DEFAULT_WAITS, Waits

LAST_WORDS = 2.0
"""Seconds requests get, once cut, to say so to their clients and to end what they started."""


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it listens."""

    def __init__(
        self,
        config: uvicorn.Config,
        waits: Waits,
        ready: Callable[[], None],
        stopping: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._waits = waits
        self._ready = ready
        self._stopping = stopping
        self._acceptors: list[Acceptor] = []

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """The first signal drains, a second one ends at once; neither is raised again afterwards,
        so that a stop the operator asked for ends with status 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self._stopping()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        loop = asyncio.get_running_loop()
        self._acceptors = [Acceptor(loop, bound, self._protocol) for bound in sockets or ()]
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        await super().shutdown(sockets)

    def _protocol(self) -> Protocol:
        return Protocol(self.config, self.server_state, self._waits)


async def serve(
    app: ASGIApp,
    bound: socket.socket,
    *,
    ready: Callable[[], None],
    stopping: Callable[[], None] = lambda: None,
    shutdown_timeout: float = DEFAULT_SHUTDOWN_TIMEOUT,
    waits: Waits = DEFAULT_WAITS,
) -> None:
    """Serve on `bound`, which is closed afterwards, until SIGINT or SIGTERM.

    `ready` is called once it listens, `stopping` at each signal; then running requests get
    `shutdown_timeout` seconds, rounded up to whole ones.
    """
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(shutdown_timeout),
    )
    server = _Server(config, waits, ready, stopping)
    try:
        await server.serve(sockets=[bound])
    finally:
        if tasks := list(server.server_state.tasks):
            if server.force_exit:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks, timeout=LAST_WORDS)
