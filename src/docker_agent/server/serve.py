"""An ASGI application on a socket, with uvicorn: limits, shutdown, and a way to drop a
connection."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import socket
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from docker_agent.errors import RequestError
from docker_agent.server.accept import Acceptor
from docker_agent.server.errors import from_request_error
from docker_agent.server.exchange import ABORT
from docker_agent.server.settings import DEFAULT_SHUTDOWN_TIMEOUT

CONNECTION_IDLE = 75
"""Seconds an idle connection is kept for the client's next request."""

LAST_WORDS = 2.0
"""Seconds requests get, once cut, to say so to their clients and to end what they started."""


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which tells the application how to drop a connection that does not
    drain."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, ABORT: transport.abort}

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered in the one error shape too."""
        body = from_request_error(
            RequestError("invalid_request", msg, code="invalid_http")
        ).encoded()
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it listens."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
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
        return Protocol(config=self.config, server_state=self.server_state, app_state={})


async def serve(
    app: ASGIApp,
    bound: socket.socket,
    *,
    ready: Callable[[], None],
    stopping: Callable[[], None] = lambda: None,
    shutdown_timeout: float = DEFAULT_SHUTDOWN_TIMEOUT,
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
        timeout_keep_alive=CONNECTION_IDLE,
        timeout_graceful_shutdown=math.ceil(shutdown_timeout),
    )
    server = _Server(config, ready, stopping)
    try:
        await server.serve(sockets=[bound])
    finally:
        if tasks := list(server.server_state.tasks):
            if server.force_exit:
                for task in tasks:
                    task.cancel()
            await asyncio.wait(tasks, timeout=LAST_WORDS)
