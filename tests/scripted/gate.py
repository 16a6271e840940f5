"""Meeting points between a test and the scripted server's own thread, without sleeps."""

from __future__ import annotations

import asyncio
import threading

import anyio.to_thread

PATIENCE = 10.0
"""Seconds a wait lasts unless the test says otherwise."""


class Gate:
    """A point in a reply where the server waits until the test opens it.

    Any number of requests may meet at one gate; once open it stays open.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._opened = False
        self._reached = 0
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def open(self) -> None:
        """Let everybody pass who waits here, now and later."""
        with self._changed:
            self._opened = True
            waiting, self._waiting = self._waiting, []
        for loop, passed in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(passed.set)

    def wait_reached(self, timeout: float = PATIENCE, count: int = 1) -> bool:
        """True once `count` requests have come to the gate; fails the test after `timeout`
        seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._reached >= count, timeout):
                raise AssertionError(f"{self._reached} of {count} reached the gate in {timeout} s")
        return True

    async def await_reached(self, count: int = 1) -> bool:
        """`wait_reached` for tests that are coroutines."""
        return await anyio.to_thread.run_sync(
            self.wait_reached, PATIENCE, count, abandon_on_cancel=True
        )

    async def passed(self) -> None:
        """For the server: tell the test that somebody is here, and wait for the opening."""
        passed = asyncio.Event()
        with self._changed:
            self._reached += 1
            self._changed.notify_all()
            if self._opened:
                return
            self._waiting.append((asyncio.get_running_loop(), passed))
        await passed.wait()
