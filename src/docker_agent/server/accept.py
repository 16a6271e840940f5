"""Taking connections: all that wait, at every turn of the loop.

libuv, and with it uvloop, takes one connection per turn. A turn that carries many busy streams is
long, so at overload new clients waited seconds behind old ones before anybody looked at them
(docs/explanation/the-event-loop.md).
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Connections taken at one turn, before the others get theirs."""

PAUSE = 1.0
"""Seconds to wait when the process may open no more files."""


class Acceptor:
    """Hands each connection of a listening socket to a protocol of its own."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        self._loop = loop
        self._bound = bound
        self._make_protocol = make_protocol
        self._tasks: set[asyncio.Task[object]] = set()
        self._resume: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Take no more connections; those that were taken are not touched."""
        self._loop.remove_reader(self._bound)
        if self._resume is not None:
            self._resume.cancel()

    def _listen(self) -> None:
        self._loop.add_reader(self._bound, self._take)

    def _take(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:
                log.error("cannot take connections: %s; trying again in %g s", exc, PAUSE)
                self._loop.remove_reader(self._bound)
                self._resume = self._loop.call_later(PAUSE, self._listen)
                return
            self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opening = self._loop.connect_accepted_socket(self._make_protocol, connection)
        task: asyncio.Task[object] = self._loop.create_task(opening)
        self._tasks.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.debug("a connection was gone before it was served: %s", task.exception())
