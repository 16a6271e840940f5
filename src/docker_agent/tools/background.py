"""What the toolsets of a team have started: waited for at the start where it is required, ended all
at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from docker_agent.errors import ConfigError, ToolError
from docker_agent.tools.life import QUICK_PAUSE, REQUIRED_PATIENCE, Held, Life

Made = TypeVar("Made")


class Closing(Protocol):
    """What ends when it is told to."""

    async def close(self) -> None:
        """End, and wait for it."""
        ...


class Starting(Closing, Protocol):
    """What begins when it is told to, and ends so."""

    def start(self) -> None:
        """Begin; waits for nothing."""
        ...


class Background:
    """What the toolsets of one team keep alive, so that all of it ends at once."""

    def __init__(self) -> None:
        self._lives: list[Closing] = []
        self._needed: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._shared: dict[str, asyncio.Task[Any]] = {}

    async def once(self, key: str, make: Callable[[], Coroutine[object, object, Made]]) -> Made:
        """What `make` makes, made once for all toolsets of the team that ask for `key`."""
        if key not in self._shared:
            self._shared[key] = asyncio.create_task(make())
        return await asyncio.shield(self._shared[key])

    def keep(self, life: Life[Held], where: Callable[[str], ConfigError]) -> None:
        """Start a life. When its policy requires it, `settle` waits for it, and `where` makes the
        error of one that fails."""
        life.start()
        self.own(life)
        if not life.policy.required:
            return

        async def needed() -> None:
            try:
                await life.get((life.policy.startup_timeout or REQUIRED_PATIENCE) + QUICK_PAUSE)
            except ToolError as exc:
                raise where(f"is required and could not be started: {exc}") from exc

        self._needed.append(needed)

    def start(self, starting: Starting) -> None:
        """Begin it, and end it when the team ends."""
        self.own(starting)
        starting.start()

    def own(self, closing: Closing) -> None:
        """End this too when the team ends."""
        self._lives.append(closing)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Do something beside, at most as long as the team lives."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait for what is required. Raises `ConfigError` for what could not be started."""
        results = await asyncio.gather(*(need() for need in self._needed), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def close(self) -> None:
        """End everything, at once."""
        for task in (*self._tasks, *self._shared.values()):
            task.cancel()
        await asyncio.gather(
            *(life.close() for life in self._lives), *self._tasks, return_exceptions=True
        )


class Still(Background):
    """For a mere look at a file: what could begin does not."""

    def start(self, starting: Starting) -> None:
        """Leaves it as it is."""
