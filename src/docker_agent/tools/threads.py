"""Functions that block, each in a thread of its own that nobody has to wait for: neither a run that
is over, nor the end of the server."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Found = TypeVar("Found")


class Threads:
    """At most `limit` functions at once; more wait for their turn. One whose caller has gone counts
    until it ends, for it cannot be stopped."""

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)

    async def run(self, function: Callable[[], Found]) -> Found:
        """What the function returns or raises."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Found] = loop.create_future()

        def settle(found: Found | None, fault: BaseException | None) -> None:
            self._slots.release()
            if outcome.cancelled():
                return
            if fault is not None:
                outcome.set_exception(fault)
            else:
                outcome.set_result(found)  # type: ignore[arg-type]

        def work() -> None:
            found, fault = None, None
            try:
                found = function()
            except StopIteration as exc:
                fault = RuntimeError(f"StopIteration: {exc}")
            except BaseException as exc:  # noqa: BLE001 - it is the caller's
                fault = exc
            with suppress(RuntimeError):  # nobody is there any more
                loop.call_soon_threadsafe(settle, found, fault)

        context = contextvars.copy_context()
        # A daemon, since a thread that hangs would keep the whole process from ending.
        threading.Thread(target=context.run, args=(work,), name="tool", daemon=True).start()
        return await outcome
