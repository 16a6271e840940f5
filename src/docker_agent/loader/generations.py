"""Teams that can be reloaded: a new one takes over, an old one closes when its last run has
ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from docker_agent.runtime.agent import Team

OpenTeam = Callable[[], AbstractAsyncContextManager[Team]]


class _Generation:
    """One team, opened and closed by the one task that owns it."""

    def __init__(self, open_team: OpenTeam) -> None:
        self._open_team = open_team
        self._leases = 0
        self._retiring = False
        self._retired = asyncio.Event()
        self._opened: asyncio.Future[Team] = asyncio.get_running_loop().create_future()
        self.owner = asyncio.create_task(self._live())

    async def opened(self) -> Team:
        """The team once it is ready; raises what opening it raised."""
        return await asyncio.shield(self._opened)

    @property
    def team(self) -> Team:
        """The opened team."""
        return self._opened.result()

    def retire(self) -> None:
        """Close as soon as nobody runs on it."""
        self._retiring = True
        if not self._leases:
            self._retired.set()

    async def __aenter__(self) -> Team:
        self._leases += 1
        return self.team

    async def __aexit__(self, *exc: object) -> None:
        self._leases -= 1
        if self._retiring and not self._leases:
            self._retired.set()

    async def _live(self) -> None:
        try:
            async with self._open_team() as team:
                self._opened.set_result(team)
                await self._retired.wait()
        except BaseException as exc:
            if self._opened.done():
                raise
            if isinstance(exc, Exception):
                self._opened.set_exception(exc)
                return
            self._opened.cancel()
            raise


class Generations:
    """`Teams` that come from a source which may change."""

    def __init__(self, open_team: OpenTeam) -> None:
        self._open_team = open_team
        self._current: _Generation | None = None
        self._owners: set[asyncio.Task[None]] = set()

    async def reload(self) -> Team:
        """Open the source anew and let it take over. Raises what opening raised; the old one
        stays then."""
        generation = _Generation(self._open_team)
        self._owners.add(generation.owner)
        generation.owner.add_done_callback(self._owners.discard)
        team = await generation.opened()
        old, self._current = self._current, generation
        if old is not None:
            old.retire()
        return team

    def current(self) -> AbstractAsyncContextManager[Team]:
        """A lease on the newest team."""
        return self._now()

    def peek(self) -> Team:
        """The newest team."""
        return self._now().team

    def unready(self) -> Mapping[str, str]:
        """Toolsets of the newest team that are not ready."""
        found = [agent.toolbox.unready() for agent in self.peek().agents.values()]
        return {name: reason for part in found for name, reason in part.items()}

    async def close(self) -> None:
        """Close all teams and wait until they are."""
        if self._current is not None:
            self._current.retire()
        await asyncio.gather(*self._owners)

    def _now(self) -> _Generation:
        if self._current is None:
            raise RuntimeError("no team has been opened")
        return self._current


@asynccontextmanager
async def open_generations(open_team: OpenTeam) -> AsyncGenerator[Generations]:
    """Teams from `open_team`, the first of them open."""
    generations = Generations(open_team)
    try:
        await generations.reload()
        yield generations
    finally:
        await generations.close()
