"""Long work in a thread that leaves the event loop its turn, and ends when nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from docker_agent.tools.filesystem.work import Stop, in_thread

T = TypeVar("T")

WORK = 0.001
REST = 0.0002
"""Seconds of work after which others get the interpreter, and how long they get it at least: a
thread that only computes would make every token of a stream wait for milliseconds."""


class Gentle:
    """The work of one thread."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._until = time.monotonic() + WORK

    def breathe(self) -> None:
        """Call it often. Raises `Stopped` when the work is not wanted any more."""
        self._stop.check()
        if time.monotonic() >= self._until:
            time.sleep(REST)
            self._until = time.monotonic() + WORK

    def is_over(self) -> int:
        """1 when the work is not wanted any more: what SQLite asks while it works."""
        return int(self._stop.is_set())


async def off_loop(work: Callable[[Gentle], T]) -> T:
    """Do long work in a thread; cancellation tells it to end, and leaves it behind."""
    return await in_thread(lambda stop: work(Gentle(stop)), finish=False)
